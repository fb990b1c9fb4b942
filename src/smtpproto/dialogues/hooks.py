# SPDX-License-Identifier: MIT
"""Which attributes of a handler are hooks, and which only look as if.

Decides what is a mistake in a handler as far as it shows before a session: a misspelt hook would
never be called, and a server that refuses nobody looks like one that works.
"""

from __future__ import annotations

from collections.abc import Hashable
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from ..exceptions import LocalProtocolError, Violation
from .handlers import Handler

HOOKS = frozenset(name for name in vars(Handler) if name.startswith(("on_", "open_")))
_LIKE = 0.8
"""How like a hook the name of a method must be that begins with "open_" and is none."""


def check_handler(handler: Any) -> None:
    """Look for misspelt hooks.

    Args:
        handler: an object with hooks, or the class of such objects.

    Raises:
        LocalProtocolError: an attribute is named like a hook and is none, or is no function.
    """
    for name in dir(handler):
        if name in HOOKS:
            hook = getattr(handler, name)
            if hook is not None and not callable(hook):
                raise _wrong(f"{name}: a function expected, not {type(hook).__name__}")
        elif name.startswith("on_") or (name.startswith("open_") and _nearest(name, _LIKE)):
            raise _wrong(f"there is no hook {name}; did you mean {_nearest(name, 0.0)}?")


@lru_cache(maxsize=256)
def check_class(kind: Hashable) -> None:
    """Do the same for the objects that a factory makes, once for each class of them."""
    check_handler(kind)


def _nearest(name: str, cutoff: float) -> str:
    return next(iter(get_close_matches(name, sorted(HOOKS), 1, cutoff)), "")


def _wrong(message: str) -> LocalProtocolError:
    return LocalProtocolError(f"handler: {message}", Violation.LOCAL_VALUE)
