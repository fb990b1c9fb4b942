# SPDX-License-Identifier: MIT
"""Clients that stand still, or drip, wherever they are in their session."""

from __future__ import annotations

import select
import time
from contextlib import suppress
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, World
from faults.drive import MODES, Wire, Witness, everything_ended, is_well
from faults.places import HELLO, PLACES, go, options, places

TIMED_OUT = b"421 4.4.2 timed out\r\n"
IN_MESSAGE = ("DATA", "half a message", "before the last CRLF", "half a chunk")


def drip(wires: dict[str, Wire], octets: bytes) -> dict[str, bytes]:
    """Say something to each of them every now and then, until it has heard its end."""
    heard: dict[str, bytes] = {}
    end = time.monotonic() + 2 * SECONDS
    while len(heard) < len(wires):
        left = {name: wire for name, wire in wires.items() if name not in heard}
        assert time.monotonic() < end, f"{set(left)} are still there"
        for name, wire in left.items():
            if not select.select([wire.sock], [], [], 0.04 / len(left))[0]:
                try:
                    wire.send(octets)
                    continue
                except OSError:
                    pass
            heard[name] = wire.rest()
    return heard


def all_time_out(
    world: World, mode: str, names: Any, octets: bytes, **limits: float | None
) -> None:
    witness = Witness()
    with world.serve(witness, **options(mode, **limits)) as server:
        wires = {name: go(server.port, mode, PLACES[name]) for name in names}
        if "before the greeting" in wires:
            assert wires["before the greeting"].reply()
        heard = drip(wires, octets)
        for wire in wires.values():
            wire.close()
        everything_ended(server, witness)
        for name, said in heard.items():
            # What was dripped behind the reply may have destroyed it under TLS.
            is_sure = not (octets and mode != "plain") and not PLACES[name].needs
            assert said == TIMED_OUT or not (said or is_sure), (name, said)
        assert witness.messages == []
    with world.serve(witness, **options(mode)) as server:
        is_well(server, witness, mode == "implicit")


@pytest.mark.parametrize("mode", MODES)
def test_clients_that_say_nothing(world: World, mode: str) -> None:
    all_time_out(world, mode, places(mode), b"", timeout=SOON)


@pytest.mark.parametrize("mode", MODES)
def test_clients_that_drip(world: World, mode: str) -> None:
    """An octet now and then: the time is for the whole command, and for the whole message."""
    names = set(places(mode)) - {"the handshake"}  # where it would be no handshake
    all_time_out(world, mode, names, b"x", timeout=SOON, message_timeout=2 * SOON)


@pytest.mark.parametrize("mode", MODES)
def test_a_message_has_no_more_time_than_its_session(world: World, mode: str) -> None:
    limits = {"message_timeout": None, "session_timeout": 2 * SOON}
    all_time_out(world, mode, IN_MESSAGE, b"x", timeout=SOON, **limits)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", ["session_timeout", "authentication_timeout"])
def test_a_client_that_keeps_busy(world: World, mode: str, limit: str) -> None:
    """Its commands are in time, each, and still it does not stay for ever."""
    witness = Witness()
    with world.serve(witness, **options(mode, **{limit: SOON})) as server:
        with go(server.port, mode, PLACES["READY"]) as wire:
            replies = {b""}
            end = time.monotonic() + SECONDS
            while (reply := _say(wire, b"NOOP\r\n")) and time.monotonic() < end:
                replies.add(reply[:3])
        assert replies <= {b"", b"250", b"421"}
        assert b"250" in replies
        everything_ended(server, witness)


def _say(wire: Wire, line: bytes) -> bytes:
    try:
        return wire.say(line)
    except OSError:
        return b""


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_a_handshake_that_drips(world: World, mode: str) -> None:
    """A good one, octet by octet."""
    witness = Witness()
    with world.serve(witness, timeout=SOON, **options(mode)) as server:
        wire = Wire(server.port)
        if mode == "starttls":
            for line in (HELLO, b"STARTTLS\r\n"):
                wire.reply()
                wire.send(line)
            wire.reply()
        with wire:
            hello = wire.client_hello()
            while not select.select([wire.sock], [], [], 0.04)[0]:
                assert hello, "it has time for all of it"
                with suppress(OSError):  # its time has just been over
                    wire.sock.sendall(hello[:1])
                hello = hello[1:]
            assert wire.rest()[:1] in (b"", b"\x15")
        everything_ended(server, witness)
