# SPDX-License-Identifier: MIT
"""How a client in an asyncio loop gets its connection.

Decides which of the server's addresses is tried, and whose transport is used: ours where the loop
polls and nothing is encrypted yet, or else the loop's. Knows no dialogue.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..dialling import far_end, given, of_a_dial
from ..dialogues.client_settings import ClientSettings, Dial
from .driver import Driver
from .transport import SocketTransport


async def connect(
    driver: Driver, settings: ClientSettings, tls: Callable[[], ssl.SSLContext], timeout: float
) -> None:
    """Give a driver its transport.

    Args:
        driver: a new one.
        settings: where the server is.
        tls: returns the context for a session that begins with TLS.
        timeout: seconds for a handshake; the rest is watched over by the caller.

    Raises:
        OSError: there is no connection, or no handshake.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.SelectorEventLoop) and not settings.is_implicit:
        sock, address = await _dialled(loop, settings)
        SocketTransport(loop, sock, address, driver)
        return
    secured: dict[str, Any] = {}
    if settings.is_implicit:
        name = settings.server_name
        secured = {"ssl": tls(), "server_hostname": name, "ssl_handshake_timeout": timeout}
    if settings.dial is not None:
        sock = await _given(settings.dial)
        await loop.create_connection(lambda: driver, sock=sock, **secured)
    elif settings.path is not None:
        await loop.create_unix_connection(lambda: driver, settings.path, **secured)
    else:
        secured["local_addr"] = settings.source_address
        await loop.create_connection(lambda: driver, settings.host, settings.port, **secured)


async def _dialled(
    loop: asyncio.AbstractEventLoop, settings: ClientSettings
) -> tuple[socket.socket, Any]:
    """Return a connection that does not block, and the address that it leads to.

    Raises:
        OSError: there is none; what the last address failed by.
    """
    if settings.dial is not None:
        sock = await _given(settings.dial)
        return sock, far_end(sock)
    host, path = settings.host, settings.path
    if path is not None:
        return await _reached(loop, socket.AF_UNIX, path, None), path
    failure = OSError(f"no address of {host} is known")
    for family, _, _, _, address in await _addresses(loop, host, settings.port):
        try:
            return await _reached(loop, family, address, settings.source_address), address
        except OSError as error:
            failure = error
    raise failure


async def _given(dial: Dial) -> socket.socket:
    """Return the connection that was made for us, and have it not block."""
    with of_a_dial():
        found = dial()
        sock = given(await found if inspect.isawaitable(found) else found)
    sock.setblocking(False)
    return sock


async def _addresses(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Any]:
    with suppress(OSError):  # an address itself needs no thread that waits for the DNS
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _reached(
    loop: asyncio.AbstractEventLoop, family: int, address: Any, source: tuple[str, int] | None
) -> socket.socket:
    sock = socket.socket(family)
    try:
        sock.setblocking(False)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.bind(source)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
