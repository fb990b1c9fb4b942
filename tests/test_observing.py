# SPDX-License-Identifier: MIT
"""What a server tells of its work."""

from __future__ import annotations

import logging
import socket
from base64 import b64encode
from typing import Any

import pytest
from dialogue_drive import connection, serve

from smtpproto import Limits, Rcpt, Reply, TLSInfo, blocking
from smtpproto.dialogues import (
    AuthenticationError,
    Cancelled,
    Collect,
    ConnectionLost,
    Peer,
    Reject,
    serve_session,
)
from smtpproto.dialogues.conversation import Terms
from smtpproto.dialogues.records import MessageRecord, SessionRecord
from smtpproto.observing import Counters, Observer

HELLO = b"EHLO client.example\r\n"
START = HELLO + b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n"
MESSAGE = START + b"DATA\r\n"
TEXT = b"Subject: secret\r\n\r\ntext\r\n.\r\n"
QUIT = b"QUIT\r\n"


class Refusing(Collect):
    def on_message(self, peer: Peer, message: Any) -> None:
        raise Reject(550, "not wanted", "5.7.1")


class TurningAway:
    def on_connect(self, peer: Peer) -> Reply:
        return Reply(421, "come back later", "4.3.2")


def records(*inputs: Any, handler: Any = None, **options: Any) -> list[Any]:
    told: list[Any] = []
    serve(handler or Collect(), *inputs, observe=told.append, **options)
    return told


@pytest.mark.parametrize(
    ("inputs", "ending"),
    [
        ((HELLO, QUIT), "quit"),
        ((HELLO,), "left"),
        ((START,), "lost"),
        ((HELLO, ConnectionLost()), "lost"),
        ((HELLO, TimeoutError()), "timed out"),
        ((HELLO, Cancelled()), "shut down"),
        ((b"GET / HTTP/1.0\r\n",), "turned away"),
    ],
)
def test_how_a_session_ended(inputs: Any, ending: str) -> None:
    told = records(*inputs)
    assert [type(record) for record in told] == [SessionRecord]
    assert told[0].ending == ending


def test_a_client_that_a_hook_sends_away() -> None:
    assert [record.ending for record in records(handler=TurningAway())] == ["turned away"]


def test_a_session_that_is_broken_off_is_told() -> None:
    told: list[Any] = []
    dialogue = serve_session(connection(), Collect(), Peer(), Terms(observe=told.append))
    next(dialogue)
    dialogue.close()
    assert [record.ending for record in told] == ["shut down"]


def test_what_is_counted_of_a_session() -> None:
    [message, session] = records(MESSAGE, TEXT, b"NONSENSE\r\nRCPT TO:<b@x.org>\r\n", QUIT)
    assert (session.commands, session.errors, session.messages) == (5, 2, 1)
    assert isinstance(message, MessageRecord)
    assert message.size == len(TEXT) - 3
    assert [rcpt.forward_path.address for rcpt in message.rcpts] == ["b@example.org"]
    assert [reply.code for reply in message.replies] == [250]


class Choosy(Collect):
    """Knows some senders, and some recipients."""

    def on_mail(self, peer: Peer, mail: Any) -> None:
        if mail.reverse_path.address == "bad@example.com":
            raise Reject(550, "not you", "5.7.1")

    def on_rcpt(self, peer: Peer, rcpt: Any) -> Reply | None:
        known = rcpt.forward_path.address == "b@example.org"
        return None if known else Reply(550, "no such mailbox", "5.1.1")


BAD = b"RCPT TO:<x@example.org>\r\n"
MAIL = b"MAIL FROM:<a@example.com>\r\n"


def test_refused_recipients_are_counted_for_each_message() -> None:
    inputs = (START, BAD + BAD + b"DATA\r\n", TEXT, START[len(HELLO) :], b"DATA\r\n", TEXT)
    # And those of a transaction without a message for the session.
    aborted = (MAIL + BAD + b"RSET\r\n", START[len(HELLO) :] + b"DATA\r\n", TEXT, QUIT)
    [first, second, third, session] = records(*inputs, *aborted, handler=Choosy())
    told = [record.refused_recipients for record in (first, second, third, session)]
    assert told == [2, 0, 0, 3]
    assert (session.refused_senders, session.errors) == (0, 0)
    assert str(session.last_refusal) == "550 5.1.1 no such mailbox"


def test_refused_senders() -> None:
    """And what comes behind one, in a group, is out of order and no refused recipient."""
    [session] = records(HELLO, b"MAIL FROM:<bad@example.com>\r\n", BAD, QUIT, handler=Choosy())
    assert (session.refused_senders, session.refused_recipients) == (1, 0)
    assert str(session.last_refusal) == "550 5.7.1 not you"
    [session] = records(HELLO, b"MAIL FROM:<a@example.com>\r\n", QUIT, handler=object())
    assert session.refused_senders == 1  # nobody takes mail


