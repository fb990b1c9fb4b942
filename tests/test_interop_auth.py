# SPDX-License-Identifier: MIT
"""Authentication with other mail software: their clients at our server, our client at theirs.

Postfix, which asks Dovecot, is in `test_interop_postfix`.
"""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from adapter_drive import AsyncioWorld
from cli_drive import PATIENCE, certificates, wait_for
from interop_drive import HEADER, SENDER, ca, outcome, run, run_in_loop
from interop_servers import free_port

from smtpproto.blocking import (
    AuthenticationError,
    Message,
    Peer,
    ReplyError,
    SecurityError,
    send_mail,
)
from smtpproto.sasl import (
    FetchPassword,
    FetchScramCredentials,
    MapCertificate,
    Request,
    VerifyPassword,
    VerifyToken,
    make_scram_credentials,
)
from smtpproto.tlstools import server_context

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),  # by aiosmtpd
]

RECIPIENT = "b@example.org"
USERS = {"ann": "secret of Ann", "jürgen": "pässword"}
users = pytest.mark.parametrize("username", USERS)


# --- their clients, and our server ------------------------------------------------------------

TOKEN = "a-token.of_Ann"
ALL = [
    *("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"),
    *("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"),
    *("CRAM-MD5", "PLAIN", "LOGIN"),
]


class Application:
    """Knows the users, and keeps whom each session was."""

    def __init__(self) -> None:
        self.identities: list[str | None] = []

    async def on_auth(self, peer: Peer, request: Request) -> Any:
        match request:
            case VerifyPassword(username=username, password=password):
                return USERS.get(username) == password
            case FetchPassword(username=username):
                return USERS.get(username)
            case FetchScramCredentials(username=username, hash_name=hash_name):
                if username not in USERS:
                    return None
                secret = USERS[username].encode()
                return make_scram_credentials(secret, b"salt of this user", 4096, hash_name)
            case VerifyToken(token=token):
                return "ann" if token == TOKEN else None
            case MapCertificate():
                certificate = peer.tls and peer.tls.peer_certificate
                return "ann" if certificate else None
        return None

    async def on_message(self, peer: Peer, message: Message) -> None:
        assert peer.identity is not None

    async def on_close(self, peer: Peer) -> None:
        self.identities.append(peer.identity)


class Site:
    """Our server."""

    def __init__(self, port: int, application: Application, transcript: list[str]) -> None:
        self.port = port
        self.transcript = transcript
        self._application = application

    def identity(self) -> str | None:
        """Wait for the end of the session, and return whom it was."""
        identities = self._application.identities
        wait_for(lambda: identities or None)
        [identity] = identities
        identities.clear()
        return identity


@pytest.fixture(scope="module")
def world() -> Iterator[AsyncioWorld]:
    with closing(AsyncioWorld()) as world:
        yield world


@pytest.fixture
def site(world: AsyncioWorld) -> Iterator[Site]:
    context = server_context(certificates()[1])
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(certificates()[0])
    application = Application()
    transcript: list[str] = []
    options: dict[str, Any] = {"auth": ALL, "require_auth": True, "hostname": "localhost"}
    with world.serve(application, tls=context, transcript=transcript.append, **options) as server:
        yield Site(server.port, application, transcript)


@dataclass
class Login:
    """How a client is to authenticate."""

    mechanism: str
    username: str
    secret: str
    tls: bool


# Sends a message, or just authenticates, at a port; returns whether it was let in.
Try = Callable[[int, Login], bool]


def by_smtplib(port: int, login: Login) -> bool:
    with smtplib.SMTP("localhost", port, timeout=PATIENCE) as client:
        if login.tls:
            client.starttls(context=ssl.create_default_context(cafile=ca()))
        client.ehlo()
        client.user, client.password = login.username, login.secret
        method = getattr(client, f"auth_{login.mechanism.lower().replace('-', '_')}")
        try:
            client.auth(login.mechanism, method)
        except smtplib.SMTPAuthenticationError:
            return False
        return client.sendmail(SENDER, RECIPIENT, HEADER) == {}


def by_aiosmtplib(port: int, login: Login) -> bool:
    import aiosmtplib

    async def send() -> bool:
        context = ssl.create_default_context(cafile=ca())
        async with aiosmtplib.SMTP(
            hostname="localhost", port=port, start_tls=login.tls, tls_context=context
        ) as client:
            await client.ehlo()
            method = getattr(client, f"auth_{login.mechanism.lower().replace('-', '')}")
            try:
                await method(login.username, login.secret)
            except aiosmtplib.SMTPAuthenticationError:
                return False
            await client.sendmail(SENDER, RECIPIENT, HEADER)
            return True

    return run_in_loop(send())


