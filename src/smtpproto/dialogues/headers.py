# SPDX-License-Identifier: MIT
"""Envelope and octets of an ``email`` message, by the rules that ``smtplib`` made customary.

Decides which header fields say who sends and who receives, and that Bcc does not go out (RFC 5322
3.6.3, 3.6.6). Changes nothing in the message it is given.
"""

from __future__ import annotations

import copy
import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Iterator
from email.errors import InvalidHeaderDefect
from email.generator import BytesGenerator
from email.headerregistry import HeaderRegistry
from email.message import Message
from email.policy import SMTPUTF8, EmailPolicy
from io import BytesIO
from typing import Any

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, shown
from ..grammar.abnf import SURROGATES

# What signs the mail data as it is, without a part of its own (RFC 6376 3.7).
_SIGNATURES = ("DKIM-Signature", "ARC-Message-Signature")
# What is signed, or is put together again elsewhere (RFC 2046 5.2.2), must stay as it is, too.
_UNTOUCHED = ("multipart/signed", "message/partial")
# Those that the email package reads as addresses, and that go out.
_NAMING = frozenset(("reply-to",)) | {
    prefix + name for prefix in ("", "resent-") for name in ("from", "sender", "to", "cc")
}
# In place of what begins an encoded word: in an address it is none, but the parser would decode it
# there (RFC 2047 5). U+FFFF is no character.
_NO_WORD = "=\uffff"
_FOLDS = re.compile(r"[\r\n]+")
_HEADER = HeaderRegistry()
# An address as mostly written, with or without a name, and the comma behind it (RFC 5322 3.4).
_CONTROLS = r"\x00-\x08\x0a-\x1f\x7f"
_WORD = rf'[^\s{_CONTROLS}"(),:;<>@\[\\\]]+'
_ADDRESS = rf"({_WORD}@{_WORD})"
_QUOTED = rf'"[^"\\{_CONTROLS}]*+(?:\\[^{_CONTROLS}][^"\\{_CONTROLS}]*+)*"'
_NAME = rf'(?:{_QUOTED}|[^"(),:;<>@\[\\\]{_CONTROLS}]*+)'
_MAILBOX = re.compile(rf"[ \t]*+(?:{_NAME}[ \t]*+<{_ADDRESS}>|{_ADDRESS})[ \t]*+(?:,|\Z)")
_LINE_END = re.compile(rb"\r\n|\r|\n")


def sender_of(message: Message[Any, Any]) -> str | None:
    """Return the sender as the header names it, None where it names none.

    Raises:
        LocalProtocolError: more than one block of Resent fields: the last one is not known.
        InvalidValueError: a header that cannot be read.
    """
    prefix = _prefix(message)
    senders = _addresses(message, f"{prefix}Sender") or _addresses(message, f"{prefix}From")
    return senders[0] if senders else None


def recipients_of(message: Message[Any, Any]) -> tuple[str, ...] | None:
    """Return all recipients as the header names them, None where it names none.

    Raises:
        LocalProtocolError: more than one block of Resent fields: the last one is not known.
        InvalidValueError: a header that cannot be read so that nobody is left out.
    """
    prefix = _prefix(message)
    recipients = [
        address for name in ("To", "Cc", "Bcc") for address in _addresses(message, prefix + name)
    ]
    return tuple(recipients) or None


def serialise(message: Message[Any, Any], utf8: bool = False) -> bytes:
    """Return the octets of a message with CRLF line endings and without Bcc.

    Args:
        message: it stays as it is.
        utf8: write header fields in UTF-8 where they are not ASCII (RFC 6532), as is done anyhow
            where an address in them is not.

    Raises:
        InvalidValueError: the ``email`` package cannot write it.
    """
    return _written(copy.copy(message), utf8)


def serialise_7bit(message: Message[Any, Any]) -> bytes | None:
    """Return what `serialise` does, the 8-bit parts encoded (RFC 6152 3).

    Args:
        message: it stays as it is.

    Returns:
        The octets; None where that cannot be: a signature would not fit any longer, a header field
        is not ASCII, or what is 8-bit says nowhere that it is MIME.

    Raises:
        InvalidValueError: the ``email`` package cannot write it.
    """
    if any(name in message for name in _SIGNATURES):
        return None
    plain = copy.deepcopy(message)
    for part in _mime_parts(plain):
        if part.get_content_type() in _UNTOUCHED:
            return None
        encoding = str(part.get("Content-Transfer-Encoding", "8bit")).strip().lower()
        if encoding in ("8bit", "binary"):
            _encode(part)
    octets = _written(plain)
    return octets if octets.isascii() else None


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


