# SPDX-License-Identifier: MIT
"""A client's conversation about one message: its envelope, its mail data, and what became of it.

Decides which extensions the message uses, in how many transactions it travels, by DATA or BDAT, and
what the replies mean for each recipient. Whether a command may be sent now is the connection's
business; when to try again is the caller's.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from ..exceptions import InvalidValueError, LocalProtocolError, ProtocolError, Violation, shown
from ..extensions.limits import domains_had, limits_left, rcpt_domain
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Command, Data, Mail, Rcpt, Rset
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from ..session.events import ReplyReceived
from ..session.timeouts import recommended_timeout
from ..states import State
from .errors import AllRefused, ConnectionLost, ReplyError, SecurityError
from .exchange import Answers, Exchange
from .outgoing import Outgoing, as_7bit, header_of
from .result import SendResult
from .steps import Dialogue, Handle, Step
from .transcript import Transcript

Transfer = Literal["auto", "data", "bdat"]
"""How mail data travels: by DATA, by BDAT (RFC 3030), or by what suits the message."""

_TRANSFERS = get_args(Transfer)
_CHUNKS_OUTSTANDING = 4
_LARGE = 1 << 20
"""From this size on, chunks spare the work of transparency."""
_LOOK = 16
"""Pieces of mail data after which we look whether the server has refused the rest."""
_NO_ROOM = Reply(452, "not sent: beyond what the server takes in one session", "4.5.3")
_LOST = Reply(451, "connection lost before the reply", "4.4.2")


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
        AllRefused: it refused each recipient.
        LocalProtocolError: the message needs what the server does not offer, or the like; nothing
            of the message was sent.
        SecurityError: it needs more of TLS than there is; nothing of it was sent.
        ConnectionLost: the connection ended, or timed out.
        RemoteProtocolError: the server broke the protocol.
    """
    sending = _Sending(connection, timeout, transcript)
    with sending:
        return (yield from sending.send(message, transfer))


