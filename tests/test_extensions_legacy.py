# SPDX-License-Identifier: MIT
"""SUBMITTER, CONPERM, CONNEG, SOLICIT, MTRK, TRANSID, VERB and ONEX in both roles."""

from __future__ import annotations

import base64
from typing import Any

import extension_drive as drive
import pytest
import server_drive
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import Data, Ehlo, Mail, Path, Reply, ServerConnection, State
from smtpproto.exceptions import (
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    Violation,
)
from smtpproto.extensions import (
    Checkpoint,
    Chunking,
    ConNeg,
    ConPerm,
    Dsn,
    EnvelopeId,
    Mtrk,
    NoSoliciting,
    Onex,
    Prdr,
    Submitter,
    Tracking,
    Utf8Smtp,
    Verb,
)
from smtpproto.extensions.legacy import encode_tracking, parse_tracking
from smtpproto.grammar.verbs import Onex as OnexCommand
from smtpproto.grammar.verbs import Verb as VerbCommand
from smtpproto.testing import ConnectionPair, accept

HASH = bytes(range(20))
HASH_TEXT = base64.b64encode(HASH).decode().rstrip("=")
STRAY = HASH_TEXT[:-1] + "N"
"""The bits of the last character go beyond the 20 octets."""


def server(**settings: Any) -> Any:
    return drive.server(
        *(Submitter(), ConPerm(), ConNeg(), NoSoliciting(), Dsn(), Mtrk(), Checkpoint()),
        *(Verb(), Onex()),
        **settings,
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("SUBMITTER=a@b.example", {"SUBMITTER": Path("a@b.example")}),
        ("submitter=a+2Bb+3D@b.example", {"SUBMITTER": Path("a+b=@b.example")}),
        ("CONPERM", {"CONPERM": None}),
        (
            "SOLICIT=net.example:ADV,org.example:ADV:ADLT",
            {"SOLICIT": ("net.example:ADV", "org.example:ADV:ADLT")},
        ),
        ("SOLICIT=a", {"SOLICIT": ("a",)}),
        ("SOLICIT=" + "a" * 1000, {"SOLICIT": ("a" * 1000,)}),
        (f"MTRK={HASH_TEXT} ENVID=a@b", {"MTRK": Tracking(HASH), "ENVID": EnvelopeId("a@b")}),
        (
            f"ENVID=a@b MTRK={HASH_TEXT}:86400",
            {"MTRK": Tracking(HASH, 86400), "ENVID": EnvelopeId("a@b")},
        ),
        ("TRANSID=<12345@claremont.edu>", {"TRANSID": "<12345@claremont.edu>"}),
        ("TRANSID=<" + "x" * 76 + "@y>", {"TRANSID": "<" + "x" * 76 + "@y>"}),
    ],
)
def test_mail_is_received_typed(text: str, values: dict[str, Any]) -> None:
    assert drive.in_mail(server(), text) == values


def test_padding_is_tolerated() -> None:
    command = drive.received(server(), f"MAIL FROM:<> MTRK={HASH_TEXT}=:7 ENVID=a")
    assert command.parameters["MTRK"] == Tracking(HASH, 7)
    assert command.parameters.wire["MTRK"] == f"{HASH_TEXT}=:7"


