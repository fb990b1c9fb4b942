# SPDX-License-Identifier: MIT
"""What a server says where no command is outstanding.

Decides whether octets are a refusal, or may become one. What that means for a message, and for the
session, is not decided here.
"""

from __future__ import annotations

import re

from ..exceptions import RemoteProtocolError
from ..grammar.replies import Reply, ReplyParser
from ..limits import DEFAULT_LIMITS

_REFUSAL_LINE = re.compile(rb"[45][0-9][0-9]-")
_REFUSAL_START = re.compile(rb"(?:[45](?:[0-9](?:[0-9](?:[ -].*)?)?)?)?", re.DOTALL)


def early_refusal(data: bytes) -> Reply | None:
    """Return the refusal that octets begin with which came where no command was outstanding.

    The connection takes none there but a 421, so that no reply answers what comes later.
    """
    parser = ReplyParser(DEFAULT_LIMITS)
    for line in data.split(b"\r\n")[:-1]:
        try:
            reply = parser.feed(line)
        except RemoteProtocolError:
            return None
        if reply is not None:
            refuses = reply.is_transient or reply.is_permanent
            return reply if refuses and reply.code != 421 else None
    return None


def is_begun(data: bytes) -> bool:
    """Tell whether octets that came where no command was outstanding may become a refusal."""
    if len(data) > DEFAULT_LIMITS.reply_line:
        return False
    *lines, rest = data.split(b"\r\n")
    whole = all(map(_REFUSAL_LINE.match, lines))
    return whole and _REFUSAL_START.fullmatch(rest) is not None
