# SPDX-License-Identifier: MIT
"""A transcript and notices on a terminal, and what the standard streams are where there is none.

Decides what is coloured. Knows no SMTP beyond the marks of a transcript.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
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


def tell(command: str, text: str) -> None:
    """Tell the user something on standard error; that it cannot be told ends nothing."""
    with suppress(OSError):
        # In one piece, since other threads tell something, too.
        print(f"smtpproto {command}: {safe(text)}\n", end="", file=sys.stderr, flush=True)


def open_closed_streams() -> None:
    """Open those of the standard streams that are closed, on nothing.

    Else the number of one would be that of another file, or of a connection, and what is written to
    it would go there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            lowest = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(lowest, True)
            opened = os.fdopen(lowest, mode, encoding="utf-8", closefd=False)
            setattr(sys, name, opened)


def prepare_streams(*streams: TextIO) -> None:
    """Let no stream fail on a character that its encoding does not have."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
