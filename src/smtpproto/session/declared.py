# SPDX-License-Identifier: MIT
"""Whether extensions are declared so that they can work, alone and beside each other.

Decides which declarations are a misunderstanding, told when a connection is made: what is none of
these would be passed over without a word, or fail at the peer's first line. Knows no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..exceptions import InvalidValueError
from ..extensions.declaration import Extension, Move, Row
from ..grammar.commands import BASE_VERBS, Command, Ehlo, Helo, Lhlo
from ..grammar.parameters import Parameter
from ..kinds import described, wrong
from ..states import State
from .table import BASE_ROWS

_BASE_VERBS: tuple[type[Command], ...] = (*BASE_VERBS, Ehlo, Helo, Lhlo)
_BASE: Mapping[str, type[Command]] = {verb.verb: verb for verb in _BASE_VERBS}


def check_declarations(given: tuple[Any, ...]) -> None:
    """Look at extensions that are to be used together.

    Raises:
        InvalidValueError: one is no instance of an extension, or declares what cannot work.
    """
    for extension in given:
        if not isinstance(extension, Extension):
            raise wrong("extensions", "an instance of an extension such as Size()", extension)
        _check_keyword(extension)
        _check_attributes(extension)
    keywords = [extension.keyword for extension in given]
    for extension in given:
        if keywords.count(extension.keyword) > 1:
            raise InvalidValueError(f"each extension once expected, not two of {extension.keyword}")
        missing = [needed for needed in extension.requires if needed not in keywords]
        if missing:
            raise InvalidValueError(
                f"{extension.keyword} needs {' and '.join(missing)}: add it, or leave both out"
            )
    _check_verbs(given)
    _check_parameters(given, "mail_parameters")
    _check_parameters(given, "rcpt_parameters")


def _check_keyword(extension: Extension) -> None:
    keyword = getattr(extension, "keyword", None)
    if not keyword or not _is_word(keyword):
        raise InvalidValueError(
            f"{type(extension).__name__}: an extension keyword in upper case expected, "
            f"not {described(keyword)}"
        )


def _check_attributes(extension: Extension) -> None:
    """Refuse a list that is none, what does not belong into one, and a misspelt name."""
    for name, (wanted, fits) in _LISTS.items():
        got = getattr(extension, name)
        where = f"{extension.keyword}: {name}: a tuple of {wanted} expected, not "
        if isinstance(got, str | bytes) or not isinstance(got, Collection):
            raise InvalidValueError(where + described(got))
        for one in got:
            if not fits(one):
                raise InvalidValueError(where + described(one))
        if hasattr(extension, name[:-1]) and not hasattr(Extension, name[:-1]):
            raise InvalidValueError(f"{extension.keyword}: {name} expected, not {name[:-1]}")


def _check_verbs(given: tuple[Extension, ...]) -> None:
    """Hold verbs and rows against each other: each pair belongs together, and to one extension."""
    owners: dict[str, Extension] = {}
    in_rows = {row.command for extension in given for row in extension.rows}
    known = {*_BASE.values(), *(row.command for row in BASE_ROWS)}
    known.update(verb for extension in given for verb in extension.verbs)
    for extension in given:
        if extension.verbs and not any(verb.verb for verb in extension.verbs):
            raise _wrong(extension, "verbs", "a Command with `verb`", extension.verbs)
        for verb in extension.verbs:
            if verb.verb in _BASE or owners.setdefault(verb.verb, extension) is not extension:
                raise InvalidValueError(
                    f"{extension.keyword}: a verb that is not there yet expected, not {verb.verb}"
                )
            if verb not in in_rows:
                raise _wrong(extension, "rows", "a Row for each of its verbs", (verb,), "without")
        strange = [row.command for row in extension.rows if row.command not in known]
        if strange:
            raise _wrong(extension, "rows", "commands of `verbs`", strange)


def _check_parameters(given: tuple[Extension, ...], name: str) -> None:
    """Refuse two declarations of a parameter, unless one refines the other (`requires`)."""
    owners: dict[tuple[str, int], tuple[Extension, Parameter]] = {}
    for extension in given:
        for parameter in getattr(extension, name):
            # Of two, that with more prerequisites counts: only as many leave it open.
            key = (parameter.keyword, len(extension.requires))
            other, before = owners.setdefault(key, (extension, parameter))
            if before != parameter:
                raise InvalidValueError(
                    f"{extension.keyword}: {name}: {parameter.keyword} is declared by "
                    f"{other.keyword} already; to refine it, name {other.keyword} in `requires`"
                )


def _wrong(
    extension: Extension,
    name: str,
    wanted: str,
    got: Iterable[type[Command]],
    word: str = "not",
) -> InvalidValueError:
    names = ", ".join(command.__name__ for command in got)
    return InvalidValueError(f"{extension.keyword}: {name}: {wanted} expected, {word} {names}")


def _is_command(got: object) -> bool:
    return isinstance(got, type) and issubclass(got, Command)


def _is_verb(got: Any) -> bool:
    return _is_command(got) and _is_word(got.verb)


def _is_word(got: object) -> bool:
    return (
        isinstance(got, str)
        and got.isascii()
        and got.isprintable()
        and " " not in got
        and got == got.upper()
    )


def _is_row(got: object) -> bool:
    return (
        isinstance(got, Row)
        and _is_command(got.command)
        and isinstance(got.states, Collection)
        and len(got.states) > 0
        and all(isinstance(state, State) for state in got.states)
        and all(
            isinstance(move, State | Move) for move in (got.success, got.intermediate, got.failure)
        )
    )


_COMMANDS = ("classes derived from Command", _is_command)
_PARAMETERS = ("Parameter values", lambda got: isinstance(got, Parameter))
_LISTS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "verbs": ("classes derived from Command, their verb in upper case,", _is_verb),
    "mail_parameters": _PARAMETERS,
    "rcpt_parameters": _PARAMETERS,
    "rows": ("Row((State.READY, ...), Command) values", _is_row),
    "requires": ("keywords", lambda got: isinstance(got, str)),
    "checks": _COMMANDS,
    "counts": _COMMANDS,
}