def test_recipients_refused_before_a_transaction_are_none_of_its() -> None:
    server = connection(require_tls=True)
    group = MAIL + b"RCPT TO:<b@example.org>\r\n"
    inputs = (HELLO + group, b"STARTTLS\r\n", TLSInfo(), MESSAGE, TEXT, QUIT)
    [message, session] = records(*inputs, server=server)
    assert message.refused_recipients == 0
    assert (session.refused_senders, session.refused_recipients) == (1, 1)


def test_what_was_sent_in_place_of_an_answer_is_told() -> None:
    class Confused:
        def on_rcpt(self, peer: Peer, rcpt: Rcpt) -> Reply | None:
            return Reply(354, "x") if "x@" in rcpt.forward_path.address else None

        def on_message(self, peer: Peer, message: Any) -> Reply:
            return Reply(354, "x")

    [message, session] = records(START + BAD + b"DATA\r\n", TEXT, QUIT, handler=Confused())
    assert [str(reply) for reply in message.replies] == ["451 4.3.0 local error"]
    assert (message.refused_recipients, session.refused_recipients) == (1, 1)
    assert str(session.last_refusal) == "451 4.3.0 local error"


def test_what_the_protocol_refuses_counts_too() -> None:
    limits = Limits(recipients=1, mail_data=10)
    server = connection(limits=limits)
    more = b"RCPT TO:<c@example.org>\r\n"
    inputs = (HELLO + MAIL.replace(b">", b"> SIZE=11"), START[len(HELLO) :] + more, QUIT)
    [session] = records(*inputs, server=server)
    assert (session.refused_senders, session.refused_recipients) == (1, 1)
    assert session.last_refusal.code == 452


def test_a_message_that_is_refused_before_it_comes() -> None:
    class Full:
        def open_message(self, peer: Peer) -> Reply:
            return Reply(452, "full", "4.3.1")

    [session] = records(MESSAGE, b"VRFY x\r\n", QUIT, handler=Full())
    assert str(session.last_refusal) == "452 4.3.1 full"
    [session] = records(b"NOOP\r\nVRFY\r\n", b"NONSENSE\r\n", QUIT)
    assert session.last_refusal is None


def test_refusals_in_the_log_and_the_counters(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "smtpproto.server")
    observer = observed(START + BAD + b"DATA\r\n", TEXT, QUIT, handler=Choosy())
    message, session = caplog.messages
    assert " refused_recipients=1 " in message
    assert session.endswith("refused_recipients=1 last_refusal='550 5.1.1 no such mailbox'")
    assert (observer.counters.refused_recipients, observer.counters.refused_senders) == (1, 0)


def test_a_refused_message() -> None:
    [message, session] = records(MESSAGE, TEXT, QUIT, handler=Refusing())
    assert not message.is_accepted
    assert [str(reply) for reply in message.replies] == ["550 5.7.1 not wanted"]
    assert session.messages == 0


def test_a_message_refused_by_the_protocol_is_told_too() -> None:
    [message, _] = records(MESSAGE, b"bare\nline feed\r\n.\r\n", QUIT)
    assert [reply.code for reply in message.replies] == [554]
    assert message.mail.reverse_path.address == "a@example.com"


def test_one_recipient_is_enough_in_lmtp() -> None:
    class Half:
        def on_message(self, peer: Peer, message: Any) -> list[Reply | None]:
            return [Reply(550, "no", "5.1.1"), None]

    start = START.replace(b"EHLO", b"LHLO") + b"RCPT TO:<c@example.org>\r\nDATA\r\n"
    [message, _] = records(start, TEXT, QUIT, handler=Half(), server=connection(lmtp=True))
    assert [reply.code for reply in message.replies] == [550, 250]
    assert message.is_accepted


def observed(*inputs: Any, handler: Any = None, peer: Peer | None = None) -> Observer:
    observer = Observer()
    for record in records(*inputs, handler=handler, peer=peer or Peer(("192.0.2.1", 4711))):
        observer(record)
    return observer


def test_counters() -> None:
    observer = observed(MESSAGE, TEXT, b"NONSENSE\r\n", QUIT)
    for record in records(MESSAGE, TEXT, handler=Refusing()):
        observer(record)
    assert observer.counters == Counters(
        sessions=2,
        endings={"quit": 1, "left": 1},
        commands=9,
        errors=1,
        accepted=1,
        refused=1,
        octets=2 * (len(TEXT) - 3),
    )
    copy = observer.counters.as_dict()
    assert copy["endings"] == {"quit": 1, "left": 1}
    copy["endings"]["quit"] = 7
    assert observer.counters.endings["quit"] == 1


