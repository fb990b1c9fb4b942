# SPDX-License-Identifier: MIT
"""How connections are accepted: each in its own context, and on when there were none to be had."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import logging
import socket
from typing import Any

import pytest
from adapter_drive import SECONDS

from smtpproto.asyncio import Collect, Peer, listener, serve
from smtpproto.asyncio.listener import Acceptor, listen

KINDS = ["polls", "accepts"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the loop be taken for one that polls, and for one that accepts by itself."""
    if request.param == "accepts":
        monkeypatch.setattr(asyncio, "SelectorEventLoop", type("Another", (), {}))
    return request.param


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test(), SECONDS))


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    writer.close()
    return line


def test_a_context_is_one_connections(kind: str) -> None:
    seen: contextvars.ContextVar[int] = contextvars.ContextVar("seen", default=0)

    class Handler:
        def on_connect(self, peer: Peer) -> None:
            found.append(seen.get())
            seen.set(1)

        def on_ehlo(self, peer: Peer, hello: Any) -> None:
            found.append(seen.get())

    async def test() -> None:
        async with serve(Handler(), threads=False) as server:
            for _ in range(3):
                assert (await greeting(server.port)).startswith(b"220 ")

    found: list[int] = []
    run(test)
    assert found == [0, 0, 0]


@pytest.mark.parametrize("error", [OSError, asyncio.CancelledError])
def test_a_server_that_cannot_listen_everywhere_listens_nowhere(
    kind: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in sockets]

    async def test() -> None:
        loop = asyncio.get_running_loop()
        add, create = loop.add_reader, loop.create_server

        def adding(sock: Any, *args: Any) -> None:
            if sock is sockets[1]:
                raise error
            add(sock, *args)

        async def creating(*args: Any, sock: socket.socket, **more: Any) -> Any:
            made = await create(*args, sock=sock, **more)
            if sock is sockets[1]:
                monkeypatch.setattr(made, "start_serving", refuse)
            return made

        async def refuse() -> None:
            raise error

        monkeypatch.setattr(loop, "add_reader", adding)
        monkeypatch.setattr(loop, "create_server", creating)
        server = serve(Collect(), sockets=sockets)
        with pytest.raises(error):
            await server.__aenter__()
        await server.wait_closed()
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    run(test)
    assert [one.fileno() for one in sockets] == [-1] * 3


class Failing(socket.socket):
    """A socket that fails to accept as often as it is told."""

    errors: list[int]

    def accept(self) -> Any:
        if self.errors:
            raise OSError(self.errors.pop(), "no connection")
        return super().accept()


def failing(*errors: int) -> Failing:
    sock = Failing()
    sock.errors = list(errors)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


def test_a_client_that_has_gone_does_not_matter(caplog: pytest.LogCaptureFixture) -> None:
    sock = failing(errno.ECONNABORTED, errno.EAGAIN)

    async def test() -> None:
        async with serve(Collect(), sockets=[sock]) as server:
            assert (await greeting(server.port)).startswith(b"220 ")

    run(test)
    assert not caplog.records


def test_it_tries_again_after_a_while_where_none_can_be_had(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "RETRY", 0.05)
    sock = failing(errno.EMFILE, errno.EINVAL)

    async def test() -> None:
        async with serve(Collect(), sockets=[sock]) as server:
            assert (await greeting(server.port)).startswith(b"220 ")

    run(test)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_who_has_connected_when_it_closes_is_told() -> None:
    """RFC 5321 3.8: a 421, not a reset."""

    async def test() -> None:
        async with serve(Collect(), port=0) as server:
            waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for sock in waiting:
            with sock:
                sock.settimeout(10)
                said = b""
                while more := sock.recv(1000):
                    said += more
                assert [line[:3] for line in said.splitlines()] == [b"220", b"421"]

    run(test)


def test_who_waits_for_a_socket_that_is_shared_is_left_to_the_next_server() -> None:
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as shared:
            async with serve(Collect(), sockets=[shared.dup()]) as server:
                waiting = socket.create_connection(("127.0.0.1", server.port))
            async with serve(Collect(), sockets=[shared.dup()]):
                reader, writer = await asyncio.open_connection(sock=waiting)
                assert (await reader.readline()).startswith(b"220 ")
                writer.write(b"QUIT\r\n")
                assert (await reader.read()).startswith(b"221 ")
                writer.close()

    run(test)


def test_it_may_be_closed_while_it_waits_to_try_again() -> None:
    sock = failing(errno.EMFILE)

    async def test() -> None:
        acceptor = Acceptor(asyncio.get_running_loop(), sock, asyncio.BufferedProtocol, False)
        with socket.create_connection(sock.getsockname()):
            while sock.errors:
                await asyncio.sleep(0.001)
            acceptor.close()
        assert acceptor._retry is not None
        assert acceptor._retry.cancelled()

    run(test)
    assert sock.fileno() == -1


def test_a_loop_that_does_not_poll_is_closed_too(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        sock = socket.create_server(("127.0.0.1", 0))
        close = await listen(sock, asyncio.BufferedProtocol)
        if kind == "accepts":

            def refuse(_: object) -> None:
                raise NotImplementedError

            with monkeypatch.context() as patch:
                patch.setattr(loop, "remove_reader", refuse)
                close()
        else:
            close()
        while sock.fileno() != -1:
            await asyncio.sleep(0)

    run(test)
