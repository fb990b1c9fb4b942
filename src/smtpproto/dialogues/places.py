# SPDX-License-Identifier: MIT
"""The places that a server has: for each peer, and for clients that have not authenticated.

Decides when a session takes and gives back a place of the second kind. What counts them is the
adapter's, since many threads may have sessions; who is turned away, and how, is decided elsewhere.
"""

from __future__ import annotations

from typing import Protocol

from ..values import value


class Gate(Protocol):
    """What counts how many places each peer has."""

    def enter(self, peer: object, /) -> bool:
        """Count one more; return False, and do not, when it has enough."""

    def leave(self, peer: object, /) -> None:
        """Count one less."""


@value
class Gates:
    """What a server's sessions are counted by, None where there is no limit."""

    peers: Gate | None = None
    """The connections of each peer."""
    unauthenticated: Gate | None = None
    """The sessions that have not authenticated: for this gate all of them are one peer."""


class Place:
    """The place of one session among those that have not authenticated; it has one at most.

    Args:
        gate: what counts the places.
    """

    __slots__ = ("_gate", "_is_held")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._is_held = False

    def hold(self) -> bool:
        """Have the place; return False where there is none left."""
        self._is_held = self._is_held or self._gate.enter(None)
        return self._is_held

    def release(self) -> None:
        """Have it no longer."""
        if self._is_held:
            self._is_held = False
            self._gate.leave(None)
