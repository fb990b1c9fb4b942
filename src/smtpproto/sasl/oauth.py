# SPDX-License-Identifier: MIT
"""OAUTHBEARER (RFC 7628) and XOAUTH2, its older relative: an OAuth 2.0 bearer token in clear.

Decides how the one message and the error object are written and read. Never looks into a token:
whose it is, and for which host, is the application's question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Any, ClassVar

from ..exceptions import InvalidValueError, Violation
from ..kinds import TEXT, check_fields, check_kind
from ..values import value
from .arguments import check_arguments
from .base import ClientExchange, SASLError, ServerExchange
from .gs2 import GS2Header, parse_gs2
from .steps import BAD_FORMAT, REFUSED, Challenge, Failure, Request, Success, VerifyToken
from .text import decode_credential, encode_credential

_VISIBLE = re.compile(rb"[!-~]+")
_PAIR = re.compile(rb"([A-Za-z]+)=([\t\n\r -~]*)")
_BEARER = re.compile(rb"bearer +([!-~]+)", re.IGNORECASE)
_PORT = re.compile(rb"[1-9][0-9]{0,4}")


@value
class OAuthError:
    """What a server says about a token it refuses (RFC 7628 3.2.2).

    Raises:
        InvalidValueError: a member is no text.
    """

    status: str = "invalid_token"
    """A name of the OAuth registry; XOAUTH2 servers send an HTTP status, as "401"."""
    scope: str = ""
    """The scope to ask a token for; empty: none is needed."""
    openid_configuration: str = ""
    """An https URL that tells where tokens come from."""
    schemes: str = ""
    """The schemes taken, in XOAUTH2."""

    def __post_init__(self) -> None:
        check_fields(dict.fromkeys(_MEMBERS, TEXT), self)

    def encode(self) -> bytes:
        """Return the JSON object; empty members are left out."""
        members = {name: getattr(self, field) for field, name in _MEMBERS.items()}
        return json.dumps({name: text for name, text in members.items() if text}).encode("ascii")

    @classmethod
    def parse(cls, data: bytes) -> OAuthError:
        """Read a server's error, whatever it is: what does not parse has an empty status."""
        try:
            members = json.loads(data)
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict):
            return cls(status="")
        texts = {field: members.get(name) for field, name in _MEMBERS.items()}
        return cls(**{f: text if isinstance(text, str) else "" for f, text in texts.items()})


_MEMBERS = {
    "status": "status",
    "scope": "scope",
    "openid_configuration": "openid-configuration",
    "schemes": "schemes",
}


class _OAuthClient(ClientExchange):
    reveals_secret = True
    error: OAuthError | None
    """What the server said about the token, once it has refused it."""
    _dismissal: ClassVar[bytes]
    _message: bytes

    def __init__(self) -> None:
        super().__init__()
        self.error = None

    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        self.done = True
        challenge = yield self._message
        # A challenge is always the error. It wants an answer, and 535 follows (RFC 7628 3.2.3).
        self.done = False
        self.error = OAuthError.parse(challenge)
        yield self._dismissal


class OAuthBearerClient(_OAuthClient):
    """The client's side of OAUTHBEARER.

    Args:
        token: the access token: visible ASCII characters.
        authzid: the identity to act as, mostly a mail address; many servers require it.
        host: the host name connected to, or empty.
        port: the port connected to, or None.

    Raises:
        InvalidValueError: a value that the message cannot hold.
    """

    name = "OAUTHBEARER"
    _dismissal = b"\x01"

    def __init__(
        self,
        token: str | bytes,
        authzid: str | bytes = "",
        *,
        host: str = "",
        port: int | None = None,
    ) -> None:
        super().__init__()
        check_arguments(port=port)
        name = _name(authzid, "authorization identity") if authzid else b""
        pairs = [b"auth=Bearer " + _visible(token, "token")]
        if port is not None:
            if not 0 < port < 65536:
                raise InvalidValueError("port: expected 1 to 65535")
            pairs.insert(0, b"port=%d" % port)
        if host:
            pairs.insert(0, b"host=" + _visible(host, "host"))
        self._message = b"\x01".join((GS2Header("n", authzid=name).encode(), *pairs, b"", b""))


