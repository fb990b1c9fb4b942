# SPDX-License-Identifier: MIT
"""DSN: what the sender wants to hear of the delivery (RFC 3461, RFC 6533 3).

Decides the values of RET, ENVID, NOTIFY and ORCPT. Whether ORCPT is the address of its RCPT is not
looked at: that is due on submission only, and a relay passes on what it got (RFC 3461 5.2.1).
"""

from __future__ import annotations

import re

from ..exceptions import InvalidValueError, Violation, not_text, shown
from ..grammar import abnf
from ..grammar.encodings import decode_xtext, encode_xtext
from ..grammar.parameters import Parameter
from ..values import value
from .content import parse_word
from .declaration import Extension

# RFC 3461 4.4, 4.2: printable US-ASCII, which includes the space.
_PRINTABLE = re.compile(r"[ -~]++", re.ASCII)
_NOTIFY = re.compile(
    r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?>(?:,(?:SUCCESS|FAILURE|DELAY))*)", re.ASCII
)
_ADDRESS_TYPE = re.compile(rf"{abnf.ATEXT}++", re.ASCII)
# RFC 6533 3: QUCHAR and EmbeddedUnicodeChar
_UTF8_ADDRESS = re.compile(r"(?>(?:[^\x00-\x20+=\\\x7f]++|\\x\{[0-9A-Fa-f]{2,6}\})+)")
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}", re.ASCII)
_TO_EMBED = re.compile(r"[^!-*,-<>-\[\]-~]")
ENVELOPE_ID_LENGTH = 100
"""RFC 3461 4.4: characters of ENVID as it is written."""
ORIGINAL_RECIPIENT_LENGTH = 500
"""RFC 3461 4.2: characters of ORCPT as it is written."""


@value
class EnvelopeId:
    """The sender's name for a transaction, the value of ENVID (RFC 3461 4.4).

    Raises:
        InvalidValueError: empty, not printable US-ASCII, or more than 100 characters in xtext.
    """

    text: str
    """Decoded."""

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise not_text("ENVID", self.text)
        if not _PRINTABLE.fullmatch(self.text):
            raise _bad("printable ASCII", self.text)
        if len(encode_envelope_id(self)) > ENVELOPE_ID_LENGTH:
            raise _bad(f"at most {ENVELOPE_ID_LENGTH} characters of xtext", self.text)

    def __str__(self) -> str:
        return self.text


def parse_envelope_id(text: str) -> EnvelopeId:
    """Parse the value of ENVID.

    Raises:
        InvalidValueError: not xtext, or too long, or not printable when decoded.
    """
    if len(text) > ENVELOPE_ID_LENGTH:
        raise _bad(f"at most {ENVELOPE_ID_LENGTH} characters of xtext", text)
    return EnvelopeId(decode_xtext(text).decode("latin-1"))


def encode_envelope_id(envelope_id: EnvelopeId) -> str:
    """Return the value of ENVID."""
    return encode_xtext(envelope_id.text.encode("ascii"))


def parse_notify(text: str) -> tuple[str, ...]:
    """Parse the value of NOTIFY: NEVER alone, or some of SUCCESS, FAILURE and DELAY.

    Returns:
        The words in upper case, in the order given (RFC 3461 4.1).

    Raises:
        InvalidValueError: other words, or NEVER beside others.
    """
    words = text.upper()
    if not (text.isascii() and _NOTIFY.fullmatch(words)):
        raise _bad("NEVER, or a list of SUCCESS, FAILURE and DELAY", text)
    return tuple(words.split(","))


@value
class OriginalRecipient:
    """A recipient as the sender first named it, the value of ORCPT (RFC 3461 4.2, RFC 6533 3).

    Raises:
        InvalidValueError: not an atom for the type; an address that is empty, or not printable;
            more than 500 characters as it is written.
    """

    address_type: str
    """As written: ``rfc822``, ``utf-8``, ..."""
    address: str
    """Decoded; in the syntax of its type, which is not looked at."""

    def __post_init__(self) -> None:
        for part in (self.address_type, self.address):
            if not isinstance(part, str):
                raise not_text("a part of ORCPT", part)
        if not _ADDRESS_TYPE.fullmatch(self.address_type):
            raise _bad("an address type such as rfc822", self.address_type)
        unprintable = abnf.CONTROLS.search(self.address) or abnf.SURROGATES.search(self.address)
        # Not only utf-8 holds UTF-8: Postfix writes rfc822 and xtext whatever the address.
        if unprintable or not self.address:
            raise _bad("a printable address", self.address)
        if len(encode_original_recipient(self)) > ORIGINAL_RECIPIENT_LENGTH:
            raise _bad(f"at most {ORIGINAL_RECIPIENT_LENGTH} characters", self.address)

    @property
    def is_utf8(self) -> bool:
        """True for an address of the type utf-8."""
        return self.address_type.lower() == "utf-8"


def parse_original_recipient(text: str) -> OriginalRecipient:
    """Parse the value of ORCPT: an address type, a semicolon, and the address encoded.

    Raises:
        InvalidValueError: anything else, or more than 500 octets.
    """
    address_type, semicolon, address = text.partition(";")
    if not semicolon or len(text.encode()) > ORIGINAL_RECIPIENT_LENGTH:
        raise _bad(f"type;address of at most {ORIGINAL_RECIPIENT_LENGTH} octets", text)
    if address_type.lower() != "utf-8":
        octets = decode_xtext(address)
        return OriginalRecipient(address_type, octets.decode("utf-8", "surrogateescape"))
    if not _UTF8_ADDRESS.fullmatch(address):
        raise _bad(r"an address with \x{2B} for + and the like (RFC 6533 3)", address)
    try:
        decoded = _EMBEDDED.sub(lambda found: chr(int(found[1], 16)), address)
    except ValueError:
        raise _bad("a code point up to 10FFFF", address) from None
    return OriginalRecipient(address_type, decoded)


def encode_original_recipient(recipient: OriginalRecipient) -> str:
    """Return the value of ORCPT, in ASCII whatever the address (RFC 6533 3)."""
    if not recipient.is_utf8:
        return f"{recipient.address_type};{encode_xtext(recipient.address.encode())}"
    embedded = _TO_EMBED.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", recipient.address)
    return f"{recipient.address_type};{embedded}"


def _bad(expected: str, text: str) -> InvalidValueError:
    return InvalidValueError(f"{expected} expected, not {shown(text)}", Violation.PARAMETER_SYNTAX)


NOTIFY = Parameter("NOTIFY", parse_notify, ",".join, length=29, needs_value=True)
ENVID = Parameter("ENVID", parse_envelope_id, encode_envelope_id, length=107, needs_value=True)


class Dsn(Extension):
    """DSN: when to report on delivery, and what to say (RFC 3461)."""

    keyword = "DSN"
    mail_parameters = (
        Parameter("RET", parse_word("FULL", "HDRS"), length=9, needs_value=True),
        ENVID,
    )
    rcpt_parameters = (
        NOTIFY,
        Parameter(
            "ORCPT",
            parse_original_recipient,
            encode_original_recipient,
            length=507,
            needs_value=True,
        ),
    )
