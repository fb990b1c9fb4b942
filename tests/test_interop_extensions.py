# SPDX-License-Identifier: MIT
"""Clients of others use what an asyncio server has beside mail: DSN, LMTP, XCLIENT, PROXY, ETRN."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import AsyncioWorld
from cli_drive import PATIENCE, certificates
from interop_drive import HEADER, SENDER, ca, outcome, run, run_in_loop

from smtpproto import Command, Ehlo, Helo, Reply, extensions
from smtpproto.blocking import Message, Peer
from smtpproto.grammar.verbs import Etrn
from smtpproto.tlstools import server_context

pytestmark = pytest.mark.interop

RECIPIENT = "b@example.org"
OFFERED = (
    extensions.Size(),
    extensions.EightBitMime(),
    extensions.Pipelining(),
    extensions.EnhancedStatusCodes(),
    extensions.SmtpUtf8(),
    extensions.Dsn(),
)


class Inbox:
    def __init__(self) -> None:
        self.messages: list[tuple[Message, Peer]] = []

    async def on_message(self, peer: Peer, message: Message) -> None:
        self.messages.append((message, peer))


@pytest.fixture(scope="module")
def world() -> Iterator[AsyncioWorld]:
    world = AsyncioWorld()
    yield world
    world.close()


# --- DSN --------------------------------------------------------------------------------------

MAIL = {"RET": "HDRS", "ENVID": "QQ+2B314"}
RCPT = {"NOTIFY": "SUCCESS,DELAY", "ORCPT": "rfc822;x+2By@example.net"}


def words(parameters: dict[str, str]) -> list[str]:
    return [f"{keyword}={text}" for keyword, text in parameters.items()]


def by_smtplib(port: int, _: Path) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        assert client.sendmail(SENDER, RECIPIENT, HEADER, words(MAIL), words(RCPT)) == {}


def by_aiosmtplib(port: int, _: Path) -> None:
    import aiosmtplib

    async def send() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, timeout=PATIENCE) as client:
            await client.sendmail(
                SENDER, RECIPIENT, HEADER, mail_options=words(MAIL), rcpt_options=words(RCPT)
            )

    run_in_loop(send())


def by_msmtp(port: int, _: Path) -> None:
    run(
        "msmtp",
        *("--host=127.0.0.1", f"--port={port}", "--domain=client.example", f"--from={SENDER}"),
        *("--tls=off", "--dsn-notify=success,delay", "--dsn-return=headers", "--", RECIPIENT),
        given=HEADER.replace(b"\r\n", b"\n"),
    )


def by_swaks(port: int, _: Path) -> None:
    """A comma is the end of a recipient here."""
    run(
        *("swaks", "--server", "127.0.0.1", "--port", port, "--helo", "client.example"),
        *(
            "--from",
            smuggled(SENDER, MAIL),
            "--to",
            smuggled(RECIPIENT, {**RCPT, "NOTIFY": "DELAY"}),
        ),
    )


def by_curl(port: int, folder: Path) -> None:
    file = folder / "data"
    file.write_bytes(HEADER)
    run(
        *("curl", "--silent", "--show-error", "--upload-file", file),
        *("--mail-from", smuggled(SENDER, MAIL), "--mail-rcpt", smuggled(RECIPIENT, RCPT)),
        f"smtp://127.0.0.1:{port}/client.example",
    )


def smuggled(address: str, parameters: dict[str, str]) -> str:
    """Put parameters where a client wants an address; the ``>`` it adds ends the last value."""
    return " ".join((f"{address}>", *words(parameters)))


# What each can say; the last value of swaks and curl has the ">", which is right in xtext.
DSN = [
    (by_smtplib, "QQ+314", "x+y@example.net"),
    (by_aiosmtplib, "QQ+314", "x+y@example.net"),
    (by_msmtp, None, None),
    (by_swaks, "QQ+314>", "x+y@example.net>"),
    (by_curl, "QQ+314>", "x+y@example.net>"),
]


@pytest.mark.parametrize(
    ("send", "envelope_id", "original"), DSN, ids=[send.__name__ for send, _, _ in DSN]
)
def test_dsn(
    world: AsyncioWorld,
    send: Callable[[int, Path], None],
    envelope_id: str | None,
    original: str | None,
    tmp_path: Path,
) -> None:
    inbox = Inbox()
    with world.serve(inbox, extensions=OFFERED) as server:
        send(server.port, tmp_path)
    [(message, _)] = inbox.messages
    assert (message.sender, message.recipients) == (SENDER, (RECIPIENT,))
    mail, rcpt = message.mail.parameters, message.rcpts[0].parameters
    assert mail["RET"] == "HDRS"
    assert rcpt["NOTIFY"] == (("DELAY",) if send is by_swaks else ("SUCCESS", "DELAY"))
    assert mail.get("ENVID") == (envelope_id and extensions.EnvelopeId(envelope_id))
    assert rcpt.get("ORCPT") == (original and extensions.OriginalRecipient("rfc822", original))


# --- LMTP -------------------------------------------------------------------------------------

LMTP_RECIPIENTS = ["first@example.org", "full@example.org", "last@example.org"]


class Mailboxes(Inbox):
    """One of them is full."""

    async def on_message(self, peer: Peer, message: Message) -> list[Reply | None]:
        await super().on_message(peer, message)
        return [FULL if name == "full@example.org" else None for name in message.recipients]


FULL = Reply(452, "mailbox full", "4.2.2")


def lmtp_by_msmtp(where: int | str) -> str:
    to = [f"--port={where}"] if isinstance(where, int) else ["--port=24", f"--socket={where}"]
    return outcome(
        *("msmtp", "--protocol=lmtp", "--host=localhost", *to, "--domain=client.example"),
        *("--tls=off", f"--from={SENDER}", "--", *LMTP_RECIPIENTS),
        given=HEADER.replace(b"\r\n", b"\n"),
    )[1]


def lmtp_by_swaks(where: int | str) -> str:
    to = (
        ["--server", "127.0.0.1", "--port", where]
        if isinstance(where, int)
        else ["--socket", where]
    )
    return outcome(
        *("swaks", "--protocol", "LMTP", *to, "--helo", "client.example", "--from", SENDER),
        *("--to", ",".join(LMTP_RECIPIENTS)),
    )[1]


@pytest.mark.parametrize("send", [lmtp_by_msmtp, lmtp_by_swaks])
@pytest.mark.parametrize("unix", [False, True], ids=["TCP", "Unix socket"])
def test_lmtp(
    world: AsyncioWorld, send: Callable[[int | str], str], unix: bool, tmp_path: Path
) -> None:
    """Each recipient has an answer of its own (RFC 2033 4.2)."""
    inbox = Mailboxes()
    path = str(tmp_path / "socket")
    with world.serve(inbox, lmtp=True, path=path if unix else None) as server:
        said = send(path if unix else server.port)
    assert "mailbox full" in said
    [(message, peer)] = inbox.messages
    assert message.recipients == tuple(LMTP_RECIPIENTS)
    assert peer.is_lmtp


# --- PROXY ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("family", ["TCP4", "TCP6"])
def test_swaks_as_a_proxy(world: AsyncioWorld, version: int, family: str) -> None:
    inbox = Inbox()
    source = "192.0.2.7" if family == "TCP4" else "2001:db8::7"
    destination = "192.0.2.1" if family == "TCP4" else "2001:db8::1"
    with world.serve(inbox, proxy=["127.0.0.1"]) as server:
        run(
            *("swaks", "--server", "127.0.0.1", "--port", server.port, "--from", SENDER),
            *("--to", RECIPIENT, "--proxy-version", version, "--proxy-command", "PROXY"),
            *("--proxy-family", family if version == 1 else f"AF_INET{'6' * (family == 'TCP6')}"),
            *("--proxy-source", source, "--proxy-source-port", 4711),
            *("--proxy-dest", destination, "--proxy-dest-port", 25),
            *(("--proxy-protocol", "STREAM") if version == 2 else ()),
        )
    [(_, peer)] = inbox.messages
    assert peer.address == (source, 4711)
    assert peer.proxy is not None
    assert peer.proxy.version == version


# --- XCLIENT ----------------------------------------------------------------------------------


class Sessions(Inbox):
    """Keeps which clients were greeted, and how they named themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.greeted: list[Any] = []
        self.hellos: list[str] = []

    async def on_connect(self, peer: Peer) -> None:
        self.greeted.append(peer.address)

    async def on_ehlo(self, peer: Peer, hello: Ehlo | Helo) -> None:
        self.hellos.append(hello.domain)


