# SPDX-License-Identifier: MIT
"""The end of the stream on the server: nothing half is ever taken for whole (RFC 5321 4.1.1.10)."""

from __future__ import annotations

import pytest
import server_drive as drive

from smtpproto import (
    CommandReceived,
    ConnectionClosed,
    Limits,
    LocalProtocolError,
    MailDataEnded,
    Quit,
    Reply,
    Signal,
    State,
    Violation,
)

CLEAN = ConnectionClosed(clean=True)
UNCLEAN = ConnectionClosed(clean=False)


@pytest.mark.parametrize(
    ("place", "closed"),
    [
        ("REFUSED", CLEAN),
        ("GREETED", CLEAN),
        ("READY", CLEAN),
        ("MAIL", UNCLEAN),
        ("RCPT", UNCLEAN),
        ("DATA", UNCLEAN),
        ("BDAT", UNCLEAN),
        ("BDAT_FAILED", UNCLEAN),
        ("AUTH", UNCLEAN),
        ("TLS", UNCLEAN),
        ("CLOSED", UNCLEAN),
    ],
)
def test_the_end_in_each_state(place: str, closed: ConnectionClosed) -> None:
    server = drive.PLACES[place]()
    server.receive_eof()
    assert server.next_event() == closed
    assert server.next_event() == closed
    assert server.state is State.CLOSED
    assert server.transaction is None
    assert server.buffered == 0


def test_the_end_before_the_greeting() -> None:
    server = drive.new()
    server.receive_eof()
    assert server.next_event() is Signal.NEED_REPLY
    server.send(drive.GREETING)
    assert server.next_event() == CLEAN


@pytest.mark.parametrize("place", ["GREETED", "READY", "RCPT"])
@pytest.mark.parametrize("half", [b"QUIT", b"QUIT\r", b"Q", b"RSET\r\nQUIT", b"\x16"])
def test_a_half_line_is_never_run(place: str, half: bytes) -> None:
    server = drive.PLACES[place]()
    outcome = drive.talk(server, half, eof=True)
    assert outcome.commands == (["RSET"] if b"RSET" in half else [])
    assert outcome.events[-1] == UNCLEAN


@pytest.mark.parametrize(
    "content", [b"", b"text", b"text\r\n", b"text\r\n.", b"text\r\n.\r", b".", b".\r", b"\r\n"]
)
def test_mail_data_without_its_end_is_no_message(content: bytes) -> None:
    pieces = [content] if content else []
    outcome = drive.talk(drive.in_data(), *pieces, eof=True)
    assert outcome.events[-1] == UNCLEAN
    assert not [event for event in outcome.events if isinstance(event, MailDataEnded)]
    assert outcome.output == b""


@pytest.mark.parametrize(
    "chunk", [b"BDAT 5 LAST\r\n", b"BDAT 5 LAST\r\nabcd", b"BDAT 5\r\nabcd", b"BDAT 5 LAST"]
)
def test_a_chunk_without_its_end_is_no_message(chunk: bytes) -> None:
    for place in ("RCPT", "BDAT", "READY"):
        outcome = drive.talk(drive.PLACES[place](), chunk, eof=True)
        assert outcome.events[-1] == UNCLEAN
        assert not [event for event in outcome.events if isinstance(event, MailDataEnded)]
        assert outcome.output == b""


def test_whole_units_before_the_end_are_still_given_out() -> None:
    server = drive.in_data()
    server.receive_data(b"text\r\n.\r\n" + drive.MAIL + b"RCPT")
    server.receive_eof()
    outcome = drive.Outcome()
    drive.pump(server, outcome)
    assert outcome.codes == [250, 250]
    assert outcome.data == b"text\r\n"
    assert outcome.events[-1] == UNCLEAN


def test_a_client_may_end_its_side_behind_quit() -> None:
    server = drive.ready()
    server.receive_data(b"QUIT\r\n")
    server.receive_eof()
    event = server.next_event()
    assert isinstance(event, CommandReceived)
    assert event.command == Quit()
    assert server.next_event() is Signal.NEED_REPLY
    assert server.send(event.default_reply or Reply(221)) == b"221 2.0.0 mx.example.org closing\r\n"
    assert server.next_event() == CLEAN


@pytest.mark.parametrize("place", ["REFUSED", "GREETED", "READY", "MAIL", "RCPT", "BDAT"])
@pytest.mark.parametrize("code", [221, 451, 550])
def test_nothing_is_run_behind_quit(place: str, code: int) -> None:
    server = drive.PLACES[place]()
    server.receive_data(b"QUIT\r\n" + drive.MAIL)
    server.next_event()
    server.send(Reply(code, "bye"))
    assert server.next_event() == CLEAN
    assert server.buffered == 0
    server.receive_data(b"NOOP\r\n")
    assert server.buffered == 0
    assert server.next_event() == CLEAN


def test_the_end_while_a_reply_is_due() -> None:
    server = drive.ready()
    server.receive_data(drive.MAIL)
    server.next_event()
    server.receive_eof()
    assert server.next_event() is Signal.NEED_REPLY
    assert server.send(Reply(250, "ok", "2.1.0")) == b"250 2.1.0 ok\r\n"
    assert server.next_event() == UNCLEAN
    with pytest.raises(LocalProtocolError):
        server.send(Reply(421, "late"))


@pytest.mark.parametrize("place", drive.PLACES)
def test_no_octets_is_not_the_end(place: str) -> None:
    server = drive.PLACES[place]()
    before = drive.snapshot(server)
    signal = server.next_event()
    for nothing in (b"", bytearray(), memoryview(b"")):
        with pytest.raises(LocalProtocolError, match=r"receive_eof\(\)") as caught:
            server.receive_data(nothing)
        assert caught.value.violation is Violation.LOCAL_STATE
    assert drive.snapshot(server) == before
    assert server.next_event() == signal


@pytest.mark.parametrize("place", drive.PLACES)
def test_no_octets_come_behind_the_end(place: str) -> None:
    server = drive.PLACES[place]()
    server.receive_eof()
    before = drive.snapshot(server)
    with pytest.raises(LocalProtocolError) as caught:
        server.receive_data(b"NOOP\r\n")
    assert caught.value.violation is Violation.LOCAL_STATE
    assert drive.snapshot(server) == before
    server.receive_eof()  # twice is once
    assert drive.snapshot(server) == before


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_octets_come_in_any_form_and_are_not_kept(kind: type) -> None:
    server = drive.greeted()
    source = bytearray(drive.HELLO)
    server.receive_data(kind(source))
    source[:] = b"x" * len(source) if kind is bytearray else source
    event = server.next_event()
    assert isinstance(event, CommandReceived)
    assert event.line == drive.HELLO[:-2]
    assert type(event.line) is bytes


def test_421_is_no_clean_end() -> None:
    server = drive.ready()
    server.send(Reply(421, "shutting down"))
    assert server.next_event() == UNCLEAN


def test_within_an_over_long_line_it_is_not_clean() -> None:
    server = drive.ready(limits=Limits(command_line=512, auth_line=512))
    server.receive_data(b"a" * 5000)
    assert server.next_event() is Signal.NEED_DATA
    assert server.buffered == 0
    server.receive_eof()
    assert server.next_event() == UNCLEAN
