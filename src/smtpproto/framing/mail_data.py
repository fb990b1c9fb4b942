# SPDX-License-Identifier: MIT
"""Mail data as DATA carries it: transparency undone, and where it ends (RFC 5321 4.5.2).

Decides that CRLF . CRLF ends mail data and nothing else does, the CRLF of the DATA command itself
counting as the first one. Works on whole pieces with the searches that CPython has in C: no Python
operation per octet or per line.
"""

from __future__ import annotations

from .buffer import DOT, ReceiveBuffer
from .content import ContentCheck

_PIECE = 65536
"""Octets read at a time. What follows the end is given back, so this bounds what one message costs
however much is held behind it; temporaries of this size stay out of mmap."""

_END = b"\r\n.\r\n"
# What may turn out to be the end, or a dot to take off, once more octets are there.
_UNDECIDED = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class MailDataReader:
    """Takes mail data out of a buffer up to its end.

    Args:
        check: what counts and checks the content.
    """

    __slots__ = ("_held", "_virtual", "check", "ended")

    def __init__(self, check: ContentCheck) -> None:
        self.check = check
        self._held: bytes | None = None  # before the first octet
        self._virtual = 0  # octets at the front of _held that are not content
        self.ended = False
        """The end was read; what follows it is left in the buffer."""

    def read(self, buffer: ReceiveBuffer, data: bytes = b"") -> bytes:
        """Return the next piece of content; b"" when more is needed, or nothing is left.

        At most four octets (CRLF . CR) are held back.

        Args:
            buffer: where the octets are.
            data: what came just now; only where the buffer is empty.
        """
        if data and (self.ended or len(data) > _PIECE):
            buffer.append(data)
            data = b""
        while not self.ended and (data := data or buffer.take(_PIECE)):
            if self._held:
                data = self._held + data
            elif self._held is None and data[0] == DOT:  # behind the CRLF of the command
                data = b"\r\n" + data
                self._virtual = 2
            # Each search answers a question that makes the next one needless for most mail; from
            # the back they are the faster ones, and the fastest is the one for a single octet.
            dot = data.find(DOT)
            stuffed = False
            if dot >= 0 and dot == len(data) - 3 and data.endswith(_END):
                self.ended = True
                data = data[:-3]
            elif dot >= 0 and (stuffed := data.rfind(b"\r\n.") >= 0) and data.rfind(_END) >= 0:
                end = data.find(b"\r\n.")
                stuffed = not data.startswith(_END, end)
                if stuffed:
                    end = data.find(_END, end)
                if end + 5 < len(data):
                    buffer.give_back(data[end + 5 :])
                self.ended = True
                data = data[: end + 2]
            elif data.endswith(_UNDECIDED):
                self._held = next(tail for tail in _UNDECIDED if data.endswith(tail))
                data = data[: -len(self._held)]
            else:
                self._held = b""
            if stuffed:
                data = data.replace(b"\r\n.", b"\r\n")
            if self._virtual and data:
                data = data[self._virtual :]
                self._virtual = 0
            if data and (content := self.check.take(data)):
                return content
            data = b""
        return b""
