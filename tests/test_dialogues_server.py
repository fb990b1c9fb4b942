# SPDX-License-Identifier: MIT
"""The server's dialogue: which hook is asked when, what is answered, what becomes of messages."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from dialogue_drive import Recorder, RecordingSink, Run, connection, drive, serve

from smtpproto import (
    ChunkReceived,
    Command,
    Data,
    Ehlo,
    Mail,
    Rcpt,
    Reply,
    ServerConnection,
    TLSInfo,
    Vrfy,
)
from smtpproto.dialogues import (
    Cancelled,
    Close,
    Collect,
    ConnectionLost,
    Dialogue,
    Handle,
    Handshake,
    Peer,
    Read,
    Reject,
    SecurityError,
    refuse_session,
    serve_session,
)
from smtpproto.dialogues.conversation import Terms
from smtpproto.dialogues.server import _Server
from smtpproto.extensions import Chunking, Pipelining, Prdr
from smtpproto.limits import Limits

HELLO = b"EHLO client.example\r\n"
START = HELLO + b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n"
MESSAGE = START + b"DATA\r\n"
TEXT = b"Subject: x\r\n\r\ntext\r\n"
QUIT = b"QUIT\r\n"
LMTP = START.replace(b"EHLO", b"LHLO") + b"RCPT TO:<c@example.org>\r\nDATA\r\n"


def lmtp(handler: object, *inputs: Any, **options: Any) -> Run:
    return serve(handler, *inputs, server=connection(lmtp=True), **options)


def test_a_session_with_a_message() -> None:
    handler = Collect()
    run = serve(handler, MESSAGE, TEXT + b".\r\n", QUIT)
    assert run.codes == [220, 250, 250, 250, 354, 250, 221]
    [message] = handler.messages
    assert message.content == TEXT
    assert message.sender == "a@example.com"
    assert message.recipients == ("b@example.org",)
    assert isinstance(run.steps[-1], Close)


def test_the_replies_of_a_group_are_one_write() -> None:
    """RFC 2920 3.2: replies may be sent together."""
    run = serve(Collect(), MESSAGE + TEXT + b".\r\n" + START[len(HELLO) :] + QUIT)
    assert len(run.writes) == 2  # the greeting, and all the rest


def test_out_is_empty_where_nothing_is_due() -> None:
    run = serve(Collect(), MESSAGE, b"part", b"ial", b" line\r\n.\r\n", QUIT)
    reads = [step for step in run.steps if isinstance(step, Read)]
    assert [bool(step.out) for step in reads] == [True, True, False, False, True]


def test_the_time_goes_on_while_a_command_is_incomplete() -> None:
    run = serve(Collect(), b"EH", b"LO a", b".example\r\n", b"QUIT\r\n", timeout=7.0)
    reads = [step for step in run.steps if isinstance(step, Read)]
    assert [step.goes_on for step in reads] == [False, True, True, False]
    assert {step.timeout for step in reads} == {7.0}


def test_the_time_is_that_of_the_rfc_by_default() -> None:
    [read] = [step for step in serve(Collect()).steps if isinstance(step, Read)]
    assert read.timeout == 300


def test_hooks_get_the_peer_and_the_value() -> None:
    peers = []

    def see(peer: Peer, *args: Any) -> None:
        peers.append((peer, peer.hello and peer.hello.domain))

    handler = Recorder(
        on_connect=see,
        on_ehlo=see,
        on_mail=see,
        on_rcpt=see,
        on_message=see,
        on_vrfy=see,
        on_expn=see,
        on_help=see,
        on_close=see,
        on_abort=see,
    )
    peer = Peer(("192.0.2.1", 4711))
    run = serve(handler, MESSAGE + b".\r\nVRFY x\r\nEXPN y\r\nHELP\r\nNOOP\r\n", QUIT, peer=peer)
    assert run.codes == [220, 250, 250, 250, 354, 250, 252, 252, 214, 250, 221]
    assert handler.names == [
        "on_connect",
        "on_ehlo",
        "on_mail",
        "on_rcpt",
        "on_message",
        "on_vrfy",
        "on_expn",
        "on_help",
        "on_close",
    ]
    assert isinstance(handler.calls[1][1], Ehlo)
    assert isinstance(handler.calls[2][1], Mail)
    assert isinstance(handler.calls[3][1], Rcpt)
    assert isinstance(handler.calls[5][1], Vrfy)
    assert all(seen is peer for seen, _ in peers)
    assert [name for _, name in peers][:3] == [None, None, "client.example"]


@pytest.mark.parametrize("outcome", [Reply(450, "later", "4.2.0"), Reject(450, "later", "4.2.0")])
@pytest.mark.parametrize("hook", ["on_ehlo", "on_mail", "on_rcpt", "on_message"])
def test_a_hook_refuses(hook: str, outcome: Any) -> None:
    handler = Recorder(**{"on_message": None, hook: outcome})
    run = serve(handler, MESSAGE + b".\r\n" if hook == "on_message" else START, QUIT)
    # No status in the reply to EHLO (RFC 2034 4).
    assert (b"450 later\r\n" if hook == "on_ehlo" else b"450 4.2.0 later\r\n") in run.out
    assert run.failures == []


@pytest.mark.parametrize("code", [554, 521, 421])
def test_a_client_is_turned_away(code: int) -> None:
    handler = Recorder(on_connect=Reply(code, "go away"), on_close=None)
    inputs = [] if code == 421 else [b"EHLO x.example\r\nQUIT\r\n"]
    run = serve(handler, *inputs)
    assert run.codes[0] == code
    assert run.codes[1:] == ([] if code == 421 else [503, 221])
    assert handler.names == ["on_connect", "on_close"]


def test_a_hook_answers_positively_in_its_own_words() -> None:
    handler = Recorder(on_rcpt=Reply(251, "will forward"), on_message=Reply(250, "as 4711"))
    run = serve(handler, MESSAGE + b".\r\n" + QUIT)
    assert b"251 2.1.5 will forward" in run.out
    assert b"250 2.0.0 as 4711" in run.out


def test_mail_is_refused_where_nothing_takes_it() -> None:
    for handler in (object(), Recorder(on_mail=None)):
        run = serve(handler, START + QUIT)
        assert b"550 5.7.1 no mail is taken here\r\n" in run.out
        assert run.codes == [220, 250, 550, 503, 221]


@pytest.mark.parametrize("error", [ValueError("x"), TimeoutError(), ConnectionLost()])
@pytest.mark.parametrize("hook", ["on_ehlo", "on_mail", "on_rcpt", "on_message"])
def test_a_hook_that_fails_is_answered_451_and_the_session_goes_on(
    hook: str, error: Exception
) -> None:
    handler = Recorder(**{"on_message": None, hook: error})
    run = serve(handler, MESSAGE + b".\r\n" if hook == "on_message" else b"HELP\r\n" + START, QUIT)
    # No status in the reply to EHLO (RFC 2034 4).
    assert b"451 local error\r\n" in run.out or b"451 4.3.0 local error\r\n" in run.out
    assert run.failures == [error]
    assert run.codes[-1] == 221


@pytest.mark.parametrize(
    "outcome",
    [
        *(ValueError("x"), TimeoutError(), ConnectionLost(), 7),
        *(Reply(354, "x"), Reply(250, "ok"), Reply(221, "bye")),
    ],
)
def test_a_session_that_cannot_begin_ends(outcome: Any) -> None:
    """With what may be a greeting, other than a 451 or 250 (RFC 5321 4.2, 4.2.3, 4.3.2)."""
    told: list[Any] = []
    run = serve(Recorder(on_connect=outcome, on_close=None), observe=told.append)
    assert run.out == b"421 local error\r\n"
    assert len(run.failures) == 1
    assert [record.ending for record in told] == ["turned away"]
    [close] = [step for step in run.steps if isinstance(step, Close)]
    assert close.lingers


class Unspeakable:
    """Cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@pytest.mark.parametrize(
    "answer",
    ["250 ok", 250, True, Unspeakable(), Reply(354, "go on"), Reply(220, "x")],
    ids=["str", "int", "bool", "unspeakable", "354", "220"],
)
@pytest.mark.parametrize("hook", ["on_mail", "on_rcpt", "on_message"])
def test_an_answer_that_cannot_be_is_the_hooks_fault(hook: str, answer: Any) -> None:
    handler = Recorder(**{"on_message": None, hook: answer})
    run = serve(handler, MESSAGE + b".\r\n" if hook == "on_message" else START, QUIT)
    if answer == Reply(220, "x"):
        assert run.failures == []  # any 2yz accepts (RFC 5321 4.2.1)
        return
    assert b"451 4.3.0 local error" in run.out
    assert len(run.failures) == 1
    assert run.codes[-1] == 221


