# SPDX-License-Identifier: MIT
"""The client reading replies: every shape in the wild, and everything that is no reply."""

from __future__ import annotations

import pytest
from client_drive import (
    MAIL,
    PLACES,
    RCPT,
    answered,
    events,
    feed,
    in_data,
    in_mail,
    in_rcpt,
    ready,
)

from smtpproto import (
    ClientConnection,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Expn,
    Help,
    Noop,
    Quit,
    RemoteProtocolError,
    Reply,
    Rset,
    Signal,
    StartTLS,
    State,
    Violation,
    Vrfy,
)

SHAPES = [
    (b"250\r\n", Reply(250)),
    (b"250 \r\n", Reply(250)),
    (b"250\tok\r\n", Reply(250, "ok")),
    (b"250-\r\n250\r\n", Reply(250, ["", ""])),
    (b"250-a\r\n250-b\r\n250 c\r\n", Reply(250, ["a", "b", "c"])),
    (b"250-2.0.0 a\r\n250 2.0.0 b\r\n", Reply(250, ["a", "b"], "2.0.0")),
    (b"250-2.0.0 a\r\n250 b\r\n", Reply(250, ["2.0.0 a", "b"])),
    (b"250 2.1.0\r\n", Reply(250, "", "2.1.0")),
    (b"250 5.1.0 odd\r\n", Reply(250, "5.1.0 odd")),
    (b"550 5.7.708 denied\r\n", Reply(550, "denied", "5.7.708")),
    (b"299 odd\r\n", Reply(299, "odd")),
    (b"599 odd\r\n", Reply(599, "odd")),
    (b"250 gr\xc3\xbc\xc3\x9fe\r\n", Reply(250, "gr\u00fc\u00dfe")),
    (b"250 \xff\r\n", Reply(250, "\udcff")),
    (b"250 a\x85b\x0bc\x0cd\xe2\x80\xa8e\r\n", Reply(250, "a\udc85b\x0bc\x0cd\u2028e")),
    (b"250 " + b"x" * 2000 + b"\r\n", Reply(250, "x" * 2000)),
]


@pytest.mark.parametrize(("octets", "reply"), SHAPES)
def test_a_reply_is_read_however_it_is_written_and_cut(octets: bytes, reply: Reply) -> None:
    client = ready()
    client.send(Noop())
    event = answered(client, octets)
    assert (event.command, event.reply) == (Noop(), reply)
    assert event.challenge is None
    client.send(Noop())
    for position in range(len(octets) - 1):
        assert feed(client, octets[position : position + 1]) == []
        assert client.next_event() is Signal.NEED_DATA
    assert answered(client, octets[-1:]).reply == reply


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"25",
        b"2 50",
        b"250ok",
        b"250_ok",
        b"150 preliminary",
        b"650 no such class",
        b"050 no",
        b"+50 no",
        b"2_0 no",
        b"\xb2\xb5\xb0 ok",
        b"\xd9\xa2\xd9\xa5\xd9\xa0 ok",
        b" 250 ok",
        b"ok",
        b"* OK IMAP4rev1",
        b"+OK POP3",
        b"HTTP/1.1 400 Bad Request",
    ],
)
def test_what_is_no_reply_line_ends_the_session(line: bytes) -> None:
    client = ready()
    client.send(Noop())
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, line + b"\r\n")
    assert caught.value.violation is Violation.REPLY_SYNTAX
    assert client.state is State.ERROR
    assert client.outstanding == (Noop(),)


@pytest.mark.parametrize(
    "octets",
    [b"250 a\nb\r\n", b"250 a\rb\r\n", b"250 a\0b\r\n", b"250 ok\n250 ok\r\n", b"250 ok\r\r\n"],
)
def test_only_crlf_ends_a_reply_line(octets: bytes) -> None:
    client = ready()
    client.send(Noop())
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, octets)
    assert caught.value.violation is Violation.REPLY_SYNTAX


def test_a_reply_that_ends_in_a_bare_lf_is_awaited() -> None:
    client = ready()
    client.send(Noop())
    assert feed(client, b"250 ok\n") == []
    assert client.next_event() is Signal.NEED_DATA
    client.receive_eof()
    assert events(client) == [ConnectionClosed(clean=False, unanswered=(Noop(),))]


@pytest.mark.parametrize("octets", [b"250-a\r\n251 b\r\n", b"250-a\r\n550 b\r\n"])
def test_all_lines_of_a_reply_have_one_code(octets: bytes) -> None:
    client = ready()
    client.send(Noop())
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, octets)
    assert caught.value.violation is Violation.REPLY_SYNTAX


