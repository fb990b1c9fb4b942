# SPDX-License-Identifier: MIT
"""A server that answers MAIL, RCPT and DATA by itself.

That it does so as an application without an opinion would, whatever comes in whatever cut, is held
by `invariants_server.check_server`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import server_drive as drive

from smtpproto import (
    Command,
    CommandReceived,
    CommandRejected,
    Data,
    Ehlo,
    InvalidValueError,
    Limits,
    LocalProtocolError,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Noop,
    Rcpt,
    Reply,
    ServerConnection,
    Signal,
    State,
    Violation,
)
from smtpproto.extensions import (
    EnhancedStatusCodes,
    Extension,
    Move,
    Pipelining,
    Row,
    ServerLimits,
)
from smtpproto.grammar.parameters import Parameter

SENDER_OK = Reply(250, "sender ok", "2.1.0")
RECIPIENT_OK = Reply(251, "user not local", "2.1.5")
GO_ON = Reply(354, "go on")
ENVELOPE: Mapping[type[Command], Reply] = {Mail: SENDER_OK, Rcpt: RECIPIENT_OK, Data: GO_ON}
GROUP = drive.MAIL + drive.RCPT + drive.RCPT + drive.DATA


def settled(
    replies: Mapping[type[Command], Reply] = ENVELOPE, server: ServerConnection | None = None
) -> tuple[ServerConnection, list[bytes]]:
    """Return a server in READY that answers these, and the list that its replies go to."""
    server = server or drive.PLACES["READY"]()
    out: list[bytes] = []
    server.settle(replies, out)
    return server, out


def test_a_group_is_answered_without_an_event() -> None:
    server, out = settled()
    assert server.next_event(GROUP + b"hi\r\n.\r\n") == MailDataReceived(b"hi\r\n")
    assert b"".join(out) == (
        b"250 2.1.0 sender ok\r\n"
        b"251 2.1.5 user not local\r\n"
        b"251 2.1.5 user not local\r\n"
        b"354 go on\r\n"
    )
    ended = server.next_event()
    assert isinstance(ended, MailDataEnded)
    assert len(ended.recipients) == 2
    assert server.transaction is not None
    assert server.transaction.recipients == list(ended.recipients)


def test_each_line_is_answered_where_lines_come_one_by_one() -> None:
    server, out = settled()
    for line, state in (
        (drive.MAIL, State.MAIL),
        (drive.RCPT, State.RCPT),
        (drive.DATA, State.DATA),
    ):
        before = len(out)
        assert server.next_event(line) is Signal.NEED_DATA
        assert len(out) == before + 1
        assert server.due is None
        assert server.state is state


def test_other_commands_are_events_as_before() -> None:
    server, out = settled({Mail: SENDER_OK})
    server.receive_data(drive.MAIL + b"NOOP\r\n" + drive.RCPT)
    noop = server.next_event()
    assert isinstance(noop, CommandReceived)
    assert noop.command == Noop()
    assert server.next_event() is Signal.NEED_REPLY
    assert len(out) == 1
    server.send(Reply(250, "ok"))
    rcpt = server.next_event()
    assert isinstance(rcpt, CommandReceived)
    assert isinstance(rcpt.command, Rcpt)
    server.send(Reply(550, "no such user"))
    assert server.state is State.MAIL


def test_what_is_out_of_order_or_over_a_cap_is_still_rejected() -> None:
    server, out = settled()
    server.receive_data(drive.RCPT + drive.MAIL + drive.MAIL)
    first = server.next_event()
    assert isinstance(first, CommandRejected)
    assert first.violation is Violation.BAD_SEQUENCE
    assert out == []
    server.send(first.default_reply)
    second = server.next_event()
    assert isinstance(second, CommandRejected)
    assert len(out) == 1
    server.send(second.default_reply)
    server.receive_data(b"MAIL FROM:<a@b.example\r\n")
    assert isinstance(server.next_event(), CommandRejected)


def test_a_reply_without_a_status_gets_one_where_they_are_offered() -> None:
    server, out = settled({Mail: Reply(250, "ok")})
    server.next_event(drive.MAIL)
    assert out == [b"250 2.0.0 ok\r\n"]


def test_it_holds_until_it_is_taken_back() -> None:
    server, out = settled()
    server.next_event(drive.MAIL)
    server.settle({}, out)
    event = server.next_event(drive.RCPT)
    assert isinstance(event, CommandReceived)
    assert len(out) == 1


def test_the_commands_are_counted_in_either_way() -> None:
    server, _ = settled()
    asked = drive.PLACES["READY"]()
    assert server.commands == asked.commands
    server.next_event(GROUP)
    drive.talk(asked, GROUP)
    assert server.commands == asked.commands


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (Mail, Reply(550, "no")),
        (Mail, Reply(354, "go on")),
        (Rcpt, Reply(421, "closing")),
        (Data, Reply(250, "ok")),
        (Data, Reply(353, "ok")),
        (Ehlo, Reply(250, "ok")),
        (Noop, Reply(250, "ok")),
    ],
)
def test_only_what_accepts_an_envelope_can_be_settled(command: type[Command], reply: Reply) -> None:
    server, out = settled()
    with pytest.raises(LocalProtocolError) as caught:
        server.settle({command: reply}, [])
    assert caught.value.violation is Violation.REPLY_CODE
    server.next_event(drive.MAIL)
    assert len(out) == 1  # nothing has changed


def test_what_is_no_reply_is_refused() -> None:
    server, _ = settled()
    with pytest.raises(InvalidValueError, match="Reply expected"):
        server.settle({Mail: "250 ok"}, [])  # type: ignore[dict-item]


@pytest.mark.parametrize("out", [None, bytearray()])
def test_what_cannot_take_the_octets_in_order_is_refused(out: Any) -> None:
    server, before = settled()
    with pytest.raises(InvalidValueError, match="out: list expected"):
        server.settle({Mail: SENDER_OK}, out)
    with pytest.raises(InvalidValueError, match="replies: Mapping expected"):
        server.settle(out, [])
    server.next_event(drive.MAIL)
    assert len(before) == 1  # nothing has changed


def test_a_mapping_that_is_changed_later_changes_nothing() -> None:
    replies = dict(ENVELOPE)
    server, out = settled(replies)
    replies.clear()
    assert server.next_event(drive.MAIL) is Signal.NEED_DATA
    assert out == [b"250 2.1.0 sender ok\r\n"]


def test_a_check_of_an_extension_is_asked() -> None:
    """RFC 1870 6.1."""
    server, out = settled()
    event = server.next_event(b"MAIL FROM:<a@b.example> SIZE=99999999\r\n" + drive.MAIL)
    assert isinstance(event, CommandRejected)
    assert event.default_reply.code == 552
    assert out == []
    server.send(event.default_reply)
    assert server.next_event() is Signal.NEED_DATA
    assert len(out) == 1


def test_what_an_extension_counts_is_counted_once() -> None:
    """RFC 9422 4.2."""
    extensions = [Pipelining(), ServerLimits(rcpt_max=2)]
    server, out = settled(server=drive.ready(extensions=extensions))
    event = server.next_event(drive.MAIL + drive.RCPT * 3)
    assert isinstance(event, CommandRejected)
    assert len(out) == 3


def test_too_many_commands_are_too_many() -> None:
    server, out = settled(server=drive.ready(limits=Limits(commands=4)))
    event = server.next_event(drive.MAIL + drive.RCPT * 3)
    assert isinstance(event, CommandRejected)
    assert event.closes
    assert len(out) == 3


def test_servers_of_one_kind_settle_what_they_like() -> None:
    """More kinds of them than are remembered, and each twice."""
    for number in [*range(12)] * 2:
        server, out = settled({Rcpt: Reply(250, f"recipient {number}", "2.1.5")})
        assert isinstance(server.next_event(drive.MAIL), CommandReceived)
        server.send(SENDER_OK)
        assert server.next_event(drive.RCPT) is Signal.NEED_DATA
        assert out == [b"250 2.1.5 recipient %d\r\n" % number]


def test_it_outlives_ehlo() -> None:
    server, out = settled()
    event = server.next_event(b"EHLO again.example\r\n")
    assert isinstance(event, CommandReceived)
    assert event.default_reply is not None
    server.send(event.default_reply)
    assert server.next_event(GROUP) is Signal.NEED_DATA
    assert len(out) == 4


class Bare(Extension):
    """MAIL whose reply has no enhanced status code."""

    keyword = "BARE"
    rows = (Row((State.READY,), Mail, State.MAIL, has_status=False),)


def test_a_reply_that_may_have_no_status_has_none() -> None:
    server, out = settled(server=drive.ready(extensions=[Bare(), EnhancedStatusCodes()]))
    assert server.next_event(drive.MAIL + drive.RCPT) is Signal.NEED_DATA
    assert out == [b"250 sender ok\r\n", b"251 2.1.5 user not local\r\n"]


class Held(Extension):
    """DATA that is admitted with a parameter of MAIL, and otherwise only to be refused."""

    keyword = "HELD"
    mail_parameters = (Parameter("HELD"),)
    rows = (Row((State.RCPT,), Data, Move.FORBIDDEN, State.DATA, exact=354, parameter="HELD"),)


def test_a_row_that_asks_for_more_is_heeded() -> None:
    server, out = settled(server=drive.ready(extensions=[Held()]))
    assert server.next_event(b"MAIL FROM:<a@b.example> HELD\r\n" + drive.RCPT + drive.DATA) is (
        Signal.NEED_DATA
    )
    assert server.state is State.DATA
    assert len(out) == 3
    server, out = settled(server=drive.ready(extensions=[Held()]))
    with pytest.raises(LocalProtocolError, match="not 354"):
        server.next_event(GROUP)
    assert server.state is State.RCPT
    assert len(out) == 3
