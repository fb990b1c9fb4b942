# SPDX-License-Identifier: MIT
"""Servers that close while clients are anywhere in their sessions."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, AsyncioWorld, World
from faults.drive import MODES, TEXT, Wire, Witness, eventually
from faults.places import HELLO, MAIL, PLACES, RCPT, Place, go, options, places

from smtpproto import asyncio as aio
from smtpproto.dialogues import Message, Peer

ALERT = b"\x15"
GREETING = b"220 mx.example.org ESMTP\r\n"
GOODBYE = b"421 4.3.2 server shutting down\r\n"


@pytest.mark.parametrize("mode", MODES)
def test_clients_everywhere(world: World, mode: str) -> None:
    """All at once, and nobody is left. Whoever was silent, and not in a handshake, is told."""
    witness = Witness()
    with ThreadPoolExecutor(len(PLACES)) as pool:
        with world.serve(witness, grace=SOON, **options(mode)) as server:
            heard = {
                name: pool.submit(_listen, go(server.port, mode, place))
                for name, place in places(mode).items()
            }
            eventually(lambda: witness.connected == len(heard), "all sessions")
        assert server.sessions == 0
        assert witness.settled(), witness
        assert witness.messages == []
        for name, place in places(mode).items():
            said = heard[name].result(SECONDS)
            assert said.endswith(GOODBYE) or place.tail or place.needs, (name, said)


def _listen(wire: Wire) -> bytes:
    with wire:
        return wire.rest()


@pytest.mark.parametrize("octets", [b"", PLACES["half a ClientHello"].raw])
def test_a_handshake_that_never_ends_does_not_outlive_the_server(
    world: World, octets: bytes
) -> None:
    """With TLS from the start, where there is no session yet that could be ended."""
    with world.serve(Witness(), **options("implicit")) as server:
        wire = Wire(server.port)
        wire.sock.sendall(octets)
        Wire(server.port, True).close()  # so that the first one was seen, too
    with wire:
        assert wire.rest()[:1] in (b"", ALERT)


def test_a_handshake_that_ends_after_the_server(world: World) -> None:
    """No session begins any more."""
    witness = Witness()
    with world.serve(witness, **options("implicit")) as server:
        wire = Wire(server.port)
        Wire(server.port, True).close()
        eventually(lambda: witness.closed == 1)
    with wire:
        try:
            wire.secure()
        except OSError:
            return
        assert wire.rest() in (b"", GOODBYE)
    assert witness.settled()


# asyncio itself forgets a connection for which it has not made a transport yet.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("turns", range(6))
def test_a_connection_that_comes_while_the_server_closes(turns: int) -> None:
    """However far the loop has come with it, it does not live on."""
    witness = Witness()

    async def test() -> bytes:
        async with aio.serve(
            witness, hostname="mx.example.org", threads=False, auth_cleartext=True
        ) as server:
            wire = Wire(server.port)
            for _ in range(turns):
                await asyncio.sleep(0)
        gc.collect()
        with wire:
            return await asyncio.to_thread(wire.rest)

    heard = asyncio.run(asyncio.wait_for(test(), SECONDS))
    assert heard in (b"", GOODBYE, GREETING + GOODBYE)
    assert witness.settled(), witness


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunks", [False, True], ids=["data", "bdat"])
def test_a_message_that_is_being_taken_is_taken(world: World, mode: str, chunks: bool) -> None:
    """It gets its 250; who is between two commands at that time is told at once."""
    running, go_on = threading.Event(), threading.Event()

    class Slow(Witness):
        def on_message(self, peer: Peer, message: Message) -> None:
            running.set()
            assert go_on.wait(SECONDS)
            super().on_message(peer, message)

    witness = Slow()
    if chunks:
        place = Place((HELLO, MAIL, RCPT), b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
    else:
        place = Place((HELLO, MAIL, RCPT, b"DATA\r\n"), TEXT + b".\r\n", after=b"354")
    with ThreadPoolExecutor(2) as pool:
        with world.serve(witness, grace=SECONDS, **options(mode)) as server:
            heard = pool.submit(_listen, go(server.port, mode, place))
            assert running.wait(SECONDS)
            other = pool.submit(_listen, go(server.port, mode, PLACES["RCPT"]))
            close(world, server)
            said = other.result(SECONDS)
            go_on.set()
        assert said == GOODBYE
        assert heard.result(SECONDS) == b"250 2.0.0 message taken\r\n" + GOODBYE
    assert witness.settled()
    assert len(witness.messages) == 1


ENDINGS = {
    "DATA": TEXT + b".\r\n",
    "half a message": b".\r\n",
    "before the last LF": b"\n",
    "half a last chunk": b"x" * 997,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ENDINGS)
def test_a_message_that_is_on_its_way_may_come(world: World, mode: str, name: str) -> None:
    witness = Witness()
    with (
        ThreadPoolExecutor(1) as pool,
        world.serve(witness, grace=SECONDS, **options(mode)) as server,
    ):
        wire = go(server.port, mode, PLACES[name])
        other = pool.submit(_listen, go(server.port, mode, PLACES["READY"]))
        close(world, server)
        assert other.result(SECONDS) == GOODBYE
        wire.send(ENDINGS[name])
        assert wire.reply() == b"250 2.0.0 message taken"
        assert _listen(wire) == GOODBYE
    assert witness.settled()
    assert len(witness.messages) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ENDINGS)
def test_a_message_that_does_not_come_in_time(world: World, mode: str, name: str) -> None:
    """It is aborted, and so is one for which the server has no time at all."""
    witness = Witness()
    for grace in (0.2, 0.0):
        with ThreadPoolExecutor(1) as pool:
            with world.serve(witness, grace=grace, **options(mode)) as server:
                wire = go(server.port, mode, PLACES[name])
                heard = pool.submit(_listen, wire)
                eventually(lambda: witness.begun > witness.aborted)
            assert heard.result(SECONDS) in (GOODBYE, b"")
    assert (witness.messages, witness.aborted) == ([], 2)


@pytest.mark.parametrize("mode", MODES)
def test_a_hook_that_hangs_does_not_hold_up_the_end(asyncio_world: AsyncioWorld, mode: str) -> None:
    class Slow(Witness):
        async def on_message(self, peer: Peer, message: Message) -> None:
            running.set()
            await asyncio.Event().wait()

    running = threading.Event()
    place = Place((HELLO, MAIL, RCPT), b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
    with ThreadPoolExecutor(1) as pool:
        with asyncio_world.serve(Slow(), grace=0.2, **options(mode)) as server:
            heard = pool.submit(_listen, go(server.port, mode, place))
            assert running.wait(SECONDS)
        assert b"250" not in heard.result(SECONDS)
    assert server.sessions == 0


def close(world: World, server: Any) -> None:
    if isinstance(world, AsyncioWorld):
        world.loop.call_soon_threadsafe(server.close)
    else:
        server.close()
