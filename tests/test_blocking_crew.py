# SPDX-License-Identifier: MIT
"""Threads that are used again: one thing at a time, each in a context of its own, and an end."""

from __future__ import annotations

import contextvars
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from adapter_drive import SECONDS

from smtpproto.blocking import crew as module
from smtpproto.blocking.crew import Crew


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew()
    yield made
    made.close()
    made.join(SECONDS)
    assert not made._all


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    assert condition()


def settled(crew: Crew) -> Callable[[], bool]:
    """Return what tells whether all that are left wait."""
    return lambda: len(crew._waiting) == len(crew._all)


def test_a_thread_takes_one_thing_after_the_other(crew: Crew) -> None:
    seen: list[Any] = []
    for _ in range(3):
        crew.take(lambda: seen.append(threading.current_thread()))
        wait_for(settled(crew))
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert seen[0].daemon


def test_each_thing_has_a_context_of_its_own(crew: Crew) -> None:
    mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark", default=0)
    mark.set(1)
    seen: list[int] = []

    def work() -> None:
        seen.append(mark.get())
        mark.set(2)

    for _ in range(2):
        crew.take(work)
        wait_for(settled(crew))
    assert seen == [0, 0]


def test_nothing_is_kept_of_what_is_done(crew: Crew) -> None:
    class Work:
        def __call__(self) -> None:
            pass

    work = Work()
    left = weakref.ref(work)
    crew.take(work)
    del work
    wait_for(settled(crew))
    assert left() is None


def test_all_run_at_once_and_few_wait_for_more(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 2)
    together = threading.Barrier(5)
    for _ in range(4):
        crew.take(lambda: together.wait(SECONDS))
    together.wait(SECONDS)
    wait_for(lambda: len(crew._all) == 2)
    wait_for(settled(crew))


def test_nobody_waits_behind_what_takes_long(crew: Crew) -> None:
    go_on = threading.Event()
    done = threading.Event()
    crew.take(lambda: go_on.wait(SECONDS))
    crew.take(done.set)
    assert done.wait(SECONDS)
    go_on.set()


def test_those_that_work_end_their_work_before_they_end(crew: Crew) -> None:
    go_on = threading.Event()
    done: list[int] = []
    crew.take(lambda: go_on.wait(SECONDS) and done.append(1))
    crew.close()
    crew.join(0.01)
    assert len(crew._all) == 1
    go_on.set()
    crew.join(SECONDS)
    assert done == [1]
    assert not crew._all


def test_what_is_taken_after_the_end_is_done_yet(crew: Crew) -> None:
    crew.close()
    done = threading.Event()
    crew.take(done.set)
    assert done.wait(SECONDS)
    crew.join(SECONDS)
    assert not crew._all


def test_no_thread_left(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="new thread"):
            crew.take(lambda: None)
    done = threading.Event()
    crew.take(done.set)
    assert done.wait(SECONDS)


def test_what_raises_costs_a_thread(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def work() -> None:
        raise SystemExit

    crew.take(work)
    wait_for(lambda: told and not crew._all)
