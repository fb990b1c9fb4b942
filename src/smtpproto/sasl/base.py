# SPDX-License-Identifier: MIT
"""What every SASL mechanism has in common (RFC 4422).

Decides the shape of both sides: the two protocols that a plug-in implements, and the turn-taking.
A mechanism is written as a generator, so that an exchange reads from top to bottom. Messages are
raw octets: base64, AUTH lines and ``*`` are the connection's. Holds no password of the server's
side and makes no random number.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Any, ClassVar, Protocol

from ..exceptions import LocalProtocolError, ProtocolError, Violation
from .steps import BAD_FORMAT, REFUSED, Challenge, Failure, Request, Step, Success


class SASLError(ProtocolError):
    """The peer's message is malformed, refused, or fails its proof.

    The only exception a client mechanism's ``step()`` raises for what the server sent; the client
    then cancels with ``*``, and no reply makes the exchange a success (RFC 4954 4). The text never
    holds a secret.

    Args:
        message: what was expected and what was got.
        violation: the stable name; REPLY_SYNTAX for a message that does not parse.
    """

    def __init__(self, message: str, violation: Violation = Violation.AUTH_CANCELLED) -> None:
        super().__init__(message, violation)


class ClientMechanism(Protocol):
    """The client's side of one exchange; a plug-in is any object of this shape.

    The driver calls `initial_response` once, then `step` for every challenge. Where an initial
    response does not fit into the AUTH command, the driver sends it in answer to the empty first
    challenge, which `step` never sees (RFC 4954 4).
    """

    name: str
    """The mechanism's name, in upper case."""
    reveals_secret: bool
    """Whoever reads the line learns a password or token: TLS is needed."""
    raw_challenges: bool
    """`step` wants the text of the 334 as it is, not decoded from base64."""
    done: bool
    """A success reply may be believed now, and only now."""

    def initial_response(self) -> bytes | None:
        """Return the first message, or None if the server goes first."""

    def step(self, challenge: bytes) -> bytes:
        """Return the response to a challenge.

        Raises:
            SASLError: the challenge is wrong; cancel the exchange.
        """


class ServerMechanism(Protocol):
    """The server's side of one exchange; a plug-in is any object of this shape."""

    name: str
    """The mechanism's name, in upper case."""
    reveals_secret: bool
    """Whoever reads the lines learns a password or token: it is offered under TLS only."""

    def step(self, response: bytes | None) -> Step:
        """Take the client's message: first the initial response, or None without one."""

    def answer(self, answer: Any) -> Step:
        """Take the application's answer to the `Request` returned last."""


class ClientExchange(ABC):
    """A client mechanism made of one generator: it yields responses and is sent challenges.

    The first item is the initial response or None. `done` is set before the last item; a challenge
    beyond it fails. Once it has failed, it fails always.
    """

    name: str
    reveals_secret = False
    raw_challenges = False

    def __init__(self) -> None:
        self.done = False
        self._responses: Generator[Any, bytes, None] | None = None

    def __repr__(self) -> str:
        return f"<{self.name} client, done={self.done}>"

    @abstractmethod
    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        """Yield the responses; raise `SASLError` for a wrong challenge."""

    def initial_response(self) -> bytes | None:
        """Return the first message, or None if the server goes first.

        Raises:
            LocalProtocolError: it was called before.
        """
        if self._responses is not None:
            raise LocalProtocolError(
                f"{self.name}: initial_response() is called once", Violation.LOCAL_STATE
            )
        self._responses = self._exchange()
        first: bytes | None = next(self._responses)
        return first

    def step(self, challenge: bytes) -> bytes:
        """Return the response to a challenge.

        Args:
            challenge: the octets of a 334, decoded from base64.

        Raises:
            SASLError: the challenge is wrong, or one too many; cancel the exchange.
            LocalProtocolError: `initial_response` was not called.
        """
        if self._responses is None:
            raise LocalProtocolError(
                f"{self.name}: initial_response() comes before step()", Violation.LOCAL_STATE
            )
        self.done = False  # until the mechanism says so again
        try:
            response: bytes = self._responses.send(challenge)
        except StopIteration:
            raise SASLError(f"{self.name}: a challenge beyond the end of the exchange") from None
        return response


class ServerExchange(ABC):
    """A server mechanism made of one generator.

    It yields challenges, and is sent responses; it yields requests, and is sent answers; it returns
    the outcome. A `SASLError` raised in it ends it with `malformed`.
    """

    name: str
    reveals_secret = True  # until a mechanism says otherwise
    malformed: ClassVar[Failure] = BAD_FORMAT

    def __init__(self) -> None:
        self._steps: Generator[Any, Any, Success | Failure] | None = None
        self._last: Step | None = None

    def __repr__(self) -> str:
        return f"<{self.name} server>"

    @abstractmethod
    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        """Yield challenges and requests, return the outcome."""

    def step(self, response: bytes | None) -> Step:
        """Take the client's message.

        Args:
            response: first the initial response, None without one; then the response to each
                `Challenge`. All decoded from base64.

        Raises:
            LocalProtocolError: no response is due.
        """
        if self._steps is None:
            self._steps = self._exchange(response)
            return self._go_on(self._steps, None)
        if not isinstance(self._last, Challenge) or response is None:
            raise LocalProtocolError(
                f"{self.name}: no response of the client is due", Violation.LOCAL_STATE
            )
        return self._go_on(self._steps, response)

    def answer(self, answer: object) -> Step:
        """Take the application's answer to the `Request` returned last.

        Raises:
            LocalProtocolError: no answer is due, or the request cannot have this one.
        """
        if self._steps is None or not isinstance(self._last, Request):
            raise LocalProtocolError(f"{self.name}: no answer is due", Violation.LOCAL_STATE)
        if not self._last.accepts(answer):
            raise LocalProtocolError(
                f"{type(self._last).__name__} cannot be answered by this "
                f"{type(answer).__name__} value",
                Violation.LOCAL_VALUE,
            )
        return self._go_on(self._steps, answer)

    def _go_on(self, steps: Generator[Any, Any, Success | Failure], sent: object) -> Step:
        try:
            last: Step = steps.send(sent)
        except StopIteration as end:
            last = end.value
        except SASLError:
            last = self.malformed
        self._last = last
        return last


def granted(authcid: str, authzid: str, answer: bool | str | None) -> Success | Failure:
    """Return what the application's answer to a password or a trace means.

    Args:
        authcid: the user whose credentials were shown.
        authzid: the identity the client asked for, or empty.
        answer: an identity, True for `authcid` itself, or a refusal.
    """
    if isinstance(answer, str) and answer:
        return Success(authcid, answer)
    if answer is True and authzid in ("", authcid):
        return Success(authcid, authcid)
    return REFUSED


def hash_available(digest: str) -> bool:
    """Tell whether HMAC with this hash works here: MD5 is missing in FIPS mode."""
    try:
        hmac.digest(b"key", b"", digest)
    except ValueError:
        return False
    return True