def by_swaks(port: int, login: Login) -> bool:
    secure = ["--tls", "--tls-verify", "--tls-ca-path", ca()] if login.tls else []
    status, said = outcome(
        *("swaks", "--server", "localhost", "--port", port, "--helo", "client.example"),
        *("--from", SENDER, "--to", RECIPIENT, "--auth", login.mechanism, *secure),
        *("--auth-user", login.username, "--auth-password", login.secret),
    )
    assert status in (0, 28), said
    return status == 0


def by_curl(port: int, login: Login) -> bool:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "message"
        file.write_bytes(HEADER)
        secret = [f"{login.username}:{login.secret}"]
        if login.mechanism in TOKENS:
            secret = [login.username, "--oauth2-bearer", login.secret]
        elif login.mechanism == "EXTERNAL":
            secret = [f"{login.username}:", "--cert", login.secret]
        status, said = outcome(
            *("curl", "--silent", "--show-error", "--upload-file", file, "--mail-from", SENDER),
            *("--mail-rcpt", RECIPIENT, "--login-options", f"AUTH={login.mechanism}", "--user"),
            *(*secret, *(("--ssl-reqd", "--cacert", ca()) if login.tls else ())),
            f"smtp://localhost:{port}/client.example",
        )
    assert status in (0, 67), said
    return status == 0


def by_msmtp(port: int, login: Login) -> bool:
    secure = ["--tls=on", f"--tls-trust-file={ca()}"] if login.tls else ["--tls=off"]
    if login.mechanism == "EXTERNAL":
        secure += [f"--tls-cert-file={login.secret}", f"--tls-key-file={login.secret}"]
    status, said = outcome(
        *("msmtp", "--host=localhost", f"--port={port}", "--domain=client.example", *secure),
        *(f"--from={SENDER}", f"--auth={login.mechanism.lower()}", f"--user={login.username}"),
        *(f"--passwordeval=echo '{login.secret}'", "--", RECIPIENT),
        given=HEADER.replace(b"\r\n", b"\n"),
    )
    assert status in (0, 77), said
    return status == 0


def by_gsasl(port: int, login: Login) -> bool:
    """It sends no message. Channel bindings are those of TLS 1.2."""
    secure = [f"--x509-ca-file={ca()}"] if login.tls else ["--no-starttls"]
    if login.mechanism == "EXTERNAL":
        secure += [f"--x509-cert-file={login.secret}", f"--x509-key-file={login.secret}"]
    if login.mechanism.endswith("-PLUS"):
        secure += ["--priority=NORMAL:-VERS-TLS1.3"]
    else:
        secure += ["--no-cb"]
    status, said = outcome(
        *("gsasl", "--smtp", f"--connect=localhost:{port}", *secure, "--quality-of-protection"),
        *("qop-auth", f"--mechanism={login.mechanism}", f"--authentication-id={login.username}"),
        *(f"--authorization-id={login.username}", f"--password={login.secret}"),
    )
    assert status in (0, 1), said
    return status == 0


TOKENS = ("OAUTHBEARER", "XOAUTH2")
CLEAR = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5")
"""These reveal no secret, and may be used without TLS."""
HAVE: dict[Try, tuple[str, ...]] = {
    by_smtplib: ("PLAIN", "LOGIN", "CRAM-MD5"),
    by_aiosmtplib: ("PLAIN", "LOGIN", "CRAM-MD5"),
    by_swaks: ("PLAIN", "LOGIN", "CRAM-MD5"),
    by_curl: ("PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", "OAUTHBEARER", "XOAUTH2"),
    by_msmtp: ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL", *TOKENS),
    by_gsasl: (
        *("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL"),
        *("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"),
    ),
}
CASES = [(peer, mechanism) for peer, mechanisms in HAVE.items() for mechanism in mechanisms]


def secret_of(mechanism: str) -> str:
    if mechanism in TOKENS:
        return TOKEN
    return certificates()[1] if mechanism == "EXTERNAL" else USERS["ann"]


@pytest.mark.parametrize(("peer", "mechanism"), CASES)
def test_they_are_let_in(site: Site, peer: Try, mechanism: str) -> None:
    for tls in (False, True) if mechanism in CLEAR else (True,):
        assert peer(site.port, Login(mechanism, "ann", secret_of(mechanism), tls))
        assert site.identity() == "ann"
    assert not any(USERS["ann"] in line or TOKEN in line for line in site.transcript)


