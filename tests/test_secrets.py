# SPDX-License-Identifier: MIT
"""No password and no token in a repr, a log, a transcript or an exception, whatever happens."""

from __future__ import annotations

import base64
import logging
import traceback
from typing import Any

import pytest
from adapter_drive import World, contexts
from auth_drive import Session, converse, encoded, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpproto import (
    Auth,
    AuthResponse,
    AuthResponseReceived,
    CommandReceived,
    Limits,
    ProtocolError,
    Reply,
    ServerConnection,
    Signal,
    State,
    extensions,
)
from smtpproto.dialogues import Collect, Peer, Reject, SMTPError
from smtpproto.handlers import Users
from smtpproto.sasl import (
    Authorize,
    Credentials,
    FetchPassword,
    FetchScramCredentials,
    Request,
    VerifyPassword,
    VerifyToken,
    make_scram_credentials,
)

SERVER, CLIENT = contexts()
MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"]
# No name of ours, long enough not to be found by chance, and nothing that a repr writes otherwise.
secrets = st.text(st.characters(codec="ascii", categories=["Ll", "Lu", "Nd"]), min_size=12).map(
    lambda text: f"qZ7{text}"
)
TEXT = b"Subject: x\r\n\r\ntext\r\n"


def forms(secret: str) -> list[str]:
    """Return how a secret could be written: as it is, and in base64 at each of three places."""
    octets = secret.encode()
    shifted = [base64.b64encode(b"\0" * shift + octets).decode() for shift in range(3)]
    # The ends depend on what stands beside it.
    return [secret, octets.hex(), *(text[4:-4] for text in shifted)]


def assert_hidden(secret: str, *shown: str) -> None:
    text = "\n".join(shown)
    for form in forms(secret):
        assert form not in text


