# SPDX-License-Identifier: MIT
"""Where a connection takes more than the grammar allows: one switch a habit seen in the wild.

Decides the defaults; the parsers ask. Nothing here touches line endings: those are not a matter of
leniency (`smtpproto.framing`).
"""

from __future__ import annotations

from typing import Literal, get_args

from ..exceptions import InvalidValueError
from ..values import value

UnknownParameters = Literal["reject", "ignore", "pass"]
"""What to do with a MAIL or RCPT parameter that was not offered: answer 555, drop it, or hand it
on as text."""


@value
class Leniency:
    """The switches, as a server uses them on what clients send.

    Raises:
        InvalidValueError: not one of the words for `unknown_parameters`.
    """

    allow_space_after_colon: bool = True
    """``MAIL FROM: <a@b.example>``: common, harmless."""
    allow_missing_brackets: bool = False
    """``MAIL FROM:a@b.example``."""
    allow_underscore_domain: bool = False
    """An underscore in the domain of a path."""
    allow_trailing_dot: bool = False
    """``<a@b.example.>``; the dot is taken off."""
    strict_helo: bool = False
    """Refuse EHLO, HELO and LHLO whose argument is neither a domain nor an address literal. RFC
    5321 4.1.4 forbids to refuse a name that is merely not the peer's."""
    unknown_parameters: UnknownParameters = "reject"
    """For parameters that were not offered."""

    def __post_init__(self) -> None:
        words = get_args(UnknownParameters)
        if self.unknown_parameters not in words:
            raise InvalidValueError(
                f"Leniency.unknown_parameters: one of {', '.join(words)} expected, "
                f"not {self.unknown_parameters!r}"
            )


DEFAULT_LENIENCY = Leniency()
