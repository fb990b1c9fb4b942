# SPDX-License-Identifier: MIT
"""An envelope that a client sends behind the mail data of the message before (RFC 2920 3.1).

Decides whether it may go so, and whether the replies that come are its own. What they mean for each
recipient is not decided here.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

from ..exceptions import RemoteProtocolError, Violation
from ..grammar.addresses import Path
from ..grammar.commands import Command, Data, Mail, Rcpt, Rset
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from ..session.events import ReplyReceived
from ..states import State
from .carrying import Carrying
from .exchange import TELLING, Answers
from .needs import Transfer, way_of
from .outgoing import Outgoing
from .steps import Step
from .transcript import Transcript

_DATA: Final = State.DATA
_DATA_COMMAND = Data()


class Behind(Carrying):
    """The part of sending that is about what was said before it is this message's turn."""

    _said: list[Command] | None = None
    """The commands of the envelope that went so."""
    _count = 0
    """How many of them."""
    _heard: Sequence[Reply] = ()
    """The replies to them, where they came together with the one before."""

    def __init__(
        self,
        connection: ClientConnection,
        timeout: float | None,
        transcript: Transcript | None,
        message: Outgoing,
        transfer: Transfer,
    ) -> None:
        super().__init__(connection, timeout, transcript)
        self._message = message
        self._transfer = transfer

    def say_behind(self) -> bytes:
        """Say the envelope behind the mail data of the message before (RFC 2920 3.1).

        Returns:
            The octets to write; none where there is more to look at when it is this one's turn.
        """
        connection = self.connection
        message = self._message
        if message.content is None or not connection.may_group or "LIMITS" in connection.announced:
            return b""
        try:
            parameters, chunks = way_of(connection, message, self._transfer)
            if not chunks:
                commands = envelope(message.sender, parameters, message.recipients)
                self._count = self.say(commands)
                self._said = commands
        except TELLING:
            return b""  # it is raised when it is this one's turn
        return self.flush()

    def take(self, replies: list[Reply]) -> None:
        """Take the replies to the envelope that came together with the one before them."""
        self._heard = replies
        self.note(replies)

    @property
    def is_under_way(self) -> bool:
        """True when the envelope was said, and the next reply, if there is none yet, is to it."""
        if self._said is None:
            return False
        return bool(self._heard) or self.connection.oldest is self._said[0]

    def _hear_behind(
        self, commands: list[Command], answers: Answers
    ) -> Generator[Step, Any, list[Reply]]:
        """Read the replies to an envelope that was said so, and send the rest of it.

        Nobody looked before it went: a server that answered the message before twice makes each
        the reply to another command.

        Args:
            commands: all of it.
            answers: as for `converse`.

        Returns:
            As `converse`.

        Raises:
            RemoteProtocolError: a reply is left, or the sender was refused, and a recipient was
                not.
        """
        if self._heard and self._count == len(commands):
            return [*self._heard]
        answers += map(ReplyReceived, commands, self._heard)
        yield from self.collect(answers)
        yield from self.group(commands, answers, self._count)
        connection = self.connection
        is_right = b"421".startswith(connection.unread[:3]) and not _is_out_of_step(answers)
        if connection.state is _DATA or is_right:
            return []
        connection.receive_eof()
        connection.next_event()
        raise RemoteProtocolError(
            "replies to MAIL and RCPT expected, not another one to the mail data before",
            Violation.REPLY_UNEXPECTED,
        )

    def _is_doubtful(self, answers: Answers, failure: Exception) -> bool:
        """Tell whether one of the replies may be a second one to the message before."""
        is_unlikely = isinstance(failure, RemoteProtocolError) or _is_out_of_step(answers)
        return self._said is not None and is_unlikely


def envelope(
    sender: Path,
    parameters: Mapping[str, Any],
    recipients: Sequence[Rcpt],
    chunks: bool = False,
    resets: bool = False,
) -> list[Command]:
    """Return the commands of a transaction up to its mail data."""
    commands: list[Command] = [Mail(sender, parameters), *recipients]
    if not chunks:
        commands.append(_DATA_COMMAND)
    if resets:
        commands.insert(0, Rset())
    return commands


def _is_out_of_step(answers: Answers) -> bool:
    """Tell whether the sender was refused, and a recipient was not."""
    codes = [answer.reply.code for answer in answers]
    return codes[:1] > [399] and min(codes) < 400
