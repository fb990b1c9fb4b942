# SPDX-License-Identifier: MIT
"""The client in LMTP mode (RFC 2033): as many replies to the mail data as accepted recipients."""

from __future__ import annotations

import pytest
from client_drive import MAIL, RCPT, answered, events, feed, in_bdat, in_data, in_rcpt, ready

from smtpproto import (
    Bdat,
    ClientConnection,
    Command,
    ConnectionClosed,
    Data,
    EndOfMailData,
    LocalProtocolError,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Signal,
    State,
)

A, B, C = (Rcpt(f"{name}@example.com") for name in "abc")


def envelope(*recipients: tuple[Rcpt, int]) -> ClientConnection:
    client = ready(lmtp=True)
    client.send(MAIL)
    answered(client, b"250 ok\r\n")
    for recipient, code in recipients:
        client.send(recipient)
        answered(client, b"%d said\r\n" % code)
    return client


def by_data(client: ClientConnection) -> None:
    client.send(Data())
    answered(client, b"354 go\r\n")
    client.send_mail_data(b"text\n")
    client.end_mail_data()


def by_bdat(client: ClientConnection) -> None:
    client.send_chunk(b"te")
    answered(client, b"250 ok\r\n")
    client.send_chunk(b"xt\n", last=True)


WAYS = pytest.mark.parametrize("way", [by_data, by_bdat])


def verdicts(client: ClientConnection, octets: bytes) -> list[tuple[Command | None, int]]:
    return [(e.command, e.reply.code) for e in feed(client, octets) if isinstance(e, ReplyReceived)]


@WAYS
def test_each_accepted_recipient_has_its_reply(way: type) -> None:
    client = envelope((A, 250), (B, 550), (C, 251))
    way(client)
    assert verdicts(client, b"250-a\r\n250 a\r\n") == [(EndOfMailData(A), 250)]
    assert client.state is (State.DATA if way is by_data else State.BDAT)
    assert client.next_event() is Signal.NEED_DATA
    assert verdicts(client, b"452 full\r\n") == [(EndOfMailData(C), 452)]
    assert client.state is State.READY
    assert client.transaction is None
    assert client.next_event() is Signal.NEED_COMMAND


@WAYS
@pytest.mark.parametrize("codes", [(250, 250, 250), (552, 250, 550), (451, 550, 552)])
def test_a_recipient_given_twice_has_two_replies(way: type, codes: tuple[int, ...]) -> None:
    client = envelope((A, 250), (B, 250), (A, 250))
    way(client)
    octets = b"".join(b"%d said\r\n" % code for code in codes)
    assert verdicts(client, octets) == list(zip(map(EndOfMailData, (A, B, A)), codes, strict=True))
    assert client.state is State.READY


@WAYS
def test_one_reply_too_many_is_an_error(way: type) -> None:
    client = envelope((A, 250))
    way(client)
    with pytest.raises(RemoteProtocolError):
        feed(client, b"250 a\r\n250 b\r\n")


@WAYS
def test_the_end_after_some_replies_leaves_the_rest_unanswered(way: type) -> None:
    client = envelope((A, 250), (B, 250), (C, 250))
    way(client)
    assert verdicts(client, b"250 a\r\n") == [(EndOfMailData(A), 250)]
    client.receive_eof()
    assert events(client) == [
        ConnectionClosed(clean=False, unanswered=(EndOfMailData(B), EndOfMailData(C)))
    ]


@WAYS
def test_421_ends_the_list(way: type) -> None:
    client = envelope((A, 250), (B, 250), (C, 250))
    way(client)
    assert feed(client, b"250 a\r\n421 bye\r\n") == [
        ReplyReceived(EndOfMailData(A), Reply(250, "a")),
        ReplyReceived(EndOfMailData(B), Reply(421, "bye")),
        ConnectionClosed(clean=False, unanswered=(EndOfMailData(C),)),
    ]
    client = envelope((A, 250), (B, 250))
    way(client)
    assert feed(client, b"421 bye\r\n") == [
        ReplyReceived(EndOfMailData(A), Reply(421, "bye")),
        ConnectionClosed(clean=False, unanswered=(EndOfMailData(B),)),
    ]


