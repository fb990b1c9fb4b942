# SPDX-License-Identifier: MIT
"""Threads that wait for the next session: to start one for each would cost a third of it.

Decides which thread takes what there is to do, and how many wait for more. Knows no sessions.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextvars import Context

from ..forking import Opened

_WAITING = 16
"""Threads that may wait at once: each holds a stack, and more are wanted in a rush alone."""

Work = Callable[[], object]


class Crew(Opened):
    """Threads that do what they are given, each one thing at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: set[_Worker] = set()
        self._waiting: list[_Worker] = []
        self._is_closed = False

    def take(self, work: Work) -> None:
        """Have a thread do this now, in a context of its own.

        Raises:
            RuntimeError: there is no thread left.
        """
        with self._lock:
            worker = self._waiting.pop() if self._waiting else None
        if worker is not None:
            worker.go_on(work)
            return
        self._opener = os.getpid()
        worker = _Worker(self, work)
        with self._lock:
            self._all.add(worker)
        try:
            worker.start()
        except RuntimeError:
            self.leave(worker)
            raise

    def close(self) -> None:
        """Let all end, each once it has done what it does."""
        with self._lock:
            self._is_closed = True
            waiting, self._waiting = self._waiting, []
        for worker in waiting:
            worker.go_on(None)

    def join(self, seconds: float) -> None:
        """Wait for those that have not ended yet, so long at most."""
        deadline = time.monotonic() + seconds
        with self._lock:
            workers = tuple(self._all)
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def has_this_thread(self) -> bool:
        """Tell whether it is one of them who asks."""
        return threading.current_thread() in self._all

    def wait(self, worker: _Worker) -> bool:
        """Note that a thread waits for more; return False if it need not."""
        if self._is_copied:  # by a hook, in whose child nobody gives more to do
            return False
        with self._lock:
            if self._is_closed or len(self._waiting) >= _WAITING:
                return False
            self._waiting.append(worker)
            return True

    def leave(self, worker: _Worker) -> None:
        """Note that a thread ends."""
        if self._is_copied:
            return
        with self._lock:
            self._all.discard(worker)


class _Worker(threading.Thread):
    """One of them.

    Args:
        crew: whose it is.
        work: what it does first.
    """

    def __init__(self, crew: Crew, work: Work) -> None:
        super().__init__(name="smtpproto session", daemon=True)
        self._crew = crew
        self._work: Work | None = work
        self._given = threading.Lock()
        self._given.acquire()

    def go_on(self, work: Work | None) -> None:
        """Do this next; None to end."""
        self._work = work
        self._given.release()

    def run(self) -> None:
        """Do one thing after the other."""
        try:
            while self._work is not None:
                work, self._work = self._work, None
                Context().run(work)
                del work  # it is over
                if not self._crew.wait(self):
                    return
                self._given.acquire()
        finally:
            self._crew.leave(self)
