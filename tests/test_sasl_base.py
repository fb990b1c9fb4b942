# SPDX-License-Identifier: MIT
"""What holds for every mechanism: turn-taking, damage on the way, and secrets."""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sasl_drive import CASES, SECRET, TOKEN, USER, Application, Result, authenticate

from smtpproto.exceptions import LocalProtocolError, Violation
from smtpproto.sasl import (
    AcceptAnonymous,
    Authorize,
    Challenge,
    Failure,
    FetchPassword,
    FetchScramCredentials,
    MapCertificate,
    PlainClient,
    PlainServer,
    Request,
    SASLError,
    Success,
    VerifyPassword,
    VerifyToken,
    make_scram_credentials,
)
from smtpproto.sasl.base import granted, hash_available

every_case = pytest.mark.parametrize("name", CASES)
CREDENTIALS = make_scram_credentials(SECRET, b"salt", 1, "SHA-256")
REFUSED = Failure(535, "5.7.8", "Authentication credentials invalid")


def same_identity_or_clean_failure(name: str, result: Result) -> None:
    """Damage may be harmless, but never makes anybody another one, nor shows a secret."""
    if result.success is not None:
        user = "anonymous" if name == "ANONYMOUS" else USER
        assert result.success.authcid == user
        assert result.success.authzid == ("other" if name.endswith("for another") else user)
    else:
        assert (result.failure is None) != (result.error is None)
        assert result.failure is None or result.failure.code in (501, 535)
    shown = "".join(result.shown)
    for secret in (SECRET, TOKEN):
        octets = secret.encode()
        for form in (secret, repr(octets)[2:-1], b64encode(octets).decode()):
            assert form not in shown


@every_case
def test_client_against_server(name: str) -> None:
    client, server, application = CASES[name]()
    assert client.name == server.name == name.split()[0]
    assert not client.raw_challenges
    result = authenticate(client, server, application)
    assert result.success is not None
    same_identity_or_clean_failure(name, result)
    assert repr(client) == f"<{client.name} client, done=True>"
    assert repr(server) == f"<{server.name} server>"


@pytest.mark.parametrize("name", [n for n in CASES if n[:8] not in ("ANONYMOU", "EXTERNAL")])
@pytest.mark.parametrize("wrong", [{"password": "x"}, {"user": "x"}, {"may_act_as": ()}])
def test_the_wrong_secret_or_user_is_refused(name: str, wrong: dict[str, Any]) -> None:
    client, server, _ = CASES[name]()
    result = authenticate(client, server, Application(**wrong, token="x"))
    if "may_act_as" in wrong and not name.endswith("for another") and "OAUTH" not in name:
        assert result.success is not None
    else:
        assert result.failure == REFUSED


@every_case
def test_every_octet_damaged(name: str) -> None:
    client, server, application = CASES[name]()
    messages = authenticate(client, server, application).messages
    for damaged, message in enumerate(messages):
        for index, octet in enumerate(message):
            others = {octet ^ 1, octet ^ 0x20, octet ^ 0x80, *b"\0\1,="}
            for other in others - {octet}:

                def alter(
                    number: int, sent: bytes, damaged: int = damaged, i: int = index, o: int = other
                ) -> bytes:
                    return sent[:i] + bytes((o,)) + sent[i + 1 :] if number == damaged else sent

                client, server, application = CASES[name]()
                result = authenticate(client, server, application, alter)
                same_identity_or_clean_failure(name, result)


@every_case
def test_every_truncation_and_a_tail(name: str) -> None:
    client, server, application = CASES[name]()
    messages = authenticate(client, server, application).messages
    for damaged, message in enumerate(messages):
        for cut in [message[:size] for size in range(len(message))] + [message + b"x"]:

            def alter(number: int, sent: bytes, d: int = damaged, cut: bytes = cut) -> bytes:
                return cut if number == d else sent

            client, server, application = CASES[name]()
            result = authenticate(client, server, application, alter)
            same_identity_or_clean_failure(name, result)


@every_case
@given(data=st.data())
def test_any_octets_fail_cleanly(name: str, data: st.DataObject) -> None:
    octets = st.binary(max_size=40) | st.text("nprscvieam=,\x01\0 Aé").map(str.encode)
    number = data.draw(st.integers(0, 3))
    message = data.draw(octets)

    def alter(now: int, sent: bytes) -> bytes:
        return message if now == number else sent

    client, server, application = CASES[name]()
    result = authenticate(client, server, application, alter)
    same_identity_or_clean_failure(name, result)


