# SPDX-License-Identifier: MIT
"""Where servers listen, whom they turn away, and which certificates they show, in both adapters."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from adapter_drive import SECONDS, Raw, World, contexts

import smtpproto.asyncio
from smtpproto import LocalProtocolError, blocking
from smtpproto.dialogues import Collect, Peer
from smtpproto.proxy import InetAddress, build_v1
from smtpproto.tlstools import ReloadingContext

SERVER, CLIENT = contexts()
TOO_MANY = "421 too many connections"
TOO_MANY_FROM_YOU = "421 too many connections from you"


# --- where ---------------------------------------------------------------------------------------


def test_several_hosts(world: World) -> None:
    with world.serve(Collect(), ["127.0.0.1", "::1"]) as server:
        assert [at[:2] for at in server.addresses] == [
            ("127.0.0.1", server.port),
            ("::1", server.port),
        ]
        for host in ("127.0.0.1", "::1"):
            with Raw(server.port, host=host):
                pass


def test_several_servers_on_one_port(world: World) -> None:
    with (
        world.serve(Collect(), reuse_port=True) as one,
        world.serve(Collect(), "127.0.0.1", one.port, reuse_port=True),
        pytest.raises(OSError, match="in use"),
        world.serve(Collect(), "127.0.0.1", one.port),
    ):
        pass


# --- once ----------------------------------------------------------------------------------------


def test_a_blocking_server_that_was_not_started_is_not_waited_for() -> None:
    server = blocking.serve(Collect())
    for wait in (server.wait_closed, server.serve_forever):
        with pytest.raises(LocalProtocolError, match="start it first"):
            wait()
    server.close()
    server.wait_closed()


async def wait_for_nothing() -> None:
    server = smtpproto.asyncio.serve(Collect())
    for wait in (server.wait_closed, server.serve_forever):
        with pytest.raises(LocalProtocolError, match="start it first"):
            async with asyncio.timeout(SECONDS):
                await wait()
    server.close()
    await server.wait_closed()


def test_an_asyncio_server_that_was_not_started_is_not_waited_for() -> None:
    asyncio.run(wait_for_nothing())


def test_a_blocking_server_is_entered_once() -> None:
    with blocking.serve(Collect()) as server, pytest.raises(LocalProtocolError, match="another"):
        server.__enter__()
    with pytest.raises(LocalProtocolError, match="another"):
        server.__enter__()


async def enter_twice() -> None:
    async with smtpproto.asyncio.serve(Collect()) as server:
        with pytest.raises(LocalProtocolError, match="another"):
            await server.__aenter__()
    with pytest.raises(LocalProtocolError, match="another"):
        await server.__aenter__()


def test_an_asyncio_server_is_entered_once() -> None:
    asyncio.run(enter_twice())


def test_a_server_may_be_entered_again_when_its_port_was_taken(world: World) -> None:
    with world.serve(Collect()) as other:
        again = blocking.serve(Collect(), port=other.port)
        with pytest.raises(OSError, match="in use"):
            again.__enter__()
    with again, Raw(again.port):
        pass


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tls": "cert.pem"}, "tls: an ssl.SSLContext, .* expected, not str"),
        ({"tls": True}, "tls: an ssl.SSLContext, .* expected, not bool"),
        ({"tls": ssl.create_default_context()}, "tls: a context for servers, .*, not for clients"),
        ({"port": "25"}, "port: a number from 0 to 65535 expected, not '25'"),
        ({"sockets": []}, "sockets: at least one"),
    ],
)
def test_what_is_misunderstood_is_refused_at_once(
    world: World, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(LocalProtocolError, match=told):
        world.module.serve(Collect(), **options)


def test_threads_are_a_flag() -> None:
    given: Any = "no"
    with pytest.raises(LocalProtocolError, match="threads: True or False expected, not 'no'"):
        smtpproto.asyncio.serve(Collect(), threads=given)


# --- how many ------------------------------------------------------------------------------------


@contextmanager
def connected(port: int, count: int, header: bytes = b"") -> Iterator[list[Raw]]:
    with ExitStack() as stack:
        raws = []
        for _ in range(count):
            raw = stack.enter_context(Raw(port, greeting=False))
            raw.sock.sendall(header)
            assert raw.reply().startswith("220")
            raws.append(raw)
        yield raws


def test_too_many_connections_of_one_peer(world: World) -> None:
    with world.serve(Collect(), connections_per_peer=2) as server:
        with connected(server.port, 2), Raw(server.port, greeting=False) as raw:
            assert raw.reply() == TOO_MANY_FROM_YOU
            assert raw.rest() == b""
        wait_for(lambda: server.sessions == 0)
        with connected(server.port, 2):
            pass


def test_one_peer_does_not_take_the_places_of_others(world: World) -> None:
    with (
        world.serve(Collect(), connections=6, connections_per_peer=1) as server,
        ExitStack() as stack,
    ):
        for _ in range(8):
            raw = stack.enter_context(Raw(server.port, greeting=False))
            assert raw.reply()[:3] in ("220", "421")
        wait_for(lambda: server.sessions == 1)
        other = stack.enter_context(
            socket.create_connection(("127.0.0.1", server.port), SECONDS, ("127.0.0.2", 0))
        )
        assert other.recv(100).startswith(b"220")


def test_behind_a_proxy_the_clients_are_counted(world: World) -> None:
    def header(ip: str) -> bytes:
        return build_v1(InetAddress(ip, 1), InetAddress("2001:db8::1", 25))

    with (
        world.serve(Collect(), connections_per_peer=1, proxy=["127.0.0.1"]) as server,
        connected(server.port, 1, header("2001:db8:1:2::1")),
    ):
        with Raw(server.port, greeting=False) as raw:
            raw.sock.sendall(header("2001:db8:1:2:3::1"))  # the same /64
            assert raw.reply() == TOO_MANY_FROM_YOU
        with connected(server.port, 1, header("2001:db8:1:3::1")):
            pass


def test_on_a_unix_socket_there_are_no_peers(world: World, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with world.serve(Collect(), path=path, connections_per_peer=1), ExitStack() as stack:
        for _ in range(3):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(SECONDS)
            sock.connect(path)
            assert sock.recv(100).startswith(b"220")


def test_a_flood_costs_little(world: World) -> None:
    """No threads for those who are turned away, and in the end not even words under asyncio."""
    with world.serve(Collect(), connections=2) as server, connected(server.port, 2):
        before = threading.active_count()
        with ExitStack() as stack:
            raws = [stack.enter_context(Raw(server.port, greeting=False)) for _ in range(20)]
            heard = {raw.reply() for raw in raws}
            assert TOO_MANY in heard
            assert heard <= {TOO_MANY, ""}
            assert threading.active_count() <= before
        wait_for(lambda: server.sessions == 2)


def test_too_many_for_tls(world: World) -> None:
    with (
        world.serve(Collect(), tls=SERVER, tls_mode="implicit", connections=1) as server,
        Raw(server.port, greeting=False) as first,
        Raw(server.port, greeting=False) as second,
    ):
        assert second.rest() == b""
        first.file.close()
        with CLIENT.wrap_socket(first.sock, server_hostname="localhost") as layer:
            assert layer.recv(100).startswith(b"220")


# --- certificates --------------------------------------------------------------------------------


@contextmanager
def secured(port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Connect with implicit TLS, and hear the greeting."""
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as layer,
    ):
        assert layer.recv(100).startswith(b"220")
        yield layer


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_what_returns_a_context_is_asked_for_each_handshake(world: World, mode: str) -> None:
    asked = []

    def tls() -> ssl.SSLContext:
        asked.append(1)
        return SERVER

    with world.serve(Collect(), tls=tls, tls_mode=mode) as server:
        asked.clear()
        for count in (1, 2):
            options = {"security": mode, "tls": CLIENT}
            with world.client("localhost", server.port, **options):
                assert len(asked) == count


