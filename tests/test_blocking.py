# SPDX-License-Identifier: MIT
"""What only the blocking adapter does: threads, sockets, no await."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import select
import selectors
import signal
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, Raw, contexts

from smtpproto import LocalProtocolError
from smtpproto.blocking import Client, Collect, ConnectionLost, Message, Peer, Reject, serve
from smtpproto.blocking import driver as drivers
from smtpproto.blocking import server as server_module
from smtpproto.blocking.crew import Crew
from smtpproto.dialogues import Read, TimedOut
from smtpproto.listening import Where

TEXT = b"Subject: x\r\n\r\ntext\r\n"


def begin(raw: Raw) -> None:
    raw.say(b"EHLO x.example\r\n")
    for line in (b"MAIL FROM:<a@x.org>", b"RCPT TO:<b@x.org>", b"DATA"):
        raw.say(line + b"\r\n")


def wait_for(condition: Any) -> None:
    end = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_hooks_run_in_the_thread_of_their_session() -> None:
    seen = []

    class Handler(Collect):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            seen.append(threading.current_thread())

    with (
        serve(Handler()) as server,
        Client("127.0.0.1", server.port) as one,
        Client("127.0.0.1", server.port) as another,
    ):
        for client in one, another, one, another:
            client.send(TEXT, "a@x.org", "b@x.org")
    assert len(seen) == 4
    assert seen[0] is seen[2]
    assert seen[1] is seen[3]
    assert seen[0] is not seen[1]


def test_nothing_is_awaited(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(Collect):
        async def on_mail(self, peer: Peer, mail: Any) -> None:
            """Never runs."""

        def on_rcpt(self, peer: Peer, rcpt: Any) -> Any:
            return Awaitable()

    class Awaitable:
        def __await__(self) -> Any:
            yield

    with pytest.raises(LocalProtocolError, match="on_mail: a plain function expected"):
        serve(Handler())
    with pytest.raises(LocalProtocolError, match="on_mail: a plain function expected"):
        serve(Handler, factory=True)
    with serve(lambda: Handler(), factory=True) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        assert raw.say(b"MAIL FROM:<a@x.org>\r\n") == "451 4.3.0 local error"
    del Handler.on_mail
    with serve(Handler()) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        raw.say(b"MAIL FROM:<a@x.org>\r\n")
        assert raw.say(b"RCPT TO:<b@x.org>\r\n") == "451 4.3.0 local error"
    assert [record.message for record in caplog.records if record.exc_info] == [
        f"the hook {test_nothing_is_awaited.__qualname__}.<locals>.Handler.{name} failed"
        for name in ("on_mail", "on_rcpt")
    ]


def test_a_group_of_commands_is_answered_by_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 2920 3.2."""
    writes: list[bytes] = []

    class Counting(socket.socket):
        def send(self, data: Any, flags: int = 0) -> int:
            writes.append(bytes(data))
            return super().send(data, flags)

        def sendall(self, data: Any, flags: int = 0) -> None:
            writes.append(bytes(data))
            super().sendall(data, flags)

    accept = socket.socket.accept

    def accept_counting(self: socket.socket) -> Any:
        sock, address = accept(self)
        counting = Counting(sock.family, sock.type, sock.proto, sock.detach())
        return counting, address

    monkeypatch.setattr(socket.socket, "accept", accept_counting)
    group = b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nRCPT TO:<c@x.org>\r\nDATA\r\n"
    with serve(Collect()) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        writes.clear()
        raw.say(group)
        assert [raw.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
        assert len(writes) == 1


def test_a_hook_that_hangs_does_not_keep_the_server_from_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smtpproto.blocking.server._GOODBYE", 0.1)
    free = threading.Event()
    running = threading.Event()

    class Handler(Collect):
        def on_message(self, peer: Peer, message: Message) -> None:
            running.set()
            free.wait(SECONDS)

    with serve(Handler(), grace=0.1) as server:
        raw = Raw(server.port)
        begin(raw)
        raw.sock.sendall(b".\r\n")
        assert running.wait(SECONDS)
    with raw:
        assert raw.rest() == b""
    free.set()
    wait_for(lambda: server.sessions == 0)


@pytest.mark.parametrize("leaves", [False, True])
def test_input_after_the_last_reply_does_not_destroy_it(
    leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "_LINGER", SECONDS if leaves else 2 * SOON)

    class Handler(Collect):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            raise Reject(421, "go", "4.7.0")

    with serve(Handler()) as server:
        raw = Raw(server.port)
        with raw:
            raw.say(b"EHLO x.example\r\n")
            raw.sock.sendall(b"MAIL FROM:<a@x.org>\r\n")
            time.sleep(0.05)
            for _ in range(10):
                raw.sock.sendall(b"NOOP\r\n" * 1000)
            assert raw.rest() == b"421 4.7.0 go\r\n"
            if not leaves:
                wait_for(lambda: server.sessions == 0)
        wait_for(lambda: server.sessions == 0)


def test_a_client_that_does_not_read() -> None:
    class Handler(Collect):
        def on_help(self, peer: Peer, command: Any) -> Any:
            from smtpproto import Reply

            return Reply(214, ["x" * 400] * 250)

    with serve(Handler(), timeout=SOON) as server, Raw(server.port) as raw:
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sock.sendall(b"HELP\r\n" * 90)
        wait_for(lambda: server.sessions == 0)


def test_a_session_that_fails_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What can only be a fault of a dialogue."""
    with serve(Collect()) as server:

        def broken() -> Any:
            yield Read(b"220 hi\r\n", 5.0)
            raise ZeroDivisionError

        monkeypatch.setattr(server_module.Reception, "session", lambda *_: broken())
        with Raw(server.port) as raw:
            raw.sock.sendall(b"x")
            assert raw.rest() == b""
    assert any("a session failed" in record.message for record in caplog.records)


def test_connecting_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TimedOut, match="no connection"), Client("127.0.0.1", 1):
        pass


@pytest.mark.parametrize("where", ["source", "on_outcome", "transcript of close"])
@pytest.mark.parametrize("what", ["close", "connect", "noop"])
def test_a_client_that_is_used_out_of_a_call_of_it(where: str, what: str) -> None:
    """Nobody else would let go of the session: it waited for ever."""
    errors: list[BaseException] = []

    def use(*_: object) -> None:
        try:
            getattr(client, what)()
        except LocalProtocolError as error:
            errors.append(error)

    def source() -> Generator[bytes]:
        yield TEXT
        use()

    def hold() -> None:
        with client:
            if where == "source":
                assert client.send(source(), "a@x.org", "b@x.org").is_complete
            elif where == "on_outcome":
                several = [(TEXT, "a@x.org", "b@x.org")] * 2
                outcomes = client.send_many(several, on_outcome=use)
                assert all(outcome.is_complete for outcome in outcomes)  # type: ignore[union-attr]
            told.append(use)

    told: list[Callable[[], None]] = []
    with serve(Collect()) as server:
        client = Client(
            "127.0.0.1",
            server.port,
            security="none",
            transcript=lambda _line: told.pop()() if told and "transcript" in where else None,
        )
        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert errors
        assert not client.is_connected
        with client:
            assert client.noop().is_positive


def test_a_client_that_is_gone_before_it_was_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = socket.socket.accept
    failures = iter([ConnectionAbortedError()])

    def failing(self: socket.socket) -> Any:
        for failure in failures:
            raise failure
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with serve(Collect()) as server, Raw(server.port) as raw:
        assert raw.say(b"NOOP\r\n").startswith("250")


def test_it_tells_that_no_connection_can_be_had_and_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = socket.socket.accept
    failures = iter([OSError(errno.EMFILE, "Too many open files")])

    def failing(self: socket.socket) -> Any:
        for failure in failures:
            raise failure
        return accept(self)

    monkeypatch.setattr(server_module, "RETRY", 0.05)
    monkeypatch.setattr(socket.socket, "accept", failing)
    with serve(Collect()) as server, Raw(server.port) as raw:
        assert raw.say(b"NOOP\r\n").startswith("250")
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told == ["no connection accepted: [Errno 24] Too many open files"]


def test_a_hook_does_not_wait_for_the_end_of_its_own_session() -> None:
    class Handler:
        def on_help(self, peer: Peer, command: Any) -> Any:
            server.close()
            with pytest.raises(LocalProtocolError, match="outside of hooks"):
                server.wait_closed()

    with serve(Handler()) as server, Raw(server.port) as raw:
        assert raw.say(b"HELP\r\n").startswith("214")


def test_a_server_that_is_closed_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not listen once it is closed, with nobody left to close it."""
    listen = Where.listen

    def slow(self: Where) -> list[socket.socket]:
        found = listen(self)
        server.close()
        server.wait_closed()
        return found

    monkeypatch.setattr(Where, "listen", slow)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = serve(Collect(), sockets=[sock])
        with pytest.raises(LocalProtocolError):
            server.start()
        assert sock.fileno() < 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_that_closes_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []

    class Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
        def select(self, timeout: float | None = None) -> Any:
            looks.append(None)
            return super().select(timeout)

    monkeypatch.setattr(selectors, "DefaultSelector", Selector)
    with serve(Collect()) as server:
        wait_for(lambda: looks)
        child = os.fork()
        if child == 0:
            server.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert len(looks) == 1
        with Client("127.0.0.1", server.port) as client:
            assert client.noop().is_positive
    assert len(looks) < 10


def test_who_waits_for_the_end_does_not_come_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    send = socket.socket.send
    server = serve(Collect()).start()
    waiting = threading.Thread(target=server.wait_closed)
    waiting.start()

    def slow(self: socket.socket, octets: bytes) -> int:
        if threading.current_thread() is threading.main_thread():
            with Raw(server.port, greeting=False):
                waiting.join(0.3)  # which it may not end in
        return send(self, octets)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "send", slow)
        server.close()
    waiting.join(SECONDS)
    assert not waiting.is_alive()


