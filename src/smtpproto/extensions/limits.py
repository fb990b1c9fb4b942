# SPDX-License-Identifier: MIT
"""LIMITS: what a server allows in a session, told beforehand (RFC 9422).

Decides what of an announcement is taken, and counts: MAIL and RCPT whatever is replied to them
(RFC 9422 3.3), and the domains in RCPT.
"""

from __future__ import annotations

import re
from typing import Any

from ..exceptions import InvalidValueError, Violation
from ..grammar.commands import Command, Mail, Rcpt
from ..kinds import Kind, check_kinds
from ..values import value
from .declaration import Extension, SessionFacts

_PARAMETER = re.compile(r"([A-Za-z0-9_-]++)(?:=([!-:<-~]++))?", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


@value
class AnnouncedLimits:
    """The limits of a server; None for one it did not tell (RFC 9422 4)."""

    mail_max: int | None = None
    """MAIL commands of a session, refused ones included."""
    rcpt_max: int | None = None
    """RCPT commands of a transaction, refused ones included."""
    rcpt_domain_max: int | None = None
    """Different domains in the RCPT commands of a session."""


class _Counts:
    """What a session has had."""

    __slots__ = ("domains", "mails", "rcpts")

    def __init__(self) -> None:
        self.mails = 0
        self.rcpts = 0
        """Since the last MAIL."""
        self.domains: set[str] = set()


_MOST: Kind = (
    "1 to 999999",
    lambda got: got is None or (type(got) is int and 0 < got < 10**6),
)
_FIELDS = {"MAILMAX": "mail_max", "RCPTMAX": "rcpt_max", "RCPTDOMAINMAX": "rcpt_domain_max"}


class ServerLimits(Extension):
    """LIMITS: how many transactions, recipients and domains a server takes (RFC 9422).

    Args:
        mail_max: MAIL commands in a session, 1 to 999999; None to tell nothing.
        rcpt_max: RCPT commands in a transaction.
        rcpt_domain_max: domains of recipients in a session.
    """

    keyword = "LIMITS"
    checks = counts = (Mail, Rcpt)

    def __init__(
        self,
        mail_max: int | None = None,
        rcpt_max: int | None = None,
        rcpt_domain_max: int | None = None,
    ) -> None:
        self.limits = AnnouncedLimits(mail_max, rcpt_max, rcpt_domain_max)
        told = {name: getattr(self.limits, field) for name, field in _FIELDS.items()}
        check_kinds(dict.fromkeys(told, _MOST), told)
        self._text = " ".join(f"{name}={most}" for name, most in told.items() if most is not None)

    def announcement(self, facts: SessionFacts) -> str | None:
        """Return the limits; None where there are none, since one is needed (RFC 9422 3)."""
        return self._text or None

    def parse_announcement(self, texts: tuple[str, ...]) -> AnnouncedLimits:
        """Return the limits, without what cannot be read.

        An error in the syntax of the whole is an announcement of no limits, one in a limit leaves
        that limit out (RFC 9422 3.7).
        """
        limits: dict[str, int] = {}
        for word in texts[-1].split(" "):
            found = _PARAMETER.fullmatch(word)
            if not found:
                return AnnouncedLimits()
            field = _FIELDS.get(found[1].upper())
            if field and _NUMBER.fullmatch(found[2] or ""):
                limits[field] = int(found[2])
        return AnnouncedLimits(**limits)

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse what is beyond a limit.

        Raises:
            InvalidValueError: with 452, and for a recipient 4.5.3 (RFC 5321 4.5.3.1.10).
        """
        left = limits_left(facts)
        if isinstance(command, Mail):
            if left.mail_max == 0:
                raise _beyond("a MAIL command in a session", Violation.TOO_MANY_COMMANDS, "4.7.0")
        elif left.rcpt_max == 0:
            raise _beyond("a RCPT command in a transaction", Violation.TOO_MANY_RECIPIENTS, "4.5.3")
        elif left.rcpt_domain_max == 0 and _is_new(rcpt_domain(command), facts):
            raise _beyond("a domain in a session", Violation.TOO_MANY_RECIPIENTS, "4.5.3")

    def count(self, command: Command, facts: SessionFacts) -> None:
        """Count a MAIL, a RCPT and its domain."""
        counts = facts.memory.setdefault("LIMITS", _Counts())
        if isinstance(command, Mail):
            counts.mails += 1
            counts.rcpts = 0
        else:
            counts.rcpts += 1
            if facts.announced["LIMITS"].rcpt_domain_max is not None:
                counts.domains |= {rcpt_domain(command)} - {""}


def limits_left(facts: SessionFacts) -> AnnouncedLimits:
    """Return how much more the server takes.

    Args:
        facts: a connection, of either role.

    Returns:
        MAIL commands in this session, RCPT commands in this transaction, and domains that RCPT has
        not had yet; None for what is not limited.
    """
    told = facts.announced.get("LIMITS", _NO_LIMITS)
    counts = _counts(facts)
    rcpts = counts.rcpts if facts.transaction is not None else 0
    return AnnouncedLimits(
        _less(told.mail_max, counts.mails),
        _less(told.rcpt_max, rcpts),
        _less(told.rcpt_domain_max, len(counts.domains)),
    )


def domains_had(facts: SessionFacts) -> frozenset[str]:
    """Return the domains that RCPT has had in this session, in lower case.

    Args:
        facts: a connection, of either role.
    """
    return frozenset(_counts(facts).domains)


def _counts(facts: SessionFacts) -> Any:
    return facts.memory.get("LIMITS") or _NOTHING_YET


def _less(most: int | None, had: int) -> int | None:
    return None if most is None else max(0, most - had)


def rcpt_domain(command: Command) -> str:
    """Return the domain of a recipient as it counts; "" for postmaster without one."""
    assert isinstance(command, Rcpt)
    _, at, domain = command.forward_path.address.rpartition("@")
    return domain.lower() if at else ""


def _is_new(domain: str, facts: SessionFacts) -> bool:
    return bool(domain) and domain not in _counts(facts).domains


def _beyond(what: str, violation: Violation, enhanced: str) -> InvalidValueError:
    return InvalidValueError(f"{what} beyond the limit told by LIMITS", violation, 452, enhanced)


_NO_LIMITS = AnnouncedLimits()
_NOTHING_YET = _Counts()
