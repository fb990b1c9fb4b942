# SPDX-License-Identifier: MIT
"""The rules that a server connection keeps, whatever comes and however it is cut."""

from __future__ import annotations

import random
from typing import Any

import pytest
import server_drive as drive
from hypothesis import given
from hypothesis import strategies as st
from invariants_server import PLACES, SERVER_TOKENS, check_oracle, check_server, run
from strategies import cuts, server_octets

from smtpproto import (
    CommandReceived,
    CommandRejected,
    LocalProtocolError,
    MailDataReceived,
    Reply,
    Signal,
    State,
    TLSInfo,
    Violation,
)

SESSION = (
    drive.HELLO
    + drive.MAIL
    + b"RCPT TO:<no@b.example>\r\n"
    + drive.RCPT
    + drive.DATA
    + b"..text\r\n.\r\n"
    + drive.MAIL
    + drive.RCPT
    + b"BDAT 6\r\nQUIT\r\nBDAT 4 LAST\r\n\r\n\r\n"
    + b"AUTH CRAM-MD5\r\nYQ==\r\nFOO\r\nDATA\r\nRSET\r\nQUIT\r\nNOOP\r\n"
)


# --- R1: one command at a time ---


@pytest.mark.parametrize("place", [place for place in PLACES if place != "REFUSED"])
def test_r1_nothing_is_read_while_a_reply_is_due(place: str) -> None:
    server = drive.PLACES[place]()
    first = b".\r\n" if place == "DATA" else b"*\r\n" if place == "AUTH" else b"NOOP\r\n"
    server.receive_data(first + b"RSET\r\n")
    event = server.next_event()
    buffered = server.buffered
    assert buffered == len(b"RSET\r\n")
    for _ in range(3):
        assert server.next_event() is Signal.NEED_REPLY
    assert server.buffered == buffered
    server.send(event.default_reply or Reply(250))  # type: ignore[union-attr]
    assert isinstance(server.next_event(), CommandReceived)


@pytest.mark.parametrize("place", [place for place in PLACES if place != "REFUSED"])
def test_r1_what_is_given_with_the_question_waits_for_the_reply(place: str) -> None:
    server = drive.PLACES[place]()
    first = b".\r\n" if place == "DATA" else b"*\r\n" if place == "AUTH" else b"NOOP\r\n"
    event = server.next_event(first)
    assert server.next_event(b"RSET\r\n") is Signal.NEED_REPLY
    assert server.buffered == len(b"RSET\r\n")
    server.send(event.default_reply or Reply(250))  # type: ignore[union-attr]
    assert isinstance(server.next_event(), CommandReceived)


def test_what_is_given_with_the_question_is_what_is_received() -> None:
    whole, parts = drive.ready(), drive.ready()
    assert whole.next_event(bytearray(b"NOOP\r\n")) == parts.next_event(memoryview(b"NOOP\r\n"))
    for server in (whole, parts):
        server.send(Reply(250))
    whole.receive_data(b"RSET\r")
    assert parts.next_event(b"RSET\r") is Signal.NEED_DATA
    assert whole.next_event(b"\n") == parts.next_event(b"\n")
    wrong: Any = "NOOP\r\n"
    with pytest.raises(LocalProtocolError):
        drive.ready().next_event(wrong)


def test_nothing_is_given_with_the_question_after_the_end_or_before_a_handshake() -> None:
    server = drive.ready()
    server.receive_eof()
    with pytest.raises(LocalProtocolError):
        server.next_event(b"NOOP\r\n")
    server = drive.ready()
    event = server.next_event(b"STARTTLS\r\n")
    assert isinstance(event, CommandReceived)
    with pytest.raises(LocalProtocolError):
        server.next_event(b"NOOP\r\n")
    server.send(Reply(220))
    with pytest.raises(LocalProtocolError):
        server.next_event(b"NOOP\r\n")
    assert server.next_event() is Signal.NEED_TLS


