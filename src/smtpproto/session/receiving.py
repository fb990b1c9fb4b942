# SPDX-License-Identifier: MIT
"""How a server takes mail data, by DATA and in chunks, to its end.

Decides what is read of it, also where it is refused: announced octets are read whatever becomes of
them. What mail data may contain is the framing's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..framing import ChunkReader, ContentCheck, LineReader, MailDataReader
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Bdat, Command
from ..grammar.replies import Reply
from ..states import State
from ..values import value
from .events import (
    ChunkEnded,
    ChunkReceived,
    CommandReceived,
    CommandRejected,
    MailDataEnded,
    MailDataReceived,
    ServerEvent,
    Signal,
)
from .refusals import BAD_CONTENT, CHUNK_TOO_BIG, MAIL_DATA_LOST, TOO_BIG, Refusal
from .rejecting import Rejecting
from .session import END

_NEED_DATA: Final = Signal.NEED_DATA
Reader = Callable[[Any], ServerEvent]
"""Reads on, of a connection, where no commands are read."""


@value
class _Chunk:
    """Announced octets on their way."""

    command: Command
    line: bytes
    reader: ChunkReader
    rejected: CommandRejected | None


class Receiving(Rejecting):
    """What the server's side does with octets that are no command."""

    __slots__ = ("_check", "_chunk", "_lines", "_lost_at", "_mail_data", "_read")

    _check: ContentCheck | None
    _chunk: _Chunk | None
    _lines: LineReader
    _lost_at: int
    _mail_data: MailDataReader | None
    # None where commands are read. Not bound to its own instance, for want of the collector.
    _read: Reader | None

    def _read_mail_data(self, data: bytes = b"") -> ServerEvent:
        reader = self._mail_data
        assert reader is not None
        if reader.check.size <= self._lost_at:
            if not data and self._buffer.is_empty:
                return self._nothing() if self._eof else _NEED_DATA
            piece = reader.read(self._buffer, data)
            if reader.ended:
                self._read = Receiving._read_end
            if piece:
                return MailDataReceived(piece)
        is_over = reader.ended or reader.check.size > self._lost_at
        return self._read_end() if is_over else self._nothing()

    def _read_end(self) -> ServerEvent:
        check = self._check
        assert check is not None
        return self._end_mail_data(check, check.size > self._lost_at)

    def _begin_chunk(self, command: Command, line: bytes, refusal: Refusal | None) -> ServerEvent:
        """Go on to the octets that `command` announced: they are read whatever becomes of it."""
        self._due = None
        size = command.octets()
        room = None if refusal is None else 0
        if refusal is None and isinstance(command, Bdat):
            if self._check is None or self.state is not State.BDAT:
                self._check = self._new_check()
            room = self._check.room
        if room is not None and size > room + self._limits.discarded_mail_data:
            return self._reject(command, line, refusal or CHUNK_TOO_BIG, closes=True)
        rejected = None if refusal is None else self._rejected(command, line, refusal)
        self._chunk = _Chunk(command, line, ChunkReader(size), rejected)
        self._read = Receiving._read_chunk
        return self._read_chunk()

    def _read_chunk(self) -> ServerEvent:
        chunk = self._chunk
        check = self._check
        assert chunk is not None
        command = chunk.command
        while chunk.reader.left:
            piece = chunk.reader.read(self._buffer)
            if not piece:
                return self._nothing()
            if chunk.rejected is not None:
                continue
            if not isinstance(command, Bdat):
                return ChunkReceived(command, piece)
            assert check is not None
            piece = check.take(piece)
            if piece:
                return MailDataReceived(piece)
        self._chunk = None
        self._read = None
        if chunk.rejected is not None:
            return self._await_refusal(chunk.rejected, self._step_back(command))
        self._due = command
        self._step = self._row[type(command)]
        if not isinstance(command, Bdat):
            return CommandReceived(command, chunk.line, command.default_reply)
        assert check is not None
        if command.last:
            return self._end_mail_data(check)
        if check.excess:
            return self._reject(command, chunk.line, TOO_BIG, self._step)
        return ChunkEnded(command, Reply(250, f"{command.size} octets received", "2.0.0"))

    def _end_mail_data(self, check: ContentCheck, lost: bool = False) -> MailDataEnded:
        recipients = tuple(self.transaction.recipients) if self.transaction is not None else ()
        violation = check.violation()
        default: Reply | None = None
        if violation is not None:
            default = (MAIL_DATA_LOST if lost else BAD_CONTENT[violation]).reply
        if self.lmtp:
            self._expect_ends()
        else:
            self._due = END
        self._step = self._row[EndOfMailData]
        self._refusal = default is not None
        self._closes = lost
        self._check = self._mail_data = None
        size = check.size - check.excess if lost else check.size
        return MailDataEnded(size, recipients, violation, default, lost)

    def _new_check(self) -> ContentCheck:
        arrangement = self._arrangement
        binary = self.transaction is not None and self.transaction.is_binary
        return ContentCheck(arrangement.mail_data_limit, arrangement.received, binary)

    def _nothing(self) -> ServerEvent:
        """Say that more is needed, or that there will be no more."""
        if not self._eof:
            return Signal.NEED_DATA
        between = self.state in (State.GREETED, State.READY, State.REFUSED)
        started = self._chunk is not None or self._lines.started
        return self._close(between and self._buffer.is_empty and not started)
