# SPDX-License-Identifier: MIT
"""Which commands a server admits now, beside what the table says.

Decides by policy (TLS or authentication required), by what is offered, by the extensions' checks
and by the counters. Neither reads nor replies.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, shown
from ..extensions import KNOWN
from ..extensions.declaration import Extension
from ..framing import ReceivedPolicy
from ..grammar.auth import Auth, EndOfMailData
from ..grammar.commands import (
    BASE_VERBS,
    Command,
    Ehlo,
    Expn,
    Helo,
    Help,
    Lhlo,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTLS,
    Vrfy,
)
from ..grammar.leniency import Leniency
from ..kinds import FLAG, Kind, check_kinds, one_of
from ..limits import Limits
from ..states import State
from ..tlsinfo import TLSInfo
from .arrangement import Arrangement, Side, in_order
from .refusals import (
    AUTH_REQUIRED,
    CHUNK_FAILED,
    INPUT_BEHIND_REVERSAL,
    INPUT_BEHIND_STARTTLS,
    LINE_TOO_LONG,
    TLS_REQUIRED,
    TOO_MANY_AUTH_FAILURES,
    TOO_MANY_COMMANDS,
    error_of,
)
from .session import COMMAND_LINE, NOTES, RESET, Session

HELLOS = (Ehlo, Helo, Lhlo)
# What moves nothing: limits.idle_commands counts it from one RCPT to the next.
_IDLE: frozenset[type[Command]] = frozenset((Noop, Rset, Vrfy, Expn, Help, *HELLOS))
# Where it is not what the table has a row for.
_EXPECTED: Mapping[State, str] = {State.REFUSED: "QUIT", State.BDAT_FAILED: "RSET"}
# RFC 3207 4, RFC 4954 6: what is answered before TLS, or authentication, that is required.
_BEFORE_TLS: frozenset[type[Command]] = frozenset((Noop, Ehlo, Lhlo, StartTLS, Quit))
_BEFORE_AUTH: frozenset[type[Command]] = frozenset((Noop, Rset, *HELLOS, StartTLS, Auth, Quit))


class ServerArrangement(Arrangement):
    """What a server was told when the first of its connections was made.

    Args:
        hostname: as for `ServerConnection`, like the others.
        extensions: what to offer.
        limits: the caps.
        leniency: where to take more than the grammar allows.
        lmtp: True in LMTP mode.
        require_tls: 530 in the clear.
        require_auth: 530 before authentication.
        disabled: verbs answered 502.
        received: what becomes of bare CR, bare LF and NUL in mail data.

    Raises:
        InvalidValueError: as `Arrangement`, or a hostname that the default replies cannot hold.
        LocalProtocolError: as `in_order`, or `disabled` has what cannot be.
    """

    __slots__ = (
        "asked",
        "enhanced",
        "has_policy",
        "hostname",
        "is_proved",
        "line",
        "longest",
        "lost_at",
        "offered",
        "received",
        "require_auth",
        "require_tls",
    )

    def __init__(
        self,
        hostname: str,
        extensions: tuple[Extension, ...],
        limits: Limits,
        leniency: Leniency,
        lmtp: bool,
        require_tls: bool,
        require_auth: bool,
        disabled: frozenset[str],
        received: ReceivedPolicy,
    ) -> None:
        check_kinds(
            _KINDS,
            {
                "hostname": hostname,
                "require_tls": require_tls,
                "require_auth": require_auth,
                "received": received,
            },
        )
        extensions = in_order(extensions)
        refused = _refused(extensions, disabled)
        super().__init__(_SIDE, extensions, limits, leniency, lmtp, refused)
        told = (extension.mail_data_limit for extension in extensions)
        self.mail_data_limit = next((n for n in told if n is not None), limits.mail_data)
        self.hostname = hostname
        self.require_tls = require_tls
        self.require_auth = require_auth
        self.received = received
        self.is_proved = False
        """Whether a connection has seen that all announce what can be announced."""
        self.has_policy = require_tls or require_auth or limits.commands is not None
        """Whether more than the table and the extensions decides what is admitted."""
        self.offered = tuple(extension for extension in extensions if extension.in_lmtp or not lmtp)
        """What may be offered at all."""
        self.asked = tuple(
            (place, extension)
            for place, extension in enumerate(self.offered)
            if not _is_constant(extension)
        )
        """Those that announce more than their keyword, or not always, each with its place."""
        self.enhanced = any(extension.enhanced_status for extension in extensions)
        mail = sum(p.length for extension in extensions for p in extension.mail_parameters)
        rcpt = sum(p.length for extension in extensions for p in extension.rcpt_parameters)
        command_line = max(limits.command_line, COMMAND_LINE + max(mail, rcpt))
        self.longest = command_line - 2
        """Octets of a command line without its CRLF (RFC 5321 2.2.2, 4.5.3.1.4)."""
        self.line = max(command_line, limits.auth_line)
        """Octets of any line with its CRLF."""
        most = sys.maxsize if self.mail_data_limit is None else self.mail_data_limit
        self.lost_at = most + limits.discarded_mail_data
        """Octets of mail data beyond which the rest of a message is not even passed over."""


def _is_constant(extension: Extension) -> bool:
    """Tell whether it announces its keyword alone, whatever the session."""
    return (
        type(extension).announcement is Extension.announcement
        and type(extension).parameters_text is Extension.parameters_text
        and extension.in_clear
        and extension.in_tls
        and extension.after_authentication
    )


def _is_shown(hostname: object) -> bool:
    """Tell whether default replies can hold it."""
    return (
        isinstance(hostname, str)
        and hostname.isascii()
        and hostname.isprintable()
        and hostname != ""
        and " " not in hostname
    )


# RFC 5321 4.1.1.1: ehlo-param
_ANNOUNCEMENT: Kind = (
    "an announcement() of printable ASCII, or of None for no offer,",
    lambda got: got is None or (isinstance(got, str) and got.isascii() and got.isprintable()),
)
_KINDS: Mapping[str, Kind] = {
    "hostname": ("a domain or an address literal", _is_shown),
    "require_tls": FLAG,
    "require_auth": FLAG,
    "received": one_of(ReceivedPolicy),
}


def _refused(
    extensions: tuple[Extension, ...], disabled: frozenset[str]
) -> frozenset[type[Command]]:
    """Return the commands that are known, and never in force.

    Those answered 502 instead of 500, and octets that they announce are still read.
    """
    switched_off = {verb.upper() if isinstance(verb, str) else verb for verb in disabled}
    unknown = switched_off - {verb.verb for verb in BASE_VERBS}
    if unknown:
        raise LocalProtocolError(
            "disabled: a list of verbs of RFC 5321 expected, "
            f"not {shown(' '.join(sorted(map(str, unknown))))}",
            Violation.LOCAL_VALUE,
        )
    verbs = {verb.verb for extension in extensions for verb in extension.verbs}
    refused = {v for extension in KNOWN for v in extension.verbs if v.verb not in verbs}
    refused.update(verb for verb in BASE_VERBS if verb.verb in switched_off)
    return frozenset(refused)


class Admission(Session):
    """What the server's side adds to a session before a command counts as received."""

    __slots__ = (
        "_commands",
        "_failed_auth",
        "_has_policy",
        "_idle",
        "_longest",
        "_turns",
    )

    _arrangement: ServerArrangement

    def __init__(self, arrangement: ServerArrangement, tls: TLSInfo | None) -> None:
        super().__init__(arrangement, tls)
        self._has_policy = arrangement.has_policy
        self._longest = arrangement.longest
        # What follows is not for this connection, if the command that is due succeeds.
        self._turns = False
        self._idle = self._commands = self._failed_auth = 0

    def offers(self) -> dict[str, str]:
        """Return what may be offered now: keyword to EHLO parameters.

        Raises:
            InvalidValueError: an extension announces what is no text for the reply to EHLO.
        """
        return offers(self._arrangement.offered, self._announcements())

    def _announcements(self) -> tuple[str | None, ...]:
        """Return what each extension that may be offered announces now, None for no offer."""
        arrangement = self._arrangement
        texts: list[str | None] = [""] * len(arrangement.offered)
        for place, extension in arrangement.asked:
            texts[place] = extension.announcement(self)
        return tuple(texts)

    def _is_offered(self, extension: Extension) -> bool:
        return extension.announcement(self) is not None

    def usable_verbs(self) -> list[str]:
        """Return the verbs that are not switched off and, if an extension's, in force."""
        withheld = self._facilities.not_in_force
        return sorted(name for name, verb in self._vocabulary.names.items() if verb not in withheld)

    def _apply_policy(self, kind: type[Command]) -> None:
        """Hold `kind` against what stands before the table.

        Raises:
            InvalidValueError: with 530, or with 421 after too many commands.
        """
        self._commands += 1
        if exceeds(self._commands, self._limits.commands):
            raise error_of(TOO_MANY_COMMANDS)
        if self.state is State.REFUSED:  # 503 to all but QUIT (RFC 5321 3.1)
            return
        if self._arrangement.require_tls and self.tls is None:
            if kind not in _BEFORE_TLS:
                raise error_of(TLS_REQUIRED)
        elif (
            self._arrangement.require_auth
            and not self.is_authenticated
            and kind not in _BEFORE_AUTH
        ):
            if self._facilities.notes.get(kind) is RESET:  # it may say who was authenticated
                return
            raise error_of(AUTH_REQUIRED)

    def _inadmissible(self, kind: type[Command]) -> InvalidValueError:
        """Make the error for a command that is not offered, or out of order."""
        if kind in self._arrangement.refused:
            return InvalidValueError(
                f"{kind.verb} is not implemented", Violation.NOT_OFFERED, 502, "5.5.1"
            )
        if self.state is State.BDAT_FAILED and kind.carries_mail_data:
            return error_of(CHUNK_FAILED)
        expected = _EXPECTED.get(self.state, "")
        had_no_list = isinstance(self.hello, Helo) and kind in self._facilities.not_in_force
        if self.state is State.GREETED or had_no_list:
            expected = "LHLO" if self.lmtp else "EHLO"
        elif not expected:
            useful = set(self._row) - _IDLE - {Quit, EndOfMailData}
            expected = " or ".join(sorted({command.verb for command in useful}))
        return InvalidValueError(
            f"{expected} expected, not {kind.verb}", Violation.BAD_SEQUENCE, 503, "5.5.1"
        )

    def _admit_long_line(self, line: bytes) -> None:
        """Refuse a line over the limit, unless its verb may have a longer one (RFC 4954 4).

        Raises:
            InvalidValueError: with 500.
        """
        kind = self._vocabulary.verbs.get(line.partition(b" ")[0].upper())
        if kind is None or not kind.long_line:
            raise error_of(LINE_TOO_LONG)


