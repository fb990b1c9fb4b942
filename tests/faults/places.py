# SPDX-License-Identifier: MIT
"""Where a client may be in a session when something happens to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faults.drive import MODES, TEXT, Wire

from smtpproto.limits import Limits

HELLO = b"EHLO bad.example\r\n"
MAIL = b"MAIL FROM:<a@x.org>\r\n"
RCPT = b"RCPT TO:<b@x.org>\r\n"


@dataclass(frozen=True)
class Place:
    """What was said before."""

    says: tuple[bytes, ...] = ()
    """Each is answered by one reply."""
    tail: bytes = b""
    """Said too, and not waited for."""
    raw: bytes = b""
    """Sent past the TLS layer."""
    after: bytes = b"250"
    """How the last reply begins."""
    needs: str = ""
    """The mode in which there is such a place."""


PLACES = {
    "before the greeting": Place(),
    "half a command": Place((HELLO,), b"MAIL FROM:<a@"),
    "READY": Place((HELLO,)),
    "an error": Place((HELLO, b"FOO\r\n"), after=b"500"),
    "MAIL": Place((HELLO, MAIL)),
    "RCPT": Place((HELLO, MAIL, RCPT)),
    "half a RCPT": Place((HELLO, MAIL, RCPT), b"RCPT TO:<c@x.org>\r"),
    "after RSET": Place((HELLO, MAIL, RCPT, b"RSET\r\n")),
    "after EHLO in RCPT": Place((HELLO, MAIL, RCPT, HELLO)),
    "DATA": Place((HELLO, MAIL, RCPT, b"DATA\r\n"), after=b"354"),
    "half a message": Place((HELLO, MAIL, RCPT, b"DATA\r\n"), TEXT, after=b"354"),
    "before the last CRLF": Place((HELLO, MAIL, RCPT, b"DATA\r\n"), TEXT + b".", after=b"354"),
    "before the last LF": Place((HELLO, MAIL, RCPT, b"DATA\r\n"), TEXT + b".\r", after=b"354"),
    "half a chunk": Place((HELLO, MAIL, RCPT), b"BDAT 1000\r\nabc"),
    "half a last chunk": Place((HELLO, MAIL, RCPT), b"BDAT 1000 LAST\r\nabc"),
    "BDAT": Place((HELLO, MAIL, RCPT, b"BDAT 4\r\na\r\nb")),
    "BDAT_FAILED": Place((HELLO, MAIL, RCPT, b"BDAT 4000\r\n" + bytes(4000)), after=b"552"),
    "half a chunk that is refused": Place((HELLO, MAIL, RCPT), b"BDAT 4000\r\n" + bytes(3000)),
    "half a chunk in no transaction": Place((HELLO,), b"BDAT 4000\r\n" + bytes(3000)),
    "AUTH": Place((HELLO, b"AUTH LOGIN\r\n"), after=b"334"),
    "half a response": Place((HELLO, b"AUTH LOGIN\r\n", b"YW5u\r\n"), b"c2Vj", after=b"334"),
    "authenticated": Place((HELLO, b"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"), after=b"235"),
    "after a failed AUTH": Place((HELLO, b"AUTH PLAIN AGFubgB3cm9uZw==\r\n"), after=b"535"),
    "the handshake": Place((HELLO, b"STARTTLS\r\n"), after=b"220", needs="starttls"),
    "half a ClientHello": Place(
        (HELLO, b"STARTTLS\r\n"), raw=b"\x16\x03\x01\2\0\1\0\1\xfc", after=b"220", needs="starttls"
    ),
}
LIMIT = 2000
"""Octets of a message at most, so that a chunk can be too long."""


def go(port: int, mode: str, place: Place) -> Wire:
    """Bring a client to a place."""
    wire = Wire(port, mode == "implicit")
    if not place.says:
        return wire
    assert wire.reply()[:3] == b"220"
    if mode == "starttls" and place.needs != "starttls":
        wire.say(HELLO)
        assert wire.say(b"STARTTLS\r\n")[:3] == b"220"
        wire.secure()
    replies = [wire.say(line)[:3] for line in place.says]
    assert replies[-1] == place.after, (place, replies)
    wire.send(place.tail)
    wire.sock.sendall(place.raw)
    return wire


def places(mode: str) -> dict[str, Place]:
    """Return the places that there are in a mode."""
    return {name: place for name, place in PLACES.items() if place.needs in ("", mode)}


def options(mode: str, **more: Any) -> dict[str, Any]:
    """Return what to tell a server."""
    return {**MODES[mode], "limits": Limits(mail_data=LIMIT), "auth_cleartext": True, **more}
