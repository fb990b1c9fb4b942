# SPDX-License-Identifier: MIT
"""Lines, mail data, chunks and the writers: any octets in any cut.

An input is six octets that choose the settings and the cuts, then the octets to frame.
"""

from __future__ import annotations

import sys

from driver import main  # first: it makes src/ and tests/ importable

# isort: split
from invariants import (
    TOKENS,
    check_chunk,
    check_line_endings,
    check_lines,
    check_mail_data,
    check_mail_data_writer,
    into_alphabet,
)

HEADER = 6


def one_input(data: bytes) -> None:
    """Hold all invariants of the framing against one input."""
    if len(data) < HEADER:
        return
    flags, limit, more, *lengths = data[:HEADER]
    octets = data[HEADER:]
    if flags & 1:
        octets = into_alphabet(octets)
    policy = "accept" if flags & 2 else "reject"
    check_mail_data(octets, lengths, None if flags & 4 else limit, policy, binary=bool(flags & 8))
    check_mail_data(octets + b"\r\n.\r\n" + octets, lengths)
    check_lines(octets, lengths, limit, limit + more)
    check_chunk(octets, lengths, limit)
    # A NUL is refused; without one the rest of the writers is reached.
    content = octets if flags & 16 else octets.replace(b"\0", b".")
    written = "strict" if flags & 32 else "normalise"
    check_mail_data_writer(content, lengths, written)
    check_line_endings(content, lengths, written)


if __name__ == "__main__":
    sys.exit(main(one_input, "framing", TOKENS))
