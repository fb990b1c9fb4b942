# SPDX-License-Identifier: MIT
"""Our client delivers by LMTP to a real Dovecot, and every octet that was given is in the Maildir.

Dovecot is also who Postfix asks about passwords: see `test_interop_postfix`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_drive import PATIENCE
from interop_drive import HEADER, SENDER, big, each_content, whole
from interop_servers import dovecot, folder

from smtpproto.blocking import AllRefused, Client

pytestmark = pytest.mark.interop

USERS = {"ann": "secret", "bob": "secret", "full": "secret"}


class Site:
    """A Dovecot."""

    def __init__(self, base: Path, port: int) -> None:
        self.base = base
        self.port = port

    def client(self, unix: bool) -> Client:
        where: dict[str, Any] = {"path": str(self.base / "lmtp")} if unix else {"port": self.port}
        return Client("127.0.0.1", lmtp=True, security="none", timeout=PATIENCE, **where)

    def take(self, user: str) -> bytes:
        """Return the one message that a user has got."""
        [file] = (self.base / user / "Maildir" / "new").iterdir()
        octets = file.read_bytes()
        file.unlink()
        return octets


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with folder() as base, dovecot(base, USERS) as port:
        yield Site(base, port)
        print((base / "log").read_text("utf-8"))  # pytest shows it beside a failure


@pytest.mark.parametrize("transfer", ["data", "bdat"])
@pytest.mark.parametrize("unix", [False, True], ids=["TCP", "Unix socket"])
@each_content
def test_every_octet_arrives(site: Site, content: bytes, unix: bool, transfer: Any) -> None:
    with site.client(unix) as client:
        result = client.send(
            content, SENDER, ["ann@example.org", "bob@example.org"], transfer=transfer
        )
    assert result.is_complete
    # It keeps lines with LF, and only DATA has to end with one.
    sent = (whole(content) if transfer == "data" else content).replace(b"\r\n", b"\n")
    for user in ("ann", "bob"):
        octets = site.take(user)
        assert f"Return-Path: <{SENDER}>\n".encode() in octets
        assert octets.endswith(b"\n" + sent)


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_20_megabytes(site: Site, transfer: Any) -> None:
    with site.client(False) as client:
        client.send(big(), SENDER, "ann@example.org", transfer=transfer)
    assert site.take("ann").endswith(big().replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_each_recipient_gets_an_answer(site: Site, transfer: Any) -> None:
    """One is refused at RCPT, and one, whose mailbox is full, at the end (RFC 2033 4.2)."""
    recipients = [f"{name}@example.org" for name in ("ann", "nobody", "full", "bob")]
    with site.client(False) as client:
        result = client.send(HEADER, SENDER, recipients, transfer=transfer)
        assert result.accepted == ("ann@example.org", "bob@example.org")
        assert result.refused["nobody@example.org"].code == 550
        assert result.refused["full@example.org"].code in (452, 552)
        with pytest.raises(AllRefused):
            client.send(HEADER, SENDER, "full@example.org", transfer=transfer)
        client.send(HEADER, "", "ann@example.org", transfer=transfer)
    new = site.base / "ann" / "Maildir" / "new"
    assert len(list(new.iterdir())) == 2
    for path in new.iterdir():
        path.unlink()
    site.take("bob")
