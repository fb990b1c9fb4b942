# SPDX-License-Identifier: MIT
"""Several messages in one dialogue: what goes together, and what becomes of each."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Iterable
from email.message import EmailMessage
from typing import Any

import pytest
from dialogue_drive import NOTHING, Input, Run, drive
from test_dialogues_client import ALL, BODY, GO_ON, LATER, NO, OK, PIPELINING, PLAIN, opened

from smtpproto import (
    ClientConnection,
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    State,
)
from smtpproto.dialogues import (
    AllRefused,
    ConnectionLost,
    ReplyError,
    SecurityError,
    SendResult,
    TimedOut,
    is_reusable,
    prepare_all,
    send_messages,
)

ACCEPTED = OK + OK + GO_ON
TAKEN = b"250 2.0.0 queued\r\n"
BYE = b"421 4.3.2 bye\r\n"
END = b".\r\n"
PRDR = b"250-mx.example.org\r\n250-PIPELINING\r\n250 PRDR\r\n"
REQUIRETLS = b"250-mx.example.org\r\n250-PIPELINING\r\n250 REQUIRETLS\r\n"
LIMITS = b"250-mx.example.org\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=2\r\n"


def envelope(sender: str, *recipients: str) -> bytes:
    lines = [f"MAIL FROM:<{sender}>", *[f"RCPT TO:<{each}>" for each in recipients], "DATA"]
    return "".join(f"{line}\r\n" for line in lines).encode()


def messages(count: int) -> list[tuple[bytes, str, str]]:
    return [(BODY, f"s{number}@example.com", f"r{number}@example.org") for number in range(count)]


def sending(
    connection: ClientConnection,
    inputs: Iterable[Input],
    several: Iterable[Any],
    parameters: Any = None,
    **settings: Any,
) -> Run:
    dialogue = send_messages(connection, prepare_all(several, parameters), **settings)
    return drive(dialogue, [NOTHING, *inputs])


def test_the_next_envelope_goes_behind_the_mail_data() -> None:
    connection = opened(PIPELINING)
    run = sending(
        connection,
        [ACCEPTED, TAKEN + ACCEPTED, b"250 2.0.0 second\r\n" + ACCEPTED, TAKEN],
        messages(3),
    )
    first, second, third = (envelope(f"s{n}@example.com", f"r{n}@example.org") for n in range(3))
    assert run.writes == [first, BODY + END + second, BODY + END + third, BODY + END]
    assert all(isinstance(outcome, SendResult) for outcome in run.result)
    assert [outcome.reply.text for outcome in run.result] == ["queued", "second", "queued"]
    assert [outcome.accepted for outcome in run.result] == [
        (f"r{n}@example.org",) for n in range(3)
    ]
    assert is_reusable(connection)


def test_each_transcript_is_that_of_its_message() -> None:
    run = sending(opened(PIPELINING), [ACCEPTED, TAKEN + ACCEPTED, TAKEN], messages(2))
    for number, outcome in enumerate(run.result):
        assert outcome.transcript == (
            f"-> MAIL FROM:<s{number}@example.com>",
            f"-> RCPT TO:<r{number}@example.org>",
            "-> DATA",
            "<- 250 2.0.0 ok",
            "<- 250 2.0.0 ok",
            "<- 354 go on",
            f"-> ({len(BODY)} octets of mail data)",
            "-> .",
            "<- 250 2.0.0 queued",
        )


def test_who_listens_hears_all_in_its_order() -> None:
    heard: list[str] = []
    run = sending(
        opened(PIPELINING),
        [ACCEPTED, TAKEN + ACCEPTED, TAKEN],
        messages(2),
        transcript=heard.append,
    )
    assert [isinstance(outcome, SendResult) for outcome in run.result] == [True, True]
    assert heard.index("-> MAIL FROM:<s1@example.com>") < heard.index("<- 250 2.0.0 queued")
    assert run.result[1].transcript[0] == "-> MAIL FROM:<s1@example.com>"
    assert run.result[0].transcript[-1] == "<- 250 2.0.0 queued"


@pytest.mark.parametrize("cut", range(len(TAKEN + ACCEPTED)))
def test_however_the_replies_are_cut(cut: int) -> None:
    replies = TAKEN + ACCEPTED
    inputs = [ACCEPTED, *filter(None, (replies[:cut], replies[cut:])), TAKEN]
    connection = opened(PIPELINING)
    run = sending(connection, inputs, messages(2))
    assert [type(outcome) for outcome in run.result] == [SendResult] * 2
    assert run.result[0].reply.text == "queued"
    assert run.writes[-1] == BODY + END
    assert is_reusable(connection)


@pytest.mark.parametrize("end", [NO, LATER])
def test_a_message_is_refused_and_the_next_goes_on(end: bytes) -> None:
    connection = opened(PIPELINING)
    run = sending(connection, [ACCEPTED, end + ACCEPTED, TAKEN], messages(2))
    refused, taken = run.result
    assert isinstance(refused, ReplyError)
    assert refused.stage == "mail data"
    assert refused.is_transient is (end == LATER)
    assert refused.transcript[-1] == f"<- {end.decode().strip()}"
    assert taken.is_complete
    assert is_reusable(connection)


def test_an_envelope_behind_is_refused() -> None:
    """RFC 2920 3.1: mail data that was asked for all the same is ended by a lone dot."""
    connection = opened(PIPELINING)
    inputs = [ACCEPTED, TAKEN + OK + NO + GO_ON, b"554 no recipients\r\n", NOTHING, ACCEPTED, TAKEN]
    run = sending(connection, inputs, messages(3))
    first, second, third = run.result
    assert first.is_complete
    assert isinstance(second, AllRefused)
    assert third.is_complete
    assert run.writes[2:] == [END, envelope("s2@example.com", "r2@example.org"), BODY + END]


@pytest.mark.parametrize(
    ("replies", "dot"),
    [(b"503 no\r\n" * 2, []), (OK + GO_ON, [b"554 no recipients\r\n"])],
)
def test_a_sender_behind_is_refused(replies: bytes, dot: list[Input]) -> None:
    """A server that asks for mail data all the same has answered this very envelope."""
    connection = opened(PIPELINING)
    inputs = [ACCEPTED, TAKEN + LATER + replies, *dot, NOTHING, ACCEPTED, TAKEN]
    run = sending(connection, inputs, messages(3))
    assert run.result[0].is_complete
    assert isinstance(run.result[1], ReplyError)
    assert run.result[1].stage == "MAIL"
    assert run.result[1].is_transient
    assert run.result[2].is_complete
    assert (END in run.writes) is bool(dot)


@pytest.mark.parametrize("text", [TAKEN + BYE, TAKEN, TAKEN + OK, TAKEN + OK + OK])
def test_the_session_ends_behind_a_message(text: bytes) -> None:
    connection = opened(PIPELINING)
    run = sending(connection, [ACCEPTED, text], messages(3))
    assert run.result[0].is_complete
    for outcome in run.result[1:]:
        assert isinstance(outcome, ConnectionLost | ReplyError)
        assert outcome.is_transient
    assert "ended before" in str(run.result[2])
    assert BODY not in run.writes[-1] or len(run.writes) == 2
    assert not is_reusable(connection)


@pytest.mark.parametrize("failure", [TimeoutError(), ConnectionLost("gone"), b"", BYE])
def test_what_became_of_a_message_is_not_known(failure: Input) -> None:
    """The envelope behind it is of no use, however the session goes on."""
    connection = opened(PIPELINING)
    run = sending(connection, [ACCEPTED, failure], messages(3))
    assert run.writes == [
        envelope("s0@example.com", "r0@example.org"),
        BODY + END + envelope("s1@example.com", "r1@example.org"),
    ]
    lost, *others = run.result
    assert isinstance(lost, ReplyError if failure == BYE else ConnectionLost)
    assert isinstance(lost, TimedOut) is isinstance(failure, TimeoutError)
    assert lost.is_transient
    for outcome in others:
        assert isinstance(outcome, ConnectionLost)
        assert "ended before" in str(outcome)
    assert not is_reusable(connection)


def test_last_words_tell_what_became_of_it() -> None:
    run = sending(opened(PIPELINING), [ACCEPTED, ConnectionLost("gone", TAKEN + OK)], messages(2))
    assert run.result[0].is_complete
    assert isinstance(run.result[1], ConnectionLost)


def test_a_server_that_answers_too_much_is_found_out() -> None:
    connection = opened(PIPELINING)
    run = sending(connection, [ACCEPTED, TAKEN + TAKEN + ACCEPTED], messages(3))
    assert run.result[0].is_complete
    assert isinstance(run.result[1], RemoteProtocolError)
    assert isinstance(run.result[2], ConnectionLost)
    assert connection.state is State.ERROR


TOO_BIG = b"552 5.3.4 too big\r\n"


@pytest.mark.parametrize(
    ("replies", "recipients"),
    [
        (TOO_BIG * 2 + ACCEPTED, 1),
        (TOO_BIG * 2 + OK + NO, 1),
        (TOO_BIG * 2 + OK + NO + b"503 no\r\n", 1),
        (TAKEN * 2 + OK + NO + OK + GO_ON, 2),
        (TAKEN * 2 + OK + OK + NO + GO_ON, 2),
    ],
)
def test_a_second_reply_to_a_message_does_not_refuse_the_next_for_good(
    replies: bytes, recipients: int
) -> None:
    """Nobody looked for it before the envelope went: nothing of what comes is known to be its."""
    connection = opened(PIPELINING)
    several: list[Any] = [*messages(3)]
    several[1] = (BODY, "s1@example.com", ["a@example.org", "b@example.org"][:recipients])
    run = sending(connection, [ACCEPTED, replies], several)
    assert (TOO_BIG in replies) is isinstance(run.result[0], ReplyError)
    assert isinstance(run.result[1], RemoteProtocolError)
    assert run.result[1].is_transient
    assert isinstance(run.result[2], ConnectionLost)
    assert BODY not in run.writes[-1].removeprefix(BODY)
    assert not is_reusable(connection)


@pytest.mark.parametrize("last", [ConnectionLost("gone"), TimeoutError(), b"", BYE])
def test_nor_does_it_where_the_session_ends(last: Input) -> None:
    run = sending(opened(PIPELINING), [ACCEPTED, TOO_BIG * 2 + OK, last], messages(2))
    assert [outcome.is_transient for outcome in run.result] == [False, True]


@pytest.mark.parametrize("refusals", [NO * 3, OK + NO * 2])
def test_what_is_refused_for_good_stays_so_where_the_session_ends(refusals: bytes) -> None:
    run = sending(opened(PIPELINING), [ACCEPTED, TAKEN + refusals + BYE], messages(2))
    assert run.result[0].is_complete
    assert isinstance(run.result[1], ReplyError | AllRefused)
    assert not run.result[1].is_transient


EACH = [OK, OK, GO_ON, TAKEN]


@pytest.mark.parametrize(
    ("hello", "settings", "inputs"),
    [
        (PLAIN, {}, EACH),
        (LIMITS, {}, [ACCEPTED, TAKEN]),
        (ALL, {"transfer": "bdat"}, [OK + OK, TAKEN]),
        (PRDR, {"parameters": {"PRDR": None}}, [ACCEPTED, b"353 each\r\n" + TAKEN * 2]),
        (PLAIN, {"lmtp": True}, [OK, OK, GO_ON, TAKEN]),
    ],
)
def test_a_message_with_nothing_behind_it(
    hello: bytes, settings: dict[str, Any], inputs: list[Input]
) -> None:
    """The server does not take it so, or what is to be sent has more than one reply."""
    connection = opened(hello, lmtp=settings.pop("lmtp", False))
    run = sending(connection, [*inputs, NOTHING, *inputs], messages(2), **settings)
    assert [type(outcome) for outcome in run.result] == [SendResult] * 2
    (second,) = [octets for octets in run.writes if b"FROM:<s1@" in octets]
    assert second.startswith(b"MAIL FROM:<s1@")


def test_a_message_that_goes_by_chunks_is_not_begun_early() -> None:
    """RFC 3030 2 has no command that its mail data waits for."""
    big = (b"x" * 78 + b"\r\n") * 20_000
    connection = opened(ALL)
    several = [messages(1)[0], (big, "big@example.com", "r@example.org"), messages(1)[0]]
    replies = [OK] * 40
    run = drive(
        send_messages(connection, prepare_all(several)),
        [NOTHING, ACCEPTED, TAKEN, NOTHING, OK + OK, *replies],
        to_the_end=False,
    )
    assert run.writes[1] == BODY + END
    assert run.writes[2].startswith(b"MAIL FROM:<big@example.com>")
    assert b"DATA\r\n" not in run.writes[2]


def test_one_that_this_server_does_not_take_is_told_when_it_is_its_turn() -> None:
    several = messages(3)
    several[1] = (b"\r\n\xff\r\n", *several[1][1:])
    run = sending(opened(PIPELINING), [ACCEPTED, TAKEN, NOTHING, NOTHING, ACCEPTED, TAKEN], several)
    first, second, third = run.result
    assert first.is_complete
    assert isinstance(second, LocalProtocolError)
    assert "8BITMIME" in str(second)
    assert third.is_complete
    assert b"s1@" not in run.out


def test_one_that_needs_more_of_tls_is_told_when_it_is_its_turn() -> None:
    """RFC 8689 4.2.1: nothing is sent of it, and nothing is wrong with the one before."""
    connection = opened(REQUIRETLS)
    several = [
        *prepare_all(messages(1)),
        *prepare_all(messages(1), {"REQUIRETLS": None}),
        *prepare_all(messages(1)),
    ]
    run = drive(
        send_messages(connection, several),
        [NOTHING, ACCEPTED, TAKEN, NOTHING, NOTHING, ACCEPTED, TAKEN],
    )
    first, second, third = run.result
    assert first.is_complete
    assert isinstance(second, SecurityError)
    assert third.is_complete


@pytest.mark.parametrize("ok", [b"250 ok\r\n", OK])
@pytest.mark.parametrize("count", [21, 24, 60, 200])
def test_an_envelope_that_needs_several_groups(count: int, ok: bytes) -> None:
    """What is outstanding must fit the windows of TCP (RFC 2920 3.1).

    The replies to a part come with the one before: all of them are what was hoped for, where they
    are short enough to come so.
    """
    many = [f"r{number}@{'x' * 50}.{'y' * 50}.{'z' * 50}.example.org" for number in range(count)]
    connection = opened(PIPELINING)
    several = [messages(1)[0], (BODY, "many@example.com", many), messages(1)[0]]
    dialogue = send_messages(connection, prepare_all(several))
    step = next(dialogue)
    writes = []
    try:
        while True:
            writes.append(step.out)
            codes = {"DATA": GO_ON}
            replies = [codes.get(waiting.verb, ok) for waiting in connection.outstanding]
            step = dialogue.send(b"".join(replies) or None)
    except StopIteration as end:
        outcomes = end.value
    assert [outcome.is_complete for outcome in outcomes] == [True] * 3
    assert outcomes[1].accepted == tuple(many)
    assert b"".join(writes).count(b"RCPT TO:") == count + 2
    assert b"".join(writes).count(BODY + END) == 3
    assert max(map(len, writes)) < 5120


@pytest.mark.parametrize("failure", [BYE, TimeoutError, ConnectionLost, b"", OK * 3])
def test_who_keeps_an_outcome_keeps_no_other_message(failure: Any) -> None:
    class Source(list[bytes]):
        pass

    source = Source([BODY])
    is_kept = weakref.ref(source)
    several = [*messages(2), (source, "s@example.com", "r@example.org")]
    last = failure if isinstance(failure, bytes) else failure()
    outcomes = sending(opened(PIPELINING), [ACCEPTED, last], several).result
    del source, last, several
    gc.collect()
    assert isinstance(outcomes[1], ConnectionLost | ReplyError | RemoteProtocolError)
    assert is_kept() is None


def test_sources_that_are_read_take_their_turn() -> None:
    several: list[Any] = [
        (io.BytesIO(BODY), "f@example.com", "r@example.org"),
        messages(1)[0],
        ((piece for piece in (BODY, b"more\r\n")), "i@example.com", "r@example.org"),
    ]
    connection = opened(PIPELINING)
    inputs = [ACCEPTED, TAKEN + ACCEPTED, TAKEN, NOTHING, ACCEPTED, NOTHING, TAKEN]
    run = sending(connection, inputs, several)
    assert [outcome.is_complete for outcome in run.result] == [True] * 3
    assert run.writes[1] == BODY + END + envelope("s0@example.com", "r0@example.org")
    assert run.out.endswith(BODY + b"more\r\n" + END)


def test_what_a_source_raises_ends_it_all() -> None:
    def failing() -> Iterable[bytes]:
        yield BODY
        raise OSError("disk")

    told: list[Any] = []
    several = [messages(1)[0], (failing(), "f@example.com", "r@example.org"), messages(1)[0]]
    connection = opened(PIPELINING)
    run = sending(
        connection,
        [ACCEPTED, TAKEN, NOTHING, ACCEPTED],
        several,
        on_outcome=lambda *outcome: told.append(outcome),
    )
    assert isinstance(run.error, OSError)
    [(number, outcome)] = told
    assert number == 0
    assert outcome.is_complete
    assert not is_reusable(connection)


def test_each_outcome_is_told_before_the_next_is_known() -> None:
    class Enough(Exception):
        pass

    told: list[int] = []

    def tell(number: int, outcome: Any) -> None:
        told.append(number)
        assert outcome.is_complete
        if number == 1:
            raise Enough

    connection = opened(PIPELINING)
    inputs = [ACCEPTED, TAKEN + ACCEPTED, TAKEN + ACCEPTED]
    run = sending(connection, inputs, messages(4), on_outcome=tell)
    assert isinstance(run.error, Enough)
    assert told == [0, 1]
    assert not is_reusable(connection)


def test_a_transfer_that_there_is_not_is_told_before_any_is_sent() -> None:
    connection = opened(PIPELINING)
    heard: list[Any] = []
    dialogue = send_messages(
        connection,
        prepare_all(messages(2)),
        transfer="pigeon",  # type: ignore[arg-type]
        on_outcome=lambda *told: heard.append(told),
    )
    run = drive(dialogue, [])
    assert isinstance(run.error, InvalidValueError)
    assert str(run.error) == "transfer: auto or data or bdat expected, not 'pigeon'"
    assert run.out == b""
    assert heard == []
    assert is_reusable(connection)


def test_no_messages_are_nothing_to_say() -> None:
    connection = opened(PIPELINING)
    assert drive(send_messages(connection, [])).result == []


def test_the_header_tells_who_gets_it() -> None:
    message = EmailMessage()
    message["From"] = "ann@example.com"
    message["To"] = "bob@example.org, joe@example.org"
    (outgoing,) = prepare_all([(message, None, None)])
    assert outgoing.sender.address == "ann@example.com"
    assert len(outgoing.recipients) == 2


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (BODY, TypeError, "a tuple of message, sender and recipients expected"),
        ([BODY, "a@example.com", "b@example.org"], TypeError, "not list"),
        ((BODY, "a@example.com"), TypeError, "a tuple of message, sender and recipients"),
        ((BODY, None, None), LocalProtocolError, "sender"),
        (("text", "a@example.com", "b@example.org"), TypeError, "octets expected, not str"),
        ((BODY, "nobody", "b@example.org"), LocalProtocolError, "nobody"),
    ],
)
def test_what_is_no_message_is_told_before_any_is_sent(
    wrong: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match) as caught:
        prepare_all([*messages(2), wrong])
    assert caught.value.__notes__ == ["in messages[2]; none was sent"]
