# SPDX-License-Identifier: MIT
"""Forked children that close what they have got of their parent's sessions and servers."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import SECONDS, Raw, World, contexts
from faults.drive import TEXT, Wire, eventually

from smtpproto import asyncio as aio
from smtpproto import blocking
from smtpproto.blocking.driver import Driver
from smtpproto.dialogues import Close, Collect, ConnectionLost, Dialogue, Handle, Reject
from smtpproto.forking import let_go

SERVER, CLIENT = contexts()
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
worlds = pytest.mark.parametrize("world", ["asyncio", "uvloop", "blocking"], indirect=True)
MODES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {"security": "none"}),
    "starttls": ({"tls": SERVER}, {"tls": CLIENT, "security": "starttls"}),
    "implicit": (
        {"tls": SERVER, "tls_mode": "implicit"},
        {"tls": CLIENT, "security": "implicit"},
    ),
}
modes = pytest.mark.parametrize("mode", MODES)


def in_child(work: Callable[[], object]) -> None:
    """Do `work` in a forked child, and wait for it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(SECONDS))  # which ends what hangs
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def run(called: Any) -> Any:
    """Wait for what an asyncio method returned, in a loop of its own; give back anything else."""
    if not asyncio.iscoroutine(called):
        return called
    return asyncio.run(called)


def close(thing: Any) -> None:
    """Close a server or a client as the with statement does."""
    run(thing.close())
    if hasattr(thing, "wait_closed"):
        run(thing.wait_closed())


def real(client: Any) -> Any:
    """Return the adapter's own client."""
    return getattr(client, "_client", client)


@worlds
@modes
def test_a_child_closes_a_server(world: World, mode: str) -> None:
    with world.serve(Collect(), **MODES[mode][0]) as server:
        wire = Wire(server.port, implicit=mode == "implicit")
        wire.reply()
        if mode == "starttls":
            wire.say(b"EHLO x.example\r\n")
            wire.say(b"STARTTLS\r\n")
            wire.secure()
        for line in (b"EHLO x.example", b"MAIL FROM:<a@x.org>", b"RCPT TO:<b@x.org>", b"DATA"):
            wire.say(line + b"\r\n")
        in_child(lambda: close(server))
        assert wire.say(TEXT + b".\r\n").startswith(b"250")
        assert wire.say(b"NOOP\r\n").startswith(b"250")
        result = world.send_mail(
            TEXT, "127.0.0.1", server.port, sender="", recipients="b@x.org", **MODES[mode][1]
        )
        assert result.is_complete
        assert wire.say(b"QUIT\r\n").startswith(b"221")
        assert len(server.handler.messages) == 2
        wire.close()


