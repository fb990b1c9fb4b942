# SPDX-License-Identifier: MIT
"""A client says who it is: which mechanism, what may be shown to whom, and when it is believed."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dialogue_drive import Input, Run, drive

from smtpproto import ClientConnection, InvalidValueError, RemoteProtocolError, State, TLSInfo
from smtpproto.dialogues import (
    AuthenticationError,
    ConnectionLost,
    Handle,
    Login,
    ReplyError,
    SecurityError,
    TimedOut,
    authenticate,
    open_session,
)
from smtpproto.sasl import (
    Challenge,
    CramMD5Server,
    Credentials,
    FetchPassword,
    FetchScramCredentials,
    PlainClient,
    ScramServer,
    Success,
    make_scram_credentials,
)

USER, PASSWORD, TOKEN = "tim", "tanstaaftanstaaf", "ya29.tanstaaf-token"
IN = b"235 2.7.0 in\r\n"
NO = b"535 5.7.8 no\r\n"
UNKNOWN = b"504 5.5.4 unknown\r\n"
TLS = TLSInfo("TLSv1.3", peer_verified=True, channel_bindings={"tls-server-end-point": b"hash"})
UNVERIFIED = TLSInfo("TLSv1.3")


def b64(octets: bytes) -> bytes:
    return base64.b64encode(octets)


def challenge(octets: bytes) -> bytes:
    return b"334 " + b64(octets) + b"\r\n"


def opened(mechanisms: str = "", tls: TLSInfo | None = None, **settings: Any) -> ClientConnection:
    connection = ClientConnection(tls=tls, **settings)
    hello = b"250-mx.example.org\r\n250 AUTH %s\r\n" % mechanisms.encode()
    inputs = [b"220 hi\r\n", hello if mechanisms else b"250 mx.example.org\r\n"]
    opening = open_session(
        connection, local_name="client.example", literal="[192.0.2.9]", starttls="never"
    )
    assert drive(opening, inputs).error is None
    return connection


def login(*mechanisms: Any, **settings: Any) -> Login:
    token = settings.pop("token", "")
    allow_cleartext = settings.pop("allow_cleartext", False)
    needs_certificate = settings.pop("needs_certificate", False)
    if not settings and not token:
        settings = {"username": USER, "password": PASSWORD}
    return Login(
        Credentials(**settings),
        token,
        allow_cleartext=allow_cleartext,
        needs_certificate=needs_certificate,
        random=bytes,
        **({"mechanisms": mechanisms} if mechanisms else {}),
    )


def run(connection: ClientConnection, who: Login, *inputs: Input, **settings: Any) -> Run:
    done = drive(authenticate(connection, who, **settings), inputs)
    for shown in (str(done.error), repr(done.error), repr(who)):
        assert "tanstaaf" not in shown
    return done


# --- which mechanism -----------------------------------------------------------------------------


def test_plain_under_tls() -> None:
    connection = opened("PLAIN LOGIN", TLS)
    done = run(connection, login(), IN)
    assert done.error is None
    assert done.out == b"AUTH PLAIN " + b64(b"\0tim\0tanstaaftanstaaf") + b"\r\n"
    assert connection.is_authenticated
    assert connection.state is State.READY


def test_the_strongest_comes_first() -> None:
    for offered, used in [
        ("LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", b"SCRAM-SHA-256 "),
        ("LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1", b"SCRAM-SHA-1 "),
        ("LOGIN PLAIN CRAM-MD5", b"CRAM-MD5"),
        ("LOGIN PLAIN", b"PLAIN "),
        ("LOGIN XOAUTH2", b"LOGIN"),
    ]:
        done = run(opened(offered, TLS), login(), NO)
        assert done.out.startswith(b"AUTH " + used)


def test_the_order_is_the_callers() -> None:
    done = run(opened("SCRAM-SHA-256 PLAIN LOGIN", TLS), login("LOGIN", "PLAIN"), UNKNOWN, IN)
    assert done.error is None
    assert [line.split()[1] for line in done.lines] == ["LOGIN", "PLAIN"]


def test_a_refused_password_is_not_tried_again() -> None:
    """RFC 4954 4: 535 is about the credentials."""
    done = run(opened("SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN", TLS), login(), NO)
    assert isinstance(done.error, AuthenticationError)
    assert isinstance(done.error, ReplyError)
    assert (done.error.mechanism, done.error.stage) == ("SCRAM-SHA-1", "AUTH")
    assert str(done.error) == "AUTH SCRAM-SHA-1: 535 5.7.8 no"
    assert not done.error.is_transient
    assert done.out.count(b"AUTH") == 1


@pytest.mark.parametrize("reply", [UNKNOWN, b"454 4.7.0 not now\r\n", b"534 5.7.9 too weak\r\n"])
def test_a_mechanism_that_is_not_known_after_all(reply: bytes) -> None:
    done = run(opened("SCRAM-SHA-1 PLAIN", TLS), login(), reply, IN)
    assert done.error is None
    assert done.lines[-1].startswith("AUTH PLAIN ")
    done = run(opened("SCRAM-SHA-1 PLAIN", TLS), login(), reply, reply)
    assert isinstance(done.error, AuthenticationError)
    assert done.error.mechanism == "PLAIN"
    assert done.error.is_transient == reply.startswith(b"4")


@pytest.mark.parametrize("reply", [b"500 5.5.6 x\r\n", b"501 x\r\n", b"502 x\r\n", b"530 x\r\n"])
def test_another_refusal_ends_it(reply: bytes) -> None:
    done = run(opened("SCRAM-SHA-1 PLAIN", TLS), login(), reply)
    assert isinstance(done.error, AuthenticationError)


def test_a_missing_hash_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["smtpproto.sasl.choose"]
    monkeypatch.setattr(module, "hash_available", lambda digest: digest != "md5")
    done = run(opened("CRAM-MD5 PLAIN", TLS), login(), IN)
    assert done.out.startswith(b"AUTH PLAIN ")


def test_credentials_that_a_mechanism_cannot_hold() -> None:
    """SASLprep of RFC 4013 knows the characters of Unicode 3.2; PLAIN takes any."""
    who = login(username=USER, password="tanstaaf\N{SLICE OF PIZZA}")
    done = run(opened("SCRAM-SHA-1 PLAIN", TLS), who, IN)
    assert done.out.startswith(b"AUTH PLAIN ")
    done = run(opened("SCRAM-SHA-1", TLS), who)
    assert isinstance(done.error, InvalidValueError)
    assert done.out == b""
    done = run(opened("PLAIN", TLS), login(username=USER, password="tanstaaf\0"))
    assert isinstance(done.error, InvalidValueError)


# --- without TLS ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"])
def test_nothing_that_reveals_a_secret_goes_out_without_tls(mechanism: str) -> None:
    secrets = {"username": USER, "password": PASSWORD, "token": TOKEN}
    done = run(opened(mechanism), login(**secrets))
    assert isinstance(done.error, SecurityError)
    assert "without TLS" in str(done.error)
    assert done.out == b""
    done = run(opened(mechanism), login(**secrets, allow_cleartext=True), NO)
    assert done.out.startswith(b"AUTH ")
    done = run(opened(mechanism, TLS), login(**secrets), NO)
    assert done.out.startswith(b"AUTH ")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "CRAM-MD5"])
def test_what_reveals_nothing_goes_without_tls(mechanism: str) -> None:
    done = run(opened(f"PLAIN {mechanism}"), login(), UNKNOWN)
    assert done.lines[0].split()[1] == mechanism
    assert done.out.count(b"AUTH") == 1


def test_tls_with_whomever_is_no_protection_where_a_certificate_is_needed() -> None:
    """Opportunistic TLS: who answers may be anybody."""
    who = login(needs_certificate=True)
    assert isinstance(run(opened("PLAIN", UNVERIFIED), who).error, SecurityError)
    assert run(opened("PLAIN", TLS), who, IN).error is None
    assert run(opened("PLAIN", UNVERIFIED), login(), IN).error is None


@pytest.mark.parametrize("mechanisms", ["", "DIGEST-MD5 GSSAPI"])
def test_no_way_to_authenticate_is_an_error(mechanisms: str) -> None:
    """A session never goes on as nobody by itself."""
    asked: list[None] = []
    done = run(opened(mechanisms, TLS), login(username=USER, token=lambda: asked.append(None)))
    assert isinstance(done.error, SecurityError)
    assert ("a server that offers AUTH" in str(done.error)) == (mechanisms == "")
    assert mechanisms in str(done.error)
    assert "without TLS" not in str(done.error)
    assert len(asked) == (mechanisms != "")
    assert done.out == b""


def test_a_session_is_not_opened_without_it() -> None:
    connection = ClientConnection()
    opening = open_session(
        connection, local_name="c.example", literal="[192.0.2.9]", starttls="never", login=login()
    )
    done = drive(opening, [b"220 hi\r\n", b"250 mx.example.org\r\n"])
    assert isinstance(done.error, SecurityError)


# --- exchanges -----------------------------------------------------------------------------------


def talk(connection: ClientConnection, who: Login, server: Any, *answers: Any) -> Run:
    """Authenticate against a server mechanism that gets `answers` to what it asks."""
    given = iter(answers)

    def inputs() -> Iterator[bytes]:
        while True:
            line = lines.pop(0)
            response = line.removeprefix(f"AUTH {server.name}").strip()
            if line == "*":
                yield b"501 5.7.0 cancelled\r\n"
                continue
            first = line.startswith("AUTH") and not response
            data = None if first else base64.b64decode("" if response == "=" else response)
            step = server.step(data)
            while not isinstance(step, Challenge | Success):
                if not isinstance(step, FetchPassword | FetchScramCredentials):
                    yield NO
                    break
                step = server.answer(next(given))
            if isinstance(step, Challenge):
                yield challenge(step.data)
            elif isinstance(step, Success):
                if step.final_data is not None:
                    yield challenge(step.final_data)
                    assert lines.pop(0) == ""
                yield IN

    lines: list[str] = []
    replies = inputs()
    done = Run()
    dialogue = authenticate(connection, who)
    given_back: Any = None
    try:
        while True:
            step = dialogue.send(given_back)
            if isinstance(step, Handle):
                given_back = step.call(*step.args)
                continue
            lines += step.out.decode().removesuffix("\r\n").split("\r\n")
            given_back = next(replies)
    except StopIteration:
        pass
    except Exception as error:
        done.error = error
    return done


SCRAM = make_scram_credentials(PASSWORD, b"salt", 4096, "SHA-256")


@pytest.mark.parametrize("tls", [None, TLS])
def test_scram(tls: TLSInfo | None) -> None:
    plus = "-PLUS" if tls else ""
    bindings = tls.channel_bindings if tls else None
    server = ScramServer(f"SCRAM-SHA-256{plus}", b"nonce", b"key", channel_bindings=bindings)
    connection = opened("SCRAM-SHA-256 SCRAM-SHA-256-PLUS PLAIN", tls)
    assert talk(connection, login(), server, SCRAM).error is None
    assert connection.is_authenticated


def test_cram_md5() -> None:
    server = CramMD5Server(b"<1.2@mx.example.org>")
    connection = opened("CRAM-MD5")
    assert talk(connection, login(), server, PASSWORD).error is None
    assert connection.is_authenticated


def test_a_client_that_is_not_to_bind_says_so() -> None:
    """RFC 5802 6: "y" would be refused by a server that offers -PLUS, as a downgrade."""
    offered = "SCRAM-SHA-256 SCRAM-SHA-256-PLUS"
    done = run(opened(offered, TLS), login("SCRAM-SHA-256"), NO)
    assert base64.b64decode(done.lines[0].split()[2]).startswith(b"n,,")
    done = run(opened("SCRAM-SHA-256", TLS), login(), NO)
    assert base64.b64decode(done.lines[0].split()[2]).startswith(b"y,,")
    done = run(opened(offered, TLS), login("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"), NO)
    assert base64.b64decode(done.lines[0].split()[2]).startswith(b"p=tls-server-end-point,,")


@pytest.mark.parametrize("first", [True, False])
def test_a_success_before_the_server_has_proved_itself(first: bool) -> None:
    """RFC 5802 5: who cannot prove to know the password is not the server."""
    connection = opened("SCRAM-SHA-256", TLS)
    nonce = b64(bytes(18))
    server_first = challenge(b"r=%sxyz,s=%s,i=4096" % (nonce, b64(b"salt")))
    done = run(connection, login(), *([IN] if first else [server_first, IN]))
    assert isinstance(done.error, SecurityError)
    assert "proved" in str(done.error)
    assert connection.state is State.CLOSED


@pytest.mark.parametrize(
    "wrong",
    [
        challenge(b"r=other,s=c2FsdA==,i=4096"),
        challenge(b"r=%sx,s=c2FsdA==,i=1" % b64(bytes(18))),
        challenge(b"r=%sx,s=c2FsdA==,i=2147483648" % b64(bytes(18))),
        challenge(b"e=unknown-user"),
        challenge(b""),
        b"334 no base64!\r\n",
    ],
)
def test_a_wrong_challenge_cancels(wrong: bytes) -> None:
    """RFC 4954 4."""
    connection = opened("SCRAM-SHA-256 PLAIN", TLS)
    done = run(connection, login(), wrong, b"501 5.7.0 cancelled\r\n")
    assert isinstance(done.error, SecurityError)
    assert done.lines[1:] == ["*"]
    assert not connection.is_authenticated
    connection = opened("SCRAM-SHA-256 PLAIN", TLS)
    done = run(connection, login(), wrong, IN)
    assert isinstance(done.error, SecurityError)
    assert connection.state is State.ERROR  # no success after that


def test_a_wrong_server_signature_cancels() -> None:
    """The last message before the success is the server's proof."""
    connection = opened("SCRAM-SHA-256", TLS)
    server_first = challenge(b"r=%sx,s=c2FsdA==,i=4096" % b64(bytes(18)))
    inputs = [server_first, challenge(b"v=" + b64(bytes(32))), b"501 x\r\n"]
    done = run(connection, login(), *inputs)
    assert isinstance(done.error, SecurityError)
    assert done.lines[2:] == ["*"]


