# SPDX-License-Identifier: MIT
"""A server's conversation, from the greeting to the end, for any handler and any I/O.

Decides which hook is asked when, what is answered where there is none, and what becomes of a
message that is broken off. No message is answered 250 before whoever takes it has said so. What a
command means for the session is the connection's business; how a hook is run is the driver's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final

from ..exceptions import LocalProtocolError
from ..grammar.commands import (
    Command,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Lhlo,
    Mail,
    Quit,
    Rcpt,
    Rset,
    Vrfy,
)
from ..grammar.replies import Reply
from ..session.events import (
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
from ..session.server import ServerConnection
from ..session.timeouts import recommended_timeout
from ..states import State
from .errors import ConnectionLost, SecurityError
from .handlers import Message, Peer, Reject
from .steps import Cancelled, Close, Dialogue, Handle, Handshake, Read, Step
from .transcript import Transcript, command_line, reply_lines

_NEED_DATA: Final = Signal.NEED_DATA
_FAILURES = (TimeoutError, ConnectionLost, SecurityError, Cancelled)
_HOOKS: Mapping[type[Command], str] = {
    Mail: "on_mail",
    Rcpt: "on_rcpt",
    Ehlo: "on_ehlo",
    Helo: "on_ehlo",
    Lhlo: "on_ehlo",
    Vrfy: "on_vrfy",
    Expn: "on_expn",
    Help: "on_help",
}
# What ends a transaction without its message (RFC 5321 4.1.4, 4.1.1.5, 4.1.1.10).
_ENDING = frozenset((Ehlo, Helo, Lhlo, Rset, Quit))
_ACCEPTED: Mapping[type[Command], Reply] = {
    Mail: Reply(250, "sender ok", "2.1.0"),
    Rcpt: Reply(250, "recipient ok", "2.1.5"),
}
_TAKEN = Reply(250, "message taken", "2.0.0")
_NO_MAIL = Reply(550, "no mail is taken here", "5.7.1")
_NOT_IMPLEMENTED = Reply(502, "not implemented", "5.5.1")
_FAILED = Reply(451, "local error", "4.3.0")
_TIMED_OUT = Reply(421, "timed out", "4.4.2")
_SHUTTING_DOWN = Reply(421, "server shutting down", "4.3.2")
_TOO_MANY = Reply(421, "too many connections", "4.3.2")


def serve_session(
    connection: ServerConnection,
    handler: object,
    peer: Peer,
    *,
    timeout: float | None = None,
    transcript: Transcript | None = None,
) -> Dialogue:
    """Hold a whole session.

    Args:
        connection: a new one; with implicit TLS it knows of it already.
        handler: any object with some of the hooks of `Handler`.
        peer: what the hooks get first.
        timeout: seconds to wait for each command, and for each hook; by default what RFC 5321
            4.5.3.2.7 asks for.
        transcript: gets the lines of the session.
    """
    peer.attach(connection)
    return _Server(connection, handler, peer, timeout, transcript).run()


def refuse_session(connection: ServerConnection) -> Dialogue:
    """Turn a client away because there are too many (RFC 5321 3.8)."""
    yield Close(connection.send(_TOO_MANY), lingers=True)


class _Server:
    """One session."""

    def __init__(
        self,
        connection: ServerConnection,
        handler: object,
        peer: Peer,
        timeout: float | None,
        transcript: Transcript | None,
    ) -> None:
        self._connection = connection
        self._peer = peer
        self._transcript = transcript
        self._timeout = (
            recommended_timeout("server", connection.state) if timeout is None else timeout
        )
        self._handler = handler
        self._hooks: Mapping[type[Command], Callable[..., Any]] = {
            kind: getattr(handler, name) for kind, name in _HOOKS.items() if hasattr(handler, name)
        }
        self._open_message = getattr(handler, "open_message", None)
        self._on_message = getattr(handler, "on_message", None)
        self._takes_mail = bool(self._open_message or self._on_message)
        streams = (Data,) if self._open_message else ()
        self._decided = frozenset((*self._hooks, *_ENDING, *streams))
        self._out: list[bytes] = []
        self._content = bytearray()
        self._sink: Any = None
        # Why the rest of a message is passed over: what its sink said.
        self._verdict: Reply | None = None

    def run(self) -> Dialogue:
        """Hold the session, and clean up however it ended."""
        lingers = True
        try:
            yield from self._greet()
            lingers = yield from self._converse()
        except TimeoutError:
            self._say_goodbye(_TIMED_OUT)
        except Cancelled:
            self._say_goodbye(_SHUTTING_DOWN)
        except (ConnectionLost, SecurityError):
            self._out.clear()
        yield from self._abort()
        on_close = getattr(self._handler, "on_close", None)
        if on_close is not None:
            yield from self._clean_up(on_close, self._peer)
        yield Close(self._flush(), lingers)

    def _greet(self) -> Dialogue:
        connection = self._connection
        protocol = "LMTP" if connection.lmtp else "ESMTP"
        greeting = Reply(220, f"{connection.hostname} {protocol}")
        hook = getattr(self._handler, "on_connect", None)
        if hook is not None:
            greeting = (yield from self._ask(hook, self._peer)) or greeting
        yield from self._reply(greeting)

    def _converse(self) -> Generator[Step, Any, bool]:
        """Take events until the session is over; return True if input may still come."""
        connection = self._connection
        out = self._out
        timeout = self._timeout
        goes_on = False
        while True:
            event = connection.next_event()
            if event is _NEED_DATA:
                octets = out[0] if len(out) == 1 else b"".join(out)
                out.clear()
                data = yield Read(octets, timeout, goes_on)
                if data:
                    connection.receive_data(data)
                else:
                    connection.receive_eof()
                goes_on = True
                continue
            goes_on = False
            act = _EVENTS.get(type(event))
            if act is not None:
                todo = act(self, event)
                if todo is not None:
                    yield from todo
            elif isinstance(event, ConnectionClosed):
                return not event.clean
            else:
                info = yield Handshake(self._flush(), timeout)
                connection.tls_established(info)

    # --- commands ------------------------------------------------------------------------------

    def _take_command(self, event: CommandReceived) -> Dialogue | None:
        command = event.command
        kind = type(command)
        if self._transcript is not None:
            self._transcript(command_line(command, event.line))
        if kind in self._decided:
            return self._decide(event, kind)
        if kind is Mail and not self._takes_mail:
            self._send(_NO_MAIL)
            return None
        self._send(event.default_reply or _ACCEPTED.get(kind, _NOT_IMPLEMENTED))
        if kind is Mail:
            self._peer.transaction = self._connection.transaction
        return None

    def _decide(self, event: CommandReceived, kind: type[Command]) -> Dialogue:
        """Answer a command that a hook, or the open transaction, has a say in."""
        reply = event.default_reply or _ACCEPTED.get(kind, _NOT_IMPLEMENTED)
        if kind is Mail and not self._takes_mail:
            reply = _NO_MAIL
        elif kind in self._hooks:
            answer = yield from self._ask(self._hooks[kind], self._peer, event.command)
            reply = answer or reply
        elif kind is Data:
            reply = (yield from self._open_sink()) or reply
        if kind in _ENDING and reply.is_positive:
            yield from self._abort()
        yield from self._reply(reply)
        if kind is Mail:
            self._peer.transaction = self._connection.transaction

    def _take_rejection(self, event: CommandRejected) -> None:
        if self._transcript is not None:
            command = event.command
            self._transcript(command_line(command, event.line) if command else "-> (not a command)")
        self._send(event.default_reply)

    def _refuse_authentication(self, event: AuthResponseReceived) -> None:
        self._send(_NOT_IMPLEMENTED)

    def _pass_over(self, event: ChunkReceived) -> None:
        """Drop what a verb of an extension announced: its command is answered at its end."""

    # --- messages ------------------------------------------------------------------------------

    def _take_data(self, event: MailDataReceived) -> Dialogue | None:
        if self._open_message is None:
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
        if not all(hasattr(sink, name) for name in ("write", "commit", "abort")):
            yield from self._complain(_bad_answer("a sink or a refusal", sink))
            return _FAILED
        self._sink = sink
        return None

    def _write(self, data: bytes) -> Dialogue:
        if self._sink is None:
            self._verdict = yield from self._open_sink()
        if self._verdict is None:
            verdict = yield from self._ask(self._sink.write, data)
            if verdict is not None and verdict.code < 400:
                yield from self._complain(_bad_answer("None or a refusal", verdict))
                verdict = _FAILED
            self._verdict = verdict
            if verdict is not None:
                yield from self._drop_sink()

    def _drop_sink(self) -> Dialogue:
        sink, self._sink = self._sink, None
        if sink is not None:
            yield from self._clean_up(sink.abort)

    def _abort(self) -> Dialogue:
        """End the transaction, if there is one, without its message."""
        yield from self._drop_sink()
        self._verdict = None
        self._content = bytearray()
        if self._peer.transaction is not None:
            hook = getattr(self._handler, "on_abort", None)
            if hook is not None:
                yield from self._clean_up(hook, self._peer)
            self._peer.transaction = None

    def _end_chunk(self, event: ChunkEnded) -> None:
        if self._transcript is not None:
            self._transcript(command_line(event.command, event.command.encode()))
        self._send(self._verdict or event.default_reply)

    def _end_message(self, event: MailDataEnded) -> Dialogue:
        if self._open_message is not None and self._sink is None and self._verdict is None:
            self._verdict = yield from self._open_sink()  # an empty message in a chunk
        if self._transcript is not None:
            self._transcript(f"-> ({event.size} octets of mail data)")
        refusal = event.default_reply or self._verdict
        count = len(event.recipients) if self._connection.lmtp else 1
        if refusal is not None:
            yield from self._abort()
            replies: Sequence[Reply] = (refusal,) * count
        else:
            replies = yield from self._deliver(event, count)
            self._peer.transaction = None
        for reply in replies:
            if self._connection.state is not State.CLOSED:  # a 421 among them
                yield from self._reply(reply)

    def _deliver(self, event: MailDataEnded, count: int) -> Generator[Step, Any, Sequence[Reply]]:
        """Hand the message over; return the reply for each recipient, or the only one."""
        transaction = self._peer.transaction
        assert transaction is not None
        if self._open_message is not None:
            answers = yield from self._run(self._sink.commit)
            self._sink = None
        else:
            content, self._content = self._content, bytearray()
            message = Message(transaction.mail, event.recipients, bytes(content))
            assert self._on_message is not None
            answers = yield from self._run(self._on_message, self._peer, message)
        if answers is None or isinstance(answers, Reply):
            return (answers or _TAKEN,) * count
        if self._connection.lmtp and _are_answers(answers, count):
            return tuple(answer or _TAKEN for answer in answers)
        wanted = f"None, a Reply, or {count} of them" if self._connection.lmtp else _ANSWER
        yield from self._complain(_bad_answer(wanted, answers))
        return (_FAILED,) * count

    # --- hooks ---------------------------------------------------------------------------------

    def _run(self, call: Callable[..., Any], *args: Any) -> Dialogue:
        """Run a hook; return its result, or the refusal that stands for its exception."""
        try:
            return (yield Handle(self._flush(), call, args, self._timeout))
        except _FAILURES:
            raise
        except Reject as refusal:
            return refusal.reply
        except Exception:  # the driver has logged it
            return _FAILED

    def _ask(self, call: Callable[..., Any], *args: Any) -> Generator[Step, Any, Reply | None]:
        """Run a hook that returns None or a reply."""
        answer = yield from self._run(call, *args)
        if answer is None or isinstance(answer, Reply):
            return answer
        yield from self._complain(_bad_answer(_ANSWER, answer))
        return _FAILED

    def _clean_up(self, call: Callable[..., Any], *args: Any) -> Dialogue:
        """Run a hook once, though what was to be written before it may not get through."""
        try:
            yield from self._ask(call, *args)
        except _FAILURES:  # and so it has not been called
            self._out.clear()
            yield from self._ask(call, *args)

    def _complain(self, error: Exception) -> Dialogue:
        """Have the driver log what a hook did wrong, as if the hook had raised it."""
        yield from self._run(_raise, error)

    # --- output --------------------------------------------------------------------------------

    def _reply(self, reply: Reply) -> Dialogue:
        """Send what may be a hook's reply."""
        try:
            self._send(reply)
        except LocalProtocolError as error:
            yield from self._complain(error)
            self._send(_FAILED)

    def _send(self, reply: Reply) -> None:
        self._out.append(self._connection.send(reply))
        if self._transcript is not None:
            for line in reply_lines(reply):
                self._transcript(line)

    def _say_goodbye(self, reply: Reply) -> None:
        if self._connection.state not in (State.TLS, State.CLOSED):
            self._send(reply)

    def _flush(self) -> bytes:
        octets = b"".join(self._out)
        self._out.clear()
        return octets


def _are_answers(answers: object, count: int) -> bool:
    return (
        isinstance(answers, Sequence)
        and len(answers) == count
        and all(answer is None or isinstance(answer, Reply) for answer in answers)
    )


_ANSWER = "None or a Reply"


def _bad_answer(wanted: str, answer: object) -> TypeError:
    return TypeError(f"a hook returns {wanted} here, not {type(answer).__name__}")


def _raise(error: Exception) -> None:
    raise error


_EVENTS: Mapping[type, Callable[[_Server, Any], Dialogue | None]] = {
    CommandReceived: _Server._take_command,
    CommandRejected: _Server._take_rejection,
    MailDataReceived: _Server._take_data,
    MailDataEnded: _Server._end_message,
    ChunkEnded: _Server._end_chunk,
    ChunkReceived: _Server._pass_over,
    AuthResponseReceived: _Server._refuse_authentication,
}
