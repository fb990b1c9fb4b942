# SPDX-License-Identifier: MIT
"""How a hook is called: which ones are asynchronous, and how far one gets at once.

Decides nothing about what becomes of the result, but that a failure which comes too late is logged.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor, Future
from functools import partial
from types import FunctionType
from typing import Any, Final

from ..dialogues import Reject, name_of

logger = logging.getLogger("smtpproto")

# Python 3.11 knows no eager tasks: there a coroutine begins in the next turn of the loop.
eager: Callable[..., asyncio.Task[Any]] = (
    partial(asyncio.Task, eager_start=True) if sys.version_info >= (3, 12) else asyncio.Task
)
"""Makes a task of a coroutine, which runs up to where it suspends."""

_CO_COROUTINE: Final = inspect.CO_COROUTINE


def begin(result: Awaitable[Any], loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any]:
    """Run an awaitable up to where it suspends."""
    return eager(result if isinstance(result, Coroutine) else _wait_for(result), loop=loop)


async def _wait_for(result: Awaitable[Any]) -> Any:
    return await result


def in_thread(
    call: Callable[..., Any],
    args: tuple[Any, ...],
    executor: Executor,
    loop: asyncio.AbstractEventLoop,
) -> asyncio.Future[Any]:
    """Run what may block in a thread; once it has begun it cannot be cancelled."""
    work = executor.submit(contextvars.copy_context().run, call, *args)
    awaited = asyncio.wrap_future(work, loop=loop)

    def tell(work: Future[Any]) -> None:
        if awaited.cancelled():
            tell_late(name_of(call), work)

    work.add_done_callback(tell)
    return awaited


def tell_late(name: str, call: asyncio.Future[Any] | Future[Any]) -> None:
    """Log that what nobody waits for any longer failed; a `Reject` is an answer."""
    error = None if call.cancelled() else call.exception()
    if error is not None and not isinstance(error, Reject):
        logger.error("the hook %s, which was given up, failed", name, exc_info=error)


def is_async(call: Callable[..., Any]) -> bool:
    """Tell whether `call` is an ``async def``."""
    function = getattr(call, "__func__", call)
    if type(function) is FunctionType:
        if function.__code__.co_flags & _CO_COROUTINE:
            return True
        if not function.__dict__:
            return False
    # Decorated, perhaps marked, or none of Python's. Not to be remembered: what a message is
    # written into may hang on it.
    return inspect.iscoroutinefunction(call)
