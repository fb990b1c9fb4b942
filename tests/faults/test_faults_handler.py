# SPDX-License-Identifier: MIT
"""Handlers that fail, hang and are cancelled, in each hook; and disks that are full."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, AsyncioWorld, World
from faults.drive import TEXT, Wire, Witness, eventually, is_well
from faults.places import HELLO, MAIL, RCPT

from smtpproto import asyncio as aio
from smtpproto.dialogues import Peer

TALK = (HELLO, MAIL, RCPT, b"DATA\r\n", TEXT + b".\r\n", b"NOOP\r\n", b"QUIT\r\n")
CHUNK = (HELLO, MAIL, RCPT, b"BDAT %d LAST\r\n" % len(TEXT) + TEXT, b"NOOP\r\n", b"QUIT\r\n")
LOGIN = b"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"
# What is answered when a hook fails; the session goes on, up to the 221, if it has begun.
FAILING = {
    "on_connect": (TALK, "421 "),
    "on_ehlo": (TALK, "220 451 503 503 503"),
    "on_auth": ((HELLO, LOGIN, *TALK[1:]), "220 250 454 250 250 354 250 250 221"),
    "on_mail": (TALK, "220 250 451 503 503"),
    "on_rcpt": (TALK, "220 250 250 451 503"),
    "on_message": (TALK, "220 250 250 250 354 451 250 221"),
    "open_message": (TALK, "220 250 250 250 451 500"),
    "write": (TALK, "220 250 250 250 354 451 250 221"),
    "commit": (TALK, "220 250 250 250 354 451 250 221"),
    "open_message in a chunk": (CHUNK, "220 250 250 250 451 250 221"),
    "write in a chunk": (CHUNK, "220 250 250 250 451 250 221"),
    "commit of a chunk": (CHUNK, "220 250 250 250 451 250 221"),
    "on_abort": ((*TALK[:3], b"RSET\r\n", b"QUIT\r\n"), "220 250 250 250 250 221"),
    "on_close": ((HELLO, b"QUIT\r\n"), "220 250 221"),
    "abort": ((*TALK[:4], b"half"), "220 250 250 250 354"),
}


class Sink:
    """A sink that notes its end."""

    def __init__(self, faulty: Faulty) -> None:
        self._faulty = faulty
        self.content = b""

    def write(self, data: bytes) -> Any:
        self.content += data
        return self._faulty.fail("write")

    def commit(self) -> Any:
        self._faulty.ends.append("commit")
        return self._faulty.fail("commit")

    def abort(self) -> Any:
        self._faulty.ends.append("abort")
        return self._faulty.fail("abort")


class Faulty(Witness):
    """A handler with one hook that does what it should not.

    Args:
        name: of the hook, or of a method of the sink.
        fault: what it does.
    """

    def __init__(self, name: str, fault: Callable[[], Any]) -> None:
        super().__init__()
        self._name = name.split()[0]
        self._fault = fault
        self.ends: list[str] = []
        if self._name in ("open_message", "write", "commit", "abort"):
            self.open_message = self._open
        elif self._name not in ("on_rcpt", "on_message", "on_connect"):
            setattr(self, self._name, lambda *_: self.fail(self._name))

    def fail(self, name: str) -> Any:
        return self._fault() if name == self._name else None

    def on_connect(self, peer: Peer) -> Any:
        super().on_connect(peer)
        return self.fail("on_connect")

    def on_rcpt(self, peer: Peer, rcpt: Any) -> Any:
        return self.fail("on_rcpt")

    def on_message(self, peer: Peer, message: Any) -> Any:
        if self._name != "on_message":
            super().on_message(peer, message)
        return self.fail("on_message")

    def _open(self, peer: Peer) -> Any:
        return self.fail("open_message") if self._name == "open_message" else Sink(self)


def raises() -> None:
    raise ValueError("a fault")


def loses_a_connection_of_its_own() -> None:
    raise ConnectionResetError(errno.ECONNRESET, "the database")


def times_out_by_itself() -> None:
    raise TimeoutError("the database")


def answers_nonsense() -> Any:
    return object()


async def is_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(SECONDS)


async def hangs() -> None:
    await asyncio.Event().wait()


def talk(port: int, says: tuple[bytes, ...]) -> str:
    """Have a conversation; return the reply codes."""
    codes: list[bytes] = []
    with Wire(port) as wire, suppress(BrokenPipeError, ConnectionResetError):
        codes.append(wire.reply()[:3])
        for line in says:
            if line == b"half":
                wire.send(line)
                break
            wire.send(line)
            codes.append(wire.reply()[:3])
    return b" ".join(codes).decode()


@pytest.mark.parametrize(
    "fault", [raises, loses_a_connection_of_its_own, times_out_by_itself, answers_nonsense]
)
@pytest.mark.parametrize("name", FAILING)
def test_a_hook_that_fails(world: World, name: str, fault: Callable[[], Any]) -> None:
    _see_failing(world, Faulty(name, fault), name)


@pytest.mark.parametrize("fault", [is_cancelled, hangs])
@pytest.mark.parametrize("name", FAILING)
def test_an_asynchronous_hook_that_does_not_end(
    asyncio_world: AsyncioWorld, name: str, fault: Callable[[], Any]
) -> None:
    timeout = 0.5 if fault is hangs else SECONDS
    _see_failing(asyncio_world, Faulty(name, fault), name, timeout=timeout)


def _see_failing(world: World, faulty: Faulty, name: str, **options: Any) -> None:
    says, expected = FAILING[name]
    messages = 2 * (name == "on_auth")
    with world.serve(faulty, auth_cleartext=True, **options) as server:
        for _ in range(2):  # the second client finds a server that is none the worse
            assert talk(server.port, says).startswith(expected)
        eventually(lambda: not server.sessions)
    assert len(faulty.messages) == messages
    # A sink that failed is let go of, once; one that was to commit is not spoken to again.
    end = {"write": "abort", "commit": "commit", "abort": "abort"}.get(name.split()[0])
    assert faulty.ends == [end] * 2 * (end is not None)


# --- hooks that outlive their session ------------------------------------------------------------


@pytest.mark.parametrize("name", ["on_connect", "on_mail", "on_message", "write", "commit"])
def test_a_hook_that_hangs_when_the_client_has_left(asyncio_world: AsyncioWorld, name: str) -> None:
    """It is given up all the same, or sessions that nobody has would add up."""
    running = threading.Event()

    async def fault() -> None:
        running.set()
        await asyncio.Event().wait()

    faulty = Faulty(name, fault)
    with asyncio_world.serve(faulty, auth_cleartext=True, timeout=SOON) as server:
        with Wire(server.port) as wire:
            wire.send(HELLO)
            for line in TALK[1:5] * (name != "on_connect"):
                wire.reply()
                wire.send(line)
            assert running.wait(SECONDS)
            wire.reset()
        eventually(lambda: not server.sessions, "the end of the session")
    assert (faulty.closed, faulty.messages) == (1, [])


@pytest.mark.parametrize("name", ["on_mail", "on_message", "commit"])
def test_a_plain_hook_that_hangs(asyncio_world: AsyncioWorld, name: str) -> None:
    """Its thread cannot be ended; its session goes on."""
    go_on = threading.Event()
    faulty = Faulty(name, lambda: go_on.wait(SECONDS))
    says, expected = FAILING[name]
    try:
        with asyncio_world.serve(faulty, auth_cleartext=True, timeout=SOON) as server:
            assert talk(server.port, says).startswith(expected)
            eventually(lambda: not server.sessions)
    finally:
        go_on.set()


@pytest.mark.parametrize("name", ["on_mail", "on_message", "write", "commit"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_hook_that_would_exit(world: World, name: str) -> None:
    """It ends its session, and neither the server nor another session."""
    witness = Witness()

    def fault() -> None:
        raise SystemExit(1)

    made = iter([Faulty(name, fault), witness])
    with world.serve(lambda: next(made), factory=True, auth_cleartext=True) as server:
        talk(server.port, TALK[:5])
        eventually(lambda: not server.sessions)
        is_well(server, witness)


def test_the_task_that_serves_is_cancelled() -> None:
    """In the middle of a message, and of a hook."""
    running = threading.Event()

    async def fault() -> None:
        running.set()
        await asyncio.Event().wait()

    sinks = Faulty("nothing", raises)
    sinks.open_message = sinks._open
    hangs = Faulty("on_message", fault)
    handlers = iter([sinks, hangs])
    ports: list[int] = []

    async def serve() -> None:
        async with aio.serve(
            lambda: next(handlers), factory=True, grace=0.2, auth_cleartext=True
        ) as server:
            ports.append(server.port)
            await server.serve_forever()

    async def test() -> None:
        before = asyncio.all_tasks()
        task = asyncio.create_task(serve())
        while not ports:
            await asyncio.sleep(0)
        await asyncio.to_thread(talk, ports[0], (*TALK[:4], b"half"))
        other = asyncio.create_task(asyncio.to_thread(talk, ports[0], TALK[:5]))
        assert await asyncio.to_thread(running.wait, SECONDS)
        task.cancel()
        assert await other == "220 250 250 250 354 "
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(test(), 2 * SECONDS))
    assert sinks.ends == ["abort"]


# --- disks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["write", "commit", "open_message"])
@pytest.mark.parametrize("kind", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_is_full(world: World, place: str, kind: int) -> None:
    """The message is refused for now, the session goes on, and so does the next message."""
    full = [True]

    def fault() -> Any:
        if full:
            raise OSError(kind, "no space")
        return Sink(faulty) if place == "open_message" else None

    faulty = Faulty(place, fault)
    with world.serve(faulty, auth_cleartext=True) as server, Wire(server.port) as wire:
        wire.reply()
        wire.say(HELLO)
        for size in (10, 1_000_000):
            for line in (MAIL, RCPT):
                assert wire.say(line)[:3] == b"250"
            wire.send(b"DATA\r\n")
            if wire.reply()[:3] == b"354":
                assert wire.say(bytes(size).replace(b"\0", b"x\r\n") + b".\r\n")[:3] == b"451"
                assert wire.say(b"RSET\r\n")[:3] == b"250"
            for line in (MAIL, RCPT):
                wire.say(line)
            assert wire.say(b"BDAT %d LAST\r\n" % size + bytes(size))[:3] in (b"451", b"554")
            wire.say(b"RSET\r\n")
        full.clear()
        before = len(faulty.ends)
        for line in TALK[1:4]:
            wire.say(line)
        assert wire.say(TALK[4])[:3] == b"250"
        assert faulty.ends[before:] == ["commit"]
