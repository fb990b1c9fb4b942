# SPDX-License-Identifier: MIT
"""Golden transcripts: each dialogue is held against both roles, in any segments.

A line ``C: x`` is written by the client and ``S: x`` by the server, both with a CRLF; ``C* x`` has
Python's escapes and no CRLF: the octets of a chunk; ``C# n`` is a chunk of n octets. What a server
must answer and our client never sends is marked ``C!`` and ``S!``. ``= STATE`` names the state of
both, ``=! STATE`` that of the server, and ``tls`` is a handshake. Behind ``reverse`` the roles have
turned: the one who was the server is ``C``. Octets that a client writes without a reply in between
are one group.

Words at the beginning: ``lmtp`` is the mode; ``client`` says that no server of ours would talk so;
``whole`` that each group is to come in one segment.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import pytest

from smtpproto import (
    AuthResponse,
    ClientConnection,
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    EndOfMailData,
    LocalProtocolError,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Rcpt,
    Reply,
    ReplyReceived,
    ServerConnection,
    Signal,
    State,
    extensions,
)
from smtpproto.grammar.command import Vocabulary, parse_command
from smtpproto.grammar.commands import BASE_VERBS, Bdat, Ehlo, Helo, Lhlo
from smtpproto.grammar.replies import ReplyParser
from smtpproto.limits import DEFAULT_LIMITS

WORDS = ("lmtp", "client", "whole")
CUTS = {"whole": 1 << 20, "bytewise": 1, "2": 2, "3": 3, "7": 7, "64": 64}
VOCABULARY = Vocabulary(
    (*BASE_VERBS, Ehlo, Helo, Lhlo, *(v for e in extensions.KNOWN for v in e.verbs)),
    {p.keyword: p for extension in extensions.KNOWN for p in extension.mail_parameters},
    {p.keyword: p for extension in extensions.KNOWN for p in extension.rcpt_parameters},
)


class Line:
    def __init__(self, text: str) -> None:
        mark, _, rest = text.partition(" ")
        self.who = mark[0]
        self.server_only = "!" in mark
        self.text = rest
        self.is_chunk = mark[-1] in "#*"
        if mark.endswith("#"):
            self.octets = b"x" * int(rest)
        elif mark.endswith("*"):
            self.octets = rest.encode("latin-1").decode("unicode_escape").encode("latin-1")
        else:
            self.octets = rest.encode() + b"\r\n"


class Script:
    """A dialogue as its file has it."""

    def __init__(self, path: Path) -> None:
        texts = [text for text in path.read_text("utf-8").splitlines() if text.strip()]
        said = [text for text in texts if not text.startswith("#")]
        self.name = path.stem
        self.words = {text for text in said if text in WORDS}
        lines = [Line(text) for text in said if text not in WORDS]
        turn = next((n for n, line in enumerate(lines) if line.who == "r"), len(lines))
        self.lines = lines[:turn]
        self.turned = lines[turn + 1 :]
        """What is said behind ``reverse``."""

    @property
    def cuts(self) -> list[str]:
        """The ways in which the octets may be cut."""
        return ["whole"] if "whole" in self.words else list(CUTS)


DIALOGUES = [Script(path) for path in sorted(Path(__file__).parent.glob("dialogues/*.txt"))]


def each(role: str) -> pytest.MarkDecorator:
    """Run a test for each dialogue that the role has a part in, in each cut."""
    scripts = [script for script in DIALOGUES if role == "client" or "client" not in script.words]
    return pytest.mark.parametrize(
        ("script", "size"),
        [
            pytest.param(script, CUTS[cut], id=f"{script.name}-{cut}")
            for script in scripts
            for cut in script.cuts
        ],
    )


def offered(lines: list[Line]) -> list[extensions.Extension]:
    """Return what the server of a dialogue offers, by its replies to EHLO."""
    said = {
        found[1]: found[2]
        for line in lines
        if line.who == "S" and (found := re.fullmatch(r"250[ -]([A-Z0-9-]+)(?: (.*))?", line.text))
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


def pieces(octets: bytes, size: int) -> list[bytes]:
    return [octets[start : start + size] for start in range(0, len(octets), size)]


# --------------------------------------------------------------------------- the server


class ServerSide:
    """Answers as the dialogue does; the event must be one that this reply fits."""

    def __init__(self, connection: ServerConnection, size: int) -> None:
        self.connection = connection
        self.size = size
        self.content = b""
        self.said: deque[tuple[Reply, bytes]] = deque()
        self.seen: object = None
        self.named: list[Rcpt] = []

    def hears(self, lines: list[Line], answers: list[Line]) -> None:
        self.said = replies_of(answers)
        for piece in pieces(b"".join(line.octets for line in lines), self.size):
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

    def note(self) -> None:
        """Note for whom the replies to a message are: in the order of their RCPTs."""
        due = self.connection.due
        if isinstance(due, EndOfMailData) and isinstance(due.recipient, Rcpt):
            assert isinstance(self.seen, MailDataEnded)
            self.named.append(due.recipient)
            assert tuple(self.named) == self.seen.recipients[: len(self.named)]
        else:
            self.named = []

    def answer(self) -> None:
        while True:
            event = self.connection.next_event()
            if event is Signal.NEED_REPLY:
                reply, octets = self.said.popleft()
                self.note()
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


def play_server(connection: ServerConnection, lines: list[Line], size: int) -> None:
    """Hold a server against its lines."""
    server = ServerSide(connection, size)
    parts = turns(lines)
    for part, following in zip(parts, [*parts[1:], []], strict=True):
        who = part[0].who
        if who == "C":
            server.hears(part, following if following and following[0].who == "S" else [])
        elif who == "S":
            server.says(part)
        elif who == "t":
            assert connection.next_event() is Signal.NEED_TLS
            connection.tls_established()
        elif who == "=":
            assert connection.state is State[part[0].text]


# --------------------------------------------------------------------------- the client


def write(client: ClientConnection, lines: deque[Line]) -> None:
    """Let the client write the next command of the dialogue, or the whole mail data."""
    line = lines.popleft()
    if client.state is State.DATA and not client.outstanding:
        stuffed = b""
        while line.octets != b".\r\n":
            stuffed += line.octets
            line = lines.popleft()
        content = re.sub(rb"(?m)^\.", b"", stuffed)
        octets = client.send_mail_data(content) if content else b""
        assert octets + client.end_mail_data() == stuffed + b".\r\n"
        return
    announced = lines.popleft().octets if lines and lines[0].is_chunk else b""

    def send() -> bytes:
        if client.state is State.AUTH:
            return client.send(AuthResponse.parse_line(line.octets[:-2]))
        command = parse_command(line.octets[:-2], VOCABULARY)
        if isinstance(command, Bdat):
            return client.send_chunk(announced, command.last)
        return client.send(command, announced)

    if line.server_only:
        with pytest.raises(LocalProtocolError):
            send()
    else:
        assert send() == line.octets + announced


def play_client(client: ClientConnection, lines: list[Line], size: int) -> None:
    """Hold a client against its lines."""
    accepted: list[Rcpt] = []
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
            named: list[Rcpt] = []
            for piece in pieces(b"".join(line.octets for line in heard), size):
                client.receive_data(piece)
                while isinstance(event := client.next_event(), ReplyReceived):
                    found.append(event.reply)
                    match event.command:
                        case Mail():
                            accepted = []
                        case Rcpt() as rcpt if event.reply.is_positive:
                            accepted.append(rcpt)
                        case EndOfMailData(recipient=Rcpt() as rcpt):
                            named.append(rcpt)
            assert found == replies
            assert named in ([], accepted)
        elif who == "t":
            assert client.next_event() is Signal.NEED_TLS
            client.tls_established()
        elif who == "=" and not part[0].server_only:
            assert client.state is State[part[0].text]


# --------------------------------------------------------------------------- the dialogues


@each("server")
def test_the_server_plays_its_part(script: Script, size: int) -> None:
    server = ServerConnection(
        "mx.example.org", extensions=offered(script.lines), lmtp="lmtp" in script.words
    )
    play_server(server, script.lines, size)
    if script.turned:
        play_client(server.reverse(), script.turned, size)


@each("client")
def test_the_client_plays_its_part(script: Script, size: int) -> None:
    client = ClientConnection(lmtp="lmtp" in script.words)
    play_client(client, script.lines, size)
    if script.turned:
        server = client.reverse("customer.example.org", extensions=offered(script.turned))
        play_server(server, script.turned, size)


# What no dialogue may do without; each of these was once a fault of some server or client.
NEEDED = """
    one-refused all-refused-354 pipelined-refusals chunks-large chunk-refused lmtp starttls-injected
    scram auth xclient prdr parameters refused-greeting refused-greeting-554 shutdown
    shutdown-crossing checkpoint reversed
"""


def test_there_are_dialogues() -> None:
    assert set(NEEDED.split()) <= {script.name for script in DIALOGUES}


def test_parameters_arrive_typed() -> None:
    """Those of the dialogue, in the events of the server."""
    script = next(script for script in DIALOGUES if script.name == "parameters")
    server = ServerConnection("mx.example.org", extensions=offered(script.lines))
    server.send(Reply(220))
    typed: list[object] = []
    for line in script.lines:
        if line.who == "C" and not line.server_only:
            server.receive_data(line.octets)
            event = server.next_event()
            assert isinstance(event, CommandReceived)
            if isinstance(event.command, Mail | Rcpt):
                typed.append(dict(event.command.parameters))
            server.send(event.default_reply or Reply(250))
    assert typed == [
        {
            "BY": extensions.Deadline(120, "R", trace=True),
            "SIZE": 4321,
            "RET": "HDRS",
            "ENVID": extensions.EnvelopeId("QQ+314"),
        },
        {
            "NOTIFY": ("SUCCESS", "DELAY"),
            "ORCPT": extensions.OriginalRecipient("rfc822", "b+x@example.org"),
        },
    ]
