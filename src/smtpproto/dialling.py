# SPDX-License-Identifier: MIT
"""Connections that a client's user makes, for both adapters.

Decides what is one. Knows neither how it is made nor what is said over it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .exceptions import LocalProtocolError, Violation
from .kinds import described


def given(found: object) -> socket.socket:
    """Return what a `dial` returned, if a client can use it: a socket belongs to the client then.

    Raises:
        LocalProtocolError: it is no open stream socket, or TLS is there already; it is closed.
    """
    if (
        isinstance(found, socket.socket)
        and not isinstance(found, ssl.SSLSocket)
        and found.type == socket.SOCK_STREAM
        and found.fileno() >= 0
    ):
        if found.family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):  # gone already; what it said before is still to be read
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found
    got = described(found)
    if isinstance(found, socket.socket):
        got = f"{found!r:.80}"
        found.close()
    raise LocalProtocolError(
        f"dial: a stream socket that is open, without TLS, expected, not {got}",
        Violation.LOCAL_VALUE,
    )


@contextmanager
def of_a_dial() -> Iterator[None]:
    """Make of a TLS failure on the way, as to a proxy, one of the connection: it is no server's."""
    try:
        yield
    except ssl.SSLError as error:
        raise ConnectionError(str(error)) from error


def far_end(sock: socket.socket) -> Any:
    """Return what a socket says of the server's end; None where that is gone already."""
    try:
        return sock.getpeername()
    except OSError:
        return None
