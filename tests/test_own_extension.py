# SPDX-License-Identifier: MIT
"""An extension that the package does not know, declared by public names, in both roles."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from smtpproto import (
    Announcing,
    Bdat,
    ChunkReceived,
    ClientConnection,
    Command,
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    Ehlo,
    InvalidValueError,
    LocalProtocolError,
    Mail,
    Noop,
    Parameter,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Rset,
    ServerConnection,
    ServerEvent,
    Signal,
    State,
    TLSInfo,
    Violation,
    Vocabulary,
)
from smtpproto.extensions import KNOWN, Chunking, Extension, Move, Pipelining, Row, SessionFacts
from smtpproto.grammar.commands import parse_command
from smtpproto.testing import ConnectionPair, Segment, accept


@dataclass(frozen=True)
class Vote(Command):
    """XVOTE <name>: within a transaction with a recipient, and the last word of it."""

    verb: ClassVar[str] = "XVOTE"
    ends_group: ClassVar[bool] = False
    name: str

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Vote:
        if not re.fullmatch("[a-z]{1,20}", argument):
            raise InvalidValueError("XVOTE <name> expected", Violation.ARGUMENT_SYNTAX)
        return cls(argument)

    def argument(self, vocabulary: Vocabulary) -> str:
        return self.name


@dataclass(frozen=True)
class Image(Command):
    """XIMAGE <octets>: an image follows at once."""

    verb: ClassVar[str] = "XIMAGE"
    announces_octets: ClassVar[bool] = True
    default_reply: ClassVar[Reply | None] = Reply(250, "seen", "2.0.0")
    size: int

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Image:
        if not re.fullmatch("[0-9]{1,9}", argument):
            raise InvalidValueError("XIMAGE <octets> expected", Violation.ARGUMENT_SYNTAX)
        return cls(int(argument))

    def argument(self, vocabulary: Vocabulary) -> str:
        return str(self.size)

    def octets(self) -> int:
        return self.size


def parse_weight(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text):
        raise InvalidValueError("XWEIGHT=0 to 999 expected", Violation.PARAMETER_SYNTAX)
    return int(text)


class Votes(Extension):
    keyword = "XVOTES"
    verbs = (Vote, Image)
    rows = (
        Row((State.RCPT,), Vote, success=State.READY, failure=State.MAIL),
        Row((State.READY,), Image, intermediate=Move.UNCHANGED),
    )
    mail_parameters = (Parameter("XSECRET", length=8),)
    rcpt_parameters = (Parameter("XWEIGHT", parse_weight, length=12, needs_value=True),)
    checks = (Image, Rcpt)
    in_clear = False

    def __init__(self, biggest: int = 0) -> None:
        self.biggest = biggest

    def parameters_text(self, facts: SessionFacts) -> str:
        return str(self.biggest)

    def parse_announcement(self, texts: tuple[str, ...]) -> int:
        return int(texts[-1]) if re.fullmatch("[0-9]{1,9}", texts[-1]) else 0

    def check(self, command: Command, facts: SessionFacts) -> None:
        if isinstance(command, Image):
            if command.size > facts.announced["XVOTES"]:
                raise InvalidValueError("too big", Violation.ARGUMENT_SYNTAX, 552, "5.3.4")
        elif isinstance(command, Rcpt) and "XWEIGHT" in command.parameters:
            transaction = facts.transaction
            if transaction is None or "XSECRET" not in transaction.mail.parameters:
                raise InvalidValueError("XSECRET expected", Violation.ARGUMENT_SYNTAX)


UNDER_TLS = TLSInfo(version="TLSv1.3")
HELLO = b"EHLO client.example.com\r\n"
ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n"


def pair_of(segment: Segment = "whole", tls: TLSInfo | None = UNDER_TLS) -> ConnectionPair:
    pair = ConnectionPair(
        ServerConnection("mx.example.org", extensions=[Pipelining(), Votes(30)], tls=tls),
        ClientConnection(extensions=[*KNOWN, Votes()], tls=tls),
        segment=segment,
    )
    pair.run()
    pair.write(pair.client.send(Ehlo("client.example.com")))
    pair.run()
    return pair


def codes(pair: ConnectionPair) -> list[int]:
    return [event.reply.code for event in pair.run() if isinstance(event, ReplyReceived)]


def server_answers(octets: bytes, tls: TLSInfo | None = UNDER_TLS) -> list[ServerEvent]:
    """Let a server take what no client of ours would send; return what it made of it."""
    conn = ServerConnection("mx.example.org", extensions=[Votes(30)], tls=tls)
    conn.send(Reply(220, "ready"))
    conn.receive_data(HELLO + octets)
    conn.receive_eof()
    events: list[ServerEvent] = []
    while not (events and isinstance(events[-1], ConnectionClosed)):
        event = conn.next_event()
        events.append(event)
        if isinstance(event, CommandReceived | CommandRejected):
            conn.send(accept(event) or Reply(250, "ok"))
    return events


def rejections(octets: bytes, tls: TLSInfo | None = UNDER_TLS) -> list[tuple[int, str | None]]:
    return [
        (event.default_reply.code, event.default_reply.enhanced)
        for event in server_answers(octets, tls)
        if isinstance(event, CommandRejected)
    ]


@pytest.mark.parametrize("segment", ["whole", "bytewise", 7])
def test_keyword_verbs_and_parameters_over_the_wire(segment: Segment) -> None:
    pair = pair_of(segment)
    client = pair.client
    assert client.announced["XVOTES"] == 30
    assert client.keywords["XVOTES"] == ("30",)

    pair.write(client.send(Image(6), b"QUIT\r\n"))
    assert codes(pair) == [250]
    pieces = [event for event in pair.server_events if isinstance(event, ChunkReceived)]
    assert b"".join(piece.data for piece in pieces) == b"QUIT\r\n"
    assert {piece.command for piece in pieces} == {Image(6)}
    assert pair.server_events[-1] == CommandReceived(Image(6), b"XIMAGE 6", Image.default_reply)

    group = [
        Mail("a@example.com", {"XSECRET": None}),
        Rcpt("b@example.org", {"XWEIGHT": 7}),
        Vote("ann"),
        Noop(),
    ]
    pair.write(b"".join(map(client.send, group)))
    assert client.state is State.READY
    pair.run()
    received = [event.command for event in pair.server_events if type(event) is CommandReceived]
    assert received[-4:] == group
    assert isinstance(received[-3], Rcpt)
    assert received[-3].parameters == {"XWEIGHT": 7}
    assert client.state is pair.server.state is State.READY
    assert client.transaction is pair.server.transaction is None


def test_the_rows_say_where_each_reply_leads() -> None:
    pair = pair_of()
    client = pair.client
    pair.application = lambda event: (
        Reply(550, "no") if getattr(event, "command", None) == Vote("eve") else accept(event)
    )
    pair.write(client.send(Mail("a@example.com")))
    pair.write(client.send(Rcpt("b@example.org")))
    pair.write(client.send(Vote("eve")))
    assert codes(pair) == [250, 250, 550]
    assert client.state is pair.server.state is State.MAIL

    pair = pair_of()
    pair.application = lambda event: Reply(350, "more")
    pair.write(pair.client.send(Image(0)))
    assert codes(pair) == [350]
    assert pair.client.state is pair.server.state is State.READY


def test_the_client_sends_nothing_that_the_declaration_forbids() -> None:
    pair = pair_of()
    client = pair.client
    for command, octets, violation in (
        (Vote("ann"), b"", Violation.BAD_SEQUENCE),
        (Image(31), bytes(31), Violation.ARGUMENT_SYNTAX),
        (Image(3), b"12", Violation.LOCAL_STATE),
        (Rcpt("b@example.org", {"XWEIGHT": 1}), b"", Violation.BAD_SEQUENCE),
    ):
        with pytest.raises(LocalProtocolError) as info:
            client.send(command, octets)
        assert info.value.violation is violation
    pair.write(client.send(Mail("a@example.com")))
    pair.run()
    with pytest.raises(InvalidValueError, match="XSECRET expected"):
        client.send(Rcpt("b@example.org", {"XWEIGHT": 1}))
    pair.write(client.send(Rset()) + client.send(Mail("a@example.com", {"XSECRET": None})))
    pair.run()
    for weight in (1000, "x", None):
        with pytest.raises(InvalidValueError, match="XWEIGHT=") as invalid:
            client.send(Rcpt("b@example.org", {"XWEIGHT": weight}))
        assert invalid.value.violation is Violation.PARAMETER_SYNTAX
    assert client.outstanding == ()


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"XVOTE ann\r\n", (503, "5.5.1")),
        (b"XVOTE Ann\r\n", (501, "5.5.4")),
        (b"XIMAGE 36\r\n" + b"QUIT\r\n" * 6, (552, "5.3.4")),
        (b"MAIL FROM:<a@example.com> XWEIGHT=1\r\n", (555, "5.5.4")),
        (b"MAIL FROM:<a@example.com> XSECRET=1\r\n", (501, "5.5.4")),
        (ENVELOPE[:-2] + b" XWEIGHT=1\r\n", (501, "5.5.4")),
        (ENVELOPE[:-2] + b" XWEIGHT=1000\r\n", (501, "5.5.4")),
        (ENVELOPE + b"XIMAGE 6\r\nQUIT\r\n", (503, "5.5.1")),
    ],
)
def test_the_server_takes_nothing_that_the_declaration_forbids(
    octets: bytes, expected: tuple[int, str]
) -> None:
    assert rejections(octets) == [expected]
    assert not any(
        isinstance(event, CommandReceived) and isinstance(event.command, Quit)
        for event in server_answers(octets)
    )


def test_octets_of_an_unknown_number_end_the_session() -> None:
    events = server_answers(b"XIMAGE six\r\nQUIT\r\n")
    rejected = events[-2]
    assert isinstance(rejected, CommandRejected)
    assert rejected.closes
    assert rejected.default_reply.code == 501


def test_it_is_offered_under_tls_only() -> None:
    pair = pair_of(tls=None)
    assert "XVOTES" not in pair.client.keywords
    for command in (Image(0), Mail("a@example.com", {"XSECRET": None})):
        with pytest.raises(LocalProtocolError, match="not announced"):
            pair.client.send(command)
    assert rejections(b"MAIL FROM:<a@example.com> XSECRET\r\n", None) == [(555, "5.5.4")]
    assert rejections(b"XIMAGE 6\r\nQUIT\r\n", None) == [(503, "5.5.1")]


def test_a_client_that_was_not_given_it_still_shows_the_keyword() -> None:
    server = ServerConnection("mx.example.org", extensions=[Votes(30)], tls=UNDER_TLS)
    pair = ConnectionPair(server, ClientConnection(tls=UNDER_TLS))
    pair.run()
    pair.write(pair.client.send(Ehlo("client.example.com")))
    pair.run()
    assert pair.client.keywords["XVOTES"] == ("30",)
    assert "XVOTES" not in pair.client.announced
    with pytest.raises(LocalProtocolError):
        pair.client.send(Image(0))


# --- as short as it gets -------------------------------------------------------------------------


@dataclass
class Ping(Command):
    """XPING: as little as a verb of one's own takes."""

    verb: ClassVar[str] = "XPING"
    default_reply: ClassVar[Reply | None] = Reply(250, "pong", "2.0.0")


