# SPDX-License-Identifier: MIT
"""How a server's conversation asks the application, and how it answers the client.

Decides what a hook's failure means for the session, and that octets are written before a hook that
may take its time. Which hook is asked when, and what is answered, is decided by who builds on this.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from ..exceptions import LocalProtocolError
from ..grammar.replies import Reply
from ..sasl import ServerMechanisms
from ..session.server import ServerConnection
from ..session.timeouts import recommended_timeout
from ..states import State
from ..values import value
from .application import Peer, Reject
from .deadlines import Clock, Deadlines, StoppedClock, Times
from .errors import ConnectionLost, SecurityError
from .places import Place
from .records import Ending, Observe
from .steps import Cancelled, Dialogue, Handle, StandIn, Step
from .transcript import Transcript, reply_lines

FAILURES = (TimeoutError, ConnectionLost, SecurityError, Cancelled)
"""What a driver throws when the connection is over, rather than a hook."""
FAILED = Reply(451, "local error", "4.3.0")
UNABLE = Reply(421, "local error", "4.3.0")
"""For what failed where the session cannot go on."""
ANSWER = "None or a Reply"


@value
class Terms:
    """What a session is told about time, about who listens to it, and about AUTH."""

    timeout: float | None = None
    """Seconds to wait for each command, and for each hook; by default what RFC 5321 4.5.3.2.7 asks
    for."""
    times: Times = Times()
    """How long more than a command may take."""
    clock: Clock = StoppedClock()
    """Needed where there are `times`."""
    transcript: Transcript | None = None
    """Gets the lines of the session."""
    observe: Observe | None = None
    """Gets a record of each message, and one of the session."""
    mechanisms: ServerMechanisms | None = None
    """What AUTH may be made of, where the connection offers it."""
    place: Place | None = None
    """Where the session is counted while the client has not authenticated."""


class Conversation:
    """One session: its two ends, and the way to each."""

    # As in all that build on this: a server may have very many sessions.
    __slots__ = (
        "_asked",
        "_clock",
        "_connection",
        "_deadlines",
        "_ending",
        "_handler",
        "_observe",
        "_out",
        "_peer",
        "_timeout",
        "_transcript",
    )

    def __init__(
        self,
        connection: ServerConnection,
        handler: Any,
        peer: Peer,
        terms: Terms,
    ) -> None:
        self._connection = connection
        self._handler = handler
        self._peer = peer
        # The hook that was called last, for a log of what it did wrong.
        self._asked: Callable[..., Any] = type(handler)
        self._transcript = terms.transcript
        self._observe = terms.observe
        # How the session ended, as far as that is known.
        self._ending: Ending | None = None
        timeout = terms.timeout
        self._timeout = (
            recommended_timeout("server", connection.state) if timeout is None else timeout
        )
        self._clock = terms.clock
        self._deadlines = Deadlines(terms.clock, terms.times, self._timeout)
        self._out: list[bytes] = []

    # --- hooks ---------------------------------------------------------------------------------

    def _run(self, call: Callable[..., Any], *args: Any) -> Dialogue:
        """Run a hook; return its result, or the refusal that stands for its exception."""
        self._asked = call
        try:
            return (yield Handle(self._flush(), call, args, self._timeout))
        except FAILURES:
            raise
        except Reject as refusal:
            return refusal.reply
        except Exception:  # the driver has logged it
            return FAILED

    def _ask(self, call: Callable[..., Any], *args: Any) -> Generator[Step, Any, Reply | None]:
        """Run a hook that returns None or a reply."""
        answer = yield from self._run(call, *args)
        if answer is None or isinstance(answer, Reply):
            return answer
        yield from self._complain(bad_answer(ANSWER, answer))
        return FAILED

    def _clean_up(self, call: Callable[..., Any], *args: Any) -> Dialogue:
        """Run a hook once, though what was to be written before it may not get through."""
        try:
            yield from self._ask(call, *args)
        except FAILURES:  # and so it has not been called
            self._out.clear()
            yield from self._ask(call, *args)

    def _complain(self, error: Exception) -> Dialogue:
        """Have the driver log what the last hook did wrong, as if the hook had raised it."""
        yield from self._run(_Complaint(self._asked).tell, error)

    # --- output --------------------------------------------------------------------------------

    def _reply(self, reply: Reply, otherwise: Reply = FAILED) -> Generator[Step, Any, Reply]:
        """Send what may be a hook's reply, or what stands for one that cannot be; return it."""
        try:
            self._send(reply)
        except LocalProtocolError as error:
            yield from self._complain(error)
            reply = otherwise
            self._send(reply)
        if reply.code == 421:
            self._ending = "turned away"
        return reply

    def _send(self, reply: Reply) -> None:
        self._out.append(self._connection.send(reply))
        if self._transcript is not None:
            self._say(reply)

    def _say(self, reply: Reply) -> None:
        assert self._transcript is not None
        for line in reply_lines(reply):
            self._transcript(line)

    def _say_goodbye(self, reply: Reply) -> None:
        if self._connection.state not in (State.TLS, State.CLOSED):
            self._send(reply)

    def _flush(self) -> bytes:
        octets = b"".join(self._out)
        self._out.clear()
        return octets


def bad_answer(wanted: str, answer: object, lacking: Sequence[str] = ()) -> TypeError:
    """Make the error for what a hook should not have returned, or what `lacking` methods."""
    without = f" without {', '.join(lacking)}" if lacking else ""
    return TypeError(f"a hook returns {wanted} here, not {type(answer).__name__}{without}")


class _Complaint(StandIn):
    """Raises what a hook should have raised."""

    __slots__ = ()

    def tell(self, error: Exception) -> None:
        """Raise it."""
        raise error
