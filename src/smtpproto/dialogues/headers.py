# SPDX-License-Identifier: MIT
"""The envelope of an ``email`` message, by the rules that ``smtplib`` made customary.

Decides which header fields say who sends and who receives (RFC 5322 3.6.2, 3.6.3, 3.6.6). Changes
nothing in the message it is given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import InvalidHeaderDefect
from email.headerregistry import HeaderRegistry
from email.message import Message
from email.policy import SMTPUTF8
from typing import Any

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, shown
from ..grammar.abnf import SURROGATES

# Those that the email package reads as addresses, and that go out.
_NAMING = frozenset(("reply-to",)) | {
    prefix + name for prefix in ("", "resent-") for name in ("from", "sender", "to", "cc")
}
# A block of them has each but once (RFC 5322 3.6), whether or not it has its date.
_RESENT = frozenset(f"resent-{name}" for name in ("date", "from", "sender", "to", "cc", "bcc"))
# In place of what begins an encoded word: in an address it is none, but the parser would decode it
# there (RFC 2047 5). U+FFFF is no character.
_NO_WORD = "=\uffff"
FOLDS = re.compile(r"[\r\n]+")
_HEADER = HeaderRegistry()
# An address as mostly written, with or without a name, and the comma behind it (RFC 5322 3.4).
_CONTROLS = r"\x00-\x08\x0a-\x1f\x7f"
_WORD = rf'[^\s{_CONTROLS}"(),:;<>@\[\\\]]+'
_ADDRESS = rf"({_WORD}@{_WORD})"
_QUOTED = rf'"[^"\\{_CONTROLS}]*+(?:\\[^{_CONTROLS}][^"\\{_CONTROLS}]*+)*"'
_NAME = rf'(?:{_QUOTED}|[^"(),:;<>@\[\\\]{_CONTROLS}]*+)'
_MAILBOX = re.compile(rf"[ \t]*+(?:{_NAME}[ \t]*+<{_ADDRESS}>|{_ADDRESS})[ \t]*+(?:,|\Z)")


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


def check_names(message: Message[Any, Any]) -> None:
    """Look for fields whose name is no text: the ``email`` package takes any.

    Raises:
        InvalidValueError: there is one.
    """
    names: list[Any] = message.keys()
    for name in names:
        if not isinstance(name, str):
            raise InvalidValueError(
                f"message: a field with a name of text expected, not with {name!r:.80}"
            )


def has_utf8_address(message: Message[Any, Any]) -> bool:
    """Tell whether the header names an address that no encoded word can hold (RFC 2047 5)."""
    return any(
        not (address.isascii() or SURROGATES.search(address))
        for name, value in message.raw_items()
        if name.lower() in _NAMING and not str(value).isascii()
        for address in _named(name, value)
    )


def _named(name: str, value: Any) -> list[str]:
    """Return the addresses of a field, as far as they can be read."""
    header: Any = value
    if not is_read(value):
        text = _text(value)
        if (found := _simple(text)) is not None:
            return found
        header = _HEADER(name, text)
    return [one.addr_spec for one in header.addresses]


def _prefix(message: Message[Any, Any]) -> str:
    """Return what the fields that say who sends and receives begin with."""
    check_names(message)
    resent = Counter(name for name in map(str.lower, message.keys()) if name in _RESENT)
    if resent and max(resent.values()) > 1:
        raise LocalProtocolError(
            "sender and recipients expected: the message was resent more than once",
            Violation.LOCAL_VALUE,
        )
    return "Resent-" if resent else ""


def _addresses(message: Message[Any, Any], name: str) -> list[str]:
    found: list[str] = []
    for field in _fields(message, name):
        with unfit_is_told():
            text = None if is_read(field) else _text(field)
            found += (text and _simple(text)) or _parsed(name, field, text)
    return found


def _fields(message: Message[Any, Any], name: str) -> list[Any]:
    """Return the values of the fields as they were given or came, not yet read."""
    return [value for key, value in message.raw_items() if key.lower() == name.lower()]


def is_read(field: Any) -> bool:
    """Tell whether a field has its addresses: one that was made of texts has those."""
    return all(hasattr(one, "addr_spec") for one in getattr(field, "addresses", (None,)))


def _text(field: Any) -> str:
    """Return a field in one line, UTF-8 where it came as such (RFC 6532 3.2)."""
    octets = str(field).encode("utf-8", "surrogateescape")
    return FOLDS.sub("", octets.decode("utf-8", "surrogateescape")).strip()


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
    if is_misread(header):
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


def read_text(name: str, value: Any) -> Any:
    """Return a field of addresses that was made of text with more than ASCII, read; or None."""
    text = str(value)
    if name.lower() not in _NAMING or text.isascii() or SURROGATES.search(text):
        return None
    return _HEADER(name, _text(text))


def is_misread(header: Any) -> bool:
    """Tell whether a field is not of its grammar, so that what was read may not be all of it."""
    return any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects)


@contextmanager
def unfit_is_told() -> Iterator[None]:
    """Make an InvalidValueError of what the ``email`` package raises: it may be any error."""
    try:
        yield
    except InvalidValueError:
        raise
    except Exception as error:
        told = shown(f"{type(error).__name__}: {error}")
        raise InvalidValueError(
            f"message: one that the email package can write expected: {told}"
        ) from error
