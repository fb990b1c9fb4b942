# SPDX-License-Identifier: MIT
"""A real Postfix as a client of our servers, and as a server for our client.

It stands in the middle: our client gives it messages, and it delivers them to an asyncio server of
ours, by SMTP or by LMTP. So what arrives has gone through both.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from adapter_drive import AsyncioWorld, BlockingWorld
from cli_drive import PATIENCE, certificates, wait_for
from interop_drive import HEADER, RECIPIENTS_500, SENDER, Session, big, each_content, whole
from interop_servers import Postfix, dovecot, folder

from smtpproto import (
    Data,
    Ehlo,
    InvalidValueError,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Reply,
    Rset,
    Vrfy,
    extensions,
)
from smtpproto.blocking import (
    AllRefused,
    AuthenticationError,
    Client,
    Message,
    Peer,
    Reject,
    ReplyError,
    SecurityError,
    send_mail,
)
from smtpproto.grammar.attributes import XClient, XForward
from smtpproto.grammar.verbs import Etrn
from smtpproto.handlers import Users
from smtpproto.tlstools import server_context

pytestmark = pytest.mark.interop


USERS = {"ann": "secret of Ann", "jürgen": "pässword"}
CYRUS = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"]
"""What Postfix can as a client, by way of Cyrus SASL."""
OFFERED = (
    extensions.Size(50_000_000),
    extensions.EightBitMime(),
    extensions.Pipelining(),
    extensions.EnhancedStatusCodes(),
    extensions.SmtpUtf8(),
    extensions.Chunking(),
    extensions.Dsn(),
)


REFUSED_AT_THE_END = Reply(552, "mailbox full", "5.2.2")
FAILURES = {
    "message-later": Reject(451, "disk full", "4.3.1"),
    "session-later": Reject(421, "going down", "4.3.2"),
    "broken": OSError("a hook that fails"),
}


class Inbox:
    """Keeps messages, and refuses the recipients whose names say so."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.tls: list[bool] = []
        self.forwarded: dict[str, Any] = {}
        self._put_off: set[str] = set()

    def _is_new(self, recipient: str) -> bool:
        """Tell whether a message to this recipient has not been put off yet."""
        is_new = recipient not in self._put_off
        self._put_off.add(recipient)
        return is_new

    async def on_rcpt(self, peer: Peer, rcpt: Rcpt) -> None:
        match rcpt.forward_path.local_part:
            case "no-rcpt":
                raise Reject(550, "no such mailbox here", "5.1.1")
            case "rcpt-later" if self._is_new("rcpt-later"):
                raise Reject(450, "not seen before", "4.2.0")

    async def on_message(self, peer: Peer, message: Message) -> list[Reply | None] | None:
        for name, error in FAILURES.items():
            if f"{name}@example.org" in message.recipients and self._is_new(name):
                raise error
        self.messages.append(message)
        self.tls.append(peer.tls is not None)
        self.forwarded = dict(peer.forwarded)
        if not peer.is_lmtp:
            return None
        refused = ["no-message@" in recipient for recipient in message.recipients]
        return [REFUSED_AT_THE_END if it_is else None for it_is in refused]

    def take(self, recipient: str) -> Message:
        """Wait for a message to a recipient, and return it."""

        def find() -> Message | None:
            return next((one for one in self.messages if recipient in one.recipients), None)

        try:
            message = wait_for(find)
        except AssertionError as error:
            error.add_note(f"there are {[one.recipients for one in self.messages]}")
            raise
        self.messages.remove(message)
        return message


class Authenticated(Inbox):
    """Lets ann in, and keeps how she came."""

    def __init__(self) -> None:
        super().__init__()
        self.on_auth = Users(USERS)
        self.logins: list[tuple[str | None, str | None]] = []

    async def on_message(self, peer: Peer, message: Message) -> list[Reply | None] | None:
        self.logins.append((peer.identity, peer.mechanism))
        return await super().on_message(peer, message)


class Site:
    """A Postfix, and our servers behind it."""

    def __init__(
        self,
        postfix: Postfix,
        smtp: Inbox,
        lmtp: Inbox,
        authenticated: Authenticated,
        transcript: list[str],
    ) -> None:
        self.postfix = postfix
        self.authenticated = authenticated
        self.smtp = smtp
        self.lmtp = lmtp
        self.transcript = transcript

    def client(self) -> Client:
        return Client("127.0.0.1", self.postfix.port, security="none", timeout=PATIENCE)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    smtp, lmtp, authenticated = Inbox(), Inbox(), Authenticated()
    transcript: list[str] = []
    world = AsyncioWorld()
    with ExitStack() as stack:
        stack.callback(world.close)
        base = stack.enter_context(folder())
        tls = server_context(certificates()[1])
        options: dict[str, Any] = {
            "extensions": OFFERED,
            "transcript": transcript.append,
            "xclient": ["127.0.0.1", "unix"],
        }
        relay = stack.enter_context(world.serve(smtp, tls=tls, **options))
        local = stack.enter_context(world.serve(lmtp, lmtp=True, **options))
        auth: dict[str, int] = {}
        for name in CYRUS:
            wants = {"auth": [name], "auth_cleartext": True, "require_auth": True}
            server = stack.enter_context(world.serve(authenticated, **options, **wants))
            auth[f"{name.lower()}.example"] = server.port
        postfix = Postfix(base, relay.port, local.port, auth, USERS["ann"])
        path = str(postfix.lmtp_path)
        stack.enter_context(world.serve(lmtp, lmtp=True, path=path, **options))
        os.chmod(path, 0o666)
        stack.enter_context(dovecot(stack.enter_context(folder()), USERS, base / "auth"))
        stack.enter_context(postfix.run())
        yield Site(postfix, smtp, lmtp, authenticated, transcript)
        print(postfix.log.read_text("utf-8"))  # pytest shows it beside a failure


# --- through it, by SMTP -------------------------------------------------------------------------


@pytest.mark.parametrize("transfer", ["data", "bdat"])
@pytest.mark.parametrize("kind", [AsyncioWorld, BlockingWorld])
@each_content
def test_every_octet_goes_through(site: Site, content: bytes, kind: Any, transfer: Any) -> None:
    """Postfix puts fields before it, and ends its last line."""
    with (
        closing(kind()) as world,
        world.client("127.0.0.1", site.postfix.port, security="none") as client,
    ):
        client.send(content, SENDER, "octets@example.org", transfer=transfer)
    message = site.smtp.take("octets@example.org")
    assert message.content.startswith(b"Received: from ")
    assert message.content.endswith(b"\r\n" + whole(content))
    assert message.sender == SENDER
    assert content.isascii() or message.mail.parameters["BODY"] == "8BITMIME"


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_as_much_as_it_takes_goes_through(site: Site, transfer: Any) -> None:
    content = big()[:8_000_000]
    with site.client() as client:
        client.send(content, SENDER, "big@example.org", transfer=transfer)
    assert site.smtp.take("big@example.org").content.endswith(whole(content))


def test_500_recipients_go_through(site: Site) -> None:
    """It takes them in one group, and sends them on 50 at a time."""
    with site.client() as client:
        result = client.send(HEADER, SENDER, RECIPIENTS_500)
    assert result.is_complete
    left = set(RECIPIENTS_500)
    while left:
        left.difference_update(site.smtp.take(min(left)).recipients)


