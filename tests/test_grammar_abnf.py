# SPDX-License-Identifier: MIT
"""The productions: their alphabets, octet by octet, and that none backtracks."""

from __future__ import annotations

import re
import string

import pytest
from invariants import ATEXT, DCONTENT, ipv4_oracle

from smtpproto.grammar import abnf

ALNUM = set(string.ascii_letters + string.digits)
SINGLE = {
    "atext": (abnf.ATEXT, set(ATEXT)),
    "atext, UTF-8": (abnf.ATEXT_UTF8, set(ATEXT)),
    "qtext": (abnf.QUOTED_STRING_UTF8[1:-1], set(map(chr, range(32, 127))) - {'"', "\\"}),
    "let-dig": (abnf.DOMAIN, ALNUM),
    "let-dig, UTF-8": (abnf.DOMAIN_UTF8, ALNUM),
    "let-dig, lenient": (abnf.DOMAIN_LENIENT, ALNUM | {"_"}),
    "keyword": (abnf.ESMTP_KEYWORD, ALNUM),
    "value": (abnf.ESMTP_VALUE, set(map(chr, range(33, 127))) - {"="}),
    "number": (abnf.NUMBER, set(string.digits)),
    "IPv6 group": (abnf.IPV6_HEX, set(string.hexdigits)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_ascii_alphabet(name: str) -> None:
    pattern, expected = SINGLE[name]
    assert {c for c in map(chr, range(128)) if re.fullmatch(pattern, c)} == expected


@pytest.mark.parametrize("name", SINGLE)
def test_utf8_only_where_the_name_says_so(name: str) -> None:
    pattern, _ = SINGLE[name]
    wanted = name.endswith(("UTF-8", "lenient")) or name in ("value", "qtext")
    for character in ("\x80", "\u00e9", "\u0661", "\uff11", "\U0010ffff"):
        assert bool(re.fullmatch(pattern, character)) == wanted


@pytest.mark.parametrize("between", ["[", "]", "\\", " ", "\x7f", "\x1f", "\u00e9"])
def test_dcontent_stops_at(between: str) -> None:
    assert not re.fullmatch(abnf.LITERAL, f"[a:{between}]")
    assert not abnf.GENERAL_LITERAL.fullmatch(f"a:{between}")


def test_dcontent() -> None:
    text = "".join(sorted(DCONTENT))
    found = re.fullmatch(abnf.LITERAL, f"[{text}]")
    assert found
    assert found[1] == text
    found = abnf.GENERAL_LITERAL.fullmatch("-a-b1:" + text)
    assert found
    assert found.groups() == ("-a-b1", text)


@pytest.mark.parametrize("tag", ["", "-", "a-", "a_b", "a.b", "\u00e9"])
def test_no_tag_of_a_literal(tag: str) -> None:
    assert not abnf.GENERAL_LITERAL.fullmatch(tag + ":x")


def test_every_number_of_an_ipv4_literal() -> None:
    for number in range(1000):
        for text in {str(number), f"{number:02}", f"{number:03}"}:
            assert bool(abnf.IPV4.fullmatch(f"{text}.0.0.{text}")) == ipv4_oracle(
                f"{text}.0.0.{text}"
            )
    assert not abnf.IPV4.fullmatch("0001.0.0.0")
    assert not abnf.IPV4.fullmatch("1.2.3.4.5")
    assert not abnf.IPV4.fullmatch("1.2.3.\u0664")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("2.1.5", True),
        ("4.7.12", True),
        ("5.123.999", True),
        ("3.1.5", False),
        ("2.1", False),
        ("2.1.5.", False),
        ("2.1234.5", False),
        ("2.1.1234", False),
        ("2..5", False),
        ("2.0.0", True),
        ("2.01.5", False),
        ("2.1.05", False),
        ("2.00.0", False),
        ("2.1.\u0665", False),
        ("2.1.5\n", False),
    ],
)
def test_status_code(text: str, good: bool) -> None:
    assert bool(abnf.STATUS_CODE.fullmatch(text)) == good


@pytest.mark.parametrize("digits", ["0" * 20, "9" * 20])
def test_a_number_has_at_most_20_digits(digits: str) -> None:
    assert abnf.NUMBER.fullmatch(digits)
    assert not abnf.NUMBER.fullmatch(digits + "0")
    assert not abnf.NUMBER.fullmatch("")
    assert not abnf.NUMBER.fullmatch("1\n")


LONG = 1 << 20
PATTERNS = {
    name: value
    for name, value in vars(abnf).items()
    if name.isupper() and isinstance(value, (str, re.Pattern))
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize(
    "piece", ["a", "a.", "a-", "-", "a-a.", "\\a", "1", "1.", "a:", "ab ", "["]
)
def test_nothing_backtracks(name: str, piece: str) -> None:
    """A pattern that did would not come back from these within a lifetime."""
    pattern = re.compile(PATTERNS[name])
    text = piece * (LONG // len(piece))
    for almost in (
        text,
        text + "\x01",
        '"' + text,
        "[" + text,
        "a:" + text + "\x01",
        "250 " + text,
    ):
        if isinstance(pattern.pattern, bytes):
            pattern.fullmatch(almost.encode())  # type: ignore[arg-type]
        else:
            pattern.fullmatch(almost)
