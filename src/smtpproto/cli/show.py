# SPDX-License-Identifier: MIT
"""A transcript on a terminal.

Decides what is coloured. Knows no SMTP beyond the marks of a transcript.
"""

from __future__ import annotations

from collections.abc import Callable
from io import TextIOWrapper
from typing import TextIO

from ..handlers.terminal import Paint, painter, safe

_REPLY_COLOURS = {"2": "green", "3": "green", "4": "yellow", "5": "red"}


def paint_line(paint: Paint, line: str) -> str:
    """Colour a line of a transcript by who speaks, and a reply by its class."""
    mark, _, text = line.partition(" ")
    if mark == "<-":
        return paint(_REPLY_COLOURS.get(text[:1], "bold"), line)
    return paint("cyan", line) if mark == "->" else line


def transcript(stream: TextIO) -> Callable[[str], None]:
    """Return what writes each line of a transcript to `stream`."""
    paint = painter(stream)
    return lambda line: print(paint_line(paint, safe(line)), file=stream)


def prepare_streams(*streams: TextIO) -> None:
    """Let no stream fail on a character that its encoding does not have."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
