# SPDX-License-Identifier: MIT
"""The server's side of a session: octets to events, replies to octets.

Decides what of the input is read next, and what becomes of each unit: received, or rejected with
the reply that says so. One thing at a time: while a reply is due nothing more is read, since the
reply may change how the rest is framed. What replies do is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal

from ..exceptions import InvalidValueError, LocalProtocolError, Violation
from ..extensions import KNOWN
from ..extensions.declaration import Extension
from ..framing import (
    BadLine,
    ChunkReader,
    ContentCheck,
    LineEndings,
    LineReader,
    MailDataReader,
    ReceivedPolicy,
)
from ..framing.buffer import CR, LF
from ..grammar.auth import AuthResponse, EndOfMailData
from ..grammar.commands import TLS_RECORD, Bdat, Command, parse_command
from ..grammar.leniency import DEFAULT_LENIENCY, Leniency
from ..grammar.replies import Reply
from ..limits import DEFAULT_LIMITS, Limits
from ..states import State
from ..tlsinfo import TLSInfo
from ..values import value
from .admission import HELLOS, ServerArrangement, exceeds
from .answering import GREETING, Answering
from .arrangement import listed, no_list, remembered
from .client import ClientConnection
from .defaults import DEFAULTS
from .events import (
    AuthResponseReceived,
    ChunkEnded,
    ChunkReceived,
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    MailDataEnded,
    MailDataReceived,
    Signal,
)
from .refusals import (
    AUTH_LINE_TOO_LONG,
    BAD_CONTENT,
    BAD_LINE,
    CANCELLED,
    CHUNK_TOO_BIG,
    LINE_LOST,
    LINE_TOO_LONG,
    MAIL_DATA_LOST,
    ONLY_QUIT,
    TOO_BIG,
    TOO_MANY_ERRORS,
    WRONG_PROTOCOL,
    Refusal,
    ends_session,
    refusal_by_first_word,
    refusal_of,
)
from .session import END, check_utf8, octets_of
from .table import NO_TRANSACTION, Step

ServerEvent = (
    Literal[Signal.NEED_DATA, Signal.NEED_REPLY, Signal.NEED_TLS]
    | CommandReceived
    | CommandRejected
    | AuthResponseReceived
    | MailDataReceived
    | ChunkReceived
    | ChunkEnded
    | MailDataEnded
    | ConnectionClosed
)

# Refusals that do not speak against the client, and are not counted as errors.
_NO_ERROR = frozenset(
    (
        Violation.TOO_MANY_RECIPIENTS,
        Violation.MAIL_DATA_TOO_BIG,
        Violation.MESSAGE_TOO_BIG,
        Violation.TRANSACTION_FAILED,
        Violation.AUTH_CANCELLED,
    )
)
_UNPARSED = Command()
# What stands before a space, a tab or another control character.
_WORD = re.compile(rb"[!-~]++")
_PART_LOST = Step(None, None, State.BDAT_FAILED)
_NEED_DATA: Final = Signal.NEED_DATA
_NEED_REPLY: Final = Signal.NEED_REPLY


@value
class _Chunk:
    """Announced octets on their way."""

    command: Command
    line: bytes
    reader: ChunkReader
    rejected: CommandRejected | None


class ServerConnection(Answering):
    """One session, seen from the server.

    Args:
        hostname: the server's domain or address literal, for the replies to EHLO and QUIT.
        extensions: what to offer, as instances.
        limits: the caps.
        leniency: where to take more than the grammar allows.
        lmtp: speak LMTP (RFC 2033).
        tls: the TLS layer that is there from the start (implicit TLS, RFC 8314 3).
        require_tls: answer 530 to all but NOOP, EHLO, STARTTLS and QUIT without TLS (RFC 3207 4).
        require_auth: answer 530 to what needs an authenticated client (RFC 4954 6).
        disabled: verbs answered 502, such as "VRFY".
        received: "reject" mail data with a bare CR, a bare LF or a NUL, or "accept" it as it is.

    Raises:
        LocalProtocolError: an extension without its prerequisite, or given twice, or a verb in
            `disabled` that cannot be.
        InvalidValueError: a hostname that is no printable ASCII, or a setting of another kind.
    """

    __slots__ = (
        "_check",
        "_chunk",
        "_errors",
        "_lines",
        "_lost_at",
        "_mail_data",
        "_read",
    )

    def __init__(
        self,
        hostname: str,
        *,
        extensions: Iterable[Extension] = (),
        limits: Limits = DEFAULT_LIMITS,
        leniency: Leniency = DEFAULT_LENIENCY,
        lmtp: bool = False,
        tls: TLSInfo | None = None,
        require_tls: bool = False,
        require_auth: bool = False,
        disabled: Collection[str] = (),
        received: ReceivedPolicy = "reject",
    ) -> None:
        try:
            verbs = frozenset(disabled)
        except TypeError:
            raise no_list("disabled", "['VRFY']", disabled) from None
        self._begin(
            remembered(
                _arranged,
                hostname,
                listed(extensions),
                limits,
                leniency,
                lmtp,
                require_tls,
                require_auth,
                verbs,
                received,
            ),
            tls,
        )

    def _begin(self, arrangement: ServerArrangement, tls: TLSInfo | None) -> None:
        super().__init__(arrangement, tls)
        self._lost_at = arrangement.lost_at
        self._lines = LineReader(arrangement.line, arrangement.limits.discarded_line)
        self._errors = 0
        self._check: ContentCheck | None = None
        self._mail_data: MailDataReader | None = None
        self._chunk: _Chunk | None = None
        # A function: bound to its own instance it would be a cycle, and need the collector.
        self._read: _Reader | None = None

    @property
    def hostname(self) -> str:
        """How the server names itself."""
        return self._arrangement.hostname

    # --- input -----------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets from the peer.

        Args:
            data: at least one octet; the end of the stream is `receive_eof`.

        Raises:
            LocalProtocolError: no octets, or not as bytes, octets after the end, in the middle of
                STARTTLS, or more than ``limits.pipelined_input`` while a reply is due. Nothing has
                been taken.
        """
        if type(data) is not bytes:
            data = octets_of(data)
        if self._due is not None or self._is_deaf or not data:
            self._admit_data(data)
            if self._closed is not None:
                return
        self._buffer.append(data)

    def receive_eof(self) -> None:
        """Take the end of the stream: complete units before it are still given out."""
        self._eof = self._is_deaf = True

    def _admit_data(self, data: bytes) -> None:
        problem = None
        if not data:
            problem = "at least one octet expected; the end of the stream is receive_eof()"
        elif self._eof:
            problem = "no octets expected after receive_eof()"
        elif self._turns:
            problem = "no octets expected from STARTTLS to tls_established(), nor behind a reversal"
        elif len(self._buffer) + len(data) > self._limits.pipelined_input:
            problem = (
                f"at most {self._limits.pipelined_input} octets are held while a reply is due: "
                "send it before reading more"
            )
        if problem:
            raise LocalProtocolError(problem, Violation.LOCAL_STATE)

    def next_event(self) -> ServerEvent:
        """Return the next event, or the signal that says what the connection waits for."""
        if self._due is not None:
            return _NEED_REPLY
        if self._read is not None:
            return self._read(self)
        buffer = self._buffer
        if buffer.is_empty:
            return self._nothing() if self._eof else _NEED_DATA
        line = buffer.take_line()
        if (
            line is None
            or (CR in line or LF in line or 0 in line)
            or len(line) > self._longest
            or self._lines.passed
        ):
            judged = self._lines.judge(line, buffer)
            if not isinstance(judged, bytes):
                return self._read_no_line(judged)
            line = judged
        command: Command | None = None
        try:
            if len(line) > self._longest:
                self._admit_long_line(line)
            command = parse_command(line, self._vocabulary)
            kind = type(command)
            if self._has_policy:
                self._apply_policy(kind)
            step = self._row.get(kind)
            if step is None:
                raise self._inadmissible(kind)
            if step.checks:
                for check in step.checks:
                    check(command, self)
            if step.counts:
                for count in step.counts:
                    count(command, self)
            if not line.isascii():
                check_utf8(command, self._vocabulary, self.transaction)
        except ValueError as error:  # a check of an extension's may raise any
            if command is None:
                return self._reject_unparsed(line, refusal_of(error))
            if command.announces_octets:
                return self._begin_chunk(command, line, refusal_of(error))
            return self._reject(command, line, refusal_of(error), self._step_back(command))
        self._due = command
        self._step = step
        if step.is_part:
            if command.announces_octets:
                return self._begin_chunk(command, line, None)
            if command.ends_mail_data():
                self._expect_ends()
                self._step = self._row[EndOfMailData]
        default = command.default_reply
        if default is None and kind in DEFAULTS:
            default = DEFAULTS[kind](self, self._arrangement)
        return CommandReceived(command, line, default)

    # --- readers: self._read is one of them where no commands are read -------------------------

    def _read_no_line(self, line: BadLine | None) -> ServerEvent:
        if line is not None:
            return self._reject_bad_line(line)
        # A ClientHello may have no CRLF for long.
        if (self._lines.started or self._buffer.peek(2)).startswith(TLS_RECORD):
            return self._reject(None, TLS_RECORD, WRONG_PROTOCOL)
        return self._nothing()

    def _read_auth_response(self) -> ServerEvent:
        line = self._lines.read(self._buffer)
        if line is None:
            return self._nothing()
        step = self._row[AuthResponse]
        if isinstance(line, BadLine):
            return self._reject_bad_line(line, step)
        try:
            response = AuthResponse.parse_line(line)
        except InvalidValueError as error:
            return self._reject(None, line, refusal_of(error), step)
        if response.data is None:
            return self._reject(response, line, CANCELLED, step)
        self._due, self._step = response, step
        return AuthResponseReceived(response.data)

    def _read_mail_data(self) -> ServerEvent:
        reader = self._mail_data
        assert reader is not None
        check = reader.check
        if not reader.ended and check.size <= self._lost_at:
            if self._buffer.is_empty:
                return self._nothing() if self._eof else _NEED_DATA
            piece = reader.read(self._buffer)
            if piece:
                return MailDataReceived(piece)
        if check.size > self._lost_at:
            return self._end_mail_data(check, lost=True)
        return self._end_mail_data(check) if reader.ended else self._nothing()

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

    def _read_tls(self) -> ServerEvent:
        return self._nothing() if self._eof else Signal.NEED_TLS

    def _read_nothing(self) -> ServerEvent:
        return self._nothing()

    def _read_closed(self) -> ServerEvent:
        assert self._closed is not None
        return self._closed

    def _nothing(self) -> ServerEvent:
        """Say that more is needed, or that there will be no more."""
        if not self._eof:
            return Signal.NEED_DATA
        between = self.state in (State.GREETED, State.READY, State.REFUSED)
        started = self._chunk is not None or self._lines.started
        return self._close(between and self._buffer.is_empty and not started)

    def _enter(self, state: State) -> None:
        if state in NO_TRANSACTION:
            super()._enter(state)
        else:  # as there, in one call less
            self.state = state
            self._row = self._table[state]
        self._read = reader = _READERS.get(state)
        if reader is None:
            return
        if state is State.DATA:
            self._check = self._new_check()
            self._mail_data = MailDataReader(self._check)
        elif state is State.TLS or state is State.REVERSED:
            self._is_deaf = True
        elif state is State.CLOSED:
            self._closed = self._closed or ConnectionClosed(clean=True)
            self._due = self._chunk = self._check = self._mail_data = None
            self._due_after = None
            self._is_deaf = True
            if not self._buffer.is_empty:
                self._buffer.take_all()

    # --- chunks and the end of mail data -----------------------------------------------------

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
        self._read = ServerConnection._read_chunk
        return self._read_chunk()

    def _new_check(self) -> ContentCheck:
        arrangement = self._arrangement
        binary = self.transaction is not None and self.transaction.is_binary
        return ContentCheck(arrangement.mail_data_limit, arrangement.received, binary)

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

    def _step_back(self, command: Command) -> Step | None:
        """Return where the refusal of `command` leads, as its client reads it from the table."""
        kind = type(command)
        step = self._row.get(kind)
        if step is None and kind.carries_mail_data and kind not in self._facilities.not_in_force:
            # Mail data is lost: what comes later must not pass for the whole (RFC 3030 2).
            return _PART_LOST if self.transaction is not None else None
        return step

    # --- refusals ----------------------------------------------------------------------------

    def _reject(
        self,
        command: Command | None,
        line: bytes,
        refusal: Refusal,
        step: Step | None = None,
        closes: bool = False,
    ) -> CommandRejected:
        return self._await_refusal(self._rejected(command, line, refusal, closes), step)

    def _rejected(
        self, command: Command | None, line: bytes, refusal: Refusal, closes: bool = False
    ) -> CommandRejected:
        """Make the event, and count the error."""
        closes = closes or ends_session(refusal)
        self._errors += refusal.violation not in _NO_ERROR
        if not closes and exceeds(self._errors, self._limits.errors):
            refusal, closes = TOO_MANY_ERRORS, True
        return CommandRejected(command, line, refusal.violation, refusal.reply, closes)

    def _await_refusal(self, rejected: CommandRejected, step: Step | None) -> CommandRejected:
        self._due = rejected.command or _UNPARSED
        self._step = step
        self._refusal = True
        self._closes = rejected.closes
        return rejected

    def _reject_bad_line(self, line: BadLine, step: Step | None = None) -> CommandRejected:
        refusal = LINE_LOST if line.lost else BAD_LINE[line.violation]
        if step is None:
            return self._reject_unparsed(line.start, refusal)
        if refusal is LINE_TOO_LONG:
            refusal = AUTH_LINE_TOO_LONG
        return self._reject(None, line.start, refusal, step)

    def _reject_unparsed(self, line: bytes, refusal: Refusal) -> CommandRejected:
        """Reject what is no command, and says whether commands may follow it at all."""
        if line.startswith(TLS_RECORD):
            return self._reject(None, TLS_RECORD, WRONG_PROTOCOL)
        refusal = refusal_by_first_word(line, refusal)
        if self.state is State.REFUSED and refusal.reply.code != 421:
            refusal = ONLY_QUIT
        rejected = self._reject(None, line, refusal, closes=self._is_chunk_line(line))
        if self._vocabulary.verbs.get(line.partition(b" ")[0].rstrip(b"\t").upper()) in HELLOS:
            self._due = GREETING  # as there, no reply has a status (RFC 2034 4)
        return rejected

    def _is_chunk_line(self, line: bytes) -> bool:
        """Tell whether octets of an unknown number may follow: what is next is then not known."""
        word = _WORD.match(line)
        verb = word[0].upper() if word else b""
        verbs = self._vocabulary.verbs
        kind = verbs.get(verb) or verbs.get(verb.rstrip(b"0123456789"))  # BDAT5
        return kind is not None and kind.announces_octets

    # --- the rest ----------------------------------------------------------------------------

    def tls_established(self, info: TLSInfo | None = None) -> None:
        """Go on under TLS; see `Session.tls_established`."""
        super().tls_established(info)
        self._turns = False
        self._is_deaf = self._eof

    def reverse(
        self,
        *,
        extensions: Iterable[Extension] = KNOWN,
        line_endings: LineEndings = "normalise",
    ) -> ClientConnection:
        """Go on as the client, after a 250 to ATRN (RFC 2645 5.3): the peer gives the greeting.

        TLS, identity and limits go over to it. This connection is closed.

        Args:
            extensions: as for `ClientConnection`.
            line_endings: as for `ClientConnection`.

        Raises:
            LocalProtocolError: the roles have not turned, or the connection was given already.
        """
        self._check_reversed()
        client = ClientConnection(
            extensions=extensions, limits=self._limits, tls=self.tls, line_endings=line_endings
        )
        client.identity = self.identity
        self._enter(State.CLOSED)
        return client


_arranged = lru_cache(maxsize=64, typed=True)(ServerArrangement)


def connection_like(other: ServerConnection, tls: TLSInfo | None = None) -> ServerConnection:
    """Return a new connection that is told what `other` was, which is not looked at again."""
    connection = ServerConnection.__new__(ServerConnection)
    connection._begin(other._arrangement, tls)
    return connection


_Reader = Callable[[ServerConnection], ServerEvent]
# Where no commands are read.
_READERS: Mapping[State, _Reader] = {
    State.DATA: ServerConnection._read_mail_data,
    State.AUTH: ServerConnection._read_auth_response,
    State.TLS: ServerConnection._read_tls,
    State.REVERSED: ServerConnection._read_nothing,
    State.CLOSED: ServerConnection._read_closed,
}
