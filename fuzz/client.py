# SPDX-License-Identifier: MIT
"""The client: any calls, any octets from the server, in any state.

An input is a row of choices: where to begin, then calls, replies, raw octets and the end.
"""

from __future__ import annotations

import sys

from driver import main  # first: it makes src/ and tests/ importable

# isort: split
from invariants_client import PIECES, REPLIES, check_client

TOKENS = (*REPLIES, *PIECES, *(bytes((6, len(text))) + text for text in REPLIES if len(text) < 20))


if __name__ == "__main__":
    sys.exit(main(check_client, "client", TOKENS))
