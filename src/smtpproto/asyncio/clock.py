# SPDX-License-Identifier: MIT
"""A coarse clock: one timer for all connections of a server, instead of one a command.

Decides when a deadline is over; what happens then is the driver's business.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Timed(Protocol):
    """What has a deadline."""

    deadline: float
    """In the time of its clock; infinite for none."""

    def expire(self) -> None:
        """Let the deadline be over."""


class Clock:
    """One coarse timer for many drivers, and the time of its last tick.

    It is the loop's time, less that in which the loop stood still.

    Args:
        loop: where it ticks.
        shortest: the shortest timeout in force, None for those of RFC 5321 4.5.3.2.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, shortest: float | None) -> None:
        self._loop = loop
        self.interval = 1.0 if shortest is None else min(1.0, shortest / 4)
        self._stood_still = 0.0
        self._see()
        self.drivers: set[Timed] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, driver: Timed) -> None:
        """Watch over a driver; tick from the first one on."""
        self.drivers.add(driver)
        if self._timer is None:
            self._see()
            self._timer = self._loop.call_later(self.interval, self._tick)

    def discard(self, driver: Timed) -> None:
        """Watch over it no longer; the first tick without any is the last."""
        self.drivers.discard(driver)

    def deadline(self, timeout: float) -> float:
        """Return when `timeout` seconds from now are over, never too early."""
        return self.soonest + timeout

    def _see(self) -> None:
        self.now = self._loop.time() - self._stood_still
        self.soonest = self.now + self.interval
        """When what ends from now on is over at the earliest: never too early."""

    def _tick(self) -> None:
        self._timer = None
        if not self.drivers:
            return
        late = self._loop.time() - self._stood_still - self.soonest
        if late > self.interval:
            # Nobody was heard in that time, and what has just come knew of none of it.
            self._stood_still += late
        self._see()
        self._timer = self._loop.call_later(self.interval, self._tick)
        for driver in tuple(self.drivers):
            if driver.deadline < self.now:
                driver.expire()
