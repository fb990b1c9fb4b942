# SPDX-License-Identifier: MIT
"""BURL in both roles, alone and between chunks."""

from __future__ import annotations

from typing import Any

import client_drive
import extension_drive as drive
import pytest
import server_drive

from smtpproto import CommandReceived, EndOfMailData, Mail, MailDataEnded, Reply, State
from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.extensions import BinaryMime, Burl, Chunking, EightBitMime, Prdr
from smtpproto.grammar.verbs import Burl as BurlCommand
from smtpproto.grammar.verbs import BurlLast

URL = "imap://harry@example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry"
ARGUMENT = (Violation.ARGUMENT_SYNTAX, 501, "5.5.4")
SEQUENCE = (Violation.BAD_SEQUENCE, 503, "5.5.1")
NO_AUTH = (Violation.AUTH_REQUIRED, 530, "5.7.0")
OFFERED = (EightBitMime(), Chunking(), BinaryMime(), Burl("imap", "imap://imap.example.com"))


def server(authenticated: bool = True, state: str = "RCPT") -> Any:
    connection = drive.server(*OFFERED, authenticated=authenticated)
    if state == "RCPT":
        server_drive.talk(connection, server_drive.MAIL + server_drive.RCPT)
    return connection


def client(*keywords: str, state: str = "RCPT") -> Any:
    announced = keywords or ("8BITMIME", "CHUNKING", "PIPELINING", "BURL imap")
    return getattr(client_drive, f"in_{state.lower()}")(*announced)


def answer(connection: Any, reply: Reply) -> str:
    connection.send(reply)
    return str(connection.state.name)


def test_a_whole_message() -> None:
    connection = server()
    assert drive.received(connection, f"BURL {URL} last") == BurlLast(URL)
    assert answer(connection, Reply(250, "ok")) == "READY"
    assert connection.transaction is None
    sender = client()
    assert sender.send(BurlLast(URL)) == f"BURL {URL} LAST\r\n".encode()
    client_drive.answered(sender, b"250 ok\r\n")
    assert (sender.state.name, sender.transaction) == ("READY", None)


def test_a_message_in_parts() -> None:
    connection = server()
    assert drive.received(connection, f"BURL {URL}") == BurlCommand(URL)
    assert answer(connection, Reply(250, "more")) == "BDAT"
    outcome = server_drive.talk(connection, b"BDAT 4\r\na\r\nb", f"BURL {URL}\r\n".encode())
    assert (outcome.codes, connection.state.name) == ([250, 250], "BDAT")
    outcome = server_drive.talk(connection, b"BDAT 3 LAST\r\nc\r\n")
    assert isinstance(outcome.events[-1], MailDataEnded)
    assert connection.state.name == "READY"

    sender = client()
    assert sender.send(BurlCommand(URL)) == f"BURL {URL}\r\n".encode()
    assert sender.send_chunk(b"a\r\n") == b"BDAT 3\r\na\r\n"
    assert sender.send(BurlLast(URL)).endswith(b" LAST\r\n")
    assert drive.local_refusal(sender, client_drive.MAIL)[0] is Violation.BAD_SEQUENCE, "it waits"
    client_drive.feed(sender, b"250 1\r\n250 2\r\n250 3\r\n")
    assert sender.state.name == "READY"


def test_a_part_that_cannot_be_fetched() -> None:
    connection = server()
    drive.received(connection, f"BURL {URL}")
    assert answer(connection, Reply(554, "no", "5.6.6")) == "BDAT_FAILED"
    failed = (Violation.TRANSACTION_FAILED, 503, "5.5.1")
    assert drive.rejected(connection, f"BURL {URL} LAST") == failed
    server_drive.talk(connection, b"RSET\r\n")
    assert connection.state.name == "READY"

    sender = client()
    sender.send(BurlCommand(URL))
    sender.send(BurlLast(URL))
    client_drive.feed(sender, b"554 no\r\n503 no\r\n")
    assert sender.state.name == "BDAT_FAILED"
    assert drive.local_refusal(sender, BurlLast(URL))[0] is Violation.BAD_SEQUENCE


def test_a_message_that_cannot_be_fetched() -> None:
    connection = server()
    drive.received(connection, f"BURL {URL} LAST")
    assert answer(connection, Reply(554, "no", "5.6.6")) == "READY"
    assert connection.transaction is None
    sender = client()
    sender.send(BurlLast(URL))
    client_drive.answered(sender, b"554 no\r\n")
    assert (sender.state.name, sender.transaction) == ("READY", None)


def test_in_one_group() -> None:
    sender = client(state="MAIL")
    sender.send(client_drive.RCPT)
    sender.send(BurlLast(URL))
    client_drive.feed(sender, b"550 no\r\n554 5.5.0 no recipients\r\n")
    assert sender.state.name == "BDAT_FAILED"


@pytest.mark.parametrize("last", ["", " LAST"])
def test_before_rcpt(last: str) -> None:
    """What was refused is lost to the message: no later part may pass for the whole."""
    connection = drive.server(*OFFERED, authenticated=True)
    server_drive.talk(connection, server_drive.MAIL)
    assert drive.rejected(connection, f"BURL {URL}{last}") == SEQUENCE
    assert connection.state.name == "BDAT_FAILED"
    outcome = server_drive.talk(connection, server_drive.RCPT, b"BDAT 3 LAST\r\nc\r\n")
    assert outcome.codes == [503, 503]
    connection = drive.server(*OFFERED, authenticated=True)
    assert drive.rejected(connection, f"BURL {URL}{last}") == SEQUENCE
    assert connection.state.name == "READY"


