# SPDX-License-Identifier: MIT
"""The servers that are measured, each in a process of its own: accept everything, keep nothing.

    python tests/bench/servers.py NAME

It prints its port and serves until it is killed. Every one gets the handler with which it does
least. "canned" chooses its reply by the first octet of a read and parses nothing: what asyncio
itself costs, and so the limit of what a server on it can do. It cannot be pipelined to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":
    from pathlib import Path

    # Another tree of the package may be named by PYTHONPATH.
    sys.path.append(str(Path(__file__).parents[2] / "src"))

LOOPBACK = "127.0.0.1"


def run(main: Callable[[], Any], uvloop: bool) -> None:
    """Run a coroutine function in a loop of the wanted kind."""
    factory = None
    if uvloop:
        import uvloop as faster

        factory = faster.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def announce(port: int) -> None:
    print(port, flush=True)


# ------------------------------------------------------------------------------------------- ours


class Whole:
    """A handler that takes each message at once, as those of most peers do."""

    async def on_message(self, peer: Any, message: Any) -> None:
        pass


class Plain:
    """The same by a plain function, which is known not to block: no task is made for it."""

    def on_message(self, peer: Any, message: Any) -> None:
        pass


class Sink:
    """Takes a message piece by piece and drops it."""

    async def write(self, data: bytes) -> None:
        pass

    async def commit(self) -> None:
        pass

    async def abort(self) -> None:
        pass


class Streaming:
    """A handler that opens a sink: no message is ever in memory as a whole."""

    async def open_message(self, peer: Any) -> Sink:
        return Sink()


class PlainSink:
    """The same, for threads."""

    def write(self, data: bytes) -> None:
        pass

    commit = abort = lambda self: None


class PlainStreaming:
    """The same, for threads."""

    def open_message(self, peer: Any) -> PlainSink:
        return PlainSink()


def ours(handler: Any, uvloop: bool = False, **settings: Any) -> None:
    from smtpproto.asyncio import serve
    from smtpproto.limits import Limits

    async def main() -> None:
        limits = Limits(mail_data=None)
        settings.update(limits=limits, connections=None)
        async with serve(handler, LOOPBACK, 0, **settings) as server:
            announce(server.port)
            await server.serve_forever()

    run(main, uvloop)


def ours_blocking() -> None:
    from smtpproto.blocking import serve
    from smtpproto.limits import Limits

    limits = Limits(mail_data=None)
    with serve(PlainStreaming(), LOOPBACK, 0, limits=limits, connections=None) as server:
        announce(server.port)
        server.serve_forever()


# ----------------------------------------------------------------------------------------- canned

_REPLIES = {
    b"E": b"250-canned\r\n250 8BITMIME\r\n",
    b"D": b"354 go on\r\n",
    b"Q": b"221 bye\r\n",
}
_OK = b"250 ok\r\n"


class Canned(asyncio.BufferedProtocol):
    """Answers without parsing."""

    buffer = memoryview(bytearray(65536))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.in_data = False
        transport.write(b"220 canned ESMTP\r\n")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        octets = bytes(self.buffer[:nbytes])
        if self.in_data:
            if octets.endswith(b".\r\n"):
                self.in_data = False
                self.transport.write(_OK)
            return
        first = octets[:1]
        self.transport.write(_REPLIES.get(first, _OK))
        if first == b"D":
            self.in_data = True
        elif first == b"Q":
            self.transport.close()


def canned(uvloop: bool = False) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Canned, LOOPBACK, 0)
        announce(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    run(main, uvloop)


# ------------------------------------------------------------------------------------------ peers


def aiosmtpd(uvloop: bool = False) -> None:
    from aiosmtpd.smtp import SMTP

    logging.getLogger("mail.log").setLevel(logging.ERROR)

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            return "250 2.0.0 ok"

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(Handler(), data_size_limit=0, enable_SMTPUTF8=True), LOOPBACK, 0
        )
        announce(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    run(main, uvloop)


def twisted() -> None:
    from twisted.internet import defer, reactor
    from twisted.mail import smtp
    from zope.interface import implementer

    @implementer(smtp.IMessage)
    class Dropped:
        def lineReceived(self, line: bytes) -> None:
            pass

        def eomReceived(self) -> Any:
            return defer.succeed(None)

        def connectionLost(self) -> None:
            pass

    @implementer(smtp.IMessageDelivery)
    class Delivery:
        def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
            return b"Received: x"

        def validateFrom(self, helo: Any, origin: Any) -> Any:
            return origin

        def validateTo(self, user: Any) -> Any:
            return Dropped

    class Factory(smtp.SMTPFactory):
        protocol = smtp.ESMTP
        noisy = False

        def buildProtocol(self, address: Any) -> Any:
            protocol = super().buildProtocol(address)
            protocol.delivery = Delivery()
            return protocol

    listener = reactor.listenTCP(0, Factory(), interface=LOOPBACK, backlog=100)
    announce(listener.getHost().port)
    reactor.run()


SERVERS: dict[str, Callable[[], None]] = {
    "ours": lambda: ours(Whole()),
    "ours, plain": lambda: ours(Plain(), threads=False),
    "ours, streamed": lambda: ours(Streaming()),
    "ours, uvloop": lambda: ours(Whole(), uvloop=True),
    "ours, blocking": ours_blocking,
    "canned": canned,
    "canned, uvloop": lambda: canned(uvloop=True),
    "aiosmtpd": aiosmtpd,
    "aiosmtpd, uvloop": lambda: aiosmtpd(uvloop=True),
    "Twisted": twisted,
}
"""smtp-sink, a program of its own, is the table's business."""

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        SERVERS[sys.argv[1]]()