class _Sending(Exchange):
    """The dialogue of `send_message`."""

    _ahead = b""

    def send(self, message: Outgoing, transfer: Transfer) -> Generator[Step, Any, SendResult]:
        if transfer not in _TRANSFERS:
            raise LocalProtocolError(
                f"transfer: one of {', '.join(_TRANSFERS)} expected, not {transfer!r}",
                Violation.LOCAL_VALUE,
            )
        yield from self.hear()
        parts, replies = self._plan(message)
        message = yield from self._looked_into(message)
        parameters = self._parameters(message)
        chunks = self._uses_chunks(message, transfer, parameters)
        last: Reply | None = None
        for number, part in enumerate(parts):
            recipients = [message.recipients[index] for index in part]
            try:
                if number:
                    yield from self._rewind(message)
                each, final = yield from self._transact(message, recipients, parameters, chunks)
            except Exception as failure:
                if last is None:
                    raise
                # Some have it already: an error would have the caller send it to them again.
                self.note(f"({failure})")
                rest = _reply_for(failure)
                replies = {index: rest for later in parts[number:] for index in later} | replies
                break
            replies |= zip(part, each, strict=True)
            if any(reply.is_positive for reply in each):
                last = final
        addresses = tuple(recipient.forward_path.address for recipient in message.recipients)
        outcome = tuple(replies[index] for index in range(len(addresses)))
        if last is None:
            raise AllRefused(addresses, outcome)
        return SendResult(addresses, outcome, last, self.recording)

    # --- what the server takes -------------------------------------------------------------------

    def _plan(self, message: Outgoing) -> tuple[list[list[int]], dict[int, Reply]]:
        """Return the recipients of each transaction, by index, and a reply for the others.

        Those for whom the server has no room in this session (RFC 9422 4) may be tried in another.

        Raises:
            LocalProtocolError: there is no room for the message at all.
            InvalidValueError: there is more than one transaction, and the source can be read once.
        """
        told = self.connection.announced.get("LIMITS")
        taken = list(range(len(message.recipients)))
        if told is None:
            return [taken], {}
        left = limits_left(self.connection)
        if left.mail_max == 0:
            raise LocalProtocolError(
                "a session that is not used up expected: the server takes "
                f"{told.mail_max} messages in one",
                Violation.TOO_MANY_COMMANDS,
            )
        if left.rcpt_domain_max is not None:
            taken = self._of_few_domains(message.recipients, left.rcpt_domain_max)
        most = told.rcpt_max or len(taken) or 1
        parts = [taken[at : at + most] for at in range(0, len(taken), most)][: left.mail_max]
        if len(parts) > 1 and message.rewind is None:
            raise InvalidValueError(
                f"a message that can be read again expected: the server takes {most} recipients "
                f"at a time, not {len(taken)}",
                Violation.TOO_MANY_RECIPIENTS,
                452,
                "4.5.3",
            )
        planned = {index for part in parts for index in part}
        return parts, {n: _NO_ROOM for n in range(len(message.recipients)) if n not in planned}

    def _of_few_domains(self, recipients: Sequence[Rcpt], room: int) -> list[int]:
        """Return the indexes of those whose domains the server takes still (RFC 9422 4.3)."""
        had = {"", *domains_had(self.connection)}
        taken = []
        for index, recipient in enumerate(recipients):
            domain = rcpt_domain(recipient)
            if domain not in had and room:
                had.add(domain)
                room -= 1
            if domain in had:
                taken.append(index)
        return taken

    # --- what the message needs ------------------------------------------------------------------

    def _looked_into(self, message: Outgoing) -> Generator[Step, Any, Outgoing]:
        """Read the beginning of a message of which nothing is known, and say what it tells."""
        if message.is_8bit is not None:
            # RFC 6152 3: it may be converted; what needs SMTPUTF8 cannot be.
            if message.is_8bit and not (message.needs_utf8 or self._takes_8bit(message)):
                return as_7bit(message)
            return message
        self._ahead = yield from self._next_piece(message)
        needs_utf8 = message.needs_utf8 or not header_of(self._ahead).isascii()
        return replace(message, needs_utf8=needs_utf8)

    def _takes_8bit(self, message: Outgoing) -> bool:
        is_binary = message.parameters.get("BODY") == "BINARYMIME"
        return is_binary or "8BITMIME" in self.connection.announced

    def _parameters(self, message: Outgoing) -> dict[str, Any]:
        """Return the parameters of MAIL that the message needs and the server knows.

        Raises:
            InvalidValueError: it needs one that the server does not know.
            LocalProtocolError: one that this dialogue cannot keep.
            SecurityError: REQUIRETLS, and the server has not shown who it is.
        """
        offered = self.connection.announced
        parameters: dict[str, Any] = {}
        if message.size is not None and "SIZE" in offered:
            parameters["SIZE"] = message.size
        if "8BITMIME" in offered:
            if message.is_8bit is not False:
                parameters["BODY"] = "8BITMIME"
        elif message.is_8bit and not self._takes_8bit(message):
            raise _no_8bit()
        if message.needs_utf8:
            if "SMTPUTF8" not in offered:
                raise InvalidValueError(
                    "ASCII in addresses and header expected: the server does not offer SMTPUTF8",
                    Violation.NON_ASCII_ADDRESS,
                    550,
                    "5.6.7",
                )
            parameters["SMTPUTF8"] = None
        if "TRANSID" in message.parameters:
            raise LocalProtocolError(
                "TRANSID: a message from its beginning expected, which a resumed one is not "
                "(RFC 1845 3)",
                Violation.LOCAL_VALUE,
            )
        tls = self.connection.tls
        if "REQUIRETLS" in message.parameters and not (tls is not None and tls.peer_verified):
            # RFC 8689 4.2.1: whoever answers would not do.
            raise SecurityError("REQUIRETLS: TLS with a verified certificate expected")
        return {**parameters, **message.parameters}

    def _uses_chunks(
        self, message: Outgoing, transfer: Transfer, parameters: Mapping[str, Any]
    ) -> bool:
        if transfer == "auto":
            is_large = message.size is None or message.size >= _LARGE
            offered = "CHUNKING" in self.connection.announced
            return parameters.get("BODY") == "BINARYMIME" or (offered and is_large)
        if transfer == "bdat" and "CHUNKING" not in self.connection.announced:
            raise LocalProtocolError(
                "a server that offers CHUNKING expected for BDAT", Violation.NOT_OFFERED
            )
        return transfer == "bdat"

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
        commands: list[Command] = [Mail(message.sender, parameters), *recipients]
        if not chunks:
            commands.append(Data())
        if connection.state is not State.READY or connection.needs_reset:
            commands.insert(0, Rset())
        answers = yield from self.group(commands)
        first = answers[0]
        if isinstance(first.command, Rset) and not first.reply.is_positive:
            # The old transaction may stand: it must not get this message, not even a lone dot.
            raise ReplyError(first.reply, "RSET")
        replies = [a.reply for a in answers if isinstance(a.command, Rcpt)]
        if connection.transaction is None or not connection.transaction.recipients:
            yield from self._give_up()
            refused = next(a.reply for a in answers if isinstance(a.command, Mail))
            if not refused.is_positive:
                raise ReplyError(refused, "MAIL")
            return replies, None
        if chunks:
            final = yield from self._send_chunks(message)
        elif connection.state is State.DATA:
            final = yield from self._send_data(message)
        else:
            raise ReplyError(answers[-1].reply, "DATA")
        return self._outcome(replies, final), final[-1].reply

    def _give_up(self) -> Dialogue:
        """End mail data that was asked for though nobody is to get it (RFC 2920 3.1)."""
        if self.connection.state is State.DATA:
            self.out.append(self.connection.end_mail_data())
            yield from self.collect()

    def _send_data(self, message: Outgoing) -> Generator[Step, Any, Answers]:
        connection = self.connection
        pieces = 0
        left = True
        while left and (piece := (yield from self._next_piece(message))):
            self.out.append(connection.send_mail_data(piece))
            self.note(f"-> ({len(piece)} octets of mail data)")
            pieces += 1
            left = not message.is_one_piece
            if pieces % _LOOK == 0:
                yield from self.hear(busy=True)
        if pieces > 1:
            yield from self.hear(busy=True)
        self.out.append(connection.end_mail_data())
        self.note("-> .")
        return (yield from self._collect_final())

    def _send_chunks(self, message: Outgoing) -> Generator[Step, Any, Answers]:
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
            self.out.append(connection.send_chunk(piece, last))
            self.note(f"-> BDAT ({len(piece)} octets){' LAST' if last else ''}")
            piece = following
        while len(connection.outstanding) > 1:
            yield from self._chunk_reply()
        return (yield from self._collect_final())

    def _chunk_reply(self) -> Dialogue:
        answer = yield from self.next_reply()
        if not answer.reply.is_positive:
            yield from self.collect()
            raise ReplyError(answer.reply, "BDAT")

    # --- the source ------------------------------------------------------------------------------

    def _next_piece(self, message: Outgoing) -> Generator[Step, Any, bytes]:
        """Ask the source for more.

        Raises:
            InvalidValueError: octets above 127 that the server does not take.
            TypeError: the source gave no octets.
        """
        piece = self._ahead
        if piece:
            self._ahead = b""
            return piece
        piece = yield from self._ask(message, message.read)
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise TypeError(f"a source of octets expected, not of {type(piece).__name__}")
        octets = bytes(piece)
        if message.is_8bit is None and not (octets.isascii() or self._takes_8bit(message)):
            raise _no_8bit()
        return octets

    def _rewind(self, message: Outgoing) -> Dialogue:
        self._ahead = b""
        yield from self._ask(message, message.rewind)

    def _ask(self, message: Outgoing, call: Any) -> Generator[Step, Any, Any]:
        if message.is_one_piece:
            return call()  # it ends at once, and all it gives is no more than a write may hold
        timeout = self.timeout or recommended_timeout("client", State.DATA)
        step = Handle(self.flush(), call, (), timeout, blocks=message.blocks)
        return (yield from self.guard(step))

    # --- the outcome -----------------------------------------------------------------------------

    def _collect_final(self) -> Generator[Step, Any, Answers]:
        """Read the replies for the mail data: in LMTP those that came before the end stand."""
        final: Answers = []
        transaction = self.connection.transaction
        recipients = list(transaction.recipients) if transaction is not None else []
        try:
            yield from self.collect(final)
        except (ReplyError, ConnectionLost) as failure:
            if not (self.connection.lmtp and any(a.reply.is_positive for a in final)):
                raise
            rest = _reply_for(failure)
            final += [ReplyReceived(EndOfMailData(r), rest) for r in recipients[len(final) :]]
        return final

    def _outcome(self, replies: Sequence[Reply], final: Answers) -> list[Reply]:
        """Join the replies to RCPT with those to the mail data (RFC 2033 4.2).

        Raises:
            ReplyError: the message was refused for all.
        """
        last = final[-1].reply
        if not (self.connection.lmtp or last.is_positive):
            raise ReplyError(last, "mail data")
        each = [
            a.reply for a in final if isinstance(a.command, EndOfMailData) and a.command.recipient
        ]
        ends = iter(each or [last] * len(replies))
        return [next(ends) if reply.is_positive else reply for reply in replies]


def _reply_for(failure: Exception) -> Reply:
    """Return the reply that stands for those who were not reached."""
    if isinstance(failure, ReplyError):
        return failure.reply
    if isinstance(failure, LocalProtocolError):
        return Reply(554, f"not sent: {shown(str(failure))}", "5.6.0")
    return _LOST if isinstance(failure, ConnectionLost | ProtocolError) else _UNREAD


_UNREAD = Reply(451, "the message could not be read again", "4.3.0")


def _no_8bit() -> InvalidValueError:
    return InvalidValueError(
        "octets below 128 expected: the server does not offer 8BITMIME, and only an EmailMessage "
        "that is not signed can be encoded without",
        Violation.EIGHT_BIT,
        554,
        "5.6.3",
    )