def test_dsn_goes_through(site: Site) -> None:
    """What Postfix does not act on itself it passes on (RFC 3461 5.2.1)."""
    recipients = [
        Rcpt("dsn@example.org", {"NOTIFY": "SUCCESS,DELAY", "ORCPT": "rfc822;x+2By@example.net"}),
        Rcpt("never@example.org", {"NOTIFY": "NEVER"}),
    ]
    with site.client() as client:
        client.send(HEADER, SENDER, recipients, parameters={"RET": "HDRS", "ENVID": "QQ+2B314"})
    message = site.smtp.take("dsn@example.org")
    assert message.mail.parameters["RET"] == "HDRS"
    assert message.mail.parameters["ENVID"] == extensions.EnvelopeId("QQ+314")
    one, other = message.rcpts
    assert one.parameters["NOTIFY"] == ("SUCCESS", "DELAY")
    original = extensions.OriginalRecipient("rfc822", "x+y@example.net")
    assert one.parameters["ORCPT"] == original
    assert other.parameters["NOTIFY"] == ("NEVER",)


def test_utf8_goes_through(site: Site) -> None:
    content = "From: Jürgen <jürgen@example.org>\r\nSubject: Grüße\r\n\r\nGrüße\r\n".encode()
    with site.client() as client:
        client.send(content, "jürgen@example.org", "grüße@bücher.example")
    message = site.smtp.take("grüße@bücher.example")
    assert message.sender == "jürgen@example.org"
    assert message.content.endswith(content)
    assert "SMTPUTF8" in message.mail.parameters


def test_it_comes_over_tls(site: Site) -> None:
    """It looks at our certificate."""
    site.smtp.tls.clear()
    with site.client() as client:
        client.send(HEADER, SENDER, "b@tls.example")
    site.smtp.take("b@tls.example")
    assert site.smtp.tls == [True]


def test_what_we_refuse_it_reports(site: Site) -> None:
    """A null reverse-path, and our reply in the report."""
    with site.client() as client:
        client.send(HEADER, "reports@example.org", ["no-rcpt@example.org", "yes@example.org"])
    assert site.smtp.take("yes@example.org").recipients == ("yes@example.org",)
    report = site.smtp.take("reports@example.org")
    assert report.sender == ""
    said = report.content.decode()
    assert "Diagnostic-Code: smtp; 550 5.1.1 no such mailbox here" in said
    assert "no-rcpt@example.org" in said
    assert "yes@example.org" not in said


@pytest.mark.parametrize("name", ["rcpt-later", *FAILURES])
def test_what_we_put_off_comes_again(site: Site, name: str) -> None:
    with site.client() as client:
        client.send(HEADER, SENDER, f"{name}@example.org")
    assert site.smtp.take(f"{name}@example.org").content.endswith(HEADER)
    assert site.smtp.messages == []


def test_the_null_reverse_path_goes_through(site: Site) -> None:
    with site.client() as client:
        client.send(HEADER, "", "null@example.org")
    assert site.smtp.take("null@example.org").mail.reverse_path.is_null


@pytest.mark.parametrize("mechanism", CYRUS)
def test_it_authenticates(site: Site, mechanism: str) -> None:
    recipient = f"b@{mechanism.lower()}.example"
    with site.client() as client:
        client.send(HEADER, SENDER, recipient)
    site.authenticated.take(recipient)
    assert site.authenticated.logins.pop() == ("ann", mechanism)


# --- through it, by LMTP -------------------------------------------------------------------------

lmtps = pytest.mark.parametrize("domain", ["lmtp.example", "unix.example"])


@lmtps
@each_content
def test_every_octet_goes_through_by_lmtp(site: Site, domain: str, content: bytes) -> None:
    with site.client() as client:
        client.send(content, SENDER, f"octets@{domain}")
    message = site.lmtp.take(f"octets@{domain}")
    assert message.content.endswith(b"\r\n" + whole(content))


@lmtps
def test_each_recipient_gets_an_answer_by_lmtp(site: Site, domain: str) -> None:
    """Two of four are refused, one at RCPT and one at the end: the sender hears of these."""
    names = ["first", "no-rcpt", "no-message", "last"]
    with site.client() as client:
        client.send(HEADER, f"reports@{domain[:4]}.org", [f"{name}@{domain}" for name in names])
    message = site.lmtp.take(f"first@{domain}")
    assert {name.partition("@")[0] for name in message.recipients} == {
        "first",
        "no-message",
        "last",
    }
    said = site.smtp.take(f"reports@{domain[:4]}.org").content.decode()
    assert "Diagnostic-Code: smtp; 550 5.1.1 no such mailbox here" in said
    assert "Diagnostic-Code: smtp; 552 5.2.2 mailbox full" in said
    assert said.count("Final-Recipient:") == 2
    assert "first@" not in said
    assert "last@" not in said


