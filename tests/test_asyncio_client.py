# SPDX-License-Identifier: MIT
"""What only the asyncio client does: cancellation, asynchronous sources, the loop kept free."""

from __future__ import annotations

import asyncio
import io
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, Scripted, contexts

from smtpproto import ClientConnection, Reply, blocking
from smtpproto.asyncio import Client, Collect, ConnectionLost, TimedOut, send_mail, serve

TEXT = b"Subject: x\r\n\r\ntext\r\n"
HELLO = b"250-mx.example.org\r\n250 PIPELINING\r\n"


def run(test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(test(), SECONDS))


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_what_the_system_trusts_is_not_read_in_the_loop(
    mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_side, client_side = contexts()
    readers: list[threading.Thread] = []

    def context() -> ssl.SSLContext:
        readers.append(threading.current_thread())
        return client_side

    monkeypatch.setattr(ssl, "create_default_context", context)

    async def test() -> None:
        async with serve(Collect(), tls=server_side, tls_mode=mode) as server:
            for _ in range(2):
                async with Client("localhost", server.port, security=mode):
                    pass

    run(test)
    assert len(readers) == 2
    assert threading.current_thread() not in readers


def test_a_cancelled_send_closes_the_connection() -> None:
    """A half-read reply must not be left for the next message."""

    async def test() -> None:
        script = [
            (b"", b"220 hi\r\n"),
            (b"\r\n", HELLO),
            (b"DATA\r\n", b"250 ok\r\n25"),
            (b"never", b""),
        ]
        with Scripted(*script) as server:
            async with Client("127.0.0.1", server.port, security="none") as client:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await client.send(TEXT, "a@x.org", "b@x.org")
                assert client.connection is None
                with pytest.raises(ConnectionLost):
                    await client.send(TEXT, "a@x.org", "b@x.org")

    run(test)


def test_a_handshake_is_cancelled_with_the_client() -> None:
    async def test() -> None:
        script = [
            (b"", b"220 hi\r\n"),
            (b"\r\n", b"250-x\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go\r\n"),
            (b"never", b""),
        ]
        with Scripted(*script) as server:
            task = asyncio.create_task(Client("127.0.0.1", server.port).connect())
            while b"STARTTLS\r\n\x16" not in server.received:
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait((task,), timeout=SECONDS / 2)  # the server would stay for longer
            assert task.cancelled()

    run(test)


def test_a_cancelled_source_is_cancelled_with_the_send() -> None:
    cancelled = []
    running = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield TEXT
        running.set()
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def test() -> None:
        handler = Collect()
        async with serve(handler) as server, Client("127.0.0.1", server.port) as client:
            task = asyncio.create_task(client.send(pieces(), "a@x.org", "b@x.org"))
            await running.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while not cancelled:
                await asyncio.sleep(0.001)
        assert handler.messages == []

    run(test)


def test_asynchronous_sources() -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        for _ in range(size):
            await asyncio.sleep(0)
            yield b"x" * 998 + b"\r\n"

    async def test() -> None:
        handler = Collect()
        async with serve(handler) as server, Client("127.0.0.1", server.port) as client:
            for transfer in ("data", "bdat"):
                await client.send(pieces(300), "a@x.org", "b@x.org", transfer=transfer)
        assert [len(message.content) for message in handler.messages] == [300_000] * 2

    run(test)


def test_files_are_read_in_a_thread() -> None:
    threads = set()

    class File(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            threads.add(threading.current_thread())
            return super().read(size)

    async def test() -> None:
        async with serve(Collect()) as server:
            await send_mail(
                File(TEXT * 1000), "127.0.0.1", server.port, sender="a@x.org", recipients="b@x.org"
            )

    run(test)
    assert threading.main_thread() not in threads


def test_a_source_that_is_too_slow() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield TEXT
        await asyncio.sleep(SECONDS)

    async def test() -> None:
        async with (
            serve(Collect()) as server,
            Client("127.0.0.1", server.port, timeout=SOON) as client,
        ):
            with pytest.raises(TimeoutError, match=r"^\w+\.read took too long") as failed:
                await client.send(pieces(), "a@x.org", "b@x.org")
        assert not isinstance(failed.value, TimedOut)

    run(test)


def test_connecting_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async def connect(*_: Any, **__: Any) -> None:
            await asyncio.sleep(SECONDS)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
        with pytest.raises(TimedOut, match="no connection"):
            async with Client("127.0.0.1", 1, timeout=0.05):
                pass

    run(test)


def test_a_server_that_talks_while_nothing_was_asked() -> None:
    """What it says is kept, up to a bound, and heard before the next message."""

    async def test() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hi\r\n")
            await reader.readline()
            writer.write(HELLO)
            await asyncio.sleep(0.05)
            writer.write(b"421 4.4.2 bye\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with Client("127.0.0.1", port, security="none", timeout=SECONDS) as client:
            await asyncio.sleep(0.2)
            with pytest.raises(Exception, match=r"421 4\.4\.2 bye") as failed:
                await client.send(TEXT, "a@x.org", "b@x.org")
            assert failed.value.reply == Reply(421, "bye", "4.4.2")  # type: ignore[attr-defined]
        server.close()
        await server.wait_closed()

    run(test)


def test_a_message_takes_two_turns_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are answers to wait for: who waits for the last one goes on with it."""
    port = 0

    async def test() -> None:
        loop = asyncio.get_running_loop()
        async with Client("127.0.0.1", port, security="none") as client:
            for _ in range(3):
                await client.send(TEXT, "a@x.org", "b@x.org")
            selector: Any = loop._selector  # type: ignore[attr-defined]
            turns = []
            select = selector.select

            def counting(timeout: float | None = None) -> Any:
                found = select(timeout)
                turns.append(bool(found))
                return found

            monkeypatch.setattr(selector, "select", counting)
            for _ in range(10):
                await client.send(TEXT, "a@x.org", "b@x.org")
            monkeypatch.undo()
            assert turns.count(True) == 20
            assert turns.count(False) < 10  # the clock's

    handler = Collect()
    with blocking.serve(handler) as server:
        port = server.port
        run(test)
    assert len(handler.messages) == 13


def test_what_is_raised_behind_a_message_has_no_other_cause() -> None:
    async def test() -> None:
        handler = Collect()
        async with serve(handler) as server, Client("127.0.0.1", server.port) as client:
            await client.send(TEXT, "a@x.org", "b@x.org")
            with pytest.raises(ZeroDivisionError) as failed:
                raise ZeroDivisionError
            assert failed.value.__context__ is None

    run(test)


def test_what_comes_between_two_steps_closes_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the handler of a signal: a reply was read that nobody knows of."""

    class Alarm(Exception):
        pass

    def interrupted(*args: Any) -> None:
        read(*args)
        raise Alarm

    read = ClientConnection.next_replies

    async def main() -> None:
        async with serve(Collect()) as server, Client("127.0.0.1", server.port) as client:
            monkeypatch.setattr(ClientConnection, "next_replies", interrupted)
            with pytest.raises(Alarm):
                await client.noop()
            monkeypatch.undo()
            assert not client.is_connected
            await client.connect()
            assert (await client.noop()).is_positive

    asyncio.run(main())


def test_a_send_is_cancelled_at_any_moment() -> None:
    """What it did stands: either the session goes on, or it is closed."""

    async def test() -> None:
        handler = Collect()
        sent = cancelled = 0
        async with serve(handler, threads=False) as server:
            client = Client("127.0.0.1", server.port)
            for turns in range(60):
                if not client.is_connected:
                    await client.connect()
                task = asyncio.create_task(client.send(TEXT, "a@x.org", "b@x.org"))
                for _ in range(turns % 20):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    await task
                    sent += 1
                    assert client.is_connected
                except asyncio.CancelledError:
                    cancelled += 1
            await client.close()
        assert sent
        assert cancelled
        assert len(handler.messages) >= sent

    run(test)


def test_several_tasks_use_one_client() -> None:
    async def test() -> None:
        handler = Collect()
        async with serve(handler) as server, Client("127.0.0.1", server.port) as client:

            async def send(number: int) -> None:
                for part in range(5):
                    text = f"Subject: {number}.{part}\r\n\r\n".encode()
                    async with asyncio.timeout(SECONDS):
                        result = await client.send(text, "a@x.org", "b@x.org")
                    assert asyncio.current_task() is tasks[number]
                    assert not result.refused

            tasks = [asyncio.create_task(send(number)) for number in range(8)]
            await asyncio.gather(*tasks)
        subjects = [message.content for message in handler.messages]
        assert len(subjects) == len(set(subjects)) == 40

    run(test)


def test_who_listens_to_outcomes_has_the_variables_of_the_caller() -> None:
    issue: ContextVar[str] = ContextVar("issue", default="none")
    told: list[tuple[int, str]] = []

    async def test() -> None:
        async with serve(Collect()) as server, Client("127.0.0.1", server.port) as client:
            issue.set("may")
            await client.send_many(
                [(TEXT, "a@x.org", "b@x.org")] * 2,
                on_outcome=lambda number, _outcome: told.append((number, issue.get())),
            )

    run(test)
    assert told == [(0, "may"), (1, "may")]
