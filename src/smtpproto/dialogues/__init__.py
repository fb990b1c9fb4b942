# SPDX-License-Identifier: MIT
"""Whole conversations without I/O, as generators: written once for asyncio, threads and others.

A driver of one's own needs `steps`, and `serve_session` or the three dialogues of a client.
"""

from .application import Collect, Handler, Message, Peer, Reject, Sink
from .client import (
    StartTLSPolicy,
    ends_session,
    execute,
    is_reusable,
    may_quit,
    open_session,
    quit_session,
)
from .client_auth import Login, Mechanism, authenticate
from .conversation import Terms
from .deadlines import Clock, Times
from .errors import (
    AllRefused,
    AuthenticationError,
    ConnectionLost,
    ReplyError,
    SecurityError,
    SMTPError,
    TimedOut,
)
from .needs import Transfer
from .outgoing import Content, Outgoing, Recipients, prepare
from .records import (
    AuthenticationRecord,
    MessageRecord,
    Observe,
    Record,
    RefusalRecord,
    SessionRecord,
)
from .result import SendResult
from .sending import send_message
from .server import refuse_session, serve_session
from .several import Addressed, Outcome, check_listener, prepare_all, send_messages
from .steps import (
    CallFailed,
    Cancelled,
    Close,
    Dialogue,
    Handle,
    Handshake,
    Read,
    Step,
    call_failure,
    name_of,
)
from .trace import received
from .transcript import Transcript

__all__ = [
    "Addressed",
    "AllRefused",
    "AuthenticationError",
    "AuthenticationRecord",
    "CallFailed",
    "Cancelled",
    "Clock",
    "Close",
    "Collect",
    "ConnectionLost",
    "Content",
    "Dialogue",
    "Handle",
    "Handler",
    "Handshake",
    "Login",
    "Mechanism",
    "Message",
    "MessageRecord",
    "Observe",
    "Outcome",
    "Outgoing",
    "Peer",
    "Read",
    "Recipients",
    "Record",
    "RefusalRecord",
    "Reject",
    "ReplyError",
    "SMTPError",
    "SecurityError",
    "SendResult",
    "SessionRecord",
    "Sink",
    "StartTLSPolicy",
    "Step",
    "Terms",
    "TimedOut",
    "Times",
    "Transcript",
    "Transfer",
    "authenticate",
    "call_failure",
    "check_listener",
    "execute",
    "ends_session",
    "is_reusable",
    "may_quit",
    "name_of",
    "open_session",
    "prepare",
    "prepare_all",
    "quit_session",
    "received",
    "refuse_session",
    "send_message",
    "send_messages",
    "serve_session",
]
