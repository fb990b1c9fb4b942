# SPDX-License-Identifier: MIT
"""The places for clients that have not authenticated."""

from __future__ import annotations

from typing import Any

import pytest
from auth_drive import plain
from dialogue_drive import Run, drive

from smtpproto import LocalProtocolError, TLSInfo
from smtpproto.dialogues import Close, Collect, Dialogue, Handle, Read
from smtpproto.dialogues.deadlines import StoppedClock
from smtpproto.dialogues.opening import Reception
from smtpproto.dialogues.places import Gates, Place
from smtpproto.dialogues.records import RefusalRecord, SessionRecord
from smtpproto.dialogues.server_settings import server_settings
from smtpproto.gate import Gate

ADDRESS = ("10.0.0.1", 4711)
HELLO = b"EHLO client.example\r\n"
LOGIN = plain("tim", "secret")
WRONG = plain("tim", "wrong")
TLS = TLSInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256")
NO_PLACE = b"421 too many connections that have not authenticated\r\n"


class Box(Collect):
    def on_auth(self, peer: Any, request: Any) -> bool:
        return bool(request.password == "secret")


class Server:
    """The sessions of a server that has `count` places."""

    def __init__(self, count: int, implicit: bool = False, **options: Any) -> None:
        self.records: list[Any] = []
        self.gate = Gate(count)
        self.settings = server_settings(
            Box(),
            own_name="mx.example.org",
            has_tls=True,
            tls_mode="implicit" if implicit else "starttls",
            random=bytes,
            auth_cleartext=True,
            connections_unauthenticated=count,
            **options,
        )

    def session(self) -> Dialogue:
        gates = Gates(None, self.gate)
        return Reception(self.settings, StoppedClock(), self.records.append, gates).session(
            ADDRESS, 1
        )

    def run(self, *inputs: Any) -> Run:
        return drive(self.session(), inputs)

    @property
    def is_full(self) -> bool:
        another = self.session()
        greeting = next(another).out
        another.close()
        return greeting.startswith(b"421")


def said(dialogue: Dialogue, *inputs: Any) -> Any:
    """Give a session that has begun `inputs`, and return its step after them."""
    step: Any = None
    for one in inputs:
        step = dialogue.send(one)
        while isinstance(step, Handle):
            step = dialogue.send(step.call(*step.args))
    return step


def test_who_is_too_much_is_turned_away() -> None:
    server = Server(2)
    first, second = server.session(), server.session()
    for one in (first, second):
        assert said(one, None).out.startswith(b"220")
    assert server.run().steps == [Close(NO_PLACE)]
    [record] = server.records
    assert isinstance(record, RefusalRecord)
    assert "not authenticated" in record.reason
    first.close()
    assert server.run(b"QUIT\r\n").codes == [220, 221]


def test_with_implicit_tls_there_is_nothing_to_hear() -> None:
    server = Server(1, implicit=True)
    first = server.session()
    next(first)  # the handshake counts
    assert server.run().steps == [Close(b"")]
    first.close()
    assert server.run(TLS, b"QUIT\r\n").codes == [220, 221]


def test_who_authenticates_makes_room() -> None:
    server = Server(1)
    first = server.session()
    said(first, None, HELLO, WRONG)
    assert server.is_full
    assert said(first, LOGIN).out.startswith(b"235")
    second = server.session()
    next(second)
    assert server.is_full
    first.close()  # had no place any longer
    assert server.is_full
    second.close()
    assert not server.is_full


def test_over_starttls_there_is_one_place() -> None:
    server = Server(1)
    first = server.session()
    said(first, None, HELLO, b"STARTTLS\r\n", TLS, HELLO)
    assert server.is_full
    assert said(first, LOGIN).out.startswith(b"235")
    assert not server.is_full


def test_who_was_somebody_and_is_nobody_again_needs_a_place_again() -> None:
    """STARTTLS forgets who it was (RFC 3207 4.2)."""
    server = Server(1)
    first = server.session()
    said(first, None, HELLO, LOGIN, b"STARTTLS\r\n", TLS)
    assert server.is_full
    assert said(first, HELLO).out.startswith(b"250")
    first.close()
    assert not server.is_full


def test_and_is_turned_away_where_there_is_none() -> None:
    server = Server(1)
    first = server.session()
    said(first, None, HELLO, LOGIN, b"STARTTLS\r\n")
    second = server.session()
    next(second)
    last = said(first, TLS)
    assert isinstance(last, Close)
    assert last.out == NO_PLACE.replace(b"421 ", b"421 4.7.0 ")
    with pytest.raises(StopIteration):
        next(first)
    assert isinstance(server.records[-1], SessionRecord)
    assert server.records[-1].ending == "turned away"
    assert server.is_full  # by the second
    second.close()
    assert not server.is_full


def test_by_xclient_a_client_comes_and_goes() -> None:
    server = Server(1, xclient=["10.0.0.0/8"])
    first = server.session()
    said(first, None, HELLO, b"XCLIENT LOGIN=ann\r\n")
    assert not server.is_full
    step = said(first, b"XCLIENT NAME=a.example\r\n")  # ann still
    assert step.out.startswith(b"220")
    assert not server.is_full
    assert said(first, b"XCLIENT LOGIN=[UNAVAILABLE]\r\n").out.startswith(b"220")
    assert server.is_full
    second_claim = said(first, b"XCLIENT LOGIN=[UNAVAILABLE]\r\n")
    assert isinstance(second_claim, Read)
    first.close()
    assert not server.is_full


def test_a_place_is_counted_once() -> None:
    gate = Gate(1)
    place, other = Place(gate), Place(gate)
    assert place.hold()
    assert place.hold()
    assert not other.hold()
    other.release()
    assert not other.hold()
    place.release()
    place.release()
    assert other.hold()


def test_it_takes_somebody_who_could_authenticate() -> None:
    told: Any = {"own_name": "x.org", "has_tls": False, "tls_mode": "starttls", "random": bytes}
    with pytest.raises(LocalProtocolError, match=r"connections_unauthenticated: .* expected too"):
        server_settings(Collect(), **told, connections_unauthenticated=5)
    server_settings(Collect(), **told, connections_unauthenticated=5, xclient=["10.0.0.1"])
    for wrong in (0, -1, True, 2.0):
        with pytest.raises(LocalProtocolError, match="a whole number of at least 1"):
            server_settings(Box(), **told, connections_unauthenticated=wrong)
