# SPDX-License-Identifier: MIT
"""A socket as a transport: nothing is lost, nobody waits for ever, and the end is told once."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from adapter_drive import SECONDS, contexts

from smtpproto.asyncio.transport import Receiver, SocketTransport

BIG = bytes(range(256)) * 16384
"""4 MiB: more than a socket takes."""
Test = Callable[["Told", SocketTransport, socket.socket], Coroutine[Any, Any, None]]


class Told(Receiver):
    """Takes down what it is told."""

    def __init__(self, keeps_open: bool = False) -> None:
        self.calls: list[Any] = []
        self.octets = b""
        self.keeps_open = keeps_open
        self.pauses = self.aborts = False
        self.room = 1000
        self._buffer = bytearray(self.room)

    def connection_made(self, transport: Any) -> None:
        if self.pauses:
            transport.pause_reading()
        if self.aborts:
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.received(self._buffer[:nbytes])

    def received(self, octets: bytes) -> None:
        self.octets += octets

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(("lost", type(exc)))


def run(test: Test, told: Told | None = None) -> None:
    """Give the test a transport and the socket of its peer."""
    told = told or Told()

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            for sock in ours, theirs:
                sock.setblocking(False)
            transport = SocketTransport(asyncio.get_running_loop(), ours, ("192.0.2.1", 1), told)
            try:
                await test(told, transport, theirs)
            finally:
                transport.abort()
                await until(lambda: ours.fileno() == -1)

    asyncio.run(asyncio.wait_for(main(), SECONDS))


async def until(what: Callable[[], object]) -> None:
    while not what():
        await asyncio.sleep(0.001)


async def take(sock: socket.socket, octets: int) -> bytes:
    """Read so many octets, fewer only at the end of the stream."""
    taken = bytearray()
    while len(taken) < octets:
        more = await asyncio.get_running_loop().sock_recv(sock, 65536)
        if not more:
            break
        taken += more
    return bytes(taken)


def fill(sock: socket.socket) -> int:
    """Write past the transport until the socket takes no more."""
    filled = 0
    with suppress(BlockingIOError):
        while True:
            filled += sock.send(bytes(65536))
    return filled


def test_what_it_knows() -> None:
    async def test(_told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        sock = transport.get_extra_info("socket")
        assert sock.getpeername() == theirs.getsockname()
        assert transport.get_extra_info("peername") == ("192.0.2.1", 1)
        assert transport.get_extra_info("sockname") == sock.getsockname()
        assert transport.get_extra_info("ssl_object") is None
        assert transport.get_extra_info("compression", "none") == "none"
        assert transport.can_write_eof()

    run(test)


# --- reading -------------------------------------------------------------------------------------


def test_octets_come_until_it_is_paused_and_from_when_it_goes_on() -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        theirs.send(b"one ")
        await until(lambda: told.octets == b"one ")
        transport.pause_reading()
        transport.pause_reading()
        theirs.send(b"two")
        for _ in range(5):
            await asyncio.sleep(0)
        assert told.octets == b"one "
        transport.resume_reading()
        transport.resume_reading()
        await until(lambda: told.octets == b"one two")

    run(test)


def test_it_may_be_paused_from_the_start() -> None:
    told = Told()
    told.pauses = True

    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        theirs.send(b"one")
        for _ in range(5):
            await asyncio.sleep(0)
        assert told.octets == b""
        transport.resume_reading()
        await until(lambda: told.octets == b"one")

    run(test, told)


def test_it_is_not_read_again_once_it_closes() -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        transport.pause_reading()
        transport.write(BIG)
        transport.close()
        transport.resume_reading()
        theirs.send(b"late")
        await take(theirs, len(BIG))
        await until(lambda: ("lost", type(None)) in told.calls)
        assert told.octets == b""

    run(test)


def test_it_is_not_read_where_it_ends_at_once() -> None:
    told = Told()
    told.aborts = True

    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        number = transport.get_extra_info("socket").fileno()
        theirs.send(b"unheard")
        await until(lambda: told.calls)
        assert not loop.remove_reader(number)
        assert (told.octets, told.calls) == (b"", [("lost", type(None))])

    run(test, told)


def test_it_does_not_wait_where_nothing_is() -> None:
    async def test(told: Told, transport: SocketTransport, _theirs: socket.socket) -> None:
        transport._readable()  # a loop may be wrong
        assert (told.octets, told.calls, transport.is_closing()) == (b"", [], False)

    run(test)


def test_the_end_of_the_stream_closes() -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        theirs.shutdown(socket.SHUT_WR)
        await until(lambda: len(told.calls) == 2)
        assert told.calls == ["eof", ("lost", type(None))]
        assert transport.is_closing()
        transport.resume_reading()
        assert await take(theirs, 1) == b""

    run(test)


def test_the_end_of_the_stream_is_told_once_where_our_side_stays_open() -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        theirs.shutdown(socket.SHUT_WR)
        await until(lambda: told.calls)
        for _ in range(5):
            await asyncio.sleep(0)
        transport.write(b"late")
        assert await take(theirs, 4) == b"late"
        assert told.calls == ["eof"]

    run(test, Told(keeps_open=True))


# --- writing -------------------------------------------------------------------------------------


def test_what_the_peer_does_not_take_at_once_comes_later_in_order() -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        transport.write(b"first")
        transport.write(BIG)
        transport.write(b"last")
        assert transport.get_write_buffer_size() > 1_000_000
        assert told.calls == ["pause"]
        transport._writable()  # nobody has read
        whole = b"first" + BIG + b"last"
        assert await take(theirs, len(whole)) == whole
        await until(lambda: told.calls == ["pause", "resume"])
        assert transport.get_write_buffer_size() == 0

    run(test)


def test_what_comes_later_does_not_overtake_what_waits() -> None:
    async def test(_told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        filled = fill(transport.get_extra_info("socket"))
        transport.write(b"first ")
        while filled:  # now the socket would take more, and the loop has not said so yet
            filled -= len(theirs.recv(min(filled, 65536)))
        transport.write(b"last")
        assert await take(theirs, 10) == b"first last"

    run(test)


def test_a_little_that_waits_pauses_nobody() -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        filled = fill(transport.get_extra_info("socket"))
        transport.write(b"first ")
        transport.write(b"last")
        assert (await take(theirs, filled + 10))[filled:] == b"first last"
        assert told.calls == []

    run(test)


@pytest.mark.parametrize("octets", [b"", BIG])
def test_our_side_ends_after_what_was_written(octets: bytes) -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        if octets:
            transport.write(octets)
        transport.write_eof()
        assert await take(theirs, len(octets) + 1) == octets
        theirs.send(b"heard")
        await until(lambda: told.octets == b"heard")

    run(test)


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [b"", BIG])
def test_closing_sends_what_is_left_and_reads_no_more(octets: bytes) -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        theirs.send(b"unheard")
        if octets:
            transport.write(octets)
        for _ in range(2):
            transport.close()
        assert transport.is_closing()
        assert await take(theirs, len(octets)) == octets
        await until(lambda: ("lost", type(None)) in told.calls)
        assert told.octets == b""
        assert told.calls.count(("lost", type(None))) == 1

    run(test)


def test_it_may_be_aborted_with_something_left() -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        number = transport.get_extra_info("socket").fileno()
        transport.write(BIG)
        transport.close()
        for _ in range(2):
            transport.abort()
        assert not asyncio.get_running_loop().remove_writer(number)
        assert told.calls == ["pause"]  # the rest comes from the loop
        await until(lambda: len(told.calls) > 1)
        assert told.calls == ["pause", ("lost", type(None))]
        assert len(await take(theirs, len(BIG))) < len(BIG)

    run(test)


@pytest.mark.parametrize("does", ["nothing", "write", "wait"])
def test_a_connection_that_breaks_is_told_with_its_error(does: str) -> None:
    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        if does == "wait":
            transport.pause_reading()
            transport.write(BIG)
        if does == "nothing":
            transport.write(b"unread")
        theirs.close()
        while does == "write" and not transport.is_closing():
            transport.write(b"x")
        await until(lambda: told.calls and told.calls[-1] != "pause")
        kind, error = told.calls[-1]
        assert kind == "lost"
        assert issubclass(error, ConnectionError)

    run(test)


def test_what_is_called_after_the_end_touches_no_other_connection() -> None:
    """Which may have the same file descriptor."""

    async def test(told: Told, transport: SocketTransport, _theirs: socket.socket) -> None:
        sock = transport.get_extra_info("socket")
        number = sock.fileno()
        fill(sock)
        one, theirs = socket.socketpair()
        transport.abort()
        transport.write(b"x")
        await until(lambda: told.calls and sock.fileno() == -1)
        loop = asyncio.get_running_loop()
        with one, theirs, socket.socket(fileno=os.dup2(one.fileno(), number)) as ours:
            heard: list[bytes] = []
            loop.add_reader(ours, lambda: heard.append(ours.recv(10)))
            transport.pause_reading()
            transport.resume_reading()
            transport.write(b"x")
            transport.close()
            transport.abort()
            theirs.send(b"still")
            await until(lambda: heard)
            loop.remove_reader(ours)
        assert heard == [b"still"]
        assert told.calls == [("lost", type(None))]

    run(test)


def test_a_reset_is_told() -> None:
    async def main() -> None:
        told = Told()
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, address = listener.accept()
        ours.setblocking(False)
        SocketTransport(loop, ours, address, told)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        await until(lambda: told.calls)
        assert told.calls == [("lost", ConnectionResetError)]
        assert ours.fileno() == -1

    asyncio.run(asyncio.wait_for(main(), SECONDS))


# --- TLS -----------------------------------------------------------------------------------------


def _wrap(theirs: socket.socket, skip: int, context: ssl.SSLContext) -> bytes:
    """Read so many octets in the clear, then make the handshake; return what comes under TLS."""
    theirs.settimeout(SECONDS)
    while skip:
        skip -= len(theirs.recv(min(skip, 65536)))
    with context.wrap_socket(theirs.dup(), server_hostname="localhost") as layer:
        layer.sendall(b"hello")
        return layer.recv(100)


@pytest.mark.parametrize("octets", [b"", BIG])
def test_a_tls_layer_begins_behind_what_was_written(octets: bytes) -> None:
    server, client = contexts()

    async def test(told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        if octets:
            transport.write(octets)
        heard = asyncio.create_task(asyncio.to_thread(_wrap, theirs, len(octets), client))
        layer: Any = await transport.start_tls(server, SECONDS)
        await until(lambda: told.octets == b"hello")
        layer.write(b"hello yourself")
        assert await heard == b"hello yourself"
        assert layer.get_extra_info("ssl_object") is not None
        transport.close()  # it is the layer's now
        transport.abort()
        layer.abort()

    run(test)


def test_a_handshake_with_nobody() -> None:
    async def test(_told: Told, transport: SocketTransport, theirs: socket.socket) -> None:
        theirs.close()
        with pytest.raises(OSError, match=r".*"):
            await transport.start_tls(contexts()[0], SECONDS)
        with pytest.raises(ConnectionResetError):
            await transport.start_tls(contexts()[0], SECONDS)

    run(test)


def test_a_handshake_that_is_given_up_before_it_begins() -> None:
    async def test(_told: Told, transport: SocketTransport, _theirs: socket.socket) -> None:
        transport.write(BIG)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await transport.start_tls(contexts()[0], SECONDS)

    run(test)
