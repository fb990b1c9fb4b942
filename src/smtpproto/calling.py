# SPDX-License-Identifier: MIT
"""What the clients of both adapters have in common: what they were told, and what they tell.

Decides nothing about how a session is held: that is each adapter's own.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from .dialogues import ConnectionLost, Outcome, check_listener, is_reusable
from .dialogues.client_settings import ClientSettings
from .forking import NO_SESSION, Opened
from .session.client import ClientConnection
from .tlstools import checked_context, client_context
from .transcribing import guarded_client


class Calling(Opened):
    """The base of both clients.

    Args:
        settings: what every session has in common.
        tls: a context in place of the default one.
    """

    def __init__(self, settings: ClientSettings, tls: ssl.SSLContext | None) -> None:
        self._settings = guarded_client(settings)
        self._context = checked_context(tls)
        self._address: Any = None
        self._connection: ClientConnection | None = None

    @property
    def is_connected(self) -> bool:
        """True when another message may be sent, as far as is known: the server may have gone."""
        connection = None if self._is_copied else self._connection
        return connection is not None and is_reusable(connection)

    @property
    def connection(self) -> ClientConnection | None:
        """The protocol's side of the session: what the server announced, and where we are."""
        return self._connection

    @property
    def address(self) -> Any:
        """What the socket said of the server's end when the last session began, as host and port.

        More than those for IPv6, a path for a Unix socket; None before a first session, and where
        the server had gone at once.
        """
        return self._address

    def _listener(
        self, on_outcome: Callable[[int, Outcome], Any] | None
    ) -> Callable[[int, Outcome], None] | None:
        """Return what tells of outcomes; a child that forks there has no session to go on with.

        Raises:
            TypeError: as for `check_listener`.
        """
        check_listener(on_outcome)
        if on_outcome is None:
            return None

        def tell(number: int, outcome: Outcome) -> None:
            on_outcome(number, outcome)
            if self._is_copied:
                raise ConnectionLost(NO_SESSION)

        return tell

    def _tls(self) -> ssl.SSLContext:
        """Return the context; it is made for a handshake only, since that takes long."""
        if self._context is None:
            self._context = client_context(self._settings.verifies)
        return self._context
