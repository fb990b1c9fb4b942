# SPDX-License-Identifier: MIT
"""SASLprep, the preparation of user names and passwords (RFC 4013).

Decides which strings are equal to a mechanism and which are refused. Works on Unicode 3.2, as
stringprep (RFC 3454) does. Knows no mechanism, and never puts the string into an error.
"""

from __future__ import annotations

import stringprep
from collections.abc import Callable
from unicodedata import ucd_3_2_0

from ..exceptions import InvalidValueError
from ..kinds import TEXT, check_kinds, type_of

Table = Callable[[str], bool]

TRACE_PROHIBITED: tuple[Table, ...] = (
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)
"""What the "trace" profile prohibits (RFC 4505 3)."""

SASLPREP_PROHIBITED: tuple[Table, ...] = (
    *TRACE_PROHIBITED,
    stringprep.in_table_c12,
    stringprep.in_table_c7,
)
"""What SASLprep prohibits (RFC 4013 2.3)."""


_LONGEST = 1024
"""Characters of a name or password, as Cyrus SASL has it. NFKC makes up to 18 of one, and each is
looked up in a dozen tables: without a cap one line of AUTH would stall a server's loop."""


def saslprep(text: str, *, stored: bool = False) -> str:
    """Prepare a user name or a password.

    Args:
        text: the string as the user typed it.
        stored: it goes into a database or a key, so that code points unassigned in Unicode 3.2 are
            refused; a query may hold them (RFC 4013 2.5).

    Returns:
        The prepared string, never empty.

    Raises:
        InvalidValueError: no text, a prohibited character, mixed directions, nothing left, or more
            than 1024 characters before or after the preparation.
    """
    check_kinds({"text": TEXT}, {"text": text}, type_of)
    _check_length(text)
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if not stringprep.in_table_b1(char)
    )
    prepared = ucd_3_2_0.normalize("NFKC", mapped)
    _check_length(prepared)
    if not prepared:
        raise InvalidValueError("SASLprep leaves an empty string")
    check_characters(prepared, SASLPREP_PROHIBITED)
    if stored and any(map(stringprep.in_table_a1, prepared)):
        raise InvalidValueError("SASLprep: a code point unassigned in Unicode 3.2")
    return prepared


def _check_length(text: str) -> None:
    if len(text) > _LONGEST:
        raise InvalidValueError(f"SASLprep: at most {_LONGEST} characters expected")


def check_characters(text: str, prohibited: tuple[Table, ...]) -> None:
    """Refuse prohibited characters and mixed directions (RFC 3454 5, 6).

    Args:
        text: the string, not empty.
        prohibited: the tables of the profile.

    Raises:
        InvalidValueError: the string is not allowed.
    """
    if any(table(char) for char in text for table in prohibited):
        raise InvalidValueError("stringprep: a prohibited character")
    if any(map(stringprep.in_table_d1, text)):
        ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
        if not ends or any(map(stringprep.in_table_d2, text)):
            raise InvalidValueError("stringprep: text of mixed directions")
