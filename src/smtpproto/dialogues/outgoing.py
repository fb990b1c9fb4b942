# SPDX-License-Identifier: MIT
"""A message on its way out: its envelope, where its octets come from, and what it needs.

Decides the envelope of a message that brings none, and which extensions a message needs, as far as
that can be known without reading it all. Reads nothing by itself: a source is asked by the
dialogue, and run by the driver.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, shown
from ..framing.buffer import CR, LF
from ..framing.writer import is_clean, no_nul
from ..grammar.addresses import Path
from ..grammar.commands import Rcpt
from ..values import value

if TYPE_CHECKING:
    from email.message import Message

_NONE: Mapping[str, Any] = MappingProxyType({})
# Each line end is one that is made CRLF.
_EMPTY_LINE = re.compile(rb"(?:\A|\r\n?+|\n)(?:\r\n?+|\n)")
PIECE = 65536
"""Octets asked of a source at a time."""


class Readable(Protocol):
    """A file, opened in binary."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` octets, b"" at the end."""


_Octets: TypeAlias = bytes | bytearray | memoryview
# In one literal: pyright takes an alias that is joined of several for unknown.
Content: TypeAlias = (
    "_Octets | Message[Any, Any] | Readable | Iterable[bytes] | AsyncIterable[bytes]"
)
"""What a message can be. Line endings are made CRLF."""
Recipients: TypeAlias = str | Path | Rcpt | Iterable[str | Path | Rcpt]
"""One forward-path or several, as ``Rcpt`` where they have parameters."""


@value
class Outgoing:
    """A message, ready to be sent."""

    sender: Path
    recipients: tuple[Rcpt, ...]
    parameters: Mapping[str, Any]
    """More parameters for MAIL."""
    needs_utf8: bool
    """True when an address or a header field is not ASCII (RFC 6531 3.2)."""
    content: bytes | None = None
    """The octets, where they are in memory."""
    is_8bit: bool | None = None
    """True when one of them is above 127; None when they are not in memory."""
    read: Callable[[], Any] | None = None
    """Returns the next octets, or an awaitable of them, b"" at the end, and may take its time; None
    when they are in memory."""
    rewind: Callable[[], Any] | None = None
    """Makes `read` begin again; None when the source can be read once only, or is in memory."""
    serialise_7bit: Callable[[], bytes | None] | None = None
    """Returns the octets once more, all below 128, or None; None when there is no such way."""
    is_file: bool = False
    """True for a file that `rewind` leaves where it was found."""

    @property
    def is_plain(self) -> bool:
        """True for a message in memory, less than a piece, that needs nothing of the server."""
        if self.content is None or self.is_8bit or self.needs_utf8 or self.parameters:
            return False
        return len(self.content) < PIECE

    @property
    def size(self) -> int | None:
        """Octets as they will be sent, or an estimate; None when not known."""
        if self.content is None:
            return None
        if self.parameters and self.parameters.get("BODY") == "BINARYMIME":
            return len(self.content)  # RFC 3030 3: no line ending is changed
        return _size(self.content)

    @property
    def blocks(self) -> bool:
        """True when `read` may take its time."""
        return self.content is None


