# SPDX-License-Identifier: MIT
"""Which attributes of a handler are hooks, and which only look as if.

Decides what is a mistake in a handler as far as it shows before a session: a misspelt hook would
never be called, and a server that refuses nobody looks like one that works. One that does not take
what it gets would fail for everybody.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from inspect import getattr_static, iscoroutinefunction, isfunction, ismethod, signature
from typing import Any

from ..exceptions import LocalProtocolError, Violation
from .application import Handler

HOOKS = frozenset(name for name in vars(Handler) if name.startswith(("on_", "open_")))
_ARGUMENTS = {name: tuple(signature(getattr(Handler, name)).parameters)[1:] for name in HOOKS}
_LIKE = 0.8
"""How like a hook the name of a method must be that begins with "open_" and is none."""


def check_handler(handler: Any) -> None:
    """Look for what is no handler, and for misspelt hooks.

    Args:
        handler: an object with hooks, or the class of such objects.

    Raises:
        LocalProtocolError: it is no object of one's own, an attribute is named like a hook and is
            none, or a hook is no function that takes what it will get.
    """
    found = dir(handler)
    for name in found:
        if name in HOOKS:
            _check_hook(handler, name)
        elif name.startswith("on_") or (name.startswith("open_") and _nearest(name, _LIKE)):
            raise _wrong(f"there is no hook {name}; did you mean {_nearest(name, 0.0)}?")
    if HOOKS.isdisjoint(found):
        other = next((name for name in found if name.startswith("handle_")), None)
        if other is not None:
            raise _wrong(f"there is no hook {other}; on_message takes a message")
        if type(handler).__module__ == "builtins" and not isinstance(handler, type):
            raise _wrong(
                f"an object with hooks such as on_message expected, not {type(handler).__name__}"
            )


def check_plain(handler: Any) -> None:
    """Look for hooks that would have to be awaited, where nothing is.

    Args:
        handler: as for `check_handler`, or what makes one.

    Raises:
        LocalProtocolError: there is such a hook.
    """
    for name in sorted(HOOKS):
        if iscoroutinefunction(getattr(handler, name, None)):
            raise _wrong(
                f"{name}: a plain function expected: nothing is awaited outside of asyncio"
            )


def _check_hook(handler: Any, name: str) -> None:
    hook = getattr(handler, name)
    if hook is None:
        return
    if not callable(hook):
        raise _wrong(f"{name}: a function expected, not {type(hook).__name__}")
    takes = _ARGUMENTS[name]
    if isinstance(handler, type):
        if not isfunction(getattr_static(handler, name)):
            return  # what it will take is not known before there is an object
        takes = ("self", *takes)
    elif ismethod(hook):  # without any parameter, as when self was forgotten, it has no signature
        hook = hook.__func__
        takes = ("self", *takes)
    with suppress(ValueError):  # one of C's that does not say
        try:
            signature(hook).bind(*takes)
        except TypeError:
            raise _wrong(f"{name}: a function of {', '.join(_ARGUMENTS[name])} expected") from None


@lru_cache(maxsize=256)
def check_class(kind: Hashable) -> None:
    """Do the same for the objects that a factory makes, once for each class of them."""
    check_handler(kind)


def _nearest(name: str, cutoff: float) -> str:
    return next(iter(get_close_matches(name, sorted(HOOKS), 1, cutoff)), "")


def _wrong(message: str) -> LocalProtocolError:
    return LocalProtocolError(f"handler: {message}", Violation.LOCAL_VALUE)
