# SPDX-License-Identifier: MIT
"""The part of a server's conversation in which the client says who it is.

Decides that nobody gets in without an identity that the application has granted, and what a failure
is answered with. What the messages of a mechanism hold is `smtpproto.sasl`'s; a client's side of
this is `client_auth`. Nothing here shows a secret.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from ..exceptions import LocalProtocolError
from ..grammar.auth import Auth, AuthResponse
from ..grammar.replies import Reply
from ..sasl import (
    Challenge,
    Failure,
    Request,
    SASLError,
    ServerMechanism,
    Success,
    VerifyToken,
)
from ..sasl.steps import BAD_FORMAT, REFUSED
from ..session.events import AuthResponseReceived
from ..session.server import ServerConnection
from .application import Peer, Reject
from .conversation import FAILED, Terms, bad_answer
from .records import AuthenticationRecord
from .steps import Dialogue, StandIn
from .taking import Taking
from .transcript import command_line

_ROUNDS = 16
"""Challenges in one exchange; the longest known here has three."""
_SUCCEEDED = Reply(235, "authentication successful", "2.7.0")
_FAILED = Reply(454, "temporary authentication failure", "4.7.0")
"""Says nothing about the password: the client may try again later (RFC 4954 6)."""
_NOT_IMPLEMENTED = Reply(502, "not implemented", "5.5.1")

NO_PLACE = Reply(421, "too many connections that have not authenticated", "4.7.0")


class Authenticating(Taking):
    """The part of a session that authenticates."""

    __slots__ = (
        "_exchange",
        "_is_told",
        "_mechanisms",
        "_on_auth",
        "_place",
        "_rounds",
        "_success",
    )

    def __init__(
        self, connection: ServerConnection, handler: object, peer: Peer, terms: Terms
    ) -> None:
        super().__init__(connection, handler, peer, terms)
        self._mechanisms = terms.mechanisms
        self._place = terms.place
        self._exchange: ServerMechanism | None = None
        """The one that is under way."""

    def _begin_exchange(self, command: Auth) -> Dialogue:
        """Answer AUTH."""
        hook = getattr(self._handler, "on_auth", None)
        if self._mechanisms is None or hook is None:
            yield from self._reply(_NOT_IMPLEMENTED)
            return
        tls = self._connection.tls
        bindings = tls.channel_bindings if tls is not None else {}
        self._exchange = self._mechanisms.make(command.mechanism, bindings)
        self._on_auth = _discreet(hook)
        # Its outcome where only the client's last line is missing, and how many challenges there
        # were.
        self._success: Success | None = None
        self._rounds = 0
        self._is_told = False
        self._peer.mechanism = command.mechanism
        yield from self._go_on(command.initial_response)

    def _take_response(self, event: AuthResponseReceived) -> Dialogue:
        """Answer a line of the client's."""
        if self._transcript is not None:
            self._transcript(command_line(AuthResponse(event.data), b""))
        if self._success is None:
            yield from self._go_on(event.data)
        elif event.data:  # nothing is to be said to what only proves the server (RFC 4954 4)
            yield from self._end_exchange(_reply_of(BAD_FORMAT))
        else:
            self._succeed(self._success)

    def _go_on(self, response: bytes | None) -> Dialogue:
        """Give the mechanism what the client said, and do what it wants then."""
        exchange = self._exchange
        hook = self._on_auth
        assert exchange is not None
        self._asked = hook  # for a mechanism of the application's, too
        outcome = _attempt(exchange.step, response)
        while isinstance(outcome, Request):
            answer = yield from self._run(hook, self._peer, outcome)
            if isinstance(answer, Reply):
                outcome = answer
            else:
                if isinstance(outcome, VerifyToken) and not answer:
                    # A challenge tells the client now (RFC 7628 3.2.3): it may never hear the 535.
                    self._tell_authentication(_reply_of(REFUSED))
                outcome = _attempt(exchange.answer, _plain_answer(outcome, answer))
        if isinstance(outcome, Challenge):
            yield from self._challenge(outcome)
        elif not isinstance(outcome, Success):
            yield from self._fail(outcome)
        elif not outcome.authzid:  # nobody
            yield from self._fail(REFUSED)
        elif outcome.final_data is None:
            self._succeed(outcome)
        else:
            self._success = outcome
            yield from self._challenge(Challenge(outcome.final_data))

    def _challenge(self, challenge: Challenge) -> Dialogue:
        self._rounds += 1
        reply = _attempt(_reply_with, challenge)
        if self._rounds > _ROUNDS:
            reply = REFUSED
        if isinstance(reply, Reply) and reply.code == 334:
            yield from self._reply(reply)
        else:
            yield from self._fail(reply)

    def _succeed(self, success: Success) -> None:
        self._exchange = self._success = None
        self._send(_SUCCEEDED)
        self._connection.identity = success.authzid
        self._tell_authentication(_SUCCEEDED, success.authzid)
        self._keep_place()

    def _keep_place(self) -> None:
        """Count the client among those that have not authenticated, or not, as it is now.

        STARTTLS and XCLIENT make a client that had authenticated one of them again.
        """
        if self._place is None:
            return
        if self._connection.identity is not None:
            self._place.release()
        elif not self._place.hold():
            self._send(NO_PLACE)
            self._ending = "turned away"

    def _fail(self, outcome: object) -> Dialogue:
        """Refuse by what a mechanism or the application gave instead of a success."""
        if isinstance(outcome, Failure):
            outcome = _attempt(_reply_of, outcome)
        if outcome is FAILED:  # the hook's exception, which is logged
            outcome = _FAILED
        if not isinstance(outcome, Reply) or outcome.code < 400:
            if not isinstance(outcome, Exception):
                outcome = bad_answer("an answer or a refusal", outcome)
            yield from self._complain(outcome)
            outcome = _FAILED
        yield from self._end_exchange(outcome)

    def _end_exchange(self, refusal: Reply) -> Dialogue:
        self._tell_authentication(refusal)
        self._forget_exchange()
        yield from self._reply(refusal)

    def _tell_authentication(self, reply: Reply, identity: str | None = None) -> None:
        if self._observe is not None and not self._is_told:
            self._is_told = True
            mechanism = self._peer.mechanism or ""
            self._observe(AuthenticationRecord(self._peer, mechanism, reply, identity))

    def _forget_exchange(self) -> None:
        """Note that an exchange, if there is one, has come to nothing."""
        if self._exchange is not None:
            self._exchange = self._success = None
            self._peer.mechanism = None


