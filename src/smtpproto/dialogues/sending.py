# SPDX-License-Identifier: MIT
"""A client's conversation about one message: its envelope, its mail data, and what became of it.

Decides what is said in a transaction, and what the replies mean for each recipient. Which
extensions the message uses, and in how many transactions it travels, is worked out in `needs`;
whether a command may be sent now is the connection's business, and when to try again the caller's.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

from ..exceptions import LocalProtocolError, ProtocolError
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Rcpt
from ..grammar.parameters import NO_PARAMETERS
from ..grammar.replies import Reply
from ..kinds import check_word
from ..session.client import ClientConnection
from ..session.events import ReplyReceived
from ..states import State
from .behind import Behind, envelope
from .errors import AllRefused, ConnectionLost, ReplyError
from .exchange import TELLING, Answers
from .needs import Transfer, planned, takes_8bit, way_of
from .outcomes import any_for_good, is_for_now, joined, refused_before, reply_for, standing
from .outgoing import PIECE, Outgoing, as_7bit
from .result import SendResult
from .steps import Dialogue, Step
from .transcript import Transcript, last_lines, trim

_DATA: Final = State.DATA
_END = EndOfMailData()
_READY: Final = State.READY
_ALREADY_SAID: tuple[Mapping[str, Any], bool] = NO_PARAMETERS, False
"""How a message goes whose envelope went behind another: nothing is left to say of it."""


def send_message(
    connection: ClientConnection,
    message: Outgoing,
    *,
    transfer: Transfer = "auto",
    timeout: float | None = None,
    transcript: Transcript | None = None,
) -> Generator[Step, Any, SendResult]:
    """Send one message in a session that is open.

    Where the server takes fewer recipients at a time (RFC 9422), the message goes in several
    transactions. Afterwards, `is_reusable` tells whether another one may follow.

    Args:
        connection: the session.
        message: what `prepare` returned; to be sent once.
        transfer: how its octets travel.
        timeout: seconds for each reply; by default what RFC 5321 4.5.3.2 asks for.
        transcript: gets the lines of the session.

    Raises:
        ReplyError: the server refused the sender, or the message.
        AllRefused: it refused each recipient, or some for good before the rest failed.
        LocalProtocolError: the message needs what the server does not offer, or the like; nothing
            of the message was sent.
        SecurityError: it needs more of TLS than there is; nothing of it was sent.
        ConnectionLost: the connection ended, or timed out.
        RemoteProtocolError: the server broke the protocol.
    """
    return Sending(connection, timeout, transcript, message, transfer).send()


class Sending(Behind):
    """The dialogue of `send_message`."""

    following: Behind | None = None
    """The message that goes next, whose envelope may go behind this one's mail data."""

    def send(self) -> Generator[Step, Any, SendResult]:
        """Send the message; as `send_message`."""
        connection = self.connection
        message, transfer = self._message, self._transfer
        parts = None
        parameters, chunks = _ALREADY_SAID
        try:
            if transfer != "auto":
                check_word("transfer", transfer, Transfer)
            if not self._said:
                yield from self.hear()
                if "LIMITS" in connection.announced:
                    parts, refused = planned(connection, message)
                if message.is_8bit is None:
                    message = yield from self._looked_into(message)
                elif message.is_8bit and not (
                    message.needs_utf8 or takes_8bit(connection, message)
                ):
                    # RFC 6152 3: it may be converted; what needs SMTPUTF8 cannot be.
                    message = as_7bit(message)
                parameters, chunks = way_of(connection, message, transfer)
            if parts is None:
                recipients = message.recipients
                each, last = yield from self._transact(message, recipients, parameters, chunks)
            else:
                each, last = yield from self._transact_in_parts(
                    message, parts, refused, parameters, chunks
                )
            addresses = tuple([rcpt.forward_path.address for rcpt in message.recipients])
            if last is None:
                raise AllRefused(addresses, tuple(each))
        except Exception as error:
            if isinstance(error, TELLING):
                error.transcript = last_lines(self.recording)
            if type(error) is not TimeoutError:  # the source's own: it is still being read
                yield from self._put_back(message)
            raise
        if message.is_file:
            yield from self._put_back(message)
        return SendResult(addresses, tuple(each), last, self.recording)

    def _transact_in_parts(
        self,
        message: Outgoing,
        parts: Sequence[Sequence[int]],
        replies: Mapping[int, Reply],
        parameters: Mapping[str, Any],
        chunks: bool,
    ) -> Generator[Step, Any, tuple[list[Reply], Reply | None]]:
        """Send the message in several transactions, where the server takes it so.

        Args:
            message: which one.
            parts: the recipients of each transaction, by index.
            replies: those that stand already for the others.
            parameters: of MAIL.
            chunks: True for BDAT.

        Returns:
            As `_transact`.
        """
        found = dict(replies)
        last: Reply | None = None
        for number, part in enumerate(parts):
            recipients = [message.recipients[index] for index in part]
            try:
                if self._end is not None:
                    raise self._end
                if number:
                    yield from self._rewind(message)
                each, final = yield from self._transact(message, recipients, parameters, chunks)
            except Exception as failure:
                if last is None and not (is_for_now(failure) and any_for_good([*found.values()])):
                    raise
                # Some have it already, or are to get it never: an error would have the caller send
                # it to them again.
                self._end_by(failure)
                rest = reply_for(failure)
                found = {index: rest for later in parts[number:] for index in later} | found
                break
            found |= zip(part, each, strict=True)
            last = final or last
            trim(self.recording)
        return [found[index] for index in range(len(found))], last

    # --- one transaction -------------------------------------------------------------------------

    def _transact(
        self,
        message: Outgoing,
        recipients: Sequence[Rcpt],
        parameters: Mapping[str, Any],
        chunks: bool,
    ) -> Generator[Step, Any, tuple[list[Reply], Reply | None]]:
        """Send the message to some of its recipients.

        Returns:
            A reply for each of them, and the last one for the message: None where it was not sent,
            since each was refused.
        """
        connection = self.connection
        count = len(recipients)
        commands = self._said
        resets = False
        if not commands:
            resets = connection.state is not _READY or connection.needs_reset
            commands = envelope(message.sender, parameters, recipients, chunks, resets)
        answers: Answers = []
        replies: list[Reply] = []
        try:
            if self._said:
                replies = yield from self._hear_behind(commands, answers)
            elif (said := self.say(commands)) == len(commands):
                replies = yield from self.converse(commands[0], answers)
            else:
                yield from self.collect(answers)
                yield from self.group(commands, answers, said)
        except LocalProtocolError:
            yield from self.agree(answers)
            raise
        except TELLING as failure:
            if self._is_doubtful(answers, failure):
                raise
            refused = refused_before(answers, count, failure)
            if not refused:
                raise
            self._end_by(failure)
            return refused, None
        mail = 1 if resets else 0
        if not replies:  # not all was as hoped for, or it came in pieces
            replies = [answer.reply for answer in answers]
            if resets and not replies[0].is_positive:
                # The old transaction may stand: it must not get this message, not even a lone dot.
                raise ReplyError(replies[0], "RSET")
            transaction = connection.transaction
            if transaction is None or not transaction.recipients:
                yield from self._give_up()
                if not replies[mail].is_positive:
                    raise ReplyError(replies[mail], "MAIL")
                return replies[mail + 1 : mail + 1 + count], None
            return (yield from self._go_on_with_some(message, replies[mail + 1 :], count, chunks))
        given = replies[mail + 1 : mail + 1 + count]
        return (yield from self._send_content(message, given, chunks))

    def _go_on_with_some(
        self, message: Outgoing, replies: list[Reply], count: int, chunks: bool
    ) -> Generator[Step, Any, tuple[list[Reply], Reply | None]]:
        """Go on where not all was as hoped for: what was refused for good stays so, whatever comes.

        Args:
            message: as for `_transact`.
            replies: to each RCPT, and to DATA.
            count: how many recipients there are.
            chunks: as for `_transact`.
        """
        given = replies[:count]
        try:
            if not chunks and self.connection.state is not _DATA:
                raise ReplyError(replies[-1], "DATA")
            self.look_behind()
            return (yield from self._send_content(message, given, chunks))
        except TELLING as failure:
            refused = standing(given, failure) if is_for_now(failure) else []
            if not refused:
                raise
            self._end_by(failure)
            return refused, None

    def _send_content(
        self, message: Outgoing, given: list[Reply], chunks: bool
    ) -> Generator[Step, Any, tuple[list[Reply], Reply | None]]:
        """Send the mail data and its end, in pieces or at once; return as `_transact`.

        Args:
            message: as for `_transact`.
            given: the replies to RCPT.
            chunks: as for `_transact`.
        """
        connection = self.connection
        content = message.content
        try:
            if chunks:
                yield from self._send_chunks(message)
            else:
                if content is None or len(content) >= PIECE:
                    yield from self._send_pieces(message)
                    content = b""
                self.out += connection.send_mail_data(content, True)
                if content:
                    self.note(len(content))
                self.note("-> .")
        except LocalProtocolError:
            if connection.oldest is None:
                yield from self.agree()
            raise
        final: Answers = []
        if connection.lmtp:
            yield from self._collect_for_each(final)
            return joined(given, final)
        replies: list[Reply] = []
        if chunks:
            yield from self.collect(final)
        else:
            following = self.following
            if following is not None and "PRDR" not in message.parameters:
                self.out += following.say_behind()
            else:
                following = None
            replies = yield from self.converse(_END, final, 1 if following is not None else None)
            if following is not None and len(replies) > 1:
                following.take(replies[1:])
        last = replies[0] if replies else final[-1].reply
        if last.code >= 300:
            raise ReplyError(last, "mail data")
        if len(final) > 1:
            return joined(given, final)
        return [last if reply.code < 300 else reply for reply in given], last

    def _give_up(self) -> Dialogue:
        """End mail data that was asked for though nobody is to get it (RFC 2920 3.1)."""
        connection = self.connection
        if connection.state is State.DATA and not connection.buffered:  # a 421 ends them, too
            self.out += connection.end_mail_data()
            yield from self._see_off()

    def _end_by(self, failure: Exception) -> None:
        """Note, once, why there is no other transaction."""
        if failure is not self._end:
            self.note(f"({failure})")
            self._end = failure

    # --- the outcome -----------------------------------------------------------------------------

    def _collect_for_each(self, final: Answers) -> Dialogue:
        """Read the replies for the mail data in LMTP: those that came before the end stand."""
        transaction = self.connection.transaction
        recipients = list(transaction.recipients) if transaction is not None else []
        try:
            yield from self.collect(final)
        except (ReplyError, ConnectionLost, ProtocolError) as failure:
            if all(answer.reply.is_transient for answer in final):
                raise
            if isinstance(failure, ProtocolError):
                self.note(f"({failure})")
            self._end = failure
            rest = reply_for(failure)
            final += [ReplyReceived(EndOfMailData(r), rest) for r in recipients[len(final) :]]
