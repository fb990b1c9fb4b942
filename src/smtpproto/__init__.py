# SPDX-License-Identifier: MIT
"""SMTP, ESMTP, submission and LMTP without I/O, for both roles.

The names of the core. The adapters are imported by their own path: `smtpproto.asyncio` and
`smtpproto.blocking`; the extensions through `smtpproto.extensions`.
"""

from .exceptions import (
    InvalidValueError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    Violation,
)
from .framing import LineEndings, ReceivedPolicy
from .grammar.addresses import Mailbox, Path
from .grammar.attributes import XClient, XForward
from .grammar.auth import Auth, AuthResponse, EndOfMailData, Greeting
from .grammar.command import Announcing, Command, Vocabulary
from .grammar.commands import (
    Bdat,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTLS,
    Vrfy,
)
from .grammar.encodings import decode_xtext, encode_xtext
from .grammar.leniency import Leniency
from .grammar.parameters import Parameter, Parameters
from .grammar.replies import Reply
from .grammar.verbs import Atrn, Burl, BurlLast, Etrn, Onex, Turn, Verb, WellKnown
from .limits import Limits
from .session.client import ClientConnection, ClientEvent
from .session.events import (
    AuthResponseReceived,
    ChunkEnded,
    ChunkReceived,
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    MailDataEnded,
    MailDataReceived,
    ReplyReceived,
    ServerEvent,
    Signal,
)
from .session.server import ServerConnection
from .session.timeouts import recommended_timeout
from .states import State
from .tlsinfo import TLSInfo

__version__ = "0.1.0"

__all__ = [
    "Announcing",
    "Atrn",
    "Auth",
    "AuthResponse",
    "AuthResponseReceived",
    "Bdat",
    "Burl",
    "BurlLast",
    "ChunkEnded",
    "ChunkReceived",
    "ClientConnection",
    "ClientEvent",
    "Command",
    "CommandReceived",
    "CommandRejected",
    "ConnectionClosed",
    "Data",
    "Ehlo",
    "EndOfMailData",
    "Etrn",
    "Expn",
    "Greeting",
    "Helo",
    "Help",
    "InvalidValueError",
    "Leniency",
    "Lhlo",
    "Limits",
    "LineEndings",
    "LocalProtocolError",
    "Mail",
    "MailDataEnded",
    "MailDataReceived",
    "Mailbox",
    "Noop",
    "Onex",
    "Parameter",
    "Parameters",
    "Path",
    "ProtocolError",
    "Quit",
    "Rcpt",
    "ReceivedPolicy",
    "RemoteProtocolError",
    "Reply",
    "ReplyReceived",
    "Rset",
    "ServerConnection",
    "ServerEvent",
    "Signal",
    "StartTLS",
    "State",
    "TLSInfo",
    "Turn",
    "Verb",
    "Violation",
    "Vocabulary",
    "Vrfy",
    "WellKnown",
    "XClient",
    "XForward",
    "decode_xtext",
    "encode_xtext",
    "recommended_timeout",
]
