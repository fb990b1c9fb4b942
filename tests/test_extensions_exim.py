# SPDX-License-Identifier: MIT
"""PRDR, WELLKNOWN and PIPECONNECT in both roles."""

from __future__ import annotations

from typing import Any

import client_drive
import extension_drive as drive
import pytest
import server_drive

from smtpproto import (
    Bdat,
    CommandReceived,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Lhlo,
    Mail,
    MailDataEnded,
    Rcpt,
    Reply,
    ReplyReceived,
    ServerConnection,
    State,
)
from smtpproto.exceptions import (
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    Violation,
)
from smtpproto.extensions import Chunking, PipeConnect, Pipelining, Prdr, WellKnown
from smtpproto.grammar.verbs import WellKnown as WellKnownCommand
from smtpproto.testing import ConnectionPair, accept

ARGUMENT = (Violation.ARGUMENT_SYNTAX, 501, "5.5.4")


MAIL = Mail("from@example.com", {"PRDR": None})
A, B, C = (Rcpt(f"{name}@example.org") for name in "abc")
ENDS = [EndOfMailData(A), EndOfMailData(C), EndOfMailData(final=True)]
OFFERED = (Prdr(), Pipelining(), Chunking())  # Chunking last: its row must not win


def test_prdr() -> None:
    connection = drive.server(Prdr())
    assert drive.in_mail(connection, "PRDR") == {"PRDR": None}
    assert drive.mail_refusal(connection, "PRDR=1") == drive.SYNTAX
    assert drive.written(drive.client("PRDR"), drive.mail(PRDR=None)) == "PRDR"


def sent(
    way: str, mail: Mail = MAIL, codes: tuple[int, ...] = (250, 550, 251), **settings: Any
) -> ConnectionPair:
    """Return both sides when a message to those of A, B and C who were accepted has been sent.

    The reply to it is put off.
    """
    server = ServerConnection("mx.example.org", extensions=OFFERED, **settings)
    pair = ConnectionPair(server, segment="bytewise")
    client = pair.client
    pair.run()
    name = "client.example.com"
    pair.write(client.send(Lhlo(name) if client.lmtp else Ehlo(name)))
    pair.run()
    answers = dict(zip((A, B, C), codes, strict=True))

    def application(event: Any) -> Reply | None:
        if isinstance(event, MailDataEnded):
            return event.default_reply
        if isinstance(event, CommandReceived) and isinstance(event.command, Rcpt):
            return Reply(answers[event.command], "said")
        return accept(event)

    pair.application = application
    pair.write(b"".join(client.send(command) for command in (mail, A, B, C)))
    pair.run()
    if way == "DATA":
        pair.write(client.send(Data()))
        pair.run()
        pair.write(client.send_mail_data(b"text"))
        pair.write(client.end_mail_data())
    else:
        pair.write(client.send_chunk(b"text\n", last=True))
    pair.run()
    return pair


def say(pair: ConnectionPair, *codes: int) -> list[tuple[Any, int]]:
    """Let the server reply, and return what the client makes of it."""
    for code in codes:
        pair.reply(Reply(code, "said"))
    return [(e.command, e.reply.code) for e in pair.run() if isinstance(e, ReplyReceived)]


WAYS = pytest.mark.parametrize("way", ["DATA", "BDAT"])


@WAYS
@pytest.mark.parametrize("codes", [(250, 550, 250), (450, 250, 550), (550, 550, 554)])
def test_a_reply_for_each_accepted_recipient_and_one_for_all(
    way: str, codes: tuple[int, ...]
) -> None:
    pair = sent(way)
    state = State.DATA if way == "DATA" else State.RCPT
    assert say(pair, 353) == [(EndOfMailData(), 353)]
    for end, code in zip(ENDS, codes, strict=True):
        assert pair.server.state is pair.client.state is state
        assert pair.server.due == end
        assert pair.client.outstanding[0] == end
        assert say(pair, code) == [(end, code)]
    assert pair.server.state is pair.client.state is State.READY
    assert pair.server.transaction is pair.client.transaction is None
    assert pair.server.due is None
    assert pair.messages[0].recipients == (A, C)


@WAYS
@pytest.mark.parametrize("code", [250, 451, 554])
def test_one_reply_is_enough(way: str, code: int) -> None:
    pair = sent(way)
    assert say(pair, code) == [(EndOfMailData(), code)]
    assert pair.server.state is pair.client.state is State.READY


@WAYS
def test_the_next_message_goes_out_behind_the_end(way: str) -> None:
    pair = sent(way)
    pair.write(pair.client.send(Mail("x@y.example")))
    assert say(pair, 353, 250)[1:] == [(ENDS[0], 250)]
    answers = say(pair, 550, 250)
    assert answers[:2] == [(ENDS[1], 550), (ENDS[2], 250)]
    assert pair.client.state is State.MAIL


