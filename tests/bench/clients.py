# SPDX-License-Identifier: MIT
"""The clients that are measured, each in a process of its own, on one connection.

    python tests/bench/clients.py NAME PORT SIZE

For each number read from standard input it sends so many messages of about SIZE octets, and prints
the CPU seconds that took. A negative number asks for one message of so many mebibytes from an
iterator, and its answer is the KiB by which the peak of memory grew.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import smtplib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

if __name__ == "__main__":
    from pathlib import Path

    # Another tree of the package may be named by PYTHONPATH.
    sys.path.append(str(Path(__file__).parents[2] / "src"))

LINE = b"x" * 70 + b"\r\n"
PIECE = LINE * 900
SENDER, RECIPIENT = "alice@example.org", "bob@example.net"
LOOPBACK = "127.0.0.1"
TOGETHER = 100
"""Messages that are given to `send_many`."""


def body(size: int) -> bytes:
    """Return about `size` octets of mail data."""
    return LINE * (size // len(LINE) or 1)


def pieces(mebibytes: int) -> Iterator[bytes]:
    for _ in range(mebibytes * 1024 * 1024 // len(PIECE)):
        yield PIECE


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def report(result: float) -> None:
    print(result, flush=True)


def times(count: int) -> Iterator[int]:
    """Give `count` in parts that one call takes."""
    while count > 0:
        yield min(count, TOGETHER)
        count -= TOGETHER


def hold(send: Callable[[Any], Any], content: bytes) -> None:
    """Do what standard input asks for, with a function that sends a message."""
    for line in sys.stdin:
        count = int(line)
        if count < 0:
            before = peak()
            send(pieces(-count))
            report(peak() - before)
            continue
        started = time.process_time()
        for _ in range(count):
            send(content)
        report(time.process_time() - started)


async def hold_async(send: Callable[[Any], Any], content: bytes) -> None:
    """Do the same with a coroutine function."""

    async def stream(mebibytes: int) -> AsyncIterator[bytes]:
        for piece in pieces(mebibytes):
            yield piece

    while line := sys.stdin.readline():
        count = int(line)
        if count < 0:
            before = peak()
            await send(stream(-count))
            report(peak() - before)
            continue
        started = time.process_time()
        for _ in range(count):
            await send(content)
        report(time.process_time() - started)


def ours_blocking(port: int, content: bytes) -> None:
    from smtpproto.blocking import Client

    with Client(LOOPBACK, port, security="none") as client:
        hold(lambda message: client.send(message, SENDER, RECIPIENT), content)


def ours_many(port: int, content: bytes) -> None:
    from smtpproto.blocking import Client

    with Client(LOOPBACK, port, security="none") as client:
        for line in sys.stdin:
            started = time.process_time()
            for count in times(int(line)):
                client.send_many([(content, SENDER, RECIPIENT)] * count)
            report(time.process_time() - started)


async def ours_asyncio_many(port: int, content: bytes) -> None:
    from smtpproto.asyncio import Client

    async with Client(LOOPBACK, port, security="none") as client:
        while line := sys.stdin.readline():
            started = time.process_time()
            for count in times(int(line)):
                await client.send_many([(content, SENDER, RECIPIENT)] * count)
            report(time.process_time() - started)


async def ours_asyncio(port: int, content: bytes) -> None:
    from smtpproto.asyncio import Client

    async with Client(LOOPBACK, port, security="none") as client:
        await hold_async(lambda message: client.send(message, SENDER, RECIPIENT), content)


def with_smtplib(port: int, content: bytes) -> None:
    with smtplib.SMTP(LOOPBACK, port) as client:
        hold(lambda message: client.sendmail(SENDER, [RECIPIENT], message), content)


async def with_aiosmtplib(port: int, content: bytes) -> None:
    from aiosmtplib import SMTP

    logging.getLogger("aiosmtplib").setLevel(logging.ERROR)
    async with SMTP(hostname=LOOPBACK, port=port, start_tls=False) as client:
        await hold_async(lambda message: client.sendmail(SENDER, [RECIPIENT], message), content)


def main() -> None:
    name, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    kind, _, loop = name.partition(", ")
    content = body(size)
    if kind in BLOCKING:
        BLOCKING[kind](port, content)
        return
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ASYNCIO[kind](port, content))


BLOCKING: dict[str, Callable[[int, bytes], None]] = {
    "ours": ours_blocking,
    "ours many": ours_many,
    "smtplib": with_smtplib,
}
ASYNCIO: dict[str, Callable[[int, bytes], Any]] = {
    "ours asyncio": ours_asyncio,
    "ours asyncio many": ours_asyncio_many,
    "aiosmtplib": with_aiosmtplib,
}
CLIENTS = (
    "ours",
    "ours many",
    "smtplib",
    "ours asyncio",
    "ours asyncio many",
    "ours asyncio, uvloop",
    "aiosmtplib",
)
"""smtp-source, a program of its own, is the table's business."""

if __name__ == "__main__":
    main()