@pytest.mark.parametrize(
    "text",
    [
        *("SUBMITTER=<>", "SUBMITTER=", "SUBMITTER", "SUBMITTER=a", "SUBMITTER=a@b+2"),
        *("SUBMITTER=a@", "SUBMITTER=+FF@b", "CONPERM=1", "SOLICIT", "SOLICIT="),
        *("SOLICIT=1a", "SOLICIT=a,", "SOLICIT=,a", "SOLICIT=a,,b", "SOLICIT=a,1", "SOLICIT=a;b"),
        *("SOLICIT=" + "a" * 1001, "SOLICIT=" + "a," * 500 + "b", "SOLICIT=\u00e9"),
        f"MTRK={HASH_TEXT}",
        *(
            f"MTRK={HASH_TEXT}{end} ENVID=a"
            for end in (":0000000001x", ":", ":1234567890", "A", "==")
        ),
        *(f"MTRK={HASH_TEXT[:-1]} ENVID=a", "MTRK= ENVID=a", "MTRK ENVID=a"),
        *("TRANSID=a@b", "TRANSID=<a>", "TRANSID=<a@>", "TRANSID=<@b>", "TRANSID=<a@b@c>"),
        *("TRANSID=<a..b@c>", "TRANSID=<a@b.>", "TRANSID=<a@b>c", "TRANSID=<a(@b>", "TRANSID"),
        *("TRANSID=<a@[b]>", "TRANSID=<" + "x" * 77 + "@y>"),
    ],
)
def test_bad_mail(text: str) -> None:
    assert drive.mail_refusal(server(), text) == drive.SYNTAX


def test_stray_bits_of_base64() -> None:
    assert drive.mail_refusal(server(), f"MTRK={STRAY} ENVID=a") == (Violation.BASE64, 501, "5.5.2")


def test_conneg() -> None:
    assert drive.in_rcpt(server(), "CONNEG") == {"CONNEG": None}
    assert drive.rcpt_refusal(server(), "CONNEG=1") == drive.SYNTAX
    assert drive.rcpt_refusal(server(), "CONPERM") == drive.NOT_OFFERED
    assert drive.mail_refusal(server(), "CONNEG") == drive.NOT_OFFERED


@pytest.mark.parametrize(
    ("keyword", "values", "text"),
    [
        ("SUBMITTER", {"SUBMITTER": Path("a+b@c.example")}, "SUBMITTER=a+2Bb@c.example"),
        ("CONPERM", {"CONPERM": None}, "CONPERM"),
        ("NO-SOLICITING", {"SOLICIT": ("a:B", "c")}, "SOLICIT=a:B,c"),
        ("CHECKPOINT", {"TRANSID": "<a@b>"}, "TRANSID=<a@b>"),
    ],
)
def test_the_client_writes(keyword: str, values: dict[str, Any], text: str) -> None:
    assert drive.written(drive.client(keyword), drive.mail(**values)) == text


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("SUBMITTER", {"SUBMITTER": Path("")}),
        ("SUBMITTER", {"SUBMITTER": 5}),
        ("CONPERM", {"CONPERM": "1"}),
        ("NO-SOLICITING", {"SOLICIT": ()}),
        ("NO-SOLICITING", {"SOLICIT": ("a b",)}),
        ("NO-SOLICITING", {"SOLICIT": 5}),
        ("CHECKPOINT", {"TRANSID": "a@b"}),
    ],
)
def test_the_client_refuses(keyword: str, values: dict[str, Any]) -> None:
    assert drive.local_refusal(drive.client(keyword), drive.mail(**values)) == drive.SYNTAX


def test_mtrk_of_a_client() -> None:
    client = drive.client("MTRK", "DSN")
    assert drive.local_refusal(client, drive.mail(MTRK=Tracking(HASH))) == drive.SYNTAX
    assert drive.written(client, drive.mail(MTRK=Tracking(HASH, 5), ENVID=EnvelopeId("a"))) == (
        f"MTRK={HASH_TEXT}:5 ENVID=a"
    )
    alone = drive.client("MTRK")
    refusal = (Violation.PARAMETER_UNKNOWN, 0, "")
    assert drive.local_refusal(alone, drive.mail(MTRK=Tracking(HASH))) == refusal


@pytest.mark.parametrize(
    "arguments", [(b"",), (b"x" * 21,), ("x" * 20,), (HASH, -1), (HASH, 10**9), (HASH, True)]
)
def test_no_tracking(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidValueError):
        Tracking(*arguments)


