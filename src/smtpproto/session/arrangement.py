# SPDX-License-Identifier: MIT
"""What connections that are made alike have in common: looked at and worked out once for all.

Decides which extensions are in force by what was announced, and what a set of them brings with it.
Holds nothing of any one connection, and knows neither role: a role gives its `Side`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import lru_cache
from operator import is_
from types import MappingProxyType
from typing import Any

from ..extensions.declaration import Extension
from ..grammar.commands import BASE_VERBS, Command, Ehlo, Helo, Lhlo, Vocabulary
from ..grammar.ehlo import parse_keywords
from ..grammar.leniency import Leniency
from ..grammar.parameters import Parameter
from ..grammar.replies import Reply
from ..kinds import FLAG, Kind, check_kinds, of, wrong
from ..limits import Limits
from ..states import State
from ..values import value
from .declared import check_declarations
from .table import Check, Note, Table, build_table

_SHORT = 2048
"""Characters up to which the reply to EHLO is remembered, with what it announces: a long one may be
a peer's, to fill the memory."""


_KINDS: Mapping[str, Kind] = {"limits": of(Limits), "leniency": of(Leniency), "lmtp": FLAG}


@value
class Side:
    """What a role holds against commands beside the table, and what it notes of replies."""

    conditions: tuple[tuple[type[Command], Check], ...]
    """Beside the extensions' checks."""
    conditions_of_states: tuple[tuple[State, Check], ...]
    """The same for commands of which the success leads to a state."""
    notes: tuple[tuple[type[Command], Note], ...]
    reset: Note
    """For commands of which the success leads to the state GREETED."""


@value
class Facilities:
    """What a set of extensions in force brings with it."""

    vocabulary: Vocabulary
    table: Table
    notes: Mapping[type[Command], Note]
    not_in_force: frozenset[type[Command]]
    allows_groups: bool
    moves: list[Any] = field(default_factory=list)
    """What the client's side makes of all this, once it has."""
    settled: list[tuple[Mapping[type[Command], Reply], Table]] = field(default_factory=list)
    """The tables of servers that settled something, those of the last kinds."""


@value
class InForce:
    """What was announced, and what follows from it."""

    keywords: Mapping[str, tuple[str, ...]]
    """Unknown ones too: keyword to its texts."""
    announced: Mapping[str, Any]
    """The known extensions in force: keyword to the typed value of its EHLO parameters."""
    facilities: Facilities


class Arrangement:
    """What one connection was told when it was made, and others with it.

    Args:
        side: what the role brings.
        extensions: what may be in force, as `in_order` returns them.
        limits: the caps.
        leniency: where to take more than the grammar allows.
        lmtp: True in LMTP mode (RFC 2033).
        refused: verbs that are never in force.

    Raises:
        InvalidValueError: one of these is of another kind.
    """

    __slots__ = (
        "_last",
        "extensions",
        "leniency",
        "limits",
        "lmtp",
        "mail_data_limit",
        "nothing",
        "refused",
        "side",
    )

    def __init__(
        self,
        side: Side,
        extensions: tuple[Extension, ...],
        limits: Limits,
        leniency: Leniency,
        lmtp: bool,
        refused: frozenset[type[Command]] = frozenset(),
    ) -> None:
        check_kinds(_KINDS, {"limits": limits, "leniency": leniency, "lmtp": lmtp})
        self.side = side
        self.extensions = extensions
        self.limits = limits
        self.leniency = leniency
        self.lmtp = lmtp
        self.refused = refused
        self.mail_data_limit: int | None = None
        """Server: the most octets of a message; None for no limit."""
        self.nothing = self.announced({})
        """What is in force before anything was announced."""
        self._last: tuple[Reply | None, InForce] = None, self.nothing

    def announced_by(self, reply: Reply) -> InForce:
        """Put the extensions in force that a 2yz reply to EHLO or LHLO announces."""
        last, in_force = self._last
        if reply is last:  # a server's default reply, mostly
            return in_force
        lines = reply.lines
        if sum(map(len, lines)) > _SHORT:
            return _announced_by.__wrapped__(self, lines)
        in_force = _announced_by(self, lines)
        self._last = reply, in_force
        return in_force

    def announced(self, keywords: Mapping[str, tuple[str, ...]]) -> InForce:
        """Put the extensions in force that are known, and announced by their keywords."""
        values: dict[str, Any] = {}
        in_force = []
        for extension in self.extensions:
            keyword = extension.keyword
            if (
                keyword in keywords
                and (extension.in_lmtp or not self.lmtp)
                and all(needed in keywords for needed in extension.requires)
            ):
                try:
                    values[keyword] = extension.parse_announcement(keywords[keyword])
                except ValueError:  # as int() has it: a peer's text must not raise it
                    continue
                in_force.append(extension)
        return InForce(
            MappingProxyType(keywords),
            MappingProxyType(values),
            remembered(_facilities, self, tuple(in_force)),
        )


