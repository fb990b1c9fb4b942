# SPDX-License-Identifier: MIT
"""What a server mechanism hands to its driver: challenges, questions and the outcome (RFC 4422).

Decides which answers a question may have, and that no password or token is in a repr. Knows no
mechanism, and not whose turn it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from ..kinds import NUMBER, OCTETS, TEXT, Kind, check_fields, type_of
from ..values import value


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
    """What a server stores for one user and one hash instead of the password (RFC 5802 3).

    Raises:
        InvalidValueError: a field of another type, as a database might give; it is not shown.
    """

    hash_name: str
    """As in the mechanism's name: "SHA-1", "SHA-256" or "SHA-512"."""
    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def __post_init__(self) -> None:
        check_fields(_STORED, self, type_of)

    def __repr__(self) -> str:
        return f"ScramCredentials(hash_name={self.hash_name!r}, iterations={self.iterations})"


_STORED: Mapping[str, Kind] = {
    "hash_name": TEXT,
    "iterations": NUMBER,
    **dict.fromkeys(("salt", "stored_key", "server_key"), OCTETS),
}


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
