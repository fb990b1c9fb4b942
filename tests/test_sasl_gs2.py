# SPDX-License-Identifier: MIT
"""The GS2 header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sasl_drive import credentials

from smtpproto.sasl import SASLError
from smtpproto.sasl.gs2 import GS2Header, parse_gs2, quote_name, unquote_name

CASES = [
    (b"n,,", GS2Header("n")),
    (b"y,,", GS2Header("y")),
    (b"n,a=user@example.com,", GS2Header("n", authzid=b"user@example.com")),
    (b"y,a=a=2Cb=3Dc=2C,", GS2Header("y", authzid=b"a,b=c,")),
    (b"p=tls-unique,,", GS2Header("p", "tls-unique")),
    (b"p=tls-exporter,a=x,", GS2Header("p", "tls-exporter", b"x")),
]


@pytest.mark.parametrize(("octets", "header"), CASES)
def test_headers(octets: bytes, header: GS2Header) -> None:
    assert header.encode() == octets
    assert parse_gs2(octets + b"n=user,r=x") == (header, octets, b"n=user,r=x")


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"n",
        b"n,",
        b"n,,"[:2],
        b"N,,",
        b"p,,",
        b"p=,,",
        b"p=tls unique,,",
        b"n=x,,",
        b"F,n,,",
        b" n,,",
        b"n,user=someuser@example.com,",
        b"n,a=,",
        b"n,a=x=2cy,",
        b"n,a=x=,",
        b"n,a=x=3E,",
        b"n,a=\xff,",
        b"n,a=\0,",
    ],
)
def test_what_is_no_header(bad: bytes) -> None:
    with pytest.raises(SASLError):
        parse_gs2(bad)


@given(credentials | st.text(",=23CD", min_size=1))
def test_names_are_quoted_and_unquoted(name: str) -> None:
    quoted = quote_name(name.encode())
    assert b"," not in quoted
    assert unquote_name(quoted, "user name") == name


def test_a_name_is_prepared_after_unquoting() -> None:
    assert unquote_name("\u2168=2C".encode(), "user name", prepare=True) == "IX,"
