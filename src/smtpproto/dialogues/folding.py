# SPDX-License-Identifier: MIT
"""One header field of an ``email`` message, as octets.

Decides that a field stays one field; that one which came goes as it came, since a signature may be
over it; and that addresses and names of messages, which are no text, are not written as if they
were. The ``email`` package writes the rest, and decides what a message has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.header import Header
from email.policy import EmailPolicy, Policy
from functools import lru_cache
from typing import Any

from ..exceptions import InvalidValueError, shown
from ..grammar.abnf import ATEXT_UTF8
from .headers import FOLDS, is_misread, is_read, read_text

_LONGEST_LINE = 998  # RFC 5322 2.1.1
_LONGEST_ENCODED_LINE = 76  # RFC 2047 2
_LONGEST_ENCODED = 60  # so that one fits behind any name of a field, and is no longer than 75
LINE_END = re.compile(rb"\r\n|\r|\n")
# A field, folded or not (RFC 5322 2.2); each line end is one that is made CRLF.
_FIELD = re.compile(rb"[!-9;-~]++:[^\r\n]*+(?:(?:\r\n?+|\n)[ \t][^\r\n]*+)*(?:\r\n?+|\n)")
# What the email package may put between two long words (RFC 5322 3.2.2).
_EMPTY_LINE = re.compile(rb"\r\n[ \t]*+(?=\r\n)")
_WORD = re.compile(r"[ \t]*+[^ \t]++[ \t]*+\Z|[ \t]*+[^ \t]++")
_PHRASE = re.compile(rf"{ATEXT_UTF8}++(?: {ATEXT_UTF8}++)*")
_SPECIAL = re.compile(r'["\\]')
_ESCAPED = r"\\\g<0>"
_LONGEST_NAME = 200  # beyond that it is encoded, so that it can be folded


@lru_cache(8)
def one_field(kind: type) -> type:
    """Return a kind of policy that writes a field by the rules of this module."""
    return type(kind.__name__, (_OneField, kind), {})


class _OneField:
    """Mixed into a policy. A line break in a name or text would begin a field, or the body.

    Encoded words may have one in them, too.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Return a field, folded.

        Raises:
            InvalidValueError: it would be several.
        """
        folded = None
        policy: Any = self
        if isinstance(policy, EmailPolicy):
            way = _made if hasattr(value, "fold") else _as_it_came
            folded = way(policy, name, value)
        elif _is_folded(policy, name, value):
            folded = _as_it_came(policy, name, value)
        elif header := read_text(name, value):
            folded = _addresses(policy, name, header)
        if folded is None:
            inherited: Any = super()
            folded = _EMPTY_LINE.sub(b"", inherited.fold_binary(name, value))
        if not _FIELD.fullmatch(folded):
            raise InvalidValueError(
                f"message: a field without line breaks expected, not {shown(folded)}"
            )
        return folded


def _is_folded(policy: Policy[Any], name: str, value: Any) -> bool:
    """Tell whether a field for the older policy may stay, which does not tell if it came."""
    if not (isinstance(value, str) and value.isascii()):
        return False
    long = policy.max_line_length or _LONGEST_LINE
    return "\n" in value or len(name) + len(value) + 2 <= long


def _as_it_came(policy: Policy[Any], name: str, value: str) -> bytes | None:
    """Return a field that was not made but came, or None where that cannot be."""
    octets = f"{name}: {value}".encode("utf-8", "surrogateescape")
    lines = LINE_END.split(octets)
    if max(map(len, lines)) <= _LONGEST_LINE:
        return b"\r\n".join([*lines, b""])
    return _wrapped(policy, name, _WORD.findall(" " + FOLDS.sub("", value)))


def _made(policy: EmailPolicy, name: str, value: Any) -> bytes | None:
    """Return a field that was made, or None for a text or a parameter in which not all is ASCII.

    The package may encode long words of what is no text (RFC 2047 5), and loses the brackets of
    long comments. In addresses of which not all is ASCII, it may have the comma between two in an
    encoded word, and takes long for each; they are written without their comments.
    """
    whole = value.fold(policy=policy.clone(utf8=True, max_line_length=0)).rstrip("\r\n")
    if whole.isascii():
        return _wrapped(policy, name, _WORD.findall(whole.partition(":")[2]))
    return _addresses(policy, name, value) if is_read(value) else None


def _addresses(policy: Policy[Any], name: str, header: Any) -> bytes | None:
    """Return a field of addresses, None where not all of it was read."""
    if is_misread(header):
        return None
    utf8 = getattr(policy, "utf8", False)
    words: list[str] = []
    for group in header.groups:
        if group.display_name is not None:
            start = _phrase(group.display_name, utf8)
            words.append(f" {start} :" if start.endswith("?=") else f" {start}:")  # RFC 2047 5
        for one in group.addresses:
            words += [f" {word}" for word in _mailbox(one, utf8)]
            words[-1] += ","
        if group.display_name is not None:
            words[-1] = words[-1].removesuffix(",") + ";,"
    words[-1:] = [word.removesuffix(",") for word in words[-1:]]
    return _wrapped(policy, name, words, _LONGEST_ENCODED_LINE)


def _mailbox(address: Any, utf8: bool) -> list[str]:
    name, addr_spec = address.display_name, str(address.addr_spec)
    return [_phrase(name, utf8), f"<{addr_spec}>"] if name else [addr_spec]


def _phrase(text: str, utf8: bool) -> str:
    """Return a name as it stands before an address (RFC 5322 3.2.5, RFC 2047 5)."""
    if not (utf8 or text.isascii()) or len(text) > _LONGEST_NAME or "=?" in text:
        octets = text.encode("utf-8", "surrogateescape")
        header = Header(octets.decode("utf-8", "replace"), "utf-8", _LONGEST_ENCODED)
        return header.encode(linesep="\r\n")
    return text if _PHRASE.fullmatch(text) else f'"{_SPECIAL.sub(_ESCAPED, text)}"'


def _wrapped(
    policy: Policy[Any], name: str, words: Iterable[str], longest: int = _LONGEST_LINE
) -> bytes | None:
    """Return a field, a line broken before a word where it would be long; None if it still is.

    Args:
        policy: says what is long.
        name: of the field.
        words: each with the space before it, which is where a line may be broken.
        longest: what is long by any policy.
    """
    long = min(policy.max_line_length or longest, longest)
    lines = [f"{name}:"]
    for word in words:
        start, *more = word.split("\r\n")
        if len(lines[-1]) + len(start) > long and lines != [f"{name}:"]:
            lines.append("")
        lines[-1] += start
        lines += more
    octets = "\r\n".join([*lines, ""]).encode("utf-8", "surrogateescape")
    return octets if max(map(len, octets.split(b"\r\n"))) <= _LONGEST_LINE else None
