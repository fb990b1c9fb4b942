# SPDX-License-Identifier: MIT
"""Trace fields: Received and Return-Path, and how many Received a message has (RFC 5321 4.4).

Decides how they are written so that nothing of the peer's can get out of its place: what a client
called itself stands where a domain belongs only if it is one. Knows no clock: dates are handed in.
Reading is tolerant, since a Received field may be from any system that ever was.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from ..exceptions import InvalidValueError, shown
from ..limits import Limits
from ..values import value
from . import abnf
from .addresses import Path, is_address_literal, is_domain, parse_path
from .leniency import DEFAULT_LENIENCY

LOOP_THRESHOLD = 100
"""Received fields beyond which a message is taken to be in a loop (RFC 5321 6.3)."""

# RFC 3848 and RFC 6531 4.3; SMTP itself has no form with S or A.
PROTOCOLS: Final = frozenset(("SMTP", "MMS")) | {
    base + suffix
    for base in ("ESMTP", "LMTP", "UTF8SMTP", "UTF8LMTP")
    for suffix in ("", "S", "A", "SA")
}
"""The registered names for the WITH clause."""

STATES: Final = frozenset(
    "auth content convert moderation normal other outbound quarantine timed token".split()
)
"""The registered words of the state clause (RFC 6729)."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_ID = re.compile(rf"{abnf.ATEXT}++|<{abnf.DOT_STRING}@{abnf.DOT_STRING}>")
_CIPHER = re.compile(r"[A-Za-z][A-Za-z0-9_]*+|0x[0-9A-Fa-f]{4}")  # RFC 8314 4.3
_GROUP = re.compile(r"[A-Za-z][A-Za-z0-9_-]*+")
_STATE = re.compile(rf"({'|'.join(sorted(STATES))})(?:/[!#$%&'*+\-.0-9A-Z^_`a-z{{|}}~]++)?")
_COMMENT_SPECIAL = re.compile(r"[()\\]")
_LONGEST_COMMENT = 200
_LONGEST_FOR = 900  # a line has at most 998 octets (RFC 5322 2.1.1)


def with_protocol(
    verb: str, tls: bool = False, authenticated: bool = False, utf8: bool = False
) -> str:
    """Return the WITH type of a message (RFC 3848, RFC 6531 4.3).

    Args:
        verb: the session command: "HELO", "EHLO" or "LHLO".
        tls: the message came under TLS, by STARTTLS or from the start.
        authenticated: the client had authenticated.
        utf8: SMTPUTF8 was on MAIL.
    """
    if verb == "HELO":
        return "SMTP"
    base = "LMTP" if verb == "LHLO" else "SMTP" if utf8 else "ESMTP"
    return "UTF8" * utf8 + base + "S" * tls + "A" * authenticated


