# SPDX-License-Identifier: MIT
"""How sessions end that do not end by themselves, in both adapters: deadlines and shutdown."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, AsyncioWorld, Raw, World, contexts
from faults.drive import eventually

from smtpproto import Leniency, LocalProtocolError
from smtpproto.dialogues import Collect, Message, Peer
from smtpproto.extensions import Pipelining
from smtpproto.limits import Limits

SERVER, CLIENT = contexts()
ENVELOPE = b"EHLO x.example\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\n"
GONE = "421 4.3.2 server shutting down"
LATE = "421 4.4.2 timed out"


class Noting(Collect):
    """A handler that notes what became of its sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = threading.Event()
        self.closed = threading.Event()

    def on_abort(self, peer: Peer) -> None:
        self.aborted.set()

    def on_close(self, peer: Peer) -> None:
        self.closed.set()


class Streaming(Noting):
    """The same, with sinks."""

    def open_message(self, peer: Peer) -> Any:
        kept = self.messages
        transaction = peer.transaction
        assert transaction is not None

        class Sink:
            data = b""

            def write(self, data: bytes) -> None:
                self.data += data

            def commit(self) -> None:
                kept.append(Message(transaction.mail, tuple(transaction.recipients), self.data))

            def abort(self) -> None:
                pass

        return Sink()


def begin(raw: Raw, command: bytes = b"DATA\r\n") -> None:
    """Bring the session into mail data."""
    raw.sock.sendall(ENVELOPE)
    for _ in range(3):
        assert raw.reply().startswith("250")
    if command == b"DATA\r\n":
        assert raw.say(command).startswith("354")
        raw.sock.sendall(b"Subject: x\r\n")
    else:
        assert raw.say(b"BDAT 12\r\nSubject: x\r\n").startswith("250")


def secure(raw: Raw) -> None:
    raw.say(b"EHLO x.example\r\n")
    wrap(raw)


def wrap(raw: Raw) -> None:
    assert raw.say(b"STARTTLS\r\n").startswith("220")
    raw.file.close()
    raw.sock = CLIENT.wrap_socket(raw.sock, server_hostname="localhost")
    raw.file = raw.sock.makefile("rb")


def drip(raw: Raw, octets: bytes) -> str:
    """Say `octets` one at a time until something is heard; return it."""
    raw.sock.settimeout(0.03)
    heard = b""
    for octet in octets:
        try:
            raw.sock.sendall(bytes([octet]))
            heard += raw.sock.recv(1000)
            if heard.endswith(b"\r\n"):
                break
        except TimeoutError:
            continue
    return heard.decode()


def wait_until_nobody_listens(port: int) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), SECONDS):
                time.sleep(0.01)
        except ConnectionResetError:  # it was waiting to be accepted when the listener closed
            continue
        except ConnectionRefusedError:
            return
    pytest.fail("somebody listens")


# --- caps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "line", "codes"),
    [
        (Limits(errors=3), b"BAD\r\n", "500 500 500 421"),
        (Limits(commands=6), b"NOOP\r\n", "250 250 250 250 421"),  # EHLO and STARTTLS count
        (Limits(idle_commands=4), b"NOOP\r\n", "250 250 250 421"),  # EHLO counts
    ],
    ids=["errors", "commands", "idle_commands"],
)
def test_caps_outlast_starttls(world: World, limits: Limits, line: bytes, codes: str) -> None:
    """Or a client would begin anew with each handshake."""
    expected = codes.split()
    with world.serve(Collect(), tls=SERVER, limits=limits) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        heard = [raw.say(line)[:3] for _ in range(2)]
        wrap(raw)
        heard += [raw.say(line)[:3] for _ in expected[2:]]
        assert heard == expected
        assert raw.rest() == b""


@pytest.mark.parametrize("limit", [33, 34])
def test_mail_data_is_capped_without_size(world: World, limit: int) -> None:
    handler = Collect()
    options = {"extensions": [Pipelining()], "limits": Limits(mail_data=limit)}
    with world.serve(handler, **options) as server, Raw(server.port) as raw:
        begin(raw)
        code = "250" if limit == 34 else "552"
        assert raw.say(b"x" * 20 + b"\r\n.\r\n").startswith(code)
    assert len(handler.messages) == (limit == 34)


