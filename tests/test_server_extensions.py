# SPDX-License-Identifier: MIT
"""What EHLO puts in force, extensions of one's own, SMTPUTF8, and what a server is made with."""

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
    Reply,
    ServerConnection,
    Signal,
    StartTLS,
    State,
    TLSInfo,
    Violation,
    extensions,
)

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
    size, chunking = extensions.Size(5), extensions.Chunking()
    assert drive.greeted(extensions=[size, chunking]).offers() == {"SIZE": "5", "CHUNKING": ""}


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


class Nonces(extensions.Extension):
    """Announces another text each time; its value is a new object whenever it is parsed."""

    keyword = "X-NONCE"

    def __init__(self) -> None:
        self.given = 0

    def parameters_text(self, facts: extensions.SessionFacts) -> str:
        self.given += 1
        return str(self.given)

    def parse_announcement(self, texts: tuple[str, ...]) -> Any:
        return [int(text) for text in texts]


def test_an_extension_is_asked_at_each_ehlo_what_it_announces() -> None:
    offered = [Nonces()]
    one, other = drive.greeted(extensions=offered), drive.greeted(extensions=offered)
    for server, said in ((one, 2), (other, 3), (one, 4)):  # 1 was to see that it is a text
        assert announced(server) == [f"X-NONCE {said}"]
        assert server.keywords == {"X-NONCE": (str(said),)}
        assert server.announced == {"X-NONCE": [said]}


def test_a_long_announcement_counts_too() -> None:
    class Long(extensions.Extension):
        keyword = "X-LONG"

        def parameters_text(self, facts: extensions.SessionFacts) -> str:
            return "word " * 600

    server = drive.greeted(extensions=[Long(), *drive.EVERYTHING])
    assert announced(server)[0] == "X-LONG" + " word" * 600
    assert set(server.announced) > {"X-LONG", "SIZE", "AUTH"}


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
    event = drive.rejection(server, line)
    assert (event.default_reply.code, event.default_reply.enhanced) == (501, "5.5.4")


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
    event = drive.rejection(server, line.encode() + b"\r\n")
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


def test_a_keyword_in_lower_case_would_never_be_in_force() -> None:
    class Foo(extensions.Extension):
        keyword = "foo"

    with pytest.raises(LocalProtocolError, match="upper case expected, not 'foo'"):
        drive.new(extensions=[Foo()])


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


@pytest.mark.parametrize(
    "name", ["", "two words", " x", "a\r\n250 b", "a\0", "b\u00fccher.example", "a\tb"]
)
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


def test_a_verb_of_ones_own_may_open_mail_data() -> None:
    move = extensions.Move.FORBIDDEN
    row = extensions.Row((State.RCPT,), Xyzzy, move, State.DATA, exact=354)
    server = drive.in_rcpt(extensions=[own(rows=(row,))])
    server.receive_data(b"XYZZY\r\n..a\r\n.\r\nNOOP\r\n")
    server.next_event()
    server.send(Reply(354, "go on"))
    outcome = drive.Outcome()
    drive.pump(server, outcome)
    assert outcome.data == b".a\r\n"
    assert outcome.codes == [250, 250]


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


def test_utf8_in_a_typed_parameter_needs_smtputf8_too() -> None:
    server = drive.ready(extensions=[extensions.Dsn()])
    line = "RCPT TO:<c@d.example> ORCPT=utf-8;\u00e9@d.example\r\n".encode()
    assert drive.talk(server, drive.MAIL + line).codes == [250, 553]


@pytest.mark.parametrize("text", [5, True, ["x"], {}, b"x", "a\r\nb", "\xfc"])
def test_what_cannot_be_announced_is_told_before_the_first_session(text: Any) -> None:
    class Odd(extensions.Extension):
        keyword = "XODD"

        def announcement(self, facts: extensions.SessionFacts) -> Any:
            return text if facts.tls is not None else "1"

    told = r"^XODD: an announcement\(\) of printable ASCII, or of None for no offer, expected, not"
    with pytest.raises(InvalidValueError, match=told):
        ServerConnection("mx.example.org", extensions=[Odd()], tls=TLSInfo())
    connection = ServerConnection("mx.example.org", extensions=[Odd(), extensions.StartTLS()])
    assert connection.offers() == {"XODD": "1", "STARTTLS": ""}
    connection.send(Reply(220, "mx.example.org"))
    for line in (b"EHLO client.example\r\n", b"STARTTLS\r\n"):
        connection.receive_data(line)
        event = connection.next_event()
        assert isinstance(event, CommandReceived)
        assert event.default_reply is not None
        connection.send(event.default_reply)
    connection.tls_established(TLSInfo())
    connection.receive_data(b"EHLO client.example\r\n")
    with pytest.raises(InvalidValueError, match=told):
        connection.next_event()