@pytest.mark.parametrize(
    ("peer", "mechanism"),
    [(peer, mechanism) for peer, mechanism in CASES if mechanism != "EXTERNAL"],
)
def test_they_are_not_let_in(site: Site, peer: Try, mechanism: str) -> None:
    assert not peer(site.port, Login(mechanism, "ann", "another", True))
    assert site.identity() is None
    assert any(line.startswith("<- 535 ") for line in site.transcript)


def test_what_is_not_offered_is_refused(site: Site) -> None:
    """swaks does not try it then, gsasl does."""
    assert not by_swaks(site.port, Login("DIGEST-MD5", "ann", USERS["ann"], True))
    assert not [line for line in site.transcript if "-> AUTH" in line]
    assert not by_gsasl(site.port, Login("DIGEST-MD5", "ann", USERS["ann"], True))
    assert [line[:9] for line in site.transcript if "DIGEST-MD5" in line] == [
        "-> AUTH D",
        "<- 504 5.",
    ]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_no_password_is_taken_in_the_clear(site: Site, mechanism: str) -> None:
    """RFC 4954 4: 504 where a mechanism wants TLS first."""
    assert not by_smtplib(site.port, Login(mechanism, "ann", USERS["ann"], False))
    assert [line for line in site.transcript if line.startswith("<- 504 5.5.4 TLS")]


def made_by_gsasl(mechanism: str, password: str) -> str:
    return run("gsasl", "--mkpasswd", f"--mechanism={mechanism}", f"--password={password}")


def made_by_dovecot(mechanism: str, password: str) -> str:
    return run("doveadm", "pw", "-s", mechanism, "-p", password)


@pytest.mark.parametrize("make", [made_by_gsasl, made_by_dovecot])
@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-256"])
@pytest.mark.parametrize("password", USERS.values())
def test_what_is_kept_of_a_password(
    make: Callable[[str, str], str], hash_name: str, password: str
) -> None:
    """The same keys come out, whoever makes them (RFC 5802 3)."""
    [_, made] = make(f"SCRAM-{hash_name}", password).strip().split("}")
    count, *keys = made.split(",")
    salt, stored_key, server_key = map(b64decode, keys)
    ours = make_scram_credentials(password, salt, int(count), hash_name)
    assert (ours.stored_key, ours.server_key) == (stored_key, server_key)


# --- our client, and aiosmtpd -----------------------------------------------------------------


class Inbox:
    def __init__(self) -> None:
        self.identities: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.identities.append(session.auth_data)
        return "250 ok"


@pytest.fixture(scope="module")
def aiosmtpd() -> Iterator[tuple[int, Inbox]]:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    def authenticate(_: Any, __: Any, ___: Any, ____: str, given: Any) -> AuthResult:
        name = given.login.decode()
        right = USERS.get(name, "").encode() == given.password
        return AuthResult(success=right, auth_data=name if right else None, handled=False)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates()[1])
    inbox = Inbox()
    controller = Controller(
        inbox,
        "127.0.0.1",
        free_port(),
        tls_context=context,
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield controller.port, inbox
    finally:
        controller.stop()


def submit(port: int, **options: Any) -> None:
    given = {"security": "none", "timeout": PATIENCE, "recipients": "b@example.org", **options}
    send_mail(HEADER, "localhost", port, sender=SENDER, **given)


@pytest.mark.parametrize("security", ["none", "starttls"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", None])
@users
def test_aiosmtpd_lets_us_in(
    aiosmtpd: tuple[int, Inbox], username: str, mechanism: str | None, security: str
) -> None:
    port, inbox = aiosmtpd
    tls = ssl.create_default_context(cafile=certificates()[0])
    options = {"username": username, "password": USERS[username], "auth": mechanism}
    submit(port, security=security, tls=tls, **options)
    assert inbox.identities.pop() == username


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("username", ["ann", "nobody"])
def test_aiosmtpd_refuses_a_wrong_password(
    aiosmtpd: tuple[int, Inbox], username: str, mechanism: str
) -> None:
    with pytest.raises(AuthenticationError) as caught:
        submit(aiosmtpd[0], username=username, password="another", auth=mechanism)
    assert caught.value.reply.code == 535


def test_aiosmtpd_wants_authentication(aiosmtpd: tuple[int, Inbox]) -> None:
    with pytest.raises(ReplyError) as caught:
        submit(aiosmtpd[0])
    assert caught.value.reply.code == 530


def test_what_aiosmtpd_does_not_offer(aiosmtpd: tuple[int, Inbox]) -> None:
    """Nothing weaker is used in its place."""
    with pytest.raises(SecurityError):
        submit(aiosmtpd[0], username="ann", password=USERS["ann"], auth=["SCRAM-SHA-256"])
