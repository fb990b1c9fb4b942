# SPDX-License-Identifier: MIT
"""A client's mail data on its way: out of its source, and to the server in pieces or in chunks.

Decides when the source is asked, and how much is outstanding. What is said before and behind mail
data is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..session.timeouts import recommended_timeout
from ..states import State
from .errors import ReplyError
from .exchange import TELLING, Exchange
from .needs import no_8bit, takes_8bit
from .outgoing import PIECE, Octets, Outgoing, has_header, header_of
from .steps import Dialogue, Handle, Step
from .transcript import trim

_CHUNKS_OUTSTANDING = 4
_LOOK = 16
"""Pieces of mail data after which we look whether the server has refused the rest."""


class Carrying(Exchange):
    """The part of sending that is about the mail data."""

    _ahead = b""
    _read: Callable[[], Any] | None = None
    _end: Exception | None = None
    """Why there cannot be another transaction."""

    def _send_pieces(self, message: Outgoing) -> Dialogue:
        pieces = 0
        while piece := (yield from self._next_piece(message)):
            self.out += self.connection.send_mail_data(piece)
            self.note(len(piece))
            pieces += 1
            if pieces % _LOOK == 0:
                yield from self.hear(busy=True)
        if pieces > 1:
            yield from self.hear(busy=True)

    def _send_chunks(self, message: Outgoing) -> Dialogue:
        """Send a message by BDAT (RFC 3030 2), several chunks at a time where that is allowed."""
        connection = self.connection
        most = _CHUNKS_OUTSTANDING if connection.may_group else 1
        piece = yield from self._next_piece(message)
        last = False
        while not last:
            following = (yield from self._next_piece(message)) if piece else b""
            last = not following
            while len(connection.outstanding) >= most:
                yield from self._chunk_reply()
            self.out += connection.send_chunk(piece, last)
            self.note(f"-> BDAT ({len(piece)} octets){' LAST' if last else ''}")
            piece = following
        while len(connection.outstanding) > 1:
            yield from self._chunk_reply()

    def _chunk_reply(self) -> Dialogue:
        answer = yield from self.next_reply()
        if not answer.reply.is_positive:
            yield from self._see_off()
            raise ReplyError(answer.reply, "BDAT")

    def _see_off(self) -> Dialogue:
        """Read what is outstanding, where it is known already what became of the transaction."""
        try:
            yield from self.collect()
        except TELLING as failure:
            self._end = failure

    # --- the source ------------------------------------------------------------------------------

    def _next_piece(self, message: Outgoing) -> Generator[Step, Any, bytes]:
        """Ask the source for more.

        Raises:
            InvalidValueError: octets above 127 that the server does not take.
        """
        piece = self._ahead
        if piece:
            self._ahead = b""
            return piece
        if self._read is None:
            self._read = message.read or Octets(message.content or b"")
        piece = yield from self._ask(message, self._read)
        trim(self.recording)
        octets = bytes(piece)
        if message.is_8bit is None and not (
            octets.isascii() or takes_8bit(self.connection, message)
        ):
            raise no_8bit()
        return octets

    def _rewind(self, message: Outgoing) -> Dialogue:
        self._ahead = b""
        self._read = None
        if message.rewind is not None:
            yield from self._ask(message, message.rewind)

    def _put_back(self, message: Outgoing) -> Dialogue:
        """Leave a file where it was: who sends it once more is to send all of it.

        Nothing that happens here changes what became of the message.
        """
        if message.is_file and message.rewind is not None and self._read is not None:
            timeout = self.timeout or recommended_timeout("client", State.DATA)
            with suppress(Exception):
                yield Handle(b"", message.rewind, (), timeout)

    def _ask(self, message: Outgoing, call: Any) -> Generator[Step, Any, Any]:
        timeout = self.timeout or recommended_timeout("client", State.DATA)
        step = Handle(self.flush(), call, (), timeout, blocks=message.blocks)
        return (yield from self.guard(step))

    def _looked_into(self, message: Outgoing) -> Generator[Step, Any, Outgoing]:
        """Read the header of a message of which nothing is known, and say what it tells."""
        ahead = bytearray()
        while len(ahead) < PIECE:
            piece = yield from self._next_piece(message)
            ahead += piece
            if not piece:
                self._read = bytes  # one that is asked behind its end may wait for more
                break
            if has_header(ahead, len(piece)):
                break
        self._ahead = bytes(ahead)
        needs_utf8 = message.needs_utf8 or not header_of(self._ahead).isascii()
        return replace(message, needs_utf8=needs_utf8)
