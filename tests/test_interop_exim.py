# SPDX-License-Identifier: MIT
"""A real Exim in the middle: it knows PRDR, and as a client BDAT, which Postfix does not.

Our client gives it messages, and it delivers them to an asyncio server of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from adapter_drive import AsyncioWorld
from cli_drive import PATIENCE, certificates, wait_for
from interop_drive import HEADER, SENDER, big, each_content, whole
from interop_servers import exim, folder

from smtpproto import Rcpt, Reply, extensions
from smtpproto.blocking import Client, Message, Peer, Reject
from smtpproto.tlstools import server_context

pytestmark = pytest.mark.interop

OFFERED = (
    extensions.Size(50_000_000),
    extensions.EightBitMime(),
    extensions.Pipelining(),
    extensions.EnhancedStatusCodes(),
    extensions.SmtpUtf8(),
    extensions.Chunking(),
    extensions.Dsn(),
)
FULL = Reply(552, "mailbox full", "5.2.2")


class Inbox:
    """Keeps messages, and refuses the recipients whose names say so."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def on_rcpt(self, peer: Peer, rcpt: Rcpt) -> None:
        if rcpt.forward_path.local_part == "no-rcpt":
            raise Reject(550, "no such mailbox here", "5.1.1")

    async def on_message(self, peer: Peer, message: Message) -> list[Reply | None] | None:
        assert peer.tls is not None or peer.is_lmtp
        self.messages.append(message)
        if not peer.is_lmtp and "PRDR" not in message.mail.parameters:
            return None
        return [FULL if "no-message@" in name else None for name in message.recipients]

    def take(self, recipient: str) -> Message:
        """Wait for a message to a recipient, and return it."""

        def find() -> Message | None:
            return next((one for one in self.messages if recipient in one.recipients), None)

        message = wait_for(find)
        self.messages.remove(message)
        return message


class Site:
    """An Exim, and our servers behind it."""

    def __init__(self, port: int, smtp: Inbox, lmtp: Inbox, transcript: list[str]) -> None:
        self.port = port
        self.smtp = smtp
        self.lmtp = lmtp
        self.transcript = transcript

    def client(self) -> Client:
        return Client("127.0.0.1", self.port, security="none", timeout=PATIENCE)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    smtp, lmtp = Inbox(), Inbox()
    transcript: list[str] = []
    world = AsyncioWorld()
    with ExitStack() as stack:
        stack.callback(world.close)
        base = stack.enter_context(folder())
        options: dict[str, Any] = {"transcript": transcript.append}
        tls = server_context(certificates()[1])
        offered = (*OFFERED, extensions.Prdr())
        relay = stack.enter_context(world.serve(smtp, tls=tls, extensions=offered, **options))
        local = stack.enter_context(world.serve(lmtp, lmtp=True, extensions=OFFERED, **options))
        port = stack.enter_context(exim(base, relay.port, local.port))
        yield Site(port, smtp, lmtp, transcript)
        print(*transcript, sep="\n")
        for log in base.glob("*log"):
            print(log.read_text("utf-8"))  # pytest shows it beside a failure


@pytest.mark.parametrize("transfer", ["data", "bdat"])
@each_content
def test_every_octet_goes_through(site: Site, content: bytes, transfer: Any) -> None:
    """It puts a field before it, and sends it on by BDAT, over TLS."""
    site.transcript.clear()
    with site.client() as client:
        client.send(content, SENDER, "octets@example.org", transfer=transfer)
    message = site.smtp.take("octets@example.org")
    assert message.content.startswith(b"Received: from ")
    assert message.content.endswith(b"\r\n" + whole(content))
    assert message.sender == SENDER
    assert not [line for line in site.transcript if line == "-> DATA"]


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_as_much_as_it_takes_goes_through(site: Site, transfer: Any) -> None:
    content = big()[:8_000_000]
    with site.client() as client:
        client.send(content, SENDER, "big@example.org", transfer=transfer)
    assert site.smtp.take("big@example.org").content.endswith(whole(content))


def test_dsn_goes_through(site: Site) -> None:
    recipients = [
        Rcpt("dsn@example.org", {"NOTIFY": "SUCCESS,DELAY", "ORCPT": "rfc822;x+2By@example.net"}),
        Rcpt("never@example.org", {"NOTIFY": "NEVER"}),
    ]
    with site.client() as client:
        client.send(HEADER, SENDER, recipients, parameters={"RET": "HDRS", "ENVID": "QQ+2B314"})
    message = site.smtp.take("dsn@example.org")
    assert message.mail.parameters["RET"] == "HDRS"
    assert message.mail.parameters["ENVID"] == extensions.EnvelopeId("QQ+314")
    by_name = {rcpt.forward_path.local_part: rcpt.parameters for rcpt in message.rcpts}
    assert by_name["dsn"]["NOTIFY"] == ("SUCCESS", "DELAY")
    assert by_name["dsn"]["ORCPT"] == extensions.OriginalRecipient("rfc822", "x+y@example.net")
    assert by_name["never"]["NOTIFY"] == ("NEVER",)


def test_utf8_goes_through(site: Site) -> None:
    content = "From: Jürgen <jürgen@example.org>\r\nSubject: Grüße\r\n\r\nGrüße\r\n".encode()
    with site.client() as client:
        client.send(content, "jürgen@example.org", "grüße@bücher.example")
    message = site.smtp.take("grüße@bücher.example")
    assert message.sender == "jürgen@example.org"
    assert message.content.endswith(content)


@pytest.mark.parametrize("domain", ["lmtp.example", "prdr.example"])
def test_each_recipient_gets_an_answer(site: Site, domain: str) -> None:
    """Two of four are refused, one at RCPT and one at the end: the sender hears of these.

    In SMTP it asks for PRDR by itself where there is more than one recipient.
    """
    names = ["first", "no-rcpt", "no-message", "last"]
    with site.client() as client:
        client.send(HEADER, "reports@example.org", [f"{name}@{domain}" for name in names])
    message = (site.lmtp if domain == "lmtp.example" else site.smtp).take(f"first@{domain}")
    assert sorted(message.recipients) == [
        f"{name}@{domain}" for name in ("first", "last", "no-message")
    ]
    report = site.smtp.take("reports@example.org")
    assert report.mail.reverse_path.is_null
    said = report.content.decode()
    assert "550 5.1.1 no such mailbox here" in said
    assert "552 5.2.2 mailbox full" in said
    assert "first@" not in said
    assert "last@" not in said


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_each_recipient_gets_an_answer_of_it_by_prdr(site: Site, transfer: Any) -> None:
    recipients = ["yes@example.org", "unwanted@example.org", "refused@example.org", "b@example.org"]
    with site.client() as client:
        result = client.send(
            HEADER, SENDER, recipients, parameters={"PRDR": None}, transfer=transfer
        )
        again = client.send(HEADER, SENDER, "again@example.org")
    assert result.accepted == ("yes@example.org", "b@example.org")
    assert "does not want this" in str(result.refused["unwanted@example.org"])
    assert "nobody of that name" in str(result.refused["refused@example.org"])
    assert again.is_complete
    assert set(site.smtp.take("yes@example.org").recipients) == {"yes@example.org", "b@example.org"}
