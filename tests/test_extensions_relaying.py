# SPDX-License-Identifier: MIT
"""What a relay passes on and reports, clause by clause of RFC 3461 5.2."""

from __future__ import annotations

from typing import Any

import client_drive
import extension_drive as drive
import pytest

from smtpproto import Mail, Path, Rcpt
from smtpproto.extensions import (
    Dsn,
    EightBitMime,
    OriginalRecipient,
    SmtpUtf8,
    is_report_due,
    relayed_mail_parameters,
    relayed_rcpt_parameters,
)

WITH, WITHOUT = {"DSN": ""}, {"SIZE": None}
SENDER = Mail("ann@example.com")


def received_mail(parameters: str) -> Any:
    return drive.received(drive.server(Dsn()), f"MAIL FROM:<ann@example.com> {parameters}".rstrip())


def received_rcpt(parameters: str, address: str = "bob@example.org") -> Any:
    connection = drive.server(Dsn(), EightBitMime(), SmtpUtf8())
    drive.server_drive.talk(connection, b"MAIL FROM:<ann@example.com> SMTPUTF8\r\n")
    return drive.received(connection, f"RCPT TO:<{address}> {parameters}".rstrip())


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("", {}),
        ("ENVID=QQ+2B1", {"ENVID": "QQ+2B1"}),
        ("RET=hdrs", {"RET": "hdrs"}),
        ("RET=FULL ENVID=a", {"RET": "FULL", "ENVID": "a"}),
    ],
)
def test_mail(given: str, passed: dict[str, Any]) -> None:
    mail = received_mail(given)
    assert relayed_mail_parameters(mail, WITH) == passed
    assert relayed_mail_parameters(mail, WITHOUT) == {}
    client = drive.client("DSN")
    line = client.send(Mail(mail.reverse_path, relayed_mail_parameters(mail, client.announced)))
    assert line.decode().split()[2:] == [f"{name}={text}" for name, text in passed.items()]


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("NOTIFY=never", {"NOTIFY": "never"}),
        ("NOTIFY=SUCCESS,DELAY", {"NOTIFY": "SUCCESS,DELAY"}),
        ("ORCPT=RFC822;A+2Bb@c", {"ORCPT": "RFC822;A+2Bb@c"}),
        ("ORCPT=x400;+2F", {"ORCPT": "x400;+2F"}),
    ],
)
def test_rcpt(given: str, passed: dict[str, Any]) -> None:
    rcpt = received_rcpt(given)
    assert relayed_rcpt_parameters(rcpt, WITH, add_original=False) == passed
    assert relayed_rcpt_parameters(rcpt, WITHOUT) == {}


def test_the_original_recipient_is_kept_or_made_of_the_address_received() -> None:
    assert relayed_rcpt_parameters(received_rcpt(""), WITH, add_original=False) == {}
    assert relayed_rcpt_parameters(received_rcpt(""), WITH) == {
        "ORCPT": OriginalRecipient("rfc822", "bob@example.org")
    }
    assert relayed_rcpt_parameters(received_rcpt("ORCPT=rfc822;x@y"), WITH) == {
        "ORCPT": "rfc822;x@y"
    }
    assert relayed_rcpt_parameters(received_rcpt("", "b\u00f6b@example.org"), WITH) == {
        "ORCPT": OriginalRecipient("utf-8", "b\u00f6b@example.org")
    }


def test_utf8_is_written_so_that_any_server_can_read_it() -> None:
    rcpt = received_rcpt("ORCPT=utf-8;b\u00f6b@example.org")
    client = client_drive.in_mail("DSN")
    passed = relayed_rcpt_parameters(rcpt, client.announced)
    line = client.send(Rcpt("bob@example.org", passed))
    assert line.endswith(rb" ORCPT=utf-8;b\x{F6}b@example.org" + b"\r\n")


def test_a_command_that_was_made_here() -> None:
    rcpt = Rcpt("bob@example.org", {"NOTIFY": ("SUCCESS",)})
    assert relayed_rcpt_parameters(rcpt, WITH, add_original=False) == {"NOTIFY": ("SUCCESS",)}
    assert is_report_due("delivered", SENDER, rcpt)


REPORTS = """
    notify            delivered relayed delayed failed
    -                 no        no      yes     yes
    NEVER             no        no      no      no
    SUCCESS           yes       yes     no      no
    FAILURE           no        no      no      yes
    DELAY             no        no      yes     no
    SUCCESS,FAILURE   yes       yes     no      yes
    FAILURE,DELAY     no        no      yes     yes
"""
HEAD, *ROWS = [line.split() for line in REPORTS.strip().split("\n")]
CASES = [
    (row[0], action, answer == "yes")
    for row in ROWS
    for action, answer in zip(HEAD[1:], row[1:], strict=True)
]


@pytest.mark.parametrize(("notify", "action", "due"), CASES)
def test_who_is_told(notify: str, action: Any, due: bool) -> None:
    rcpt = received_rcpt("" if notify == "-" else f"NOTIFY={notify}")
    assert is_report_due(action, SENDER, rcpt, WITHOUT) is due
    assert is_report_due(action, SENDER, rcpt, WITH) is (due and action != "relayed")
    assert not is_report_due(action, Mail(""), rcpt, WITHOUT), "nobody is told of a bounce"


@pytest.mark.parametrize(
    "address", ["+" * 250 + "@example.org", "Ж" * 64 + "@" + "例え" * 20 + ".jp"]
)
def test_an_original_recipient_that_does_not_fit_is_left_out(address: str) -> None:
    """RFC 3461 5.2.1: it may be added, and the message must not stop there."""
    assert relayed_rcpt_parameters(Rcpt(Path(address)), {"DSN"}) == {}
