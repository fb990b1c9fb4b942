# SPDX-License-Identifier: MIT
"""A client's conversation about several messages, one behind the other.

Decides when the next one is begun, and when there can be none. What is said about each of them is
not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

from ..exceptions import ProtocolError
from ..grammar.addresses import Path
from ..kinds import check_word, described
from ..session.client import ClientConnection
from .client import is_reusable
from .errors import ConnectionLost, SMTPError
from .exchange import TELLING
from .needs import Transfer
from .outgoing import Content, Outgoing, Recipients, prepare
from .result import SendResult
from .sending import Sending
from .steps import Step
from .transcript import Transcript

Outcome: TypeAlias = SendResult | SMTPError | ProtocolError
"""What `send` returns for a message, or raises."""
Addressed: TypeAlias = tuple[Content, str | Path | None, Recipients | None]
"""A message, its sender and its recipients, as `send` takes them."""


def check_listener(on_outcome: object) -> None:
    """Look for what cannot be told of outcomes, before there are any.

    Raises:
        TypeError: it is no function, or one that would have to be awaited.
    """
    if on_outcome is None or (callable(on_outcome) and not iscoroutinefunction(on_outcome)):
        return
    what = "a coroutine function" if callable(on_outcome) else described(on_outcome)
    raise TypeError(f"on_outcome: a plain function expected, not {what}")


def prepare_all(
    messages: Iterable[Addressed], parameters: Mapping[str, Any] | None = None
) -> list[Outgoing]:
    """Make messages ready, as `prepare` does with one.

    Raises:
        TypeError: they are no tuples of three, or as for `prepare`.
        LocalProtocolError: as for `prepare`. A note says which message it is.
    """
    prepared = []
    for at, message in enumerate(messages):
        try:
            if not isinstance(message, tuple) or len(message) != 3:
                raise TypeError(
                    "a tuple of message, sender and recipients expected, with None for what the "
                    f"header tells, not {described(message)}"
                )
            prepared.append(prepare(*message, parameters))
        except Exception as error:
            error.add_note(f"in messages[{at}]; none was sent")
            raise
    return prepared


def send_messages(
    connection: ClientConnection,
    messages: Sequence[Outgoing],
    *,
    transfer: Transfer = "auto",
    timeout: float | None = None,
    transcript: Transcript | None = None,
    on_outcome: Callable[[int, Outcome], Any] | None = None,
) -> Generator[Step, Any, list[Outcome]]:
    """Send messages in a session that is open, the next envelope behind the last mail data.

    With PIPELINING that is one round trip for a message in place of two (RFC 2920 3.1). What
    becomes of one is nothing to the others, unless it ends the session.

    Args:
        connection: the session.
        messages: what `prepare` returned.
        transfer: as for `send_message`.
        timeout: as for `send_message`.
        transcript: as for `send_message`.
        on_outcome: is told of each outcome when it is known, with the index of the message.

    Returns:
        What became of each. Those that the session ended before are `ConnectionLost`.

    Raises:
        InvalidValueError: there is no such `transfer`; nothing was sent.
        Exception: what a source, or `on_outcome`, raised. No message behind that one was sent.
    """
    check_word("transfer", transfer, Transfer)
    sendings = [Sending(connection, timeout, transcript, each, transfer) for each in messages]
    outcomes: list[Outcome] = []
    for at, sending in enumerate(sendings):
        outcome: Outcome
        if sending.is_under_way or is_reusable(connection):
            sending.following = sendings[at + 1] if at + 1 < len(sendings) else None
            try:
                outcome = yield from sending.send()
            except TELLING as error:
                # The frames of both hold all the messages.
                outcome = error.with_traceback(None)
                error.__context__ = None
        else:
            outcome = ConnectionLost("not sent: the session ended before")
        outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(at, outcome)
    return outcomes
