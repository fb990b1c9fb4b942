# SPDX-License-Identifier: MIT
"""What a server has to tell of its work: of each message, each AUTH exchange and each session.

Decides what is worth telling, and that neither mail data nor a secret is among it. Who is told, and
how it is written down, is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..grammar.commands import Mail, Rcpt
from ..grammar.replies import Reply
from ..values import value
from .application import Peer

Ending = Literal["quit", "left", "lost", "timed out", "shut down", "turned away"]
"""The client took leave with QUIT; it closed between two transactions; the connection broke or TLS
failed; we waited in vain; the server is closing; we ended it with a 421, 554 or the like."""


@value
class MessageRecord:
    """What became of mail data: each ``(end of mail data)`` makes one."""

    peer: Peer
    mail: Mail
    rcpts: tuple[Rcpt, ...]
    """The accepted ones."""
    size: int
    """Octets, transparency undone."""
    replies: tuple[Reply, ...]
    """One, or in LMTP one for each of `rcpts`."""
    refused_recipients: int = 0
    """RCPT commands of the transaction that were refused."""

    @property
    def is_accepted(self) -> bool:
        """True when at least one recipient is to get it."""
        for reply in self.replies:  # noqa: SIM110
            if reply.code < 300:
                return True
        return False


@value
class SessionRecord:
    """What became of a session: each connection that was greeted makes one, at its end."""

    peer: Peer
    ending: Ending
    commands: int
    """Those that were in order."""
    errors: int
    """Those that were refused without asking the application, and lines that are no command."""
    messages: int
    """The accepted ones."""
    refused_senders: int = 0
    """MAIL commands that were refused, other than out of order."""
    refused_recipients: int = 0
    """RCPT commands that were refused, other than out of order."""
    last_refusal: Reply | None = None
    """What the last MAIL, RCPT or DATA that was refused so was answered."""


@value
class AuthenticationRecord:
    """What became of an AUTH exchange that the client carried to its end."""

    peer: Peer
    mechanism: str
    reply: Reply
    identity: str | None = None
    """Whom the session acts as from now on; None where it was refused."""


@value
class RefusalRecord:
    """Why a connection got no session: it makes this one record, and no other."""

    peer: Peer
    reason: str
    """As "too many connections"; it may quote what the peer sent."""


Record = MessageRecord | AuthenticationRecord | SessionRecord | RefusalRecord
Observe = Callable[[Record], None]
"""Gets each record, in the thread of its session; it must neither block nor raise."""
