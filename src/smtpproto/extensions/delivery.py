# SPDX-License-Identifier: MIT
"""When and how to deliver: DELIVERBY, FUTURERELEASE, MT-PRIORITY, RRVS, REQUIRETLS.

Decides the values, and what contradicts the server's announcement or another parameter. Knows no
clock: a HOLDUNTIL is not held against a BY, which counts from the moment MAIL is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from ..exceptions import InvalidValueError, Violation, shown
from ..grammar.commands import Command, Mail
from ..grammar.parameters import Parameter, typed_value
from ..grammar.timestamps import encode_timestamp, parse_timestamp
from ..kinds import Kind, check_kinds
from ..values import value
from .declaration import Extension, SessionFacts

MAXIMUM = 999_999_999
"""Seconds: the most that nine digits say (RFC 2852 4, RFC 4865 3)."""
_BY = re.compile(r"([+-]?[0-9]{1,9});([NRnr])([Tt]?)", re.ASCII)
_MINIMUM = re.compile(r"([0-9]{1,9})(?:,.*)?", re.ASCII)
_INTERVAL = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_PRIORITY = re.compile(r"0|-?[1-9]", re.ASCII)
_PROFILE = re.compile(r"[A-Za-z0-9._-]{1,20}", re.ASCII)
_TIME: Kind = ("a datetime", lambda got: isinstance(got, datetime))
_KINDS: Mapping[str, Kind] = {
    "DeliverBy": (
        "a number of seconds",
        lambda got: got is None or (type(got) is int and 0 <= got <= MAXIMUM),
    ),
    "FutureRelease": ("a number of seconds", lambda got: type(got) is int),
    "FutureRelease: until": _TIME,
    "MtPriority": (
        "a name of 1 to 20 letters, digits, -, _ and .",
        lambda got: isinstance(got, str) and (got == "" or _PROFILE.fullmatch(got) is not None),
    ),
    "ValidSince": _TIME,
}


def _bad(expected: str, got: object, code: int = 501, enhanced: str = "5.5.4") -> InvalidValueError:
    return InvalidValueError(
        f"{expected} expected, not {shown(str(got))}", Violation.PARAMETER_SYNTAX, code, enhanced
    )


# --- DELIVERBY -----------------------------------------------------------------------------------


@value
class Deadline:
    """How soon a message is to be delivered, and what happens if it is not: the value of BY.

    Raises:
        InvalidValueError: more than nine digits, another mode, or a mode of "R" without a second
            left (RFC 2852 4).
    """

    seconds: int
    """From the moment MAIL is sent; may be negative with the mode "N"."""
    mode: Literal["N", "R"] = "N"
    """"N" to notify the sender and go on, "R" to return the message."""
    trace: bool = False
    """Report each relaying, too."""

    def __post_init__(self) -> None:
        if type(self.seconds) is not int or abs(self.seconds) > MAXIMUM:
            raise _bad(f"at most {MAXIMUM} seconds", self.seconds)
        if self.mode not in ("N", "R"):
            raise _bad("a mode of N or R", self.mode)
        if self.mode == "R" and self.seconds <= 0:
            raise _bad("more than 0 seconds with the mode R", self.seconds)


def parse_deadline(text: str) -> Deadline:
    """Parse the value of BY, such as ``120;R`` or ``-5;NT``.

    Raises:
        InvalidValueError: anything else.
    """
    found = _BY.fullmatch(text)
    if not found:
        raise _bad("seconds;N or seconds;R, and T for a trace,", text)
    return Deadline(int(found[1]), "N" if found[2] in "Nn" else "R", bool(found[3]))


def encode_deadline(deadline: Deadline) -> str:
    """Return the value of BY."""
    return f"{deadline.seconds};{deadline.mode}{'T' if deadline.trace else ''}"


BY = Parameter("BY", parse_deadline, encode_deadline, length=17, needs_value=True)


class DeliverBy(Extension):
    """DELIVERBY: a message is delivered in time, or its sender hears of it (RFC 2852).

    Args:
        minimum: the fewest seconds a server accepts with the mode "R"; None to tell nothing.
    """

    keyword = "DELIVERBY"
    mail_parameters = (BY,)
    checks = (Mail,)

    def __init__(self, minimum: int | None = None) -> None:
        check_kinds(_KINDS, {"DeliverBy": minimum})
        self.minimum = minimum

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return the minimum; "" for none."""
        return "" if self.minimum is None else str(self.minimum)

    def parse_announcement(self, texts: tuple[str, ...]) -> int | None:
        """Return the minimum; None where there is none."""
        found = _MINIMUM.fullmatch(texts[-1])
        return int(found[1]) if found else None

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse a return before the announced minimum (RFC 2852 3).

        Raises:
            InvalidValueError: with 555.
        """
        assert isinstance(command, Mail)
        deadline = typed_value(command.parameters, BY)
        minimum = facts.announced["DELIVERBY"]
        if deadline and minimum and deadline.mode == "R" and deadline.seconds < minimum:
            raise _bad(f"BY=seconds;R of at least {minimum} seconds", deadline.seconds, 555)


# --- FUTURERELEASE -------------------------------------------------------------------------------


@value
class HoldLimits:
    """The announced limits of FUTURERELEASE (RFC 4865 3)."""

    interval: int
    """The most seconds in HOLDFOR."""
    until: datetime
    """The latest time in HOLDUNTIL."""


def parse_interval(text: str) -> int:
    """Parse the value of HOLDFOR: 1 to 999999999 seconds without leading zeros.

    Raises:
        InvalidValueError: anything else.
    """
    if not _INTERVAL.fullmatch(text):
        raise _bad(f"1 to {MAXIMUM} seconds", text)
    return int(text)


def parse_release(text: str) -> datetime:
    """Parse the value of HOLDUNTIL: a time in UTC.

    Raises:
        InvalidValueError: anything else, another zone too.
    """
    return parse_timestamp(text, utc=True)


def encode_release(time: datetime) -> str:
    """Return the value of HOLDUNTIL.

    Raises:
        InvalidValueError: a time without a zone.
    """
    return encode_timestamp(time if time.utcoffset() is None else time.astimezone(UTC))


HOLDFOR = Parameter("HOLDFOR", parse_interval, str, length=0, needs_value=True)
# One of the two is sent: the longer counts for both (RFC 4865 3).
HOLDUNTIL = Parameter("HOLDUNTIL", parse_release, encode_release, length=34, needs_value=True)


class FutureRelease(Extension):
    """FUTURERELEASE: hold a message after its submission (RFC 4865).

    Args:
        interval: the most seconds a server holds a message.
        until: the latest time it holds one until, with its zone.
    """

    keyword = "FUTURERELEASE"
    mail_parameters = (HOLDFOR, HOLDUNTIL)
    checks = (Mail,)

    def __init__(
        self,
        interval: int = MAXIMUM,
        until: datetime = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ) -> None:
        check_kinds(_KINDS, {"FutureRelease": interval, "FutureRelease: until": until})
        self._text = f"{parse_interval(str(interval))} {encode_release(until)}"

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return both limits."""
        return self._text

    def parse_announcement(self, texts: tuple[str, ...]) -> HoldLimits | None:
        """Return the limits; None where they cannot be read."""
        interval, _, until = texts[-1].partition(" ")
        try:
            return HoldLimits(parse_interval(interval), parse_timestamp(until.strip(" \t")))
        except InvalidValueError:
            return None

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse two times of release, one beyond the limits, and one behind the deadline of BY.

        Raises:
            InvalidValueError: with 501 5.5.4 (RFC 4865 4.2, 5.2.2).
        """
        assert isinstance(command, Mail)
        interval = typed_value(command.parameters, HOLDFOR)
        until = typed_value(command.parameters, HOLDUNTIL)
        limits = facts.announced["FUTURERELEASE"]
        if interval is not None and until is not None:
            raise _bad("HOLDFOR or HOLDUNTIL", "both")
        if limits is not None and interval is not None and interval > limits.interval:
            raise _bad(f"HOLDFOR of at most {limits.interval} seconds", interval)
        if limits is not None and until is not None and until > limits.until:
            raise _bad(f"HOLDUNTIL of at most {encode_timestamp(limits.until)}", until)
        if interval is not None and "DELIVERBY" in facts.announced:
            deadline = typed_value(command.parameters, BY)
            if deadline is not None and interval > deadline.seconds:
                raise _bad(f"HOLDFOR of at most the {deadline.seconds} seconds of BY", interval)


# --- MT-PRIORITY, RRVS, REQUIRETLS ---------------------------------------------------------------


def parse_priority(text: str) -> int:
    """Parse the value of MT-PRIORITY: -9 to 9, written in one way only.

    Raises:
        InvalidValueError: with 501 5.5.2 (RFC 6710 4.1).
    """
    if not _PRIORITY.fullmatch(text):
        raise _bad("a priority of -9 to 9", text, 501, "5.5.2")
    return int(text)


class MtPriority(Extension):
    """MT-PRIORITY: some messages go before others (RFC 6710).

    Args:
        profile: the name of the server's policy; "" to tell nothing.
    """

    keyword = "MT-PRIORITY"
    mail_parameters = (Parameter("MT-PRIORITY", parse_priority, str, length=15, needs_value=True),)

    def __init__(self, profile: str = "") -> None:
        check_kinds(_KINDS, {"MtPriority": profile})
        self.profile = profile

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return the name of the policy."""
        return self.profile

    def parse_announcement(self, texts: tuple[str, ...]) -> str:
        """Return the name of the policy; "" where there is none."""
        return texts[-1] if _PROFILE.fullmatch(texts[-1]) else ""


