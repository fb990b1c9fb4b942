# SPDX-License-Identifier: MIT
"""Mail data on its way out: line endings first, then transparency (RFC 5321 4.5.2).

Decides that no bare CR and no bare LF ever leaves, whatever the pieces are cut like: they are made
CRLF, or refused. A NUL cannot be made anything and is refused either way (RFC 5321 4.5.2 allows
ASCII characters, RFC 5322 2.1 takes NUL out). Dots are stuffed after that, never before.
"""

from __future__ import annotations

import io
from typing import Literal

from ..exceptions import InvalidValueError, Violation
from .buffer import CR, DOT, LF

LineEndings = Literal["normalise", "strict"]
"""Make bare CR and LF a CRLF, or refuse them."""

_SHORT = 60
"""Octets of a line that is no long one."""
_SMALL = 2048
"""Octets for which it makes no difference how lines are looked at."""
_SLICE = 65536
"""Octets worked on at a time: temporaries of this size stay out of mmap."""


class LineEndingWriter:
    """Gives mail data CRLF line endings.

    Args:
        policy: "normalise" makes each CRLF, CR and LF a CRLF, "strict" refuses bare ones.
        binary: True for BODY=BINARYMIME: nothing is changed and nothing refused (RFC 3030 3).
    """

    __slots__ = ("_binary", "_pending_cr", "_strict")

    def __init__(self, policy: LineEndings = "normalise", binary: bool = False) -> None:
        self._strict = policy == "strict"
        self._binary = binary
        self._pending_cr = False

    @property
    def holds_cr(self) -> bool:
        """True when a CR at the end of what was written waits for what comes next."""
        return self._pending_cr

    def write(self, data: bytes, last: bool = False) -> bytes:
        """Return `data` with its line endings as they may be sent.

        Args:
            data: the next piece; may be empty.
            last: no more will come, so that a CR at the end is a bare one.

        Raises:
            InvalidValueError: a bare CR or LF under "strict", or a NUL; nothing has changed.
        """
        if self._binary:
            return data
        if 0 in data:
            raise no_nul()
        if self._pending_cr:
            data = b"\r" + data
        pending = data.endswith(b"\r") and not last
        whole = data[:-1] if pending else data
        if len(whole) > _SLICE:
            clean = b"".join([self._clean(piece) for piece in _slices(whole)])
        else:
            clean = self._clean(whole)
        self._pending_cr = pending
        return clean

    def _clean(self, piece: bytes) -> bytes:
        has_cr = CR in piece
        if not has_cr and LF not in piece:
            return piece
        if has_cr and is_clean(piece):
            return piece
        if self._strict:
            violation = Violation.BARE_LF
            if has_cr and LF not in piece.replace(b"\r\n", b""):
                violation = Violation.BARE_CR
            raise InvalidValueError(
                f"mail data with CRLF line endings expected, not with a {violation.value}",
                violation,
            )
        if has_cr:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return piece.replace(b"\n", b"\r\n")


class MailDataWriter:
    """Makes content the octets that DATA carries.

    Args:
        policy: as for `LineEndingWriter`.
    """

    __slots__ = ("_at_line_start", "_lines")

    def __init__(self, policy: LineEndings = "normalise") -> None:
        self._lines = LineEndingWriter(policy)
        self._at_line_start = True

    def write(self, data: bytes, last: bool = False) -> bytes:
        """Return the octets that carry `data`.

        Args:
            data: the next piece; may be empty.
            last: no more will come, so that the end of the mail data follows.

        Raises:
            InvalidValueError: a bare CR or LF under "strict", or a NUL; nothing has changed.
        """
        stuffed = self._stuff(self._lines.write(data, last))
        if last:
            stuffed += b".\r\n" if self._at_line_start else b"\r\n.\r\n"
        return stuffed

    def end(self) -> bytes:
        """Return the octets that end the mail data, a CRLF for an unfinished line included.

        Raises:
            InvalidValueError: the content ends with a bare CR under "strict"; nothing has changed.
        """
        return self.write(b"", last=True)

    def _stuff(self, data: bytes) -> bytes:
        if not data:
            return data
        # A piece never ends between CR and LF: the CR is held back above.
        first = self._at_line_start and data.startswith(b".")
        self._at_line_start = data.endswith(b"\r\n")
        if DOT in data and data.rfind(b"\r\n.") >= 0:  # the first is the faster by far
            data = data.replace(b"\r\n.", b"\r\n..")
        return b"." + data if first else data


def whole_mail_data(content: bytes, policy: LineEndings = "normalise") -> bytes:
    """Return the octets that carry a message, and end it.

    Args:
        content: all of it.
        policy: as for `LineEndingWriter`.

    Raises:
        InvalidValueError: a bare CR or LF under "strict", or a NUL.
    """
    if (
        content.endswith(b"\r\n")
        and len(content) <= _SLICE
        and 0 not in content
        and is_clean(content)
        and (DOT not in content or not _starts_with_dot(content))
    ):
        return content + b".\r\n"
    return MailDataWriter(policy).write(content, last=True)


def _has_long_lines(piece: bytes) -> bool:
    """Tell, by one of them."""
    end = piece.find(LF, len(piece) // 2)
    return piece.find(LF, end + 1, end + _SHORT) < 0


def _starts_with_dot(content: bytes) -> bool:
    """Tell whether a line does."""
    return content.startswith(b".") or content.rfind(b"\r\n.") >= 0


def no_nul() -> InvalidValueError:
    """Make the error for mail data with a NUL."""
    return InvalidValueError(
        "mail data without NUL expected (only BODY=BINARYMIME may hold one)", Violation.NUL
    )


def is_clean(piece: bytes) -> bool:
    """Tell whether each CR and each LF is one of a CRLF."""
    # The longer lines are, the better it is to be led from one to the next; where they are short,
    # to look at each octet.
    if len(piece) <= _SMALL or _has_long_lines(piece):
        return piece.replace(b"\r", b"").replace(b"\n", b"\r\n") == piece
    decoder = io.IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(piece.decode("latin-1"), final=True)
    return decoder.newlines == "\r\n"


def _slices(data: bytes) -> list[bytes]:
    """Cut `data` into pieces of about 64 KiB, never between CR and LF."""
    pieces = []
    start = 0
    while start < len(data):
        end = start + _SLICE
        if data[end - 1 : end + 1] == b"\r\n":
            end += 1
        pieces.append(data[start:end])
        start = end
    return pieces
