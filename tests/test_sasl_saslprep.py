# SPDX-License-Identifier: MIT
"""SASLprep and the profile of traces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.sasl import saslprep
from smtpproto.sasl.saslprep import TRACE_PROHIBITED, check_characters


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),  # these five are RFC 4013 3
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\u00bd", "1\u20442"),
        ("e\u0301", "\u00e9"),
        ("\u0627", "\u0627"),
        ("\u06271\u0628", "\u06271\u0628"),  # a digit between letters of one direction
        ("\u200dx\ufe00", "x"),
    ],
)
def test_prepared(text: str, prepared: str) -> None:
    assert saslprep(text) == saslprep(text, stored=True) == prepared


@pytest.mark.parametrize(
    "text",
    [
        "\x07",  # RFC 4013 3
        "\u06271",  # RFC 4013 3
        "1\u0627",
        "\u0627a\u0628",
        "",
        "\u00ad",
        "x\0",
        "x\x7f",
        "x\x80",
        "x\u06dd",
        "x\ue000",
        "x\ufdd0",
        "x\ud800",
        "x" + chr(0xFFFD),
        "x\u2ff0",
        "x\u200e",
        "x\u202a",
        "x\U000e0041",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        saslprep(text)
    assert caught.value.violation is Violation.LOCAL_VALUE


@pytest.mark.parametrize("text", ["x" * 1025, "\u00ad" * 1025, "\ufdfa" * 57])
def test_no_more_is_prepared_than_a_name_or_password_needs(text: str) -> None:
    """U+FDFA becomes 18 characters."""
    assert len(saslprep("x" * 1024)) == 1024
    assert len(saslprep("\ufdfa" * 56)) == 56 * 18
    with pytest.raises(InvalidValueError, match="at most 1024 characters"):
        saslprep(text)


def test_unassigned_code_points_are_refused_only_where_stored() -> None:
    for text in ("\u0221", "\U0001f600"):
        assert saslprep(text) == text
        with pytest.raises(InvalidValueError, match="unassigned"):
            saslprep(text, stored=True)


@given(st.text(max_size=20))
def test_preparing_twice_changes_nothing(text: str) -> None:
    try:
        once = saslprep(text)
    except InvalidValueError:
        return
    assert once
    assert saslprep(once) == once


def test_a_trace_may_hold_spaces_and_is_not_changed() -> None:
    check_characters("a\u00a0b", TRACE_PROHIBITED)
    with pytest.raises(InvalidValueError, match="prohibited"):
        check_characters("a\r\nb", TRACE_PROHIBITED)
