# SPDX-License-Identifier: MIT
"""How long a session may take, as a whole and for a message.

Decides how the deadlines of a session become the seconds of its next read, so that a client that
sends an octet now and then does not stay for ever. Has no clock of its own: it is the driver's.
"""

from __future__ import annotations

from math import inf
from typing import Final, Protocol

from ..values import value

HANDSHAKE_TIME: Final = 60.0
"""Seconds for a TLS handshake at most."""


class Clock(Protocol):
    """What the time is taken from."""

    @property
    def now(self) -> float:
        """Seconds since some moment; never fewer than before. It may be a second late."""


@value
class Times:
    """Seconds that a session may take; None for no such limit."""

    message: float | None = None
    """For mail data, from the 354 or the first chunk to its end, hooks included."""
    session: float | None = None
    """For all of it."""
    authentication: float | None = None
    """Until the client has authenticated."""


class Deadlines:
    """When the parts of one session must be over.

    Args:
        clock: what the time is taken from.
        times: how long they may take, from now on.
        command: seconds for a command.
    """

    __slots__ = ("_began", "_clock", "_command", "_message", "_times", "near")

    def __init__(self, clock: Clock, times: Times, command: float) -> None:
        self._clock = clock
        self._times = times
        self._command = command
        self._began = clock.now
        self._message = inf
        first = inf if times.session is None else times.session
        if times.authentication is not None:
            first = min(first, times.authentication)
        self.near = self._began + first - command
        """Until then there is the whole time for each command."""

    def begin_message(self) -> None:
        """Note that mail data begins."""
        seconds = self._times.message
        if seconds is not None:
            self._message = until = self._clock.now + seconds
            if until - self._command < self.near:
                self.near = until - self._command

    def end_message(self) -> None:
        """Note that it has ended."""
        self._message = inf

    def left(self, is_authenticated: bool) -> float:
        """Return the seconds that there are for the next command.

        Raises:
            TimeoutError: none.
        """
        times = self._times
        until = self._message
        if times.session is not None:
            until = min(until, self._began + times.session)
        if times.authentication is not None and not is_authenticated:
            until = min(until, self._began + times.authentication)
        self.near = until - self._command
        left = until - self._clock.now
        if left <= 0:
            raise TimeoutError
        return min(left, self._command)


class StoppedClock:
    """For a session without deadlines."""

    now: Final = 0.0
