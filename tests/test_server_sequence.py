# SPDX-License-Identifier: MIT
"""What is answered out of order, by policy, and to what is not offered (RFC 5321 4.1.4, 4.3.2)."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import server_drive as drive

from smtpproto import (
    Auth,
    Command,
    CommandReceived,
    CommandRejected,
    Ehlo,
    Helo,
    InvalidValueError,
    LocalProtocolError,
    Mail,
    Parameter,
    Rcpt,
    Reply,
    ServerConnection,
    Signal,
    StartTLS,
    State,
    TLSInfo,
    Violation,
    extensions,
)


def rejection(server: ServerConnection, line: bytes) -> CommandRejected:
    """Give the server a line and return how it is rejected."""
    event = drive.event_of(server, line)
    assert isinstance(event, CommandRejected)
    assert event.line == line.removesuffix(b"\r\n")
    return event


def is_received(server: ServerConnection, line: bytes) -> bool:
    return isinstance(drive.event_of(server, line), CommandReceived)


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
    event = rejection(server, b"MAIL FROM:<other@example.com>\r\n")
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


def test_a_greeting_that_refuses_leaves_quit_only() -> None:
    server = drive.new()
    server.send(Reply(521, "no mail here"))
    assert server.state is State.REFUSED
    for line in (drive.HELLO, b"HELO x\r\n", drive.MAIL, b"NOOP\r\n", b"RSET\r\n", b"STARTTLS\r\n"):
        event = rejection(server, line)
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
    event = rejection(drive.PLACES[place](), wrong)
    assert event.default_reply.text == f"{expected} expected, not {wrong[:4].decode()}"


def test_a_lmtp_server_expects_lhlo() -> None:
    assert rejection(drive.greeted(lmtp=True), drive.MAIL).default_reply.text.startswith("LHLO ")


@pytest.mark.parametrize("line", [b"NOOP\r\n", b"NOOP any text: at all <\r\n", b"noop \r\n"])
def test_noop_takes_any_argument(line: bytes) -> None:
    assert drive.talk(drive.greeted(), line).codes == [250]


@pytest.mark.parametrize("line", [b"RSET x\r\n", b"QUIT x\r\n", b"DATA x\r\n", b"STARTTLS x\r\n"])
def test_an_argument_where_there_is_none_is_refused(line: bytes) -> None:
    server = drive.in_rcpt()
    event = rejection(server, line)
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
@pytest.mark.parametrize("place", ["GREETED", "READY", "RCPT", "BDAT", "BDAT_FAILED", "REFUSED"])
def test_an_unknown_command_is_500_and_the_session_goes_on(line: bytes, place: str) -> None:
    server = drive.PLACES[place]()
    before = drive.snapshot(server)
    event = rejection(server, line)
    assert (event.default_reply.code, event.default_reply.enhanced) == (500, "5.5.2")
    assert not event.closes
    server.send(event.default_reply)
    assert drive.snapshot(server) == before


@pytest.mark.parametrize("verb", [b"SEND", b"SOML", b"SAML", b"TURN", b"send", b"Turn"])
def test_verbs_of_old_are_502(verb: bytes) -> None:
    event = rejection(drive.ready(), verb + b" FROM:<a@b.example>\r\n")
    assert event.violation is Violation.NOT_OFFERED
    assert (event.default_reply.code, event.default_reply.enhanced) == (502, "5.5.1")


@pytest.mark.parametrize("line", [b"VRFY x", b"EXPN x", b"HELP", b"NOOP", b"RSET", b"vrfy x"])
@pytest.mark.parametrize("place", ["GREETED", "READY", "MAIL", "RCPT", "BDAT", "BDAT_FAILED"])
def test_a_disabled_verb_is_502_in_every_state(line: bytes, place: str) -> None:
    server = drive.PLACES[place](disabled=[line[:4].decode()])
    event = rejection(server, line + b"\r\n")
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


# --- EHLO: what is announced is in force (RFC 5321 4.1.1.1, 4.1.1.2) -----------------------------


def announced(server: ServerConnection) -> list[str]:
    event = drive.event_of(server, drive.HELLO)
    assert event.default_reply.code == 250
    assert event.default_reply.lines[0] == "mx.example.org"
    server.send(event.default_reply)
    return list(event.default_reply.lines[1:])


def test_the_reply_to_ehlo_lists_what_is_offered() -> None:
    assert announced(drive.greeted()) == [
        "SIZE 1000",
        "8BITMIME",
        "PIPELINING",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "STARTTLS",
        "AUTH PLAIN CRAM-MD5",
        "SMTPUTF8",
        "BINARYMIME",
    ]
    assert announced(drive.greeted(extensions=[])) == []


def test_starttls_and_what_needs_tls_change_with_tls() -> None:
    auth = extensions.Auth("PLAIN", "CRAM-MD5", "LOGIN")
    offered = [extensions.StartTLS(), auth]
    assert announced(drive.greeted(extensions=offered)) == ["STARTTLS", "AUTH CRAM-MD5"]
    assert announced(drive.greeted(extensions=offered, tls=TLSInfo())) == [
        "AUTH PLAIN CRAM-MD5 LOGIN"
    ]
    assert announced(drive.greeted(extensions=[extensions.Auth("LOGIN")])) == []


def test_helo_announces_nothing_and_takes_no_parameters() -> None:
    server = drive.ready()
    event = drive.event_of(server, b"HELO client.example.com\r\n")
    assert event.default_reply == Reply(250, "mx.example.org")
    server.send(event.default_reply)
    assert server.hello == Helo("client.example.com")
    assert dict(server.keywords) == dict(server.announced) == {}
    outcome = drive.talk(
        server,
        b"MAIL FROM:<a@b.example> SIZE=10\r\n",
        b"MAIL FROM:<a@b.example> BODY=8BITMIME\r\n",
        b"STARTTLS\r\nAUTH PLAIN\r\n",
        drive.MAIL + drive.RCPT + b"BDAT 6\r\nQUIT\r\n" + drive.DATA,
    )
    assert outcome.codes == [555, 555, 503, 503, 250, 250, 503, 354]


def test_a_masked_ehlo_reply_is_what_is_in_force() -> None:
    server = drive.greeted()
    server.receive_data(drive.HELLO)
    server.next_event()
    server.send(Reply(250, ["mx.example.org", "SIZE 5", "X-Unknown a b", "8bitmime"]))
    assert set(server.announced) == {"SIZE", "8BITMIME"}
    assert server.announced["SIZE"] == 5
    assert server.keywords["X-UNKNOWN"] == ("a b",)
    outcome = drive.talk(
        server,
        b"MAIL FROM:<a@b.example> SMTPUTF8\r\n",
        b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n",
        b"MAIL FROM:<a@b.example> SIZE=6\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN\r\n",
        b"MAIL FROM:<a@b.example> SIZE=5 BODY=8BITMIME\r\n",
        drive.RCPT,
        b"BDAT 6\r\nQUIT\r\n",
        drive.DATA,
    )
    assert outcome.codes == [555, 504, 552, 503, 503, 250, 250, 503, 354]


def test_without_its_prerequisite_an_announced_extension_is_not_in_force() -> None:
    server = drive.greeted()
    server.receive_data(drive.HELLO)
    server.next_event()
    server.send(Reply(250, ["mx.example.org", "BINARYMIME", "SMTPUTF8"]))
    assert dict(server.announced) == {}
    assert set(server.keywords) == {"BINARYMIME", "SMTPUTF8"}


def test_a_keyword_that_is_no_extension_of_the_server_changes_nothing() -> None:
    server = drive.greeted(extensions=[])
    server.receive_data(drive.HELLO)
    server.next_event()
    server.send(Reply(250, ["mx.example.org", "STARTTLS", "SIZE"]))
    assert drive.talk(server, b"STARTTLS\r\nMAIL FROM:<a@b.example> SIZE=1\r\n").codes == [502, 555]


def test_a_later_ehlo_replaces_what_an_earlier_one_put_in_force() -> None:
    server = drive.ready()
    server.receive_data(drive.HELLO)
    server.next_event()
    server.send(Reply(250, "mx.example.org"))
    assert dict(server.announced) == {}
    drive.talk(server, drive.HELLO)
    assert "SIZE" in server.announced


def test_an_extension_may_end_with_authentication() -> None:
    class Before(extensions.Extension):
        keyword = "X-BEFORE"
        after_authentication = False

    server = drive.greeted(extensions=[Before()])
    assert announced(server) == ["X-BEFORE"]
    server.is_authenticated = True
    assert announced(server) == []


@pytest.mark.parametrize(
    "name", [b"[192.0.2.1]", b"[IPv6:::1]", b"my_host", b"1.2.3.4", b"localhost"]
)
def test_any_name_is_taken_in_ehlo(name: bytes) -> None:
    server = drive.greeted()
    assert drive.talk(server, b"EHLO " + name + b"\r\n").codes == [250]
    assert server.hello == Ehlo(name.decode(), checked=True)


@pytest.mark.parametrize("line", [b"EHLO\r\n", b"HELO \r\n", b"EHLO a\x07b\r\n"])
def test_a_hello_without_a_name_is_501(line: bytes) -> None:
    server = drive.greeted()
    event = rejection(server, line)
    assert (event.default_reply.code, event.default_reply.enhanced) == (501, "5.5.4")


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


# --- SMTPUTF8 (RFC 6531 3.4, 3.5) -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("MAIL FROM:<é@example.com>", 550),
        ("MAIL FROM:<a@é.example>", 550),
        ("RCPT TO:<é@example.org>", 553),
    ],
)
def test_a_non_ascii_address_needs_smtputf8(line: str, code: int) -> None:
    server = drive.in_mail() if "RCPT" in line else drive.ready()
    state = server.state
    event = rejection(server, line.encode() + b"\r\n")
    assert event.violation is Violation.NON_ASCII_ADDRESS
    assert (event.default_reply.code, event.default_reply.enhanced) == (code, "5.6.7")
    server.send(event.default_reply)
    assert server.state is state


def test_with_smtputf8_addresses_may_be_utf8() -> None:
    server = drive.ready()
    mail = "MAIL FROM:<é@example.com> SMTPUTF8\r\n".encode()
    rcpt = "RCPT TO:<ü@example.org>\r\n".encode()
    assert drive.talk(server, mail, rcpt).codes == [250, 250]
    transaction = server.transaction
    assert transaction is not None
    assert transaction.allows_utf8
    assert drive.talk(server, b"RSET\r\n", drive.MAIL, rcpt).codes == [250, 250, 553]


def test_a_non_ascii_parameter_value_needs_smtputf8() -> None:
    class Note(extensions.Extension):
        keyword = "X-NOTE"
        rcpt_parameters = (Parameter("X-NOTE", str),)

    offered = [*drive.EVERYTHING, Note()]
    line = "RCPT TO:<a@b.example> X-NOTE=é\r\n".encode()
    assert drive.talk(drive.in_mail(extensions=offered), line).codes == [553]
    utf8 = b"MAIL FROM:<a@b.example> SMTPUTF8\r\n"
    assert drive.talk(drive.in_mail(utf8, extensions=offered), line).codes == [250]


@pytest.mark.parametrize(
    "line", [b"MAIL FROM:<\xff@b.example>", b"MAIL FROM:<\xed\xa0\x80@b.example>"]
)
def test_what_is_not_utf8_is_refused_even_with_smtputf8(line: bytes) -> None:
    assert drive.talk(drive.ready(), line + b" SMTPUTF8\r\n").codes == [550]


@pytest.mark.parametrize("line", ["NOOP é", "HELP é", "RSET é", "DATA é"])
def test_eight_bit_elsewhere(line: str) -> None:
    code = drive.talk(drive.ready(), line.encode() + b"\r\n").codes
    assert code == ([250] if line.startswith("NOOP") else [501])


# --- what a connection is made with -----------------------------------------------------------


def test_an_extension_without_its_prerequisite_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="BINARYMIME needs CHUNKING") as caught:
        ServerConnection("mx.example.org", extensions=[extensions.BinaryMime()])
    assert caught.value.violation is Violation.LOCAL_VALUE


def test_an_extension_given_twice_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="SIZE") as caught:
        ServerConnection("mx.example.org", extensions=[extensions.Size(1), extensions.Size(2)])
    assert caught.value.violation is Violation.LOCAL_VALUE


def test_the_order_of_the_extensions_does_not_matter() -> None:
    server = drive.ready(extensions=[extensions.BinaryMime(), extensions.Chunking()])
    mail = b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n"
    assert drive.talk(server, mail).codes == [250]


class Xyzzy(Command):
    verb: ClassVar[str] = "XYZZY"

    @classmethod
    def parse(cls, argument: str, vocabulary: Any) -> Xyzzy:
        return cls()


def own(**declared: Any) -> extensions.Extension:
    """Return an extension of one's own with the verb XYZZY."""
    attributes = {"keyword": "XYZZY", "verbs": (Xyzzy,), **declared}
    made: extensions.Extension = type("Own", (extensions.Extension,), attributes)()
    return made


