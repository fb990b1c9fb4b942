# SPDX-License-Identifier: MIT
"""STARTTLS on the server: nothing crosses from the clear into TLS (RFC 3207 4)."""

from __future__ import annotations

import pytest
import server_drive as drive

from smtpproto import (
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    Ehlo,
    LocalProtocolError,
    Reply,
    ServerConnection,
    Signal,
    StartTLS,
    State,
    TLSInfo,
    Violation,
)

STARTTLS = b"STARTTLS\r\n"
INFO = TLSInfo(version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256")


def refuses_input(server: ServerConnection) -> None:
    """Assert that octets are refused and that nothing changes by it."""
    before = drive.snapshot(server)
    for octets in (b"N", b"NOOP\r\n", b"x" * 1_000_000):
        with pytest.raises(LocalProtocolError) as caught:
            server.receive_data(octets)
        assert caught.value.violation is Violation.LOCAL_STATE
        assert drive.snapshot(server) == before


def test_a_handshake() -> None:
    server = drive.ready()
    assert drive.event_of(server, STARTTLS) == CommandReceived(
        StartTLS(), b"STARTTLS", Reply(220, "ready to start TLS", "2.0.0")
    )
    assert server.send(Reply(220, "go", "2.0.0")) == b"220 2.0.0 go\r\n"
    assert server.next_event() is server.next_event() is Signal.NEED_TLS
    server.tls_established(INFO)
    assert server.next_event() is Signal.NEED_DATA
    assert server.state is State.GREETED
    assert server.tls == INFO


@pytest.mark.parametrize("behind", [b"N", b"NOOP\r\n", b"\r\n", drive.MAIL * 10])
def test_input_behind_starttls_ends_the_session_without_a_handshake(behind: bytes) -> None:
    server = drive.ready()
    event = drive.event_of(server, STARTTLS + behind)
    assert isinstance(event, CommandRejected)
    assert event.closes
    assert event.violation is Violation.INPUT_BEHIND_STARTTLS
    assert (event.default_reply.code, event.default_reply.enhanced) == (554, "5.5.1")
    with pytest.raises(LocalProtocolError):
        server.send(Reply(220, "go"))
    server.send(event.default_reply)
    assert server.next_event() == ConnectionClosed(clean=False)
    assert server.state is State.CLOSED
    assert server.buffered == 0
    with pytest.raises(LocalProtocolError):
        server.tls_established()


def test_no_input_is_taken_from_the_command_to_the_handshake() -> None:
    server = drive.ready()
    drive.event_of(server, STARTTLS)
    refuses_input(server)
    server.send(Reply(220, "go"))
    refuses_input(server)
    assert server.next_event() is Signal.NEED_TLS
    refuses_input(server)
    server.tls_established(INFO)
    assert drive.talk(server, drive.HELLO).codes == [250]


@pytest.mark.parametrize("code", [454, 501, 503])
def test_after_a_refusal_input_is_taken_again(code: int) -> None:
    server = drive.ready()
    drive.event_of(server, STARTTLS)
    refuses_input(server)
    server.send(Reply(code, "no"))
    assert drive.talk(server, drive.MAIL).codes == [250]
    assert server.tls is None
    with pytest.raises(LocalProtocolError):
        server.tls_established()


def test_everything_learnt_in_the_clear_is_forgotten() -> None:
    server = drive.ready()
    drive.talk(server, drive.PLAIN)
    server.identity = "test"
    assert server.is_authenticated
    drive.talk(server, STARTTLS, tls=INFO)
    assert server.hello is None
    assert server.identity is None
    assert not server.is_authenticated
    assert server.transaction is None
    assert dict(server.keywords) == dict(server.announced) == {}
    # EHLO comes first again, and authentication may be had again.
    assert drive.talk(server, drive.MAIL, drive.HELLO, drive.PLAIN).codes == [503, 250, 235]


def test_the_keyword_is_gone_under_tls_and_the_command_out_of_order() -> None:
    server = drive.ready()
    outcome = drive.talk(server, STARTTLS, drive.HELLO, STARTTLS, tls=INFO)
    assert outcome.codes == [220, 250, 503]
    assert "STARTTLS" not in server.keywords
    assert "SIZE" in server.keywords
    assert server.tls == INFO


def test_a_server_under_tls_from_the_start_does_not_offer_it() -> None:
    server = drive.ready(tls=INFO)
    assert "STARTTLS" not in server.keywords
    assert drive.talk(server, STARTTLS).codes == [503]


@pytest.mark.parametrize("place", ["GREETED", "MAIL", "RCPT", "BDAT", "BDAT_FAILED"])
@pytest.mark.parametrize("behind", [b"", b"NOOP\r\n"])
def test_out_of_order_it_is_503_and_input_is_taken(place: str, behind: bytes) -> None:
    server = drive.PLACES[place]()
    outcome = drive.talk(server, STARTTLS + behind)
    assert outcome.codes == [503, 250][: 2 if behind else 1]
    assert server.state is State[place]


def test_an_argument_is_501_and_nothing_happens() -> None:
    server = drive.ready()
    assert drive.talk(server, b"STARTTLS now\r\nNOOP\r\n").codes == [501, 250]


@pytest.mark.parametrize(
    "place", [place for place in drive.PLACES if place not in ("CONNECTED", "TLS")]
)
def test_a_handshake_that_is_not_due(place: str) -> None:
    server = drive.PLACES[place]()
    before = drive.snapshot(server)
    with pytest.raises(LocalProtocolError) as caught:
        server.tls_established(INFO)
    assert caught.value.violation is Violation.LOCAL_STATE
    assert drive.snapshot(server) == before


def test_tls_from_the_start() -> None:
    server = drive.new()
    server.tls_established(INFO)
    with pytest.raises(LocalProtocolError):
        server.tls_established(INFO)
    server.send(drive.GREETING)
    assert drive.talk(server, drive.HELLO).codes == [250]


def test_tls_from_the_start_over_octets_in_the_clear() -> None:
    server = drive.new()
    server.receive_data(b"EHLO x\r\n")
    with pytest.raises(LocalProtocolError):
        server.tls_established(INFO)
    assert server.tls is None


def test_a_connection_that_ends_in_the_handshake() -> None:
    server = drive.in_tls()
    server.receive_eof()
    assert server.next_event() == ConnectionClosed(clean=False)
    assert server.state is State.CLOSED


def test_a_connection_that_ends_behind_starttls() -> None:
    server = drive.ready()
    drive.event_of(server, STARTTLS)
    server.receive_eof()
    server.send(Reply(220, "go"))
    assert server.next_event() == ConnectionClosed(clean=False)


def test_421_in_the_place_of_the_handshake_ends_the_session() -> None:
    server = drive.ready()
    drive.event_of(server, STARTTLS)
    server.send(Reply(421, "not now"))
    assert server.next_event() == ConnectionClosed(clean=False)
    assert server.state is State.CLOSED


def test_tls_info_has_defaults() -> None:
    server = drive.in_tls()
    server.tls_established()
    assert server.tls == TLSInfo()


def test_counters_are_kept_over_tls() -> None:
    server = drive.ready(limits=drive.SMALL)
    bad = b"AUTH CRAM-MD5\r\n"
    drive.talk(server, bad * 3, application=drive.refuse(535))
    drive.talk(server, STARTTLS, drive.HELLO)
    outcome = drive.talk(server, bad)
    assert outcome.codes == [421]
    assert outcome.violations == [Violation.TOO_MANY_AUTH_FAILURES]


def test_the_name_of_the_client_is_taken_anew_under_tls() -> None:
    server = drive.ready()
    drive.talk(server, STARTTLS, b"EHLO other.example.com\r\n")
    assert server.hello == Ehlo("other.example.com")
