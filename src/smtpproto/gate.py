# SPDX-License-Identifier: MIT
"""How many connections each peer has to a server, for both adapters.

Decides who has too many. What a peer is, and what it hears then, is decided by the dialogue.
"""

from __future__ import annotations

import threading
from collections import Counter


class Gate:
    """Counts connections; any thread may call it.

    Args:
        per_peer: how many each peer may have at once; None for no limit.
    """

    def __init__(self, per_peer: int | None) -> None:
        self._per_peer = per_peer
        self._counts: Counter[object] = Counter()
        self._lock = threading.Lock()

    def enter(self, peer: object) -> bool:
        """Count a connection of `peer`; return False, and do not, when it has enough."""
        if self._per_peer is None:
            return True
        with self._lock:
            if self._counts[peer] >= self._per_peer:
                return False
            self._counts[peer] += 1
            return True

    def leave(self, peer: object) -> None:
        """Count no longer one that had entered."""
        if self._per_peer is None:
            return
        with self._lock:
            self._counts[peer] -= 1
            if not self._counts[peer]:
                del self._counts[peer]
