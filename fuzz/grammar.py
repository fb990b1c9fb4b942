# SPDX-License-Identifier: MIT
"""Commands, paths, literals, replies and encodings: any octets, and switches in any position.

An input is one octet that chooses the switches, then the octets that every parser is given.
"""

from __future__ import annotations

import sys

from driver import main  # first: it makes src/ and tests/ importable

# isort: split
from invariants import GRAMMAR_TOKENS, check_grammar


def one_input(data: bytes) -> None:
    """Hold all invariants of the grammar against one input."""
    if data:
        check_grammar(data[1:], data[0])


if __name__ == "__main__":
    sys.exit(main(one_input, "grammar", GRAMMAR_TOKENS))
