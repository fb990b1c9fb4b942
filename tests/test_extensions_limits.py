# SPDX-License-Identifier: MIT
"""LIMITS: what is announced, what is read of it, and what is held against RCPT."""

from __future__ import annotations

from typing import Any

import client_drive
import extension_drive as drive
import pytest
import server_drive

from smtpproto import CommandReceived, Rcpt, Reply, Rset
from smtpproto.exceptions import InvalidValueError, LocalProtocolError, Violation
from smtpproto.extensions import AnnouncedLimits, ServerLimits, limits_left
from smtpproto.extensions.limits import domains_had
from smtpproto.testing import accept

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


REFUSED = (Violation.TOO_MANY_COMMANDS, 452, "4.7.0")
MAIL = "MAIL FROM:<a@b.example>"


def refuse_rcpt(event: Any) -> Reply:
    refused = isinstance(event, CommandReceived) and isinstance(event.command, Rcpt)
    return Reply(550, "no") if refused else accept(event)


def test_refused_commands_count_too() -> None:
    """RFC 9422 3.3: whoever sends groups cannot know what will be refused."""
    connection = drive.server(ServerLimits(rcpt_max=2))
    server_drive.talk(
        connection, server_drive.MAIL + server_drive.RCPT * 2, application=refuse_rcpt
    )
    assert drive.rejected(connection, "RCPT TO:<a@b.example>") == TOO_MANY
    server_drive.talk(connection, b"RSET\r\n" + server_drive.MAIL)
    assert drive.received(connection, "RCPT TO:<a@b.example>"), "a new transaction"

    client = client_drive.in_mail("LIMITS RCPTMAX=2", "PIPELINING")
    for _ in range(2):
        client.send(client_drive.RCPT)
    assert drive.local_refusal(client, client_drive.RCPT) == TOO_MANY
    client_drive.feed(client, b"550 no\r\n550 no\r\n")
    assert drive.local_refusal(client, client_drive.RCPT) == TOO_MANY
    assert limits_left(client) == AnnouncedLimits(None, 0, None)
    client.send(Rset())
    client_drive.answered(client, b"250 ok\r\n")
    assert limits_left(client) == AnnouncedLimits(None, 2, None)


def test_mail_commands_of_a_session() -> None:
    connection = drive.server(ServerLimits(mail_max=2))
    for reply in (Reply(550, "no"), Reply(250, "ok")):
        drive.received(connection, MAIL)
        connection.send(reply)
    server_drive.talk(connection, b"RSET\r\n", server_drive.HELLO)
    assert drive.rejected(connection, MAIL) == REFUSED
    assert limits_left(connection) == AnnouncedLimits(0, None, None)

    client = drive.client("LIMITS MAILMAX=2")
    assert limits_left(client) == AnnouncedLimits(2, None, None)
    for reply in (b"550 no\r\n", b"250 ok\r\n"):
        client.send(client_drive.MAIL)
        client_drive.answered(client, reply)
    client.send(Rset())
    client_drive.answered(client, b"250 ok\r\n")
    assert drive.local_refusal(client, client_drive.MAIL) == REFUSED
    client_drive.announce(client, "SIZE")
    assert limits_left(client) == AnnouncedLimits()
    assert client.send(client_drive.MAIL), "RFC 9422 3.6: the last EHLO counts"


def test_domains_of_a_session() -> None:
    connection = drive.server(ServerLimits(rcpt_domain_max=2))
    names = ("a@one.example", "b@ONE.example", "Postmaster", "c@two.example", "Postmaster")
    group = "".join(f"RCPT TO:<{name}>\r\n" for name in names)
    assert server_drive.talk(connection, server_drive.MAIL + group.encode()).codes == [250] * 6
    assert drive.rejected(connection, "RCPT TO:<d@three.example>") == TOO_MANY
    server_drive.talk(connection, b"RSET\r\n" + server_drive.MAIL)
    assert drive.rejected(connection, "RCPT TO:<d@three.example>") == TOO_MANY
    assert drive.received(connection, "RCPT TO:<d@Two.example>")

    client = client_drive.in_mail("LIMITS RCPTDOMAINMAX=1", "PIPELINING")
    client.send(Rcpt("a@one.example"))
    assert drive.local_refusal(client, Rcpt("b@two.example")) == TOO_MANY
    client.send(Rcpt("b@One.example"))
    client_drive.feed(client, b"550 no\r\n250 ok\r\n")
    assert limits_left(client) == AnnouncedLimits(None, None, 0)


def test_what_was_not_sent_does_not_count() -> None:
    client = client_drive.in_mail("LIMITS RCPTMAX=1 RCPTDOMAINMAX=1")
    for command in (Rcpt("x" * 600 + "@one.example"), Rcpt("a@one.example", {"NOTIFY": "NEVER"})):
        with pytest.raises(LocalProtocolError):
            client.send(command)
    assert limits_left(client) == AnnouncedLimits(None, 1, 1)
    assert client.send(client_drive.RCPT)


def test_a_server_has_counts_of_its_own() -> None:
    for _ in range(2):
        connection = drive.server(ServerLimits(mail_max=1))
        assert drive.received(connection, MAIL)


def test_nothing_left_where_nothing_was_told() -> None:
    assert limits_left(client_drive.greeted()) == AnnouncedLimits()


def test_which_domains_were_had() -> None:
    client = client_drive.in_mail("LIMITS RCPTDOMAINMAX=5")
    assert domains_had(client) == set()
    for address in ("b@X.org", "c@x.ORG", "d@y.org", "Postmaster"):
        client.send(Rcpt(address))
        client_drive.answered(client, b"550 no\r\n")
    assert domains_had(client) == {"x.org", "y.org"}