@lru_cache(maxsize=128)
def _announced_by(arrangement: Arrangement, lines: tuple[str, ...]) -> InForce:
    return arrangement.announced(parse_keywords(lines))


@lru_cache(maxsize=128)
def _facilities(arrangement: Arrangement, in_force: tuple[Extension, ...]) -> Facilities:
    """Put together what connections that were made alike need while `in_force` are in force.

    The verbs of all their extensions are parsed whether in force or not.
    """
    rows = tuple(row for extension in in_force for row in extension.rows)
    mail: dict[str, Parameter] = {}
    rcpt: dict[str, Parameter] = {}
    side = arrangement.side
    checks: dict[type[Command], tuple[Check, ...]] = {
        command: (condition,) for command, condition in side.conditions
    }
    counts: dict[type[Command], tuple[Check, ...]] = {}
    for state, condition in side.conditions_of_states:
        checks.update((row.command, (condition,)) for row in rows if row.success is state)
    for extension in in_force:
        mail.update((parameter.keyword, parameter) for parameter in extension.mail_parameters)
        rcpt.update((parameter.keyword, parameter) for parameter in extension.rcpt_parameters)
        for command in extension.checks:
            checks[command] = (extension.check, *checks.get(command, ()))
        for command in extension.counts:
            counts[command] = (*counts.get(command, ()), extension.count)
    verbs = tuple(verb for extension in arrangement.extensions for verb in extension.verbs)
    usable = {verb for extension in in_force for verb in extension.verbs}
    hellos = (Lhlo,) if arrangement.lmtp else (Ehlo, Helo)
    refused = arrangement.refused
    notes = {
        **{row.command: side.reset for row in rows if row.success is State.GREETED},
        **dict(side.notes),
    }
    return Facilities(
        vocabulary=Vocabulary(
            (*BASE_VERBS, *hellos, *verbs, *refused),
            mail,
            rcpt,
            arrangement.leniency,
            arrangement.limits,
            is_closed=True,
        ),
        table=build_table(
            rows, arrangement.lmtp, refused, checks=checks, counts=counts, notes=notes
        ),
        notes=notes,
        not_in_force=(frozenset(verbs) - usable) | refused,
        allows_groups=any(extension.allows_groups for extension in in_force),
    )


class Given(tuple[Extension, ...]):
    """Extensions as they were given: those of another connection only where each is the same one.

    One that is equal may do something else, by a callback that does not count or by True for 1.
    """

    __slots__ = ()
    __hash__ = tuple.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Given) and len(self) == len(other) and all(map(is_, self, other))


def listed(extensions: Iterable[Extension] | str) -> Given:
    """Return extensions as a tuple.

    Raises:
        InvalidValueError: it is no list of anything.
    """
    try:
        if isinstance(extensions, str):  # a name in it would be told as its first letter
            raise TypeError
        return Given(extensions)
    except TypeError:
        raise wrong("extensions", "a list such as [Size()]", extensions) from None


def in_order(extensions: tuple[Extension, ...]) -> tuple[Extension, ...]:
    """Put those with prerequisites last: their parameters refine those of the others.

    Raises:
        LocalProtocolError: a declaration that cannot work, one twice, or one without its
            prerequisite.
    """
    check_declarations(extensions)
    return tuple(sorted(extensions, key=lambda extension: len(extension.requires)))


def remembered(function: Any, *args: Any) -> Any:
    """Call what has an `lru_cache`, past it where an argument has no hash.

    Such as an extension of one's own that is a dataclass.
    """
    try:
        return function(*args)
    except TypeError:
        return function.__wrapped__(*args)  # which raises it again, if it was its own
