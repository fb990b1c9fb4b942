# SPDX-License-Identifier: MIT
"""Defaults of servers and clients."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from smtpproto import Auth, AuthResponse, LocalProtocolError, Reply, TLSInfo
from smtpproto.dialogues import Collect
from smtpproto.dialogues.client_settings import (
    ClientOptions,
    ClientSettings,
    address_literal,
    is_loopback,
)
from smtpproto.dialogues.server_settings import (
    ServerOptions,
    ServerSettings,
    default_extensions,
    server_settings,
)
from smtpproto.dialogues.transcript import command_line, reply_lines
from smtpproto.extensions import Auth as AuthExtension
from smtpproto.extensions import Chunking, EnhancedStatusCodes, Pipelining, Size, StartTLS
from smtpproto.limits import Limits

TOLD: dict[str, Any] = {
    "own_name": "mx.example.org",
    "has_tls": False,
    "tls_mode": "starttls",
    "random": bytes,
}


def keywords(**settings: Any) -> list[str]:
    told = {**TOLD, **settings}
    return [one.keyword for one in server_settings(Collect(), **told).extensions]


def test_what_a_server_offers() -> None:
    usual = ["SIZE", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", "SMTPUTF8", "CHUNKING"]
    assert keywords() == usual
    assert keywords(has_tls=True) == [*usual, "STARTTLS"]
    assert keywords(has_tls=True, tls_mode="implicit") == usual
    given = [Chunking(), StartTLS(), AuthExtension("PLAIN")]
    assert keywords(extensions=given) == ["CHUNKING"]  # neither can be had
    assert keywords(extensions=given, has_tls=True) == ["CHUNKING", "STARTTLS"]
    size = default_extensions(Limits(mail_data=1000))[0]
    assert isinstance(size, Size)
    assert size.mail_data_limit == 1000


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(LocalProtocolError, match="tls expected"):
        keywords(require_tls=True)
    with pytest.raises(LocalProtocolError, match="once"):
        keywords(extensions=[Chunking(), Chunking()])
    with pytest.raises(LocalProtocolError, match="starttls or implicit expected, not 'startls'"):
        keywords(has_tls=True, tls_mode="startls")


@pytest.mark.parametrize("mode", ["require_tls", "tls_mode"])
def test_tls_without_a_context_is_no_server_in_the_clear(mode: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{mode}: tls expected too"):
        keywords(**{mode: True if mode == "require_tls" else "implicit"})


def test_what_lmtp_must_offer() -> None:
    """RFC 2033 5."""
    assert {"PIPELINING", "ENHANCEDSTATUSCODES"} <= set(keywords(lmtp=True))
    for given in ([Size(5)], [Pipelining()], [EnhancedStatusCodes()]):
        with pytest.raises(LocalProtocolError, match=r"lmtp: .* among the extensions"):
            keywords(lmtp=True, extensions=given)
    keywords(lmtp=True, extensions=[Pipelining(), EnhancedStatusCodes()])


def test_a_class_is_a_handler_only_as_a_factory() -> None:
    with pytest.raises(LocalProtocolError, match=r"not the class Collect; .* factory=True"):
        server_settings(Collect, **TOLD)
    assert server_settings(Collect, factory=True, **TOLD).factory


@pytest.mark.parametrize(
    ("own", "given", "name"),
    [
        ("mx.example.org", None, "mx.example.org"),
        ("bad_name", None, "localhost"),
        ("mx.example.org", "other.example", "other.example"),
    ],
)
def test_the_name_of_a_server(own: str, given: str | None, name: str) -> None:
    settings = server_settings(Collect(), **{**TOLD, "own_name": own}, hostname=given)
    assert settings.hostname == name


@pytest.mark.parametrize(
    ("security", "port", "implicit", "starttls"),
    [
        ("auto", 25, False, "offered"),
        ("auto", 465, True, "offered"),
        ("implicit", 587, True, "never"),
        ("starttls", 465, False, "required"),
        ("opportunistic", 25, False, "offered"),
        ("none", 465, False, "never"),
    ],
)
def test_security(security: Any, port: int, implicit: bool, starttls: str) -> None:
    settings = ClientSettings("mx.example.org", port, security)
    assert (settings.is_implicit, settings.starttls(None)) == (implicit, starttls)
    assert settings.verifies == (security != "opportunistic")
    assert settings.connection(TLSInfo()).tls == TLSInfo()


def test_no_such_security() -> None:
    with pytest.raises(LocalProtocolError, match="security: auto or implicit or starttls or"):
        ClientSettings("x", 25, "yes")  # type: ignore[arg-type]


SECRET = {"username": "tim", "password": "tanstaaftanstaaf"}
THERE, HERE = ("192.0.2.1", 25), ("127.0.0.1", 25)


@pytest.mark.parametrize(
    ("options", "address", "policy"),
    [
        ({}, THERE, "offered"),
        (SECRET, THERE, "required"),
        (SECRET, None, "required"),
        (SECRET, HERE, "offered"),
        ({**SECRET, "allow_cleartext_auth": False}, HERE, "required"),
        ({**SECRET, "allow_cleartext_auth": True}, THERE, "offered"),
        ({**SECRET, "security": "opportunistic"}, THERE, "offered"),
        ({**SECRET, "security": "none"}, THERE, "never"),
        ({**SECRET, "path": "/run/lmtp"}, "", "offered"),
        ({**SECRET, "path": "/run/lmtp", "allow_cleartext_auth": False}, "", "required"),
        ({"token": "abc"}, THERE, "required"),
    ],
)
def test_credentials_need_tls_but_on_this_machine(
    options: dict[str, Any], address: Any, policy: str
) -> None:
    assert ClientSettings("mx.example.org", 587, **options).starttls(address) == policy


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (("127.0.0.1", 25), True),
        (("127.8.9.1", 25), True),
        (("::1", 25, 0, 0), True),
        (("::ffff:127.0.0.1", 25, 0, 0), True),
        (("::ffff:192.0.2.1", 25, 0, 0), False),
        (("192.0.2.1", 25), False),
        (("fe80::1%lo", 25, 0, 1), False),
        (("localhost", 25), False),
        ((), False),
        (None, False),
        ("", False),
        (b"", False),
        ("127.0.0.1", False),
    ],
)
def test_loopback_is_an_address_and_no_name(address: Any, local: bool) -> None:
    assert is_loopback(address) == local


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"password": "x"}, "password: a username"),
        ({"username": "x"}, "a password or a token"),
        ({"username": "x", "password": ""}, "a password or a token"),
        ({"auth": ["PLAIN"]}, "a password or a token"),
        ({**SECRET, "auth": []}, "auth: at least one"),
        ({**SECRET, "auth": ["DIGEST-MD5"]}, "auth: one of EXTERNAL, .* not 'DIGEST-MD5'"),
        ({"username": "x", "password": 4711}, "password: text or octets expected, not int"),
        ({"line_endings": "x"}, "line_endings: normalise or strict expected"),
        ({"port": "25"}, "port: a number from 0 to 65535"),
        ({"port": 65536}, "port: a number from 0 to 65535"),
        ({"port": True}, "port: a number from 0 to 65535"),
    ],
)
def test_what_a_client_is_told_wrong(options: dict[str, Any], told: str) -> None:
    with pytest.raises(LocalProtocolError, match=told):
        ClientSettings(**{"host": "x", "port": 25, **options})


@pytest.mark.parametrize(
    ("options", "has_login"),
    [
        ({}, False),
        ({"username": None, "password": None}, False),
        ({"username": "", "password": ""}, False),
        (SECRET, True),
        ({"username": b"tim", "password": b"\xff"}, True),
        ({"token": "abc"}, True),
        ({"auth": "external"}, True),
        ({"auth": ["ANONYMOUS"], "username": "trace"}, True),
        ({"auth": lambda: None}, True),
    ],
)
def test_whether_a_client_authenticates(options: dict[str, Any], has_login: bool) -> None:
    assert ClientSettings("x", 25, **options).has_login == has_login


def test_no_secret_in_the_settings() -> None:
    settings = ClientSettings("x", 25, token="tanstaaftanstaaf", auth=["PLAIN"], **SECRET)
    assert "tanstaaf" not in repr(settings)


@pytest.mark.parametrize(
    ("address", "literal"),
    [
        (("192.0.2.1", 25), "[192.0.2.1]"),
        (("2001:db8::1", 25, 0, 0), "[IPv6:2001:db8::1]"),
        (("fe80::1%eth0", 25, 0, 2), "[IPv6:fe80::1]"),
        ("/run/socket", "[127.0.0.1]"),
        ("", "[127.0.0.1]"),
        (None, "[127.0.0.1]"),
        (("name", 25), "[127.0.0.1]"),
        ((2, 25), "[127.0.0.1]"),  # of AF_VSOCK
        ((), "[127.0.0.1]"),
    ],
)
def test_address_literals(address: Any, literal: str) -> None:
    assert address_literal(address) == literal


@pytest.mark.parametrize(
    ("own", "given", "name"),
    [
        ("me.example.org", None, "me.example.org"),
        ("laptop", None, "[192.0.2.1]"),
        ("a_b.example", None, "[192.0.2.1]"),
        ("me.example.org", "other.example", "other.example"),
    ],
)
def test_the_name_of_a_client(own: str, given: str | None, name: str) -> None:
    settings = ClientSettings("x", 25, "auto", given)
    assert settings.names(own, ("192.0.2.1", 4711)) == (name, "[192.0.2.1]")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (Auth("PLAIN", b"secret"), "-> AUTH PLAIN ***"),
        (Auth("LOGIN"), "-> AUTH LOGIN"),
        (AuthResponse(b"secret"), "-> ***"),
        (AuthResponse(None), "-> *"),
    ],
)
def test_no_secret_in_a_transcript(command: Any, line: str) -> None:
    assert command_line(command, b"secret\r\n") == line


def test_no_challenge_in_a_transcript() -> None:
    assert reply_lines(Reply(334, "dGFuc3RhYWY=")) == ["<- 334 ***"]
    assert reply_lines(Reply(334)) == ["<- 334"]


@pytest.mark.parametrize(
    ("options", "settings", "completed"),
    [
        (ServerOptions, ServerSettings, {"handler", "is_implicit"}),
        (ClientOptions, ClientSettings, {"host", "port", "path"}),
    ],
)
def test_each_option_is_a_setting(options: Any, settings: Any, completed: set[str]) -> None:
    names = {field.name for field in fields(settings)}
    assert names - completed == set(options.__annotations__)


def test_an_option_that_there_is_not() -> None:
    told = r"^serve\(\) got an unexpected keyword argument 'hostnam': did you mean 'hostname'\?$"
    with pytest.raises(TypeError, match=told):
        keywords(hostnam="mx.example.org")
    with pytest.raises(TypeError, match=r"^serve.* 'prt': did you mean 'port'"):
        keywords(prt=25)
    for name in ("is_implicit", "x"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'$"):
            keywords(**{name: True})
