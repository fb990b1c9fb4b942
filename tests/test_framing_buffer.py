# SPDX-License-Identifier: MIT
"""The buffer gives back what was put in, in order, whatever the mix of reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import smtp_octets

from smtpproto.framing import ReceiveBuffer

operations = st.lists(
    st.tuples(st.just("append"), smtp_octets)
    | st.tuples(st.sampled_from(["take", "peek", "give_back"]), st.integers(0, 20))
    | st.tuples(st.sampled_from(["take_line", "take_all"]), st.none()),
    max_size=30,
)


@given(operations)
def test_it_acts_like_plain_octets(operations: list[tuple[str, bytes | int | None]]) -> None:
    buffer = ReceiveBuffer()
    held = taken = b""
    for name, argument in operations:
        match name, argument:
            case "append", bytes(data):
                buffer.append(data)
                held += data
                taken = b""
            case "take", int(count):
                taken, held = held[:count], held[count:]
                assert buffer.take(count) == taken
            case "take_all", _:
                taken, held = held, b""
                assert buffer.take_all() == taken
            case "take_line", _:
                line, crlf, rest = held.partition(b"\r\n")
                assert buffer.take_line() == (line if crlf else None)
                if crlf:
                    held, taken = rest, b""
            case "give_back", int(count):
                # Only of what was taken just now.
                back = taken[len(taken) - min(count, len(taken)) :]
                buffer.give_back(back)
                held = back + held
                taken = b""
            case "peek", int(count):
                assert buffer.peek(count) == held[:count]
        assert len(buffer) == len(held)
    assert buffer.take_all() == held


def test_what_it_gives_are_bytes() -> None:
    """Even where it collects: a bytearray would change behind the caller's back, and not hash."""
    buffer = ReceiveBuffer()
    buffer.append(b"a\r\nb")
    assert type(buffer.take_line()) is bytes
    buffer.append(b"c\r\ndefg")
    assert type(buffer.take_line()) is bytes
    assert type(buffer.peek(1)) is bytes
    assert type(buffer.take(1)) is bytes
    assert type(buffer.take_all()) is bytes


def test_what_is_held_is_not_changed_by_a_later_append() -> None:
    data = b"a\r\nb"
    buffer = ReceiveBuffer()
    buffer.append(data)
    line = buffer.take_line()
    buffer.append(b"c")
    assert (data, line) == (b"a\r\nb", b"a")


def test_lines_are_found_in_what_was_given_back() -> None:
    """As behind the end of mail data, whether the rest of the buffer was taken or not."""
    for count in (8, 100):
        buffer = ReceiveBuffer()
        buffer.append(b".\r\nNOOP\r\nQUIT\r\n")
        taken = buffer.take(count)
        buffer.give_back(taken[3:])
        assert buffer.peek(6) == b"NOOP\r\n"
        assert [buffer.take_line() for _ in range(3)] == [b"NOOP", b"QUIT", None]


def test_peek_is_at_the_front_of_what_is_left() -> None:
    buffer = ReceiveBuffer()
    buffer.append(b"NOOP\r\nQUIT\r\n")
    buffer.take_line()
    assert (buffer.peek(2), buffer.peek(100), len(buffer)) == (b"QU", b"QUIT\r\n", 6)


def test_a_crlf_cut_in_two_is_found() -> None:
    buffer = ReceiveBuffer()
    for piece in (b"ab\r\nNOOP\r", b"\nQUIT", b"\r", b"\n"):
        buffer.append(piece)
    assert [buffer.take_line() for _ in range(4)] == [b"ab", b"NOOP", b"QUIT", None]


class CountingBytearray(bytearray):
    """Counts the octets that searches may look at."""

    searched = 0

    def find(self, sub: bytes, start: int) -> int:  # type: ignore[override]
        CountingBytearray.searched += len(self) - start
        return super().find(sub, start)


def test_octets_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that comes octet by octet costs in proportion to its length, not to its square."""
    monkeypatch.setattr("smtpproto.framing.buffer.bytearray", CountingBytearray, raising=False)
    CountingBytearray.searched = 0
    buffer = ReceiveBuffer()
    for _ in range(3):
        buffer.append(b"NOOP\r\na")
        assert buffer.take_line() == b"NOOP"
        for _ in range(2000):
            buffer.append(b"a")
            assert buffer.take_line() is None
        buffer.append(b"\r\n")
        assert buffer.take_line() == b"a" * 2001
    assert 6000 < CountingBytearray.searched < 18_000


def test_a_drained_buffer_makes_no_copy() -> None:
    """The usual case: one read of the socket is one piece of mail data."""
    data = bytes(1000)
    buffer = ReceiveBuffer()
    buffer.append(b"DATA\r\n")
    buffer.take_line()
    buffer.append(data)
    assert buffer.take_all() is data
    buffer.append(data)
    assert buffer.take(1000) is data
