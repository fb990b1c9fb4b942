# SPDX-License-Identifier: MIT
"""What ``next_event()`` gives: signals for whoever drives the I/O, and facts about the peer.

Decides the fields of each event. A field ``default_reply`` is what an application without an
opinion sends; it is None where only the application can know.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Literal

from ..exceptions import Violation
from ..grammar.commands import Command, Rcpt
from ..grammar.replies import Reply
from ..values import value


class Signal(enum.Enum):
    """What the connection waits for."""

    NEED_DATA = "write what is due, then read"
    """Write what `send` returned, then call ``receive_data`` or ``receive_eof``."""
    NEED_REPLY = "send a reply"
    """A server owes a reply: call ``send``."""
    NEED_COMMAND = "send a command"
    """Nothing is outstanding: it is the client's turn, in DATA to give mail data."""
    NEED_TLS = "shake hands"
    """Write what is due, make the TLS handshake, then call ``tls_established``."""


@value
class CommandReceived:
    """A command that is right in syntax, admitted in this state, and offered. One reply is due."""

    command: Command
    line: bytes = field(repr=False)
    """The line as received, without its CRLF."""
    default_reply: Reply | None
    """None for MAIL, RCPT and AUTH."""


@value
class CommandRejected:
    """A line that is not to be obeyed. One reply is due, of 4yz or 5yz."""

    command: Command | None
    """None where the line did not parse."""
    line: bytes = field(repr=False)
    """The line as received, without its CRLF, an over-long one cut short. It may hold a password:
    it is not to be logged."""
    violation: Violation
    default_reply: Reply
    closes: bool = False
    """The session is over once the reply is sent."""


@value
class AuthResponseReceived:
    """The client's answer to a 334. One reply is due (RFC 4954 4)."""

    data: bytes = field(repr=False)
    """Decoded."""
    default_reply: None = None


@value
class MailDataReceived:
    """A piece of mail data, transparency undone. No reply is due."""

    data: bytes
    """Never empty."""


@value
class ChunkEnded:
    """All octets of a BDAT that is not the last one have come. One reply is due (RFC 3030 2)."""

    command: Command
    default_reply: Reply


@value
class MailDataEnded:
    """The end of mail data, by DATA or by BDAT LAST.

    One reply is due; in LMTP one for each recipient, in their order (RFC 2033 4.2). Where MAIL had
    PRDR, it may be a 353: then one for each recipient, and one for the message as a whole.
    """

    size: int
    """Octets of the message."""
    recipients: tuple[Rcpt, ...]
    """The accepted recipients, duplicates included."""
    violation: Violation | None = None
    """Why the message must be refused, None for a good one."""
    default_reply: Reply | None = None
    """The refusal of a message with a violation: then only 4yz or 5yz may be sent."""
    closes: bool = False
    """The session is over once the reply is sent."""


@value
class ChunkReceived:
    """Octets that another verb than BDAT announced. No reply is due before their end."""

    command: Command
    data: bytes = field(repr=False)


@value
class ReplyReceived:
    """A whole reply, matched to what it answers."""

    command: Command | None
    """None for a 421 that answers nothing. `Greeting` and `EndOfMailData` stand for what is no
    command line."""
    reply: Reply
    challenge: bytes | None = field(default=None, repr=False)
    """With 334: the decoded challenge, None if it is not base64."""


@value
class ConnectionClosed:
    """The session is over; the connection is to be closed."""

    clean: bool
    """QUIT was answered, or the peer left between commands with no transaction."""
    unanswered: tuple[Command, ...] = ()
    """Client: the commands that got no reply, oldest first."""


ServerEvent = (
    Literal[Signal.NEED_DATA, Signal.NEED_REPLY, Signal.NEED_TLS]
    | CommandReceived
    | CommandRejected
    | AuthResponseReceived
    | MailDataReceived
    | ChunkReceived
    | ChunkEnded
    | MailDataEnded
    | ConnectionClosed
)
