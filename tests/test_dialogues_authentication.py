# SPDX-License-Identifier: MIT
"""AUTH in a server's conversation: who is asked what, what is answered, what is offered."""

from __future__ import annotations

import base64
import inspect
import sys
from collections.abc import Generator
from typing import Any

import pytest
from auth_drive import Session, encoded, plain
from sasl_drive import CASES, SECRET

from smtpproto import Limits, LocalProtocolError, Reply, TLSInfo
from smtpproto.dialogues import Collect, ConnectionLost, Peer, Reject
from smtpproto.dialogues.authentication import HookFailed, _discreet
from smtpproto.extensions import Auth, Size
from smtpproto.sasl import (
    Authorize,
    Challenge,
    ExternalServer,
    Failure,
    PlainServer,
    Request,
    SASLError,
    ScramClient,
    ServerExchange,
    Step,
    Success,
    VerifyPassword,
)

MAIL = b"MAIL FROM:<a@example.com>\r\n"


class Handler(Collect):
    """Asks `answer`, and notes the questions."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[Request] = []
        self.peers: list[tuple[str | None, str | None, bool]] = []

    def on_auth(self, peer: Peer, request: Request) -> Any:
        self.asked.append(request)
        self.peers.append((peer.mechanism, peer.identity, peer.tls is not None))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(request) if callable(self.answer) else self.answer


def joe(request: Any) -> bool:
    return bool(request.username == "joe" and request.password == "secret")


# --- the exchange ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_every_mechanism(case: str) -> None:
    client, server, application = CASES[case]()
    handler = Handler(application)
    names = [server.name]
    if server.name.endswith("-PLUS"):
        names.append(server.name.removesuffix("-PLUS"))
    binding = getattr(client, "_binding", b"")
    tls = TLSInfo(
        "TLSv1.3",
        "x",
        b"c",
        True,
        {"tls-server-end-point": binding[len(b"p=tls-server-end-point,,") :]},
    )
    session = Session(handler, tls=tls, auth=names)
    assert session.offered == tuple(names)
    reply, believed = session.authenticate(client)
    assert reply == "235 2.7.0 authentication successful\r\n"
    assert believed
    mapped = {"ANONYMOUS": "anonymous"}
    identity = "other" if "another" in case else mapped.get(case, application.user)
    assert session.peer.identity == identity
    assert session.peer.mechanism == server.name
    assert handler.peers[0] == (server.name, None, True)
    assert not session.failures
    assert session.say(MAIL).startswith("250")


def test_the_password_is_asked_for() -> None:
    handler = Handler(joe)
    session = Session(handler)
    assert session.say(plain("joe", "secret")) == "235 2.7.0 authentication successful\r\n"
    assert handler.asked == [VerifyPassword("joe", "secret")]
    assert session.peer.identity == "joe"
    assert session.connection.is_authenticated


def test_the_same_reply_for_an_unknown_user_and_a_wrong_password() -> None:
    """RFC 4954 6, and the client may try again."""
    session = Session(Handler(joe))
    replies = {session.say(plain("joe", "wrong")), session.say(plain("eve", "secret"))}
    assert replies == {"535 5.7.8 Authentication credentials invalid\r\n"}
    assert session.peer.identity is None
    assert session.peer.mechanism is None
    assert session.say(plain("joe", "secret")).startswith("235 ")


def test_messages_in_lines_of_their_own() -> None:
    """RFC 4954 4: no initial response; the empty challenge keeps its space."""
    session = Session(Handler(joe))
    assert session.say(b"AUTH PLAIN\r\n") == "334 \r\n"
    assert session.say(encoded(b"\0joe\0secret")).startswith("235 ")
    session = Session(Handler(joe))
    assert session.say(b"AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\r\n"
    assert session.say(encoded(b"joe")) == "334 UGFzc3dvcmQ6\r\n"
    assert session.say(encoded(b"secret")).startswith("235 ")


@pytest.mark.parametrize(
    ("lines", "replies"),
    [
        ([b"AUTH PLAIN =\r\n"], ["501 5.5.2"]),
        ([b"AUTH PLAIN\r\n", b"\r\n"], ["334", "501 5.5.2"]),
        ([b"AUTH PLAIN\r\n", b"=\r\n"], ["334", "501 5.5.2"]),
        ([b"AUTH PLAIN\r\n", b"*\r\n"], ["334", "501 5.7.0"]),
        ([b"AUTH PLAIN\r\n", b"?\r\n"], ["334", "501 5.5.2"]),
        ([b"AUTH PLAIN AGpvZQBz!\r\n"], ["501 5.5.2"]),
        ([b"AUTH PLAIN " + encoded(b"joe")], ["501 5.5.2"]),
        ([b"AUTH PLAIN " + encoded(b"\0joe\0sec\0ret")], ["501 5.5.2"]),
        ([b"AUTH PLAIN\r\n", b"A" * 13000 + b"\r\n"], ["334", "500 5.5.6"]),
        ([b"AUTH PLAIN\r\n", b"QUIT\r\n"], ["334", "501 5.5.2"]),
        ([b"AUTH CRAM-MD5 eA==\r\n"], ["501 5.7.0"]),
        ([b"AUTH DIGEST-MD5\r\n"], ["504 5.5.4"]),
        ([b"AUTH\r\n"], ["501 5.5.4"]),
        ([MAIL, b"AUTH PLAIN\r\n"], ["250", "503 5.5.1"]),
        ([plain("joe", "secret"), plain("joe", "secret")], ["235", "503 5.5.1"]),
        ([plain("joe", "secret"), b"RSET\r\n", b"AUTH LOGIN\r\n"], ["235", "250", "503 5.5.1"]),
    ],
)
def test_bad_input(lines: list[bytes], replies: list[str]) -> None:
    session = Session(Handler(joe), auth=["CRAM-MD5", "PLAIN", "LOGIN"])
    answers = [session.say(line) for line in lines]
    assert [answer[: len(reply)] for answer, reply in zip(answers, replies, strict=True)] == replies
    is_in = any(reply == "235" for reply in replies)
    assert (session.peer.identity, session.peer.mechanism) == (
        ("joe", "PLAIN") if is_in else (None, None)
    )
    assert session.say(b"NOOP\r\n").startswith("250")
    assert not session.failures


def test_before_ehlo() -> None:
    session = Session(Handler(joe), hello=False)
    assert session.say(plain("joe", "secret")).startswith("503 5.5.1")


def test_after_helo() -> None:
    """RFC 5321 2.2.1: HELO offers nothing."""
    session = Session(Handler(joe), hello=False)
    session.say(b"HELO client.example\r\n")
    assert session.say(plain("joe", "secret")).startswith("503 5.5.1")


def test_attempts_are_bounded() -> None:
    session = Session(Handler(joe), limits=Limits(auth_attempts=3))
    for _ in range(3):
        assert session.say(plain("joe", "wrong")).startswith("535 ")
    assert session.say(plain("joe", "secret")).startswith("421 ")
    assert session.ended


def test_starttls_forgets_the_identity() -> None:
    """RFC 3207 4.2."""
    session = Session(Handler(joe), tls_mode="starttls", auth_cleartext=True)
    assert session.say(plain("joe", "secret")).startswith("235 ")
    assert session.peer.identity == "joe"
    session.say(b"STARTTLS\r\n")
    assert (session.peer.identity, session.peer.mechanism) == (None, None)
    session.greet()
    assert session.say(plain("joe", "secret")).startswith("235 ")


def test_a_connection_that_ends_within_an_exchange() -> None:
    class Closing(Handler):
        closed = False

        def on_close(self, peer: Peer) -> None:
            self.closed = True

    handler = Closing(joe)
    session = Session(handler)
    session.say(b"AUTH PLAIN\r\n")
    session.fail(ConnectionLost("gone"))
    assert session.ended
    assert handler.closed


def test_the_proof_of_the_server_comes_before_its_success() -> None:
    """RFC 4954 4: one more 334, whose answer is empty."""
    case = CASES["SCRAM-SHA-256"]
    _, _, application = case()
    for answer, reply in ((b"", "235 2.7.0"), (b"x", "501 5.5.2")):
        client = ScramClient(
            "SCRAM-SHA-256", application.user, SECRET, b"nonce", minimum_iterations=1
        )
        session = Session(Handler(application), auth="SCRAM-SHA-256")
        first = client.initial_response() or b""
        challenge = session.say(b"AUTH SCRAM-SHA-256 " + encoded(first))
        final = session.say(encoded(client.step(decoded(challenge))))
        client.step(decoded(final))
        assert session.peer.identity is None
        assert session.say(encoded(answer)).startswith(reply)
        assert (session.peer.identity is not None) == (not answer)
        assert not session.failures


def decoded(reply: str) -> bytes:
    assert reply.startswith("334 ")
    return base64.b64decode(reply[4:])


def test_each_exchange_has_a_nonce_of_its_own() -> None:
    session = Session(Handler(), auth=["SCRAM-SHA-256", "CRAM-MD5"])
    first = encoded(b"n,,n=joe,r=client")
    said = set()
    for line in (b"AUTH SCRAM-SHA-256 " + first, b"AUTH CRAM-MD5\r\n") * 2:
        said.add(session.say(line))
        session.say(b"*\r\n")
    assert len(said) == 4


def test_the_salt_of_who_does_not_exist_is_always_the_same() -> None:
    session = Session(Handler(), auth="SCRAM-SHA-256")
    salts = set()
    for name in (b"eve", b"eve", b"bob"):
        said = decoded(session.say(b"AUTH SCRAM-SHA-256 " + encoded(b"n,,n=" + name + b",r=x")))
        salts.add(said.split(b",")[1])
        session.say(b"*\r\n")
    assert len(salts) == 2


# --- the hook ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, False, ""])
@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("-PLUS")])
def test_nobody_gets_in_without_an_identity(name: str, answer: Any) -> None:
    client, server, _ = CASES[name]()
    session = Session(Handler(answer), auth=[server.name])
    reply, believed = session.authenticate(client)
    assert not believed
    assert session.peer.identity is None
    if answer != "":
        assert reply.startswith("535 5.7.8 ")
        assert not session.failures
    assert session.say(b"NOOP\r\n").startswith("250")


@pytest.mark.parametrize("answer", [None, False])
def test_a_right_proof_does_not_let_one_act_as_another(answer: Any) -> None:
    client, _, application = CASES["SCRAM-SHA-256 for another"]()

    def decide(request: Request) -> Any:
        return answer if isinstance(request, Authorize) else application(request)

    session = Session(Handler(decide), auth="SCRAM-SHA-256")
    reply, _ = session.authenticate(client)
    assert reply.startswith("535 5.7.8 ")
    assert not session.failures


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (Reply(432, "a transition is needed", "4.7.12"), "432 4.7.12 a transition is needed"),
        (Reject(534, "too weak", "5.7.9"), "534 5.7.9 too weak"),
        (Reject(421, "not today", "4.7.0"), "421 4.7.0 not today"),
    ],
)
def test_a_refusal_of_the_application(answer: Any, reply: str) -> None:
    session = Session(Handler(answer))
    assert session.say(plain("joe", "secret")) == reply + "\r\n"
    assert session.peer.identity is None
    assert session.ended == reply.startswith("421")
    assert not session.failures


@pytest.mark.parametrize(
    "answer",
    [
        KeyError("secret"),
        TimeoutError("secret"),
        ConnectionLost("secret"),
        SASLError("secret"),
        1,
        b"secret",
        object(),
        Reply(235, "secret"),
        Reply(334, "secret"),
    ],
)
def test_a_hook_that_fails_is_no_verdict(answer: Any) -> None:
    """RFC 4954 6: 454 says that it is not the client's fault; and the log shows no secret."""
    session = Session(Handler(answer))
    assert session.say(plain("joe", "secret")) == "454 4.7.0 temporary authentication failure\r\n"
    assert session.peer.identity is None
    [failure] = session.failures
    assert "secret" not in f"{failure!r} {failure.__cause__!r} {failure.__context__!r}"
    assert session.say(b"NOOP\r\n").startswith("250")


