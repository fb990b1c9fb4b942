# SPDX-License-Identifier: MIT
"""LMTP on the server: LHLO, and a reply for each recipient (RFC 2033 4)."""

from __future__ import annotations

from typing import Any

import pytest
import server_drive as drive

from smtpproto import (
    ConnectionClosed,
    Lhlo,
    LocalProtocolError,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Rcpt,
    Reply,
    ServerConnection,
    Signal,
    State,
)

LMTP: dict[str, Any] = {"lmtp": True}


def ended(server: ServerConnection, octets: bytes) -> MailDataEnded:
    """Give the server the end of mail data and return its event."""
    server.receive_data(octets)
    while isinstance(event := server.next_event(), MailDataReceived):
        pass
    assert isinstance(event, MailDataEnded)
    return event


def test_lhlo_takes_the_place_of_ehlo() -> None:
    server = drive.greeted(**LMTP)
    outcome = drive.talk(server, drive.HELLO, b"HELO x\r\n", drive.LHLO)
    assert outcome.codes == [500, 500, 250]
    assert server.hello == Lhlo("client.example.com")
    assert "PIPELINING" in server.keywords
    assert drive.talk(drive.greeted(), drive.LHLO).codes == [500]


def test_one_reply_for_each_accepted_recipient() -> None:
    server = drive.in_mail(**LMTP)
    accepted = iter([250, 550, 250, 250])
    lines = b"RCPT TO:<a@b.example>\r\nRCPT TO:<no@b.example>\r\nRCPT TO:<c@b.example>\r\n"
    drive.talk(
        server,
        lines + b"RCPT TO:<a@b.example>\r\n",
        application=lambda event: Reply(next(accepted), "text"),
    )
    assert drive.talk(server, drive.DATA).codes == [354]
    event = ended(server, b"text\r\n.\r\nNOOP\r\n")
    # Duplicates count, those refused do not.
    assert event.recipients == (Rcpt("a@b.example"), Rcpt("c@b.example"), Rcpt("a@b.example"))
    for code in (250, 452):
        server.send(Reply(code, "text"))
        assert server.next_event() is Signal.NEED_REPLY
        assert server.state is State.DATA
        assert server.transaction is not None
    server.send(Reply(250, "text"))
    assert server.state is State.READY
    assert server.transaction is None
    outcome = drive.Outcome()
    drive.pump(server, outcome)
    assert outcome.commands == ["NOOP"]


@pytest.mark.parametrize("last", [250, 550])
def test_the_state_after_the_last_reply_does_not_hang_on_it(last: int) -> None:
    server = drive.in_data(2, **LMTP)
    ended(server, b".\r\n")
    server.send(Reply(550, "no"))
    server.send(Reply(last, "text"))
    assert server.state is State.READY
    with pytest.raises(LocalProtocolError):
        server.send(Reply(250, "one too many"))


@pytest.mark.parametrize("last", [b"BDAT 4 LAST\r\nab\r\n", b"BDAT 0 LAST\r\n"])
def test_the_last_chunk_has_a_reply_for_each_recipient(last: bytes) -> None:
    server = drive.in_rcpt(recipients=3, **LMTP)
    assert drive.talk(server, b"BDAT 4\r\nab\r\n").codes == [250]
    assert drive.talk(server, last).codes == [250, 250, 250]
    assert server.state is State.READY


def test_a_refused_chunk_has_one_reply() -> None:
    server = drive.in_rcpt(recipients=3, **LMTP)
    outcome = drive.talk(server, b"BDAT 4\r\nab\r\n", application=drive.refuse(452))
    assert outcome.codes == [452]
    assert drive.talk(server, b"BDAT 4 LAST\r\nab\r\n").codes == [503]


@pytest.mark.parametrize("octets", [b"BDAT 4 LAST\r\ntext", b"BDAT 0 LAST\r\n"])
def test_bdat_last_without_recipients_has_one_reply(octets: bytes) -> None:
    """As RFC 3030 2 has it: by RFC 2033 4.3 there were none, and a client that waits would hang."""
    group = drive.MAIL + drive.RCPT + octets + b"RSET\r\n"
    for mail, rcpt in ((250, 550), (550, 503)):
        given = {Mail: Reply(mail, "text"), Rcpt: Reply(550, "text")}

        def answer(event: Any, given: dict[type, Reply] = given) -> Reply:
            return event.default_reply or given[type(event.command)]

        outcome = drive.talk(drive.ready(**LMTP), group, application=answer)
        assert outcome.codes == [mail, rcpt, 503, 250]


def test_data_without_recipients_is_503() -> None:
    server = drive.in_mail(**LMTP)
    drive.talk(server, drive.RCPT, application=drive.refuse(550))
    assert drive.talk(server, drive.DATA).codes == [503]


def test_data_refused_has_one_reply() -> None:
    server = drive.in_rcpt(recipients=3, **LMTP)
    assert drive.talk(server, drive.DATA, application=drive.refuse(451)).codes == [451]
    assert server.state is State.RCPT


def test_every_reply_to_a_bad_message_is_a_refusal() -> None:
    server = drive.in_data(3, **LMTP)
    event = ended(server, b"a\nb\r\n.\r\n")
    assert event.default_reply is not None
    assert event.default_reply.code == 554
    for _ in range(3):
        with pytest.raises(LocalProtocolError):
            server.send(Reply(250, "ok"))
        server.send(event.default_reply)
    assert server.state is State.READY
    # The refusals are over with the message.
    outcome = drive.talk(server, drive.MAIL, drive.RCPT, drive.DATA, b".\r\n")
    assert outcome.codes == [250, 250, 354, 250]


def test_421_ends_the_list() -> None:
    server = drive.in_data(3, **LMTP)
    ended(server, b".\r\nNOOP\r\n")
    server.send(Reply(250, "ok"))
    server.send(Reply(421, "bye"))
    assert server.next_event() == ConnectionClosed(clean=False)
    with pytest.raises(LocalProtocolError):
        server.send(Reply(250, "ok"))


def test_a_message_too_big_to_pass_over_has_one_reply() -> None:
    server = drive.in_data(3, lmtp=True, extensions=[], limits=drive.SMALL)
    outcome = drive.talk(server, b"x" * 500)
    assert outcome.codes == [421]
    assert server.state is State.CLOSED


def test_in_smtp_there_is_one_reply_whatever_the_recipients() -> None:
    server = drive.in_data(3)
    assert drive.talk(server, b".\r\nNOOP\r\n").codes == [250, 250]