@pytest.mark.parametrize("made", [OSError("no such file"), ValueError("bad"), None])
def test_a_context_that_cannot_be_had(
    world: World, made: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    contexts: list[Any] = [SERVER]

    def tls() -> Any:
        if contexts:
            return contexts.pop()
        if made is not None:
            raise made
        return None

    with (
        world.serve(Collect(), tls=tls, tls_mode="implicit") as server,
        Raw(server.port, greeting=False) as raw,
    ):
        assert raw.rest() == b""
        wait_for(lambda: server.sessions == 0)
    assert warnings(caplog) == ["ERROR"]


def test_contexts_that_are_none(world: World) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    for given, match in (
        (old, "minimum_version of TLSv1_2 expected, not TLSv1_1"),
        (lambda: old, "minimum_version"),
        (lambda: True, "ssl.SSLContext, or what returns one, expected, not bool"),
    ):
        with pytest.raises(LocalProtocolError, match=match):
            world.module.serve(Collect(), tls=given)
    mine = ssl.create_default_context()
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        mine.minimum_version = ssl.TLSVersion.TLSv1
    for call in (
        lambda: world.module.Client("localhost", tls=mine),
        lambda: world.send_mail(b"", "localhost", tls=mine),
    ):
        with pytest.raises(LocalProtocolError, match=r"of TLSv1_2 expected, not TLSv1$"):
            call()


def write(authority: trustme.CA, folder: Path, when: int) -> bytes:
    """Write a new certificate and its key; return it in DER."""
    issued = authority.issue_cert("localhost")
    for name, blob in (
        ("cert.pem", issued.cert_chain_pems[0]),
        ("key.pem", issued.private_key_pem),
    ):
        blob.write_to_path(folder / name)
        os.utime(folder / name, (when, when))
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def test_a_certificate_may_change_while_the_server_runs(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = trustme.CA()
    client = ssl.create_default_context()
    authority.configure_trust(client)
    first = write(authority, tmp_path, 1_000_000)
    tls = ReloadingContext(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    with world.serve(Collect(), tls=tls, tls_mode="implicit") as server:
        with secured(server.port, client) as old:
            assert old.getpeercert(True) == first
            second = write(authority, tmp_path, 2_000_000)
            with secured(server.port, client) as layer:
                assert layer.getpeercert(True) == second
            old.sendall(b"NOOP\r\n")
            assert old.recv(100).startswith(b"250")  # a session keeps its own
        assert warnings(caplog) == []
        (tmp_path / "key.pem").write_text("half")
        for _ in range(2):
            with secured(server.port, client) as layer:
                assert layer.getpeercert(True) == second
        assert len(warnings(caplog)) == 1
        (tmp_path / "key.pem").unlink()
        with secured(server.port, client):
            pass
        third = write(authority, tmp_path, 3_000_000)
        with secured(server.port, client) as layer:
            assert layer.getpeercert(True) == third


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
@pytest.mark.parametrize("shows", [True, False])
def test_the_certificate_of_a_client(world: World, mode: str, shows: bool) -> None:
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_context)
    authority.configure_trust(server_context)
    server_context.verify_mode = ssl.CERT_OPTIONAL
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    own = authority.issue_cert("ann@example.org")
    if shows:
        own.configure_cert(client_context)
    seen = []

    class Handler(Collect):
        def on_ehlo(self, peer: Peer, hello: Any) -> None:
            if peer.tls is not None:
                seen.append((peer.tls.peer_certificate, peer.tls.peer_verified))

    with (
        world.serve(Handler(), tls=server_context, tls_mode=mode) as server,
        world.client("localhost", server.port, security=mode, tls=client_context),
    ):
        pass
    der = ssl.PEM_cert_to_DER_cert(own.cert_chain_pems[0].bytes().decode())
    assert seen == [(der, True) if shows else (None, False)]


# --- settings ------------------------------------------------------------------------------------


def test_a_misspelt_hook(world: World) -> None:
    class Handler(Collect):
        def on_recpt(self, peer: Peer, rcpt: Any) -> None:
            pass

    for given, options in ((Handler(), {}), (Handler, {"factory": True})):
        with pytest.raises(LocalProtocolError, match="on_recpt; did you mean on_rcpt"):
            world.module.serve(given, **options)


def test_a_misspelt_hook_of_what_a_factory_makes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Collect):
        def on_recpt(self, peer: Peer, rcpt: Any) -> None:
            pass

    with (
        world.serve(lambda: Handler(), factory=True) as server,
        Raw(server.port, greeting=False) as raw,
    ):
        assert raw.rest() == b"421 local error\r\n"
    assert "on_recpt" in caplog.text


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"received": "acept"}, "received: reject or accept expected, not 'acept'"),
        ({"disabled": ["VRYF"]}, "VRYF"),
    ],
)
def test_options_that_are_none(world: World, options: Any, match: str) -> None:
    with pytest.raises(LocalProtocolError, match=match):
        world.module.serve(Collect(), **options)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the levels of what was logged beside the records of sessions."""
    return [one.levelname for one in caplog.records if one.levelno >= logging.WARNING]


def wait_for(condition: Any) -> None:
    end = threading.Event()
    for _ in range(int(SECONDS * 100)):
        if condition():
            return
        end.wait(0.01)
    pytest.fail("it did not come to be")
