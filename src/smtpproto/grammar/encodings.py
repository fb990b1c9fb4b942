# SPDX-License-Identifier: MIT
"""xtext (RFC 3461 4) and base64 (RFC 4954 8, RFC 4648), both strict.

Decides that what a lenient decoder would let pass is refused. The one exception are lower-case
digits in xtext, which relays make of what they pass on: they are read, and never written.
"""

from __future__ import annotations

import base64
import re

from ..exceptions import InvalidValueError, Violation, not_text, shown
from ..kinds import wrong

_XTEXT = re.compile(r"(?>(?:[!-*,-<>-~]++|\+[0-9A-Fa-f]{2})*)", re.ASCII)
_HEXCHAR = re.compile(rb"\+([0-9A-Fa-f]{2})")
_NOT_XCHAR = re.compile(rb"[^!-*,-<>-~]")
_BASE64 = re.compile(rb"(?>(?:[A-Za-z0-9+/]{4})*)(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def encode_xtext(data: bytes) -> str:
    """Return `data` as xtext: every octet but the plain printable ones is a hexchar.

    Raises:
        InvalidValueError: no octets.
    """
    try:
        written = _NOT_XCHAR.sub(lambda found: b"+%02X" % ord(found[0]), data)
    except TypeError:
        raise wrong("xtext", "octets", data) from None
    return written.decode("ascii")


def decode_xtext(text: str) -> bytes:
    """Return the octets that the xtext `text` stands for.

    Args:
        text: xtext, its hexadecimal digits in any case; may be empty.

    Raises:
        InvalidValueError: not xtext (RFC 3461 4), or no text.
    """
    if not isinstance(text, str):
        raise not_text("xtext", text)
    if not _XTEXT.fullmatch(text):
        raise InvalidValueError(
            f"xtext expected (RFC 3461 4), not {shown(text)}", Violation.PARAMETER_SYNTAX
        )
    return _HEXCHAR.sub(lambda found: bytes([int(found[1], 16)]), text.encode("ascii"))


def encode_base64(data: bytes) -> bytes:
    """Return `data` in base64, in one line."""
    return base64.b64encode(data)


def decode_base64(text: bytes) -> bytes:
    """Return the octets that `text` stands for; the text is never part of an error.

    Raises:
        InvalidValueError: not base64, not padded right, or stray bits at the end (RFC 4954 4 has
            both sides reject it).
    """
    # The pattern lets nothing through that the decoder raises for, the comparison no stray bits.
    data = base64.b64decode(text) if _BASE64.fullmatch(text) else None
    if data is None or base64.b64encode(data) != text:
        raise InvalidValueError("base64 expected (RFC 4954 4)", Violation.BASE64, 501, "5.5.2")
    return data
