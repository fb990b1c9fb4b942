# SPDX-License-Identifier: MIT
"""What the replies of a transaction, or its failure, mean for each recipient.

Decides which refusals stand, and what is said of those who were not reached. Says nothing to the
server, and does not know what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..exceptions import LocalProtocolError, ProtocolError, shown
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Mail, Rcpt, Rset
from ..grammar.replies import Reply
from .errors import ConnectionLost, ReplyError
from .exchange import TELLING, Answers
from .result import may_retry

_LOST = Reply(451, "connection lost before the reply", "4.4.2")
_UNREAD = Reply(451, "the message could not be read again", "4.3.0")


def joined(given: list[Reply], final: Answers) -> tuple[list[Reply], Reply | None]:
    """Join the replies to RCPT with those to the mail data, where it has several (RFC 2033 4.2)."""
    last = final[-1].reply
    each = [a.reply for a in final if isinstance(a.command, EndOfMailData) and a.command.recipient]
    ends = iter(each or [last] * len(given))
    replies = [next(ends) if reply.is_positive else reply for reply in given]
    return replies, last if any(reply.is_positive for reply in replies) else None


def refused_before(answers: Answers, count: int, failure: Exception) -> list[Reply]:
    """Return a reply for each recipient of a transaction that ended before its mail data.

    What was refused for good is not to be tried again, though a 421 or the end follows.

    Args:
        answers: what was heard.
        count: how many recipients there are.
        failure: what ended it, which stands for those who were not refused.

    Returns:
        The replies; none where nobody was refused for good.

    Raises:
        ReplyError: the sender was.
    """
    for answer in answers:
        if isinstance(answer.command, (Rset, Mail)) and not answer.reply.is_positive:
            if isinstance(answer.command, Mail) and answer.reply.is_permanent:
                raise ReplyError(answer.reply, "MAIL")
            return []  # and a 503 to RCPT says nothing of the recipient
    heard = [answer.reply for answer in answers if isinstance(answer.command, Rcpt)]
    return standing([*heard, *[reply_for(failure)] * (count - len(heard))], failure)


def standing(replies: Sequence[Reply], failure: Exception) -> list[Reply]:
    """Return what stands of the replies to recipients where nobody gets the message.

    A 552 that may be none later depends on those before it (RFC 5321 4.5.3.1.10): it does not.

    Args:
        replies: one for each.
        failure: what became of it, for those who were not refused.

    Returns:
        The replies; none where nobody was refused for good.
    """
    if not any_for_good(replies):
        return []
    rest = reply_for(failure)
    return [
        reply if reply.is_transient or not (reply.is_positive or again) else rest
        for reply, again in zip(replies, may_retry(replies), strict=True)
    ]


def is_for_now(failure: Exception) -> bool:
    """Tell whether a failure is no refusal for good."""
    return isinstance(failure, TELLING) and failure.is_transient


def any_for_good(replies: Sequence[Reply]) -> bool:
    """Tell whether there is a refusal for good among the replies to some recipients."""
    return any(
        reply.is_permanent and not again
        for reply, again in zip(replies, may_retry(replies), strict=True)
    )


def reply_for(failure: Exception) -> Reply:
    """Return the reply that stands for those who were not reached."""
    if isinstance(failure, ReplyError):
        return failure.reply
    if isinstance(failure, LocalProtocolError):
        return Reply(554, f"not sent: {shown(str(failure))}", "5.6.0")
    return _LOST if isinstance(failure, ConnectionLost | ProtocolError) else _UNREAD
