# SPDX-License-Identifier: MIT
"""The session table: everything that affects the state of a session, as data.

Decides which command is admitted in which state and what each class of reply leads to, for both
roles: the table does not know which side asks. A pair that is absent is refused. Extensions add
rows in the same form; the diagrams in docs/ are drawn from here. What the table cannot say, and the
two connections decide: 421, refusals that close, and the end of the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..extensions.declaration import Move, Row
from ..grammar.auth import EndOfMailData, Greeting
from ..grammar.commands import (
    Command,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    Vrfy,
)
from ..grammar.replies import Reply
from ..states import State
from ..values import value

# The states in which the server waits for a command of RFC 5321.
_COMMAND_STATES = (
    State.GREETED,
    State.READY,
    State.MAIL,
    State.RCPT,
    State.BDAT,
    State.BDAT_FAILED,
)
_AFTER_HELLO = _COMMAND_STATES[1:]
_HELLOS: Mapping[bool, tuple[type[Command], ...]] = {False: (Ehlo, Helo), True: (Lhlo,)}

BASE_ROWS: tuple[Row, ...] = (
    Row((State.CONNECTED,), Greeting, State.GREETED, failure=State.REFUSED, has_status=False),
    Row((State.REFUSED, *_COMMAND_STATES), Quit, State.CLOSED, failure=State.CLOSED),
    *(Row(_COMMAND_STATES, command) for command in (Noop, Vrfy, Expn, Help)),
    Row((State.GREETED,), Rset),
    Row(_AFTER_HELLO, Rset, State.READY),
    Row((State.READY,), Mail, State.MAIL),
    Row((State.MAIL, State.RCPT), Rcpt, State.RCPT),
    Row((State.RCPT,), Data, Move.FORBIDDEN, State.DATA, exact=354),
    Row((State.DATA,), EndOfMailData, State.READY, failure=State.READY),
)
"""RFC 5321 3.1, 4.1.4, 4.3.2. The rows of the session commands are the mode's: `build_table`."""


Check = Callable[[Any, Any], None]
"""Refuses a command, its first argument, by what it finds in the session, its second."""
Note = Callable[[Any, Any, Reply], None]
"""Takes down in a session what a 2yz or 3yz reply to a command changes beside the state."""

NO_TRANSACTION = frozenset((State.GREETED, State.READY, State.CLOSED, State.ERROR))
SAYS_NOTHING = frozenset((State.TLS, State.REVERSED, State.CLOSED))
_READS_NO_COMMANDS = SAYS_NOTHING | {State.DATA, State.AUTH}
# To enter these, or to leave those above, takes more than a new row.
_SETTLED = NO_TRANSACTION | _READS_NO_COMMANDS
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@value
class Step:
    """A row, spread out for one state, with all else that the session holds for its command."""

    success: State | None
    """None where 2yz is not allowed."""
    intermediate: State | None
    """None where 3yz is not allowed."""
    failure: State
    exact: int | None = None
    """The one code allowed of its class; None for any."""
    parameter: str = ""
    """The parameter of MAIL without which 3yz is not allowed; "" for none."""
    for_each: bool = False
    """3yz announces a reply for each recipient and one for all."""
    has_status: bool = True
    """False where 2yz has no enhanced status code (RFC 2034 4)."""
    checks: tuple[Check, ...] = ()
    """What may refuse the command."""
    counts: tuple[Check, ...] = ()
    """What takes note of it once it is admitted."""
    note: Note | None = None
    """What takes note of a 2yz or 3yz reply."""
    is_part: bool = False
    """More than a line belongs to the command: octets it announces, or the rest of a message."""
    plainly: State | None = None
    """Where a 2yz of any code leads, if nothing but the state changes with it; or else None."""
    settled: Reply | None = None
    """What a server answers by itself, where there is little to look at; or else None."""


Table = Mapping[State, Mapping[type[Command], Step]]


def build_table(
    rows: tuple[Row, ...],
    lmtp: bool,
    refused: frozenset[type[Command]] = frozenset(),
    *,
    checks: Mapping[type[Command], tuple[Check, ...]] = _NOTHING,
    counts: Mapping[type[Command], tuple[Check, ...]] = _NOTHING,
    notes: Mapping[type[Command], Note] = _NOTHING,
) -> Table:
    """Spread rows out over their states.

    Args:
        rows: those of the extensions in force; they come on top of `BASE_ROWS`.
        lmtp: True for LHLO in place of EHLO and HELO (RFC 2033 4.1).
        refused: commands that are left out.
        checks: what is held against commands.
        counts: what takes note of commands.
        notes: what takes note of their replies.

    Returns:
        For each state, the commands admitted in it.
    """
    hellos = tuple(
        Row(_COMMAND_STATES, command, State.READY, has_status=False) for command in _HELLOS[lmtp]
    )
    table: dict[State, dict[type[Command], Step]] = {state: {} for state in State}
    for row in (*BASE_ROWS, *hellos, *sorted(rows, key=lambda row: bool(row.parameter))):
        command = row.command
        for state in row.states if command not in refused else ():
            success = _target(row.success, state)
            stays = state in _READS_NO_COMMANDS or success in _SETTLED
            is_plain = row.exact is None and row.has_status and not stays
            table[state][command] = Step(
                success,
                _target(row.intermediate, state),
                _target(row.failure, state) or state,
                row.exact,
                row.parameter,
                row.for_each,
                row.has_status,
                checks.get(command, ()),
                counts.get(command, ()),
                notes.get(command),
                is_part=command.announces_octets or command.carries_mail_data,
                plainly=success if is_plain else None,
            )
    return table


def _target(move: State | Move, state: State) -> State | None:
    if isinstance(move, State):
        return move
    return state if move is Move.UNCHANGED else None