@WAYS
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_a_421_or_the_end_in_the_middle(way: str, before: int) -> None:
    for loses in (True, False):
        pair = sent(way)
        say(pair, *(353, 250, 250)[:before])
        expected = [EndOfMailData(), *ENDS][before] if before else EndOfMailData()
        if way == "BDAT" and not before and loses:
            expected = Bdat(6, True)
        rest = tuple(ENDS[before:]) if before else ()
        if loses:
            pair.to_client.ended = True
            pair.run()
            assert pair.client_events[-1] == ConnectionClosed(False, (expected, *rest))
        else:
            pair.reply(Reply(421, "going"))
            replied, closed = pair.run()
            assert isinstance(replied, ReplyReceived)
            assert (replied.command, replied.reply.code) == (expected, 421)
            assert closed == ConnectionClosed(False, rest)
            assert pair.server.state is State.CLOSED


@WAYS
def test_no_353_where_it_was_not_agreed(way: str) -> None:
    plain = sent(way, mail=Mail("from@example.com"))
    other_code = sent(way)
    twice = sent(way)
    say(twice, 353)
    last = sent(way)
    say(last, 353, 250, 250)
    for pair, code in (
        (plain, 353),
        (other_code, 354),
        (other_code, 350),
        (twice, 353),
        (last, 353),
    ):
        before = server_drive.snapshot(pair.server), pair.server.due
        with pytest.raises(LocalProtocolError):
            pair.server.send(Reply(code, "no"))
        assert (server_drive.snapshot(pair.server), pair.server.due) == before
    for pair, code in ((plain, 353), (other_code, 354), (twice, 353), (last, 353)):
        pair.client.receive_data(b"%d no\r\n" % code)
        with pytest.raises(RemoteProtocolError):
            pair.client.next_event()


def test_none_in_lmtp_which_has_them_anyway() -> None:
    pair = sent("DATA", mail=Mail("from@example.com"), lmtp=True)
    assert "PRDR" not in pair.client.keywords
    client = client_drive.ready("PRDR", lmtp=True)
    assert "PRDR" not in client.announced
    with pytest.raises(LocalProtocolError):
        client.send(MAIL)
    with pytest.raises(LocalProtocolError):
        pair.server.send(Reply(353, "no"))
    assert say(pair, 250, 550) == [(ENDS[0], 250), (ENDS[1], 550)]
    assert pair.client.state is pair.server.state is State.READY


def test_a_message_that_must_be_refused_has_one_reply() -> None:
    connection = drive.server(*OFFERED)
    server_drive.talk(connection, b"MAIL FROM:<a@b.example> PRDR\r\nRCPT TO:<a@b.example>\r\n")
    event = server_drive.event_of(connection, b"BDAT 1 LAST\r\n\n")
    while not isinstance(event, MailDataEnded):
        event = connection.next_event()
    with pytest.raises(LocalProtocolError):
        connection.send(Reply(353, "no"))
    connection.send(event.default_reply)
    assert connection.state is State.READY


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("WELLKNOWN security.txt", "security.txt"),
        ("wellknown a+20b+2B", "a b+"),
        ("WELLKNOWN +C3+A9", "\u00e9"),
    ],
)
def test_wellknown(line: str, name: str) -> None:
    connection = drive.server(WellKnown())
    assert drive.received(connection, line) == WellKnownCommand(name)
    connection.send(Reply(250, ["SIZE=3", "a+2Bb"]))
    assert connection.state.name == "READY"
    client = drive.client("WELLKNOWN")
    assert client.send(WellKnownCommand(name)).decode().upper() == line.upper() + "\r\n"
    client_drive.answered(client, b"250-SIZE=3\r\n250 a+2Bb\r\n")
    assert client.state.name == "READY"


@pytest.mark.parametrize("argument", ["", "a b", "a=b", "+00", "+FF", "+2", "+0A"])
def test_bad_wellknown(argument: str) -> None:
    violation, code, enhanced = drive.rejected(drive.server(WellKnown()), f"WELLKNOWN {argument}")
    assert (code, enhanced) == (501, "5.5.4")
    assert violation in (Violation.ARGUMENT_SYNTAX, Violation.PARAMETER_SYNTAX)


@pytest.mark.parametrize("name", ["", "a\r\n", "\0", "\ud800"])
def test_no_wellknown(name: str) -> None:
    with pytest.raises(InvalidValueError):
        WellKnownCommand(name)


def test_pipeconnect_is_recognised_and_not_offered() -> None:
    assert "PIPECONNECT" in drive.client("PIPECONNECT").announced
    assert "PIPECONNECT" not in drive.server(PipeConnect()).keywords
