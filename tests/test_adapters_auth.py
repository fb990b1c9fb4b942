# SPDX-License-Identifier: MIT
"""A server's AUTH over sockets, in both worlds: TLS, certificates, and where the hook runs."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme
from adapter_drive import SECONDS, SOON, AsyncioWorld, Raw, World, contexts
from auth_drive import plain

from smtpproto.dialogues import AuthenticationError, Collect, Peer
from smtpproto.handlers import Users
from smtpproto.sasl import (
    MapCertificate,
    Request,
    VerifyPassword,
    VerifyToken,
    XOAuth2Server,
)
from smtpproto.tlstools import server_context

TEXT = b"Subject: x\r\n\r\ntext\r\n"
ENVELOPE: Any = {"sender": "a@x.org", "recipients": "b@x.org"}
SERVER, CLIENT = contexts()


class Box(Collect):
    """Notes who sends."""

    def __init__(self, on_auth: Any) -> None:
        super().__init__()
        self.on_auth = on_auth
        self.senders: list[tuple[str | None, str | None]] = []

    def on_mail(self, peer: Peer, mail: Any) -> None:
        self.senders.append((peer.identity, peer.mechanism))


def shaken_by(folder: Path, newest: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts for TLS up to a version; the server's knows its certificate."""
    authority = trustme.CA()
    file = folder / "own.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(file))
    client = ssl.create_default_context()
    authority.configure_trust(client)
    client.maximum_version = newest
    return server_context(str(file)), client


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_scram_bound_to_the_channel(
    world: World, tmp_path: Path, mode: Any, newest: ssl.TLSVersion
) -> None:
    """RFC 5929: by tls-unique below TLS 1.3, by the certificate otherwise."""
    server_tls, client_tls = shaken_by(tmp_path, newest)
    box = Box(Users({"joe": "joe's"}))
    names = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
    options: Any = {"username": "joe", "password": "joe's", "security": mode, "tls": client_tls}
    with world.serve(box, tls=server_tls, tls_mode=mode, auth=names, require_auth=True) as server:
        world.send_mail(TEXT, "localhost", server.port, **ENVELOPE, **options)
    assert box.senders == [("joe", "SCRAM-SHA-256-PLUS")]


def test_a_certificate_shows_who_it_is(world: World, tmp_path: Path) -> None:
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_tls)
    authority.configure_trust(server_tls)
    server_tls.verify_mode = ssl.CERT_OPTIONAL
    joe = authority.issue_cert("joe@example.org")
    der = ssl.PEM_cert_to_DER_cert(joe.cert_chain_pems[0].bytes().decode())
    known = {hashlib.sha256(der).digest(): "joe"}

    def on_auth(peer: Peer, request: Request) -> str | None:
        if isinstance(request, MapCertificate) and peer.tls and peer.tls.peer_certificate:
            return known.get(hashlib.sha256(peer.tls.peer_certificate).digest())
        return None

    box = Box(on_auth)
    with world.serve(box, tls=server_tls, auth=["EXTERNAL", "PLAIN"], require_auth=True) as server:
        for certificate in (joe, authority.issue_cert("eve@example.org")):
            client_tls = ssl.create_default_context()
            authority.configure_trust(client_tls)
            certificate.configure_cert(client_tls)
            options: Any = {"auth": "EXTERNAL", "security": "starttls", "tls": client_tls}
            if certificate is joe:
                world.send_mail(TEXT, "localhost", server.port, **ENVELOPE, **options)
            else:
                with pytest.raises(AuthenticationError):
                    world.send_mail(TEXT, "localhost", server.port, **ENVELOPE, **options)
    assert box.senders == [("joe", "EXTERNAL")]


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_token(world: World, mechanism: str) -> None:
    def on_auth(peer: Peer, request: Request) -> str | None:
        assert isinstance(request, VerifyToken)
        return "joe" if (request.username, request.token) == ("joe", "t0ken") else None

    box = Box(on_auth)
    options: Any = {"username": "joe", "security": "starttls", "tls": CLIENT}
    with world.serve(box, tls=SERVER, auth=["OAUTHBEARER", lambda: XOAuth2Server()]) as server:
        for token in ("t0ken", "other"):
            told = {**ENVELOPE, **options, "token": token, "auth": mechanism}
            if token == "t0ken":
                world.send_mail(TEXT, "localhost", server.port, **told)
            else:
                with pytest.raises(AuthenticationError, match="535"):
                    world.send_mail(TEXT, "localhost", server.port, **told)
    assert box.senders == [("joe", mechanism)]