def test_an_initial_response_that_is_too_long_waits_for_the_challenge() -> None:
    """RFC 4954 4."""
    long = "x" * 600
    connection = opened("PLAIN", TLS)
    who = login(username=USER, password=long)
    done = run(connection, who, b"334 \r\n", IN)
    assert done.error is None
    assert done.lines[0] == "AUTH PLAIN"
    assert base64.b64decode(done.lines[1]) == b"\0tim\0" + long.encode()


def test_an_initial_response_that_a_server_passes_over_is_said_again() -> None:
    for more, told in ((IN, None), (b"334 \r\n", "beyond the end")):
        inputs = [b"334 \r\n", more] if told is None else [b"334 \r\n", more, b"501 x\r\n"]
        done = run(opened("PLAIN", TLS), login("PLAIN"), *inputs)
        assert done.lines[0] == f"AUTH PLAIN {done.lines[1]}"
        assert done.lines[2:] == ([] if told is None else ["*"])
        assert told is None if done.error is None else told in str(done.error)


@pytest.mark.parametrize(("size", "fits"), [(372, True), (373, False)])
def test_an_initial_response_that_just_fits_goes_with_the_command(size: int, fits: bool) -> None:
    """RFC 4954 4: a line of 512 octets with its CRLF, base64 in groups of four."""
    done = run(opened("X-OWN"), login(Own(b"x" * size)), *([] if fits else [b"334 \r\n"]), IN)
    assert done.error is None
    assert len(done.lines) == (1 if fits else 2)
    assert len(done.writes[0]) == (509 if fits else 12)


