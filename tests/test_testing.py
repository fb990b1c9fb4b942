# SPDX-License-Identifier: MIT
"""The connection pair: octets move as told, and nothing else happens."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from smtpproto import (
    Auth,
    AuthResponse,
    ClientConnection,
    CommandReceived,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Greeting,
    Lhlo,
    LocalProtocolError,
    Mail,
    MailDataEnded,
    Noop,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Rset,
    ServerConnection,
    ServerEvent,
    StartTLS,
    State,
    TLSInfo,
    extensions,
)
from smtpproto.testing import ConnectionPair, Message, Segment, Wire, accept

OFFERED = (
    extensions.Pipelining(),
    extensions.Chunking(),
    extensions.StartTLS(),
    extensions.Auth("PLAIN", cleartext=True),
)
MAIL, RCPT = Mail("a@example.com"), Rcpt("b@example.com")


def server(lmtp: bool = False) -> ServerConnection:
    return ServerConnection("mx.example.org", extensions=OFFERED, lmtp=lmtp)


def opened(pair: ConnectionPair) -> ConnectionPair:
    pair.run()
    hello = Lhlo if pair.client.lmtp else Ehlo
    pair.write(pair.client.send(hello("client.example.com")))
    pair.run()
    return pair


@pytest.mark.parametrize("segment", ["whole", "bytewise", 1, 7, 10_000, Random(1)])
def test_a_session_is_the_same_in_any_segments(segment: Segment) -> None:
    pair = ConnectionPair(server(), segment=segment)
    client = pair.client
    assert pair.run() == [ReplyReceived(Greeting(), Reply(220, "mx.example.org ready"))]
    assert pair.run() == []
    opened(pair)
    pair.write(b"".join(map(client.send, (MAIL, RCPT, Data()))))
    assert client.state is State.READY
    pair.run()
    pair.write(client.send_mail_data(b".one\n") + client.end_mail_data() + client.send(MAIL))
    assert [e.command for e in pair.run() if isinstance(e, ReplyReceived)] == [
        EndOfMailData(),
        MAIL,
    ]
    pair.write(client.send(RCPT) + client.send_chunk(b"two", last=True))
    pair.run()
    assert pair.messages == [Message(MAIL, (RCPT,), b".one\r\n"), Message(MAIL, (RCPT,), b"two")]
    pair.write(client.send(Quit()))
    assert pair.run()[-1] == ConnectionClosed(clean=True)
    assert pair.server_events[-1] == ConnectionClosed(clean=True)
    assert pair.run() == []
    assert bytes(pair.to_server.carried).startswith(b"EHLO client.example.com\r\nMAIL ")
    assert pair.to_server.carried.endswith(b"QUIT\r\n")
    assert pair.to_client.carried.startswith(b"220 mx.example.org ready\r\n250-mx.example.org\r\n")


def test_an_abandoned_message_is_not_part_of_the_next() -> None:
    pair = opened(ConnectionPair(server()))
    client = pair.client
    pair.write(client.send(MAIL) + client.send(RCPT) + client.send_chunk(b"old"))
    pair.run()
    pair.write(client.send(Rset()) + client.send(MAIL) + client.send(RCPT))
    pair.write(client.send_chunk(b"new", last=True))
    pair.run()
    assert pair.messages == [Message(MAIL, (RCPT,), b"new")]


@pytest.mark.parametrize("segment", ["whole", "bytewise"])
def test_a_handshake_happens_when_both_sides_wait_for_it(segment: Segment) -> None:
    tls = TLSInfo("TLSv1.3")
    pair = opened(ConnectionPair(server(), segment=segment, tls=tls))
    pair.write(pair.client.send(StartTLS()))
    pair.run()
    assert pair.client.tls == pair.server.tls == tls
    assert pair.client.state is pair.server.state is State.GREETED


def test_what_stands_behind_the_220_reaches_the_client() -> None:
    pair = opened(ConnectionPair(server()))
    pair.write(pair.client.send(StartTLS()))
    pair.application = lambda event: None
    pair.run()
    pair.reply(Reply(220, "go"))
    pair.to_client.write(b"250 injected\r\n")
    with pytest.raises(RemoteProtocolError):
        pair.run()


def test_the_application_may_put_a_reply_off() -> None:
    pair = opened(ConnectionPair(server()))
    asked: list[ServerEvent] = []

    def later(event: ServerEvent) -> None:
        asked.append(event)

    pair.application = later
    pair.write(pair.client.send(MAIL) + pair.client.send(RCPT))
    assert pair.run() == []
    assert pair.run() == []
    assert asked == [CommandReceived(MAIL, b"MAIL FROM:<a@example.com>", None)] * 2
    pair.reply(Reply(451, "at last"))
    pair.application = accept
    assert [e.reply.code for e in pair.run() if isinstance(e, ReplyReceived)] == [451, 503]


def test_the_application_is_asked_for_each_recipient_in_lmtp() -> None:
    codes = iter((250, 550, 452))

    def judge(event: ServerEvent) -> Reply:
        return Reply(next(codes), "said") if isinstance(event, MailDataEnded) else accept(event)

    pair = opened(ConnectionPair(server(lmtp=True), application=judge))
    client = pair.client
    assert client.lmtp
    pair.write(b"".join(map(client.send, (MAIL, RCPT, RCPT, RCPT, Data()))))
    pair.run()
    pair.write(client.end_mail_data())
    assert [e.reply.code for e in pair.run() if isinstance(e, ReplyReceived)] == [250, 550, 452]


def test_authentication_is_accepted() -> None:
    pair = opened(ConnectionPair(server()))
    pair.write(pair.client.send(Auth("PLAIN", b"\0tim\0pass")))
    pair.run()
    assert pair.client.is_authenticated
    assert pair.server.is_authenticated
    pair = opened(ConnectionPair(server()))
    pair.application = lambda event: Reply(334)
    pair.write(pair.client.send(Auth("PLAIN")))
    pair.run()
    pair.application = accept
    pair.write(pair.client.send(AuthResponse(b"\0tim\0pass")))
    pair.run()
    assert pair.client.is_authenticated


def test_a_421_may_come_unasked() -> None:
    pair = opened(ConnectionPair(server()))
    pair.reply(Reply(421, "bye"))
    assert pair.run() == [
        ReplyReceived(None, Reply(421, "bye")),
        ConnectionClosed(clean=False),
    ]
    assert pair.server_events[-1] == ConnectionClosed(clean=False)


@pytest.mark.parametrize("segment", ["whole", "bytewise"])
def test_a_side_may_go_away_without_a_word(segment: Segment) -> None:
    pair = opened(ConnectionPair(server(), segment=segment))
    pair.write(pair.client.send(MAIL) + pair.client.send(RCPT)[:9])
    pair.to_server.ended = True
    pair.write(b"MAIL is written in vain")
    assert pair.run() == [
        ReplyReceived(MAIL, Reply(250, "ok", "2.0.0")),
        ConnectionClosed(clean=False, unanswered=(RCPT,)),
    ]
    assert pair.server_events[-1] == ConnectionClosed(clean=False)
    pair = opened(ConnectionPair(server(), segment=segment))
    pair.to_client.ended = True
    pair.run()
    assert pair.client_events[-1] == pair.server_events[-1] == ConnectionClosed(clean=True)


def test_own_connections_and_greeting() -> None:
    client = ClientConnection(extensions=())
    pair = ConnectionPair(server(), client, greeting=Reply(554, "no mail here"))
    assert pair.client is client
    pair.run()
    assert client.state is pair.server.state is State.REFUSED


@pytest.mark.parametrize("segment", [0, -1])
def test_segments_have_octets(segment: int) -> None:
    with pytest.raises(LocalProtocolError):
        ConnectionPair(server(), segment=segment)


def test_random_segments_repeat_with_their_seed() -> None:
    def pieces(seed: int) -> list[int]:
        wire = Wire(Random(seed))
        wire.write(b"NOOP\r\n" * 50)
        client = ClientConnection()
        sizes = []
        while len(wire):
            before = len(wire)
            assert wire.move(client)
            sizes.append(before - len(wire))
        return sizes

    assert pieces(1) == pieces(1)
    assert sum(pieces(1)) == 300
    assert pieces(1) != pieces(2)


def test_an_application_that_accepts_gives_the_default_where_there_is_one() -> None:
    default = Reply(250, "fine")
    assert accept(CommandReceived(Noop(), b"NOOP", default)) == default


@pytest.mark.parametrize("wrong", ["bytes", "", 0, -1, True, 1.5, None, b"whole", ["whole"]])
def test_a_wire_that_cannot_be_cut_so(wrong: Any) -> None:
    """A misspelt word would have meant "whole"."""
    with pytest.raises(LocalProtocolError, match="one of whole, bytewise expected, not"):
        ConnectionPair(server(), segment=wrong)


@pytest.mark.parametrize(
    ("name", "wrong"), [("server", None), ("server", ServerConnection), ("client", 5)]
)
def test_what_is_no_side(name: str, wrong: Any) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{name}: (Server|Client)Connection expected"):
        ConnectionPair(**{"server": server(), name: wrong})