@given(st.binary(min_size=20, max_size=20), st.none() | st.integers(0, 999_999_999))
def test_mtrk_there_and_back(certifier: bytes, timeout: int | None) -> None:
    value = Tracking(certifier, timeout)
    assert parse_tracking(encode_tracking(value)) == value


# --- NO-SOLICITING: what is announced is not taken ------------------------------------------------


def test_unwanted_classes() -> None:
    refusal = (Violation.ARGUMENT_SYNTAX, 550, "5.7.1")
    connection = drive.server(NoSoliciting("net.example:ADV", "org.example:X"))
    assert connection.keywords["NO-SOLICITING"] == ("net.example:ADV,org.example:X",)
    assert connection.announced["NO-SOLICITING"] == ("net.example:ADV", "org.example:X")
    assert drive.mail_refusal(connection, "SOLICIT=a:B,org.example:X") == refusal
    assert drive.in_mail(connection, "SOLICIT=org.example:x")
    client = drive.client("NO-SOLICITING net.example:ADV")
    assert drive.local_refusal(client, drive.mail(SOLICIT=("net.example:ADV",))) == refusal
    assert drive.local_refusal(client, drive.mail(SOLICIT="net.example:ADV")) == refusal
    with pytest.raises(InvalidValueError, match=r"SOLICIT=net\.example:ADV is not wanted"):
        client.send(drive.mail(SOLICIT=("a", "net.example:ADV")))
    assert drive.written(client, drive.mail(SOLICIT=("a",))) == "SOLICIT=a"


@pytest.mark.parametrize("text", ["", "1a", "a b", "a,", "\u00e9"])
def test_classes_that_cannot_be_read(text: str) -> None:
    assert NoSoliciting().parse_announcement((text,)) == ()


def test_many_classes_in_one_line() -> None:
    classes = tuple(f"org.example:class-{number}" for number in range(40))
    assert len(",".join(classes)) > 800
    connection = drive.server(NoSoliciting(*classes))
    assert connection.announced["NO-SOLICITING"] == classes
    client = drive.client("NO-SOLICITING " + ",".join(classes))
    assert client.announced["NO-SOLICITING"] == classes
    for bad in (("a b",), ("a", ""), ("a" * 600, "b" * 600)):
        with pytest.raises(InvalidValueError):
            NoSoliciting(*bad)


# --- VERB, ONEX, UTF8SMTP -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("VERB", VerbCommand()),
        ("verb on", VerbCommand()),
        ("VERB OFF", VerbCommand(False)),
        ("ONEX", OnexCommand()),
    ],
)
def test_sendmail_verbs_are_received(line: str, command: Any) -> None:
    connection = server()
    assert drive.received(connection, line) == command
    assert connection.send(command.default_reply).startswith(b"250 ")
    assert connection.state.name == "READY"


@pytest.mark.parametrize("line", ["VERB maybe", "VERB ON OFF", "ONEX 1"])
def test_bad_sendmail_verbs(line: str) -> None:
    assert drive.rejected(server(), line) == (Violation.ARGUMENT_SYNTAX, 501, "5.5.4")


def test_the_client_sends_sendmail_verbs() -> None:
    client = drive.client("VERB", "ONEX")
    for command, line in (
        (VerbCommand(), b"VERB ON\r\n"),
        (VerbCommand(False), b"VERB OFF\r\n"),
        (OnexCommand(), b"ONEX\r\n"),
    ):
        assert client.send(command) == line
        assert drive.client_drive.answered(client, b"250 ok\r\n").reply == Reply(250, "ok")


# --- a transaction that is resumed ---------------------------------------------------------------

RESUMED = Mail("ned@ymir.example", {"TRANSID": "<12345@claremont.example>"})
OFFSET = Reply(355, "6135 is the transaction offset")


def test_not_in_lmtp() -> None:
    connection = drive.server(Checkpoint(), lmtp=True)
    assert "CHECKPOINT" not in connection.keywords
    assert "CHECKPOINT" not in drive.client("CHECKPOINT", lmtp=True).announced


