# SPDX-License-Identifier: MIT
"""A socket as a transport: what a loop's own one does, in a third of the calls.

Decides how octets are read, written and kept until the peer takes them, and when a connection is
over. Does by the public calls of a loop that polls what other loops do in C. Knows no dialogue.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Any

_HIGH = 65536
"""Octets kept, beyond which the protocol is asked to pause, as a loop's own transports do."""
_LOW = 16384


class Receiver(asyncio.BufferedProtocol):
    """A protocol that also takes octets as they are, without a buffer to copy them from."""

    __slots__ = ("room",)

    room: int
    """Octets to give it at once, at most."""

    def received(self, octets: bytes) -> None:
        """Take what came."""


class SocketTransport(asyncio.Transport):
    """One connection, in a loop that polls.

    Args:
        loop: the loop.
        sock: the connection, which does not block; it belongs to the transport from now on.
        address: what the socket says of the peer.
        protocol: what is told.
    """

    # As in `Channel`: a server may have very many of them.
    __slots__ = (
        "_address",
        "_choked",
        "_closing",
        "_ended",
        "_eof",
        "_fd",
        "_loop",
        "_paused",
        "_protocol",
        "_sock",
        "_unsent",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        address: Any,
        protocol: Receiver,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._address = address
        self._protocol = protocol
        # What the peer has not taken yet.
        self._unsent: bytearray | None = None
        # Whether `pause_writing` was called last, and our side ends with what is unsent.
        self._choked = self._eof = False
        # What is over: reading by our choice, reading for good, and the connection.
        self._paused = self._closing = self._ended = False
        protocol.connection_made(self)
        if not (self._paused or self._closing):
            loop.add_reader(self._fd, self._readable)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known: "socket", "peername" or "sockname"."""
        if name == "peername":
            return self._address
        if name == "socket":
            return self._sock
        return self._sock.getsockname() if name == "sockname" else default

    # --- reading ---------------------------------------------------------------------------------

    def _readable(self) -> None:
        protocol = self._protocol
        try:
            octets = self._sock.recv(protocol.room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if octets:
            protocol.received(octets)
        elif protocol.eof_received():
            self.pause_reading()  # there is no more
        else:
            self.close()

    def pause_reading(self) -> None:
        """Read no more for now."""
        if not (self._paused or self._closing):
            self._paused = True
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._paused and not self._closing:
            self._paused = False
            self._loop.add_reader(self._fd, self._readable)

    # --- writing ---------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets, now or as soon as the peer takes them."""
        if self._unsent:
            self._keep(data)
            return
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._end(error)
            return
        if sent != len(data):
            self._keep(data[sent:])

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        if self._ended:  # by now its number may be another's
            return
        if self._unsent:
            self._unsent += data
        else:
            self._unsent = bytearray(data)
            self._loop.add_writer(self._fd, self._writable)
        if len(self._unsent) > _HIGH and not self._choked:
            self._choked = True
            self._protocol.pause_writing()

    def _writable(self) -> None:
        assert self._unsent is not None
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._unsent = None
            self._loop.remove_writer(self._fd)
            if self._closing:
                self._end(None)
            elif self._eof:
                with suppress(OSError):  # the peer's reset was faster
                    self._sock.shutdown(socket.SHUT_WR)
        if self._choked and self.get_write_buffer_size() <= _LOW:
            self._choked = False
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        """Return how many octets the peer has not taken yet."""
        return len(self._unsent or b"")

    def can_write_eof(self) -> bool:
        """Return True: a socket may be half open."""
        return True

    def write_eof(self) -> None:
        """End our side, once all is sent."""
        if self._unsent:
            self._eof = True
        else:
            self._sock.shutdown(socket.SHUT_WR)

    # --- the end ---------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Tell whether `close` or `abort` was called, or the connection is lost."""
        return self._closing

    def close(self) -> None:
        """Read no more, send what is left, and close."""
        if not self._unsent:
            self._end(None)
        elif not self._closing:
            self._closing = True
            self._loop.remove_reader(self._fd)

    def abort(self) -> None:
        """Close now."""
        self._end(None)

    def _end(self, error: OSError | None) -> None:
        if not self._ended:
            self._let_go()
            self._loop.call_soon(self._tell, error)

    def _let_go(self) -> None:
        """Have the loop look at the socket no more."""
        self._ended = self._closing = True
        self._loop.remove_reader(self._fd)
        if self._unsent:
            self._unsent = None
            self._loop.remove_writer(self._fd)

    def _tell(self, error: OSError | None) -> None:
        protocol = self._protocol
        del self._protocol  # which knows us
        try:
            protocol.connection_lost(error)
        finally:
            self._sock.close()

    async def start_tls(
        self, context: ssl.SSLContext, timeout: float, server_hostname: str | None = None
    ) -> asyncio.BaseTransport:
        """Make the TLS handshake; return the transport to use from now on, which is the loop's.

        Args:
            context: ours.
            timeout: seconds for the handshake at most.
            server_hostname: for a client, the name that the certificate must have.
        """
        if self._ended:
            raise ConnectionResetError("the connection is gone")
        unsent, sock, protocol = self._unsent, self._sock, self._protocol
        self._let_go()
        if unsent:
            try:
                await self._loop.sock_sendall(sock, unsent)
            except BaseException:
                sock.close()
                raise
        secured: dict[str, Any] = {"ssl": context, "ssl_handshake_timeout": timeout}
        if server_hostname is None:
            made = self._loop.connect_accepted_socket(lambda: protocol, sock, **secured)
        else:
            made = self._loop.create_connection(
                lambda: protocol, sock=sock, server_hostname=server_hostname, **secured
            )
        return (await made)[0]