def test_the_type_and_the_place_of_a_failure_are_shown() -> None:
    session = Session(Handler(KeyError("secret")))
    session.say(plain("joe", "secret"))
    [failure] = session.failures
    assert str(failure) == "KeyError"
    unfit = Session(Handler(1))
    unfit.say(plain("joe", "secret"))
    assert str(unfit.failures[0]) == "VerifyPassword cannot be answered by this int value"
    names = []
    traceback = failure.__traceback__
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert names[-1] == "on_auth"


def test_coroutines_are_guarded_too() -> None:
    """What a driver for asyncio gets is a coroutine function where the hook is one."""

    class Asynchronous:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        async def on_auth(self, peer: Peer, request: Request) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    class Delegating(Asynchronous):
        def on_auth(self, peer: Peer, request: Request) -> Any:
            return super().on_auth(peer, request)

    for kind in (Asynchronous, Delegating):
        call = _discreet(kind("joe").on_auth)
        assert inspect.iscoroutinefunction(call) == (kind is Asynchronous)
        assert _finish(call(Peer(), None)) == "joe"
        with pytest.raises(HookFailed, match=r"^KeyError$"):
            _finish(_discreet(kind(KeyError("secret")).on_auth)(Peer(), None))
        with pytest.raises(Reject):
            _finish(_discreet(kind(Reject(535)).on_auth)(Peer(), None))


