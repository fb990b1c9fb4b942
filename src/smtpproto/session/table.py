# SPDX-License-Identifier: MIT
"""The session table: everything that affects the state of a session, as data.

Decides which command is admitted in which state and what each class of reply leads to, for both
roles: the table does not know which side asks. A pair that is absent is refused. Extensions add
rows in the same form; the diagrams in docs/ are drawn from here. What the table cannot say, and the
two connections decide: 421, refusals that close, and the end of the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

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


@value
class Step:
    """A row, spread out for one state: where each class of reply leads."""

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


Table = Mapping[State, Mapping[type[Command], Step]]


@lru_cache(maxsize=64)
def build_table(
    rows: tuple[Row, ...], lmtp: bool, refused: frozenset[type[Command]] = frozenset()
) -> Table:
    """Spread rows out over their states.

    Args:
        rows: those of the extensions in force; they come on top of `BASE_ROWS`.
        lmtp: True for LHLO in place of EHLO and HELO (RFC 2033 4.1).
        refused: commands that are left out.

    Returns:
        For each state, the commands admitted in it.
    """
    hellos = tuple(
        Row(_COMMAND_STATES, command, State.READY, has_status=False) for command in _HELLOS[lmtp]
    )
    table: dict[State, dict[type[Command], Step]] = {state: {} for state in State}
    for row in (*BASE_ROWS, *hellos, *sorted(rows, key=lambda row: bool(row.parameter))):
        for state in row.states if row.command not in refused else ():
            table[state][row.command] = Step(
                _target(row.success, state),
                _target(row.intermediate, state),
                _target(row.failure, state) or state,
                row.exact,
                row.parameter,
                row.for_each,
                row.has_status,
            )
    return table


def _target(move: State | Move, state: State) -> State | None:
    if isinstance(move, State):
        return move
    return state if move is Move.UNCHANGED else None
