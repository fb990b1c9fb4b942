# SPDX-License-Identifier: MIT
"""What the settings of a connection have to be.

Decides how a wrong one is told, when the connection is made and not at the peer's first line. Which
settings there are is known to those who have them.
"""

from __future__ import annotations

from typing import Any, get_args

from ..exceptions import InvalidValueError, shown


def check_kind(name: str, got: object, kind: type) -> None:
    """Look at a setting that is of one type.

    Raises:
        InvalidValueError: of another type, such as "no" for a flag.
    """
    if not isinstance(got, kind):
        wanted = "True or False" if kind is bool else kind.__name__
        raise InvalidValueError(f"{name}: {wanted} expected, not {shown(repr(got))[1:-1]}")


def check_word(name: str, got: object, words: Any) -> None:
    """Look at a setting that is one of a few words.

    Args:
        name: how it is called.
        got: what was given.
        words: the ``Literal`` of the words.

    Raises:
        InvalidValueError: another word, or none.
    """
    allowed = get_args(words)
    if got not in allowed:
        raise InvalidValueError(
            f"{name}: {' or '.join(allowed)} expected, not {shown(repr(got))[1:-1]}"
        )


def check_hostname(hostname: str) -> None:
    """Look at a name that the default replies of a server have to hold.

    Raises:
        InvalidValueError: no text, empty, not printable ASCII, or with a space.
    """
    if not isinstance(hostname, str):
        raise InvalidValueError(f"hostname: text expected, not {type(hostname).__name__}")
    if not (hostname.isascii() and hostname.isprintable() and hostname and " " not in hostname):
        raise InvalidValueError(
            f"hostname: a domain or an address literal expected, not {shown(hostname)}"
        )
