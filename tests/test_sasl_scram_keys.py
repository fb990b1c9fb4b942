# SPDX-License-Identifier: MIT
"""The keys of SCRAM, stored and derived."""

from __future__ import annotations

import hmac
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sasl_drive import credentials, secret_in

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    check_password,
    decoy_credentials,
    format_credentials,
    make_scram_credentials,
    parse_credentials,
)
from smtpproto.sasl.scram_keys import HASHES, derive_keys, xor

# The password and salt of the example in RFC 7677 3.
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
STORED = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_the_text_form() -> None:
    stored = make_scram_credentials("pencil", SALT, 4096, "SHA-256")
    assert format_credentials(stored) == STORED
    assert parse_credentials(STORED) == stored


@given(credentials, st.binary(min_size=1), st.integers(1, 3), st.sampled_from(sorted(HASHES)))
def test_stored_and_read(password: str, salt: bytes, iterations: int, hash_name: str) -> None:
    stored = make_scram_credentials(password.encode(), salt, iterations, hash_name)
    assert (stored.hash_name, stored.iterations, stored.salt) == (hash_name, iterations, salt)
    assert parse_credentials(format_credentials(stored)) == stored
    assert stored == make_scram_credentials(password, salt, iterations, hash_name, saslprep=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        STORED + "\n",
        STORED[:-1],
        STORED.replace("SHA-256", "SHA-1"),  # keys of another size
        STORED.replace("SHA-256", "MD5"),
        STORED.replace("SCRAM-", "scram-"),
        STORED.replace("4096", "0"),
        STORED.replace("4096", "04096"),
        STORED.replace("4096", "12345678901"),
        STORED.replace("4096", "٤"),
        STORED.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
        STORED.replace("gQ==", "gR=="),
        STORED.replace(STORED[44:88], "AA=="),
        STORED.replace(STORED[89:], "AA=="),
        STORED + "\udc80",
    ],
)
def test_text_of_another_form(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_credentials(text)
    assert not secret_in(caught.value, "WG5d8oPm3Otc")
    assert not text or not secret_in(caught.value, text)


def test_a_password_is_prepared_as_stored() -> None:
    stored = make_scram_credentials("I\u00adX", b"salt", 1)
    assert stored == make_scram_credentials(b"IX", b"salt", 1, "SHA-256")
    for refused in ("secret\u0221", "secret\x07", "secret\0", "", "secret\ud800"):
        with pytest.raises(InvalidValueError) as caught:
            make_scram_credentials(refused, b"salt", 1)
        assert not secret_in(caught.value, "secret")


@pytest.mark.parametrize(
    ("salt", "iterations", "hash_name"),
    [
        (b"", 1, "SHA-1"),
        (b"salt", 0, "SHA-1"),
        (b"salt", -1, "SHA-1"),
        (b"salt", 2**31, "SHA-1"),
        (b"salt", 1, "SHA1"),
        (b"salt", 1, "MD5"),
        (b"salt", 1, ""),
    ],
)
def test_what_makes_no_credentials(salt: bytes, iterations: int, hash_name: str) -> None:
    with pytest.raises(InvalidValueError):
        make_scram_credentials("secret", salt, iterations, hash_name)


def test_a_hash_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(key: bytes, message: bytes, name: str) -> bytes:
        raise ValueError("unsupported hash type")

    monkeypatch.setattr(hmac, "digest", digest)
    with pytest.raises(InvalidValueError, match="available"):
        make_scram_credentials("secret", b"salt", 1, "SHA-1")


def test_decoys_are_stable_and_differ() -> None:
    def salt(key: bytes, name: str, hash_name: str = "SHA-256") -> bytes:
        return decoy_credentials(key, name, 4096, hash_name).salt

    assert salt(b"key", "tim") == salt(b"key", "tim")
    others = {salt(b"key", "tom"), salt(b"yek", "tim"), salt(b"key", "tim", "SHA-1")}
    assert len(others | {salt(b"key", "tim")}) == 4
    for hash_name, size in (("SHA-1", 20), ("SHA-256", 32), ("SHA-512", 64)):
        decoy = decoy_credentials(b"key", "tim", 5000, hash_name, 12)
        assert (decoy.hash_name, decoy.iterations, len(decoy.salt)) == (hash_name, 5000, 12)
        assert len(decoy.stored_key) == len(decoy.server_key) == size
        assert len({decoy.salt, decoy.stored_key[:12], decoy.server_key[:12]}) == 3


def test_keys_are_not_shown() -> None:
    assert repr(derive_keys(b"p", b"s", 1, "sha1")) == "ScramKeys(...)"


def test_xor() -> None:
    assert xor(b"\x00\xff\x55", b"\x0f\x0f\x0f") == b"\x0f\xf0\x5a"


@pytest.mark.parametrize(
    ("stored", "right", "wrong"),
    [
        ("pencil", ["pencil", b"pencil", "pen\u00adcil"], ["Pencil", "", "pencil\0", "\ud800"]),
        ("\ufb01", ["fi", "\ufb01", b"fi"], ["f", "\ufb01".encode()]),
        (b"\x07", ["\x07", b"\x07"], ["\x08", b""]),
    ],
)
def test_a_password_against_credentials(stored: Any, right: list[Any], wrong: list[Any]) -> None:
    credentials = make_scram_credentials(stored, b"salt", 1)
    assert [check_password(one, credentials) for one in right] == [True] * len(right)
    assert [check_password(one, credentials) for one in wrong] == [False] * len(wrong)
    decoy = decoy_credentials(b"key", "joe", 1, "SHA-256")
    assert not any(check_password(one, decoy) for one in right)
