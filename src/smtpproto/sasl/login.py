# SPDX-License-Identifier: MIT
"""LOGIN: user name and password, each asked for by itself (draft-murchison-sasl-login-00).

Decides the order: the wording of the two challenges means nothing to a client. An obsolete
mechanism for the sake of old peers; PLAIN says the same in one message.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .base import ClientExchange, ServerExchange, granted
from .steps import Challenge, Failure, Request, Success, VerifyPassword
from .text import decode_credential, encode_credential


class LoginClient(ClientExchange):
    """The client's side of LOGIN.

    Args:
        username: the user; a string is sent as UTF-8, octets as they are.
        password: the password, likewise.
        saslprep: prepare both strings by SASLprep.

    Raises:
        InvalidValueError: an empty credential, a NUL, or what SASLprep refuses.
    """

    name = "LOGIN"
    reveals_secret = True

    def __init__(
        self, username: str | bytes, password: str | bytes, *, saslprep: bool = False
    ) -> None:
        super().__init__()
        self._username = encode_credential(username, "user name", prepare=saslprep)
        self._password = encode_credential(password, "password", prepare=saslprep)

    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        yield None
        yield self._username
        self.done = True
        yield self._password


class LoginServer(ServerExchange):
    """The server's side of LOGIN; asks `VerifyPassword`.

    Many clients send the user name as initial response: it is taken.

    Args:
        saslprep: prepare the user name and the password by SASLprep.
    """

    name = "LOGIN"

    def __init__(self, *, saslprep: bool = False) -> None:
        super().__init__()
        self._saslprep = saslprep

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:  # the draft's "User Name" is not what deployed clients look for
            response = yield Challenge(b"Username:")
        username = decode_credential(response, "user name", prepare=self._saslprep)
        response = yield Challenge(b"Password:")
        password = decode_credential(response, "password", prepare=self._saslprep)
        answer = yield VerifyPassword(username, password)
        return granted(username, "", answer)
