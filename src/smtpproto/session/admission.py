# SPDX-License-Identifier: MIT
"""Which commands a server admits now, beside what the table says.

Decides by policy (TLS or authentication required), by what is offered, by the extensions' checks
and by the counters. Neither reads nor replies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, shown
from ..extensions import KNOWN
from ..extensions.declaration import Extension
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
from ..limits import Limits
from ..states import State
from ..tlsinfo import TLSInfo
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
from .session import Session, command_line_limit, in_order, remembered
from .table import Step

HELLOS = (Ehlo, Helo, Lhlo)
# What moves nothing: limits.idle_commands counts it from one RCPT to the next.
_IDLE: frozenset[type[Command]] = frozenset((Noop, Rset, Vrfy, Expn, Help, *HELLOS))
# Where it is not what the table has a row for.
_EXPECTED: Mapping[State, str] = {State.REFUSED: "QUIT", State.BDAT_FAILED: "RSET"}
# RFC 3207 4, RFC 4954 6: what is answered before TLS, or authentication, that is required.
_BEFORE_TLS: frozenset[type[Command]] = frozenset((Noop, Ehlo, Lhlo, StartTLS, Quit))
_BEFORE_AUTH: frozenset[type[Command]] = frozenset((Noop, Rset, *HELLOS, StartTLS, Auth, Quit))


@lru_cache(maxsize=64)
def _arranged(
    extensions: tuple[Extension, ...], disabled: frozenset[str], limits: Limits
) -> tuple[tuple[Extension, ...], frozenset[type[Command]], int]:
    """Work out what all sessions of a server have in common.

    Returns:
        The extensions in order, the verbs that are refused, and the limit of command lines.

    Raises:
        LocalProtocolError: as `in_order`, or `disabled` has what cannot be.
    """
    offered = in_order(extensions)
    switched_off = {verb.upper() for verb in disabled}
    # Known, and never offered here: 502 instead of 500, and announced octets are still read.
    verbs = {verb.verb for extension in offered for verb in extension.verbs}
    refused = {v for extension in KNOWN for v in extension.verbs if v.verb not in verbs}
    refused.update(verb for verb in BASE_VERBS if verb.verb in switched_off)
    unknown = switched_off - {verb.verb for verb in BASE_VERBS}
    if unknown:
        raise LocalProtocolError(
            f"disabled: verbs of RFC 5321 expected, not {shown(' '.join(sorted(unknown)))}",
            Violation.LOCAL_VALUE,
        )
    return offered, frozenset(refused), command_line_limit(offered, limits)


class Admission(Session):
    """What the server's side adds to a session before a command counts as received."""

    __slots__ = (
        "_command_line",
        "_commands",
        "_failed_auth",
        "_has_policy",
        "_idle",
        "_longest",
        "_require_auth",
        "_require_tls",
        "_turns",
    )

    def __init__(
        self,
        extensions: Iterable[Extension],
        limits: Limits,
        leniency: Leniency,
        lmtp: bool,
        tls: TLSInfo | None,
        require_tls: bool,
        require_auth: bool,
        disabled: Collection[str],
    ) -> None:
        offered, refused, command_line = remembered(
            _arranged, tuple(extensions), frozenset(disabled), limits
        )
        super().__init__(offered, limits, leniency, lmtp, tls, refused)
        told = (extension.mail_data_limit for extension in offered)
        self.mail_data_limit = next((n for n in told if n is not None), limits.mail_data)
        self._require_tls = require_tls
        self._require_auth = require_auth
        self._has_policy = require_tls or require_auth or limits.commands is not None
        self._command_line = command_line
        self._longest = command_line - 2
        # What follows is not for this connection, if the command that is due succeeds.
        self._turns = False
        self._idle = self._commands = self._failed_auth = 0

    def offers(self) -> dict[str, str]:
        """Return what may be offered now: keyword to EHLO parameters."""
        wanted = {
            extension.keyword: text
            for extension in self._extensions
            if (extension.in_lmtp or not self.lmtp)
            and (text := extension.announcement(self)) is not None
        }
        return {
            extension.keyword: wanted[extension.keyword]
            for extension in self._extensions
            if extension.keyword in wanted
            and all(needed in wanted for needed in extension.requires)
        }

    def _is_offered(self, extension: Extension) -> bool:
        return extension.announcement(self) is not None

    def usable_verbs(self) -> list[str]:
        """Return the verbs that are not switched off and, if an extension's, in force."""
        return sorted(
            name for name, verb in self._vocabulary.names.items() if verb not in self._not_in_force
        )

    def _admit(self, command: Command, kind: type[Command]) -> Step:
        """Return the step that `command` takes in the table.

        Raises:
            InvalidValueError: policy, offer, state, a check or a counter is against it.
        """
        if self._has_policy:
            self._apply_policy(kind)
        step = self._row.get(kind)
        if step is None:
            raise self._inadmissible(kind)
        if kind in self._checks:
            for check in self._checks[kind]:
                check(command, self)
        if self._counts and kind in self._counts:
            for count in self._counts[kind]:
                count(command, self)
        return step

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
        if self._require_tls and self.tls is None:
            if kind not in _BEFORE_TLS:
                raise error_of(TLS_REQUIRED)
        elif self._require_auth and not self.is_authenticated and kind not in _BEFORE_AUTH:
            if self._notes.get(kind) is Session._note_reset:  # it may say who was authenticated
                return
            raise error_of(AUTH_REQUIRED)

    def _inadmissible(self, kind: type[Command]) -> InvalidValueError:
        """Make the error for a command that is not offered, or out of order."""
        if kind in self._refused:
            return InvalidValueError(
                f"{kind.verb} is not implemented", Violation.NOT_OFFERED, 502, "5.5.1"
            )
        if self.state is State.BDAT_FAILED and kind.carries_mail_data:
            return error_of(CHUNK_FAILED)
        expected = _EXPECTED.get(self.state, "")
        if self.state is State.GREETED:
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


Admission._conditions = (
    (Rcpt, _at_rcpt),
    (Auth, _at_auth),
    *((command, _at_idle) for command in _IDLE),
)
Admission._conditions_of_states = (
    (State.TLS, _at_starttls),
    (State.REVERSED, _at_reversal),
)
