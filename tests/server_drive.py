# SPDX-License-Identifier: MIT
"""Brings a server connection to where a test begins, and answers what it gives out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from smtpproto import (
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    Limits,
    MailDataReceived,
    Reply,
    ServerConnection,
    ServerEvent,
    Signal,
    TLSInfo,
    Violation,
    extensions,
)
from smtpproto.testing import accept

Application = Callable[[ServerEvent], Reply]

GREETING = Reply(220, "mx.example.org ready")
EVERYTHING: tuple[extensions.Extension, ...] = (
    extensions.Size(1000),
    extensions.EightBitMime(),
    extensions.Pipelining(),
    extensions.EnhancedStatusCodes(),
    extensions.SmtpUtf8(),
    extensions.Chunking(),
    extensions.BinaryMime(),
    extensions.StartTLS(),
    extensions.Auth("PLAIN", "CRAM-MD5", cleartext=True),
)
SMALL = Limits(
    command_line=80,
    auth_line=120,
    recipients=3,
    mail_data=40,
    errors=4,
    idle_commands=4,
    auth_attempts=3,
    pipelined_input=4096,
    discarded_line=300,
    discarded_mail_data=100,
)
"""Caps that a short test can reach."""


def new(**settings: Any) -> ServerConnection:
    """Return a server that has not greeted yet and offers everything."""
    return ServerConnection("mx.example.org", **{"extensions": EVERYTHING, **settings})


def greeted(greeting: Reply = GREETING, **settings: Any) -> ServerConnection:
    server = new(**settings)
    server.send(greeting)
    return server


@dataclass
class Outcome:
    """What came of some input."""

    events: list[ServerEvent] = field(default_factory=list)
    """All but the signals, pieces of mail data joined."""
    output: bytes = b""
    """What the server wrote."""

    @property
    def is_closed(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], ConnectionClosed)

    @property
    def codes(self) -> list[int]:
        """The reply codes that were sent, one for each reply."""
        lines = self.output.split(b"\r\n")[:-1]
        return [int(line[:3]) for line in lines if line[3:4] != b"-"]

    @property
    def violations(self) -> list[Violation]:
        """What was rejected, in order."""
        return [event.violation for event in self.events if isinstance(event, CommandRejected)]

    @property
    def data(self) -> bytes:
        """All mail data that was given out."""
        return b"".join(event.data for event in self.events if isinstance(event, MailDataReceived))

    @property
    def commands(self) -> list[str]:
        """The verbs that were received."""
        return [event.command.verb for event in self.events if isinstance(event, CommandReceived)]

    def add(self, event: ServerEvent) -> None:
        """Note an event; a piece of mail data is joined to the one before."""
        last = self.events[-1] if self.events else None
        if isinstance(event, MailDataReceived) and isinstance(last, MailDataReceived):
            event = MailDataReceived(last.data + event.data)
            self.events.pop()
        self.events.append(event)


def pump(server: ServerConnection, outcome: Outcome, application: Application = accept) -> Signal:
    """Take and answer events until the server waits for something else than a reply.

    In LMTP the application is asked once for each reply due.

    Returns:
        What the server waits for; NEED_DATA once it is closed.
    """
    while True:
        event = server.next_event()
        if event is Signal.NEED_REPLY:
            outcome.output += server.send(application(outcome.events[-1]))
        elif isinstance(event, Signal):
            return event
        elif outcome.is_closed:
            return Signal.NEED_DATA
        else:
            outcome.add(event)


def talk(
    server: ServerConnection,
    *pieces: bytes,
    application: Application = accept,
    eof: bool = False,
    tls: TLSInfo | None = None,
) -> Outcome:
    """Give the server these pieces one after the other, answering all it gives out.

    A handshake that is due happens at once.
    """
    outcome = Outcome()
    for piece in pieces:
        server.receive_data(piece)
        if pump(server, outcome, application) is Signal.NEED_TLS:
            server.tls_established(tls)
    if eof:
        server.receive_eof()
        pump(server, outcome, application)
    return outcome


def bytewise(octets: bytes) -> Iterable[bytes]:
    return (octets[i : i + 1] for i in range(len(octets)))


def event_of(server: ServerConnection, octets: bytes) -> Any:
    """Give the server octets and return the one event that comes of them, unanswered."""
    server.receive_data(octets)
    return server.next_event()


def rejection(server: ServerConnection, line: bytes) -> CommandRejected:
    """Give the server a line and return how it is rejected, unanswered."""
    event = event_of(server, line)
    assert isinstance(event, CommandRejected)
    assert event.line == line.removesuffix(b"\r\n")
    return event


def refuse(code: int, enhanced: str | None = None) -> Application:
    """Return an application that answers everything with one refusal."""
    return lambda event: Reply(code, "no", enhanced)


HELLO = b"EHLO client.example.com\r\n"
LHLO = b"LHLO client.example.com\r\n"
MAIL = b"MAIL FROM:<from@example.com>\r\n"
RCPT = b"RCPT TO:<to@example.org>\r\n"
DATA = b"DATA\r\n"
PLAIN = b"AUTH PLAIN AHRlc3QAMTIzNA==\r\n"


def ready(**settings: Any) -> ServerConnection:
    server = greeted(**settings)
    talk(server, LHLO if server.lmtp else HELLO)
    return server


def in_mail(mail: bytes = MAIL, **settings: Any) -> ServerConnection:
    server = ready(**settings)
    talk(server, mail)
    return server


def in_rcpt(mail: bytes = MAIL, recipients: int = 1, **settings: Any) -> ServerConnection:
    server = in_mail(mail, **settings)
    talk(server, RCPT * recipients)
    return server


def in_data(recipients: int = 1, **settings: Any) -> ServerConnection:
    server = in_rcpt(recipients=recipients, **settings)
    talk(server, DATA)
    return server


def in_bdat(**settings: Any) -> ServerConnection:
    server = in_rcpt(**settings)
    talk(server, b"BDAT 4\r\nab\r\n")
    return server


def in_failed_bdat(**settings: Any) -> ServerConnection:
    server = in_rcpt(**settings)
    talk(server, b"BDAT 4\r\nab\r\n", application=refuse(452))
    return server


def in_auth(**settings: Any) -> ServerConnection:
    server = ready(**settings)
    server.receive_data(b"AUTH CRAM-MD5\r\n")
    server.next_event()
    server.send(Reply(334, "PGE+"))
    return server


def in_tls(**settings: Any) -> ServerConnection:
    server = ready(**settings)
    server.receive_data(b"STARTTLS\r\n")
    server.next_event()
    server.send(Reply(220, "go"))
    return server


def refused(**settings: Any) -> ServerConnection:
    return greeted(Reply(554, "no"), **settings)


def closed(**settings: Any) -> ServerConnection:
    server = ready(**settings)
    server.send(Reply(421, "bye"))
    return server


PLACES: dict[str, Callable[..., ServerConnection]] = {
    "CONNECTED": new,
    "REFUSED": refused,
    "GREETED": greeted,
    "READY": ready,
    "MAIL": in_mail,
    "RCPT": in_rcpt,
    "DATA": in_data,
    "BDAT": in_bdat,
    "BDAT_FAILED": in_failed_bdat,
    "AUTH": in_auth,
    "TLS": in_tls,
    "CLOSED": closed,
}
"""State to a way to reach it: each takes the settings of a connection."""


def snapshot(server: ServerConnection) -> tuple[object, ...]:
    """Return all that a caller can see without changing anything."""
    return (
        server.state,
        server.transaction and (server.transaction.mail, tuple(server.transaction.recipients)),
        server.hello,
        server.tls,
        server.identity,
        server.is_authenticated,
        dict(server.keywords),
        dict(server.announced),
        server.buffered,
    )
