# SPDX-License-Identifier: MIT
"""What is made with a setting or an argument of another kind says so at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    encode_xtext,
    extensions,
    proxy,
    sasl,
)
from smtpproto.extensions import Extension
from smtpproto.handlers import JsonLines, Maildir, Users

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
        ("extensions", "SIZE", r"extensions: a list such as \[Size\(\)\] expected, not 'SIZE'"),
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


class Strange:
    pass


TEXT = (3, b"x", object(), Strange, ["x"])
OCTETS = (3, "secret", object(), Strange, ["secret"])
NUMBER = ("x", b"x", object(), Strange, 1.5, True)
CREDENTIAL = (3, object(), Strange, ["secret"], True)
HOST: dict[str, Any] = {"host": "mx.example.org", "random": bytes}
STORED = sasl.make_scram_credentials("x", b"salt", 1)
SECRETS: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
    ("user name", lambda got: sasl.PlainClient(got, "x"), (*CREDENTIAL, None)),
    ("password", lambda got: sasl.LoginClient("x", got), (*CREDENTIAL, None)),
    ("user name", lambda got: sasl.CramMD5Client(got, "x"), (*CREDENTIAL, None)),
    ("authorization identity", lambda got: sasl.ExternalClient(got), CREDENTIAL),
    ("token", lambda got: sasl.XOAuth2Client("x", got), (*CREDENTIAL, None)),
    ("host", lambda got: sasl.OAuthBearerClient("x", host=got), CREDENTIAL),
    ("port", lambda got: sasl.OAuthBearerClient("x", port=got), NUMBER),
    ("trace", sasl.AnonymousClient, (*TEXT, None)),
    ("challenge", sasl.CramMD5Server, (*OCTETS, None)),
    ("name", lambda got: sasl.ScramClient(got, "x", "x", b"x"), (*TEXT, None)),
    ("nonce", lambda got: sasl.ScramServer("SCRAM-SHA-1", got, b"x"), (*OCTETS, None)),
    ("decoy_key", lambda got: sasl.ScramServer("SCRAM-SHA-1", b"x", got), (*OCTETS, None)),
    ("hash_name", lambda got: sasl.make_scram_credentials("x", b"x", 1, got), (*TEXT, None)),
    ("iterations", lambda got: sasl.make_scram_credentials("x", b"x", got), (*NUMBER, None)),
    ("key", lambda got: sasl.decoy_credentials(got, "x", 1, "SHA-1"), (*OCTETS, None)),
    ("stored", lambda got: sasl.check_password("x", got), (*TEXT, "secret", None)),
    ("stored", sasl.format_credentials, (*TEXT, "secret", None)),
    ("text", sasl.parse_credentials, (*TEXT, None)),
    ("text", sasl.saslprep, (*TEXT, None)),
    ("salt", lambda got: replace(STORED, salt=got), (*OCTETS, None)),
    ("iterations", lambda got: replace(STORED, iterations=got), (*NUMBER, None)),
    ("name", sasl.available, (*TEXT, None)),
    ("name", lambda got: sasl.make_client(got, sasl.Credentials(), b"x"), (*TEXT, None)),
    ("offered", lambda got: sasl.choose(got, sasl.Credentials(), tls=True), (*TEXT[:-1], "PLAIN")),
    ("password", lambda got: sasl.Credentials("x", got), CREDENTIAL),
    ("saslprep", lambda got: sasl.Credentials(saslprep=got), (1, "no")),
    ("key", lambda got: Users({}, key=got), OCTETS),
]
VALUES: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
    ("auth", lambda got: sasl.ServerMechanisms(got, **HOST), (None, 3, [3], [None], Strange)),
    ("auth", lambda got: sasl.ServerMechanisms([lambda: got], **HOST), (None, 3, Strange())),
    ("random", lambda got: sasl.ServerMechanisms([], host="x", random=got), (None, b"x")),
    ("status", sasl.OAuthError, (*TEXT, None)),
    ("error", sasl.OAuthBearerServer, (3, "x")),
    ("data", lambda got: sasl.ChannelBinding("tls-unique", got), (*OCTETS, None)),
    ("certificate", sasl.server_end_point, (*OCTETS, None)),
    ("ip", lambda got: proxy.InetAddress(got, 25), (*TEXT, None)),
    ("port", lambda got: proxy.InetAddress("::1", got), (*NUMBER, None, -1, 65536)),
    ("source", lambda got: proxy.ProxyHeader(got, None), (3, "x", object(), proxy.InetAddress)),
    ("source", lambda got: proxy.build_v1(got, got), (3, "x", b"x", proxy.InetAddress)),
    ("command", lambda got: proxy.ProxyHeader(command=got), (None, 0, "LOCAL")),
    ("transport", lambda got: proxy.ProxyHeader(transport=got), (0, "STREAM")),
    ("tlvs", lambda got: proxy.ProxyHeader(tlvs=got), (b"x", ())),
    ("version", lambda got: proxy.ProxyHeader(version=got), (None, 0, 3, "1", True)),
    ("header", proxy.build_v2, (None, b"x", proxy.ProxyHeader)),
    ("versions", lambda got: proxy.ProxyHeaderParser(got), (None, 1, (), (3,), ["1"])),
    ("limit", lambda got: proxy.ProxyHeaderParser((1,), got), (*NUMBER, None)),
    ("type", lambda got: proxy.Tlv(got, b"x"), (*NUMBER, None)),
    ("value", lambda got: proxy.Tlv(1, got), (*OCTETS, None)),
    ("client", lambda got: proxy.SslInfo(got, 0), (*NUMBER, None)),
    ("cipher", lambda got: proxy.SslInfo(proxy.SslClient.SSL, 0, cipher=got), TEXT),
    ("authority", lambda got: proxy.Tlvs(authority=got), TEXT),
    ("ssl", lambda got: proxy.Tlvs(ssl=got), (b"x", proxy.SslInfo)),
    ("unknown", lambda got: proxy.Tlvs(unknown=got), (None, 3, (3,), [b"x"])),
    ("xtext", encode_xtext, (*OCTETS, None)),
    ("file", Users.read, (3, None, b"x", Strange)),
    ("folder", Maildir, (3, None, b"x", Strange)),
    ("stream", JsonLines, (3, b"x", Strange)),
    ("cleartext", lambda got: extensions.Auth("PLAIN", cleartext=got), (None, "no", 1)),
    ("Burl", extensions.Burl, (3, None, b"imap", "a b", Strange)),
    ("DeliverBy", extensions.DeliverBy, (*NUMBER, -1)),
    ("FutureRelease", extensions.FutureRelease, (*NUMBER, None)),
    ("FutureRelease: until", lambda got: extensions.FutureRelease(1, got), (*TEXT, "now", None)),
    ("MtPriority", extensions.MtPriority, (*TEXT, None, "a b")),
    ("NoSoliciting", extensions.NoSoliciting, (*TEXT, None)),
    ("Size", extensions.Size, (*NUMBER, 0, -1, 10**20)),
    ("ValidSince", extensions.ValidSince, (*TEXT, "now", None)),
    ("XClient", extensions.XClient, (*TEXT, None, "A B", "")),
    ("RCPTMAX", lambda got: extensions.ServerLimits(rcpt_max=got), (*NUMBER, 0, 10**6)),
]


@pytest.mark.parametrize(
    ("name", "make", "wrong"),
    [pytest.param(*row, id=f"{number}-{row[0]}") for number, row in enumerate([*SECRETS, *VALUES])],
)
def test_an_argument_of_another_kind(
    name: str, make: Callable[[Any], Any], wrong: tuple[Any, ...]
) -> None:
    for got in wrong:
        with pytest.raises(LocalProtocolError, match=f"^{name}: .* expected, not ") as caught:
            make(got)
        if (name, make, wrong) in SECRETS:
            assert "secret" not in str(caught.value)


def test_one_mechanism_is_a_list_of_one() -> None:
    assert sasl.ServerMechanisms("plain", **HOST).names == ("PLAIN",)
    assert sasl.ServerMechanisms(iter(["PLAIN", "LOGIN"]), **HOST).names == ("PLAIN", "LOGIN")
