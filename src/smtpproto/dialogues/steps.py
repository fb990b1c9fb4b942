# SPDX-License-Identifier: MIT
"""What a dialogue asks of whoever does its I/O, and what can go wrong there.

Decides the contract between a dialogue and its driver. A dialogue is a generator; a driver does
what each step says and gives the result back by ``send()``. A failure is given back by ``throw()``:
`TimeoutError`, `ConnectionLost` and `SecurityError` when the connection failed, `Cancelled` when
the driver must stop, and at a `Handle` what the call raised, passed through `call_failure`. After
the failures of the connection and `Cancelled` only `Handle` and `Close` may follow, after
``GeneratorExit`` nothing. Knows no sockets, no event loop and no SMTP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from ..values import value
from .errors import ConnectionLost, SecurityError


@dataclass(slots=True)
class Read:
    """Write `out`, then read. The result is the octets that came, b"" for the end of the stream.

    The dialogue's own: it may change one that has been answered, and give it out again. With a
    timeout of 0 nothing is waited for, and the result is None when nothing is there; if it
    `goes_on` then, the driver looks at the connection first, which it may not have done for long.
    """

    out: bytes
    """What is to be written first, together with what earlier steps left."""
    timeout: float
    """Seconds to wait at most."""
    goes_on: bool = False
    """True when the time of the `Read` before goes on: nothing whole has come since."""
    may_finish: bool = False
    """True in the middle of a message: a driver that must stop waits for its end a while."""
    limit: int = 0
    """Octets to take at most, where what is behind them is for a TLS layer; 0 for no such limit."""


@value
class Handshake:
    """Write `out`, then make the TLS handshake. The result is a `TLSInfo`.

    From here on nothing that was received in the clear may be given out: reading stops before the
    handshake begins.
    """

    out: bytes
    timeout: float


@value
class Handle:
    """Write `out`, then call. The result is what the call returns, or what its awaitable gives.

    The octets may wait for the next step if the call ends at once; they are written before a call
    that suspends or blocks.
    """

    out: bytes
    call: Callable[..., Any]
    args: tuple[Any, ...]
    timeout: float
    """Seconds for the call at most, where it can be given up."""
    blocks: bool = True
    """False for a plain function that is known to end at once, and needs no thread."""


@value
class Close:
    """Write `out`, then close. There is no result, and no further step."""

    out: bytes
    lingers: bool = False
    """True when input may still come: a reset would destroy what was written last, so that the
    driver ends its sending side, and reads and drops for a bounded time."""


Step = Read | Handshake | Handle | Close
Dialogue = Generator[Step, Any, Any]


class StandIn:
    """Is called in place of a hook, by a method of its own.

    Args:
        hook: what a log should name.
    """

    __slots__ = ("hook",)

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook


def name_of(call: Callable[..., Any]) -> str:
    """Return what a log calls the call of a `Handle`, as ``Mailboxes.on_rcpt``."""
    while isinstance(owner := getattr(call, "__self__", None), StandIn):
        call = owner.hook
    return getattr(call, "__qualname__", None) or type(call).__name__


class Cancelled(Exception):
    """The driver must stop: its server is closing."""


class CallFailed(Exception):
    """A call raised what a driver itself could throw, or took too long.

    The call's own exception is the ``__cause__``.
    """


def call_failure(error: BaseException) -> BaseException:
    """Return what a driver throws for what a call raised.

    So that a hook that lost a connection of its own is not mistaken for ours.
    """
    if not isinstance(error, TimeoutError | ConnectionLost | SecurityError | Cancelled):
        return error
    failed = CallFailed(str(error))
    failed.__cause__ = error
    return failed