def _attempt(call: Callable[[Any], Any], given: object) -> Any:
    """Call what a mechanism of the application's may have its own ideas of.

    Returns:
        What it returns, `BAD_FORMAT` for a message that is none, or an exception to be logged.
    """
    try:
        return call(given)
    except SASLError:
        return BAD_FORMAT
    except LocalProtocolError as error:  # as for an answer that does not fit the question
        return error
    except Exception as error:
        return _without_text(error)


def _plain_answer(request: Request, answer: object) -> object:
    """Return a refusal in the form that `request` has for it."""
    if answer is None or answer is False:
        return None if request.accepts(None) else False
    return answer


def _reply_with(challenge: Challenge) -> Reply:
    octets = challenge.data if challenge.is_raw else b64encode(challenge.data)
    return Reply(334, octets.decode("utf-8", "surrogateescape"))


def _reply_of(failure: Failure) -> Reply:
    return Reply(failure.code, failure.text, failure.enhanced)


# --- what the application raises ---------------------------------------------------------------


class HookFailed(Exception):
    """Stands for what `on_auth` raised, whose own text might hold a password or a token.

    It names the type, and has the traceback.
    """


class _Discreet(StandIn):
    """Calls `on_auth`."""

    __slots__ = ()

    def call(self, *args: Any) -> Any:
        """Call a plain function."""
        try:
            result = self.hook(*args)
        except Reject:
            raise
        except Exception as error:
            failed = _without_text(error)
        else:
            return self._wait_for(result) if isawaitable(result) else result
        raise failed

    async def wait(self, *args: Any) -> Any:
        """Call an ``async def``."""
        return await self._wait_for(self.hook(*args))

    async def _wait_for(self, awaitable: Any) -> Any:
        try:
            return await awaitable
        except Reject:
            raise
        except Exception as error:
            failed = _without_text(error)
        raise failed


def _discreet(hook: Callable[..., Any]) -> Callable[..., Any]:
    discreet = _Discreet(hook)
    return discreet.wait if iscoroutinefunction(hook) else discreet.call


def _without_text(error: Exception) -> HookFailed:
    return HookFailed(type(error).__name__).with_traceback(error.__traceback__)
