# SPDX-License-Identifier: MIT
"""The reply to EHLO: a name, and one extension a line (RFC 5321 4.1.1.1).

Decides what counts as a keyword. What a keyword means is declared by its extension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from . import abnf
from .replies import Reply

# "AUTH=LOGIN" is older than RFC 2554 and still announced, so "=" separates as a space does.
_KEYWORD_LINE = re.compile(rf"({abnf.ESMTP_KEYWORD})(?:[ \t=]+(.*))?", re.ASCII)

_SHORT = 2048
"""Characters up to which a reply is remembered, with what it announces."""
NOTHING: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def parse_keywords(reply: Reply) -> Mapping[str, tuple[str, ...]]:
    """Return the extensions that a reply to EHLO or LHLO announces.

    Args:
        reply: a 2yz reply; its first line is the server's name, not a keyword.

    Returns:
        Upper-case keyword to the parameters of each line that named it, as text without the white
        space around it. Lines that are no keyword line are passed over.
    """
    lines = reply.lines[1:]
    # A long one may be a peer's, to fill the memory.
    is_short = sum(map(len, lines)) <= _SHORT
    return _keywords(lines) if is_short else _keywords.__wrapped__(lines)


@lru_cache(maxsize=64)
def _keywords(lines: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    keywords: dict[str, tuple[str, ...]] = {}
    for line in lines:
        found = _KEYWORD_LINE.fullmatch(line.strip(" \t"))
        if found:
            keyword = found[1].upper()
            keywords[keyword] = (*keywords.get(keyword, ()), found[2] or "")
    return MappingProxyType(keywords)
