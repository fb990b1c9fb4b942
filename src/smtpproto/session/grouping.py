# SPDX-License-Identifier: MIT
"""Which command a client may send now, alone or behind others in a group (RFC 2920).

Decides by the state as it will be if all that is outstanding succeeds, and by what the server has
announced. Neither writes nor reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..exceptions import InvalidValueError, LocalProtocolError, Violation
from ..extensions.declaration import Transaction
from ..framing import LineEndingWriter
from ..grammar.auth import Greeting
from ..grammar.command import Command
from ..grammar.commands import Data, Mail, Rcpt
from ..states import State
from ..tlsinfo import TLSInfo
from ..values import value
from .arrangement import Arrangement, InForce
from .moves import Admitted, Move, Moves, make_moves
from .session import Session, check_utf8
from .table import NO_TRANSACTION


@value
class _Facts:
    """What an extension's check looks at: the session as it will be when the command arrives."""

    tls: TLSInfo | None
    is_authenticated: bool
    transaction: Transaction | None
    announced: Mapping[str, Any]
    memory: dict[str, Any]
    mail_data_limit: int | None = None
    claimed: Mapping[str, Any] = field(default_factory=dict)


class Grouping(Session):
    """What the client's side adds to a session before a command is written."""

    __slots__ = (
        "_admitted",
        "_ahead",
        "_awaiting",
        "_chunks",
        "_here",
        "_is_stale",
        "_outstanding",
        "_then",
        "may_group",
    )

    def __init__(self, arrangement: Arrangement, tls: TLSInfo | None) -> None:
        super().__init__(arrangement, tls)
        self._outstanding: deque[Command] = deque((Greeting(),))
        # What may be sent, and in which transaction we are, if all that is outstanding succeeds.
        # Stale where a refusal has made another future of the group.
        self._ahead: Admitted = self._awaiting[self.state]
        self._then: Transaction | Mail | None = None
        self._is_stale = False
        self._chunks: LineEndingWriter | None = None

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """What has been sent and not been answered, oldest first."""
        return tuple(self._outstanding)

    @property
    def oldest(self) -> Command | None:
        """What the next reply answers: the first of `outstanding`, None when nothing is."""
        return self._outstanding[0] if self._outstanding else None

    def _use(self, in_force: InForce) -> None:
        super()._use(in_force)
        facilities = in_force.facilities
        if not facilities.moves:
            facilities.moves.append(make_moves(facilities, self._limits, self.lmtp))
        moves: Moves = facilities.moves[0]
        self._admitted, self._awaiting = moves
        self._here: Admitted = self._admitted[self.state]
        self._is_stale = True
        self.may_group = facilities.allows_groups
        """True when the server announced that commands may come in groups (RFC 2920)."""

    def _enter(self, state: State) -> None:
        super()._enter(state)
        self._here = self._admitted[state]

    def _project_anew(self) -> None:
        """Begin at the real state, and suppose that all that is outstanding succeeds.

        Something is.
        """
        self._is_stale = False
        ahead = self._here
        self._then = self.transaction
        for waiting in self._outstanding:
            move = self._admitted[ahead.state].get(type(waiting))
            if move is not None:
                ahead = self._behind(waiting, move)
        if self._outstanding[-1].ends_group or not self.may_group:
            ahead = self._awaiting[ahead.state]
        self._ahead = ahead

    def _behind(self, command: Command, move: Move) -> Admitted:
        """Return what may follow `command` if it succeeds."""
        if isinstance(command, Mail):
            self._then = command
        if command.carries_mail_data and command.ends_mail_data():
            return (self._admitted if self.may_group else self._awaiting)[State.READY]
        return move.after

    @property
    def _transaction_then(self) -> Transaction | None:
        """The mail transaction, if all that is outstanding succeeds."""
        if self._ahead.state in NO_TRANSACTION:
            return None
        if isinstance(self._then, Mail):
            self._then = Transaction(self._then, self._vocabulary.mail_parameters)
        return self._then

    def _admit(self, command: Command) -> Move:
        """Return the move that `command` is, after a look at all that may speak against it.

        Raises:
            LocalProtocolError: it may not be sent now.
        """
        kind = type(command)
        state = self._ahead.state
        move = self._admitted[state].get(kind)
        if kind in self._facilities.not_in_force and self.hello is not None:
            raise LocalProtocolError(
                f"{kind.__name__} needs an extension that the server has not announced",
                Violation.NOT_OFFERED,
            )
        if move is None:
            raise _not_admitted(command, state)
        if self._outstanding:
            self._admit_in_group(command)
        if move.step.checks:
            facts = self._facts(self._transaction_then)
            try:
                for check in move.step.checks:
                    check(command, facts)
            except ValueError as error:
                raise refusal_by(command, error) from None
        return move

    def _facts(self, transaction: Transaction | None) -> _Facts:
        return _Facts(self.tls, self.is_authenticated, transaction, self.announced, self.memory)

    def _facts_behind(self, mail: Mail) -> _Facts:
        """Return what is known where the transaction that `mail` begins is not there yet."""
        return self._facts(Transaction(mail, self._vocabulary.mail_parameters))

    def _admit_in_group(self, command: Command) -> None:
        last = self._outstanding[-1]
        # The mail data may be the first of a group, before MAIL (RFC 2920 3.1).
        if last.ends_group or not self.may_group:
            raise LocalProtocolError(
                f"the reply to {last.verb or type(last).__name__} is awaited before "
                f"{command.verb} may be sent (RFC 2920 3.1)",
                Violation.BAD_SEQUENCE,
            )
        # How many replies BDAT LAST has in LMTP depends on those to RCPT (RFC 2033 4.3).
        is_counted = self.lmtp and command.ends_mail_data()
        # After refusals only, BDAT LAST ends no transaction, and the next message would join it.
        may_join = isinstance(command, Mail) and last.carries_mail_data
        if (is_counted or may_join) and any(isinstance(sent, Rcpt) for sent in self._outstanding):
            raise LocalProtocolError(
                f"the replies to RCPT are awaited before {command.verb} may be sent",
                Violation.BAD_SEQUENCE,
            )

    def _check_line(self, command: Command, line: bytes, move: Move) -> None:
        """Refuse a line that the server may not take.

        Raises:
            LocalProtocolError: it is too long.
            InvalidValueError: it is not ASCII, and SMTPUTF8 was not agreed.
        """
        if not line.isascii():
            check_utf8(command, self._vocabulary, self._transaction_then)
        if len(line) > move.longest:
            raise LocalProtocolError(
                f"{command.verb or 'line'} of at most {move.longest} octets expected, "
                f"not {len(line)}",
                Violation.LINE_TOO_LONG,
            )

    def _check_beside(self, command: Command, octets: bytes) -> None:
        """Refuse octets that were not announced, or none, and what may not stand beside chunks."""
        if (octets or command.announces_octets) and len(octets) != command.octets():
            raise local_error(f"{command.octets()} octets behind {command.verb}, not {len(octets)}")
        if self._chunks is None:
            return
        if isinstance(command, Data):
            raise local_error("send_chunk() for the rest of a message that it began (RFC 3030 2)")
        if command.carries_mail_data and self._chunks.holds_cr:
            raise local_error(
                f"send_chunk() of what is behind a CR at its end, then {command.verb}"
            )


def local_error(expected: str) -> LocalProtocolError:
    """Make the error for a call that has its time, and it is not now."""
    return LocalProtocolError(f"expected: {expected}", Violation.LOCAL_STATE)


def refusal_by(command: Command, error: ValueError) -> InvalidValueError:
    """Return what an extension raised of `command` as an error of the package."""
    if isinstance(error, InvalidValueError):
        return error
    return InvalidValueError(f"{command.verb}: another value expected: {error}")


def _not_admitted(command: object, state: State) -> LocalProtocolError:
    kind = type(command).__name__
    if isinstance(command, Command):
        return LocalProtocolError(
            f"a command that state {state.name} admits expected, not {kind}",
            Violation.BAD_SEQUENCE,
        )
    got = f"the class {command.__name__}" if isinstance(command, type) else kind
    return LocalProtocolError(
        f"a Command such as Noop() expected, not {got}", Violation.LOCAL_VALUE
    )