@WAYS
def test_3yz_is_no_verdict(way: type) -> None:
    client = envelope((A, 250), (B, 250))
    way(client)
    with pytest.raises(RemoteProtocolError):
        feed(client, b"354 go\r\n")


@WAYS
def test_the_next_message_may_be_queued_behind_the_mail_data(way: type) -> None:
    client = envelope((A, 250), (B, 250))
    way(client)
    client.send(MAIL)
    client.send(C)
    assert verdicts(client, b"250 a\r\n552 b\r\n250 mail\r\n250 c\r\n") == [
        (EndOfMailData(A), 250),
        (EndOfMailData(B), 552),
        (MAIL, 250),
        (C, 250),
    ]
    assert client.transaction is not None
    assert client.transaction.recipients == [C]
    way(client)
    assert verdicts(client, b"250 c\r\n") == [(EndOfMailData(C), 250)]


def test_a_chunk_that_is_not_the_last_has_one_reply() -> None:
    client = in_rcpt(lmtp=True, recipients=3)
    client.send_chunk(b"x")
    client.send_chunk(b"y")
    assert verdicts(client, b"250 ok\r\n" * 2) == [(Bdat(1), 250)] * 2


def test_the_last_chunk_awaits_the_replies_to_rcpt() -> None:
    """RFC 2033 4.3: without them nobody knows how many replies there will be."""
    client = ready(lmtp=True)
    client.send(MAIL)
    client.send(A)
    client.send_chunk(b"x")
    with pytest.raises(LocalProtocolError):
        client.send_chunk(b"y", last=True)
    feed(client, b"250 ok\r\n250 ok\r\n")
    assert client.send_chunk(b"y", last=True)
    assert verdicts(client, b"250 ok\r\n250 a\r\n") == [(Bdat(1), 250), (EndOfMailData(A), 250)]


def test_the_last_chunk_is_not_sent_when_all_recipients_were_refused() -> None:
    """RFC 2033 4.3: it would have no reply at all."""
    client = ready(lmtp=True)
    client.send(MAIL)
    client.send(A)
    client.send_chunk(b"x")
    feed(client, b"250 ok\r\n550 no\r\n")
    with pytest.raises(LocalProtocolError):
        client.send_chunk(b"y", last=True)
    answered(client, b"503 no\r\n")
    with pytest.raises(LocalProtocolError):
        client.send_chunk(b"y", last=True)


def test_the_last_chunk_of_a_failed_message_has_one_reply() -> None:
    client = in_bdat(lmtp=True, recipients=3)
    client.send_chunk(b"x")
    client.send_chunk(b"y", last=True)
    assert verdicts(client, b"452 full\r\n503 no\r\n") == [(Bdat(1), 452), (Bdat(1, True), 503)]
    assert client.outstanding == ()


def test_data_without_a_recipient_and_354_has_one_verdict() -> None:
    client = ready(lmtp=True)
    for command in (MAIL, RCPT, Data()):
        client.send(command)
    feed(client, b"250 ok\r\n550 no\r\n354 go\r\n")
    client.end_mail_data()
    assert verdicts(client, b"554 none\r\n") == [(EndOfMailData(), 554)]
    assert client.state is State.READY


def test_a_refused_data_has_one_reply() -> None:
    client = in_rcpt(lmtp=True, recipients=3)
    client.send(Data())
    assert verdicts(client, b"451 no\r\n") == [(Data(), 451)]
    assert client.state is State.RCPT


def test_outside_lmtp_there_is_one_reply_whatever_the_number_of_recipients() -> None:
    client = in_data(recipients=3)
    client.end_mail_data()
    assert client.outstanding == (EndOfMailData(),)
