# SPDX-License-Identifier: MIT
"""The messages that are exchanged with other mail software, and a client to exchange them with."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import warnings
from collections.abc import Coroutine
from functools import cache
from typing import Any, Self, TypeVar

import pytest
from cli_drive import PATIENCE, certificates

from smtpproto import ClientConnection, Command, Reply, ReplyReceived, Signal

_T = TypeVar("_T")
HEADER = b"From: a@example.org\r\nSubject: interop\r\n\r\n"
CONTENTS = {
    "empty": b"",
    "no final newline": HEADER + b"the last line",
    "dots": HEADER + b".\r\n..\r\n.x\r\n" * 50 + b".\r\n",
    "8 bit": HEADER + "Grüße\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
}
SENDER = "sender@example.org"
RECIPIENTS_500 = [f"r{number}@example.org" for number in range(500)]

each_content = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)


@cache
def big() -> bytes:
    """Return a message of 20 MB."""
    return HEADER + b"".join(b"%07d %s\r\n" % (number, b"x" * 62) for number in range(280_000))


def whole(content: bytes) -> bytes:
    """Return what is sent of a message: its last line ends with CRLF (RFC 5321 4.1.1.4)."""
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


def outcome(*argv: object, given: bytes = b"") -> tuple[int, str]:
    """Run another client; return its exit status, and what it said."""
    done = subprocess.run(
        [str(word) for word in argv],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE * 2,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def run(*argv: object, given: bytes = b"") -> str:
    """Run another client that is to succeed; return what it said."""
    status, said = outcome(*argv, given=given)
    assert status == 0, said
    return said


def run_in_loop(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a client in a loop; a socket that it has not closed by then is closed here, unnoticed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return asyncio.run(coroutine)
        finally:
            gc.collect()


def ca() -> str:
    return certificates()[0]


class Session:
    """A session of the core over a blocking socket, for what no adapter sends by itself.

    Args:
        port: of 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.connection = ClientConnection()
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)

    def __enter__(self) -> Self:
        assert self.reply().code == 220
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def event(self) -> ReplyReceived:
        while True:
            event = self.connection.next_event()
            if isinstance(event, ReplyReceived):
                return event
            assert event is Signal.NEED_DATA, event
            self.connection.receive_data(self._socket.recv(65536))

    def reply(self) -> Reply:
        return self.event().reply

    def say(self, *commands: Command) -> list[Reply]:
        """Send commands as one group, and read their replies."""
        self.write(b"".join(map(self.connection.send, commands)))
        return [self.reply() for _ in commands]

    def message(self, content: bytes) -> Reply:
        """Send the mail data behind DATA, and read the reply."""
        self.write(self.connection.send_mail_data(content) + self.connection.end_mail_data())
        return self.reply()
