# SPDX-License-Identifier: MIT
"""How long to wait for the peer (RFC 5321 4.5.3.2). A pure function: the clock is the adapter's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..grammar.auth import EndOfMailData
from ..grammar.commands import Command, Data
from ..states import State

Role = Literal["client", "server"]

_MINUTE = 60.0
_SERVER = 5 * _MINUTE
_USUAL = 5 * _MINUTE
_DATA_BLOCK = 3 * _MINUTE
_CLIENT: Mapping[type[Command], float] = {Data: 2 * _MINUTE, EndOfMailData: 10 * _MINUTE}


def recommended_timeout(role: Role, state: State, command: Command | None = None) -> float:
    """Return the least time to wait, in seconds.

    Args:
        role: whose side we are on.
        state: the state of the connection.
        command: client: the oldest command without a reply; None when none is outstanding.
    """
    if role == "server":
        return _SERVER
    if command is None and state is State.DATA:
        return _DATA_BLOCK
    if command is None:
        return _USUAL
    if command.ends_mail_data():
        return _CLIENT[EndOfMailData]
    return _CLIENT.get(type(command), _USUAL)
