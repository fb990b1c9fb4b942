# SPDX-License-Identifier: MIT
"""The client's dialogues: what goes out in which groups, and what the replies come to."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from email.message import EmailMessage
from typing import Any

import pytest
from dialogue_drive import NOTHING, Input, Run, drive

from smtpproto import (
    Auth,
    ClientConnection,
    Data,
    InvalidValueError,
    LocalProtocolError,
    Mail,
    Noop,
    Rcpt,
    RemoteProtocolError,
    Reply,
    StartTLS,
    State,
    TLSInfo,
    Violation,
    Vrfy,
)
from smtpproto.dialogues import (
    AllRefused,
    Close,
    ConnectionLost,
    Handle,
    Handshake,
    Read,
    ReplyError,
    SecurityError,
    SendResult,
    SMTPError,
    TimedOut,
    call_failure,
    ends_session,
    execute,
    is_reusable,
    may_quit,
    open_session,
    prepare,
    quit_session,
    send_message,
)

GREETING = b"220 mx.example.org ESMTP\r\n"
PLAIN = b"250 mx.example.org\r\n"
ALL = (
    b"250-mx.example.org\r\n250-SIZE 20000000\r\n250-8BITMIME\r\n250-PIPELINING\r\n"
    b"250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n250 STARTTLS\r\n"
)
PIPELINING = b"250-mx.example.org\r\n250 PIPELINING\r\n"
OK = b"250 2.0.0 ok\r\n"
GO_ON = b"354 go on\r\n"
NO = b"550 5.1.1 no\r\n"
LATER = b"450 4.2.0 later\r\n"
BODY = b"Subject: x\r\n\r\ntext\r\n"


def opening(*inputs: Input, **settings: Any) -> Run:
    connection = settings.pop("connection", None) or ClientConnection()
    settings = {"local_name": "client.example", "literal": "[192.0.2.9]", **settings}
    return drive(open_session(connection, **settings), inputs)


def opened(hello: bytes = ALL, **settings: Any) -> ClientConnection:
    connection = ClientConnection(**settings)
    run = opening(GREETING, hello, connection=connection, starttls="never")
    assert run.error is None
    return connection


def sending(
    connection: ClientConnection,
    inputs: Iterable[Input],
    message: Any = BODY,
    recipients: Any = "b@example.org",
    parameters: Any = None,
    **settings: Any,
) -> Run:
    outgoing = prepare(message, "a@example.com", recipients, parameters)
    return drive(send_message(connection, outgoing, **settings), [NOTHING, *inputs])


# --- opening -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "thrown", "ends"),
    [
        (ReplyError(Reply(550, "no"), "MAIL"), [], False),
        (ConnectionLost(), [], True),
        (RemoteProtocolError("what", Violation.REPLY_SYNTAX), [], False),
        (ValueError(), [], True),
        (ValueError(), [ValueError()], True),
        (KeyboardInterrupt(), [], True),
    ],
)
def test_what_comes_from_elsewhere_ends_a_session(
    error: BaseException, thrown: list[BaseException], ends: bool
) -> None:
    assert ends_session(error, thrown) is ends


def test_what_a_source_raises_does_not_end_it() -> None:
    for error in ValueError(), TimeoutError():
        assert not ends_session(error, [call_failure(error), OSError()])


def test_greeting_and_ehlo() -> None:
    connection = ClientConnection()
    run = opening(
        b"220-mx.example", b".org\r\n220 ESMTP\r\n", ALL, connection=connection, starttls="never"
    )
    assert run.writes == [b"EHLO client.example\r\n"]
    assert [step.goes_on for step in run.steps] == [False, True, False]
    assert connection.state is State.READY
    assert is_reusable(connection)


def test_lhlo() -> None:
    run = opening(GREETING, PLAIN, connection=ClientConnection(lmtp=True))
    assert run.writes == [b"LHLO client.example\r\n"]


@pytest.mark.parametrize("code", [500, 502, 504, 550])
def test_helo_where_ehlo_is_not_known(code: int) -> None:
    """RFC 5321 3.2."""
    run = opening(GREETING, b"%d no\r\n" % code, PLAIN)
    assert run.writes == [b"EHLO client.example\r\n", b"HELO client.example\r\n"]
    assert run.error is None


@pytest.mark.parametrize("reply", [b"421 no\r\n", b"450 no\r\n", b"553 no\r\n", b"530 no\r\n"])
def test_no_helo_after_another_refusal(reply: bytes) -> None:
    run = opening(GREETING, reply)
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.reply.code) == ("EHLO", int(reply[:3]))
    assert run.error.is_transient == reply.startswith(b"4")


def test_no_helo_in_lmtp() -> None:
    run = opening(GREETING, b"500 no\r\n", connection=ClientConnection(lmtp=True))
    assert isinstance(run.error, ReplyError)


def test_an_address_literal_where_the_name_is_refused() -> None:
    run = opening(GREETING, b"501 bad name\r\n", PLAIN)
    assert run.writes == [b"EHLO client.example\r\n", b"EHLO [192.0.2.9]\r\n"]
    run = opening(GREETING, b"501 bad name\r\n", b"501 bad name\r\n")
    assert isinstance(run.error, ReplyError)
    run = opening(GREETING, b"501 x\r\n", PLAIN, connection=ClientConnection(lmtp=True))
    assert run.writes[-1] == b"LHLO [192.0.2.9]\r\n"


@pytest.mark.parametrize("greeting", [b"554 no\r\n", b"421 busy\r\n", b"450 x\r\n"])
def test_a_greeting_that_refuses(greeting: bytes) -> None:
    run = opening(greeting)
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "greeting"
    assert str(run.error).startswith("greeting: ")


@pytest.mark.parametrize("inputs", [[], [GREETING], [GREETING, b"250-mx.exa"]])
def test_the_server_hangs_up(inputs: list[bytes]) -> None:
    run = opening(*inputs)
    assert isinstance(run.error, ConnectionLost)
    assert run.error.is_transient


def test_the_server_does_not_answer() -> None:
    run = opening(GREETING, TimeoutError(), timeout=3.0)
    assert isinstance(run.error, TimedOut)
    assert isinstance(run.error, TimeoutError)
    assert "EHLO" in str(run.error)
    assert [step.timeout for step in run.steps] == [3.0, 3.0]


def test_the_times_are_those_of_the_rfc_by_default() -> None:
    """RFC 5321 4.5.3.2."""
    run = sending(opened(), [OK + OK + GO_ON, OK])
    reads = [step.timeout for step in run.steps if isinstance(step, Read)]
    assert reads == [0.0, 300.0, 600.0]


def test_the_last_words_of_a_lost_connection_count() -> None:
    run = opening(GREETING, ConnectionLost("reset", b"421 4.3.2 shutting down\r\n"))
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421
    run = opening(GREETING, ConnectionLost("reset", b"421 4.3"))
    assert isinstance(run.error, ConnectionLost)
    assert str(run.error) == "reset"


def test_nothing_is_written_once_the_connection_is_lost() -> None:
    """Though its last words let us go on."""
    lost = ConnectionLost("reset", GREETING)
    run = opening(lost)
    assert run.error is lost
    assert run.out == b""
    lost = ConnectionLost("reset", OK + OK + GO_ON)
    connection = opened()
    run = sending(connection, [lost])
    assert run.error is lost
    assert len(run.writes) == 1
    assert connection.state is State.CLOSED


# --- STARTTLS ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["required", "offered"])
def test_starttls(policy: Any) -> None:
    connection = ClientConnection()
    info = TLSInfo("TLSv1.3")
    run = opening(GREETING, ALL, b"220 go\r\n", info, PLAIN, connection=connection, starttls=policy)
    assert run.writes == [b"EHLO client.example\r\n", b"STARTTLS\r\n", b"EHLO client.example\r\n"]
    assert connection.tls == info
    assert "SIZE" not in connection.announced


def test_no_starttls_under_tls() -> None:
    run = opening(GREETING, ALL, connection=ClientConnection(tls=TLSInfo()), starttls="required")
    assert run.writes == [b"EHLO client.example\r\n"]


@pytest.mark.parametrize(
    ("inputs", "transient"),
    [
        ([PLAIN], False),
        ([b"500 what\r\n", PLAIN], False),
        ([ALL, b"454 4.7.0 not now\r\n"], True),  # "due to temporary reason" (RFC 3207 4)
        ([ALL, b"502 no\r\n"], False),
    ],
)
def test_tls_that_cannot_be_had(inputs: list[bytes], transient: bool) -> None:
    """RFC 3207 6: an attacker may have taken the keyword out."""
    run = opening(GREETING, *inputs, starttls="required")
    assert isinstance(run.error, SecurityError)
    assert run.error.is_transient is transient
    assert run.error.reply == (None if len(inputs) == 1 or inputs[1] == PLAIN else run.error.reply)
    assert opening(GREETING, *inputs, starttls="offered").error is None


def test_a_reply_forged_behind_the_220() -> None:
    run = opening(GREETING, ALL, b"220 go\r\n250-mx.example.org\r\n", starttls="required")
    assert isinstance(run.error, RemoteProtocolError)
    assert run.error.violation is Violation.INPUT_BEHIND_STARTTLS
    assert not any(isinstance(step, Handshake) for step in run.steps)


@pytest.mark.parametrize("failure", [SecurityError("bad certificate"), ConnectionLost("gone")])
def test_a_handshake_that_fails(failure: Exception) -> None:
    run = opening(GREETING, ALL, b"220 go\r\n", failure)
    assert run.error is failure


def test_a_handshake_that_takes_too_long() -> None:
    run = opening(GREETING, ALL, b"220 go\r\n", TimeoutError())
    assert isinstance(run.error, TimedOut)


# --- a message -----------------------------------------------------------------------------------


def test_a_message_in_one_group() -> None:
    """RFC 2920 3.1."""
    connection = opened()
    run = sending(connection, [OK + OK + GO_ON, b"250 2.0.0 as 4711\r\n"])
    assert run.writes == [
        b"MAIL FROM:<a@example.com> SIZE=20\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
        BODY + b".\r\n",
    ]
    result = run.result
    assert isinstance(result, SendResult)
    assert result.accepted == ("b@example.org",)
    assert result.refused == {}
    assert result.transient == ()
    assert result.is_complete
    assert result.reply.text == "as 4711"
    assert is_reusable(connection)


@pytest.mark.parametrize(
    "replies",
    [
        OK + b"no reply\r\n",
        OK + OK + b"220 go\r\n",
        OK + OK + b"250 ok\r\n",
        OK + b"no\r\n421 x\r\n",
    ],
)
def test_an_error_behind_replies_is_told_at_once(replies: bytes) -> None:
    """Not when the server, which may be silent now, says more; nor as a refusal."""
    run = sending(opened(), [replies])
    assert isinstance(run.error, RemoteProtocolError)
    assert sum(isinstance(step, Read) for step in run.steps) == 2  # with the look before the group


def test_a_message_in_lock_step() -> None:
    run = sending(opened(PLAIN), [OK, OK, OK, GO_ON, OK], recipients=["b@x.org", "c@x.org"])
    assert [write.split(b":")[0].split(b"\r")[0] for write in run.writes] == [
        b"MAIL FROM",
        b"RCPT TO",
        b"RCPT TO",
        b"DATA",
        b"Subject",
    ]
    assert run.result.is_complete


def test_never_too_much_is_outstanding() -> None:
    recipients = [f"user{number}@example.org" for number in range(500)]
    run = sending(opened(), [OK * 100] * 5 + [OK + GO_ON, OK], recipients=recipients)
    assert run.error is None
    assert max(write.count(b"\r\n") for write in run.writes[:-1]) <= 100
    assert max(len(write) for write in run.writes[:-1]) <= 4096 + 512
    assert len(run.result.accepted) == 500
    recipients = [f"{number:03}{'x' * 50}@{'long.' * 30}example.org" for number in range(40)]
    run = sending(opened(), [OK * 19, OK * 19, OK * 3 + GO_ON, OK], recipients=recipients)
    assert run.error is None
    assert max(len(write) for write in run.writes[:-1]) <= 4096 + 512


def test_some_recipients_refused() -> None:
    recipients = ["b@x.org", "c@x.org", "d@x.org"]
    run = sending(opened(), [OK + NO + OK + LATER + GO_ON, OK], recipients=recipients)
    result = run.result
    assert [reply.code for reply in result.replies] == [550, 250, 450]
    assert result.accepted == ("c@x.org",)
    assert {address: reply.code for address, reply in result.refused.items()} == {
        "b@x.org": 550,
        "d@x.org": 450,
    }
    assert result.transient == ("d@x.org",)
    assert not result.is_complete


@pytest.mark.parametrize("hello", [ALL, PLAIN])
def test_all_recipients_refused(hello: bytes) -> None:
    connection = opened(hello)
    replies = [OK + NO + LATER + b"503 no recipients\r\n"] if hello == ALL else [OK, NO, LATER]
    run = sending(connection, replies, recipients=["b@x.org", "c@x.org"])
    assert isinstance(run.error, AllRefused)
    assert run.error.is_transient
    assert {address: reply.code for address, reply in run.error.refused.items()} == {
        "b@x.org": 550,
        "c@x.org": 450,
    }
    assert run.out.count(b"DATA") == (hello == ALL)
    assert is_reusable(connection)
    following = sending(
        connection, [OK + OK + OK + GO_ON, OK] if hello == ALL else [OK, OK, OK, GO_ON, OK]
    )
    assert following.writes[0].startswith(b"RSET\r\n")
    assert following.result.is_complete


def test_all_recipients_refused_and_mail_data_asked_for() -> None:
    """RFC 2920 3.1: the empty message goes nowhere."""
    connection = opened()
    run = sending(connection, [OK + NO + GO_ON, OK])
    assert run.writes[-1] == b".\r\n"
    assert isinstance(run.error, AllRefused)
    assert not run.error.is_transient
    assert is_reusable(connection)


@pytest.mark.parametrize(
    ("hello", "replies", "out"),
    [
        (ALL, [NO + NO + b"503 x\r\n"], 1),
        (ALL, [NO + OK + b"503 x\r\n"], 1),
        (ALL, [NO + NO + GO_ON, OK], 2),
        (PLAIN, [NO], 1),
    ],
)
def test_the_sender_is_refused(hello: bytes, replies: list[bytes], out: int) -> None:
    connection = opened(hello)
    run = sending(connection, replies)
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.reply.code) == ("MAIL", 550)
    assert len(run.writes) == out
    assert is_reusable(connection)
    again = sending(connection, [OK + OK + GO_ON, OK] if hello == ALL else [OK, OK, GO_ON, OK])
    assert again.out.startswith(b"MAIL")
    assert again.result.is_complete


@pytest.mark.parametrize("hello", [ALL, PLAIN])
def test_a_refused_reset_ends_it(hello: bytes) -> None:
    """RFC 5321 4.1.1.5: the message must not go out by the transaction before."""
    connection = opened(hello)
    sending(connection, [OK + NO + b"503 no\r\n"] if hello == ALL else [OK, NO])
    inputs = [b"500 what\r\n" + OK + OK + GO_ON] if hello == ALL else [b"500 what\r\n"]
    run = sending(connection, inputs)
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "RSET"
    assert len(run.writes) == 1
    assert is_reusable(connection) == (hello == PLAIN)


TOO_MANY = b"552 5.5.3 too many recipients\r\n"


def test_too_many_recipients_may_be_tried_again() -> None:
    """RFC 5321 4.5.3.1.10."""
    recipients = ["b@x.org", "c@x.org", "d@x.org"]
    for refusal, transient in [
        (TOO_MANY, ("c@x.org", "d@x.org")),
        (b"552 too many\r\n", ("c@x.org", "d@x.org")),
        (b"552 5.2.2 mailbox full\r\n", ()),
    ]:
        run = sending(opened(), [OK + OK + refusal * 2 + GO_ON, OK], recipients=recipients)
        assert run.result.transient == transient
    for refusal, is_transient in [(TOO_MANY, True), (b"552 full\r\n", False)]:
        run = sending(opened(), [OK + refusal + b"503 no\r\n"])
        assert isinstance(run.error, AllRefused)
        assert run.error.is_transient == is_transient


def test_data_is_refused() -> None:
    connection = opened()
    run = sending(connection, [OK + OK + b"451 4.3.0 no\r\n"])
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.is_transient) == ("DATA", True)
    assert sending(connection, [OK + OK + OK + GO_ON, OK]).out.startswith(b"RSET\r\n")


def test_the_message_is_refused() -> None:
    connection = opened()
    run = sending(connection, [OK + OK + GO_ON, b"554 5.7.1 spam\r\n"])
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.is_transient) == ("mail data", False)
    assert is_reusable(connection)


@pytest.mark.parametrize(
    "replies", [[b"421 bye\r\n"], [OK + b"421 bye\r\n"], [OK + OK + GO_ON, b"421 bye\r\n"]]
)
def test_a_421_at_any_time(replies: list[bytes]) -> None:
    connection = opened()
    run = sending(connection, replies)
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421
    assert not is_reusable(connection)


GONE = b"421 4.7.0 too many errors\r\n"
ENDS: list[Input] = [b"", ConnectionLost("reset"), TimeoutError()]
NONSENSE = b"nonsense\r\n"
TWO_OF_THEM = ["b@x.org", "c@x.org"]
MANY = b"552 too many recipients\r\n"


@pytest.mark.parametrize("count", [3, 150])
def test_recipients_taken_behind_a_refused_sender_change_nothing(count: int) -> None:
    """In however many groups the envelope goes."""
    connection = opened(PIPELINING)
    recipients = [f"{'r' * 60}{number}@x.org" for number in range(count)]
    dialogue = send_message(connection, prepare(BODY, "a@x.org", recipients))
    next(dialogue)
    dialogue.send(None)
    codes = {"MAIL": NO, "RCPT": OK, "DATA": b"503 no\r\n"}
    with pytest.raises(ReplyError, match="MAIL: 550"):
        dialogue.send(b"".join([codes[sent.verb] for sent in connection.outstanding]))
    assert is_reusable(connection)


def test_a_421_hides_no_mail_refused_for_good() -> None:
    run = sending(opened(), [NO + b"503 no\r\n" * 2 + GONE], recipients=FIVE)
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.reply.code) == ("MAIL", 550)


@pytest.mark.parametrize("count", [2, 5])
def test_what_follows_from_mail_refused_for_now_refuses_nobody_for_good(count: int) -> None:
    """RFC 5321 4.1.4: the 503 to RCPT is about the order of the commands."""
    replies = LATER + b"503 no\r\n" * count
    run = sending(opened(), [replies + GONE], recipients=FIVE)
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421
    for end in ENDS:
        run = sending(opened(), [replies, end], recipients=FIVE)
        assert isinstance(run.error, ConnectionLost)
    connection = opened()
    assert isinstance(sending(connection, [OK + OK + b"451 no\r\n"]).error, ReplyError)
    run = sending(connection, [b"502 no\r\n503 no\r\n503 no\r\n" + GONE])
    assert run.out.startswith(b"RSET\r\n")
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421


def test_a_421_hides_no_recipients_refused_for_good() -> None:
    run = sending(opened(), [OK + NO * 5 + GONE], recipients=FIVE)
    assert isinstance(run.error, AllRefused)
    assert not run.error.is_transient
    for replies, codes in [
        (OK + NO * 4, [550, 550, 550, 550, 421]),
        (OK + NO * 4 + LATER, [550, 550, 550, 550, 450]),
        (OK + OK + NO * 3 + OK, [421, 550, 550, 550, 421]),
    ]:
        run = sending(opened(), [replies + GONE], recipients=FIVE)
        assert isinstance(run.error, AllRefused)
        assert [reply.code for reply in run.error.replies] == codes
        assert run.error.is_transient
        assert run.error.transcript[-1].endswith(": 421 4.7.0 too many errors)")


@pytest.mark.parametrize("end", [*ENDS, NONSENSE])
def test_a_connection_that_is_lost_hides_nothing_refused_for_good(end: Input) -> None:
    """RFC 5321 4.2.1: it is not to be tried again."""
    run = sending(opened(), [NO, end], recipients=FIVE)
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.reply.code) == ("MAIL", 550)
    assert run.error.transcript[-1] == "<- 550 5.1.1 no"
    run = sending(opened(), [OK + NO * 5, end], recipients=FIVE)
    assert isinstance(run.error, AllRefused)
    assert not run.error.is_transient
    for replies in [LATER, OK, OK + OK * 4 + LATER]:
        run = sending(opened(), [replies, end], recipients=FIVE)
        assert isinstance(run.error, RemoteProtocolError if end is NONSENSE else ConnectionLost)
        assert run.error.is_transient
    for replies, codes in [
        (OK + NO, [550, 451, 451, 451, 451]),
        (OK + OK + NO * 3 + LATER, [451, 550, 550, 550, 450]),
    ]:
        run = sending(opened(), [replies, end], recipients=FIVE)
        assert isinstance(run.error, AllRefused)
        assert [reply.code for reply in run.error.replies] == codes
        assert run.error.is_transient


@pytest.mark.parametrize("transfer", ["data", "bdat"])
@pytest.mark.parametrize("size", [1, 100000])
@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize("end", [*ENDS, NONSENSE, GONE, LATER])
def test_an_end_of_the_mail_data_hides_no_recipient_refused_for_good(
    transfer: Any, size: int, lmtp: bool, end: Input
) -> None:
    """RFC 5321 4.2.1, RFC 3030 2: neither what comes to the dot, nor to a chunk, is about them."""
    envelope = OK + NO + OK
    settings: dict[str, Any] = {"transfer": transfer, "recipients": TWO_OF_THEM}
    if transfer == "data":
        inputs = [envelope + GO_ON, *[NOTHING] * (size > 1), end]
    else:
        inputs = [envelope, end]
    run = sending(opened(lmtp=lmtp), inputs, b"text\r\n" * size, **settings)
    code = int(end[:3]) if end in (GONE, LATER) else 451
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550, code]
    assert run.error.is_transient
    if transfer == "data" and size == 1:
        run = sending(opened(lmtp=lmtp), [envelope, end], b"x\r\n", **settings)
        assert [reply.code for reply in run.error.replies] == [550, code]
    inputs[0] = OK + LATER + OK + (GO_ON if transfer == "data" else b"")
    run = sending(opened(lmtp=lmtp), inputs, b"text\r\n" * size, **settings)
    assert not isinstance(run.error, AllRefused) or (lmtp and end == LATER)


@pytest.mark.parametrize("replies", [OK * 2 + MANY, OK * 2 + MANY + GO_ON])
@pytest.mark.parametrize("end", [*ENDS, NONSENSE, GONE, LATER])
def test_too_many_recipients_are_no_refusal_for_good_where_the_transaction_fails(
    replies: bytes, end: Input
) -> None:
    """RFC 5321 4.5.3.1.10: without those who were accepted before, it says nothing."""
    run = sending(opened(), [replies, end], recipients=TWO_OF_THEM)
    assert not isinstance(run.error, AllRefused)
    assert run.error is not None
    assert run.error.is_transient
    run = sending(opened(), [replies.replace(MANY, MANY + NO), end], recipients=THREE)
    code = int(end[:3]) if end in (GONE, LATER) else 451
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [code, code, 550]


def test_mail_data_refused_for_good_are_so_for_all() -> None:
    run = sending(opened(), [OK + NO + OK + GO_ON, b"554 5.7.1 spam\r\n"], recipients=TWO_OF_THEM)
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.is_transient) == ("mail data", False)


@pytest.mark.parametrize("end", [*ENDS, b"421 4.3.2 bye\r\n", b"nonsense\r\n"])
def test_what_follows_the_refusal_of_all_hides_it_not(end: Input) -> None:
    """Not even what comes of the dot that is due after all (RFC 2920 3.1)."""
    connection = opened()
    run = sending(connection, [OK + NO + GO_ON, end])
    assert run.out.endswith(b"\r\n.\r\n")
    assert isinstance(run.error, AllRefused)
    assert not is_reusable(connection)
    run = sending(opened(), [NO + NO + GO_ON, end])
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.reply.code) == ("MAIL", 550)


NO_GROUPS = b"250-mx.example.org\r\n250 CHUNKING\r\n"


@pytest.mark.parametrize(
    ("hello", "inputs", "settings"),
    [
        (ALL, [OK + OK + GO_ON + GONE], {}),
        (ALL, [OK + OK + GO_ON + GONE], {"message": BODY * 20000, "transfer": "data"}),
        (ALL, [OK + OK + GO_ON + GONE[:9], GONE[9:]], {}),
        (ALL, [ConnectionLost("reset", OK + OK + GO_ON + GONE)], {}),
        (ALL, [OK + OK + GONE], {"transfer": "bdat"}),
        (NO_GROUPS, [OK + GONE], {}),
        (NO_GROUPS, [OK, OK + GONE], {}),
        (NO_GROUPS, [OK, OK + GONE], {"transfer": "bdat"}),
        (NO_GROUPS, [OK, OK, GO_ON + GONE], {}),
    ],
)
def test_a_421_that_comes_with_what_was_asked_for(
    hello: bytes, inputs: list[Input], settings: dict[str, Any]
) -> None:
    """RFC 5321 3.8: a client reads it after its next command; we have read it before."""
    connection = opened(hello)
    run = sending(connection, inputs, **settings)
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421
    assert run.error.is_transient
    assert run.error.transcript[-1] == "<- 421 4.7.0 too many errors"
    assert not is_reusable(connection)


def test_what_is_wrong_with_a_message_is_told_while_chunks_are_on_their_way() -> None:
    connection = opened(b"250-mx.example.org\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
    source = [b"\r\none\r\n", b"two\r\n", b"three \xff\r\n"]
    run = sending(connection, [OK + OK], source, transfer="bdat")
    assert isinstance(run.error, InvalidValueError)
    assert len(connection.outstanding) == 1
    assert not is_reusable(connection)


def test_a_421_that_comes_with_the_refusal_of_all() -> None:
    run = sending(opened(), [OK + NO + GO_ON + GONE])
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550]
    assert b"\r\n.\r\n" not in run.out


def test_a_421_that_comes_with_the_first_half_of_a_message_to_many() -> None:
    run = sending(opened(TWO), [ONE_OF_TWO, OK + GONE], recipients=FIVE)
    assert [reply.code for reply in run.result.replies] == [250, 250, 421, 421, 421]


def test_a_421_that_comes_with_the_reply_to_a_message_is_for_what_follows() -> None:
    def sent() -> ClientConnection:
        connection = opened()
        assert sending(connection, [OK + OK + GO_ON, OK + GONE]).result.is_complete
        return connection

    for run in sending(sent(), []), executing(sent(), Noop()):
        assert isinstance(run.error, ReplyError)
        assert run.error.reply.code == 421
        assert run.out == b""


@pytest.mark.parametrize("inputs", [[GREETING + GONE], [GREETING, ALL + GONE]])
def test_a_421_that_comes_with_the_opening(inputs: list[Input]) -> None:
    run = opening(*inputs)
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421


@pytest.mark.parametrize("end", [*ENDS, NONSENSE, GONE])
def test_an_end_where_others_are_still_to_be_tried(end: Input) -> None:
    """RFC 9422 4.2: those of the next transaction have not been refused for good."""
    code = 421 if end == GONE else 451
    for replies in OK + NO + NO, OK + NO + NO + GO_ON:
        run = sending(opened(TWO), [replies, end], recipients=FIVE)
        assert isinstance(run.error, AllRefused)
        assert [reply.code for reply in run.error.replies] == [550, 550, code, code, code]
        assert run.error.is_transient


def test_the_transcript_shows_each_reply_as_it_takes_effect() -> None:
    connection = opened()
    seen: list[State] = []

    def look(line: str) -> None:
        if line.startswith("<- "):
            seen.append(connection.state)

    run = sending(connection, [OK + OK + NO + GO_ON, OK], recipients=FIVE[:2], transcript=look)
    assert run.error is None
    assert seen == [State.MAIL, State.RCPT, State.RCPT, State.DATA, State.READY]
    seen.clear()
    run = sending(connection, [OK + OK + GO_ON, OK], transcript=look)
    assert run.error is None
    assert seen == [State.MAIL, State.RCPT, State.DATA, State.READY]


def test_what_the_server_said_unasked_is_heard_first() -> None:
    outgoing = prepare(BODY, "a@example.com", "b@example.org")
    run = drive(send_message(opened(), outgoing), [b"421 4.4.2 idle too long\r\n"])
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "connection"
    run = drive(send_message(opened(), outgoing), [b"42", b"1 4.4.2 idle too long\r\n"])
    assert isinstance(run.error, ReplyError)
    run = drive(send_message(opened(), outgoing), [b"250 ok\r\n"])
    assert isinstance(run.error, RemoteProtocolError)
    run = drive(send_message(opened(), outgoing), [b""])
    assert isinstance(run.error, ConnectionLost)
    assert run.out == b""


@pytest.mark.parametrize(
    "said", [b"451 4.7.0 Timeout waiting for client input\r\n", b"554-idle\r\n554 idle\r\n"]
)
def test_a_session_that_is_ended_by_another_reply_than_421(said: bytes) -> None:
    """It says nothing of the message that is next."""
    refusal = said.split(b"\r\n")[-2].decode()
    outgoing = prepare(BODY, "a@example.com", "b@example.org")
    for words in said, ConnectionLost("reset", said):
        for make in (lambda c: send_message(c, outgoing)), (lambda c: execute(c, Noop())):
            connection = opened()
            run = drive(make(connection), [words])
            assert isinstance(run.error, ConnectionLost)
            assert run.error.is_transient
            assert f"ended the session: {refusal}" in str(run.error)
            assert run.error.transcript[-1] == f"<- {refusal}"
            assert run.out == b""
            assert not is_reusable(connection)
            assert not may_quit(connection)


UNASKED = b"451-4.4.2 idle\r\n451 4.4.2 too long\r\n"


@pytest.mark.parametrize("at", range(1, len(UNASKED)))
@pytest.mark.parametrize("state", [State.READY, State.DATA])
def test_a_refusal_that_nobody_asked_for_comes_in_pieces(at: int, state: State) -> None:
    first, rest = UNASKED[:at], UNASKED[at:]
    for pieces in [first, rest], [first, ConnectionLost("reset", rest)]:
        connection, error = unasked(state, pieces)
        kind = ConnectionLost if state is State.READY else ReplyError
        assert isinstance(error, kind)
        assert error.is_transient
        assert error.transcript[-2:] == ("<- 451-4.4.2 idle", "<- 451 4.4.2 too long")
        assert not is_reusable(connection)
    for end in b"", ConnectionLost("reset"), ConnectionLost("reset", rest[:-1]), TimeoutError():
        connection, error = unasked(state, [first, end])
        assert isinstance(error, TimedOut if isinstance(end, TimeoutError) else ConnectionLost)
        assert not is_reusable(connection)


@pytest.mark.parametrize("hello", [ALL, b"250-mx.example.org\r\n250 8BITMIME\r\n"])
@pytest.mark.parametrize(
    ("said", "refusal"),
    [(b"552 5.3.4 big\r\n", "552 5.3.4 big"), (UNASKED, "451 4.4.2 idle\ntoo long")],
)
def test_a_refusal_that_comes_with_the_354(hello: bytes, said: bytes, refusal: str) -> None:
    """It is as good as one that comes a moment later."""
    groups = [OK + OK + GO_ON + said] if hello == ALL else [OK, OK, GO_ON + said]
    for message in BODY, BODY * 20000, iter([BODY]):
        connection = opened(hello)
        run = sending(connection, groups, message, transfer="data")
        assert isinstance(run.error, ReplyError)
        assert (run.error.stage, str(run.error.reply)) == ("mail data", refusal)
        assert run.out.endswith(b"\r\nDATA\r\n")
        assert not is_reusable(connection)


@pytest.mark.parametrize("said", [b"250 2.0.0 queued\r\n", b"451 4.3.0", b"no\r\n", b"354 x\r\n"])
def test_what_comes_with_the_354_and_is_no_refusal(said: bytes) -> None:
    run = sending(opened(), [OK + OK + GO_ON + said])
    assert isinstance(run.error, RemoteProtocolError)
    assert run.out.endswith(b"\r\nDATA\r\n")


@pytest.mark.parametrize("state", [State.READY, State.DATA])
@pytest.mark.parametrize(
    "said",
    [
        [b"250"],
        [b"2"],
        [b"451 x\r\n"[:5], b"\0\r\n"],
        [b"45", b"x no\r\n"],
        [b"451-a\r\n", b"452 b\r\n"],
        [b"4", b"51 " + b"x" * 8192],
        [b"451-" + b"x" * 100 + b"\r\n"] * 78,
    ],
)
def test_what_nobody_asked_for_and_is_no_refusal(state: State, said: list[bytes]) -> None:
    connection, error = unasked(state, said)
    assert isinstance(error, RemoteProtocolError)
    assert not is_reusable(connection)


def unasked(state: State, said: Sequence[Input]) -> tuple[ClientConnection, Any]:
    """Return what comes of input between two messages, or in the middle of a large one."""
    connection = opened()
    if state is State.READY:
        outgoing = prepare(BODY, "a@example.com", "b@example.org")
        run = drive(send_message(connection, outgoing), said)
    else:
        message = b"x" * (1 << 17)
        run = sending(connection, [OK + OK + GO_ON, *said], message, transfer="data")
    return connection, run.error


def test_replies_sent_ahead_deliver_nothing() -> None:
    """A final reply that came before the end of mail data answers nothing."""
    run = sending(opened(), [OK + OK + GO_ON + OK])
    assert isinstance(run.error, RemoteProtocolError)
    assert b".\r\n" not in run.out


# --- how mail data travels -----------------------------------------------------------------------


def test_a_large_message_goes_in_pieces() -> None:
    message = b"line of text\r\n" * 20000
    run = sending(opened(), [OK + OK + GO_ON, NOTHING, OK], message, transfer="data")
    assert run.out.endswith(message + b".\r\n")
    outs = [len(step.out) for step in run.steps if isinstance(step, Handle)]
    assert 4 <= len(outs) <= 7
    assert max(outs) <= 65536
    assert run.steps[-1].timeout == 600


def test_a_421_in_the_middle_of_a_large_message() -> None:
    message = b"line of text\r\n" * 20000
    run = sending(opened(), [OK + OK + GO_ON, b"421 no more\r\n"], message, transfer="data")
    assert isinstance(run.error, ReplyError)
    assert not run.out.endswith(b"\r\n.\r\n")


def test_a_refusal_in_the_middle_of_a_large_message() -> None:
    """Nothing more is sent, and the error says what the server said."""
    message = b"line of text\r\n" * 200000
    refused = b"552-5.3.4 too\r\n552 5.3.4 big\r\n"
    connection = opened()
    run = sending(connection, [OK + OK + GO_ON, refused], message, transfer="data")
    assert isinstance(run.error, ReplyError)
    assert run.error.reply == Reply(552, ("too", "big"), "5.3.4")
    assert not run.error.is_transient
    assert len(run.out) < len(message) * 2 // 3
    assert not is_reusable(connection)
    run = sending(opened(), [OK + OK + GO_ON, OK], message, transfer="data")
    assert isinstance(run.error, RemoteProtocolError)  # it cannot have taken what it has not got
    run = sending(opened(), [OK + OK + GO_ON, b"nonsense\r\n"], message, transfer="data")
    assert isinstance(run.error, RemoteProtocolError)


def test_dots_and_line_endings() -> None:
    run = sending(opened(), [OK + OK + GO_ON, OK], b".\n..\nlast")
    assert run.writes[-1] == b"..\r\n...\r\nlast\r\n.\r\n"
    assert b"SIZE=13\r\n" in run.out


def test_an_empty_message() -> None:
    run = sending(opened(), [OK + OK + GO_ON, OK], b"")
    assert run.writes[-1] == b".\r\n"
    run = sending(opened(), [OK + OK, OK], b"", transfer="bdat")
    assert run.writes[-1] == b"BDAT 0 LAST\r\n"


def test_chunks() -> None:
    message = bytes(range(32, 127)) * 3000
    run = sending(opened(), [OK + OK, OK * 2, OK * 3], message, transfer="bdat")
    assert run.error is None
    assert run.writes[0].count(b"\r\n") == 2
    assert run.out.count(b"BDAT") == 5
    assert b" LAST\r\n" in run.out
    assert len(run.result.accepted) == 1


def test_chunks_one_at_a_time_without_pipelining() -> None:
    message = b"x" * 150000
    hello = b"250-mx.example.org\r\n250 CHUNKING\r\n"
    run = sending(opened(hello), [OK, OK, OK, OK, OK], message, transfer="bdat")
    assert run.error is None
    assert [write[:4] for write in run.writes[2:]] == [b"BDAT"] * 3


def test_a_chunk_is_refused() -> None:
    connection = opened()
    message = b"x" * 400000
    refused = b"452 4.3.1 full\r\n" + b"503 5.5.1 no\r\n" * 3
    run = sending(connection, [OK + OK, refused], message, transfer="bdat")
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.reply.code) == ("BDAT", 452)
    assert b"LAST" not in run.out
    assert is_reusable(connection)
    assert sending(connection, [OK + OK + OK + GO_ON, OK]).writes[0].startswith(b"RSET\r\n")


@pytest.mark.parametrize("end", [*ENDS, b"421 4.3.2 bye\r\n", b"nonsense\r\n"])
def test_what_follows_the_refusal_of_a_chunk_hides_it_not(end: Input) -> None:
    connection = opened()
    run = sending(connection, [OK + OK, NO, end], b"x" * 400000, transfer="bdat")
    assert isinstance(run.error, ReplyError)
    assert (run.error.stage, run.error.reply.code) == ("BDAT", 550)
    assert not is_reusable(connection)


def test_rset_follows_a_refused_last_chunk() -> None:
    """RFC 3030 2: the state of the server is indeterminate until then."""
    connection = opened()
    sending(connection, [OK + OK, NO], transfer="bdat")
    assert connection.state is State.READY
    run = sending(connection, [OK + OK + OK, OK], transfer="bdat")
    assert run.writes[0].startswith(b"RSET\r\nMAIL ")
    assert run.error is None
    run = sending(connection, [OK + OK, OK], transfer="bdat")
    assert run.writes[0].startswith(b"MAIL ")


def test_no_rset_follows_mail_data_refused_behind_the_dot() -> None:
    connection = opened()
    sending(connection, [OK + OK + GO_ON, NO], transfer="data")
    run = sending(connection, [OK + OK, OK], transfer="bdat")
    assert run.writes[0].startswith(b"MAIL ")


def test_the_last_chunk_is_refused() -> None:
    run = sending(opened(), [OK + OK, OK + b"554 5.7.1 spam\r\n"], b"x" * 100000, transfer="bdat")
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "mail data"
    run = sending(opened(), [OK + OK, NO + NO], b"x" * 100000, transfer="bdat")
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "BDAT"


def test_which_way_is_taken_by_itself() -> None:
    big = b"x" * (1 << 20)
    run = sending(opened(), [OK + OK, *[OK * 3] * 5, OK * 3], big)
    assert b"BDAT" in run.out or run.error is None
    assert b"DATA\r\n" not in run.out
    run = sending(opened(PIPELINING), [OK + OK + GO_ON, NOTHING, OK], big)
    assert b"DATA\r\n" in run.out
    run = sending(opened(), [OK + OK, OK], iter([b"of unknown size"]))
    assert b"BDAT 15 LAST" in run.out


def test_bdat_that_is_not_offered() -> None:
    run = sending(opened(PIPELINING), [], transfer="bdat")
    assert isinstance(run.error, LocalProtocolError)
    assert run.out == b""


def test_binary() -> None:
    hello = ALL.replace(b"250-DSN", b"250-BINARYMIME")
    content = bytes(range(256))
    run = sending(opened(hello), [OK + OK, OK], content, parameters={"BODY": "BINARYMIME"})
    assert run.writes[0].startswith(b"MAIL FROM:<a@example.com> SIZE=")
    assert b"BODY=BINARYMIME" in run.out
    assert run.out.endswith(b"BDAT 256 LAST\r\n" + content)


# --- what a message needs ------------------------------------------------------------------------


def test_eight_bit() -> None:
    text = "Subject: x\r\n\r\nGrüße\r\n".encode()
    run = sending(opened(), [OK + OK + GO_ON, OK], text)
    assert b"BODY=8BITMIME" in run.out
    assert b"SMTPUTF8" not in run.out
    run = sending(opened(PIPELINING), [], text)
    assert isinstance(run.error, InvalidValueError)
    assert run.error.enhanced == "5.6.3"
    assert run.out == b""


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_a_source_that_turns_out_to_be_eight_bit(transfer: Any) -> None:
    connection = opened(b"250-mx.example.org\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
    source = iter([b"\r\nabc", b"\xff"])
    replies = [OK + OK + (GO_ON if transfer == "data" else b"")]
    run = sending(connection, replies, source, transfer=transfer)
    assert isinstance(run.error, InvalidValueError)
    assert not run.out.endswith(b".\r\n")
    assert not is_reusable(connection) or transfer == "bdat"


def test_utf8() -> None:
    run = sending(opened(), [OK + OK + GO_ON, OK], recipients="grün@example.org")
    assert "RCPT TO:<grün@example.org>".encode() in run.out
    assert b" SMTPUTF8\r\n" in run.out
    header = "Subject: Grüße\r\n\r\nx\r\n".encode()
    assert b" SMTPUTF8\r\n" in sending(opened(), [OK + OK + GO_ON, OK], header).out
    hello = b"250-mx.example.org\r\n250 8BITMIME\r\n"
    for run in (
        sending(opened(hello), [], recipients="grün@example.org"),
        sending(opened(hello), [], header),
    ):
        assert isinstance(run.error, InvalidValueError)
        assert run.error.violation is Violation.NON_ASCII_ADDRESS
        assert run.out == b""


def test_a_message_beyond_the_announced_size() -> None:
    connection = opened(b"250-mx.example.org\r\n250 SIZE 10\r\n")
    run = sending(connection, [])
    assert isinstance(run.error, InvalidValueError)
    assert run.error.violation is Violation.MESSAGE_TOO_BIG
    assert run.out == b""
    assert is_reusable(connection)


def test_a_recipient_that_cannot_be_sent_leaves_both_sides_in_step() -> None:
    connection = opened()
    bad = Rcpt("b@example.org", {"X-OTHER": "1"})  # not announced
    run = sending(connection, [OK], recipients=[bad])
    assert isinstance(run.error, LocalProtocolError)
    assert is_reusable(connection)
    again = sending(connection, [OK + OK + OK + GO_ON, OK])
    assert again.result.is_complete


# --- sources -------------------------------------------------------------------------------------


def test_a_source_that_fails_ends_it_without_the_dot() -> None:
    def pieces() -> Iterable[bytes]:
        yield b"\r\none\r\n"
        raise TimeoutError("the disk is slow")

    connection = opened()
    run = sending(connection, [OK + OK + GO_ON], pieces(), transfer="data")
    assert isinstance(run.error, TimeoutError)
    assert not isinstance(run.error, TimedOut)
    assert b".\r\n" not in run.out
    assert not is_reusable(connection)


def test_a_source_of_text() -> None:
    connection = opened()
    run = sending(connection, [], iter(["text"]), transfer="data")
    assert isinstance(run.error, TypeError)
    assert run.out == b""
    assert is_reusable(connection)
    run = sending(connection, [OK + OK + GO_ON], iter([b"\r\noctets", "text"]), transfer="data")
    assert isinstance(run.error, TypeError)
    assert not is_reusable(connection)


@pytest.mark.parametrize("transfer", ["data", "bdat", "auto"])
@pytest.mark.parametrize(
    "message",
    [b"\r\na\nb\r\n", b"\r\na\rb\r\n", b"\r\na\r", b"\r\n" + b"x\r\n" * 50000 + b"\n"],
    ids=["LF", "CR", "CR at the end", "large"],
)
def test_strict_line_endings_are_looked_at_before_mail(message: bytes, transfer: Any) -> None:
    """Of a message in memory, so that the session goes on."""
    connection = opened(line_endings="strict")
    run = sending(connection, [], message, transfer=transfer)
    assert isinstance(run.error, InvalidValueError)
    assert run.out == b""
    assert is_reusable(connection)


@pytest.mark.parametrize("message", [b"", b"\r\na", b"\r\n\xe9\r\n", BODY * 200])
def test_strict_line_endings_let_all_else_through(message: bytes) -> None:
    connection = opened(line_endings="strict")
    run = sending(connection, [OK + OK + GO_ON, OK], message, transfer="data")
    assert run.result.is_complete


def test_strict_line_endings_are_nothing_to_a_binary_message() -> None:
    hello = b"250-mx.example.org\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 PIPELINING\r\n"
    connection = opened(hello, line_endings="strict")
    run = sending(connection, [OK + OK, OK], b"\r\na\n\0\r", parameters={"BODY": "BINARYMIME"})
    assert run.result.is_complete


def test_strict_line_endings_of_a_source_are_looked_at_on_the_way() -> None:
    connection = opened(line_endings="strict")
    run = sending(connection, [OK + OK + GO_ON], iter([b"\r\na\nb\r\n"]), transfer="data")
    assert isinstance(run.error, InvalidValueError)
    assert not is_reusable(connection)


def lost_in_the_middle(received: bytes, transfer: Any) -> Run:
    """Send pieces; the connection breaks when the third one is asked for."""
    outgoing = prepare(iter([b"\r\n" * 5, b"y" * 10, b"z" * 10]), "a@example.com", "b@example.org")
    dialogue = send_message(opened(), outgoing, transfer=transfer)
    inputs = iter([NOTHING, OK + OK + (GO_ON if transfer == "data" else b"")])
    run = Run()
    given: Any = None
    pieces = 0
    try:
        while True:
            step: Any = dialogue.send(given)
            if isinstance(step, Handle):
                pieces += 1
                if pieces == 4:
                    dialogue.throw(ConnectionLost("reset", received))
                given = step.call()
            else:
                given = next(inputs)
    except SMTPError as error:
        run.error = error
    return run


@pytest.mark.parametrize("received", [b"", b"55", b"250-5"])
@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_the_connection_is_lost_while_a_source_is_read(received: bytes, transfer: Any) -> None:
    run = lost_in_the_middle(received if transfer == "bdat" else b"", transfer)
    assert isinstance(run.error, ConnectionLost)
    assert str(run.error) == "reset"


@pytest.mark.parametrize(
    ("received", "stage"),
    [
        (b"421 4.3.0 bye\r\n", "connection"),
        (b"550 5.7.1 no more\r\n", "mail data"),
        (b"452-4.3.1 disk\r\n452 4.3.1 full\r\n421 bye\r\n", "mail data"),
    ],
)
def test_the_last_words_in_mail_data_count(received: bytes, stage: str) -> None:
    run = lost_in_the_middle(received, "data")
    assert isinstance(run.error, ReplyError)
    assert (run.error.reply.code, run.error.stage) == (int(received[:3]), stage)


def test_the_last_words_about_a_chunk_count() -> None:
    run = lost_in_the_middle(OK + b"452 4.3.1 full\r\n", "bdat")
    assert isinstance(run.error, ReplyError)
    assert (run.error.reply.code, run.error.stage) == (452, "BDAT")
    run = lost_in_the_middle(b"421 bye\r\n", "bdat")
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421


@pytest.mark.parametrize("is_offered", [False, True])
def test_a_server_without_8bitmime_gets_an_encoded_message(is_offered: bool) -> None:
    """RFC 6152 3."""
    message = EmailMessage()
    message.set_content("Grüße\n", cte="8bit")
    run = sending(opened(ALL if is_offered else PIPELINING), [OK + OK + GO_ON, OK], message)
    assert run.error is None
    assert ("BODY=8BITMIME" in run.lines[0]) == is_offered
    assert ("\r\n\r\nGrüße\r\n.\r\n".encode() in run.out) == is_offered
    assert (b"\r\n\r\nGr=C3=BC=C3=9Fe\r\n.\r\n" in run.out) == (not is_offered)


def test_the_beginning_of_a_source_tells_what_it_needs() -> None:
    for head, needed in [
        (b"Subject: x\r\n\r\ntext", "BODY=8BITMIME"),
        ("Subject: x\r\n\r\ntëxt".encode(), "BODY=8BITMIME"),
        ("Subject: ü\r\n\r\ntext".encode(), "BODY=8BITMIME SMTPUTF8"),
    ]:
        inputs = [OK + OK + GO_ON, NOTHING, OK]
        run = sending(opened(), inputs, iter([head, b"!\r\n"]), transfer="data")
        assert run.lines[0] == f"MAIL FROM:<a@example.com> {needed}"
        assert run.out.endswith(b"DATA\r\n" + head + b"!\r\n.\r\n")
    connection = opened(PIPELINING)
    run = sending(connection, [], iter([b"\r\n\xff"]))
    assert isinstance(run.error, InvalidValueError)
    assert run.error.violation is Violation.EIGHT_BIT
    assert run.out == b""
    assert is_reusable(connection)
    run = sending(connection, [OK + OK + GO_ON], iter([b"\r\n", b"\xff"]))
    assert isinstance(run.error, InvalidValueError)
    assert not is_reusable(connection)


@pytest.mark.parametrize("size", [1, 3, 14, 15, 16, 17, 18, 100])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_the_header_of_a_source_is_read_in_whatever_pieces(end: str, size: int) -> None:
    """RFC 6531 3.2; a cut within the empty line is no matter."""
    for text, needed in [
        (f"Date: x{end}A: ü{end}{end}text", "BODY=8BITMIME SMTPUTF8"),
        (f"Date: x{end}A: uu{end}{end}tëxt{end}{end}", "BODY=8BITMIME"),
        (f"{end}tëxt", "BODY=8BITMIME"),
        ("Date: x ü", "BODY=8BITMIME SMTPUTF8"),
    ]:
        octets = text.encode()
        pieces = iter([octets[at : at + size] for at in range(0, len(octets), size)])
        run = sending(opened(), [NO], pieces)
        assert run.lines[0] == f"MAIL FROM:<a@example.com> {needed}"


def test_a_header_without_an_end_is_not_waited_for() -> None:
    given = []

    def pieces() -> Iterable[bytes]:
        for number in range(100):
            given.append(number)
            yield b"x" * 1024

    run = sending(opened(), [NO], pieces())
    assert isinstance(run.error, ReplyError)
    assert len(given) == 64


def test_a_source_is_not_asked_behind_its_end() -> None:
    class Terminal:
        def __init__(self) -> None:
            self.answers = [b"Subject: x\r\n", b""]

        def read(self, size: int) -> bytes:
            return self.answers.pop(0)

    run = sending(opened(), [OK + OK + GO_ON, OK], Terminal(), transfer="data")
    assert run.error is None
    assert run.out.endswith(b"DATA\r\nSubject: x\r\n.\r\n")


def test_a_source_that_fails_in_the_header_leaves_all_as_it_was() -> None:
    def pieces() -> Iterable[bytes]:
        yield b"Subject: x\r\n"
        raise OSError("the disk is broken")

    connection = opened()
    run = sending(connection, [], pieces())
    assert isinstance(run.error, OSError)
    assert run.out == b""
    assert is_reusable(connection)


@pytest.mark.parametrize("wrap", [bytes, lambda octets: iter([octets])], ids=["octets", "pieces"])
def test_what_is_said_to_be_7bit_is_so(wrap: Any) -> None:
    """RFC 6152 3, whatever the case of it (RFC 5234 2.3)."""
    connection = opened()
    run = sending(connection, [], wrap(b"\r\n\xff"), parameters={"BODY": "7bit"})
    assert isinstance(run.error, InvalidValueError)
    assert run.error.violation is Violation.EIGHT_BIT
    assert run.out == b""
    assert is_reusable(connection)
    run = sending(connection, [NO], wrap(b"\r\nx"), parameters={"BODY": "7bit"})
    assert "BODY=7BIT" in run.lines[0]


def test_an_email_message_is_made_the_7bit_that_it_is_said_to_be() -> None:
    message = EmailMessage()
    message.set_content("Grüße\n", cte="8bit")
    inputs = [OK + OK + GO_ON, OK]
    run = sending(opened(), inputs, message, parameters={"BODY": "7BIT"}, transfer="data")
    assert "BODY=7BIT" in run.lines[0]
    assert b"\r\n\r\nGr=C3=BC=C3=9Fe\r\n.\r\n" in run.out


@pytest.mark.parametrize("wrap", [bytes, lambda octets: iter([octets])], ids=["octets", "pieces"])
def test_binary_mail_data(wrap: Any) -> None:
    """RFC 3030 3: neither 8BITMIME nor line endings matter."""
    hello = b"250-mx.example.org\r\n250-CHUNKING\r\n250 BINARYMIME\r\n"
    for body in ("BINARYMIME", "binaryMime"):
        content = wrap(b"\r\n\xff\n\x00")
        run = sending(opened(hello), [OK, OK, OK], content, parameters={"BODY": body})
        assert run.error is None
        assert run.out.endswith(b"BDAT 5 LAST\r\n\r\n\xff\n\x00")


def test_a_transfer_that_there_is_not() -> None:
    run = drive(send_message(opened(), prepare(BODY, "a@x.org", "b@x.org"), transfer="chunks"))  # type: ignore[arg-type]
    assert isinstance(run.error, LocalProtocolError)
    assert "data or bdat expected, not 'chunks'" in str(run.error)
    assert run.steps == []


@pytest.mark.parametrize("tls", [None, TLSInfo("TLSv1.3"), TLSInfo("TLSv1.3", peer_verified=True)])
@pytest.mark.parametrize("keyword", ["REQUIRETLS", "requiretls"])
def test_requiretls_needs_to_know_the_server(tls: TLSInfo | None, keyword: str) -> None:
    """RFC 8689 4.2.1."""
    connection = opened(b"250-mx.example.org\r\n250 REQUIRETLS\r\n", tls=tls)
    verified = tls is not None and tls.peer_verified
    parameters = {keyword: None}
    inputs = [OK, OK, GO_ON, OK] if verified else []
    run = sending(connection, inputs, parameters=parameters)
    if verified:
        assert run.lines[0] == "MAIL FROM:<a@example.com> REQUIRETLS"
        assert run.result.is_complete
    else:
        assert isinstance(run.error, SecurityError)
        assert run.out == b""
    run = sending(opened(PLAIN, tls=TLSInfo(peer_verified=True)), [], parameters=parameters)
    assert isinstance(run.error, LocalProtocolError)  # not offered
    assert run.out == b""


# --- LIMITS --------------------------------------------------------------------------------------

TWO = b"250-mx.example.org\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2\r\n"
FIVE = [f"{letter}@x.org" for letter in "bcdef"]
ONE_OF_TWO = OK + OK + OK + GO_ON


def test_more_recipients_than_a_transaction_takes() -> None:
    """RFC 9422 4.2: refused ones count; the outcome is in the order of the recipients."""
    connection = opened(TWO)
    inputs = [
        OK + NO + OK + GO_ON,
        b"250 as 1\r\n",
        ONE_OF_TWO,
        b"250 as 2\r\n",
        OK + OK + GO_ON,
        b"250 as 3\r\n",
    ]
    run = sending(connection, inputs, recipients=FIVE)
    result = run.result
    assert [reply.text for reply in result.replies] == ["no", "as 1", "as 2", "as 2", "as 3"]
    assert result.recipients == tuple(FIVE)
    assert result.reply.text == "as 3"
    assert [line.count("RCPT") for line in map(str, run.writes[::2])] == [2, 2, 1]
    assert run.writes[1::2] == [BODY + b".\r\n"] * 3
    assert is_reusable(connection)


def test_a_transaction_in_which_all_are_refused() -> None:
    run = sending(
        opened(TWO),
        [OK + NO + NO + b"503 no\r\n", OK + OK + OK + OK + GO_ON, OK, OK + LATER + b"503 no\r\n"],
        recipients=FIVE,
    )
    assert [reply.code for reply in run.result.replies] == [550, 550, 250, 250, 450]
    inputs = [OK + NO + NO + b"503 no\r\n", OK + OK + NO + LATER + b"503 no\r\n"]
    run = sending(opened(TWO), inputs, recipients=FIVE[:4])
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550, 550, 550, 450]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ([b"451 4.3.0 later\r\n" + NO + NO + b"503 no\r\n"], 451),
        ([ONE_OF_TWO, b"554 5.7.1 spam\r\n"], 554),
        ([ONE_OF_TWO, b""], 451),
        ([ONE_OF_TWO, TimeoutError()], 451),
        ([b"421 4.3.2 bye\r\n"], 421),
        ([b"nonsense\r\n"], 451),
    ],
)
def test_what_some_have_got_is_known_whatever_happens_then(end: list[Input], code: int) -> None:
    """An error would have the caller send it again to those who have it."""
    run = sending(opened(TWO), [ONE_OF_TWO, OK, *end], recipients=FIVE)
    assert [reply.code for reply in run.result.replies] == [250, 250, code, code, code]
    assert run.result.accepted == ("b@x.org", "c@x.org")


def test_an_error_before_anybody_got_it_is_an_error() -> None:
    run = sending(opened(TWO), [ONE_OF_TWO, b"554 5.7.1 spam\r\n"], recipients=FIVE)
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "mail data"
    run = sending(opened(TWO), [OK + NO + NO + b"503 no\r\n", b"550 no\r\n" * 5], recipients=FIVE)
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "RSET"


@pytest.mark.parametrize("code", [421, 451])
def test_refusals_for_good_stand_where_a_later_transaction_is_refused_for_now(code: int) -> None:
    """RFC 5321 4.2.1: what was refused by 5yz should not be tried again."""
    later = b"%d not now\r\n" % code
    first = OK + NO + NO + b"503 no\r\n"
    run = sending(opened(TWO), [first, OK + later + b"503 no\r\n" * 3], recipients=FIVE)
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550, 550, code, code, code]
    assert run.error.is_transient


def test_a_later_transaction_is_refused_for_now_as_all_before_it() -> None:
    first = OK + LATER + LATER + b"503 no\r\n"
    run = sending(opened(TWO), [first, b"421 bye\r\n"], recipients=FIVE)
    assert isinstance(run.error, ReplyError)
    assert run.error.reply.code == 421
    run = sending(opened(TWO), [first, b""], recipients=FIVE)
    assert isinstance(run.error, ConnectionLost)


@pytest.mark.parametrize("end", [*ENDS, NONSENSE, GONE])
def test_refusals_for_good_stand_where_a_later_transaction_is_broken_off(end: Input) -> None:
    code = 421 if end == GONE else 451
    first = OK + NO + NO + b"503 no\r\n"
    for inputs, codes in (
        ([first, end], [550, 550, code, code, code]),
        ([first, OK + OK + NO + NO, end], [550, 550, 550, 550, code]),
        ([first, OK + first, OK + OK + NO, end], [550] * 5),
    ):
        run = sending(opened(TWO), inputs, recipients=FIVE)
        assert isinstance(run.error, AllRefused)
        assert [reply.code for reply in run.error.replies] == codes
        assert run.error.is_transient is (codes[-1] != 550)


@pytest.mark.parametrize("end", [*ENDS, NONSENSE, GONE, LATER])
def test_after_mail_data_that_failed_for_now_there_is_no_other_transaction(end: Input) -> None:
    code = int(end[:3]) if end in (GONE, LATER) else 451
    run = sending(opened(TWO), [OK + OK + NO + GO_ON, end], recipients=FIVE)
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [code, 550, code, code, code]
    assert run.out.count(b"MAIL") == 1
    assert sum(line.startswith("(") for line in run.error.transcript) == 1


def test_a_parameter_that_cannot_be_sent_to_a_later_recipient() -> None:
    recipients = [*FIVE[:2], Rcpt(FIVE[2], {"NOTIFY": "NEVER"})]
    run = sending(opened(TWO), [ONE_OF_TWO, OK, OK], recipients=recipients)
    assert [reply.code for reply in run.result.replies] == [250, 250, 554]
    assert "NOTIFY" in run.result.replies[2].text


@pytest.mark.parametrize(
    "source",
    [[b"\r\none\r\n", b"two\r\n"], io.BytesIO(b"\r\none\r\ntwo\r\n")],
    ids=["list", "file"],
)
def test_a_source_is_read_again(source: Any) -> None:
    polls = [NOTHING] * isinstance(source, list)
    inputs = [ONE_OF_TWO, *polls, OK] * 2
    run = sending(opened(TWO), inputs, source, recipients=FIVE[:4], transfer="data")
    assert run.result.is_complete
    assert run.out.count(b"DATA\r\n\r\none\r\ntwo\r\n.\r\n") == 2


def test_a_source_of_which_nothing_was_sent_is_read_again() -> None:
    inputs = [OK + NO + NO + b"503 no\r\n", OK + ONE_OF_TWO, NOTHING, OK]
    run = sending(opened(TWO), inputs, [b"one\r\n", b"two\r\n"], FIVE[:4], transfer="data")
    assert run.result.accepted == tuple(FIVE[2:4])
    assert run.out.endswith(b"DATA\r\none\r\ntwo\r\n.\r\n")


def test_a_source_that_can_be_read_once() -> None:
    connection = opened(TWO)
    run = sending(connection, [], iter([BODY]), recipients=FIVE)
    assert isinstance(run.error, InvalidValueError)
    assert run.error.violation is Violation.TOO_MANY_RECIPIENTS
    assert run.out == b""
    assert sending(connection, [ONE_OF_TWO, OK], iter([BODY]), recipients=FIVE[:2]).error is None


def test_a_source_that_cannot_be_read_again_after_all() -> None:
    class File(io.BytesIO):
        def seek(self, *_: Any) -> int:
            raise OSError("the disk")

    run = sending(opened(TWO), [ONE_OF_TWO, OK], File(BODY), recipients=FIVE)
    assert [reply.code for reply in run.result.replies] == [250, 250, 451, 451, 451]


@pytest.mark.parametrize(
    "inputs",
    [
        [OK + OK + GO_ON, OK],
        [OK + LATER + b"503 no\r\n"],
        [LATER + NO + NO],
        [OK + OK + GO_ON, LATER],
        [OK + OK + GO_ON, ConnectionLost("reset")],
        [OK + OK + GO_ON, TimeoutError()],
        [OK + OK + b"450 later\r\n"],
        [OK + b"what?\r\n"],
    ],
)
def test_a_file_stays_where_it_was_found(inputs: list[Input]) -> None:
    """So that who sends it once more, after a 450 say, sends all of it."""
    file = io.BytesIO(b"--" + BODY)
    file.seek(2)
    run = sending(opened(), inputs, file, transfer="data")
    assert (run.error is None) is (len(inputs) == 2 and inputs[1] == OK)
    assert file.tell() == 2


def test_a_spent_iterator_is_not_sent_again() -> None:
    source = iter([BODY])
    connection = opened()
    run = sending(connection, [OK + OK + GO_ON, LATER], source, transfer="data")
    assert isinstance(run.error, ReplyError)
    run = sending(connection, [], source)
    assert isinstance(run.error, InvalidValueError)
    assert not any(run.writes)
    assert is_reusable(connection)


def test_a_file_that_cannot_go_back_was_sent_all_the_same() -> None:
    class File(io.BytesIO):
        def seek(self, *_: Any) -> int:
            raise OSError("the disk")

    run = sending(opened(), [OK + OK + GO_ON, OK], File(BODY), transfer="data")
    assert run.result.is_complete
    run = sending(opened(), [OK + LATER + b"503 no\r\n"], File(BODY))
    assert isinstance(run.error, AllRefused)


def test_a_file_is_left_alone_while_it_is_still_being_read() -> None:
    class File(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            super().read(1)
            raise TimeoutError  # as a driver tells of a call that it has given up

    file = File(BODY)
    run = sending(opened(), [], file)
    assert type(run.error) is TimeoutError
    assert file.tell() == 1


def limited(limits: bytes) -> ClientConnection:
    return opened(b"250-mx.example.org\r\n250-PIPELINING\r\n250 LIMITS %s\r\n" % limits)


def test_more_messages_than_a_session_takes() -> None:
    """RFC 9422 4.1: refused ones count."""
    connection = limited(b"MAILMAX=2")
    sending(connection, [NO + NO + b"503 no\r\n"])
    assert is_reusable(connection)
    assert sending(connection, [OK + OK + GO_ON, OK]).error is None
    assert not is_reusable(connection)
    run = sending(connection, [])
    assert isinstance(run.error, LocalProtocolError)
    assert run.error.violation is Violation.TOO_MANY_COMMANDS
    assert "the server takes 2 messages in one" in str(run.error)
    assert run.out == b""
    assert may_quit(connection)


def test_more_transactions_than_a_session_takes() -> None:
    """Those who found no room may be tried in the next session."""
    connection = limited(b"MAILMAX=2 RCPTMAX=2")
    run = sending(connection, [ONE_OF_TWO, OK, ONE_OF_TWO, OK], recipients=FIVE)
    assert [reply.code for reply in run.result.replies] == [250, 250, 250, 250, 452]
    assert run.result.transient == (FIVE[4],)
    assert not is_reusable(connection)
    run = sending(
        limited(b"MAILMAX=2 RCPTMAX=2"), [ONE_OF_TWO, OK, b"421 bye\r\n"], recipients=FIVE
    )
    assert [reply.code for reply in run.result.replies] == [250, 250, 421, 421, 452]


def test_more_domains_than_a_session_takes() -> None:
    """RFC 9422 4.3: different ones, in any case."""
    connection = limited(b"RCPTDOMAINMAX=2")
    recipients = ["b@x.org", "c@y.org", "d@z.org", "e@X.ORG", "f@q.org", "Postmaster"]
    run = sending(connection, [OK * 5 + GO_ON, OK], recipients=recipients)
    assert [reply.code for reply in run.result.replies] == [250, 250, 452, 250, 452, 250]
    assert run.lines[1:5] == [
        "RCPT TO:<b@x.org>",
        "RCPT TO:<c@y.org>",
        "RCPT TO:<e@X.ORG>",
        "RCPT TO:<Postmaster>",
    ]
    assert sending(connection, [OK + OK + GO_ON, OK], recipients="g@y.org").error is None
    run = sending(connection, [], recipients="d@z.org")
    assert isinstance(run.error, AllRefused)
    assert run.error.is_transient
    assert run.out == b""
    assert is_reusable(connection)


def test_chunks_in_several_transactions() -> None:
    hello = TWO.replace(b"PIPELINING", b"PIPELINING\r\n250-CHUNKING")
    run = sending(
        opened(hello, lmtp=True),
        [OK + OK + OK, OK + LATER, OK + OK + OK, OK],
        recipients=FIVE[:3],
        transfer="bdat",
    )
    assert [reply.code for reply in run.result.replies] == [250, 450, 250]
    last = b"BDAT %d LAST\r\n%b" % (len(BODY), BODY)
    assert [octets for octets in run.writes if b"BDAT" in octets] == [last] * 2


# --- LMTP ----------------------------------------------------------------------------------------

THREE = ["b@x.org", "c@x.org", "d@x.org"]


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_lmtp_has_a_reply_for_each_recipient(transfer: Any) -> None:
    """RFC 2033 4.2: for each that was accepted."""
    connection = opened(lmtp=True)
    rcpt = OK + OK + NO + OK + (GO_ON if transfer == "data" else b"")
    run = sending(connection, [rcpt, OK + LATER], recipients=THREE, transfer=transfer)
    assert [reply.code for reply in run.result.replies] == [250, 550, 450]
    assert run.result.accepted == ("b@x.org",)


def test_lmtp_where_nobody_gets_it() -> None:
    run = sending(opened(lmtp=True), [OK * 4 + GO_ON, NO + LATER + NO], recipients=THREE)
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550, 450, 550]


def test_the_time_for_a_reply_begins_with_the_one_before() -> None:
    inputs = [OK, b"250 ", b"ok\r\n", GO_ON, b"2", b"50 ok\r\n"]
    run = sending(opened(), inputs, message=b"x\r\n", transfer="data")
    assert run.result.is_complete
    reads = [step.goes_on for step in run.steps if isinstance(step, Read) and step.timeout]
    assert reads == [False, False, True, False, False, True]


def test_lmtp_where_no_reply_follows() -> None:
    """RFC 2033 4.2: who was answered 250 has the message, whatever comes behind it."""
    lines: list[str] = []
    inputs = [OK * 4 + GO_ON, OK + b"junk\r\n"]
    run = sending(opened(lmtp=True), inputs, recipients=THREE, transcript=lines.append)
    assert [reply.code for reply in run.result.replies] == [250, 451, 451]
    assert lines[-1].startswith("(")
    run = sending(opened(lmtp=True), [OK * 4 + GO_ON, b"junk\r\n"], recipients=THREE)
    assert isinstance(run.error, RemoteProtocolError)


def test_lmtp_where_421_follows_at_once() -> None:
    run = sending(opened(lmtp=True), [OK * 4 + GO_ON, OK + b"421 bye\r\n"], recipients=THREE)
    assert [reply.code for reply in run.result.replies] == [250, 421, 421]


@pytest.mark.parametrize(
    ("end", "code"), [(b"421 bye\r\n", 421), (b"", 451), (ConnectionLost(), 451)]
)
def test_lmtp_where_the_connection_ends_between_the_replies(end: Input, code: int) -> None:
    """Those that came stand, the rest may be tried again."""
    run = sending(opened(lmtp=True), [OK * 4 + GO_ON, OK, end], recipients=THREE)
    assert [reply.code for reply in run.result.replies] == [250, code, code]
    assert run.result.transient == ("c@x.org", "d@x.org")


@pytest.mark.parametrize("end", [*ENDS, NONSENSE, GONE])
def test_lmtp_where_all_that_came_are_refusals(end: Input) -> None:
    """What was refused for good stays so."""
    code = 421 if end == GONE else 451
    run = sending(opened(lmtp=True), [OK * 4 + GO_ON, NO, end], recipients=THREE)
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550, code, code]
    run = sending(opened(lmtp=True), [OK * 4 + GO_ON, LATER, end], recipients=THREE)
    assert not isinstance(run.error, AllRefused)
    assert run.error is not None


def test_lmtp_where_the_connection_ends_before_the_first_reply() -> None:
    run = sending(opened(lmtp=True), [OK * 4 + GO_ON], recipients=THREE)
    assert isinstance(run.error, ConnectionLost)


# --- PRDR ----------------------------------------------------------------------------------------

PRDR = b"250-mx.example.org\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 PRDR\r\n"
EACH = b"353 each for itself\r\n"


@pytest.mark.parametrize(
    ("lost", "kind"),
    [
        (ConnectionLost("reset"), ConnectionLost),
        (ConnectionLost("reset", b"421 4.3.2 shutting down\r\n"), ReplyError),
        (ConnectionLost("reset", b"250 ok\r\n"), RemoteProtocolError),
        (TimeoutError(), TimedOut),
    ],
)
def test_the_connection_is_lost_before_a_message(lost: BaseException, kind: type) -> None:
    outgoing = prepare(BODY, "a@example.com", "b@example.org")
    run = drive(send_message(opened(), outgoing), [lost])
    assert isinstance(run.error, kind)
    assert run.writes == []


def test_a_refusal_tells_more_than_what_is_wrong_with_the_rest() -> None:
    """A recipient that cannot be said is found when those before it have been said."""
    bad = Rcpt("c@example.org", {"XX": "1"})
    run = sending(opened(PLAIN), [NO], recipients=["b@example.org", bad])
    assert isinstance(run.error, ReplyError)
    run = sending(opened(), [NO + NO], recipients=["b@example.org", bad])
    assert isinstance(run.error, ReplyError)
    run = sending(opened(), [OK + OK], recipients=["b@example.org", bad])
    assert isinstance(run.error, LocalProtocolError)
    assert run.lines == ["MAIL FROM:<a@example.com> SIZE=20", "RCPT TO:<b@example.org>"]


def test_an_end_is_told_once_where_others_are_still_to_be_tried() -> None:
    run = sending(opened(TWO), [OK + NO + OK + GONE], recipients=FIVE)
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550, 421, 421, 421, 421]
    assert sum(line.startswith("(") for line in run.error.transcript) == 1


@pytest.mark.parametrize("end", [*ENDS, NONSENSE, GONE])
@pytest.mark.parametrize("last", [OK, NO])
def test_an_end_in_lmtp_where_others_are_still_to_be_tried(end: Input, last: bytes) -> None:
    """Nobody has refused them."""
    code = 421 if end == GONE else 451
    inputs = [OK * 3 + GO_ON, last + OK, OK * 3 + GO_ON, OK, end]
    run = sending(opened(TWO, lmtp=True), inputs, recipients=FIVE)
    first = int(last[:3])
    assert [reply.code for reply in run.result.replies] == [first, 250, 250, code, code]
    assert run.result.transient[-2:] == ("e@x.org", "f@x.org")
    run = sending(opened(TWO, lmtp=True), [OK * 3 + GO_ON, OK, end], recipients=FIVE)
    assert [reply.code for reply in run.result.replies] == [250, code, code, code, code]


def sending_prdr(inputs: list[Input], **settings: Any) -> Run:
    return sending(opened(PRDR), inputs, recipients=THREE, parameters={"PRDR": None}, **settings)


@pytest.mark.parametrize("transfer", ["data", "bdat"])
def test_prdr_has_a_reply_for_each_recipient(transfer: Any) -> None:
    rcpt = OK + OK + NO + OK + (GO_ON if transfer == "data" else b"")
    run = sending_prdr([rcpt, EACH + OK + LATER, b"250 as 4711\r\n"], transfer=transfer)
    assert run.lines[0] == "MAIL FROM:<a@example.com> PRDR"
    assert [reply.code for reply in run.result.replies] == [250, 550, 450]
    assert run.result.reply.text == "as 4711"


def test_prdr_with_one_reply_for_all() -> None:
    assert sending_prdr([OK * 4 + GO_ON, OK]).result.is_complete
    run = sending_prdr([OK * 4 + GO_ON, LATER])
    assert isinstance(run.error, ReplyError)
    assert run.error.stage == "mail data"


def test_prdr_where_the_last_reply_refuses_it_for_all() -> None:
    run = sending_prdr([OK * 4 + GO_ON, EACH + OK + OK + NO + b"554 5.7.1 spam\r\n"])
    assert isinstance(run.error, ReplyError)
    assert (run.error.reply.code, run.error.stage) == (554, "mail data")


def test_prdr_where_each_refuses_it() -> None:
    run = sending_prdr([OK * 4 + GO_ON, EACH + NO + LATER + NO + OK])
    assert isinstance(run.error, AllRefused)
    assert [reply.code for reply in run.error.replies] == [550, 450, 550]


@pytest.mark.parametrize("end", [b"", b"421 bye\r\n"])
def test_prdr_that_breaks_off_has_reached_nobody_for_sure(end: bytes) -> None:
    """Only the last reply makes it sure."""
    run = sending_prdr([OK * 4 + GO_ON, EACH + OK + OK, end])
    assert isinstance(run.error, ConnectionLost | ReplyError)


def test_prdr_that_is_not_offered() -> None:
    run = sending(opened(), [], parameters={"PRDR": None})
    assert isinstance(run.error, LocalProtocolError)
    assert run.out == b""


@pytest.mark.parametrize("keyword", ["TRANSID", "TransId"])
def test_a_message_is_not_resumed(keyword: str) -> None:
    connection = opened(b"250-mx.example.org\r\n250 CHECKPOINT\r\n")
    run = sending(connection, [], parameters={keyword: "<1@example.com>"})
    assert isinstance(run.error, LocalProtocolError)
    assert run.out == b""


# --- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [[b"221 bye\r\n"], [], [TimeoutError()], [b"junk\r\n"], [NO]])
def test_quit(inputs: list[Input]) -> None:
    """RFC 5321 4.1.1.10: the end of the stream is as good as a 221."""
    run = drive(quit_session(opened()), inputs)
    assert run.error is None
    assert run.out == b"QUIT\r\n"
    assert run.steps[-1] == Close(b"")
    assert run.steps[0].timeout == 10.0


def test_no_quit_where_it_cannot_be() -> None:
    connection = opened()
    sending(connection, [OK + OK + GO_ON], iter([b"\r\noctets", 1]), transfer="data")
    run = drive(quit_session(connection, timeout=1.0))
    assert run.steps == [Close(b"")]


def test_the_transcript() -> None:
    lines: list[str] = []
    connection = ClientConnection()
    opening(GREETING, PLAIN, connection=connection, transcript=lines.append)
    sending(
        connection,
        [OK, b"250-2.1.5 recipient\r\n250 2.1.5 ok\r\n", GO_ON, OK],
        transcript=lines.append,
    )
    assert lines == [
        "<- 220 mx.example.org ESMTP",
        "-> EHLO client.example",
        "<- 250 mx.example.org",
        "-> MAIL FROM:<a@example.com>",
        "<- 250 2.0.0 ok",
        "-> RCPT TO:<b@example.org>",
        "<- 250-2.1.5 recipient",
        "<- 250 2.1.5 ok",
        "-> DATA",
        "<- 354 go on",
        "-> (20 octets of mail data)",
        "-> .",
        "<- 250 2.0.0 ok",
    ]


def test_results_and_errors_have_a_transcript() -> None:
    connection = opened()
    result = sending(connection, [OK + OK + GO_ON, OK]).result
    assert result.transcript == (
        "-> MAIL FROM:<a@example.com> SIZE=20",
        "-> RCPT TO:<b@example.org>",
        "-> DATA",
        "<- 250 2.0.0 ok",
        "<- 250 2.0.0 ok",
        "<- 354 go on",
        "-> (20 octets of mail data)",
        "-> .",
        "<- 250 2.0.0 ok",
    )
    assert "MAIL" not in repr(result)
    again = sending(connection, [OK + OK + GO_ON, OK], recipients=["b@example.org"]).result
    assert again == result
    error = sending(connection, [OK + NO + b"503 no\r\n"]).error
    assert isinstance(error, AllRefused)
    assert error.transcript[-2:] == ("<- 550 5.1.1 no", "<- 503 no")
    opened_badly = opening(GREETING, b"450 no\r\n").error
    assert isinstance(opened_badly, ReplyError)
    assert opened_badly.transcript == (
        "<- 220 mx.example.org ESMTP",
        "-> EHLO client.example",
        "<- 450 no",
    )


LOST = ConnectionLost("reset")
SOURCE = (b"\r\none\r\n", b"two\r\n")


@pytest.mark.parametrize(
    ("transfer", "inputs", "all_out"),
    [
        ("data", [LOST], False),
        ("data", [OK + OK, LOST], False),
        ("data", [OK + OK + GO_ON, LOST], False),
        ("data", [OK + OK + GO_ON, NOTHING, LOST], True),
        ("data", [OK + OK + GO_ON, NOTHING, b"25", b""], True),
        ("bdat", [OK + OK, LOST], True),
        ("bdat", [OK + OK, OK, LOST], True),
        ("bdat", [LOST], False),
    ],
)
def test_what_was_said_last_tells_whether_the_server_may_have_the_message(
    transfer: Any, inputs: list[Input], all_out: bool
) -> None:
    connection = opened(b"250-mx.example.org\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
    run = sending(connection, inputs, iter(SOURCE), transfer=transfer)
    assert isinstance(run.error, ConnectionLost)
    said = [line for line in run.error.transcript if line.startswith("->")]
    assert (said[-1] == "-> ." or said[-1].endswith("LAST")) is all_out


def test_errors_of_the_protocol_have_what_the_others_have() -> None:
    nonsense = sending(opened(), [OK + b"what?\r\n"]).error
    assert isinstance(nonsense, RemoteProtocolError)
    assert nonsense.transcript[-1] == "<- 250 2.0.0 ok"
    assert "-> MAIL FROM:<a@example.com> SIZE=20" in nonsense.transcript
    impossible = executing(opened(), Data()).error
    assert isinstance(impossible, LocalProtocolError)
    assert impossible.transcript == ()
    assert nonsense.is_transient  # RFC 5321 3.8: as if a 451 had come
    assert not impossible.is_transient


def test_a_long_transcript_keeps_its_end() -> None:
    recipients = [f"user{number}@example.org" for number in range(600)]
    run = sending(opened(), [OK * 100] * 6 + [OK + GO_ON, OK], recipients=recipients)
    lines = run.result.transcript
    assert len(lines) == 1001
    assert (lines[0], lines[-1]) == ("...", "<- 250 2.0.0 ok")


def test_what_is_kept_does_not_grow_with_the_recipients() -> None:
    many = [f"user{number}@example.org" for number in range(2100)]
    alone = sending(opened(), [OK] * 2101 + [GO_ON, OK], recipients=many)
    inputs = [OK + OK + GO_ON, OK] * 700
    in_parts = sending(limited(b"RCPTMAX=1"), inputs, recipients=many[:700])
    for run in (alone, in_parts):
        result = run.result
        assert result.is_complete
        assert len(result.recording) < 2500
        lines = result.transcript
        assert len(lines) == 1001
        assert (lines[0], lines[-1]) == ("...", "<- 250 2.0.0 ok")


def test_a_transcript_is_no_longer_for_long_replies() -> None:
    long = b"250-more\r\n" * 200 + OK
    run = sending(opened(), [long, long * 9, GO_ON, OK], recipients=["b@example.org"] * 9)
    lines = run.result.transcript
    assert len(lines) == 1001
    assert (lines[0], lines[1], lines[-1]) == ("...", "<- 250-more", "<- 250 2.0.0 ok")


def test_what_is_kept_does_not_grow_with_the_message() -> None:
    looks = [NOTHING] * (4800 // 16 + 1)
    inputs = [OK + OK + GO_ON, *looks, OK]
    result = sending(opened(), inputs, [b"\r\nx"] * 4800, transfer="data").result
    assert len(result.recording) < 2500
    lines = result.transcript
    assert len(lines) == 1001
    assert (lines[0], lines[1], lines[-2]) == ("...", "-> (3 octets of mail data)", "-> .")


# --- other commands ------------------------------------------------------------------------------


def executing(connection: ClientConnection, command: Any, *inputs: Input) -> Run:
    return drive(execute(connection, command), [NOTHING, *inputs])


@pytest.mark.parametrize("reply", [OK, NO, b"252 2.1.5 perhaps\r\n"])
def test_a_command_between_two_messages(reply: bytes) -> None:
    connection = opened()
    run = executing(connection, Vrfy("bob"), reply)
    assert run.out == b"VRFY bob\r\n"
    assert run.result.code == int(reply[:3])
    assert is_reusable(connection)


def test_a_command_that_cannot_be_sent() -> None:
    connection = opened()
    assert isinstance(executing(connection, Data()).error, LocalProtocolError)
    assert isinstance(executing(connection, Auth("PLAIN")).error, LocalProtocolError)
    assert is_reusable(connection)


def test_a_command_that_finds_the_session_over() -> None:
    connection = opened()
    run = executing(connection, Noop(), b"421 4.4.2 idle\r\n")
    assert isinstance(run.error, ReplyError)
    assert run.error.transcript == ("-> NOOP", "<- 421 4.4.2 idle")
    assert not is_reusable(connection)
    run = drive(execute(opened(), Noop()), [b""])
    assert isinstance(run.error, ConnectionLost)
    assert run.out == b""


def test_a_command_that_leads_elsewhere() -> None:
    connection = opened()
    assert executing(connection, StartTLS(), b"220 go\r\n").error is None
    assert not is_reusable(connection)
    connection = opened()
    assert executing(connection, Mail("a@x.org"), OK).error is None
    run = sending(connection, [OK + OK + OK + GO_ON, OK])
    assert run.out.startswith(b"RSET\r\nMAIL")
    assert run.error is None


def test_the_errors_say_what_happened() -> None:
    error = AllRefused(("a@x.org", "a@x.org"), (Reply(450, "x"), Reply(550, "y")))
    assert error.refused == {"a@x.org": Reply(550, "y")}
    assert "all 2 recipients refused" in str(error)
    assert ReplyError(Reply(550, "no"), "MAIL").is_transient is False
