# SPDX-License-Identifier: MIT
"""Credentials and base64 as they are written and read."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sasl_drive import credentials, secret_in

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.sasl import SASLError
from smtpproto.sasl.text import decode_base64, decode_credential, decode_text, encode_credential


@given(credentials)
def test_a_string_becomes_utf8_and_back(text: str) -> None:
    octets = encode_credential(text, "password")
    assert octets == text.encode()
    assert decode_credential(octets, "password") == decode_text(octets, "password") == text


def test_octets_are_sent_as_they_are() -> None:
    assert encode_credential(b"\xff\xaa", "password", prepare=True) == b"\xff\xaa"


def test_saslprep_where_it_is_asked_for() -> None:
    assert encode_credential("\u2168", "password", prepare=True) == b"IX"
    assert encode_credential("\u2168", "password") == b"\xe2\x85\xa8"
    assert decode_credential(b"\xe2\x85\xa8", "password", prepare=True) == "IX"
    assert encode_credential("\u0221", "password", prepare=True) == b"\xc8\xa1"
    with pytest.raises(InvalidValueError):
        encode_credential("\u0221", "password", prepare=True, stored=True)


@pytest.mark.parametrize("bad", ["", b"", "secret\0", b"secret\0", "secret\udc80", "\ud800secret"])
@pytest.mark.parametrize("prepare", [False, True])
def test_what_the_caller_may_not_give(bad: str | bytes, prepare: bool) -> None:
    with pytest.raises(InvalidValueError) as caught:
        encode_credential(bad, "password", prepare=prepare)
    assert caught.value.violation is Violation.LOCAL_VALUE
    assert not secret_in(caught.value, "secret")


@pytest.mark.parametrize("bad", [b"secret\0", b"secret\xff", b"secret\xed\xa0\x80", b"\xc0\x80"])
def test_what_the_peer_may_not_send(bad: bytes) -> None:
    for decode in (decode_text, decode_credential):
        with pytest.raises(SASLError) as caught:
            decode(bad, "password")
        assert caught.value.violation is Violation.NOT_UTF8
        assert not secret_in(caught.value, "secret")


def test_only_a_credential_must_not_be_empty() -> None:
    assert decode_text(b"", "authorization identity") == ""
    for prepare in (False, True):
        with pytest.raises(SASLError, match="empty"):
            decode_credential(b"", "user name", prepare=prepare)


@pytest.mark.parametrize("bad", ["\u00ad", "secret\x07"])
def test_what_saslprep_refuses_of_the_peer(bad: str) -> None:
    with pytest.raises(SASLError) as caught:
        decode_credential(bad.encode(), "password", prepare=True)
    assert caught.value.violation is Violation.ARGUMENT_SYNTAX
    assert not secret_in(caught.value, "secret")


@given(st.binary(min_size=1))
def test_base64_of_an_encoder_is_read(data: bytes) -> None:
    assert decode_base64(b64encode(data), "salt") == data


@pytest.mark.parametrize(
    "bad",
    [b"", b"=", b"Q", b"QQ", b"QQ=", b"QR==", b"QQ==\n", b"QQ===", b"Q Q==", b"-_-_", b"\xff"],
)
def test_other_base64_is_refused(bad: bytes) -> None:
    with pytest.raises(SASLError) as caught:
        decode_base64(bad, "salt")
    assert caught.value.violation is Violation.BASE64