@pytest.mark.parametrize("hook", ["on_ehlo", "on_mail", "on_rcpt", "on_message", "on_help"])
def test_a_421_of_a_hook_closes(hook: str) -> None:
    handler = Recorder(**{"on_message": None, "on_close": None, hook: Reply(421, "enough")})
    run = serve(handler, HELLO + b"HELP\r\n" + MESSAGE[len(HELLO) :] + b".\r\nNOOP\r\n")
    assert run.lines[-1] == ("421 enough" if hook == "on_ehlo" else "421 4.3.2 enough")
    assert handler.names[-1] == "on_close"
    assert run.steps[-1].lingers


def test_a_message_is_parsed_on_demand() -> None:
    handler = Collect()
    serve(handler, MESSAGE + "Subject: Grüße\r\n\r\nx\r\n.\r\n".encode(), QUIT)
    assert handler.messages[0].parse()["Subject"] == "Grüße"
    assert handler.messages[0].reverse_path.local_part == "a"


# --- the end of transactions ---------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"RSET\r\n", b"EHLO again.example\r\n", b"QUIT\r\n", b""])
def test_a_transaction_that_ends_early_is_aborted_once(end: bytes) -> None:
    seen = []

    def note(peer: Peer) -> None:
        assert peer.transaction is not None
        seen.append(peer.transaction.mail.reverse_path.address)

    handler = Recorder(on_abort=note, on_message=None, on_close=None)
    serve(handler, START + end, *([QUIT] if end and end != QUIT else []))
    assert seen == ["a@example.com"]
    assert handler.names == ["on_abort", "on_close"]


