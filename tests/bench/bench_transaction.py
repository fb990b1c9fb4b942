# SPDX-License-Identifier: MIT
"""What a kept transaction costs in memory: MAIL, RCPT, DATA, 1 KiB and the end, no sockets.

    python tests/bench/bench_transaction.py [--check]

User instructions, counted by valgrind's cachegrind as the difference between two numbers of
transactions, so that start-up drops out: a figure that repeats on a busy machine. Contenders, each
in a process of its own: our server driven by a loop on ``type(event)``, our server driven by the
``match`` loop of the README, and aiosmtpd's protocol class on its event loop where it is installed.
With ``--check`` the exit status is 1 when a ceiling is passed.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "src")]

FEW, MANY = 50, 350
BODY = (b"x" * 70 + b"\r\n") * 14 + b"y" * 14 + b"\r\n.\r\n"
CEILINGS = {"type": 150_000, "match": 200_000}
TIMES_AIOSMTPD = 12.0


def feeds(number: int) -> tuple[bytes, ...]:
    """Return what the client sends in one transaction, a read each."""
    return (
        b"MAIL FROM:<alice@example.org>\r\n",
        b"RCPT TO:<bob%d@example.net>\r\n" % (number % 10),
        b"DATA\r\n",
        BODY,
    )


def connection():
    from smtpproto import Reply, ServerConnection, extensions

    conn = ServerConnection(
        "mx.example.org",
        extensions=[
            extensions.Pipelining(),
            extensions.Size(50_000_000),
            extensions.EightBitMime(),
            extensions.EnhancedStatusCodes(),
            extensions.SmtpUtf8(),
            extensions.Chunking(),
            extensions.StartTLS(),
        ],
    )
    conn.send(Reply(220, "mx.example.org ESMTP"))
    conn.receive_data(b"EHLO client.example\r\n")
    conn.send(conn.next_event().default_reply)
    return conn


def by_type(count: int) -> None:
    from smtpproto import (
        CommandReceived,
        Mail,
        MailDataEnded,
        MailDataReceived,
        Rcpt,
        Reply,
        Signal,
    )

    conn = connection()
    replies = {Mail: Reply(250, "ok", "2.1.0"), Rcpt: Reply(250, "ok", "2.1.5")}
    queued = Reply(250, "queued", "2.0.0")
    for number in range(count):
        for feed in feeds(number):
            out = b""
            conn.receive_data(feed)
            while True:
                event = conn.next_event()
                kind = type(event)
                if kind is CommandReceived:
                    out += conn.send(event.default_reply or replies[type(event.command)])
                elif kind is MailDataEnded:
                    out += conn.send(event.default_reply or queued)
                elif kind is Signal:
                    break
                else:
                    assert kind is MailDataReceived, event
        assert out == b"250 2.0.0 queued\r\n", out


def by_match(count: int) -> None:
    from smtpproto import (
        CommandReceived,
        ConnectionClosed,
        Mail,
        MailDataEnded,
        MailDataReceived,
        Rcpt,
        Reply,
        Signal,
    )

    conn = connection()
    mailboxes = {f"bob{number}@example.net" for number in range(10)}
    for number in range(count):
        for feed in feeds(number):
            out = b""
            conn.receive_data(feed)
            while True:
                match conn.next_event():
                    case Signal.NEED_DATA:
                        break
                    case CommandReceived(command=Mail()):
                        out += conn.send(Reply(250, "ok", "2.1.0"))
                    case CommandReceived(command=Rcpt(forward_path=path)):
                        known = path.address in mailboxes
                        out += conn.send(
                            Reply(250, "ok", "2.1.5") if known else Reply(550, "no", "5.1.1")
                        )
                    case MailDataReceived():
                        pass
                    case MailDataEnded(violation=None):
                        out += conn.send(Reply(250, "queued", "2.0.0"))
                    case ConnectionClosed():
                        raise AssertionError
                    case event:
                        out += conn.send(event.default_reply)
        assert out == b"250 2.0.0 queued\r\n", out


class Discarding:
    """A handler that keeps nothing."""

    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 queued"


class Transport:
    """What aiosmtpd writes to."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name, default=None):
        return ("127.0.0.1", 1) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def __getattr__(self, name):
        return lambda *_: None


def by_aiosmtpd(count: int) -> None:
    from aiosmtpd.smtp import SMTP

    async def exchange(protocol, transport, feed):
        transport.written = b""
        protocol.data_received(feed)
        while not transport.written.endswith(b"\r\n"):
            await asyncio.sleep(0)
        return transport.written

    async def run():
        protocol = SMTP(Discarding(), hostname="mx.example.org", enable_SMTPUTF8=True)
        transport = Transport()
        protocol.connection_made(transport)
        while not transport.written:
            await asyncio.sleep(0)
        await exchange(protocol, transport, b"EHLO client.example\r\n")
        for number in range(count):
            for feed in feeds(number):
                out = await exchange(protocol, transport, feed)
            assert out.startswith(b"250"), out
        protocol._handler_coroutine.cancel()
        await asyncio.sleep(0)

    asyncio.run(run())


CONTENDERS = {"type": by_type, "match": by_match, "aiosmtpd": by_aiosmtpd}


def instructions(name: str) -> int | None:
    """Return the user instructions of one transaction, None if the contender cannot run."""
    totals = []
    for count in (FEW, MANY):
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no"]
        command += ["--cachegrind-out-file=/dev/null", sys.executable, __file__]
        run = subprocess.run(
            [*command, "--run", name, str(count)], capture_output=True, text=True, check=False
        )
        found = re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)
        if run.returncode or not found:
            print(f"{name}: cannot run\n{run.stderr[-800:]}", file=sys.stderr)
            return None
        totals.append(int(found[1].replace(",", "")))
    return (totals[1] - totals[0]) // (MANY - FEW)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a ceiling is passed")
    parser.add_argument("--run", nargs=2, metavar=("CONTENDER", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        CONTENDERS[options.run[0]](int(options.run[1]))
        return 0
    if not shutil.which("valgrind"):
        print("valgrind is needed to count instructions", file=sys.stderr)
        return 2
    figures = {name: instructions(name) for name in CONTENDERS}
    print(f"user instructions a transaction, Python {sys.version.split()[0]}")
    for name, figure in figures.items():
        times = f"{figure / figures['type']:8.2f}x" if figure and figures["type"] else ""
        print(f"  {name:10} {'cannot run' if figure is None else f'{figure:,}':>12} {times}")
    failed = any((figures[name] or 10**9) > ceiling for name, ceiling in CEILINGS.items())
    peer = figures["aiosmtpd"]
    if peer is not None:
        failed |= peer < TIMES_AIOSMTPD * (figures["type"] or 10**9)
    return int(options.check and failed)


if __name__ == "__main__":
    sys.exit(main())