@pytest.mark.parametrize("between", [[], ["--xclient-delim"]], ids=["one XCLIENT", "two"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "STARTTLS"])
def test_swaks_as_another_client(world: AsyncioWorld, between: list[str], tls: bool) -> None:
    """The address comes last; there is a new greeting for each XCLIENT."""
    inbox = Sessions()
    context = server_context(certificates()[1])
    with world.serve(inbox, xclient=["127.0.0.1"], tls=context) as server:
        run(
            *("swaks", "--server", "localhost", "--port", server.port, "--from", SENDER, "--to"),
            *(RECIPIENT, "--xclient-helo", "helo.example", "--xclient-login", "ann", *between),
            *("--xclient-port", 4711, "--xclient-addr", "IPv6:2001:db8::7"),
            *("--helo", "client.example", *(("--tls", "--tls-ca-path", ca()) if tls else ())),
        )
    [(_, peer)] = inbox.messages
    assert peer.address == ("2001:db8::7", 4711)
    assert peer.identity == "ann"
    assert peer.claimed["HELO"] == "helo.example"
    assert inbox.greeted[-1] == peer.address
    assert len(inbox.greeted) == (3 if between else 2)
    assert set(inbox.hellos) == {"client.example"}


def test_who_was_spoken_for_speaks_for_nobody(world: AsyncioWorld) -> None:
    """A proxy that passes its client on behind XCLIENT has given its right away."""
    inbox = Sessions()
    with world.serve(inbox, xclient=["127.0.0.1"]) as server:
        status, said = outcome(
            *("swaks", "--server", "127.0.0.1", "--port", server.port, "--from", SENDER, "--to"),
            *(
                RECIPIENT,
                "--xclient-addr",
                "192.0.2.7",
                "--xclient-delim",
                "--xclient-login",
                "ann",
            ),
        )
    assert status != 0
    assert "XCLIENT attempted but failed" in said
    assert inbox.greeted[-1] == ("192.0.2.7", 0)


