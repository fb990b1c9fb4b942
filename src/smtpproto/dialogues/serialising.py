# SPDX-License-Identifier: MIT
"""The octets of an ``email`` message: as they are, or all below 128.

Decides that Bcc does not go out (RFC 5322 3.6.3, 3.6.6), and that what the ``email`` package would
change on its way is encoded before, or refused. Changes nothing in the message it is given. Who
sends and receives is not read here.
"""

from __future__ import annotations

import copy
import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Iterator
from email.errors import MissingHeaderBodySeparatorDefect
from email.generator import BytesGenerator
from email.message import Message
from email.policy import EmailPolicy
from io import BytesIO
from typing import Any

from ..exceptions import InvalidValueError, shown
from ..framing.writer import is_clean
from .folding import LINE_END, one_field
from .headers import check_names, has_utf8_address, unfit_is_told

# What signs the mail data as it is, without a part of its own (RFC 6376 3.7).
_SIGNATURES = ("DKIM-Signature", "ARC-Message-Signature")
# What is signed, or is put together again elsewhere (RFC 2046 5.2.2), must stay as it is, too.
_UNTOUCHED = ("multipart/signed", "message/partial")
_LONG_LINE = re.compile(rb"[^\r\n]{999}")  # RFC 2045 2.7
_HEADER_END = re.compile(rb"(?:\A|\r\n)\r\n")
_OBSOLETE_FIELD = re.compile(rb"[!-9;-~]++[ \t]++:")  # RFC 5322 4.5


def serialise(message: Message[Any, Any], utf8: bool = False) -> bytes:
    """Return the octets of a message with CRLF line endings and without Bcc.

    A part that says it is binary has an encoding where its octets would not stay as they are. With
    a policy for 7-bit all has, where that can be.

    Args:
        message: it stays as it is.
        utf8: write header fields in UTF-8 where they are not ASCII (RFC 6532), as is done anyhow
            where an address in them is not.

    Raises:
        InvalidValueError: the ``email`` package cannot write it, or a field would become several.
    """
    if message.policy.cte_type == "7bit" and (octets := serialise_7bit(message)) is not None:
        return octets
    with unfit_is_told():
        plain = _copied(message)
        binary = []
        if any(_encoding(part) == "binary" for part in plain.walk()):
            binary = [part for part in _mime_parts(plain) if _is_spoiled(part)]
        if binary and _is_signed(plain):
            raise InvalidValueError(
                "message: binary parts whose lines end with CRLF expected, or base64, where it is "
                "signed (RFC 3030 3)"
            )
        for part in binary:
            _encode(part)
        return _written(plain, utf8)


def serialise_7bit(message: Message[Any, Any]) -> bytes | None:
    """Return what `serialise` does, the 8-bit parts encoded (RFC 6152 3).

    Args:
        message: it stays as it is.

    Returns:
        The octets; None where that cannot be: a signature would not fit any longer, a header field
        is not ASCII, or what is 8-bit says nowhere that it is MIME.

    Raises:
        InvalidValueError: as `serialise`.
    """
    with unfit_is_told():
        plain = _copied(message)
        if _is_signed(plain):
            return None
        for part in _mime_parts(plain):
            if _encoding(part) in ("8bit", "binary"):
                _encode(part)
        octets = _written(plain)
    return octets if octets.isascii() else None


def _copied(entity: Message[Any, Any]) -> Message[Any, Any]:
    """Return a copy down to the parts: to be written, each multipart is given its boundary."""
    check_names(entity)
    plain = copy.copy(entity)
    if entity.is_multipart():
        parts: Any = entity.get_payload()
        plain.set_payload([_copied(part) for part in parts])
    return plain


def _is_signed(message: Message[Any, Any]) -> bool:
    """Tell whether no part may be encoded otherwise."""
    return any(name in message for name in _SIGNATURES) or any(
        part.get_content_type() in _UNTOUCHED for part in _mime_parts(message)
    )


def _mime_parts(entity: Message[Any, Any], is_mime: bool = False) -> Iterator[Message[Any, Any]]:
    """Give out a message and its parts, as far as their encoding would be looked at.

    That is where the message, or the one that is within another, has MIME-Version (RFC 2045 4).
    """
    is_mime = is_mime or "MIME-Version" in entity
    if is_mime:
        yield entity
    is_message = entity.get_content_maintype() == "message"
    parts: Any = entity.get_payload() if entity.is_multipart() else ()
    for part in parts:
        yield from _mime_parts(part, is_mime and not is_message)


def _encoding(part: Message[Any, Any]) -> str:
    """Return how a part says that it is encoded; to have it parsed takes long."""
    found = (text for name, text in part.raw_items() if name.lower() == "content-transfer-encoding")
    return str(next(found, "8bit")).strip().lower()


def _is_spoiled(part: Message[Any, Any]) -> bool:
    """Tell whether a part is binary, and the line endings in it would be made CRLF."""
    if _encoding(part) != "binary" or part.get_content_maintype() == "text":
        return False
    return not (part.is_multipart() or is_clean(_content(part)))


def _content(part: Message[Any, Any]) -> bytes:
    content: Any = part.get_payload(decode=True)
    return content or b""


def _encode(part: Message[Any, Any]) -> None:
    """Have a part say in ASCII what it says (RFC 2045 6.7, RFC 2045 6.8)."""
    kind = part.get_content_maintype()
    if kind in ("multipart", "message"):  # which have no encoding of their own (RFC 2045 6.4)
        if part.is_multipart():
            del part["Content-Transfer-Encoding"]  # none is 7bit
        return
    content = _content(part)
    is_binary = 0 in content or _is_spoiled(part)
    del part["Content-Transfer-Encoding"]
    if content.isascii() and not (is_binary or _LONG_LINE.search(content)):
        return
    if kind == "text" and not is_binary:  # it has lines of octets
        part.set_payload(b2a_qp(LINE_END.sub(b"\n", content)).decode("ascii"))
        part["Content-Transfer-Encoding"] = "quoted-printable"
    else:
        part.set_payload(encodebytes(content).decode("ascii"))
        part["Content-Transfer-Encoding"] = "base64"


def _written(plain: Message[Any, Any], utf8: bool = False) -> bytes:
    """Return the octets of a copy.

    Raises:
        InvalidValueError: a field that would become several, or the body.
    """
    del plain["Bcc"]
    del plain["Resent-Bcc"]
    # By its policy for 7-bit the package would lose what is of no charset.
    policy = plain.policy.clone(linesep="\r\n", cte_type="8bit")
    if isinstance(policy, EmailPolicy):
        policy = policy.clone(utf8=utf8 or has_utf8_address(plain))
    object.__setattr__(policy, "__class__", one_field(type(policy)))
    written = BytesIO()
    # By its older policy it would write ">From", as in a file with several messages.
    BytesGenerator(written, mangle_from_=False, policy=policy).flatten(plain)
    octets = written.getvalue()
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in plain.defects):
        end = _HEADER_END.search(octets)
        if end and (field := _OBSOLETE_FIELD.match(octets, end.end())):
            raise InvalidValueError(
                f"message: {shown(field[0])} in the header expected, not in the body, where the "
                "email package has it: write it without the space (RFC 5322 4.5)"
            )
    return octets