class XOAuth2Client(_OAuthClient):
    """The client's side of XOAUTH2.

    Args:
        username: the user, mostly a mail address.
        token: the access token: visible ASCII characters.

    Raises:
        InvalidValueError: a value that the message cannot hold.
    """

    name = "XOAUTH2"
    _dismissal = b""

    def __init__(self, username: str | bytes, token: str | bytes) -> None:
        super().__init__()
        parts = (_name(username, "user name"), _visible(token, "token"))
        self._message = b"user=%s\x01auth=Bearer %s\x01\x01" % parts


class _OAuthServer(ServerExchange):
    """Asks `VerifyToken`; refuses by an error object, a response of any kind, and 535.

    Args:
        error: the object sent for a token that is refused.
    """

    def __init__(self, error: OAuthError) -> None:
        super().__init__()
        check_kind("error", error, OAuthError)
        self._error = error

    def _finish(
        self, request: VerifyToken
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        # Without a token the client only asks for the scope (RFC 7628 4.3).
        identity = (yield request) if request.token else None
        if identity:
            return Success(identity, identity)
        yield Challenge(self._error.encode())
        return REFUSED


class OAuthBearerServer(_OAuthServer):
    """The server's side of OAUTHBEARER; asks `VerifyToken`.

    Args:
        error: the object sent for a token that is refused.
    """

    name = "OAUTHBEARER"

    def __init__(self, error: OAuthError | None = None) -> None:
        super().__init__(error or OAuthError())

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:
            response = yield Challenge(b"")
        header, _, rest = parse_gs2(response)
        pairs = _pairs(rest)
        port = pairs.get(b"port")
        if header.flag == "p" or b"auth" not in pairs or not (port is None or _port_ok(port)):
            return BAD_FORMAT
        authzid = header.authzid.decode()
        request = VerifyToken(
            username=authzid,
            token=_token(pairs[b"auth"]),
            authzid=authzid,
            host=pairs.get(b"host", b"").decode("ascii"),
            port=None if port is None else int(port),
        )
        return (yield from self._finish(request))


class XOAuth2Server(_OAuthServer):
    """The server's side of XOAUTH2; asks `VerifyToken`.

    Args:
        error: the object sent for a token that is refused.
    """

    name = "XOAUTH2"

    def __init__(self, error: OAuthError | None = None) -> None:
        super().__init__(error or OAuthError("401", schemes="bearer"))

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:
            response = yield Challenge(b"")
        user, separator, rest = response.partition(b"\x01")
        pairs = _pairs(separator + rest)
        if not user.startswith(b"user=") or b"auth" not in pairs:
            return BAD_FORMAT
        username = decode_credential(user[5:], "user name")
        return (yield from self._finish(VerifyToken(username, _token(pairs[b"auth"]))))


def _pairs(message: bytes) -> dict[bytes, bytes]:
    """Read ``kvsep *kvpair kvsep``; unknown keys are ignored by whoever asks for the known ones."""
    if not (message.startswith(b"\x01") and message.endswith(b"\x01\x01")):
        raise SASLError("OAuth: expected pairs between octets 1", Violation.ARGUMENT_SYNTAX)
    found: dict[bytes, bytes] = {}
    for pair in message[1:-2].split(b"\x01"):
        match = _PAIR.fullmatch(pair)
        if match is None or match.group(1) in found:
            raise SASLError("OAuth: a pair malformed or repeated", Violation.ARGUMENT_SYNTAX)
        found[match.group(1)] = match.group(2)
    return found


def _port_ok(port: bytes) -> bool:
    return _PORT.fullmatch(port) is not None and int(port) < 65536


def _token(auth: bytes) -> str:
    match = _BEARER.fullmatch(auth)
    return "" if match is None else match.group(1).decode("ascii")


def _visible(text: str | bytes, what: str) -> bytes:
    octets = encode_credential(text, what)
    if not _VISIBLE.fullmatch(octets):
        raise InvalidValueError(f"{what}: expected visible ASCII characters only")
    return octets


def _name(text: str | bytes, what: str) -> bytes:
    octets = encode_credential(text, what)
    if b"\x01" in octets:
        raise InvalidValueError(f"{what}: octet 1 separates the fields of the message")
    return octets
