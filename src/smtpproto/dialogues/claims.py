# SPDX-License-Identifier: MIT
"""What a trusted client says of the client before it: XCLIENT and XFORWARD of Postfix.

Decides what of it becomes the peer's, and that the application sees a claimed client as it would
see one that had connected. Who is trusted is the settings', how attributes are written the
grammar's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from ..grammar.attributes import Missing, XClient, XForward
from ..grammar.replies import Reply
from ..session.refusals import forbidden
from ..states import State
from .authentication import Authenticating
from .conversation import FAILED, UNABLE
from .steps import Dialogue, Step

_NOTED = Reply(250, "ok", "2.0.0")


@lru_cache(maxsize=64)
def _greeting(hostname: str, is_lmtp: bool) -> Reply:
    return Reply(220, f"{hostname} {'LMTP' if is_lmtp else 'ESMTP'}")


class Claiming(Authenticating):
    """The part of a session that hears of other clients."""

    __slots__ = ()

    def _greet(self) -> Iterable[Step]:
        """Greet, or let the application turn the client away."""
        greeting = _greeting(self._connection.hostname, self._connection.lmtp)
        hook = getattr(self._handler, "on_connect", None)
        if hook is not None:
            return self._ask_to_greet(hook, greeting)
        self._send(greeting)
        return ()

    def _ask_to_greet(self, hook: Callable[..., Any], greeting: Reply) -> Dialogue:
        answer = yield from self._ask(hook, self._peer)
        if answer is FAILED:  # a greeting of 451 is none (RFC 5321 4.3.2)
            answer = UNABLE
        elif answer is not None and answer.code != 220 and answer.code < 300:  # RFC 5321 4.2
            yield from self._complain(forbidden("220, 4yz or 5yz", answer))
            answer = UNABLE
        yield from self._reply(answer or greeting, UNABLE)

    def _take_claims(self, command: XClient) -> Dialogue:
        """Take the client for another; its address is a new one to greet (XCLIENT_README)."""
        peer = self._peer
        before = peer.address, peer.mechanism
        claims = {**self._connection.claimed, **command.attributes}
        peer.address, peer.mechanism = _address(claims, peer.address), None
        peer.claim(claims)
        try:
            yield from self._greet()
        finally:  # from now on the connection knows, or it was refused
            peer.claim(None)
        if self._connection.state is not State.GREETED:
            peer.address, peer.mechanism = before
        self._keep_place()

    def _take_forwarded(self, command: XForward) -> Dialogue:
        """Remember what is only to be told, until the transaction ends (XFORWARD_README)."""
        self._peer.forwarded = {**self._peer.forwarded, **command.attributes}
        yield from self._reply(_NOTED)


def _address(claimed: Mapping[str, Any], before: Any) -> Any:
    """Return the address that was claimed in the form that a socket would give it in."""
    if "ADDR" not in claimed:
        return before
    if isinstance(claimed["ADDR"], Missing):
        return None
    port = claimed.get("PORT")
    return str(claimed["ADDR"]), port if isinstance(port, int) else 0
