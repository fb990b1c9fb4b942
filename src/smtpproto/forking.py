# SPDX-License-Identifier: MIT
"""What a forked child does with the connections of its parent: it closes its copies.

Decides whose they are: the process that opened them speaks on them and ends them. A child that
closes what it got with the fork says nothing to any peer, removes no file and waits for no lock,
since who holds one may be a thread that it has not got. Knows no sessions.
"""

from __future__ import annotations

import os
from typing import Any

NO_SESSION = "a forked child has no session: let it end by os._exit()"


class Opened:
    """The base of what opens connections, or listens."""

    __slots__ = ()

    _opener = 0
    """The process that did so; 0 before."""

    @property
    def _is_copied(self) -> bool:
        """True in a child that was forked since."""
        return self._opener not in (0, os.getpid())


def let_go(sock: Any) -> None:
    """Close a copy of a socket that somebody else, as a loop, will close by its number, too.

    Nothing is there in its place: what is still said to it is not heard, and what a loop takes back
    of it is not taken back for the parent, which shares the epoll(7) instance.

    Args:
        sock: has a ``fileno()``; None, or closed already, for nothing to do.
    """
    if sock is not None and (number := sock.fileno()) >= 0:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, number, inheritable=False)
        os.close(nothing)
