# SPDX-License-Identifier: MIT
"""Both conversations about AUTH with each other: any credentials, any cut, any damage."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from auth_drive import TLS, Conversed, Random, Session, converse
from hypothesis import given, settings
from sasl_drive import BINDING, CASES, Application, credentials

from smtpproto import (
    Auth,
    AuthResponse,
    AuthResponseReceived,
    CommandReceived,
    Ehlo,
    InvalidValueError,
    Reply,
    ServerConnection,
    State,
)
from smtpproto.dialogues import AuthenticationError, Collect, Peer
from smtpproto.extensions import Auth as AuthExtension
from smtpproto.handlers import Users
from smtpproto.sasl import (
    Challenge,
    Credentials,
    MapCertificate,
    Request,
    ServerMechanisms,
    Success,
    make_client,
    saslprep,
)
from smtpproto.testing import ConnectionPair

BOUND = replace(TLS, channel_bindings={BINDING.name: BINDING.data})
PASSWORDS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
PLUS = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"]


class Asked(Collect):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def on_auth(self, peer: Peer, request: Request) -> Any:
        return self.answer(request)


def run(name: str, **options: Any) -> Conversed:
    """Run a case of `CASES`, whose client is passed as it is."""
    client, server, application = CASES[name]()
    names = [server.name, server.name.removesuffix("-PLUS")]
    session = Session(Asked(application), tls=BOUND, auth=dict.fromkeys(names))
    return converse(session, lambda: client, **options)


@pytest.mark.parametrize("cut", [0, 1, 7])
@pytest.mark.parametrize("name", CASES)
def test_every_case_in_every_cut(name: str, cut: int) -> None:
    done = run(name, cut=cut)
    assert done.error is None
    assert done.client.is_authenticated
    assert done.session.peer.identity
    assert done.messages == run(name).messages


@pytest.mark.parametrize("name", CASES)
def test_every_octet_damaged_on_the_wire(name: str) -> None:
    """No exception but the documented ones; and nobody becomes another one."""
    whole = run(name)
    identity = whole.session.peer.identity
    for number, message in enumerate(whole.messages):
        for index in range(len(message)):

            def damage(now: int, octets: bytes, number: int = number, i: int = index) -> bytes:
                if now != number:
                    return octets
                return octets[:i] + bytes((octets[i] ^ (1, 0x20, 0x80)[i % 3],)) + octets[i + 1 :]

            done = run(name, damage=damage)
            assert done.session.peer.identity in (None, identity)
            assert not done.session.failures
            if done.error is None:  # the client believes it
                assert done.session.peer.identity == identity


def passes(name: str, username: str, password: str, offered: str) -> Conversed:
    """Authenticate by a name and a password, as the one user there is."""

    class Handler(Collect):
        on_auth = Users({username: password})

    session = Session(Handler(), tls=BOUND, auth=dict.fromkeys([name, offered]))
    return converse(session, name, Credentials(username, password))


@pytest.mark.parametrize("name", [*PASSWORDS, *PLUS])
@settings(max_examples=25)
@given(username=credentials, password=credentials)
def test_any_name_and_password(name: str, username: str, password: str) -> None:
    done = passes(name, username, password, name.removesuffix("-PLUS"))
    prepares = name.startswith("SCRAM-")
    try:
        expected = saslprep(username) if prepares else username
        if prepares:
            saslprep(password, stored=True)
    except InvalidValueError:  # SCRAM has no way to say it (RFC 5802 5.1)
        assert isinstance(done.error, InvalidValueError)
        assert done.session.peer.identity is None
    else:
        assert done.error is None
        assert done.session.peer.identity == expected


@pytest.mark.parametrize("name", [*PASSWORDS, *PLUS])
@settings(max_examples=10)
@given(username=credentials, password=credentials, other=credentials)
def test_any_wrong_password(name: str, username: str, password: str, other: str) -> None:
    class Handler(Collect):
        on_auth = Users({username: password + "\u2603"})

    session = Session(Handler(), tls=BOUND, auth=dict.fromkeys([name, name.removesuffix("-PLUS")]))
    for given_name in (username, other):
        done = converse(session, name, Credentials(given_name, password))
        assert isinstance(done.error, AuthenticationError | InvalidValueError)
        if isinstance(done.error, AuthenticationError):
            assert done.error.reply == Reply(535, "Authentication credentials invalid", "5.7.8")
        assert session.peer.identity is None


@settings(max_examples=25)
@given(username=credentials.filter(lambda name: "\x01" not in name), authzid=credentials)
def test_any_name_without_a_password(username: str, authzid: str) -> None:
    token = Credentials(username, token="t0ken.~+/=")
    for name in ("OAUTHBEARER", "XOAUTH2"):
        application = Application(user=username, token="t0ken.~+/=")
        done = converse(Session(Asked(application), auth=name), name, token)
        assert done.error is None
        assert done.session.peer.identity == username

    def mapped(request: Request) -> str | None:
        return request.authzid if isinstance(request, MapCertificate) else None

    session = Session(Asked(mapped), auth="EXTERNAL")
    done = converse(session, "EXTERNAL", Credentials(authzid=authzid, external=True))
    assert done.error is None
    assert session.peer.identity == authzid


# --- over two connections, without a conversation ----------------------------------------------


@pytest.mark.parametrize("segment", ["whole", "bytewise"])
@pytest.mark.parametrize("name", [*PASSWORDS, *PLUS])
def test_over_two_connections(name: str, segment: Any) -> None:
    """What an application does that drives the connections itself."""
    mechanisms = ServerMechanisms([name], host="mx.example.org", random=Random())
    users = Users({"joe": "joe's"})
    exchange: Any = None
    success: Success | None = None

    def application(event: Any) -> Reply | None:
        nonlocal exchange, success
        if isinstance(event, CommandReceived) and isinstance(event.command, Auth):
            exchange = mechanisms.make(name, BOUND.channel_bindings)
            step = exchange.step(event.command.initial_response)
        elif isinstance(event, AuthResponseReceived) and success is None:
            step = exchange.step(event.data)
        elif isinstance(event, AuthResponseReceived):
            return Reply(235, "ok", "2.7.0")
        else:
            return event.default_reply  # type: ignore[no-any-return]
        while isinstance(step, Request):
            step = exchange.answer(users(Peer(), step))
        if isinstance(step, Challenge):
            return Reply(334, base64.b64encode(step.data).decode())
        if isinstance(step, Success):
            success = step
            if step.final_data is not None:
                return Reply(334, base64.b64encode(step.final_data).decode())
            return Reply(235, "ok", "2.7.0")
        return Reply(step.code, step.text, step.enhanced)

    def authenticate(password: str) -> ConnectionPair:
        server = ServerConnection("mx.example.org", extensions=[AuthExtension(name)], tls=BOUND)
        pair = ConnectionPair(server, application=application, segment=segment)
        pair.run()
        pair.write(pair.client.send(Ehlo("client.example")))
        pair.run()
        binding = BINDING if name.endswith("-PLUS") else None
        shown = Credentials("joe", password, channel_binding=binding)
        client = make_client(name, shown, b"nonce")
        pair.write(pair.client.send(Auth(name, client.initial_response())))
        while (reply := pair.run()[-1]).challenge is not None:  # type: ignore[union-attr]
            pair.write(pair.client.send(AuthResponse(client.step(reply.challenge))))  # type: ignore
        assert client.done or not pair.client.is_authenticated
        return pair

    pair = authenticate("joe's")
    assert pair.client.is_authenticated
    assert pair.server.is_authenticated
    assert success is not None
    assert success.authzid == "joe"
    success = None
    pair = authenticate("ann's")
    assert not pair.client.is_authenticated
    assert not pair.server.is_authenticated
    assert pair.server.state is State.READY
