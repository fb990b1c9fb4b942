# SPDX-License-Identifier: MIT
"""What options may hold: addresses, hosts and ports, sizes, replies.

Decides what is a mistake in an option, before anything is opened or sent. Each reader raises
``ArgumentTypeError``, which argparse tells the user together with the option.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

from .. import InvalidValueError, Path, Rcpt, Reply
from ..grammar.addresses import is_address_literal, is_domain

_Value = TypeVar("_Value")

_SIZE = re.compile(r"([0-9]{1,12})([kmg]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_REPLY = re.compile(r"([45][0-9]{2})(?: +([245]\.[0-9]{1,3}\.[0-9]{1,3}))?(?: +(.*))?", re.ASCII)
_ENDPOINT = re.compile(r"(?:\[([^\[\]\s]+)\]|([^\[\]:\s]+))(?::([0-9]{1,5}))?", re.ASCII)


def sender(text: str) -> Path:
    """Read a reverse-path: an address, or ``<>``."""
    return _made(Path, _bare(text))


def recipient(text: str) -> Rcpt:
    """Read a forward-path."""
    return _made(Rcpt, _bare(text))


def _bare(text: str) -> str:
    return text[1:-1] if text[:1] == "<" and text[-1:] == ">" else text


def _made(kind: Callable[[str], _Value], text: str) -> _Value:
    try:
        return kind(text)
    except InvalidValueError as error:
        raise ArgumentTypeError(str(error)) from None


def port(text: str) -> int:
    """Read a TCP port, 0 for any that is free."""
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or int(text) > 65535:
        raise ArgumentTypeError(f"a port from 0 to 65535 expected, not {text!r}")
    return int(text)


def endpoint(text: str) -> tuple[str, int | None]:
    """Read HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; the port is None where none is given."""
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(
            f"HOST:PORT expected, such as 127.0.0.1:25 or [::1]:25, not {text!r}"
        )
    return found[1] or found[2], None if found[3] is None else port(found[3])


def size(text: str) -> int:
    """Read a number of octets, with K, M or G behind it for powers of 1024."""
    found = _SIZE.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ArgumentTypeError(f"a number of octets expected, such as 500K or 50M, not {text!r}")
    return int(found[1]) * _UNITS[found[2].lower()]


def count(text: str) -> int:
    """Read a number from 1 to 1000."""
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= 1000:
        raise ArgumentTypeError(f"a number from 1 to 1000 expected, not {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """Read a time of more than nothing."""
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,3})?", text, re.ASCII) or not float(text):
        raise ArgumentTypeError(f"seconds expected, such as 5 or 0.5, not {text!r}")
    return float(text)


def domain(text: str) -> str:
    """Read a domain or an address literal."""
    if not (is_domain(text) and text.isascii()) and not is_address_literal(text):
        raise ArgumentTypeError(f"a domain or an address literal expected, not {text!r}")
    return text


def refusal(text: str) -> tuple[str, Reply]:
    """Read PATTERN=REPLY, such as ``bad@*=550 5.1.1 no such user``."""
    pattern, _, answer = text.rpartition("=")
    found = _REPLY.fullmatch(answer)
    if not pattern or found is None:
        raise ArgumentTypeError(
            f"PATTERN=REPLY expected, such as 'bad@*=550 5.1.1 no such user', not {text!r}"
        )
    code, enhanced, words = found.groups()
    return pattern, _made(lambda given: Reply(int(code), given, enhanced), words or "refused")
