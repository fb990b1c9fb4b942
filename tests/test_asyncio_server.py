# SPDX-License-Identifier: MIT
"""What only the asyncio server does: hooks in the loop and in threads, writes, tasks, the clock."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import re
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, contexts

from smtpproto import LocalProtocolError, Reply, listening
from smtpproto.asyncio import Client, Collect, Message, Peer, Reject, channel, serve
from smtpproto.asyncio import driver as drivers
from smtpproto.asyncio import server as server_module
from smtpproto.asyncio.calls import tell_late
from smtpproto.asyncio.clock import Clock
from smtpproto.asyncio.running import Runner
from smtpproto.asyncio.transport import SocketTransport
from smtpproto.dialogues import Close, Handle, Read, SendResult

TEXT = b"Subject: x\r\n\r\ntext\r\n"
GROUP = b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nRCPT TO:<c@x.org>\r\nDATA\r\n"


def run(test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(test(), SECONDS))


async def send(port: int, content: bytes = TEXT) -> SendResult:
    async with Client("127.0.0.1", port, security="none", timeout=SECONDS) as client:
        return await client.send(content, "a@x.org", "b@x.org")


class Streams:
    """A client that writes what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> Streams:
        made = cls(*await asyncio.open_connection("127.0.0.1", port))
        assert (await made.reply()).startswith("220")
        return made

    async def reply(self) -> str:
        lines = []
        while line := await self.reader.readline():
            lines.append(line)
            if line[3:4] != b"-":
                break
        return b"".join(lines).decode().removesuffix("\r\n")

    async def say(self, octets: bytes) -> str:
        self.writer.write(octets)
        return await self.reply()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


# --- hooks ---------------------------------------------------------------------------------------


class _Content(bytearray):
    """What a weak reference can be made of."""


def _extend_of(content: _Content) -> Callable[[bytes], None]:
    return content.extend


def _function_around(content: _Content) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        content.extend(data)

    return write


@pytest.mark.parametrize("write_to", [_extend_of, _function_around])
def test_what_a_message_was_written_into_is_not_kept(
    write_to: Callable[[_Content], Callable[[bytes], None]],
) -> None:
    made: list[weakref.ref[_Content]] = []

    class Handler:
        def open_message(self, peer: Peer) -> Any:
            content = _Content()
            made.append(weakref.ref(content))
            return SimpleNamespace(write=write_to(content), commit=lambda: None, abort=lambda: None)

    async def test() -> None:
        async with serve(Handler()) as server:
            assert (await send(server.port)).is_complete
        while [content() for content in made] != [None]:  # a thread may be about to let go of it
            await asyncio.sleep(0.01)
            gc.collect()

    run(test)


def test_async_hooks_run_in_the_loop() -> None:
    seen: list[Any] = []

    class Handler(Collect):
        async def on_mail(self, peer: Peer, mail: Any) -> None:
            seen.append(threading.current_thread())

        async def on_rcpt(self, peer: Peer, rcpt: Any) -> Reply:
            await asyncio.wait_for(asyncio.sleep(0.01), 1)
            seen.append(threading.current_thread())
            return Reply(250, "in time")

    async def test() -> None:
        async with serve(Handler()) as server:
            await send(server.port)

    run(test)
    assert seen == [threading.main_thread()] * 2


def test_plain_hooks_run_in_a_thread_with_the_context_of_the_session() -> None:
    seen: list[Any] = []
    variable = contextvars.ContextVar("variable", default="none")

    class Handler(Collect):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            seen.append((threading.current_thread() is threading.main_thread(), variable.get()))

    async def test(threads: bool) -> None:
        variable.set("set")
        async with serve(Handler(), threads=threads) as server:
            await send(server.port)

    run(lambda: test(True))
    run(lambda: test(False))
    assert seen == [(False, "set"), (True, "set")]


