# SPDX-License-Identifier: MIT
"""HTTP and TLS on the port of a server: nothing of them is run (RFC 5321 7.8)."""

from __future__ import annotations

import pytest
import server_drive as drive

from smtpproto import CommandReceived, CommandRejected, ConnectionClosed, Signal, Violation

HIDDEN = drive.HELLO + drive.MAIL + drive.RCPT + drive.DATA + b"hi\r\n.\r\n"
HELLO = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"
WAYS = [1, 2, 3, 1000]


def is_turned_away(octets: bytes, segment: int, place: str = "GREETED") -> CommandRejected:
    """Give the server octets in segments; assert that it closes with 421 and runs nothing."""
    server = drive.PLACES[place]()
    pieces = (octets[i : i + segment] for i in range(0, len(octets), segment))
    outcome = drive.talk(server, *pieces)
    assert outcome.codes == [421]
    rejected, closed = outcome.events[:2]
    assert isinstance(rejected, CommandRejected)
    assert rejected.violation is Violation.WRONG_PROTOCOL
    assert rejected.closes
    assert rejected.command is None
    assert rejected.default_reply.enhanced == "4.7.0"
    assert closed == ConnectionClosed(clean=False)
    assert server.buffered == 0
    return rejected


@pytest.mark.parametrize("segment", WAYS)
@pytest.mark.parametrize(
    "method",
    [b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"get"],
)
def test_http(method: bytes, segment: int) -> None:
    request = method + b" / HTTP/1.1\r\nHost: mx.example.org\r\n\r\n" + HIDDEN
    is_turned_away(request, segment)


@pytest.mark.parametrize("segment", WAYS)
@pytest.mark.parametrize(
    "start",
    [
        b"POST /" + b"x" * 3000 + b" HTTP/1.1\r\n",  # over the limit of a command line
        b"POST /" + b"x" * 13000 + b" HTTP/1.1\r\n",  # over the limit of any line
        b"POST /\n HTTP/1.1\r\n",
        b"POST /\0 HTTP/1.1\r\n",
        b"POST /\r HTTP/1.1\r\n",
        b"FOO / HTTP/1.1\r\n",
        b"GET\r\n",
    ],
)
def test_http_in_irregular_lines(start: bytes, segment: int) -> None:
    is_turned_away(start + b"Host: x\r\n\r\n" + HIDDEN, segment)


@pytest.mark.parametrize("place", ["READY", "RCPT", "BDAT", "REFUSED"])
def test_http_in_the_middle_of_a_session(place: str) -> None:
    is_turned_away(b"GET / HTTP/1.1\r\n" + HIDDEN, 1000, place)


@pytest.mark.parametrize("segment", WAYS)
@pytest.mark.parametrize(
    "octets",
    [
        HELLO,
        HELLO + b"\r\n" + HIDDEN,
        b"\x16\x03",
        b"\x16\x03abc\r\n" + HIDDEN,
        b"\x16\x03" + b"\r" * 20 + b"\r\n" + HIDDEN,
        b"\x16\x03" + b"a" * 3000 + b"\r\n" + HIDDEN,
        b"\x16\x03" + b"a" * 13000 + b"\r\n" + HIDDEN,
        b"\x16\x03\n" + HIDDEN,
    ],
)
def test_a_client_hello_in_any_cut_is_the_same_event(octets: bytes, segment: int) -> None:
    rejected = is_turned_away(octets, segment)
    assert rejected.line == b"\x16\x03"
    assert rejected.default_reply.text == "this is an SMTP port"


def test_half_a_client_hello_is_waited_for() -> None:
    server = drive.greeted()
    server.receive_data(b"\x16")
    assert server.next_event() is Signal.NEED_DATA
    server.receive_data(b"\x02\r\n")
    assert server.next_event().violation is Violation.UNKNOWN_COMMAND  # type: ignore[union-attr]


def test_the_words_of_http_may_stand_elsewhere() -> None:
    server = drive.ready()
    event = drive.event_of(server, b"NOOP GET / HTTP/1.1\r\n")
    assert isinstance(event, CommandReceived)
    outcome = drive.talk(drive.in_data(), b"GET / HTTP/1.1\r\n\x16\x03\r\n.\r\n")
    assert outcome.codes == [250]
    assert outcome.data == b"GET / HTTP/1.1\r\n\x16\x03\r\n"


def test_a_session_in_the_body_of_a_request_is_not_run() -> None:
    form = b"POST /form HTTP/1.1\r\nContent-Type: text/plain\r\n\r\nx=" + HIDDEN
    is_turned_away(form, 1000)


def test_a_client_hello_longer_than_any_line_is_seen_at_once() -> None:
    server = drive.new()
    server.send(drive.GREETING)
    server.receive_data(b"\x16\x03\x01" + b"\x01" * 20_000)
    event = server.next_event()
    assert isinstance(event, CommandRejected)
    assert event.violation is Violation.WRONG_PROTOCOL
    assert event.closes
