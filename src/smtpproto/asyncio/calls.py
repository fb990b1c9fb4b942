# SPDX-License-Identifier: MIT
"""How a hook is called: which ones are asynchronous, and how far one gets at once.

Decides nothing about what becomes of the result.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import Any


def begin(result: Awaitable[Any], loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any]:
    """Run an awaitable up to where it suspends; where Python cannot do that, as a task."""
    coroutine = result if isinstance(result, Coroutine) else _wait_for(result)
    if sys.version_info >= (3, 12):
        return asyncio.Task(coroutine, loop=loop, eager_start=True)
    else:  # noqa: RET505 - the type checker looks at one branch only
        return loop.create_task(coroutine)


async def _wait_for(result: Awaitable[Any]) -> Any:
    return await result


def is_async(call: Callable[..., Any]) -> bool:
    """Tell whether `call` is an ``async def``."""
    try:
        return _is_async_function(getattr(call, "__func__", call))
    except TypeError:  # not hashable
        return inspect.iscoroutinefunction(call)


@lru_cache(maxsize=256)
def _is_async_function(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function)