def test_a_hook_that_blocks_stalls_nobody_else() -> None:
    class Handler(Collect):
        def on_message(self, peer: Peer, message: Message) -> None:
            barrier.wait(SECONDS)  # nobody passes before all twenty are here

    barrier = threading.Barrier(20)

    async def test() -> None:
        async with serve(Handler()) as server:
            await asyncio.gather(*(send(server.port) for _ in range(20)))

    run(test)
    assert barrier.n_waiting == 0


def test_other_callables_as_hooks() -> None:
    """An object with an asynchronous ``__call__`` that is not hashable; a hook giving a future."""
    seen = []

    class Hook:
        __hash__ = None  # type: ignore[assignment]

        async def __call__(self, peer: Peer, mail: Any) -> None:
            await asyncio.sleep(0)
            seen.append(mail)

    class Handler(Collect):
        on_mail = Hook()

        def on_rcpt(self, peer: Peer, rcpt: Any) -> Any:
            future = loop.create_future()
            loop.call_soon_threadsafe(future.set_result, Reply(251, "later"))
            return future

    async def test() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        for threads in (True, False):
            async with serve(Handler(), threads=threads) as server:
                result = await send(server.port)
                assert result.is_complete

    loop: Any = None
    run(test)
    assert len(seen) == 2


@pytest.mark.parametrize("kind", ["plain", "async at once", "async later", "cancelled"])
def test_a_hook_that_fails_is_logged_once(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    class Plain(Collect):
        def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            raise ValueError("cannot")

    class Async(Collect):
        async def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            if kind != "async at once":
                await asyncio.sleep(0)
            if kind == "cancelled":
                raise asyncio.CancelledError
            raise ValueError("cannot")

    handler = Plain() if kind == "plain" else Async()

    async def test() -> list[str]:
        async with serve(handler) as server:
            client = await Streams.connect(server.port)
            replies = [
                await client.say(b"EHLO x\r\n"),
                await client.say(b"MAIL FROM:<a@x.org>\r\n"),
            ]
            replies += [await client.say(b"RCPT TO:<b@x.org>\r\n"), await client.say(b"QUIT\r\n")]
            await client.close()
            return [reply[:3] for reply in replies]

    assert run(test) == ["250", "250", "451", "221"]
    records = [record for record in caplog.records if record.name == "smtpproto"]
    assert [record.levelno for record in records] == [logging.ERROR]


def test_a_refusal_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(Collect):
        async def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            await asyncio.sleep(0)
            raise Reject(550, "no", "5.1.1")

    async def test() -> str:
        async with serve(Handler()) as server:
            client = await Streams.connect(server.port)
            await client.say(b"EHLO x\r\n")
            await client.say(b"MAIL FROM:<a@x.org>\r\n")
            reply = await client.say(b"RCPT TO:<b@x.org>\r\n")
            await client.close()
            return reply

    assert run(test) == "550 5.1.1 no"
    assert [record for record in caplog.records if record.name == "smtpproto"] == []


@pytest.mark.parametrize("plain", [False, True])
def test_a_hook_that_hangs_is_given_up(plain: bool, caplog: pytest.LogCaptureFixture) -> None:
    free = threading.Event()
    cancelled = threading.Event()

    class Plain(Collect):
        def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            free.wait(SECONDS)

    class Async(Collect):
        async def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            try:
                await asyncio.sleep(SECONDS)
            except asyncio.CancelledError:
                cancelled.set()
                raise

    async def test() -> list[str]:
        async with serve(Plain() if plain else Async(), timeout=0.2) as server:
            client = await Streams.connect(server.port)
            await client.say(b"EHLO x\r\n")
            await client.say(b"MAIL FROM:<a@x.org>\r\n")
            replies = [await client.say(b"RCPT TO:<b@x.org>\r\n"), await client.say(b"NOOP\r\n")]
            assert plain or cancelled.is_set()
            free.set()
            replies.append(await client.say(b"QUIT\r\n"))
            await client.close()
            return [reply[:3] for reply in replies]

    assert run(test) == ["451", "250", "221"]
    assert any(".on_rcpt took too long" in record.message for record in caplog.records)


@pytest.mark.parametrize("plain", [False, True])
def test_a_hook_that_fails_once_it_was_given_up_is_named(
    caplog: pytest.LogCaptureFixture, plain: bool
) -> None:
    free = threading.Event()

    class Late(Collect):
        async def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            try:
                await asyncio.sleep(SECONDS)
            finally:
                raise ValueError("too late")

    class LatePlain(Collect):
        def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            free.wait(SECONDS)
            raise ValueError("too late")

    async def test() -> str:
        async with serve(LatePlain() if plain else Late(), timeout=0.2) as server:
            client = await Streams.connect(server.port)
            await client.say(b"EHLO x\r\n")
            await client.say(b"MAIL FROM:<a@x.org>\r\n")
            reply = await client.say(b"RCPT TO:<b@x.org>\r\n")
            await client.close()
            free.set()
        while not (late := [each for each in caplog.records if "given up" in each.message]):
            await asyncio.sleep(0.01)
        [record] = late
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], ValueError)
        return reply[:3] + record.message

    assert re.match(r"451the hook \S+Late(Plain)?\.on_rcpt, which", run(test))