def resumed() -> ConnectionPair:
    """Return both sides when the reply to MAIL with TRANSID is due."""
    offered = (Checkpoint(), Chunking(), Prdr())
    pair = ConnectionPair(ServerConnection("mx.example.org", extensions=offered))
    client = pair.client
    pair.run()
    pair.write(client.send(Ehlo("client.example.com")))
    pair.run()
    pair.application = lambda event: None if "Mail" in repr(event) else accept(event)
    return pair


@pytest.mark.parametrize("way", ["DATA", "BDAT"])
def test_the_rest_of_the_mail_data_goes_out_without_rcpt(way: str) -> None:
    pair = resumed()
    client = pair.client
    pair.write(client.send(RESUMED))
    pair.run()
    pair.reply(OFFSET)
    pair.run()
    assert client.state is pair.server.state is State.RCPT
    for side in (client, pair.server):
        assert side.transaction is not None
        assert side.transaction.is_resumed
        assert side.transaction.recipients == []
    pair.application = accept
    if way == "DATA":
        pair.write(client.send(Data()))
        pair.run()
        pair.write(client.send_mail_data(b"rest") + client.end_mail_data())
    else:
        pair.write(client.send_chunk(b"rest\r\n", last=True))
    pair.run()
    assert client.state is pair.server.state is State.READY
    (message,) = pair.messages
    assert (message.mail, message.recipients, message.data) == (RESUMED, (), b"rest\r\n")


def test_a_transaction_that_begins_anew() -> None:
    pair = resumed()
    pair.write(pair.client.send(RESUMED))
    pair.run()
    pair.reply(Reply(250, "ok"))
    pair.run()
    assert pair.client.state is pair.server.state is State.MAIL
    assert pair.client.transaction is not None
    assert not pair.client.transaction.is_resumed


@pytest.mark.parametrize(
    ("mail", "code"), [(Mail("a@example.com"), 355), (RESUMED, 354), (RESUMED, 350)]
)
def test_no_355_where_it_means_nothing(mail: Mail, code: int) -> None:
    pair = resumed()
    pair.write(pair.client.send(mail))
    pair.run()
    with pytest.raises(LocalProtocolError):
        pair.reply(Reply(code, "6135"))
    assert pair.server.state is State.READY
    pair.client.receive_data(b"%d 6135\r\n" % code)
    with pytest.raises(RemoteProtocolError):
        pair.client.next_event()


@pytest.mark.parametrize("more", [False, True])
def test_no_353_for_recipients_that_nobody_knows(more: bool) -> None:
    connection = drive.server(Checkpoint(), Prdr())
    drive.received(connection, "MAIL FROM:<> TRANSID=<a@b> PRDR")
    connection.send(OFFSET)
    if more:
        server_drive.talk(connection, server_drive.RCPT)
    drive.received(connection, "DATA")
    connection.send(Reply(354, "go"))
    connection.receive_data(b".\r\n")
    connection.next_event()
    with pytest.raises(LocalProtocolError):
        connection.send(Reply(353, "no"))
    connection.send(Reply(250, "ok"))
    assert connection.state is State.READY


@pytest.mark.parametrize(
    ("reply", "offset"),
    [
        (OFFSET, 6135),
        (Reply(355, "0"), 0),
        (Reply(355, ["17", "18"]), 17),
        (Reply(355, "x17"), None),
        (Reply(355, "-17"), None),
        (Reply(355, "1" * 21), None),
        (Reply(355, "\u0661"), None),
        (Reply(355, ""), None),
        (Reply(250, "17"), None),
    ],
)
def test_the_offset(reply: Reply, offset: int | None) -> None:
    assert Checkpoint.offset(reply) == offset


def test_utf8smtp_is_recognised_and_not_offered() -> None:
    assert "UTF8SMTP" in drive.client("UTF8SMTP").announced
    assert "UTF8SMTP" not in drive.server(Utf8Smtp()).keywords
