# SPDX-License-Identifier: MIT
"""A client's conversation about who it is: AUTH, from the choice of a mechanism to the verdict.

Decides which mechanism is tried, when the next one is, and when a success is believed. What the
messages of a mechanism hold is `smtpproto.sasl`'s business. Nothing here shows a secret.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from typing import Any

from ..exceptions import InvalidValueError, LocalProtocolError, ProtocolError
from ..grammar.auth import Auth, AuthResponse
from ..grammar.replies import Reply
from ..sasl import (
    DEFAULT_ORDER,
    ChannelBinding,
    ClientMechanism,
    Credentials,
    OAuthError,
    SASLError,
    choose,
    make_client,
)
from ..session.client import ClientConnection
from ..session.events import ReplyReceived
from ..session.session import COMMAND_LINE
from ..session.timeouts import recommended_timeout
from ..states import State
from ..values import value
from .errors import AuthenticationError, ConnectionLost, ReplyError, SecurityError, TimedOut
from .exchange import Exchange
from .steps import Dialogue, Handle, Step
from .transcript import Recording, Transcript

Mechanism = str | ClientMechanism | Callable[[], ClientMechanism]
"""A name of `smtpproto.sasl`, a mechanism of one's own, good for one exchange, or what makes it."""

_ROUNDS = 16
"""Challenges in one exchange: a mechanism of a server's invention could go on for ever."""
_TRY_NEXT = frozenset((454, 504, 534))
"""Replies about the mechanism, not about the password (RFC 4954 6)."""
_BINDINGS = ("tls-exporter", "tls-unique", "tls-server-end-point")
"""Types of channel binding, the one that binds best first (RFC 9266 3)."""
_STATUS = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)


@value
class Login:
    """Who a client is, and by which means it may say so."""

    credentials: Credentials
    token: Any = field(default="", repr=False)
    """An OAuth 2.0 access token, or what returns one, or an awaitable of one."""
    mechanisms: tuple[Mechanism, ...] = field(default=DEFAULT_ORDER, repr=False)
    """The allowed ones, to be tried in this order."""
    allow_cleartext: bool = False
    """Mechanisms that reveal the password or token may be used without TLS."""
    needs_certificate: bool = False
    """A TLS layer counts only if the server's certificate was verified."""
    random: Callable[[int], bytes] = field(repr=False, kw_only=True)
    """Returns that many unpredictable octets; SCRAM is only as good as they are (RFC 5802 9)."""


def authenticate(
    connection: ClientConnection,
    login: Login,
    *,
    timeout: float | None = None,
    transcript: Transcript | None = None,
    recording: Recording | None = None,
) -> Dialogue:
    """Say who we are, by the first mechanism that is allowed and that the server takes.

    A refused password is not tried by another mechanism. Where the server does not know a
    mechanism after all, the next one is tried (RFC 4954 4, 6).

    Args:
        connection: one that has said EHLO and is between transactions.
        login: the credentials, and what is allowed.
        timeout: seconds for each reply.
        transcript: gets the lines of the session, without the exchange itself.
        recording: what was said before, for the transcript of an error.

    Raises:
        AuthenticationError: the server refused.
        SecurityError: no allowed mechanism is offered, or the server did not prove itself. In the
            second case the connection is of no more use.
        InvalidValueError: a credential that no offered mechanism can hold.
        ConnectionLost: the connection ended, or timed out.
        RemoteProtocolError: the server broke the protocol.
    """
    authentication = _Authentication(connection, timeout, transcript, recording)
    with authentication:
        yield from authentication.run(login)


