# SPDX-License-Identifier: MIT
"""What a type checker sees of the adapters: options are checked, a misspelt one is an error."""

from __future__ import annotations

from email.message import EmailMessage
from typing import assert_type

from smtpproto import Limits, Rcpt, Reply, Vrfy, blocking
from smtpproto import asyncio as aio
from smtpproto.dialogues import Handler
from smtpproto.handlers import Collect, JsonLines, Maildir, Print
from smtpproto.sasl import PlainClient


class Inbox:
    def on_rcpt(self, peer: aio.Peer, rcpt: Rcpt) -> Reply | None:
        assert_type(peer.is_lmtp, bool)
        if peer.is_lmtp:
            raise aio.Reject(550, Reply(550, ["one", "two"]).lines)
        return None

    async def on_message(self, peer: aio.Peer, message: aio.Message) -> None:
        assert_type(message.content, bytes)
        assert_type(message.recipients, tuple[str, ...])
        assert_type(message.parse(), EmailMessage)


async def asynchronous() -> None:
    async with aio.serve(Inbox(), "127.0.0.1", 0, limits=Limits(), lmtp=True) as server:
        assert_type(server, aio.Server)
        assert_type(server.port, int)
    result = await aio.send_mail(b"", "127.0.0.1", sender="", recipients=["a@x.org"])
    assert_type(result, aio.SendResult)
    aio.serve(Inbox(), hostnam="x")  # type: ignore[call-arg]
    aio.serve(Inbox(), timeout="5")  # type: ignore[arg-type]
    async with aio.Client("127.0.0.1", 25, security="starttls") as client:
        assert_type(await client.send(EmailMessage()), aio.SendResult)
        assert_type(await client.execute(Vrfy("bob")), Reply)
        assert_type(client.is_connected, bool)
        await client.send("text")  # type: ignore[arg-type]
        await client.send(b"", recipients=[b"b@x.org"])  # type: ignore[list-item]
    aio.Client(security="tls")  # type: ignore[arg-type]

    async def token() -> str:
        return "fresh"

    aio.Client(username="ann", token=token, auth=["XOAUTH2", lambda: PlainClient("ann", "x")])
    aio.Client(username="ann", password=4711)  # type: ignore[arg-type]


def synchronous() -> None:
    with blocking.serve(Collect(), hostname="mx.example.org", connections=None) as server:
        assert_type(server, blocking.Server)
    assert_type(blocking.send_mail(b"", sender="", recipients="a@x.org"), blocking.SendResult)
    blocking.serve(Inbox(), thread=False)  # type: ignore[call-arg]
    with blocking.Client(username="ann", password=b"x", allow_cleartext_auth=False) as client:
        assert_type(client.send([b"pieces"]).transcript, tuple[str, ...])
    blocking.send_mail(b"", securty="none")  # type: ignore[call-arg]
    for handler in (Collect(), Print(), JsonLines(), Maildir("mail", hostname="mx.example.org")):
        blocking.serve(handler)


def all_hooks(handler: Handler) -> None:
    blocking.serve(handler)