class Asked(Collect):
    """A handler whose hook does with each question what it is told."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def on_auth(self, peer: Peer, request: Request) -> Any:
        return self.answer(request)


def right(secret: str) -> Any:
    def answer(request: Any) -> Any:
        match request:
            case VerifyPassword(password=password):
                return password == secret
            case VerifyToken(username=username, token=token):
                return username if token == secret else None
            case FetchPassword():
                return secret
            case FetchScramCredentials(hash_name=name):
                return make_scram_credentials(secret, b"salt", 4096, name)
        return None

    return answer


def raising(request: Any) -> Any:
    raise ValueError(*[getattr(request, name, "") for name in ("password", "token")])


def rejecting(request: Any) -> Any:
    raise Reject(535, "no", "5.7.8")


ANSWERS: dict[str, Any] = {
    "refused": lambda request: None,
    "raised": raising,
    "rejected": rejecting,
    "wrong type": lambda request: 1,
    "the secret": lambda request: getattr(request, "password", getattr(request, "token", None)),
}


@pytest.mark.parametrize("answer", ["right", *ANSWERS])
@pytest.mark.parametrize("name", MECHANISMS)
@settings(max_examples=8)
@given(secret=secrets, damaged=st.none() | st.integers(0, 5))
def test_conversations(name: str, answer: str, secret: str, damaged: int | None) -> None:
    session = Session(Asked(ANSWERS.get(answer) or right(secret)), auth=name)

    def damage(number: int, octets: bytes) -> bytes:
        return octets[:-4] + b"!" + octets[-4:] if number == damaged else octets

    done = converse(session, name, Credentials("joe", secret, secret), damage)
    if answer != "the secret":  # whom the application takes the secret for is its business
        assert_hidden(secret, done.everything())
    if answer == "right" and damaged is None:
        assert done.error is None


@settings(max_examples=20)
@given(
    secret=secrets, cut=st.integers(1, 20), tail=st.sampled_from(["", " ", "=", "*", " x", "\t"])
)
def test_lines_that_are_wrong(secret: str, cut: int, tail: str) -> None:
    """A password may stand where it does not belong, or be what is left of a refused exchange."""
    session = Session(
        Asked(lambda request: None), auth=["PLAIN", "LOGIN"], limits=Limits(errors=None)
    )
    line = plain("joe", secret).rstrip().decode()
    said = ""
    for wrong in (
        f"AUTH PLAIN {secret}{tail}",
        f"AUTH PLAIN, {secret}",
        f"AUTH PLAIN {secret} {secret}",
        f"{line}{tail}",
        f"{line[:-cut]}{tail}",
        f"AUTH=PLAIN {secret}",
        f"AUTHPLAIN {secret}",
        f"AUTH LOGIN {secret}",
        f"AUTH CRAM-MD5 {secret}",
        f"{secret}{tail}",
        line.rpartition(" ")[2],
    ):
        said += session.say(wrong.encode() + b"\r\n")
        if session.connection.state is State.AUTH:
            said += session.say(f"{secret}{tail}\r\n".encode())
            session.say(b"*\r\n")
    assert said
    assert_hidden(secret, said, repr(session.connection), *session.transcript)


@given(secret=secrets)
def test_values(secret: str) -> None:
    octets = secret.encode()
    shown = [
        Auth("PLAIN", octets),
        AuthResponse(octets),
        AuthResponseReceived(octets),
        Credentials("joe", secret, secret),
        VerifyPassword("joe", secret),
        VerifyToken("joe", secret),
        FetchPassword("joe"),
        Authorize("joe", "ann"),
        Users({"joe": secret}),
        make_scram_credentials(octets, b"salt", 1),
    ]
    assert_hidden(secret, *(f"{one!r} {one}" for one in shown))


@pytest.mark.parametrize("limits", [Limits(), Limits(auth_line=40)], ids=["usual", "short"])
@given(secret=secrets)
def test_events(limits: Limits, secret: str) -> None:
    """Whatever a connection makes of lines with a secret, its events do not show it."""
    offered = [extensions.Auth("PLAIN", "LOGIN", cleartext=True)]
    server = ServerConnection("mx.example.org", extensions=offered, limits=limits)
    server.send(Reply(220, "mx.example.org"))
    login = b"AUTH LOGIN\r\n" + encoded(secret.encode()) + secret.encode() + b"\r\n"
    server.receive_data(b"EHLO x\r\n" + plain("joe", secret) + login + login)
    shown = []
    while not isinstance(event := server.next_event(), Signal):
        default = getattr(event, "default_reply", None)
        shown.append(f"{event!r} {event} {default!r}")
        goes_on = isinstance(event, CommandReceived) and event.command == Auth("LOGIN")
        server.send(default or Reply(334 if goes_on else 535, "no"))
    assert len(shown) > 4
    assert_hidden(secret, *(line for line in shown if "Auth" in line or "Rejected" in line))


@pytest.mark.parametrize("name", MECHANISMS)
def test_sessions_over_sockets(world: World, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged, and what is raised, while all that can go wrong does."""
    caplog.set_level(logging.DEBUG)
    lines: list[str] = []
    secret = "hu5hhu5hhu5hhu5h"
    to: Any = {"sender": "a@x.org", "recipients": "b@x.org", "transcript": lines.append}
    to |= {"username": "joe", "auth": name, "token" if "OAUTH" in name else "password": secret}
    shown = []
    for answer in (right(secret), ANSWERS["refused"], raising, ANSWERS["wrong type"]):
        handler = Asked(answer)
        told: Any = {"auth": name, "tls": SERVER, "transcript": lines.append}
        with world.serve(handler, **told) as server:
            for security, tls in (("starttls", {"tls": CLIENT}), ("none", {})):
                try:
                    world.send_mail(TEXT, "localhost", server.port, **to, **tls, security=security)
                except (SMTPError, ProtocolError) as error:
                    shown += traceback.format_exception(error)
                    shown.append(f"{vars(error)}")
            shown.append(repr(server))
    assert any("235" in line for line in lines)
    assert len(shown) > 4
    assert_hidden(secret, caplog.text, *(repr(one.args) for one in caplog.records), *shown, *lines)
