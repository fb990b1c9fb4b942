# SPDX-License-Identifier: MIT
"""A client's commands out and their replies in: what all its dialogues are made of.

Decides how many commands go out before their replies are read, and what a lost connection means.
Does not know what is sent, nor why.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from ..exceptions import LocalProtocolError, ProtocolError
from ..grammar.auth import EndOfMailData, Greeting
from ..grammar.commands import Command, Data, Mail, Rcpt
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from ..session.events import ReplyReceived, Signal
from ..session.timeouts import recommended_timeout
from ..states import State
from .errors import ConnectionLost, ReplyError, SMTPError, TimedOut
from .steps import CallFailed, Dialogue, Handle, Handshake, Read, Step
from .transcript import Recording, Said, Transcript, last_lines, lines_of, trim
from .unasked import early_refusal, is_begun

# RFC 2920 3.1: what is outstanding must fit the windows of TCP, or both sides may wait for ever.
_WINDOW = 4096
_LINE = 512
"""RFC 5321 4.5.3.1.4: octets of a command at most, as a rule."""
_FITTING = 8
"""Commands that fit in any case."""
_COMMAND = 41
"""Octets that a command is counted as at least: a hundred of them are enough."""
_NEEDS: Mapping[type[Command], tuple[State, ...]] = {
    Mail: (State.READY,),
    Rcpt: (State.MAIL, State.RCPT),
    Data: (State.RCPT,),
}

_OVER = frozenset((State.CLOSED, State.ERROR))
_UNDISTURBED = frozenset((State.DATA, State.READY))
"""Where a server has nothing to say, until it is spoken to."""
_NEED_DATA: Final = Signal.NEED_DATA
_LOOK, _LOOK_AGAIN = Read(b"", 0.0), Read(b"", 0.0, True)

Answers = list[ReplyReceived]
TELLING = (SMTPError, ProtocolError)
"""The errors that tell what was said."""


class Exchange:
    """A client's commands and replies, and the steps they need."""

    _lost: ConnectionLost | None = None

    def __init__(
        self,
        connection: ClientConnection,
        timeout: float | None,
        transcript: Transcript | None,
        recording: Recording | None = None,
    ) -> None:
        self.connection = connection
        self.timeout = timeout
        self.recording: Recording = [] if recording is None else recording
        self.out = b""
        """What is to be written with the next step."""
        self.note: Callable[[Said], None] = self.recording.append
        """Keeps what was said, and gives it to the transcript."""
        self._awaited = Read(b"", 0.0)  # one for all, as making one costs much
        self._pace: int | None = None
        if transcript is not None:
            self._transcript = transcript
            self.note = self._tell
            self._pace = 1  # who listens may look at the connection: as it is after each reply

    def group(
        self, commands: Sequence[Command], answers: Answers | None = None, at: int = 0
    ) -> Generator[Step, Any, Answers]:
        """Send commands, together as far as the server allows; return their replies.

        What has become pointless because of a refusal is not sent.

        Args:
            commands: what to send.
            answers: a list for the replies; what came before an error stands in it.
            at: how many of them have been sent, and answered.
        """
        connection = self.connection
        answers = [] if answers is None else answers
        while at < len(commands):
            first = commands[at]
            needed = _NEEDS.get(type(first))
            if at and needed and connection.state not in needed:
                break
            try:
                at = self.say(commands, at)
            except LocalProtocolError:
                yield from self.agree(answers)
                raise
            yield from self.collect(answers)
            trim(self.recording)
        return answers

    def say(self, commands: Sequence[Command], at: int = 0) -> int:
        """Put out as many commands as may be outstanding together.

        Args:
            commands: what to send.
            at: which of them is the first: nothing is outstanding.

        Returns:
            Which is next, when all these have been answered.

        Raises:
            LocalProtocolError: the first cannot be sent.
        """
        connection = self.connection
        may_group = connection.may_group
        most = _FITTING if may_group else 1
        room = _WINDOW
        start = at
        while True:
            some = commands[at : at + most]
            try:
                octets, count = connection.send_group(some)
            except LocalProtocolError:
                if at == start:
                    raise
                return at  # what is wrong with it is told when those before it were answered
            self.out += octets
            self.note((some, octets))
            at += count
            if at >= len(commands) or not may_group:
                return at
            room -= max(len(octets), count * _COMMAND)
            if room <= 0:
                return at
            most = 1 + (room - 1) // _LINE

    def converse(
        self, first: Command, answers: Answers, most: int | None = None
    ) -> Generator[Step, Any, list[Reply]]:
        """Write, and read the replies to all that is outstanding: none can have come yet.

        Args:
            first: what the first of them answers; not a chunk.
            answers: as for `collect`.
            most: as for `collect`: how many of them are ours.

        Returns:
            The replies where they came together, and are what was hoped for, as mostly: those that
            are not ours, too. Or else none, and ours stand in `answers`.

        Raises:
            ReplyError: as for `collect`.
            ConnectionLost: before, so that nothing more can be written.
        """
        if self._lost is None:  # or else what came last was the replies to another group
            read = self._awaited
            read.timeout = timeout = self.timeout or first.reply_timeout
            read.out, self.out = self.out, b""
            try:
                data = yield read
            except (ConnectionLost, TimeoutError) as failure:
                data = self._missed(failure, timeout)
            if self._pace is None:
                replies = self.connection.hoped_replies(data)
                if replies:
                    self.note(replies if most is None else replies[:most])
                    return replies
            self._feed(data)
        yield from self.collect(answers, most, goes_on=True)
        return []

    def collect(
        self, answers: Answers | None = None, most: int | None = None, *, goes_on: bool = False
    ) -> Generator[Step, Any, Answers]:
        """Read the replies to all that is outstanding, or `most` of them.

        Args:
            answers: a list for them; what came before an error stands in it.
            most: how many.
            goes_on: True when we have been waiting already.

        Raises:
            ReplyError: one is a 421, which ends the session.
        """
        if answers is None:
            answers = []
        connection = self.connection
        pace = most or self._pace
        data = b""
        while True:
            found = connection.next_replies(data, pace)
            data = b""
            if found:
                self.note([answer.reply for answer in found])
                if connection.state in _OVER:
                    found = self._last_of(found, answers)
                answers += found
                goes_on = False
            if (connection.oldest is None) if most is None else found:
                return answers
            if found and pace != most:
                continue
            if connection.next_event() is not _NEED_DATA:
                raise self._lost or ConnectionLost("the server closed the connection")
            oldest = connection.oldest
            timeout = self.timeout or recommended_timeout("client", connection.state, oldest)
            try:
                data = yield Read(self.flush(), timeout, goes_on)
            except (ConnectionLost, TimeoutError) as failure:
                data = self._missed(failure, timeout)
            if not data:
                self._feed(data)
            goes_on = True

    def _missed(self, failure: ConnectionLost | TimeoutError, timeout: float) -> bytes:
        """Take what came before the connection was lost.

        Raises:
            TimedOut: it is only that nothing came.
        """
        if isinstance(failure, ConnectionLost):
            self._hear_last_words(failure)
            return b""
        oldest = self.connection.oldest
        stage = _stage(oldest)
        if isinstance(oldest, Greeting) and self.connection.tls is None:
            stage += "; one that begins with TLS waits, too: security='implicit' may be right"
        raise TimedOut(f"no reply within {timeout} s: {stage}") from None

    def _last_of(self, found: Answers, answers: Answers) -> Answers:
        """Return the last replies of a session that is over.

        Raises:
            ReplyError: by a 421.
            RemoteProtocolError: by what came behind them.
        """
        last = found[-1]
        if last.reply.code == 421:
            answers += found[:-1]
            raise ReplyError(last.reply, _stage(last.command))
        if self.connection.state is State.ERROR:
            answers += found
            self.connection.next_event()  # which raises
        return found

    def next_reply(self) -> Generator[Step, Any, ReplyReceived]:
        """Read one reply.

        Raises:
            ReplyError: it is a 421, which ends the session.
        """
        return (yield from self.collect(most=1))[0]

    def agree(self, answers: Answers | None = None) -> Dialogue:
        """Read on where nothing can be sent, so that both sides agree on where we are.

        Args:
            answers: as for `collect`.

        Raises:
            ReplyError: nothing can, since the server has sent a 421 unasked (RFC 5321 3.8).
        """
        yield from self.collect(answers)
        if self.connection.buffered:
            yield from self.next_reply()  # which raises

    def _feed(self, data: bytes) -> None:
        """Take octets, or the end of the stream.

        Raises:
            ReplyError: the server refuses mail data before it has seen its end.
            ConnectionLost: it ends a session in which nothing is under way by another reply than a
                421, as for one that was idle.
        """
        connection = self.connection
        if not data:
            connection.receive_eof()
            return
        if connection.oldest is None and connection.state in _UNDISTURBED:
            refusal = early_refusal(data)
            if refusal is not None:
                self._refuse(refusal)
                connection.receive_eof()
                connection.next_event()
                raise ConnectionLost(f"the server ended the session: {refusal}", data)
            if is_begun(data):  # and never ended
                return
        connection.receive_data(data)

    def look_behind(self) -> None:
        """Look at what came in one read with a 354.

        Raises:
            ReplyError: the server refuses the mail data at once.
        """
        refusal = early_refusal(self.connection.unread)
        if refusal is not None:
            self._refuse(refusal)

    def _refuse(self, refusal: Reply) -> None:
        """Note a refusal that nobody asked for.

        Raises:
            ReplyError: it is one of mail data.
        """
        self.note([refusal])
        if self.connection.state is State.DATA:
            raise ReplyError(refusal, "mail data")

    def hear(self, busy: bool = False) -> Dialogue:
        """Look whether the server has said what it was not asked for, or has gone.

        Args:
            busy: we have been writing, and nobody may have looked for a while.
        """
        step = _LOOK_AGAIN if busy else _LOOK
        try:
            data = yield step
        except (ConnectionLost, TimeoutError) as failure:
            data = yield from self._broken(step, failure)  # which raises
        if data is None:
            return
        while data and is_begun(data):
            timeout = self.timeout or recommended_timeout("client", self.connection.state)
            try:
                more = yield Read(b"", timeout)
            except ConnectionLost as lost:
                lost.received = data + lost.received
                self._hear_last_words(lost)
                more = b""
            except TimeoutError:
                self._lost = TimedOut(f"no end of a reply within {timeout} s")
                more = b""
            data = more and data + more
        self._feed(data)
        yield from self.next_reply()  # which raises: no reply is due

    def _hear_last_words(self, lost: ConnectionLost) -> None:
        """Take what came before the connection was lost: it may say why."""
        self._lost = lost
        if lost.received:
            self._feed(lost.received)
        self._feed(b"")

    def guard(self, step: Read | Handshake | Handle) -> Dialogue:
        """Make a step that is not the reading of a reply.

        Raises:
            Exception: what a source raised.
        """
        try:
            return (yield step)
        except CallFailed as failed:
            raise failed.__cause__ or failed from None
        except (ConnectionLost, TimeoutError) as failure:
            yield from self._broken(step, failure)

    def _broken(
        self, step: Read | Handshake | Handle, failure: ConnectionLost | TimeoutError
    ) -> Dialogue:
        """Raise what has become of a step that was not the reading of a reply."""
        if not isinstance(failure, ConnectionLost):
            what = "makes no handshake" if isinstance(step, Handshake) else "takes nothing more"
            raise TimedOut(f"the server {what} within {step.timeout} s") from None
        self._hear_last_words(failure)
        while self.connection.oldest is not None:
            answer = yield from self.next_reply()
            if not answer.reply.is_positive:  # as for a chunk, with more of them on their way
                raise ReplyError(answer.reply, _stage(answer.command)) from None
        yield from self.next_reply()  # which raises: no more is to come

    def _tell(self, said: Said) -> None:
        self.recording.append(said)
        for line in lines_of(said):
            self._transcript(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the errors that leave here tell what was said."""
        if isinstance(error, TELLING):
            error.transcript = last_lines(self.recording)

    def flush(self) -> bytes:
        """Return what is to be written."""
        octets = self.out
        self.out = b""
        return octets


def _stage(command: Command | None) -> str:
    if isinstance(command, EndOfMailData):
        return "mail data"
    if isinstance(command, Greeting):
        return "greeting"
    return "connection" if command is None else command.verb
