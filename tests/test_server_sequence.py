# SPDX-License-Identifier: MIT
"""What is answered out of order, by policy, and to what is not offered (RFC 5321 4.1.4, 4.3.2)."""

from __future__ import annotations

import pytest
import server_drive as drive

from smtpproto import (
    CommandReceived,
    CommandRejected,
    Ehlo,
    Mail,
    Rcpt,
    Reply,
    State,
    TLSInfo,
    Violation,
    extensions,
)

# --- the sequence of a session -----------------------------------------------------------------


def test_a_whole_session() -> None:
    server = drive.greeted()
    outcome = drive.talk(
        server, drive.HELLO, drive.MAIL, drive.RCPT, drive.DATA, b"hi\r\n.\r\n", b"QUIT\r\n"
    )
    assert outcome.codes == [250, 250, 250, 354, 250, 221]
    assert outcome.data == b"hi\r\n"
    assert server.state is State.CLOSED


def test_a_nested_mail_is_refused_and_leaves_the_transaction_alone() -> None:
    server = drive.in_rcpt()
    before = drive.snapshot(server)
    event = drive.rejection(server, b"MAIL FROM:<other@example.com>\r\n")
    assert event.command == Mail("other@example.com")
    assert event.violation is Violation.BAD_SEQUENCE
    server.send(event.default_reply)
    assert drive.snapshot(server) == before
    assert drive.talk(server, drive.DATA).codes == [354]


@pytest.mark.parametrize("hello", [drive.HELLO, b"HELO client.example.com\r\n"])
@pytest.mark.parametrize("place", ["MAIL", "RCPT", "BDAT", "BDAT_FAILED"])
def test_a_repeated_hello_ends_the_transaction_and_keeps_the_login(
    hello: bytes, place: str
) -> None:
    server = drive.PLACES[place]()
    server.is_authenticated = True
    assert drive.talk(server, hello).codes == [250]
    assert server.state is State.READY
    assert server.transaction is None
    assert server.is_authenticated


@pytest.mark.parametrize("place", ["GREETED", "READY", "MAIL", "RCPT", "BDAT", "BDAT_FAILED"])
def test_a_refused_hello_changes_nothing(place: str) -> None:
    server = drive.PLACES[place]()
    before = drive.snapshot(server)
    drive.talk(server, drive.HELLO, application=drive.refuse(550))
    assert drive.snapshot(server) == before
    drive.talk(server, b"EHLO \r\n")
    assert drive.snapshot(server) == before


@pytest.mark.parametrize("place", ["MAIL", "RCPT", "BDAT", "BDAT_FAILED"])
def test_rset_ends_the_transaction_and_keeps_the_hello(place: str) -> None:
    server = drive.PLACES[place]()
    assert drive.talk(server, b"RSET\r\n").codes == [250]
    assert server.state is State.READY
    assert server.transaction is None
    assert server.hello == Ehlo("client.example.com")
    assert drive.talk(server, drive.MAIL).codes == [250]


def test_rset_before_ehlo_does_not_stand_for_it() -> None:
    server = drive.greeted()
    assert drive.talk(server, b"RSET\r\n").codes == [250]
    assert drive.talk(server, drive.MAIL).codes == [503]


def test_all_recipients_refused_means_no_data() -> None:
    server = drive.in_mail()
    drive.talk(server, drive.RCPT, application=drive.refuse(550))
    assert drive.talk(server, drive.DATA).codes == [503]
    assert server.state is State.MAIL
    assert drive.talk(server, drive.RCPT + drive.DATA).codes == [250, 354]


def test_the_transaction_is_what_was_accepted() -> None:
    server = drive.in_mail(b"MAIL FROM:<>\r\n")
    accepted = iter([250, 550, 251, 450])
    lines = b"".join(b"RCPT TO:<%d@example.org>\r\n" % number for number in range(4))
    drive.talk(server, lines, application=lambda event: Reply(next(accepted), "text"))
    transaction = server.transaction
    assert transaction is not None
    assert transaction.mail == Mail("")
    assert transaction.recipients == [Rcpt("0@example.org"), Rcpt("2@example.org")]
    assert repr(transaction) == f"Transaction({transaction.mail!r}, 2 recipients)"


def test_after_a_refused_mail_a_new_one_may_come() -> None:
    server = drive.ready()
    assert drive.talk(server, drive.MAIL, application=drive.refuse(451)).codes == [451]
    assert server.transaction is None
    assert drive.talk(server, drive.RCPT).codes == [503]
    assert drive.talk(server, drive.MAIL).codes == [250]


@pytest.mark.parametrize("code", [250, 452, 550])
def test_the_transaction_ends_with_the_reply_to_mail_data(code: int) -> None:
    server = drive.in_data()
    drive.talk(server, b"text\r\n.\r\n", application=lambda event: Reply(code, "text"))
    assert server.state is State.READY
    assert server.transaction is None
    assert drive.talk(server, drive.MAIL).codes == [250]