def test_a_refused_ehlo_ends_no_transaction() -> None:
    """RFC 5321 4.1.4: the state stays as it was."""
    handler = Recorder(on_ehlo=lambda _, hello: None if hello.domain != "x" else Reply(550, "no"))
    handler.on_message = lambda peer, message: None  # type: ignore[attr-defined]
    run = serve(handler, START + b"EHLO x\r\nDATA\r\n", b".\r\n" + QUIT)
    assert run.codes == [220, 250, 250, 250, 550, 354, 250, 221]


@pytest.mark.parametrize(
    ("failure", "last"),
    [
        (TimeoutError(), "421 4.4.2 timed out"),
        (Cancelled(), "421 4.3.2 server shutting down"),
        (ConnectionLost(), "354"),
    ],
)
def test_a_connection_that_fails_in_the_middle_of_a_message(failure: Exception, last: str) -> None:
    handler = Recorder(on_abort=None, on_message=None, on_close=None)
    run = serve(handler, MESSAGE, b"half a mess", failure)
    assert run.lines[-1].startswith(last)
    assert handler.names == ["on_abort", "on_close"]
    assert run.steps[-1].lingers


def test_the_end_of_the_stream_in_the_middle_of_a_message() -> None:
    handler = Recorder(on_abort=None, on_message=None)
    run = serve(handler, MESSAGE, b"half a mess")
    assert run.codes[-1] == 354
    assert handler.names == ["on_abort"]


def test_cancelled_in_a_hook() -> None:
    dialogue = serve_session(connection(), Recorder(on_connect=None, on_close=None), Peer())
    assert isinstance(next(dialogue), Handle)
    step = dialogue.throw(Cancelled())
    assert isinstance(step, Handle)  # on_close
    assert step.out == b"421 server shutting down\r\n"
    assert dialogue.send(None) == Close(b"", lingers=True)


def test_generator_exit_asks_nothing_more() -> None:
    handler = Recorder(on_close=None)
    dialogue = serve_session(connection(), handler, Peer())
    next(dialogue)
    dialogue.close()
    assert handler.names == []


def test_refused_mail_data_is_aborted_and_answered() -> None:
    handler = Recorder(on_abort=None, on_message=None)
    run = serve(handler, MESSAGE + b"bare\nLF\r\n.\r\n", QUIT)
    assert run.codes == [220, 250, 250, 250, 354, 554, 221]
    assert handler.names == ["on_abort"]


def test_too_many_connections() -> None:
    run = drive(refuse_session(connection()))
    assert run.steps == [Close(b"421 too many connections\r\n", lingers=True)]


# --- STARTTLS ------------------------------------------------------------------------------------


