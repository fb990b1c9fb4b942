# SPDX-License-Identifier: MIT
"""Mailboxes, domains, address literals and paths (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3).

Decides what an address is and how it is written. Knows no commands: which reply answers a bad path
is the business of MAIL and RCPT. A header address parser has no place here: it would change what it
does not understand.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from ..exceptions import InvalidValueError, Violation, not_text, shown
from ..limits import DEFAULT_LIMITS, Limits
from ..values import value, value_with_init
from . import abnf
from .leniency import DEFAULT_LENIENCY, Leniency

_LOCAL_PART = re.compile(rf"{abnf.DOT_STRING_UTF8}|{abnf.QUOTED_STRING_UTF8}")
_DOT_STRING = re.compile(abnf.DOT_STRING_UTF8)
_EXTRA_DOTS = re.compile(abnf.DOTS_AND_ATEXT_UTF8)
_DOMAIN = re.compile(abnf.DOMAIN_UTF8)
_DOMAIN_LENIENT = re.compile(abnf.DOMAIN_LENIENT)
_LITERAL = re.compile(abnf.LITERAL, re.ASCII)
# As far as its end goes; what stands in it is looked at later.
_PATH = re.compile(
    rf'<[^">\[]*+(?>(?:{abnf.QUOTED_STRING_UTF8})?)[^">\[]*+(?>(?:{abnf.LITERAL})?)>', re.ASCII
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
# RFC 5892 A.1 to A.7, as far as they are no letters, marks or digits
_CONTEXTUAL = frozenset("\u00b7\u0375\u05f3\u05f4\u200c\u200d\u30fb")
_TO_QUOTE = re.compile(r'["\\]')
_PLAIN = re.compile(rf"{abnf.DOT_STRING}@{abnf.DOMAIN}", re.ASCII)
_LABEL = 63
"""RFC 1035 2.3.4: octets of a label. No part of a text of that length is too long."""


@value
class Mailbox:
    """A mailbox in parts, free of the way it was written (RFC 5321 4.1.2).

    Raises:
        InvalidValueError: a control character in a part.
    """

    local_part: str
    """Without quotes and quoted-pairs. Its case is kept: RFC 5321 2.4."""
    domain: str
    """As written, an address literal with its brackets; "" for the domain-less Postmaster."""

    def __post_init__(self) -> None:
        for part in (self.local_part, self.domain):
            if not isinstance(part, str):
                raise not_text("a part of a mailbox", part)
            if abnf.CONTROLS.search(part):
                raise _bad("a mailbox without control characters", part)

    def __str__(self) -> str:
        """Return the shortest correct way to write the mailbox; "" for that of ``<>``."""
        local = self.local_part
        if not (_DOT_STRING.fullmatch(local) or local == self.domain == ""):
            local = '"' + _TO_QUOTE.sub(r"\\\g<0>", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local

    def is_same(self, other: Mailbox) -> bool:
        """Tell whether both name one mailbox: domains without case, local-parts with it.

        The local-part postmaster has no case (RFC 5321 4.5.1).
        """
        mine, theirs = self.local_part, other.local_part
        if mine.lower() == "postmaster":
            mine, theirs = "postmaster", theirs.lower()
        return mine == theirs and self.domain.lower() == other.domain.lower()


@lru_cache(maxsize=256)
def _matches_plain(address: str) -> bool:
    """Look at an address whole: most senders, and many recipients, are written to again."""
    return _PLAIN.fullmatch(address) is not None


@value_with_init
class Path:
    """A reverse-path or forward-path (RFC 5321 4.1.2).

    Args:
        address: the mailbox as written in the brackets; "" for the null reverse-path;
            "Postmaster" in any case without a domain.
        source_route: the domains of a source route, without "@".
        checked: True only when the text is known to match the grammar.

    Raises:
        InvalidValueError: `address` is no mailbox, or no text.
    """

    address: Final[str]
    """The mailbox as written, without brackets and source route; "" for the null reverse-path."""
    source_route: Final[tuple[str, ...]]
    """The domains of the source route that stood before it: to be ignored (RFC 5321 3.3)."""

    def __init__(
        self, address: str, source_route: tuple[str, ...] = (), checked: bool = False
    ) -> None:
        try:
            if not (
                checked
                or (len(address) <= _LABEL and not source_route and _matches_plain(address))
                or (address == "" and not source_route)
            ):
                text = _route_text(source_route) + address
                address, source_route = _parse_address(text, DEFAULT_LENIENCY, _UNCAPPED)
        except TypeError:
            raise _not_texts(address, source_route) from None
        self.address = address
        self.source_route = source_route

    @property
    def is_null(self) -> bool:
        """True for ``<>``."""
        return not self.address

    @property
    def mailbox(self) -> Mailbox:
        """The address in parts; for ``<>`` both are empty."""
        local, _, domain = _split(self.address)
        if local.startswith('"'):
            local = _QUOTED_PAIR.sub(r"\1", local[1:-1])
        return Mailbox(local, domain)

    @property
    def local_part(self) -> str:
        """The local-part without quotes."""
        return self.mailbox.local_part

    @property
    def domain(self) -> str:
        """The domain as written; "" for ``<>`` and ``<Postmaster>``."""
        return _split(self.address)[2]

    def __str__(self) -> str:
        return f"<{_route_text(self.source_route)}{self.address}>"


NULL_PATH = Path("")


def parse_path(
    text: str, leniency: Leniency = DEFAULT_LENIENCY, limits: Limits = DEFAULT_LIMITS
) -> Path:
    """Parse a path in its brackets: ``<>``, ``<a@b.example>``, ``<@r.example:a@b.example>``.

    Args:
        text: the whole path and nothing behind it.
        leniency: the switches for local-parts and domains.
        limits: the caps on path, local-part and domain.

    Raises:
        InvalidValueError: not a path; `violation` tells which part of it.
    """
    if len(text) < 2 or text[0] != "<" or text[-1] != ">":
        raise _bad("a path in angle brackets", text)
    if limits.path is not None and len(text.encode("utf-8", "surrogatepass")) > limits.path:
        raise _bad(f"a path of at most {limits.path} octets", text)
    if text == "<>":
        return NULL_PATH
    return Path(*_parse_address(text[1:-1], leniency, limits), True)


def path_end(text: str) -> int:
    """Return the position behind the path that `text` starts with, -1 if it does not end.

    The ``>`` of a quoted local-part or of an address literal does not end a path.
    """
    found = _PATH.match(text)
    return found.end() if found else text.find(">") + 1 or -1


def is_domain(text: str) -> bool:
    """Tell whether `text` is a Domain of ASCII letters, digits and hyphens (RFC 5321 4.1.2)."""
    return text.isascii() and _domain_fault(text, DEFAULT_LENIENCY, DEFAULT_LIMITS) is None


def is_address_literal(text: str) -> bool:
    """Tell whether `text` is an address literal in its brackets (RFC 5321 4.1.3)."""
    found = _LITERAL.fullmatch(text)
    if not found:
        return False
    inside = found[1]
    if abnf.IPV4.fullmatch(inside):
        return True
    tagged = abnf.GENERAL_LITERAL.fullmatch(inside)
    if not tagged:
        return False
    # What is tagged IPv6 must be IPv6, and IPv6 must be tagged: neither is a general literal, even
    # where the first group looks like a tag (RFC 5321 4.1.3).
    return _is_ipv6(tagged[2]) if tagged[1].lower() == "ipv6" else not _is_ipv6(inside)


def _is_ipv6(text: str) -> bool:
    """Tell whether `text` is an IPv6-addr (RFC 5321 4.1.3). "::" stands for two groups or more."""
    head, compressed, tail = text.partition("::")
    groups = [part.split(":") if part else [] for part in (head, tail)]
    count = len(groups[0]) + len(groups[1])
    last = (groups[1] or groups[0] or [""])[-1]
    if "." in last:
        if not abnf.IPV4.fullmatch(last) or (compressed and not groups[1]):
            return False
        (groups[1] or groups[0]).pop()
        count += 1
    if not all(abnf.IPV6_HEX.fullmatch(group) for group in groups[0] + groups[1]):
        return False
    return count <= 6 if compressed else count == 8


def _parse_address(text: str, leniency: Leniency, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """Parse what stands between the brackets into an address and a source route."""
    if abnf.SURROGATES.search(text):
        raise InvalidValueError(
            f"an address in UTF-8 expected, not {shown(text)}", Violation.NOT_UTF8, 553, "5.6.7"
        )
    route: tuple[str, ...] = ()
    address = text
    if text.startswith("@"):
        hops, colon, address = text.partition(":")
        route = tuple(hop[1:] for hop in hops.split(",") if hop.startswith("@"))
        if not colon or len(route) != hops.count(",") + 1:
            raise _bad("a source route such as @a.example,@b.example:", text)
        for hop in route:
            fault = _domain_fault(hop, leniency, limits)  # At-domain has no address literal
            if fault:
                raise _bad(fault, hop, Violation.DOMAIN_SYNTAX)
    local, at, domain = _split(address)
    if not at and leniency.missing_domain is not None:
        domain = leniency.missing_domain
        address = f"{local}@{domain}"
    elif not at:
        if local.lower() == "postmaster" and not route:
            return address, ()
        raise _bad("a mailbox such as name@domain.example", address)
    if not _LOCAL_PART.fullmatch(local):
        if leniency.allow_extra_dots and _EXTRA_DOTS.fullmatch(local):
            local = f'"{local}"'
            address = f"{local}@{domain}"
        elif "<" in local or "@" in local:  # what stands in a header field
            raise _bad("one address alone, such as name@domain.example,", address)
        else:
            raise _bad("a local-part (a dot-string or a quoted string) before the @", local)
    if limits.local_part is not None and len(local.encode()) > limits.local_part:
        raise _bad(f"a local-part of at most {limits.local_part} octets", local)
    if leniency.allow_trailing_dot and domain.endswith("."):
        domain = domain[:-1]
        address = address[:-1]
    _check_domain(domain, leniency, limits)
    return address, route


def _check_domain(domain: str, leniency: Leniency, limits: Limits) -> None:
    if domain.startswith("["):
        if not is_address_literal(domain):
            raise _bad(
                "an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]",
                domain,
                Violation.DOMAIN_SYNTAX,
            )
        return
    fault = _domain_fault(domain, leniency, limits)
    if fault:
        raise _bad(fault, domain, Violation.DOMAIN_SYNTAX)


def _domain_fault(domain: str, leniency: Leniency, limits: Limits) -> str | None:
    """Return what was expected of a domain that is none, None for a good one."""
    pattern = _DOMAIN_LENIENT if leniency.allow_underscore_domain else _DOMAIN
    if not pattern.fullmatch(domain):
        return "a domain of letters, digits and inner hyphens"
    if not domain.isascii() and not all(map(_may_be_in_u_label, domain)):
        return "a domain whose non-ASCII labels are U-labels (RFC 5890 2.3.2.1)"
    octets = domain.encode()
    if limits.domain is not None and len(octets) > limits.domain:
        return f"a domain of at most {limits.domain} octets"
    # RFC 1035 2.3.4: a label has 63 octets; an U-label is counted when it is made an A-label.
    if any(len(label) > 63 for label in domain.split(".")):
        return "a domain whose labels have at most 63 octets"
    return None


def _may_be_in_u_label(character: str) -> bool:
    """Tell whether RFC 5892 can allow `character`: letters, marks, digits, and the contextual."""
    return (
        character in "-._"
        or unicodedata.category(character)[0] in "LMN"
        or character in _CONTEXTUAL
    )


def _split(address: str) -> tuple[str, str, str]:
    """Split at the @ that ends the local-part: the last one that is not inside a literal."""
    at = address.rfind("@[") if address.endswith("]") else address.rfind("@")
    return (address[:at], "@", address[at + 1 :]) if at >= 0 else (address, "", "")


def _route_text(route: tuple[str, ...]) -> str:
    return ",".join("@" + hop for hop in route) + ":" if route else ""


def _not_texts(address: object, route: object) -> InvalidValueError:
    """Make the error for a path of which something is no text."""
    parts = [address, *route] if isinstance(route, tuple | list) else [address, route]
    return not_text("an address", next(part for part in parts if not isinstance(part, str)))


def _bad(
    expected: str, text: str, violation: Violation = Violation.MAILBOX_SYNTAX
) -> InvalidValueError:
    return InvalidValueError(f"{expected} expected, not {shown(text)}", violation, 501, "5.1.3")


_UNCAPPED = Limits(local_part=None, domain=None, path=None)
