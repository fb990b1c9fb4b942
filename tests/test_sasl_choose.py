# SPDX-License-Identifier: MIT
"""Which mechanism a client uses."""

from __future__ import annotations

import hmac

import pytest
from sasl_drive import BINDING, SECRET, TOKEN, USER

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import DEFAULT_ORDER, Credentials, available, choose, make_client

PASSWORD = Credentials(USER, SECRET)
EVERYTHING = Credentials(
    USER, SECRET, TOKEN, external=True, trace="", channel_binding=BINDING, host="h", port=25
)


def test_strongest_first() -> None:
    assert DEFAULT_ORDER == (
        "EXTERNAL",
        "SCRAM-SHA-512-PLUS",
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-512",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
        "OAUTHBEARER",
        "XOAUTH2",
        "CRAM-MD5",
        "PLAIN",
        "LOGIN",
        "ANONYMOUS",
    )
    unbound = [n for n in DEFAULT_ORDER if not n.startswith("SCRAM") or n.endswith("-PLUS")]
    assert choose(DEFAULT_ORDER, EVERYTHING, tls=True) == unbound


@pytest.mark.parametrize(
    ("credentials", "offered", "chosen"),
    [
        (PASSWORD, "LOGIN PLAIN", ["PLAIN", "LOGIN"]),
        (PASSWORD, "login Plain cram-md5", ["CRAM-MD5", "PLAIN", "LOGIN"]),
        (PASSWORD, "GSSAPI NTLM DIGEST-MD5", []),
        (PASSWORD, "", []),
        (PASSWORD, "SCRAM-SHA-1 SCRAM-SHA-256", ["SCRAM-SHA-256", "SCRAM-SHA-1"]),
        (PASSWORD, "EXTERNAL ANONYMOUS XOAUTH2 OAUTHBEARER", []),
        (PASSWORD, "SCRAM-SHA-1-PLUS SCRAM-SHA-1", ["SCRAM-SHA-1"]),  # cannot bind
        (
            Credentials(USER, SECRET, channel_binding=BINDING),
            "SCRAM-SHA-1-PLUS SCRAM-SHA-1 SCRAM-SHA-256 PLAIN",
            ["SCRAM-SHA-1-PLUS", "PLAIN"],
        ),
        (
            Credentials(USER, SECRET, channel_binding=BINDING),
            "SCRAM-SHA-1 SCRAM-SHA-256 PLAIN",
            ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"],
        ),
        (Credentials(token=TOKEN), "XOAUTH2 OAUTHBEARER PLAIN", ["OAUTHBEARER"]),
        (Credentials(USER, token=TOKEN), "XOAUTH2 OAUTHBEARER", ["OAUTHBEARER", "XOAUTH2"]),
        (Credentials(USER, SECRET, authzid="z"), "CRAM-MD5 LOGIN PLAIN", ["PLAIN"]),
        (Credentials(USER, SECRET, authzid=USER), "LOGIN PLAIN", ["PLAIN", "LOGIN"]),
        (Credentials(external=True), "EXTERNAL PLAIN", ["EXTERNAL"]),
        (Credentials(trace=""), "ANONYMOUS PLAIN", ["ANONYMOUS"]),
        (Credentials(channel_binding=BINDING), "SCRAM-SHA-1-PLUS SCRAM-SHA-1", []),
    ],
)
def test_what_is_offered_and_can_be_shown(
    credentials: Credentials, offered: str, chosen: list[str]
) -> None:
    assert choose(offered.split(), credentials, tls=True) == chosen


@pytest.mark.parametrize(
    ("tls", "allow", "chosen"),
    [
        (True, False, ["OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "PLAIN", "LOGIN"]),
        (False, True, ["OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "PLAIN", "LOGIN"]),
        (False, False, ["CRAM-MD5"]),
    ],
)
def test_secrets_are_not_revealed_in_clear(tls: bool, allow: bool, chosen: list[str]) -> None:
    offered = ["PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"]
    assert choose(offered, EVERYTHING, tls=tls, allow_cleartext=allow) == chosen
    assert choose(["PLAIN"], EVERYTHING, tls=False) == []


def test_the_callers_order() -> None:
    order = ["PLAIN", "SCRAM-SHA-256", "NTLM"]
    offered = ["NTLM", "SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "LOGIN"]
    assert choose(offered, PASSWORD, tls=True, order=order) == ["PLAIN", "SCRAM-SHA-256"]


@pytest.mark.parametrize("name", DEFAULT_ORDER)
def test_what_is_chosen_can_be_made(name: str) -> None:
    assert available(name)
    assert available(name.lower())
    client = make_client(name, EVERYTHING, b"nonce")
    assert client.name == name
    revealing = ("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2")
    assert client.reveals_secret == (name in revealing)
    first = client.initial_response()
    assert (first is None) == (name in ("LOGIN", "CRAM-MD5"))


def test_what_the_credentials_say_is_sent() -> None:
    credentials = Credentials("u", "p", "t", "z", host="h", port=25, trace="trace", external=True)
    first = {
        name: make_client(name, credentials, b"nonce").initial_response()
        for name in ("PLAIN", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2", "EXTERNAL", "ANONYMOUS")
    }
    assert first == {
        "PLAIN": b"z\0u\0p",
        "SCRAM-SHA-1": b"n,a=z,n=u,r=nonce",
        "OAUTHBEARER": b"n,a=z,\x01host=h\x01port=25\x01auth=Bearer t\x01\x01",
        "XOAUTH2": b"user=u\x01auth=Bearer t\x01\x01",
        "EXTERNAL": b"z",
        "ANONYMOUS": b"trace",
    }
    bearer = make_client("OAUTHBEARER", Credentials("u", token="t"), b"")
    assert bearer.initial_response() == b"n,a=u,\x01auth=Bearer t\x01\x01"


@pytest.mark.parametrize(
    ("saslprep", "plain", "scram"),
    [
        (None, "\u2168", "IX"),
        (True, "IX", "IX"),
        (False, "\u2168", "\u2168"),
    ],
)
def test_saslprep_is_the_default_of_scram_alone(
    saslprep: bool | None, plain: str, scram: str
) -> None:
    credentials = Credentials("\u2168", "p", saslprep=saslprep)
    first = make_client("PLAIN", credentials, b"").initial_response()
    assert first == f"\0{plain}\0p".encode()
    first = make_client("SCRAM-SHA-1", credentials, b"abc").initial_response()
    assert first == f"n,,n={scram},r=abc".encode()
    for name in ("LOGIN", "CRAM-MD5"):
        client = make_client(name, credentials, b"")
        client.initial_response()
        assert client.step(b"challenge").startswith(plain.encode())


def test_a_name_that_is_not_known() -> None:
    assert not available("NTLM")
    with pytest.raises(InvalidValueError, match="PLAIN"):
        make_client("NTLM", PASSWORD, b"")


def test_credentials_are_not_shown() -> None:
    assert repr(EVERYTHING) == f"Credentials(username={USER!r})"


def test_without_md5_the_rest_works(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hmac.digest

    def fips(key: bytes, message: bytes, name: str) -> bytes:
        if name == "md5":
            raise ValueError("disabled for FIPS")
        return digest(key, message, name)

    monkeypatch.setattr(hmac, "digest", fips)
    assert not available("CRAM-MD5")
    offered = ["CRAM-MD5", "SCRAM-SHA-1", "PLAIN"]
    assert choose(offered, PASSWORD, tls=True) == ["SCRAM-SHA-1", "PLAIN"]
