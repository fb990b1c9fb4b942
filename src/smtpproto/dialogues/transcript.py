# SPDX-License-Identifier: MIT
"""A session as lines to read: ``->`` what the client said, ``<-`` what the server said.

Decides how commands and replies are shown, and that no secret ever is: the lines are made of
values, so what a credential is, is known from its type.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from ..grammar.auth import Auth, AuthResponse
from ..grammar.commands import Command
from ..grammar.replies import Reply
from ..session.events import ReplyReceived

Transcript = Callable[[str], None]
"""Called with each line of a session, such as ``-> EHLO client.example`` or ``<- 250 ok``."""


def command_line(command: Command, line: bytes) -> str:
    """Return a command as a line of a transcript.

    Args:
        command: which it is.
        line: its octets; not looked at where they may be a secret (RFC 4954 4).
    """
    if isinstance(command, Auth):
        secret = "" if command.initial_response is None else " ***"
        return f"-> AUTH {command.mechanism}{secret}"
    if isinstance(command, AuthResponse):
        return "-> *" if command.data is None else "-> ***"
    return "-> " + line.partition(b"\r\n")[0].decode("utf-8", "backslashreplace")


def reply_lines(reply: Reply) -> list[str]:
    """Return a reply as lines of a transcript; a challenge is not shown (RFC 4954 4)."""
    if reply.code == 334:
        return ["<- 334 ***" if reply.text else "<- 334"]
    status = f"{reply.enhanced} " if reply.enhanced else ""
    last = len(reply.lines) - 1
    return [
        f"<- {reply.code}{' ' if number == last else '-'}{status}{text}".rstrip()
        for number, text in enumerate(reply.lines)
    ]


Said = str | int | Reply | list[ReplyReceived] | tuple[Sequence[Command], bytes]
"""What a transcript is made of: a remark, octets of mail data, a reply or several, or commands with
their lines, of which there may be fewer."""

_KEPT = 1000
_DROPPED = "..."


def lines_of(said: Said) -> list[str]:
    """Return the lines of one thing that was said."""
    if isinstance(said, str):
        return [said]
    if isinstance(said, int):
        return [f"-> ({said} octets of mail data)"]
    if isinstance(said, list):
        return [line for event in said for line in reply_lines(event.reply)]
    if isinstance(said, Reply):
        return reply_lines(said)
    return [command_line(*one) for one in _each_line(*said)]


def _each_line(commands: Sequence[Command], octets: bytes) -> Iterable[tuple[Command, bytes]]:
    """Return each command with its line: none has a CRLF but at its end."""
    return zip(commands, octets.split(b"\r\n")[:-1], strict=False)


class Recording:
    """A conversation to be read later, if at all: the last thousand things that were said."""

    def __init__(self) -> None:
        # One more than is shown: when it is there, something was dropped.
        self._said: deque[Said] = deque(maxlen=_KEPT + 1)
        self.add: Callable[[Said], None] = self._said.append
        """Notes what was said."""

    def lines(self) -> tuple[str, ...]:
        """Return the lines; a first one of ``...`` stands for what is kept no longer."""
        said: list[Said] = []
        for each in self._said:
            if isinstance(each, list):
                said += [event.reply for event in each]
            elif isinstance(each, tuple):
                said += [command_line(*one) for one in _each_line(*each)]
            else:
                said.append(each)
        dropped = [_DROPPED] if len(said) > _KEPT else []
        return (*dropped, *(line for each in said[-_KEPT:] for line in lines_of(each)))
