# SPDX-License-Identifier: MIT
"""Both adapters behind one plain interface, certificates, and servers that follow a script."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import trustme

from smtpproto import asyncio as aio
from smtpproto import blocking

SECONDS = 60.0
"""After so many something hangs."""
SOON = 1.0
"""Seconds of a limit that a test waits for: what comes before takes less on a busy machine, too."""


@lru_cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's and a client's context that trust each other."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class BlockingWorld:
    """`smtpproto.blocking` as it is."""

    name = "blocking"
    module: Any = blocking

    @contextmanager
    def serve(self, handler: Any, *args: Any, **options: Any) -> Iterator[Any]:
        with blocking.serve(handler, *args, **options) as server:
            yield server

    @contextmanager
    def client(self, *args: Any, **options: Any) -> Iterator[Any]:
        options.setdefault("timeout", SECONDS)
        with blocking.Client(*args, **options) as client:
            yield client

    def send_mail(self, *args: Any, **options: Any) -> Any:
        return blocking.send_mail(*args, timeout=SECONDS, **options)

    def close(self) -> None:
        pass


class AsyncioWorld:
    """`smtpproto.asyncio` in a loop of its own thread."""

    name = "asyncio"
    module: Any = aio

    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self._runner = asyncio.Runner(loop_factory=new_loop)
        self.loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop = asyncio.Event()
        self._thread.start()
        self.call(asyncio.sleep(0))  # by then its own task is there, too

    def _run(self) -> None:
        with self._runner:
            self._runner.run(self._stop.wait())

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(2 * SECONDS)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)

    @contextmanager
    def serve(self, handler: Any, *args: Any, **options: Any) -> Iterator[Any]:
        server = aio.serve(handler, *args, **options)
        self.call(server.__aenter__())
        try:
            yield server
        finally:
            self.call(server.__aexit__(None, None, None))

    @contextmanager
    def client(self, *args: Any, **options: Any) -> Iterator[Any]:
        options.setdefault("timeout", SECONDS)
        client = self.call(self._new(args, options))
        self.call(client.__aenter__())
        try:
            yield _Plain(self, client)
        finally:
            self.call(client.__aexit__(None, None, None))

    async def _new(self, args: Any, options: Any) -> aio.Client:
        return aio.Client(*args, **options)

    def send_mail(self, *args: Any, **options: Any) -> Any:
        return self.call(aio.send_mail(*args, timeout=SECONDS, **options))


class _Plain:
    """An asyncio client without await."""

    def __init__(self, world: AsyncioWorld, client: aio.Client) -> None:
        self._world = world
        self._client = client

    @property
    def connection(self) -> Any:
        return self._client.connection

    @property
    def address(self) -> Any:
        return self._client.address

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected

    def send(self, *args: Any, **options: Any) -> Any:
        return self._world.call(self._client.send(*args, **options))

    def send_many(self, *args: Any, **options: Any) -> Any:
        return self._world.call(self._client.send_many(*args, **options))

    def execute(self, *args: Any) -> Any:
        return self._world.call(self._client.execute(*args))

    def connect(self) -> Any:
        return self._world.call(self._client.connect())

    def noop(self) -> Any:
        return self._world.call(self._client.noop())

    def close(self) -> None:
        self._world.call(self._client.close())


World = BlockingWorld | AsyncioWorld


class Raw:
    """A socket that talks like a person."""

    def __init__(self, port: int, greeting: bool = True, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection((host, port), SECONDS)
        self.file = self.sock.makefile("rb")
        if greeting:
            assert self.reply().startswith("220")

    def reply(self) -> str:
        """Return the next reply, without its last CRLF; "" for the end."""
        lines = []
        while line := self.file.readline():
            lines.append(line)
            if line[3:4] != b"-":
                break
        return b"".join(lines).decode().removesuffix("\r\n")

    def say(self, octets: bytes) -> str:
        self.sock.sendall(octets)
        return self.reply()

    def rest(self) -> bytes:
        return self.file.read()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()


class Scripted:
    """A server that says what it is told, each time after it has read up to a mark.

    Args:
        script: pairs of what to wait for and what to say then; an empty mark waits for nothing, and
            None as what to say makes the TLS handshake.
        reset: end with a reset of the connection.
        holds: do not end, and read nothing more, before the test does.
    """

    def __init__(
        self, *script: tuple[bytes, bytes | None], reset: bool = False, holds: bool = False
    ) -> None:
        self._script = script
        self._reset = reset
        self._end = threading.Event()
        if not holds:
            self._end.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        sock: socket.socket
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        try:
            sock.settimeout(SECONDS)
            fresh = b""
            for mark, reply in self._script:
                while mark not in fresh:
                    data = sock.recv(65536)
                    if not data:
                        return
                    fresh += data
                    self.received += data
                fresh = fresh.partition(mark)[2] if mark else fresh
                if reply is None:
                    sock = contexts()[0].wrap_socket(sock, server_side=True)
                else:
                    sock.sendall(reply)
            self._end.wait(SECONDS)
            if self._reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except OSError:
            pass
        finally:
            sock.close()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SECONDS)
