# SPDX-License-Identifier: MIT
"""The client's side of a session: commands to octets, octets to replies.

Decides which command each reply answers, and what it changes. Sends nothing by itself and tries
nothing again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from ..exceptions import (
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    Violation,
    shown,
)
from ..extensions import KNOWN
from ..extensions.declaration import Extension
from ..framing import (
    BadLine,
    LineEndings,
    LineEndingWriter,
    LineReader,
    MailDataWriter,
    ReceivedPolicy,
)
from ..grammar.auth import AuthResponse, EndOfMailData
from ..grammar.command import Command
from ..grammar.commands import Bdat, Data, Mail, Rcpt, Rset
from ..grammar.encodings import decode_base64
from ..grammar.leniency import DEFAULT_LENIENCY, Leniency
from ..grammar.parameters import NO_PARAMETERS
from ..grammar.replies import Reply, ReplyParser, whole_reply
from ..limits import DEFAULT_LIMITS, Limits
from ..states import State
from ..tlsinfo import TLSInfo
from .arrangement import Arrangement, Side, in_order, listed, remembered
from .events import ConnectionClosed, ReplyReceived, Signal
from .grouping import Grouping, local_error, refusal_by
from .kinds import check_word
from .session import NOTES, RESET, octets_of
from .table import Step

if TYPE_CHECKING:
    from .server import ServerConnection

_NEED_DATA: Final = Signal.NEED_DATA
ClientEvent = (
    Literal[Signal.NEED_DATA, Signal.NEED_COMMAND, Signal.NEED_TLS]
    | ReplyReceived
    | ConnectionClosed
)


class ClientConnection(Grouping):
    """One session, seen from the client.

    Args:
        extensions: those that are understood; what the server announces beyond them still shows in
            `keywords`.
        limits: the caps on replies.
        lmtp: speak LMTP (RFC 2033).
        tls: the TLS layer that is there from the start (implicit TLS, RFC 8314 3).
        line_endings: "normalise" what is sent, or be "strict" and refuse bare CR and LF.

    Raises:
        LocalProtocolError: an extension without its prerequisite, or given twice.
    """

    __slots__ = (
        "_closed",
        "_error",
        "_line_endings",
        "_lines",
        "_mail_data",
        "_replies",
        "needs_reset",
    )

    def __init__(
        self,
        *,
        extensions: Iterable[Extension] = KNOWN,
        limits: Limits = DEFAULT_LIMITS,
        lmtp: bool = False,
        tls: TLSInfo | None = None,
        line_endings: LineEndings = "normalise",
    ) -> None:
        super().__init__(remembered(_arranged, listed(extensions), limits, lmtp), tls)
        check_word("line_endings", line_endings, LineEndings)
        self._line_endings = line_endings
        self._lines = LineReader(limits.reply_line, limits.reply_line)
        self._replies = ReplyParser(limits)
        self._mail_data: MailDataWriter | None = None
        self.needs_reset = False
        """True after a refused BDAT LAST: RSET must be the next command (RFC 3030 2), since the
        server may not be between transactions, as we are. Not to be set."""
        self._closed: ConnectionClosed | None = None
        self._error: RemoteProtocolError | None = None

    # --- what may be sent ----------------------------------------------------------------------

    def discard(self, keyword: str) -> None:
        """Treat an announced extension as if it had not been: for a server that has it wrong.

        Raises:
            LocalProtocolError: replies are awaited, or the session is not between transactions.
        """
        if self._outstanding or self.state is not State.READY:
            raise local_error(f"to discard {keyword} between transactions")
        rest = {name: texts for name, texts in self.keywords.items() if name != keyword.upper()}
        self._announce(rest)

    def send(self, command: Command, octets: bytes = b"") -> bytes:
        """Return the octets of a command, to be written in the order of the calls.

        Args:
            command: any but BDAT, which is `send_chunk`.
            octets: what follows the line, for a command that announces octets.

        Raises:
            LocalProtocolError: the state, the server's extensions or the group before it do not
                admit it, or a value cannot be written. Nothing has changed.
            RemoteProtocolError: the server sent what no command had asked for.
        """
        if not self._outstanding or self._is_stale:
            self._begin_group()
        move = self._ahead.get(type(command))
        if move is None or not move.is_plain or self._chunks is not None or octets:
            return self._send_closely(command, octets)
        try:
            line = command.encode(self._vocabulary)
        except InvalidValueError:
            return self._send_closely(command, octets)  # which says what is wrong first
        if len(line) > move.longest or not line.isascii():
            self._check_line(command, line, move)
        if type(command) is Mail:
            if self._outstanding:
                self._admit_in_group(command)
            if command.parameters is not NO_PARAMETERS:
                self._refuse_parameters(command)
            self._then = command
        elif type(command) is Rcpt and command.parameters is not NO_PARAMETERS:
            self._refuse_parameters(command)
        self._outstanding.append(command)
        self._ahead = move.after
        return line

    def _send_closely(self, command: Command, octets: bytes) -> bytes:
        """Do the same where there is more to look at, or to refuse."""
        if isinstance(command, Bdat):
            raise local_error("send_chunk() is the way to send BDAT")
        move = self._admit(command)
        line = command.encode(self._vocabulary)
        self._check_line(command, line, move)
        self._check_beside(command, octets)
        try:
            for count in move.step.counts:
                count(command, self)
        except ValueError as error:
            raise refusal_by(command, error) from None
        if isinstance(command, Mail):
            self._chunks = None
        elif isinstance(command, Rset):
            self.needs_reset = False
        self._outstanding.append(command)
        self._ahead = self._behind(command, move)
        return line + octets

    def _begin_group(self) -> None:
        self._refuse_unread()
        self._project_anew()

    def _refuse_unread(self) -> None:
        """Refuse to send while unasked input waits: it must not answer what is sent now.

        Raises:
            LocalProtocolError: a 421, or the start of one, is to be read first.
            RemoteProtocolError: it is anything else, or was so before.
        """
        if self._error is not None:
            self._raise_error()
        if self._outstanding or not self._is_unread:
            return
        try:
            self._check_unasked()
        except RemoteProtocolError as error:
            self._fail(error)
            raise
        raise local_error("next_event() first: the server sent a 421")

    # --- mail data -----------------------------------------------------------------------------

    def send_mail_data(self, data: bytes) -> bytes:
        """Return the octets that carry a piece of mail data, dots stuffed.

        Args:
            data: any number of octets, cut anywhere.

        Raises:
            LocalProtocolError: the server has not given 354, or has accepted no recipient; a NUL,
                or under "strict" a bare CR or LF. Nothing has changed.
        """
        self._refuse_unread()
        writer = self._data_writer()
        if self.transaction is None:
            raise local_error("end_mail_data() alone: no recipient was accepted (RFC 2920 3.1)")
        return writer.write(octets_of(data))

    def end_mail_data(self) -> bytes:
        """Return the octets that end the mail data.

        Raises:
            LocalProtocolError: no mail data is due; under "strict" the last octet is a bare CR.
                Nothing has changed.
        """
        self._refuse_unread()
        octets = self._data_writer().end()
        self._mail_data = None
        self._outstanding.extend(self._ends_of_mail_data())
        self._is_stale = True
        return octets

    def _data_writer(self) -> MailDataWriter:
        if self._mail_data is None:
            raise LocalProtocolError(
                f"mail data only after a 354, not in state {self.state.name}",
                Violation.BAD_SEQUENCE,
            )
        return self._mail_data

    def send_chunk(self, data: bytes, last: bool = False) -> bytes:
        """Return the octets of a BDAT with a piece of mail data (RFC 3030 2).

        Line endings are normalised, or bare ones refused, unless the message is BINARYMIME; so the
        chunk may have another size than `data`. A CR at the end waits for what comes next.

        Args:
            data: any number of octets.
            last: the mail data ends with this chunk.

        Returns:
            The octets to write; b"" when there is nothing to send yet.

        Raises:
            LocalProtocolError: as for `send`, and for `send_mail_data`.
            RemoteProtocolError: as for `send`.
        """
        self._begin_group()
        move = self._admit(Bdat(0, last))
        transaction = self._transaction_then
        assert transaction is not None
        writer = self._chunks or LineEndingWriter(self._line_endings, transaction.is_binary)
        octets = writer.write(octets_of(data), last)
        self._chunks = writer
        if not octets and not last:
            return b""
        command = Bdat(len(octets), last)
        self._outstanding.append(command)
        self._ahead = self._behind(command, move)
        return command.encode() + octets

    # --- what is received ------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets from the server.

        Args:
            data: at least one octet; the end of the stream is `receive_eof`.

        Raises:
            LocalProtocolError: no octets, what is not octets, or octets after the end. Nothing has
                been taken.
        """
        if type(data) is not bytes:
            data = octets_of(data)
        if not data or self._eof:
            raise local_error("octets before the end of the stream, which is receive_eof()")
        if self._closed is None and self._error is None:
            self._buffer.append(data)

    def next_event(self) -> ClientEvent:
        """Return the next event, or the signal that says what the connection waits for.

        Raises:
            RemoteProtocolError: the server sent no reply, or one that nothing had asked for. The
                state is ERROR, and the next call raises it again.
        """
        if not self._buffer.is_empty:
            try:
                reply = self._read_reply()
                if reply is not None:
                    return self._match(reply)
            except RemoteProtocolError as error:
                self._fail(error)
                raise
        if self._error is not None:
            self._raise_error()
        if self._closed is not None:
            return self._closed
        if self._eof:
            return self._close(clean=self._is_between)
        if self.state is State.TLS:
            return Signal.NEED_TLS
        return _NEED_DATA if self._outstanding or self._is_unread else Signal.NEED_COMMAND

    def tls_established(self, info: TLSInfo | None = None) -> None:
        """Go on under TLS; see `Session.tls_established`."""
        if self._is_unread:
            raise local_error("a handshake before anything else was received")
        super().tls_established(info)

    def reverse(
        self,
        hostname: str,
        *,
        extensions: Iterable[Extension] = (),
        leniency: Leniency = DEFAULT_LENIENCY,
        received: ReceivedPolicy = "reject",
    ) -> ServerConnection:
        """Go on as the server, after a 250 to ATRN (RFC 2645 5.3): the greeting is due.

        TLS and limits go over to it; whom the client authenticated as does not, since the client
        there has not. This connection is closed.

        Args:
            hostname: as for `ServerConnection`.
            extensions: as for `ServerConnection`.
            leniency: as for `ServerConnection`.
            received: as for `ServerConnection`.

        Raises:
            LocalProtocolError: the roles have not turned, or the connection was given already.
            RemoteProtocolError: the server sent something behind its reply.
        """
        from .server import ServerConnection  # which needs this module, too

        self._refuse_unread()
        self._check_reversed()
        server = ServerConnection(
            hostname,
            extensions=extensions,
            limits=self._limits,
            leniency=leniency,
            tls=self.tls,
            received=received,
        )
        self._eof = True
        self._enter(State.CLOSED)
        return server

    @property
    def _is_unread(self) -> bool:
        """True when octets have come that have not become a reply yet."""
        return not self._buffer.is_empty or self._replies.is_within_reply

    @property
    def _is_between(self) -> bool:
        waiting = self._outstanding or self._is_unread
        return not waiting and self.state in (State.GREETED, State.READY)

    def _raise_error(self) -> None:
        assert self._error is not None
        raise self._error.with_traceback(None)

    def _fail(self, error: RemoteProtocolError) -> None:
        self._error = error
        self._is_stale = True  # so that `send` looks here first, though a group is under way
        self._buffer.take_all()
        self._enter(State.ERROR)

    def _read_reply(self) -> Reply | None:
        if not self._outstanding:
            self._check_unasked()
        replies = self._replies
        line = self._buffer.take_line()
        if line is not None and len(line) <= replies.longest and not replies.is_within_reply:
            reply = whole_reply(line)
            if reply is not None:
                return reply
        while (judged := self._lines.judge(line, self._buffer)) is not None:
            if isinstance(judged, BadLine):
                raise RemoteProtocolError(
                    f"a reply line expected, not one with: {judged.violation.value}",
                    Violation.REPLY_TOO_LONG
                    if judged.violation is Violation.LINE_TOO_LONG
                    else Violation.REPLY_SYNTAX,
                )
            reply = replies.feed(judged)
            if reply is not None:
                return reply
            line = self._buffer.take_line()
        return None

    def _check_unasked(self) -> None:
        """Let nothing pass but a 421 where no command is outstanding, or where the side changes.

        Raises:
            RemoteProtocolError: the input starts otherwise.
        """
        violation = _SENDS_NOTHING.get(self.state)
        if violation is not None:
            raise RemoteProtocolError(
                "nothing expected behind the reply before the handshake, or the turn of the roles",
                violation,
            )
        start = self._buffer.peek(3)
        if not (self._replies.is_within_reply or b"421".startswith(start)):
            line = bytes(self._buffer.peek(80)).partition(b"\r\n")[0]
            raise RemoteProtocolError(
                f"no reply expected without a command, not {shown(line)}",
                Violation.REPLY_UNEXPECTED,
            )

    def _match(self, reply: Reply) -> ReplyReceived:
        """Make the event for a reply, and change what it changes."""
        outstanding = self._outstanding
        if not outstanding:  # only a 421 has come as far as this
            self._close(clean=False)
            return ReplyReceived(None, reply)
        command = outstanding[0]
        move = self._here.get(type(command))
        there = None if move is None else move.usual.get(reply.code)
        if move is None or there is None:
            return self._match_unusual(reply)
        outstanding.popleft()
        if there is not self._here:
            self._here = there
            self.state = there.state
            if there.state is State.DATA:
                self._mail_data = MailDataWriter(self._line_endings)
            elif there.state is State.READY:
                self.transaction = None
        note = move.step.note
        if note is not None:
            note(self, command, reply)
        return ReplyReceived(command, reply)

    def _match_unusual(self, reply: Reply) -> ReplyReceived:
        """Do the same for all replies that are not the usual ones."""
        outstanding = self._outstanding
        command = outstanding.popleft()
        if command.carries_mail_data and command.ends_mail_data() and EndOfMailData in self._here:
            command, *others = self._ends_of_mail_data()
            outstanding.extendleft(reversed(others))
        if reply.code == 421:
            self._close(clean=False)
            return ReplyReceived(command, reply)
        if reply.code >= 400:
            self._is_stale = True
            self.needs_reset |= isinstance(command, EndOfMailData) and self._chunks is not None
        move = self._here.get(type(command))
        if move is None:
            self._match_unadmitted(command, reply)
        else:
            target = self._target(move.step, reply, command)
            if move.step.for_each and reply.is_intermediate:
                outstanding.extendleft(reversed(self._ends_of_mail_data(announced=True)))
            # The last of several replies for the mail data ends the transaction.
            more = outstanding and isinstance(outstanding[0], EndOfMailData)
            if not (more and isinstance(command, EndOfMailData)):
                if target is not self.state:
                    self._enter(target)
                note = move.step.note
                if note is not None and reply.code < 400:
                    note(self, command, reply)
        if self.state in _SENDS_NOTHING and self._is_unread:
            self._check_unasked()
        challenge = _challenge(reply) if self.state is State.AUTH else None
        return ReplyReceived(command, reply, challenge)

    def _target(self, step: Step, reply: Reply, command: Command) -> State:
        """Return where `reply` leads.

        Raises:
            RemoteProtocolError: its code would change the framing in a way that was not agreed.
        """
        code = reply.code
        if code >= 400:
            return step.failure
        target = step.success if code < 300 else self._intermediate(step, command)
        exact = step.exact or code
        cancelled = isinstance(command, AuthResponse) and command.data is None  # RFC 4954 4
        if target is None or cancelled or (code != exact and code // 100 == exact // 100):
            raise RemoteProtocolError(
                f"no {code} expected as the reply to {command.verb or type(command).__name__}",
                Violation.REPLY_CODE,
            )
        return target

    def _match_unadmitted(self, command: Command, reply: Reply) -> None:
        """Handle the reply to a command of a group whose state has not come true.

        Raises:
            RemoteProtocolError: a reply that cannot stand there.
        """
        if command.carries_mail_data and self.transaction is not None and reply.code // 100 != 3:
            # RFC 3030 2: the part is lost, so that no later one may complete the message.
            self._is_stale = True
            self._enter(State.BDAT_FAILED)
        if reply.code >= 400:
            return
        if isinstance(command, Data) and reply.code == 354:
            # RFC 2920 3.1: all recipients refused, and mail data asked for all the same.
            self.transaction = None
            self._enter(State.DATA)
        elif reply.code >= 300 or not (
            isinstance(command, (Mail, Rcpt)) or command.carries_mail_data
        ):
            raise RemoteProtocolError(
                f"{command.verb} was not admitted in state {self.state.name}, "
                f"and was answered {reply.code}",
                Violation.REPLY_CODE,
            )

    def _enter(self, state: State) -> None:
        super()._enter(state)
        if state is State.DATA:
            self._mail_data = MailDataWriter(self._line_endings)
        elif state is State.CLOSED:
            self._closed = self._closed or ConnectionClosed(True, tuple(self._outstanding))
            self._outstanding.clear()
            self._buffer.take_all()
            self._mail_data = None

    def _close(self, clean: bool) -> ConnectionClosed:
        self._closed = ConnectionClosed(clean, tuple(self._outstanding))
        self._enter(State.CLOSED)
        return self._closed


# Where the stream changes sides: what comes now is not for this connection.
_SENDS_NOTHING: Mapping[State, Violation] = {
    State.TLS: Violation.INPUT_BEHIND_STARTTLS,
    State.REVERSED: Violation.INPUT_BEHIND_REVERSAL,
}

_SIDE = Side(conditions=(), conditions_of_states=(), notes=NOTES, reset=RESET)


@lru_cache(maxsize=64, typed=True)
def _arranged(extensions: tuple[Extension, ...], limits: Limits, lmtp: bool) -> Arrangement:
    return Arrangement(_SIDE, in_order(extensions), limits, DEFAULT_LENIENCY, lmtp)


def _challenge(reply: Reply) -> bytes | None:
    """Return the challenge of a 334, None if it is not base64."""
    try:
        return decode_base64(reply.text.encode("utf-8", "surrogateescape"))
    except InvalidValueError:
        return None
