# SPDX-License-Identifier: MIT
"""Whole conversations without I/O, as generators: written once for asyncio, threads and others.

A driver of one's own needs `steps`, and `serve_session` or the three dialogues of a client.
"""

from .client import (
    StartTLSPolicy,
    Transfer,
    is_reusable,
    open_session,
    quit_session,
    send_message,
)
from .errors import AllRefused, ConnectionLost, ReplyError, SecurityError, SMTPError, TimedOut
from .handlers import Collect, Handler, Message, Peer, Reject, Sink
from .outgoing import Outgoing, prepare
from .result import SendResult
from .server import refuse_session, serve_session
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
)
from .transcript import Transcript

__all__ = [
    "AllRefused",
    "CallFailed",
    "Cancelled",
    "Close",
    "Collect",
    "ConnectionLost",
    "Dialogue",
    "Handle",
    "Handler",
    "Handshake",
    "Message",
    "Outgoing",
    "Peer",
    "Read",
    "Reject",
    "ReplyError",
    "SMTPError",
    "SecurityError",
    "SendResult",
    "Sink",
    "StartTLSPolicy",
    "Step",
    "TimedOut",
    "Transcript",
    "Transfer",
    "call_failure",
    "is_reusable",
    "open_session",
    "prepare",
    "quit_session",
    "refuse_session",
    "send_message",
    "serve_session",
]
