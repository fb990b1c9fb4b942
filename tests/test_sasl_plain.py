# SPDX-License-Identifier: MIT
"""PLAIN."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from sasl_drive import Application, authenticate, credentials, secret_in

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    Challenge,
    Failure,
    PlainClient,
    PlainServer,
    SASLError,
    Success,
    VerifyPassword,
)


@pytest.mark.parametrize(
    ("client", "message"),
    [
        (PlainClient("test", "1234", "test"), b"dGVzdAB0ZXN0ADEyMzQ="),
        (PlainClient("test", "1234"), b"AHRlc3QAMTIzNA=="),
        (PlainClient("tim", "tanstaaftanstaaf"), b64encode(b"\0tim\0tanstaaftanstaaf")),
        (PlainClient("Kurt", "xipj3plmq", "Ursel"), b64encode(b"Ursel\0Kurt\0xipj3plmq")),
        (PlainClient("é", b"\xff"), b64encode(b"\0\xc3\xa9\0\xff")),
    ],
)
def test_messages(client: PlainClient, message: bytes) -> None:
    assert client.reveals_secret
    assert b64encode(client.initial_response() or b"") == message
    assert client.done


def test_a_server_that_passes_the_initial_response_over_is_told_again() -> None:
    """Once, since it has no more to ask, and where it asks for nothing else (RFC 4616 2)."""
    client = PlainClient("u", "p")
    assert client.initial_response() == b"\0u\0p"
    assert client.step(b"") == b"\0u\0p"
    assert client.done
    for challenge in (b"", b"Password:"):
        with pytest.raises(SASLError):
            client.step(challenge)
        assert not client.done
        client = PlainClient("u", "p")
        client.initial_response()


@pytest.mark.parametrize(
    ("username", "password", "authzid"),
    [
        ("", "secret", ""),
        ("user", "", ""),
        ("us\0er", "secret", ""),
        ("user", "secret\0", ""),
        ("user", b"secret\0", ""),
        ("user", "secret", "\0"),
        ("user", "secret\udc80", ""),
    ],
)
def test_what_the_message_cannot_hold(username: str, password: str, authzid: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        PlainClient(username, password, authzid)
    assert not secret_in(caught.value, "secret")


def test_the_server_asks_for_the_message() -> None:
    server = PlainServer()
    assert server.step(None) == Challenge(b"")
    assert server.step(b"z\0u\0p") == VerifyPassword("u", "p", "z")
    assert server.answer("z") == Success("u", "z")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"u",
        b"\0u",
        b"u\0p",
        b"\0u\0p\0",
        b"\0\0u\0p",
        b"\0\0p",
        b"\0u\0",
        b"\0\0",
        b"\0u\0\xff",
        b"\0\xff\0p",
        b"\xff\0u\0p",
        b"\0\xed\xa0\x80\0p",
    ],
)
def test_malformed(message: bytes) -> None:
    assert PlainServer().step(message) == Failure(501, "5.5.2", "Malformed authentication data")


def test_long_credentials_are_taken() -> None:
    name = "\U0001f600" * 255
    assert PlainServer().step(b"\0".join([name.encode()] * 3)) == VerifyPassword(name, name, name)


@given(credentials, credentials, credentials)
def test_any_credentials(user: str, password: str, authzid: str) -> None:
    for asked, identity in (("", user), (authzid, authzid)):
        application = Application(user, password, may_act_as=(authzid,))
        result = authenticate(PlainClient(user, password, asked), PlainServer(), application)
        assert result.success == Success(user, identity)
        assert application.asked == [VerifyPassword(user, password, asked)]


def test_saslprep_on_both_sides() -> None:
    client = PlainClient("I\u00adX", "\u2168\u00a0x", saslprep=True)
    assert client.initial_response() == b"\0IX\0IX x"
    server = PlainServer(saslprep=True)
    assert server.step("\0\u00aa\0\u2168".encode()) == VerifyPassword("a", "IX")
    assert isinstance(PlainServer(saslprep=True).step(b"\0u\0\x07"), Failure)
    with pytest.raises(InvalidValueError):
        PlainClient("\x07", "x", saslprep=True)
