# SPDX-License-Identifier: MIT
"""Lines end at CRLF and nowhere else (RFC 5321 2.3.8), and a bad line is one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import check_lines, read_lines
from strategies import cuts, octets

from smtpproto.exceptions import Violation
from smtpproto.framing import BadLine, LineReader, ReceiveBuffer


@given(octets, cuts, st.integers(0, 20), st.integers(0, 40))
def test_lines(octets: bytes, lengths: list[int], limit: int, discard: int) -> None:
    check_lines(octets, lengths, limit, discard)


@pytest.mark.parametrize(
    ("line", "violation"),
    [
        (b"NOOP\n", Violation.BARE_LF),
        (b"NOOP\r", Violation.BARE_CR),
        (b"\rNOOP", Violation.BARE_CR),
        (b"MAIL FROM:<>\nRCPT TO:<a@example.com>", Violation.BARE_LF),
        (b"MAIL FROM:<>\rRCPT TO:<a@example.com>", Violation.BARE_CR),
        (b"NOOP\n\r", Violation.BARE_LF),
        (b"NOOP\0", Violation.NUL),
        (b"\0\n\r", Violation.NUL),
    ],
)
def test_a_bad_line_is_one_line(line: bytes, violation: Violation) -> None:
    wire = b"RSET\r\n" + line + b"\r\nQUIT\r\n"
    for lengths in ([1], [2], [3], [len(wire)]):
        check_lines(wire, lengths, 512, 1024)
    assert read_lines([wire], 512, 1024) == [b"RSET", BadLine(line, violation), b"QUIT"]


@pytest.mark.parametrize(
    "octets", [b"\x0b", b"\x0c", b"\x1c", b"\x1e", b"\x85", "\x85\u2028\u2029".encode(), b"\xff"]
)
def test_nothing_but_crlf_ends_a_line(octets: bytes) -> None:
    line = b"NOOP " + octets + b"RSET"
    assert read_lines([line + b"\r\n"], 512, 1024) == [line]


@pytest.mark.parametrize("limit", [10, 512, 513, 2048])
def test_the_longest_line_allowed_counts_its_crlf(limit: int) -> None:
    longest = b"a" * (limit - 2)
    wire = longest + b"\r\n" + longest + b"b\r\nQUIT\r\n"
    expected = [longest, BadLine((longest + b"b")[:512], Violation.LINE_TOO_LONG), b"QUIT"]
    assert read_lines([wire], limit, 4096) == expected
    check_lines(wire, [7], limit, 4096)


def test_of_an_over_long_line_the_tail_is_no_line_and_the_start_is_shown() -> None:
    line = bytes(range(32, 127)) * 20 + b"\nMAIL FROM:<>\r\0\r"
    wire = line + b"\r\nNOOP\r\n"
    for lengths in ([1], [511], [512], [513], [len(line)], [len(line) + 1], [len(wire)]):
        check_lines(wire, lengths, 600, 10_000)
    assert read_lines([wire], 600, 10_000) == [
        BadLine(line[:512], Violation.LINE_TOO_LONG),
        b"NOOP",
    ]


def test_two_over_long_lines_are_told_apart() -> None:
    wire = b"a" * 30 + b"\r\n" + b"b" * 30 + b"\r\n" + b"c\r\n"
    check_lines(wire, [1], 10, 100)
    assert [
        line.start if isinstance(line, BadLine) else line for line in read_lines([wire], 10, 100)
    ] == [
        b"a" * 10,
        b"b" * 10,
        b"c",
    ]


@pytest.mark.parametrize("length", [98, 99])
def test_passing_over_has_a_cap(length: int) -> None:
    wire = b"a" * length + b"\r\n"
    check_lines(wire, [1], 10, 100)
    assert read_lines([wire], 10, 100) == [
        BadLine(b"a" * 10, Violation.LINE_TOO_LONG, lost=length + 2 > 100)
    ]


def test_the_cap_is_reached_without_a_crlf_too() -> None:
    assert read_lines([b"a" * 99], 10, 100) == []
    assert read_lines([b"a" * 99, b"a"], 10, 100) == [
        BadLine(b"a" * 10, Violation.LINE_TOO_LONG, lost=True)
    ]


def test_a_cap_below_the_limit_is_the_limit() -> None:
    assert LineReader(100, 10).discard == 100
    check_lines(b"a" * 98 + b"\r\n", [1], 100, 10)


def test_an_over_long_line_is_not_held() -> None:
    reader = LineReader(10, 1000)
    buffer = ReceiveBuffer()
    for _ in range(9):
        buffer.append(b"a" * 100)
        assert reader.read(buffer) is None
        assert len(buffer) == 0


def test_a_bad_line_is_a_value() -> None:
    assert BadLine(b"a", Violation.NUL) == BadLine(b"a", Violation.NUL, lost=False)
    assert BadLine(b"a", Violation.NUL) != BadLine(b"a", Violation.NUL, lost=True)
