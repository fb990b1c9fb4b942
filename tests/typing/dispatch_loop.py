# SPDX-License-Identifier: MIT
"""A server that is pushed octets and dispatches by type, as docs/integrate.md shows it."""

from collections.abc import Callable, Mapping
from typing import Any

from smtpproto import (
    ChunkEnded,
    CommandReceived,
    CommandRejected,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Rcpt,
    Reply,
    ServerConnection,
    State,
)

NOT_IMPLEMENTED = Reply(502, "not implemented", "5.5.1")


class Inbox:
    """One session: octets in, octets out. No loop, no socket, no thread."""

    def __init__(self, conn: ServerConnection) -> None:
        self.conn = conn
        self.messages: list[bytes] = []
        self._content = bytearray()

    def connected(self) -> bytes:
        """Return what to write first."""
        return self.conn.send(Reply(220, f"{self.conn.hostname} ESMTP"))

    def received(self, octets: bytes) -> bytes:
        """Take what was read, b"" for the end; return what to write, in one piece."""
        if octets:
            self.conn.receive_data(octets)
        else:
            self.conn.receive_eof()
        out = bytearray()
        while True:
            event = self.conn.next_event()
            handle = HANDLERS.get(type(event))
            if handle is None:  # a signal, or ConnectionClosed
                return bytes(out)
            reply = handle(self, event)
            if reply is not None:
                out += self.conn.send(reply)

    @property
    def is_over(self) -> bool:
        """True when the connection is to be closed."""
        return self.conn.state is State.CLOSED

    def _command(self, event: CommandReceived) -> Reply:
        decide = DECISIONS.get(type(event.command))
        if decide is not None:
            return decide(self, event.command)
        return event.default_reply or NOT_IMPLEMENTED

    def _mail(self, _command: Mail) -> Reply:
        self._content.clear()
        return Reply(250, "ok", "2.1.0")

    def _rcpt(self, command: Rcpt) -> Reply:
        if command.forward_path.address.endswith("@example.org"):
            return Reply(250, "ok", "2.1.5")
        return Reply(550, "no relaying", "5.7.1")

    def _piece(self, event: MailDataReceived) -> None:
        self._content += event.data

    def _message(self, event: MailDataEnded) -> Reply:
        if event.default_reply is not None:  # only a refusal may be sent
            return event.default_reply
        self.messages.append(bytes(self._content))
        return Reply(250, "kept", "2.0.0")

    def _default(self, event: CommandRejected | ChunkEnded) -> Reply:
        return event.default_reply


HANDLERS: Mapping[type, Callable[[Inbox, Any], Reply | None]] = {
    CommandReceived: Inbox._command,
    CommandRejected: Inbox._default,
    MailDataReceived: Inbox._piece,
    ChunkEnded: Inbox._default,
    MailDataEnded: Inbox._message,
}
DECISIONS: Mapping[type, Callable[[Inbox, Any], Reply]] = {Mail: Inbox._mail, Rcpt: Inbox._rcpt}
