# SPDX-License-Identifier: MIT
"""The reply to EHLO: a name, and one extension a line (RFC 5321 4.1.1.1).

Decides what counts as a keyword. What a keyword means is declared by its extension.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import abnf

# "AUTH=LOGIN" is older than RFC 2554 and still announced, so "=" separates as a space does.
_KEYWORD_LINE = re.compile(rf"({abnf.ESMTP_KEYWORD})(?:[ \t=]+(.*))?", re.ASCII)


def parse_keywords(lines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the extensions that a reply to EHLO or LHLO announces.

    Args:
        lines: those of a 2yz reply; the first one is the server's name, not a keyword.

    Returns:
        Upper-case keyword to the parameters of each line that named it, as text without the white
        space around it. Lines that are no keyword line are passed over.
    """
    keywords: dict[str, tuple[str, ...]] = {}
    for line in lines[1:]:
        found = _KEYWORD_LINE.fullmatch(line.strip(" \t"))
        if found:
            keyword = found[1].upper()
            keywords[keyword] = (*keywords.get(keyword, ()), found[2] or "")
    return keywords
