# SPDX-License-Identifier: MIT
"""Peers that do what no peer should, and a handler that keeps count of what it was told."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from adapter_drive import SECONDS, AsyncioWorld, World, contexts

from smtpproto.dialogues import Message, Peer

SERVER, CLIENT = contexts()
TEXT = b"Subject: x\r\n\r\ntext\r\n"
MODES: dict[str, dict[str, Any]] = {
    "plain": {},
    "starttls": {"tls": SERVER},
    "implicit": {"tls": SERVER, "tls_mode": "implicit"},
}
NOW = socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
"""The option with which closing a socket resets the connection."""

_T = TypeVar("_T")


def eventually(ready: Callable[[], _T], what: str = "it") -> _T:
    """Wait until `ready` returns something true, and return that."""
    end = time.monotonic() + SECONDS
    while not (found := ready()):
        assert time.monotonic() < end, f"{what} does not come about"
        time.sleep(0.002)
    return found


class Wire:
    """A client that has its hands on the octets, under TLS too.

    Args:
        port: of 127.0.0.1.
        implicit: begin with TLS.
    """

    def __init__(self, port: int, implicit: bool = False) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._layer: ssl.SSLObject | None = None
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._heard = b""
        if implicit:
            self.secure()

    def secure(self, behind: bytes = b"") -> None:
        """Make the handshake.

        Args:
            behind: what goes past the layer, in one segment with the end of it.
        """
        layer = CLIENT.wrap_bio(self._in, self._out, server_hostname="localhost")
        while True:
            try:
                layer.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._push()
                self._pull()
        self.sock.sendall(self._out.read() + behind)
        self._layer = layer

    def client_hello(self) -> bytes:
        """Return what a handshake begins with."""
        layer = CLIENT.wrap_bio(self._in, self._out, server_hostname="localhost")
        with suppress(ssl.SSLWantReadError):
            layer.do_handshake()
        return self._out.read()

    def seal(self, octets: bytes) -> bytes:
        """Return what has to be sent to say these."""
        if self._layer is None:
            return octets
        self._layer.write(octets)
        return self._out.read()

    def send(self, octets: bytes) -> None:
        if octets:
            self.sock.sendall(self.seal(octets))

    def close_notify(self) -> None:
        """End the TLS layer, and nothing below it (RFC 8446 6.1)."""
        assert self._layer is not None
        with suppress(ssl.SSLError):
            self._layer.unwrap()
        self._push()

    def half_close(self) -> None:
        if self._layer is not None:
            self.close_notify()
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(*NOW)
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    def reply(self) -> bytes:
        """Return the next reply, without its last CRLF; b"" for the end."""
        lines = b""
        while True:
            line, crlf, rest = self._heard.partition(b"\r\n")
            if not crlf:
                data = self._receive()
                if not data:
                    return lines
                self._heard += data
                continue
            self._heard = rest
            lines += line + crlf
            if line[3:4] != b"-":
                return lines[:-2]

    def say(self, octets: bytes) -> bytes:
        self.send(octets)
        return self.reply()

    def rest(self) -> bytes:
        """Return what comes up to the end, be it a reset."""
        heard, self._heard = self._heard, b""
        while data := self._receive():
            heard += data
        return heard

    def _receive(self) -> bytes:
        """Return some octets, b"" at the end."""
        try:
            while self._layer is not None:
                try:
                    return self._layer.read(65536)
                except ssl.SSLWantReadError:
                    self._pull()
            return self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            return b""

    def _pull(self) -> None:
        data = self.sock.recv(65536)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def _push(self) -> None:
        self.sock.sendall(self._out.read())

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Witness:
    """A handler that keeps count, and messages. Its hooks are plain."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connected = self.closed = self.begun = self.aborted = 0
        self.messages: list[Message] = []

    def on_connect(self, peer: Peer) -> Any:
        self._add("connected")

    def on_auth(self, peer: Peer, request: Any) -> Any:
        return request.password == "secret"

    def on_rcpt(self, peer: Peer, rcpt: Any) -> Any:
        # A transaction is counted here: not each MAIL is followed by anything.
        if peer.transaction is not None and not peer.transaction.recipients:
            self._add("begun")

    def on_message(self, peer: Peer, message: Message) -> Any:
        with self._lock:
            self.messages.append(message)

    def on_abort(self, peer: Peer) -> Any:
        if peer.transaction is not None and peer.transaction.recipients:
            self._add("aborted")

    def on_close(self, peer: Peer) -> Any:
        self._add("closed")

    def _add(self, name: str) -> None:
        with self._lock:
            setattr(self, name, getattr(self, name) + 1)

    def settled(self) -> bool:
        """Tell whether each session has ended, and each transaction with it, once."""
        return self.closed == self.connected and self.begun == self.aborted + len(self.messages)

    def __repr__(self) -> str:
        counts = {k: v for k, v in vars(self).items() if isinstance(v, int)}
        return f"Witness({counts}, messages={len(self.messages)})"


def everything_ended(server: Any, witness: Witness) -> None:
    """Wait for the end of all sessions, and see that each was told of, once."""
    eventually(lambda: not server.sessions, "the end of all sessions")
    eventually(witness.settled, f"the end of all transactions: {witness}")


def is_well(server: Any, witness: Witness, implicit: bool = False) -> None:
    """See that a server still takes mail."""
    before = len(witness.messages)
    with Wire(server.port, implicit) as wire:
        replies = [
            wire.reply()[:3],
            *(
                wire.say(line)[:3]
                for line in (
                    b"EHLO well.example\r\n",
                    b"MAIL FROM:<a@x.org>\r\n",
                    b"RCPT TO:<b@x.org>\r\n",
                    b"DATA\r\n",
                    TEXT + b".\r\n",
                    b"QUIT\r\n",
                )
            ),
        ]
    assert replies == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert [message.content for message in witness.messages[before:]] == [TEXT]


# --- what is left --------------------------------------------------------------------------------


def open_files() -> Counter[str]:
    """Count the sockets and files that this process has open."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{name}")] += 1
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


@contextmanager
def nothing_left(world: World) -> Iterator[None]:
    """See that no thread, task, socket or file is left that was not there before."""
    threads = set(threading.enumerate())
    files = open_files()
    tasks = _tasks(world)
    yield
    eventually(lambda: not _tasks(world) - tasks, f"the end of {_tasks(world) - tasks}")
    new = [t for t in threading.enumerate() if t not in threads and not _is_of_loop(t)]
    eventually(lambda: not any(t.is_alive() for t in new), f"the end of {new}")

    def left() -> Counter[str]:
        if open_files() - files:
            gc.collect()
        return open_files() - files

    eventually(lambda: not left(), f"the end of {left()}")


def _tasks(world: World) -> set[Any]:
    return asyncio.all_tasks(world.loop) if isinstance(world, AsyncioWorld) else set()


def _is_of_loop(thread: threading.Thread) -> bool:
    """Tell whether it is one of those that a loop keeps for ``to_thread``."""
    return thread.name.startswith("asyncio_")
