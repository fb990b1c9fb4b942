# SPDX-License-Identifier: MIT
"""The exit statuses of the commands, and the error that ends one with a sentence.

Decides which outcome is which number; the numbers above 63 are those of BSD's <sysexits.h>, which
mail programs look for. Knows no commands.
"""

from __future__ import annotations

OK = 0
SOME_REFUSED = 1
USAGE = 2
UNAVAILABLE = 69  # EX_UNAVAILABLE
TEMPORARY = 75  # EX_TEMPFAIL
PROTOCOL = 76  # EX_PROTOCOL
INTERRUPTED = 130  # what a shell says of SIGINT
NO_READER = 141  # and of SIGPIPE

MEANINGS = {
    OK: "all recipients accepted",
    SOME_REFUSED: "some recipients accepted, others refused",
    USAGE: "a mistake in the options, or a file that cannot be read",
    UNAVAILABLE: "refused for good, or not possible: trying again will not help",
    TEMPORARY: "refused for now, no connection, or a broken peer: try again later",
    PROTOCOL: "TLS, or a safe way to authenticate, could not be had",
}


class CommandError(Exception):
    """What ends a command, told in one sentence: what was expected, what came, what to do.

    Args:
        message: the sentence.
        status: the exit status.
    """

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status
