# SPDX-License-Identifier: MIT
"""Disks that are full or broken, and the handlers that keep messages on them."""

from __future__ import annotations

import io
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import World
from faults.drive import TEXT, Wire
from faults.places import HELLO, MAIL, RCPT
from faults.process import Served

from smtpproto.handlers import JsonLines, Maildir

BIG = TEXT + b"x" * 70 + b"\r\n"


def send(wire: Wire, content: bytes, chunks: bool = False) -> bytes:
    """Send a message; return the code of the last reply."""
    wire.send(b"RSET\r\n")
    wire.reply()
    for line in (MAIL, RCPT):
        assert wire.say(line)[:3] == b"250"
    if chunks:
        return wire.say(b"BDAT %d LAST\r\n" % len(content) + content)[:3]
    reply = wire.say(b"DATA\r\n")[:3]
    return wire.say(content + b".\r\n")[:3] if reply == b"354" else reply


def breaks(count: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that fails `count` times, and is then what it was."""
    left = [None] * count

    def broken(*args: Any, **options: Any) -> Any:
        if left:
            left.pop()
            raise OSError(5, "a broken disk")
        return call(*args, **options)

    return broken


# --- a Maildir -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [False, True], ids=["data", "bdat"])
@pytest.mark.parametrize("call", ["open", "fsync", "rename"])
def test_a_maildir_on_a_broken_disk(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, chunks: bool
) -> None:
    """What was refused is not kept, not even in part, and the next message is."""
    handler = Maildir(tmp_path)
    with world.serve(handler) as server, Wire(server.port) as wire:
        wire.reply()
        wire.say(HELLO)
        with monkeypatch.context() as patched:
            patched.setattr(os, call, breaks(1, getattr(os, call)))
            assert send(wire, BIG, chunks)[:1] == b"4"
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        assert send(wire, TEXT, chunks) == b"250"
    [kept] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (kept.parent.name, kept.read_bytes()) == ("new", TEXT)


def test_a_folder_that_cannot_be_brought_to_the_disk(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there then, and safe, but nobody may find it after a crash: it is refused."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(5, "a broken disk")
        real(descriptor)

    with world.serve(Maildir(tmp_path)) as server, Wire(server.port) as wire:
        wire.reply()
        wire.say(HELLO)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            assert send(wire, BIG)[:1] == b"4"
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def small_files() -> None:
    """Let no file of this process grow beyond what is no more than a short message."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


@pytest.mark.parametrize("chunks", [False, True], ids=["data", "bdat"])
def test_serve_on_a_full_disk(tmp_path: Path, chunks: bool) -> None:
    """A real one, as far as the process can tell: files end at 1000 octets."""
    with Served(tmp_path, "--quiet", preexec_fn=small_files) as served:
        with Wire(served.port) as wire:
            wire.reply()
            wire.say(HELLO)
            for size in (500, 3000, 300_000):
                assert send(wire, TEXT + b"x" * 60 + b"\r\n" * size, chunks) == b"452"
                assert send(wire, TEXT, chunks) == b"250"
        assert served.stop() == 0
    assert served.kept() == [TEXT] * 3
    assert served.half_written() == []


# --- standard output -----------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("form", [("--json",), ()])
def test_output_that_is_full(tmp_path: Path, form: tuple[str, ...]) -> None:
    """Without a Maildir a message that could not be written is not taken."""
    with open("/dev/full", "wb") as full, Served(tmp_path, *form, keeps=False, out=full) as served:
        with Wire(served.port) as wire:
            wire.reply()
            wire.say(HELLO)
            assert [send(wire, TEXT) for _ in range(3)] == [b"452"] * 3
        assert served.stop() == 0


class Filling(io.RawIOBase):
    """A file on a disk that is full for a while."""

    def __init__(self) -> None:
        self.full = True
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        if self.full:
            raise OSError(28, "no space left")
        self.content += bytes(octets)
        return len(octets)


def test_json_lines_that_were_refused_are_not_written_later(world: World) -> None:
    raw = Filling()
    stream = io.TextIOWrapper(io.BufferedWriter(raw), "ascii")
    with world.serve(JsonLines(stream)) as server, Wire(server.port) as wire:
        wire.reply()
        wire.say(HELLO)
        assert send(wire, BIG)[:1] == b"4"
        raw.full = False
        assert send(wire, TEXT) == b"250"
    stream.close()
    written = [json.loads(line)["content"] for line in raw.content.splitlines()]
    assert written == [TEXT.decode()]