@pytest.mark.parametrize("is_shared", [False, True])
def test_who_has_connected_when_it_closes(monkeypatch: pytest.MonkeyPatch, is_shared: bool) -> None:
    """They are told by a 421 (RFC 5321 3.8); at a socket that was given they wait for another."""
    take, began, go_on = Crew.take, threading.Event(), threading.Event()

    def slow(crew: Crew, work: Any) -> None:
        began.set()
        assert go_on.wait(SECONDS)
        take(crew, work)

    monkeypatch.setattr(Crew, "take", slow)
    with socket.create_server(("127.0.0.1", 0)) as shared:
        server = serve(Collect(), sockets=[shared.dup()] if is_shared else None).start()
        waiting = [Raw(server.port, greeting=False)]
        assert began.wait(SECONDS)
        waiting += [Raw(server.port, greeting=False) for _ in range(20)]
        server.close()
        go_on.set()
        server.wait_closed()
        told = 1 if is_shared else len(waiting)
        for one in waiting[:told]:
            with one:
                said = one.rest().splitlines()[-1]
                assert said.startswith(b"421 ")
                assert said.endswith(b"server shutting down")
        assert server.counters.turned_away == told - 1
        with serve(Collect(), sockets=[shared.dup()]):
            for one in waiting[told:]:
                with one:
                    assert one.reply().startswith("220 ")


