# SPDX-License-Identifier: MIT
"""Runs a dialogue over a socket, in the thread that calls.

Decides when octets are read and written, and when time is over. Knows no SMTP.
"""

from __future__ import annotations

import inspect
import logging
import os
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from ..dialogues import (
    Cancelled,
    Close,
    ConnectionLost,
    Dialogue,
    Handle,
    Handshake,
    Read,
    Reject,
    SecurityError,
    call_failure,
    name_of,
)
from ..forking import NO_SESSION, Opened
from ..tlstools import TLS, handshake_failure, tls_info

logger = logging.getLogger("smtpproto")

_READ = 65536
"""Octets of a read: more than 128 KiB would cost a mapping of memory each time."""
_LINGER = 2.0
"""Seconds for which input is dropped after our last reply, so that no reset destroys it."""
_HELD = 32768
"""Octets up to which output waits for the next step, where that comes at once."""
_LATE = 1.0
"""Seconds that a read may take longer than it should: to set a time costs a call of the system."""
_IDLE = Read(b"", 0.0)
"""In place of a `Read` where there is another reason to wait for the peer."""


class Clock:
    """The time, as often as it is asked for."""

    @property
    def now(self) -> float:
        """Seconds since some moment."""
        return monotonic()


class Driver(Opened):
    """Runs dialogues over one connection, one after the other.

    Args:
        sock: the connection; it belongs to the driver from now on.
        tls: the context for handshakes, or what returns it; None when there is none.
        is_server: which side of the handshake is ours.
        server_hostname: for a client, the name that the certificate must have.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        tls: TLS | None,
        is_server: bool,
        server_hostname: str | None = None,
    ) -> None:
        self.sock = sock
        """The connection, a TLS socket after the handshake."""
        self._tls = tls
        self._is_server = is_server
        self._server_hostname = server_hostname
        # Without TLS, nothing is tried on the socket that would block, but `_await` is asked first.
        self._layer: ssl.SSLSocket | None = None
        self._await = _readable(sock)
        self._held = b""
        self._deadline = 0.0
        self._timeout = -1.0
        self._eof = False
        self._stopping = False
        self._cut = False
        self._opener = os.getpid()
        self.thrown: list[BaseException] = []
        """What was thrown into the dialogue that ran last."""
        # What waits for the peer, and may be broken off by `stop` unless it may finish.
        self._reading: Read | None = None

    def run(self, dialogue: Dialogue) -> Any:
        """Run a dialogue and return its result."""
        if self._timeout < 0:
            self._allow(0.0)
        self.thrown = []
        result: Any = None
        failure: BaseException | None = None
        try:
            step = dialogue.send(None)
            while True:
                try:
                    if type(step) is Read:
                        result = self._read(step)
                    elif isinstance(step, Handle):
                        result, failure = self._handle(step)
                    elif isinstance(step, Handshake):
                        result = self._shake_hands(step)
                    elif isinstance(step, Close):
                        self._close(step)
                except (SecurityError, ConnectionLost, Cancelled, OSError) as error:
                    failure = self._told(error)
                if failure is None:
                    step = dialogue.send(result)
                else:
                    self.thrown.append(failure)
                    step, failure = dialogue.throw(failure), None
        except StopIteration as end:
            return end.value
        except BaseException:
            dialogue.close()
            raise

    def stop(self, now: bool = False) -> None:
        """End the dialogue as soon as no hook runs, and unless `now`, no message comes.

        Called from another thread.
        """
        self._stopping = True
        self._cut = self._cut or now
        step = self._reading
        if not now and (step is None or step.may_finish):
            return
        with suppress(OSError):  # it may be gone already
            # Past the TLS layer, whose own shutdown() would have it forgotten.
            socket.socket.shutdown(self.sock, socket.SHUT_RD)

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()

    # --- steps -----------------------------------------------------------------------------------

    def _read(self, step: Read) -> bytes | None:
        timeout = step.timeout
        if not timeout:
            if step.out or self._held:
                self._write(step.out, _LINGER)
            return self._look()
        self._write(step.out, timeout)
        # The whole time for the first read: mostly it brings all.
        if step.goes_on:
            timeout = self._deadline - monotonic()
            if timeout <= 0:
                raise TimeoutError
        else:
            self._deadline = monotonic() + timeout
        self._reading = step
        if self._stopping and (self._cut or not step.may_finish):
            raise Cancelled
        if self._layer is not None:
            data = self._read_layer(self._layer, timeout, step)
        else:
            if not self._await(timeout * 1000):
                raise TimeoutError
            try:
                data = self.sock.recv(step.limit or _READ)
            except BlockingIOError:  # select(2) warns of it
                return self._read(Read(b"", step.timeout, True, step.may_finish, step.limit))
        self._reading = None
        if not data:
            if self._stopping:
                raise Cancelled
            self._eof = True
        return data

    def _read_layer(self, layer: ssl.SSLSocket, timeout: float, step: Read) -> bytes:
        self._allow(timeout)
        if not layer.pending():
            # An end of the stream, and `stop` makes one, would break the layer: look below it.
            socket.socket.recv(layer, 1, socket.MSG_PEEK)
            if self._stopping and (self._cut or not step.may_finish):
                raise Cancelled
            left = self._deadline - monotonic()
            if left < timeout - _LATE:  # what came late may be no whole record
                self._allow(max(left, 0.01))
        return layer.recv(step.limit or _READ)

    def _look(self) -> bytes | None:
        """Return what is there, None for nothing."""
        # To ask the system is cheaper than a read that fails.
        if not self._await(0) and (self._layer is None or not self._layer.pending()):
            return None
        self._allow(0.0)
        try:
            return self.sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def _handle(self, step: Handle) -> tuple[Any, BaseException | None]:
        """Call a hook; return what it returned and what it raised."""
        if step.blocks or len(step.out) > _HELD:
            self._write(step.out, step.timeout)
        else:
            self._held += step.out
        try:
            result = step.call(*step.args)
            if result is not None and inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise TypeError("a plain function expected: nothing is awaited outside of asyncio")
        except Exception as error:
            if self._is_copied:
                raise
            if self._is_server and not isinstance(error, Reject):
                logger.exception("the hook %s failed", name_of(step.call))
            return None, call_failure(error)
        if self._is_copied:
            raise ConnectionLost(NO_SESSION)
        return result, None

    def _shake_hands(self, step: Handshake) -> Any:
        assert self._tls is not None
        self._write(step.out, step.timeout)
        self._allow(step.timeout)
        self._reading = _IDLE
        try:
            return self.secure()
        except (TimeoutError, Cancelled):
            raise
        except OSError as error:
            raise handshake_failure(error) from error
        except Exception as error:
            if self._layer is not None:  # of the handler of a signal
                raise
            # Of what should have returned a context.
            logger.exception("no handshake")
            raise handshake_failure(error) from error

    def secure(self) -> Any:
        """Make the TLS handshake; return the `TLSInfo`.

        Raises:
            OSError: it failed.
        """
        assert self._tls is not None
        context = self._tls if isinstance(self._tls, ssl.SSLContext) else self._tls()
        try:
            self.sock.getpeername()  # of Python before 3.13, wrap_socket() would lose the socket
        except OSError as error:
            raise ConnectionResetError("reset before it") from error
        layer = context.wrap_socket(
            self.sock,
            server_side=self._is_server,
            server_hostname=self._server_hostname,
            do_handshake_on_connect=False,
        )
        self.sock = self._layer = layer  # now, so that `stop` and `close` reach it
        self._await = _readable(layer)
        if self._stopping:
            raise Cancelled
        layer.do_handshake()
        return tls_info(layer)

    def _close(self, step: Close) -> None:
        """Write what is left, and close; a peer that is gone already does not matter."""
        try:
            self._write(step.out, _LINGER)
            self._take_leave()
            self._reading = _IDLE
            if step.lingers and not self._eof and (self._cut or not self._stopping):
                self._linger()
        except OSError:
            pass
        finally:
            self.sock.close()

    def _linger(self) -> None:
        sock = self.sock  # past the TLS layer, which cannot be half open
        socket.socket.shutdown(sock, socket.SHUT_WR)
        deadline = monotonic() + _LINGER
        while (left := deadline - monotonic()) > 0:
            self._allow(left)
            if not socket.socket.recv(sock, _READ):
                return

    def _take_leave(self) -> None:
        """End the TLS layer, if there is one, without waiting for the peer (RFC 8446 6.1)."""
        if self._layer is not None:
            with suppress(OSError, ValueError):
                self._allow(0.0)
                self._layer.unwrap()

    def _told(self, error: Exception) -> Exception:
        """Return what the dialogue is told of an error.

        Raises:
            Exception: this is the child of a fork in a hook, which says nothing to the peer.
        """
        if self._is_copied:
            raise error
        if isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionLost):
            return ConnectionLost(f"connection lost: {error}", self._leftover())
        return error

    # --- octets ----------------------------------------------------------------------------------

    def _write(self, octets: bytes, timeout: float) -> None:
        if self._held:
            octets = self._held + octets
            self._held = b""
        if not octets:
            return
        if self._layer is not None:
            self._allow(timeout)
            self._layer.sendall(octets)
            return
        try:
            sent = self.sock.send(octets)
        except BlockingIOError:
            sent = 0
        if sent < len(octets):
            try:
                self._allow(timeout)
                self.sock.sendall(memoryview(octets)[sent:])
            finally:
                self._allow(0.0)

    def _allow(self, seconds: float) -> None:
        """Set how long the next call on the socket may take."""
        if seconds != self._timeout:
            self._timeout = seconds
            self.sock.settimeout(seconds)

    def _leftover(self) -> bytes:
        """Return what had come before the connection broke: perhaps it says why."""
        try:
            return self._look() or b""
        except OSError:
            return b""


def _readable(sock: socket.socket) -> Callable[[float], object]:
    """Return what tells whether there is something to read, within so many milliseconds."""
    if not hasattr(select, "poll"):  # Windows
        return lambda timeout: select.select([sock], [], [], timeout / 1000)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll
