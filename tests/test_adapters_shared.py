# SPDX-License-Identifier: MIT
"""One suite for both adapters: what they do is the same, whatever moves the octets."""

from __future__ import annotations

import io
import logging
import smtplib
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import SECONDS, SOON, AsyncioWorld, Raw, Scripted, World, contexts
from faults.drive import Wire, eventually

from smtpproto import Data, LocalProtocolError, Mail, Quit, RemoteProtocolError, Reply, Vrfy
from smtpproto.dialogues import (
    AllRefused,
    AuthenticationError,
    Collect,
    ConnectionLost,
    Message,
    Peer,
    Reject,
    ReplyError,
    SecurityError,
    SMTPError,
    TimedOut,
)
from smtpproto.extensions import Pipelining, ServerLimits
from smtpproto.handlers import Users
from smtpproto.limits import Limits

# In place of the fixture's own: asyncio on the loop that many put it on, too.
pytestmark = pytest.mark.parametrize("world", ["asyncio", "uvloop", "blocking"], indirect=True)

SERVER, CLIENT = contexts()
TEXT = b"Subject: x\r\n\r\ntext\r\n"
HELLO = b"250-mx.example.org\r\n250 PIPELINING\r\n"
OK = b"250 2.0.0 ok\r\n"
TALK = ((b"", b"220 hi\r\n"), (b"\r\n", HELLO))
LEAVE = (b"QUIT\r\n", b"221 bye\r\n")
ENVELOPE: Any = {"sender": "a@x.org", "recipients": "b@x.org"}
TLS_MODES = {
    "plain": ({}, {"security": "none"}),
    "starttls": ({"tls": SERVER}, {"security": "starttls", "tls": CLIENT}),
    "implicit": (
        {"tls": SERVER, "tls_mode": "implicit"},
        {"security": "implicit", "tls": CLIENT},
    ),
}