def test_no_threads_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A flood of connections does not end the listening."""
    with serve(Collect()) as server:
        with monkeypatch.context() as patch:

            def start(self: threading.Thread) -> None:
                raise RuntimeError("can't start new thread")

            patch.setattr(threading.Thread, "start", start)
            with Raw(server.port, greeting=False) as raw:
                assert raw.rest() == b""
        wait_for(lambda: server.sessions == 0)
        with Raw(server.port) as raw:
            assert raw.say(b"NOOP\r\n").startswith("250")
    assert any("no thread" in record.message for record in caplog.records)


def test_a_server_that_was_closed_before_it_began() -> None:
    server = serve(Collect())
    server.close()
    server.wait_closed()
    with pytest.raises(ConnectionLost), Client("127.0.0.1", 1, timeout=1.0):
        pass


OCTETS = bytes(range(256)) * 8192
"""More than a socket takes at once."""


def exchange(octets: bytes, timeout: float) -> Generator[Read, Any, Any]:
    return (yield Read(octets, timeout))


@pytest.fixture
def pair() -> Any:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        theirs.settimeout(SECONDS)
        yield ours, theirs


def test_what_the_socket_does_not_take_at_once_is_written_later(pair: Any) -> None:
    ours, theirs = pair
    received = bytearray()

    def read() -> None:
        while len(received) < len(OCTETS):
            received.extend(theirs.recv(65536))
        theirs.sendall(b"all")

    thread = threading.Thread(target=read)
    thread.start()
    driver = drivers.Driver(ours, tls=None, is_server=False)
    assert driver.run(exchange(OCTETS, SECONDS)) == b"all"
    thread.join()
    assert received == OCTETS
    assert driver.run(exchange(b"", 0.0)) is None  # it is not waited for what is not there


@pytest.mark.parametrize("octets", [b"", b"x", OCTETS])
def test_time_is_over(pair: Any, octets: bytes) -> None:
    driver = drivers.Driver(pair[0], tls=None, is_server=False)
    with pytest.raises(TimeoutError):
        driver.run(exchange(octets, 0.05))
    if octets == OCTETS:  # the next one does not wait for this one's time
        with pytest.raises(TimeoutError):
            driver.run(exchange(octets, 0.05))


def test_a_connection_that_was_reset_before_the_handshake_can_be_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs = listener.accept()[0]
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    ours.settimeout(SECONDS)
    select.select([ours], [], [], SECONDS)
    driver = drivers.Driver(ours, tls=contexts()[1], is_server=False, server_hostname="localhost")
    with pytest.raises(ConnectionResetError):
        driver.secure()
    assert ours.fileno() >= 0
    driver.close()
    assert ours.fileno() < 0


def test_half_a_record_does_not_begin_the_time_anew(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one with nothing in it for us, as a ticket."""
    ours, theirs = pair
    server, client = contexts()
    monkeypatch.setattr(server, "num_tickets", 0)
    now = 0.0
    asked = threading.Event()
    layers: list[ssl.SSLSocket] = []

    def clock() -> float:
        seen = now
        asked.set()
        return seen

    def answer() -> None:
        nonlocal now
        layer = server.wrap_socket(theirs, server_side=True)
        layers.append(layer)
        asked.wait(SECONDS)
        now = 3599.95
        socket.socket.sendall(layer, b"\x17\x03\x03\0\x30half")

    thread = threading.Thread(target=answer)
    thread.start()
    driver = drivers.Driver(ours, tls=client, is_server=False, server_hostname="localhost")
    driver.secure()
    monkeypatch.setattr(drivers, "monotonic", clock)
    late = threading.Timer(SECONDS, lambda: layers[0].close())
    late.start()
    with pytest.raises(TimeoutError):
        driver.run(exchange(b"", 3600.0))
    late.cancel()
    thread.join()
    layers[0].close()
    driver.close()


