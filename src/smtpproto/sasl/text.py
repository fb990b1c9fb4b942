# SPDX-License-Identifier: MIT
"""Names, passwords and base64 as mechanisms write and read them.

Decides how a credential becomes octets and back: UTF-8, no NUL, SASLprep where it is asked for.
What the caller gives raises `InvalidValueError`, what the peer sent raises `SASLError`; neither
names the text, nor keeps it as the context of another exception.
"""

from __future__ import annotations

import base64

from ..exceptions import InvalidValueError, Violation
from ..kinds import TEXT_OR_OCTETS, check_kinds, type_of
from .base import SASLError
from .saslprep import saslprep


def encode_credential(
    credential: str | bytes, what: str, *, prepare: bool = False, stored: bool = False
) -> bytes:
    """Encode what the caller gives.

    Args:
        credential: a string, sent as UTF-8, or octets, sent as they are.
        what: its name, for the error.
        prepare: apply SASLprep to a string.
        stored: as in `saslprep`.

    Returns:
        The octets, at least one and none of them NUL.

    Raises:
        InvalidValueError: neither text nor octets, empty, a NUL, a lone surrogate, or refused by
            SASLprep.
    """
    check_kinds({what: TEXT_OR_OCTETS}, {what: credential}, type_of)
    if isinstance(credential, str) and prepare:
        credential = saslprep(credential, stored=stored)
    octets = _utf8(credential) if isinstance(credential, str) else credential
    if octets is None:
        raise InvalidValueError(f"{what}: a lone surrogate cannot be sent as UTF-8")
    if not octets or b"\0" in octets:
        raise InvalidValueError(f"{what}: expected at least one character, and no NUL")
    return octets


def decode_text(octets: bytes, what: str) -> str:
    """Decode what the peer sent.

    Args:
        octets: UTF-8; may be empty.
        what: its name, for the error.

    Raises:
        SASLError: not UTF-8, or a NUL.
    """
    text = _text(octets)
    if text is None or "\0" in text:
        raise SASLError(f"{what}: not UTF-8 without NUL", Violation.NOT_UTF8)
    return text


def decode_credential(octets: bytes, what: str, *, prepare: bool = False) -> str:
    """Decode a name or a password that the peer sent; it may not be empty.

    Args:
        octets: UTF-8.
        what: its name, for the error.
        prepare: apply SASLprep, as to a query.

    Raises:
        SASLError: empty, not UTF-8, a NUL, or refused by SASLprep.
    """
    text = decode_text(octets, what)
    if text and prepare:
        text = _prepared(text)
    if not text:
        raise SASLError(f"{what}: empty, or not allowed by SASLprep", Violation.ARGUMENT_SYNTAX)
    return text


def decode_base64(octets: bytes, what: str) -> bytes:
    """Decode base64 strictly: no foreign character, no loose padding or bits (RFC 4648 3.5).

    Raises:
        SASLError: it is not what an encoder makes, or empty.
    """
    data = _unbase64(octets)
    if not data or base64.b64encode(data) != octets:
        raise SASLError(f"{what}: not base64", Violation.BASE64)
    return data


# The original exceptions hold the whole text: they are left behind before the new one is raised.


def _utf8(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _text(octets: bytes) -> str | None:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None


def _prepared(text: str) -> str:
    try:
        return saslprep(text)
    except InvalidValueError:
        return ""


def _unbase64(octets: bytes) -> bytes:
    try:
        return base64.b64decode(octets, validate=True)
    except ValueError:
        return b""
