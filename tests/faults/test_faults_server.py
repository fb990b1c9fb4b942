# SPDX-License-Identifier: MIT
"""What clients do to a server, wherever they are in their session."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from adapter_drive import SECONDS, SOON, World
from faults.drive import MODES, TEXT, Wire, Witness, eventually, everything_ended, is_well
from faults.places import HELLO, MAIL, PLACES, RCPT, Place, go, options, places

from smtpproto.dialogues import Collect, Message, Peer, Reject

# Before Python 3.13 it is left to the garbage collector to close what could not be wrapped.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
FAULTS: dict[str, Callable[[Wire], None]] = {
    "reset": Wire.reset,
    "close": Wire.close,
    "half-close": Wire.half_close,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mode", MODES)
def test_the_client_leaves(world: World, mode: str, fault: str) -> None:
    """From each place, one after the other."""
    witness = Witness()
    with world.serve(witness, **options(mode)) as server:
        for number, (name, place) in enumerate(places(mode).items()):
            with go(server.port, mode, place) as wire:
                FAULTS[fault](wire)
                if fault == "half-close":
                    wire.rest()  # which comes to an end, whatever it is
                eventually(lambda: witness.connected > number, "the session")  # noqa: B023
            everything_ended(server, witness)
            assert (name, witness.messages, witness.connected) == (name, [], number + 1)
        is_well(server, witness, mode == "implicit")


@pytest.mark.parametrize("fault", ["reset", "close"])
@pytest.mark.parametrize("mode", ["plain", "implicit"])
@pytest.mark.parametrize(
    "end", [(b"DATA\r\n", TEXT + b".\r\n"), (b"BDAT %d LAST\r\n" % len(TEXT) + TEXT,)]
)
def test_a_message_whose_250_does_not_get_through_is_kept(
    world: World, mode: str, end: tuple[bytes, ...], fault: str
) -> None:
    """It was taken: the client will send it again, which is better than that nobody has it."""
    witness = Witness()
    running, go_on = threading.Event(), threading.Event()

    class Slow(Witness):
        def on_message(self, peer: Peer, message: Message) -> None:
            running.set()
            assert go_on.wait(SECONDS)
            witness.on_message(peer, message)

    slow = Slow()
    with world.serve(slow, **options(mode)) as server:
        place = Place((HELLO, MAIL, RCPT, *end[:-1]), end[-1], after=b"354" if end[1:] else b"250")
        wire = go(server.port, mode, place)
        assert running.wait(SECONDS)
        FAULTS[fault](wire)
        go_on.set()
        slow.messages = witness.messages
        everything_ended(server, slow)
    assert [message.content for message in witness.messages] == [TEXT]


@pytest.mark.parametrize("fault", ["reset", "close"])
@pytest.mark.parametrize("mode", MODES)
def test_the_client_leaves_while_replies_are_on_their_way(
    world: World, mode: str, fault: str
) -> None:
    """They cannot be written, and still a hook that cleans up is called, once."""
    running, go_on = threading.Event(), threading.Event()

    class Slow(Witness):
        def on_rcpt(self, peer: Peer, rcpt: object) -> None:
            super().on_rcpt(peer, rcpt)
            running.set()
            assert go_on.wait(SECONDS)

    witness = Slow()
    with world.serve(witness, **options(mode)) as server:
        wire = go(server.port, mode, PLACES["MAIL"])
        wire.send(RCPT + b"NOOP\r\n" * 3 + b"QUIT\r\n")
        assert running.wait(SECONDS)
        FAULTS[fault](wire)
        go_on.set()
        everything_ended(server, witness)
    assert (witness.begun, witness.aborted, witness.closed) == (1, 1, 1)


def test_clients_that_have_gone_when_they_are_turned_away(world: World) -> None:
    """A burst of them takes nobody's place."""
    gone = threading.Event()

    def wait(line: str) -> None:
        assert line.startswith("<-") or gone.wait(SECONDS)

    # Without on_close, so that the last replies are the first that cannot be delivered.
    with world.serve(Collect(), connections=50, transcript=wait) as server:
        wires = [Wire(server.port) for _ in range(50)]
        for wire in wires:
            assert wire.reply()[:3] == b"220"
        for wire in wires:
            wire.send(b"BAD\r\n" * 30)
            wire.close()
        gone.set()
        eventually(lambda: not server.sessions, "the end of all sessions")
        assert server.counters.endings == {"turned away": 50}
        with Wire(server.port) as wire:
            assert wire.reply()[:3] == b"220"


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_has_gone_when_a_hook_turns_it_away(world: World, mode: str) -> None:
    """With input that nobody has read yet."""
    running, go_on = threading.Event(), threading.Event()

    class Slow(Witness):
        def on_mail(self, peer: Peer, mail: object) -> None:
            running.set()
            assert go_on.wait(SECONDS)
            raise Reject(421, "go", "4.7.0")

    witness = Slow()
    with world.serve(witness, **options(mode)) as server:
        with go(server.port, mode, PLACES["READY"]) as wire:
            wire.send(MAIL)
            assert running.wait(SECONDS)
            wire.send(b"NOOP\r\n" * 10)
        go_on.set()
        everything_ended(server, witness)
        assert server.counters.endings == {"turned away": 1}