def test_a_socket_that_was_readable_and_is_not() -> None:
    """select(2) warns of it: what came may turn out to be nothing."""
    left, theirs = socket.socketpair()
    failures = iter([BlockingIOError()])

    class Fickle(socket.socket):
        def recv(self, size: int, flags: int = 0) -> bytes:
            for failure in failures:
                raise failure
            return super().recv(size, flags)

    with Fickle(left.family, left.type, left.proto, left.detach()) as ours, theirs:
        theirs.sendall(b"220")
        driver = drivers.Driver(ours, tls=None, is_server=False)
        assert driver.run(exchange(b"", SECONDS)) == b"220"
        failures = iter([BlockingIOError()])
        theirs.sendall(b"421")
        assert driver.run(exchange(b"", 0.0)) is None
        assert driver.run(exchange(b"", 0.0)) == b"421"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
def test_signals_do_not_make_a_read_longer(pair: Any) -> None:
    """Each one ends the call that waits, and Python makes it again."""
    ours, theirs = pair
    driver = drivers.Driver(ours, tls=None, is_server=False)
    late = threading.Timer(SECONDS, theirs.sendall, [b"220"])
    usual = signal.signal(signal.SIGALRM, lambda *_: None)
    late.start()
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        with pytest.raises(TimeoutError):
            driver.run(exchange(b"", 1.1))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
        late.cancel()
        late.join()


