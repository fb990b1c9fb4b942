# SPDX-License-Identifier: MIT
"""Listening sockets, for both adapters.

Decides how an address becomes one socket, so that port 0 is one port whatever the host. Accepts
nothing.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress


def listen(host: str | None, port: int, path: str | None = None) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: a name or an IP address; None for all interfaces, IPv4 and IPv6 where there is both.
        port: 0 for one that is free.
        path: of a Unix socket, in place of the others. A socket that was left behind goes away.

    Raises:
        OSError: the address cannot be had.
    """
    if path is not None:
        forget(path)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(path)
            listener.listen()
        except OSError:
            listener.close()
            raise
        return listener
    if host is None:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def forget(path: str) -> None:
    """Remove the Unix socket at `path`, if that is what is there."""
    with suppress(OSError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.remove(path)