def test_a_response_that_no_line_can_hold_cancels() -> None:
    connection = opened("PLAIN", TLS)
    who = login(username=USER, password="x" * 10000)
    done = run(connection, who, b"334 \r\n", b"501 5.7.0 cancelled\r\n")
    assert done.error is not None
    assert done.lines == ["AUTH PLAIN", "*"]
    assert connection.state is State.READY


def test_an_empty_initial_response() -> None:
    """RFC 4954 4: "=" is not the same as none."""
    done = run(opened("EXTERNAL", TLS), login("EXTERNAL", external=True), IN)
    assert done.error is None
    assert done.lines == ["AUTH EXTERNAL ="]


def test_login_goes_by_the_order_of_the_questions() -> None:
    done = run(opened("LOGIN", TLS), login(), challenge(b"Who?"), challenge(b"And?"), IN)
    assert [base64.b64decode(line) for line in done.lines[1:]] == [b"tim", PASSWORD.encode()]
    assert done.error is None


# --- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mechanism", "answer"), [("XOAUTH2", ""), ("OAUTHBEARER", b64(b"\x01").decode())]
)
def test_a_token_that_is_refused(mechanism: str, answer: str) -> None:
    """RFC 7628 3.2.2: the error wants an answer."""
    told = b'{"status":"invalid_token","scope":"mail"}'
    who = login(username=USER, token=TOKEN)
    done = run(opened(mechanism, TLS), who, challenge(told), NO)
    assert isinstance(done.error, AuthenticationError)
    assert done.error.status == "invalid_token"
    assert str(done.error) == f"AUTH {mechanism}: 535 5.7.8 no (invalid_token)"
    assert done.lines[1:] == [answer]


