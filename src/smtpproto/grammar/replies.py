# SPDX-License-Identifier: MIT
"""Replies: a code, an enhanced status code and lines of text (RFC 5321 4.2, RFC 2034, RFC 3463).

Decides how a reply is written, and how its lines are put together when one is read. What a reply
means for the session is decided elsewhere, and by its first digit only (RFC 5321 4.2.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ..exceptions import InvalidValueError, RemoteProtocolError, Violation, not_text, shown
from ..limits import Limits
from ..values import value_with_init
from . import abnf

DEFAULT_STATUS: Mapping[int, str] = MappingProxyType(
    {
        211: "2.0.0",
        214: "2.0.0",
        221: "2.0.0",
        235: "2.7.0",
        250: "2.0.0",
        251: "2.1.5",
        252: "2.5.0",
        253: "2.0.0",
        421: "4.3.2",
        430: "4.5.1",
        432: "4.7.12",
        450: "4.2.0",
        451: "4.3.0",
        452: "4.3.1",
        453: "4.3.2",
        454: "4.7.0",
        455: "4.5.4",
        458: "4.5.0",
        459: "4.7.1",
        500: "5.5.2",
        501: "5.5.4",
        502: "5.5.1",
        503: "5.5.1",
        504: "5.5.4",
        521: "5.3.2",
        530: "5.7.0",
        534: "5.7.9",
        535: "5.7.8",
        538: "5.7.11",
        550: "5.7.1",
        551: "5.1.6",
        552: "5.3.4",
        553: "5.1.3",
        554: "5.0.0",
        555: "5.5.4",
        556: "5.1.10",
    }
)
"""The enhanced status code for a reply that was given none (RFC 3463, RFC 4954 6, RFC 5248)."""

_LINE = 512
"""RFC 5321 4.5.3.1.5: a reply line has at most 512 octets, its code and CRLF included."""

# CR, LF, NUL, and the surrogates that stand for no octet.
_UNWRITABLE = re.compile("[\r\n\0\ud800-\udc7f\udd00-\udfff]")


@value_with_init
class Reply:
    """One reply.

    Args:
        code: 200 to 599.
        lines: the text, one line or a sequence of lines; no CR, LF or NUL in any.
        enhanced: an enhanced status code such as "2.1.5"; its class equals the code's first digit.
        checked: True only when all three are known to match the grammar.

    Raises:
        InvalidValueError: one of them is not so.
    """

    code: Final[int]
    """The reply code."""
    lines: Final[tuple[str, ...]]
    """The text, at least one line; octets that are not UTF-8 are surrogate escapes."""
    enhanced: Final[str | None]
    """The enhanced status code that stands on every line, and is not part of `lines`."""
    plain: bytes | None = field(init=False, compare=False)
    """The octets of the reply where any server may send them as they are: printable ASCII, with an
    enhanced status code unless it is 3yz. None otherwise, and in a reply that was received. Not to
    be set."""

    def __init__(
        self,
        code: int,
        lines: str | Sequence[str] = "",
        enhanced: str | None = None,
        checked: bool = False,
    ) -> None:
        try:
            text = (lines,) if isinstance(lines, str) else tuple(lines) or ("",)
            self.code = code
            self.lines = text
            self.enhanced = enhanced
            if checked:
                self.plain = None
                return
            # Checks, once for equal short replies: long ones may be a peer's, to fill the memory.
            is_short = len(lines) <= _LINE and isinstance(lines, str)
            check = _plain_octets if is_short else _plain_octets.__wrapped__
            self.plain = check(code, text, enhanced)
        except TypeError:
            raise _not_a_reply(code, lines, enhanced) from None

    def __repr__(self) -> str:
        return f"Reply(code={self.code}, lines={self.lines!r}, enhanced={self.enhanced!r})"

    @property
    def text(self) -> str:
        """The lines joined by LF. A reply is made of `lines`: no text of one may hold that."""
        return "\n".join(self.lines)

    @property
    def status(self) -> str | None:
        """The enhanced status code, also where only some lines of a received reply have one."""
        if self.enhanced is None:
            for line in self.lines:
                found = abnf.STATUS_CODE.match(line)
                if found and _status_fits(self.code, line, found.end()):
                    return found[0]
        return self.enhanced

    @property
    def is_positive(self) -> bool:
        """A 2yz reply: done (RFC 5321 4.2.1)."""
        return 200 <= self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """A 3yz reply: go on."""
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """A 4yz reply: refused for now, may be tried again."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """A 5yz reply: refused for good."""
        return self.code >= 500

    def encode(self) -> bytes:
        """Return the octets of the reply, long lines cut into several."""
        return encode_reply(self.code, self.lines, self.enhanced)

    def __str__(self) -> str:
        status = f" {self.enhanced}" if self.enhanced else ""
        return f"{self.code}{status} {self.text}".rstrip()


@lru_cache(maxsize=512, typed=True)
def _plain_octets(code: int, lines: tuple[str, ...], enhanced: str | None) -> bytes | None:
    """Check the parts of a reply; return its octets if no server needs to change them."""
    octets = encode_reply(code, lines, enhanced)
    plain = all(line.isascii() and line.isprintable() for line in lines)
    has_status = enhanced is not None or 300 <= code < 400
    return octets if plain and has_status and code // 10 % 10 <= 5 else None


def encode_reply(
    code: int, lines: tuple[str, ...], enhanced: str | None, whole_lines: bool = False
) -> bytes:
    """Check the parts of a reply and return its octets.

    Args:
        code: as for `Reply`.
        lines: the text.
        enhanced: as for `Reply`.
        whole_lines: do not cut lines of more than 512 octets: for the keywords of EHLO, which may
            be longer (RFC 3865 2) and mean nothing in pieces.

    Raises:
        InvalidValueError: as for `Reply`.
    """
    if type(code) is not int or not 200 <= code <= 599:
        raise _not_a_code(code)
    if enhanced is not None:
        fits = abnf.STATUS_CODE.fullmatch(enhanced)
        if not fits or enhanced[0] != str(code)[0]:
            raise InvalidValueError(
                f"an enhanced status code of class {code // 100} expected (RFC 3463 2), "
                f"not {shown(enhanced)}"
            )
    for line in lines:
        if _UNWRITABLE.search(line):
            raise InvalidValueError(
                f"reply text in Unicode without CR, LF and NUL expected, not {shown(line)}; "
                "several lines are a sequence of text",
                Violation.CONTROL_CHARACTER,
            )
    head = f"{code}%s" if enhanced is None else f"{code}%s{enhanced} "
    most = _LINE - 1 - len(head)  # the %s of the head becomes one octet, and CRLF is two
    pieces = lines if whole_lines else [piece for line in lines for piece in _cut(line, most)]
    last = len(pieces) - 1
    return b"".join(
        (head.replace("%s", " " if number == last else "-") + piece).encode(
            "utf-8", "surrogateescape"
        )
        + b"\r\n"
        for number, piece in enumerate(pieces)
    )


def _not_a_code(code: object) -> InvalidValueError:
    return InvalidValueError(
        f"a reply code from 200 to 599 expected, not {shown(repr(code))[1:-1]}"
    )


def _not_a_reply(code: object, text: object, enhanced: object) -> InvalidValueError:
    """Make the error for parts of which one is of another type."""
    if type(code) is not int:
        return _not_a_code(code)
    if not isinstance(enhanced, str | None):
        return not_text("an enhanced status code", enhanced)
    if isinstance(text, list | tuple):
        text = next(line for line in text if not isinstance(line, str))
    return not_text("a line of a reply, or a list of lines,", text)


def _cut(line: str, most: int) -> list[str]:
    """Cut `line` into pieces of at most `most` octets, at a space where there is one."""
    if len(line) <= most // 4 or len(line.encode("utf-8", "surrogateescape")) <= most:
        return [line]
    # A character has at most four octets, so that a quarter is safe when not ASCII.
    longest = most if line.isascii() else most // 4
    pieces = []
    start = 0
    while len(line) - start > longest:
        space = line.rfind(" ", start + 1, start + longest + 1)
        end = space if space > 0 else start + longest
        pieces.append(line[start:end])
        start = end + 1 if space > 0 else end
    return [*pieces, line[start:]]


def _status_fits(code: int, line: str, end: int) -> bool:
    return line[0] == str(code)[0] and line[end : end + 1] in ("", " ", "\t")


class ReplyParser:
    """Puts the lines of a reply together (RFC 5321 4.2.1).

    Args:
        limits: the caps on the whole reply.
    """

    __slots__ = ("_code", "_limits", "_lines", "_octets", "is_within_reply", "longest")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.longest = min(limits.reply_line, limits.reply, _LINE) - 2 if limits.reply_lines else 0
        """Up to here a reply of one line is within all caps, and short enough to be remembered."""
        self._code = b""
        self._lines: list[bytes] = []
        self._octets = 0
        self.is_within_reply = False
        """True when lines of an unfinished reply have been fed. Not to be set."""

    def feed(self, line: bytes) -> Reply | None:
        """Take the next line, without its CRLF; return the reply when it was the last one.

        Raises:
            RemoteProtocolError: not a reply line, another code than the line before, or a reply
                beyond the caps.
        """
        found = abnf.REPLY_LINE.fullmatch(line)
        if not found:
            raise RemoteProtocolError(
                f"a reply line such as '250 ok' expected, not {shown(line)}",
                Violation.REPLY_SYNTAX,
            )
        code, separator, text = found[1], found[2], found[3] or b""
        if self._lines and code != self._code:
            raise RemoteProtocolError(
                f"one code in all lines of a reply expected, not {self._code.decode()} and "
                f"{code.decode()} (RFC 5321 4.2.1)",
                Violation.REPLY_SYNTAX,
            )
        self._code = code
        self._lines.append(text)
        self._octets += len(line) + 2
        if len(self._lines) > self._limits.reply_lines or self._octets > self._limits.reply:
            raise RemoteProtocolError(
                f"a reply of at most {self._limits.reply_lines} lines and "
                f"{self._limits.reply} octets expected",
                Violation.REPLY_TOO_LONG,
            )
        self.is_within_reply = separator == b"-"
        if self.is_within_reply:
            return None
        lines, self._lines, self._octets = self._lines, [], 0
        return _received(int(code), lines)


NOT_WHOLE = Reply(0, checked=True)
"""Stands for the reply where there is more to it than a line, or less."""


@lru_cache(maxsize=256)
def whole_reply(line: bytes) -> Reply:
    """Return the reply that `line` is by itself, or `NOT_WHOLE`. Most are said again."""
    found = abnf.REPLY_LINE.fullmatch(line)
    if not found or found[2] == b"-":
        return NOT_WHOLE
    return _received(int(found[1]), [found[3] or b""])


@lru_cache(maxsize=256)
def whole_replies(octets: bytes) -> tuple[tuple[Reply, ...], tuple[int, ...]]:
    """Return the replies of one line each that octets are, and their codes.

    A code is 0 where the line is anything else; there are none where octets are left behind the
    last CRLF.
    """
    *lines, rest = octets.split(b"\r\n")
    replies = tuple([whole_reply(line) for line in lines])
    return replies, () if rest else tuple([reply.code for reply in replies])


def _received(code: int, raw: list[bytes]) -> Reply:
    """Make the reply, the enhanced status code taken off where it stands on every line."""
    lines = [line.decode("utf-8", "surrogateescape") for line in raw]
    status = None
    found = abnf.STATUS_CODE.match(lines[0])
    if found and _status_fits(code, lines[0], found.end()):
        start = found[0]
        end = len(start)
        whole = (start, f"{start} ")
        texts = [line[end + 1 :] for line in lines if line[: end + 1] in whole]
        if len(texts) == len(lines):
            status, lines = start, texts
    return Reply(code, lines[0] if len(lines) == 1 else lines, status, checked=True)