def test_starttls() -> None:
    peer = Peer()
    info = TLSInfo("TLSv1.3")
    run = serve(Collect(), HELLO, b"STARTTLS\r\n", info, HELLO + QUIT, peer=peer)
    [handshake] = [step for step in run.steps if isinstance(step, Handshake)]
    assert handshake.out == b"220 2.0.0 ready to start TLS\r\n"
    assert run.out.count(b"250-STARTTLS\r\n") + run.out.count(b"250 STARTTLS\r\n") == 1
    assert peer.tls == info
    assert "tls=True" in repr(peer)


@pytest.mark.parametrize("failure", [SecurityError("x"), TimeoutError(), Cancelled()])
def test_a_handshake_that_fails_closes_without_a_word(failure: Exception) -> None:
    run = serve(Collect(), HELLO + b"STARTTLS\r\n", failure)
    assert run.lines[-1].startswith("220")
    assert isinstance(run.steps[-1], Close)


def test_plaintext_behind_starttls() -> None:
    run = serve(Collect(), HELLO + b"STARTTLS\r\nNOOP\r\n")
    assert run.lines[-1].startswith("554")
    assert not any(isinstance(step, Handshake) for step in run.steps)


# --- sinks ---------------------------------------------------------------------------------------


def streamed(sink: Any, *inputs: bytes, **hooks: Any) -> tuple[Run, Recorder]:
    handler = Recorder(open_message=lambda peer: sink, on_abort=None, **hooks)
    return serve(handler, *inputs), handler


def test_a_sink_gets_the_pieces_and_then_the_commit() -> None:
    sink = RecordingSink()
    run, handler = streamed(sink, MESSAGE, b"one\r\n", b"..two\r\n.\r\n", QUIT)
    assert sink.calls == ["write", "write", "commit"]
    assert sink.data == b"one\r\n.two\r\n"
    assert run.codes == [220, 250, 250, 250, 354, 250, 221]
    assert handler.names == ["open_message"]


def test_no_read_before_the_write_has_returned() -> None:
    run, _ = streamed(RecordingSink(), MESSAGE, b"one\r\n", b".\r\n", QUIT)
    calls = [getattr(step.call, "__name__", "") for step in run.steps if isinstance(step, Handle)]
    assert calls == ["hook", "write", "write", "commit"]


def test_a_sink_by_chunks() -> None:
    """RFC 3030 4: also an empty message, which brings no octets."""
    sink = RecordingSink()
    run, _ = streamed(sink, START + b"BDAT 3\r\nabcBDAT 2 LAST\r\nde", QUIT)
    assert run.codes == [220, 250, 250, 250, 250, 250, 221]
    assert (sink.calls, sink.data) == (["write", "write", "commit"], b"abcde")
    sink = RecordingSink()
    run, _ = streamed(sink, START + b"BDAT 0 LAST\r\n", QUIT)
    assert (run.codes[-2:], sink.calls) == ([250, 221], ["commit"])


@pytest.mark.parametrize("refusal", [Reject(452, "full", "4.3.1"), Reply(452, "full", "4.3.1")])
def test_a_sink_that_cannot_be_opened(refusal: Any) -> None:
    handler = Recorder(open_message=refusal, on_abort=None)
    run = serve(handler, MESSAGE + b"BDAT 3\r\nabcBDAT 1 LAST\r\nx" + QUIT)
    assert run.codes == [220, 250, 250, 250, 452, 452, 503, 221]
    assert handler.names == ["open_message", "open_message", "on_abort"]


@pytest.mark.parametrize("nonsense", [None, 1, Reply(250, "ok"), Reply(354, "go")])
def test_what_is_no_sink(nonsense: Any) -> None:
    run = serve(Recorder(open_message=nonsense), MESSAGE + b"RSET\r\n" + QUIT)
    assert run.codes == [220, 250, 250, 250, 451, 250, 221]
    assert len(run.failures) == 1


