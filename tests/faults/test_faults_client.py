# SPDX-License-Identifier: MIT
"""What servers do to a client, wherever it is in its session."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, AsyncioWorld, World
from faults.drive import CLIENT, SERVER, TEXT
from faults.foe import Foe, Script

from smtpproto import ProtocolError
from smtpproto import asyncio as aio
from smtpproto.dialogues import (
    ConnectionLost,
    ReplyError,
    SecurityError,
    SMTPError,
    TimedOut,
    Transfer,
)

# Before Python 3.13 it is left to the garbage collector to close what could not be wrapped.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
OK = b"250 2.0.0 ok\r\n"
HELLO = b"250-mx.example.org\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
WITH_TLS = b"250-mx.example.org\r\n250-STARTTLS\r\n250 PIPELINING\r\n"
OPENED: Script = ((b"", b"220 hi\r\n"), (b"EHLO", b""), (b"\r\n", HELLO))
GROUP: Script = (*OPENED, (b"DATA\r\n", OK * 2 + b"354 go\r\n"))
TO_TLS: Script = (
    (b"", b"220 hi\r\n"),
    (b"\r\n", WITH_TLS),
    (b"STARTTLS\r\n", b"220 go\r\n"),
    (b"", None),
)
BIG = b"The quick brown fox jumps over the lazy dog. .\r\n" * 100_000

# What the server has said before its fault, how the message travels, and the message.
PLACES: dict[str, tuple[Script, Transfer, bytes]] = {
    "before the greeting": ((), "data", TEXT),
    "half the greeting": (((b"", b"220 h"),), "data", TEXT),
    "after the greeting": (((b"", b"220 hi\r\n"),), "data", TEXT),
    "after EHLO": (OPENED[:2], "data", TEXT),
    "half the reply to EHLO": (((b"", b"220 hi\r\n"), (b"\r\n", HELLO[:25])), "data", TEXT),
    "after the group": ((*OPENED, (b"DATA\r\n", b"")), "data", TEXT),
    "half the replies to the group": ((*OPENED, (b"DATA\r\n", OK + b"25")), "data", TEXT),
    "no 354": ((*OPENED, (b"DATA\r\n", OK * 2)), "data", TEXT),
    "in mail data": ((*GROUP, (b"quick", b"")), "data", BIG),
    "after the dot": ((*GROUP, (b"\r\n.\r\n", b"")), "data", TEXT),
    "half the reply to the dot": ((*GROUP, (b"\r\n.\r\n", b"250 2.0.0 o")), "data", TEXT),
    "in a chunk": ((*OPENED, (b"RCPT TO", b""), (b"\r\n", OK * 2), (b"BDAT", b"")), "bdat", BIG),
    "after chunks": (
        (*OPENED, (b"RCPT TO", b""), (b"\r\n", OK * 2), (b"LAST\r\n", b"")),
        "bdat",
        TEXT,
    ),
    "in TLS, before EHLO": (TO_TLS, "data", TEXT),
    "in TLS, after EHLO": ((*TO_TLS, (b"EHLO", b"")), "data", TEXT),
    "in TLS, in mail data": (
        (*TO_TLS, (b"\r\n", HELLO), (b"DATA\r\n", OK * 2 + b"354 go\r\n"), (b"quick", b"")),
        "data",
        BIG,
    ),
    "in TLS, after the dot": (
        (*TO_TLS, (b"\r\n", HELLO), (b"DATA\r\n", OK * 2 + b"354 go\r\n"), (b"\r\n.\r\n", b"")),
        "data",
        TEXT,
    ),
}
LOST: dict[str, Callable[[Foe], None]] = {
    "reset": Foe.reset,
    "close": Foe.close,
    "half-close": Foe.half_close,
}
SLOW: dict[str, Callable[[Foe], None]] = {
    "stall": Foe.stall,
    "drip": Foe.drip,
    "stop reading": Foe.stop_reading,
}
WRONG: dict[str, Callable[[Foe], None]] = {
    "nonsense": Foe.talk_nonsense,
    "a line without end": Foe.talk_without_end,
    "a reply without end": Foe.drip_lines,
}


def send(
    world: World, foe: Foe, place: tuple[Script, Transfer, bytes], timeout: float = SECONDS
) -> Any:
    _, transfer, content = place
    options: dict[str, Any] = {"local_name": "me.example", "tls": CLIENT, "timeout": timeout}
    with world.client("localhost", foe.port, **options) as client:
        return client.send(content, "a@x.org", "b@x.org", transfer=transfer)


def fails(world: World, fault: Callable[[Foe], None], name: str, **options: Any) -> Exception:
    """See that a message is not sent; return why."""
    place = PLACES[name]
    with Foe(place[0], fault) as foe, pytest.raises((SMTPError, ProtocolError)) as failed:
        send(world, foe, place, **options)
    assert foe.went_through, (name, failed.value)
    return failed.value.with_traceback(None)


def fail_everywhere(
    world: World, fault: Callable[[Foe], None], names: Iterable[str], **options: Any
) -> dict[str, Exception]:
    """Send a message to a server in each place, all at once, and see that none gets through."""
    with ThreadPoolExecutor(len(PLACES)) as pool:
        futures = {name: pool.submit(fails, world, fault, name, **options) for name in names}
        return {name: future.result(2 * SECONDS) for name, future in futures.items()}


@pytest.mark.parametrize("fault", LOST)
def test_the_server_leaves(world: World, fault: str) -> None:
    for name, error in fail_everywhere(world, LOST[fault], PLACES).items():
        assert isinstance(error, ConnectionLost), (name, error)
        assert not isinstance(error, TimedOut), (name, error)
        assert error.is_transient


@pytest.mark.parametrize("fault", SLOW)
def test_the_server_stands_still(world: World, fault: str) -> None:
    """An octet now and then is not enough."""
    for name, error in fail_everywhere(world, SLOW[fault], PLACES, timeout=SOON).items():
        wanted = TimedOut | ProtocolError if fault == "drip" else TimedOut
        assert isinstance(error, wanted), (name, error)


@pytest.mark.parametrize("fault", WRONG)
def test_the_server_talks_nonsense(world: World, fault: str) -> None:
    """It is not taken for a reply, and neither memory nor time is without bounds."""
    names = set(PLACES)
    if fault == "a reply without end":
        names.remove("half the reply to the dot")  # of which it is a good end
    fail_everywhere(world, WRONG[fault], names, timeout=SOON)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("quits", [False, True])
def test_the_server_leaves_after_its_250(world: World, fault: str, quits: bool) -> None:
    """The message was accepted, whatever becomes of QUIT."""
    script: Script = (*GROUP, (b"\r\n.\r\n", OK))
    script = (*script, (b"QUIT\r\n", b"")) if quits else script
    with Foe(script, LOST[fault]) as foe:
        assert send(world, foe, (script, "data", TEXT)).accepted == ("b@x.org",)


@pytest.mark.parametrize("fault", LOST)
def test_the_first_replies_of_lmtp_count(world: World, fault: str) -> None:
    """RFC 2033 4.2: each stands for its recipient, also where the others never come."""
    hello = (b"\r\n", b"250-mx\r\n250 PIPELINING\r\n")
    script = ((b"", b"220 hi\r\n"), hello, (b"DATA\r\n", OK * 4 + b"354 go\r\n"))
    with (
        Foe((*script, (b"\r\n.\r\n", OK + b"550 no\r\n25")), LOST[fault]) as foe,
        world.client("localhost", foe.port, lmtp=True, security="none") as client,
    ):
        result = client.send(TEXT, "a@x.org", ["b@x.org", "c@x.org", "d@x.org"])
    assert result.accepted == ("b@x.org",)
    assert result.transient == ("d@x.org",)


def test_last_words_while_the_source_is_busy(asyncio_world: AsyncioWorld) -> None:
    """A write finds the connection gone before the loop has looked at what came."""
    busy, left = threading.Event(), threading.Event()

    def leave(foe: Foe) -> None:
        assert busy.wait(SECONDS)
        foe.sock.sendall(b"552 5.3.4 too big\r\n")
        foe.reset()
        left.set()

    async def source() -> AsyncIterator[bytes]:
        yield b"Subject: x\r\n\r\nquick"  # a header is read before MAIL
        await asyncio.sleep(0)  # it is written before this
        busy.set()
        assert left.wait(SECONDS)  # and the loop waits, too
        yield b" brown"
        await asyncio.sleep(0.01)

    async def refused(port: int) -> None:
        async with aio.Client("localhost", port, local_name="me.example") as client:
            with pytest.raises(ReplyError) as caught:
                await client.send(source(), "a@x.org", "b@x.org", transfer="data")
            assert (caught.value.stage, caught.value.reply.code) == ("mail data", 552)

    with Foe((*GROUP, (b"quick", b"")), leave) as foe:
        asyncio_world.call(refused(foe.port))


# --- TLS -----------------------------------------------------------------------------------------

NO_TLS = {
    "plaintext": lambda foe: foe.sock.sendall(b"250 ok\r\n" * 10),
    "noise": lambda foe: foe.sock.sendall(random.Random(8314).randbytes(3000)),
    "an alert": lambda foe: foe.sock.sendall(b"\x15\x03\x03\0\2\2\x28"),
    "a hello of nothing": lambda foe: foe.sock.sendall(b"\x16\x03\x03\0\4\2\0\0\0"),
    "reset": Foe.reset,
    "close": Foe.close,
    "half-close": Foe.half_close,
    "stall": Foe.stall,
    "drip": lambda foe: foe.drip(),
}


@pytest.mark.parametrize("fault", NO_TLS)
@pytest.mark.parametrize("security", ["implicit", "starttls", "opportunistic"])
def test_a_handshake_that_fails(world: World, fault: str, security: Any) -> None:
    """Nothing is sent without TLS once it was begun."""
    script: Script = TO_TLS[:3] if security != "implicit" else ()
    options: dict[str, Any] = {"security": security, "timeout": 0.5, "local_name": "me.example"}
    with (
        Foe(script, NO_TLS[fault]) as foe,
        pytest.raises((SecurityError, ConnectionLost, ProtocolError)),
        world.client("localhost", foe.port, tls=CLIENT, **options),
    ):
        pass
    assert b"MAIL" not in foe.received


@pytest.mark.parametrize("fault", ["reset", "close"])
@pytest.mark.parametrize("security", ["starttls", "opportunistic"])
def test_a_connection_that_breaks_in_the_handshake(world: World, fault: str, security: Any) -> None:
    """As when the server restarts: the mail is to be tried again (RFC 5321 4.5.4.1)."""
    options: dict[str, Any] = {"security": security, "timeout": SECONDS, "local_name": "me.example"}
    with (
        Foe(TO_TLS[:3], NO_TLS[fault]) as foe,
        pytest.raises(ConnectionLost) as caught,
        world.client("localhost", foe.port, tls=CLIENT, **options),
    ):
        pass
    assert caught.value.is_transient
    assert b"MAIL" not in foe.received


def spoil(foe: Foe) -> None:
    """Make the handshake, and say what is no record in one segment with its end."""
    received, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    layer = SERVER.wrap_bio(received, said, server_side=True)
    while True:
        try:
            layer.do_handshake()
            break
        except ssl.SSLWantReadError:
            foe.sock.sendall(said.read())
            received.write(foe.sock.recv(65536))
    foe.sock.sendall(said.read() + b"no record")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("security", ["implicit", "starttls", "opportunistic"])
def test_garbage_right_behind_the_handshake(
    world: World, security: Any, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layer is broken before anybody has asked what it is."""
    monkeypatch.setattr(CLIENT, "maximum_version", version)
    options: dict[str, Any] = {"security": security, "timeout": SECONDS, "local_name": "me.example"}
    script: Script = TO_TLS[:3] if security != "implicit" else ()
    with (
        Foe(script, spoil) as foe,
        pytest.raises(ConnectionLost),
        world.client("localhost", foe.port, tls=CLIENT, **options) as client,
    ):
        client.noop()