@pytest.mark.parametrize("is_lenient", [False, True])
def test_what_is_overlooked_is_said_to_serve(world: World, is_lenient: bool) -> None:
    leniency = Leniency(allow_missing_brackets=is_lenient, unknown_parameters="ignore")
    options = {"leniency": leniency} if is_lenient else {}
    with world.serve(Collect(), **options) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        for line in (b"MAIL FROM:a@x.org\r\n", b"RSET\r\n", b"MAIL FROM:<a@x.org> X=1\r\n"):
            heard = raw.say(line)
            assert heard.startswith("250") == (is_lenient or line == b"RSET\r\n")


# --- deadlines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("handler", [Noting, Streaming])
def test_a_message_that_drips_is_cut(
    world: World, handler: Callable[[], Noting], tls: bool
) -> None:
    made = handler()
    with world.serve(made, message_timeout=0.4, tls=SERVER) as server, Raw(server.port) as raw:
        if tls:
            secure(raw)
        begin(raw)
        assert drip(raw, b"x" * 1000).startswith(LATE)
        assert made.aborted.wait(SECONDS)
        assert made.closed.wait(SECONDS)
    assert made.messages == []


@pytest.mark.parametrize("tls", [False, True])
def test_a_session_that_goes_on_and_on_is_cut(world: World, tls: bool) -> None:
    with (
        world.serve(Collect(), session_timeout=SOON, tls=SERVER) as server,
        Raw(server.port) as raw,
    ):
        if tls:
            secure(raw)
        end = time.monotonic() + SECONDS
        reply = ""
        while not reply.startswith("421") and time.monotonic() < end:
            reply = raw.say(b"NOOP\r\n")
            time.sleep(0.02)
        assert reply == LATE
        assert raw.rest() == b""


def test_who_does_not_authenticate_is_cut(world: World) -> None:
    with world.serve(Collect(), authentication_timeout=SOON) as server, Raw(server.port) as raw:
        assert raw.reply() == LATE


def test_a_handshake_that_is_not_made_is_cut(world: World) -> None:
    with (
        world.serve(Collect(), tls=SERVER, tls_mode="implicit", timeout=SOON) as server,
        Raw(server.port, greeting=False) as raw,
    ):
        assert raw.rest() == b""


@pytest.mark.parametrize(
    "name", ["timeout", "message_timeout", "session_timeout", "authentication_timeout"]
)
@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_times_that_are_none(world: World, name: str, seconds: float) -> None:
    with pytest.raises(LocalProtocolError, match=f"{name}: more than 0 seconds"):
        world.module.serve(Collect(), **{name: seconds})


# --- shutdown ------------------------------------------------------------------------------------


