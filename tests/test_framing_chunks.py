# SPDX-License-Identifier: MIT
"""A chunk is counted, never searched (RFC 3030 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import END, NOT_THE_END, SMUGGLED, check_chunk
from strategies import cuts, octets

from smtpproto.framing import ChunkReader, ReceiveBuffer


@given(octets, cuts, st.integers(0, 80))
def test_exactly_the_announced_octets(octets: bytes, lengths: list[int], size: int) -> None:
    check_chunk(octets, lengths, size)


@pytest.mark.parametrize("token", [END, *NOT_THE_END])
def test_its_content_means_nothing(token: bytes) -> None:
    content = token + SMUGGLED + b".\r\n"
    check_chunk(content + b"NOOP\r\n", [3], len(content))


def test_nothing_is_allocated_from_the_announced_size() -> None:
    buffer = ReceiveBuffer()
    buffer.append(b"abc")
    reader = ChunkReader(10**18)
    assert reader.read(buffer) == b"abc"
    assert reader.left == 10**18 - 3


def test_an_empty_chunk_takes_nothing() -> None:
    """BDAT 0 LAST is legal: what follows is the next command."""
    buffer = ReceiveBuffer()
    buffer.append(b"QUIT\r\n")
    reader = ChunkReader(0)
    assert (reader.read(buffer), reader.left, len(buffer)) == (b"", 0, 6)
