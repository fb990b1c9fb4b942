# SPDX-License-Identifier: MIT
"""A session as lines to read: ``->`` what the client said, ``<-`` what the server said.

Decides how commands and replies are shown, and that no secret ever is: the lines are made of
values, so what a credential is, is known from its type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..grammar.abnf import CONTROLS
from ..grammar.auth import Auth, AuthResponse
from ..grammar.commands import BASE_VERBS, Command, Ehlo, Helo, Lhlo
from ..grammar.replies import Reply

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


# What is shown of a command that is right. A credential has no such word before it.
_VERBS: tuple[type[Command], ...] = (*BASE_VERBS, Ehlo, Helo, Lhlo)
_SHOWN = frozenset(verb.verb.encode() for verb in _VERBS)


def refused_line(line: bytes) -> str:
    """Return what is no command as a line of a transcript: it may be a secret (RFC 4954 4).

    Args:
        line: its octets, shown where they begin as a command of RFC 5321 does.
    """
    if line.partition(b" ")[0].upper() not in _SHOWN:
        return "-> (not a command)"
    return "-> " + CONTROLS.sub("?", line.decode("ascii", "backslashreplace"))


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


Said = str | int | list[Reply] | tuple[Sequence[Command], bytes]
"""What a transcript is made of: a remark, octets of mail data, replies, or commands with their
lines, of which there may be fewer."""
Recording = list[Said]
"""A conversation to be read later, if at all."""

_KEPT = 1000
_DROPPED = "..."


def lines_of(said: Said) -> list[str]:
    """Return the lines of one thing that was said."""
    if isinstance(said, str):
        return [said]
    if isinstance(said, int):
        return [f"-> ({said} octets of mail data)"]
    if isinstance(said, list):
        return [line for reply in said for line in reply_lines(reply)]
    commands, octets = said
    # None of the lines has a CRLF but at its end.
    return list(map(command_line, commands, octets.split(b"\r\n")[:-1]))


def trim(recording: Recording) -> None:
    """Forget what was said long ago: memory grows with no message, and with no recipients."""
    if len(recording) > 2 * _KEPT:
        del recording[: -_KEPT - 1]  # one more than is shown: something was dropped


def last_lines(recording: Recording) -> tuple[str, ...]:
    """Return the lines of what was said, the last thousand of them.

    A first one of ``...`` stands for those before.
    """
    lines: list[str] = []
    for said in reversed(recording):  # a server may have said much more than is shown
        lines += reversed(lines_of(said))
        if len(lines) > _KEPT:
            break
    dropped = [_DROPPED] if len(lines) > _KEPT else []
    return (*dropped, *reversed(lines[:_KEPT]))