@value
class ValidSince:
    """Since when the recipient must have had the mailbox: the value of RRVS (RFC 7293 3.1).

    Raises:
        InvalidValueError: a time without a zone or with a fraction, or another action.
    """

    time: datetime
    """With its zone."""
    action: Literal["R", "C"] | None = None
    """What a relay does where the next server lacks RRVS: "R" to reject, "C" to go on; None where
    it was not said, which means "R". To be relayed as it was received (RFC 7293 5.1.1)."""

    def __post_init__(self) -> None:
        check_kinds(_KINDS, {"ValidSince": self.time})
        if self.time.utcoffset() is None or self.time.microsecond:
            raise _bad("a time in whole seconds with its zone", self.time)
        if self.action not in ("R", "C", None):
            raise _bad("an action of R or C", self.action)


def parse_valid_since(text: str) -> ValidSince:
    """Parse the value of RRVS, such as ``2014-04-03T23:01:00Z;C``.

    Raises:
        InvalidValueError: anything else.
    """
    time, semicolon, action = text.partition(";")
    since = parse_timestamp(time, fraction=False)
    if not semicolon:
        return ValidSince(since)
    if action not in ("R", "r", "C", "c"):
        raise _bad("an action of R or C", action)
    return ValidSince(since, "R" if action in "Rr" else "C")


def encode_valid_since(since: ValidSince) -> str:
    """Return the value of RRVS."""
    time = encode_timestamp(since.time)
    return f"{time};{since.action}" if since.action else time


class Rrvs(Extension):
    """RRVS: deliver only if the mailbox has not changed hands (RFC 7293)."""

    keyword = "RRVS"
    rcpt_parameters = (
        Parameter("RRVS", parse_valid_since, encode_valid_since, length=33, needs_value=True),
    )


class RequireTLS(Extension):
    """REQUIRETLS: never let the message travel in the clear (RFC 8689).

    That the server is the right one, by its certificate and its MX record, is the application's to
    see (RFC 8689 4.2.1).
    """

    keyword = "REQUIRETLS"
    in_clear = False
    mail_parameters = (Parameter("REQUIRETLS", length=11),)
    checks = (Mail,)

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse the parameter without TLS, though it was announced there (RFC 8689 2).

        Raises:
            InvalidValueError: with 530 5.7.10.
        """
        assert isinstance(command, Mail)
        if facts.tls is None and "REQUIRETLS" in command.parameters:
            raise InvalidValueError(
                "TLS expected before MAIL with REQUIRETLS", Violation.TLS_REQUIRED, 530, "5.7.10"
            )