@pytest.mark.parametrize(
    "octets", [b"250 qu", b"250 queued\r", b"250-queued\r\n", b"250-a\r\n250 b"]
)
def test_half_a_reply_is_none_when_the_stream_ends(octets: bytes) -> None:
    """A delivery that the server may not have confirmed is not reported as one."""
    client = in_data()
    client.end_mail_data()
    assert feed(client, octets) == []
    client.receive_eof()
    assert events(client) == [ConnectionClosed(clean=False, unanswered=(EndOfMailData(),))]


def test_the_error_shows_little_of_what_was_received() -> None:
    client = ready()
    client.send(Noop())
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, b"\x1b[31m" + b"x" * 5000 + b"\r\n")
    assert len(str(caught.value)) < 200
    assert "\x1b" not in str(caught.value)


# --------------------------------------------------------------------------- codes


@pytest.mark.parametrize(
    ("client", "command", "code"),
    [
        (in_rcpt, Data(), 250),
        (in_rcpt, Data(), 235),
        (in_rcpt, Data(), 334),
        (in_rcpt, Data(), 353),
        (ready, StartTLS(), 250),
        (ready, StartTLS(), 221),
        (ready, StartTLS(), 334),
        (ready, Noop(), 354),
        (ready, Rset(), 334),
        (ready, MAIL, 354),
        (in_mail, RCPT, 354),
        (ready, Ehlo("client.example.com"), 354),
        (ready, Quit(), 354),
    ],
)
def test_a_code_that_would_change_the_framing_unasked_ends_the_session(
    client: type[ClientConnection], command: Noop, code: int
) -> None:
    connection = client()
    connection.send(command)
    with pytest.raises(RemoteProtocolError) as caught:
        feed(connection, b"%d go\r\n" % code)
    assert caught.value.violation is Violation.REPLY_CODE
    assert connection.state is State.ERROR


def test_the_greeting_and_the_mail_data_have_no_3yz() -> None:
    with pytest.raises(RemoteProtocolError):
        feed(ClientConnection(), b"354 go\r\n")
    client = in_data()
    client.end_mail_data()
    with pytest.raises(RemoteProtocolError):
        feed(client, b"354 more\r\n")


@pytest.mark.parametrize("code", [200, 211, 220, 235, 250, 251, 252, 299])
def test_any_2yz_is_success_where_nothing_hangs_on_the_code(code: int) -> None:
    client = ready()
    reply = b"%d fine\r\n" % code
    for command in (Noop(), Vrfy("x"), Expn("x"), Help(), Rset(), MAIL, RCPT):
        client.send(command)
        assert answered(client, reply).reply.code == code
    client.send(Data())
    answered(client, b"354 go\r\n")
    client.end_mail_data()
    answered(client, reply)
    assert client.state is State.READY


@pytest.mark.parametrize("code", [400, 450, 452, 499, 500, 550, 556, 599])
def test_any_4yz_or_5yz_is_a_refusal_that_leaves_the_state(code: int) -> None:
    client = ready()
    reply = b"%d no\r\n" % code
    for command, state in (
        (Ehlo("client.example.com"), State.READY),
        (StartTLS(), State.READY),
        (MAIL, State.READY),
        (RCPT, State.MAIL),
        (Data(), State.RCPT),
        (Rset(), State.RCPT),
    ):
        while client.state is not state:
            client.send(MAIL if client.state is State.READY else RCPT)
            answered(client, b"250 ok\r\n")
        client.send(command)
        answered(client, reply)
        assert client.state is state
    client.send(Data())
    answered(client, b"354 go\r\n")
    client.end_mail_data()
    answered(client, reply)
    assert client.state is State.READY


def test_ehlo_may_be_answered_in_one_line() -> None:
    client = ready()
    client.send(Ehlo("client.example.com"))
    answered(client, b"250 SIZE 100\r\n")
    assert client.keywords == {}
    assert client.state is State.READY


def test_keywords_in_other_replies_mean_nothing() -> None:
    client = ready("SIZE 5")
    client.send(Noop())
    answered(client, b"250-mx.example.org\r\n250 PIPELINING\r\n")
    assert not client.may_group


@pytest.mark.parametrize("place", [place for place in PLACES if place != "CLOSED"])
def test_octets_that_are_no_reply_end_the_session_in_every_state(place: str) -> None:
    client = PLACES[place]()
    with pytest.raises(RemoteProtocolError):
        feed(client, b"bogus\r\n")
    assert client.state is State.ERROR
    client.receive_eof()
    with pytest.raises(RemoteProtocolError):
        client.next_event()
