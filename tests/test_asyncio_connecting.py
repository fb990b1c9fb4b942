# SPDX-License-Identifier: MIT
"""How an asyncio client finds its server: each address of it, one after the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from adapter_drive import SECONDS

from smtpproto.asyncio import Client, Collect, ConnectionLost, serve

TEXT = b"Subject: x\r\n\r\ntext\r\n"


def run(test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(test(), SECONDS))


@pytest.fixture
def dead_port() -> Iterator[int]:
    """Bind a port where nobody listens, so that it is nobody else's either."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def known_as(monkeypatch: pytest.MonkeyPatch, *ports: int) -> list[str]:
    """Let each name have these addresses; return the names that are asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in ports]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


def test_an_address_that_does_not_answer_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, dead_port: int
) -> None:
    async def test() -> None:
        handler = Collect()
        async with serve(handler) as server:
            asked = known_as(monkeypatch, dead_port, server.port)
            async with Client("mx.example.org", 25, security="none") as client:
                await client.send(TEXT, "a@x.org", "b@x.org")
            assert asked == ["mx.example.org"]
        assert len(handler.messages) == 1

    run(test)


@pytest.mark.parametrize(("addresses", "why"), [(2, "Connect call failed"), (0, "no address")])
def test_no_address_answers(
    addresses: int, why: str, monkeypatch: pytest.MonkeyPatch, dead_port: int
) -> None:
    async def test() -> None:
        known_as(monkeypatch, *[dead_port] * addresses)
        with pytest.raises(ConnectionLost, match=f"mx.example.org port 25: .*{why}"):
            async with Client("mx.example.org", 25):
                pass

    run(test)


def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        asked = known_as(monkeypatch)
        async with serve(Collect()) as server, Client("127.0.0.1", server.port):
            assert asked == []

    run(test)


def test_connecting_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    socks: list[socket.socket] = []

    async def test() -> None:
        async def connect(sock: socket.socket, address: Any) -> None:
            socks.append(sock)
            await asyncio.sleep(SECONDS)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
        client = Client("127.0.0.1", 1)
        task = asyncio.create_task(client.connect())
        while not socks:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert socks[0].fileno() == -1
        assert not client.is_connected

    run(test)
