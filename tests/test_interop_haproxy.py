# SPDX-License-Identifier: MIT
"""A real HAProxy in front of asyncio servers, by both versions of the PROXY protocol."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import AsyncioWorld
from cli_drive import PATIENCE, certificates, environment, read_port, stop, wait_for
from interop_drive import HEADER, SENDER
from interop_servers import folder, haproxy

from smtpproto.blocking import Client, ConnectionLost, Message, Peer, ReplyError
from smtpproto.proxy import InetAddress, ProxyHeader
from smtpproto.tlstools import server_context

pytestmark = pytest.mark.interop

RECIPIENT = "b@example.org"


class Seen:
    """Who sent a message, as the hooks saw it."""

    def __init__(self, peer: Peer) -> None:
        self.address = peer.address
        self.proxy: ProxyHeader | None = peer.proxy
        self.tls = peer.tls


class Inbox:
    def __init__(self) -> None:
        self.seen: list[Seen] = []

    async def on_message(self, peer: Peer, message: Message) -> None:
        self.seen.append(Seen(peer))


class Site:
    def __init__(self, ports: dict[str, int], inbox: Inbox) -> None:
        self.ports = ports
        self.inbox = inbox

    def take(self) -> Seen:
        return self.inbox.seen.pop()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    inbox, world = Inbox(), AsyncioWorld()
    with ExitStack() as stack:
        stack.callback(world.close)
        base = stack.enter_context(folder())
        options: dict[str, Any] = {
            "tls": server_context(certificates()[1]),
            "proxy": ["127.0.0.1"],
        }
        plain = stack.enter_context(world.serve(inbox, **options))
        secured = stack.enter_context(world.serve(inbox, tls_mode="implicit", **options))
        local = {"proxy": ["unix"], "path": str(base / "socket")}
        stack.enter_context(world.serve(inbox, **local))
        ports = stack.enter_context(haproxy(base, plain.port, secured.port, plain.port))
        yield Site(ports, inbox)


def context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates()[0])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "STARTTLS"])
def test_the_client_is_known(site: Site, host: str, version: int, tls: bool) -> None:
    """Who it is outlasts STARTTLS, which makes a server forget what the client said."""
    port = site.ports[f"v{version}"]
    with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
        assert client.sock is not None
        own = client.sock.getsockname()[:2]
        if tls:
            client.starttls(context=context())
        client.sendmail(SENDER, RECIPIENT, HEADER)
    seen = site.take()
    assert seen.address == own
    assert (seen.tls is not None) is tls
    assert seen.proxy is not None
    assert seen.proxy.version == version
    assert seen.proxy.destination == InetAddress(host, port)


def test_a_unix_socket(site: Site) -> None:
    with smtplib.SMTP("127.0.0.1", site.ports["unix"], timeout=PATIENCE) as client:
        assert client.sock is not None
        own = client.sock.getsockname()
        client.sendmail(SENDER, RECIPIENT, HEADER)
    assert site.take().address == own


def test_what_haproxy_knows_of_tls(site: Site) -> None:
    """It takes TLS off; our side of the connection is in the clear."""
    secure = context()
    secure.load_cert_chain(certificates()[1])
    port = site.ports["tls"]
    with smtplib.SMTP_SSL("localhost", port, timeout=PATIENCE, context=secure) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        own, cipher = client.sock.getsockname(), client.sock.cipher()
        client.sendmail(SENDER, RECIPIENT, HEADER)
    seen = site.take()
    assert (seen.address, seen.tls) == (own, None)
    assert seen.proxy is not None
    tlvs = seen.proxy.tlvs
    assert tlvs.authority == "localhost"
    assert tlvs.unique_id == f"{own[0]}:{own[1]}".encode()
    assert tlvs.ssl is not None
    assert tlvs.ssl.verified
    assert cipher is not None
    assert (tlvs.ssl.version, tlvs.ssl.cipher) == ("TLSv1.3", cipher[0])


def test_tls_behind_the_header(site: Site) -> None:
    """The header comes in the clear, and TLS from the start behind it."""
    port = site.ports["implicit"]
    with smtplib.SMTP_SSL("localhost", port, timeout=PATIENCE, context=context()) as client:
        assert client.sock is not None
        own = client.sock.getsockname()
        client.sendmail(SENDER, RECIPIENT, HEADER)
    seen = site.take()
    assert seen.address == own
    assert seen.tls is not None


# --- several of our processes -----------------------------------------------------------------


class Worker:
    """A server in a process of its own."""

    def __init__(self, base: Path) -> None:
        self.maildir = base / "maildir"
        base.mkdir()
        options = ["--proxy", "127.0.0.1", "--port", "0", "--port-file", base / "port", "--quiet"]
        argv = [sys.executable, "-m", "smtpproto", "serve", *options, "--maildir", self.maildir]
        self.process = subprocess.Popen(argv, env=environment())
        self.port = wait_for(lambda: read_port(base / "port"))

    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in (self.maildir / "new").iterdir()]


class Senders:
    """Threads that send one message after the other, and again what was not accepted."""

    def __init__(self, port: int, threads: int, messages: int) -> None:
        self._port = port
        self.accepted: list[bytes] = []
        self._threads = [
            threading.Thread(target=self._work, args=(range(number, messages, threads),))
            for number in range(threads)
        ]

    def _work(self, numbers: range) -> None:
        for start in range(0, len(numbers), 5):
            left = [HEADER + b"message %d\r\n" % number for number in numbers[start : start + 5]]
            while left:
                self._session(left)

    def _session(self, left: list[bytes]) -> None:
        """Send messages in one session, as many as go."""
        try:
            with Client("127.0.0.1", self._port, security="none", timeout=PATIENCE) as client:
                while left:
                    client.send(left[0], SENDER, RECIPIENT)
                    self.accepted.append(left.pop(0))
        except (ConnectionLost, ReplyError) as error:
            if not error.is_transient:
                raise

    @contextmanager
    def run(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            for thread in self._threads:
                thread.join(2 * PATIENCE)


def test_one_of_three_is_killed(tmp_path: Path) -> None:
    """What was accepted is there, and what was not has been tried again with another."""
    with ExitStack() as stack:
        workers = [Worker(tmp_path / str(number)) for number in range(3)]
        for worker in workers:
            stack.callback(stop, worker.process)
        ports = [worker.port for worker in workers]
        at = stack.enter_context(haproxy(tmp_path, ports[0], ports[0], *ports))
        senders = Senders(at["several"], threads=6, messages=600)
        with senders.run():
            wait_for(lambda: True if len(senders.accepted) > 150 else None)
            workers[0].process.kill()
        kept = [content for worker in workers for content in worker.contents()]
        assert all(worker.contents() for worker in workers)
    assert len(senders.accepted) == 600
    assert set(senders.accepted) == set(kept)
