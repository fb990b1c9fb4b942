# SPDX-License-Identifier: MIT
"""A session typed by hand, character by character, as textbooks have it."""

from __future__ import annotations

from pathlib import Path

from cli_drive import Telnet, messages, serve_for

TEXT = b"Subject: hello\r\n\r\nTyped by hand.\r\n"


def test_typed_by_hand(tmp_path: Path) -> None:
    def client(port: int) -> list[bytes]:
        with Telnet(port, typed=True) as telnet:
            replies = [telnet.reply()]
            replies += [
                telnet.say(line)
                for line in (
                    b"HELO wombat.doc.ic.ac.uk",
                    b"VRFY fred@doc.ic.ac.uk",
                    b"VRFY postmaster",
                    b"EXPN c-help",
                    b"MAIL From:<fred@doc.ic.ac.uk>",
                    b"RCPT To:<fred@mailway.doc.ic.ac.uk>",
                    b"DATA",
                )
            ]
            telnet.write(TEXT)
            replies += [telnet.say(b"."), telnet.say(b"QUIT"), telnet.reply()]
            return replies

    replies = serve_for(client, "--maildir", str(tmp_path), "--quiet", "--hostname", "mx.example")
    assert [reply[:3] for reply in replies] == [
        b"220",
        b"250",
        b"252",
        b"252",
        b"252",
        b"250",
        b"250",
        b"354",
        b"250",
        b"221",
        b"",
    ]
    assert all(reply.count(b"\r\n") == 1 for reply in replies[:-1])
    [kept] = messages(tmp_path)
    assert kept.startswith(b"Return-Path: ")
    assert kept.endswith(b"\r\n" + TEXT)
