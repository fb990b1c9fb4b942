# SPDX-License-Identifier: MIT
"""EXTERNAL: the identity comes from below, as from a TLS client certificate (RFC 4422 A).

Decides only the message, which names at most whom to act as. Never sees a certificate.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .base import ClientExchange, ServerExchange
from .steps import REFUSED, Challenge, Failure, MapCertificate, Request, Success
from .text import decode_text, encode_credential


class ExternalClient(ClientExchange):
    """The client's side of EXTERNAL.

    Args:
        authzid: the identity to act as; empty: the server derives it.

    Raises:
        InvalidValueError: a NUL or a lone surrogate.
    """

    name = "EXTERNAL"

    def __init__(self, authzid: str | bytes = "") -> None:
        super().__init__()
        self._authzid = encode_credential(authzid, "authorization identity") if authzid else b""

    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        self.done = True
        yield self._authzid


class ExternalServer(ServerExchange):
    """The server's side of EXTERNAL; asks `MapCertificate`."""

    name = "EXTERNAL"
    reveals_secret = False

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:
            response = yield Challenge(b"")
        identity = yield MapCertificate(decode_text(response, "authorization identity"))
        return Success(identity, identity) if identity else REFUSED
