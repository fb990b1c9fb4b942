# SPDX-License-Identifier: MIT
"""What a client looks at for each command it may send: made once for all sessions of a kind.

Decides which commands and replies are plain, so that what extensions may want is not asked for
again and again. What is done about the others is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from ..grammar.auth import Auth, EndOfMailData
from ..grammar.command import Command
from ..grammar.commands import Mail, Rcpt, Rset
from ..limits import Limits
from ..states import State
from ..values import value
from .arrangement import Facilities
from .session import COMMAND_LINE
from .table import Note, Step

# A reply that leads there changes nothing but the state, and what the note of the command says.
_PLAIN = frozenset((State.READY, State.MAIL, State.RCPT, State.DATA))


class Admitted(dict[type[Command], "Move"]):
    """The commands that a state admits."""

    __slots__ = ("state", "usual")

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.usual: dict[type[Command], dict[int, Usual]] = {}
        """For each, the replies that are what was hoped for, and no more."""


Usual = tuple[Admitted, Note | None]
"""Where a reply leads, and what is to be remembered of it."""


@value
class Move:
    """A command in a state."""

    step: Step
    longest: int
    """Octets of its line at most, with CRLF."""
    is_plain: bool
    """True when there is nothing to look at before it goes, beside its line and parameters."""
    after: Admitted = field(repr=False, compare=False)
    """What may follow in its group, if all goes well."""


class Moves(NamedTuple):
    """All of them."""

    admitted: Mapping[State, Admitted]
    awaiting: Mapping[State, Admitted]
    """Nothing, for each state: where a reply is awaited first."""


def make_moves(facilities: Facilities, limits: Limits, lmtp: bool) -> Moves:
    """Look at all that may be sent while a set of extensions is in force.

    Args:
        facilities: what the extensions bring with them.
        limits: as for the connection.
        lmtp: True in LMTP mode.
    """
    admitted = {state: Admitted(state) for state in State}
    awaiting = {state: Admitted(state) for state in State}
    for state, row in facilities.table.items():
        for kind, step in row.items():
            goes_on = facilities.allows_groups and not kind.ends_group
            then = step.success or step.intermediate or step.failure
            if not (lmtp and kind is EndOfMailData):
                admitted[state].usual[kind] = {
                    code: (admitted[to], step.note) for code, to in _usual(kind, step).items()
                }
            # RSET ends the wish for one, even where the chunks before it are forgotten.
            is_special = kind in facilities.not_in_force or kind is Rset
            admitted[state][kind] = Move(
                step,
                _longest(kind, facilities, limits),
                not (step.checks or step.counts or step.is_part or is_special),
                (admitted if goes_on else awaiting)[then],
            )
    return Moves(admitted, awaiting)


def _longest(kind: type[Command], facilities: Facilities, limits: Limits) -> int:
    # An initial response must fit the usual line (RFC 4954 4), a response need not.
    if kind.long_line and kind is not Auth:
        return limits.auth_line
    vocabulary = facilities.vocabulary
    declared = {Mail: vocabulary.mail_parameters, Rcpt: vocabulary.rcpt_parameters}
    return COMMAND_LINE + sum(each.length for each in declared.get(kind, {}).values())


def _usual(kind: type[Command], step: Step) -> dict[int, State]:
    # The exchange that a long line belongs to may have been cancelled; and where mail data may have
    # several replies, it is not over with the first.
    if kind.carries_mail_data or kind.long_line or step.for_each:
        return {}
    found = {}
    if step.success in _PLAIN and step.exact in (None, 250):
        found[250] = step.success
    if step.intermediate in _PLAIN and step.exact == 354 and not step.parameter:
        found[354] = step.intermediate
    return found