@worlds
def test_a_child_leaves_the_path_of_a_unix_socket(world: World, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with world.serve(Collect(), path=str(path)) as server:
        in_child(lambda: close(server))
        result = world.send_mail(TEXT, path=str(path), sender="", recipients="b@x.org")
        assert result.is_complete
    assert not path.exists()


@worlds
def test_a_child_keeps_nothing_of_what_it_has_closed(world: World) -> None:
    told, tell = os.pipe()
    with world.serve(Collect()) as server:
        port = server.port
        raw = Raw(port)
        child = os.fork()
        if child == 0:
            close(server)
            os.close(tell)
            os.read(told, 1)  # until its parent has seen
            os._exit(0)
        os.close(told)
        assert raw.say(b"NOOP\r\n").startswith("250")
    with raw:
        assert raw.reply().startswith("421")
        assert raw.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    os.close(tell)
    assert os.waitpid(child, 0)[1] == 0


@worlds
@modes
def test_a_child_closes_a_client(world: World, mode: str) -> None:
    with world.serve(Collect(), **MODES[mode][0]) as server:
        options = MODES[mode][1]
        with world.client("127.0.0.1", server.port, **options) as client:
            in_child(lambda: close(real(client)))
            assert client.noop().is_positive
            assert client.send(TEXT, "a@x.org", "b@x.org").is_complete
        assert server.handler.messages[0].content == TEXT
        assert len(server.handler.messages) == 1


@worlds
def test_a_child_has_no_session_before_it_connects(world: World) -> None:
    with (
        world.serve(Collect()) as server,
        world.client("127.0.0.1", server.port, security="none") as client,
    ):

        async def connected(copied: Any) -> None:
            await copied.connect()
            await copied.send(TEXT, "child@x.org", "b@x.org")
            await copied.close()

        def work() -> None:
            copied = real(client)
            assert not copied.is_connected
            with pytest.raises(ConnectionLost):
                run(copied.noop())
            if world.name == "blocking":
                copied.connect()
                copied.send(TEXT, "child@x.org", "b@x.org")
                copied.close()
            else:
                asyncio.run(connected(copied))

        in_child(work)
        assert client.is_connected
        assert client.noop().is_positive
        eventually(lambda: server.counters.endings == {"quit": 1})


@worlds
def test_a_child_waits_for_no_message_of_its_parent(world: World) -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def source() -> Iterator[bytes]:
        yield TEXT
        waits.set()
        assert goes_on.wait(SECONDS)

    with (
        world.serve(Collect()) as server,
        world.client("127.0.0.1", server.port, security="none") as client,
    ):
        sending = threading.Thread(target=client.send, args=(source(), "a@x.org", "b@x.org"))
        sending.start()
        assert waits.wait(SECONDS)
        in_child(lambda: close(real(client)))
        in_child(lambda: close(server))
        goes_on.set()
        sending.join(SECONDS)
        assert [one.content for one in server.handler.messages] == [TEXT]


@modes
def test_a_source_of_a_message_that_forks(mode: str) -> None:
    class InChild(Exception):
        pass

    def source() -> Iterator[bytes]:
        yield TEXT
        child = os.fork()
        if child == 0:
            raise InChild
        assert os.waitpid(child, 0)[1] == 0
        yield b"more\r\n"

    with blocking.serve(Collect(), **MODES[mode][0]) as server:
        options = MODES[mode][1]
        with blocking.Client("127.0.0.1", server.port, **options, timeout=SECONDS) as client:
            try:
                assert client.send(source(), "a@x.org", "b@x.org").is_complete
            except InChild:
                client.close()
                os._exit(0)
            assert client.noop().is_positive
        assert [one.content for one in server.handler.messages] == [TEXT + b"more\r\n"]


@modes
def test_a_child_that_is_told_of_a_message_sends_none(mode: str) -> None:
    """The envelope of the next one is under way, and that is the parent's."""
    children = []

    def tell(number: int, _outcome: Any) -> None:
        if number == 1:
            children.append(os.fork())

    with blocking.serve(Collect(), **MODES[mode][0]) as server:
        options = MODES[mode][1]
        with blocking.Client("127.0.0.1", server.port, **options, timeout=SECONDS) as client:
            several = [(TEXT, f"{number}@x.org", "b@x.org") for number in range(4)]
            try:
                outcomes = client.send_many(several, on_outcome=tell)
            except BaseException as error:
                if children == [0]:
                    is_closed = isinstance(error, ConnectionLost) and not client.is_connected
                    client.close()
                    os._exit(not is_closed)
                raise
            if children == [0]:
                os._exit(2)
            assert os.waitpid(children[0], 0)[1] == 0
            assert all(outcome.is_complete for outcome in outcomes)
            assert client.noop().is_positive
        senders = [one.mail.reverse_path.address for one in server.handler.messages]
        assert senders == [f"{number}@x.org" for number in range(4)]


@modes
@pytest.mark.parametrize("failure", [None, ValueError("wrong"), OSError("gone"), TimeoutError()])
def test_a_hook_that_forks(mode: str, failure: Exception | None) -> None:
    """Its child says nothing on the session of its parent, whether it fails or returns."""

    class Handler(Collect):
        def on_rcpt(self, peer: Any, rcpt: Any) -> None:
            child = os.fork()
            if child == 0:
                if failure is not None:
                    raise failure
                return
            # Its status is the interpreter's business: the thread that has forked ends there.
            os.waitpid(child, 0)

    with blocking.serve(Handler(), **MODES[mode][0]) as server:
        options = MODES[mode][1]
        with blocking.Client("127.0.0.1", server.port, **options, timeout=SECONDS) as client:
            assert client.send(TEXT, "a@x.org", "b@x.org").is_complete
            assert client.noop().is_positive
        assert len(server.handler.messages) == 1


@modes
def test_a_source_of_a_message_that_goes_on_in_a_child(mode: str) -> None:
    def source() -> Iterator[bytes]:
        yield TEXT
        child = os.fork()
        yield b"from a child\r\n" if child == 0 else b"more\r\n"
        assert os.waitpid(child, 0)[1] == 0

    with blocking.serve(Collect(), **MODES[mode][0]) as server:
        options = MODES[mode][1]
        parent = os.getpid()
        with blocking.Client("127.0.0.1", server.port, **options, timeout=SECONDS) as client:
            try:
                assert client.send(source(), "a@x.org", "b@x.org").is_complete
            except ConnectionLost:
                os._exit(os.getpid() == parent)
            assert client.noop().is_positive
        assert [one.content for one in server.handler.messages] == [TEXT + b"more\r\n"]


@worlds
def test_a_child_starts_what_its_parent_has_made(world: World) -> None:
    made = world.module.serve(Collect())

    async def serve() -> None:
        async with made:
            await asyncio.to_thread(talk)

    def talk() -> None:
        with Raw(made.port) as raw:
            assert raw.say(b"QUIT\r\n").startswith("221")

    def work() -> None:
        if world.name == "asyncio":
            asyncio.run(serve())
            return
        with made:
            talk()

    in_child(work)


def test_a_client_in_another_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a child, but where it can be seen what it does."""
    with (
        world.serve(Collect()) as server,
        world.client("127.0.0.1", server.port, security="none") as client,
    ):
        pid = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert not client.is_connected
        client.close()
        with pytest.raises(ConnectionLost):
            client.noop()
        monkeypatch.setattr(os, "getpid", lambda: pid)
        eventually(lambda: server.counters.endings == {"left": 1})  # without QUIT


@pytest.mark.parametrize("failure", [None, OSError("gone"), TimeoutError(), Reject(550, "no")])
def test_a_hook_that_returns_in_another_process(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    def hook() -> None:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        if failure is not None:
            raise failure

    def dialogue() -> Dialogue:
        with suppress(ConnectionLost, TimeoutError, Reject):
            yield Handle(b"", hook, (), SECONDS)
        yield Close(b"250 ok\r\n")

    ours, theirs = socket.socketpair()
    driver = Driver(ours, tls=None, is_server=True)
    with pytest.raises((ConnectionLost, OSError, Reject)) as caught:
        driver.run(dialogue())
    assert failure in (None, caught.value)
    driver.close()
    with theirs:
        assert theirs.recv(100) == b""


def test_an_asyncio_server_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = await aio.serve(Collect()).start()
        raw = await asyncio.to_thread(Raw, server.port)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        server.close()
        await server.wait_closed()
        assert server.sessions == 0
        with raw:
            assert await asyncio.to_thread(raw.rest) == b""

    asyncio.run(main())


def test_a_blocking_server_in_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: None)  # none comes along with a fork
        server = blocking.serve(Collect(), path=str(path)).start()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    server.close()
    server.close()
    server.wait_closed()
    assert path.exists()
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(ConnectionRefusedError):
        sock.connect(str(path))


def test_what_is_closed_already_is_let_go_of() -> None:
    let_go(None)
    with socket.socket() as sock:
        number = sock.fileno()
    let_go(sock)
    with pytest.raises(OSError, match=str(errno.EBADF)):
        os.fstat(number)