def test_a_server_that_tells_the_token_itself() -> None:
    told = b'{"status":"%s"}' % TOKEN.encode()
    done = run(opened("XOAUTH2", TLS), login(username=USER, token=TOKEN), challenge(told), NO)
    assert isinstance(done.error, AuthenticationError)
    assert done.error.status == ""


def test_a_success_behind_an_error_object() -> None:
    who = login(username=USER, token=TOKEN)
    done = run(opened("XOAUTH2", TLS), who, challenge(b"{}"), IN)
    assert isinstance(done.error, SecurityError)


def test_a_token_may_be_fetched() -> None:
    calls: list[None] = []

    def fetch() -> str:
        calls.append(None)
        return TOKEN

    connection = opened("XOAUTH2", TLS)
    done = run(connection, login(username=USER, token=fetch), IN)
    assert connection.is_authenticated
    assert base64.b64decode(done.lines[0].split()[2]) == (
        b"user=tim\x01auth=Bearer " + TOKEN.encode() + b"\x01\x01"
    )
    assert len(calls) == 1


# --- mechanisms of one's own ---------------------------------------------------------------------


class Own:
    """A mechanism that answers whatever it is asked."""

    name = "X-OWN"
    reveals_secret = False
    done = True

    def __init__(self, first: bytes | None = None, raw: bool = False) -> None:
        self._first = first
        self.raw_challenges = raw
        self.heard: list[bytes] = []

    def initial_response(self) -> bytes | None:
        return self._first

    def step(self, challenge: bytes) -> bytes:
        self.heard.append(challenge)
        return b"answer"


