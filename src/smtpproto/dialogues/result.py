# SPDX-License-Identifier: MIT
"""What became of a message that at least one recipient gets.

Decides how replies and recipients are put together: by index, since an address may be given twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from ..grammar.replies import Reply
from ..values import value
from .transcript import Recording, last_lines


def may_retry(replies: Sequence[Reply]) -> list[bool]:
    """Tell for each reply whether it is a refusal that later may be none (RFC 5321 4.2.1).

    A 552 for too many recipients is one, too (RFC 5321 4.5.3.1.10); without a status code it is
    taken for that where another recipient was accepted before.
    """
    found = []
    accepted = False
    for reply in replies:
        accepted = accepted or reply.is_positive
        statuses = ("5.5.3", None) if accepted else ("5.5.3",)
        found.append(reply.is_transient or (reply.code == 552 and reply.status in statuses))
    return found


@value
class SendResult:
    """The outcome for each recipient."""

    recipients: tuple[str, ...]
    """All addresses, in the order in which they were given."""
    replies: tuple[Reply, ...]
    """For each of them the reply that decided: to RCPT, or for the message."""
    reply: Reply
    """The last reply for the message: its text may tell a queue identifier. In LMTP, that for the
    last recipient, which may be a refusal."""
    recording: Recording = field(default_factory=list, repr=False, compare=False)
    """What was said about the message."""

    @property
    def transcript(self) -> tuple[str, ...]:
        """The lines of the conversation about the message, the last ones when it was long."""
        return last_lines(self.recording)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The addresses for which the server has taken responsibility."""
        return tuple(address for address, reply in self._pairs if reply.is_positive)

    @property
    def refused(self) -> Mapping[str, Reply]:
        """The other addresses with their refusals."""
        return {address: reply for address, reply in self._pairs if not reply.is_positive}

    @property
    def transient(self) -> tuple[str, ...]:
        """The refused addresses that may be tried again later (RFC 5321 4.2.1)."""
        outcomes = zip(self.recipients, may_retry(self.replies), strict=True)
        return tuple(address for address, transient in outcomes if transient)

    @property
    def is_complete(self) -> bool:
        """True when no recipient was refused."""
        return all(reply.is_positive for reply in self.replies)

    @property
    def _pairs(self) -> list[tuple[str, Reply]]:
        return list(zip(self.recipients, self.replies, strict=True))
