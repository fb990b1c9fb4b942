# SPDX-License-Identifier: MIT
"""The messages that are exchanged with other mail software, and a client to exchange them with."""

from __future__ import annotations

import secrets
import socket
from functools import cache
from typing import Self

import pytest
from cli_drive import PATIENCE

from smtpproto import (
    Auth,
    AuthResponse,
    ClientConnection,
    Command,
    Reply,
    ReplyReceived,
    Signal,
)
from smtpproto.sasl import Credentials, make_client

HEADER = b"From: a@example.org\r\nSubject: interop\r\n\r\n"
CONTENTS = {
    "empty": b"",
    "no final newline": HEADER + b"the last line",
    "dots": HEADER + b".\r\n..\r\n.x\r\n" * 50 + b".\r\n",
    "8 bit": HEADER + "Grüße\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
}
RECIPIENTS_500 = [f"r{number}@example.org" for number in range(500)]

each_content = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)


@cache
def big() -> bytes:
    """Return a message of 20 MB."""
    return HEADER + b"".join(b"%07d %s\r\n" % (number, b"x" * 62) for number in range(280_000))


def whole(content: bytes) -> bytes:
    """Return what is sent of a message: its last line ends with CRLF (RFC 5321 4.1.1.4)."""
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


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

    def authenticate(self, mechanism: str, username: str, password: str) -> Reply:
        """Go through an exchange, and return its last reply; the server must have proved itself."""
        made = make_client(
            mechanism, Credentials(username, password), secrets.token_urlsafe(18).encode()
        )
        self.write(self.connection.send(Auth(mechanism, made.initial_response())))
        while (event := self.event()).reply.code == 334:
            assert event.challenge is not None
            self.write(self.connection.send(AuthResponse(made.step(event.challenge))))
        assert made.done or not event.reply.is_positive
        return event.reply
