# SPDX-License-Identifier: MIT
"""The default replies that depend on the session: to EHLO, HELO, LHLO, QUIT and HELP.

Decides what is offered in the reply to EHLO: what its extension wants to announce now, if all it
needs is announced too. The other default replies stand with their commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from ..grammar.commands import Command, Ehlo, Helo, Help, Lhlo, Quit
from ..grammar.replies import Reply
from .admission import Admission, ServerArrangement, offers


@lru_cache(maxsize=64)
def _hello_reply(arrangement: ServerArrangement, texts: tuple[str | None, ...]) -> Reply:
    """Make the reply once for all sessions that get the same one."""
    offered = offers(arrangement.offered, texts)
    lines = [f"{keyword} {text}".rstrip() for keyword, text in offered.items()]
    return Reply(250, (arrangement.hostname, *lines))


def _hello(session: Admission, arrangement: ServerArrangement) -> Reply:
    texts = session._announcements()
    try:
        return _hello_reply(arrangement, texts)
    except TypeError:  # no text at all, and no hash
        return _hello_reply.__wrapped__(arrangement, texts)  # which says so


def _helo(_session: Admission, arrangement: ServerArrangement) -> Reply:
    return Reply(250, arrangement.hostname)


def _quit(_session: Admission, arrangement: ServerArrangement) -> Reply:
    return _quit_reply(arrangement.hostname)


@lru_cache(maxsize=64)
def _quit_reply(hostname: str) -> Reply:
    return Reply(221, f"{hostname} closing", "2.0.0")


def _help(session: Admission, _arrangement: ServerArrangement) -> Reply:
    return Reply(214, ["commands:", " ".join(session.usable_verbs())], "2.0.0")


DEFAULTS: Mapping[type[Command], Callable[[Admission, ServerArrangement], Reply]] = {
    Ehlo: _hello,
    Helo: _helo,
    Lhlo: _hello,
    Quit: _quit,
    Help: _help,
}
