# SPDX-License-Identifier: MIT
"""Talks to a server about AUTH: by hand, or with the client's half of a mechanism."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from smtpproto import ClientConnection, Ehlo, ProtocolError, TLSInfo
from smtpproto.dialogues import (
    Handle,
    Handshake,
    Login,
    Peer,
    Read,
    Reject,
    SMTPError,
    Terms,
    authenticate,
    serve_session,
)
from smtpproto.dialogues.server_settings import server_settings
from smtpproto.dialogues.steps import call_failure
from smtpproto.sasl import ClientMechanism, Credentials, SASLError

TLS = TLSInfo(
    "TLSv1.2",
    "ECDHE-RSA-AES128-GCM-SHA256",
    b"certificate",
    True,
    {"tls-unique": b"\0\1\2 unique \xff"},
)


class Random:
    """Octets that are not random, and never twice the same."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size)


class Session:
    """A client of a server's conversation: it has said EHLO.

    Args:
        handler: the server's.
        tls: a layer that is there from the start.
        options: of `server_settings`.
    """

    def __init__(
        self, handler: Any, *, tls: TLSInfo | None = TLS, hello: bool = True, **options: Any
    ) -> None:
        self.transcript: list[str] = []
        self.failures: list[BaseException] = []
        """What hooks raised, as a driver would log it."""
        self.settings = server_settings(
            handler,
            **{
                "own_name": "mx.example.org",
                "has_tls": tls is not None,
                "tls_mode": "implicit",
                "random": Random(),
                "transcript": self.transcript.append,
                **options,
            },
        )
        self.peer = Peer(("192.0.2.1", 4711))
        self.connection = self.settings.connection(tls if self.settings.is_implicit else None)
        terms = Terms(transcript=self.transcript.append, mechanisms=self.settings.auth)
        self._dialogue = serve_session(
            self.connection, self.settings.new_handler(), self.peer, terms
        )
        self.ended = False
        self._run(None)
        self.offered: tuple[str, ...] = ()
        if hello:
            self.greet()

    def greet(self) -> None:
        """Say EHLO; note which mechanisms are offered."""
        lines = self.say(b"EHLO client.example\r\n").splitlines()
        [offer] = [line[9:] for line in lines if line[4:9] == "AUTH "] or [""]
        self.offered = tuple(offer.split())

    def say(self, octets: bytes) -> str:
        """Send octets; return the replies."""
        return self._run(octets)

    def fail(self, failure: BaseException) -> None:
        """Let the connection fail."""
        self._run(None, failure)

    def _run(self, given: Any, failure: BaseException | None = None) -> str:
        out = b""
        try:
            while True:
                step = (
                    self._dialogue.send(given) if failure is None else self._dialogue.throw(failure)
                )
                given = failure = None
                out += step.out
                if isinstance(step, Handle):
                    try:
                        given = step.call(*step.args)
                    except Exception as error:
                        if not isinstance(error, Reject):
                            self.failures.append(error)
                        failure = call_failure(error)
                elif isinstance(step, Handshake):
                    given = TLS
                elif isinstance(step, Read):
                    break
        except StopIteration:
            self.ended = True
        return out.decode("utf-8", "surrogateescape")

    def authenticate(
        self,
        client: ClientMechanism,
        alter: Callable[[int, bytes], bytes] = lambda number, line: line,
    ) -> tuple[str, bool]:
        """Authenticate as a client does.

        Args:
            client: its half.
            alter: what stands between the two does this to each line, the number of which it gets;
                the client's first is 0, the answer to it 1.

        Returns:
            The last reply, and whether the client may believe it.
        """
        number = -1

        def wire(line: bytes) -> bytes:
            nonlocal number
            number += 1
            return alter(number, line)

        first = client.initial_response()
        command = b"AUTH " + client.name.encode()
        if first is not None:
            command += b" " + (base64.b64encode(first) or b"=")
        reply = wire(self.say(wire(command) + b"\r\n").encode("utf-8", "surrogateescape"))
        while reply.startswith(b"334 "):
            try:
                challenge = base64.b64decode(reply[4:].rstrip(b"\r\n"), validate=True)
                response = base64.b64encode(client.step(challenge))
            except (SASLError, ValueError):
                response = b"*"
            answered = self.say(wire(response) + b"\r\n")
            reply = wire(answered.encode("utf-8", "surrogateescape"))
        return reply.decode("utf-8", "surrogateescape"), reply.startswith(b"235 ") and client.done


