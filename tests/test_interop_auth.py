# SPDX-License-Identifier: MIT
"""Authentication with other mail software: their clients at our server, our client at theirs.

Postfix, which asks Dovecot, is in `test_interop_postfix`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from cli_drive import PATIENCE, certificates
from interop_drive import HEADER, SENDER
from interop_servers import free_port

from smtpproto.blocking import AuthenticationError, ReplyError, SecurityError, send_mail

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),  # by aiosmtpd
]

USERS = {"ann": "secret of Ann", "jürgen": "pässword"}
users = pytest.mark.parametrize("username", USERS)


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
