# SPDX-License-Identifier: MIT
"""Brings a client connection to where a test begins, and takes events out of it."""

from __future__ import annotations

from typing import Any

from smtpproto import (
    Auth,
    ClientConnection,
    ClientEvent,
    ConnectionClosed,
    Data,
    Ehlo,
    Lhlo,
    Mail,
    Rcpt,
    ReplyReceived,
    Signal,
    StartTLS,
)

EVERYTHING = (
    "SIZE 1000",
    "8BITMIME",
    "PIPELINING",
    "ENHANCEDSTATUSCODES",
    "SMTPUTF8",
    "CHUNKING",
    "BINARYMIME",
    "STARTTLS",
    "AUTH PLAIN CRAM-MD5",
)
MAIL = Mail("from@example.com")
RCPT = Rcpt("to@example.com")


def feed(client: ClientConnection, octets: bytes) -> list[ClientEvent]:
    """Give octets to the client and return the events up to the next signal, or the end."""
    client.receive_data(octets)
    return events(client)


def events(client: ClientConnection) -> list[ClientEvent]:
    found: list[ClientEvent] = []
    while not isinstance(event := client.next_event(), Signal):
        found.append(event)
        if isinstance(event, ConnectionClosed):
            break
    return found


def answered(client: ClientConnection, octets: bytes) -> ReplyReceived:
    """Give the client one reply and return its event."""
    (event,) = feed(client, octets)
    assert isinstance(event, ReplyReceived)
    return event


def greeted(**settings: Any) -> ClientConnection:
    client = ClientConnection(**settings)
    answered(client, b"220 mx.example.org\r\n")
    return client


def announce(client: ClientConnection, *keywords: str) -> None:
    client.send(Lhlo("client.example.com") if client.lmtp else Ehlo("client.example.com"))
    lines = ["mx.example.org", *keywords]
    marks = ["-"] * len(keywords) + [" "]
    answered(client, "".join(f"250{m}{t}\r\n" for m, t in zip(marks, lines, strict=True)).encode())


def ready(*keywords: str, **settings: Any) -> ClientConnection:
    """Return a client in READY; without keywords, all known ones are announced."""
    client = greeted(**settings)
    announce(client, *(keywords or EVERYTHING))
    return client


def in_mail(*keywords: str, mail: Mail = MAIL, **settings: Any) -> ClientConnection:
    client = ready(*keywords, **settings)
    client.send(mail)
    answered(client, b"250 ok\r\n")
    return client


def in_rcpt(
    *keywords: str, mail: Mail = MAIL, recipients: int = 1, **settings: Any
) -> ClientConnection:
    client = in_mail(*keywords, mail=mail, **settings)
    for _ in range(recipients):
        client.send(RCPT)
        answered(client, b"250 ok\r\n")
    return client


def in_data(*keywords: str, recipients: int = 1, **settings: Any) -> ClientConnection:
    client = in_rcpt(*keywords, recipients=recipients, **settings)
    client.send(Data())
    answered(client, b"354 go on\r\n")
    return client


def in_bdat(**settings: Any) -> ClientConnection:
    client = in_rcpt(**settings)
    client.send_chunk(b"a chunk\r\n")
    answered(client, b"250 ok\r\n")
    return client


def in_failed_bdat(**settings: Any) -> ClientConnection:
    client = in_rcpt(**settings)
    client.send_chunk(b"a chunk\r\n")
    answered(client, b"452 full\r\n")
    return client


def in_auth() -> ClientConnection:
    client = ready()
    client.send(Auth("CRAM-MD5"))
    answered(client, b"334 PGE+\r\n")
    return client


def in_tls() -> ClientConnection:
    client = ready()
    client.send(StartTLS())
    answered(client, b"220 go\r\n")
    return client


def refused() -> ClientConnection:
    client = ClientConnection()
    answered(client, b"554 no\r\n")
    return client


def closed() -> ClientConnection:
    client = ready()
    feed(client, b"421 bye\r\n")
    return client


PLACES = {
    "CONNECTED": ClientConnection,
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
