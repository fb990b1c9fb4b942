# SPDX-License-Identifier: MIT
"""What a setting has to be, and how a wrong one is told; for a server, which kind each has.

Decides which values are a misunderstanding, told when a server, a handler or a client is made and
not by the first session. Whether settings fit together is decided where they are completed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from ..exceptions import shown
from ..extensions import Extension
from ..framing import ReceivedPolicy
from ..grammar.leniency import Leniency
from ..limits import Limits
from .authentication_offer import expected

Kind = tuple[str, Callable[[Any], bool]]
"""What is expected, in words, and whether a value is that."""


def check(kinds: Mapping[str, Kind], given: Mapping[str, object]) -> None:
    """Look at what was given by the table `kinds`; what it does not have is not its business.

    Raises:
        LocalProtocolError: a value is of another kind.
    """
    for name, got in given.items():
        wanted, fits = kinds.get(name, _ANY)
        if not fits(got):
            if isinstance(got, tuple):
                got = next(one for one in got if not fits((one,)))
            raise expected(f"{name}: {wanted} expected, not {described(got)}")


def check_names(function: str, known: Collection[str], given: Iterable[str]) -> None:
    """Look for options that there are not, as the call of a function with keywords does.

    Raises:
        TypeError: there is one.
    """
    for name in given:
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            advice = f": did you mean {nearest[0]!r}?" if nearest else ""
            raise TypeError(f"{function} got an unexpected keyword argument {name!r}{advice}")


def listed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` with tuples for lists, where one text is a list of one.

    Raises:
        LocalProtocolError: there is a list expected, and no list.
    """
    found = dict(options)
    for name in _LISTS & options.keys():
        got = options[name]
        if isinstance(got, str):
            found[name] = (got,)
        elif isinstance(got, Iterable):
            found[name] = tuple(got)
        elif got is not None or name == "disabled":
            raise expected(f"{name}: a list expected, not {described(got)}")
    return found


def one_of(words: Any) -> Kind:
    """Return the kind of a ``Literal``."""
    allowed = get_args(words)
    return f"one of {', '.join(allowed)}", lambda got: isinstance(got, str) and got in allowed


def each(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check of all in a list."""
    return lambda got: got is None or all(map(is_right, got))


def described(got: object) -> str:
    """Return a value for an error: as it is written if it is short, otherwise its type."""
    if isinstance(got, str | bytes):
        return shown(got)
    if got is None or isinstance(got, int | float):
        return shown(repr(got))[1:-1]
    return f"the class {got.__name__}" if isinstance(got, type) else type(got).__name__


def _is_text(got: object) -> bool:
    return isinstance(got, str)


def _is_number(got: object) -> bool:
    return isinstance(got, int | float) and not isinstance(got, bool) and -_NO_END < got < _NO_END


def _is_count(got: object) -> bool:
    return got is None or (type(got) is int and got > 0)


def _is_time(got: Any) -> bool:
    return got is None or (_is_number(got) and got > 0)


_NO_END = float("inf")
_ANY: Kind = ("", lambda _: True)
FLAG: Kind = ("True or False", lambda got: isinstance(got, bool))
_COUNT: Kind = ("a whole number of at least 1, or None,", _is_count)
_TIME: Kind = ("more than 0 seconds, or None,", _is_time)
_FUNCTION: Kind = ("a function", lambda got: got is None or callable(got))
_TEXTS: Kind = ("texts", each(_is_text))
_LISTS = frozenset(("extensions", "auth", "disabled", "xclient", "proxy"))

KINDS: Mapping[str, Kind] = {  # the settings of a server
    "hostname": ("text", lambda got: got is None or isinstance(got, str)),
    "extensions": ("extensions such as Size()", each(lambda one: isinstance(one, Extension))),
    "limits": ("Limits", lambda got: isinstance(got, Limits)),
    "leniency": ("a Leniency", lambda got: isinstance(got, Leniency)),
    **dict.fromkeys(("lmtp", "require_tls", "auth_cleartext", "require_auth", "factory"), FLAG),
    "auth": (
        "mechanisms, as names or what makes one,",
        each(lambda one: isinstance(one, str) or callable(one)),
    ),
    "disabled": _TEXTS,
    "xclient": _TEXTS,
    "proxy": _TEXTS,
    "received": one_of(ReceivedPolicy),
    **dict.fromkeys(
        ("timeout", "message_timeout", "session_timeout", "authentication_timeout"), _TIME
    ),
    "grace": ("0 seconds or more", lambda got: _is_number(got) and got >= 0),
    "connections": _COUNT,
    "connections_per_peer": _COUNT,
    "connections_unauthenticated": _COUNT,
    "transcript": _FUNCTION,
    "transcript_for": _FUNCTION,
}