def test_r1_the_reply_decides_how_the_rest_is_framed() -> None:
    octets = drive.DATA + b"RSET\r\n.\r\nNOOP\r\n"
    assert drive.talk(drive.in_rcpt(), octets).commands == ["DATA", "NOOP"]
    server = drive.in_rcpt()
    refused = drive.Outcome()
    server.receive_data(octets)
    server.next_event()
    server.send(Reply(451, "later"))
    drive.pump(server, refused)
    assert refused.commands == ["RSET", "NOOP"]
    assert refused.violations == [Violation.UNKNOWN_COMMAND]


# --- R2: any cut is the same ---


def test_r2_a_session_is_the_same_in_any_two_pieces() -> None:
    whole = run("GREETED", [SESSION], b"", False, False)
    assert len(whole[1]) == 16
    for at in range(1, len(SESSION)):
        assert run("GREETED", [SESSION[:at], SESSION[at:]], b"", False, False) == whole


@given(server_octets, cuts, st.sampled_from(PLACES), st.binary(max_size=6), st.booleans())
def test_r2_any_octets_in_any_cut(
    octets: bytes, lengths: list[int], place: str, choices: bytes, lmtp: bool
) -> None:
    check_server(octets, lengths, place, choices, lmtp)


@pytest.mark.parametrize("token", SERVER_TOKENS)
@pytest.mark.parametrize("place", PLACES)
def test_r2_every_token_in_every_state(token: bytes, place: str) -> None:
    check_server(token + b"NOOP\r\n", [2], place)


def test_the_oracle_knows_what_it_says() -> None:
    assert check_oracle(SESSION.replace(b"AUTH CRAM-MD5\r\nYQ==\r\nFOO\r\n", b""))
    rng = random.Random(5321)
    complete = 0
    for _ in range(400):
        complete += check_oracle(b"".join(rng.choices(SERVER_TOKENS[60:], k=rng.randint(1, 12))))
    assert complete > 20


@pytest.mark.parametrize("at", range(len(b"STARTTLS\r\n")))
def test_r2_starttls_in_any_cut_before_its_end(at: int) -> None:
    server = drive.ready()
    pieces = [piece for piece in (b"STARTTLS\r\n"[:at], b"STARTTLS\r\n"[at:]) if piece]
    assert drive.talk(server, *pieces, drive.HELLO, tls=TLSInfo()).codes == [220, 250]


# --- R3: a local error changes nothing ---


@pytest.mark.parametrize("place", drive.PLACES)
def test_r3_calls_that_are_not_allowed_change_nothing(place: str) -> None:
    server = drive.PLACES[place]()
    twin = drive.PLACES[place]()
    calls: list[Any] = [
        lambda: server.receive_data(b""),
        *(lambda code=code: server.send(Reply(code, "x")) for code in (250, 354, 450, 550)),
    ]
    if place not in ("CONNECTED", "TLS"):
        calls.append(server.tls_established)
    if place == "CONNECTED":
        calls = [lambda: server.send(Reply(354, "x")), lambda: server.receive_data(b"x" * 300_000)]
    for call in calls * 2:
        before = drive.snapshot(server)
        with pytest.raises(LocalProtocolError):
            call()
        assert drive.snapshot(server) == before
    assert server.next_event() == twin.next_event()
    if place not in ("CONNECTED", "TLS"):
        octets = b"NOOP\r\n.\r\nRSET\r\n"
        assert drive.talk(server, octets) == drive.talk(twin, octets)


# --- R4, R5: what is wrong is an event, and what was announced is read ---


@pytest.mark.parametrize("line", [b"FOO", b"MAIL", b"\x80", b"NO\0OP", b"x" * 3000, b"RCPT TO:<>"])
def test_r4_an_error_of_the_peer_is_an_event_with_a_reply(line: bytes) -> None:
    server = drive.in_mail()
    event = drive.event_of(server, line + b"\r\nNOOP\r\n")
    assert isinstance(event, CommandRejected)
    assert event.default_reply.code >= 500
    assert not event.closes
    server.send(event.default_reply)
    assert isinstance(server.next_event(), CommandReceived)


