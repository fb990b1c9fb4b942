# SPDX-License-Identifier: MIT
"""Runs a dialogue over a socket, in the thread that calls.

Decides when octets are read and written, and when time is over. Knows no SMTP.
"""

from __future__ import annotations

import inspect
import logging
import select
import socket
import ssl
import time
from contextlib import suppress
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
from ..tlstools import TLS, handshake_failure, tls_info

logger = logging.getLogger("smtpproto")

_READ = 65536
"""Octets of a read: more than 128 KiB would cost a mapping of memory each time."""
_LINGER = 2.0
"""Seconds for which input is dropped after our last reply, so that no reset destroys it."""
_HELD = 32768
"""Octets up to which output waits for the next step, where that comes at once."""


class Clock:
    """The time, as often as it is asked for."""

    @property
    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


class Driver:
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
        self._held: list[bytes] = []
        self._poll: select.poll | None = None
        self._deadline = 0.0
        self._timeout: float | None = -1.0
        self._eof = False
        self._stopping = False
        self._cut = False
        # Where it does no harm that `stop` ends the reading.
        self._is_idle = False

    def run(self, dialogue: Dialogue) -> Any:
        """Run a dialogue and return its result."""
        result: Any = None
        failure: BaseException | None = None
        try:
            while True:
                step = dialogue.send(result) if failure is None else dialogue.throw(failure)
                result = failure = None
                try:
                    if type(step) is Read:
                        result = self._read(step)
                    elif isinstance(step, Handle):
                        result, failure = self._handle(step)
                    elif isinstance(step, Handshake):
                        result = self._shake_hands(step)
                    elif isinstance(step, Close):
                        self._close(step)
                except (TimeoutError, SecurityError, Cancelled) as error:
                    failure = error
                except OSError as error:
                    failure = ConnectionLost(f"connection lost: {error}", self._leftover())
        except StopIteration as end:
            return end.value
        finally:
            dialogue.close()

    def stop(self, now: bool = False) -> None:
        """End the dialogue as soon as no hook runs, and unless `now`, no message comes.

        Called from another thread.
        """
        self._stopping = True
        self._cut = self._cut or now
        if not (now or self._is_idle):
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
        if step.out or self._held:
            self._write(step.out, timeout or _LINGER)
        if not timeout:
            return self._look()
        # The whole time for the first read: mostly it brings all, and setting costs a call.
        if step.goes_on:
            timeout = self._deadline - time.monotonic()
        else:
            self._deadline = time.monotonic() + timeout
        self._is_idle = not step.may_finish
        if self._stopping and (self._is_idle or self._cut):
            raise Cancelled
        if timeout != self._timeout:
            self._allow(timeout)
        sock = self.sock
        if (
            type(sock) is not socket.socket
            and isinstance(sock, ssl.SSLSocket)
            and not sock.pending()
        ):
            # An end of the stream, and `stop` makes one, would break the layer: look below it.
            socket.socket.recv(sock, 1, socket.MSG_PEEK)
            if self._stopping and (self._is_idle or self._cut):
                raise Cancelled
        data = sock.recv(step.limit or _READ)
        self._is_idle = False
        if not data:
            if self._stopping:
                raise Cancelled
            self._eof = True
        return data

    def _look(self) -> bytes | None:
        """Return what is there, None for nothing."""
        if not self._is_readable():
            return None
        self._allow(0.0)
        try:
            return self.sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def _is_readable(self) -> bool:
        """Ask the system at once, which is cheaper than a read that fails."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        if self._poll is None:
            if not hasattr(select, "poll"):  # Windows
                return True
            self._poll = select.poll()
            self._poll.register(self.sock, select.POLLIN)
        return bool(self._poll.poll(0))

    def _handle(self, step: Handle) -> tuple[Any, BaseException | None]:
        """Call a hook; return what it returned and what it raised."""
        if step.blocks or len(step.out) > _HELD:
            self._write(step.out, step.timeout)
        elif step.out:
            self._held.append(step.out)
        try:
            result = step.call(*step.args)
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise TypeError("a plain function expected: nothing is awaited outside of asyncio")
        except Exception as error:
            if self._is_server and not isinstance(error, Reject):
                logger.exception("the hook %s failed", name_of(step.call))
            return None, call_failure(error)
        return result, None

    def _shake_hands(self, step: Handshake) -> Any:
        assert self._tls is not None
        self._write(step.out, step.timeout)
        self._allow(step.timeout)
        self._is_idle = True
        try:
            return self.secure()
        except (TimeoutError, Cancelled):
            raise
        except OSError as error:
            raise handshake_failure(error) from error
        except Exception as error:  # of what should have returned a context
            logger.exception("no handshake")
            raise handshake_failure(error) from error

    def secure(self) -> Any:
        """Make the TLS handshake; return the `TLSInfo`.

        Raises:
            OSError: it failed.
        """
        assert self._tls is not None
        context = self._tls if isinstance(self._tls, ssl.SSLContext) else self._tls()
        layer = context.wrap_socket(
            self.sock,
            server_side=self._is_server,
            server_hostname=self._server_hostname,
            do_handshake_on_connect=False,
        )
        self.sock = layer  # now, so that `stop` and `close` reach it
        if self._stopping:
            raise Cancelled
        layer.do_handshake()
        return tls_info(layer)

    def _close(self, step: Close) -> None:
        """Write what is left, and close; a peer that is gone already does not matter."""
        try:
            self._write(step.out, _LINGER)
            self._take_leave()
            self._is_idle = True
            if step.lingers and not self._eof and (self._cut or not self._stopping):
                self._linger()
        except OSError:
            pass
        finally:
            self.sock.close()

    def _linger(self) -> None:
        sock = self.sock  # past the TLS layer, which cannot be half open
        socket.socket.shutdown(sock, socket.SHUT_WR)
        deadline = time.monotonic() + _LINGER
        while (left := deadline - time.monotonic()) > 0:
            self._allow(left)
            if not socket.socket.recv(sock, _READ):
                return

    def _take_leave(self) -> None:
        """End the TLS layer, if there is one, without waiting for the peer (RFC 8446 6.1)."""
        if isinstance(self.sock, ssl.SSLSocket):
            with suppress(OSError, ValueError):
                self._allow(0.0)
                self.sock.unwrap()

    # --- octets ----------------------------------------------------------------------------------

    def _write(self, octets: bytes, timeout: float) -> None:
        if self._held:
            octets = b"".join((*self._held, octets))
            self._held.clear()
        if octets:
            if timeout != self._timeout:
                self._allow(timeout)
            self.sock.sendall(octets)

    def _allow(self, seconds: float) -> None:
        """Set how long the next call on the socket may take.

        Raises:
            TimeoutError: no time is left.
        """
        if seconds < 0:
            raise TimeoutError
        if seconds != self._timeout:
            self._timeout = seconds
            self.sock.settimeout(seconds)

    def _leftover(self) -> bytes:
        """Return what had come before the connection broke: perhaps it says why."""
        try:
            return self._look() or b""
        except OSError:
            return b""
