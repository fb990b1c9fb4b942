# SPDX-License-Identifier: MIT
"""XCLIENT and XFORWARD: what a proxy or a filter knows of the client before it (Postfix).

Decides the syntax of the attributes and the types of their values. Which of them a server takes is
announced; one that is not known here is text.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, ClassVar, Final, Self

from ..exceptions import InvalidValueError, Violation, not_text, shown
from ..values import value_with_init
from . import abnf
from .command import Command, Vocabulary
from .encodings import decode_xtext, encode_xtext
from .parameters import Parameters

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*+", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
LONGEST = 255
"""Characters of a value, decoded (XCLIENT_README, XFORWARD_README)."""


class Missing(enum.Enum):
    """What stands for a value that there is not."""

    UNAVAILABLE = "[UNAVAILABLE]"
    """It is not known, or there is none."""
    TEMPUNAVAIL = "[TEMPUNAVAIL]"
    """A host name whose look-up failed for now."""


def _address(text: str) -> IPv4Address | IPv6Address:
    if text[:5].upper() == "IPV6:" and "%" not in text:
        return IPv6Address(text[5:])
    return IPv4Address(text)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError(text)
    return int(text)


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.upper() not in words:
            raise ValueError(text)
        return text.upper()

    return parse


def _protocol(text: str) -> str:
    if len(text) > 64:
        raise ValueError(text)
    return text


_ADDRESSES = {"ADDR": _address, "PORT": _port}


_HOST_NAMES = frozenset(("NAME", "REVERSE_NAME"))


@value_with_init
class Attributes(Command):
    """What both commands have in common.

    Args:
        attributes: name, in any case, to value.
        checked: True only for what `_read` returned.

    Raises:
        InvalidValueError: none at all, a name or a value that cannot be written, or a name twice.
    """

    attributes: Final[Parameters]
    """Upper-case name to value: an address, the number of a port, text, or `Missing`; its `wire`
    has them as they are written."""

    types: ClassVar[Mapping[str, Callable[[str], Any]]] = {}
    """What makes the typed value out of the text of an attribute; it raises ValueError."""
    forbidden: ClassVar[re.Pattern[str]] = abnf.CONTROLS
    """What no text may hold."""

    def __init__(self, attributes: Mapping[str, Any], checked: bool = False) -> None:
        if not checked:
            if not isinstance(attributes, Mapping):
                raise InvalidValueError(
                    f"{self.verb}: a mapping such as {{'ADDR': '192.0.2.1'}} expected, "
                    f"not {type(attributes).__name__}"
                )
            attributes = self._read((name, _text(given)) for name, given in attributes.items())
        assert isinstance(attributes, Parameters)
        self.attributes = attributes

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse the attributes."""
        words = [word.partition("=") for word in argument.split(" ") if word]
        for name, equals, _ in words:
            if not equals:
                raise cls._bad("attribute=value", name)
        return cls(cls._read((name, text) for name, _, text in words), True)

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return them as they are written."""
        return " ".join(f"{name}={text}" for name, text in self.attributes.wire.items())

    @classmethod
    def _read(cls, pairs: Iterable[tuple[str, str]]) -> Parameters:
        """Make typed values out of names and texts in xtext."""
        values: dict[str, Any] = {}
        wire: dict[str, str | None] = {}
        for name, text in pairs:
            if not isinstance(name, str):
                raise not_text(f"{cls.verb}: the name of an attribute", name)
            keyword = name.upper()
            if not _NAME.fullmatch(name) or keyword in values:
                raise cls._bad("each attribute once", name)
            values[keyword] = cls._value(keyword, text)
            wire[keyword] = text
        if not values:
            raise cls._bad("attribute=value", "")
        return Parameters(values, wire)

    @classmethod
    def _value(cls, name: str, text: str) -> Any:
        try:
            decoded = decode_xtext(text).decode("utf-8")
            if (missing := _MISSING.get(decoded.upper())) and decoded.isascii():
                if missing is Missing.UNAVAILABLE or name in _HOST_NAMES:
                    return missing
                raise ValueError(decoded)
            if not 0 < len(decoded) <= LONGEST or cls.forbidden.search(decoded):
                raise ValueError(decoded)
            return cls.types[name](decoded) if name in cls.types else decoded
        except ValueError:  # not xtext, not UTF-8, not what the attribute is
            raise cls._bad(f"a value of {name}", text) from None

    @classmethod
    def _bad(cls, expected: str, text: str) -> InvalidValueError:
        return InvalidValueError(
            f"{cls.verb} with {expected} expected, not {shown(text)}", Violation.ARGUMENT_SYNTAX
        )


_MISSING = {missing.value: missing for missing in Missing}


def _text(given: Any) -> str:
    """Return a typed value in xtext."""
    if isinstance(given, Missing):
        text = given.value
    else:
        text = f"IPV6:{given}" if isinstance(given, IPv6Address) else str(given)
    try:
        return encode_xtext(text.encode())
    except UnicodeEncodeError:
        raise InvalidValueError(f"text in UTF-8 expected, not {shown(text)}") from None


class XClient(Attributes):
    """XCLIENT: the server is to take the client for another; a new greeting answers it.

    What does not fit in a line goes before it, in commands of its own; ADDR comes last, since it
    may end the right to send more.
    """

    __slots__ = ()
    verb = "XCLIENT"
    types: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        **_ADDRESSES,
        "DESTADDR": _address,
        "DESTPORT": _port,
        "PROTO": _one_of("SMTP", "ESMTP"),
    }

    def claims(self) -> Mapping[str, Any]:
        """Return the attributes."""
        return self.attributes


class XForward(Attributes):
    """XFORWARD: what the server is to log of the client before; ends with the transaction."""

    __slots__ = ()
    verb = "XFORWARD"
    ends_group = False
    types: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        **_ADDRESSES,
        "PROTO": _protocol,
        "SOURCE": _one_of("LOCAL", "REMOTE"),
    }
    # XFORWARD_README note 1: no control, no white space, nothing special to a header.
    forbidden = re.compile(r'[^!-~]|[()<>@,;\\"]')