def _encode(part: Message[Any, Any]) -> None:
    """Have a part say in ASCII what it says (RFC 2045 6.7, RFC 2045 6.8)."""
    content: Any = b"" if part.is_multipart() else part.get_payload(decode=True) or b""
    del part["Content-Transfer-Encoding"]  # none is 7bit
    if content.isascii() and 0 not in content:
        return
    if part.get_content_maintype() == "text" and 0 not in content:  # it has lines of octets
        part.set_payload(b2a_qp(_LINE_END.sub(b"\n", content)).decode("ascii"))
        part["Content-Transfer-Encoding"] = "quoted-printable"
    else:
        part.set_payload(encodebytes(content).decode("ascii"))
        part["Content-Transfer-Encoding"] = "base64"


def _written(plain: Message[Any, Any], utf8: bool = False) -> bytes:
    del plain["Bcc"]
    del plain["Resent-Bcc"]
    policy = plain.policy.clone(linesep="\r\n")
    octets = BytesIO()
    try:
        if isinstance(policy, EmailPolicy):
            policy = policy.clone(utf8=utf8 or _has_utf8_address(plain))
        # By its older policy it would write ">From", as in a file with several messages.
        BytesGenerator(octets, mangle_from_=False, policy=policy).flatten(plain)
    except Exception as error:
        raise _unfit(error) from error
    return octets.getvalue()


def _has_utf8_address(message: Message[Any, Any]) -> bool:
    """Tell whether the header names an address that no encoded word can hold (RFC 2047 5)."""
    for name, value in message.raw_items():
        if name.lower() in _NAMING and not str(value).isascii():
            header: Any = value if hasattr(value, "addresses") else _HEADER(name, _text(value))
            for one in header.addresses:
                if not (one.addr_spec.isascii() or SURROGATES.search(one.addr_spec)):
                    return True
    return False


def _prefix(message: Message[Any, Any]) -> str:
    """Return what the fields that say who sends and receives begin with."""
    resent = len(_fields(message, "Resent-Date"))
    if resent > 1:
        raise LocalProtocolError(
            "sender and recipients expected: the message was resent more than once",
            Violation.LOCAL_VALUE,
        )
    return "Resent-" if resent else ""


def _addresses(message: Message[Any, Any], name: str) -> list[str]:
    found: list[str] = []
    for field in _fields(message, name):
        try:
            text = None if hasattr(field, "addresses") else _text(field)
            found += (text and _simple(text)) or _parsed(name, field, text)
        except InvalidValueError:
            raise
        except Exception as error:  # its parser says of no error which it may be
            raise _unfit(error) from error
    return found


def _fields(message: Message[Any, Any], name: str) -> list[Any]:
    """Return the values of the fields as they were given or came, not yet read."""
    return [value for key, value in message.raw_items() if key.lower() == name.lower()]


def _text(field: Any) -> str:
    """Return a field in one line, UTF-8 where it came as such (RFC 6532 3.2)."""
    octets = str(field).encode("utf-8", "surrogateescape")
    return _FOLDS.sub("", octets.decode("utf-8", "surrogateescape")).strip()


def _simple(text: str) -> list[str] | None:
    """Return the addresses of a field that has nothing but usual ones; None where it has more.

    The parser of the email package takes long for each, and longer for many.
    """
    found = []
    end = 0
    while end < len(text):
        mailbox = _MAILBOX.match(text, end)
        if mailbox is None:
            return None
        found.append(mailbox[1] or mailbox[2])
        end = mailbox.end()
    return None if text.endswith(",") else found


def _parsed(name: str, field: Any, text: str | None) -> list[str]:
    """Return the addresses of a field, read by the grammar (RFC 5322 3.4).

    Raises:
        InvalidValueError: it is not of that grammar, and somebody in it was left out.
    """
    header: Any = field if text is None else _HEADER(name, text.replace("=?", _NO_WORD))
    if any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects):
        written = text or header.fold(policy=SMTPUTF8)[len(name) + 1 :].strip()
        told = "".join(written.split())
        domains = [f"@{one.domain}" for one in header.addresses if one.domain]
        if len(domains) != told.count("@") or not all(domain in told for domain in domains):
            raise InvalidValueError(
                f"{name}: addresses expected (RFC 5322 3.4), or the argument for them, "
                f"not {shown(written)}"
            )
    found = [one.addr_spec for one in header.addresses if one.username or one.domain]
    return [address.replace(_NO_WORD, "=?") for address in found]


def _unfit(error: Exception) -> InvalidValueError:
    told = shown(f"{type(error).__name__}: {error}")
    return InvalidValueError(f"message: one that the email package can write expected: {told}")
