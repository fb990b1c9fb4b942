# SPDX-License-Identifier: MIT
"""What is written by a thread of its own, since a terminal, or who reads a pipe, may stand still.

Decides how much waits to be written, and how long the end of the process is put off for it. Knows
no messages.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from io import TextIOBase
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final, TextIO, cast

from . import status

_GRACE: Final = 5.0
"""Seconds for what is still to be written when the process is told to end."""
_GRACE_OF_NOTICES: Final = 1.0
_WAITING: Final = 16 * 1024 * 1024
"""Characters that wait to be written."""


class Later:
    """Writes one text after the other.

    Args:
        write: called with each, in the thread.

    Raises:
        CommandError: there is no thread to be had.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._to_write: SimpleQueue[tuple[str, Future[None]] | None] = SimpleQueue()
        self._waiting = 0
        self._lock = Lock()
        # Not one of a loop's threads: those are waited for at the end.
        self._thread = Thread(target=self._write_all, name="smtpproto write", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # as under a limit of memory
            told = f"a thread that can be begun expected: {error}"
            raise status.CommandError(told, status.TEMPORARY) from None

    def close(self, grace: float | None = None) -> bool:
        """Wait a little for what is still to be written; tell whether all is."""
        self._to_write.put(None)
        self._thread.join(_GRACE if grace is None else grace)
        return not self._thread.is_alive()

    def put(self, text: str) -> Future[None]:
        """Have a text written, however much waits; return what tells of its end."""
        written: Future[None] = Future()
        with self._lock:
            self._waiting += len(text)
        self._to_write.put((text, written))
        return written

    def offer(self, text: str) -> Future[None] | None:
        """Do the same, but return None where too much waits; one text always may."""
        if self._waiting and self._waiting + len(text) > _WAITING:
            return None
        return self.put(text)

    def _write_all(self) -> None:
        while (given := self._to_write.get()) is not None:
            text, written = given
            if written.set_running_or_notify_cancel():  # nobody may want it any longer
                try:
                    self._write(text)
                except Exception as error:
                    written.set_exception(error)
                else:
                    written.set_result(None)
            with self._lock:
                self._waiting -= len(text)


class _Notices(TextIOBase):
    """Standard error, but that who writes to it never waits, and never fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._later = Later(self._write_now)
        self._missing = 0

    def write(self, text: str, /) -> int:
        """Have a text written."""
        told = text
        if self._missing:
            told = f"({self._missing} notices are missing: standard error stood still)\n{text}"
        if self._later.offer(told) is None:
            self._missing += 1
        else:
            self._missing = 0
        return len(text)

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._stream.isatty()

    def drain(self) -> bool:
        """Wait a little for what is still to be written; tell whether all is."""
        return self._later.close(_GRACE_OF_NOTICES)

    def _write_now(self, text: str) -> None:
        stream = self._stream
        try:
            descriptor = stream.fileno()
        except OSError:  # in memory
            stream.write(text)
            stream.flush()
            return
        # Past the buffer: at the end, the interpreter would wait for who stands still in there.
        left = text.encode(stream.encoding, stream.errors or "strict")
        while left:
            left = left[os.write(descriptor, left) :]


@contextmanager
def patient_notices() -> Iterator[None]:
    """Let nobody wait who writes a notice, a log record or a transcript to standard error."""
    before = sys.stderr
    notices = _Notices(before)
    sys.stderr = cast(TextIO, notices)
    try:
        yield
    finally:
        if notices.drain():  # or else whoever writes now would wait
            sys.stderr = before
