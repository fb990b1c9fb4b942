# SPDX-License-Identifier: MIT
"""Dialogues for a task that waits for their end, as those of a client.

Decides when that task goes on, and what becomes of a dialogue that it gives up. Knows no SMTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

from ..dialogues import Dialogue, Step
from .channel import Means
from .driver import Driver


class Outcome(asyncio.Future[Any]):
    """What becomes of a dialogue; the task that waits for it goes on at once when it succeeds.

    Not in the next turn of the loop: that would cost a message half as much again of what the loop
    does for it.
    """

    _waiter: tuple[Callable[[Any], object], Context | None] | None = None

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """As of any future; the last one is told at once."""
        super().add_done_callback(fn, context=context)
        self._waiter = fn, context

    def succeed(self, result: Any) -> None:
        """Set the result, outside of any task that cannot be left for another one."""
        waiter = self._waiter
        if waiter is None or asyncio.current_task(self.get_loop()) is not None:
            self.set_result(result)
            return
        go_on, context = waiter
        self.remove_done_callback(go_on)
        self.set_result(result)
        if context is None:
            go_on(self)
        else:
            context.run(go_on, self)


class Runner(Driver):
    """Runs dialogues over one connection, one after the other, each for a task.

    Args:
        means: what it works with.
    """

    __slots__ = ("_awaited", "_gone", "thrown")

    _awaited: Outcome
    thrown: list[BaseException]
    """What was thrown into the dialogue that ran last."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._gone: asyncio.Future[None] | None = None

    async def run(self, dialogue: Dialogue) -> Any:
        """Run a dialogue and return its result; a cancelled one leaves the connection as it is."""
        outcome = self._awaited = Outcome(loop=self._means.loop)
        self.thrown = []
        self.start(dialogue)
        try:
            return await outcome
        except BaseException:
            self._abandon()
            raise

    def _thrown(self, error: BaseException) -> Step | None:
        self.thrown.append(error)
        return super()._thrown(error)

    def ended(self, result: Any, error: BaseException | None) -> None:
        """Tell the task that waits, if it still does."""
        outcome = self._awaited
        if outcome.done():  # cancelled
            return
        if error is None:
            outcome.succeed(result)
        else:
            outcome.set_exception(error)

    async def wait_gone(self) -> None:
        """Wait until the connection is gone."""
        if not self._lost:
            self._gone = self._means.loop.create_future()
            await self._gone

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for it, too."""
        super().connection_lost(exc)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