@value
class Received:
    """A Received field to be put before a message (RFC 5321 4.4).

    `hello`, `address`, `host` and `recipients` are taken as the peer gave them, whatever it gave;
    the others are one's own.

    Raises:
        InvalidValueError: a field of one's own that cannot be written.
    """

    hello: str
    """What the client called itself; if that is no domain and no address literal, it becomes a
    comment."""
    by: str
    """The domain or address literal of this server."""
    date: datetime
    """When the message came; with a time zone."""
    address: str | None = None
    """The client's IP address; None if it has none. A zone is left out."""
    host: str | None = None
    """The name that DNS has for it, left out if it is no domain."""
    protocol: str | None = None
    """One of `PROTOCOLS`."""
    id: str | None = None
    """An atom or a msg-id."""
    recipients: tuple[Path, ...] = ()
    """The forward-paths of the transaction: written only if there is exactly one, since two would
    tell each of the other (RFC 5321 7.2)."""
    tls: str | None = None
    """The registered name of the cipher suite, or its number as 0x1301 (RFC 8314 4.3)."""
    group: str | None = None
    """The name of the Diffie-Hellman group beside it."""
    priority: int | None = None
    """The value of MT-PRIORITY (RFC 6710 4.1)."""
    state: str | None = None
    """Why the message waited: one of `STATES`, with or without "/" and a value (RFC 6729)."""

    def __post_init__(self) -> None:
        if not (is_domain(self.by) or is_address_literal(self.by)):
            raise _bad("by", "a domain or an address literal", self.by)
        if self.date.utcoffset() is None:
            raise _bad("date", "a datetime with a time zone", str(self.date))
        if self.address is not None and not is_address_literal(_literal(self.address)):
            raise _bad("address", "an IP address without brackets", self.address)
        if self.protocol is not None and self.protocol not in PROTOCOLS:
            raise _bad("protocol", "one of PROTOCOLS", self.protocol)
        if self.group is not None and self.tls is None:
            raise _bad("group", "tls beside it", self.group)
        if self.priority is not None and self.priority not in range(-9, 10):
            raise _bad("priority", "a number from -9 to 9", str(self.priority))
        for name, pattern, wanted in (
            ("id", _ID, "an atom or a msg-id"),
            ("tls", _CIPHER, "a registered cipher suite such as TLS_AES_128_GCM_SHA256"),
            ("group", _GROUP, "a registered group such as x25519"),
            ("state", _STATE, "one of STATES"),
        ):
            text = getattr(self, name)
            if text is not None and not pattern.fullmatch(text):
                raise _bad(name, wanted, text)

    def encode(self) -> bytes:
        """Return the whole field, folded, with its CRLF."""
        folded = [f"from {self._source()}", f"by {_extended(self.by)}{self._with()}"]
        if not _is_name(self.hello):
            folded[0] += f"\r\n\t(helo={_comment_text(self.hello)})"
        recipient = self._recipient()
        if recipient:
            folded.append(f"for {recipient}")
        clauses = self._registered_clauses()
        if clauses:
            folded.append(clauses)
        folded[-1] += ";"
        text = "\r\n\t".join([*folded, format_date(self.date)])
        return f"Received: {text}\r\n".encode()

    def _source(self) -> str:
        """Return the Extended-Domain of the FROM clause, TCP-info included."""
        literal = None if self.address is None else _literal(self.address)
        host = f"{self.host} " if self.host is not None and is_domain(self.host) else ""
        name = self.hello if _is_name(self.hello) else literal or "unknown"
        return _extended(name, f"{host}{literal}" if literal else "")

    def _with(self) -> str:
        protocol = f" with {self.protocol}" if self.protocol else ""
        return f"{protocol} id {self.id}" if self.id else protocol

    def _recipient(self) -> str:
        """Return the path of the FOR clause, "" for none."""
        if len(self.recipients) != 1:
            return ""
        path = f"<{self.recipients[0].address}>"
        fits = "@" in path and len(path.encode()) <= _LONGEST_FOR
        return path if fits and not abnf.CONTROLS.search(path) else ""

    def _registered_clauses(self) -> str:
        """Return the Additional-Registered-Clauses; the group follows the cipher suite at once."""
        clauses = {
            "tls": self.tls,
            "group": self.group,
            "priority": self.priority,
            "state": self.state,
        }
        return " ".join(f"{name} {given}" for name, given in clauses.items() if given is not None)


def _bad(name: str, wanted: str, given: str) -> InvalidValueError:
    return InvalidValueError(f"Received.{name}: {wanted} expected, not {shown(given)}")


def _is_name(text: str) -> bool:
    return is_domain(text) or is_address_literal(text)


def _extended(name: str, info: str = "") -> str:
    """Return an Extended-Domain; a domain may have TCP-info beside it, a literal must."""
    return f"{name} ({info or name})" if info or not is_domain(name) else name


def _literal(address: str) -> str:
    """Put an IP address into brackets, without its zone (RFC 5321 4.1.3)."""
    plain = address.partition("%")[0]
    return f"[IPv6:{plain}]" if ":" in plain else f"[{plain}]"


def _comment_text(text: str) -> str:
    """Return `text` as it may stand in a comment: printable ASCII, brackets escaped, not long."""
    cut = text[:_LONGEST_COMMENT]
    plain = "".join(c if " " <= c <= "~" else "?" for c in cut)
    return _COMMENT_SPECIAL.sub(r"\\\g<0>", plain)


def format_date(date: datetime) -> str:
    """Return `date`, which has a time zone, as a date-time of RFC 5322 3.3."""
    offset = date.utcoffset() or timedelta()
    minutes = offset // timedelta(minutes=1)
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    day = f"{_DAYS[date.weekday()]}, {date.day} {_MONTHS[date.month - 1]} {date.year:04}"
    return f"{day} {date.hour:02}:{date.minute:02}:{date.second:02} {zone}"


_DATE = re.compile(
    r"(?:[A-Za-z]{3},)? ?([0-9]{1,2}) ([A-Za-z]{3}) ([0-9]{4}) "
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))? ([+-][0-9]{4}|GMT|UTC?)"
)


def parse_date(text: str) -> datetime | None:
    """Parse a date-time with a four-digit year, white space once between its parts, no comments.

    Returns:
        With its time zone; None for anything else.
    """
    found = _DATE.fullmatch(text)
    if not found or found[2].capitalize() not in _MONTHS:
        return None
    month = _MONTHS.index(found[2].capitalize()) + 1
    year, day, hour, minute = (int(found[number]) for number in (3, 1, 4, 5))
    second = int(found[6] or 0)
    try:
        zone = UTC
        if found[7][0] in "+-":
            offset = timedelta(hours=int(found[7][1:3]), minutes=int(found[7][3:]))
            zone = timezone(-offset if found[7][0] == "-" else offset)
        # A leap second has no place in a datetime.
        return datetime(year, month, day, hour, minute, 59 if second == 60 else second, 0, zone)
    except ValueError:
        return None


