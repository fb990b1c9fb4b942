# SPDX-License-Identifier: MIT
"""AUTH and the lines of its exchange (RFC 4954 4).

Decides how the exchange is written: mechanism, initial response, and the base64 of each line. What
the octets mean is the mechanism's business (`smtpproto.sasl`). Nothing here shows a response in a
repr or in an error.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import ClassVar, Self

from ..exceptions import InvalidValueError, Violation, not_text, shown
from ..values import value
from .commands import Command, Vocabulary
from .encodings import decode_base64, encode_base64

_MECHANISM = re.compile(r"[A-Za-z0-9_-]{1,20}", re.ASCII)
REVEALING = frozenset(("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"))
"""Mechanisms that show a password or token to whoever reads along."""


@value
class Auth(Command):
    """AUTH: starts an authentication exchange.

    Args:
        mechanism: the name of a SASL mechanism, in any case.
        initial_response: the response that comes with the command; None for none, which is not
            the same as an empty one.

    Raises:
        InvalidValueError: not a mechanism name, or a response that is not ``bytes``.
    """

    verb: ClassVar[str] = "AUTH"
    long_line: ClassVar[bool] = True
    mechanism: str
    """In upper case."""
    initial_response: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, str):
            raise not_text("AUTH: the name of a SASL mechanism", self.mechanism)
        _check_response(self.initial_response)
        if not _MECHANISM.fullmatch(self.mechanism):
            raise InvalidValueError(
                f"the name of a SASL mechanism expected behind AUTH, not {shown(self.mechanism)}",
                Violation.ARGUMENT_SYNTAX,
            )
        object.__setattr__(self, "mechanism", self.mechanism.upper())

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse the mechanism and the initial response, where there is one."""
        mechanism, space, text = argument.partition(" ")
        if not _MECHANISM.fullmatch(mechanism):
            # Not shown: a client may have put a password here.
            raise InvalidValueError(
                "AUTH <mechanism> [<initial response>] expected", Violation.ARGUMENT_SYNTAX
            )
        if not space:
            return cls(mechanism)
        response = text.lstrip(" ").encode("ascii", "replace")
        return cls(mechanism, b"" if response == b"=" else decode_base64(response))

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return both as they are written; "=" is the empty response."""
        response = self.initial_response
        if response is None:
            return self.mechanism
        return f"{self.mechanism} {encode_base64(response).decode('ascii') or '='}"


@value
class AuthResponse(Command):
    """A line of the client within an exchange: a response, or the wish to cancel.

    Raises:
        InvalidValueError: a response that is not ``bytes``.
    """

    data: bytes | None = field(repr=False)
    """The response; None for ``*``, which cancels the exchange."""

    long_line: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_response(self.data)

    @classmethod
    def parse_line(cls, line: bytes) -> Self:
        """Parse a whole line without its CRLF.

        Raises:
            InvalidValueError: not base64.
        """
        return cls(None if line == b"*" else decode_base64(line))

    def encode(self, vocabulary: Vocabulary | None = None) -> bytes:
        """Return the line with its CRLF."""
        return (b"*" if self.data is None else encode_base64(self.data)) + b"\r\n"


def _check_response(response: object) -> None:
    if not isinstance(response, bytes | None):  # not shown: it is a secret
        raise InvalidValueError(
            f"a response to AUTH as bytes, or None, expected, not {type(response).__name__}"
        )


@value
class Greeting(Command):
    """Stands for the connection being made: what the greeting replies to (RFC 5321 3.1)."""


@value
class EndOfMailData(Command):
    """Stands for the end of mail data: what the last reply of a transaction answers."""

    ends_group: ClassVar[bool] = False
    reply_timeout: ClassVar[float] = 600.0
    recipient: Command | None = None
    """In LMTP, and after a 353 of PRDR: the `Rcpt` that the reply is for."""
    final: bool = False
    """The last reply after a 353 of PRDR, which is for the message as a whole."""