def test_it_is_told_what_a_sink_lacks() -> None:
    class Half:
        def write(self, data: bytes) -> None:
            """Take it."""

    run, _ = streamed(Half(), MESSAGE)
    told = "a hook returns a sink or a refusal here, not Half without commit, abort"
    assert [str(failure) for failure in run.failures] == [told]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Reject(552, "too much", "5.3.4"), 552),
        (Reply(552, "too much", "5.3.4"), 552),
        (OSError("disk"), 451),
        (Reply(250, "no verdict"), 451),
        ("nonsense", 451),
    ],
)
def test_a_sink_that_refuses_a_piece_is_dropped_and_the_rest_passed_over(
    outcome: Any, code: int
) -> None:
    sink = RecordingSink(write=outcome)
    run, handler = streamed(sink, MESSAGE, b"one\r\n", b"two\r\n", b".\r\n", QUIT)
    assert run.codes == [220, 250, 250, 250, 354, code, 221]
    assert sink.calls == ["write", "abort"]
    assert handler.names == ["open_message", "on_abort"]


def test_a_sink_that_refuses_a_chunk() -> None:
    sink = RecordingSink(write=Reject(452, "full", "4.3.1"))
    run, _ = streamed(
        sink, START + b"BDAT 1\r\nxBDAT 1 LAST\r\nyRSET\r\n" + START[len(HELLO) :] + QUIT
    )
    assert run.codes == [220, 250, 250, 250, 452, 503, 250, 250, 250, 221]
    assert sink.calls == ["write", "abort"]


def fail_to_write(dialogue: Dialogue, *inputs: bytes | Exception) -> None:
    """Drive a dialogue whose connection takes nothing more once a hook is to clean up."""
    waiting = iter(inputs)
    given: Any = None
    failure: Exception | None = None
    broken = False
    with suppress(StopIteration):
        while True:
            step = dialogue.send(given) if failure is None else dialogue.throw(failure)
            given = failure = None
            if isinstance(step, Handle):
                broken = broken or step.call.__name__ in ("commit", "abort", "on_close")
                if broken and step.out:
                    failure = ConnectionLost()
                else:
                    given = step.call(*step.args)
            elif isinstance(step, Read):
                given = next(waiting)
                failure = given if isinstance(given, Exception) else None


@pytest.mark.parametrize(
    "inputs",
    [
        (MESSAGE, b"half a mess", TimeoutError()),
        (MESSAGE, b"half a mess", Cancelled()),
        (START + b"BDAT 1\r\nx", b"RSET\r\n" + QUIT),
        (START + b"BDAT 1\r\nxBDAT 0 LAST\r\n",),
    ],
)
def test_a_sink_is_aborted_when_nothing_more_can_be_written(inputs: Any) -> None:
    """Each hook that cleans up is called, and once."""
    sink = RecordingSink()
    calls = []

    class Handler:
        def open_message(self, peer: Peer) -> Any:
            return sink

        def on_abort(self, peer: Peer) -> None:
            calls.append("on_abort")

        def on_close(self, peer: Peer) -> None:
            calls.append("on_close")

    fail_to_write(serve_session(connection(), Handler(), Peer()), *inputs)
    assert sink.calls == ["write", "abort"]
    assert calls == ["on_abort", "on_close"]


def test_the_next_message_has_a_fresh_start() -> None:
    sinks = [RecordingSink(write=Reject(552, "no")), RecordingSink()]
    waiting = iter(sinks)
    handler = Recorder(open_message=lambda peer: next(waiting))
    again = MESSAGE[len(HELLO) :]
    run = serve(handler, MESSAGE, b"x\r\n.\r\n", again, b"y\r\n.\r\n", QUIT)
    assert run.codes == [220, 250, 250, 250, 354, 552, 250, 250, 354, 250, 221]
    assert sinks[1].data == b"y\r\n"


@pytest.mark.parametrize("end", [b"", b"x\ny\r\n.\r\n"])
def test_a_sink_is_aborted_when_its_message_is(end: bytes) -> None:
    sink = RecordingSink()
    _, handler = streamed(sink, MESSAGE, b"one\r\n", *([end] if end else []))
    assert sink.calls[-1] == "abort"
    assert "commit" not in sink.calls
    assert handler.names == ["open_message", "on_abort"]


def test_a_commit_that_refuses_is_the_end_of_it() -> None:
    sink = RecordingSink(commit=Reject(554, "spam", "5.7.1"))
    run, handler = streamed(sink, MESSAGE, b".\r\n", QUIT)
    assert b"554 5.7.1 spam" in run.out
    assert sink.calls == ["commit"]
    assert handler.names == ["open_message"]


# --- LMTP ----------------------------------------------------------------------------------------


