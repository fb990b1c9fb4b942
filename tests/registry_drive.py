# SPDX-License-Identifier: MIT
"""A server that offers every extension there is, in any state; and how a line of it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import server_drive as drive
from server_drive import HELLO, LHLO, MAIL, PLAIN, RCPT, Outcome, refuse, snapshot, talk

from smtpproto import Limits, ServerConnection, TLSInfo, extensions
from smtpproto.extensions import KNOWN, Extension

SETTINGS: dict[str, Extension] = {
    "AUTH": extensions.Auth("PLAIN", "CRAM-MD5", cleartext=True),
    "DELIVERBY": extensions.DeliverBy(2),
    "FUTURERELEASE": extensions.FutureRelease(999_999_999, datetime(2027, 1, 1, tzinfo=UTC)),
    "NO-SOLICITING": extensions.NoSoliciting("net.example:SPAM"),
    "BURL": extensions.Burl("imap"),
}
ALL = tuple(SETTINGS.get(extension.keyword, extension) for extension in KNOWN)
SYNTAX = (501, "5.5.4")
UNKNOWN_PARAMETER = (555, "5.5.4")
BAD_LINE = (500, "5.5.2")
OUT_OF_ORDER = (503, "5.5.1")
NOT_OFFERED = (502, "5.5.1")
Answer = tuple[int, str]


def without(*left_out: str) -> tuple[Extension, ...]:
    """Return all extensions but these and those that need them."""
    kept = ALL
    gone = set(left_out)
    while gone:
        kept = tuple(extension for extension in kept if extension.keyword not in gone)
        gone = {e.keyword for e in kept if set(e.requires) - {other.keyword for other in kept}}
    return kept


def server(*left_out: str, **settings: Any) -> ServerConnection:
    """Return a server in READY that offers all but these, under TLS, to a client it knows."""
    settings = {"tls": TLSInfo(), "limits": Limits(mail_data=None), **settings}
    connection = drive.ready(extensions=without(*left_out), **settings)
    if "AUTH" not in left_out:
        talk(connection, PLAIN + (LHLO if connection.lmtp else HELLO))
    return connection


_FROM_READY = {
    "READY": [],
    "MAIL": [MAIL],
    "RCPT": [MAIL + RCPT],
    "BDAT": [MAIL + RCPT, b"BDAT 2\r\nab"],
    "BDAT_FAILED": [MAIL + RCPT],
}


def at(place: str, *left_out: str, **settings: Any) -> ServerConnection:
    """Return such a server in a state that reads commands."""
    if place in ("GREETED", "REFUSED"):
        return drive.PLACES[place](extensions=without(*left_out), **settings)
    connection = server(*left_out, **settings)
    talk(connection, *_FROM_READY[place])
    if place == "BDAT_FAILED":
        talk(connection, b"BDAT 2\r\nab", application=refuse(452))
    assert connection.state.name == place
    return connection


def is_refused(connection: ServerConnection, line: str | bytes, answer: Answer) -> Outcome:
    """Assert that a line gets one reply, the status on each of its lines, and changes nothing."""
    before = snapshot(connection)
    octets = line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")
    outcome = talk(connection, octets + b"\r\n")
    code, status = answer
    starts = (f"{code} {status} ".encode(), f"{code}-{status} ".encode())
    assert all(reply_line.startswith(starts) for reply_line in outcome.output.splitlines())
    assert outcome.codes == [code]
    assert snapshot(connection) == before
    return outcome
