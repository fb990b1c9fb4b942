# SPDX-License-Identifier: MIT
"""The base of handlers that write a record of each message to a stream.

Decides that a record is there as a whole or not at all, whatever threads or processes write beside
it, and that one which could not be written is never written later: its message was refused. What a
record says is decided by who builds on this.
"""

from __future__ import annotations

import io
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from threading import Lock
from types import SimpleNamespace
from typing import Any, TextIO

from ..dialogues import Message, Peer
from ..kinds import Kind, check_kinds


def _is_text_stream(got: object) -> bool:
    is_of_octets = isinstance(got, io.RawIOBase | io.BufferedIOBase)
    return not is_of_octets and all(hasattr(got, name) for name in ("write", "flush"))


_KINDS: Mapping[str, Kind] = {
    "stream": ("a file opened for text, such as sys.stdout,", _is_text_stream),
    "lock": ("what a with statement takes", lambda got: isinstance(got, AbstractContextManager)),
}


class Writing(ABC):
    """A handler that writes records, one at a time.

    Args:
        stream: where to; standard output by default.
        lock: held meanwhile; by default one for the threads of this process. One for several
            processes has an attribute `is_cut`, which they share: what is set in one, even one that
            is killed then, is so in all.

    Raises:
        LocalProtocolError: no stream of text, or no lock.
    """

    def __init__(
        self, stream: TextIO | None = None, lock: AbstractContextManager[Any] | None = None
    ) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._lock: AbstractContextManager[Any] = Lock() if lock is None else lock
        check_kinds(_KINDS, {"stream": self._stream, "lock": self._lock})
        is_shared = hasattr(self._lock, "is_cut")
        # Says whether the last record stops in the middle.
        self._last: Any = self._lock if is_shared else SimpleNamespace(is_cut=False)

    def on_message(self, peer: Peer, message: Message) -> None:
        """Write a message.

        Raises:
            OSError: it could not be written.
        """
        self.write(self.record(peer, message))

    @abstractmethod
    def record(self, peer: Peer, message: Message) -> str:
        """Return what is written of a message."""

    def write(self, record: str) -> None:
        """Write what `record` returned.

        Raises:
            OSError: it could not be written, or not as a whole.
        """
        stream = self._stream
        with self._lock:
            raw = _raw(stream)
            if raw is None:
                stream.write(record)
                stream.flush()
                return
            # A buffer would keep what it could not write, and write it later.
            stream.flush()
            was_cut = self._last.is_cut
            if was_cut:  # the half of one stands alone
                record = "\n" + record
            left = memoryview(record.encode(stream.encoding, stream.errors or "strict"))
            whole = len(left)
            self._last.is_cut = True  # if this process is killed meanwhile
            try:
                while left:
                    written = raw.write(left)
                    if not written:
                        raise BlockingIOError("the stream takes nothing more")
                    left = left[written:]
            finally:
                self._last.is_cut = 0 < len(left) < whole or (was_cut and len(left) == whole)


def _raw(stream: TextIO) -> io.RawIOBase | None:
    """Return what is below the buffers of a stream, None for one in memory."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw if isinstance(raw, io.RawIOBase) else None