def test_counters_are_copied_while_a_session_ends() -> None:
    """One that ends as none has before, in another thread, in the middle of a copy."""

    class Late(int):
        def __deepcopy__(self, memo: object) -> int:
            counters.endings["lost"] = 1
            return 7

    counters = Counters(endings={"quit": Late(7), "left": 1})
    assert counters.as_dict()["endings"] == {"quit": 7, "left": 1}


def test_log_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "smtpproto.server")
    observed(MESSAGE, TEXT, QUIT)
    message, session = caplog.records
    assert message.getMessage() == (
        "message peer=192.0.2.1:4711 hello=client.example tls=- identity=- sender=a@example.com "
        f"recipients=b@example.org parameters=- refused_recipients=0 size={len(TEXT) - 3} "
        "replies='250 2.0.0 message taken'"
    )
    assert session.getMessage() == (
        "session peer=192.0.2.1:4711 ending=quit commands=5 errors=0 messages=1 "
        "refused_senders=0 refused_recipients=0 last_refusal=-"
    )
    facts = message.smtp  # type: ignore[attr-defined]
    assert facts["kind"] == "message"
    assert facts["recipients"] == ["b@example.org"]
    assert "secret" not in repr(vars(message))


def test_a_peer_writes_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "smtpproto.server")
    tricky = b'MAIL FROM:<"a b,=\\"c"@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n'
    observed(HELLO + tricky, TEXT, QUIT, peer=Peer("/run/\x1b[31m\nsocket"))
    text = caplog.records[0].getMessage()
    assert text.isprintable()
    assert r"peer='/run/\\x1b[31m\\nsocket'" in text
    assert r"""sender='"a b,=\\"c"@example.com'""" in text


@pytest.mark.parametrize(
    ("address", "text"),
    [(("::1", 25, 0, 0), "[::1]:25"), (None, "local"), ("", "local")],
)
def test_where_a_client_came_from(
    caplog: pytest.LogCaptureFixture, address: Any, text: str
) -> None:
    caplog.set_level(logging.INFO, "smtpproto.server")
    observed(QUIT, peer=Peer(address))
    assert f"peer={text} " in caplog.records[0].getMessage()


def test_nothing_is_made_up_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "smtpproto.server")
    assert observed(MESSAGE, TEXT, QUIT).counters.accepted == 1
    assert not caplog.records


class Asking(Collect):
    def on_auth(self, peer: Peer, request: Any) -> bool:
        return bool(request.password == "secret")


def test_who_authenticated_and_who_did_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "smtpproto.server")
    options: Any = {"username": "ann", "security": "none", "auth": ["PLAIN"]}
    with blocking.serve(Asking(), auth_cleartext=True) as server:
        with blocking.Client("127.0.0.1", server.port, password="secret", **options):
            pass
        with (
            pytest.raises(AuthenticationError),
            blocking.Client("127.0.0.1", server.port, password="wrong-one", **options),
        ):
            pass
    assert (server.counters.authenticated, server.counters.auth_failures) == (1, 1)
    said = [one.getMessage() for one in caplog.records if one.smtp["kind"] == "authentication"]  # type: ignore[attr-defined]
    assert [line.partition("mechanism=")[2] for line in said] == [
        "PLAIN identity=ann reply='235 2.7.0 authentication successful'",
        "PLAIN identity=- reply='535 5.7.8 Authentication credentials invalid'",
    ]
    assert not any("secret" in line or "wrong-one" in line for line in caplog.messages)


@pytest.mark.parametrize("last", [b"*", b"AQ==", None], ids=["breaks off", "to the end", "leaves"])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_guessed_token_is_told_however_the_exchange_ends(
    last: bytes | None, mechanism: str
) -> None:
    """RFC 7628 3.2.3: the client hears of it before the last reply."""

    class Refusing(Collect):
        def on_auth(self, peer: Peer, request: Any) -> None:
            return None

    shown = {
        "XOAUTH2": b"user=ann\x01auth=Bearer guess\x01\x01",
        "OAUTHBEARER": b"n,a=ann,\x01auth=Bearer guess\x01\x01",
    }
    auth = f"AUTH {mechanism} ".encode() + b64encode(shown[mechanism]) + b"\r\n"
    with (
        blocking.serve(Refusing(), auth=[mechanism], auth_cleartext=True) as server,
        socket.create_connection(("127.0.0.1", server.port)) as raw,
        raw.makefile("rb") as said,
    ):
        raw.sendall(HELLO + auth)
        while not said.readline().startswith(b"334"):
            pass
        if last is not None:
            raw.sendall(last + b"\r\n")
            assert said.readline()[:1] == b"5"
    assert (server.counters.authenticated, server.counters.auth_failures) == (0, 1)