@every_case
def test_one_challenge_too_many(name: str) -> None:
    client, server, application = CASES[name]()
    authenticate(client, server, application)
    if client.name in ("OAUTHBEARER", "XOAUTH2"):
        client.step(b"challenge")  # says that the token is refused
        assert not client.done
    elif client.name == "PLAIN":
        client.step(b"")  # asks for the message, which it has passed over
    for _ in range(2):  # for good, whatever comes
        with pytest.raises(SASLError) as caught:
            client.step(b"")
        assert caught.value.violation is Violation.AUTH_CANCELLED
        assert not client.done


@every_case
def test_the_client_is_called_in_turn(name: str) -> None:
    client, _, _ = CASES[name]()
    with pytest.raises(LocalProtocolError) as caught:
        client.step(b"")
    assert caught.value.violation is Violation.LOCAL_STATE
    first = client.initial_response()
    with pytest.raises(LocalProtocolError):
        client.initial_response()
    fresh, _, _ = CASES[name]()
    assert first == fresh.initial_response()


@every_case
def test_the_server_is_called_in_turn(name: str) -> None:
    client, server, application = CASES[name]()
    with pytest.raises(LocalProtocolError):
        server.answer(True)
    step = server.step(client.initial_response())
    while True:
        if isinstance(step, Request):
            with pytest.raises(LocalProtocolError):
                server.step(b"")
            step = server.answer(application(step))
        elif isinstance(step, Challenge):
            with pytest.raises(LocalProtocolError):
                server.step(None)
            with pytest.raises(LocalProtocolError):
                server.answer(True)
            step = server.step(client.step(step.data))
        else:
            break
    assert isinstance(step, Success)
    for call in (server.step, server.answer):
        with pytest.raises(LocalProtocolError) as caught:
            call(b"")
        assert caught.value.violation is Violation.LOCAL_STATE


@pytest.mark.parametrize(
    ("request_", "right", "wrong"),
    [
        (VerifyPassword("u", "p"), (True, False, "u", None), (1, b"u", [])),
        (FetchPassword("u"), ("p", b"p", None), (True, 1)),
        (
            FetchScramCredentials("u", "SHA-256"),
            (CREDENTIALS, None),
            (True, "p", make_scram_credentials("p", b"salt", 1, "SHA-1")),
        ),
        (Authorize("u", "z"), (True, False), ("z", None)),
        (VerifyToken("u", "t"), ("u", None), (True, b"u")),
        (MapCertificate("u"), ("u", None), (True, b"u")),
        (AcceptAnonymous("t"), (True, False, None, "anonymous"), (1, b"t")),
    ],
)
def test_the_answers_a_request_takes(
    request_: Request, right: tuple[Any, ...], wrong: tuple[Any, ...]
) -> None:
    assert all(map(request_.accepts, right))
    assert not any(map(request_.accepts, wrong))


def test_a_wrong_answer_changes_nothing() -> None:
    server = PlainServer()
    server.step(PlainClient(USER, SECRET).initial_response())
    with pytest.raises(LocalProtocolError) as caught:
        server.answer(SECRET.encode())
    assert caught.value.violation is Violation.LOCAL_VALUE
    assert SECRET not in str(caught.value)
    assert server.answer(True) == Success(USER, USER)


@pytest.mark.parametrize(
    ("authzid", "answer", "outcome"),
    [
        ("", True, Success("u", "u")),
        ("u", True, Success("u", "u")),
        ("z", True, REFUSED),  # the application has not looked at it
        ("z", "z", Success("u", "z")),
        ("", "canonical", Success("u", "canonical")),
        ("", False, REFUSED),
        ("u", None, REFUSED),
        ("u", "", REFUSED),
    ],
)
def test_what_an_answer_grants(
    authzid: str, answer: bool | str | None, outcome: Success | Failure
) -> None:
    assert granted("u", authzid, answer) == outcome


def test_secrets_are_not_shown() -> None:
    shown = repr(
        [
            VerifyPassword("u", SECRET, "z"),
            VerifyToken("u", SECRET, "z", "host", 25),
            make_scram_credentials("p", b"salt", 1, "SHA-256"),
        ]
    )
    assert shown == (
        "[VerifyPassword(username='u', authzid='z'), "
        "VerifyToken(username='u', authzid='z', host='host', port=25), "
        "ScramCredentials(hash_name='SHA-256', iterations=1)]"
    )


def test_a_hash_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hash_available("sha256")

    def digest(key: bytes, message: bytes, name: str) -> bytes:
        raise ValueError("disabled for FIPS")

    monkeypatch.setattr(hmac, "digest", digest)
    assert not hash_available("md5")


def test_the_default_violation() -> None:
    assert SASLError("x").violation is Violation.AUTH_CANCELLED