def test_lmtp_has_a_reply_for_each_recipient() -> None:
    """RFC 2033 4.2."""
    handler = Recorder(on_message=[None, Reply(550, "full", "5.2.2")])
    run = lmtp(handler, LMTP + b".\r\n", QUIT)
    assert run.codes == [220, 250, 250, 250, 250, 354, 250, 550, 221]
    assert run.lines[0] == "220 mx.example.org LMTP"


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (None, [250, 250]),
        (Reply(451, "later"), [451, 451]),
        (Reject(550, "no"), [550, 550]),
        ([None], [451, 451]),
        ([None, None, None], [451, 451]),
        ([None, 250], [451, 451]),
        ("ab", [451, 451]),
        (7, [451, 451]),
        ([Reply(354, "x"), None], [451, 250]),
    ],
)
def test_answers_for_several_recipients(answer: Any, codes: list[int]) -> None:
    run = lmtp(Recorder(on_message=answer), LMTP + b".\r\n", QUIT)
    assert run.codes[6:] == [*codes, 221]


def test_a_421_among_them_is_the_last() -> None:
    run = lmtp(Recorder(on_message=[Reply(421, "bye"), None]), LMTP + b".\r\n")
    assert run.codes[-2:] == [354, 421]


def test_refused_mail_data_in_lmtp() -> None:
    run = lmtp(Recorder(on_message=None), LMTP + b"bare\nLF\r\n.\r\n", QUIT)
    assert run.codes[-3:] == [554, 554, 221]


def test_in_smtp_there_is_one_answer() -> None:
    run = serve(Recorder(on_message=[None]), MESSAGE + b".\r\n", QUIT)
    assert run.codes[-2:] == [451, 221]
    assert len(run.failures) == 1


PRDR = HELLO + (
    b"MAIL FROM:<a@example.com> PRDR\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n"
)
NO = Reply(550, "full", "5.2.2")


@pytest.mark.parametrize("end", [b"DATA\r\n.\r\n", b"BDAT 0 LAST\r\n"])
@pytest.mark.parametrize(
    ("answers", "codes"),
    [
        ([None, NO], [353, 250, 550, 250]),
        ([NO, Reply(451, "later")], [353, 550, 451, 550]),
        ([None, None], [353, 250, 250, 250]),
        (None, [250]),
        (NO, [550]),
        ([None], [451]),
        ([Reply(353, "x"), None], [353, 451, 250, 250]),
    ],
)
def test_in_prdr_there_may_be_a_reply_for_each_recipient(
    answers: Any, codes: list[int], end: bytes
) -> None:
    server = ServerConnection("mx.example.org", extensions=(Pipelining(), Chunking(), Prdr()))
    told: list[Any] = []
    run = serve(Recorder(on_message=answers), PRDR + end, QUIT, server=server, observe=told.append)
    assert [code for code in run.codes if code != 354][5:] == [*codes, 221]
    assert told[0].is_accepted is (250 in codes)


def test_an_answer_that_would_announce_others() -> None:
    """A 353 is the session's to say, not the hook's."""
    server = ServerConnection("mx.example.org", extensions=(Pipelining(), Prdr()))
    handler = Recorder(on_message=Reply(353, "x"))
    run = serve(handler, PRDR + b"DATA\r\n.\r\n", QUIT, server=server)
    assert run.codes[-3:] == [354, 451, 221]
    assert len(run.failures) == 1


def test_prdr_is_only_where_the_client_asked_for_it() -> None:
    server = ServerConnection("mx.example.org", extensions=(Pipelining(), Prdr()))
    handler = Recorder(on_message=[None, NO])
    run = serve(handler, PRDR.replace(b" PRDR", b"") + b"DATA\r\n.\r\n", QUIT, server=server)
    assert run.codes[-2:] == [451, 221]


# --- the rest ------------------------------------------------------------------------------------


def test_the_transcript() -> None:
    lines: list[str] = []
    serve(
        Collect(),
        MESSAGE + b"x\r\n.\r\nBLA\r\nBLUB secret\r\nMAIL FROM:<a@b> BAD=1\r\n",
        START[len(HELLO) :] + b"BDAT 1\r\nxBDAT 0 LAST\r\n" + QUIT,
        transcript=lines.append,
    )
    assert lines[:2] == ["<- 220 mx.example.org ESMTP", "-> EHLO client.example"]
    assert "-> (3 octets of mail data)" in lines
    assert "-> BDAT 1" in lines
    assert not any("secret" in line for line in lines)
    assert lines[-1] == "<- 221 2.0.0 mx.example.org closing"


