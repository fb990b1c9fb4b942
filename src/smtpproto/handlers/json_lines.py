# SPDX-License-Identifier: MIT
"""Messages for other programs: one JSON object a line.

Decides the keys. They are a promise, like the names of classes.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from ..dialogues import Message, Peer
from .writing import Writing


class JsonLines(Writing):
    """A handler that writes each message as one JSON object on a line of its own, all in ASCII.

    Args:
        stream: where to; standard output by default.
        lock: held while it is written to; by default one for the threads of this process.

    Raises:
        LocalProtocolError: no stream of text, or no lock.
    """

    def record(self, peer: Peer, message: Message) -> str:
        """Return what is written of a message."""
        return json.dumps(as_json(peer, message)) + "\n"


def as_json(peer: Peer, message: Message) -> dict[str, Any]:
    """Return a message as values that JSON has.

    The content is text where it is UTF-8, and otherwise ``content_base64``.
    """
    record: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "peer": str(peer),
        "hello": peer.hello.domain if peer.hello else None,
        "tls": peer.tls.version if peer.tls else None,
        "sender": message.sender,
        "recipients": list(message.recipients),
        "mail_parameters": dict(message.mail.parameters.wire),
        "rcpt_parameters": [dict(rcpt.parameters.wire) for rcpt in message.rcpts],
        "size": len(message.content),
    }
    try:
        record["content"] = message.content.decode("utf-8")
    except UnicodeDecodeError:
        record["content_base64"] = base64.b64encode(message.content).decode("ascii")
    return record
