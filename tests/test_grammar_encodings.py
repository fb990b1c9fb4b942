# SPDX-License-Identifier: MIT
"""xtext and base64: one text, one value, in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import check_encodings
from strategies import grammar_octets

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.grammar.encodings import decode_base64, decode_xtext, encode_base64, encode_xtext

XTEXT = [
    ("", b""),
    ("abc", b"abc"),
    ("a+2Bb+3Dc+20d@x", b"a+b=c d@x"),
    ("+00+0D+0A+7F+80+FF", b"\0\r\n\x7f\x80\xff"),
    ("!*,<>~", b"!*,<>~"),
    ("+C3+A9", "\u00e9".encode()),
    ("+2B2B", b"+2B"),
]


@pytest.mark.parametrize(("text", "octets"), XTEXT)
def test_xtext(text: str, octets: bytes) -> None:
    assert encode_xtext(octets) == text
    assert decode_xtext(text) == octets


def test_every_octet_in_xtext() -> None:
    text = encode_xtext(bytes(range(256)))
    plain = {chr(n) for n in range(33, 127)} - {"+", "="}
    assert set(text) == plain | {"+"}
    assert len(text) == len(plain) + 3 * (256 - len(plain))
    assert decode_xtext(text) == bytes(range(256))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "+",
            "+2",
            "a+",
            "a+2",
            "+2G",
            "+g2",
            "++2B",
            "+ 2B",
            "+-1",
            "+0x",
            "a=b",
            "=",
            "a b",
            "a\r\n",
        ),
        *("\x7f", "\x00", "\u00e9", "+\u0662\u0662", "+2\uff22", "a\n", "+2B\n", "\udcff"),
    ],
)
def test_no_xtext(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        decode_xtext(text)
    assert caught.value.violation is Violation.PARAMETER_SYNTAX
    assert (caught.value.code, caught.value.enhanced) == (501, "5.5.4")


@pytest.mark.parametrize(
    ("text", "octets", "written"),
    [
        ("+2b", b"+", "+2B"),
        ("+fF+Ff", b"\xff\xff", "+FF+FF"),
        ("a+3dz", b"a=z", "a+3Dz"),
        ("+2B2b", b"+2b", "+2B2b"),
    ],
)
def test_lower_case_digits_are_read_and_not_written(text: str, octets: bytes, written: str) -> None:
    assert decode_xtext(text) == octets
    assert encode_xtext(octets) == written


BASE64 = [
    (b"", b""),
    (b"AA==", b"\0"),
    (b"AAA=", b"\0\0"),
    (b"AAAA", b"\0\0\0"),
    (b"AGEAYg==", b"\0a\0b"),
    (b"+/+/", b"\xfb\xff\xbf"),
    (b"dGVzdAB0ZXN0ADEyMzQ=", b"test\0test\x001234"),
]


@pytest.mark.parametrize(("text", "octets"), BASE64)
def test_base64(text: bytes, octets: bytes) -> None:
    assert encode_base64(octets) == text
    assert decode_base64(text) == octets


@pytest.mark.parametrize(
    "text",
    [
        *(b"A", b"AA", b"AAA", b"AAAAA", b"=", b"==", b"====", b"A===", b"AA=", b"AAA==", b"AAAA="),
        *(
            b"AAAA==",
            b"AAAA====",
            b"AA==AA==",
            b"AAA=AAAA",
            b"=AAA",
            b"A=AA",
            b"AA=A",
            b"*",
            b"AA==\n",
        ),
        *(
            b"AA ==",
            b" AAAA",
            b"AAAA ",
            b"AA\r\nAA",
            b"AAAA\n",
            b"AA-_",
            b"AA\0A",
            b"AAA\xc3",
            b"AA!A",
        ),
        *(b"AB==", b"AAB=", b"//==", b"///="),  # stray bits
    ],
)
def test_no_base64(text: bytes) -> None:
    with pytest.raises(InvalidValueError) as caught:
        decode_base64(text)
    assert caught.value.violation is Violation.BASE64
    assert (caught.value.code, caught.value.enhanced) == (501, "5.5.2")
    assert str(caught.value) == "base64 expected (RFC 4954 4)", "it may be a password"


@given(st.binary(max_size=40) | grammar_octets)
def test_any_octets(octets: bytes) -> None:
    check_encodings(octets)


@given(st.text("+0123456789abcdefABCDEF=", max_size=12))
def test_almost_encoded(text: str) -> None:
    check_encodings(text.encode())


LONG = 1 << 18


@pytest.mark.parametrize("piece", [b"+", b"+2", b"+2B", b"A", b"AA==", b"=", b"A=", b"\xff"])
def test_long_text_takes_linear_time(piece: bytes) -> None:
    octets = piece * (LONG // len(piece))
    assert decode_xtext(encode_xtext(octets)) == octets
    assert decode_base64(encode_base64(octets)) == octets
    for decode in (
        lambda: decode_xtext((octets + b"+").decode("latin-1")),
        lambda: decode_base64(octets + b"*"),
    ):
        with pytest.raises(InvalidValueError):
            decode()


@pytest.mark.parametrize("wrong", [b"a+2Bb", None, 3])
def test_xtext_is_text(wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match="xtext as text expected, not"):
        decode_xtext(wrong)