@pytest.mark.parametrize("wrap", [lambda own: own, lambda own: lambda: own])
def test_a_mechanism_of_ones_own(wrap: Callable[[Own], Any]) -> None:
    own = Own()
    done = run(opened("PLAIN X-OWN", TLS), login(wrap(own), "PLAIN"), challenge(b"hello"), IN)
    assert done.error is None
    assert done.lines == ["AUTH X-OWN", b64(b"answer").decode()]
    assert own.heard == [b"hello"]
    done = run(opened("PLAIN", TLS), login(wrap(Own()), "PLAIN"), IN)
    assert done.lines[0].startswith("AUTH PLAIN ")


def test_a_challenge_that_is_no_base64() -> None:
    own = Own(b"first", raw=True)
    done = run(opened("X-OWN"), login(own), b"334 NTLM supported\r\n", IN)
    assert done.error is None
    assert own.heard == [b"NTLM supported"]


def test_a_mechanism_of_ones_own_that_reveals_a_secret() -> None:
    def make() -> PlainClient:
        return PlainClient(USER, PASSWORD)

    assert isinstance(run(opened("PLAIN"), login(make)).error, SecurityError)
    assert run(opened("PLAIN", TLS), login(make), IN).error is None


def test_an_exchange_without_end() -> None:
    done = run(opened("X-OWN"), login(Own()), *[challenge(b"?")] * 17, b"501 x\r\n")
    assert isinstance(done.error, SecurityError)
    assert done.lines[-1] == "*"
    assert len(done.lines) == 18


