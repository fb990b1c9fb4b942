# SPDX-License-Identifier: MIT
"""PLAIN: one message with the password in clear (RFC 4616).

Decides how the message is written and read. Does not know whether TLS is on: that is asked before a
mechanism is made.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..exceptions import Violation
from .base import ClientExchange, SASLError, ServerExchange, granted
from .steps import Challenge, Failure, Request, Success, VerifyPassword
from .text import decode_credential, decode_text, encode_credential


class PlainClient(ClientExchange):
    """The client's side of PLAIN.

    Args:
        username: the authentication identity; a string is sent as UTF-8, octets as they are.
        password: the password, likewise.
        authzid: the identity to act as, if it is another.
        saslprep: prepare both strings by SASLprep.

    Raises:
        InvalidValueError: an empty credential, a NUL, or what SASLprep refuses.
    """

    name = "PLAIN"
    reveals_secret = True

    def __init__(
        self,
        username: str | bytes,
        password: str | bytes,
        authzid: str | bytes = "",
        *,
        saslprep: bool = False,
    ) -> None:
        super().__init__()
        self._message = b"\0".join(
            (
                encode_credential(authzid, "authorization identity") if authzid else b"",
                encode_credential(username, "user name", prepare=saslprep),
                encode_credential(password, "password", prepare=saslprep),
            )
        )

    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        self.done = True
        if (yield self._message) == b"":  # of a server that takes no initial response for one
            self.done = True
            yield self._message


class PlainServer(ServerExchange):
    """The server's side of PLAIN; asks `VerifyPassword`.

    Args:
        saslprep: prepare the user name and the password by SASLprep.
    """

    name = "PLAIN"

    def __init__(self, *, saslprep: bool = False) -> None:
        super().__init__()
        self._saslprep = saslprep

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:
            response = yield Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise SASLError("PLAIN: expected exactly two NULs", Violation.ARGUMENT_SYNTAX)
        authzid = decode_text(parts[0], "authorization identity")
        username = decode_credential(parts[1], "user name", prepare=self._saslprep)
        password = decode_credential(parts[2], "password", prepare=self._saslprep)
        answer = yield VerifyPassword(username, password, authzid)
        return granted(username, authzid, answer)