@pytest.mark.parametrize(
    "line", [b"BDAT x\r\n", b"GET / HTTP/1.1\r\n", b"\x16\x03", b"STARTTLS\r\n", b"x" * 1_100_000]
)
def test_r4_after_an_event_that_closes_nothing_more_is_run(line: bytes) -> None:
    server = drive.ready()
    behind = b"" if line[:1] == b"x" else b"MAIL FROM:<a@b.example>\r\n"
    event = drive.event_of(server, line + behind)
    assert isinstance(event, CommandRejected)
    assert event.closes
    server.send(event.default_reply)
    assert server.state is State.CLOSED
    assert server.buffered == 0


def test_r4_another_refusal_closes_too() -> None:
    server = drive.ready()
    drive.event_of(server, b"BDAT x\r\n")
    server.send(Reply(554, "no"))
    assert server.state is State.CLOSED


def test_r5_announced_octets_are_read_in_every_state() -> None:
    hidden = b"QUIT\r\nRSET\r\n"
    for place in ("GREETED", "READY", "MAIL", "BDAT_FAILED", "REFUSED"):
        outcome = drive.talk(drive.PLACES[place](), b"BDAT 12\r\n" + hidden)
        assert outcome.codes == [503]


# --- R6, R7: caps, and nothing is said by itself ---


@given(server_octets, st.sampled_from(PLACES))
def test_r6_no_more_mail_data_is_given_out_than_the_limit(octets: bytes, place: str) -> None:
    events, _, _ = run(place, [octets * 3] if octets else [], b"", False, False)
    size = 0
    for event in events:
        if isinstance(event, MailDataReceived):
            size += len(event.data)
        elif isinstance(event, CommandReceived) and event.command.verb == "MAIL":
            size = 0
        assert size <= 44  # the limit, and what came before the octets


def test_r7_a_server_says_nothing_by_itself() -> None:
    server = drive.new()
    assert server.next_event() is Signal.NEED_REPLY
    server = drive.greeted()
    assert server.next_event() is Signal.NEED_DATA
    server.receive_data(drive.MAIL)
    server.next_event()
    assert server.state is State.GREETED  # it is for the application to refuse


@pytest.mark.parametrize(
    ("place", "line"),
    [("READY", drive.MAIL), ("MAIL", drive.RCPT), ("READY", drive.PLAIN), ("DATA", b".\r\n")],
)
def test_r7_where_policy_is_needed_there_is_no_default(place: str, line: bytes) -> None:
    assert drive.event_of(drive.PLACES[place](), line).default_reply is None


# --- R8: see test_server_starttls; R10, R11: values and types ---


@pytest.mark.parametrize("text", ["a\r\n250 b", "a\nb", "a\rb", "a\0b"])
def test_r10_no_reply_can_hold_a_line_end(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        Reply(250, text)


def test_r11_the_line_is_kept_beside_the_command() -> None:
    event = drive.event_of(drive.ready(), b"mail from:<A@B.example>  size=7 \r\n")
    assert event.line == b"mail from:<A@B.example>  size=7 "
    assert event.command.reverse_path.address == "A@B.example"
    assert dict(event.command.parameters) == {"SIZE": 7}


def test_r14_no_event_shows_a_line() -> None:
    for line in (b"AUTH PLAIN c2VjcmV0\r\n", b"c2VjcmV0\r\n", b"AUTH c2VjcmV0c2VjcmV0 x\r\n"):
        event = drive.event_of(drive.ready(), line)
        assert "c2VjcmV0" not in repr(event)
        assert b"c2VjcmV0" in event.line
    event = drive.event_of(drive.in_auth(), b"c2VjcmV0\r\n")
    assert event.data == b"secret"
    assert "secret" not in repr(event)
