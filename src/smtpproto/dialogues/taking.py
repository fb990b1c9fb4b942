# SPDX-License-Identifier: MIT
"""A message on its way to the application: collected whole, or piece by piece into a sink.

Decides that no message is answered 250 before whoever takes it has said so, and that each one that
was begun ends in exactly one of `on_message`, the sink's `commit`, and `on_abort`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from ..extensions.declaration import Transaction
from ..grammar.commands import Mail, Rcpt
from ..grammar.replies import Reply
from ..session.events import ChunkEnded, MailDataEnded, MailDataReceived
from ..session.refusals import forbidden
from ..session.server import ServerConnection
from ..states import State
from .application import NO_FACTS, Message, Peer
from .conversation import ANSWER, FAILED, Conversation, Terms, bad_answer
from .records import MessageRecord
from .steps import Dialogue, Step
from .transcript import command_line

_TAKEN = Reply(250, "message taken", "2.0.0")
_EACH = Reply(353, "a reply for each recipient, and one for all")


class Taking(Conversation):
    """The part of a session that takes messages."""

    __slots__ = (
        "_chunked",
        "_content",
        "_is_taking",
        "_messages",
        "_open_message",
        "_refused",
        "_sink",
        "_verdict",
    )

    def __init__(
        self,
        connection: ServerConnection,
        handler: object,
        peer: Peer,
        terms: Terms,
    ) -> None:
        super().__init__(connection, handler, peer, terms)
        self._open_message = getattr(handler, "open_message", None)
        # The message so far: what came in one piece stays as it is.
        self._content: bytes | bytearray = b""
        self._sink: Any = None
        # Why the rest of a message is passed over: what its sink said.
        self._verdict: Reply | None = None
        self._messages = 0
        # Recipients of the transaction that were refused.
        self._refused = 0
        # From the 354, or the first chunk, to the end of mail data.
        self._is_taking = False
        # Octets of the message in chunks that are in the transcript.
        self._chunked = 0

    @property
    def _takes_mail(self) -> bool:
        return bool(self._open_message or getattr(self._handler, "on_message", None))

    @property
    def _has_begun(self) -> bool:
        """True when there is a transaction, or what XFORWARD says of the next one."""
        return self._peer.transaction is not None or bool(self._peer.forwarded)

    def _begin_message(self) -> None:
        self._is_taking = True
        self._deadlines.begin_message()

    def _leave_message(self) -> None:
        self._is_taking = False
        self._deadlines.end_message()

    def _take_data(self, event: MailDataReceived) -> Dialogue | None:
        if not self._is_taking:
            self._begin_message()
        if self._open_message is None:
            if not self._content:
                self._content = event.data
                return None
            if type(self._content) is bytes:
                self._content = bytearray(self._content)
            self._content += event.data
        elif self._verdict is None:
            return self._write(event.data)
        return None

    def _open_sink(self) -> Generator[Step, Any, Reply | None]:
        """Open the sink; return the refusal if it cannot be."""
        assert self._open_message is not None
        sink = yield from self._run(self._open_message, self._peer)
        if isinstance(sink, Reply) and sink.code >= 400:
            return sink
        lacking = [name for name in ("write", "commit", "abort") if not hasattr(sink, name)]
        if lacking:
            yield from self._complain(bad_answer("a sink or a refusal", sink, lacking))
            return FAILED
        self._sink = sink
        return None

    def _write(self, data: bytes) -> Dialogue:
        if self._sink is None:
            self._verdict = yield from self._open_sink()
        if self._verdict is None:
            verdict = yield from self._ask(self._sink.write, data)
            if verdict is not None and verdict.code < 400:
                yield from self._complain(bad_answer("None or a refusal", verdict))
                verdict = FAILED
            self._verdict = verdict
            if verdict is not None:
                yield from self._drop_sink()

    def _drop_sink(self) -> Dialogue:
        sink, self._sink = self._sink, None
        if sink is not None:
            yield from self._clean_up(sink.abort)

    def _abort(self) -> Iterable[Step]:
        """End the transaction, if there is one, without its message."""
        return self._break_transaction() if self._has_begun else ()

    def _break_transaction(self) -> Dialogue:
        self._leave_message()
        self._refused = self._chunked = 0
        yield from self._drop_sink()
        self._verdict = None
        self._content = b""
        if self._peer.transaction is not None:
            hook = getattr(self._handler, "on_abort", None)
            if hook is not None:
                yield from self._clean_up(hook, self._peer)
            self._peer.transaction = None
        self._peer.forwarded = NO_FACTS

    def _end_chunk(self, event: ChunkEnded) -> None:
        if not self._is_taking:
            self._begin_message()
        if self._transcript is not None:
            self._transcript(command_line(event.command, event.command.encode()))
            self._chunked += event.command.octets()
        self._send(self._verdict or event.default_reply)

    def _end_message(self, event: MailDataEnded) -> Dialogue:
        self._leave_message()
        if self._open_message is not None and self._sink is None and self._verdict is None:
            self._verdict = yield from self._open_sink()  # an empty message in a chunk
        if self._transcript is not None:
            if self._connection.state is not State.DATA:
                self._transcript(f"-> BDAT {event.size - self._chunked} LAST")
            self._transcript(f"-> ({event.size} octets of mail data)")
            self._chunked = 0
        transaction = self._peer.transaction
        refused, self._refused = self._refused, 0
        refusal = event.default_reply or self._verdict
        count = len(event.recipients) if self._connection.lmtp else 1
        answers: Any = None
        replies: tuple[Reply, ...] = (refusal or _TAKEN,) * count
        if refusal is not None:
            yield from self._abort()
        else:
            assert transaction is not None
            answers = yield from self._hand_over(transaction.mail, event.recipients)
            self._sink = None
            if answers is not None:
                replies = yield from self._judged(answers, count, transaction, event.recipients)
            self._peer.transaction = None
            self._peer.forwarded = NO_FACTS
        if self._observe is not None and transaction is not None:
            record = MessageRecord(
                self._peer, transaction.mail, event.recipients, event.size, replies, refused
            )
            self._messages += record.is_accepted
            self._observe(record)
        if refusal is None and answers is None:  # none of them is a hook's
            for reply in replies:
                self._send(reply)
            return
        if len(replies) > count:
            replies = (_EACH, *replies, _summary(replies))
        for reply in replies:
            if self._connection.state is not State.CLOSED:  # a 421 among them
                yield from self._reply(reply)

    def _judged(
        self, answers: Any, count: int, transaction: Transaction, rcpts: tuple[Rcpt, ...]
    ) -> Generator[Step, Any, tuple[Reply, ...]]:
        """Return a reply for each that is due, whatever a hook has answered."""
        replies = (FAILED,) * count
        if isinstance(answers, Reply):
            replies = (answers,) * count
        elif self._may_answer_each(transaction) and _are_answers(answers, rcpts):
            replies = tuple([answer or _TAKEN for answer in answers])
        else:
            several = f", or {len(rcpts)} of them"
            wanted = ANSWER + several * self._may_answer_each(transaction)
            yield from self._complain(bad_answer(wanted, answers))
        wrong = [reply for reply in replies if reply.is_intermediate]
        if wrong:  # it would only announce other replies, as a 353 in PRDR
            yield from self._complain(forbidden("2yz, 4yz or 5yz", wrong[0]))
            replies = tuple([FAILED if reply in wrong else reply for reply in replies])
        return replies

    def _hand_over(self, mail: Mail, rcpts: tuple[Rcpt, ...]) -> Dialogue:
        """Give the message to who takes it; return what that returns."""
        if self._open_message is not None:
            return self._run(self._sink.commit)
        content, self._content = self._content, b""
        hook = self._handler.on_message
        return self._run(hook, self._peer, Message(mail, rcpts, bytes(content)))

    def _may_answer_each(self, transaction: Transaction) -> bool:
        """Tell whether each recipient may have a reply of its own (RFC 2033 4.2, PRDR)."""
        return self._connection.lmtp or "PRDR" in transaction.mail.parameters


def _summary(replies: Sequence[Reply]) -> Reply:
    """Return the reply for a message that each recipient has had one for, in PRDR."""
    return _TAKEN if any(reply.is_positive for reply in replies) else replies[0]


def _are_answers(answers: object, rcpts: tuple[Rcpt, ...]) -> bool:
    return (
        isinstance(answers, Sequence)
        and len(answers) == len(rcpts)
        and all(answer is None or isinstance(answer, Reply) for answer in answers)
    )
