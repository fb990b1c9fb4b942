# SPDX-License-Identifier: MIT
"""What a server tells of its work: log records and counters, for both adapters.

Decides how the records of the dialogues are written down. Secrets and mail data are not in them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .dialogues.records import (
    AuthenticationRecord,
    MessageRecord,
    Record,
    RefusalRecord,
    SessionRecord,
)

logger = logging.getLogger("smtpproto.server")
"""INFO: one record for each message, AUTH, session and refused connection, with the facts in
``record.smtp``."""


@dataclass
class Counters:
    """What a server has done since it was made; they only grow."""

    sessions: int = 0
    """Sessions that have ended."""
    endings: dict[str, int] = field(default_factory=dict)
    """How they ended: see ``SessionRecord.ending``."""
    turned_away: int = 0
    """Connections that got no session: too many, no trusted proxy, no TLS handshake."""
    commands: int = 0
    """Commands that were in order."""
    errors: int = 0
    """Commands that were refused without asking the application, and lines that are none."""
    accepted: int = 0
    """Messages answered 250 for at least one recipient."""
    refused: int = 0
    """Messages refused after their mail data had come."""
    refused_senders: int = 0
    """MAIL commands that were refused, other than out of order."""
    refused_recipients: int = 0
    """RCPT commands that were refused, other than out of order."""
    octets: int = 0
    """Octets of mail data, of refused messages too."""
    authenticated: int = 0
    """AUTH exchanges that succeeded."""
    auth_failures: int = 0
    """AUTH exchanges that were refused at their end."""

    def as_dict(self) -> dict[str, Any]:
        """Return a copy as plain values, for whatever exports them."""
        # Each copy is one step of the interpreter: a session of another thread may end meanwhile.
        return {**vars(self), "endings": dict(self.endings)}


class Observer:
    """Counts and logs what a server's sessions tell.

    Args:
        lock: what is held to count, where several threads call; None where only one does.
    """

    def __init__(self, lock: threading.Lock | None = None) -> None:
        self.counters = Counters()
        self._lock = lock

    def __call__(self, record: Record) -> None:
        """Take a record."""
        kind, count, facts_of = _KINDS[type(record)]
        if self._lock is None:
            count(self.counters, record)
        else:
            with self._lock:
                count(self.counters, record)
        if logger.isEnabledFor(logging.INFO):
            facts = {"peer": str(record.peer), **facts_of(record)}
            text = " ".join(f"{name}={_shown(given)}" for name, given in facts.items())
            logger.info("%s %s", kind, text, extra={"smtp": {"kind": kind, **facts}})


def _count_message(counters: Counters, record: MessageRecord) -> None:
    counters.octets += record.size
    if record.is_accepted:
        counters.accepted += 1
    else:
        counters.refused += 1


def _message_facts(record: MessageRecord) -> dict[str, Any]:
    peer = record.peer
    hello = peer.hello
    return {
        "hello": None if hello is None else hello.domain,
        "tls": None if peer.tls is None else peer.tls.version,
        "identity": peer.identity,
        "sender": record.mail.reverse_path.address,
        "recipients": [rcpt.forward_path.address for rcpt in record.rcpts],
        "parameters": [
            f"{keyword}={text}" if text else keyword
            for keyword, text in record.mail.parameters.wire.items()
        ],
        "refused_recipients": record.refused_recipients,
        "size": record.size,
        "replies": [str(reply) for reply in record.replies],
    }


def _count_authentication(counters: Counters, record: AuthenticationRecord) -> None:
    if record.identity is None:
        counters.auth_failures += 1
    else:
        counters.authenticated += 1


def _authentication_facts(record: AuthenticationRecord) -> dict[str, Any]:
    return {
        "mechanism": record.mechanism,
        "identity": record.identity,
        "reply": str(record.reply),
    }


def _count_session(counters: Counters, record: SessionRecord) -> None:
    counters.sessions += 1
    counters.endings[record.ending] = counters.endings.get(record.ending, 0) + 1
    counters.commands += record.commands
    counters.errors += record.errors
    counters.refused_senders += record.refused_senders
    counters.refused_recipients += record.refused_recipients


def _session_facts(record: SessionRecord) -> dict[str, Any]:
    return {
        "ending": record.ending,
        "commands": record.commands,
        "errors": record.errors,
        "messages": record.messages,
        "refused_senders": record.refused_senders,
        "refused_recipients": record.refused_recipients,
        "last_refusal": None if record.last_refusal is None else str(record.last_refusal),
    }


def _count_refusal(counters: Counters, record: RefusalRecord) -> None:
    counters.turned_away += 1


def _refusal_facts(record: RefusalRecord) -> dict[str, Any]:
    return {"reason": record.reason}


_KINDS: Mapping[
    type[Record],
    tuple[str, Callable[[Counters, Any], None], Callable[[Any], dict[str, Any]]],
] = {
    MessageRecord: ("message", _count_message, _message_facts),
    AuthenticationRecord: ("authentication", _count_authentication, _authentication_facts),
    SessionRecord: ("session", _count_session, _session_facts),
    RefusalRecord: ("refusal", _count_refusal, _refusal_facts),
}


def _shown(given: object) -> str:
    """Return a value on one line, so that no peer can write a line of the log."""
    if isinstance(given, list):
        return ",".join(map(_shown, given)) or "-"
    text = "-" if given is None else str(given)
    if text.isprintable() and text.isascii() and not set(text) & set(' "\\,'):
        return text or '""'
    return ascii(text)
