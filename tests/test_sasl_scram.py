# SPDX-License-Identifier: MIT
"""SCRAM: the vectors of the RFCs, every check of either side, channel binding."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sasl_drive import BINDING, CASES, KEY, SECRET, USER, Application, authenticate, credentials

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import (
    Authorize,
    Challenge,
    ChannelBinding,
    Failure,
    FetchScramCredentials,
    SASLError,
    ScramClient,
    ScramServer,
    Success,
    make_scram_credentials,
)
from smtpproto.sasl.scram_keys import derive_keys, xor

REFUSED = Failure(535, "5.7.8", "Authentication credentials invalid")

# Mechanism, the messages of RFC 5802 5 and RFC 7677 3; the user is "user", the password "pencil".
EXAMPLES = [
    (
        "SCRAM-SHA-1",
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (
        "SCRAM-SHA-256",
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
]


@pytest.mark.parametrize(("name", "first", "server_first", "final", "server_final"), EXAMPLES)
def test_the_examples(
    name: str, first: bytes, server_first: bytes, final: bytes, server_final: bytes
) -> None:
    nonce = first.rpartition(b"r=")[2]
    client = ScramClient(name, "user", "pencil", nonce)
    assert not client.reveals_secret
    assert client.initial_response() == first
    assert client.step(server_first) == final
    assert not client.done  # a success reply now would come from somebody who proved nothing
    assert client.step(server_final) == b""
    assert client.done

    whole, salt, _ = (part[2:] for part in server_first.split(b","))
    server = ScramServer(name, whole.removeprefix(nonce), KEY)
    assert server.step(None) == Challenge(b"")
    hash_name = name.removeprefix("SCRAM-")
    assert server.step(first) == FetchScramCredentials("user", hash_name)
    stored = make_scram_credentials("pencil", b64decode(salt), 4096, hash_name)
    assert server.answer(stored) == Challenge(server_first)
    assert server.step(final) == Success("user", "user", server_final)


# ---- the client ---------------------------------------------------------------------------------


def started(**options: Any) -> ScramClient:
    client = ScramClient("SCRAM-SHA-256", "user", "pencil", b"abc", **options)
    client.initial_response()
    return client


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"r=abcd",
        b"r=abcd,s=c2FsdA==",
        b"s=c2FsdA==,r=abcd,i=4096",
        b"r=abcd,i=4096,s=c2FsdA==",
        b"R=abcd,s=c2FsdA==,i=4096",
        b"r=abc,s=c2FsdA==,i=4096",  # the server adds nothing
        b"r=abd1,s=c2FsdA==,i=4096",
        b"r=xabcd,s=c2FsdA==,i=4096",
        b"r=abcd e,s=c2FsdA==,i=4096",
        b"r=abcd\xc3\xa9,s=c2FsdA==,i=4096",
        b"r=,s=c2FsdA==,i=4096",
        b"r=abcd,s=,i=4096",
        b"r=abcd,s=c2FsdA,i=4096",
        b"r=abcd,s=c2FsdB==,i=4096",
        b"r=abcd,s=c2FsdA==,i=",
        b"r=abcd,s=c2FsdA==,i=0",
        b"r=abcd,s=c2FsdA==,i=1",
        b"r=abcd,s=c2FsdA==,i=4095",
        b"r=abcd,s=c2FsdA==,i=2000001",
        b"r=abcd,s=c2FsdA==,i=2147483648",
        b"r=abcd,s=c2FsdA==,i=" + b"9" * 6000,
        b"r=abcd,s=c2FsdA==,i=04096",
        b"r=abcd,s=c2FsdA==,i=+4096",
        b"r=abcd,s=c2FsdA==,i=-4096",
        b"r=abcd,s=c2FsdA==,i=4_096",
        b"r=abcd,s=c2FsdA==,i=4096 ",
        "r=abcd,s=c2FsdA==,i=٤٠٩٦".encode(),
        b"m=x,r=abcd,s=c2FsdA==,i=4096",
        b"r=abcd,s=c2FsdA==,i=4096,m=x",
        b"r=abcd,s=c2FsdA==,i=4096,i=4097",
        b"r=abcd,s=c2FsdA==,i=4096,",
        b"r=abcd,s=c2FsdA==,i=4096,x",
        b"r=abcd,s=c2FsdA==,i=4096,x=",
        b"r=abcd,s=c2FsdA==,i=4096,1=x",
        b"r=abcd,s=c2FsdA==,i=4096,x=\xff",
        b"r=abcd,s=c2FsdA==,i=4096,x=\0",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        b"e=unknown-user",
    ],
)
def test_server_first_refused(message: bytes) -> None:
    client = started()
    with pytest.raises(SASLError):
        client.step(message)
    assert not client.done
    with pytest.raises(SASLError):  # the object is dead
        client.step(b"r=abcd,s=c2FsdA==,i=4096")


def test_the_bounds_of_the_iterations_are_the_callers() -> None:
    client = started(minimum_iterations=2, maximum_iterations=3)
    assert client.step(b"r=abcd,s=c2FsdA==,i=2,x=ignored=,Y=\xc3\xa9").startswith(b"c=biws,")
    for count in (b"1", b"4"):
        with pytest.raises(SASLError, match="2 to 3 iterations"):
            started(minimum_iterations=2, maximum_iterations=3).step(b"r=abcd,s=cw==,i=" + count)
    with pytest.raises(SASLError):  # what hashlib cannot do
        started(maximum_iterations=2**40).step(b"r=abcd,s=c2FsdA==,i=2147483648")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"v=",
        b"v=AAAA",
        b"v=" + b64encode(bytes(32)),
        b"V=" + b64encode(bytes(32)),
        b"e=invalid-proof",
        b"e=",
        b"r=abcd,s=c2FsdA==,i=4096",
        b"c=biws",
    ],
)
def test_server_final_refused(message: bytes) -> None:
    client = started(minimum_iterations=1)
    client.step(b"r=abcd,s=c2FsdA==,i=1")
    with pytest.raises(SASLError):
        client.step(message)
    assert not client.done
    with pytest.raises(SASLError):
        client.step(message)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (b"e=invalid-proof", "invalid-proof"),
        (b"e=unknown-user,x=y", "unknown-user"),
        (b"e=whatever the server\r\nlikes to log", "other-error"),
    ],
)
def test_the_servers_error_is_named(message: bytes, shown: str) -> None:
    for answers in ([message], [b"r=abcd,s=c2FsdA==,i=1", message]):
        client = started(minimum_iterations=1)
        *before, last = answers
        for answer in before:
            client.step(answer)
        with pytest.raises(SASLError) as caught:
            client.step(last)
        assert str(caught.value) == f"SCRAM: the peer gives up: {shown}"


def test_server_final_may_have_extensions() -> None:
    def extend(number: int, sent: bytes) -> bytes:
        return sent + b",x=y" if number == 3 else sent

    client, server, application = CASES["SCRAM-SHA-256"]()
    assert authenticate(client, server, application, extend).success


@pytest.mark.parametrize(
    "change",
    [
        {"name": "SCRAM-MD5"},
        {"name": "SCRAM-"},
        {"name": "PLAIN"},
        {"name": "SCRAM-SHA-256-PLUS"},  # nothing to bind to
        {"nonce": b""},
        {"nonce": b"a,b"},
        {"nonce": b"a b"},
        {"nonce": b"\x7f"},
        {"username": ""},
        {"username": "\x07"},
        {"password": ""},
        {"password": "\u0221"},
        {"authzid": "\0"},
        {"name": "SCRAM-SHA-1-PLUS", "channel_binding": ChannelBinding("tls-unique", b"")},
        {"name": "SCRAM-SHA-1-PLUS", "channel_binding": ChannelBinding("tls,unique", b"x")},
        {"name": "SCRAM-SHA-1-PLUS", "channel_binding": ChannelBinding("é", b"x")},
    ],
)
def test_clients_that_cannot_be_made(change: dict[str, Any]) -> None:
    options: dict[str, Any] = {
        "name": "SCRAM-SHA-256",
        "username": "user",
        "password": "pencil",
        "nonce": b"abc",
    }
    ScramClient(**options)
    with pytest.raises(InvalidValueError):
        ScramClient(**options | change)


# ---- the server ---------------------------------------------------------------------------------


def asked(name: str = "SCRAM-SHA-256", **options: Any) -> ScramServer:
    return ScramServer(name, b"xyz", KEY, **options)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,",
        b"n=user,r=abc",
        b"n,,n=user",
        b"n,,r=abc,n=user",
        b"n,,N=user,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,,n=user,r=a c",
        b"n,,n=user,r=\x7f",
        b"n,,n=user,r=\xc3\xa9",
        b"n,,n=us=er,r=abc",
        b"n,,n=us=2cer,r=abc",
        b"n,,n=us=,r=abc",
        b"n,,n=\xff,r=abc",
        b"n,,n=u\0,r=abc",
        b"n,,n=\x07,r=abc",  # refused by SASLprep
        b"n,,m=x,n=user,r=abc",
        b"n,,n=user,r=abc,m=x",
        b"n,,n=user,r=abc,r=abc",
        b"n,,n=user,r=abc,",
        b"n,a=,n=user,r=abc",
        b"n,a=x=,n=user,r=abc",
        b"z,,n=user,r=abc",
        b"p=tls-unique,,n=user,r=abc",  # without -PLUS
        b"e=other-error",
    ],
)
def test_client_first_refused(message: bytes) -> None:
    assert asked().step(message) == REFUSED


def test_client_first_may_have_extensions() -> None:
    request = asked().step(b"n,a=z,n=us=3Der=2C,r=abc,x=y")
    assert request == FetchScramCredentials("us=er,", "SHA-256")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b",p=", b",q="),
        (b"c=biws,", b""),
        (b"c=biws,", b"c=eSws,"),  # "y,," for "n,,"
        (b"c=biws,", b"c=biwsx,"),
        (b"c=", b"m=x,c="),
        (b",p=", b",m=x,p="),
        (b",p=", b",r=abcxyz,p="),
        (b"r=abcxyz", b"r=abcxy"),
        (b"r=abcxyz", b"r=abcxyzz"),
        (b"r=abcxyz", b"r=abc"),
        (b",p=", b",p=!"),
        (b",p=", b",p=AAAA"),
        (b",p=", b",x=added,p="),  # belongs to what is proved
        (b"c=biws,r=abcxyz", b"r=abcxyz,c=biws"),
    ],
)
def test_client_final_refused(before: bytes, after: bytes) -> None:
    client = ScramClient("SCRAM-SHA-256", USER, SECRET, b"abc", minimum_iterations=1)
    server = asked()
    request = server.step(client.initial_response())
    challenge = server.answer(Application()(request))
    final = client.step(challenge.data)
    changed = final.replace(before, after) if before else b""
    assert changed != final
    assert server.step(changed) == REFUSED


@pytest.mark.parametrize(
    ("final", "works"),
    [
        (b"c=biws,r=abcxyz", True),
        (b"c=biws,r=abcxyz,x=y", True),
        (b"c=biws,r=abcxy", False),
        (b"c=biws,r=abcxyzz", False),
        (b"c=eSws,r=abcxyz", False),
    ],
)
def test_a_right_proof_does_not_make_up_for_the_rest(final: bytes, works: bool) -> None:
    # A client that knows the password, and signs what it should not.
    server = asked()
    server.step(b"n,,n=user,r=abc")
    server_first = server.answer(make_scram_credentials("pencil", b"salt", 1, "SHA-256")).data
    keys = derive_keys(b"pencil", b"salt", 1, "sha256")
    signed = b"n=user,r=abc," + server_first + b"," + final
    signature = hmac.digest(hashlib.sha256(keys.client_key).digest(), signed, "sha256")
    step = server.step(final + b",p=" + b64encode(xor(keys.client_key, signature)))
    assert isinstance(step, Success) is works
    assert works or step == REFUSED


def test_a_replay_is_refused() -> None:
    client, server, application = CASES["SCRAM-SHA-256"]()
    first, _, final, _ = authenticate(client, server, application).messages
    for nonce, refused in ((b"server-nonce", False), (b"another", True)):
        again = ScramServer("SCRAM-SHA-256", nonce, KEY)
        again.answer(application(again.step(first)))
        assert (again.step(final) == REFUSED) is refused


def test_an_unknown_user_fails_at_the_proof() -> None:
    client = ScramClient("SCRAM-SHA-256", "nobody", SECRET, b"abc")
    salts = []
    for nonce in (b"1", b"2"):
        server = ScramServer("SCRAM-SHA-256", nonce, KEY, decoy_iterations=4321)
        server.step(b"n,,n=nobody,r=abc")
        challenge = server.answer(None)
        assert isinstance(challenge, Challenge)
        head, salt, count = challenge.data.split(b",")
        assert (head, count) == (b"r=abc" + nonce, b"i=4321")
        salts.append(salt)
        if nonce == b"2":
            client.initial_response()
            assert server.step(client.step(challenge.data)) == REFUSED
    assert salts[0] == salts[1]


@pytest.mark.parametrize("allowed", [True, False])
def test_whom_to_act_as_is_asked_after_the_proof(allowed: bool) -> None:
    client, server, application = CASES["SCRAM-SHA-256 for another"]()
    application.may_act_as = ("other",) * allowed
    result = authenticate(client, server, application)
    assert application.asked == [
        FetchScramCredentials(USER, "SHA-256"),
        Authorize(USER, "other"),
    ]
    assert (result.success is not None) is allowed
    assert result.failure == (None if allowed else REFUSED)


def test_an_authzid_that_is_the_user_is_not_asked() -> None:
    client = ScramClient("SCRAM-SHA-1", USER, SECRET, b"abc", authzid=USER, minimum_iterations=1)
    application = Application()
    result = authenticate(client, asked("SCRAM-SHA-1"), application)
    assert result.success is not None
    assert result.success.authzid == USER
    assert len(application.asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": "SCRAM-MD5"},
        {"name": "SCRAM-SHA-256-PLUS"},
        {"name": "SCRAM-SHA-256-PLUS", "channel_bindings": {}},
        {"nonce": b""},
        {"nonce": b"a,b"},
        {"decoy_key": b""},
    ],
)
def test_servers_that_cannot_be_made(change: dict[str, Any]) -> None:
    options: dict[str, Any] = {"name": "SCRAM-SHA-256", "nonce": b"xyz", "decoy_key": KEY}
    ScramServer(**options)
    with pytest.raises(InvalidValueError):
        ScramServer(**options | change)


# ---- channel binding ----------------------------------------------------------------------------

OTHER = ChannelBinding("tls-unique", b"finished")
NONE: dict[str, bytes] = {}
ONE = {BINDING.name: BINDING.data}
TWO = {**ONE, OTHER.name: OTHER.data}


@pytest.mark.parametrize(
    ("plus", "binding", "bindings", "flag", "works"),
    [
        (False, None, NONE, b"n,,", True),
        (False, None, ONE, b"n,,", True),  # a client that cannot bind
        (False, BINDING, NONE, b"y,,", True),
        (False, BINDING, ONE, b"y,,", False),  # somebody has hidden the offer
        (True, BINDING, ONE, b"p=tls-server-end-point,,", True),
        (True, BINDING, TWO, b"p=tls-server-end-point,,", True),
        (True, OTHER, TWO, b"p=tls-unique,,", True),
        (True, OTHER, ONE, b"p=tls-unique,,", False),  # not a type of the server
        (True, BINDING, {BINDING.name: b"another channel"}, b"p=tls-server-end-point,,", False),
    ],
)
def test_flags(
    plus: bool,
    binding: ChannelBinding | None,
    bindings: dict[str, bytes],
    flag: bytes,
    works: bool,
) -> None:
    name = "SCRAM-SHA-256" + "-PLUS" * plus
    client = ScramClient(name, USER, SECRET, b"abc", channel_binding=binding, minimum_iterations=1)
    result = authenticate(client, asked(name, channel_bindings=bindings), Application())
    assert result.messages[0].startswith(flag + b"n=tim=2C=3D")
    assert result.failure == (None if works else REFUSED)
    assert (result.success is not None) is works


@pytest.mark.parametrize("flag", [b"n", b"y", b"p=tls-exporter"])
def test_plus_wants_a_binding_of_the_server(flag: bytes) -> None:
    server = asked("SCRAM-SHA-256-PLUS", channel_bindings=ONE)
    assert server.step(flag + b",,n=user,r=abc") == REFUSED


def test_the_binding_is_in_the_final_message() -> None:
    client, server, application = CASES["SCRAM-SHA-1-PLUS"]()
    final = authenticate(client, server, application).messages[2]
    attribute = final.partition(b",")[0].removeprefix(b"c=")
    assert b64decode(attribute) == b"p=tls-server-end-point,," + BINDING.data


# ---- any user -----------------------------------------------------------------------------------


@given(credentials, credentials, credentials, st.sampled_from(["SHA-1", "SHA-256", "SHA-512-PLUS"]))
def test_any_credentials(user: str, password: str, authzid: str, hash_name: str) -> None:
    name = f"SCRAM-{hash_name}"
    binding = BINDING if name.endswith("-PLUS") else None
    client = ScramClient(
        name,
        user,
        password,
        b"abc",
        authzid=authzid,
        channel_binding=binding,
        saslprep=False,
        minimum_iterations=1,
    )
    server = asked(name, channel_bindings=ONE if binding else None, saslprep=False)
    result = authenticate(client, server, Application(user, password, may_act_as=(authzid,)))
    assert result.success is not None
    assert (result.success.authcid, result.success.authzid) == (user, authzid)


def test_saslprep_on_both_sides() -> None:
    application = Application("IX", "a")
    client = ScramClient("SCRAM-SHA-256", "I\u00adX", "\u00aa", b"abc", minimum_iterations=1)
    result = authenticate(client, asked(), application)
    assert result.messages[0] == b"n,,n=IX,r=abc"
    assert result.success is not None
    # The server prepares what it is sent, and the proof is over the name as it was sent.
    client = ScramClient(
        "SCRAM-SHA-256", "I\u00adX", "a", b"abc", saslprep=False, minimum_iterations=1
    )
    result = authenticate(client, asked(), application)
    assert result.success is not None
    assert result.success.authcid == "IX"
