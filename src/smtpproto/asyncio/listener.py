# SPDX-License-Identifier: MIT
"""How a server in an asyncio loop gets its connections.

Decides how a loop that polls is asked for no more than it takes: its own way makes a task and four
turns of each connection. Other loops accept by themselves. Knows no sessions.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ..listening import BACKLOG, RETRY
from .transport import Receiver, SocketTransport

logger = logging.getLogger("smtpproto")

TURNS = 3
"""Turns of a loop from when it accepts a connection by itself to when it tells us."""

Make = Callable[[], Receiver]
Close = Callable[[], None]
"""Accepts no more; closes the socket."""


async def listen(sock: socket.socket, make: Make, is_ours: bool = True) -> Close:
    """Give each connection that comes to a protocol of its own.

    Args:
        sock: listens already; it is closed with the rest, or where this fails.
        make: makes a protocol.
        is_ours: False where who waits for the socket may find another server behind it.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.SelectorEventLoop):
        return Acceptor(loop, sock, make, is_ours).close
    listener = await loop.create_server(make, sock=sock, backlog=BACKLOG, start_serving=False)
    try:
        await listener.start_serving()
    except BaseException:
        listener.close()
        raise
    return partial(_retire, listener)


def _retire(listener: asyncio.Server) -> None:
    """Accept no more, and close once the loop has brought us what it has accepted already."""
    loop = listener.get_loop()
    with suppress(NotImplementedError):  # a loop that does not poll
        for sock in listener.sockets:
            loop.remove_reader(sock.fileno())
    close: Callable[[], object] = listener.close
    for _ in range(TURNS):
        close = partial(loop.call_soon, close)
    close()


class Acceptor:
    """Accepts the connections of one socket, one each time the loop finds any there.

    Args:
        loop: a loop that polls.
        sock: listens.
        make: makes a protocol for each.
        is_ours: as for `listen`.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, make: Make, is_ours: bool
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._make = make
        self._is_ours = is_ours
        self._retry: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more, but those that have connected: they are not to be reset."""
        waiting = BACKLOG if self._is_ours else 0
        while waiting and self._accept():
            waiting -= 1
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> bool:
        """Accept one; tell whether there may be more."""
        try:
            sock, address = self._sock.accept()
        except BlockingIOError:  # another process was faster
            return False
        except (InterruptedError, ConnectionError):  # the client has gone
            return True
        except OSError as error:  # as when there are no file descriptors left
            logger.error("no connection accepted: %s", error)
            self._loop.remove_reader(self._sock)
            self._retry = self._loop.call_later(RETRY, self._listen)
            return False
        sock.setblocking(False)
        # What a hook sets in its context is for its own connection.
        contextvars.copy_context().run(SocketTransport, self._loop, sock, address, self._make())
        return True
