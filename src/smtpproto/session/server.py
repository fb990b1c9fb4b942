# SPDX-License-Identifier: MIT
"""The server's side of a session: octets to events, replies to octets.

Decides what of the input is read next, and what becomes of each unit: received, or rejected with
the reply that says so. One thing at a time: while a reply is due nothing more is read, since the
reply may change how the rest is framed. What replies do is not its business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

from ..exceptions import InvalidValueError, LocalProtocolError, Violation
from ..extensions import KNOWN
from ..extensions.declaration import Extension
from ..framing import BadLine, LineEndings, LineReader, MailDataReader, ReceivedPolicy
from ..grammar.auth import AuthResponse, EndOfMailData
from ..grammar.commands import TLS_RECORD, Command, parse_command
from ..grammar.envelope import plain_command
from ..grammar.leniency import DEFAULT_LENIENCY, Leniency
from ..kinds import wrong
from ..limits import DEFAULT_LIMITS, Limits
from ..states import State
from ..tlsinfo import TLSInfo
from .admission import ServerArrangement
from .arrangement import listed, remembered
from .client import ClientConnection
from .defaults import DEFAULTS
from .events import AuthResponseReceived, CommandReceived, ConnectionClosed, ServerEvent, Signal
from .receiving import Reader, Receiving
from .refusals import CANCELLED, WRONG_PROTOCOL, refusal_of
from .session import check_utf8, octets_of
from .settling import Settling
from .table import NO_TRANSACTION

_NEED_DATA: Final = Signal.NEED_DATA
_NEED_REPLY: Final = Signal.NEED_REPLY
_DATA: Final = State.DATA
_READY: Final = State.READY
_READ_MAIL_DATA: Final = Receiving._read_mail_data
_ENTERED_BY_SESSION = NO_TRANSACTION - {_READY}


class ServerConnection(Settling):
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
        InvalidValueError: a hostname that is no printable ASCII, a setting of another kind, or an
            announcement that is none.
    """

    __slots__ = ()

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
            raise wrong("disabled", "a list such as ['VRFY']", disabled) from None
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
        if not self._arrangement.is_proved:
            self.offers()  # which says what is wrong with an announcement
            self._arrangement.is_proved = True

    def _begin(self, arrangement: ServerArrangement, tls: TLSInfo | None) -> None:
        super().__init__(arrangement, tls)
        self._lost_at = arrangement.lost_at
        self._lines = LineReader(arrangement.line, arrangement.limits.discarded_line)
        self._errors = 0
        self._check = self._mail_data = self._chunk = self._read = None

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

    def next_event(self, data: bytes = b"") -> ServerEvent:
        """Return the next event, or the signal that says what the connection waits for.

        Args:
            data: octets to take before, as `receive_data` would; b"" for none.

        Raises:
            LocalProtocolError: as for `receive_data`.
        """
        buffer = self._buffer
        line: bytes | None = None
        if data:
            # What comes is most often one whole line, or all of a small message.
            if self._due is None and buffer.is_empty and not self._is_deaf and type(data) is bytes:
                reader = self._read
                if reader is _READ_MAIL_DATA:
                    return self._read_mail_data(data)
                if reader is None and 0 <= data.find(b"\r\n") == len(data) - 2:
                    line = data[:-2]
                else:
                    buffer.append(data)
            else:
                self.receive_data(data)
        while True:
            if line is None:
                if self._due is not None:
                    return _NEED_REPLY
                if self._read is not None:
                    return self._read(self)
                if buffer.is_empty:
                    return self._nothing() if self._eof else _NEED_DATA
                line = buffer.take_line()
            command: Command | None = None
            if line is not None and len(line) <= self._longest and not self._lines.passed:
                command = plain_command(line, self._vocabulary)
                if command is not None and self._settled and self._answer(command):
                    line = None
                    continue
            event = self._receive(line, command)
            if event is not None:
                return event
            line = None

    def _receive(self, line: bytes | None, command: Command | None) -> ServerEvent | None:
        """Make the event for a line; None where its command was settled.

        Args:
            line: None where there is none yet.
            command: what it is, if that is known.
        """
        if line is None or command is None:
            judged = self._lines.judge(line, self._buffer)
            if not isinstance(judged, bytes):
                return self._read_no_line(judged)
            line = judged
        try:
            if command is None:
                if len(line) > self._longest:
                    self._admit_long_line(line)
                command = parse_command(line, self._vocabulary)
            kind = type(command)
            if self._has_policy:
                self._apply_policy(kind)
            step = self._row.get(kind)
            if step is None:
                raise self._inadmissible(kind)
            for check in step.checks:
                check(command, self)
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
        self.commands += 1
        reply = self._settled.get(kind)
        if reply is not None:
            self._answers.append(self.send(reply))
            return None
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

    def _read_tls(self) -> ServerEvent:
        return self._nothing() if self._eof else Signal.NEED_TLS

    def _read_nothing(self) -> ServerEvent:
        return self._nothing()

    def _read_closed(self) -> ServerEvent:
        assert self._closed is not None
        return self._closed

    def _enter(self, state: State) -> None:
        if state in _ENTERED_BY_SESSION:
            super()._enter(state)
        else:  # as there, in one call less
            self.state = state
            self._row = self._table[state]
            if state is _READY:
                self.transaction = None
        self._read = reader = _READERS.get(state)
        if reader is None:
            return
        if state is _DATA:
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


# Where no commands are read.
_READERS: Mapping[State, Reader] = {
    State.DATA: _READ_MAIL_DATA,
    State.AUTH: ServerConnection._read_auth_response,
    State.TLS: ServerConnection._read_tls,
    State.REVERSED: ServerConnection._read_nothing,
    State.CLOSED: ServerConnection._read_closed,
}
