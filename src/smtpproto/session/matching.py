# SPDX-License-Identifier: MIT
"""Which command of a client each reply answers, and what it changes.

Decides what is a reply at all, and which one may stand where. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..exceptions import InvalidValueError, RemoteProtocolError, Violation, shown
from ..framing import BadLine, LineEndings, LineReader, MailDataWriter
from ..grammar.auth import AuthResponse, EndOfMailData
from ..grammar.command import Command
from ..grammar.commands import Data, Mail, Rcpt
from ..grammar.encodings import decode_base64
from ..grammar.replies import NOT_WHOLE, Reply, ReplyParser, whole_replies, whole_reply
from ..states import State
from ..tlsinfo import TLSInfo
from .arrangement import Arrangement
from .events import ConnectionClosed, ReplyReceived
from .grouping import Grouping
from .moves import Admitted, Hoped
from .table import Step


class Matching(Grouping):
    """What the client's side makes of what it receives."""

    __slots__ = (
        "_closed",
        "_error",
        "_hoped",
        "_lines",
        "_mail_data",
        "_replies",
        "line_endings",
        "needs_reset",
    )

    def __init__(
        self, arrangement: Arrangement, tls: TLSInfo | None, line_endings: LineEndings
    ) -> None:
        super().__init__(arrangement, tls)
        limits = arrangement.limits
        self.line_endings = line_endings
        """What is done about bare CR and LF in mail data that is sent. Not to be set."""
        self._lines = LineReader(limits.reply_line, limits.reply_line)
        self._replies = ReplyParser(limits)
        self._mail_data: MailDataWriter | None = None
        self.needs_reset = False
        """True after a refused BDAT LAST: RSET must be the next command (RFC 3030 2), since the
        server may not be between transactions, as we are. Not to be set."""
        # What the replies to all that is outstanding would be; None where more is to be looked at.
        self._hoped: Hoped | None = None
        self._closed: ConnectionClosed | None = None
        self._error: RemoteProtocolError | None = None

    @property
    def _is_unread(self) -> bool:
        """True when octets have come that have not become a reply yet."""
        return not self._buffer.is_empty or self._replies.is_within_reply

    @property
    def unread(self) -> bytes:
        """The octets that have come and are no reply yet: `buffered` is how many they are."""
        return bytes(self._buffer.peek(len(self._buffer)))

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

    def hoped_replies(self, data: bytes) -> list[Reply]:
        """Take octets that are the replies to all that is outstanding, each what was hoped for.

        Mostly they are, and come together.

        Args:
            data: as for `receive_data`.

        Returns:
            The replies; none where the octets are anything else, and then they were not taken.
        """
        hoped = self._hoped
        if hoped is None or type(data) is not bytes or len(data) > self._replies.longest:
            return []
        replies, codes = whole_replies(data)
        if codes != hoped.codes:
            return []
        outstanding = self._outstanding
        for at, note in hoped.notes:
            note(self, outstanding[at], replies[at])
        outstanding.clear()
        self._hoped = None
        self._arrive(hoped.there)
        return list(replies)

    def _take_replies(self, most: int | None, data: bytes = b"") -> list[ReplyReceived]:
        """Take up to `most` replies out of what has come: an error waits for those before it."""
        self._hoped = None
        found: list[ReplyReceived] = []
        outstanding, replies, buffer = self._outstanding, self._replies, self._buffer
        try:
            while outstanding:
                # No line behind the reply that is due last: it may be meant for nobody, or for TLS.
                due = len(outstanding)
                if most is not None:
                    due = min(due, most - len(found))
                lines = buffer.take_lines(due, data)
                data = b""
                if not lines:
                    if due and not buffer.is_empty:
                        self._reply_of(None)  # too much of it already?
                    return found
                is_long = replies.is_within_reply or max(map(len, lines)) > replies.longest
                parse = _not_whole if is_long else whole_reply
                here = self._here
                for line in lines:
                    reply: Reply | None = parse(line)
                    if reply is NOT_WHOLE:
                        parse = _not_whole  # the next one may be of the same reply
                        reply = self._reply_of(line)
                    if reply is None:
                        continue
                    command = outstanding.popleft()
                    code, there, note = here.usual[type(command)]
                    if reply.code != code:
                        self._arrive(here)
                        found.append(self._match_unusual(command, reply))
                        if self._closed is not None:
                            return found
                        here = self._here
                        continue
                    here = there
                    if note is not None:
                        note(self, command, reply)
                    found.append(ReplyReceived(command, reply))
                self._arrive(here)  # also where RSET has led back to it
                if buffer.is_empty:
                    return found
            if most is not None and len(found) < most:
                found += self._take_unasked()
        except RemoteProtocolError as error:
            self._fail(error)
            if not found:
                raise
        return found

    def receive_eof(self) -> None:
        """Take the end of the stream, as `Session.receive_eof` does."""
        self._hoped = None
        super().receive_eof()

    def _arrive(self, here: Admitted) -> None:
        """Enter the state to which usual replies have led."""
        self._here = here
        self.state = here.state
        if here.is_between:
            self.transaction = None

    def _take_unasked(self) -> list[ReplyReceived]:
        """Take the 421 that may come while nothing is outstanding.

        Raises:
            RemoteProtocolError: it is something else.
        """
        buffer = self._buffer
        line: bytes | None = b""
        while line is not None and not buffer.is_empty:
            self._check_unasked()
            line = buffer.take_line()
            reply = self._reply_of(line)
            if reply is not None:
                self._close(clean=False)
                return [ReplyReceived(None, reply)]
        return []

    def _reply_of(self, line: bytes | None) -> Reply | None:
        """Return the reply that `line` ends; None where more lines belong to it."""
        judged = self._lines.judge(line, self._buffer)
        if isinstance(judged, BadLine):
            raise RemoteProtocolError(
                f"a reply line expected, not one with: {judged.violation.value}",
                Violation.REPLY_TOO_LONG
                if judged.violation is Violation.LINE_TOO_LONG
                else Violation.REPLY_SYNTAX,
            )
        return None if judged is None else self._replies.feed(judged)

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

    def _match_unusual(self, command: Command, reply: Reply) -> ReplyReceived:
        """Make the event for a reply that is not a usual one, and change what it changes."""
        outstanding = self._outstanding
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
        if state is State.CLOSED:
            self._closed = self._closed or ConnectionClosed(True, tuple(self._outstanding))
            self._outstanding.clear()
            self._buffer.take_all()

    def _close(self, clean: bool) -> ConnectionClosed:
        self._closed = ConnectionClosed(clean, tuple(self._outstanding))
        self._enter(State.CLOSED)
        return self._closed


# Where the stream changes sides: what comes now is not for this connection.
_SENDS_NOTHING: Mapping[State, Violation] = {
    State.TLS: Violation.INPUT_BEHIND_STARTTLS,
    State.REVERSED: Violation.INPUT_BEHIND_REVERSAL,
}


def _not_whole(_line: bytes) -> Reply:
    """Stand for `whole_reply` where lines are too long to be remembered, or belong together."""
    return NOT_WHOLE


def _challenge(reply: Reply) -> bytes | None:
    """Return the challenge of a 334, None if it is not base64."""
    try:
        return decode_base64(reply.text.encode("utf-8", "surrogateescape"))
    except InvalidValueError:
        return None