def test_an_extension_of_ones_own_adds_a_verb() -> None:
    server = drive.ready(extensions=[own(rows=(extensions.Row((State.READY,), Xyzzy),))])
    event = drive.event_of(server, b"xyzzy\r\n")
    assert isinstance(event.command, Xyzzy)
    assert event.default_reply is None
    server.send(Reply(250, "a hollow voice says: fool"))
    assert drive.talk(server, drive.MAIL, b"XYZZY\r\n").codes == [250, 503]


def test_an_extension_of_ones_own_may_check_commands() -> None:
    class Careful(extensions.Extension):
        keyword = "X-CAREFUL"
        checks = (Mail,)

        def check(self, command: Command, facts: extensions.SessionFacts) -> None:
            assert facts.transaction is None
            raise InvalidValueError("careful", code=504, enhanced="5.5.4")

    server = drive.ready(extensions=[Careful(), extensions.Size(10)])
    assert drive.talk(server, drive.MAIL).codes == [504]
    server.receive_data(drive.HELLO)
    server.next_event()
    server.send(Reply(250, "masked"))
    assert drive.talk(server, drive.MAIL).codes == [250]


def test_the_base_of_all_extensions() -> None:
    class Plain(extensions.Extension):
        keyword = "X-PLAIN"

    plain = Plain()
    server = drive.ready(extensions=[plain])
    assert server.announced["X-PLAIN"] == ""
    assert plain.check(Auth("PLAIN"), server) is None
    assert repr(plain) == "Plain()"
    assert plain.parse_announcement(("a", "b")) == "b"


