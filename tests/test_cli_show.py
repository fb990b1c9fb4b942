# SPDX-License-Identifier: MIT
"""What strangers write cannot move the cursor, and colours are for terminals that want them."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

import pytest

from smtpproto.cli.show import open_closed_streams, paint_line, prepare_streams, tell, transcript
from smtpproto.handlers.terminal import painter, safe, safe_lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße, 日本語", "Grüße, 日本語"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\rb\nc\td\x00e", r"a\rb\nc\td\x00e"),
        ("\x7f\x9b31m", r"\x7f\x9b31m"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("a\u2028b", r"a\u2028b"),
        ("\udcff", r"\udcff"),
        ("wide\u3000and\xa0narrow", "wide\u3000and\xa0narrow"),
    ],
)
def test_nothing_but_characters_to_look_at(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_lines_end_where_mail_says_and_nowhere_else() -> None:
    assert safe_lines("a\r\nb\nc\rd\x0be\x85f\n") == ["a", "b", r"c\rd\x0be\x85f"]
    assert safe_lines("") == [""]


def test_a_tab_stays_in_a_text() -> None:
    assert safe_lines("a\tb\x1b") == ["a\tb\\x1b"]


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("colourful")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("-> NOOP", "36"),
        ("<- 250 ok", "32"),
        ("<- 354 go on", "32"),
        ("<- 450 later", "33"),
        ("<- 550 never", "31"),
        ("<- 999 what", "1"),
    ],
)
def test_a_terminal_gets_colours(line: str, code: str) -> None:
    assert paint_line(painter(Terminal()), line) == f"\x1b[{code}m{line}\x1b[0m"


@pytest.mark.usefixtures("colourful")
def test_other_lines_get_none() -> None:
    assert paint_line(painter(Terminal()), "a note") == "a note"


@pytest.mark.usefixtures("colourful")
@pytest.mark.parametrize(
    ("name", "value", "coloured"),
    [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)],
)
def test_colours_can_be_declined(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, coloured: bool
) -> None:
    monkeypatch.setenv(name, value)
    assert (painter(Terminal())("red", "x") != "x") is coloured


@pytest.mark.usefixtures("colourful")
def test_a_pipe_gets_no_colours() -> None:
    stream = io.StringIO()
    transcript(stream)("<- 550 \x1b[31m")
    assert stream.getvalue() == "<- 550 \\x1b[31m\n"


def test_a_stream_survives_characters_that_it_does_not_have() -> None:
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, "ascii")
    prepare_streams(stream, io.StringIO())
    stream.write("é")
    stream.flush()
    assert octets.getvalue() == rb"\xe9"


def test_streams_that_are_closed_are_opened_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    open_closed_streams()
    assert sys.stdin.read() == ""
    for stream in (sys.stdout, sys.stderr):
        assert stream.write("é") == 1
        stream.flush()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        os.close(stream.fileno())


def test_what_cannot_be_told_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    over = False
    with suppress(BrokenPipeError), os.fdopen(writing, "w", buffering=1) as gone:
        monkeypatch.setattr(sys, "stderr", gone)
        tell("serve", "something")
        tell("serve", "something else")
        monkeypatch.undo()
        over = True
    assert over
