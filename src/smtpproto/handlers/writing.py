# SPDX-License-Identifier: MIT
"""Records on a stream that several threads, or processes, write to.

Decides that a record is there as a whole or not at all, and that one which could not be written is
never written later: its message was refused.
"""

from __future__ import annotations

import io
import sys
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any, TextIO


class Writer:
    """Writes records, one at a time.

    Args:
        stream: where to; standard output by default.
        lock: held meanwhile; by default one for the threads of this process.
    """

    def __init__(
        self, stream: TextIO | None = None, lock: AbstractContextManager[Any] | None = None
    ) -> None:
        self.stream = sys.stdout if stream is None else stream
        self._lock: AbstractContextManager[Any] = lock or Lock()
        self._is_cut = False

    def write(self, record: str) -> None:
        """Write a record.

        Raises:
            OSError: it could not be written, or not as a whole.
        """
        stream = self.stream
        with self._lock:
            raw = _raw(stream)
            if raw is None:
                stream.write(record)
                stream.flush()
                return
            # A buffer would keep what it could not write, and write it later.
            stream.flush()
            if self._is_cut:  # the half of one stands alone
                record = "\n" + record
            left = memoryview(record.encode(stream.encoding, stream.errors or "strict"))
            whole = len(left)
            try:
                while left:
                    written = raw.write(left)
                    if not written:
                        raise BlockingIOError("the stream takes nothing more")
                    left = left[written:]
            finally:
                self._is_cut = 0 < len(left) < whole or (self._is_cut and len(left) == whole)


def _raw(stream: TextIO) -> io.RawIOBase | None:
    """Return what is below the buffers of a stream, None for one in memory."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw if isinstance(raw, io.RawIOBase) else None
