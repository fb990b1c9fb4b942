# SPDX-License-Identifier: MIT
"""The client's caps on what a server may make it hold."""

from __future__ import annotations

import pytest
from client_drive import answered, feed, greeted, ready

from smtpproto import (
    ClientConnection,
    Limits,
    LocalProtocolError,
    Noop,
    RemoteProtocolError,
    Signal,
    State,
    Violation,
    extensions,
)


def refused(client: ClientConnection, octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, octets)
    assert caught.value.violation is Violation.REPLY_TOO_LONG
    assert client.state is State.ERROR
    assert client.buffered == 0


@pytest.mark.parametrize("bytewise", [False, True])
def test_a_reply_line_has_a_cap(bytewise: bool) -> None:
    limits = Limits(reply_line=20)

    def sent(octets: bytes) -> ClientConnection:
        client = greeted(limits=limits)
        client.send(Noop())
        for position in range(len(octets) - 1 if bytewise else 0):
            feed(client, octets[position : position + 1])
        return client

    line = b"250 " + b"x" * 14 + b"\r\n"
    client = sent(line)
    answered(client, line[-1:] if bytewise else line)
    line = b"250 " + b"x" * 15 + b"\r\n"
    client = sent(line)
    refused(client, line[-1:] if bytewise else line)


def test_a_line_that_does_not_end_is_refused_at_the_cap() -> None:
    client = greeted(limits=Limits(reply_line=20))
    client.send(Noop())
    assert feed(client, b"2" * 20) == []
    refused(client, b"2")


def test_a_reply_has_a_cap_of_lines() -> None:
    client = greeted(limits=Limits(reply_lines=3))
    for _ in range(2):  # of each reply, not of all together
        client.send(Noop())
        answered(client, b"250-a\r\n250-b\r\n250 c\r\n")
    client.send(Noop())
    assert feed(client, b"250-a\r\n250-b\r\n250-c\r\n") == []
    refused(client, b"250-d\r\n")


def test_a_reply_has_a_cap_of_octets() -> None:
    client = greeted(limits=Limits(reply=30))
    for _ in range(2):
        client.send(Noop())
        answered(client, b"250-" + b"a" * 9 + b"\r\n250 " + b"b" * 9 + b"\r\n")
    client.send(Noop())
    refused(client, b"250-" + b"a" * 9 + b"\r\n250 " + b"b" * 10 + b"\r\n")


def test_the_caps_hold_without_settings() -> None:
    client = ready()
    client.send(Noop())
    answered(client, b"250 " + b"x" * 8186 + b"\r\n")
    client.send(Noop())
    refused(client, b"250 " + b"x" * 8187 + b"\r\n")
    client = ready()
    client.send(Noop())
    refused(client, b"250-x\r\n" * 301)
    client = ready()
    client.send(Noop())
    refused(client, (b"250-" + b"x" * 994 + b"\r\n") * 66)


def test_a_421_that_nobody_asked_for_has_the_same_caps() -> None:
    client = greeted(limits=Limits(reply_line=20))
    assert feed(client, b"421-" + b"x" * 14 + b"\r\n") == []
    assert client.next_event() is Signal.NEED_DATA
    refused(client, b"421 " + b"x" * 15 + b"\r\n")


def test_extensions_are_given_once_and_with_what_they_need() -> None:
    for wrong in ([extensions.Size(), extensions.Size()], [extensions.BinaryMime()]):
        with pytest.raises(LocalProtocolError):
            ClientConnection(extensions=wrong)
