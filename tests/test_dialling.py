# SPDX-License-Identifier: MIT
"""Connections that a client's user makes, through both adapters."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import SECONDS, Scripted, World, contexts
from faults.drive import eventually

from smtpproto import LocalProtocolError
from smtpproto.dialling import far_end
from smtpproto.dialogues import Collect, ConnectionLost, SecurityError, SMTPError, TimedOut
from smtpproto.handlers import Users

# In place of the fixture's own: asyncio on the loop that many put it on, too.
pytestmark = pytest.mark.parametrize("world", ["asyncio", "uvloop", "blocking"], indirect=True)

SERVER, CLIENT = contexts()
TEXT = b"Subject: x\r\n\r\ntext\r\n"


@pytest.fixture
def dialled() -> Iterator[list[socket.socket]]:
    """Collect the sockets that were made for a client, and see that it has closed them."""
    made: list[socket.socket] = []
    yield made
    assert all(sock.fileno() == -1 for sock in made)


def to(port: int, made: list[socket.socket]) -> Callable[[], socket.socket]:
    def dial() -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", port), SECONDS))
        return made[-1]

    return dial


@pytest.mark.parametrize(
    ("serving", "sending"),
    [
        ({}, {"security": "none"}),
        ({"tls": SERVER}, {"security": "starttls", "tls": CLIENT}),
        ({"tls": SERVER, "tls_mode": "implicit"}, {"security": "implicit", "tls": CLIENT}),
    ],
    ids=["plain", "starttls", "implicit"],
)
def test_each_session_has_a_connection_of_its_own(
    world: World, serving: Any, sending: Any, dialled: list[socket.socket]
) -> None:
    """The name is for the certificate; nobody is asked for its address."""
    with world.serve(Collect(), **serving) as server:
        dial = to(server.port, dialled)
        with world.client("localhost", 1, dial=dial, **sending) as client:
            client.send(TEXT, "a@x.org", "b@x.org")
            client.close()
            client.connect()
            client.send(TEXT, "a@x.org", "b@x.org")
        world.send_mail(
            TEXT, "localhost", sender="a@x.org", recipients="b@x.org", dial=dial, **sending
        )
    assert len(dialled) == len(server.handler.messages) == 3


def test_the_certificate_must_be_that_of_the_host(
    world: World, dialled: list[socket.socket]
) -> None:
    with world.serve(Collect(), tls=SERVER) as server:
        dial = to(server.port, dialled)
        with pytest.raises(SecurityError, match="certificate"):
            world.client("mx.example.net", dial=dial, tls=CLIENT).__enter__()


def test_any_kind_of_stream(world: World, tmp_path: Path) -> None:
    def dial() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(tmp_path / "smtp"))
        return sock

    with world.serve(Collect(), path=str(tmp_path / "smtp")) as server:
        world.send_mail(TEXT, sender="a@x.org", recipients="b@x.org", dial=dial)
    assert len(server.handler.messages) == 1


def test_a_password_is_not_shown_to_what_may_be_far(
    world: World, dialled: list[socket.socket]
) -> None:
    """A tunnel begins on this machine; what counts is where it ends."""

    class Handler(Collect):
        on_auth = Users({"ann": "pw"})

    login: Any = {"username": "ann", "password": "pw", "auth": "PLAIN"}
    with world.serve(Handler(), auth_cleartext=True) as server:
        dial = to(server.port, dialled)
        with pytest.raises(SecurityError, match="STARTTLS"):
            world.client("localhost", dial=dial, **login).__enter__()
        with world.client("localhost", dial=dial, allow_cleartext_auth=True, **login):
            pass


@pytest.mark.parametrize("secured", [False, True])
def test_a_dial_that_fails(world: World, secured: bool) -> None:
    def dial(error: BaseException) -> Any:
        raise error

    options: Any = {"security": "implicit" if secured else "none"}
    for error, told in [
        (ConnectionRefusedError("by the proxy"), "localhost port 25: by the proxy"),
        (TimeoutError(), "no connection to localhost port 25 within"),
        (ssl.SSLError("of the proxy"), "localhost port 25: .*of the proxy"),
    ]:
        with pytest.raises(ConnectionLost, match=told) as caught:
            world.client("localhost", dial=lambda error=error: dial(error), **options).__enter__()
        assert isinstance(caught.value, TimedOut) == isinstance(error, TimeoutError)
    with pytest.raises(ZeroDivisionError):
        world.client("localhost", dial=lambda: dial(ZeroDivisionError()), **options).__enter__()


@pytest.mark.parametrize("secured", [False, True])
def test_what_is_no_connection(world: World, secured: bool) -> None:
    options: Any = {"security": "implicit" if secured else "none"}
    datagrams = socket.socket(type=socket.SOCK_DGRAM)
    ours, theirs = socket.socketpair()
    wrapped = ssl.create_default_context().wrap_socket(
        ours, server_hostname="x", do_handshake_on_connect=False
    )
    for found, told in [
        (None, "None"),
        (7, "7"),
        (datagrams, "<socket.*type=2"),
        (wrapped, "<ssl.SSLSocket"),
        (ours, r"<socket.socket \[closed\]"),
    ]:
        with pytest.raises(LocalProtocolError, match=f"dial: .* expected, not {told}"):
            world.client("localhost", dial=lambda found=found: found, **options).__enter__()
    assert datagrams.fileno() == wrapped.fileno() == -1
    assert theirs.recv(1) == b""
    theirs.close()


def test_a_server_that_has_gone(world: World, dialled: list[socket.socket]) -> None:
    """Its address is not known any longer."""
    with socket.socket() as sock:  # as there, of what is not connected
        assert far_end(sock) is None
    with Scripted((b"", b"421 too busy\r\n"), reset=True) as server:
        dial = to(server.port, dialled)

        def late() -> socket.socket:
            sock = dial()
            eventually(lambda: far_end(sock) is None)
            return sock

        with pytest.raises(SMTPError):
            world.client("localhost", dial=late, security="none").__enter__()


def test_a_coroutine_dials_in_a_loop(world: World, dialled: list[socket.socket]) -> None:
    with world.serve(Collect()) as server:

        async def dial() -> socket.socket:
            await asyncio.sleep(0)
            return to(server.port, dialled)()

        if world.name == "blocking":
            coroutine = dial()
            with pytest.raises(LocalProtocolError, match="not coroutine"):
                world.client("localhost", dial=lambda: coroutine).__enter__()
            coroutine.close()
        else:
            with world.client("localhost", dial=dial) as client:
                client.noop()
