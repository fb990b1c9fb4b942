# SPDX-License-Identifier: MIT
"""``smtpproto demo``: a server and a client over loopback, and what they say to each other.

Decides what is worth a note: the state after each reply, and where the RFC has each command. Needs
no files, no network and no options.
"""

from __future__ import annotations

import argparse
import sys
from email.message import EmailMessage
from typing import Any

from .. import ClientConnection, Rcpt, Reply, State
from ..blocking import Client, Message, Peer, serve
from ..handlers.terminal import painter, safe_lines
from . import status
from .show import paint_line

_ABOUT = """\
Start a server on a free port of 127.0.0.1, send it a message, and print the session with its states
and the sections of the RFCs, and the message that arrived.
"""

_WIDTH = 58
"""Columns of the session; the notes stand behind them."""
_COMMANDS = {
    "EHLO": "RFC 5321 4.1.1.1: the client's name, and what may be used?",
    "MAIL": "RFC 5321 4.1.1.2: a transaction begins; RFC 2920: a group",
    "RCPT": "RFC 5321 4.1.1.3: a recipient",
    "DATA": "RFC 5321 4.1.1.4: may the message come?",
    ".": "RFC 5321 4.5.2: a dot on a line of its own ends it",
    "QUIT": "RFC 5321 4.1.1.10",
}
_REPLIES = {
    "220": "RFC 5321 4.2: the greeting",
    "354": "RFC 5321 4.2.1: go on",
    "550": "RFC 3463 3.2: no such mailbox",
}


def add_command(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo", help="see a session, explained", description=_ABOUT, allow_abbrev=False
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hold the session and print it."""
    paint = painter(sys.stdout)
    inbox = Inbox()
    lines: list[str] = []

    def note(line: str) -> None:
        gap = " " * (_WIDTH - len(line))
        told = paint("dim", _note(line, client.connection))
        lines.append(f"{paint_line(paint, line)}{gap}{told}".rstrip())

    with serve(inbox, hostname="mx.example.org") as server:
        lines.append(paint("bold", f"--- a session with 127.0.0.1 port {server.port} ---"))
        client = Client(
            "127.0.0.1",
            server.port,
            security="none",
            local_name="client.example.org",
            transcript=note,
        )
        with client:
            client.send(_message(), recipients=["bob@example.org", "nobody@example.org"])
    print(*lines, sep="\n")  # now: that who reads it has gone would be a transcript's failure
    for message in inbox.messages:
        print(paint("bold", f"\n--- the message for {', '.join(message.recipients)} ---"))
        for line in safe_lines(message.content.decode("ascii", "backslashreplace")):
            print(line)
    return status.OK


def _note(line: str, connection: ClientConnection | None) -> str:
    """Say what there is to say of a line: where the RFC has it, or the state that it led to."""
    text = line[3:]
    if line.startswith("->"):
        return _COMMANDS.get(text.partition(" ")[0], "")
    code, mark = text[:3], text[3:4]
    if mark == "-":
        return ""
    state = State.CLOSED if connection is None else connection.state
    return f"[{state.name}]".ljust(11) + _REPLIES.get(code, "")


def _message() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "alice@example.org"
    message["To"] = "bob@example.org, nobody@example.org"
    message["Subject"] = "A dot"
    message.set_content("The next line is a dot, and does not end the message.\n.\nThe end.\n")
    return message


class Inbox:
    """The application: it takes mail for everybody but one."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def on_rcpt(self, peer: Peer, rcpt: Rcpt) -> Reply | None:
        """Refuse a recipient, to show what that looks like."""
        if rcpt.forward_path.local_part == "nobody":
            return Reply(550, "no such mailbox", "5.1.1")
        return None

    def on_message(self, peer: Peer, message: Message) -> None:
        """Take a message."""
        self.messages.append(message)