@dataclass  # which takes its hash from it
class Pings(Extension):
    keyword = "XPING"
    verbs = (Ping,)
    rows = (Row((State.READY,), Ping, failure=State.GREETED),)
    checks = counts = (Ping,)
    most: int = 2

    def check(self, command: Command, facts: SessionFacts) -> None:
        if facts.memory.get("XPING", 0) >= self.most:
            raise InvalidValueError("enough", Violation.TOO_MANY_COMMANDS, 452, "4.7.0")

    def count(self, command: Command, facts: SessionFacts) -> None:
        facts.memory["XPING"] = facts.memory.get("XPING", 0) + 1


def test_a_declaration_that_remembers_and_has_no_hash() -> None:
    server = ServerConnection("mx.example.org", extensions=[Pings()])
    pair = ConnectionPair(server, ClientConnection(extensions=[Pings()]))
    pair.run()
    pair.write(pair.client.send(Ehlo("client.example.com")))
    pair.run()
    for command in (Ping(), Rset(), Ping()):
        pair.write(pair.client.send(command))
        assert codes(pair) == [250]
    with pytest.raises(LocalProtocolError, match="enough"):
        pair.client.send(Ping())


@dataclass(unsafe_hash=True)
class Choosy(Pings):
    """One that is equal to another, and does something else."""

    is_open: bool = field(default=True, compare=False)

    def check(self, command: Command, facts: SessionFacts) -> None:
        if not self.is_open:
            raise InvalidValueError("not to you", code=550, enhanced="5.7.1")


