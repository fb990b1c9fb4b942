# SPDX-License-Identifier: MIT
"""ANONYMOUS: a trace instead of an identity (RFC 4505).

Decides which traces are allowed: they end up in logs. Whether anybody is let in is the
application's.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..exceptions import InvalidValueError, Violation
from .arguments import check_arguments
from .base import ClientExchange, SASLError, ServerExchange, granted
from .saslprep import TRACE_PROHIBITED, check_characters
from .steps import AcceptAnonymous, Challenge, Failure, Request, Success
from .text import decode_text, encode_credential

LONGEST_TRACE = 255
"""Characters of a token (RFC 4505 2); held to mail addresses too."""


class AnonymousClient(ClientExchange):
    """The client's side of ANONYMOUS.

    Args:
        trace: a mail address, or up to 255 characters without "@"; may be empty.

    Raises:
        InvalidValueError: too long, a control character, or what else the profile prohibits.
    """

    name = "ANONYMOUS"

    def __init__(self, trace: str = "") -> None:
        super().__init__()
        check_arguments(trace=trace)
        _check_trace(trace)
        self._trace = encode_credential(trace, "trace") if trace else b""

    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        self.done = True
        yield self._trace


class AnonymousServer(ServerExchange):
    """The server's side of ANONYMOUS; asks `AcceptAnonymous`.

    The identity is "anonymous", unless the application names another.
    """

    name = "ANONYMOUS"
    reveals_secret = False

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:
            response = yield Challenge(b"")
        trace = decode_text(response, "trace")
        try:
            _check_trace(trace)
        except InvalidValueError as error:
            raise SASLError(str(error), Violation.ARGUMENT_SYNTAX) from None
        answer = yield AcceptAnonymous(trace)
        return granted("anonymous", "", answer)


def _check_trace(trace: str) -> None:
    if len(trace) > LONGEST_TRACE:
        raise InvalidValueError(f"trace: more than {LONGEST_TRACE} characters")
    if trace:
        check_characters(trace, TRACE_PROHIBITED)
