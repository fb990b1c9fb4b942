# SPDX-License-Identifier: MIT
"""Octets that a command announced by number, such as a BDAT chunk (RFC 3030 2).

Decides only where the chunk ends: after exactly the announced octets, by a counter. Nothing is
allocated from the announced size.
"""

from __future__ import annotations

from .buffer import ReceiveBuffer


class ChunkReader:
    """Takes an announced number of octets out of a buffer.

    Args:
        size: how many octets were announced.
    """

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size
        """Octets of the chunk that have not been read."""

    def read(self, buffer: ReceiveBuffer) -> bytes:
        """Return the next octets of the chunk; b"" when more is needed, or nothing is left."""
        piece = buffer.take(self.left) if self.left else b""
        self.left -= len(piece)
        return piece