@pytest.fixture(params=TLS_MODES)
def mode(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    return TLS_MODES[request.param]


class Noting:
    """A handler that notes how sessions go; its hooks are plain."""

    def __init__(self) -> None:
        self.aborted = threading.Event()
        self.closed = threading.Event()
        self.messages: list[Message] = []

    def on_message(self, peer: Peer, message: Message) -> None:
        self.messages.append(message)

    def on_abort(self, peer: Peer) -> None:
        self.aborted.set()

    def on_close(self, peer: Peer) -> None:
        self.closed.set()


# --- whole messages ------------------------------------------------------------------------------


def big(size: int) -> bytes:
    line = b"The quick brown fox jumps over the lazy dog. .\r\n"
    return line * (size // len(line))


@pytest.mark.parametrize("transfer", ["data", "bdat"])
@pytest.mark.parametrize("lmtp", [False, True])
def test_messages_arrive_as_they_were_sent(
    world: World, mode: tuple[dict[str, Any], dict[str, Any]], lmtp: bool, transfer: Any
) -> None:
    server_options, client_options = mode
    handler = Collect()
    contents = [b"", TEXT, b".\r\n..\r\n" * 30000, b"no final newline", big(300_000)]
    with (
        world.serve(handler, lmtp=lmtp, **server_options) as server,
        world.client("localhost", server.port, lmtp=lmtp, **client_options) as client,
    ):
        for content in contents:
            result = client.send(content, "a@x.org", ["b@x.org", "c@x.org"], transfer=transfer)
            assert result.accepted == ("b@x.org", "c@x.org")
    received = [message.content for message in handler.messages]
    expected = [*contents]
    if transfer == "data":
        expected[3] += b"\r\n"  # the end of mail data is at the start of a line
    assert received == expected


def test_several_messages_arrive_as_they_were_sent(
    world: World, mode: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """The last envelope is refused, and the session can be used still."""
    server_options, client_options = mode
    handler = Collect()
    handler.on_rcpt = (  # type: ignore[attr-defined]
        lambda _peer, rcpt: Reply(550, "no") if rcpt.forward_path.address == "no@x.org" else None
    )
    contents = [b"", TEXT, b".\r\n..\r\n" * 30000, io.BytesIO(TEXT), big(300_000), TEXT, b".\r\n"]
    told: list[int] = []
    with (
        world.serve(handler, **server_options) as server,
        world.client("localhost", server.port, **client_options) as client,
    ):
        several = [
            (content, f"{n}@x.org", ["b@x.org", "c@x.org"]) for n, content in enumerate(contents)
        ]
        outcomes = client.send_many(
            [*several, (TEXT, "a@x.org", "no@x.org")],
            on_outcome=lambda number, _outcome: told.append(number),
        )
        client.send(TEXT, "last@x.org", "b@x.org")
    assert isinstance(outcomes.pop(), AllRefused)
    assert [outcome.accepted for outcome in outcomes] == [("b@x.org", "c@x.org")] * 7
    assert told == [*range(8)]
    expected = [each.getvalue() if isinstance(each, io.BytesIO) else each for each in contents]
    received = [(each.mail.reverse_path.address, each.content) for each in handler.messages]
    senders = [f"{n}@x.org" for n in range(7)]
    assert received == [*zip(senders, expected, strict=True), ("last@x.org", TEXT)]


def test_a_server_that_leaves_between_several_messages(world: World) -> None:
    script = Scripted(
        *TALK,
        (b"DATA\r\n", OK * 2 + b"354 go on\r\n"),
        (b".\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n", OK + OK),
    )
    with script as server, world.client("127.0.0.1", server.port, security="none") as client:
        outcomes = client.send_many([(TEXT, "a@x.org", "b@x.org")] * 3)
        assert not client.is_connected
        with pytest.raises(ConnectionLost, match="no session is open"):
            client.send_many([])
    assert outcomes[0].is_complete
    assert [type(outcome) for outcome in outcomes[1:]] == [ConnectionLost] * 2


@pytest.mark.parametrize("listener", [5, "print"])
def test_what_cannot_be_told_of_outcomes(world: World, listener: Any) -> None:
    async def coroutine(_number: int, _outcome: Any) -> None: ...

    handler = Collect()
    with (
        world.serve(handler) as server,
        world.client("127.0.0.1", server.port, security="none") as client,
    ):
        for wrong in (listener, coroutine):
            with pytest.raises(TypeError, match="on_outcome: a plain function expected"):
                client.send_many([(TEXT, "a@x.org", "b@x.org")], on_outcome=wrong)
        assert client.is_connected
    assert handler.messages == []


def test_twenty_megabytes(world: World) -> None:
    handler = Collect()
    content = big(20_000_000)
    with (
        world.serve(handler) as server,
        world.client("localhost", server.port) as client,
    ):
        client.send(content, "a@x.org", "b@x.org", transfer="data")
        client.send(io.BytesIO(content), "a@x.org", "b@x.org")
    assert all(message.content == content for message in handler.messages)
    assert len(handler.messages) == 2


def test_five_hundred_recipients(world: World) -> None:
    handler = Collect()
    recipients = [f"user{number}@example.org" for number in range(500)]
    with (
        world.serve(handler, lmtp=True) as server,
        world.client("localhost", server.port, lmtp=True) as client,
    ):
        assert client.send(TEXT, "a@x.org", recipients).accepted == tuple(recipients)
    assert handler.messages[0].recipients == tuple(recipients)


def test_an_email_message(world: World) -> None:
    handler = Collect()
    message = EmailMessage()
    message["From"] = "grün@example.org"
    message["To"] = "b@example.org"
    message["Bcc"] = "c@example.org"
    message["Subject"] = "Grüße"
    message.set_content("text\n")
    with world.serve(handler) as server:
        result = world.send_mail(message, "localhost", server.port)
    assert result.is_complete
    [received] = handler.messages
    assert (received.sender, received.recipients) == (
        "grün@example.org",
        ("b@example.org", "c@example.org"),
    )
    assert received.parse()["Subject"] == "Grüße"


def test_smtplib_as_the_client(world: World, mode: tuple[dict[str, Any], dict[str, Any]]) -> None:
    options, settings = mode
    handler = Collect()
    with world.serve(handler, **options) as server:
        if settings["security"] == "implicit":
            client: Any = smtplib.SMTP_SSL("localhost", server.port, context=CLIENT)
        else:
            client = smtplib.SMTP("localhost", server.port)
        with client:
            if settings["security"] == "starttls":
                client.starttls(context=CLIENT)
            client.sendmail("a@x.org", ["b@x.org"], TEXT)
            client.sendmail("a@x.org", ["b@x.org"], TEXT)
    assert [message.content for message in handler.messages] == [TEXT, TEXT]


# --- hooks ---------------------------------------------------------------------------------------


def test_a_peer_is_known_by_its_address_and_its_tls(world: World) -> None:
    seen: list[Any] = []

    class Handler(Collect):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            seen.append((peer.address[0], peer.tls and peer.tls.version, peer.hello))

    with world.serve(Handler(), tls=SERVER, require_tls=True) as server:
        with world.client("localhost", server.port, tls=CLIENT, local_name="me.example") as client:
            assert client.connection.tls.peer_verified
            assert "tls-server-end-point" in client.connection.tls.channel_bindings
            client.send(TEXT, "a@x.org", "b@x.org")
        with Raw(server.port) as raw:
            raw.say(b"EHLO x.example\r\n")
            assert raw.say(b"MAIL FROM:<a@x.org>\r\n").startswith("530")
    [(address, version, hello)] = seen
    assert (address, version, hello.domain) == ("127.0.0.1", "TLSv1.3", "me.example")


@pytest.mark.parametrize(("mode", "made"), [("plain", 0), ("starttls", 1), ("implicit", 1)])
def test_what_the_system_trusts_is_read_for_a_handshake(
    world: World, mode: str, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and never for a server without TLS: it takes longer than to send a message."""
    contexts: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        contexts.append(CLIENT)
        return CLIENT

    monkeypatch.setattr(ssl, "create_default_context", context)
    serving, _ = TLS_MODES[mode]
    security = "implicit" if mode == "implicit" else "auto"
    with (
        world.serve(Collect(), **serving) as server,
        world.client("localhost", server.port, security=security) as client,
    ):
        client.close()
        client.connect()
    assert len(contexts) == made


@pytest.mark.parametrize("mode", TLS_MODES)
def test_a_client_knows_where_it_was_connected(world: World, mode: str) -> None:
    """It still does after the session, as for a log of what went wrong."""
    serving, sending = TLS_MODES[mode]
    with (
        world.serve(Collect(), **serving) as server,
        world.client("localhost", server.port, **sending) as client,
    ):
        for _ in range(2):
            assert client.address[:2] == ("127.0.0.1", server.port)
            client.close()


def test_a_client_of_a_unix_socket_knows_its_path(world: World, tmp_path: Path) -> None:
    path = str(tmp_path / "smtp")
    with world.serve(Collect(), path=path), world.client(path=path) as client:
        assert client.address == path
    assert world.module.Client(path=path).address is None


def test_a_client_connects_from_the_address_it_is_told(world: World) -> None:
    seen: list[Any] = []

    class Handler(Collect):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            seen.append(peer.address[0])

    with world.serve(Handler()) as server:
        for source in [("127.0.0.2", 0), None]:
            with world.client("127.0.0.1", server.port, source_address=source) as client:
                client.send(TEXT, "a@x.org", "b@x.org")
        unknown = ("192.0.2.1", 0)
        with pytest.raises(ConnectionLost, match="no connection to"):
            world.client("127.0.0.1", server.port, source_address=unknown).__enter__()
    assert seen == ["127.0.0.2", "127.0.0.1"]


def test_hooks_refuse(world: World) -> None:
    class Handler(Collect):
        def on_rcpt(self, peer: Peer, rcpt: Any) -> Reply | None:
            if rcpt.forward_path.address == "no@x.org":
                raise Reject(550, "unknown", "5.1.1")
            return Reply(450, "later") if rcpt.forward_path.address == "later@x.org" else None

    with world.serve(Handler()) as server, world.client("localhost", server.port) as client:
        result = client.send(TEXT, "a@x.org", ["no@x.org", "b@x.org", "later@x.org"])
        assert [reply.code for reply in result.replies] == [550, 250, 450]
        with pytest.raises(AllRefused):
            client.send(TEXT, "a@x.org", "no@x.org")
        assert client.send(TEXT, "a@x.org", "b@x.org").is_complete


def test_a_hook_that_fails_is_logged_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Handler(Collect):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            if mail.reverse_path.address == "bad@x.org":
                raise ValueError("cannot")

    handler = Handler()
    with world.serve(handler) as server, world.client("localhost", server.port) as client:
        with pytest.raises(ReplyError) as failed:
            client.send(TEXT, "bad@x.org", "b@x.org")
        assert failed.value.reply == Reply(451, "local error", "4.3.0")
        assert client.send(TEXT, "a@x.org", "b@x.org").is_complete
    [record] = [record for record in caplog.records if record.name == "smtpproto"]
    assert record.levelno == logging.ERROR
    assert isinstance(record.exc_info and record.exc_info[1], ValueError)
    assert record.getMessage().endswith(".Handler.on_mail failed")


@pytest.mark.parametrize("wrong", [7, Reply(354)])
def test_a_hook_that_returns_what_is_no_answer_is_named(
    world: World, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Collect):
        def on_message(self, peer: Peer, message: Message) -> Any:
            return wrong

    with (
        world.serve(Handler()) as server,
        world.client("localhost", server.port) as client,
        pytest.raises(ReplyError, match="451"),
    ):
        client.send(TEXT, "a@x.org", "b@x.org")
    [record] = [record for record in caplog.records if record.name == "smtpproto"]
    assert record.getMessage().endswith(".Handler.on_message failed")


def test_a_421_of_a_hook_closes(world: World) -> None:
    class Handler(Collect):
        def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            raise Reject(421, "enough", "4.7.0")

    with world.serve(Handler()) as server:
        with world.client("localhost", server.port) as client:
            with pytest.raises(ReplyError, match="421"):
                client.send(TEXT, "a@x.org", "b@x.org")
            with pytest.raises(ConnectionLost):
                client.send(TEXT, "a@x.org", "b@x.org")
        with Raw(server.port) as raw:
            raw.say(b"EHLO x.example\r\n")
            raw.say(b"MAIL FROM:<a@x.org>\r\n")
            raw.sock.sendall(b"RCPT TO:<b@x.org>\r\n" + b"NOOP\r\n" * 1000)
            assert raw.rest() == b"421 4.7.0 enough\r\n"


def test_what_is_due_is_written_before_a_hook_that_blocks(world: World) -> None:
    """RFC 2920 3.2."""
    go_on = threading.Event()

    class Handler(Collect):
        def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
            assert go_on.wait(SECONDS)

    with world.serve(Handler()) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        assert raw.say(b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\n").startswith("250 2.1.0")
        go_on.set()
        assert raw.reply().startswith("250 2.1.5")


def test_a_sink(world: World) -> None:
    class Sink:
        def __init__(self) -> None:
            self.octets = 0
            self.done = ""

        def write(self, data: bytes) -> None:
            assert len(data) <= 65536 + 8
            self.octets += len(data)

        def commit(self) -> Reply:
            self.done = "committed"
            return Reply(250, "as 4711")

        def abort(self) -> None:
            self.done = "aborted"

    sinks = []

    class Handler:
        def open_message(self, peer: Peer) -> Sink:
            sinks.append(Sink())
            return sinks[-1]

    content = big(3_000_000)
    with world.serve(Handler()) as server, world.client("localhost", server.port) as client:
        assert client.send(content, "a@x.org", "b@x.org").reply.text == "as 4711"
        assert client.send(content, "a@x.org", "b@x.org", transfer="data").is_complete
        with Raw(server.port) as raw:
            raw.say(b"EHLO x.example\r\n")
            for line in (b"MAIL FROM:<a@x.org>", b"RCPT TO:<b@x.org>", b"DATA"):
                raw.say(line + b"\r\n")
            raw.sock.sendall(b"half a mess")
        deadline = time.monotonic() + SECONDS
        while not (len(sinks) == 3 and sinks[2].done) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert [sink.done for sink in sinks] == ["committed", "committed", "aborted"]
    assert sinks[0].octets == sinks[1].octets == len(content)


def test_a_peer_that_leaves_in_the_middle_of_a_message(world: World) -> None:
    handler = Noting()
    with world.serve(handler) as server:
        for reset in (False, True):
            handler.aborted.clear()
            handler.closed.clear()
            with Raw(server.port) as raw:
                raw.say(b"EHLO x.example\r\n")
                for line in (b"MAIL FROM:<a@x.org>", b"RCPT TO:<b@x.org>", b"DATA"):
                    raw.say(line + b"\r\n")
                raw.sock.sendall(b"half a message\r\n")
                if reset:
                    raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1" + bytes(7))
            assert handler.aborted.wait(SECONDS)
            assert handler.closed.wait(SECONDS)
    assert handler.messages == []


def test_a_handler_for_each_session(world: World) -> None:
    made = []

    def factory() -> Collect:
        made.append(Collect())
        return made[-1]

    with world.serve(factory, factory=True) as server:
        for _ in range(2):
            world.send_mail(TEXT, "localhost", server.port, **ENVELOPE)
    assert [len(handler.messages) for handler in made] == [1, 1]


def test_a_handler_whose_hooks_cannot_be_looked_at(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Collect):
        is_well = True

        @property
        def on_rcpt(self) -> Any:
            if not self.is_well:
                raise ZeroDivisionError
            return None

    handler = Handler()
    with world.serve(handler) as server:
        handler.is_well = False
        with Wire(server.port) as wire:
            assert wire.rest() == b""
        eventually(lambda: not server.sessions)
        handler.is_well = True
        world.send_mail(TEXT, "localhost", server.port, **ENVELOPE)
    assert len(handler.messages) == 1
    assert "a session failed" in caplog.text


@pytest.mark.parametrize(
    "options", [{}, {"connections_per_peer": 1}, {"tls": SERVER, "tls_mode": "implicit"}]
)
@pytest.mark.parametrize("place", ["factory", "on_connect"])
def test_a_session_that_cannot_begin(
    world: World, place: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told to come later, and the place is free at once."""

    def factory() -> Collect:
        raise TimeoutError("none today")

    class Failing(Collect):
        def on_connect(self, peer: Peer) -> Any:
            return factory()

    handler = factory if place == "factory" else Failing()
    with world.serve(handler, factory=place == "factory", **options) as server:
        for _ in range(2):
            with Wire(server.port, implicit="tls" in options) as wire:
                assert wire.rest() == b"421 local error\r\n"
            eventually(lambda: not server.sessions)
        assert server.counters.endings == {"turned away": 2}
        assert server.counters.errors == 0
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(failures) == 2
    assert all("none today" in caplog.handler.format(one) for one in failures)
    assert all(place in one.getMessage() for one in failures)


# --- starting and stopping -----------------------------------------------------------------------


def test_a_hundred_starts(world: World) -> None:
    for _ in range(100):
        with world.serve(Collect()) as server:
            assert server.port > 0
            assert server.addresses == [("127.0.0.1", server.port)]


def test_start_and_stop_apart(world: World) -> None:
    def call(result: Any) -> Any:
        return world.call(result) if isinstance(world, AsyncioWorld) else result

    server = world.module.serve(Collect())
    assert call(server.start()) is server
    world.send_mail(TEXT, "localhost", server.port, **ENVELOPE)
    with pytest.raises(LocalProtocolError, match="not started before"):
        call(server.start())
    if isinstance(world, AsyncioWorld):
        world.loop.call_soon_threadsafe(server.close)
    else:
        server.close()
    call(server.wait_closed())
    assert len(server.handler.messages) == 1


def test_stopped_twice(world: World) -> None:
    with world.serve(Collect()) as server:
        server.close() if world.name == "blocking" else world.loop.call_soon_threadsafe(
            server.close
        )  # type: ignore[union-attr]
    if isinstance(world, AsyncioWorld):
        world.call(server.wait_closed())
    else:
        server.close()
        server.wait_closed()
        server.serve_forever()
    with pytest.raises(ConnectionRefusedError):
        Raw(server.port)


def test_a_server_that_stops_says_so(world: World) -> None:
    handler = Noting()
    with world.serve(handler) as server:
        raw = Raw(server.port)
        assert raw.say(b"EHLO x.example\r\n").startswith("250")
        assert server.sessions == 1
    with raw:
        assert raw.rest() == b"421 4.3.2 server shutting down\r\n"
    assert handler.closed.is_set()


def test_a_message_that_is_being_taken_is_taken_when_the_server_stops(world: World) -> None:
    running = threading.Event()
    go_on = threading.Event()

    class Handler(Collect):
        def on_message(self, peer: Peer, message: Message) -> None:
            running.set()
            assert go_on.wait(SECONDS)
            super().on_message(peer, message)

    handler = Handler()
    with world.serve(handler, grace=SECONDS) as server:
        raw = Raw(server.port)
        raw.say(b"EHLO x.example\r\n")
        for line in (b"MAIL FROM:<a@x.org>", b"RCPT TO:<b@x.org>", b"DATA"):
            raw.say(line + b"\r\n")
        raw.sock.sendall(b"x\r\n.\r\n")
        assert running.wait(SECONDS)
        threading.Timer(0.2, go_on.set).start()
    with raw:
        assert raw.rest() == b"250 2.0.0 message taken\r\n421 4.3.2 server shutting down\r\n"
    assert len(handler.messages) == 1


def test_the_wrong_kind_of_tls_is_told(world: World) -> None:
    with world.serve(Collect(), tls=SERVER) as server:
        with pytest.raises(SecurityError, match=r"does not begin with TLS.*'starttls'"):
            world.send_mail(
                TEXT, "localhost", server.port, security="implicit", tls=CLIENT, **ENVELOPE
            )
        with pytest.raises(SecurityError, match=r"(?i)certificate verify failed") as caught:
            world.send_mail(TEXT, "localhost", server.port, security="starttls", **ENVELOPE)
        assert "begin with TLS" not in str(caught.value)
    with (
        world.serve(Collect(), tls=SERVER, tls_mode="implicit") as server,
        pytest.raises(TimedOut, match=rf"no reply within {SOON} s: greeting; .*'implicit'"),
        world.client("localhost", server.port, timeout=SOON),
    ):
        pass


def test_a_server_that_closes_in_place_of_a_handshake(world: World) -> None:
    """RFC 5321 4.5.4.1: as one that restarts does, so that the mail is kept."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close() -> None:
            sock, _ = listener.accept()
            with sock:
                assert sock.recv(1)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass

        thread = threading.Thread(target=close)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(ConnectionLost) as caught:
            world.send_mail(TEXT, "localhost", port, security="implicit", tls=CLIENT, **ENVELOPE)
        thread.join()
    assert caught.value.is_transient


def test_an_8bit_message_for_a_server_that_takes_none(world: World) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@x.org", "b@x.org", "Grüße"
    message.set_content("Grüße\n")
    handler = Collect()
    with world.serve(handler, extensions=[Pipelining()]) as server:
        world.send_mail(message, "127.0.0.1", server.port)
        with pytest.raises(LocalProtocolError, match="only an EmailMessage"):
            world.send_mail(message.as_bytes(), "127.0.0.1", server.port, **ENVELOPE)
    [taken] = handler.messages
    assert taken.content.isascii()
    assert taken.parse().get_content() == "Grüße\r\n"


def test_a_file_is_whole_when_it_is_sent_again(world: World, tmp_path: Path) -> None:
    class Greylisting(Collect):
        seen = 0

        def on_rcpt(self, peer: Peer, command: Any) -> None:
            self.seen += 1
            if self.seen == 1:
                raise Reject(450, "come back later", "4.7.1")

    path = tmp_path / "message"
    path.write_bytes(TEXT)
    handler = Greylisting()
    with (
        world.serve(handler) as server,
        world.client("127.0.0.1", server.port) as client,
        path.open("rb") as file,
    ):
        with pytest.raises(AllRefused):
            client.send(file, "a@x.org", "b@x.org")
        client.send(file, "a@x.org", "b@x.org")
    [taken] = handler.messages
    assert taken.content == TEXT


@pytest.mark.parametrize("security", ["starttls", "implicit"])
def test_an_absolute_name_is_that_of_the_certificate(
    world: World, tmp_path: Path, security: Any
) -> None:
    """RFC 6066 3: as an MX record has it, with a dot at its end, which TLS does not know."""
    path = str(tmp_path / "socket")
    with (
        world.serve(Collect(), path=path, tls=SERVER, tls_mode=security) as server,
        world.client("localhost.", path=path, security=security, tls=CLIENT) as client,
    ):
        client.send(TEXT, "a@x.org", "b@x.org")
    assert len(server.handler.messages) == 1


def test_a_unix_socket(world: World, tmp_path: Path) -> None:
    handler = Collect()
    path = str(tmp_path / "lmtp")
    with world.serve(handler, path=path, lmtp=True) as server:
        assert server.addresses == [path]
        assert server.port == 0
        with world.client(path=path, lmtp=True) as client:
            client.send(TEXT, "a@x.org", "b@x.org")
    assert len(handler.messages) == 1


def test_a_unix_socket_that_a_successor_has_taken_over(world: World, tmp_path: Path) -> None:
    """Who ends later than the next one begins leaves it alone."""
    path = tmp_path / "lmtp"
    handler = Collect()
    with ExitStack() as successor:
        with world.serve(Collect(), path=str(path)):
            with pytest.raises(OSError, match="in use"):
                successor.enter_context(world.serve(handler, path=str(path)))
            path.rename(tmp_path / "old")
            successor.enter_context(world.serve(handler, path=str(path)))
        with world.client(path=str(path)) as client:
            client.send(TEXT, "a@x.org", "b@x.org")
    assert not path.exists()
    assert len(handler.messages) == 1


def test_sockets_that_are_there_already(world: World) -> None:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [listener.getsockname()[1] for listener in listeners]
    with world.serve(Collect(), sockets=listeners) as server:
        assert [address[1] for address in server.addresses] == ports
        for port in ports:
            with Raw(port) as raw:
                assert raw.say(b"QUIT\r\n").startswith("221")


def test_sockets_that_are_bound_only(world: World) -> None:
    """As they are made before privileges are given up."""
    listeners = [socket.socket() for _ in range(2)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    with world.serve(Collect(), sockets=listeners) as server:
        for address in server.addresses:
            with Raw(address[1]) as raw:
                assert raw.say(b"QUIT\r\n").startswith("221")


@pytest.mark.parametrize("host", ["::1", None, "localhost"])
def test_other_addresses(world: World, host: str | None) -> None:
    to = host or "127.0.0.1"
    with world.serve(Collect(), host) as server, Raw(server.port, host=to) as raw:
        assert raw.say(b"NOOP\r\n").startswith("250")


def test_an_address_that_is_taken(world: World, tmp_path: Path) -> None:
    path = str(tmp_path / "missing" / "socket")
    for options in ({"path": path}, {"port": 1, "host": "192.0.2.1"}):
        with pytest.raises(OSError, match=r"."), world.serve(Collect(), **options):
            pass


def test_settings_that_do_not_fit(world: World) -> None:
    with pytest.raises(LocalProtocolError, match="tls expected"):
        world.module.serve(Collect(), require_tls=True)
    with pytest.raises(LocalProtocolError, match="security"):
        world.module.Client(security="yes")


def test_too_many_connections(world: World) -> None:
    with (
        world.serve(Collect(), connections=1) as server,
        Raw(server.port),
        Raw(server.port, greeting=False) as second,
    ):
        assert second.reply() == "421 too many connections"


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("drip", [False, True])
def test_a_client_that_says_nothing_is_told_and_closed(world: World, drip: bool) -> None:
    """The time is for the whole command, not for each octet of it."""
    handler = Noting()
    with world.serve(handler, timeout=SOON) as server, Raw(server.port) as raw:
        end = time.monotonic() + SECONDS
        raw.sock.settimeout(0.05)
        heard = b""
        while time.monotonic() < end:
            try:
                if drip:
                    raw.sock.sendall(b"x")
                heard = raw.sock.recv(1000)
                break
            except TimeoutError:
                continue
        assert heard.startswith(b"421 4.4.2 timed out\r\n")
    assert handler.closed.wait(SECONDS)


def test_a_server_that_says_nothing(world: World) -> None:
    with (
        Scripted((b"", b"220 hi\r\n"), (b"never", b"")) as server,
        pytest.raises(TimedOut),
        world.client("127.0.0.1", server.port, timeout=0.2),
    ):
        pass


# --- what may not happen -------------------------------------------------------------------------


def test_plaintext_behind_the_starttls_command(world: World) -> None:
    with world.serve(Collect(), tls=SERVER) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        assert raw.say(b"STARTTLS\r\nNOOP\r\n").startswith("554")
        assert raw.rest() == b""


def test_plaintext_in_place_of_the_handshake(world: World) -> None:
    handler = Noting()
    with world.serve(handler, tls=SERVER) as server, Raw(server.port) as raw:
        raw.say(b"EHLO x.example\r\n")
        assert raw.say(b"STARTTLS\r\n").startswith("220")
        raw.sock.sendall(b"MAIL FROM:<a@x.org>\r\n" * 10)
        with suppress(ConnectionResetError):
            assert b"250" not in raw.rest()
        assert handler.closed.wait(SECONDS)


def test_plaintext_that_comes_while_a_hook_has_yet_to_end_before_starttls(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Noting):
        def on_ehlo(self, peer: Peer, hello: Any) -> None:
            begun.set()
            go_on.wait(SECONDS)

    begun, go_on = threading.Event(), threading.Event()
    handler = Handler()
    with world.serve(handler, tls=SERVER) as server, Raw(server.port) as raw:
        raw.sock.sendall(b"EHLO x.example\r\nSTARTTLS\r\n")
        begun.wait(SECONDS)
        raw.sock.sendall(b"NOOP\r\n" * 10)
        time.sleep(0.1)  # to be read too early
        go_on.set()
        assert raw.reply().startswith("250")
        assert raw.reply().startswith("220")
        with suppress(ConnectionResetError):
            assert b"250" not in raw.rest()
        assert handler.closed.wait(SECONDS)
    assert not caplog.records


# Some Python 3.11 leave it to the garbage collector to close what could not be wrapped.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("how", ["silent", "reset"])
def test_a_client_that_leaves_the_handshake_is_forgotten(world: World, how: str) -> None:
    handler = Noting()
    with world.serve(handler, tls=SERVER, timeout=SOON) as server:
        with Raw(server.port) as raw:
            raw.say(b"EHLO x.example\r\n")
            assert raw.say(b"STARTTLS\r\n").startswith("220")
            if how == "silent":
                assert raw.rest() == b""
            else:
                raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert handler.closed.wait(SECONDS)
        end = time.monotonic() + SECONDS
        while server.sessions and time.monotonic() < end:
            time.sleep(0.01)
        assert server.sessions == 0


def test_a_server_that_is_silent_in_the_handshake(world: World) -> None:
    talk = ((b"", b"220 hi\r\n"), (b"\r\n", b"250-x\r\n250 STARTTLS\r\n"), (b"\r\n", b"220 go\r\n"))
    with (
        Scripted(*talk, (b"never", b"")) as server,
        pytest.raises(TimedOut),
        world.client("127.0.0.1", server.port, timeout=0.3),
    ):
        pass


def test_plaintext_behind_the_220(world: World) -> None:
    forged = b"220 go\r\n250-mx.example.org\r\n250 AUTH PLAIN\r\n"
    with (
        Scripted(
            (b"", b"220 hi\r\n"),
            (b"\r\n", b"250-x\r\n250 STARTTLS\r\n"),
            (b"\r\n", forged),
            (b"never", b""),
        ) as server,
        pytest.raises(RemoteProtocolError),
    ):
        world.send_mail(TEXT, "127.0.0.1", server.port, **ENVELOPE)


def test_starttls_taken_out(world: World) -> None:
    with Scripted(*TALK, LEAVE) as server, pytest.raises(SecurityError):
        world.send_mail(TEXT, "127.0.0.1", server.port, security="starttls", **ENVELOPE)
    assert b"MAIL" not in server.received


def test_a_certificate_that_is_not_trusted(world: World) -> None:
    handler = Collect()
    with world.serve(handler, tls=SERVER) as server:
        for security in ("auto", "starttls"):
            with pytest.raises(SecurityError):
                world.send_mail(TEXT, "localhost", server.port, security=security, **ENVELOPE)
        assert world.send_mail(TEXT, "localhost", server.port, security="opportunistic", **ENVELOPE)
    with world.serve(handler, tls=SERVER, tls_mode="implicit") as server:
        with pytest.raises(SecurityError):
            world.send_mail(TEXT, "localhost", server.port, security="implicit", **ENVELOPE)
        with Raw(server.port, greeting=False) as raw:
            raw.sock.sendall(b"EHLO plain\r\n")
            with suppress(ConnectionResetError):
                raw.rest()
    assert len(handler.messages) == 1


def test_nobody_there(world: World) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # so that it is nobody else's
        with pytest.raises(ConnectionLost) as failed:
            world.send_mail(TEXT, "127.0.0.1", bound.getsockname()[1], **ENVELOPE)
    assert failed.value.is_transient


# --- credentials ---------------------------------------------------------------------------------

OFFERS_AUTH = ((b"", b"220 hi\r\n"), (b"\r\n", b"250-mx.example.org\r\n250 AUTH PLAIN\r\n"))
CREDENTIALS: Any = {"username": "tim", "password": "tanstaaftanstaaf"}
AUTH_PLAIN = b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"


@pytest.mark.parametrize("allow", [None, True])
def test_a_password_in_the_clear_to_this_machine(world: World, allow: bool | None) -> None:
    script = [*OFFERS_AUTH, (b"\r\n", b"535 5.7.8 no\r\n")]
    with Scripted(*script) as server, pytest.raises(AuthenticationError) as failed:
        world.send_mail(
            TEXT,
            "localhost",
            server.port,
            **ENVELOPE,
            **CREDENTIALS,
            allow_cleartext_auth=allow,
        )
    assert AUTH_PLAIN in server.received
    assert b"MAIL" not in server.received
    assert "tanstaaf" not in str(failed.value)


@pytest.mark.parametrize("security", ["auto", "starttls", "opportunistic", "none"])
def test_no_means_no_on_this_machine_too(world: World, security: str) -> None:
    settings = {"security": security, "allow_cleartext_auth": False, **CREDENTIALS}
    with Scripted(*OFFERS_AUTH, LEAVE) as server, pytest.raises(SecurityError):
        world.send_mail(TEXT, "127.0.0.1", server.port, **ENVELOPE, **settings)
    assert b"AUTH" not in server.received
    assert b"MAIL" not in server.received


def test_another_machine_is_shown_no_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name says nothing, the address does."""
    module = sys.modules["smtpproto.dialogues.client_settings"]
    monkeypatch.setattr(module, "is_loopback", lambda address: address[0] == "192.0.2.1")
    for security in ("auto", "none", "opportunistic"):
        settings = {"security": security, **CREDENTIALS}
        with Scripted(*OFFERS_AUTH, LEAVE) as server, pytest.raises(SecurityError):
            world.send_mail(TEXT, "localhost", server.port, **ENVELOPE, **settings)
        assert b"AUTH" not in server.received


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        ([(b"", b"554 no\r\n")], {}),
        (TALK, {"security": "starttls"}),
        (TALK, CREDENTIALS),
        ([*OFFERS_AUTH, (b"\r\n", b"535 no\r\n")], CREDENTIALS),
    ],
)
def test_a_session_that_cannot_be_opened_ends_with_quit(
    world: World, script: Any, settings: Any
) -> None:
    """RFC 5321 4.1.1.10: no side closes without a word."""
    with Scripted(*script, LEAVE) as server, pytest.raises(SMTPError):
        world.send_mail(TEXT, "127.0.0.1", server.port, **ENVELOPE, **settings)
    assert server.received.endswith(b"QUIT\r\n")


def test_credentials_and_a_server_without_auth(world: World) -> None:
    with Scripted(*TALK, LEAVE) as server, pytest.raises(SecurityError, match="AUTH"):
        world.send_mail(TEXT, "127.0.0.1", server.port, **ENVELOPE, **CREDENTIALS)
    assert b"MAIL" not in server.received


class Mailbox(Collect):
    """Takes mail of those who say who they are."""

    def __init__(self) -> None:
        super().__init__()
        self.on_auth = Users({"tim": CREDENTIALS["password"]})
        self.identities: list[str | None] = []

    def on_mail(self, peer: Peer, mail: Any) -> None:
        self.identities.append(peer.identity)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"])
def test_a_client_says_who_it_is(
    world: World, mode: tuple[dict[str, Any], dict[str, Any]], mechanism: str
) -> None:
    handler = Mailbox()
    server_options, client_options = mode
    settings = {**client_options, **CREDENTIALS, "auth": mechanism}
    offered = {"auth": [mechanism], "auth_cleartext": True, "require_auth": True}
    with world.serve(handler, **server_options, **offered) as server:
        with world.client("localhost", server.port, **settings) as client:
            assert client.connection.is_authenticated
            client.send(TEXT, "a@x.org", "b@x.org")
        with pytest.raises(AuthenticationError) as failed:
            world.send_mail(
                TEXT, "localhost", server.port, **ENVELOPE, **{**settings, "password": "other"}
            )
    assert (failed.value.reply.code, failed.value.mechanism) == (535, mechanism)
    assert failed.value.transcript[-1].startswith("<- 535")
    assert handler.identities == ["tim"]


# --- clients against servers that follow a script ------------------------------------------------


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([(b"", b"554 no\r\n")], ReplyError),
        ([(b"", b"220 hi\r\n")], ConnectionLost),
        ([(b"", b"220 hi\r\n"), (b"\r\n", b"421 bye\r\n")], ReplyError),
        ([*TALK, (b"DATA\r\n", b"550 no\r\n" * 3)], ReplyError),
        (
            [*TALK, (b"DATA\r\n", OK + b"550 no\r\n503 x\r\n")],
            AllRefused,
        ),
        ([*TALK, (b"DATA\r\n", OK)], ConnectionLost),
        (
            [
                *TALK,
                (b"DATA\r\n", OK * 2 + b"354 x\r\n"),
                (b"\r\n.\r\n", b"451 x\r\n"),
            ],
            ReplyError,
        ),
        ([(b"", b"nonsense\r\n")], RemoteProtocolError),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_refuses_or_goes_away(
    world: World, script: list[tuple[bytes, bytes]], kind: Any, reset: bool
) -> None:
    with (
        Scripted(*script, reset=reset) as server,
        pytest.raises((kind, ConnectionLost) if reset else kind),
    ):
        world.send_mail(TEXT, "127.0.0.1", server.port, security="none", **ENVELOPE)


def test_helo_and_lock_step(world: World) -> None:
    script = [
        (b"", b"220 hi\r\n"),
        (b"\r\n", b"502 what\r\n"),
        *[(b"\r\n", OK)] * 3,
        (b"DATA\r\n", b"354 x\r\n"),
        (b"\r\n.\r\n", OK),
        (b"QUIT\r\n", b""),
    ]
    with Scripted(*script) as server:
        assert world.send_mail(TEXT, "127.0.0.1", server.port, **ENVELOPE)
    assert [line.split(b" ")[0] for line in server.received.split(b"\r\n")[:5]] == [
        b"EHLO",
        b"HELO",
        b"MAIL",
        b"RCPT",
        b"DATA",
    ]


def test_a_server_that_stops_reading_in_the_middle(world: World) -> None:
    """Its last words count, even where the rest of the message can no longer be written."""
    script = [
        *TALK,
        (b"DATA\r\n", OK * 2 + b"354 x\r\n"),
        (b"brown", b"421 4.3.0 no more\r\n"),
    ]
    with Scripted(*script) as server, pytest.raises((ReplyError, ConnectionLost)):
        world.send_mail(big(50_000_000), "127.0.0.1", server.port, security="none", **ENVELOPE)


def test_a_server_that_takes_nothing_more(world: World) -> None:
    script = [*TALK, (b"DATA\r\n", OK * 2 + b"354 x\r\n")]
    with (
        Scripted(*script, holds=True) as server,
        world.client("127.0.0.1", server.port, security="none", timeout=SOON) as client,
        pytest.raises(TimedOut),
    ):
        client.send(big(50_000_000), "a@x.org", "b@x.org")


def test_a_server_that_refuses_in_the_middle_and_closes(world: World) -> None:
    """The error says what the server said, though the rest could not be written."""
    script = [*TALK, (b"DATA\r\n", OK * 2 + b"354 x\r\n"), (b"brown", b"552 5.3.4 too big\r\n")]
    with Scripted(*script) as server, pytest.raises(ReplyError, match=r"552 5\.3\.4 too big"):
        world.send_mail(big(50_000_000), "127.0.0.1", server.port, security="none", **ENVELOPE)


def test_a_source_that_fails_closes_without_the_dot(world: World) -> None:
    def pieces() -> Iterator[bytes]:
        yield TEXT
        raise ValueError("the disk")

    handler = Noting()
    with world.serve(handler) as server, world.client("localhost", server.port) as client:
        with pytest.raises(ValueError, match="the disk"):
            client.send(pieces(), "a@x.org", "b@x.org", transfer="data")
        assert handler.aborted.wait(SECONDS)
        with pytest.raises(ConnectionLost, match="no session is open"):
            client.send(TEXT, "a@x.org", "b@x.org")
    assert handler.messages == []


def test_a_source_that_fails_before_mail_leaves_the_session(world: World) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk")

        def seek(self, position: int, whence: int = 0, /) -> int:
            raise OSError("as broken")

    sources: list[tuple[Any, type[Exception], str]] = [
        (iter(["text"]), TypeError, "not of str"),
        (io.StringIO("text"), TypeError, "not of str"),
        (Broken(), OSError, "the disk"),
    ]
    with world.serve(Noting()) as server, world.client("localhost", server.port) as client:
        for source, error, told in sources:
            with pytest.raises(error, match=told):
                client.send(source, "a@x.org", "b@x.org")
            assert client.send(TEXT, "a@x.org", "b@x.org").is_complete


def test_a_server_that_went_away_between_two_messages(world: World) -> None:
    script = [
        *TALK,
        (b"DATA\r\n", OK * 2 + b"354 x\r\n"),
        (b"\r\n.\r\n", OK + b"421 4.4.2 idle\r\n"),
    ]
    with (
        Scripted(*script) as server,
        world.client("127.0.0.1", server.port, security="none") as client,
    ):
        client.send(TEXT, "a@x.org", "b@x.org")
        time.sleep(0.1)
        with pytest.raises((SMTPError, RemoteProtocolError)):
            client.send(TEXT, "a@x.org", "b@x.org")
        client.close()
        client.close()


def test_senders_at_the_same_time_take_turns(world: World) -> None:
    handler = Collect()
    with world.serve(handler) as server, world.client("localhost", server.port) as client:
        contents = [b"%d\r\n" % number for number in range(20)]
        threads = [
            threading.Thread(target=client.send, args=(content, "a@x.org", "b@x.org"))
            for content in contents
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
    assert sorted(message.content for message in handler.messages) == sorted(contents)


def test_the_transcript(world: World) -> None:
    lines: list[str] = []
    server_lines: list[str] = []
    with (
        world.serve(Collect(), transcript=server_lines.append) as server,
        world.client("localhost", server.port, transcript=lines.append) as client,
    ):
        client.send(TEXT, "a@x.org", "b@x.org")
    assert "-> RCPT TO:<b@x.org>" in lines
    assert "-> RCPT TO:<b@x.org>" in server_lines


def test_memory_does_not_grow_with_a_refused_message(world: World) -> None:
    with (
        world.serve(Collect(), limits=Limits(mail_data=1000)) as server,
        world.client("localhost", server.port, security="none") as client,
    ):
        client.connection.discard("SIZE")
        with pytest.raises(ReplyError, match="552"):
            client.send(big(5_000_000), "a@x.org", "b@x.org", transfer="data")
        assert client.send(b"x\r\n", "a@x.org", "b@x.org").is_complete


def test_more_messages_than_the_server_takes_in_a_session(world: World) -> None:
    handler = Collect()
    lines: list[str] = []
    with (
        world.serve(handler, extensions=[ServerLimits(mail_max=2)]) as server,
        world.client("localhost", server.port, transcript=lines.append) as client,
    ):
        for _ in range(2):
            client.send(TEXT, "a@x.org", "b@x.org")
            client.send(TEXT, "a@x.org", "b@x.org")
            assert not client.is_connected
            assert lines[-2] == "-> QUIT"
            with pytest.raises(ConnectionLost, match="no session is open"):
                client.send(TEXT, "a@x.org", "b@x.org")
            client.connect()
    assert len(handler.messages) == 4


def test_a_client_that_is_not_open(world: World) -> None:
    client = world.module.Client("x")
    assert client.connection is None
    assert not client.is_connected


def test_commands_between_messages(world: World) -> None:
    with world.serve(Collect()) as server, world.client("localhost", server.port) as client:
        assert client.noop().code == 250
        assert client.execute(Vrfy("bob")).code == 252
        assert client.is_connected
        assert client.send(TEXT, "a@x.org", "b@x.org").transcript[-2:] == (
            "-> .",
            "<- 250 2.0.0 message taken",
        )
        with pytest.raises(LocalProtocolError):
            client.execute(Data())
        assert client.execute(Mail("a@x.org")).is_positive
        assert client.send(TEXT, "a@x.org", "b@x.org").is_complete
    assert not client.is_connected
    with pytest.raises(ConnectionLost, match="no session is open"):
        client.noop()


def test_a_session_that_is_opened_and_closed_by_hand(world: World) -> None:
    handler = Collect()
    with world.serve(handler) as server, world.client("localhost", server.port) as client:
        with pytest.raises(LocalProtocolError, match="closed"):
            client.connect()
        for _ in range(2):
            client.send(TEXT, "a@x.org", "b@x.org")
            client.close()
            assert not client.is_connected
            client.connect()
            assert client.is_connected
    assert len(handler.messages) == 2


def test_what_a_client_cannot_do(world: World) -> None:
    with pytest.raises(LocalProtocolError, match=r"tls: an .* expected, not bool"):
        world.module.Client("localhost", tls=True)
    for_servers = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with pytest.raises(LocalProtocolError, match=r"tls: a context for clients, .*, not for serv"):
        world.module.Client("localhost", tls=for_servers)
    with pytest.raises(TypeError, match=r"^Client\(\) got an .* 'start_tls'$"):
        world.module.Client("localhost", start_tls=True)
    with pytest.raises(TypeError, match=r"^Client\(\) got an .* did you mean 'host'\?$"):
        world.module.Client(hosts="localhost")
    for misspelt, meant in (("user_name", "username"), ("recipents", "recipients")):
        with pytest.raises(TypeError, match=rf"^send_mail\(\) got an .* did you mean '{meant}'\?$"):
            world.send_mail(TEXT, "localhost", 25, **{misspelt: "ann"})


def test_a_command_that_leads_out_of_the_session(world: World) -> None:
    with (
        world.serve(Collect()) as server,
        world.client("localhost", server.port, security="none") as client,
    ):
        client.execute(Quit())
        assert not client.is_connected
        with pytest.raises(ConnectionLost, match="no session is open"):
            client.send(TEXT, "a@x.org", "b@x.org")


def test_more_recipients_than_the_server_takes_at_a_time(world: World) -> None:
    handler = Collect()
    extensions = [Pipelining(), ServerLimits(rcpt_max=2)]
    recipients = [f"user{number}@x.org" for number in range(5)]
    with (
        world.serve(handler, extensions=extensions) as server,
        world.client("localhost", server.port) as client,
    ):
        result = client.send(io.BytesIO(TEXT), "a@x.org", recipients)
    assert result.accepted == tuple(recipients)
    assert [message.recipients for message in handler.messages] == [
        tuple(recipients[:2]),
        tuple(recipients[2:4]),
        tuple(recipients[4:]),
    ]
    assert {message.content for message in handler.messages} == {TEXT}


def test_a_server_counts_what_it_did(world: World) -> None:
    with world.serve(Collect()) as server:
        for _ in range(2):
            world.send_mail(TEXT, "127.0.0.1", server.port, **ENVELOPE, security="none")
        with world.client("127.0.0.1", server.port, security="none") as client:
            client.send(TEXT, **ENVELOPE)
            assert server.counters.accepted == 3
    counted = server.counters.as_dict()
    assert counted["endings"] == {"quit": 3}
    assert (counted["sessions"], counted["accepted"], counted["refused"]) == (3, 3, 0)
    assert counted["octets"] == 3 * len(TEXT)
