# SPDX-License-Identifier: MIT
"""A connection made with what is no setting says so at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from smtpproto import (
    ClientConnection,
    Ehlo,
    InvalidValueError,
    Limits,
    LocalProtocolError,
    Reply,
    ServerConnection,
    TLSInfo,
)
from smtpproto.extensions import Extension

MAKERS = [ClientConnection, lambda **settings: ServerConnection("mx.example.org", **settings)]
SETTINGS: list[tuple[str, Any, str]] = [
    ("limits", {}, "limits: Limits expected, not dict"),
    ("limits", None, "limits: Limits expected, not None"),
    ("lmtp", "no", "lmtp: True or False expected, not 'no'"),
    ("lmtp", None, "lmtp: True or False expected, not None"),
    ("tls", True, "tls: TLSInfo expected, not True"),
]


@pytest.mark.parametrize("make", MAKERS, ids=("client", "server"))
@pytest.mark.parametrize(("name", "got", "told"), SETTINGS)
def test_of_both_roles(make: Callable[..., Any], name: str, got: Any, told: str) -> None:
    make(limits=Limits(), lmtp=True, tls=TLSInfo())
    with pytest.raises(InvalidValueError, match=f"^{told}$"):
        make(**{name: got})


@pytest.mark.parametrize("wrong", [None, b"mx.example.org", 5, "", "mx example", "m\xfc"])
def test_a_hostname_can_be_in_a_reply(wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match="hostname: a domain or an address literal expecte"):
        ServerConnection(wrong)


@pytest.mark.parametrize("wrong", ["Strict", "accept", None, ""])
def test_line_endings(wrong: Any) -> None:
    ClientConnection(line_endings="strict")
    with pytest.raises(InvalidValueError, match="line_endings: normalise or strict expected, not"):
        ClientConnection(line_endings=wrong)


def test_leniency() -> None:
    wrong: Any = "reject"
    with pytest.raises(InvalidValueError, match="leniency: Leniency expected, not 'reject'"):
        ServerConnection("mx.example.org", leniency=wrong)


@pytest.mark.parametrize(
    ("name", "wrong", "told"),
    [
        ("received", "x", "received: reject or accept expected, not 'x'"),
        ("received", None, "received: reject or accept expected, not None"),
        ("received", ["reject"], r"received: reject or accept expected, not list"),
        ("require_tls", "no", "require_tls: True or False expected, not 'no'"),
        ("require_auth", None, "require_auth: True or False expected, not None"),
        ("extensions", None, r"extensions: a list such as \[Size\(\)\] expected, not None"),
        ("disabled", None, r"disabled: a list such as \['VRFY'\] expected, not None"),
        ("disabled", "VRFY", "disabled: a list of verbs of RFC 5321 expected, not 'F R V Y'"),
        ("disabled", [b"VRFY"], "disabled: a list of verbs of RFC 5321 expected, not .*b'VRFY'"),
        ("disabled", [None], "disabled: a list of verbs of RFC 5321 expected, not 'None'"),
        ("disabled", ["EHLO"], "disabled: a list of verbs of RFC 5321 expected, not 'EHLO'"),
    ],
)
def test_of_a_server(name: str, wrong: Any, told: str) -> None:
    ServerConnection("mx.example.org", received="accept", disabled=["vrfy"], require_tls=True)
    with pytest.raises(LocalProtocolError, match=told):
        ServerConnection("mx.example.org", **{name: wrong})


def test_what_is_known_of_tls() -> None:
    wrong: Any = True
    client = ClientConnection()
    with pytest.raises(InvalidValueError, match="info: TLSInfo expected, not True"):
        client.tls_established(wrong)
    assert client.tls is None


def test_an_announcement_that_raises_puts_nothing_in_force() -> None:
    class Longest(Extension):
        keyword = "XLONGEST"

        def parse_announcement(self, texts: tuple[str, ...]) -> Any:
            return int(texts[-1])

    for text, in_force in (("5", {"XLONGEST": 5}), ("five", {}), ("", {})):
        client = ClientConnection(extensions=[Longest()])
        client.receive_data(b"220 mx.example.org\r\n")
        client.next_event()
        client.send(Ehlo("client.example.com"))
        client.receive_data(Reply(250, ("mx.example.org", f"XLONGEST {text}")).encode())
        client.next_event()
        assert client.announced == in_force
        assert client.keywords == {"XLONGEST": (text,)}
