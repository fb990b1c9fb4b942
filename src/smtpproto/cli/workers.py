# SPDX-License-Identifier: MIT
"""``smtpproto serve --workers``: several processes behind one port (SO_REUSEPORT).

Decides how they are begun, watched over and ended. Each has a listening socket that its parent
keeps open: when a worker dies, its successor accepts the connections that were waiting. They end
with their parent, however that ends. What a worker does is not decided here.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType

from . import status
from .keeping import note

_YOUNG = 1.0
"""Seconds: a worker that dies younger is not begun anew before."""
_BEGINNING = 10.0
"""Seconds: a worker that fails younger could not begin, as where an option's file has gone."""
_FAILURES = 5
"""Of one worker in a row, before all end. One that a signal ends, as a crash, may have begun."""
_LOOK = 1.0
"""Seconds after which a signal is seen that woke nobody."""
_GRACE = 30.0
"""Seconds for the workers to end, more than their own grace."""


class Workers:
    """The processes, from their parent's side.

    Args:
        argv: the arguments of a worker's ``smtpproto``, without what it inherits.
        listeners: one for each worker.
        lock: the descriptor of a file for `FileLock`.
    """

    def __init__(self, argv: Sequence[str], listeners: Sequence[socket.socket], lock: int) -> None:
        self._argv = argv
        self._listeners = listeners
        self._lock = lock
        self._pipe = os.pipe()
        self._over: SimpleQueue[int | None] = SimpleQueue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._begun: dict[int, float] = {}
        self._failures = [0] * len(listeners)

    def run(self, announce: Callable[[], None]) -> None:
        """Begin the workers, and watch over them until SIGINT or SIGTERM.

        Args:
            announce: called once all have begun.

        Raises:
            CommandError: a worker cannot begin.
        """
        before = {
            number: signal.signal(number, lambda *_: self._over.put(None))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            for number in range(len(self._listeners)):
                self._begin(number)
            announce()
            self._watch()
            note("ending")
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _begin(self, number: int) -> None:
        """Begin a worker; it inherits the end of a pipe that this process holds open.

        Raises:
            CommandError: there is no process, or no thread to wait for it, to be had.
        """
        inherited = (self._listeners[number].fileno(), self._lock, self._pipe[0])
        argv = [*_python(), *self._argv, f"--inherited={','.join(map(str, inherited))}"]
        try:
            process = self._processes[number] = subprocess.Popen(argv, pass_fds=inherited)
            self._begun[number] = time.monotonic()

            def wait() -> None:
                process.wait()
                self._over.put(number)

            threading.Thread(target=wait, name="smtpproto worker", daemon=True).start()
        except (OSError, RuntimeError) as error:
            told = f"a worker that can be begun expected: {error}"
            raise status.CommandError(told, status.TEMPORARY) from None

    def _watch(self) -> None:
        """Begin a successor for each worker that dies."""
        while (number := self._wait()) is not None:
            process = self._processes.pop(number)
            age = time.monotonic() - self._begun[number]
            self._note_failure(number, process.returncode > 0 and age < _BEGINNING)
            note(f"worker {process.pid} died (status {process.returncode}): another one begins")
            if age < _YOUNG and self._is_told_within(_YOUNG - age):
                return
            self._begin(number)

    def _wait(self) -> int | None:
        """Return which worker has died, None if this process is to end.

        A signal that another thread got wakes nobody here: its handler runs when we look next.
        """
        while True:
            with suppress(Empty):
                return self._over.get(timeout=_LOOK)

    def _note_failure(self, number: int, has_failed: bool) -> None:
        """Count how often a worker could not begin.

        Raises:
            CommandError: too often.
        """
        self._failures[number] = self._failures[number] + 1 if has_failed else 0
        if self._failures[number] >= _FAILURES:
            raise status.CommandError(
                f"a worker that can begin expected: one has failed {_FAILURES} times in a row",
                status.UNAVAILABLE,
            )

    def _is_told_within(self, seconds: float) -> bool:
        """Wait; return True if this process is to end."""
        deadline = time.monotonic() + seconds
        later: list[int] = []
        try:
            while True:
                number = self._over.get(timeout=max(0.0, deadline - time.monotonic()))
                if number is None:
                    return True
                later.append(number)
        except Empty:
            for number in later:
                self._over.put(number)
            return False

    def _end(self) -> None:
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for end in self._pipe:
            os.close(end)


def _python() -> list[str]:
    """Return the beginning of a command that runs this very package, wherever it was found.

    ``-m`` would look for it in the working directory first, and not in an archive that is run.
    """
    flags = ["-I"] if sys.flags.isolated else []
    if sys.flags.optimize:
        flags.append("-" + "O" * sys.flags.optimize)
    program = (
        f"import sys; sys.path[:] = {sys.path!a}; "
        "from smtpproto.__main__ import main; sys.exit(main())"
    )
    return [sys.executable, *flags, "-c", program]


class FileLock:
    """Held while standard output is written to, which several processes share.

    Args:
        descriptor: of a file that they inherited, and in which there is nothing else.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._threads = threading.Lock()  # the other one is the whole process's

    @property
    def is_cut(self) -> bool:
        """True where the last of all these processes' records stops in the middle."""
        return os.pread(self._descriptor, 1, 0) == b"1"

    @is_cut.setter
    def is_cut(self, is_cut: bool) -> None:
        os.pwrite(self._descriptor, b"1" if is_cut else b"0", 0)

    def __enter__(self) -> None:
        """Wait until nobody else has it."""
        self._threads.acquire()
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let others have it."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        self._threads.release()
