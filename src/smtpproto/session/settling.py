# SPDX-License-Identifier: MIT
"""What a server answers by itself, since the application has said so in advance.

Decides what can be settled so, and answers it without an event. Whether a command is admitted is
not decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from ..grammar.commands import Command, Data, Mail, Rcpt
from ..grammar.replies import Reply
from ..kinds import check_kind
from ..tlsinfo import TLSInfo
from .admission import ServerArrangement
from .arrangement import Facilities, InForce
from .receiving import Receiving
from .refusals import forbidden
from .table import Table

_Kind = TypeVar("_Kind", bound=type[Command])  # of a mapping, whose key is invariant

_KEPT = 8
"""Tables with what was settled: there are but a few kinds of handlers."""
_NONE_SETTLED: Mapping[type[Command], Reply] = MappingProxyType({})
_SETTLED_BY: Mapping[type[Command], Collection[int]] = {
    Mail: range(200, 300),
    Rcpt: range(200, 300),
    Data: (354,),
}


class Settling(Receiving):
    """What the server's side does without an event."""

    __slots__ = ("_answers", "_settled", "commands")

    def __init__(self, arrangement: ServerArrangement, tls: TLSInfo | None) -> None:
        self._settled = _NONE_SETTLED
        self._answers: list[bytes] = []
        super().__init__(arrangement, tls)
        self.commands = 0
        """How many were in order, chunks not counted. Not to be set."""

    def settle(self, replies: Mapping[_Kind, Reply], out: list[bytes]) -> None:
        """Answer these commands from now on as soon as they are admitted, without an event.

        For an application that has no opinion on senders, or on recipients: it is asked about the
        message in any case, and finds both in `transaction`.

        Args:
            replies: for any of Mail and Rcpt a 2yz, for Data a 354.
            out: gets the octets at its end. To be kept in order with them, what `send` returns
                belongs there, too.

        Raises:
            LocalProtocolError: another command, or another reply.
            InvalidValueError: what is no mapping, `Reply` or list.
        """
        check_kind("replies", replies, Mapping)
        check_kind("out", out, list)  # not a bytearray, as a driver may have
        settled: dict[type[Command], Reply] = {}
        for command, reply in replies.items():
            check_kind("reply", reply, Reply)
            if reply.code not in _SETTLED_BY.get(command, ()):
                raise forbidden("2yz to Mail or Rcpt, or 354 to Data,", reply)
            settled[command] = reply
        self._settled = settled
        self._answers = out
        self._put_settled()

    def _use(self, in_force: InForce) -> None:
        super()._use(in_force)
        if self._settled:
            self._put_settled()

    def _put_settled(self) -> None:
        """Work with the table that has what was settled in it: one for all sessions alike."""
        table = self._facilities.table
        if self._settled and not self._has_policy:  # which comes before the table, and counts
            table = _table_with(self._settled, self._facilities)
        self._table = table
        self._row = table[self.state]

    def _answer(self, command: Command) -> bool:
        """Answer a command that was settled, and tell whether it was; nothing else has changed."""
        step = self._row.get(type(command))
        if step is None or step.settled is None:
            return False
        try:
            for check in step.checks:
                check(command, self)
        except ValueError:
            return False
        self.commands += 1
        reply = step.settled
        if step.plainly is not None:
            self._go_plainly(command, step, step.plainly, reply)
        else:
            assert step.intermediate is not None
            self._enter(step.intermediate)
        assert reply.plain is not None
        self._answers.append(reply.plain)
        return True


def _table_with(replies: Mapping[type[Command], Reply], facilities: Facilities) -> Table:
    """Return the table with the replies that are given in advance."""
    known = facilities.settled
    for others, table in known:
        if others == replies:
            return table
    table = _settled_table(facilities.table, replies)
    known[:] = [(replies, table), *known[: _KEPT - 1]]
    return table


def _settled_table(table: Table, replies: Mapping[type[Command], Reply]) -> Table:
    """Put replies that are given in advance into the steps that they answer.

    Args:
        table: the one to start from.
        replies: for any of Mail and Rcpt a 2yz, for Data a 354.
    """
    rows = {state: dict(row) for state, row in table.items()}
    for row in rows.values():
        for command, reply in replies.items():
            step = row.get(command)
            if step is None or step.counts or reply.plain is None:
                continue
            if reply.code < 300:
                is_plain = step.plainly is not None
            else:  # where an extension's row asks for more, there is more to look at
                is_more = step.parameter or step.for_each or step.note or not step.intermediate
                is_plain = step.exact == reply.code and not is_more
            if is_plain:
                row[command] = replace(step, settled=reply)
    return rows
