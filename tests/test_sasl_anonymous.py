# SPDX-License-Identifier: MIT
"""ANONYMOUS."""

from __future__ import annotations

import pytest

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    AcceptAnonymous,
    AnonymousClient,
    AnonymousServer,
    Challenge,
    Failure,
    Success,
)


@pytest.mark.parametrize("trace", ["", "sirhc", "me@example.com", "é a", "\u0627", "é" * 255])
def test_traces(trace: str) -> None:
    client = AnonymousClient(trace)
    assert not client.reveals_secret
    assert client.initial_response() == trace.encode()
    assert client.done
    server = AnonymousServer()
    assert server.step(None) == Challenge(b"")
    assert server.step(trace.encode()) == AcceptAnonymous(trace)
    assert server.answer(True) == Success("anonymous", "anonymous")


BAD = ["x" * 256, "a\r\nb", "a\0b", "a\x1b[1m", "x\u202ey", "\u0627a", "x\ue000"]


@pytest.mark.parametrize("trace", [*BAD, "\ud800"])
def test_what_cannot_be_sent(trace: str) -> None:
    with pytest.raises(InvalidValueError):
        AnonymousClient(trace)


@pytest.mark.parametrize("octets", [*(trace.encode() for trace in BAD), b"\xff", b"\xed\xa0\x80"])
def test_malformed(octets: bytes) -> None:
    assert AnonymousServer().step(octets) == Failure(501, "5.5.2", "Malformed authentication data")


def test_the_application_decides() -> None:
    server = AnonymousServer()
    server.step(b"")
    assert server.answer("guest") == Success("anonymous", "guest")
    for no in (False, None):
        server = AnonymousServer()
        server.step(b"")
        assert server.answer(no) == Failure(535, "5.7.8", "Authentication credentials invalid")
