# SPDX-License-Identifier: MIT
"""Both roles in one process: a client and a server connection with a wire of memory between them.

Decides when octets move and how they are cut; the same choices give the same run. Knows no commands
and no replies: what is said is up to the test, and what is answered to the application.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, Literal

from . import (
    Auth,
    AuthResponseReceived,
    ClientConnection,
    ClientEvent,
    CommandReceived,
    ConnectionClosed,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Rcpt,
    Reply,
    ServerConnection,
    ServerEvent,
    Signal,
    TLSInfo,
)
from .kinds import FUNCTION, Kind, check_kinds, of, or_none
from .values import value

__all__ = ["GREETING", "Application", "ConnectionPair", "Message", "Segment", "Wire", "accept"]

Application = Callable[[ServerEvent], Reply | None]
"""Answers the event that a reply is due to; None puts the reply off. In LMTP it is asked once for
each recipient of a message, with the same event."""

Segment = int | Random | Literal["whole", "bytewise"]
"""How the wire cuts what it carries: as it was written, in pieces of so many octets, one by one, or
in pieces of random sizes."""


_WORDS = ("whole", "bytewise")
GREETING = Reply(220, "mx.example.org ready")


@value
class Message:
    """A message as it reached the server, accepted or not."""

    mail: Mail
    recipients: tuple[Rcpt, ...]
    """The accepted recipients."""
    data: bytes
    """The mail data, transparency undone."""


def accept(event: ServerEvent) -> Reply:
    """Answer as a server that takes everything does: AUTH, every recipient and every message."""
    default: Reply | None = getattr(event, "default_reply", None)
    if default is not None:
        return default
    if isinstance(event, AuthResponseReceived) or (
        isinstance(event, CommandReceived) and isinstance(event.command, Auth)
    ):
        return Reply(235, "authenticated", "2.7.0")
    return Reply(250, "ok", "2.0.0")


_KINDS: Mapping[str, Kind] = {
    "server": of(ServerConnection),
    "client": or_none(of(ClientConnection)),
    "application": FUNCTION,
}
_SEGMENT: Kind = (
    "a number of octets from 1, a Random, or one of whole, bytewise",
    lambda got: isinstance(got, Random) or got in _WORDS or (type(got) is int and got > 0),
)


class Wire:
    """One direction of the connection: octets go in as they are written, and out in segments.

    Args:
        segment: how to cut.
    """

    def __init__(self, segment: Segment = "whole") -> None:
        check_kinds({"segment": _SEGMENT}, {"segment": segment})
        self._segment = 1 if segment == "bytewise" else segment
        self._octets = bytearray()
        self.carried = bytearray()
        """All that has been written so far."""
        self.ended = False
        """The writer has ended its side: to be set for one that goes away without a word."""
        self._end_is_read = False

    def __len__(self) -> int:
        return len(self._octets)

    def write(self, octets: bytes) -> None:
        """Put octets on the wire; ignored once it has ended, as by a kernel."""
        if not self.ended:
            self._octets += octets
            self.carried += octets

    def move(self, receiver: ClientConnection | ServerConnection) -> bool:
        """Give `receiver` the next segment, or the end of the stream; False for nothing to give."""
        octets = self._take()
        if octets:
            receiver.receive_data(octets)
        elif self.ended and not self._end_is_read:
            self._end_is_read = True
            receiver.receive_eof()
        else:
            return False
        return True

    def _take(self) -> bytes:
        segment = self._segment
        if isinstance(segment, Random):
            size = segment.randint(1, max(1, len(self._octets)))
        else:
            size = len(self._octets) if isinstance(segment, str) else segment
        octets = bytes(self._octets[:size])
        del self._octets[:size]
        return octets


class ConnectionPair:
    """A client and a server that talk to each other.

    What the client returns goes onto the wire by `write`; `run` carries octets to and fro and asks
    the application until nothing moves any more.

        pair = ConnectionPair(ServerConnection("mx.example.org"), segment="bytewise")
        pair.run()
        pair.write(pair.client.send(Ehlo("client.example.com")))
        assert pair.run()[-1].reply.code == 250

    Args:
        server: the server's side.
        client: the client's side; by default one that knows all extensions.
        application: answers for the server; `accept` by default.
        greeting: what the server says first.
        segment: how both directions of the wire cut.
        tls: what both sides are told when a handshake is due.

    Raises:
        LocalProtocolError: segments of no octets, or what are no connections.
    """

    def __init__(
        self,
        server: ServerConnection,
        client: ClientConnection | None = None,
        application: Application = accept,
        greeting: Reply = GREETING,
        segment: Segment = "whole",
        tls: TLSInfo | None = None,
    ) -> None:
        check_kinds(_KINDS, {"server": server, "client": client, "application": application})
        self.server: Final = server
        self.client: Final = client or ClientConnection(lmtp=server.lmtp)
        self.application = application
        """May be exchanged at any time."""
        self.to_server: Final = Wire(segment)
        self.to_client: Final = Wire(segment)
        self.client_events: list[ClientEvent] = []
        """All that the client has seen, without signals."""
        self.server_events: list[ServerEvent] = []
        """All that the server has seen, without signals."""
        self.messages: list[Message] = []
        """The messages that have reached their end."""
        self._tls = tls
        self._data: list[bytes] = []
        self.reply(greeting)

    def write(self, octets: bytes) -> None:
        """Put on the wire what the client's methods returned."""
        self.to_server.write(octets)

    def reply(self, reply: Reply) -> None:
        """Let the server send a reply that the application put off, or a 421 that nobody asked for.

        Raises:
            LocalProtocolError: as for `ServerConnection.send`.
        """
        self.to_client.write(self.server.send(reply))

    def run(self) -> list[ClientEvent]:
        """Carry octets until nothing moves any more.

        Returns:
            The client's events since the last call, without signals.

        Raises:
            LocalProtocolError: the application gave a reply that is not allowed there.
            RemoteProtocolError: the client does not understand the server.
        """
        seen = len(self.client_events)
        while self._step():
            pass
        return self.client_events[seen:]

    def _step(self) -> bool:
        """Let each side do what it can, and move a segment each way; False when all is quiet."""
        server = self._serve()
        client = self._take_events()
        moved = self.to_client.move(self.client)
        if server is Signal.NEED_DATA:
            moved |= self.to_server.move(self.server)
        if server is client is Signal.NEED_TLS and not moved:
            self.server.tls_established(self._tls)
            self.client.tls_established(self._tls)
            moved = True
        return moved

    def _serve(self) -> ServerEvent:
        """Take the server's events and answer them; return what the server waits for."""
        while True:
            event = self.server.next_event()
            if event is Signal.NEED_REPLY:
                reply = self.application(self.server_events[-1])
                if reply is None:
                    return event
                self.reply(reply)
            elif isinstance(event, Signal) or _is_old_close(event, self.server_events):
                return event
            else:
                self.server_events.append(event)
                self._note(event)

    def _note(self, event: ServerEvent) -> None:
        """Put messages together, and end the wire with the session."""
        if isinstance(event, CommandReceived) and isinstance(event.command, Mail):
            self._data.clear()
        elif isinstance(event, MailDataReceived):
            self._data.append(event.data)
        elif isinstance(event, MailDataEnded):
            assert self.server.transaction is not None
            mail = self.server.transaction.mail
            self.messages.append(Message(mail, event.recipients, b"".join(self._data)))
        elif isinstance(event, ConnectionClosed):
            self.to_client.ended = True

    def _take_events(self) -> ClientEvent:
        """Take the client's events; return what the client waits for."""
        while True:
            event = self.client.next_event()
            if isinstance(event, Signal) or _is_old_close(event, self.client_events):
                return event
            self.client_events.append(event)
            if isinstance(event, ConnectionClosed):
                self.to_server.ended = True


def _is_old_close(event: object, events: Sequence[object]) -> bool:
    """Tell whether this is the end of the session, and has been seen."""
    return isinstance(event, ConnectionClosed) and event in events[-1:]
