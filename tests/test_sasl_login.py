# SPDX-License-Identifier: MIT
"""LOGIN."""

from __future__ import annotations

import pytest
from hypothesis import given
from sasl_drive import Application, authenticate, credentials

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    Challenge,
    Failure,
    LoginClient,
    LoginServer,
    Success,
    VerifyPassword,
)

MALFORMED = Failure(501, "5.5.2", "Malformed authentication data")


@pytest.mark.parametrize(
    "challenges",
    [
        (b"Username:", b"Password:"),
        (b"User Name\0", b"Password\0"),
        (b"Password:", b"Username:"),
        (b"", b"\xff"),
    ],
)
def test_the_client_goes_by_order(challenges: tuple[bytes, bytes]) -> None:
    client = LoginClient("tim", "tanstaaftanstaaf")
    assert client.reveals_secret
    assert client.initial_response() is None
    assert client.step(challenges[0]) == b"tim"
    assert not client.done
    assert client.step(challenges[1]) == b"tanstaaftanstaaf"
    assert client.done


def test_the_server_asks_twice() -> None:
    server = LoginServer()
    assert server.step(None) == Challenge(b"Username:")
    assert server.step(b"tim") == Challenge(b"Password:")
    assert server.step(b"secret") == VerifyPassword("tim", "secret")
    assert server.answer(True) == Success("tim", "tim")


def test_the_user_name_as_initial_response() -> None:
    server = LoginServer()
    assert server.step(b"tim") == Challenge(b"Password:")
    assert server.step(b"secret") == VerifyPassword("tim", "secret")
    assert isinstance(server.answer(False), Failure)


@pytest.mark.parametrize("bad", [b"", b"\xff", b"x\0y"])
def test_malformed(bad: bytes) -> None:
    assert LoginServer().step(bad) == MALFORMED
    server = LoginServer()
    server.step(b"tim")
    assert server.step(bad) == MALFORMED


@pytest.mark.parametrize(("username", "password"), [("", "x"), ("x", ""), ("x\0", "x")])
def test_what_cannot_be_sent(username: str, password: str) -> None:
    with pytest.raises(InvalidValueError):
        LoginClient(username, password)


@given(credentials, credentials)
def test_any_credentials(user: str, password: str) -> None:
    application = Application(user, password)
    result = authenticate(LoginClient(user, password), LoginServer(), application)
    assert result.success == Success(user, user)
    assert application.asked == [VerifyPassword(user, password)]


def test_saslprep_on_both_sides() -> None:
    client = LoginClient("\u2168", "\u00aa", saslprep=True)
    client.initial_response()
    assert (client.step(b""), client.step(b"")) == (b"IX", b"a")
    server = LoginServer(saslprep=True)
    server.step("\u2168".encode())
    assert server.step("\u00aa".encode()) == VerifyPassword("IX", "a")