@pytest.mark.parametrize("limit", [None, 3])
def test_each_chunk_is_in_the_transcript(limit: int | None) -> None:
    envelope = START[len(HELLO) :]
    lines: list[str] = []
    run = serve(
        Collect(),
        START + b"BDAT 3\r\nabcBDAT 2 LAST\r\nde" + envelope + b"BDAT 1\r\nxRSET\r\n",
        envelope + b"BDAT 2\r\nxyBDAT 0 LAST\r\n" + envelope + b"DATA\r\nz\r\n.\r\n",
        envelope + b"BDAT 4 LAST\r\nwxyz" + QUIT,
        server=connection(limits=Limits(mail_data=limit)),
        transcript=lines.append,
    )
    assert run.codes.count(552) == (0 if limit is None else 2)
    said = [line for line in lines if "BDAT" in line or "octets of" in line]
    assert said == [
        "-> BDAT 3",
        "-> BDAT 2 LAST",
        "-> (5 octets of mail data)",
        "-> BDAT 1",
        "-> BDAT 2",
        "-> BDAT 0 LAST",
        "-> (2 octets of mail data)",
        "-> (3 octets of mail data)",
        "-> BDAT 4 LAST",
        "-> (4 octets of mail data)",
    ]


def test_a_rejected_command_is_in_the_transcript() -> None:
    lines: list[str] = []
    serve(Collect(), b"RCPT TO:<a@example.org>\r\n" + QUIT, transcript=lines.append)
    assert lines[1] == "-> RCPT TO:<a@example.org>"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"RCPT TO:<a@example.org> NOTIFY=NEVER", "RCPT TO:<a@example.org> NOTIFY=NEVER"),
        (b"mail from:a@example.org", "mail from:a@example.org"),
        (b"EHLO", "EHLO"),
        (b"QUIT \r<- 250 ok\n\x1b[31m \x9b\xff", "QUIT ?<- 250 ok??[31m \\x9b\\xff"),
        (b"AUTH PLAIN c2VjcmV0 c2VjcmV0", "(not a command)"),
        (b"c2VjcmV0", "(not a command)"),
        (b"MAILBOX secret", "(not a command)"),
    ],
)
def test_a_line_with_a_fault_is_in_the_transcript(line: bytes, told: str) -> None:
    """Unless it may be a secret; and it makes one line."""
    lines: list[str] = []
    serve(
        Collect(),
        HELLO,
        MESSAGE[: MESSAGE.index(b"RCPT")],
        line + b"\r\n" + QUIT,
        transcript=lines.append,
    )
    assert f"-> {told}" in lines


def test_commands_that_are_not_implemented() -> None:
    """What an extension of one's own adds has no answer here."""

    class Connection(ServerConnection):
        def next_event(self) -> Any:
            event = super().next_event()
            if getattr(event, "command", None) == Data():
                event.default_reply = None  # type: ignore[union-attr, misc]
            return event

    class Other(Command):
        verb = "OTHER"

    server = _Server(connection(), Collect(), Peer(), Terms())
    assert server._pass_over(ChunkReceived(Other(), b"x")) is None


def test_memory_is_bounded_by_the_connection() -> None:
    handler = Collect()
    server = connection(limits=Limits(mail_data=10))
    run = serve(handler, MESSAGE + b"12345678901\r\n.\r\n", QUIT, server=server)
    assert run.codes[-2:] == [552, 221]
    assert handler.messages == []


def test_a_peer_without_a_session() -> None:
    peer = Peer("x")
    assert (peer.tls, peer.hello, peer.identity, peer.is_lmtp) == (None, None, None, False)
    lmtp(Collect(), b"LHLO x.example\r\n", peer=peer)
    assert peer.is_lmtp
    assert peer.identity is None


def test_a_refusal_of_several_lines() -> None:
    told = Reply(550, ["not today", "nor tomorrow"], "5.7.1")

    class Handler(Collect):
        def on_rcpt(self, peer: Peer, command: Any) -> None:
            raise Reject(550, told.lines, told.enhanced)

    run = serve(Handler(), START, b"")
    assert [line for line in run.lines if line.startswith("550")] == [
        "550-5.7.1 not today",
        "550 5.7.1 nor tomorrow",
    ]


@pytest.mark.parametrize("code", [200, 250, 354])
def test_reject_is_a_refusal(code: int) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        Reject(code)