def test_a_mechanism_that_fails() -> None:
    class Failing(Own):
        def step(self, challenge: bytes) -> bytes:
            raise OSError("no ticket")

    done = run(opened("X-OWN"), login(Failing()), challenge(b"?"))
    assert isinstance(done.error, OSError)


def test_what_takes_too_long_on_our_side_is_an_error_of_the_conversation() -> None:
    """As where a server wants many iterations, and the time for a reply is short."""

    class Slow(Own):
        def step(self, challenge: bytes) -> bytes:
            raise TimeoutError("the hook took too long")

    done = run(opened("X-OWN"), login(Slow()), challenge(b"?"))
    assert isinstance(done.error, TimedOut)
    assert done.error.transcript[-1] == "<- 334 ***"
    assert isinstance(run(opened("X-OWN"), login(Slow()), TimeoutError()).error, TimedOut)


# --- the connection ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (b"", ConnectionLost),
        (TimeoutError(), TimedOut),
        (b"421 4.7.0 too many errors\r\n", ReplyError),
        (b"250", ConnectionLost),
        (b"354 go on\r\n", RemoteProtocolError),
    ],
)
def test_the_connection_ends_in_the_exchange(end: Input, kind: type[Exception]) -> None:
    inputs = [end] if end != b"250" else [end, b""]
    assert isinstance(run(opened("PLAIN", TLS), login(), *inputs).error, kind)
    inputs = [challenge(b"x"), *inputs]
    assert isinstance(run(opened("LOGIN", TLS), login(), *inputs).error, kind)


def test_a_server_that_takes_nothing_more() -> None:
    dialogue = authenticate(opened("X-OWN"), login(Own()))
    assert isinstance(dialogue.send(None), Handle)
    with pytest.raises(TimedOut, match=r"\Athe server takes nothing more"):
        dialogue.throw(TimeoutError())


def test_lmtp() -> None:
    connection = opened("PLAIN", TLS, lmtp=True)
    assert run(connection, login(), IN).error is None


def test_nothing_of_it_is_in_the_transcript() -> None:
    lines: list[str] = []
    connection = opened("LOGIN", TLS)
    inputs = [challenge(b"User Name"), challenge(b"Password"), IN]
    run(connection, login(), *inputs, transcript=lines.append)
    assert lines == [
        "-> AUTH LOGIN",
        "<- 334 ***",
        "-> ***",
        "<- 334 ***",
        "-> ***",
        "<- 235 2.7.0 in",
    ]


@pytest.mark.parametrize(
    "reaction",
    [
        b"501 5.7.0 cancelled\r\n",
        b"421 bye\r\n",
        b"235 fine\r\n",
        b"334 \r\n",
        b"nonsense\r\n",
        b"",
        TimeoutError(),
        ConnectionLost(),
    ],
)
def test_a_server_that_was_found_out_cannot_hide_it(reaction: Any) -> None:
    """What it says to the cancelling does not make a failed proof one that may be tried again."""
    done = run(opened("SCRAM-SHA-256", TLS), login(), challenge(b"r=x"), reaction)
    assert isinstance(done.error, SecurityError)
    assert not done.error.is_transient
