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
from ..grammar.auth import Auth, Greeting
from ..grammar.command import Command
from ..grammar.commands import Data, Mail, Rcpt
from ..grammar.parameters import NO_PARAMETERS, Parameter
from ..states import State
from ..tlsinfo import TLSInfo
from ..values import value
from .arrangement import Arrangement, InForce
from .session import COMMAND_LINE, Session
from .table import Step


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
        "_chunks",
        "_outstanding",
        "_projected",
        "_projected_transaction",
        "_refused_since",
        "may_group",
    )

    def __init__(self, arrangement: Arrangement, tls: TLSInfo | None) -> None:
        super().__init__(arrangement, tls)
        self._outstanding: deque[Command] = deque((Greeting(),))
        # Where the session stands, and in which transaction, if all that is outstanding succeeds.
        self._projected = self.state
        self._projected_transaction: Transaction | None = None
        self._refused_since = False
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
        self.may_group = in_force.facilities.allows_groups
        """True when the server announced that commands may come in groups (RFC 2920)."""

    def _refuse_beside_chunks(self, command: Command, chunks: LineEndingWriter) -> None:
        if isinstance(command, Data):
            raise local_error("send_chunk() for the rest of a message that it began (RFC 3030 2)")
        if command.carries_mail_data and chunks.holds_cr:
            raise local_error(
                f"send_chunk() of what is behind a CR at its end, then {command.verb}"
            )

    def _admit(self, command: Command) -> Step:
        """Return the step `command` takes in the projected state.

        Raises:
            LocalProtocolError: it may not be sent now.
        """
        kind = type(command)
        if self._refused_since or not self._outstanding:
            self._project_anew()
        state = self._projected
        step = self._table[state].get(kind)
        if kind in self._facilities.not_in_force and self.hello is not None:
            raise LocalProtocolError(
                f"{kind.__name__} needs an extension that the server has not announced",
                Violation.NOT_OFFERED,
            )
        if step is None:
            raise _not_admitted(command, state)
        if self._outstanding:
            self._admit_in_group(command)
        if isinstance(command, (Mail, Rcpt)) and command.parameters is not NO_PARAMETERS:
            self._refuse_parameters(command)
        transaction = self._projected_transaction
        if kind in self._checks:
            facts = _Facts(
                self.tls, self.is_authenticated, transaction, self.announced, self.memory
            )
            try:
                for check in self._checks[kind]:
                    check(command, facts)
            except ValueError as error:
                raise refusal_by(command, error) from None
        return step

    def _project(self, step: Step, command: Command) -> None:
        """Go on to where the session stands if `command` succeeds."""
        ends = command.carries_mail_data and command.ends_mail_data()
        state = State.READY if ends else step.success or step.intermediate or step.failure
        self._projected = state
        if isinstance(command, Mail):
            self._projected_transaction = Transaction(command, self._vocabulary.mail_parameters)
        elif state is State.READY:
            self._projected_transaction = None

    def _project_anew(self) -> None:
        """Begin again at the real state: a refusal has made another future of the group."""
        self._refused_since = False
        self._projected = self.state
        self._projected_transaction = self.transaction
        for waiting in self._outstanding:
            step = self._table[self._projected].get(type(waiting))
            if step is not None:
                self._project(step, waiting)

    def _admit_in_group(self, command: Command) -> None:
        last = self._outstanding[-1]
        # The mail data may be the first of a group, before MAIL (RFC 2920 3.1).
        if last.ends_group or not self.may_group:
            raise LocalProtocolError(
                f"the reply to {last.verb or type(last).__name__} is awaited before "
                f"{command.verb} may be sent (RFC 2920 3.1)",
                Violation.BAD_SEQUENCE,
            )
        # How many replies BDAT LAST has in LMTP depends on those to RCPT (RFC 2033 4.2).
        is_counted = self.lmtp and command.ends_mail_data()
        # After refusals only, BDAT LAST ends no transaction, and the next message would join it.
        may_join = isinstance(command, Mail) and last.carries_mail_data
        if (is_counted or may_join) and any(isinstance(sent, Rcpt) for sent in self._outstanding):
            raise LocalProtocolError(
                f"the replies to RCPT are awaited before {command.verb} may be sent",
                Violation.BAD_SEQUENCE,
            )

    def _refuse_parameters(self, command: Mail | Rcpt) -> None:
        """Refuse parameters of extensions that are not in force (RFC 5321 4.1.1.2, 4.1.1.3)."""
        declared = self._declared(command)
        for keyword in command.parameters:
            if keyword not in declared:
                raise LocalProtocolError(
                    f"{keyword} needs an extension that the server has not announced",
                    Violation.PARAMETER_UNKNOWN,
                )

    def _declared(self, command: Command) -> Mapping[str, Parameter]:
        """Return the parameters that `command` may have."""
        if isinstance(command, Mail):
            return self._vocabulary.mail_parameters
        return self._vocabulary.rcpt_parameters if isinstance(command, Rcpt) else {}

    def _check_length(self, command: Command, line: bytes) -> None:
        # An initial response must fit the usual line (RFC 4954 4), a response need not.
        if command.long_line and not isinstance(command, Auth):
            most = self._limits.auth_line
        else:
            most = COMMAND_LINE + sum(p.length for p in self._declared(command).values())
        if len(line) > most:
            raise LocalProtocolError(
                f"{command.verb or 'line'} of at most {most} octets expected, not {len(line)}",
                Violation.LINE_TOO_LONG,
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
