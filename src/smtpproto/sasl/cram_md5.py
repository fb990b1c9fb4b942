# SPDX-License-Identifier: MIT
"""CRAM-MD5: a keyed MD5 digest of the server's challenge (RFC 2195).

Decides how the digest is made and compared. The server needs the password itself. MD5 may be
missing (FIPS mode): then neither side can be made, and nothing else breaks.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Generator
from typing import Any

from ..exceptions import InvalidValueError, Violation
from .arguments import check_arguments
from .base import ClientExchange, SASLError, ServerExchange, hash_available
from .steps import NO_INITIAL_RESPONSE, REFUSED, Challenge, Failure, FetchPassword, Request, Success
from .text import decode_credential, encode_credential

_MSG_ID = re.compile(rb"<[!-;=?-~]+>")
_DIGEST = re.compile(rb"[0-9a-f]{32}")


def cram_md5_challenge(number: int, timestamp: int, host: str) -> bytes:
    """Return a challenge in the form of RFC 2195 2.

    Args:
        number: a random number, unlike any used before.
        timestamp: the time, in any unit.
        host: the server's primary domain name.
    """
    return f"<{number}.{timestamp}@{host}>".encode("ascii", "replace")


class CramMD5Client(ClientExchange):
    """The client's side of CRAM-MD5.

    Args:
        username: the user; a string is sent as UTF-8, octets as they are.
        password: the shared secret, likewise.
        saslprep: prepare both strings by SASLprep.

    Raises:
        InvalidValueError: an empty credential, a NUL, what SASLprep refuses, or no MD5 here.
    """

    name = "CRAM-MD5"

    def __init__(
        self, username: str | bytes, password: str | bytes, *, saslprep: bool = False
    ) -> None:
        super().__init__()
        _need_md5()
        self._username = encode_credential(username, "user name", prepare=saslprep)
        self._password = encode_credential(password, "password", prepare=saslprep)

    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        challenge = yield None
        if not challenge:
            raise SASLError("CRAM-MD5: an empty challenge", Violation.REPLY_SYNTAX)
        self.done = True
        yield b"%s %s" % (self._username, _digest(self._password, challenge))


class CramMD5Server(ServerExchange):
    """The server's side of CRAM-MD5; asks `FetchPassword`.

    Args:
        challenge: unlike any used before, as `cram_md5_challenge` makes it.
        saslprep: prepare the user name and the stored password by SASLprep.

    Raises:
        InvalidValueError: the challenge is not of the form ``<...@...>``, or no MD5 here.
    """

    name = "CRAM-MD5"
    reveals_secret = False

    def __init__(self, challenge: bytes, *, saslprep: bool = False) -> None:
        super().__init__()
        _need_md5()
        check_arguments(challenge=challenge)
        if not _MSG_ID.fullmatch(challenge) or b"@" not in challenge:
            raise InvalidValueError("CRAM-MD5: expected a challenge of the form <...@...>")
        self._challenge = challenge
        self._saslprep = saslprep

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is not None:
            return NO_INITIAL_RESPONSE
        response = yield Challenge(self._challenge)
        name, _, digest = response.rpartition(b" ")  # a user name may hold spaces
        username = decode_credential(name, "user name", prepare=self._saslprep)
        if not _DIGEST.fullmatch(digest):
            raise SASLError("CRAM-MD5: expected 32 hexadecimal digits", Violation.ARGUMENT_SYNTAX)
        key = self._key((yield FetchPassword(username)))
        expected = _digest(key, self._challenge)  # for an unknown user too: the same work
        if not hmac.compare_digest(expected, digest) or not key:
            return REFUSED
        return Success(username, username)

    def _key(self, password: str | bytes | None) -> bytes:
        try:
            return encode_credential(password or "", "password", prepare=self._saslprep)
        except InvalidValueError:  # none, or one that no client could send
            return b""


def _digest(password: bytes, challenge: bytes) -> bytes:
    return hmac.digest(password, challenge, "md5").hex().encode("ascii")


def _need_md5() -> None:
    if not hash_available("md5"):
        raise InvalidValueError("CRAM-MD5: there is no MD5 on this system")
