# SPDX-License-Identifier: MIT
"""The AUTH exchange on the server (RFC 4954 4)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import server_drive as drive

from smtpproto import (
    Auth,
    AuthResponse,
    AuthResponseReceived,
    CommandReceived,
    CommandRejected,
    Limits,
    LocalProtocolError,
    Reply,
    ServerConnection,
    Signal,
    State,
    TLSInfo,
    Violation,
    extensions,
)

CRAM = b"AUTH CRAM-MD5\r\n"


def exchange(server: ServerConnection, *replies: Reply) -> list[Any]:
    """Answer with these replies; return the events before them."""
    events = []
    for reply in replies:
        events.append(server.next_event())
        server.send(reply)
    return events


def test_an_exchange_of_several_lines() -> None:
    server = drive.ready()
    server.receive_data(CRAM)
    event = server.next_event()
    assert event == CommandReceived(Auth("CRAM-MD5"), CRAM[:-2], None)
    assert server.send(Reply(334, "PGE+")) == b"334 PGE+\r\n"
    assert server.state is State.AUTH
    server.receive_data(b"YWJj\r\n")
    assert server.next_event() == AuthResponseReceived(b"abc")
    assert server.send(Reply(334)) == b"334 \r\n"  # an empty challenge keeps its space
    server.receive_data(b"\r\nNOOP\r\n")
    assert server.next_event() == AuthResponseReceived(b"")
    assert not server.is_authenticated
    assert server.send(Reply(235, "welcome")) == b"235 2.7.0 welcome\r\n"
    assert server.is_authenticated
    assert server.state is State.READY
    assert server.next_event().command.verb == "NOOP"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("argument", "response"), [(b"", None), (b" =", b""), (b" YQ==", b"a"), (b"  YQ==", b"a")]
)
def test_no_initial_response_is_not_an_empty_one(argument: bytes, response: bytes | None) -> None:
    event = drive.event_of(drive.ready(), b"auth plain" + argument + b"\r\n")
    assert event.command == Auth("PLAIN", response)


def test_at_once_with_an_initial_response() -> None:
    server = drive.ready()
    assert drive.talk(server, drive.PLAIN).codes == [235]
    assert server.is_authenticated


BAD_BASE64 = [
    b"?",
    b"YQ",
    b"YQ=",
    b"YQ===",
    b"Y Q==",
    b"YR==",
    b"=",
    b"YQ==YQ==",
    b"\xc3\xa9",
    b"YQ==*",
    b"**",
]


@pytest.mark.parametrize("text", BAD_BASE64)
def test_a_response_that_is_not_base64_ends_the_exchange(text: bytes) -> None:
    server = drive.in_auth()
    event = drive.event_of(server, text + b"\r\n")
    assert isinstance(event, CommandRejected)
    assert event.violation is Violation.BASE64
    assert (event.default_reply.code, event.default_reply.enhanced) == (501, "5.5.2")
    server.send(event.default_reply)
    assert server.state is State.READY
    assert not server.is_authenticated


@pytest.mark.parametrize("text", [bad for bad in BAD_BASE64 if bad not in (b"=", b"\xc3\xa9")])
def test_an_initial_response_that_is_not_base64(text: bytes) -> None:
    server = drive.ready()
    outcome = drive.talk(server, b"AUTH PLAIN " + text + b"\r\n")
    assert outcome.codes == [501]
    assert server.state is State.READY


def test_cancelled() -> None:
    server = drive.in_auth()
    event = drive.event_of(server, b"*\r\n")
    assert isinstance(event, CommandRejected)
    assert event.violation is Violation.AUTH_CANCELLED
    assert event.command == AuthResponse(None)
    assert (event.default_reply.code, event.default_reply.enhanced) == (501, "5.7.0")
    with pytest.raises(LocalProtocolError):
        server.send(Reply(235, "welcome"))
    server.send(event.default_reply)
    assert server.state is State.READY
    outcome = drive.talk(server, drive.PLAIN, CRAM)
    assert outcome.codes == [235, 503]


def test_to_cancel_is_no_error_but_a_failed_authentication() -> None:
    server = drive.ready(limits=drive.SMALL)
    for _ in range(3):
        server.receive_data(CRAM + b"*\r\n")
        exchange(server, Reply(334), Reply(501, "cancelled"))
    assert drive.talk(server, CRAM).codes == [421]
    server = drive.ready(limits=Limits(errors=0))
    server.receive_data(CRAM + b"*\r\n")
    _, event = exchange(server, Reply(334), Reply(501, "cancelled"))
    assert not event.closes


def test_commands_within_the_exchange_are_responses() -> None:
    server = drive.in_auth()
    event = drive.event_of(server, b"QUIT\r\n")
    assert event == AuthResponseReceived(base64.b64decode(b"QUIT"))
    server = drive.in_auth()
    assert drive.event_of(server, drive.MAIL).violation is Violation.BASE64


@pytest.mark.parametrize(
    ("line", "violation"),
    [(b"YQ\n==", Violation.BARE_LF), (b"YQ==\r", Violation.BARE_CR), (b"YQ\0==", Violation.NUL)],
)
def test_an_irregular_response_is_one_bad_line(line: bytes, violation: Violation) -> None:
    server = drive.in_auth()
    event = drive.event_of(server, line + b"\r\n")
    assert isinstance(event, CommandRejected)
    assert event.violation is violation
    assert event.default_reply.code == 500
    assert not event.closes
    server.send(event.default_reply)
    assert server.state is State.READY


def test_a_response_that_looks_like_a_tls_record_or_a_chunk_is_a_response() -> None:
    for line in (b"\x16\x03\0\r\n", b"BDAT x\0\r\n"):
        server = drive.in_auth()
        event = drive.event_of(server, line)
        assert event.violation is Violation.NUL
        assert not event.closes


@pytest.mark.parametrize("segment", [1000, 100000])
def test_the_longest_line(segment: int) -> None:
    for length, size in ((12288, 12286), (12289, 0)):
        server = drive.in_auth()
        octets = b"A" * (length // 4 * 4 - (4 if length == 12288 else 0)) + b"\r\n"
        octets = octets if length == 12288 else b"A" * 12287 + b"\r\n"
        outcome = drive.talk(
            server, *(octets[i : i + segment] for i in range(0, len(octets), segment))
        )
        event = outcome.events[0]
        if size:
            assert isinstance(event, AuthResponseReceived)
        else:
            assert isinstance(event, CommandRejected)
            assert event.violation is Violation.LINE_TOO_LONG
            assert (event.default_reply.code, event.default_reply.enhanced) == (500, "5.5.6")
        assert len(outcome.codes) == 1
        assert server.state is State.READY


def test_a_line_of_auth_may_be_longer_than_others() -> None:
    server = drive.ready()
    assert drive.talk(server, b"AUTH PLAIN " + b"A" * 12272 + b"\r\n").codes == [235]
    server = drive.ready()
    outcome = drive.talk(server, b"AUTH PLAIN " + b"A" * 12276 + b"\r\n")
    assert outcome.codes == [500]
    assert outcome.violations == [Violation.LINE_TOO_LONG]


def test_a_response_too_long_to_pass_over_ends_the_session() -> None:
    server = drive.in_auth(limits=Limits(discarded_line=13000))
    outcome = drive.talk(server, b"A" * 13001 + b"\r\nNOOP\r\n")
    assert outcome.codes == [421]
    assert server.state is State.CLOSED


@pytest.mark.parametrize("place", ["GREETED", "MAIL", "RCPT", "BDAT", "BDAT_FAILED"])
@pytest.mark.parametrize("line", [CRAM, drive.PLAIN])
def test_only_between_transactions_and_behind_ehlo(place: str, line: bytes) -> None:
    server = drive.PLACES[place]()
    assert drive.talk(server, line).codes == [503]
    assert server.state is State[place]
    assert not server.is_authenticated


def test_only_once() -> None:
    server = drive.ready()
    drive.talk(server, drive.PLAIN)
    for line in (b"RSET\r\n", drive.HELLO, drive.MAIL + b"RSET\r\n"):
        assert drive.talk(server, line, drive.PLAIN).codes[-1] == 503
        assert server.is_authenticated


@pytest.mark.parametrize(
    "line", [b"AUTH", b"AUTH ", b"AUTH P\xc3\xa9", b"AUTH PLAIN\tYQ==", b"AUTH " + b"X" * 21]
)
def test_the_syntax_of_the_command(line: bytes) -> None:
    assert drive.talk(drive.ready(), line + b"\r\n").codes == [501]


def test_a_mechanism_that_is_not_offered() -> None:
    event = drive.event_of(drive.ready(), b"AUTH GSSAPI\r\n")
    assert event.violation is Violation.ARGUMENT_SYNTAX
    assert (event.default_reply.code, event.default_reply.enhanced) == (504, "5.5.4")
    assert event.default_reply.text == "one of PLAIN CRAM-MD5 expected, not GSSAPI"


def test_a_mechanism_that_only_lacks_tls() -> None:
    server = drive.ready(extensions=[extensions.Auth("PLAIN", "CRAM-MD5")])
    event = drive.event_of(server, drive.PLAIN)
    assert event.violation is Violation.TLS_REQUIRED
    assert (event.default_reply.code, event.default_reply.enhanced) == (504, "5.5.4")
    assert event.default_reply.text == "TLS expected before AUTH PLAIN"


def test_a_mechanism_that_the_application_took_out_of_the_reply_to_ehlo() -> None:
    for tls in (None, TLSInfo()):
        auth = extensions.Auth("PLAIN", "CRAM-MD5", cleartext=tls is None)
        server = drive.greeted(extensions=[auth], tls=tls)
        server.receive_data(drive.HELLO)
        server.next_event()
        server.send(Reply(250, ["mx.example.org", "AUTH CRAM-MD5"]))
        assert drive.talk(server, drive.PLAIN).codes == [504]
        assert drive.talk(server, CRAM).codes == [235]


def test_nothing_to_offer_without_tls() -> None:
    server = drive.ready(extensions=[extensions.Auth("PLAIN", "LOGIN")])
    assert "AUTH" not in server.keywords
    assert drive.talk(server, drive.PLAIN).codes == [503]


def test_failures() -> None:
    server = drive.ready()
    bad = drive.refuse(535)
    assert drive.talk(server, drive.PLAIN * 5, application=bad).codes == [535] * 5
    outcome = drive.talk(server, drive.PLAIN)
    assert outcome.codes == [421]
    assert outcome.violations == [Violation.TOO_MANY_AUTH_FAILURES]
    assert server.state is State.CLOSED


@pytest.mark.parametrize("line", [b"AUTH GSSAPI\r\n", drive.PLAIN])
def test_what_tries_no_credentials_is_no_failure(line: bytes) -> None:
    """A client that asks for one mechanism after another has its tries left (RFC 4954 9)."""
    auth = extensions.Auth("CRAM-MD5", "PLAIN")  # PLAIN needs TLS
    server = drive.ready(extensions=[auth, extensions.StartTLS()])
    assert drive.talk(server, line * 19).codes == [504] * 19
    bad = drive.refuse(535)
    assert drive.talk(server, CRAM * 5, application=bad).codes == [535] * 5
    assert drive.talk(server, CRAM).codes == [421]
    server = drive.ready(extensions=[auth])
    outcome = drive.talk(server, line * 21)
    assert outcome.codes[-1] == 421  # as an error, it counts
    assert outcome.violations[-1] is Violation.TOO_MANY_ERRORS


def test_a_code_of_the_exchange_is_a_failure_whatever_it_is() -> None:
    server = drive.ready()
    for _ in range(5):
        server.receive_data(CRAM + b"YQ==\r\n")
        exchange(server, Reply(334), Reply(504, "no"))
    assert drive.talk(server, CRAM).codes == [421]


def test_failures_within_the_exchange_are_counted() -> None:
    server = drive.ready(limits=drive.SMALL)
    for line in (b"YQ==", b"?", b"YQ=="):
        server.receive_data(CRAM + line + b"\r\n")
        exchange(server, Reply(334), Reply(535, "no"))
    assert drive.talk(server, CRAM).codes == [421]


def test_a_success_behind_failures() -> None:
    server = drive.ready()
    drive.talk(server, drive.PLAIN * 5, application=drive.refuse(535))
    assert server.state is State.READY
    server = drive.ready()
    drive.talk(server, drive.PLAIN * 4, application=drive.refuse(454))
    assert drive.talk(server, drive.PLAIN).codes == [235]


def test_no_cap_on_failures() -> None:
    server = drive.ready(limits=Limits(auth_attempts=None))
    codes = drive.talk(server, drive.PLAIN * 50, application=drive.refuse(535)).codes
    assert codes == [535] * 50


@pytest.mark.parametrize("code", [432, 454, 500, 501, 504, 534, 535, 538, 421])
def test_the_replies_to_auth_of_the_rfc(code: int) -> None:
    for server in (drive.ready(), drive.in_auth()):
        server.receive_data(b"YQ==\r\n" if server.state is State.AUTH else CRAM)
        server.next_event()
        server.send(Reply(code, "no"))
        assert server.state is (State.CLOSED if code == 421 else State.READY)
        assert not server.is_authenticated


def test_the_exchange_ends_with_the_stream() -> None:
    server = drive.in_auth()
    outcome = drive.talk(server, b"YWJj", eof=True)
    assert [type(event).__name__ for event in outcome.events] == ["ConnectionClosed"]
    assert not outcome.events[0].clean  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["AUTH=<>", "AUTH=a+40b.example", "auth=a@b.example"])
def test_the_parameter_of_mail(value: str) -> None:
    server = drive.ready()
    event = drive.event_of(server, f"MAIL FROM:<x@y.example> {value}\r\n".encode())
    assert event.command.parameters["AUTH"].address == ("" if "<>" in value else "a@b.example")


@pytest.mark.parametrize("value", ["AUTH=", "AUTH", "AUTH=a+zz", "AUTH=nobody", "AUTH=+C3+28"])
def test_a_bad_parameter_of_mail(value: str) -> None:
    server = drive.ready()
    event = drive.event_of(server, f"MAIL FROM:<x@y.example> {value}\r\n".encode())
    assert (event.default_reply.code, event.default_reply.enhanced) == (501, "5.5.4")


def test_secrets_are_in_no_repr() -> None:
    server = drive.ready()
    events: list[object] = [drive.event_of(server, b"AUTH PLAIN c2VjcmV0\r\n")]
    server.send(Reply(334))
    server.receive_data(b"c2VjcmV0\r\n")
    events.append(server.next_event())
    server.send(Reply(535, "no"))
    server.receive_data(b"c2VjcmV0\r\n")  # by a client that believes to be within the exchange
    events.append(server.next_event())
    server.send(Reply(500, "what"))
    server.receive_data(b"AUTH c2VjcmV0 c2VjcmV0?\r\n")
    events.append(server.next_event())
    assert server.next_event() is Signal.NEED_REPLY
    for event in events:
        for secret in ("c2VjcmV0", "secret"):
            assert secret not in repr(event)


@pytest.mark.parametrize("size", [400, 4000, 12000])
def test_a_challenge_is_one_line_however_long(size: int) -> None:
    server = drive.ready()
    server.receive_data(b"AUTH CRAM-MD5\r\n")
    server.next_event()
    assert server.send(Reply(334, "A" * size)) == b"334 " + b"A" * size + b"\r\n"
