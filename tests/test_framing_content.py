# SPDX-License-Identifier: MIT
"""What is wrong with content, and how much of it is given out, over all its pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import cuttings, irregularity_oracle
from strategies import cuts, octets

from smtpproto.exceptions import Violation
from smtpproto.framing import ContentCheck

CASES = [
    (b"", None),
    (b"\r\n", None),
    (b"text without any line ending", None),
    (b"a\r\nb\r\n", None),
    (b"\x01\x7f\x80\xff \xe2\x80\xa8\r\n", None),
    (b"\n", Violation.BARE_LF),
    (b"a\nb\r\n", Violation.BARE_LF),
    (b"a\r\n\nb\r\n", Violation.BARE_LF),
    (b"\n\r", Violation.BARE_LF),
    (b"a\rb\nc", Violation.BARE_LF),
    (b"\r", Violation.BARE_CR),
    (b"a\r\n\r", Violation.BARE_CR),
    (b"a\r\r\nb\r\n", Violation.BARE_CR),
    (b"\rabc\r\n", Violation.BARE_CR),
    (b"a\0b\r\n", Violation.NUL),
    (b"\n\r\0", Violation.NUL),
    (b"\r\0\n", Violation.NUL),
]


@pytest.mark.parametrize(("content", "violation"), CASES)
def test_verdict(content: bytes, violation: Violation | None) -> None:
    for pieces in cuttings(content, [2]):
        check = ContentCheck()
        assert [check.take(piece) for piece in pieces] == pieces
        assert check.violation() is violation
        assert check.violation() is violation, "asked again"


@given(octets, cuts)
def test_the_verdict_does_not_depend_on_the_pieces(octets: bytes, lengths: list[int]) -> None:
    for pieces in cuttings(octets, lengths):
        check = ContentCheck()
        assert b"".join(map(check.take, pieces)) == octets
        assert check.violation() is irregularity_oracle(octets)


@pytest.mark.parametrize("content", [case for case, violation in CASES if violation])
def test_accept_and_binary_let_everything_pass(content: bytes) -> None:
    for check in (ContentCheck(policy="accept"), ContentCheck(binary=True)):
        assert check.take(content) == content
        assert check.violation() is None


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("policy", ["reject", "accept"])
@given(octets, cuts, st.integers(0, 70))
def test_exactly_the_first_octets_up_to_the_limit_are_given_out(
    policy: str, binary: bool, octets: bytes, lengths: list[int], limit: int
) -> None:
    for pieces in cuttings(octets, lengths):
        check = ContentCheck(limit, policy, binary)  # type: ignore[arg-type]
        given_out = b""
        for piece in pieces:
            given_out += check.take(piece)
            assert check.room == max(0, limit - check.size)
        assert given_out == octets[:limit]
        assert check.size == len(octets)
        assert check.excess == max(0, len(octets) - limit)
        assert (check.violation() is Violation.MAIL_DATA_TOO_BIG) == (len(octets) > limit)


def test_no_limit() -> None:
    check = ContentCheck()
    check.take(b"a" * 100)
    assert (check.size, check.room, check.excess) == (100, None, 0)


def test_a_limit_of_nothing_is_not_no_limit() -> None:
    check = ContentCheck(0)
    assert check.take(b"a") == b""
    assert check.violation() is Violation.MAIL_DATA_TOO_BIG


def test_what_just_fits_is_checked_like_the_rest() -> None:
    check = ContentCheck(2)
    assert check.take(b"a\n") == b"a\n"
    assert check.violation() is Violation.BARE_LF


def test_too_big_comes_before_what_else_is_wrong() -> None:
    check = ContentCheck(2)
    check.take(b"\0\n\r")
    assert check.violation() is Violation.MAIL_DATA_TOO_BIG
