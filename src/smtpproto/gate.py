# SPDX-License-Identifier: MIT
"""How many connections each peer has to a server, for both adapters.

Decides who has too many. What a peer is, and what it hears then, is decided by the dialogue.
"""

from __future__ import annotations

import threading
from collections import Counter

from .dialogues.places import Gates
from .dialogues.server_settings import ServerSettings


class Gate:
    """Counts connections; any thread may call it.

    Args:
        limit: how many each peer may have at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: Counter[object] = Counter()
        self._lock = threading.Lock()

    def enter(self, peer: object) -> bool:
        """Count a connection of `peer`; return False, and do not, when it has enough."""
        with self._lock:
            if self._counts[peer] >= self._limit:
                return False
            self._counts[peer] += 1
            return True

    def leave(self, peer: object) -> None:
        """Count no longer one that had entered."""
        with self._lock:
            self._counts[peer] -= 1
            if not self._counts[peer]:
                del self._counts[peer]


def gates_of(settings: ServerSettings) -> Gates:
    """Return what the sessions of a new server are counted by."""
    return Gates(_gate(settings.connections_per_peer), _gate(settings.connections_unauthenticated))


def _gate(limit: int | None) -> Gate | None:
    return None if limit is None else Gate(limit)