@pytest.mark.parametrize("policy", [{}, {"require_tls": True}, {"require_auth": True}])
def test_a_greeting_that_refuses_leaves_quit_only(policy: dict[str, bool]) -> None:
    """RFC 5321 3.1: 503 to all else, and no word of what would be needed."""
    server = drive.new(**policy)
    server.send(Reply(521, "no mail here"))
    assert server.state is State.REFUSED
    for line in (drive.HELLO, b"HELO x\r\n", drive.MAIL, b"NOOP\r\n", b"RSET\r\n", b"STARTTLS\r\n"):
        event = drive.rejection(server, line)
        assert event.default_reply.code == 503
        assert event.default_reply.text.startswith("QUIT expected, not ")
        server.send(event.default_reply)
    outcome = drive.talk(server, b"QUIT\r\n")
    assert outcome.codes == [221]
    assert outcome.events[-1].clean  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("GREETED", "EHLO"),
        ("READY", "AUTH or MAIL or STARTTLS"),
        ("MAIL", "RCPT"),
        ("RCPT", "BDAT or DATA or RCPT"),
        ("BDAT", "BDAT"),
    ],
)
def test_the_refusal_says_what_was_expected(place: str, expected: str) -> None:
    wrong = drive.MAIL if place != "READY" else drive.DATA
    event = drive.rejection(drive.PLACES[place](), wrong)
    assert event.default_reply.text == f"{expected} expected, not {wrong[:4].decode()}"


def test_what_came_with_the_answer_to_ehlo_expects_ehlo() -> None:
    """HELO announces nothing, so the command is in force nowhere (RFC 5321 4.1.1.1)."""
    server = drive.greeted(extensions=[extensions.Chunking(), extensions.Auth("PLAIN")])
    drive.talk(server, b"HELO client.example\r\n")
    for line in (b"AUTH PLAIN\r\n", b"BDAT 0 LAST\r\n"):
        event = drive.rejection(server, line)
        assert str(event.default_reply) == f"503 5.5.1 EHLO expected, not {line[:4].decode()}"
        server.send(event.default_reply)
    assert drive.rejection(server, drive.DATA).default_reply.text == "MAIL expected, not DATA"


def test_a_lmtp_server_expects_lhlo() -> None:
    assert drive.rejection(drive.greeted(lmtp=True), drive.MAIL).default_reply.text.startswith(
        "LHLO "
    )


@pytest.mark.parametrize("line", [b"NOOP\r\n", b"NOOP any text: at all <\r\n", b"noop \r\n"])
def test_noop_takes_any_argument(line: bytes) -> None:
    assert drive.talk(drive.greeted(), line).codes == [250]


@pytest.mark.parametrize("line", [b"RSET x\r\n", b"QUIT x\r\n", b"DATA x\r\n", b"STARTTLS x\r\n"])
def test_an_argument_where_there_is_none_is_refused(line: bytes) -> None:
    server = drive.in_rcpt()
    event = drive.rejection(server, line)
    assert (event.default_reply.code, event.default_reply.enhanced) == (501, "5.5.4")
    assert event.command is None
    server.send(event.default_reply)
    assert server.state is State.RCPT


def test_white_space_at_the_end_of_a_line_means_nothing() -> None:
    assert drive.talk(drive.in_rcpt(), b"DATA \t \r\n").codes == [354]


# --- what is known and what is not -----------------------------------------------------------


@pytest.mark.parametrize(
    "line", [b"FOO\r\n", b"FOO bar\r\n", b"\r\n", b" \r\n", b"MAILFROM:<a@b>\r\n"]
)
@pytest.mark.parametrize("place", ["GREETED", "READY", "RCPT", "BDAT", "BDAT_FAILED"])
def test_an_unknown_command_is_500_and_the_session_goes_on(line: bytes, place: str) -> None:
    server = drive.PLACES[place]()
    before = drive.snapshot(server)
    event = drive.rejection(server, line)
    assert (event.default_reply.code, event.default_reply.enhanced) == (500, "5.5.2")
    assert not event.closes
    server.send(event.default_reply)
    assert drive.snapshot(server) == before


@pytest.mark.parametrize("verb", [b"SEND", b"SOML", b"SAML", b"TURN", b"send", b"Turn"])
def test_verbs_of_old_are_502(verb: bytes) -> None:
    path = b"" if verb.upper() == b"TURN" else b" FROM:<a@b.example>"
    event = drive.rejection(drive.ready(), verb + path + b"\r\n")
    assert event.violation is Violation.NOT_OFFERED
    assert event.default_reply.text == f"{verb.upper().decode()} is not implemented"
    assert (event.default_reply.code, event.default_reply.enhanced) == (502, "5.5.1")


@pytest.mark.parametrize("line", [b"VRFY x", b"EXPN x", b"HELP", b"NOOP", b"RSET", b"vrfy x"])
@pytest.mark.parametrize("place", ["GREETED", "READY", "MAIL", "RCPT", "BDAT", "BDAT_FAILED"])
def test_a_disabled_verb_is_502_in_every_state(line: bytes, place: str) -> None:
    server = drive.PLACES[place](disabled=[line[:4].decode()])
    event = drive.rejection(server, line + b"\r\n")
    assert event.violation is Violation.NOT_OFFERED
    assert (event.default_reply.code, event.default_reply.enhanced) == (502, "5.5.1")
    server.send(event.default_reply)
    assert server.state is State[place]