@pytest.mark.parametrize("mode", MODES)
def test_octets_of_no_meaning(world: World, mode: str) -> None:
    """Random ones from each place, with line ends among them, and nothing is taken for a message.

    But for where a message needs no end, only its octets.
    """
    witness = Witness()
    chance = random.Random(5321)
    with world.serve(witness, **options(mode)) as server:
        for place in places(mode).values():
            for _ in range(2):
                # No dot, which might end a message.
                noise = chance.randbytes(3000).replace(b".", b"\r\n")
                with go(server.port, mode, place) as wire, suppress(OSError, ssl.SSLError):
                    wire.send(noise)
                    wire.half_close()
                    wire.rest()
        everything_ended(server, witness)
        assert all(message.content.startswith(b"abc") for message in witness.messages)
        is_well(server, witness, mode == "implicit")


# --- TLS -----------------------------------------------------------------------------------------


def _changed(record: bytes) -> bytes:
    """Return a record with another last octet, whatever it was."""
    return record[:-1] + bytes([record[-1] ^ 1])


HALF = Place((HELLO, MAIL, RCPT, b"DATA\r\n"), TEXT, after=b"354")
RECORDS: dict[str, Callable[[Wire], None]] = {
    "ends the layer and stays": Wire.close_notify,
    "half a record": lambda wire: wire.sock.sendall(wire.seal(b".\r\n")[:-1]),
    "a record that was changed": lambda wire: wire.sock.sendall(_changed(wire.seal(b".\r\n"))),
    "a record sent twice": lambda wire: wire.sock.sendall(wire.seal(TEXT) * 2),
    "plaintext": lambda wire: wire.sock.sendall(b"\r\n.\r\nQUIT\r\n"),
    "a record that is too long": lambda wire: wire.sock.sendall(
        b"\x17\x03\x03\xff\xff" + bytes(65535)
    ),
}


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("fault", RECORDS)
def test_the_client_breaks_the_layer(world: World, mode: str, fault: str) -> None:
    """In the middle of a message, of which nothing is kept, though the end may seem to be there."""
    witness = Witness()
    with world.serve(witness, **options(mode)) as server:
        with go(server.port, mode, HALF) as wire:
            with suppress(OSError):
                RECORDS[fault](wire)
            if fault != "half a record":  # the rest of it might come
                wire.rest()
        everything_ended(server, witness)
        assert (witness.messages, witness.aborted) == ([], 1)
        is_well(server, witness, mode == "implicit")


HANDSHAKES = {
    "plaintext": b"EHLO bad.example\r\n" * 20,
    "noise": random.Random(3207).randbytes(3000),
    "an alert": b"\x15\x03\x01\0\2\2\x28",
    "SSLv2": b"\x80\x2e\1\0\2\0\x15\0\0\0\x10\1\0\x80" + bytes(34),
    "a hello of nothing": b"\x16\x03\x01\0\4\1\0\0\0",
    "a record of nothing": b"\x16\x03\x01\0\0" * 100,
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("garbage", HANDSHAKES)
def test_garbage_in_the_handshake(world: World, mode: str, garbage: str) -> None:
    witness = Witness()
    with world.serve(witness, timeout=SOON, **options(mode)) as server:
        if mode == "starttls":
            wire = go(server.port, mode, PLACES["the handshake"])
        else:
            wire = Wire(server.port)
        with wire:
            with suppress(OSError):
                wire.sock.sendall(HANDSHAKES[garbage])
            assert b"250" not in wire.rest()
        everything_ended(server, witness)
        is_well(server, witness, mode == "implicit")


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_garbage_right_behind_the_handshake(world: World, mode: str) -> None:
    """The layer is broken before anybody has asked what it is."""
    witness = Witness()
    with world.serve(witness, timeout=SOON, **options(mode)) as server:
        if mode == "starttls":
            wire = go(server.port, mode, PLACES["the handshake"])
        else:
            wire = Wire(server.port)
        with wire:
            wire.secure(behind=b"no record")
            assert b"250" not in wire.rest()
        everything_ended(server, witness)
        is_well(server, witness, mode == "implicit")


@pytest.mark.parametrize("fault", ["reset", "close"])
def test_leaving_between_the_connection_and_implicit_tls(world: World, fault: str) -> None:
    witness = Witness()
    with world.serve(witness, **options("implicit")) as server:
        for octets in (b"", PLACES["half a ClientHello"].raw):
            wire = Wire(server.port)
            wire.sock.sendall(octets)
            FAULTS[fault](wire)
        is_well(server, witness, True)
        everything_ended(server, witness)
