# SPDX-License-Identifier: MIT
"""What the servers of both adapters have in common: what they were told, and what they tell.

Decides nothing about how connections are accepted and ended: that is each adapter's own.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

from .dialogues.server_settings import ServerSettings
from .forking import Opened
from .listening import Mark, Where
from .observing import Counters, Observer
from .tlstools import TLS
from .transcribing import guarded_server


class Serving(Opened):
    """The base of both servers.

    Args:
        settings: what every session has in common.
        where: where to listen.
        tls: see ``serve``.
        lock: what is held to count, where sessions have threads of their own.
    """

    def __init__(
        self,
        settings: ServerSettings,
        where: Where,
        tls: TLS | None,
        lock: threading.Lock | None = None,
    ) -> None:
        self._settings = guarded_server(settings)
        self._where = where
        self._mark: Mark | None = None
        self._tls = tls
        self._grace = settings.grace
        self._observer = Observer(lock)
        self.addresses: list[Any] = []
        """What each listening socket is bound to: host and port first for TCP, a path otherwise."""

    @property
    def handler(self) -> Any:
        """The handler that was given."""
        return self._settings.handler

    @property
    def port(self) -> int:
        """The TCP port that it listens on; 0 without any, and before it listens."""
        return next((at[1] for at in self.addresses if isinstance(at, tuple)), 0)

    @property
    def counters(self) -> Counters:
        """What it has done so far."""
        return self._observer.counters

    def _listen(self) -> list[socket.socket]:
        """Return the sockets that listen.

        Raises:
            OSError: an address cannot be had.
        """
        self._opener = os.getpid()
        listening = self._where.listen()
        self._mark = self._where.mark()
        return listening

    def _forget_path(self) -> None:
        """Remove our Unix socket, while it is open: afterwards its mark may be another's."""
        self._where.forget(self._mark)
        self._mark = None
