# SPDX-License-Identifier: MIT
"""Where a connection takes more than the grammar allows: one switch a habit seen in the wild.

Decides the defaults; the parsers ask. Nothing here touches line endings: those are not a matter of
leniency (`smtpproto.framing`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from ..kinds import FLAG, Kind, check_fields, one_of, or_none
from ..values import value
from . import abnf

UnknownParameters = Literal["reject", "ignore", "pass"]
"""What to do with a MAIL or RCPT parameter that was not offered: answer 555, drop it, or hand it
on as text."""


@value
class Leniency:
    """The switches, as a server uses them on what clients send.

    Raises:
        InvalidValueError: a switch that is neither True nor False, or not one of the words for
            `unknown_parameters`, or no domain for `missing_domain`.
    """

    allow_space_after_colon: bool = True
    """``MAIL FROM: <a@b.example>``: common, harmless."""
    allow_missing_brackets: bool = False
    """``MAIL FROM:a@b.example``."""
    allow_underscore_domain: bool = False
    """An underscore in the domain of a path."""
    allow_extra_dots: bool = False
    """``<a..b@c.example>``, ``<.a@c.example>``, ``<a.@c.example>``, as carriers gave them out for
    mobile phones; the local-part is put in quotes, with which it is one."""
    missing_domain: str | None = None
    """The domain that ``<root>`` is of, as devices and local programs write; None: it is refused.
    ``<Postmaster>`` is of this domain, too, then."""
    allow_trailing_dot: bool = False
    """``<a@b.example.>``; the dot is taken off."""
    strict_helo: bool = False
    """Refuse EHLO, HELO and LHLO whose argument is neither a domain nor an address literal. RFC
    5321 4.1.4 forbids to refuse a name that is merely not the peer's."""
    unknown_parameters: UnknownParameters = "reject"
    """For parameters that were not offered."""

    def __post_init__(self) -> None:
        check_fields(_KINDS, self)


_DOMAIN = re.compile(abnf.DOMAIN)
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("allow_space_after_colon", "allow_missing_brackets"), FLAG),
    **dict.fromkeys(("allow_underscore_domain", "allow_extra_dots"), FLAG),
    **dict.fromkeys(("allow_trailing_dot", "strict_helo"), FLAG),
    "missing_domain": or_none(
        ("a domain", lambda got: isinstance(got, str) and bool(_DOMAIN.fullmatch(got)))
    ),
    "unknown_parameters": one_of(UnknownParameters),
}
DEFAULT_LENIENCY = Leniency()