@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_a_declaration_that_is_equal_to_that_of_another_connection(order: tuple[bool, ...]) -> None:
    """The other's must not be asked, in neither role."""
    for is_open in order:
        declarations = [Choosy(is_open=is_open)]
        server = ServerConnection("mx.example.org", extensions=declarations)
        pair = ConnectionPair(server, ClientConnection(extensions=[Pings()]))
        pair.run()
        pair.write(pair.client.send(Ehlo("client.example.com")))
        pair.run()
        pair.write(pair.client.send(Ping()))
        assert codes(pair) == [250 if is_open else 550]
        client = ClientConnection(extensions=declarations)
        client.receive_data(b"220 mx.example.org\r\n")
        client.next_event()
        client.send(Ehlo("client.example.com"))
        client.receive_data(b"250-mx.example.org\r\n250 XPING\r\n")
        client.next_event()
        if is_open:
            assert client.send(Ping()) == b"XPING\r\n"
        else:
            with pytest.raises(LocalProtocolError, match="not to you"):
                client.send(Ping())


def test_a_refusal_of_the_check_leads_where_the_row_says() -> None:
    """In both roles: the client reads it from the same row."""
    server = ServerConnection("mx.example.org", extensions=[Pings(0)])
    client = ClientConnection(extensions=[Pings(5)])
    pair = ConnectionPair(server, client)
    pair.run()
    pair.write(client.send(Ehlo("client.example.com")))
    pair.run()
    pair.write(client.send(Ping()))
    assert codes(pair) == [452]
    assert client.state is server.state is State.GREETED