def _finish(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def test_a_session_whose_handler_has_no_hook() -> None:
    """A handler that a function makes is known too late."""
    session = Session(Collect, factory=True, auth=())
    assert session.offered == ()
    session = Session(lambda: Collect(), factory=True, auth="PLAIN")
    assert session.offered == ("PLAIN",)
    assert session.say(plain("joe", "secret")).startswith("502 ")
    session = Session(lambda: Handler(joe), factory=True, auth="PLAIN")
    assert session.say(plain("joe", "secret")).startswith("235 ")


def test_the_mail_parameter_reaches_the_application() -> None:
    """RFC 4954 5."""

    class Noting(Handler):
        def on_mail(self, peer: Peer, mail: Any) -> None:
            assert mail.parameters["AUTH"].address == "e+x=y@example.com"

    session = Session(Noting(joe))
    line = b"MAIL FROM:<a@example.com> AUTH=e+2Bx+3Dy@example.com\r\n"
    assert session.say(line).startswith("250 ")
    assert (
        session.say(b"RSET\r\nMAIL FROM:<a@x.example> AUTH=+\r\n").splitlines()[1][:9]
        == "501 5.5.4"
    )


# --- what is offered ---------------------------------------------------------------------------


def test_the_default_is_a_password() -> None:
    assert Session(Handler(joe)).offered == ("PLAIN", "LOGIN")
    assert Session(Collect()).offered == ()
    assert Session(Handler(joe), auth=()).offered == ()
    assert Session(Handler, factory=True).offered == ("PLAIN", "LOGIN")


def test_the_hook_may_say_what_it_can_answer() -> None:
    class Hook:
        mechanisms = ("SCRAM-SHA-256", "PLAIN")

        def __call__(self, peer: Peer, request: Request) -> Any:
            return None

    class WithHook(Collect):
        on_auth = Hook()

    for handler in (WithHook(), WithHook):
        session = Session(handler, factory=handler is WithHook)
        assert session.offered == ("SCRAM-SHA-256", "PLAIN")
    assert Session(WithHook(), auth="LOGIN").offered == ("LOGIN",)


def test_without_tls_only_what_reveals_nothing() -> None:
    names = ["OAUTHBEARER", "SCRAM-SHA-256", "PLAIN"]
    session = Session(Handler(joe), tls=None, tls_mode="starttls", auth=names)
    assert session.offered == ("SCRAM-SHA-256",)
    assert session.say(plain("joe", "secret"))[:9] == "504 5.5.4"
    options = {"auth": names, "auth_cleartext": True}
    session = Session(Handler(joe), tls_mode="starttls", **options)
    assert session.offered == tuple(names)
    session = Session(Handler(joe), tls_mode="starttls", auth=names)
    assert session.offered == ("SCRAM-SHA-256",)
    session.say(b"STARTTLS\r\n")
    session.greet()
    assert session.offered == tuple(names)


@pytest.mark.parametrize("cleartext", [False, True])
def test_nothing_is_offered_that_require_tls_would_refuse(cleartext: bool) -> None:
    """RFC 4954 6, of 538: what is not permitted without encryption is not advertised."""
    names = ["SCRAM-SHA-256", "PLAIN"]
    options: dict[str, Any] = {"auth": names, "auth_cleartext": cleartext, "require_tls": True}
    session = Session(Handler(joe), tls_mode="starttls", **options)
    assert session.offered == ()
    assert session.say(b"AUTH SCRAM-SHA-256\r\n") == "530 5.7.0 STARTTLS expected first\r\n"
    session.say(b"STARTTLS\r\n")
    session.greet()
    assert session.offered == tuple(names)


def test_channel_binding_is_offered_only_where_there_is_one() -> None:
    names = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
    assert Session(Handler(), auth=names).offered == tuple(names)
    assert Session(Handler(), auth=names, tls=TLSInfo("TLSv1.3")).offered == ("SCRAM-SHA-256",)
    assert Session(Handler(), auth=names, tls=None, tls_mode="starttls").offered == (
        "SCRAM-SHA-256",
    )


@pytest.mark.parametrize(("flag", "reply"), [(b"n", "334 "), (b"y", "535 ")])
def test_an_offer_of_channel_binding_that_was_taken_away(flag: bytes, reply: str) -> None:
    """RFC 5802 6: the client that could bind, and saw no offer, is told nothing else."""
    session = Session(Handler(), auth=["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
    said = session.say(b"AUTH SCRAM-SHA-256 " + encoded(flag + b",,n=joe,r=x"))
    assert said.startswith(reply)
    session = Session(Handler(), auth=["SCRAM-SHA-256"])
    said = session.say(b"AUTH SCRAM-SHA-256 " + encoded(flag + b",,n=joe,r=x"))
    assert said.startswith("334 ")


def test_external_is_offered_only_to_who_has_a_certificate() -> None:
    """RFC 4422 A.1; a mechanism of one's own under that name knows another way."""
    assert Session(Handler(), auth=["EXTERNAL", "PLAIN"]).offered == ("EXTERNAL", "PLAIN")
    for tls in (TLSInfo("TLSv1.3"), TLSInfo("TLSv1.3", "x", b"self-made", False)):
        assert Session(Handler(), auth=["EXTERNAL", "PLAIN"], tls=tls).offered == ("PLAIN",)
    clear = Session(Handler(), auth=[ExternalServer], tls=None, tls_mode="starttls")
    assert clear.offered == ("EXTERNAL",)


def test_a_hash_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """FIPS mode: what needs MD5 is not offered, and nothing breaks."""
    module = sys.modules["smtpproto.sasl.choose"]
    monkeypatch.setattr(module, "hash_available", lambda digest: digest != "md5")
    assert Session(Handler(), auth=["CRAM-MD5", "PLAIN"]).offered == ("PLAIN",)
    assert Session(Handler(), auth=["CRAM-MD5"]).offered == ()


def test_an_extension_that_was_given_does_not_count() -> None:
    session = Session(Handler(joe), extensions=[Size(), Auth("PLAIN", "LOGIN")], auth="LOGIN")
    assert session.offered == ("LOGIN",)


@pytest.mark.parametrize(
    ("handler", "options", "message"),
    [
        (Collect(), {"auth": "PLAIN"}, "on_auth expected"),
        (Collect, {"auth": "PLAIN", "factory": True}, "on_auth expected"),
        (Collect(), {"require_auth": True}, "require_auth: "),
        (Handler(), {"require_auth": True, "auth": ()}, "require_auth: "),
        (Handler(), {"auth": ["PLIAN"]}, "not 'PLIAN'"),
        (Handler(), {"tls": None}, r"without it PLAIN LOGIN would not be offered; .*auth=\(\)"),
        (Handler(), {"tls": None, "auth": ["EXTERNAL"]}, "tls expected"),
    ],
)
def test_settings_that_do_not_fit(handler: Any, options: Any, message: str) -> None:
    told = {"tls_mode": "starttls", **options}
    with pytest.raises(LocalProtocolError, match=message):
        Session(handler, **told)


def test_mail_only_for_who_has_authenticated() -> None:
    """RFC 4954 6."""
    session = Session(Handler(joe), require_auth=True)
    assert session.say(MAIL)[:9] == "530 5.7.0"
    assert session.say(plain("joe", "wrong")).startswith("535 ")
    assert session.say(MAIL)[:9] == "530 5.7.0"
    session.say(plain("joe", "secret"))
    assert session.say(MAIL).startswith("250 ")


# --- mechanisms of one's own -------------------------------------------------------------------


class Counting(ServerExchange):
    """Asks for one line after the other."""

    name = "X-COUNT"
    reveals_secret = False
    last: Any = Success("joe", "joe")

    def __init__(self, rounds: int = 2) -> None:
        super().__init__()
        self.rounds = rounds

    def _exchange(self, response: bytes | None) -> Generator[Any, Any, Any]:
        for number in range(self.rounds):
            response = yield Challenge(b"%d?" % number, is_raw=number % 2 == 1)
            if response != b"%d" % number:
                return Failure(550, "5.7.1", f"{number} expected")
        return self.last


def test_a_mechanism_of_ones_own() -> None:
    session = Session(Handler(), auth=[Counting, "PLAIN"], tls=None, tls_mode="starttls")
    assert session.offered == ("X-COUNT",)
    assert session.say(b"AUTH X-COUNT\r\n") == "334 MD8=\r\n"
    assert session.say(encoded(b"0")) == "334 1?\r\n"  # as it is
    assert session.say(encoded(b"2")) == "550 5.7.1 1 expected\r\n"
    session.say(b"AUTH x-count\r\n" + encoded(b"0"))
    assert session.say(encoded(b"1")).startswith("235 ")
    assert session.peer.identity == "joe"


def test_one_that_does_not_say_so_is_not_offered_in_the_clear() -> None:
    class Silent(Counting):
        reveals_secret = True

    session = Session(Handler(), auth=[Silent, "SCRAM-SHA-1"], tls=None, tls_mode="starttls")
    assert session.offered == ("SCRAM-SHA-1",)
    assert Session(Handler(), auth=[Silent]).offered == ("X-COUNT",)


def test_rounds_are_bounded() -> None:
    session = Session(Handler(), auth=[lambda: Counting(1000)])
    said = session.say(b"AUTH X-COUNT\r\n")
    for number in range(1000):
        if not said.startswith("334 "):
            break
        said = session.say(encoded(b"%d" % number))
    assert number == 16
    assert said.startswith("535 ")


@pytest.mark.parametrize(
    "outcome",
    [
        RuntimeError("secret"),
        TimeoutError("secret"),
        "secret",
        None,
        Success("joe", "joe", "no octets"),  # type: ignore[arg-type]
        Failure(235, "2.7.0", "secret"),
        Failure(535, "5.7.8", "in\r\njection"),
        Challenge("secret"),  # type: ignore[arg-type]
        Challenge(b"in\r\njection", is_raw=True),
    ],
)
def test_a_mechanism_that_misbehaves(outcome: Any) -> None:
    class Misbehaving:
        name = "X-BAD"
        reveals_secret = False

        def step(self, response: bytes | None) -> Step:
            if isinstance(outcome, Exception):
                raise outcome
            result: Step = outcome
            return result

        def answer(self, answer: Any) -> Step:
            raise AssertionError

    session = Session(Handler(), auth=[Misbehaving])
    assert session.say(b"AUTH X-BAD\r\n") == "454 4.7.0 temporary authentication failure\r\n"
    assert session.peer.identity is None
    [failure] = session.failures
    assert "secret" not in f"{failure!r} {failure.__cause__!r} {failure.__context__!r}"
    assert session.say(b"NOOP\r\n").startswith("250")


def test_one_that_raises_what_the_others_do() -> None:
    class Strict(Counting):
        def step(self, response: bytes | None) -> Step:
            raise SASLError("no message of mine")

    session = Session(Handler(), auth=[Strict])
    assert session.say(b"AUTH X-COUNT\r\n").startswith("501 5.5.2 ")
    assert not session.failures


def test_one_that_names_nobody_lets_nobody_in() -> None:
    class Nobody(Counting):
        last = Success("joe", "")

    session = Session(Handler(), auth=[lambda: Nobody(0)])
    assert session.say(b"AUTH X-COUNT\r\n").startswith("535 ")
    assert session.peer.identity is None


def test_a_question_of_ones_own() -> None:
    class Ticket(Request):
        answers = (str,)

    class Asking(ServerExchange):
        name = "X-TICKET"

        def _exchange(self, response: bytes | None) -> Generator[Any, Any, Any]:
            identity = yield Ticket()
            return Success(identity, identity) if identity else Failure(535, "5.7.8", "no")

    assert Session(Handler("joe"), auth=[Asking]).say(b"AUTH X-TICKET\r\n").startswith("235 ")
    session = Session(Handler(None), auth=[Asking])
    assert session.say(b"AUTH X-TICKET\r\n").startswith("454 ")  # it has no refusal


def test_one_made_with_its_own_settings() -> None:
    handler = Handler(joe)
    session = Session(handler, auth=[lambda: PlainServer(saslprep=True)])
    assert session.say(plain("j\u00ado\u00ade", "secret")).startswith("235 ")


def test_a_long_challenge() -> None:
    """RFC 4954 4: one line of up to 12288 octets, never several."""

    class Long(Counting):
        def _exchange(self, response: bytes | None) -> Generator[Any, Any, Any]:
            yield Challenge(b"x" * 3000)
            return self.last

    said = Session(Handler(), auth=[Long]).say(b"AUTH X-COUNT\r\n")
    assert said.count("\r\n") == 1
    assert decoded(said) == b"x" * 3000


@pytest.mark.parametrize(
    ("tls", "reply"),
    [(TLSInfo("TLSv1.3"), "504 5.5.4 one of "), (None, "504 5.5.4 TLS expected before AUTH ")],
)
def test_what_is_not_offered_here(tls: TLSInfo | None, reply: str) -> None:
    """RFC 4954 4: TLS is asked for only where it would help."""
    names = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "EXTERNAL"]
    session = Session(Handler(), auth=names, tls=tls, tls_mode="implicit" if tls else "starttls")
    for name in (b"SCRAM-SHA-256-PLUS", b"EXTERNAL"):
        assert session.say(b"AUTH " + name + b"\r\n").startswith(reply)
