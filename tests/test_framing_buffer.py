# SPDX-License-Identifier: MIT
"""The buffer gives back what was put in, in order, whatever the mix of reads."""

from __future__ import annotations

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


def test_a_crlf_cut_in_two_is_found() -> None:
    buffer = ReceiveBuffer()
    for piece in (b"ab\r\nNOOP\r", b"\nQUIT", b"\r", b"\n"):
        buffer.append(piece)
    assert [buffer.take_line() for _ in range(4)] == [b"ab", b"NOOP", b"QUIT", None]


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
