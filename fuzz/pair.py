# SPDX-License-Identifier: MIT
"""Our client against our server: any calls, any answers of the application, any cuts of the wire.

An input is a row of choices: the settings, then what the client does and what it is answered.
"""

from __future__ import annotations

import sys

from driver import main  # first: it makes src/ and tests/ importable

# isort: split
from invariants_pair import STEPS, check_pair

TOKENS = tuple(bytes((step, 1)) for step in range(len(STEPS)))


if __name__ == "__main__":
    sys.exit(main(check_pair, "pair", TOKENS))
