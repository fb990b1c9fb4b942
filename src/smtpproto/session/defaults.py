# SPDX-License-Identifier: MIT
"""The default replies that depend on the session: to EHLO, HELO, LHLO, QUIT and HELP.

Decides what is offered in the reply to EHLO: what its extension wants to announce now, if all it
needs is announced too. The other default replies stand with their commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from ..exceptions import InvalidValueError, shown
from ..grammar.commands import Command, Ehlo, Helo, Help, Lhlo, Quit
from ..grammar.replies import Reply
from .admission import Admission


def check_hostname(hostname: str) -> None:
    """Refuse a name that the default replies cannot hold.

    Raises:
        InvalidValueError: no text, empty, not printable ASCII, or with a space.
    """
    if not isinstance(hostname, str):
        raise InvalidValueError(f"hostname: text expected, not {type(hostname).__name__}")
    if not (hostname.isascii() and hostname.isprintable() and hostname and " " not in hostname):
        raise InvalidValueError(
            f"hostname: a domain or an address literal expected, not {shown(hostname)}"
        )


@lru_cache(maxsize=64)
def _hello_reply(lines: tuple[str, ...]) -> Reply:
    """Make the reply once for all sessions that get the same one."""
    return Reply(250, lines)


def _hello(session: Admission, command: Command, hostname: str) -> Reply:
    if isinstance(command, Helo):
        return Reply(250, hostname)
    offers = session.offers()
    lines = [f"{keyword} {text}".rstrip() for keyword, text in offers.items()]
    return _hello_reply((hostname, *lines))


def _quit(_session: Admission, _command: Command, hostname: str) -> Reply:
    return Reply(221, f"{hostname} closing", "2.0.0")


def _help(session: Admission, _command: Command, _hostname: str) -> Reply:
    return Reply(214, ["commands:", " ".join(session.usable_verbs())], "2.0.0")


DEFAULTS: Mapping[type[Command], Callable[[Admission, Command, str], Reply]] = {
    Ehlo: _hello,
    Helo: _hello,
    Lhlo: _hello,
    Quit: _quit,
    Help: _help,
}