def test_a_system_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    handler = Collect()
    with serve(handler) as server, Client("127.0.0.1", server.port) as client:
        assert not client.send(TEXT, "a@x.org", "b@x.org").refused
    assert len(handler.messages) == 1


@pytest.mark.parametrize("has_tls", [False, True])
def test_a_signal_disturbs_neither_side(has_tls: bool) -> None:
    """What waits for a socket, writes or reads then is interrupted (EINTR), and goes on."""
    signals: list[int] = []
    threads = [threading.get_ident()]
    over = threading.Event()

    class Slow(Collect):
        def on_connect(self, peer: Peer) -> None:
            threads.append(threading.get_ident())

        def on_message(self, peer: Peer, message: Message) -> None:
            over.wait(0.05)
            super().on_message(peer, message)

    def disturb() -> None:
        while not over.wait(0.0005):
            for thread in tuple(threads):
                signal.pthread_kill(thread, signal.SIGUSR1)

    options: list[dict[str, Any]] = [{"tls": context} if has_tls else {} for context in contexts()]
    disturber = threading.Thread(target=disturb)
    before = signal.signal(signal.SIGUSR1, lambda number, _: signals.append(number))
    try:
        with (
            serve(Slow(), **options[0]) as server,
            Client("127.0.0.1", server.port, **options[1]) as client,
        ):
            disturber.start()
            try:
                for size in (10, 5_000_000):
                    content = b"x" * 70 + b"\r\n" * 2 + b"y" * size + b"\r\n"
                    assert client.send(content, "a@x.org", "b@x.org").is_complete
                    assert server.handler.messages[-1].content == content
            finally:
                over.set()
                disturber.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert signals


class Alarm(Exception):
    """What the handler of a signal raises."""


def interrupt_at(
    call: int, kind: type[BaseException], raised: list[int]
) -> Callable[[FrameType, str, Any], None]:
    """Return what raises an exception in the so manieth call of ours, and notes it."""
    calls = itertools.count(1)

    def look(frame: FrameType, event: str, _: Any) -> None:
        ours = event == "call" and "smtpproto" in Path(frame.f_code.co_filename).parts
        if ours and next(calls) == call:
            raised.append(call)
            raise kind

    return look


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Alarm, OSError, TimeoutError])
def test_an_interrupt_leaves_a_session_that_is_in_order_or_none(kind: type[BaseException]) -> None:
    """It may come between any two steps, as after a reply was read and before it was followed."""
    with serve(Collect()) as server, Client("127.0.0.1", server.port, timeout=SOON) as client:
        client.send(TEXT, "a@x.org", "b@x.org")
        for call in itertools.count(1):
            raised: list[int] = []
            sys.setprofile(interrupt_at(call, kind, raised))
            with suppress(kind, ConnectionLost):
                try:
                    client.send(TEXT, "a@x.org", "b@x.org")
                finally:
                    sys.setprofile(None)
            if not raised:
                break
            if not client.is_connected:
                client.connect()
            assert client.send(TEXT, "a@x.org", "b@x.org").is_complete
    assert call > 20
    assert {message.content for message in server.handler.messages} == {TEXT}


def test_an_interrupt_in_a_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for a handshake that fails."""

    def interrupt(_: object) -> None:
        raise Alarm

    tls, trusting = contexts()
    with serve(Collect(), tls=tls) as server:
        client = Client("127.0.0.1", server.port, tls=trusting, security="starttls")
        monkeypatch.setattr(ssl.SSLSocket, "do_handshake", interrupt)
        with pytest.raises(Alarm):
            client.connect()
        monkeypatch.undo()
        with client:
            assert client.noop().is_positive


def test_an_interrupt_before_the_session_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> str:
        monkeypatch.undo()
        raise KeyboardInterrupt

    with serve(Collect()) as server:
        client = Client("127.0.0.1", server.port)
        monkeypatch.setattr(socket, "gethostname", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.connect()
        with client:
            assert client.noop().is_positive
