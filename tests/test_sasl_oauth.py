# SPDX-License-Identifier: MIT
"""OAUTHBEARER and XOAUTH2."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sasl_drive import Application, authenticate, credentials, secret_in

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    Challenge,
    Failure,
    OAuthBearerClient,
    OAuthBearerServer,
    OAuthError,
    SASLError,
    Success,
    VerifyToken,
    XOAuth2Client,
    XOAuth2Server,
)

MALFORMED = Failure(501, "5.5.2", "Malformed authentication data")
REFUSED = Failure(535, "5.7.8", "Authentication credentials invalid")
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
BEARER = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=%d\x01auth=Bearer "
    + TOKEN.encode()
    + b"\x01\x01"
)

tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)


@pytest.mark.parametrize("port", [143, 587])
def test_the_examples_of_rfc_7628(port: int) -> None:
    client = OAuthBearerClient(TOKEN, "user@example.com", host="server.example.com", port=port)
    assert client.reveals_secret
    assert client.initial_response() == BEARER % port
    assert client.done
    server = OAuthBearerServer()
    assert server.step(None) == Challenge(b"")
    user = "user@example.com"
    assert server.step(BEARER % port) == VerifyToken(user, TOKEN, user, "server.example.com", port)
    assert server.answer("user@example.com") == Success("user@example.com", "user@example.com")


def test_only_the_token() -> None:
    client = OAuthBearerClient("t")
    assert client.initial_response() == b"n,,\x01auth=Bearer t\x01\x01"
    assert OAuthBearerServer().step(b"n,,\x01auth=Bearer t\x01\x01") == VerifyToken("", "t")


def test_the_example_of_xoauth2() -> None:
    token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    message = (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52Yj"
        b"NSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    )
    client = XOAuth2Client("someuser@example.com", token)
    assert client.reveals_secret
    assert b64encode(client.initial_response() or b"") == message
    assert client.done
    server = XOAuth2Server()
    assert server.step(None) == Challenge(b"")
    assert server.step(b64decode(message)) == VerifyToken("someuser@example.com", token)


@pytest.mark.parametrize(
    ("make", "message", "dismissal", "status"),
    [
        (lambda: OAuthBearerClient("t"), OAuthBearerServer(), b"\x01", "invalid_token"),
        (lambda: XOAuth2Client("u", "t"), XOAuth2Server(), b"", "401"),
    ],
)
def test_a_token_that_is_refused(
    make: Callable[[], Any], message: Any, dismissal: bytes, status: str
) -> None:
    client, server = make(), message
    server.step(client.initial_response())
    challenge = server.answer(None)
    assert json.loads(challenge.data)["status"] == status
    assert client.error is None
    assert client.step(challenge.data) == dismissal
    assert client.error.status == status
    assert not client.done
    assert server.step(dismissal) == REFUSED
    with pytest.raises(SASLError):
        client.step(challenge.data)


def test_the_failed_exchange_of_rfc_7628() -> None:
    error = OAuthError(
        "invalid_token",
        "example_scope",
        "https://example.com/.well-known/openid-configuration",
    )
    server = OAuthBearerServer(error)
    challenge = server.step(  # without a token, to learn the scope
        b64decode(
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9AQE="
        )
    )
    assert isinstance(challenge, Challenge)
    assert json.loads(challenge.data) == {
        "status": "invalid_token",
        "scope": "example_scope",
        "openid-configuration": "https://example.com/.well-known/openid-configuration",
    }
    assert server.step(b"\x01") == REFUSED
    assert OAuthError.parse(challenge.data) == error


@pytest.mark.parametrize("response", [b"", b"\x01", b"n,,\x01auth=Bearer t\x01\x01"])
def test_whatever_answers_the_error(response: bytes) -> None:
    for server in (OAuthBearerServer(), XOAuth2Server(OAuthError("400"))):
        first = b"user=u" if isinstance(server, XOAuth2Server) else b"n,,"
        server.step(first + b"\x01auth=Bearer t\x01\x01")
        assert isinstance(server.answer(None), Challenge)
        assert server.step(response) == REFUSED


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"status":"401","schemes":"bearer mac","scope":"https://mail.example.com/"}\n',
         OAuthError("401", "https://mail.example.com/", schemes="bearer mac")),
        (b"", OAuthError("")),
        (b"\xff", OAuthError("")),
        (b"401", OAuthError("")),
        (b'["status"]', OAuthError("")),
        (b'{"status":401,"scope":null}', OAuthError("")),
        (b"[" * 100_000, OAuthError("")),
        (b"1" * 10_000, OAuthError("")),
    ],
)  # fmt: skip
def test_errors_of_all_kinds(data: bytes, error: OAuthError) -> None:
    assert OAuthError.parse(data) == error


@given(st.binary(max_size=40))
def test_an_error_of_any_octets(data: bytes) -> None:
    client = OAuthBearerClient("t")
    client.initial_response()
    assert client.step(data) == b"\x01"
    assert isinstance(client.error, OAuthError)


@pytest.mark.parametrize(
    ("rest", "token", "host", "port"),
    [
        (b"auth=bearer t", "t", "", None),
        (b"auth=BeArEr  t", "t", "", None),
        (b"auth=Bearer", "", "", None),
        (b"auth=Bearer t u", "", "", None),
        (b"auth=Basic dTpw", "", "", None),
        (b"auth=", "", "", None),
        (b"host=h\x01auth=Bearer t\x01port=25", "t", "h", 25),
        (b"host=\x01auth=Bearer t\x01port=65535", "t", "", 65535),
        (b"x=\t\r\n \x01auth=Bearer t\x01Qs=", "t", "", None),  # unknown keys
    ],
)
def test_pairs(rest: bytes, token: str, host: str, port: int | None) -> None:
    for flag in (b"n", b"y"):
        step = OAuthBearerServer().step(flag + b",a=u=2C,\x01" + rest + b"\x01\x01")
        if token:
            assert step == VerifyToken("u,", token, "u,", host, port)
        else:
            assert isinstance(step, Challenge)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x01",
        b"\x01\x01",
        b"n,,",
        b"n,,\x01",
        b"n,,\x01\x01",
        b"n,,auth=Bearer t\x01\x01",
        b"n,,\x01auth=Bearer t",
        b"n,,\x01auth=Bearer t\x01",
        b"n,,\x01auth=Bearer t\x01\x01x",
        b"n,,\x01auth=Bearer t\x01\x01\x01",
        b"n,,\x01\x01auth=Bearer t\x01\x01",
        b"n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01",
        b"n,,\x01host=h\x01\x01",
        b"n,,\x01=\x01auth=Bearer t\x01\x01",
        b"n,,\x01a1=\x01auth=Bearer t\x01\x01",
        b"n,,\x01x=\x7f\x01auth=Bearer t\x01\x01",
        b"n,,\x01host=\xc3\xa9\x01auth=Bearer t\x01\x01",
        b"n,,\x01port=\x01auth=Bearer t\x01\x01",
        b"n,,\x01port=0\x01auth=Bearer t\x01\x01",
        b"n,,\x01port=025\x01auth=Bearer t\x01\x01",
        b"n,,\x01port=65536\x01auth=Bearer t\x01\x01",
        b"n,,\x01port=100000\x01auth=Bearer t\x01\x01",
        b"n,,\x01port=2x\x01auth=Bearer t\x01\x01",
        b"p=tls-unique,,\x01auth=Bearer t\x01\x01",
        b"n,user=u,\x01auth=Bearer t\x01\x01",
        b"n,a=u=,\x01auth=Bearer t\x01\x01",
        b"user=u\x01auth=Bearer t\x01\x01",
    ],
)
def test_malformed_bearer(message: bytes) -> None:
    assert OAuthBearerServer().step(message) == MALFORMED


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"user=u",
        b"user=u\x01\x01",
        b"user=\x01auth=Bearer t\x01\x01",
        b"user=\xff\x01auth=Bearer t\x01\x01",
        b"User=u\x01auth=Bearer t\x01\x01",
        b"u\x01auth=Bearer t\x01\x01",
        b"user=u\x01auth=Bearer t\x01",
        b"user=u\x01auth=Bearer t",
        b"user=u\x01x=Bearer t\x01\x01",
        b"n,,\x01auth=Bearer t\x01\x01",
    ],
)
def test_malformed_xoauth2(message: bytes) -> None:
    assert XOAuth2Server().step(message) == MALFORMED


@pytest.mark.parametrize(
    "token", ["", "secret t", "secret\x01", "secret\r\n", "secreté", b"secret\x80"]
)
def test_tokens_that_cannot_be_sent(token: str | bytes) -> None:
    for make in (lambda: OAuthBearerClient(token), lambda: XOAuth2Client("u", token)):
        with pytest.raises(InvalidValueError) as caught:
            make()
        assert not secret_in(caught.value, "secret")


@pytest.mark.parametrize(
    "options",
    [
        {"authzid": "u\x01"},
        {"authzid": "u\0"},
        {"host": "h\x01auth=Bearer x"},
        {"host": "h h"},
        {"port": 0},
        {"port": 65536},
    ],
)
def test_what_else_cannot_be_sent(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        OAuthBearerClient("t", **options)
    with pytest.raises(InvalidValueError):
        XOAuth2Client(options.get("authzid", ""), "t")


@given(credentials.filter(lambda name: "\x01" not in name), tokens)
def test_any_user_and_token(user: str, token: str) -> None:
    for client, server in (
        (OAuthBearerClient(token, user, host="h", port=25), OAuthBearerServer()),
        (XOAuth2Client(user, token), XOAuth2Server()),
    ):
        application = Application(user, token=token)
        result = authenticate(client, server, application)
        assert result.success == Success(user, user)
        (request,) = application.asked
        assert isinstance(request, VerifyToken)
        assert (request.username, request.token) == (user, token)
