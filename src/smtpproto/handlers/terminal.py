# SPDX-License-Identifier: MIT
"""Text from strangers on a terminal: nothing in it may move the cursor, and colour is a choice.

Decides what is escaped and when colours are used. Knows no SMTP.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from typing import TextIO

Paint = Callable[[str, str], str]
"""Called with the name of a colour and a text; returns the text as it is to be written."""

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def safe(text: str) -> str:
    r"""Return one line of text with what is not printable escaped, such as ``\x1b``.

    Control characters, those that turn the direction of writing, lone surrogates and line breaks
    are all escaped; the spaces of other scripts are not.
    """
    if text.isprintable():
        return text
    return "".join(map(_safe_character, text))


def _safe_character(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def safe_lines(text: str) -> list[str]:
    """Return each line of a text, cut at LF or CRLF only, made `safe`; a tab stays."""
    return [
        "\t".join(map(safe, line.removesuffix("\r").split("\t")))
        for line in text.removesuffix("\n").split("\n")
    ]


def encodable(text: str, stream: TextIO) -> str:
    """Return a text with what `stream` has no octets for escaped."""
    encoding = getattr(stream, "encoding", None)
    return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text


def painter(stream: TextIO) -> Paint:
    """Return what colours text for `stream`: nothing unless it is a terminal that wants colours.

    See https://no-color.org for ``NO_COLOR``.
    """
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if wanted and stream.isatty():
        return lambda colour, text: f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"
    return lambda _colour, text: text
