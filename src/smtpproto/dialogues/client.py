# SPDX-License-Identifier: MIT
"""A client's conversation: opening a session, sending messages over it, and taking leave.

Decides in which order commands go out, how mail data travels, and what the replies mean for each
recipient. Whether a command may be sent now is the connection's business; when to try again is the
caller's.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from ..exceptions import InvalidValueError, LocalProtocolError, ProtocolError, Violation
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Command, Data, Ehlo, Helo, Lhlo, Mail, Quit, Rcpt, Rset, StartTLS
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from ..session.events import ReplyReceived
from ..session.timeouts import recommended_timeout
from ..states import State
from .client_auth import Login, authenticate
from .errors import AllRefused, ConnectionLost, ReplyError, SecurityError
from .exchange import Answers, Exchange
from .outgoing import Outgoing
from .result import SendResult
from .steps import Close, Dialogue, Handle, Handshake, Step
from .transcript import Transcript

StartTLSPolicy = Literal["required", "offered", "never"]
"""Fail without TLS, use STARTTLS where it is offered, or do not use it."""
Transfer = Literal["auto", "data", "bdat"]
"""How mail data travels: by DATA, by BDAT (RFC 3030), or by what suits the message."""

_CHUNKS_OUTSTANDING = 4
_LARGE = 1 << 20
"""From this size on, chunks spare the work of transparency."""
_QUIT_TIMEOUT = 10.0
_NO_EHLO = frozenset((500, 502, 504, 550))
"""Replies after which HELO is tried (RFC 5321 3.2, 4.1.4)."""
_BETWEEN = frozenset((State.READY, State.MAIL, State.RCPT, State.BDAT, State.BDAT_FAILED))
_LOST = Reply(451, "connection lost before the reply", "4.4.2")


def open_session(
    connection: ClientConnection,
    *,
    local_name: str,
    literal: str,
    starttls: StartTLSPolicy = "offered",
    login: Login | None = None,
    timeout: float | None = None,
    transcript: Transcript | None = None,
) -> Dialogue:
    """Go from the greeting to where mail can be sent.

    Args:
        connection: a new one; with implicit TLS it knows of it already.
        local_name: our domain or address literal, for EHLO.
        literal: an address literal, tried when the server finds fault with `local_name`.
        starttls: what to do about TLS when there is none yet.
        login: who we are; without it, nobody in particular.
        timeout: seconds for each reply; by default what RFC 5321 4.5.3.2 asks for.
        transcript: gets the lines of the session.

    Raises:
        ReplyError: the server refuses us.
        SecurityError: TLS is required and could not be had; and what `authenticate` raises.
        ConnectionLost: the connection ended, or timed out.
        RemoteProtocolError: the server broke the protocol.
    """
    yield from _Client(connection, timeout, transcript).open(local_name, literal, starttls)
    if login is not None:
        yield from authenticate(connection, login, timeout=timeout, transcript=transcript)


def send_message(
    connection: ClientConnection,
    message: Outgoing,
    *,
    transfer: Transfer = "auto",
    timeout: float | None = None,
    transcript: Transcript | None = None,
) -> Generator[Step, Any, SendResult]:
    """Send one message in a session that is open.

    Afterwards, `is_reusable` tells whether another one may follow.

    Raises:
        ReplyError: the server refused the sender, or the message.
        AllRefused: it refused each recipient.
        LocalProtocolError: the message needs what the server does not offer, or the like; nothing
            of the message was sent.
        ConnectionLost: the connection ended, or timed out.
        RemoteProtocolError: the server broke the protocol.
    """
    return _Client(connection, timeout, transcript).send(message, transfer)


def quit_session(
    connection: ClientConnection,
    *,
    timeout: float | None = None,
    transcript: Transcript | None = None,
) -> Dialogue:
    """Take leave and close; a server that closes without a word is as good.

    See RFC 5321 4.1.1.10.
    """
    timeout = _QUIT_TIMEOUT if timeout is None else min(timeout, _QUIT_TIMEOUT)
    client = _Client(connection, timeout, transcript)
    may_quit = not connection.outstanding and (
        connection.state in _BETWEEN or connection.state in (State.GREETED, State.REFUSED)
    )
    if may_quit:
        with suppress(ReplyError, ConnectionLost, ProtocolError):
            yield from client.group([Quit()])
    yield Close(b"")


def is_reusable(connection: ClientConnection) -> bool:
    """Tell whether another message may be sent: nothing is outstanding, nothing half done."""
    return connection.state in _BETWEEN and not connection.outstanding


class _Client(Exchange):
    """The dialogues of a client."""

    # --- opening -------------------------------------------------------------------------------

    def open(self, local_name: str, literal: str, starttls: StartTLSPolicy) -> Dialogue:
        connection = self.connection
        greeting = yield from self.next_reply()
        if not greeting.reply.is_positive:
            raise ReplyError(greeting.reply, "greeting")
        yield from self._hello(local_name, literal)
        if connection.tls is not None or starttls == "never":
            return
        if "STARTTLS" not in connection.announced:
            if starttls == "required":
                raise SecurityError("TLS is required, and the server does not offer STARTTLS")
            return
        [answer] = yield from self.group([StartTLS()])
        if connection.state is not State.TLS:
            if starttls == "required":
                raise SecurityError(f"STARTTLS was refused: {answer.reply}", answer.reply)
            return
        connection.next_event()  # NEED_TLS; an octet behind the 220 is an error
        timeout = recommended_timeout("client", State.TLS)
        info = yield from self.guard(Handshake(b"", self.timeout or timeout))
        connection.tls_established(info)
        yield from self._hello(local_name, literal)

    def _hello(self, local_name: str, literal: str) -> Dialogue:
        """Say EHLO, and what is left to say if the server does not know it."""
        lmtp = self.connection.lmtp
        hellos: list[Command] = [Lhlo(local_name) if lmtp else Ehlo(local_name)]
        while hellos:
            command = hellos.pop(0)
            [answer] = yield from self.group([command])
            reply = answer.reply
            if reply.is_positive:
                return
            if reply.code == 501 and local_name != literal:
                local_name = literal
                hellos = [Lhlo(literal) if lmtp else Ehlo(literal)]
            elif reply.code in _NO_EHLO and isinstance(command, Ehlo):
                hellos = [Helo(local_name)]
        raise ReplyError(reply, command.verb)

    # --- a message -----------------------------------------------------------------------------

    def send(self, message: Outgoing, transfer: Transfer) -> Generator[Step, Any, SendResult]:
        connection = self.connection
        yield from self.hear()
        parameters = self._parameters(message)
        chunks = self._uses_chunks(message, transfer, parameters)
        mail = Mail(message.sender, parameters)
        commands: list[Command] = [mail, *message.recipients]
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
            raise AllRefused(_addresses(message.recipients), tuple(replies))
        if chunks:
            final = yield from self._send_chunks(message)
        elif connection.state is State.DATA:
            final = yield from self._send_data(message)
        else:
            raise ReplyError(answers[-1].reply, "DATA")
        return self._result(message, replies, final)

    def _parameters(self, message: Outgoing) -> dict[str, Any]:
        """Return the parameters of MAIL that the message needs and the server knows.

        Raises:
            InvalidValueError: it needs one that the server does not know.
        """
        offered = self.connection.announced
        parameters: dict[str, Any] = {}
        if message.size is not None and "SIZE" in offered:
            parameters["SIZE"] = message.size
        if "8BITMIME" in offered:
            if message.is_8bit is not False:
                parameters["BODY"] = "8BITMIME"
        elif message.is_8bit:
            raise InvalidValueError(
                "octets below 128 expected: the server does not offer 8BITMIME",
                Violation.EIGHT_BIT,
                554,
                "5.6.3",
            )
        if message.needs_utf8:
            if "SMTPUTF8" not in offered:
                raise InvalidValueError(
                    "ASCII in addresses and header expected: the server does not offer SMTPUTF8",
                    Violation.NON_ASCII_ADDRESS,
                    550,
                    "5.6.7",
                )
            parameters["SMTPUTF8"] = None
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

    def _give_up(self) -> Dialogue:
        """End mail data that was asked for though nobody is to get it (RFC 2920 3.1)."""
        if self.connection.state is State.DATA:
            self.out.append(self.connection.end_mail_data())
            yield from self.collect()

    def _send_data(self, message: Outgoing) -> Generator[Step, Any, Answers]:
        connection = self.connection
        pieces = 0
        while piece := (yield from self._next_piece(message)):
            self.out.append(connection.send_mail_data(piece))
            self.note(f"-> ({len(piece)} octets of mail data)")
            pieces += 1
        if pieces > 1:
            yield from self.hear()
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

    def _next_piece(self, message: Outgoing) -> Generator[Step, Any, bytes]:
        """Ask the source for more.

        Raises:
            InvalidValueError: octets above 127 that the server does not take.
            TypeError: the source gave no octets.
        """
        timeout = recommended_timeout("client", State.DATA)
        step = Handle(
            self.flush(), message.read, (), self.timeout or timeout, blocks=message.blocks
        )
        piece = yield from self.guard(step)
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(f"a source of octets expected, not of {type(piece).__name__}")
        octets = bytes(piece)
        if message.is_8bit is None and not (
            "8BITMIME" in self.connection.announced or octets.isascii()
        ):
            raise InvalidValueError(
                "octets below 128 expected: the server does not offer 8BITMIME", Violation.EIGHT_BIT
            )
        return octets

    def _collect_final(self) -> Generator[Step, Any, Answers]:
        """Read the replies for the mail data: in LMTP those that came before the end stand."""
        final: Answers = []
        transaction = self.connection.transaction
        expected = len(transaction.recipients) if transaction is not None else 0
        try:
            yield from self.collect(final)
        except (ReplyError, ConnectionLost) as failure:
            if not any(answer.reply.is_positive for answer in final):
                raise
            rest = failure.reply if isinstance(failure, ReplyError) else _LOST
            final += [ReplyReceived(EndOfMailData(), rest)] * (expected - len(final))
        return final

    def _result(self, message: Outgoing, replies: list[Reply], final: Answers) -> SendResult:
        """Join the replies to RCPT with those to the mail data."""
        lmtp = self.connection.lmtp
        ends = iter([answer.reply for answer in final])
        last = final[-1].reply
        if not (lmtp or last.is_positive):
            raise ReplyError(last, "mail data")
        each = [(next(ends) if lmtp else last) if r.is_positive else r for r in replies]
        addresses = _addresses(message.recipients)
        if not any(reply.is_positive for reply in each):
            raise AllRefused(addresses, tuple(each))
        return SendResult(addresses, tuple(each), last)


def _addresses(recipients: Sequence[Rcpt]) -> tuple[str, ...]:
    return tuple(recipient.forward_path.address for recipient in recipients)
