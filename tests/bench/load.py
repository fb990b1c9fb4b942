# SPDX-License-Identifier: MIT
"""What is sent to a server that is measured: ready-made octets, nothing parsed but ends of replies.

Decides what each scenario puts on the wire. Measures nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from clients import body

LOOPBACK = "127.0.0.1"
EHLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<alice@example.org>\r\n"
RCPT = b"RCPT TO:<bob@example.net>\r\n"
DATA = b"DATA\r\n"
QUIT = b"QUIT\r\n"
DOT = b".\r\n"
SMALL = body(1024)
STUFFED = b".." + b"x" * 68 + b"\r\n"
DOTTED = b"..bcdef\r\n"


class Session:
    """One connection, greeted."""

    def __init__(self, port: int, hello: bool = True) -> None:
        self.sock = socket.create_connection((LOOPBACK, port), 60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.take(1)
        if hello:
            self.sock.sendall(EHLO)
            self.take(1)

    def take(self, replies: int) -> None:
        """Read so many replies."""
        octets = b""
        while True:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError(f"the server went away after {octets!r}")
            octets += more
            if octets.endswith(b"\r\n"):
                lines = octets.split(b"\r\n")
                last = [line for line in lines if line[3:4] == b" "]
                if len(last) >= replies:
                    break
        if any(line[:1] not in b"23" for line in last):
            raise ConnectionError(f"the server refused: {octets!r}")

    def close(self) -> None:
        """Take leave."""
        self.sock.sendall(QUIT)
        self.take(1)
        self.sock.close()


def open_sessions(port: int, count: int) -> list[Session]:
    return [Session(port) for _ in range(count)]


def close_all(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.close()


Run = Callable[[list[Session], int, int], None]
"""Sends messages: over these sessions, to this port, so many."""


def kept(content: bytes, recipients: int = 1) -> Run:
    """Messages over sessions that stay, one command at a time, the sessions in step."""
    steps = (MAIL, *[RCPT] * recipients, DATA, content + DOT)

    def run(sessions: list[Session], _port: int, count: int) -> None:
        for _ in range(count // len(sessions)):
            for step in steps:
                for session in sessions:
                    session.sock.sendall(step)
                for session in sessions:
                    session.take(1)

    return run


def anew(content: bytes) -> Run:
    """Make a connection for each message."""
    steps = (MAIL, RCPT, DATA, content + DOT)

    def run(_sessions: list[Session], port: int, count: int) -> None:
        for _ in range(count):
            session = Session(port)
            for step in steps:
                session.sock.sendall(step)
                session.take(1)
            session.close()

    return run


def pipelined(content: bytes) -> Run:
    """Send each message with the commands of the next (RFC 2920 3.1), the sessions in step."""
    group = MAIL + RCPT + DATA
    both = content + DOT + group

    def run(sessions: list[Session], _port: int, count: int) -> None:
        turns = count // len(sessions)
        for octets, replies in ((group, 3), *[(both, 4)] * (turns - 1), (content + DOT, 1)):
            for session in sessions:
                session.sock.sendall(octets)
            for session in sessions:
                session.take(replies)

    return run


def stream(session: Session, mebibytes: int, chunks: bool) -> None:
    """Send one message of so many mebibytes, by DATA or by BDAT."""
    piece = body(65536)
    count = mebibytes * 1024 * 1024 // len(piece)
    session.sock.sendall(MAIL + RCPT)
    session.take(2)
    if not chunks:
        session.sock.sendall(DATA)
        session.take(1)
    for number in range(count):
        if chunks:
            last = b" LAST" if number == count - 1 else b""
            session.sock.sendall(b"BDAT %d%b\r\n" % (len(piece), last))
        session.sock.sendall(piece)
        if chunks:
            session.take(1)
    if not chunks:
        session.sock.sendall(DOT)
        session.take(1)
