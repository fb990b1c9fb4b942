# SPDX-License-Identifier: MIT
"""What mail data may contain and how much of it, whether it came by DATA or by BDAT.

Decides how many octets are given out and whether the message is one to refuse: too big, or with a
bare CR, a bare LF or a NUL (RFC 5321 2.3.8, 4.1.1.4). Such octets are remembered and reported once
the end is reached, since only there may a reply be given. Nothing is ever repaired: a receiver that
repairs hides from the next one what was sent, and that is what smuggling lives on.
"""

from __future__ import annotations

import io
import sys
from typing import Literal

from ..exceptions import Violation

_NewlineDecoder = io.IncrementalNewlineDecoder

ReceivedPolicy = Literal["reject", "accept"]
"""What to do with a bare CR, a bare LF or a NUL in mail data."""


class ContentCheck:
    """Counts and checks the content of one message over all its pieces.

    Args:
        limit: octets that are given out at most; None for no limit.
        policy: "reject" to report bare CR, bare LF and NUL, "accept" to let them pass.
        binary: True for BODY=BINARYMIME, where every octet is allowed (RFC 3030 3).
    """

    __slots__ = ("_decoder", "_limit", "_nul", "size")

    def __init__(
        self, limit: int | None = None, policy: ReceivedPolicy = "reject", binary: bool = False
    ) -> None:
        self.size = 0
        """Octets of content so far, those that were not given out included."""
        self._limit = sys.maxsize if limit is None else limit
        self._nul = False
        # Scans in C, and carries a CR at the end of a piece over to the next.
        self._decoder = None if binary or policy == "accept" else _NewlineDecoder(None, False)

    def take(self, piece: bytes) -> bytes:
        """Account for `piece` and return what of it may be given out."""
        before = self.size
        self.size = size = before + len(piece)
        if size > self._limit:
            return piece[: max(0, self._limit - before)]
        if self._decoder is not None:
            self._decoder.decode(piece.decode("latin-1"))
            if 0 in piece:
                self._nul = True
        return piece

    @property
    def excess(self) -> int:
        """Octets beyond the limit so far."""
        return max(0, self.size - self._limit)

    @property
    def room(self) -> int | None:
        """Octets that may still come before the limit; None without a limit."""
        return None if self._limit == sys.maxsize else max(0, self._limit - self.size)

    def violation(self) -> Violation | None:
        """Tell at the end of the message what is wrong with it, if anything."""
        if self.size > self._limit:
            return Violation.MAIL_DATA_TOO_BIG
        if self._decoder is None:
            return None
        self._decoder.decode("", True)
        found = self._decoder.newlines or ()
        if self._nul:
            return Violation.NUL
        if found == "\r\n":
            return None
        if "\n" in found:
            return Violation.BARE_LF
        if "\r" in found:
            return Violation.BARE_CR
        return None
