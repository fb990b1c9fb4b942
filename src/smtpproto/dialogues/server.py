# SPDX-License-Identifier: MIT
"""A server's conversation, from the greeting to the end, for any handler and any I/O.

Decides which hook is asked when, what is answered where there is none, and what becomes of a
session that is broken off. What a command means for the session is the connection's business; how a
hook is run is the driver's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from ..exceptions import Violation
from ..grammar.attributes import XClient, XForward
from ..grammar.auth import Auth
from ..grammar.commands import (
    Command,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTLS,
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
from ..states import State
from .application import Peer
from .claims import Claiming
from .conversation import FAILURES, Terms
from .deadlines import HANDSHAKE_TIME
from .records import SessionRecord
from .steps import Cancelled, Close, Dialogue, Handshake, Read
from .transcript import command_line, refused_line

_DATA: Final = State.DATA
_NEED_DATA: Final = Signal.NEED_DATA
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
# The hooks of commands that are in each session; those of others are looked for when they come.
_USUAL = ("on_message", "on_mail", "on_rcpt", "on_ehlo")
_SELDOM = tuple(kind for kind, name in _HOOKS.items() if name not in _USUAL)
# What ends a transaction without its message (RFC 5321 4.1.4, 4.1.1.5, 4.1.1.10).
_ENDING = frozenset((Ehlo, Helo, Lhlo, Rset, Quit))
_ACCEPTED: Mapping[type[Command], Reply] = {
    Mail: Reply(250, "sender ok", "2.1.0"),
    Rcpt: Reply(250, "recipient ok", "2.1.5"),
}
_NO_MAIL = Reply(550, "no mail is taken here", "5.7.1")
# What on_command is not asked about.
_KNOWN = frozenset((*_HOOKS, *_ENDING, Data, Noop, StartTLS))
_DONE = Reply(250, "ok", "2.0.0")
_NOT_IMPLEMENTED = Reply(502, "not implemented", "5.5.1")
_TIMED_OUT = Reply(421, "timed out", "4.4.2")

SHUTTING_DOWN = Reply(421, "server shutting down", "4.3.2")
TOO_MANY = Reply(421, "too many connections", "4.3.2")


def serve_session(
    connection: ServerConnection,
    handler: object,
    peer: Peer,
    terms: Terms | None = None,
    *,
    unread: bytes = b"",
) -> Dialogue:
    """Hold a whole session.

    Args:
        connection: a new one; with implicit TLS it knows of it already.
        handler: any object with some of the hooks of `Handler`.
        peer: what the hooks get first.
        terms: about time, and about who listens.
        unread: octets of the client's that came before the session began.
    """
    peer.attach(connection)
    return _Server(connection, handler, peer, terms or Terms()).run(unread)


def refuse_session(connection: ServerConnection, reply: Reply = TOO_MANY) -> Dialogue:
    """Turn a client away because there are too many (RFC 5321 3.8)."""
    yield Close(connection.send(reply), lingers=True)


@lru_cache(maxsize=256)
def _settled(streams: bool, *has: bool) -> frozenset[type[Command]]:
    """Return the commands that only the connection has a say in: one set for all sessions.

    Args:
        streams: whether the handler takes messages piece by piece.
        has: for each of `_USUAL`, whether the handler has the hook.
    """
    there = dict(zip(_USUAL, has, strict=True))
    hooked = [kind for kind, name in _HOOKS.items() if there.get(name)]
    streamed = (Data,) if streams else ()
    refused = () if streams or there["on_message"] else (Mail,)
    return _KNOWN.difference(hooked, _SELDOM, streamed, refused)


@lru_cache(maxsize=256)
def _in_advance(settled: frozenset[type[Command]]) -> Mapping[type[Command], Reply]:
    """Return the replies that the connection can give by itself: one mapping for all sessions."""
    replies = {**_ACCEPTED, Data: Data.default_reply}
    return {kind: reply for kind, reply in replies.items() if kind in settled}


class _Server(Claiming):
    """One session."""

    __slots__ = (
        "_errors",
        "_last_refusal",
        "_refused_recipients",
        "_refused_senders",
        "_settled",
    )

    def __init__(
        self,
        connection: ServerConnection,
        handler: object,
        peer: Peer,
        terms: Terms,
    ) -> None:
        super().__init__(connection, handler, peer, terms)
        self._settled = _settled(
            self._open_message is not None,
            *[getattr(handler, name, None) is not None for name in _USUAL],
        )
        if self._transcript is None:  # which hears of each command
            connection.settle(_in_advance(self._settled), self._out)
        self._errors = 0
        self._refused_senders = self._refused_recipients = 0
        self._last_refusal: Reply | None = None

    def run(self, unread: bytes) -> Dialogue:
        """Hold the session, and clean up however it ended."""
        connection = self._connection
        peer = self._peer
        out = self._out
        clock = self._clock
        deadlines = self._deadlines
        command = self._timeout
        read = Read(b"", command)  # one for all, since making it would cost as much as a command
        lingers = True
        try:
            try:
                yield from self._greet()
                data = unread
                while True:
                    event = connection.next_event(data)
                    if connection.transaction is not None:
                        peer.transaction = connection.transaction
                    if event is _NEED_DATA:
                        if connection.state is _DATA and not self._is_taking:
                            self._begin_message()
                        if out:  # a command was answered, perhaps without an event
                            read.goes_on = False
                        read.out = b"".join(out)
                        out.clear()
                        read.timeout = command if clock.now < deadlines.near else self._time_left()
                        read.may_finish = self._is_taking
                        data = yield read
                        if not data:
                            connection.receive_eof()
                        read.goes_on = True
                        continue
                    data = b""
                    read.goes_on = False
                    act = _EVENTS[type(event)]
                    if act is None:
                        break
                    todo = act(self, event)
                    if todo is not None:
                        yield from todo
                        del todo  # or it would be kept until the next command
                assert isinstance(event, ConnectionClosed)
                self._ending = self._ending or ("left" if event.clean else "lost")
                lingers = not event.clean
            except FAILURES as error:
                self._break_off(error)
            yield from self._abort()
            on_close = getattr(self._handler, "on_close", None)
            if on_close is not None:
                yield from self._clean_up(on_close, self._peer)
            yield Close(self._flush(), lingers)
        finally:  # broken off, too
            if self._observe is not None:
                self._observe(self._record())

    def _record(self) -> SessionRecord:
        return SessionRecord(
            self._peer,
            self._ending or "shut down",
            self._connection.commands,
            self._errors,
            self._messages,
            self._refused_senders,
            self._refused_recipients,
            self._last_refusal,
        )

    def _break_off(self, error: Exception) -> None:
        """Take note of what ended the session; say so where it can still be heard."""
        if isinstance(error, TimeoutError):
            self._say_goodbye(_TIMED_OUT)
            self._ending = "timed out"
        elif isinstance(error, Cancelled):
            self._say_goodbye(SHUTTING_DOWN)
            self._ending = "shut down"
        else:
            self._out.clear()
            self._ending = "lost"

    def _secure(self, _need: Signal) -> Dialogue:
        """Make the handshake: the last of the replies that were due is sent first."""
        timeout = min(self._time_left(), HANDSHAKE_TIME)
        info = yield Handshake(self._flush(), timeout)
        self._connection.tls_established(info)
        self._peer.mechanism = None
        self._keep_place()

    def _time_left(self) -> float:
        return self._deadlines.left(self._connection.identity is not None)

    # --- commands ------------------------------------------------------------------------------

    def _take_command(self, event: CommandReceived) -> Dialogue | None:
        command = event.command
        kind = type(command)
        if self._transcript is not None:
            self._transcript(command_line(command, event.line))
        if kind not in self._settled or (kind in _ENDING and self._has_begun):
            is_known = kind in _KNOWN or kind in _PARTS
            return self._decide(event, kind) if is_known else self._take_other(event)
        reply = event.default_reply or _ACCEPTED[kind]
        self._out.append(self._connection.send(reply))
        if self._transcript is not None:
            self._say(reply)
        if kind is Quit:
            self._ending = "quit"
        return None

    def _decide(self, event: CommandReceived, kind: type[Command]) -> Dialogue:
        """Answer a command that a hook, or the open transaction, has a say in."""
        part = _PARTS.get(kind)
        if part is not None:
            yield from part(self, event.command)
            return
        reply = event.default_reply or _ACCEPTED[kind]
        hook = getattr(self._handler, _HOOKS[kind], None) if kind in _HOOKS else None
        if kind is Mail and not self._takes_mail:
            reply = _NO_MAIL
        elif hook is not None:
            reply = (yield from self._ask(hook, self._peer, event.command)) or reply
        elif kind is Data:
            reply = (yield from self._open_sink()) or reply
        if kind in _ENDING and reply.is_positive:
            yield from self._abort()
        if kind is Quit:
            self._ending = "quit"
        reply = yield from self._reply(reply)
        if reply.code >= 400:
            self._note_refusal(kind, reply)

    def _note_refusal(self, kind: type[Command] | type[None], reply: Reply) -> None:
        """Take note of a command of a transaction that was refused."""
        if kind is Rcpt:
            self._refused += self._peer.transaction is not None
            self._refused_recipients += 1
        elif kind is Mail:
            self._refused_senders += 1
        elif kind is not Data:
            return
        self._last_refusal = reply

    def _take_other(self, event: CommandReceived) -> Dialogue:
        """Answer a command of an extension that nothing here knows."""
        hook = getattr(self._handler, "on_command", None)
        answer = (yield from self._ask(hook, self._peer, event.command)) if hook else None
        otherwise = _NOT_IMPLEMENTED if hook is None else _DONE
        yield from self._reply(answer or event.default_reply or otherwise)

    def _take_rejection(self, event: CommandRejected) -> None:
        self._errors += 1
        if event.closes:
            self._ending = "turned away"
        if self._transcript is not None:
            command = event.command
            told = command_line(command, event.line) if command else refused_line(event.line)
            self._transcript(told)
        self._forget_exchange()  # a rejected line ends it (RFC 4954 4)
        if event.violation is not Violation.BAD_SEQUENCE:
            self._note_refusal(type(event.command), event.default_reply)
        self._send(event.default_reply)

    def _pass_over(self, event: ChunkReceived) -> None:
        """Drop what a verb of an extension announced: its command is answered at its end."""


_PARTS: Mapping[type[Command], Callable[[_Server, Any], Dialogue]] = {
    Auth: _Server._begin_exchange,
    XClient: _Server._take_claims,
    XForward: _Server._take_forwarded,
}
_EVENTS: dict[type, Callable[[_Server, Any], Dialogue | None] | None] = {
    CommandReceived: _Server._take_command,
    CommandRejected: _Server._take_rejection,
    MailDataReceived: _Server._take_data,
    MailDataEnded: _Server._end_message,
    ChunkEnded: _Server._end_chunk,
    ChunkReceived: _Server._pass_over,
    AuthResponseReceived: _Server._take_response,
    Signal: _Server._secure,  # NEED_TLS: no other is left
    ConnectionClosed: None,  # the end
}
