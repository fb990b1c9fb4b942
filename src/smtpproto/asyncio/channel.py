# SPDX-License-Identifier: MIT
"""One asyncio transport: what is read and written, and what is held back.

Decides when octets are read, written and kept, and how a connection closes so that the last reply
arrives. Runs no dialogue. It is a `BufferedProtocol`, since `Protocol` costs an allocation of 256
KiB a read, and streams keep what came in the clear across STARTTLS.
"""

from __future__ import annotations

import asyncio
import enum
import os
import weakref
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

from ..dialogues import Close, ConnectionLost
from ..tlstools import TLS
from .clock import Clock
from .transport import Receiver

BUFFER = 65536
"""Octets of the one buffer that a loop's connections share: they are copied out at once."""
LINGER = 2.0
"""Seconds for which input is dropped after our last reply, so that no reset destroys it."""
_CLOSING = 10.0
"""Seconds for what is left to write."""
NEVER = float("inf")

_buffers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = (
    weakref.WeakKeyDictionary()
)


class Wait(enum.Enum):
    """What a connection waits for."""

    NOTHING = "a dialogue"
    INPUT = "input, for a Read"
    LOOK = "the loop to look at the connection, for a Read without time"
    WRITABLE = "the peer to take what was written, before a Handle"
    CALL = "a hook"
    HANDSHAKE = "TLS"
    LINGER = "the peer to close"
    CLOSED = "the transport to close"


NEED_PEER = frozenset((Wait.INPUT, Wait.LOOK, Wait.WRITABLE))
"""What is waited for in vain once the connection is lost."""


class Means:
    """What a client's connection, or all those of a server, work with. Made in the loop.

    Args:
        clock: watches over each from `connection_made` to the end of both connection and dialogue.
        tls: the context for handshakes, or what returns it; None when there is none.
        is_server: which side of the handshake is ours.
        server_hostname: for a client, the name that the certificate must have.
        executor: runs hooks that may block; None to run them in the loop.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        tls: TLS | None,
        is_server: bool,
        server_hostname: str | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.loop = loop = asyncio.get_running_loop()
        self.clock = clock
        self.tls = tls
        self.is_server = is_server
        self.server_hostname = server_hostname
        self.executor = executor
        view = _buffers.get(loop)
        if view is None:
            view = _buffers[loop] = memoryview(bytearray(BUFFER))
        self.buffer = view


class Channel(Receiver):
    """One connection.

    Args:
        means: what it works with.
    """

    # A server may have very many of them: what is seldom there is None.
    __slots__ = (
        "_choked",
        "_clock",
        "_cut",
        "_early",
        "_eof",
        "_held",
        "_is_unusual",
        "_lost",
        "_means",
        "_paused",
        "_stopping",
        "_wait",
        "deadline",
        "transport",
    )

    def __init__(self, means: Means) -> None:
        self._means = means
        self._clock = means.clock
        self.room = BUFFER
        self.deadline = NEVER
        self.transport: Any = None
        self._wait = Wait.NOTHING
        # What waits for the next write, and what came before it was asked for.
        self._held: list[bytes] | None = None
        self._early: list[bytes] | None = None
        self._paused = self._choked = self._eof = self._lost = self._stopping = self._cut = False
        # One of these may be so, or there be less room than usual: the next Read will see.
        self._is_unusual = False

    def connection_made(self, transport: Any) -> None:
        """Take the transport."""
        self.transport = transport
        self._clock.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the loop's buffer, or as much of it as may be filled."""
        return self._means.buffer[: self.room]

    def expire(self) -> None:
        """Let the deadline be over."""
        self.deadline = NEVER
        self.transport.abort()

    def _taken(self) -> bytes:
        """Return what came before it was asked for."""
        early, self._early = self._early, None
        if not early:
            return b""
        return early[0] if len(early) == 1 else b"".join(early)

    def _loss(self, exc: Exception | None) -> ConnectionLost:
        if exc is None:
            return ConnectionLost("connection lost", self._taken())
        return ConnectionLost(f"connection lost: {exc}", self._taken() + self._leftover())

    def _leftover(self) -> bytes:
        """Return what nobody has read when a write failed: perhaps it says why."""
        if self.transport.get_extra_info("ssl_object") is None:
            with suppress(OSError, AttributeError):  # uvloop's may have no socket any longer
                return os.read(self.transport.get_extra_info("socket").fileno(), BUFFER)
        return b""

    def _write(self, octets: bytes) -> None:
        if self._held:
            octets = b"".join((*self._held, octets))
            self._held = None
        if octets and not self._lost:
            self.transport.write(octets)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = self._is_unusual = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def _close(self, step: Close) -> None:
        self._write(step.out)
        gone = self._eof or self._lost or self._choked or (self._stopping and not self._cut)
        if step.lingers and not gone and self._end_sending():
            self._wait = Wait.LINGER
            self.deadline = self._clock.deadline(LINGER)
            self._resume()
        else:
            self._close_transport()

    def _end_sending(self) -> bool:
        """End our side of the stream where that can be; tell whether it is worth to linger."""
        if not self.transport.can_write_eof():
            return False
        try:
            self.transport.write_eof()
        except OSError:  # the peer's reset was faster
            return False
        return True

    def _close_transport(self) -> None:
        self._wait = Wait.CLOSED
        # A TLS layer also waits for the peer's leave, though all is written.
        seconds = 0.0 if self._stopping else LINGER
        if self.transport.get_write_buffer_size():
            seconds = _CLOSING
        self.deadline = NEVER if self._lost else self._clock.deadline(seconds)
        if not self.transport.is_closing():  # told so twice, a TLS layer can no longer be aborted
            self.transport.close()