# --- as a server ---------------------------------------------------------------------------------


def test_what_it_refuses(site: Site) -> None:
    """A group with recipients that it takes, will not take, and does not take now."""
    recipients = ["refused@example.org", "taken@example.org", "later@example.org"]
    with site.client() as client:
        assert client.connection is not None
        assert client.connection.may_group
        result = client.send(HEADER, SENDER, recipients)
    assert result.accepted == ("taken@example.org",)
    assert result.transient == ("later@example.org",)
    refused = result.refused["refused@example.org"]
    assert (refused.code, str(refused.enhanced)) == (550, "5.1.1")
    assert site.smtp.take("taken@example.org").recipients == ("taken@example.org",)


def pieces(content: bytes) -> Iterator[bytes]:
    """Give a message so that nobody can know its size before."""
    for start in range(0, len(content), 30_000):
        yield content[start : start + 30_000]


@pytest.mark.parametrize("transfer", ["data", "bdat"])
@pytest.mark.parametrize("announced", [True, False], ids=["SIZE", "no SIZE"])
def test_more_than_it_takes(site: Site, transfer: Any, announced: bool) -> None:
    """Where the size is known nothing is sent; where it is not, the session survives the 552."""
    content = big()[:200_000]
    with Client("127.0.0.1", site.postfix.small, security="none", timeout=PATIENCE) as client:
        with pytest.raises((InvalidValueError, ReplyError)) as caught:
            client.send(
                content if announced else pieces(content),
                SENDER,
                "small@example.org",
                transfer=transfer,
            )
        if announced:
            assert isinstance(caught.value, InvalidValueError)
        else:
            assert isinstance(caught.value, ReplyError)
            assert (caught.value.reply.code, caught.value.reply.enhanced) == (552, "5.3.4")
        client.send(HEADER, SENDER, "small@example.org", transfer=transfer)
    assert site.smtp.take("small@example.org").content.endswith(HEADER)


def test_other_verbs(site: Site) -> None:
    """VRFY tells nothing of an address that is delivered elsewhere (RFC 5321 3.5.3)."""
    with Session(site.postfix.port) as session:
        session.say(Ehlo("client.example"))
        group = [Rset(), Vrfy("b@example.org"), Noop(), Etrn("example.org")]
        replies = [reply for command in group for reply in session.say(command)]
        assert [reply.code for reply in replies] == [250, 252, 250, 459]


def test_starttls(site: Site) -> None:
    context = ssl.create_default_context(cafile=certificates()[0])
    port = site.postfix.port
    with Client("localhost", port, security="starttls", tls=context, timeout=PATIENCE) as client:
        client.send(HEADER, SENDER, "tls@example.org")
    received = b" ".join(site.smtp.take("tls@example.org").content.split())
    assert b" with ESMTPS id " in received


def test_xclient(site: Site) -> None:
    """It takes us for the client we speak for, and greets anew."""
    with Session(site.postfix.port) as session:
        assert session.say(Ehlo("proxy.example"))[0].code == 250
        names = session.connection.announced["XCLIENT"]
        assert {"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR"} <= names
        first = {"NAME": "far.example", "HELO": "hello.example", "PROTO": "ESMTP"}
        for attributes in (first, {"PORT": 4711, "ADDR": IPv6Address("2001:db8::1")}):
            assert session.say(XClient(attributes))[0].code == 220
        assert "DSN" not in session.connection.announced
        assert session.say(Ehlo("helo.example"))[0].code == 250
        assert "DSN" in session.connection.announced
        assert "XCLIENT" not in session.connection.announced
        replies = session.say(Mail(SENDER), Rcpt("xclient@example.org"), Data())
        assert [reply.code for reply in replies] == [250, 250, 354]
        assert session.message(HEADER).code == 250
        assert session.say(Quit())[0].code == 221
    received = site.smtp.take("xclient@example.org").content.split(b"\r\n")
    assert received[0] == b"Received: from helo.example (far.example [IPv6:2001:db8::1])"


