# SPDX-License-Identifier: MIT
"""The demonstration shows a session, its states, and the message that arrived."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_drive import environment

from smtpproto.__main__ import main


def test_it_shows_session_states_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    session, _, message = shown.partition("\n\n")
    rows = [(line[:58].rstrip(), line[58:]) for line in session.splitlines()[1:]]
    for said, note in [
        ("<- 220 mx.example.org ESMTP", "[GREETED]"),
        ("-> EHLO client.example.org", "RFC 5321 4.1.1.1"),
        ("-> RCPT TO:<bob@example.org>", "RFC 5321 4.1.1.3"),
        ("<- 550 5.1.1 no such mailbox", "[RCPT]"),
        ("<- 250 2.0.0 message taken", "[READY]"),
        ("<- 221 2.0.0 mx.example.org closing", "[CLOSED]"),
    ]:
        assert [true for text, true in rows if text == said and true.startswith(note)], said
    assert "for bob@example.org ---" in message
    assert "\n.\n" in message
    assert message.endswith("The end.\n")


def test_who_reads_it_may_go_away() -> None:
    command = [sys.executable, "-u", "-m", "smtpproto", "demo"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, bufsize=0) as shown:
        assert shown.stdout is not None
        assert shown.stderr is not None
        shown.stdout.read(10)
        shown.stdout.close()
        assert shown.stderr.read() == b""


def test_it_needs_nothing_but_python() -> None:
    """No site packages, no home, no colours in a pipe, and only ASCII for any locale."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "smtpproto", "demo"],
        env={**environment(), "LC_ALL": "C", "PYTHONUTF8": "0", "HOME": "/nonexistent"},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
