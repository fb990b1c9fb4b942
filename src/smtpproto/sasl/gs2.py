# SPDX-License-Identifier: MIT
"""The GS2 header that SCRAM and OAUTHBEARER messages begin with (RFC 5801 4, RFC 5802 7).

Decides the channel binding flag, the authorization identity and the quoting of names. Knows nothing
of what follows the header.
"""

from __future__ import annotations

import re

from ..exceptions import Violation
from ..values import value
from .base import SASLError
from .text import decode_credential

_HEADER = re.compile(rb"(?:p=([A-Za-z0-9.-]+)|([ny])),(?:a=([^,]*))?,")
_BAD_QUOTE = re.compile(rb"=(?!2C|3D)")


@value
class GS2Header:
    """What the client says before the message proper."""

    flag: str
    """"p": bound to the channel; "y": could be, but saw no offer; "n": cannot (RFC 5802 6)."""
    binding: str = ""
    """The channel binding type with "p"."""
    authzid: bytes = b""
    """The authorization identity before quoting, or empty."""

    def encode(self) -> bytes:
        """Return the header with its last comma."""
        flag = f"p={self.binding}" if self.flag == "p" else self.flag
        authzid = b"a=" + quote_name(self.authzid) if self.authzid else b""
        return b"%s,%s," % (flag.encode("ascii"), authzid)


def parse_gs2(message: bytes) -> tuple[GS2Header, bytes, bytes]:
    """Split a message behind its GS2 header.

    Returns:
        The header, its octets, and the rest.

    Raises:
        SASLError: there is no header, or its name is badly quoted.
    """
    match = _HEADER.match(message)
    if match is None:
        raise SASLError("the message does not begin with a GS2 header", Violation.ARGUMENT_SYNTAX)
    binding, flag, quoted = match.groups()
    authzid = b"" if quoted is None else unquote_name(quoted, "authorization identity").encode()
    header = GS2Header((flag or b"p").decode(), (binding or b"").decode(), authzid)
    return header, match.group(), message[match.end() :]


def quote_name(name: bytes) -> bytes:
    """Write a name as a saslname: "=" as ``=3D`` and "," as ``=2C`` (RFC 5802 5.1)."""
    return name.replace(b"=", b"=3D").replace(b",", b"=2C")


def unquote_name(quoted: bytes, what: str, *, prepare: bool = False) -> str:
    """Read a saslname.

    Args:
        quoted: the name as it was sent.
        what: its name, for the error.
        prepare: apply SASLprep, as to a query.

    Raises:
        SASLError: empty, not UTF-8, a NUL, an "=" that quotes nothing, or refused by SASLprep.
    """
    if _BAD_QUOTE.search(quoted):
        raise SASLError(f"{what}: '=' not followed by 2C or 3D", Violation.ARGUMENT_SYNTAX)
    name = quoted.replace(b"=2C", b",").replace(b"=3D", b"=")
    return decode_credential(name, what, prepare=prepare)