class Stopping:
    """A server that is told to stop, and waited for in another thread."""

    def __init__(self, world: World, server: Any, grace: float | None = None) -> None:
        self._world = world
        self._server = server
        self._grace = grace
        self._thread = threading.Thread(target=self._stop, daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        if isinstance(self._world, AsyncioWorld):
            self._world.call(self._stop_async())
        else:
            self._server.close(self._grace)
            self._server.wait_closed()

    async def _stop_async(self) -> None:
        self._server.close(self._grace)
        await self._server.wait_closed()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join(SECONDS)
        assert self.is_done


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT\r\n"])
@pytest.mark.parametrize("handler", [Noting, Streaming])
def test_a_message_on_its_way_becomes_whole(
    world: World, handler: Callable[[], Noting], command: bytes, tls: bool
) -> None:
    made = handler()
    with world.serve(made, tls=SERVER) as server, Raw(server.port) as raw, Raw(server.port) as idle:
        if tls:
            secure(raw)
        begin(raw, command)
        stopping = Stopping(world, server, SECONDS)
        assert idle.reply() == GONE  # at once
        assert idle.rest() == b""
        wait_until_nobody_listens(server.port)
        assert not stopping.is_done
        if command == b"DATA\r\n":
            raw.sock.sendall(b"\r\nte")
            time.sleep(0.05)
            assert raw.say(b"xt\r\n.\r\nMAIL FROM:<a@x.org>\r\n").startswith("250")
        else:
            assert raw.say(b"BDAT 4\r\n\r\nte").startswith("250")
            assert raw.say(b"BDAT 4 LAST\r\nxt\r\nMAIL FROM:<a@x.org>\r\n").startswith("250")
        assert raw.reply().startswith("250")  # it was there before the server looked
        assert raw.reply() == GONE
        assert raw.rest() == b""
        stopping.wait()
    assert [message.content for message in made.messages] == [b"Subject: x\r\n\r\ntext\r\n"]
    assert made.aborted.is_set()  # the second transaction


@pytest.mark.parametrize("handler", [Noting, Streaming])
@pytest.mark.parametrize("grace", [0, 0.3])
def test_a_message_that_does_not_become_whole_is_broken_off(
    world: World, handler: Callable[[], Noting], grace: float
) -> None:
    made = handler()
    with world.serve(made) as server, Raw(server.port) as raw:
        begin(raw)
        stopping = Stopping(world, server, grace)
        assert raw.reply() == GONE
        assert raw.rest() == b""
        stopping.wait()
        assert made.aborted.is_set()
        assert made.closed.is_set()
    assert made.messages == []


def test_a_second_stop_may_be_harder(world: World) -> None:
    handler = Noting()
    with world.serve(handler) as server, Raw(server.port) as raw:
        begin(raw)
        patient = Stopping(world, server, SECONDS)
        time.sleep(0.1)
        assert not patient.is_done
        Stopping(world, server, 0).wait()
        assert raw.reply() == GONE
        patient.wait()
    assert handler.aborted.is_set()


def test_a_hook_may_return(world: World) -> None:
    """What is taken is answered, and what is answered is taken."""
    running, free = threading.Event(), threading.Event()

    class Slow(Collect):
        def on_message(self, peer: Peer, message: Message) -> None:
            running.set()
            free.wait(SECONDS)
            super().on_message(peer, message)

    handler = Slow()
    with world.serve(handler) as server, Raw(server.port) as raw:
        begin(raw)
        raw.sock.sendall(b".\r\n")
        assert running.wait(SECONDS)
        stopping = Stopping(world, server, SECONDS)
        time.sleep(0.1)
        assert not stopping.is_done
        free.set()
        assert raw.reply().startswith("250")
        assert raw.reply() == GONE
        stopping.wait()
    assert len(handler.messages) == 1


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_a_handshake_is_not_waited_for(world: World, mode: str) -> None:
    handler = Noting()
    with world.serve(handler, tls=SERVER, tls_mode=mode, grace=SECONDS) as server:
        raw = Raw(server.port, greeting=mode == "starttls")
        if mode == "starttls":
            raw.say(b"EHLO x.example\r\n")
            assert raw.say(b"STARTTLS\r\n").startswith("220")
        eventually(lambda: server.sessions, "the session")
        time.sleep(0.1)  # for the handshake to begin
        Stopping(world, server).wait()
        assert raw.rest()[:1] in (b"", b"\x15")  # nothing, or an alert
        raw.sock.close()
    assert handler.closed.is_set() is (mode == "starttls")


def test_leaving_the_block_gives_the_grace(world: World) -> None:
    handler = Noting()
    done = threading.Event()
    raws: list[Raw] = []

    def finish() -> None:
        raw = raws[0]
        time.sleep(0.2)
        assert raw.say(b"\r\n.\r\n").startswith("250")
        done.set()

    with world.serve(handler, grace=SECONDS) as server:
        raws.append(Raw(server.port))
        begin(raws[0])
        thread = threading.Thread(target=finish)
        thread.start()
    thread.join()
    assert done.is_set()
    assert len(handler.messages) == 1
    raws[0].sock.close()


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_the_idle_hear_of_it_through_tls(world: World, mode: str) -> None:
    """In order, with the leave of the TLS layer behind it (RFC 8446 6.1)."""
    with world.serve(Collect(), tls=SERVER, tls_mode=mode) as server:
        raw = Raw(server.port, greeting=mode == "starttls")
        if mode == "starttls":
            raw.sock.sendall(b"EHLO x.example\r\n")
            raw.reply()
            assert raw.say(b"STARTTLS\r\n").startswith("220")
        raw.file.close()
        layer = CLIENT.wrap_socket(
            raw.sock, server_hostname="localhost", suppress_ragged_eofs=False
        )
        layer.sendall(b"NOOP\r\n")
        heard = b""
        while not heard.endswith(b"250 2.0.0 ok\r\n"):
            heard += layer.recv(1000)
        Stopping(world, server).wait()
        assert layer.recv(1000).decode() == GONE + "\r\n"
        assert layer.recv(1000) == b""
        layer.close()
