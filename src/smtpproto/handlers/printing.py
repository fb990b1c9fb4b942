# SPDX-License-Identifier: MIT
"""Messages for people: decoded, on a terminal.

Decides how much of a message is shown, and that nothing in it is dangerous there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message as Mime
from email.policy import Compat32
from typing import Any, TextIO

from ..dialogues import Message, Peer
from ..grammar.parameters import Parameters
from .terminal import encodable, painter, safe, safe_lines
from .writing import Writing

_SHOWN = 64 * 1024
"""Characters of a text that are shown: a terminal is no place for megabytes."""
_FIELD = 16 * 1024
"""Characters of a header field that are looked at, far above any in use."""
_LOOKED_AT = 1024 * 1024
"""Octets that are parsed: a message of nothing but parts is no more than this much work."""


class Print(Writing):
    """A handler that shows messages to people: envelope, header and text, decoded and tame.

    Args:
        stream: where to; standard output by default.
        lock: held while it is written to; by default one for the threads of this process.

    Raises:
        LocalProtocolError: no stream of text, or no lock.
    """

    def __init__(
        self, stream: TextIO | None = None, lock: AbstractContextManager[Any] | None = None
    ) -> None:
        super().__init__(stream, lock)
        self._paint = painter(self._stream)
        self._count = itertools.count(1)

    def record(self, peer: Peer, message: Message) -> str:
        """Return what is shown of a message."""
        number = next(self._count)
        tls = f", {peer.tls.version}" if peer.tls else ""
        hello = f"{peer.hello.verb} {peer.hello.domain}" if peer.hello else "no hello"
        title = f"--- message {number} from {safe(str(peer))} ({safe(hello)}{tls}) ---"
        lines = [
            self._paint("bold", title),
            f"MAIL FROM:<{safe(message.sender)}>{_wire(message.mail.parameters)}",
            *(
                f"RCPT TO:<{safe(rcpt.forward_path.address)}>{_wire(rcpt.parameters)}"
                for rcpt in message.rcpts
            ),
            "",
            *_shown(message.content),
            self._paint("bold", f"--- end of message {number}, {len(message.content)} octets ---"),
        ]
        return encodable("\n".join(lines) + "\n", self._stream)


def _wire(parameters: Parameters) -> str:
    """Return parameters as they came."""
    return "".join(
        f" {keyword}" if text is None else f" {keyword}={safe(text)}"
        for keyword, text in parameters.wire.items()
    )


class _ShortFields(Compat32):
    """Cuts long header fields: the time it takes to decode one grows with its square."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, text = super().header_source_parse(sourcelines)
        return name, text if len(text) <= _FIELD else text[:_FIELD] + "..."


def _shown(content: bytes) -> Iterator[str]:
    looked_at = content[:_LOOKED_AT]
    try:
        lines = list(_decoded(message_from_bytes(looked_at, policy=_ShortFields())))
    except Exception:  # the email package trips over some broken messages in ways of its own
        lines = list(_text_lines(looked_at.decode("utf-8", "backslashreplace")))
    yield from lines
    if len(looked_at) < len(content):
        yield f"[{len(content) - len(looked_at)} more octets]"


def _decoded(mime: Mime[str, str]) -> Iterator[str]:
    """Yield the lines of header and texts, with encoded words and transfer encodings undone."""
    for name, text in mime.raw_items():
        yield f"{safe(name)}: {safe(' '.join(_unencoded(text).split()))}"
    for part in mime.walk():
        if part.is_multipart():
            continue
        octets = part.get_payload(decode=True)
        assert isinstance(octets, bytes)
        file = part.get_filename()
        if part.get_content_maintype() == "text" and not file:
            yield ""
            yield from _text_lines(_unicode(octets, part.get_content_charset("utf-8")))
        else:
            about = f"{part.get_content_type()}, {len(octets)} octets"
            yield f"\n[attachment {safe(file or 'without a name')}: {safe(about)}]"


def _unencoded(text: str) -> str:
    """Undo the encoded words (RFC 2047) of a field, whose other octets are UTF-8 (RFC 6532)."""
    raw = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    try:
        return str(make_header(decode_header(raw)))
    except (LookupError, ValueError):  # an unknown charset, or broken Base64
        return raw


def _unicode(octets: bytes, charset: str) -> str:
    try:
        return octets.decode(charset, "backslashreplace")
    except (LookupError, ValueError):  # an unknown charset, or one that cannot do so
        return octets.decode("utf-8", "backslashreplace")


def _text_lines(text: str) -> Iterator[str]:
    yield from safe_lines(text[:_SHOWN])
    if len(text) > _SHOWN:
        yield f"[{len(text) - _SHOWN} more characters]"
