# SPDX-License-Identifier: MIT
"""Golden transcripts: each dialogue is held against both roles, in any segments.

A line ``C: x`` is written by the client and ``S: x`` by the server, both with a CRLF; ``C* x`` has
Python's escapes and no CRLF: the octets of a chunk. What a server must answer and our client never
sends is marked ``C!`` and ``S!``. ``= STATE`` names the state of both, ``tls`` is a handshake, and
``lmtp`` at the beginning the mode. Octets that a client writes without a reply in between are one
group.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import pytest

from smtpproto import (
    AuthResponse,
    ClientConnection,
    CommandRejected,
    ConnectionClosed,
    LocalProtocolError,
    MailDataEnded,
    MailDataReceived,
    Reply,
    ReplyReceived,
    ServerConnection,
    Signal,
    State,
    extensions,
)
from smtpproto.grammar.auth import Auth
from smtpproto.grammar.command import Vocabulary, parse_command
from smtpproto.grammar.commands import BASE_VERBS, Bdat, Ehlo, Helo, Lhlo, StartTLS
from smtpproto.grammar.replies import ReplyParser
from smtpproto.limits import DEFAULT_LIMITS

DIALOGUES = sorted(Path(__file__).parent.glob("dialogues/*.txt"))
VOCABULARY = Vocabulary(
    (*BASE_VERBS, Ehlo, Helo, Lhlo, StartTLS, Auth, Bdat),
    {p.keyword: p for extension in extensions.KNOWN for p in extension.mail_parameters},
)


class Line:
    def __init__(self, text: str) -> None:
        mark, _, rest = text.partition(" ")
        self.who = mark[0]
        self.server_only = "!" in mark
        self.text = rest
        if mark.endswith("*"):
            self.octets = rest.encode("latin-1").decode("unicode_escape").encode("latin-1")
        else:
            self.octets = rest.encode() + b"\r\n"


def lines_of(path: Path) -> list[Line]:
    texts = path.read_text("utf-8").splitlines()
    return [Line(text) for text in texts if text and not text.startswith("#")]


def offered(lines: list[Line]) -> list[extensions.Extension]:
    """Return what the server of a dialogue offers, by its replies to EHLO."""
    said = {
        found[1]: found[2]
        for line in lines
        if line.who == "S" and (found := re.fullmatch(r"250[ -]([A-Z0-9]+)(?: (.*))?", line.text))
    }
    return [
        extensions.Auth(*said["AUTH"].split(), cleartext=True)
        if extension.keyword == "AUTH"
        else extensions.Size(int(said["SIZE"] or 0) or None)
        if extension.keyword == "SIZE"
        else extension
        for extension in extensions.KNOWN
        if extension.keyword in said
    ]


def replies_of(lines: list[Line]) -> deque[tuple[Reply, bytes]]:
    parser = ReplyParser(DEFAULT_LIMITS)
    found: deque[tuple[Reply, bytes]] = deque()
    octets = b""
    for line in lines:
        octets += line.octets
        reply = parser.feed(line.octets[:-2])
        if reply is not None:
            found.append((reply, octets))
            octets = b""
    return found


def turns(lines: list[Line]) -> list[list[Line]]:
    """Put together what one side says before the other does."""
    found: list[list[Line]] = []
    for line in lines:
        if found and found[-1][0].who == line.who:
            found[-1].append(line)
        else:
            found.append([line])
    return found


def pieces(octets: bytes, bytewise: bool) -> list[bytes]:
    return [octets[i : i + 1] for i in range(len(octets))] if bytewise else [octets]


# --------------------------------------------------------------------------- the server


class ServerSide:
    """Answers as the dialogue does; the event must be one that this reply fits."""

    def __init__(self, lines: list[Line], bytewise: bool) -> None:
        lmtp = lines[0].who == "l"
        self.connection = ServerConnection("mx.example.org", extensions=offered(lines), lmtp=lmtp)
        self.bytewise = bytewise
        self.content = b""
        self.said: deque[tuple[Reply, bytes]] = deque()
        self.seen: object = None

    def hears(self, lines: list[Line], answers: list[Line]) -> None:
        self.said = replies_of(answers)
        for piece in pieces(b"".join(line.octets for line in lines), self.bytewise):
            self.connection.receive_data(piece)
            self.answer()
        self.says(answers)

    def says(self, lines: list[Line]) -> None:
        """Send what is left: the greeting, or a 421 that nobody asked for."""
        self.said = self.said or (replies_of(lines) if lines and self.seen is None else deque())
        while self.said:
            reply, octets = self.said.popleft()
            assert self.connection.send(reply) == octets
        self.answer()

    def answer(self) -> None:
        while True:
            event = self.connection.next_event()
            if event is Signal.NEED_REPLY:
                reply, octets = self.said.popleft()
                default: Reply | None = getattr(self.seen, "default_reply", None)
                if isinstance(self.seen, CommandRejected):
                    assert default is not None
                    assert reply.code == default.code
                assert self.connection.send(reply) == octets
            elif isinstance(event, Signal | ConnectionClosed):
                return
            else:
                self.seen = event
                if isinstance(event, MailDataReceived):
                    self.content += event.data
                elif isinstance(event, MailDataEnded):
                    assert event.violation is None


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_the_server_plays_its_part(path: Path, bytewise: bool) -> None:
    lines = lines_of(path)
    server = ServerSide(lines, bytewise)
    parts = turns(lines)
    for part, following in zip(parts, [*parts[1:], []], strict=True):
        who = part[0].who
        if who == "C":
            server.hears(part, following if following and following[0].who == "S" else [])
        elif who == "S":
            server.says(part)
        elif who == "t":
            assert server.connection.next_event() is Signal.NEED_TLS
            server.connection.tls_established()
        elif who == "=":
            assert server.connection.state is State[part[0].text]


# --------------------------------------------------------------------------- the client


def write(client: ClientConnection, lines: deque[Line]) -> None:
    """Let the client write the next command of the dialogue, or the whole mail data."""
    line = lines.popleft()
    command: object
    if client.state is State.DATA and not client.outstanding:
        stuffed = b""
        while line.octets != b".\r\n":
            stuffed += line.octets
            line = lines.popleft()
        content = re.sub(rb"(?m)^\.", b"", stuffed)
        assert client.send_mail_data(content) + client.end_mail_data() == stuffed + b".\r\n"
        return
    if client.state is State.AUTH:
        command = AuthResponse.parse_line(line.octets[:-2])
    else:
        command = parse_command(line.octets[:-2], VOCABULARY)
    octets = lines.popleft().octets if isinstance(command, Bdat) and command.size else b""

    def send() -> bytes:
        if isinstance(command, Bdat):
            return client.send_chunk(octets, command.last)
        return client.send(command)

    if line.server_only:
        with pytest.raises(LocalProtocolError):
            send()
    else:
        assert send() == line.octets + octets


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_the_client_plays_its_part(path: Path, bytewise: bool) -> None:
    lines = lines_of(path)
    client = ClientConnection(lmtp=lines[0].who == "l")
    for part in turns(lines):
        who = part[0].who
        if who == "C":
            left = deque(part)
            while left:
                write(client, left)
        elif who == "S":
            heard = [line for line in part if not line.server_only]
            replies = [reply for reply, _ in replies_of(heard)]
            found: list[Reply] = []
            for piece in pieces(b"".join(line.octets for line in heard), bytewise):
                client.receive_data(piece) if piece else None
                while isinstance(event := client.next_event(), ReplyReceived):
                    found.append(event.reply)
            assert found == replies
        elif who == "t":
            assert client.next_event() is Signal.NEED_TLS
            client.tls_established()
        elif who == "=":
            assert client.state is State[part[0].text]


def test_there_are_dialogues() -> None:
    assert len(DIALOGUES) >= 18