@pytest.mark.parametrize(
    ("outcome", "told"), [(ValueError("x"), 1), (Reject(550, "too late"), 0), (None, 0)]
)
def test_a_refusal_that_comes_too_late_is_no_failure(
    outcome: Exception | None, told: int, caplog: pytest.LogCaptureFixture
) -> None:
    call: Future[None] = Future()
    if outcome is None:
        call.set_result(None)
    else:
        call.set_exception(outcome)
    tell_late("on_rcpt", call)
    assert len(caplog.records) == told


@pytest.mark.parametrize("at", ["names", "loop"])
def test_a_server_that_is_closed_while_it_starts(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """It does not listen once it is closed, with nobody left to close it."""
    listen = server_module.listen

    async def slow(*given: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await listen(*given)

    async def test() -> None:
        nonlocal begun, go_on
        begun, go_on = asyncio.Event(), asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = serve(Collect(), sockets=[sock])
            starting = asyncio.create_task(server.start())
            await (begun.wait() if at == "loop" else asyncio.sleep(0))
            server.close()
            go_on.set()
            with pytest.raises(LocalProtocolError):
                await starting
            await server.wait_closed()
            assert sock.fileno() < 0

    begun: Any = None
    go_on: Any = None
    monkeypatch.setattr(server_module, "listen", slow)
    run(test)


def test_reading_stops_while_a_hook_runs() -> None:
    go_on: Any = None

    class Handler(Collect):
        async def on_mail(self, peer: Peer, mail: Any) -> None:
            await go_on.wait()

    async def test() -> None:
        nonlocal go_on
        go_on = asyncio.Event()
        async with serve(Handler()) as server:
            client = await Streams.connect(server.port)
            await client.say(b"EHLO x\r\n")
            client.writer.write(b"MAIL FROM:<a@x.org>\r\n")
            await asyncio.sleep(0.05)
            flood = b"NOOP " + b"x" * 995 + b"\r\n"
            client.writer.write(flood * 4000)
            await asyncio.sleep(0.1)
            [driver] = server._drivers
            assert sum(map(len, driver._early or ())) <= channel.BUFFER
            assert driver._paused
            go_on.set()
            assert (await client.reply()).startswith("250 2.1.0")
            await client.close()

    run(test)


# --- writes --------------------------------------------------------------------------------------


def test_a_group_of_commands_is_answered_by_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 2920 3.2."""
    writes: list[bytes] = []
    made = drivers.Driver.connection_made

    class Counting:
        def __init__(self, transport: Any) -> None:
            self._transport = transport

        def write(self, octets: bytes) -> None:
            writes.append(octets)
            self._transport.write(octets)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transport, name)

    def connection_made(self: Any, transport: Any) -> None:
        made(self, Counting(transport))

    monkeypatch.setattr(drivers.Driver, "connection_made", connection_made)

    class Handler(Collect):
        async def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            """Ends at once, so that nothing has to be written before."""

    async def test() -> None:
        async with serve(Handler()) as server:
            client = await Streams.connect(server.port)
            await client.say(b"EHLO x\r\n")
            writes.clear()
            client.writer.write(GROUP)
            for _ in range(4):
                await client.reply()
            # Before Python 3.12 a hook that is asynchronous always becomes a task.
            assert len(writes) == (1 if sys.version_info >= (3, 12) else 3)
            writes.clear()
            await client.say(TEXT + b".\r\n")
            assert len(writes) == 1
            await client.close()

    run(test)


def test_a_client_that_does_not_read_and_is_lost_is_not_waited_for() -> None:
    class Handler(Collect):
        async def on_help(self, peer: Peer, command: Any) -> None:
            asked.append("on_help")

        async def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            asked.append("on_rcpt")
            await go_on.wait()

        async def on_close(self, peer: Peer) -> None:
            asked.append("on_close")

    asked: list[str] = []
    go_on = asyncio.Event()

    async def test() -> None:
        async with serve(Handler()) as server:
            client = await Streams.connect(server.port)
            client.writer.write(b"EHLO x\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nHELP\r\n")
            while not asked:
                await asyncio.sleep(0.01)
            [driver] = server._drivers
            driver.pause_writing()
            driver.transport.abort()
            while not driver._lost:
                await asyncio.sleep(0.01)
            go_on.set()
            while server.sessions:
                await asyncio.sleep(0.01)
            client.writer.transport.abort()
        assert asked == ["on_rcpt", "on_help", "on_close"]

    run(test)


def test_a_client_that_does_not_read_is_not_read_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_CLOSING", 0.1)

    class Handler(Collect):
        async def on_help(self, peer: Peer, command: Any) -> Reply:
            return Reply(214, ["x" * 400] * 250)

        async def on_abort(self, peer: Peer) -> None:
            calls.append("on_abort")

        async def on_close(self, peer: Peer) -> None:
            calls.append("on_close")

    calls: list[str] = []

    async def test() -> None:
        async with serve(Handler(), timeout=0.5) as server:
            client = await Streams.connect(server.port)
            sock = client.writer.get_extra_info("socket")
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.writer.write(b"EHLO x\r\nMAIL FROM:<a@x.org>\r\n" + b"HELP\r\n" * 90)
            [driver] = server._drivers
            while not driver._choked:
                await asyncio.sleep(0.01)
            size = driver.transport.get_write_buffer_size()
            assert size < 2_000_000
            while server.sessions:  # the peer took too long
                await asyncio.sleep(0.05)
            client.writer.transport.abort()

    run(test)
    assert calls == ["on_abort", "on_close"]


def test_a_client_that_does_not_read_what_the_tls_layer_says_is_not_read_from() -> None:
    """It answers each KeyUpdate (RFC 8446 4.6.3) by itself, so that no Read may come between."""

    class Handler(Collect):
        async def on_help(self, peer: Peer, command: Any) -> None:
            asked.append("on_help")

    asked: list[str] = []

    async def test() -> None:
        async with serve(Handler()) as server:
            client = await Streams.connect(server.port)
            [driver] = server._drivers
            driver.pause_writing()
            client.writer.write(b"HELP\r\n")
            for _ in range(5):  # the loop looks at both
                await send(server.port)
            assert not asked
            driver.resume_writing()
            assert (await client.reply()).startswith("214")
            client.writer.transport.abort()
        assert asked == ["on_help"]

    run(test)


def test_nor_while_a_hook_runs() -> None:
    class Handler(Collect):
        async def on_help(self, peer: Peer, command: Any) -> None:
            asked.append("on_help")
            await go_on.wait()

    asked: list[str] = []
    go_on = asyncio.Event()

    async def test() -> None:
        async with serve(Handler()) as server:
            client = await Streams.connect(server.port)
            [driver] = server._drivers
            client.writer.write(b"HELP\r\n")
            while not asked:
                await asyncio.sleep(0.01)
            driver.pause_writing()
            client.writer.write(b"NOOP\r\n")
            for _ in range(5):  # the loop looks at both
                await send(server.port)
            assert driver._early is None
            driver.resume_writing()
            go_on.set()
            assert (await client.reply()).startswith("214")
            assert (await client.reply()).startswith("250")
            client.writer.transport.abort()

    run(test)


# --- the end -------------------------------------------------------------------------------------


def test_serve_forever_ends_with_close() -> None:
    async def test() -> None:
        async with serve(Collect()) as server:
            waiting = asyncio.create_task(server.serve_forever())
            await asyncio.sleep(0)
            assert not waiting.done()
            server.close()
            await waiting
            server.close()
            await server.wait_closed()
            await server.wait_closed()

    run(test)


def test_a_hook_that_hangs_does_not_keep_the_server_from_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smtpproto.asyncio.server._GOODBYE", 0.1)
    cancelled = []

    class Handler(Collect):
        async def on_message(self, peer: Peer, message: Message) -> None:  # type: ignore[override]
            try:
                await asyncio.sleep(SECONDS)
            except asyncio.CancelledError:
                cancelled.append(message)
                raise

    async def test() -> None:
        async with serve(Handler(), grace=0.1) as server:
            client = await Streams.connect(server.port)
            await client.say(b"EHLO x\r\n")
            client.writer.write(GROUP)
            for _ in range(4):
                await client.reply()
            client.writer.write(b".\r\n")
            await asyncio.sleep(0.05)
        assert await client.reader.read() == b""
        await client.close()

    run(test)
    assert len(cancelled) == 1


def test_input_after_the_last_reply_does_not_destroy_it() -> None:
    class Handler(Collect):
        async def on_mail(self, peer: Peer, mail: Any) -> None:
            raise Reject(421, "go", "4.7.0")

    async def test() -> None:
        async with serve(Handler()) as server:
            client = await Streams.connect(server.port)
            await client.say(b"EHLO x\r\n")
            client.writer.write(b"MAIL FROM:<a@x.org>\r\n")
            await asyncio.sleep(0.05)
            for _ in range(10):
                client.writer.write(b"NOOP\r\n" * 1000)
                await asyncio.sleep(0)
            assert await client.reader.read() == b"421 4.7.0 go\r\n"
            await client.close()
            while server.sessions:
                await asyncio.sleep(0.01)

    run(test)


@pytest.mark.parametrize("closing", [False, True])
def test_a_client_that_never_closes_is_closed(
    closing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "LINGER", SOON)

    class Handler(Collect):
        async def on_connect(self, peer: Peer) -> None:
            raise Reject(421, "go", "4.7.0")

    async def test() -> None:
        async with serve(Handler()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            assert (await reader.read()).startswith(b"421")
            assert server.sessions == 1
            while server.sessions and not closing:
                await asyncio.sleep(0.02)
        writer.close()

    run(test)


def test_a_session_that_fails_is_logged_and_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What can only be a fault of a dialogue."""

    async def test() -> None:
        async with serve(Collect()) as server:

            def broken() -> Any:
                yield Read(b"220 hi\r\n", 5.0)
                raise ZeroDivisionError

            monkeypatch.setattr(server_module.Reception, "session", lambda *_: broken())
            client = await Streams.connect(server.port)
            client.writer.write(b"x")
            with pytest.raises((ConnectionResetError, AssertionError)):
                assert await client.reader.read() != b""
            client.writer.close()
            while server.sessions:
                await asyncio.sleep(0.01)

    run(test)
    assert any("a session failed" in record.message for record in caplog.records)


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("call", ["write", "write_eof"])
@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_a_transport_that_raises(
    monkeypatch: pytest.MonkeyPatch, threads: bool, call: str, error: type[Exception]
) -> None:
    """No loop should make one, and yet no session may stay for ever because of it."""

    def raises(*_: object) -> None:
        raise error("a fault")

    class Handler(Collect):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            # Only that of a server's connection: the clients of the tests are streams.
            for driver in tuple(server._drivers):
                monkeypatch.setattr(driver, "transport", Faulty(driver.transport))
            raise Reject(421, "go", "4.7.0")

    class Faulty:
        def __init__(self, transport: Any) -> None:
            self._transport = transport

        def __getattr__(self, name: str) -> Any:
            return raises if name == call else getattr(self._transport, name)

    async def test() -> None:
        nonlocal server
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with serve(Handler(), threads=threads) as server:
            for _ in range(2):
                client = await Streams.connect(server.port)
                client.writer.write(b"EHLO x\r\nMAIL FROM:<a@x.org>\r\n")
                while server.sessions:
                    await asyncio.sleep(0.01)
                client.writer.close()

    server: Any = None
    run(test)


def test_half_closed_connections_get_their_replies() -> None:
    async def test() -> None:
        handler = Collect()
        async with serve(handler) as server:
            client = await Streams.connect(server.port)
            client.writer.write(b"EHLO x\r\n" + GROUP + TEXT + b".\r\nQUIT\r\n")
            client.writer.write_eof()
            replies = await client.reader.read()
            assert replies.endswith(
                b"221 2.0.0 " + server._settings.hostname.encode() + b" closing\r\n"
            )
            await client.close()
        assert len(handler.messages) == 1

    run(test)


def test_no_timer_runs_without_connections() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        clock = Clock(loop, None)
        assert clock.interval == 1.0
        assert Clock(loop, 0.4).interval == 0.1

        class Timed:
            deadline = 0.0
            expired = 0

            def expire(self) -> None:
                self.expired += 1
                self.deadline = float("inf")

        clock.interval = 0.01
        one, other = Timed(), Timed()
        other.deadline = float("inf")
        clock.add(one)
        clock.add(other)
        await asyncio.sleep(0.1)
        assert (one.expired, other.expired) == (1, 0)
        clock.discard(one)
        clock.discard(other)
        clock.discard(other)
        await asyncio.sleep(0.1)
        assert clock._timer is None
        clock.add(one)
        assert clock._timer is not None
        assert clock.deadline(5) >= clock.now + 5

    run(test)


def test_time_in_which_the_loop_stood_still_is_held_against_nobody() -> None:
    """What came meanwhile was in time, and so is what answers the reply to it."""

    async def test() -> None:
        async with serve(Collect(), timeout=0.2) as server:
            client = await Streams.connect(server.port)
            for _ in range(2):
                client.writer.write(b"NOOP\r\n")
                time.sleep(0.6)
                assert (await client.reply()).startswith("250")
            assert (await client.reply()).startswith("421")  # but its own time is
            await client.close()

    run(test)


def test_dialogues_of_ones_own() -> None:
    """A driver runs any dialogue, one after the other."""
    _, context = contexts()

    async def test() -> None:
        async with serve(Collect()) as server:
            loop = asyncio.get_running_loop()
            means = channel.Means(Clock(loop, None), tls=context, is_server=False)
            _, driver = await loop.create_connection(
                lambda: Runner(means), "127.0.0.1", server.port
            )

            def one() -> Any:
                greeting = yield Read(b"", 5.0)
                answer = yield Handle(b"NOOP\r\n", lambda: "called", (), 5.0, blocks=False)
                return greeting[:3], answer, (yield Read(b"", 5.0))[:3]

            assert await driver.run(one()) == (b"220", "called", b"250")
            await asyncio.sleep(0.02)

            def two() -> Any:
                assert (yield Read(b"", 0.0)) is None
                yield Close(b"QUIT\r\n")

            assert await driver.run(two()) is None
            await driver.wait_gone()
            driver.abort()

    run(test)


@pytest.mark.parametrize("mode", [{}, {"tls": contexts()[0], "tls_mode": "implicit"}])
def test_small_writes_do_not_wait_for_acknowledgements(mode: dict[str, Any]) -> None:
    async def test() -> None:
        async with serve(Collect(), **mode) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server.sessions:
                await asyncio.sleep(0.01)
            for driver in server._drivers:
                sock = driver.transport.get_extra_info("socket")
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()

    run(test)


def test_a_hook_that_hangs_when_its_client_has_left_is_given_up() -> None:
    """Or such sessions would add up to as many as there may be."""

    class Handler:
        async def on_connect(self, peer: Peer) -> None:
            await asyncio.sleep(SECONDS)

    async def test() -> None:
        async with serve(Handler(), timeout=0.2) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while not server.sessions:
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while server.sessions:
                await asyncio.sleep(0.01)

    run(test)


@pytest.mark.parametrize("turns", range(6))
def test_a_client_that_comes_while_the_server_closes(turns: int) -> None:
    """The loop may have accepted it, and not told us yet."""

    async def test() -> None:
        async with serve(Collect(), grace=2 * SECONDS) as server:
            sock = socket.create_connection(("127.0.0.1", server.port), SECONDS)
            for _ in range(turns):
                await asyncio.sleep(0)
        assert server.sessions == 0
        with sock:
            try:
                heard = await asyncio.to_thread(lambda: sock.makefile("rb").read())
            except ConnectionResetError:
                heard = b""
        assert heard == b"" or b"421 " in heard

    run(test)


def test_a_handshake_that_has_not_begun_when_the_server_closes() -> None:
    async def test() -> None:
        options: Any = {"tls": contexts()[0], "tls_mode": "implicit", "grace": 2 * SECONDS}
        async with serve(Collect(), **options) as server:
            with socket.create_connection(("127.0.0.1", server.port), SECONDS):
                while not server.sessions:
                    await asyncio.sleep(0)
                server.close()
                await server.wait_closed()
                assert server.sessions == 0

    run(test)


def test_a_handshake_that_is_given_up_when_it_has_just_been_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop closes its transport by itself then, and has told us of it already."""
    server_side, client_side = contexts()
    shake = SocketTransport.start_tls
    drivers: list[Any] = []

    def leave(port: int) -> None:
        sock = socket.create_connection(("127.0.0.1", port), SECONDS)
        with client_side.wrap_socket(sock, server_hostname="localhost") as layer:
            layer.recv(1)

    async def test() -> None:
        async def made_in_vain(*args: Any) -> Any:
            transport = await shake(*args)
            drivers.extend(server._drivers)
            transport.close()
            raise asyncio.CancelledError

        monkeypatch.setattr(SocketTransport, "start_tls", made_in_vain)
        options: Any = {"tls": server_side, "tls_mode": "implicit"}
        async with serve(Collect(), **options) as server:
            await asyncio.to_thread(leave, server.port)
            while server.sessions:
                await asyncio.sleep(0.001)
            # It is not closed twice, after which it could not be aborted, nor asked anything.
            (driver,) = drivers
            assert driver.transport.get_extra_info("ssl_object") is not None

    run(test)
    assert not caplog.records


# --- the beginning -------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["listening", "failing"])
@pytest.mark.parametrize("unix", [False, True])
def test_a_start_that_is_broken_off_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unix: bool, ending: str
) -> None:
    """Names are asked for in a thread, which cannot be broken off."""
    path = tmp_path / "socket"
    running, go_on = threading.Event(), threading.Event()
    made: list[socket.socket] = []
    listen = listening.listen

    def slow(*args: Any, **options: Any) -> list[socket.socket]:
        made.extend(listen(*args, **options))
        running.set()
        go_on.wait(SECONDS)
        if ending == "failing":
            made[0].close()
            raise OSError("no such name")
        return made

    async def main() -> None:
        server = serve(Collect(), path=str(path) if unix else None)
        start = asyncio.create_task(server.start())
        await asyncio.to_thread(running.wait, SECONDS)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        go_on.set()
        while made[0].fileno() >= 0:
            await asyncio.sleep(0.001)
        assert ending == "failing" or not path.exists()
        with pytest.raises(LocalProtocolError, match="not started before"):
            await server.start()

    monkeypatch.setattr(listening, "listen", slow)
    run(main)
