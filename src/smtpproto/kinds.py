# SPDX-License-Identifier: MIT
"""What a setting or an argument has to be, and how a wrong one is told.

Decides the words of the error, and the kinds that are asked for in more than one place. Which kind
each setting has stands in a table where the settings are, or is one call where there is one. What
is made for each command or reply is not checked by this: it looks closer only when it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from re import Pattern
from typing import Any, get_args

from .exceptions import InvalidValueError, shown

Kind = tuple[str, Callable[[Any], bool]]
"""What is expected, in words, and whether a value is that."""


def check_kinds(
    kinds: Mapping[str, Kind],
    given: Mapping[str, object],
    describe: Callable[[object], str] | None = None,
) -> None:
    """Look at what was given by the table `kinds`; what it does not have is not its business.

    Args:
        kinds: what each has to be, by its name.
        given: what each is.
        describe: how a wrong one is shown; `type_of` for what may be a secret.

    Raises:
        InvalidValueError: a value is of another kind.
    """
    for name, got in given.items():
        wanted, fits = kinds.get(name, _ANY)
        if not fits(got):
            if isinstance(got, tuple) and fits(()):  # a list, of which some do not fit
                got = next(one for one in got if not fits((one,)))
            raise wrong(name, wanted, got, describe)


def check_fields(
    kinds: Mapping[str, Kind], made: object, describe: Callable[[object], str] | None = None
) -> None:
    """Do the same for the attributes of a value that has just been made.

    Raises:
        InvalidValueError: one is of another kind.
    """
    check_kinds(kinds, {name: getattr(made, name) for name in kinds}, describe)


def check_kind(name: str, got: object, kind: type) -> None:
    """Look at a setting that is of one type.

    Raises:
        InvalidValueError: of another type, such as "no" for a flag.
    """
    if not isinstance(got, kind):
        raise wrong(name, "True or False" if kind is bool else kind.__name__, got)


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
        raise wrong(name, " or ".join(allowed), got)


def one_of(words: Any) -> Kind:
    """Return the kind of a ``Literal``."""
    allowed = get_args(words)
    return " or ".join(allowed), lambda got: isinstance(got, str) and got in allowed


def like(wanted: str, pattern: Pattern[str]) -> Kind:
    """Return the kind of text that a pattern matches."""
    return wanted, lambda got: isinstance(got, str) and pattern.fullmatch(got) is not None


def of(kind: type) -> Kind:
    """Return the kind of what is of a type."""
    return kind.__name__, lambda got: isinstance(got, kind)


def or_none(kind: Kind) -> Kind:
    """Return the kind of what may be left out."""
    wanted, fits = kind
    return wanted, lambda got: got is None or fits(got)


def each(kind: Kind) -> Kind:
    """Return the kind of a tuple or list of some."""
    wanted, fits = kind
    return wanted, lambda got: isinstance(got, tuple | list) and all(map(fits, got))


def wrong(
    name: str, wanted: str, got: object, describe: Callable[[object], str] | None = None
) -> InvalidValueError:
    """Make the error for a value of another kind."""
    return InvalidValueError(f"{name}: {wanted} expected, not {(describe or described)(got)}")


def described(got: object) -> str:
    """Return a value for an error: as it is written if it is short, otherwise its type."""
    if isinstance(got, str | bytes):
        return shown(got)
    if got is None or isinstance(got, int | float):
        return shown(repr(got))[1:-1]
    return type_of(got)


def type_of(got: object) -> str:
    """Return what a value is, and nothing of what it says."""
    return f"the class {got.__name__}" if isinstance(got, type) else type(got).__name__


def _is_number(got: object) -> bool:
    return isinstance(got, int | float) and not isinstance(got, bool) and -_NO_END < got < _NO_END


_NO_END = float("inf")
_ANY: Kind = ("", lambda _: True)
FLAG: Kind = ("True or False", lambda got: isinstance(got, bool))
TEXT: Kind = ("text", lambda got: isinstance(got, str))
OCTETS: Kind = ("octets", lambda got: isinstance(got, bytes))
NUMBER: Kind = ("a whole number", lambda got: isinstance(got, int) and not isinstance(got, bool))
TEXT_OR_OCTETS: Kind = ("text or octets", lambda got: isinstance(got, str | bytes | bytearray))
COUNT: Kind = or_none(
    ("a whole number of at least 1, or None,", lambda got: type(got) is int and got > 0)
)
PORT: Kind = ("a number from 0 to 65535", lambda got: type(got) is int and 0 <= got <= 65535)
TIME: Kind = or_none(("more than 0 seconds, or None,", lambda got: _is_number(got) and got > 0))
WAIT: Kind = or_none(
    (
        "more than 0 seconds and at most 2000000, or None,",
        lambda got: _is_number(got) and 0 < got <= 2_000_000,
    )
)
"""What may be waited for at once: poll(2) takes 2**31 milliseconds at most."""
SPAN: Kind = ("0 seconds or more", lambda got: _is_number(got) and got >= 0)


def is_host(host: str) -> bool:
    """Tell whether a resolver can be asked for `host`; an empty one would be this machine."""
    try:
        is_bare = host.count(":") != 1 and "[" not in host
        return bool(host.encode("idna")) and host.isprintable() and is_bare
    except UnicodeError:
        return False


# Empty, as from a variable that is not set, it would be a socket that nobody finds.
SOCKET_PATH: Kind = (
    "the text of a path",
    lambda got: isinstance(got, str) and got != "" and "\0" not in got,
)
PATH: Kind = ("a path", lambda got: isinstance(got, str) or hasattr(type(got), "__fspath__"))
FUNCTION: Kind = ("a function", callable)
