# SPDX-License-Identifier: MIT
"""AUTH and its exchange, read and written; nothing of it is ever shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import EVERYTHING, check_written

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.grammar.auth import Auth, AuthResponse, EndOfMailData
from smtpproto.grammar.commands import Vocabulary, parse_command

BOTH_WAYS = [
    (b"AUTH PLAIN", Auth("PLAIN")),
    (b"AUTH PLAIN =", Auth("PLAIN", b"")),
    (b"AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=", Auth("PLAIN", b"test\0test\x001234")),
    (b"AUTH SCRAM-SHA-256-PLUS", Auth("scram-sha-256-plus")),
    (b"AUTH A_1-", Auth("A_1-")),
    (b"AUTH " + b"X" * 20, Auth("X" * 20)),
]


@pytest.mark.parametrize(("line", "command"), BOTH_WAYS)
def test_both_ways(line: bytes, command: Auth) -> None:
    assert parse_command(line, EVERYTHING) == command
    assert command.encode() == line + b"\r\n"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"auth plain", Auth("PLAIN")),
        (b"AUTH Plain ", Auth("PLAIN")),
        (b"AUTH PLAIN  =", Auth("PLAIN", b"")),
        (b"AUTH PLAIN   AAAA ", Auth("PLAIN", b"\0\0\0")),
    ],
)
def test_read_otherwise_than_written(line: bytes, command: Auth) -> None:
    assert parse_command(line, EVERYTHING) == command
    assert command.encode() != line + b"\r\n"


def test_no_response_is_not_an_empty_one() -> None:
    assert Auth("PLAIN") != Auth("PLAIN", b"")
    assert Auth("PLAIN", b"").initial_response == b""
    assert Auth("plain").mechanism == "PLAIN"


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "PLAIN,LOGIN",
        "X" * 21,
        "PL\u00e4IN",
        "PLA\u0130N",
        "=",
        "PLAIN=",
        "PLAIN\tAAAA",
        "\u212a",
    ],
)
def test_no_mechanism(argument: str) -> None:
    for make in (lambda: Auth(argument), lambda: Auth.parse(argument, EVERYTHING)):
        with pytest.raises(InvalidValueError) as caught:
            make()
        assert caught.value.violation is Violation.ARGUMENT_SYNTAX
        assert (caught.value.code, caught.value.enhanced) == (501, "5.5.4")


@pytest.mark.parametrize(
    "text",
    ["AAA", "==", "AA==AA==", "AAAA AAAA", "*", "A" * 13, "AB==", "\u00e9", "\udcff", "AAAA=", "?"],
)
def test_no_base64(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Auth.parse(f"PLAIN {text}", EVERYTHING)
    assert caught.value.violation is Violation.BASE64
    assert (caught.value.code, caught.value.enhanced) == (501, "5.5.2")
    with pytest.raises(InvalidValueError):
        AuthResponse.parse_line(text.encode("utf-8", "surrogateescape") if text != "*" else b"**")


RESPONSES = [
    (b"*", AuthResponse(None)),
    (b"", AuthResponse(b"")),
    (b"AA==", AuthResponse(b"\0")),
    (b"c2VjcmV0", AuthResponse(b"secret")),
]


@pytest.mark.parametrize(("line", "response"), RESPONSES)
def test_response_both_ways(line: bytes, response: AuthResponse) -> None:
    assert AuthResponse.parse_line(line) == response
    assert response.encode() == line + b"\r\n"


@pytest.mark.parametrize(
    "line", [b"=", b"* ", b" *", b"AA", b"AA==\n", b"QUIT now", b"\0", b"\xff", b"*AAA"]
)
def test_no_response(line: bytes) -> None:
    with pytest.raises(InvalidValueError) as caught:
        AuthResponse.parse_line(line)
    assert (caught.value.violation, caught.value.enhanced) == (Violation.BASE64, "5.5.2")


def test_no_secret_is_shown() -> None:
    for command in (Auth("PLAIN", b"secret"), AuthResponse(b"secret"), EndOfMailData()):
        assert "secret" not in f"{command!r}{command}"
        assert "c2VjcmV0" not in f"{command!r}{command}"
    assert repr(Auth("PLAIN", b"secret")) == "Auth(mechanism='PLAIN')"
    for line in (
        b"AUTH c2VjcmV0=",
        b"AUTH PLAIN c2VjcmV0=",
        b"AUTH sec.ret c2VjcmV0",
        b"AUTH PLAIN secret ",
    ):
        with pytest.raises(InvalidValueError) as caught:
            parse_command(line, EVERYTHING)
        assert "sec" not in str(caught.value)
        assert "c2V" not in str(caught.value)
        assert caught.value.__cause__ is None


@given(st.binary())
def test_there_and_back(data: bytes) -> None:
    written = AuthResponse(data).encode()
    check_written(written)
    assert AuthResponse.parse_line(written[:-2]) == AuthResponse(data)
    auth = Auth("X-MINE", data)
    assert parse_command(auth.encode(Vocabulary())[:-2], EVERYTHING) == auth
    assert hash(AuthResponse(data)) == hash(AuthResponse(bytes(data)))