def test_curl_as_another_client(world: AsyncioWorld) -> None:
    inbox = Sessions()
    with world.serve(inbox, xclient=["127.0.0.1"]) as server:
        run(
            *("curl", "--silent", "--show-error", "--request", "XCLIENT ADDR=192.0.2.7 PORT=4711"),
            f"smtp://127.0.0.1:{server.port}/client.example",
        )
    assert inbox.greeted[-1] == ("192.0.2.7", 4711)


def test_who_is_not_trusted_is_nobody_else(world: AsyncioWorld) -> None:
    inbox = Sessions()
    with world.serve(inbox, xclient=["192.0.2.0/24"]) as server:
        status, said = outcome(
            *("swaks", "--server", "127.0.0.1", "--port", server.port, "--from", SENDER, "--to"),
            *(RECIPIENT, "--xclient", "ADDR=192.0.2.7"),
        )
    assert status != 0
    assert "Host did not advertise XCLIENT" in said
    assert len(inbox.greeted) == 1


# --- ETRN -------------------------------------------------------------------------------------


def test_msmtp_asks_for_a_queue(world: AsyncioWorld) -> None:
    """RFC 1985 5.3: 253 tells how many messages are coming."""
    asked = []

    class Queues(Inbox):
        async def on_command(self, peer: Peer, command: Command) -> Reply:
            asked.append(command)
            return Reply(253, "2 pending messages for node example.org started", "2.0.0")

    with world.serve(Queues(), extensions=[extensions.Etrn()]) as server:
        run("msmtp", "--host=127.0.0.1", f"--port={server.port}", "--tls=off", "--rmqs=example.org")
    assert asked == [Etrn("example.org")]