@value
class Clause:
    """A clause of a Received field as it was found."""

    name: str
    """In lower case: from, by, via, with, id, for, tls and others; "" before the first one."""
    text: str
    """The word behind the name, as written."""
    comments: tuple[str, ...]
    """The comments behind it, without their brackets."""


@value
class TraceInfo:
    """What a Received field says."""

    clauses: tuple[Clause, ...]
    """In their order."""
    date: datetime | None
    """None where there is none that RFC 5322 3.3 allows."""

    def get(self, name: str) -> str | None:
        """Return the text of the first clause called `name`, None where there is none."""
        return next((clause.text for clause in self.clauses if clause.name == name), None)


_RECEIVED_NAME = re.compile(r"\Areceived[ \t]*+:", re.IGNORECASE | re.ASCII)
# A quoted string or a comment that does not end goes on to the end of the field, so that nothing
# is looked at twice.
_QUOTED = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_TOKEN = re.compile(
    rf'[ \t\r\n]++|(?P<comment>\()|(?P<end>;)|(?P<word>(?:{_QUOTED}|[^ \t\r\n(;"])++)', re.DOTALL
)
_BRACKET = re.compile(r"\\.|[()]", re.DOTALL)


def parse_received(field: bytes) -> TraceInfo:
    """Read a Received field of any make; what is not understood is passed over.

    Args:
        field: with or without its name, folded or not.
    """
    tokens = _tokens(_RECEIVED_NAME.sub("", field.decode("utf-8", "surrogateescape")))
    ends = [number for number, (kind, _) in enumerate(tokens) if kind == "end"]
    end = ends[-1] if ends else len(tokens)
    date = parse_date(" ".join(word for kind, word in tokens[end:] if kind == "word"))
    return TraceInfo(_clauses(tokens[:end]), date)


def _tokens(text: str) -> list[tuple[str, str]]:
    """Cut `text` into words, comments and semicolons."""
    tokens = []
    position = 0
    while found := _TOKEN.match(text, position):  # every character starts a token
        position = found.end()
        if found.lastgroup == "comment":
            inside, position = _comment(text, position)
            tokens.append(("comment", inside))
        elif found.lastgroup is not None:
            tokens.append((found.lastgroup, found[0]))
    return tokens


def _comment(text: str, start: int) -> tuple[str, int]:
    """Return the comment that starts at `start`, and the position behind it."""
    depth = 1
    for found in _BRACKET.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth:
            return text[start : found.start()], found.end()
    return text[start:], len(text)


def _clauses(tokens: list[tuple[str, str]]) -> tuple[Clause, ...]:
    """Put names and texts together; a comment belongs to the text before it."""
    found: list[tuple[str, str, list[str]]] = [("", "", [])]
    name = ""
    for kind, text in tokens:
        if kind == "comment":
            found[-1][2].append(text)
        elif kind == "word" and name:
            found.append((name, text, []))
            name = ""
        elif kind == "word":
            name = text.lower()
    if not found[0][2]:
        del found[0]
    return tuple(Clause(name, text, tuple(comments)) for name, text, comments in found)


_RECEIVED_LINE = re.compile(rb"(?:\A|\r\n)received[ \t]*+:", re.IGNORECASE)


def count_received(header: bytes) -> int:
    """Count the Received fields of a message, to find a loop (RFC 5321 6.3).

    Args:
        header: the header section; what stands behind its empty line is not looked at.
    """
    if header.startswith(b"\r\n"):
        return 0
    end = header.find(b"\r\n\r\n")
    return len(_RECEIVED_LINE.findall(header if end < 0 else header[:end]))


def encode_return_path(reverse_path: Path) -> bytes:
    """Return a Return-Path field with its CRLF, for final delivery (RFC 5321 4.4)."""
    return f"Return-Path: <{reverse_path.address}>\r\n".encode()


def put_before(fields: bytes, content: bytes) -> bytes:
    """Return a message with trace fields before it (RFC 5321 4.4).

    Where its first line begins with white space, an empty line goes between: it would be a part of
    the last field, and could say there what it likes (RFC 5322 2.2.3).

    Args:
        fields: whole ones, each with its CRLF.
        content: the message, or its first piece, which is not empty then.
    """
    return fields + (b"\r\n" if content.startswith((b" ", b"\t")) else b"") + content


_RETURN_PATH_NAME = re.compile(r"\Areturn-path[ \t]*+:", re.IGNORECASE | re.ASCII)
_UNCAPPED = Limits(local_part=None, domain=None, path=None)


def parse_return_path(field: bytes) -> Path:
    """Parse a Return-Path field, with or without its name.

    Raises:
        InvalidValueError: anything but one path.
    """
    text = _RETURN_PATH_NAME.sub("", field.decode("utf-8", "surrogateescape"))
    return parse_path(text.strip(" \t\r\n"), DEFAULT_LENIENCY, _UNCAPPED)
