# SPDX-License-Identifier: MIT
"""What a server tells of its work: log records and counters, for both adapters.

Decides how the records of the dialogues are written down. Secrets and mail data are not in them.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from .dialogues.records import MessageRecord, SessionRecord

logger = logging.getLogger("smtpproto.server")
"""INFO: one record for each message and each session, with the facts in ``record.smtp``."""


@dataclass
class Counters:
    """What a server has done since it was made; they only grow."""

    sessions: int = 0
    """Sessions that have ended."""
    endings: dict[str, int] = field(default_factory=dict)
    """How they ended: see ``SessionRecord.ending``."""
    commands: int = 0
    """Commands that were in order."""
    errors: int = 0
    """Commands that were refused without asking the application, and lines that are none."""
    accepted: int = 0
    """Messages answered 250 for at least one recipient."""
    refused: int = 0
    """Messages refused after their mail data had come."""
    octets: int = 0
    """Octets of mail data, of refused messages too."""

    def as_dict(self) -> dict[str, Any]:
        """Return a copy as plain values, for whatever exports them."""
        return asdict(self)


class Observer:
    """Counts and logs what a server's sessions tell; any thread may call it."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._lock = threading.Lock()

    def __call__(self, record: MessageRecord | SessionRecord) -> None:
        """Take a record."""
        counters = self.counters
        with self._lock:
            if isinstance(record, MessageRecord):
                counters.octets += record.size
                if record.is_accepted:
                    counters.accepted += 1
                else:
                    counters.refused += 1
            else:
                counters.sessions += 1
                counters.endings[record.ending] = counters.endings.get(record.ending, 0) + 1
                counters.commands += record.commands
                counters.errors += record.errors
        if logger.isEnabledFor(logging.INFO):
            kind = "message" if isinstance(record, MessageRecord) else "session"
            facts = {"peer": str(record.peer), **_FACTS[kind](record)}
            text = " ".join(f"{name}={_shown(given)}" for name, given in facts.items())
            logger.info("%s %s", kind, text, extra={"smtp": {"kind": kind, **facts}})


def _message_facts(record: MessageRecord) -> dict[str, Any]:
    peer = record.peer
    hello = peer.hello
    return {
        "hello": None if hello is None else hello.domain,
        "tls": None if peer.tls is None else peer.tls.version,
        "identity": peer.identity,
        "sender": record.mail.reverse_path.address,
        "recipients": [rcpt.forward_path.address for rcpt in record.rcpts],
        "size": record.size,
        "replies": [str(reply) for reply in record.replies],
    }


def _session_facts(record: SessionRecord) -> dict[str, Any]:
    return {
        "ending": record.ending,
        "commands": record.commands,
        "errors": record.errors,
        "messages": record.messages,
    }


_FACTS: dict[str, Any] = {"message": _message_facts, "session": _session_facts}


def _shown(given: object) -> str:
    """Return a value on one line, so that no peer can write a line of the log."""
    if isinstance(given, list):
        return ",".join(map(_shown, given))
    text = "-" if given is None else str(given)
    if text.isprintable() and text.isascii() and not set(text) & set(' "\\,'):
        return text or '""'
    return ascii(text)
