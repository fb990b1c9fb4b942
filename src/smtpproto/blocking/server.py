# SPDX-License-Identifier: MIT
"""A server on sockets, with a thread for each connection.

Decides where it listens and how it ends: what a session says is the dialogue's, how octets move the
driver's.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from secrets import token_bytes
from types import TracebackType
from typing import Any, Unpack

from ..dialogues import Peer
from ..dialogues.hooks import check_plain
from ..dialogues.opening import Reception
from ..dialogues.records import RefusalRecord
from ..dialogues.server_settings import (
    ServerOptions,
    ServerSettings,
    TLSMode,
    server_settings,
)
from ..exceptions import LocalProtocolError, Violation
from ..gate import gates_of
from ..listening import BACKLOG, RETRY, Hosts, Where, not_started, started_before
from ..serving import Serving
from ..tlstools import TLS, context_of
from .crew import Crew
from .driver import Clock, Driver, logger

_GOODBYE = 1.0
"""Seconds for what is left to write once a session is broken off."""


class Server(Serving):
    """A server that `serve` made; it listens from ``with``, or `start`, on, in its own threads.

    It may be closed as often as one likes, and from any thread.
    """

    def __init__(
        self,
        settings: ServerSettings,
        where: Where,
        tls: TLS | None,
    ) -> None:
        super().__init__(settings, where, tls, threading.Lock())
        self._listeners: list[socket.socket] = []
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._acceptor: threading.Thread | None = None
        self._lock = threading.Lock()
        self._crew = Crew()
        self._sessions: set[Driver] = set()
        self._closing = threading.Event()
        self._reception = Reception(self._settings, Clock(), self._observer, gates_of(settings))

    @property
    def sessions(self) -> int:
        """How many connections there are."""
        return len(self._sessions)

    def __enter__(self) -> Server:
        """Listen, as `start` does."""
        return self.start()

    def start(self) -> Server:
        """Listen: the ``with`` statement does so, and closes, too.

        Returns:
            The server itself. It is ended by `close` and `wait_closed`.

        Raises:
            OSError: the address cannot be had.
            LocalProtocolError: it was started, or closed, before.
        """
        if self._acceptor is not None or self._closing.is_set():
            raise started_before()
        listeners = self._listen()  # which may ask for names
        with self._lock:
            if not self._closing.is_set():
                self._listeners = listeners
                self.addresses = [listener.getsockname() for listener in listeners]
                self._wake = socket.socketpair()
                work = self._accept_all
                self._acceptor = threading.Thread(target=work, name="smtpproto", daemon=True)
                self._acceptor.start()
                return self
        self._forget_path()
        for listener in listeners:
            listener.close()
        raise started_before()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, and wait until all is closed."""
        self.close()
        self.wait_closed()

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
        with self._lock:
            self._grace = self._settings.grace if grace is None else grace
            if self._wake is not None and not self._closing.is_set():
                self._wake[1].send(b"x")  # before whoever waits for the end may close it
            self._closing.set()
            drivers = list(self._sessions)
        for driver in drivers:
            driver.stop(now=self._grace <= 0)
        self._crew.close()

    def _let_go(self) -> None:
        """Close what a forked child has got of its parent's."""
        for copied in (*self._listeners, *(self._wake or ()), *self._sessions):
            copied.close()
        self._wake = None
        self._sessions.clear()
        self._closing = threading.Event()  # the other one may be held by a thread of the parent
        self._closing.set()

    def wait_closed(self) -> None:
        """Wait until the sessions have ended, and break off those that do not within the grace.

        Raises:
            LocalProtocolError: it was not started, and would never end, or a hook of its own
                waits.
        """
        if self._crew.has_this_thread():
            raise LocalProtocolError(
                "wait_closed() expected outside of hooks: it waits for their sessions",
                Violation.LOCAL_STATE,
            )
        self.serve_forever()
        if self._is_copied:
            return
        if self._acceptor is not None:
            self._acceptor.join()
        self._crew.join(self._grace)
        for driver in list(self._sessions):
            driver.stop(now=True)
        self._crew.join(_GOODBYE)
        for driver in list(self._sessions):
            driver.close()
        for end in self._wake or ():
            end.close()
        self._wake = None

    def serve_forever(self) -> None:
        """Wait until `close` is called.

        Raises:
            LocalProtocolError: it was not started, and would never end.
        """
        if self._acceptor is None and not self._closing.is_set():
            raise not_started()
        self._closing.wait()

    def _accept_all(self) -> None:
        assert self._wake is not None
        with selectors.DefaultSelector() as selector:
            for readable in (*self._listeners, self._wake[0]):
                readable.setblocking(False)
                selector.register(readable, selectors.EVENT_READ)
            while not self._closing.is_set():
                for key, _ in selector.select():
                    assert isinstance(key.fileobj, socket.socket)
                    if key.fileobj is not self._wake[0]:
                        self._accept(key.fileobj)
                        continue
                    with self._lock:  # by now it is closing
                        self._wake[0].recv(1)
        self._forget_path()
        for listener in self._listeners:
            # Who waits at our own socket would be reset; at one that was given it may wait longer.
            waiting = BACKLOG if self._where.sockets is None else 0
            while waiting and self._accept(listener):
                waiting -= 1
            listener.close()

    def _accept(self, listener: socket.socket) -> bool:
        """Accept one; tell whether there may be more."""
        try:
            sock, address = listener.accept()
        except BlockingIOError:  # nobody waits, or another process was faster
            return False
        except (InterruptedError, ConnectionError):  # the client has gone
            return True
        except OSError as error:  # as when there are no file descriptors left
            logger.error("no connection accepted: %s", error)
            self._closing.wait(RETRY)
            return False
        refusal = self._settings.refusal(len(self._sessions) + 1)
        if refusal is not None:
            self._turn_away(sock, address, refusal, "too many connections")
            return True
        driver = Driver(sock, tls=self._tls, is_server=True)
        with self._lock:
            is_closing = self._closing.is_set()
            if not is_closing:
                self._sessions.add(driver)
        if is_closing:
            self._turn_away(sock, address, self._settings.farewell(), "shutting down")
            return True
        try:
            self._crew.take(partial(self._serve, driver, address))
        except RuntimeError:  # there are no threads left: others may still be served
            logger.exception("no session: no thread for it")
            self._end(driver)
        return True

    def _turn_away(self, sock: socket.socket, address: Any, octets: bytes, reason: str) -> None:
        """End a connection without a thread: those may be what is used up."""
        self._observer(RefusalRecord(Peer(address), reason))
        with sock, suppress(OSError):
            sock.setblocking(False)
            sock.send(octets)

    def _serve(self, driver: Driver, address: Any) -> None:
        """Hold a session, in a thread that has no other."""
        try:
            driver.run(self._reception.session(address, 1))
        except OSError as error:
            logger.debug("no session: %s", error)
        except Exception:
            logger.exception("a session failed")
        finally:
            self._end(driver)

    def _end(self, driver: Driver) -> None:
        driver.close()
        if self._is_copied:
            return
        with self._lock:
            self._sessions.discard(driver)


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
    **options: Unpack[ServerOptions],
) -> Server:
    """Make a server, for ``with``.

    Args:
        handler: any object with some of the hooks of `Handler`. They run in the
            thread of their session, which afterwards may be another's.
        host: where to listen, one or more; None for all interfaces.
        port: 0 for one that is free: see ``Server.port``.
        path: listen on a Unix socket instead.
        sockets: listen on these instead; they are closed with the server.
        reuse_port: share the port with other processes that say so too (SO_REUSEPORT).
        tls: the certificate's context, or what returns it for each handshake, as a
            `ReloadingContext`.
        tls_mode: "starttls" to offer it, "implicit" to begin with TLS (RFC 8314 3).
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
    check_plain(handler)
    where = Where(host, port, path, sockets, reuse_port)
    if tls is not None:
        context_of(tls)  # fails now rather than at each handshake
        tls = partial(context_of, tls)
    return Server(settings, where, tls)