def past(octets: bytes) -> Callable[[Foe], None]:
    """Say octets past the TLS layer."""
    return lambda foe: socket.socket.sendall(foe.sock, octets)


BROKEN = {
    "plaintext": past(b"250 2.0.0 ok\r\n"),
    "a record that is too long": past(b"\x17\x03\x03\xff\xff" + bytes(70000)),
    "a record that was made up": past(b"\x17\x03\x03\0\x30" + bytes(48)),
    "half a record": past(b"\x17\x03\x03\0\x30" + bytes(4)),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_server_breaks_the_layer(world: World, fault: str) -> None:
    names = [name for name in PLACES if "TLS" in name]
    fail_everywhere(world, BROKEN[fault], names, timeout=SOON)


# --- the caller ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLACES)
def test_a_send_that_is_cancelled(asyncio_world: AsyncioWorld, name: str) -> None:
    """Wherever the session is, it ends, and nothing is left of it."""
    script, transfer, content = PLACES[name]
    stalls = threading.Event()

    async def test(port: int) -> None:
        async with aio.Client("localhost", port, local_name="me.example", tls=CLIENT) as client:
            await client.send(content, "a@x.org", "b@x.org", transfer=transfer)

    async def cancelled(port: int) -> None:
        task = asyncio.create_task(test(port))
        await asyncio.to_thread(stalls.wait, SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Foe(script, lambda foe: stalls.set()) as foe:
        asyncio_world.call(cancelled(foe.port))
