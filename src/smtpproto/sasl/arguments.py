# SPDX-License-Identifier: MIT
"""What the arguments of mechanisms have to be: each name means the same in all of them.

Decides that a wrong one is told where it is given and not by the first exchange, and that its value
is not: it may be a secret. What names, passwords and tokens may be is decided by who encodes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..kinds import NUMBER, OCTETS, TEXT, Kind, check_kinds, of, or_none, type_of
from .channel_binding import ChannelBinding
from .steps import ScramCredentials

_NAMES: Kind = (
    "names of mechanisms",
    lambda got: (
        isinstance(got, Collection)
        and not isinstance(got, str)
        and all(isinstance(name, str) for name in got)
    ),
)
_ARGUMENTS: Mapping[str, Kind] = {
    **dict.fromkeys(("name", "hash_name", "host", "text", "trace", "username"), TEXT),
    **dict.fromkeys(("nonce", "challenge", "decoy_key", "key", "salt"), OCTETS),
    **dict.fromkeys(
        ("iterations", "minimum_iterations", "maximum_iterations", "decoy_iterations"), NUMBER
    ),
    "port": or_none(NUMBER),
    "channel_binding": or_none(of(ChannelBinding)),
    "channel_bindings": or_none(of(Mapping)),
    "stored": of(ScramCredentials),
    "offered": _NAMES,
    "order": _NAMES,
}


def check_arguments(**given: object) -> None:
    """Look at arguments by their names.

    Raises:
        InvalidValueError: one is of another kind; the value is not shown.
    """
    check_kinds(_ARGUMENTS, given, type_of)
