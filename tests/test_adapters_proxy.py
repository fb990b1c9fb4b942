# SPDX-License-Identifier: MIT
"""Servers behind a proxy, in both adapters: who the client is, and who may say so."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from adapter_drive import SECONDS, Raw, World, contexts

from smtpproto import LocalProtocolError
from smtpproto.dialogues import Message, Peer, opening
from smtpproto.proxy import (
    InetAddress,
    ProxyCommand,
    ProxyHeader,
    SslClient,
    SslInfo,
    Tlvs,
    build_v1,
    build_v2,
)

SERVER, CLIENT = contexts()
SOURCE = InetAddress("192.0.2.7", 4711)
DESTINATION = InetAddress("198.51.100.1", 25)
TLVS = Tlvs(authority="mx.example.org", ssl=SslInfo(SslClient.SSL, 0, "TLSv1.3"))
V1 = build_v1(SOURCE, DESTINATION)
V2 = build_v2(ProxyHeader(SOURCE, DESTINATION, tlvs=TLVS), crc=True)
V2_LONG = build_v2(ProxyHeader(SOURCE, DESTINATION, tlvs=Tlvs(authority="x" * 3000)))
V1_6 = build_v1(InetAddress("2001:db8::7", 4711), InetAddress("2001:db8::1", 25))
GROUP = b"EHLO x.example\r\nNOOP\r\nQUIT\r\n"


class Seeing:
    """A handler that notes who its peers are, at each hook."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.peers: list[Peer] = []

    def on_connect(self, peer: Peer) -> None:
        self.peers.append(peer)
        self.seen.append(peer.address)

    def on_mail(self, peer: Peer, _: object) -> None:
        self.seen.append(peer.address)

    def on_message(self, peer: Peer, message: Message) -> None:
        self.seen.append(peer.address)


def connect(port: int, *octets: bytes, tls: bool = False) -> Raw:
    """Connect, say `octets` one after the other, then shake hands or not, and hear the greeting."""
    raw = Raw(port, greeting=False)
    for piece in octets:
        raw.sock.sendall(piece)
        time.sleep(0.02 if len(octets) > 1 else 0)
    if tls:
        raw.file.close()
        raw.sock = CLIENT.wrap_socket(raw.sock, server_hostname="localhost")
        raw.file = raw.sock.makefile("rb")
    return raw


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("header", [V1, V2, V1_6, V2_LONG], ids=["v1", "v2", "v1-6", "v2-long"])
def test_the_client_is_whom_the_proxy_says(world: World, header: bytes, tls: bool) -> None:
    handler = Seeing()
    options: dict[str, Any] = {"tls": SERVER, "tls_mode": "implicit"} if tls else {}
    with (
        world.serve(handler, proxy=["127.0.0.1"], **options) as server,
        connect(server.port, header, tls=tls) as raw,
    ):
        assert raw.reply().startswith("220")
        assert raw.say(b"QUIT\r\n").startswith("221")
    ip = "2001:db8::7" if header is V1_6 else "192.0.2.7"
    assert handler.seen == [(ip, 4711)]
    proxy = handler.peers[0].proxy
    assert proxy is not None
    assert proxy.version == (1 if header.startswith(b"PROXY") else 2)
    assert (handler.peers[0].tls is not None) is tls


def test_the_header_comes_in_pieces(world: World) -> None:
    handler = Seeing()
    with (
        world.serve(handler, proxy=["127.0.0.0/8"]) as server,
        connect(server.port, *(V1[at : at + 9] for at in range(0, len(V1), 9))) as raw,
    ):
        assert raw.reply().startswith("220")
    assert handler.seen == [("192.0.2.7", 4711)]


@pytest.mark.parametrize("header", [V1, V2])
def test_what_is_behind_the_header_is_the_clients(world: World, header: bytes) -> None:
    handler = Seeing()
    with (
        world.serve(handler, proxy=["127.0.0.1"]) as server,
        connect(server.port, header + GROUP) as raw,
    ):
        codes = [raw.reply()[:3] for _ in range(4)]
    assert codes == ["220", "250", "250", "221"]


def test_a_client_hello_behind_the_header_is_the_tls_layers(world: World) -> None:
    """All in one write, as a proxy sends them that waits for the client's first octets."""
    import ssl

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    layer = CLIENT.wrap_bio(incoming, outgoing, server_hostname="localhost")
    for header in (V1, V2, b"PROXY UNKNOWN\r\n"):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = CLIENT.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            layer.do_handshake()
        with (
            world.serve(Seeing(), proxy=["127.0.0.1"], tls=SERVER, tls_mode="implicit") as server,
            connect(server.port, header + outgoing.read()) as raw,
        ):
            heard = b""
            while not heard:
                incoming.write(raw.sock.recv(65536))
                try:
                    heard = layer.read(1000)
                except ssl.SSLWantReadError:
                    raw.sock.sendall(outgoing.read())
            assert heard.startswith(b"220")


@pytest.mark.parametrize(
    "header", [b"PROXY UNKNOWN\r\n", build_v2(ProxyHeader(command=ProxyCommand.LOCAL))]
)
def test_a_check_of_the_proxy_itself_keeps_the_real_address(world: World, header: bytes) -> None:
    handler = Seeing()
    with (
        world.serve(handler, proxy=["127.0.0.1"]) as server,
        connect(server.port, header) as raw,
    ):
        assert raw.reply().startswith("220")
        assert handler.seen == [raw.sock.getsockname()]
    assert handler.peers[0].proxy is not None


