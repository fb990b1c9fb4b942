# SPDX-License-Identifier: MIT
"""A client on a blocking socket: what docs/integrate.md shows, under the type checker."""

import socket
import ssl
from collections.abc import Iterable

from smtpproto import (
    ClientConnection,
    Command,
    ConnectionClosed,
    Data,
    Ehlo,
    Mail,
    Quit,
    Rcpt,
    Reply,
    ReplyReceived,
    Rset,
    Signal,
    StartTLS,
    State,
    TLSInfo,
    recommended_timeout,
)

WINDOW = 100


class Session:
    """One connection to a server."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.conn = ClientConnection()
        self.require(self.exchange()[-1], 220)

    def exchange(self, octets: bytes = b"") -> list[Reply]:
        """Write, then read until every reply has come."""
        self.sock.sendall(octets)
        replies: list[Reply] = []
        while True:
            match self.conn.next_event():
                case Signal.NEED_DATA:
                    oldest = next(iter(self.conn.outstanding), None)
                    timeout = recommended_timeout("client", self.conn.state, oldest)
                    self.sock.settimeout(timeout)
                    if data := self.sock.recv(65536):
                        self.conn.receive_data(data)
                    else:
                        self.conn.receive_eof()
                case Signal.NEED_COMMAND | Signal.NEED_TLS:
                    return replies
                case ReplyReceived(reply=reply):
                    replies.append(reply)
                case ConnectionClosed(unanswered=lost):
                    if lost:
                        raise EOFError(f"the server left, {len(lost)} commands unanswered")
                    return replies

    def call(self, command: Command) -> Reply:
        """Send one command and wait for its reply."""
        return self.exchange(self.conn.send(command))[-1]

    def call_group(self, commands: list[Command]) -> list[Reply]:
        """Send commands together where the server allows it (RFC 2920)."""
        if not self.conn.may_group:
            return [self.call(command) for command in commands]
        replies = []
        for start in range(0, len(commands), WINDOW):
            group = commands[start : start + WINDOW]
            replies += self.exchange(b"".join(map(self.conn.send, group)))
        return replies

    def start_tls(self, context: ssl.SSLContext, hostname: str) -> None:
        """Go on under TLS (RFC 3207); the extensions are to be asked for anew."""
        self.require(self.call(StartTLS()), 220)
        sock = context.wrap_socket(self.sock, server_hostname=hostname)
        self.sock = sock
        verified = context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
        self.conn.tls_established(TLSInfo(version=sock.version() or "", peer_verified=verified))

    def send_mail(
        self, sender: str, recipients: list[str], pieces: Iterable[bytes]
    ) -> tuple[Reply, dict[str, Reply]]:
        """Send a message.

        Returns:
            The reply to the message, and the replies to the recipients that were refused.
        """
        if self.conn.state is not State.READY:  # what is left of a failed transaction
            self.require(self.call(Rset()), 250)
        group = [Mail(sender), *map(Rcpt, recipients)]
        first, *others = self.call_group(group)
        refused = {
            recipient: reply
            for recipient, reply in zip(recipients, others, strict=True)
            if reply.code >= 400
        }
        self.require(first, 250)
        if len(refused) == len(recipients):
            raise ValueError(f"all recipients refused: {refused}")
        self.require(self.call(Data()), 354)
        for piece in pieces:
            self.sock.sendall(self.conn.send_mail_data(piece))  # any size; dots are stuffed
        return self.exchange(self.conn.end_mail_data())[-1], refused

    def quit(self) -> None:
        """End the session."""
        if self.conn.state not in (State.CLOSED, State.ERROR):
            self.exchange(self.conn.send(Quit()))
        self.sock.close()

    def hello(self, name: str) -> None:
        """Say who we are, and learn what the server offers."""
        self.require(self.call(Ehlo(name)), 250)

    @staticmethod
    def require(reply: Reply, code: int) -> None:
        """Judge a reply by its first digit (RFC 5321 4.2.1)."""
        if reply.code // 100 != code // 100:
            raise ValueError(f"{code} expected, not {reply.code} {reply.text}")