class Careless(Extension):
    """Has what int() and the like raise escape from one of its methods."""

    keyword = "XPING"
    verbs = (Ping,)
    rows = (Row((State.READY,), Ping),)
    checks = counts = (Ping, Bdat)

    def __init__(self, method: str) -> None:
        self._method = method

    def check(self, command: Command, facts: SessionFacts) -> None:
        if self._method == "check":
            int("secret")

    def count(self, command: Command, facts: SessionFacts) -> None:
        if self._method == "count":
            int("secret")


@pytest.mark.parametrize("method", ["check", "count"])
def test_what_its_check_raises_does_not_escape(method: str) -> None:
    server = ServerConnection("mx.example.org", extensions=[Careless(method), Chunking()])
    server.send(Reply(220))
    received = b"EHLO x.example\r\nXPING\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n"
    server.receive_data(received + b"BDAT 6\r\nQUIT\r\nNOOP\r\n")
    replies = []
    while (event := server.next_event()) is not Signal.NEED_DATA:
        assert isinstance(event, CommandReceived | CommandRejected)
        replies.append(event.default_reply or Reply(250, "ok"))
        server.send(replies[-1])
    assert [reply.code for reply in replies] == [250, 501, 250, 250, 501, 250]
    assert not any("secret" in str(reply) for reply in replies)


@pytest.mark.parametrize("method", ["check", "count"])
def test_what_its_check_raises_is_an_error_of_the_package(method: str) -> None:
    """For who sends, too; and nothing has changed."""
    pair = ConnectionPair(
        ServerConnection("mx.example.org", extensions=[Pings()]),
        ClientConnection(extensions=[Careless(method)]),
    )
    pair.run()
    pair.write(pair.client.send(Ehlo("client.example.com")))
    pair.run()
    with pytest.raises(InvalidValueError, match=r"XPING: another value expected: .*'secret'"):
        pair.client.send(Ping())
    assert pair.client.outstanding == ()
    pair.write(pair.client.send(Noop()))
    assert codes(pair) == [250]


class Note(Announcing):
    verb = "XNOTE"
    default_reply = Reply(250, "noted", "2.0.0")


class Notes(Extension):
    keyword = "XNOTE"
    verbs = (Note,)
    rows = (Row((State.READY,), Note),)


@pytest.mark.parametrize("segment", ["whole", "bytewise"])
def test_a_verb_that_announces_octets(segment: Segment) -> None:
    server = ServerConnection("mx.example.org", extensions=[Notes()])
    pair = ConnectionPair(server, ClientConnection(extensions=[Notes()]), segment=segment)
    pair.run()
    pair.write(pair.client.send(Ehlo("client.example.com")))
    pair.run()
    pair.write(pair.client.send(Note(6), b"QUIT\r\n") + b"")
    assert codes(pair) == [250]
    pieces = [event.data for event in pair.server_events if isinstance(event, ChunkReceived)]
    assert b"".join(pieces) == b"QUIT\r\n"
    pair.to_server.write(b"XNOTE x\r\nQUIT\r\n")
    with pytest.raises(RemoteProtocolError):
        pair.run()
    rejected = pair.server_events[-2]
    assert isinstance(rejected, CommandRejected)
    assert (rejected.violation, rejected.closes) == (Violation.CHUNK_SIZE, True)


@pytest.mark.parametrize("size", [-1, 10**20, 1.0, True, "5", None])
def test_a_number_of_octets(size: Any) -> None:
    with pytest.raises(InvalidValueError, match="XNOTE with a number of octets expected"):
        Note(size)
    assert Note(10**20 - 1).encode() == b"XNOTE " + b"9" * 20 + b"\r\n"
    for line in (b"XNOTE", b"XNOTE -1", b"XNOTE 1 2", b"XNOTE " + b"9" * 21):
        with pytest.raises(InvalidValueError):
            parse_command(line, Vocabulary((Note,)))


def test_the_shortest_declaration_of_all_kinds_is_short() -> None:
    """What docs/extensions.md shows: keyword, parameter, and a verb that announces octets."""
    page = (Path(__file__).parents[1] / "docs/extensions.md").read_text("utf-8")
    code = page.partition("## Twenty lines")[2].partition("```python\n")[2].partition("```")[0]
    lines = [line for line in code.splitlines() if line and "import" not in line]
    assert "(Extension)" in code
    assert len(lines) <= 20