@pytest.mark.parametrize("domain", ["example.org", "lmtp.example", "unix.example"])
def test_xforward(site: Site, domain: str) -> None:
    """What it is told of the client before us, it tells our server; else it tells of us."""
    given = {
        "NAME": "far.example",
        "ADDR": IPv4Address("192.0.2.7"),
        "PORT": 4711,
        "HELO": "helo.example",
        "PROTO": "ESMTP",
        "SOURCE": "REMOTE",
    }
    recipient = f"xforward@{domain}"
    inbox = site.smtp if domain == "example.org" else site.lmtp
    with Session(site.postfix.port) as session:
        session.say(Ehlo("filter.example"))
        group = [XForward(given), Mail(SENDER), Rcpt(recipient), Data()]
        assert [reply.code for reply in session.say(*group)] == [250, 250, 250, 354]
        assert session.message(HEADER).code == 250
        inbox.take(recipient)
        assert inbox.forwarded.items() >= given.items()
        assert session.say(Mail(SENDER), Rcpt(recipient), Data())[2].code == 354
        assert session.message(HEADER).code == 250
    inbox.take(recipient)
    assert inbox.forwarded["ADDR"] == IPv4Address("127.0.0.1")
    assert inbox.forwarded["HELO"] == "filter.example"


# --- as a server that asks Dovecot about passwords ------------------------------------------------

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "LOGIN", "PLAIN"]
mechanisms = pytest.mark.parametrize("mechanism", MECHANISMS)


def submit(site: Site, **options: Any) -> None:
    """Send a message to the port that wants to know who we are."""
    given = {"security": "none", "timeout": PATIENCE, "recipients": "auth@example.org", **options}
    send_mail(HEADER, "localhost", site.postfix.submission, sender=SENDER, **given)


def test_without_authentication(site: Site) -> None:
    with pytest.raises(AllRefused):
        submit(site)


@mechanisms
@pytest.mark.parametrize("username", USERS)
def test_authentication(site: Site, mechanism: str, username: str) -> None:
    submit(site, username=username, password=USERS[username], auth=mechanism)
    received = site.smtp.take("auth@example.org").content.split(b"\r\nSubject:")[0]
    shown = re.sub(rb"[^ -~]", b"?", username.encode())
    assert b"(Authenticated sender: %s)" % shown in received


def test_the_strongest_mechanism_comes_first(site: Site) -> None:
    transcript: list[str] = []
    submit(site, transcript=transcript.append, username="ann", password=USERS["ann"])
    site.smtp.take("auth@example.org")
    assert [line for line in transcript if "AUTH SCRAM" in line] == ["-> AUTH SCRAM-SHA-256 ***"]


@mechanisms
@pytest.mark.parametrize("username", ["ann", "nobody"])
def test_a_wrong_password(site: Site, mechanism: str, username: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        submit(site, username=username, password="another", auth=mechanism)
    assert caught.value.reply.code == 535


def test_a_password_goes_in_tls_only(site: Site) -> None:
    """Unless it is said otherwise, or the server is on this machine."""
    tls = ssl.create_default_context(cafile=certificates()[0])
    options = {"username": "ann", "password": USERS["ann"], "allow_cleartext_auth": False}
    with pytest.raises(SecurityError):
        submit(site, auth="PLAIN", **options)
    submit(site, auth="PLAIN", **options | {"security": "starttls", "tls": tls})
    site.smtp.take("auth@example.org")