@pytest.mark.parametrize("verb", ["VRFY", "EXPN", "HELP"])
def test_only_what_is_disabled_is_refused(verb: str) -> None:
    server = drive.ready(disabled=[verb])
    for other in ("VRFY", "EXPN", "HELP"):
        event = drive.event_of(server, f"{other} someone\r\n".encode())
        assert isinstance(event, CommandRejected if other == verb else CommandReceived)
        server.send(event.default_reply)


def test_help_lists_what_there_is() -> None:
    server = drive.ready(disabled=["EXPN"], extensions=[extensions.StartTLS()])
    reply = drive.event_of(server, b"HELP\r\n").default_reply
    assert reply.code == 214
    listed = set(reply.lines[1].split())
    assert listed == set("DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY".split())


@pytest.mark.parametrize(
    "line", [b"STARTTLS\r\n", b"AUTH PLAIN\r\n", b"BDAT 0 LAST\r\n", b"bdat 6\r\nQUIT\r\n"]
)
@pytest.mark.parametrize("place", ["GREETED", "READY", "RCPT"])
def test_what_is_never_offered_is_502(line: bytes, place: str) -> None:
    server = drive.PLACES[place](extensions=[])
    event = drive.event_of(server, line)
    assert isinstance(event, CommandRejected)
    assert event.violation is Violation.NOT_OFFERED
    assert event.default_reply.code == 502
    server.send(event.default_reply)
    assert server.state is State[place]
    assert server.buffered == 0


def test_vrfy_and_expn_answer_252_by_default() -> None:
    assert drive.talk(drive.greeted(), b"VRFY joe\r\nEXPN staff\r\n").codes == [252, 252]


@pytest.mark.parametrize("line", [b"VRFY\r\n", b"EXPN \r\n"])
def test_vrfy_and_expn_need_an_argument(line: bytes) -> None:
    assert drive.talk(drive.ready(), line).codes == [501]


# --- policy (RFC 3207 4, RFC 4954 6) ------------------------------------------------------------

ALL_LINES = {
    **{verb: f"{verb}\r\n".encode() for verb in ("NOOP", "RSET", "QUIT", "DATA", "HELP")},
    "EHLO": drive.HELLO,
    "HELO": b"HELO x\r\n",
    "VRFY": b"VRFY x\r\n",
    "EXPN": b"EXPN x\r\n",
    "MAIL": drive.MAIL,
    "RCPT": drive.RCPT,
    "STARTTLS": b"STARTTLS\r\n",
    "AUTH": b"AUTH CRAM-MD5\r\n",
    "BDAT": b"BDAT 6\r\nQUIT\r\n",
}
BEFORE_TLS = {"NOOP", "EHLO", "STARTTLS", "QUIT"}
BEFORE_AUTH = {"NOOP", "RSET", "EHLO", "HELO", "STARTTLS", "AUTH", "QUIT"}


@pytest.mark.parametrize("verb", ALL_LINES)
@pytest.mark.parametrize(
    ("policy", "admitted", "violation"),
    [
        ("require_tls", BEFORE_TLS, Violation.TLS_REQUIRED),
        ("require_auth", BEFORE_AUTH, Violation.AUTH_REQUIRED),
    ],
)
def test_a_policy_stands_before_the_table(
    verb: str, policy: str, admitted: set[str], violation: Violation
) -> None:
    server = drive.ready(**{policy: True})
    event = drive.event_of(server, ALL_LINES[verb])
    if verb in admitted:
        assert isinstance(event, CommandReceived)
        return
    assert isinstance(event, CommandRejected)
    assert event.violation is violation
    assert (event.default_reply.code, event.default_reply.enhanced) == (530, "5.7.0")
    assert server.buffered == 0


def test_a_policy_is_over_once_it_is_met() -> None:
    server = drive.ready(require_tls=True, require_auth=True)
    outcome = drive.talk(server, drive.MAIL, b"STARTTLS\r\n", drive.HELLO, drive.MAIL)
    assert outcome.codes == [530, 220, 250, 530]
    assert drive.talk(server, drive.PLAIN, drive.MAIL).codes == [235, 250]


def test_tls_from_the_start_meets_the_policy() -> None:
    server = drive.ready(require_tls=True, tls=TLSInfo())
    assert drive.talk(server, drive.MAIL).codes == [250]
    server = drive.new(require_tls=True)
    server.tls_established(TLSInfo(version="TLSv1.3"))
    server.send(drive.GREETING)
    assert drive.talk(server, drive.HELLO, drive.MAIL).codes == [250, 250]
    assert server.tls == TLSInfo(version="TLSv1.3")


def test_a_policy_leaves_unknown_commands_500_and_lmtp_its_lhlo() -> None:
    assert drive.talk(drive.ready(require_tls=True), b"FOO\r\n").codes == [500]
    server = drive.greeted(lmtp=True, require_tls=True)
    assert drive.talk(server, drive.LHLO).codes == [250]
