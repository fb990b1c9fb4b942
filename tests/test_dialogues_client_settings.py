# SPDX-License-Identifier: MIT
"""What a client may be told, and that a mistake is named before anything is opened."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from dialogue_drive import Run, drive

from smtpproto import LocalProtocolError, TLSInfo
from smtpproto.dialogues import SecurityError
from smtpproto.dialogues.client_settings import ClientOptions, ClientSettings
from smtpproto.dialogues.setting_kinds import CLIENT, CLIENT_SECRETS


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"host": b"x"}, "host: text expected, not b'x'"),
        ({"security": "tls"}, "none expected, not 'tls'"),
        ({"port": True}, "port: a number from 0 to 65535 expected, not True"),
        ({"lmtp": "no"}, "lmtp: True or False expected, not 'no'"),
        ({"lmtp": 1}, "lmtp: True or False expected, not 1"),
        ({"allow_cleartext_auth": "no"}, "True or False or None expected, not 'no'"),
        ({"saslprep": 0}, "saslprep: True or False or None expected, not 0"),
        ({"token": 5}, "token: text, octets or a function that gets it expected, not int"),
        ({"auth": 5, "token": "t"}, "auth: one of EXTERNAL"),
        ({"host": ""}, "host: a name or an address without a port expected"),
        ({"host": "localhost:25"}, "host: a name or an address without a port"),
        ({"path": ""}, "path: the text of a path expected, not ''"),
        ({"path": "a\0b"}, "path: the text of a path expected"),
        ({"host": "[::1]"}, "host: a name or an address without a port"),
        ({"host": "a..b"}, "host: a name"),
        ({"host": "x" * 64}, "host: a name"),
        ({"host": "x\0"}, "host: a name"),
        ({"host": "x\n"}, "host: a name"),
        ({"path": 7}, "path: the text of a path expected"),
        ({"transcript": "print"}, "transcript: a function expected"),
        ({"local_name": b"me.example"}, "local_name: text expected"),
        ({"local_name": "me you"}, "not 'me you'"),
        ({"local_name": "me\r\nMAIL"}, "me"),
        ({"source_address": "192.0.2.1"}, "source_address: an address and a port, without `path`"),
        ({"source_address": ("192.0.2.1",)}, "source_address: an address"),
        ({"source_address": ("192.0.2.1", 65536)}, "source_address: an address"),
        ({"source_address": ("192.0.2.1", 0), "path": "/x"}, "path, source_address, dial: one of"),
        ({"source_address": ("192.0.2.1", 0), "dial": print}, "path, source_address, dial: one of"),
        ({"path": "/x", "dial": print}, "path, source_address, dial: one of them expected"),
        ({"dial": 7}, "dial: a function expected, not 7"),
        ({"extensions": 5}, r"extensions: extensions such as Size\(\) expected, not 5"),
        ({"extensions": ["SIZE"]}, r"extensions such as Size\(\) expected, not 'SIZE'"),
        ({"host": None, "path": None}, "host: text expected, not None"),
        ({"auth": object()}, "auth: one of EXTERNAL, .* expected, not object"),
        ({"password": 5, "username": "x"}, "password: text or octets expected, not int"),
        ({"timeout": 0}, "timeout: more than 0 seconds and at most 2000000, or None, expected"),
        ({"timeout": 2_147_484}, "timeout: more than 0 seconds and at most 2000000"),
        ({"timeout": -1.0}, "timeout: "),
        ({"timeout": "5"}, "timeout: "),
        ({"timeout": True}, "timeout: "),
        ({"timeout": float("nan")}, "timeout: "),
        ({"timeout": float("inf")}, "timeout: "),
        ({"limits": 7}, "limits: Limits expected"),
    ],
)
def test_what_a_client_is_told_wrong(options: dict[str, Any], told: str) -> None:
    with pytest.raises(LocalProtocolError, match=told):
        ClientSettings(**{"host": "x", "port": 25, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"local_name": "[192.0.2.1]"},
        {"local_name": "localhost"},
        {"source_address": ("192.0.2.1", 0)},
        {"timeout": 0.1},
        {"host": "127.0.0.1"},
        {"host": "::1"},
        {"host": "fe80::1%eth0"},
        {"host": "bücher.example"},
        {"host": "", "path": "/run/lmtp"},
    ],
)
def test_what_a_client_may_be_told(options: dict[str, Any]) -> None:
    ClientSettings(**{"host": "x", "port": 25, **options})


def test_each_option_has_a_kind() -> None:
    elsewhere = {"security", "auth"}
    known = {*CLIENT, *CLIENT_SECRETS, *elsewhere} - {"host", "port", "path"}
    assert known == set(ClientOptions.__annotations__)


# --- who we are ----------------------------------------------------------------------------------

SECRET = {"username": "tim", "password": "tanstaaf"}
THERE, HERE = ("192.0.2.1", 587), ("127.0.0.1", 587)
VERIFIED = TLSInfo("TLSv1.3", peer_verified=True)


def opening(
    offered: str,
    tls: TLSInfo | None = VERIFIED,
    address: Any = THERE,
    *,
    verdict: tuple[bytes, ...] = (b"535 no\r\n",),
    **options: Any,
) -> Run:
    """Open a session with a server that refuses whoever it is."""
    settings = ClientSettings("mx.example.org", 587, **options)
    dialogue = settings.opening(settings.connection(tls), "me.example", (None, address), bytes)
    hello = b"250-hi\r\n250 AUTH %s\r\n" % offered.encode()
    return drive(dialogue, [b"220 hi\r\n", hello, *verdict])


def shown(run: Run) -> tuple[str, bytes]:
    """Return the mechanism and its initial response."""
    _, mechanism, response = run.lines[1].split()
    return mechanism, base64.b64decode("" if response == "=" else response)


def test_the_password_is_shown_under_tls() -> None:
    assert shown(opening("PLAIN", **SECRET)) == ("PLAIN", b"\0tim\0tanstaaf")


def test_octets_are_sent_as_they_are() -> None:
    run = opening("PLAIN", username=b"t\xffm", password=b"\xfe")
    assert shown(run)[1] == b"\0t\xffm\0\xfe"


def test_whom_to_act_as() -> None:
    assert shown(opening("PLAIN LOGIN", authzid="ann", **SECRET))[1] == b"ann\0tim\0tanstaaf"
    run = opening("LOGIN", authzid="ann", verdict=(), **SECRET)
    assert isinstance(run.error, SecurityError)  # it has no place for that


def test_saslprep() -> None:
    soft = {"username": "t\u00adim", "password": "x"}
    assert shown(opening("PLAIN", **soft))[1] == "\0t\u00adim\0x".encode()
    assert shown(opening("PLAIN", saslprep=True, **soft))[1] == b"\0tim\0x"


def test_a_token_names_the_server() -> None:
    mechanism, response = shown(opening("OAUTHBEARER", username="tim", token="abc"))
    assert mechanism == "OAUTHBEARER"
    assert response == (b"n,a=tim,\x01host=mx.example.org\x01port=587\x01auth=Bearer abc\x01\x01")
    _, response = shown(opening("OAUTHBEARER", token="abc", path="/run/smtp"))
    assert response == b"n,,\x01auth=Bearer abc\x01\x01"


def test_the_order_is_the_callers() -> None:
    assert opening("PLAIN LOGIN", auth=["login", "PLAIN"], **SECRET).lines[1] == "AUTH LOGIN"


def test_a_certificate_is_only_shown_on_request() -> None:
    assert shown(opening("EXTERNAL PLAIN", **SECRET))[0] == "PLAIN"
    assert shown(opening("EXTERNAL PLAIN", auth="EXTERNAL")) == ("EXTERNAL", b"")
    run = opening("EXTERNAL", auth=["EXTERNAL", "PLAIN"], authzid="ann", **SECRET)
    assert shown(run) == ("EXTERNAL", b"ann")


def test_nobody_is_anonymous_but_on_request() -> None:
    assert isinstance(opening("ANONYMOUS", verdict=(), **SECRET).error, SecurityError)
    run = opening("ANONYMOUS", auth="anonymous", username="tim@example.org")
    assert shown(run) == ("ANONYMOUS", b"tim@example.org")
    assert shown(opening("ANONYMOUS", auth="anonymous")) == ("ANONYMOUS", b"")


def test_opportunistic_tls_is_no_protection() -> None:
    """Whoever answers has a certificate; only a right one counts."""
    options: dict[str, Any] = {"security": "opportunistic", **SECRET}
    run = opening("PLAIN", TLSInfo("TLSv1.3"), verdict=(), **options)
    assert isinstance(run.error, SecurityError)
    assert "AUTH" not in run.out.decode()
    assert shown(opening("PLAIN", **options))[0] == "PLAIN"
    assert shown(opening("PLAIN", TLSInfo("TLSv1.3"), HERE, **options))[0] == "PLAIN"
    assert shown(opening("PLAIN", TLSInfo("TLSv1.3"), **SECRET))[0] == "PLAIN"  # their own context
