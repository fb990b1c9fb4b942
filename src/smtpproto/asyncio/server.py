# SPDX-License-Identifier: MIT
"""A server in an asyncio loop.

Decides where it listens and how it ends: what a session says is the dialogue's, how octets move the
driver's.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from secrets import token_bytes
from types import TracebackType
from typing import Any, Unpack

from ..dialogues.opening import Reception
from ..dialogues.server_settings import (
    ServerOptions,
    ServerSettings,
    TLSMode,
    server_settings,
)
from ..forking import let_go
from ..gate import gates_of
from ..kinds import FLAG, check_kinds
from ..listening import Hosts, Where, not_started, started_before
from ..serving import Serving
from ..tlstools import TLS, context_of
from .channel import Means
from .clock import Clock
from .driver import Driver, logger
from .listener import TURNS, Close, listen

_GOODBYE = 1.0
"""Seconds for what is left to write once a session is broken off."""
_THREADS = 40


class Server(Serving):
    """A server that `serve` made; it listens from ``async with``, or `start`, on.

    It may be closed as often as one likes.
    """

    def __init__(
        self,
        settings: ServerSettings,
        where: Where,
        tls: TLS | None,
        threads: bool,
    ) -> None:
        super().__init__(settings, where, tls)
        self._gates = gates_of(settings)
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._means: Means | None = None
        self._reception: Reception | None = None
        self._listeners: list[Close] = []
        self._sockets: list[socket.socket] = []
        self._drivers: set[_ServerDriver] = set()
        self._closed = asyncio.Event()
        self._gone = asyncio.Event()

    @property
    def sessions(self) -> int:
        """How many connections there are."""
        return len(self._drivers)

    async def __aenter__(self) -> Server:
        """Listen, as `start` does."""
        return await self.start()

    async def start(self) -> Server:
        """Listen: the ``async with`` statement does so, and closes, too.

        Returns:
            The server itself. It is ended by `close` and `wait_closed`.

        Raises:
            OSError: the address cannot be had.
            LocalProtocolError: it was started, or closed, before.
        """
        if self._means is not None or self._closed.is_set():
            raise started_before()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(None, self._listen)  # which may ask for names
        try:
            listening = await asyncio.shield(work)
        except asyncio.CancelledError:
            self.close()
            work.add_done_callback(self._drop)
            raise
        if self._closed.is_set():  # meanwhile
            self._drop(work)
            raise started_before()
        if self._threads:
            self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="smtpproto")
        clock = Clock(loop, self._settings.shortest)
        self._reception = Reception(self._settings, clock, self._observer, self._gates)
        self._means = Means(clock, tls=self._tls, is_server=True, executor=self._executor)
        protocol = partial(_ServerDriver, self._means, self)
        self._sockets = listening
        begun = 0
        try:
            for sock in listening:
                close = await listen(sock, protocol, self._where.sockets is None)
                self._listeners.append(close)
                begun += 1
        except BaseException:
            for sock in listening[begun:]:
                sock.close()
            self.close()
            raise
        if self._closed.is_set():
            self.close()
            raise started_before()
        self.addresses = [sock.getsockname() for sock in listening]
        return self

    def _drop(self, work: asyncio.Future[list[socket.socket]]) -> None:
        """Close the sockets that nobody waited for in the end."""
        if work.exception() is None:
            self._forget_path()
            for sock in work.result():
                sock.close()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, and wait until all is closed."""
        self.close()
        await self.wait_closed()

    def close(self, grace: float | None = None) -> None:
        """Listen no longer, and end the sessions.

        Those that wait for a command end at once with 421. Messages that are on their way may
        become whole, and hooks may return, until `wait_closed` breaks them off. In a forked child
        only its copies are closed.

        Args:
            grace: seconds for that; the server's setting by default, 0 for none.
        """
        if self._is_copied:
            self._let_go()
            return
        listeners, self._listeners = self._listeners, []
        self._forget_path()
        for close in listeners:
            close()
        self._grace = self._settings.grace if grace is None else grace
        for driver in tuple(self._drivers):
            driver.stop(now=self._grace <= 0)
        self._closed.set()

    def _let_go(self) -> None:
        """Close what a forked child has got of its parent's."""
        for sock in self._sockets:
            let_go(sock)
            sock.close()
        drivers, self._drivers = self._drivers, set()
        for driver in drivers:
            driver.let_go()
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until the sessions have ended, and break off those that do not within the grace.

        Raises:
            LocalProtocolError: it was not started, and would never end.
        """
        await self.serve_forever()
        if self._is_copied:
            return
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await self._wait_gone(self._grace)
        for driver in tuple(self._drivers):
            driver.stop(now=True)
        await self._wait_gone(_GOODBYE)
        for driver in tuple(self._drivers):
            driver.abort()
        await self._wait_gone(_GOODBYE)
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    async def _wait_gone(self, seconds: float) -> None:
        self._gone.clear()
        if self._drivers:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._gone.wait()

    async def serve_forever(self) -> None:
        """Wait until `close` is called, or the task is cancelled.

        Raises:
            LocalProtocolError: it was not started, and would never end.
        """
        if self._means is None and not self._closed.is_set():
            raise not_started()
        await self._closed.wait()

    def begin(self, driver: _ServerDriver) -> None:
        """Begin the session of a new connection."""
        self._drivers.add(driver)
        assert self._reception is not None
        peer = driver.transport.get_extra_info("peername")
        try:
            session = self._reception.session(peer, len(self._drivers))
        except Exception as error:  # a hook's, which is a property
            driver.ended(None, error)
            return
        driver.start(session)
        if self._closed.is_set():  # it was accepted before
            driver.stop(now=self._grace <= 0)

    def forget(self, driver: _ServerDriver) -> None:
        """Take note that a connection is gone."""
        self._drivers.discard(driver)
        if not self._drivers:
            self._gone.set()


class _ServerDriver(Driver):
    """A connection of a server."""

    __slots__ = ("_server",)

    def __init__(self, means: Means, server: Server) -> None:
        super().__init__(means)
        self._server = server

    def connection_made(self, transport: Any) -> None:
        is_new = self.transport is None  # rather than under TLS now
        super().connection_made(transport)
        if is_new:
            self._server.begin(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.is_over:
            self._server.forget(self)

    def abort(self) -> None:
        super().abort()
        if self._lost:
            self._server.forget(self)

    def ended(self, result: Any, error: BaseException | None) -> None:
        """Take the end of the session."""
        if error is not None:
            logger.error("a session failed", exc_info=error)
            self.transport.abort()
        if self._lost:
            self._server.forget(self)


def serve(
    handler: Any,
    host: Hosts = "127.0.0.1",
    port: int = 0,
    *,
    path: str | None = None,
    sockets: Sequence[socket.socket] | None = None,
    reuse_port: bool = False,
    tls: TLS | None = None,
    tls_mode: TLSMode = "starttls",
    threads: bool = True,
    **options: Unpack[ServerOptions],
) -> Server:
    """Make a server, for ``async with``.

    Args:
        handler: any object with some of the hooks of `Handler`. A hook that
            is an ``async def`` runs in the loop, another one in a thread.
        host: where to listen, one or more; None for all interfaces.
        port: 0 for one that is free: see ``Server.port``.
        path: listen on a Unix socket instead.
        sockets: listen on these instead; they are closed with the server.
        reuse_port: share the port with other processes that say so too (SO_REUSEPORT).
        tls: the certificate's context, or what returns it for each handshake, as a
            `ReloadingContext`.
        tls_mode: "starttls" to offer it, "implicit" to begin with TLS (RFC 8314 3).
        threads: False to run plain hooks in the loop too, because they never block.
        options: what a session says and allows: see `ServerOptions`.

    Raises:
        LocalProtocolError: settings that are misunderstood, or do not fit together.
        TypeError: an option that there is not.
    """
    settings = server_settings(
        handler,
        own_name=socket.gethostname(),
        has_tls=tls is not None,
        tls_mode=tls_mode,
        random=token_bytes,
        **options,
    )
    check_kinds({"threads": FLAG}, {"threads": threads})
    where = Where(host, port, path, sockets, reuse_port)
    if tls is not None:
        context_of(tls)  # fails now rather than at each handshake
        tls = partial(context_of, tls)
    return Server(settings, where, tls, threads)
