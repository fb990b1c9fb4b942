# SPDX-License-Identifier: MIT
"""Command and reply lines.

Decides where a line ends (at CRLF and nowhere else, RFC 5321 2.3.8), which lines are bad as octets
(too long, or with a CR, LF or NUL inside), and how an over-long one is passed over so that its tail
is never taken for a line of its own. Does not know what a line says.
"""

from __future__ import annotations

from typing import final

from ..exceptions import Violation
from ..values import value
from .buffer import CR, LF, ReceiveBuffer

SHOWN = 512
"""Octets of an over-long line that are kept to be shown."""


@final
@value
class BadLine:
    """A line that is not to be parsed."""

    start: bytes
    """The line without its CRLF; of an over-long line as many octets as the limit allows, at most
    512."""
    violation: Violation
    """LINE_TOO_LONG, BARE_CR, BARE_LF or NUL; an over-long line is LINE_TOO_LONG whatever else."""
    lost: bool = False
    """The cap on passing over was reached: where the next line starts is not known."""


class LineReader:
    """Takes one line at a time out of a buffer.

    Args:
        limit: octets of the longest line allowed, with its CRLF.
        discard: octets of one line, with its CRLF, that are passed over before giving up.
    """

    __slots__ = ("_shown", "discard", "limit", "passed")

    def __init__(self, limit: int, discard: int) -> None:
        self.limit = limit
        self.discard = max(discard, limit)
        self.passed = 0
        """Octets that have been passed over of the line that comes. Not to be set."""
        self._shown = b""

    @property
    def started(self) -> bytes:
        """The start of a line that is being passed over; b"" where none is."""
        return self._shown

    def read(self, buffer: ReceiveBuffer) -> bytes | BadLine | None:
        """Return the next line without its CRLF, a `BadLine`, or None while more is needed."""
        return self.judge(buffer.take_line(), buffer)

    def judge(self, line: bytes | None, buffer: ReceiveBuffer) -> bytes | BadLine | None:
        """Return what `read` does of a line that was taken, None where none was there."""
        if line is None:
            return self._pass_over(buffer) if self.passed or len(buffer) > self.limit else None
        if len(line) + 2 > self.limit or self.passed:
            return self._too_long(line)
        if CR in line or LF in line or 0 in line:
            return BadLine(line, irregularity(line))
        return line

    def _too_long(self, line: bytes) -> BadLine:
        shown = self._shown if self.passed else line[: min(SHOWN, self.limit)]
        lost = self.passed + len(line) + 2 > self.discard
        self.passed = 0
        self._shown = b""
        return BadLine(shown, Violation.LINE_TOO_LONG, lost)

    def _pass_over(self, buffer: ReceiveBuffer) -> BadLine | None:
        if not self.passed:
            self._shown = buffer.peek(min(SHOWN, self.limit))
        dropped = buffer.take_all()
        self.passed += len(dropped)
        if self.passed >= self.discard:
            return self._too_long(b"")
        if dropped.endswith(b"\r"):  # perhaps the first half of the CRLF
            buffer.give_back(b"\r")
            self.passed -= 1
        return None


def irregularity(line: bytes) -> Violation:
    """Name what is wrong with a line that holds a CR, LF or NUL."""
    if 0 in line:
        return Violation.NUL
    return Violation.BARE_LF if LF in line else Violation.BARE_CR
