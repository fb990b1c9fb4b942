# SPDX-License-Identifier: MIT
"""What servers are known to say, numbered as in `test_quirks`: a client gets through, or says why.

To get through is to give the right outcome for each recipient, to wait for nothing that does not
come, and to take no reply for that of another command.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import client_drive as drive
import pytest
from client_drive import MAIL, RCPT, answered, events, feed
from dialogue_drive import NOTHING, Input, Run
from dialogue_drive import drive as drive_dialogue

from smtpproto import (
    Auth,
    AuthResponse,
    ClientConnection,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Help,
    LocalProtocolError,
    Mail,
    Quit,
    Rcpt,
    RemoteProtocolError,
    ReplyReceived,
    Rset,
    Signal,
    State,
    Violation,
)
from smtpproto.dialogues import (
    AllRefused,
    ConnectionLost,
    ReplyError,
    SecurityError,
    TimedOut,
    is_reusable,
    open_session,
    prepare,
    quit_session,
    send_message,
)
from smtpproto.sasl import LoginClient, XOAuth2Client

HELLO = b"250-mx.example.org\r\n250 PIPELINING\r\n"
BODY = b"Subject: x\r\n\r\ntext\r\n"


def opening(connection: ClientConnection, *inputs: Input, **settings: Any) -> Run:
    settings = {"local_name": "client.example", "literal": "[192.0.2.9]", **settings}
    return drive_dialogue(open_session(connection, **settings), inputs)


def opened(*hello: bytes) -> ClientConnection:
    connection = ClientConnection()
    run = opening(connection, b"220 mx.example.org\r\n", *(hello or (HELLO,)))
    assert run.error is None
    return connection


def sending(connection: ClientConnection, *inputs: Input, to: Iterable[str] = ("b@c.org",)) -> Run:
    """Send a message; the server is silent until it is asked."""
    message = prepare(BODY, "a@example.com", list(to))
    return drive_dialogue(send_message(connection, message), [NOTHING, *inputs])


def broken(client: ClientConnection, octets: bytes) -> Violation:
    """Give the client what is no reply, and return what it calls that; the session is over."""
    client.receive_data(octets)
    with pytest.raises(RemoteProtocolError) as caught:
        events(client)
    assert client.state is State.ERROR
    with pytest.raises(RemoteProtocolError):
        client.next_event()
    return caught.value.violation


def test_quirk_01_code_without_text() -> None:
    connection = ClientConnection()
    assert opening(connection, b"220\r\n", b"250\r\n").error is None
    run = sending(connection, b"250\r\n", b"250\r\n", b"354\r\n", b"250\r\n")
    assert run.result.is_complete
    assert drive_dialogue(quit_session(connection), [b"221\r\n"]).error is None
    assert connection.state is State.CLOSED


@pytest.mark.parametrize("empty", [b"250-\r\n", b"250- \r\n", b"250-\t\r\n"])
def test_quirk_02_empty_lines_in_a_reply(empty: bytes) -> None:
    client = drive.greeted()
    client.send(Ehlo("client.example.com"))
    answered(client, b"250-mx.example.org\r\n" + empty + b"250-SIZE 5\r\n" + empty + b"250 DSN\r\n")
    assert list(client.announced) == ["SIZE", "DSN"]
    client.send(MAIL)
    assert answered(client, empty + b"250 ok\r\n").reply.lines[-1] == "ok"
    client.send(RCPT)
    answered(client, empty * 3 + b"250\r\n")
    assert client.state is State.RCPT


def test_quirk_03_long_pauses_in_the_greeting() -> None:
    """Nothing may be sent between its lines, and the whole of it has one time limit."""
    pieces = (b"220-mx.example.org", b" ESMTP\r\n", b"220-we look who you are\r\n22", b"0 go\r\n")
    run = opening(ClientConnection(), *pieces, HELLO)
    assert run.error is None
    reads = [(step.out, step.goes_on) for step in run.steps]
    assert reads[:4] == [(b"", False), (b"", True), (b"", True), (b"", True)]
    assert reads[4] == (b"EHLO client.example\r\n", False)
    client = ClientConnection()
    for piece in pieces[:3]:
        assert feed(client, piece) == []
        with pytest.raises(LocalProtocolError):
            client.send(Ehlo("client.example.com"))
    assert answered(client, pieces[3]).reply.lines[-1] == "go"
    run = opening(ClientConnection(), b"220-mx.example.org\r\n", TimeoutError())
    assert isinstance(run.error, TimedOut)


@pytest.mark.parametrize("length", [513, 1000, 8192])
def test_quirk_04_lines_over_512_octets(length: int) -> None:
    client = drive.in_mail()
    client.send(RCPT)
    line = b"250 " + b"x" * (length - 6) + b"\r\n"
    assert len(answered(client, line).reply.text) == length - 6
    client.send(RCPT)
    assert broken(client, b"250 " + b"x" * 8187 + b"\r\n") is Violation.REPLY_TOO_LONG


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        (b"gr\xc3\xbc\xc3\x9fe", "grüße"),
        (b"gr\xfc\xdfe", "gr\udcfc\udcdfe"),
        (b"\xff\xfe", "\udcff\udcfe"),
        (b"\x1b[31m", "\x1b[31m"),
    ],
)
def test_quirk_05_eight_bit_text(text: bytes, decoded: str) -> None:
    client = drive.in_mail()
    client.send(RCPT)
    reply = answered(client, b"550 5.1.1 " + text + b"\r\n").reply
    assert (reply.text, reply.enhanced) == (decoded, "5.1.1")
    assert reply.text.encode("utf-8", "surrogateescape") == text


@pytest.mark.parametrize("octets", [b"250-a\r\n550 b\r\n", b"550-a\r\n250 b\r\n"])
def test_quirk_06_differing_codes_in_one_reply(octets: bytes) -> None:
    """Neither of the two is believed: the recipient counts as not accepted."""
    client = drive.in_mail()
    client.send(RCPT)
    assert broken(client, octets) is Violation.REPLY_SYNTAX
    assert client.outstanding == (RCPT,)
    run = sending(opened(), b"250 ok\r\n250 ok\r\n354 go\r\n", octets)
    assert isinstance(run.error, RemoteProtocolError)


def test_quirk_07_bare_lf_replies() -> None:
    """No line ends there, so the reply is awaited, as long as any is; a CR cannot mend it."""
    client = drive.ready()
    client.send(Rset())
    assert feed(client, b"250 ok\n") == []
    assert client.next_event() is Signal.NEED_DATA
    assert broken(client, b"250 ok\r\n") is Violation.REPLY_SYNTAX
    run = opening(ClientConnection(), b"220 mx.example.org\n", TimeoutError())
    assert isinstance(run.error, TimedOut)
    run = opening(ClientConnection(), b"220 mx.example.org\n")
    assert isinstance(run.error, ConnectionLost)
    assert run.out == b""


def test_quirk_08_ehlo_answered_by_one_line() -> None:
    connection = opened(b"250 ok\r\n")
    assert connection.keywords == connection.announced == {}
    run = sending(connection, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 ok\r\n")
    assert run.writes[0] == b"MAIL FROM:<a@example.com>\r\n"
    assert run.result.is_complete


def test_quirk_09_auth_with_an_equals_sign() -> None:
    client = drive.ready("AUTH=LOGIN")
    assert client.announced["AUTH"] == ("LOGIN",)
    client = drive.ready("AUTH=LOGIN PLAIN", "AUTH LOGIN CRAM-MD5")
    assert client.announced["AUTH"] == ("LOGIN", "PLAIN", "CRAM-MD5")
    assert client.send(Auth("LOGIN")) == b"AUTH LOGIN\r\n"


@pytest.mark.parametrize(
    "line", ["size 1000", "Size 1000 ", "SIZE\t1000", "SIZE  1000\t ", " SIZE 1000"]
)
def test_quirk_10_keywords_in_any_case_with_white_space(line: str) -> None:
    client = drive.ready(line, "pipelining ", "8BitMime\t")
    assert client.announced["SIZE"] == 1000
    assert client.may_group
    line = "MAIL FROM:<from@example.com> SIZE=7 BODY=8BITMIME\r\n"
    assert client.send(Mail(MAIL.reverse_path, {"SIZE": 7, "BODY": "8BITMIME"})) == line.encode()


@pytest.mark.parametrize(
    ("text", "maximum"),
    [
        ("SIZE plenty", None),
        ("SIZE -1", None),
        ("SIZE 10M", None),
        ("SIZE 1_000", None),
        ("SIZE \u0665", None),
        ("SIZE " + "9" * 21, None),
        ("SIZE " + "9" * 5000, None),
        ("SIZE " + "9" * 20, 10**20 - 1),
        ("SIZE 1000 octets", 1000),
    ],
)
def test_quirk_11_size_that_is_no_number_or_huge(text: str, maximum: int | None) -> None:
    client = drive.ready(text)
    assert client.announced["SIZE"] == maximum
    assert client.send(Mail("a@b.example", {"SIZE": 999})).endswith(b" SIZE=999\r\n")


def test_quirk_12_verbs_as_keywords() -> None:
    client = drive.ready("HELP", "VRFY", "EXPN", "QUIT", "X-SOMETHING a b", "!nonsense", "-")
    assert list(client.keywords) == ["HELP", "VRFY", "EXPN", "QUIT", "X-SOMETHING"]
    assert client.keywords["X-SOMETHING"] == ("a b",)
    assert client.send(Help()) == b"HELP\r\n"


def test_quirk_13_keywords_in_the_reply_to_quit() -> None:
    client = drive.ready("PIPELINING")
    client.send(Quit())
    quit_reply, end = feed(client, b"221-mx.example.org\r\n221-SIZE 1000\r\n221 8BITMIME\r\n")
    assert isinstance(quit_reply, ReplyReceived)
    assert len(quit_reply.reply.lines) == 3
    assert end == ConnectionClosed(clean=True)
    assert list(client.keywords) == ["PIPELINING"]


MASKED = b"220 ******************0***2**\r\n"


@pytest.mark.parametrize("refusal", [b"500 XXXXXXXX\r\n", b"502 no\r\n"])
def test_quirk_14_a_firewall_that_masks(refusal: bytes) -> None:
    """It hides keywords and verbs. Where TLS is required, nothing goes out in the clear."""
    run = opening(ClientConnection(), MASKED, b"500 XXXX\r\n", b"250 mx.example.org\r\n")
    assert run.writes == [b"EHLO client.example\r\n", b"HELO client.example\r\n"]
    assert run.error is None
    hidden = b"250-mx.example.org\r\n250-XXXXXXXA\r\n250 XXXB\r\n"
    run = opening(ClientConnection(), MASKED, hidden, starttls="required")
    assert isinstance(run.error, SecurityError)
    offered = b"250-mx.example.org\r\n250 STARTTLS\r\n"
    run = opening(ClientConnection(), MASKED, offered, refusal, starttls="required")
    assert isinstance(run.error, SecurityError)
    assert run.error.reply is not None
    connection = ClientConnection()
    run = opening(connection, MASKED, offered, refusal, starttls="offered")
    assert run.error is None
    assert (connection.state, connection.tls) == (State.READY, None)


@pytest.mark.parametrize("code", [251, 252])
def test_quirk_15_251_and_252_to_rcpt(code: int) -> None:
    reply = b"%d will forward to <x@example.net>\r\n" % code
    run = sending(opened(), b"250 ok\r\n" + reply + b"354 go\r\n", b"250 ok\r\n")
    assert run.result.is_complete
    client = drive.in_mail()
    client.send(RCPT)
    answered(client, reply)
    assert client.transaction is not None
    assert client.transaction.recipients == [RCPT]


@pytest.mark.parametrize("code", [200, 220, 251, 299])
def test_quirk_16_other_codes_of_success(code: int) -> None:
    ok = b"%d ok\r\n" % code
    run = sending(opened(), ok + ok + b"354 go\r\n", ok)
    assert run.result.is_complete
    assert run.result.reply.code == code
    client = drive.in_rcpt()
    client.send_chunk(b"a", last=True)
    answered(client, ok)
    assert client.state is State.READY


def test_quirk_17_421_in_reply_to_quit() -> None:
    client = drive.ready()
    client.send(Quit())
    reply, end = feed(client, b"421 4.4.2 idle for too long\r\n")
    assert isinstance(reply, ReplyReceived)
    assert reply.command == Quit()
    assert end == ConnectionClosed(clean=False)
    connection = opened()
    run = drive_dialogue(quit_session(connection), [b"421 bye\r\n"])
    assert run.error is None
    assert connection.state is State.CLOSED


@pytest.mark.parametrize("end", [(), (b"250 2.0.0 o",), (b"250-2.0.0 ok\r\n",)])
def test_quirk_18_the_connection_ends_behind_the_dot(end: tuple[bytes, ...]) -> None:
    """RFC 5321 4.1.1.10: not delivered as far as the client knows, to be tried again."""
    run = sending(opened(), b"250 ok\r\n250 ok\r\n354 go\r\n", *end)
    assert isinstance(run.error, ConnectionLost)
    assert run.error.is_transient
    client = drive.in_data()
    client.end_mail_data()
    for piece in end:
        client.receive_data(piece)
    client.receive_eof()
    assert events(client) == [ConnectionClosed(clean=False, unanswered=(EndOfMailData(),))]


def test_quirk_19_550_for_a_greeting() -> None:
    connection = ClientConnection()
    run = opening(connection, b"550-go away\r\n550 192.0.2.9 is on a list\r\n")
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.is_transient) == ("greeting", False)
    assert connection.state is State.REFUSED
    with pytest.raises(LocalProtocolError):
        connection.send(Ehlo("client.example.com"))
    run = drive_dialogue(quit_session(connection), [])
    assert run.writes == [b"QUIT\r\n"]
    assert run.error is None


@pytest.mark.parametrize("go_on", [b"354\r\n", b"354 \r\n", b"354-\r\n354\r\n"])
def test_quirk_20_354_without_text(go_on: bytes) -> None:
    run = sending(opened(), b"250 ok\r\n250 ok\r\n" + go_on, b"250 ok\r\n")
    assert run.result.is_complete


@pytest.mark.parametrize("extra", [b"250 2.0.0 ok\r\n", b"250", b"550 no\r\n", b"\r\n"])
def test_quirk_21_a_second_final_reply(extra: bytes) -> None:
    """The first one stands; the second never answers what is sent next."""
    connection = opened()
    run = sending(connection, b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 ok\r\n")
    assert run.result.is_complete
    message = prepare(BODY, "a@example.com", "b@c.org")
    run = drive_dialogue(send_message(connection, message), [extra])
    # One that ends a session says why it does.
    ends = extra.startswith(b"5")
    assert isinstance(run.error, ConnectionLost if ends else RemoteProtocolError)
    assert run.error.is_transient
    assert (run.out, run.result) == (b"", None)
    client = drive.ready()
    client.receive_data(extra)
    with pytest.raises(RemoteProtocolError) as caught:
        client.send(MAIL)
    assert caught.value.violation is Violation.REPLY_UNEXPECTED


def test_quirk_22_a_second_ehlo_is_refused() -> None:
    """What was announced before stays in force."""
    client = drive.ready("SIZE 1000", "AUTH PLAIN")
    client.send(Auth("PLAIN", b"\0a\0b"))
    answered(client, b"235 ok\r\n")
    client.send(Ehlo("client.example.com"))
    assert answered(client, b"503 5.5.1 duplicate EHLO\r\n").reply.code == 503
    assert (client.state, client.is_authenticated) == (State.READY, True)
    assert list(client.announced) == ["SIZE", "AUTH"]
    assert client.send(MAIL) == b"MAIL FROM:<from@example.com>\r\n"


def test_quirk_22_pipelining_is_announced_and_not_supported() -> None:
    """Each command gets one outcome, and none of them is a success: a refusal stands."""
    run = sending(opened(), b"250 ok\r\n500 5.5.1 Pipelining not supported\r\n")
    assert isinstance(run.error, AllRefused)
    run = sending(opened(), b"250 ok\r\n450 4.5.1 Pipelining not supported\r\n")
    assert isinstance(run.error, ConnectionLost)
    run = sending(opened(b"250 mx.example.org\r\n"), b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")
    assert [write.count(b"\r\n") for write in run.writes[:3]] == [1, 1, 1]


def test_quirk_23_552_for_too_many_recipients() -> None:
    """RFC 5321 4.5.3.1.10: those before get the message, and the rest may be tried again."""
    replies = b"250 ok\r\n250 ok\r\n552 5.5.3 too many recipients\r\n354 go\r\n"
    run = sending(opened(), replies, b"250 ok\r\n", to=("b@c.org", "d@c.org"))
    assert run.result.accepted == ("b@c.org",)
    assert run.result.transient == ("d@c.org",)
    client = drive.in_rcpt()
    client.send(Rcpt("d@c.org"))
    answered(client, b"552 too many recipients\r\n")
    assert client.state is State.RCPT
    assert client.send(Data()) == b"DATA\r\n"


@pytest.mark.parametrize("refusal", [b"500 what?\r\n", b"503 no\r\n", b"451 later\r\n"])
def test_quirk_24_rset_is_refused(refusal: bytes) -> None:
    """The transaction is still there: no message is sent as if it were a new one."""
    client = drive.in_rcpt()
    client.send(Rset())
    answered(client, refusal)
    assert client.state is State.RCPT
    with pytest.raises(LocalProtocolError):
        client.send(MAIL)
    connection = opened()
    run = sending(connection, b"250 ok\r\n550 no\r\n503 no\r\n")
    assert connection.state is State.MAIL
    run = sending(connection, refusal + b"503 nested MAIL\r\n503 no\r\n503 no\r\n")
    assert run.out.startswith(b"RSET\r\nMAIL FROM:")
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "RSET"


def test_quirk_25_an_enhanced_code_on_one_line_only() -> None:
    client = drive.in_mail()
    client.send(RCPT)
    reply = answered(client, b"550-5.1.1 no such user\r\n550 ask postmaster\r\n").reply
    assert (reply.status, reply.enhanced) == ("5.1.1", None)
    assert reply.lines == ("5.1.1 no such user", "ask postmaster")
    client.send(RCPT)
    assert answered(client, b"550-see below\r\n550 5.7.1 denied\r\n").reply.status == "5.7.1"


def test_quirk_26_enhanced_codes_that_were_not_announced() -> None:
    client = drive.ready("PIPELINING")
    client.send(MAIL)
    reply = answered(client, b"451 4.7.1 greylisted\r\n").reply
    assert (reply.enhanced, reply.text) == ("4.7.1", "greylisted")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"530 5.7.57 client not authenticated", "5.7.57"),
        (b"535 5.7.139 authentication unsuccessful", "5.7.139"),
        (b"550 5.7.708 service unavailable", "5.7.708"),
        (b"451 4.7.500 server busy", "4.7.500"),
        (b"550 4.7.1 class of another code", None),
        (b"550 5.7.1000 not three digits", None),
        (b"550 5.7.1.2 four numbers", None),
    ],
)
def test_quirk_27_enhanced_codes_of_three_digits(line: bytes, status: str | None) -> None:
    client = drive.ready()
    client.send(MAIL)
    reply = answered(client, line + b"\r\n").reply
    assert reply.status == status
    assert reply.text in line.decode()


@pytest.mark.parametrize(
    ("line", "challenge", "text"),
    [
        (b"334 NTLM supported", None, "NTLM supported"),
        (b"334", b"", ""),
        (b"334 ", b"", ""),
        (b"334 =", None, "="),
        (b"334 PGE+", b"<a>", "PGE+"),
    ],
)
def test_quirk_28_334_that_is_no_base64(line: bytes, challenge: bytes | None, text: str) -> None:
    """The text is there for a mechanism that knows it; any other gives up."""
    client = drive.ready()
    client.send(Auth("CRAM-MD5"))
    event = answered(client, line + b"\r\n")
    assert (event.challenge, event.reply.text) == (challenge, text)
    assert client.send(AuthResponse(None)) == b"*\r\n"
    answered(client, b"501 5.7.0 cancelled\r\n")
    assert (client.state, client.is_authenticated) == (State.READY, False)


@pytest.mark.parametrize(
    "prompts",
    [
        (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"),
        (b"334 VXNlciBOYW1lAA==\r\n", b"334 UGFzc3dvcmQA\r\n"),
        (b"334 QmVudXR6ZXI=\r\n", b"334 S2VubndvcnQ=\r\n"),
        (b"334 UGFzc3dvcmQ6\r\n", b"334 VXNlcm5hbWU6\r\n"),
        (b"334\r\n", b"334 \r\n"),
    ],
)
def test_quirk_29_login_prompts_in_any_words(prompts: tuple[bytes, bytes]) -> None:
    client = drive.ready("AUTH LOGIN")
    login = LoginClient("tim", "tanstaaf")
    out = client.send(Auth("LOGIN", login.initial_response()))
    for prompt in prompts:
        challenge = answered(client, prompt).challenge
        assert challenge is not None
        out += client.send(AuthResponse(login.step(challenge)))
    assert out == b"AUTH LOGIN\r\ndGlt\r\ndGFuc3RhYWY=\r\n"
    answered(client, b"235 ok\r\n")
    assert client.is_authenticated


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (b"eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=", "401"),
        (b"bm90IEpTT04=", ""),
        (b"", ""),
    ],
)
def test_quirk_30_xoauth2_failure_in_a_334(failure: bytes, status: str) -> None:
    """It is answered by an empty line, and the refusal comes then."""
    client = drive.ready("AUTH XOAUTH2")
    mechanism = XOAuth2Client("user@example.com", "token")
    client.send(Auth("XOAUTH2", mechanism.initial_response()))
    challenge = answered(client, b"334 " + failure + b"\r\n").challenge
    assert challenge is not None
    assert client.send(AuthResponse(mechanism.step(challenge))) == b"\r\n"
    assert mechanism.error is not None
    assert mechanism.error.status == status
    assert answered(client, b"535 5.7.8 no\r\n").reply.code == 535
    assert (client.state, client.is_authenticated) == (State.READY, False)


def test_quirk_44_a_server_that_expects_tls_at_once() -> None:
    """It says nothing, or a TLS alert: both are told, and nothing of the session goes out."""
    run = opening(ClientConnection(), TimeoutError())
    assert isinstance(run.error, TimedOut)
    assert "greeting" in str(run.error)
    alert = b"\x15\x03\x01\x00\x02\x02\x0a"
    run = opening(ClientConnection(), alert)
    assert isinstance(run.error, ConnectionLost)
    run = opening(ClientConnection(), alert + b"\r\n")
    assert isinstance(run.error, RemoteProtocolError)
    assert run.out == b""


def test_after_a_quirk_the_next_message_goes_out() -> None:
    """The oddities that are no errors leave the session as good as new."""
    connection = opened(b"250-\r\n250-pipelining \r\n250-AUTH=LOGIN\r\n250 size lots\r\n")
    for ok in (b"250\r\n", b"299 \r\n", b"251 gr\xfc\r\n", b"250-\r\n250-a\r\n250\r\n"):
        run = sending(connection, ok + ok + b"354\r\n", ok)
        assert run.result.is_complete
        assert is_reusable(connection)
