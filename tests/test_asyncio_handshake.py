# SPDX-License-Identifier: MIT
"""What came before a TLS layer was there, on a loop that reads too early."""

from __future__ import annotations

from typing import Any

import pytest

from smtpproto.asyncio.handshake import feed


class Layer:
    """Takes octets in pieces of so many, as a protocol with a buffer of its own."""

    def __init__(self, size: int) -> None:
        self._buffer = bytearray(size)
        self.taken = b""

    def get_protocol(self) -> Any:
        return self

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.taken += self._buffer[:nbytes]


@pytest.mark.parametrize("size", [1, 4, 11, 100])
def test_a_layer_gets_what_came_before_it(size: int) -> None:
    layer: Any = Layer(size)
    feed(layer, b"ClientHello")
    assert layer.taken == b"ClientHello"