def prepare(
    message: Content,
    sender: str | Path | None = None,
    recipients: Recipients | None = None,
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
        InvalidValueError: not an address, or a NUL that BODY=BINARYMIME does not allow.
        TypeError: nothing that a message can be.
    """
    source: Any = message
    is_octets = type(source) is bytes
    is_email = False
    if not is_octets:
        is_email = hasattr(type(source), "get_all")
        if isinstance(source, str):
            raise TypeError("octets expected, not str: encode it, or send an EmailMessage")
        if is_email:
            from .headers import recipients_of, sender_of

            sender = sender_of(source) if sender is None else sender
            recipients = recipients_of(source) if recipients is None else recipients
    if sender is None or recipients is None:
        raise _missing("sender" if sender is None else "recipients", is_email)
    path = _path(sender, "sender")
    rcpts = _rcpts(recipients)
    addresses = path.address
    for rcpt in rcpts:
        addresses += rcpt.forward_path.address
    needs_utf8 = not addresses.isascii()
    more = _NONE if parameters is None else _parameters(parameters)
    seven_bit = None
    if not is_octets:
        if is_email:
            from .serialising import serialise, serialise_7bit

            seven_bit = partial(serialise_7bit, source)
            source = serialise(source, utf8=needs_utf8)
        if not isinstance(source, (bytes, bytearray, memoryview)):
            read, rewind, is_file = _source(source)
            return Outgoing(
                path, rcpts, more, needs_utf8, read=read, rewind=rewind, is_file=is_file
            )
        source = bytes(source)
    if 0 in source and more.get("BODY") != "BINARYMIME":
        source = seven_bit and seven_bit()
        if not source or 0 in source:
            raise no_nul()
    is_8bit = not source.isascii()
    needs_utf8 = needs_utf8 or (is_8bit and not header_of(source).isascii())
    return Outgoing(path, rcpts, more, needs_utf8, source, is_8bit, None, None, seven_bit)


def as_7bit(message: Outgoing) -> Outgoing:
    """Return the message with all octets below 128, or as it is where that cannot be."""
    content = message.serialise_7bit and message.serialise_7bit()
    if not content:
        return message
    return replace(message, content=content, is_8bit=False)


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by their keywords in upper case (RFC 5321 4.1.1.11), and BODY so, too.

    Raises:
        InvalidValueError: no mapping of text, or a keyword twice.
    """
    if not isinstance(given, Mapping):
        raise InvalidValueError(f"parameters: a mapping expected, not {type(given).__name__}")
    if not all(isinstance(name, str) for name in given):
        raise InvalidValueError("parameters: keywords expected that are text")
    parameters = {name.upper(): text for name, text in given.items()}
    if len(parameters) < len(given):
        raise InvalidValueError("parameters: each keyword expected once, whatever its case")
    if isinstance(body := parameters.get("BODY"), str):
        parameters["BODY"] = body.upper()
    return parameters


def _rcpts(recipients: Recipients) -> tuple[Rcpt, ...]:
    if type(recipients) is str:  # as most often
        return (Rcpt(_path(recipients, "recipients")),)
    single = isinstance(recipients, (str, bytes, Path, Rcpt))
    many: Any = recipients
    if single or not isinstance(recipients, Iterable):
        many = (recipients,)
    rcpts = tuple(
        [one if isinstance(one, Rcpt) else Rcpt(_path(one, "recipients")) for one in many]
    )
    if not rcpts:
        raise LocalProtocolError(
            "recipients: at least one expected, not an empty list", Violation.LOCAL_VALUE
        )
    return rcpts


def _path(given: Any, name: str) -> Path:
    """Return `given` as a path.

    Raises:
        InvalidValueError: it is neither text nor a path, or no address.
    """
    if isinstance(given, str):
        try:
            return Path(given)
        except InvalidValueError as error:  # which names a part of it, of one among many
            told = f"{name}: {shown(given)}: {error}"
            raise InvalidValueError(told, error.violation, error.code, error.enhanced) from None
    if isinstance(given, Path):
        return given
    raise InvalidValueError(f"{name}: text or a Path expected, not {type(given).__name__}")


def _missing(name: str, is_email: bool) -> LocalProtocolError:
    """Make the error for a message that has nobody as `name`."""
    if is_email:
        fields = "From" if name == "sender" else "To, Cc or Bcc"
        told = f"{name}: an address in {fields} of the message expected, or the argument {name}"
    else:
        told = f"{name}: expected beside what is no EmailMessage, with a header to take it from"
    return LocalProtocolError(told, Violation.LOCAL_VALUE)


def header_of(content: bytes) -> bytes:
    """Return what stands before the first empty line; b"" where all is ASCII."""
    if content.isascii():
        return b""
    end = _EMPTY_LINE.search(content)
    return content[: end.start()] if end else content


def has_header(content: bytearray, new: int) -> bool:
    """Tell whether the header ends in the last `new` octets; it did not before."""
    return bool(_EMPTY_LINE.search(content, max(0, len(content) - new - 3)))


def _size(content: bytes) -> int:
    """Return how big `content` is with CRLF line endings, or an estimate (RFC 1870 6).

    It is too little only where all of the first piece has CRLF, and what follows has not.
    """
    size = len(content) + (0 if not content or content.endswith(b"\n") else 2)
    start = content[:PIECE]
    if is_clean(start):
        return size
    if CR not in start:
        return size + content.count(b"\n")
    pairs = content.count(b"\r\n")
    return size + content.count(b"\n") + content.count(b"\r") - 2 * pairs


class Octets:
    """Gives octets out in pieces, cut behind a line where there is one."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def __call__(self) -> bytes:
        """Return the next piece, b"" at the end."""
        start = self._at
        end = start + PIECE
        if end < len(self._content):
            end = self._content.rfind(LF, start, end) + 1 or end
        self._at = end
        return self._content[start:end]


def _source(message: Any) -> tuple[Callable[[], Any], Callable[[], Any] | None, bool]:
    """Return what reads the next piece, what begins again, if that can be, and if it is a file."""
    if hasattr(message, "read"):
        is_async = isinstance(message, AsyncIterable)  # of aiofiles, of anyio, or a StreamReader
        file: _File | _AsyncFile = _AsyncFile(message) if is_async else _File(message)
        rewind = None if file.start is None else file.rewind
        return file.read, rewind, rewind is not None
    if isinstance(message, Iterable):
        pieces = _Pieces(message)
        return pieces, None if isinstance(message, Iterator) else pieces.rewind, False
    if isinstance(message, AsyncIterable):
        return _AsyncPieces(message).read, None, False
    raise TypeError(f"a message, octets, a file or an iterable expected, not {type(message)!r}")


class _Given:
    """Looks at what a source gives, and knows whether it has given anything yet.

    One that stands at its end before it is sent was read by somebody else: an empty message would
    go out in place of what is lost.
    """

    _has_given = False

    def _checked(self, piece: Any, was_used: bool) -> Any:
        """Return `piece`.

        Raises:
            TypeError: it is no octets.
            InvalidValueError: it is the first, and there is none where there was something.
        """
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise TypeError(f"a source of octets expected, not of {type(piece).__name__}")
        if not (piece or self._has_given) and was_used:
            raise InvalidValueError(
                "message: octets expected, not an iterator or a file that is at its end already "
                "(b'' is an empty message)"
            )
        self._has_given = True
        return piece


class _File(_Given):
    """Reads a file from where it stands, and can go back to there if the file can."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.start: int | None = None
        with suppress(AttributeError, OSError):
            # A mapped file says only since Python 3.13 that it is seekable.
            is_seekable = file.seekable() if hasattr(file, "seekable") else hasattr(file, "seek")
            self.start = file.tell() if is_seekable else None

    def read(self) -> Any:
        return self._checked(self._file.read(PIECE), bool(self.start))

    def rewind(self) -> None:
        self._file.seek(self.start)


class _AsyncFile(_Given):
    """The same for a file whose methods are coroutines; where it stands is asked at first."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.start = 0 if hasattr(file, "seek") else None
        self._is_asked = self.start is None

    async def read(self) -> Any:
        if not self._is_asked:
            self._is_asked = True
            with suppress(OSError):  # a pipe, after all: `rewind` fails, too
                self.start = await self._file.tell()
        return self._checked(await self._file.read(PIECE), bool(self.start))

    async def rewind(self) -> None:
        await self._file.seek(self.start)


class _Pieces(_Given):
    """Takes pieces from an iterable, empty ones left out: b"" means the end."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = source
        self._pieces = iter(source)

    def __call__(self) -> Any:
        piece = next((piece for piece in self._pieces if piece), b"")
        return self._checked(piece, isinstance(self._source, Iterator))

    def rewind(self) -> None:
        self._pieces = iter(self._source)


class _AsyncPieces(_Given):
    """The same for an asynchronous iterable, which begins once."""

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._is_iterator = isinstance(source, AsyncIterator)
        self._pieces = aiter(source)

    async def read(self) -> Any:
        async for piece in self._pieces:
            if piece:
                return self._checked(piece, self._is_iterator)
        return self._checked(b"", self._is_iterator)
