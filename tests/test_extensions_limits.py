# SPDX-License-Identifier: MIT
"""LIMITS: what is announced, what is read of it, and what is held against RCPT."""

from __future__ import annotations

from typing import Any

import client_drive
import extension_drive as drive
import pytest
import server_drive

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.extensions import AnnouncedLimits, ServerLimits

TOO_MANY = (Violation.TOO_MANY_RECIPIENTS, 452, "4.5.3")


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("RCPTMAX=20 MAILMAX=5", AnnouncedLimits(5, 20)),
        ("rcptmax=1 RCPTDOMAINMAX=999999", AnnouncedLimits(None, 1, 999_999)),
        ("RCPTMAX=0", AnnouncedLimits()),
        ("RCPTMAX=1234567", AnnouncedLimits()),
        ("RCPTMAX=05 MAILMAX=5", AnnouncedLimits(5)),
        ("RCPTMAX= MAILMAX=5", AnnouncedLimits()),
        ("RCPTMAX MAILMAX=5", AnnouncedLimits(5)),
        ("RCPTMAX=x MAILMAX=5", AnnouncedLimits(5)),
        ("OTHER=5 MAILMAX=5 A_B-C=x,y", AnnouncedLimits(5)),
        ("A;B", AnnouncedLimits()),
        ("MAILMAX=5;RCPTMAX=5", AnnouncedLimits()),
        ("MAILMAX=5 RCPT?=5", AnnouncedLimits()),
        ("MAILMAX=5  RCPTMAX=5", AnnouncedLimits()),
        ("MAILMAX==5", AnnouncedLimits()),
        ("", AnnouncedLimits()),
    ],
)
def test_what_a_client_reads(text: str, limits: AnnouncedLimits) -> None:
    assert drive.client(f"LIMITS {text}").announced["LIMITS"] == limits


def test_the_last_ehlo_counts() -> None:
    client = drive.client("LIMITS RCPTMAX=5")
    client_drive.announce(client, "SIZE")
    assert "LIMITS" not in client.announced


def test_what_a_server_announces() -> None:
    connection = drive.server(ServerLimits(mail_max=5, rcpt_max=20, rcpt_domain_max=3))
    assert connection.keywords["LIMITS"] == ("MAILMAX=5 RCPTMAX=20 RCPTDOMAINMAX=3",)
    assert connection.announced["LIMITS"] == AnnouncedLimits(5, 20, 3)
    assert drive.server(ServerLimits(rcpt_max=1)).keywords["LIMITS"] == ("RCPTMAX=1",)
    assert "LIMITS" not in drive.server(ServerLimits()).keywords


@pytest.mark.parametrize("bad", [0, -1, 10**6, "5", True, 1.5])
def test_bad_limits(bad: Any) -> None:
    for name in ("mail_max", "rcpt_max", "rcpt_domain_max"):
        with pytest.raises(InvalidValueError, match="1 to 999999 expected"):
            ServerLimits(**{name: bad})


def test_recipients_are_counted_in_both_roles() -> None:
    connection = drive.server(ServerLimits(rcpt_max=2))
    server_drive.talk(connection, server_drive.MAIL + server_drive.RCPT * 2)
    assert drive.rejected(connection, "RCPT TO:<a@b.example>") == TOO_MANY
    assert connection.transaction is not None
    assert len(connection.transaction.recipients) == 2

    client = client_drive.in_rcpt("LIMITS RCPTMAX=2", recipients=2)
    assert drive.local_refusal(client, client_drive.RCPT) == TOO_MANY
    assert client_drive.in_rcpt("LIMITS MAILMAX=2", recipients=3).send(client_drive.RCPT)
