# SPDX-License-Identifier: MIT
"""What a client's conversation may end in when it does not end well.

Decides what may be tried again. `RemoteProtocolError` and `LocalProtocolError` come from the core
and stand beside these.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..exceptions import Rebuilding, rebuilt
from ..grammar.replies import Reply
from .result import may_retry


class SMTPError(Exception):
    """The base of all that a server, or the way to it, can do to a message."""

    is_transient: bool = False
    """True when the same may succeed later."""
    transcript: tuple[str, ...] = ()
    """The lines of the conversation that ended so, secrets hidden, the last ones when it was long;
    empty where there was none."""

    def __reduce__(self) -> Rebuilding:
        return rebuilt, (type(self), self.args, self.__dict__)


class ReplyError(SMTPError):
    """The server answered with a refusal.

    Args:
        reply: what it answered.
        stage: what it answered to: a verb, "greeting" or "mail data".
    """

    def __init__(self, reply: Reply, stage: str) -> None:
        super().__init__(f"{stage}: {reply}")
        self.reply = reply
        self.stage = stage
        self.is_transient = reply.is_transient  # by its first digit (RFC 5321 4.2.1)


class AuthenticationError(ReplyError):
    """The server did not let us in (RFC 4954 6): another password, or another mechanism, may.

    Args:
        reply: what it answered.
        mechanism: the name of the mechanism that was tried last.
        status: what it said about a token beside, such as "invalid_token" (RFC 7628 3.2.2).
    """

    def __init__(self, reply: Reply, mechanism: str, status: str = "") -> None:
        super().__init__(reply, "AUTH")
        told = f" ({status})" if status else ""
        self.args = (f"AUTH {mechanism}: {reply}{told}",)
        self.mechanism = mechanism
        self.status = status


class AllRefused(SMTPError):
    """Each recipient was refused, or some were for good before the rest failed for now.

    Args:
        recipients: the addresses, in the order in which they were given.
        replies: a refusal for each; 451 4.4.2 where the connection was lost before there was one.
    """

    def __init__(self, recipients: tuple[str, ...], replies: tuple[Reply, ...]) -> None:
        super().__init__(f"all {len(replies)} recipients refused, the first with: {replies[0]}")
        self.recipients = recipients
        self.replies = replies
        self.is_transient = any(may_retry(replies))

    @property
    def refused(self) -> Mapping[str, Reply]:
        """Each address with its refusal, the last one where an address was given twice."""
        return dict(zip(self.recipients, self.replies, strict=True))


class ConnectionLost(SMTPError):
    """The connection could not be made, or ended in the middle.

    Args:
        message: what happened.
        received: octets that had come and had not been read: perhaps the reason, as a 421.
    """

    is_transient = True

    def __init__(self, message: str = "connection lost", received: bytes = b"") -> None:
        super().__init__(message)
        self.received = received


class TimedOut(ConnectionLost, TimeoutError):
    """The server, or what we need for a login, took too long (RFC 5321 4.5.3.2)."""


class SecurityError(SMTPError):
    """TLS, or a safe way to authenticate, was wanted and could not be had (RFC 8314 5.2).

    Nothing was sent without it.

    Args:
        message: what happened.
        reply: the server's refusal, where there was one.
    """

    def __init__(self, message: str, reply: Reply | None = None) -> None:
        super().__init__(message)
        self.reply = reply
        self.is_transient = reply is not None and reply.is_transient  # as a 454 (RFC 3207 4)