def test_signals_are_stable() -> None:
    server = drive.greeted()
    assert server.next_event() is server.next_event() is Signal.NEED_DATA
    server.receive_data(b"STARTTLS\r\n")
    assert isinstance(server.next_event(), CommandRejected)
    assert server.next_event() is server.next_event() is Signal.NEED_REPLY
    assert StartTLS() == StartTLS()


@pytest.mark.parametrize("name", ["", " x", "a\r\n250 b", "a\0", "b\u00fccher.example", "a\tb"])
def test_a_host_name_that_replies_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="hostname"):
        ServerConnection(name)


def test_disabled_verbs_are_those_that_can_be() -> None:
    with pytest.raises(LocalProtocolError, match="FOO HELO"):
        drive.new(disabled=["HELO", "vrfy", "foo"])


def test_a_verb_of_ones_own_may_take_the_place_of_a_known_one() -> None:
    class Upgrade(Command):
        verb: ClassVar[str] = "STARTTLS"

    class Upgrading(extensions.Extension):
        keyword = "STARTTLS"
        verbs = (Upgrade,)
        rows = (extensions.Row((State.READY,), Upgrade, State.TLS, exact=220),)

    event = drive.event_of(drive.ready(extensions=[Upgrading()]), b"STARTTLS\r\n")
    assert isinstance(event, CommandReceived)
    assert isinstance(event.command, Upgrade)


def test_a_verb_that_leads_back_to_greeted_resets_the_session() -> None:
    row = extensions.Row((State.READY,), Xyzzy, State.GREETED, exact=220)
    server = drive.ready(extensions=[own(rows=(row,)), extensions.Size(10)])
    server.receive_data(b"XYZZY\r\n")
    server.next_event()
    server.send(Reply(450, "not now"))
    assert server.hello is not None
    server.receive_data(b"XYZZY\r\n")
    server.next_event()
    server.send(Reply(220, "again"))
    assert server.state is State.GREETED
    assert server.hello is None
    assert dict(server.keywords) == dict(server.announced) == {}
    outcome = drive.talk(server, drive.MAIL, drive.HELLO, drive.MAIL)
    assert outcome.codes == [503, 250, 250]
