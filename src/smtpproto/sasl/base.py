# SPDX-License-Identifier: MIT
"""What every SASL mechanism has in common (RFC 4422).

Decides the shape of both sides: the two protocols that a plug-in implements, the values a server
mechanism hands to its driver, the questions it asks the application, and the turn-taking. A
mechanism is written as a generator, so that an exchange reads from top to bottom. Messages are raw
octets: base64, AUTH lines and ``*`` are the connection's. Holds no password of the server's side
and makes no random number.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Any, ClassVar, Protocol, TypeAlias

from ..exceptions import LocalProtocolError, ProtocolError, Violation
from ..values import value


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


# ---- what a server mechanism hands out ----------------------------------------------------------


@value
class Challenge:
    """Send this as a 334 and give the client's response to ``step()``."""

    data: bytes
    """The challenge before base64; may be empty."""
    is_raw: bool = False
    """`data` is the text of the 334 as it is, for a mechanism that does not keep to base64."""


@value
class Success:
    """The client is who it claims to be."""

    authcid: str
    """The authentication identity: whose credentials were proved."""
    authzid: str
    """The authorization identity: whom the session acts as."""
    final_data: bytes | None = None
    """What is sent first as one more 334, answered by an empty response (RFC 4954 4)."""


@value
class Failure:
    """The exchange has failed; this is the reply."""

    code: int
    enhanced: str
    text: str


BAD_FORMAT = Failure(501, "5.5.2", "Malformed authentication data")
REFUSED = Failure(535, "5.7.8", "Authentication credentials invalid")
"""The same for an unknown user and a wrong password (RFC 4954 6)."""
NO_INITIAL_RESPONSE = Failure(501, "5.7.0", "This mechanism takes no initial response")


@value
class ScramCredentials:
    """What a server stores for one user and one hash instead of the password (RFC 5802 3)."""

    hash_name: str
    """As in the mechanism's name: "SHA-1", "SHA-256" or "SHA-512"."""
    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return f"ScramCredentials(hash_name={self.hash_name!r}, iterations={self.iterations})"


class Request:
    """A question to the application, answered by ``answer()``."""

    __slots__ = ()
    answers: ClassVar[tuple[type, ...]]
    """The types an answer may have."""

    def accepts(self, answer: object) -> bool:
        """Tell whether `answer` is one this question can have."""
        return isinstance(answer, self.answers)


@value
class VerifyPassword(Request):
    """PLAIN and LOGIN ask: is this the user's password, and may it act as `authzid`?

    Answer the identity that the session acts as, True for the user itself (an `authzid` that names
    another is then refused), or False or None.
    """

    answers: ClassVar[tuple[type, ...]] = (bool, str, type(None))
    username: str
    password: str
    authzid: str = ""
    """Empty: not given, to be derived from the user name."""

    def __repr__(self) -> str:
        return f"VerifyPassword(username={self.username!r}, authzid={self.authzid!r})"


@value
class FetchPassword(Request):
    """CRAM-MD5 asks: which password has this user?

    Answer it, or None for an unknown user. One that no client could send is as good as none.
    """

    answers: ClassVar[tuple[type, ...]] = (str, bytes, type(None))
    username: str


@value
class FetchScramCredentials(Request):
    """SCRAM asks: which credentials has this user for this hash?

    Answer `ScramCredentials`, or None for an unknown user.
    """

    answers: ClassVar[tuple[type, ...]] = (ScramCredentials, type(None))
    username: str
    hash_name: str

    def accepts(self, answer: object) -> bool:
        """Tell whether `answer` is None or credentials for the right hash."""
        return answer is None or (
            isinstance(answer, ScramCredentials) and answer.hash_name == self.hash_name
        )


@value
class Authorize(Request):
    """SCRAM asks: may this user, whose proof was right, act as `authzid`?

    Answer True or False.
    """

    answers: ClassVar[tuple[type, ...]] = (bool,)
    authcid: str
    authzid: str


@value
class VerifyToken(Request):
    """OAUTHBEARER and XOAUTH2 ask: whose token is this?

    Answer the identity that the session acts as, or None. The application compares `username` or
    `authzid`, and `host` and `port` where they are given, with what the token and the listener
    allow (RFC 7628 3.2).
    """

    answers: ClassVar[tuple[type, ...]] = (str, type(None))
    username: str
    token: str
    authzid: str = ""
    host: str = ""
    port: int | None = None

    def __repr__(self) -> str:
        return (
            f"VerifyToken(username={self.username!r}, authzid={self.authzid!r}, "
            f"host={self.host!r}, port={self.port!r})"
        )


@value
class MapCertificate(Request):
    """EXTERNAL asks: whom does the TLS client certificate, or a lower layer, name?

    Answer the identity that the session acts as, or None; None too if it may not act as `authzid`.
    """

    answers: ClassVar[tuple[type, ...]] = (str, type(None))
    authzid: str


@value
class AcceptAnonymous(Request):
    """ANONYMOUS asks: may somebody in who leaves this trace?

    Answer True, or the identity that the session acts as, or False or None.
    """

    answers: ClassVar[tuple[type, ...]] = (bool, str, type(None))
    trace: str


Step: TypeAlias = Challenge | Request | Success | Failure


# ---- the two sides ------------------------------------------------------------------------------


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
