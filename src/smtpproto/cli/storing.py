# SPDX-License-Identifier: MIT
"""Where the messages go that ``smtpproto serve`` takes: the terminal, JSON lines, a Maildir.

Decides how a message is shown, and when it is safe: a store returns only once it has the message,
and raises OSError if it has not. Knows nothing of the session it came in.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message as Mime
from email.policy import Compat32
from pathlib import Path
from typing import Any, TextIO

from .. import Parameters
from ..dialogues import Message, Peer
from .show import painter, safe, safe_lines

Store = Callable[[Peer, Message], None]

_SHOWN = 64 * 1024
"""Characters of a text that are shown: a terminal is no place for megabytes."""
_FIELD = 16 * 1024
"""Characters of a header field that are looked at, far above any in use."""


class Screen:
    """Writes messages for people: envelope, header and text, decoded, with nothing dangerous in it.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._paint = painter(stream)
        self._count = itertools.count(1)

    def __call__(self, peer: Peer, message: Message) -> None:
        """Show a message."""
        number = next(self._count)
        tls = f", {peer.tls.version}" if peer.tls else ""
        hello = f"{peer.hello.verb} {peer.hello.domain}" if peer.hello else "no hello"
        title = f"--- message {number} from {peer_text(peer)} ({safe(hello)}{tls}) ---"
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
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()


class JsonLines:
    """Writes each message as one JSON object on a line of its own, all in ASCII.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, peer: Peer, message: Message) -> None:
        """Write a message."""
        self._stream.write(json.dumps(as_json(peer, message)) + "\n")
        self._stream.flush()


class Maildir:
    """Keeps each message in a file of its own, just as it came, safe before it is answered.

    It is written to ``tmp``, brought to the disk, and only then moved to ``new``, so that a reader
    never sees half a message.

    Args:
        folder: made where it is missing.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        for name in ("tmp", "new", "cur"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._count = itertools.count()
        self._host = socket.gethostname().replace("/", r"\057").replace(":", r"\072")

    def __call__(self, peer: Peer, message: Message) -> None:
        """Keep a message."""
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(self._count)}.{self._host}"
        written = self._folder / "tmp" / name
        try:
            with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(message.content)
                file.flush()
                os.fsync(file.fileno())
            written.rename(self._folder / "new" / name)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
        _sync_folder(self._folder / "new")


def _sync_folder(folder: Path) -> None:
    """Bring the name of a new file to the disk, where folders can be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_json(peer: Peer, message: Message) -> dict[str, Any]:
    """Return a message as values that JSON has.

    The content is text where it is UTF-8, and otherwise ``content_base64``.
    """
    record: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "peer": peer_text(peer),
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


def peer_text(peer: Peer) -> str:
    """Return where a client came from, such as ``127.0.0.1:40000``."""
    address = peer.address
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return safe(str(address)) if address else "a local client"


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
    try:
        lines = list(_decoded(message_from_bytes(content, policy=_ShortFields())))
    except Exception:  # the email package trips over some broken messages in ways of its own
        lines = list(_text_lines(content.decode("utf-8", "backslashreplace")))
    yield from lines


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
