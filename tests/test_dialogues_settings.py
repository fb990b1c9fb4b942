# SPDX-License-Identifier: MIT
"""Defaults of servers and clients."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from smtpproto import Auth, AuthResponse, LocalProtocolError, TLSInfo
from smtpproto.dialogues import Collect
from smtpproto.dialogues.client_settings import (
    ClientOptions,
    ClientSettings,
    address_literal,
)
from smtpproto.dialogues.server_settings import (
    ServerOptions,
    ServerSettings,
    default_extensions,
    server_settings,
)
from smtpproto.dialogues.transcript import command_line
from smtpproto.extensions import Auth as AuthExtension
from smtpproto.extensions import Chunking, Size, StartTLS
from smtpproto.limits import Limits


def keywords(**settings: Any) -> list[str]:
    settings = {"own_name": "mx.example.org", "has_tls": False, "tls_mode": "starttls", **settings}
    return [one.keyword for one in server_settings(Collect(), **settings).extensions]


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
    with pytest.raises(LocalProtocolError, match="starttls, implicit expected, not 'startls'"):
        keywords(has_tls=True, tls_mode="startls")


def test_a_class_is_a_handler_only_as_a_factory() -> None:
    settings = {"own_name": "mx.example.org", "has_tls": False, "tls_mode": "starttls"}
    with pytest.raises(LocalProtocolError, match=r"not the class Collect; .* factory=True"):
        server_settings(Collect, **settings)
    assert server_settings(Collect, factory=True, **settings).factory


@pytest.mark.parametrize(
    ("own", "given", "name"),
    [
        ("mx.example.org", None, "mx.example.org"),
        ("bad_name", None, "localhost"),
        ("mx.example.org", "other.example", "other.example"),
    ],
)
def test_the_name_of_a_server(own: str, given: str | None, name: str) -> None:
    settings = server_settings(
        Collect(), own_name=own, has_tls=False, tls_mode="starttls", hostname=given
    )
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
    assert (settings.is_implicit, settings.starttls) == (implicit, starttls)
    assert settings.verifies == (security != "opportunistic")
    assert settings.needs_context == (security != "none")
    assert settings.connection(TLSInfo()).tls == TLSInfo()


def test_no_such_security() -> None:
    with pytest.raises(LocalProtocolError, match="one of auto, starttls"):
        ClientSettings("x", 25, "yes")  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("options", "settings", "completed"),
    [
        (ServerOptions, ServerSettings, {"handler"}),
        (ClientOptions, ClientSettings, {"host", "port"}),
    ],
)
def test_each_option_is_a_setting(options: Any, settings: Any, completed: set[str]) -> None:
    names = {field.name for field in fields(settings)}
    assert names - completed == set(options.__annotations__)


def test_an_option_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="hostnam"):
        keywords(hostnam="mx.example.org")
