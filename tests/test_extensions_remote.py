# SPDX-License-Identifier: MIT
"""ETRN and ATRN in both roles."""

from __future__ import annotations

from typing import Any

import client_drive
import extension_drive as drive
import pytest
import server_drive

from smtpproto import Reply, Signal
from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.extensions import Atrn, Auth, Etrn
from smtpproto.grammar.verbs import Atrn as AtrnCommand
from smtpproto.grammar.verbs import Etrn as EtrnCommand

ARGUMENT = (Violation.ARGUMENT_SYNTAX, 501, "5.5.4")
SEQUENCE = (Violation.BAD_SEQUENCE, 503, "5.5.1")
NO_AUTH = (Violation.AUTH_REQUIRED, 530, "5.7.0")

ETRN = [
    ("ETRN example.com", EtrnCommand("example.com")),
    ("etrn @example.com", EtrnCommand("example.com", "@")),
    ("ETRN #uucp", EtrnCommand("uucp", "#")),
]
ATRN = [
    ("ATRN", AtrnCommand()),
    ("ATRN example.org", AtrnCommand(["example.org"])),
    ("atrn example.org,Example.com", AtrnCommand(("example.org", "Example.com"))),
]


@pytest.mark.parametrize(("line", "command"), ETRN)
def test_etrn(line: str, command: EtrnCommand) -> None:
    connection = drive.server(Etrn())
    assert drive.received(connection, line) == command
    connection.send(Reply(253, "5 pending"))
    assert connection.state.name == "READY"
    client = drive.client("ETRN")
    sent = client.send(command).decode()
    assert sent.partition(" ")[2] == line.partition(" ")[2] + "\r\n"
    assert client_drive.answered(client, b"459 no\r\n").command == command


@pytest.mark.parametrize(
    "line",
    ["ETRN", "ETRN @", "ETRN #", "ETRN a b", "ETRN &a", "ETRN a_b", "ETRN # a", "ETRN ##\x7f"],
)
def test_bad_etrn(line: str) -> None:
    assert drive.rejected(drive.server(Etrn()), line) == ARGUMENT


@pytest.mark.parametrize(
    ("node", "option"), [("", ""), ("a b", "#"), ("a\r\n", "#"), ("a", "?"), ("a_b", "@")]
)
def test_no_etrn(node: str, option: Any) -> None:
    with pytest.raises(InvalidValueError):
        EtrnCommand(node, option)


def test_etrn_is_for_between_transactions() -> None:
    connection = drive.server(Etrn())
    server_drive.talk(connection, server_drive.MAIL)
    assert drive.rejected(connection, "ETRN example.com") == SEQUENCE
    client = drive.client("ETRN")
    client.send(client_drive.MAIL)
    client_drive.answered(client, b"250 ok\r\n")
    assert drive.local_refusal(client, EtrnCommand("a"))[0] is Violation.BAD_SEQUENCE


@pytest.mark.parametrize(("line", "command"), ATRN)
def test_atrn(line: str, command: AtrnCommand) -> None:
    connection = drive.server(Atrn(), authenticated=True)
    assert drive.received(connection, line) == command
    connection.send(Reply(250, "reversing"))
    assert connection.state.name == "REVERSED"
    assert connection.next_event() is Signal.NEED_DATA
    client = authenticated_client()
    assert client.send(command).decode().upper() == line.upper() + "\r\n"
    client_drive.answered(client, b"250 reversing\r\n")
    assert client.state.name == "REVERSED"


def authenticated_client() -> Any:
    client = drive.client("ATRN", "AUTH PLAIN")
    client.send(drive.client_drive.Auth("PLAIN", b"\0a\0b"))
    client_drive.answered(client, b"235 ok\r\n")
    return client


@pytest.mark.parametrize("reply", [Reply(450, "no"), Reply(453, "no mail")])
def test_atrn_refused(reply: Reply) -> None:
    connection = drive.server(Atrn(), authenticated=True)
    drive.received(connection, "ATRN")
    connection.send(reply)
    client = authenticated_client()
    client.send(AtrnCommand())
    client_drive.answered(client, reply.encode())
    assert connection.state.name == client.state.name == "READY"


@pytest.mark.parametrize(
    "line",
    ["ATRN localhost", "ATRN a.b,", "ATRN ,a.b", "ATRN a.b c.d", "ATRN a.b,,c.d", "ATRN a_.b"],
)
def test_bad_atrn(line: str) -> None:
    assert drive.rejected(drive.server(Atrn(), authenticated=True), line) == ARGUMENT


def test_atrn_needs_authentication() -> None:
    connection = drive.server(Atrn(), Auth("PLAIN", cleartext=True))
    assert "ATRN" in connection.keywords
    assert drive.rejected(connection, "ATRN") == NO_AUTH
    assert drive.local_refusal(drive.client("ATRN", "AUTH PLAIN"), AtrnCommand()) == NO_AUTH


def test_turn_is_refused() -> None:
    connection = drive.server(Atrn(), authenticated=True)
    assert drive.rejected(connection, "TURN") == (Violation.NOT_OFFERED, 502, "5.5.1")