def test_where_the_hook_runs(world: World) -> None:
    """A coroutine is stepped in the loop, a plain hook runs in a thread of its own."""
    threads = []

    class Plain(Collect):
        def on_auth(self, peer: Peer, request: Request) -> Any:
            threads.append(threading.current_thread())
            return isinstance(request, VerifyPassword) and request.password == "joe's"

    class Asynchronous(Plain):
        async def on_auth(self, peer: Peer, request: Request) -> Any:
            await asyncio.sleep(0)
            return super().on_auth(peer, request)

    kinds = (Plain, Asynchronous) if isinstance(world, AsyncioWorld) else (Plain,)
    for kind in kinds:
        with (
            world.serve(kind(), auth_cleartext=True) as server,
            Raw(server.port) as raw,
        ):
            raw.say(b"EHLO client.example\r\n")
            assert raw.say(plain("joe", "ann's")).startswith("535 5.7.8 ")
            assert raw.say(plain("joe", "joe's")).startswith("235 2.7.0 ")
    if isinstance(world, AsyncioWorld):
        loop = world._thread
        assert [thread is loop for thread in threads] == [False, False, True, True]


@pytest.mark.parametrize("kind", ["plain", "coroutine", "returns a coroutine", "too slow"])
def test_a_hook_that_fails(world: World, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """RFC 4954 6: 454; and the log shows where it failed, but not with what."""
    if kind != "plain" and not isinstance(world, AsyncioWorld):
        kind = "plain"

    class Failing(Collect):
        def on_auth(self, peer: Peer, request: Any) -> Any:
            if kind == "plain":
                raise KeyError(request.password)
            return self._fail(request)

        async def _fail(self, request: Any) -> Any:
            if kind == "too slow":
                await asyncio.sleep(60)
            raise KeyError(request.password)

    handler = Failing()
    if kind == "coroutine":
        handler.on_auth = lambda peer, request: handler._fail(request)  # type: ignore[method-assign]
    caplog.set_level(logging.DEBUG)
    timeout = SOON if kind == "too slow" else SECONDS
    with (
        world.serve(handler, auth_cleartext=True, timeout=timeout) as server,
        Raw(server.port) as raw,
    ):
        raw.say(b"EHLO client.example\r\n")
        assert raw.say(plain("joe", "hu5hhu5h")).startswith("454 4.7.0 ")
        assert raw.say(b"NOOP\r\n").startswith("250 ")
    assert len([one for one in caplog.records if one.levelno >= logging.ERROR]) == 1
    assert "hu5hhu5h" not in caplog.text
    assert kind == "too slow" or "KeyError" in caplog.text
    assert f"the hook {handler.on_auth.__qualname__} " in caplog.text


def test_tls_forgets_who_it_was(world: World) -> None:
    """RFC 3207 4.2."""
    box = Box(Users({"joe": "joe's"}))
    options: Any = {"auth_cleartext": True, "require_auth": True, "tls": SERVER}
    with world.serve(box, **options) as server, Raw(server.port) as raw:
        raw.say(b"EHLO client.example\r\n")
        assert raw.say(plain("joe", "joe's")).startswith("235")
        assert raw.say(b"STARTTLS\r\n").startswith("220")
        raw.file.close()
        with CLIENT.wrap_socket(raw.sock, server_hostname="localhost") as secured:
            raw.sock, raw.file = secured, secured.makefile("rb")
            raw.say(b"EHLO client.example\r\n")
            assert raw.say(b"MAIL FROM:<a@x.org>\r\n").startswith("530")
            assert raw.say(plain("joe", "joe's")).startswith("235")
            assert raw.say(b"MAIL FROM:<a@x.org>\r\n").startswith("250")
            raw.file.close()
    assert box.senders == [("joe", "PLAIN")]


def test_messages_behind_one_another(world: World) -> None:
    """Nothing may be sent behind AUTH, but what is there is not lost."""
    box = Box(Users({"joe": "joe's"}))
    with world.serve(box, auth_cleartext=True, auth="PLAIN") as server, Raw(server.port) as raw:
        raw.sock.sendall(b"EHLO client.example\r\nAUTH PLAIN\r\n" + plain("joe", "joe's")[11:])
        raw.sock.sendall(b"MAIL FROM:<a@x.org>\r\nQUIT\r\n")
        replies = [raw.reply() for _ in range(5)]
    assert [reply[:3] for reply in replies] == ["250", "334", "235", "250", "221"]


def test_too_many_that_have_not_authenticated(world: World) -> None:
    box = Box(Users({"joe": "joe's"}))
    options: Any = {"auth_cleartext": True, "connections_unauthenticated": 1}
    with world.serve(box, **options) as server, Raw(server.port) as first:
        with Raw(server.port, greeting=False) as second:
            assert second.reply() == "421 too many connections that have not authenticated"
            assert second.rest() == b""
        first.say(b"EHLO client.example\r\n")
        assert first.say(plain("joe", "joe's")).startswith("235")
        with Raw(server.port, greeting=False) as third:
            assert third.reply().startswith("220")
        assert server.counters.turned_away == 1
