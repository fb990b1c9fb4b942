# SPDX-License-Identifier: MIT
"""CRAM-MD5."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from sasl_drive import Application, authenticate, credentials

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    Challenge,
    CramMD5Client,
    CramMD5Server,
    Failure,
    FetchPassword,
    SASLError,
    Success,
    cram_md5_challenge,
)

CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"
RESPONSE = b"tim b913a602c7eda7a495b4e6e7334d3890"
REFUSED = Failure(535, "5.7.8", "Authentication credentials invalid")
MALFORMED = Failure(501, "5.5.2", "Malformed authentication data")


def test_the_example_of_rfc_2195() -> None:
    client = CramMD5Client("tim", "tanstaaftanstaaf")
    assert not client.reveals_secret
    assert client.initial_response() is None
    assert not client.done
    assert client.step(CHALLENGE) == RESPONSE
    assert client.done
    assert cram_md5_challenge(1896, 697170952, "postoffice.reston.mci.net") == CHALLENGE
    server = CramMD5Server(CHALLENGE)
    assert server.step(None) == Challenge(CHALLENGE)
    assert server.step(RESPONSE) == FetchPassword("tim")
    assert server.answer(b"tanstaaftanstaaf") == Success("tim", "tim")


def test_an_empty_challenge_is_refused() -> None:
    client = CramMD5Client("tim", "secret")
    client.initial_response()
    with pytest.raises(SASLError):
        client.step(b"")
    assert not client.done


def test_the_server_goes_first() -> None:
    failure = CramMD5Server(CHALLENGE).step(b"")
    assert failure == Failure(501, "5.7.0", "This mechanism takes no initial response")


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"tim",
        RESPONSE[4:],
        RESPONSE[3:],  # no name
        RESPONSE[:-1],
        RESPONSE + b"0",
        RESPONSE + b" ",
        RESPONSE + b"\n",
        RESPONSE.upper(),
        b"\xff" + RESPONSE,
        b"\0" + RESPONSE,
    ],
)
def test_malformed(response: bytes) -> None:
    server = CramMD5Server(CHALLENGE)
    server.step(None)
    assert server.step(response) == MALFORMED


@pytest.mark.parametrize("password", [None, "", b"", "wrong", "a NUL\0", "\udc80"])
def test_no_password_fits_the_digest(password: str | bytes | None) -> None:
    for key in (b"tanstaaftanstaaf", b""):  # an empty key is not let in either
        server = CramMD5Server(CHALLENGE)
        server.step(None)
        digest = hmac.digest(key, CHALLENGE, "md5").hex().encode()
        assert server.step(b"tim " + digest) == FetchPassword("tim")
        assert server.answer(password) == REFUSED


def test_a_response_to_another_challenge_is_refused() -> None:
    server = CramMD5Server(cram_md5_challenge(1897, 697170952, "postoffice.reston.mci.net"))
    server.step(None)
    server.step(RESPONSE)
    assert server.answer("tanstaaftanstaaf") == REFUSED


@given(credentials, credentials)
def test_any_credentials(user: str, password: str) -> None:
    application = Application(user, password)
    result = authenticate(CramMD5Client(user, password), CramMD5Server(CHALLENGE), application)
    assert result.success == Success(user, user)
    assert application.asked == [FetchPassword(user)]


def test_saslprep_on_both_sides() -> None:
    client = CramMD5Client("\u2168", "\u00aa", saslprep=True)
    for password in ("a", "\u00aa"):
        result = authenticate(
            CramMD5Client("\u2168", "\u00aa", saslprep=True),
            CramMD5Server(CHALLENGE, saslprep=True),
            Application("IX", password),
        )
        assert result.success == Success("IX", "IX")
    client.initial_response()
    assert client.step(CHALLENGE).startswith(b"IX ")


@pytest.mark.parametrize(
    "challenge",
    [b"", b"<>", b"<x>", b"1@h", b"<1@h", b"<1@h>x", b"<1 2@h>", b"<<1@h>>", b"<1@\xff>"],
)
def test_challenges_of_another_form(challenge: bytes) -> None:
    with pytest.raises(InvalidValueError):
        CramMD5Server(challenge)


def test_neither_side_is_made_without_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(key: bytes, message: bytes, name: str) -> bytes:
        raise ValueError("disabled for FIPS")

    monkeypatch.setattr(hmac, "digest", digest)
    with pytest.raises(InvalidValueError, match="MD5"):
        CramMD5Client("tim", "secret")
    with pytest.raises(InvalidValueError, match="MD5"):
        CramMD5Server(CHALLENGE)
