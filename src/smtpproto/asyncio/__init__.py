# SPDX-License-Identifier: MIT
"""Servers and clients for asyncio: everything about sockets, clocks and tasks, nothing of SMTP."""

from ..dialogues import (
    AllRefused,
    AuthenticationError,
    Collect,
    ConnectionLost,
    Handler,
    Message,
    Outcome,
    Peer,
    Reject,
    ReplyError,
    SecurityError,
    SendResult,
    Sink,
    SMTPError,
    TimedOut,
)
from .client import Client, send_mail
from .server import Server, serve

__all__ = [
    "AllRefused",
    "AuthenticationError",
    "Client",
    "Collect",
    "ConnectionLost",
    "Handler",
    "Message",
    "Outcome",
    "Peer",
    "Reject",
    "ReplyError",
    "SMTPError",
    "SecurityError",
    "SendResult",
    "Server",
    "Sink",
    "TimedOut",
    "send_mail",
    "serve",
]