def test_both_sides_agree_on_where_a_refusal_leads() -> None:
    connection = server(authenticated=False)
    assert drive.rejected(connection, f"BURL {URL} LAST") == NO_AUTH
    sender = client()
    sender.send(BurlLast(URL))
    client_drive.answered(sender, b"530 5.7.0 no\r\n")
    assert connection.state is sender.state is State.READY
    assert connection.transaction is sender.transaction is None


def test_a_held_cr_is_not_lost() -> None:
    sender = client()
    assert sender.send_chunk(b"a\r") == b"BDAT 1\r\na"
    with pytest.raises(drive.LocalProtocolError, match="a CR at its end"):
        sender.send(BurlLast(URL))
    assert sender.send_chunk(b"\n") == b"BDAT 2\r\n\r\n"
    assert sender.send(BurlLast(URL)).endswith(b" LAST\r\n")


@pytest.mark.parametrize("codes", [(250, 452), (550, 250), (451, 451)])
def test_a_reply_for_each_recipient_in_lmtp(codes: tuple[int, int]) -> None:
    keywords = ("8BITMIME", "BURL imap")
    connection = drive.server(*OFFERED, authenticated=True, lmtp=True)
    server_drive.talk(connection, server_drive.MAIL + server_drive.RCPT * 2)
    drive.received(connection, f"BURL {URL} LAST")
    sender = client_drive.in_rcpt(*keywords, lmtp=True, recipients=2)
    sender.send(BurlLast(URL))
    for code in codes:
        assert isinstance(connection.due, EndOfMailData)
        assert connection.due.recipient is not None
        octets = connection.send(Reply(code, "said"))
        event = client_drive.answered(sender, octets)
        assert (event.command, event.reply.code) == (EndOfMailData(client_drive.RCPT), code)
    assert connection.state is sender.state is State.READY


def test_prdr_and_burl() -> None:
    connection = drive.server(*OFFERED, Prdr(), authenticated=True)
    server_drive.talk(connection, b"MAIL FROM:<> PRDR\r\n" + server_drive.RCPT)
    drive.received(connection, f"BURL {URL} LAST")
    mail = Mail("", {"PRDR": None})
    sender = client_drive.in_rcpt("8BITMIME", "BURL imap", "PRDR", mail=mail)
    sender.send(BurlLast(URL))
    for code in (353, 550, 250):
        client_drive.answered(sender, connection.send(Reply(code, "said")))
    assert connection.state is sender.state is State.READY


def test_the_options_come_with_authentication() -> None:
    connection = server(authenticated=False, state="READY")
    assert connection.keywords["BURL"] == ("",)
    assert connection.announced["BURL"] == ()
    server_drive.talk(connection, server_drive.MAIL + server_drive.RCPT)
    assert drive.rejected(connection, f"BURL {URL} LAST") == NO_AUTH
    connection = server(state="READY")
    assert connection.announced["BURL"] == ("imap", "imap://imap.example.com")

    sender = client("8BITMIME", "BURL")
    assert drive.local_refusal(sender, BurlLast(URL)) == NO_AUTH
    assert drive.local_refusal(sender, BurlCommand(URL)) == NO_AUTH
    assert client("8BITMIME", "BURL imap imap://a").announced["BURL"] == ("imap", "imap://a")
    assert "BURL" not in client("BURL imap", state="MAIL").announced, "8BITMIME is missing"


def test_a_long_url() -> None:
    url = "imap://example.com/" + "x" * 10_000
    connection = server()
    event = server_drive.event_of(connection, f"BURL {url} LAST\r\n".encode())
    assert isinstance(event, CommandReceived)
    assert event.command == BurlLast(url)
    assert event.default_reply is None
    sender = client()
    assert len(sender.send(BurlLast(url))) > 10_000
    with pytest.raises(drive.LocalProtocolError, match="of at most 12288 octets"):
        client().send(BurlLast(url * 2))


BAD = ["", "x", "1:x", ":x", "imap:", f"{URL} LAS", f"{URL} LAST x", f"{URL} la\u017ft"]


@pytest.mark.parametrize("argument", BAD)
def test_bad_burl(argument: str) -> None:
    violation, code, _ = drive.rejected(server(), f"BURL {argument}")
    assert code == 501
    assert violation in (Violation.ARGUMENT_SYNTAX, Violation.EIGHT_BIT)


@pytest.mark.parametrize("url", ["", "x", "a b:c", "a:b c", "a:\r\n", "a:\u00e9"])
def test_no_burl(url: str) -> None:
    for command in (BurlCommand, BurlLast):
        with pytest.raises(InvalidValueError):
            command(url)


def test_the_two_are_not_equal() -> None:
    assert BurlCommand("a:b") != BurlLast("a:b")
    with pytest.raises(InvalidValueError, match="imap"):
        Burl("imap", "a b")