class _Authentication(Exchange):
    """The dialogue of `authenticate`."""

    def run(self, login: Login) -> Dialogue:
        offered = self.connection.announced.get("AUTH", ())
        if not offered:
            raise SecurityError("a server that offers AUTH expected: there are credentials")
        token = login.token
        if callable(token):
            token = yield from self._call(token)
        login = replace(login, credentials=self._bound(replace(login.credentials, token=token)))
        hint = "" if self._is_protected(login) else ", without TLS none that shows the secret"
        failure: Exception = SecurityError(
            f"a mechanism that is allowed and fits the credentials expected{hint}; the server "
            f"offers {' '.join(offered)}"
        )
        for make in self._candidates(login, offered):
            try:
                mechanism = yield from self._call(make)
            except InvalidValueError as error:  # as from SASLprep, which only some ask for
                failure = error
                continue
            if not self._may_use(mechanism, login, offered):
                continue
            reply = yield from self._exchange(mechanism)
            if reply.is_positive:
                return
            failure = _refusal(reply, mechanism)
            if reply.code not in _TRY_NEXT:
                break
        raise failure

    def _bound(self, credentials: Credentials) -> Credentials:
        """Add what SCRAM can be bound to."""
        known = self.connection.tls.channel_bindings if self.connection.tls is not None else {}
        for name in _BINDINGS:
            if known.get(name):
                return replace(credentials, channel_binding=ChannelBinding(name, known[name]))
        return credentials

    def _is_protected(self, login: Login) -> bool:
        tls = self.connection.tls
        return login.allow_cleartext or (
            tls is not None and (tls.peer_verified or not login.needs_certificate)
        )

    def _candidates(
        self, login: Login, offered: Collection[str]
    ) -> Iterator[Callable[[], ClientMechanism]]:
        """Give what makes the mechanisms that may be tried, in their order."""
        credentials = login.credentials
        names = [name for name in login.mechanisms if isinstance(name, str)]
        if not any(name.endswith("-PLUS") for name in names):
            # A client that is told not to bind says so (RFC 5802 6, the flag "n").
            credentials = replace(credentials, channel_binding=None)
        usable = choose(offered, credentials, tls=self._is_protected(login), order=names)
        for choice in login.mechanisms:
            if not isinstance(choice, str):
                yield choice if callable(choice) else partial(_itself, choice)
            elif choice in usable:
                nonce = b64encode(login.random(18))
                yield partial(make_client, choice, credentials, nonce)

    def _may_use(self, mechanism: ClientMechanism, login: Login, offered: Collection[str]) -> bool:
        is_safe = self._is_protected(login) or not mechanism.reveals_secret
        return is_safe and mechanism.name.upper() in offered

    # --- one exchange --------------------------------------------------------------------------

    def _exchange(self, mechanism: ClientMechanism) -> Generator[Step, Any, Reply]:
        """Authenticate by one mechanism; return the reply that ends the exchange."""
        first = yield from self._call(mechanism.initial_response)
        # One that is too long waits for the empty challenge (RFC 4954 4).
        is_held = first is not None and len(Auth(mechanism.name, first).encode()) > COMMAND_LINE
        answer = yield from self._say(Auth(mechanism.name, None if is_held else first))
        rounds = 0
        while self.connection.state is State.AUTH:
            rounds += 1
            try:
                if rounds > _ROUNDS:
                    raise SASLError(f"at most {_ROUNDS} challenges expected")
                response = first if rounds == 1 and is_held else None
                if response is None:
                    response = yield from self._respond(mechanism, answer)
                answer = yield from self._say(AuthResponse(response))
            except SASLError as error:
                yield from self._cancel()
                raise SecurityError(f"AUTH {mechanism.name}: {error}") from error
            except LocalProtocolError:  # a response that is too long for a line
                yield from self._cancel()
                raise
        if answer.reply.is_positive and not mechanism.done:
            self._distrust()
            raise SecurityError(
                f"AUTH {mechanism.name}: the server claims success before it has proved itself",
                answer.reply,
            )
        return answer.reply

    def _say(self, command: Auth | AuthResponse) -> Generator[Step, Any, ReplyReceived]:
        [answer] = yield from self.group([command])
        return answer

    def _respond(
        self, mechanism: ClientMechanism, answer: ReplyReceived
    ) -> Generator[Step, Any, bytes]:
        challenge = answer.challenge
        if mechanism.raw_challenges:
            challenge = answer.reply.text.encode("utf-8", "surrogateescape")
        if challenge is None:
            raise SASLError("a challenge in base64 expected")
        response: bytes = yield from self._call(mechanism.step, challenge)
        return response

    def _call(self, call: Callable[..., Any], *args: Any) -> Generator[Step, Any, Any]:
        """Call what may take its time: many iterations, or a ticket from somewhere else."""
        timeout = self.timeout or recommended_timeout("client", self.connection.state)
        try:
            return (yield from self.guard(Handle(self.flush(), call, args, timeout)))
        except TimedOut:
            raise
        except TimeoutError as error:
            raise TimedOut(f"AUTH: our side of it took too long: {error}") from error

    def _cancel(self) -> Dialogue:
        """Break the exchange off (RFC 4954 4); the connection takes no success for it any more.

        Whatever the server does then, it is why we broke off that the caller hears.
        """
        with suppress(ReplyError, ConnectionLost, ProtocolError):
            yield from self._say(AuthResponse(None))

    def _distrust(self) -> None:
        """Have the connection send nothing more."""
        self.connection.receive_eof()
        with suppress(ProtocolError):
            self.connection.next_event()


def _itself(mechanism: ClientMechanism) -> ClientMechanism:
    return mechanism


def _refusal(reply: Reply, mechanism: ClientMechanism) -> AuthenticationError:
    error: OAuthError | None = getattr(mechanism, "error", None)
    # What a server made up may be the token itself.
    status = error.status if error is not None and _STATUS.fullmatch(error.status) else ""
    return AuthenticationError(reply, mechanism.name, status)
