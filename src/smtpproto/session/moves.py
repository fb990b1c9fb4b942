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
from .table import Check, Note, Step

# A reply that leads there changes nothing but the state, and what the note of the command says.
_PLAIN = frozenset((State.READY, State.MAIL, State.RCPT, State.DATA))

SHORT_ARGUMENT = 448
"""Characters of an argument with which no line of a `Group` is too long."""
_SHORT_VERB = 60
# None of these is empty now and then.
_ARGUMENTS = (Command.argument, Mail.argument, Rcpt.argument)
_SHORT_GROUP = 8
"""Commands of a group that is remembered, at most."""
_KEPT = 64
"""Groups that are remembered for a state, at most."""


class Admitted(dict[type[Command], "Move"]):
    """The commands that a state admits."""

    __slots__ = ("end", "groups", "is_between", "state", "usual")

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.is_between = state is State.READY
        """True where no mail transaction is left."""
        self.usual = _Usual()
        """The reply to each that is what was hoped for, and no more."""
        self.groups = _Groups(self)
        """What several of them are, one after the other."""
        self.end: Hoped | None = None
        """In DATA: what the end of mail data leads to; None where it has several replies."""


Usual = tuple[int, Admitted, Note | None]
"""The code of a reply, where it leads, and what is to be remembered of it."""


class _Usual(dict[type[Command], Usual]):
    """The usual reply to each command, with no such code where there is none."""

    __slots__ = ()

    def __missing__(self, kind: type[Command]) -> Usual:
        return _UNUSUAL


@value
class Hoped:
    """What a group leads to where all its replies are what was hoped for."""

    codes: tuple[int, ...]
    notes: tuple[tuple[int, Note], ...]
    """What is to be remembered of them, by index."""
    there: Admitted = field(repr=False, compare=False)
    _joined: list[tuple[Hoped, Hoped]] = field(default_factory=list, repr=False, compare=False)

    def then(self, other: Hoped) -> Hoped:
        """Return what both lead to, where `other` begins where this one leads: the last is kept."""
        for known, joined in self._joined:
            if known is other:
                return joined
        count = len(self.codes)
        behind = [(count + at, note) for at, note in other.notes]
        joined = Hoped(self.codes + other.codes, (*self.notes, *behind), other.there)
        self._joined[:] = [(other, joined)]
        return joined


@value
class Group:
    """Commands that may go together, by their kinds, with little to look at."""

    lines: str
    """Their lines, with a place for each argument."""
    checks: tuple[tuple[int, Check], ...]
    """What may refuse one of them: the first, or one behind MAIL."""
    begins: bool
    """The first of them is MAIL."""
    after: Admitted = field(repr=False, compare=False)
    """What may follow, if all goes well."""
    hoped: Hoped | None
    """Where that leads; None where some replies are to be looked at one by one."""


class _Groups(dict[tuple[type[Command], ...], Group | None]):
    """The groups that may begin in a state; None for what has to be looked at one by one."""

    __slots__ = ("_admitted",)

    def __init__(self, admitted: Admitted) -> None:
        super().__init__()
        self._admitted = admitted

    def __missing__(self, kinds: tuple[type[Command], ...]) -> Group | None:
        group = _group(self._admitted, kinds)
        if len(kinds) <= _SHORT_GROUP:
            if len(self) >= _KEPT:
                self.clear()
            self[kinds] = group
        return group


def _group(begin: Admitted, kinds: tuple[type[Command], ...]) -> Group | None:
    if not kinds:
        return None
    ahead = begin
    lines = ""
    checks: list[tuple[int, Check]] = []
    for at, kind in enumerate(kinds):
        move = ahead.get(kind)
        is_behind = at > 0 and kinds[0] is not Mail
        if move is None or not move.is_plain or (is_behind and (move.step.checks or kind is Mail)):
            return None
        checks += [(at, check) for check in move.step.checks]
        space = "" if kind.argument is Command.argument else " "
        lines += kind.verb.replace("%", "%%") + space + "%s\r\n"
        ahead = move.after
    return Group(lines, tuple(checks), kinds[0] is Mail, ahead, _hoped(begin, kinds))


def _hoped(here: Admitted, kinds: tuple[type[Command], ...]) -> Hoped | None:
    codes = []
    notes = []
    for at, kind in enumerate(kinds):
        if kind not in here.usual:
            return None
        code, here, note = here.usual[kind]
        codes.append(code)
        if note is not None:
            notes.append((at, note))
    return Hoped(tuple(codes), tuple(notes), here)


_UNUSUAL: Usual = 0, Admitted(State.ERROR), None


@value
class Move:
    """A command in a state."""

    step: Step
    longest: int
    """Octets of its line at most, with CRLF."""
    is_plain: bool
    """True when there is nothing to look at before it goes, beside its line, its parameters, and
    the checks of `step`."""
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
                code, to = _usual(kind, step)
                if to is not None:
                    admitted[state].usual[kind] = code, admitted[to], step.note
            # RSET ends the wish for one, even where the chunks before it are forgotten.
            is_special = kind in facilities.not_in_force or kind is Rset
            longest = _longest(kind, facilities, limits)
            admitted[state][kind] = Move(
                step,
                longest,
                _has_plain_line(kind, longest) and not (step.counts or step.is_part or is_special),
                (admitted if goes_on else awaiting)[then],
            )
    admitted[State.DATA].end = _hoped(admitted[State.DATA], (EndOfMailData,))
    return Moves(admitted, awaiting)


def _has_plain_line(kind: type[Command], longest: int) -> bool:
    is_usual = kind.encode is Command.encode and kind.argument in _ARGUMENTS
    return is_usual and longest >= COMMAND_LINE and 0 < len(kind.verb) <= _SHORT_VERB


def _longest(kind: type[Command], facilities: Facilities, limits: Limits) -> int:
    # An initial response must fit the usual line (RFC 4954 4), a response need not.
    if kind.long_line and kind is not Auth:
        return limits.auth_line
    vocabulary = facilities.vocabulary
    declared = {Mail: vocabulary.mail_parameters, Rcpt: vocabulary.rcpt_parameters}
    return COMMAND_LINE + sum(each.length for each in declared.get(kind, {}).values())


def _usual(kind: type[Command], step: Step) -> tuple[int, State | None]:
    # The exchange that a long line belongs to may have been cancelled; and where mail data may have
    # several replies, it is not over with the first. What EHLO announces is another table.
    is_noted = step.note is not None and kind not in (Mail, Rcpt)
    if not (kind.carries_mail_data or kind.long_line or step.for_each or is_noted):
        if step.success in _PLAIN and step.exact in (None, 250):
            return 250, step.success
        if step.intermediate in _PLAIN and step.exact == 354 and not step.parameter:
            return 354, step.intermediate
    return 0, None
