# SPDX-License-Identifier: MIT
"""What has been received and not read yet.

Decides how octets are held so that no way of cutting the input costs more than linear time. Holds
no limits and knows no units beyond the CRLF: the readers have both.
"""

from __future__ import annotations

# Searched for as numbers: `in` with a bytes object of one octet first fails to make a number of it,
# and costs ten times as much.
CR = 13
LF = 10
DOT = 46


class ReceiveBuffer:
    """Octets in the order of arrival, read from the front.

    A read that drained the buffer is the usual case: then what comes next is kept as the object it
    is, without a copy. Only input on top of a rest is collected in a bytearray.
    """

    __slots__ = ("_data", "_searched", "_start", "is_empty")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._start = 0
        self._searched = 0
        self.is_empty = True
        """True when everything has been read. Not to be set."""

    def __len__(self) -> int:
        return len(self._data) - self._start

    def append(self, data: bytes) -> None:
        """Add `data` behind what is held."""
        if self.is_empty:
            self._data = data
            self._start = self._searched = 0
            self.is_empty = not data
            return
        held = self._data
        start = self._start
        if isinstance(held, bytes):
            self._data = held = bytearray(memoryview(held)[start:])
        elif start:
            del held[:start]
        self._searched -= start
        self._start = 0
        held += data

    def take_line(self) -> bytes | None:
        """Take the octets before the next CRLF, and the CRLF off; None while there is none.

        The search goes on where the last one stopped.
        """
        data = self._data
        end = data.find(b"\r\n", self._searched)
        if end < 0:
            # The last octet may be the CR of a CRLF to come.
            self._searched = max(self._start, len(data) - 1)
            return None
        line = data[self._start : end]
        self._start = self._searched = end = end + 2
        self.is_empty = end == len(data)
        return line if type(line) is bytes else bytes(line)

    def take_lines(self, most: int, data: bytes = b"") -> list[bytes]:
        """Add `data`, then take up to `most` lines, as far as they are there whole."""
        if self.is_empty:
            lines = data.split(b"\r\n", most)
            rest = lines.pop()
            if rest:
                self.append(rest)
            return lines
        if data:
            self.append(data)
        lines = []
        while len(lines) < most and (line := self.take_line()) is not None:
            lines.append(line)
        return lines

    def take(self, count: int) -> bytes:
        """Take the next `count` octets, or what there is."""
        data = self._data
        start = self._start
        end = start + count
        if end >= len(data):
            self._data = b""
            self._start = 0
            self.is_empty = True
            if start:
                data = data[start:]
            return data if type(data) is bytes else bytes(data)
        self._start = self._searched = end
        return bytes(data[start:end])

    def take_all(self) -> bytes:
        """Take everything."""
        return self.take(len(self._data))

    def give_back(self, data: bytes) -> None:
        """Put `data`, the end of what was read last, back to the front.

        That is what the last `take` or `take_all` gave, or what never was in the buffer, if it is
        empty.
        """
        if self.is_empty:
            self._data = data
            self._start = 0
        else:
            self._start -= len(data)
        self._searched = self._start
        self.is_empty = self._start == len(self._data)

    def peek(self, count: int) -> bytes:
        """Return the next `count` octets, or what there is, without taking them."""
        return bytes(self._data[self._start : self._start + count])