def test_a_unix_client_of_the_proxy(world: World) -> None:
    handler = Seeing()
    with world.serve(handler, proxy=["127.0.0.1"]) as server:
        for path in (b"/run/mail", b"\0abstract", b""):
            with connect(server.port, build_v2(ProxyHeader(path, b"/run/x"))) as raw:
                assert raw.reply().startswith("220")
    assert handler.seen == ["/run/mail", b"\0abstract", ""]


def test_a_proxy_on_a_unix_socket(world: World, tmp_path: Path) -> None:
    handler = Seeing()
    path = str(tmp_path / "socket")
    with world.serve(handler, path=path, proxy=["unix"]), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(SECONDS)
        sock.connect(path)
        sock.sendall(V1)
        assert sock.recv(100).startswith(b"220")
    assert handler.seen == [("192.0.2.7", 4711)]


def test_the_address_stays_over_starttls(world: World) -> None:
    handler = Seeing()
    with (
        world.serve(handler, proxy=["127.0.0.1"], tls=SERVER) as server,
        connect(server.port, V2) as raw,
    ):
        assert raw.reply().startswith("220")
        raw.say(b"EHLO x.example\r\n")
        assert raw.say(b"STARTTLS\r\n").startswith("220")
        raw.file.close()
        raw.sock = CLIENT.wrap_socket(raw.sock, server_hostname="localhost")
        raw.file = raw.sock.makefile("rb")
        raw.say(b"EHLO x.example\r\n")
        assert raw.say(b"MAIL FROM:<a@x.org>\r\n").startswith("250")
        proxy = handler.peers[0].proxy
        assert proxy is not None
        assert proxy.tlvs == TLVS
        assert handler.peers[0].tls is not None
    assert handler.seen == [("192.0.2.7", 4711)] * 2


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO x.example\r\n",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY " + b"x" * 200 + b"\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\n",
        V2[:12] + b"\x31" + V2[13:],
        V2[:-1] + bytes([V2[-1] ^ 1]),
        V2[:14] + b"\xff\xff" + b"x" * 5000,
        b"\x16\x03\x01\x02\x00" + b"x" * 100,
    ],
)
def test_what_is_no_header_is_closed_without_a_greeting(
    world: World, octets: bytes, tls: bool
) -> None:
    handler = Seeing()
    options: dict[str, Any] = {"tls": SERVER, "tls_mode": "implicit"} if tls else {}
    with (
        world.serve(handler, proxy=["127.0.0.1"], **options) as server,
        connect(server.port, octets) as raw,
    ):
        assert heard_nothing(raw)
    assert handler.seen == []


def heard_nothing(raw: Raw) -> bool:
    try:
        return raw.rest() == b""
    except ConnectionResetError:  # we had said more than it read
        return True


@pytest.mark.parametrize("octets", [b"", V1[:-1], V2[:15], V2[:-1]])
@pytest.mark.parametrize("end", ["leaves", "waits"])
def test_a_header_that_is_not_whole(world: World, octets: bytes, end: str) -> None:
    handler = Seeing()
    with (
        world.serve(handler, proxy=["127.0.0.1"], timeout=0.2) as server,
        connect(server.port, octets) as raw,
    ):
        if end == "leaves":
            raw.sock.shutdown(socket.SHUT_WR)
        assert heard_nothing(raw)
    assert handler.seen == []


def test_a_header_that_drips(world: World) -> None:
    """The time is for the whole header."""
    with (
        world.serve(Seeing(), proxy=["127.0.0.1"], timeout=0.4) as server,
        Raw(server.port, greeting=False) as raw,
    ):
        raw.sock.settimeout(0.05)
        for octet in V2_LONG:
            try:
                raw.sock.sendall(bytes([octet]))
                assert raw.sock.recv(10) == b""
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it was never closed")


@pytest.mark.parametrize("header", [b"", V1, V2, b"EHLO x.example\r\n"])
def test_who_is_not_trusted_is_closed_without_a_greeting(world: World, header: bytes) -> None:
    handler = Seeing()
    with (
        world.serve(handler, proxy=["192.0.2.0/24", "unix"]) as server,
        connect(server.port, header) as raw,
    ):
        assert heard_nothing(raw)
    assert handler.seen == []


def test_without_proxies_a_header_is_not_believed(world: World) -> None:
    handler = Seeing()
    with world.serve(handler) as server, connect(server.port, V1) as raw:
        assert raw.reply().startswith("220")
        assert raw.reply()[0] in "45"
        assert handler.seen == [raw.sock.getsockname()]
    assert handler.peers[0].proxy is None


def test_a_server_that_stops_waits_for_no_header(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = 4 * SECONDS
    monkeypatch.setattr(opening, "_HEADER_TIME", long)
    with world.serve(Seeing(), proxy=["127.0.0.1"], grace=long) as server:
        raw = connect(server.port, V1[:10])
        time.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < SECONDS
    assert heard_nothing(raw)
    raw.sock.close()


def test_networks_that_are_none(world: World) -> None:
    with pytest.raises(LocalProtocolError, match="proxy"):
        world.module.serve(Seeing(), proxy=["localhost"])
