# SPDX-License-Identifier: MIT
"""The client and STARTTLS (RFC 3207): nothing crosses from the clear into TLS."""

from __future__ import annotations

import pytest
from client_drive import MAIL, announce, answered, feed, in_tls, ready

from smtpproto import (
    Auth,
    Ehlo,
    Helo,
    LocalProtocolError,
    RemoteProtocolError,
    Rset,
    Signal,
    StartTLS,
    State,
    TLSInfo,
    Violation,
)


def test_220_asks_for_the_handshake() -> None:
    client = in_tls()
    assert client.next_event() is Signal.NEED_TLS
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            client.send(Ehlo("client.example.com"))
    client.tls_established(TLSInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
    assert client.tls == TLSInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert client.state is State.GREETED
    assert client.next_event() is Signal.NEED_COMMAND


def test_everything_learnt_in_the_clear_is_forgotten() -> None:
    """RFC 3207 4.2."""
    client = ready()
    client.send(Auth("PLAIN", b"\0tim\0pass"))
    answered(client, b"235 in\r\n")
    client.identity = "tim"
    client.send(StartTLS())
    answered(client, b"220 go\r\n")
    client.tls_established()
    assert client.tls == TLSInfo()
    assert client.keywords == {}
    assert client.announced == {}
    assert client.hello is None
    assert client.identity is None
    assert not client.is_authenticated
    assert not client.may_group
    for command in (MAIL, StartTLS(), Auth("PLAIN")):
        with pytest.raises(LocalProtocolError):
            client.send(command)
    announce(client, "AUTH EXTERNAL")
    assert client.announced == {"AUTH": ("EXTERNAL",)}


@pytest.mark.parametrize("code", [250, 221, 200])
def test_only_220_begins_tls(code: int) -> None:
    client = ready()
    client.send(StartTLS())
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, b"%d go\r\n" % code)
    assert caught.value.violation is Violation.REPLY_CODE
    assert client.tls is None


@pytest.mark.parametrize("reply", [b"454 later\r\n", b"501 what\r\n", b"502 no\r\n"])
def test_a_refusal_goes_on_in_the_clear(reply: bytes) -> None:
    client = ready()
    client.send(StartTLS())
    answered(client, reply)
    assert client.state is State.READY
    assert client.next_event() is Signal.NEED_COMMAND
    with pytest.raises(LocalProtocolError):
        client.tls_established()
    assert client.tls is None
    assert "STARTTLS" in client.announced


INJECTED = [
    b"2",
    b"\r\n",
    b"250 ok\r\n",
    b"250-mx.example.org\r\n250 AUTH PLAIN\r\n",
    b"421 bye\r\n",
]


@pytest.mark.parametrize("octets", INJECTED)
def test_octets_behind_the_220_end_the_session(octets: bytes) -> None:
    """The 220 and what an attacker put behind it, in one segment or in two."""
    client = ready()
    client.send(StartTLS())
    client.receive_data(b"220 go\r\n" + octets)
    with pytest.raises(RemoteProtocolError) as caught:
        client.next_event()  # the 220 is not even shown
    assert caught.value.violation is Violation.INPUT_BEHIND_STARTTLS
    assert client.state is State.ERROR
    client = in_tls()
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, octets)
    assert caught.value.violation is Violation.INPUT_BEHIND_STARTTLS
    with pytest.raises(LocalProtocolError):
        client.tls_established()
    client = in_tls()
    client.receive_data(octets)
    with pytest.raises(LocalProtocolError):
        client.tls_established()
    assert client.tls is None
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_a_command_does_not_take_what_stands_behind_the_220_either() -> None:
    client = in_tls()
    client.receive_data(b"250 ok\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        client.send(Ehlo("client.example.com"))
    assert caught.value.violation is Violation.INPUT_BEHIND_STARTTLS


def test_starttls_may_end_a_group_and_nothing_follows_it() -> None:
    client = ready()
    client.send(Rset())
    client.send(StartTLS())
    with pytest.raises(LocalProtocolError):
        client.send(Ehlo("client.example.com"))
    assert feed(client, b"250 ok\r\n220 go\r\n")
    assert client.next_event() is Signal.NEED_TLS


def test_starttls_needs_its_keyword() -> None:
    for client in (ready("SIZE"), ready()):
        client.discard("STARTTLS")
        with pytest.raises(LocalProtocolError):
            client.send(StartTLS())
    client = ready()
    client.send(Helo("client.example.com"))
    answered(client, b"250 mx.example.org\r\n")
    with pytest.raises(LocalProtocolError):
        client.send(StartTLS())


def test_no_handshake_without_its_reply() -> None:
    client = ready()
    client.send(StartTLS())
    for octets in (b"220-go\r\n", b"220 g"):
        assert feed(client, octets) == []
        with pytest.raises(LocalProtocolError):
            client.tls_established()
    answered(client, b"o\r\n")
    client.tls_established()
