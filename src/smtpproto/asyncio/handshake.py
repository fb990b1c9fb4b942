# SPDX-License-Identifier: MIT
"""A TLS layer on a transport of any loop, and what its failure means.

Decides which way the handshake is made. Knows no dialogue.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from ..dialogues import Cancelled
from ..tlstools import handshake_failure
from .channel import Means
from .transport import SocketTransport

logger = logging.getLogger("smtpproto")


async def start_tls(
    transport: Any,
    protocol: asyncio.BufferedProtocol,
    means: Means,
    early: bytes,
    timeout: float,
) -> Any:
    """Make the handshake; return the transport to use from now on.

    Args:
        transport: what reads no more by itself.
        protocol: whose it is.
        means: has the context.
        early: what came before the layer is there.
        timeout: seconds.

    Raises:
        Exception: there is none; `no_handshake` tells what that means.
    """
    tls = means.tls
    assert tls is not None
    loop = means.loop
    is_ours = isinstance(transport, SocketTransport)
    if early and is_ours:  # which reads on when it is told to: this came before our 220
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, "octets in the clear before it")
    if early:
        loop.call_soon(feed, transport, early)
    async with asyncio.timeout(timeout):
        if isinstance(tls, ssl.SSLContext):
            context = tls
        else:  # a client's takes longer than a loop may stand still
            context = tls() if means.is_server else await asyncio.to_thread(tls)
        if is_ours:
            hostname = None if means.is_server else means.server_hostname
            return await transport.start_tls(context, 2 * timeout, hostname)  # ours ends first
        return await loop.start_tls(
            transport,
            protocol,
            context,
            server_side=means.is_server,
            server_hostname=means.server_hostname,
            ssl_handshake_timeout=2 * timeout,
        )


def no_handshake(error: BaseException) -> BaseException:
    """Return what is thrown into a dialogue for what ended a handshake."""
    if isinstance(error, asyncio.CancelledError):
        return Cancelled()
    if isinstance(error, TimeoutError):
        return TimeoutError("the handshake took too long")
    if not isinstance(error, OSError):
        logger.error("no handshake", exc_info=error)
    return handshake_failure(error) if isinstance(error, Exception) else error


def feed(transport: asyncio.Transport, octets: bytes) -> None:
    """Give octets to the TLS layer that has just been put on a transport.

    They came before it: in ``connection_made()`` a transport of uvloop does not hear
    ``pause_reading()``, and reads once with the protocol that it has.
    """
    layer: Any = transport.get_protocol()
    while octets:
        buffer = layer.get_buffer(len(octets))
        size = min(len(buffer), len(octets))
        buffer[:size] = octets[:size]
        layer.buffer_updated(size)
        octets = octets[size:]