def offers(extensions: tuple[Extension, ...], texts: tuple[str | None, ...]) -> dict[str, str]:
    """Return the offers out of `texts`, None for no offer, that have all that they require.

    Raises:
        InvalidValueError: one is no such text.
    """
    for extension, text in zip(extensions, texts, strict=True):
        check_kinds({extension.keyword: _ANNOUNCEMENT}, {extension.keyword: text})
    wanted = {
        extension.keyword: text
        for extension, text in zip(extensions, texts, strict=True)
        if text is not None
    }
    return {
        extension.keyword: wanted[extension.keyword]
        for extension in extensions
        if extension.keyword in wanted and all(needed in wanted for needed in extension.requires)
    }


def exceeds(count: int, most: int | None) -> bool:
    """Tell whether `count` is above a cap; None is no cap."""
    return most is not None and count > most


def _at_rcpt(_command: Command, session: Admission) -> None:
    session._idle = 0
    transaction = session.transaction
    most = session._limits.recipients
    if most is not None and transaction is not None and len(transaction.recipients) >= most:
        raise InvalidValueError(
            f"at most {most} recipients in a transaction",
            Violation.TOO_MANY_RECIPIENTS,
            452,
            "4.5.3",
        )


def _at_starttls(_command: Command, session: Admission) -> None:
    if len(session._buffer):
        raise error_of(INPUT_BEHIND_STARTTLS)
    session._turns = True


def _at_reversal(_command: Command, session: Admission) -> None:
    if len(session._buffer):
        raise error_of(INPUT_BEHIND_REVERSAL)
    session._turns = True


def _at_auth(_command: Command, session: Admission) -> None:
    if exceeds(session._failed_auth + 1, session._limits.auth_attempts):
        raise error_of(TOO_MANY_AUTH_FAILURES)


def _at_idle(_command: Command, session: Admission) -> None:
    session._idle += 1
    if exceeds(session._idle, session._limits.idle_commands):
        raise error_of(TOO_MANY_COMMANDS)


_SIDE = Side(
    conditions=(
        (Rcpt, _at_rcpt),
        (Auth, _at_auth),
        *((command, _at_idle) for command in _IDLE),
    ),
    conditions_of_states=(
        (State.TLS, _at_starttls),
        (State.REVERSED, _at_reversal),
    ),
    notes=NOTES,
    reset=RESET,
)
