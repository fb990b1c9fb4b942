# SPDX-License-Identifier: MIT
"""A message on its way out: its envelope, where its octets come from, and what it needs.

Decides the envelope of a message that brings none, and which extensions a message needs, as far as
that can be known without reading it all. Reads nothing by itself: a source is asked by the
dialogue, and run by the driver.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Protocol

from ..exceptions import LocalProtocolError, Violation
from ..framing.buffer import LF
from ..grammar.addresses import Path
from ..grammar.commands import Rcpt
from ..values import value

PIECE = 65536
"""Octets asked of a source at a time."""
_EXACT = 262144
"""Up to this size the octets are counted for SIZE; beyond, they are estimated."""


class Readable(Protocol):
    """A file, opened in binary."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` octets, b"" at the end."""


Content = (
    "bytes | bytearray | memoryview | Message | Readable | Iterable[bytes] | AsyncIterable[bytes]"
)


@value
class Outgoing:
    """A message, ready to be sent."""

    sender: Path
    recipients: tuple[Rcpt, ...]
    read: Callable[[], Any]
    """Returns the next octets, or an awaitable of them; b"" at the end."""
    blocks: bool
    """True when `read` may take its time."""
    size: int | None = None
    """Octets with CRLF line endings, perhaps too many; None when not known."""
    is_8bit: bool | None = None
    """True when an octet is above 127; None when not known."""
    needs_utf8: bool = False
    """True when an address or a header field is not ASCII (RFC 6531 3.2)."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """More parameters for MAIL."""


def prepare(
    message: Any,
    sender: str | Path | None = None,
    recipients: str | Path | Rcpt | Iterable[str | Path | Rcpt] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Outgoing:
    """Make a message ready.

    Args:
        message: an ``EmailMessage``, octets, a file opened in binary, or an iterable or
            asynchronous iterable of octets. Line endings are made CRLF.
        sender: the reverse-path, "" for ``<>``; by default from the header of an ``EmailMessage``.
        recipients: one or more forward-paths, as ``Rcpt`` where they have parameters; by default
            from the header.
        parameters: more parameters for MAIL, such as ``{"RET": "HDRS"}``.

    Raises:
        LocalProtocolError: no sender or no recipients, and no header to take them from.
        InvalidValueError: not an address.
        TypeError: nothing that a message can be.
    """
    if hasattr(message, "get_all"):
        from .headers import envelope, serialise

        found_sender, found_recipients = envelope(message)
        sender = found_sender if sender is None else sender
        recipients = found_recipients if recipients is None else recipients
    if sender is None or recipients is None:
        raise _missing("sender and recipients, where there is no EmailMessage to take them from")
    path = sender if isinstance(sender, Path) else Path(sender)
    if isinstance(recipients, str | Path | Rcpt):
        recipients = (recipients,)
    rcpts = tuple(given if isinstance(given, Rcpt) else Rcpt(given) for given in recipients)
    if not rcpts:
        raise _missing("at least one recipient")
    ascii_only = all(p.address.isascii() for p in (path, *(rcpt.forward_path for rcpt in rcpts)))
    if hasattr(message, "get_all"):
        message = serialise(message, utf8=not ascii_only)
    more = parameters or {}
    if isinstance(message, str):
        raise TypeError("octets expected, not str: encode it, or send an EmailMessage")
    if isinstance(message, bytes | bytearray | memoryview):
        content = bytes(message)
        return Outgoing(
            path,
            rcpts,
            _Octets(content),
            False,
            _size(content),
            not content.isascii(),
            not (ascii_only and _header(content).isascii()),
            more,
        )
    return Outgoing(path, rcpts, _reader(message), True, needs_utf8=not ascii_only, parameters=more)


def _missing(what: str) -> LocalProtocolError:
    return LocalProtocolError(f"expected: {what}", Violation.LOCAL_VALUE)


def _header(content: bytes) -> bytes:
    """Return what stands before the first empty line."""
    if content.isascii():
        return b""
    ends = [end for end in (content.find(b"\n\r\n"), content.find(b"\n\n")) if end >= 0]
    return content[: min(ends)] if ends else content


def _size(content: bytes) -> int:
    """Return how big `content` is with CRLF line endings, never too little by much (RFC 1870 6)."""
    size = len(content) + (0 if not content or content.endswith(b"\n") else 2)
    if len(content) > _EXACT and b"\r\n" in content[:PIECE]:
        return size
    if b"\r" not in content:
        return size + content.count(b"\n")
    pairs = content.count(b"\r\n")
    return size + content.count(b"\n") + content.count(b"\r") - 2 * pairs


class _Octets:
    """Gives octets out in pieces, cut behind a line where there is one."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def __call__(self) -> bytes:
        start = self._at
        end = start + PIECE
        if end < len(self._content):
            end = self._content.rfind(LF, start, end) + 1 or end
        self._at = end
        return self._content[start:end]


def _reader(message: Any) -> Callable[[], Any]:
    if hasattr(message, "read"):
        return lambda: message.read(PIECE)
    if isinstance(message, Iterable):
        return _Pieces(iter(message))
    if isinstance(message, AsyncIterable):
        return _AsyncPieces(aiter(message)).read
    raise TypeError(f"a message, octets, a file or an iterable expected, not {type(message)!r}")


class _Pieces:
    """Takes pieces from an iterator, empty ones left out: b"" means the end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __call__(self) -> bytes:
        return next((piece for piece in self._pieces if piece), b"")


class _AsyncPieces:
    """The same for an asynchronous iterator."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    async def read(self) -> bytes:
        async for piece in self._pieces:
            if piece:
                return piece
        return b""
