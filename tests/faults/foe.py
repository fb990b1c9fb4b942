# SPDX-License-Identifier: MIT
"""A server that follows a script up to some place, and then does what no server should."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from adapter_drive import SECONDS
from faults.drive import NOW, SERVER

Script = Sequence[tuple[bytes, bytes | None]]
"""What to wait for and what to say then; None makes the handshake."""


class Foe:
    """One session with a client.

    Args:
        script: what is said before.
        fault: what is done then; afterwards the connection stays as it is until the client leaves.
    """

    def __init__(self, script: Script, fault: Callable[[Foe], None]) -> None:
        self._script = script
        self._fault = fault
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self.received = b""
        self.sock = self._listener
        self._over = threading.Event()
        self.went_through = False
        """True when the script was followed to its end."""
        self._thread = threading.Thread(target=self._serve, name="foe")
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            self.sock = self._listener.accept()[0]
            with suppress(OSError):
                self.sock.settimeout(SECONDS)
                self._follow()
            self.sock.close()

    def _follow(self) -> None:
        fresh = b""
        for mark, reply in self._script:
            while mark not in fresh:
                data = self.sock.recv(65536)
                if not data:
                    return
                fresh += data
                self.received += data
            fresh = fresh.partition(mark)[2] if mark else fresh
            if reply is None:
                self.sock = SERVER.wrap_socket(self.sock, server_side=True)
            else:
                self.sock.sendall(reply)
        self.went_through = True
        self._fault(self)
        if self.sock.fileno() >= 0:
            while data := self.sock.recv(65536):
                self.received += data

    # --- faults ----------------------------------------------------------------------------------

    def reset(self) -> None:
        self.sock.setsockopt(*NOW)
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    def half_close(self) -> None:
        """And go on reading."""
        socket.socket.shutdown(self.sock, socket.SHUT_WR)

    def stall(self) -> None:
        """Say nothing more."""

    def stop_reading(self) -> None:
        """And say nothing more, until the test is over."""
        self._over.wait(SECONDS)

    def drip(self) -> None:
        """Begin a reply, and never come to its end."""
        with suppress(OSError):
            self.sock.sendall(b"250-")
            self.sock.settimeout(0.03)
            while True:
                self.sock.sendall(b"x")
                try:
                    data = self.sock.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    return

    def drip_lines(self) -> None:
        """Begin a reply, and go on with it for ever."""
        with suppress(OSError):
            self.sock.settimeout(0.03)
            while True:
                self.sock.sendall(b"250-x\r\n")
                try:
                    data = self.sock.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    return

    def talk_nonsense(self) -> None:
        self.sock.sendall(b"\0\xff nonsense\r\n" * 3)

    def talk_without_end(self) -> None:
        """In one line."""
        with suppress(OSError):
            while True:
                self.sock.sendall(b"x" * 65536)

    def __enter__(self) -> Foe:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "the client does not leave"
