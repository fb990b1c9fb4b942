# SPDX-License-Identifier: MIT
"""A thousand sessions at once, of which most come to a bad end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import SECONDS, World
from faults.drive import NOW, Witness, everything_ended

from smtpproto import Reply
from smtpproto.dialogues import Peer, Reject

COUNT = 1000
SEED = 2505


class FileSink:
    """Keeps a message in a file, with a hook's faults on the way.

    Args:
        handler: whose it is.
        chance: decides what goes wrong.
    """

    def __init__(self, handler: Files, chance: random.Random) -> None:
        self._handler = handler
        self._fault = chance.choice(("none", "none", "none", "write", "commit", "refuse", "reject"))
        self._path = handler.folder / f"{chance.getrandbits(64):x}"
        self._file = self._path.open("wb")

    def write(self, data: bytes) -> Any:
        if self._fault == "write":
            raise OSError(28, "no space left")
        self._file.write(data)

    def commit(self) -> Any:
        self._file.close()
        content = self._path.read_bytes()
        self._path.unlink()
        if self._fault == "commit":
            raise OSError(5, "a broken disk")
        if self._fault == "refuse":
            return Reply(554, "no", "5.6.0")
        if self._fault == "reject":
            raise Reject(450, "later", "4.2.0")
        self._handler.keep(content)
        return None

    def abort(self) -> None:
        self._file.close()
        self._path.unlink()


class Files(Witness):
    """A handler that takes messages into files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.kept: list[bytes] = []
        self._chance = random.Random(SEED)

    def on_message(self, peer: Peer, message: Any) -> Any:
        raise AssertionError("the sink is asked")

    def open_message(self, peer: Peer) -> FileSink:
        with self._lock:
            return FileSink(self, self._chance)

    def keep(self, content: bytes) -> None:
        with self._lock:
            self.kept.append(content)

    def on_rcpt(self, peer: Peer, rcpt: Any) -> Any:
        return None

    def on_abort(self, peer: Peer) -> Any:
        return None


class Client:
    """A client that follows a plan to a bad end.

    Args:
        port: the server's.
        number: its own.
    """

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        self._chance = random.Random(SEED * 10_000 + number)
        self._number = number
        self.outcome: dict[bytes, str] = {}
        """The first digit of the reply to each message, "" where none came."""

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if self._chance.random() < 0.5 else writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chance = self._chance
        await _reply(reader)
        says = [b"EHLO x.example\r\n"]
        for message in range(chance.randrange(1, 4)):
            content = b"%d.%d\r\n" % (self._number, message) + b"x" * chance.randrange(20_000)
            content += b"\r\n"
            says += [b"MAIL FROM:<a@x.org>\r\n", b"RCPT TO:<b@x.org>\r\n"]
            if chance.random() < 0.5:
                says += [b"DATA\r\n", content]
            else:
                says += [b"BDAT %d LAST\r\n" % len(content) + content]
        says += [b"QUIT\r\n"]
        last = chance.randrange(2 * len(says))  # about half of them come to a good end
        for number, line in enumerate(says):
            content = _content(line)
            ends_here = number == last
            if content:
                self.outcome[content] = ""
            if ends_here:
                line = line[: chance.randrange(len(line))]
            await self._write(writer, line + b".\r\n" * (line == content))
            if ends_here:
                await self._end(reader, writer)
                return
            code = await _reply(reader)
            if content:
                self.outcome[content] = code[:1]
            if code[:1] != "2" and not line.startswith(b"DATA"):
                await self._write(writer, b"RSET\r\n")
                await _reply(reader)

    async def _write(self, writer: asyncio.StreamWriter, octets: bytes) -> None:
        for _ in range(self._chance.randrange(3)):
            cut = self._chance.randrange(len(octets) + 1)
            writer.write(octets[:cut])
            await writer.drain()
            octets = octets[cut:]
        writer.write(octets)
        await writer.drain()

    async def _end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = self._chance.choice(("reset", "close", "half-close", "noise", "stand still"))
        if way == "reset":
            writer.get_extra_info("socket").setsockopt(*NOW)
        elif way == "half-close":
            writer.write_eof()
            await reader.read()
        elif way == "noise":
            await self._write(writer, self._chance.randbytes(500).replace(b"\n", b"\r\n"))
        elif way == "stand still":
            await asyncio.sleep(self._chance.random())


def _content(line: bytes) -> bytes:
    """Return the message in what is said."""
    if line[:1].isdigit():
        return line
    return line.partition(b"\r\n")[2] if line.startswith(b"BDAT") else b""


async def _reply(reader: asyncio.StreamReader) -> str:
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] != b"-":
            return line[:3].decode()


async def _run(clients: list[Client]) -> None:
    async with asyncio.timeout(4 * SECONDS):
        await asyncio.gather(*(client.run() for client in clients))


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let as many be open as may be: each session takes two, and 1024 in all are usual."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_a_thousand_sessions(world: World, tmp_path: Path) -> None:
    handler = Files(tmp_path)
    with world.serve(handler, connections=None, auth=()) as server:
        clients = [Client(server.port, number) for number in range(COUNT)]
        asyncio.run(_run(clients))
        everything_ended(server, handler)
    assert list(tmp_path.iterdir()) == []
    outcome = {content: code for client in clients for content, code in client.outcome.items()}
    kept = set(handler.kept)
    assert len(kept) == len(handler.kept)
    accepted = {content for content, code in outcome.items() if code == "2"}
    refused = {content for content, code in outcome.items() if code in ("4", "5")}
    assert len(accepted) > COUNT / 4
    assert len(refused) > COUNT / 10
    assert accepted <= kept, "accepted and lost"
    assert not refused & kept, "refused and kept"
    assert kept <= set(outcome), "kept, and nobody said so"
