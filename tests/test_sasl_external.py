# SPDX-License-Identifier: MIT
"""EXTERNAL."""

from __future__ import annotations

import pytest
from hypothesis import given
from sasl_drive import Application, authenticate, credentials

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    Challenge,
    ExternalClient,
    ExternalServer,
    Failure,
    MapCertificate,
    Success,
)


def test_the_identity_is_derived() -> None:
    client = ExternalClient()
    assert not client.reveals_secret
    assert client.initial_response() == b""
    assert client.done
    server = ExternalServer()
    assert server.step(b"") == MapCertificate("")
    assert server.answer("cn=tim") == Success("cn=tim", "cn=tim")


def test_the_server_asks_for_the_message() -> None:
    server = ExternalServer()
    assert server.step(None) == Challenge(b"")
    assert server.step(b"fred@example.com") == MapCertificate("fred@example.com")
    for nobody in (None, ""):
        server = ExternalServer()
        server.step(b"fred@example.com")
        assert server.answer(nobody) == Failure(535, "5.7.8", "Authentication credentials invalid")


@pytest.mark.parametrize("bad", [b"\0", b"fred\0", b"\xff", b"\xc0\x80"])
def test_malformed(bad: bytes) -> None:
    assert ExternalServer().step(bad) == Failure(501, "5.5.2", "Malformed authentication data")


@pytest.mark.parametrize("bad", ["\0", b"a\0", "\udc80"])
def test_what_cannot_be_sent(bad: str | bytes) -> None:
    with pytest.raises(InvalidValueError):
        ExternalClient(bad)


@given(credentials)
def test_any_identity(authzid: str) -> None:
    application = Application(authzid)
    result = authenticate(ExternalClient(authzid), ExternalServer(), application)
    assert result.success == Success(authzid, authzid)
    assert application.asked == [MapCertificate(authzid)]
