# SPDX-License-Identifier: MIT
"""How long to wait for the peer (RFC 5321 4.5.3.2). A pure function: the clock is the adapter's."""

from __future__ import annotations

from typing import Literal

from ..grammar.auth import EndOfMailData
from ..grammar.commands import Command
from ..kinds import check_word
from ..states import State

Role = Literal["client", "server"]

_ROLES: tuple[str, ...] = ("client", "server")
_USUAL = 300.0
_DATA_BLOCK = 180.0


def recommended_timeout(role: Role, state: State, command: Command | None = None) -> float:
    """Return the least time to wait, in seconds.

    Args:
        role: whose side we are on.
        state: the state of the connection.
        command: client: the oldest command without a reply; None when none is outstanding.

    Raises:
        InvalidValueError: neither role.
    """
    if role not in _ROLES:
        check_word("role", role, Role)
    if role == "server":
        return _USUAL
    if command is None:
        return _DATA_BLOCK if state is State.DATA else _USUAL
    if command.carries_mail_data and command.ends_mail_data():
        return EndOfMailData.reply_timeout
    return command.reply_timeout
