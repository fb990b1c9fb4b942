# SPDX-License-Identifier: MIT
"""A server in each state: any octets, in any cut, with an application that takes and refuses.

An input is six octets that choose the mode, the state, the answers and the cuts, then what the
client sends.
"""

from __future__ import annotations

import sys

from driver import main  # first: it makes src/ and tests/ importable

# isort: split
from invariants import into_alphabet
from invariants_server import PLACES, SERVER_TOKENS, check_server

HEADER = 6


def one_input(data: bytes) -> None:
    """Hold all invariants of the server against one input."""
    if len(data) < HEADER:
        return
    flags, place, *rest = data[:HEADER]
    octets = data[HEADER:]
    if flags & 1:
        octets = into_alphabet(octets)
    if flags & 2:  # in the middle of a session, not in a state of its own
        octets = b"EHLO x\r\n" + octets
    choices = bytes(rest) if flags & 4 else b""
    where = "GREETED" if flags & 2 else PLACES[place % len(PLACES)]
    check_server(octets, rest, where, choices, lmtp=bool(flags & 8))


if __name__ == "__main__":
    sys.exit(main(one_input, "server", SERVER_TOKENS))