def encoded(octets: bytes) -> bytes:
    """Return a response as a client writes it, with its CRLF."""
    return base64.b64encode(octets) + b"\r\n"


def plain(name: str, password: str, authzid: str = "") -> bytes:
    """Return AUTH PLAIN as a client writes it."""
    return b"AUTH PLAIN " + encoded(f"{authzid}\0{name}\0{password}".encode())


Damage = Callable[[int, bytes], bytes]


def converse(
    session: Session,
    mechanism: Callable[[], ClientMechanism] | str,
    credentials: Credentials | None = None,
    damage: Damage = lambda number, octets: octets,
    cut: int = 0,
) -> Conversed:
    """Let the client's conversation authenticate in the server's.

    Args:
        session: the server, which has been greeted.
        mechanism: the client's.
        credentials: what it has to show.
        damage: what stands between the two does this to what is written; the client's first line is
            0, the answer to it 1.
        cut: octets that arrive at a time; 0 for all.
    """
    done = Conversed(session)
    tls = session.connection.tls
    client = done.client = ClientConnection(tls=tls)
    client.receive_data(b"220 mx.example.org\r\n")
    client.next_event()
    hello = client.send(Ehlo("client.example"))
    client.receive_data(session.say(hello).encode())
    client.next_event()
    credentials = credentials or Credentials()
    login = Login(credentials, credentials.token, (mechanism,), True, random=Random())
    done.shown.append(repr(login))
    dialogue = authenticate(client, login, transcript=done.transcript.append)
    waiting = b""
    given: Any = None
    failure: BaseException | None = None
    try:
        while True:
            step = dialogue.send(given) if failure is None else dialogue.throw(failure)
            given = failure = None
            done.shown.append(repr(step) if isinstance(step, Handle) else type(step).__name__)
            if step.out:
                sent = damage(len(done.messages), step.out)
                done.messages.append(step.out)
                answer = b"".join(
                    session.say(piece).encode("utf-8", "surrogateescape")
                    for piece in _pieces(sent, cut)
                    if not session.ended
                )
                if answer:
                    waiting += damage(len(done.messages), answer)
                    done.messages.append(answer)
            if isinstance(step, Handle):
                try:
                    given = step.call(*step.args)
                except Exception as error:
                    failure = call_failure(error)
            elif isinstance(step, Read):
                size = cut or len(waiting)
                given, waiting = waiting[:size], waiting[size:]
                if not given and not session.ended:
                    failure = TimeoutError()
    except StopIteration:
        pass
    except (SMTPError, ProtocolError) as error:
        done.error = error
    return done


class Conversed:
    """What came of two conversations with each other."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.client: Any = None
        self.error: Exception | None = None
        """What the client's side raised; None where it believes that it has authenticated."""
        self.messages: list[bytes] = []
        """As they were written, the client's and the server's in turn."""
        self.transcript: list[str] = []
        self.shown: list[str] = []

    def everything(self) -> str:
        """Return all that anybody could have logged."""
        errors: list[BaseException] = list(self.session.failures)
        if self.error is not None:
            errors.append(self.error)
        for error in errors:
            errors += [one for one in (error.__cause__, error.__context__) if one is not None]
        values = [self.client, self.session.peer, self.session.settings, self.session.connection]
        return "\n".join(
            [
                *self.transcript,
                *self.session.transcript,
                *self.shown,
                *map(repr, values),
                *(f"{error!r} {error} {vars(error)}" for error in errors),
            ]
        )


def _pieces(octets: bytes, size: int) -> list[bytes]:
    size = size or len(octets)
    return [octets[at : at + size] for at in range(0, len(octets), size)]
