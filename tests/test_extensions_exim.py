# SPDX-License-Identifier: MIT
"""PRDR, WELLKNOWN and PIPECONNECT in both roles."""

from __future__ import annotations

import client_drive
import extension_drive as drive
import pytest

from smtpproto import Reply
from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.extensions import PipeConnect, Prdr, WellKnown
from smtpproto.grammar.verbs import WellKnown as WellKnownCommand

ARGUMENT = (Violation.ARGUMENT_SYNTAX, 501, "5.5.4")


def test_prdr() -> None:
    connection = drive.server(Prdr())
    assert drive.in_mail(connection, "PRDR") == {"PRDR": None}
    assert drive.mail_refusal(connection, "PRDR=1") == drive.SYNTAX
    assert drive.written(drive.client("PRDR"), drive.mail(PRDR=None)) == "PRDR"


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
