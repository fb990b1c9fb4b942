# SPDX-License-Identifier: MIT
"""Listening sockets, for both adapters.

Decides how addresses become sockets, so that port 0 is one port whatever the hosts. Accepts
nothing.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .exceptions import LocalProtocolError, Violation
from .kinds import FLAG, PORT, SOCKET_PATH, Kind, check_fields, is_host, or_none
from .values import value

BACKLOG = 4096
"""Connections that wait to be accepted. Beyond, a client of Linux takes itself for connected, and
waits for a greeting from a server that has never heard of it."""
RETRY = 1.0
"""Seconds until the next try where no connection can be had, as when there are no file descriptors
left: as long as asyncio itself waits."""
_TRIES = 10
"""Ports that are tried where any will do, but the same at several addresses."""

Mark = tuple[int, int]
"""The device and inode of a Unix socket: its name may be another's by now."""

Hosts = str | Sequence[str] | None
"""Names or IP addresses to listen on; None for all interfaces."""


def _are_some(got: object, kind: type) -> bool:
    return isinstance(got, Collection) and bool(got) and all(isinstance(one, kind) for one in got)


def _are_names(got: Any) -> bool:
    # An empty one, perhaps a variable that is not set, would be all interfaces.
    return _are_some(got, str) and all(map(is_host, got))


def _are_streams(got: Any) -> bool:
    return _are_some(got, socket.socket) and all(one.type == socket.SOCK_STREAM for one in got)


_KINDS: Mapping[str, Kind] = {
    "host": (
        "a name or an address without a port, one or more, or None,",
        lambda got: got is None or _are_names([got] if isinstance(got, str) else got),
    ),
    "port": PORT,
    "path": or_none(SOCKET_PATH),
    "sockets": or_none(("at least one stream socket", _are_streams)),
    "reuse_port": FLAG,
}


@value
class Where:
    """Where a server listens: at TCP addresses, at a Unix socket, or at sockets that are there.

    Raises:
        LocalProtocolError: it is said in a way that there is not.
    """

    host: Hosts
    port: int
    path: str | None = None
    sockets: Sequence[socket.socket] | None = None
    reuse_port: bool = False

    def __post_init__(self) -> None:
        check_fields(_KINDS, self)
        if self.path is not None and self.sockets is not None:
            raise LocalProtocolError("path, sockets: one of them expected", Violation.LOCAL_VALUE)

    def listen(self) -> list[socket.socket]:
        """Return sockets that listen.

        Raises:
            OSError: an address cannot be had.
        """
        if self.sockets is not None:
            listening = list(self.sockets)
            for sock in listening:  # perhaps they are bound only
                sock.listen(BACKLOG)
        else:
            listening = listen(self.host, self.port, self.path, reuse_port=self.reuse_port)
        for sock in listening:
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                # The connections that it accepts inherit it.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening

    def mark(self) -> Mark | None:
        """Return what tells our Unix socket from another's at the same path; None without any."""
        if self.path is None or self.sockets is not None:
            return None
        return _mark(self.path)

    def forget(self, mark: Mark | None) -> None:
        """Remove our Unix socket, before it is closed: another's stays.

        Args:
            mark: what `mark` returned when we began to listen; None for nothing to remove.
        """
        if self.path is not None and mark is not None and _mark(self.path) == mark:
            with suppress(OSError):
                os.remove(self.path)


def listen(
    hosts: Hosts, port: int, path: str | None = None, *, reuse_port: bool = False
) -> list[socket.socket]:
    """Return sockets that listen.

    Args:
        hosts: one or more; None for all interfaces, IPv4 and IPv6 where there is both.
        port: 0 for one that is free, the same for all.
        path: of a Unix socket, in place of the others. One that was left behind goes away, and
            one where somebody listens stays.
        reuse_port: share the port with other processes that say so too (SO_REUSEPORT).

    Raises:
        OSError: an address cannot be had.
    """
    if path is not None:
        return [_listen_unix(path)]
    names = (hosts,) if hosts is None or isinstance(hosts, str) else hosts
    tries = 1 if port else _TRIES
    while True:
        made: list[socket.socket] = []
        try:
            for host in names:
                same = made[0].getsockname()[1] if made else port
                made.append(_listen_tcp(host, same, reuse_port))
            return made
        except OSError as error:
            for one in made:
                one.close()
            tries -= 1
            # What was free at the first of them may be another's at the next.
            if not (tries and made and error.errno == errno.EADDRINUSE):
                raise


def _listen_unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        if _is_left_behind(path):
            os.remove(path)
        listener.bind(path)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _is_left_behind(path: str) -> bool:
    """Tell whether there is a Unix socket where nobody listens any more."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # who listens may have no time
        try:
            probe.connect(path)
        except ConnectionRefusedError:  # said of a file that is no socket, too
            return _mark(path) is not None
        except OSError:
            return False
    return False


def _listen_tcp(host: str | None, port: int, reuse_port: bool) -> socket.socket:
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise OSError("this system has no SO_REUSEPORT")
    dual = host is None and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in (host or "") else socket.AF_INET
    return socket.create_server(
        (host or "", port),
        family=family,
        backlog=BACKLOG,
        reuse_port=reuse_port,
        dualstack_ipv6=dual,
    )


def _mark(path: str) -> Mark | None:
    with suppress(OSError):
        found = os.lstat(path)
        if stat.S_ISSOCK(found.st_mode):
            return found.st_dev, found.st_ino
    return None


def not_started() -> LocalProtocolError:
    """Make the error for who waits for a server that does not listen yet: it would be for ever."""
    return LocalProtocolError(
        "a server that listens expected: enter or start it first", Violation.LOCAL_STATE
    )


def started_before() -> LocalProtocolError:
    """Make the error for who starts a server twice."""
    return LocalProtocolError(
        "a server that was not started before expected: make another one", Violation.LOCAL_STATE
    )
