# SPDX-License-Identifier: MIT
"""A client's conversation around its messages: opening a session, and taking leave.

Decides what is said before the first message and after the last one, and whether there may be
another one. What is said about a message is not decided here.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any, Literal

from ..exceptions import LocalProtocolError, ProtocolError
from ..extensions.limits import limits_left
from ..grammar.commands import Command, Ehlo, Helo, Lhlo, Quit, StartTLS
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from ..session.timeouts import recommended_timeout
from ..states import State
from .client_auth import Login, authenticate
from .errors import ConnectionLost, ReplyError, SecurityError, SMTPError
from .exchange import Exchange
from .steps import Close, Dialogue, Handshake, Step
from .transcript import Transcript

StartTLSPolicy = Literal["required", "offered", "never"]
"""Fail without TLS, use STARTTLS where it is offered, or do not use it."""
_QUIT_TIMEOUT = 10.0
_NO_EHLO = frozenset((500, 502, 504, 550))
"""Replies after which HELO is tried (RFC 5321 3.2, 4.1.4)."""
_BETWEEN = frozenset((State.READY, State.MAIL, State.RCPT, State.BDAT, State.BDAT_FAILED))


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
    client = _Client(connection, timeout, transcript)
    with client:
        yield from client.open(local_name, literal, starttls)
        if login is not None:
            yield from authenticate(
                connection,
                login,
                timeout=timeout,
                transcript=transcript,
                recording=client.recording,
            )


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
    if may_quit(connection):
        with suppress(ReplyError, ConnectionLost, ProtocolError):
            yield from client.group([Quit()])
    yield Close(b"")


def execute(
    connection: ClientConnection,
    command: Command,
    octets: bytes = b"",
    *,
    timeout: float | None = None,
    transcript: Transcript | None = None,
) -> Generator[Step, Any, Reply]:
    """Send one command between two messages, and return the reply, whatever it says.

    For NOOP, VRFY, ETRN or a verb of one's own. A command that leads elsewhere, as DATA does,
    leaves a session that is not reusable.

    Args:
        connection: the session.
        command: any but BDAT.
        octets: what follows the line, for a command that announces octets.
        timeout: seconds for the reply; by default what RFC 5321 4.5.3.2 asks for.
        transcript: gets the lines of the session.

    Raises:
        LocalProtocolError: the command cannot be sent now, or to this server; it was not.
        ReplyError: the reply is a 421, which ends the session.
        ConnectionLost: the connection ended, or timed out.
        RemoteProtocolError: the server broke the protocol.
    """
    client = _Client(connection, timeout, transcript)
    with client:
        yield from client.hear()
        return (yield from client.execute(command, octets))


def may_quit(connection: ClientConnection) -> bool:
    """Tell whether QUIT may be said: nothing is outstanding, nothing half done."""
    state = connection.state
    return connection.oldest is None and (
        state in _BETWEEN or state in (State.GREETED, State.REFUSED)
    )


def is_reusable(connection: ClientConnection) -> bool:
    """Tell whether another message may be sent: nothing is half done, and there is room for it."""
    if connection.state not in _BETWEEN or connection.oldest is not None:
        return False
    return "LIMITS" not in connection.announced or limits_left(connection).mail_max != 0


def ends_session(error: BaseException, thrown: Sequence[BaseException]) -> bool:
    """Tell whether there is nothing more to say, whatever state the session seems to be in.

    What neither a dialogue nor a source raised, as what the handler of a signal did, may have come
    between any two steps: a reply may have been read and not be known of.

    Args:
        error: what a dialogue ended in.
        thrown: what its driver has thrown into it.
    """
    if isinstance(error, SMTPError | ProtocolError):
        return isinstance(error, ConnectionLost)
    return not any(error is one or error is one.__cause__ for one in thrown)


class _Client(Exchange):
    """The dialogues of a client."""

    def execute(self, command: Command, octets: bytes) -> Generator[Step, Any, Reply]:
        try:
            line = self.connection.send(command, octets)
        except LocalProtocolError:
            yield from self.agree()
            raise
        self.out += line
        self.note(((command,), line))
        answer = yield from self.next_reply()
        return answer.reply

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
