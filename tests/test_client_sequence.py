# SPDX-License-Identifier: MIT
"""The client, one command at a time: what it may send where, and what it refuses to write."""

from __future__ import annotations

from typing import Any

import pytest
from client_drive import (
    EVERYTHING,
    MAIL,
    PLACES,
    RCPT,
    announce,
    answered,
    closed,
    events,
    feed,
    greeted,
    in_data,
    in_mail,
    in_rcpt,
    ready,
)

from smtpproto import (
    Auth,
    AuthResponse,
    Bdat,
    ClientConnection,
    Command,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Expn,
    Greeting,
    Helo,
    Help,
    InvalidValueError,
    Lhlo,
    LocalProtocolError,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Reply,
    ReplyReceived,
    Rset,
    Signal,
    StartTLS,
    State,
    TLSInfo,
    Violation,
    Vrfy,
    extensions,
)

COMMANDS: dict[str, Command] = {
    "EHLO": Ehlo("client.example.com"),
    "HELO": Helo("client.example.com"),
    "LHLO": Lhlo("client.example.com"),
    "MAIL": MAIL,
    "RCPT": RCPT,
    "DATA": Data(),
    "RSET": Rset(),
    "NOOP": Noop(),
    "VRFY": Vrfy("someone"),
    "EXPN": Expn("list"),
    "HELP": Help(),
    "QUIT": Quit(),
    "STARTTLS": StartTLS(),
    "AUTH": Auth("PLAIN", b"\0tim\0pass"),
    "response": AuthResponse(b"tim"),
    "greeting": Greeting(),
    "end of mail data": EndOfMailData(),
    "no verb": Command(),
}
ALWAYS = "EHLO HELO NOOP VRFY EXPN HELP RSET QUIT"
# RFC 5321 4.1.4, RFC 3207 4, RFC 4954 4, RFC 3030 2
ADMITTED = {
    "CONNECTED": "",
    "REFUSED": "QUIT",
    "GREETED": ALWAYS,
    "READY": f"{ALWAYS} MAIL STARTTLS AUTH",
    "MAIL": f"{ALWAYS} RCPT",
    "RCPT": f"{ALWAYS} RCPT DATA",
    "DATA": "",
    "BDAT": ALWAYS,
    "BDAT_FAILED": ALWAYS,
    "AUTH": "response",
    "TLS": "",
    "CLOSED": "",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_sent_where_it_is_admitted(place: str, name: str) -> None:
    client = PLACES[place]()
    assert client.state is State[place]
    outstanding = client.outstanding
    if name in ADMITTED[place].split():
        octets = client.send(COMMANDS[name])
        assert octets == COMMANDS[name].encode()
        assert client.outstanding == (COMMANDS[name],)
        assert client.next_event() is Signal.NEED_DATA
    else:
        with pytest.raises(LocalProtocolError) as caught:
            client.send(COMMANDS[name])
        assert caught.value.violation in (
            Violation.BAD_SEQUENCE,
            Violation.NOT_OFFERED,
            Violation.LOCAL_VALUE,
        )
        assert client.outstanding == outstanding
    assert client.state is State[place]


@pytest.mark.parametrize("place", PLACES)
def test_mail_data_is_sent_only_after_354(place: str) -> None:
    client = PLACES[place]()
    if place == "DATA":
        assert client.send_mail_data(b".x\n") == b"..x\r\n"
        assert client.end_mail_data() == b".\r\n"
        assert client.outstanding == (EndOfMailData(),)
    for call in (lambda: client.send_mail_data(b"x"), client.end_mail_data):
        with pytest.raises(LocalProtocolError) as caught:
            call()
        assert caught.value.violation is Violation.BAD_SEQUENCE


@pytest.mark.parametrize("place", PLACES)
def test_a_chunk_is_sent_only_to_a_recipient(place: str) -> None:
    client = PLACES[place]()
    if place in ("RCPT", "BDAT"):
        assert client.send_chunk(b"x\n") == b"BDAT 3\r\nx\r\n"
        assert client.outstanding == (Bdat(3),)
        return
    with pytest.raises(LocalProtocolError) as caught:
        client.send_chunk(b"x\n", last=True)
    assert caught.value.violation in (Violation.BAD_SEQUENCE, Violation.NOT_OFFERED)


def test_in_lmtp_the_session_command_is_lhlo() -> None:
    client = greeted(lmtp=True)
    for command in (Ehlo("client.example.com"), Helo("client.example.com")):
        with pytest.raises(LocalProtocolError):
            client.send(command)
    assert client.send(Lhlo("client.example.com")) == b"LHLO client.example.com\r\n"


def test_bdat_is_not_sent_without_its_octets() -> None:
    with pytest.raises(LocalProtocolError, match="send_chunk"):
        in_rcpt().send(Bdat(3))


def test_a_whole_session() -> None:
    client = ClientConnection()
    assert client.next_event() is Signal.NEED_DATA
    assert answered(client, b"220 mx.example.org\r\n") == ReplyReceived(
        Greeting(), Reply(220, "mx.example.org")
    )
    assert client.next_event() is Signal.NEED_COMMAND
    announce(client, *EVERYTHING)
    assert client.hello == Ehlo("client.example.com")
    client.send(Mail("a@example.com", {"SIZE": 9}))
    assert answered(client, b"250 2.1.0 ok\r\n").reply.enhanced == "2.1.0"
    client.send(RCPT)
    answered(client, b"251 forwarded\r\n")
    assert client.transaction is not None
    assert client.transaction.recipients == [RCPT]
    client.send(Data())
    answered(client, b"354\r\n")
    assert client.next_event() is Signal.NEED_COMMAND
    octets = (
        client.send_mail_data(b"Hi\n.") + client.send_mail_data(b".\n") + client.end_mail_data()
    )
    assert octets == b"Hi\r\n...\r\n.\r\n"
    assert client.next_event() is Signal.NEED_DATA
    assert answered(client, b"250 ok\r\n").command == EndOfMailData()
    assert client.state is State.READY
    assert client.transaction is None
    client.send(Quit())
    assert feed(client, b"221 bye\r\n") == [
        ReplyReceived(Quit(), Reply(221, "bye")),
        ConnectionClosed(clean=True),
    ]
    assert client.next_event() == ConnectionClosed(clean=True)


def test_helo_takes_the_extensions_away() -> None:
    client = ready()
    client.send(Helo("client.example.com"))
    answered(client, b"250-mx.example.org\r\n250 SIZE 5\r\n")
    assert client.keywords == {}
    assert not client.may_group
    with pytest.raises(LocalProtocolError) as caught:
        client.send(Mail("a@example.com", {"SIZE": 9}))
    assert caught.value.violation is Violation.PARAMETER_UNKNOWN


def test_helo_goes_on_where_ehlo_was_refused() -> None:
    client = greeted()
    client.send(Ehlo("client.example.com"))
    assert answered(client, b"502 what?\r\n").reply.code == 502
    assert client.state is State.GREETED
    assert client.hello is None
    client.send(Helo("client.example.com"))
    answered(client, b"250 mx.example.org\r\n")
    assert client.send(MAIL)


def test_a_refused_second_ehlo_leaves_the_extensions_in_force() -> None:
    client = ready()
    client.send(Ehlo("other.example.com"))
    answered(client, b"503 once\r\n")
    assert client.hello == Ehlo("client.example.com")
    assert client.may_group


def test_a_second_ehlo_replaces_all_extensions_and_ends_the_transaction() -> None:
    client = in_rcpt()
    announce(client, "SIZE")
    assert client.state is State.READY
    assert client.transaction is None
    assert dict(client.keywords) == {"SIZE": ("",)}
    assert dict(client.announced) == {"SIZE": None}


def test_keywords_are_read_as_servers_write_them() -> None:
    client = ready(
        "size 35651584", "AUTH=LOGIN", "AUTH PLAIN login", "PIPELINING  ", "X-New a b", "- odd", ""
    )
    assert client.announced == {
        "SIZE": 35651584,
        "AUTH": ("LOGIN", "PLAIN"),
        "PIPELINING": "",
    }
    assert client.keywords["X-NEW"] == ("a b",)


@pytest.mark.parametrize("text", ["SIZE", "SIZE 0", "SIZE lots", "SIZE 123456789012345678901"])
def test_size_without_a_maximum_refuses_no_message(text: str) -> None:
    client = ready(text)
    assert client.announced["SIZE"] is None
    assert client.send(Mail("a@example.com", {"SIZE": 10**12}))


def test_a_message_beyond_the_maximum_is_refused_before_it_is_sent() -> None:
    client = ready("SIZE 1000")
    with pytest.raises(InvalidValueError) as caught:
        client.send(Mail("a@example.com", {"SIZE": 1001}))
    assert caught.value.violation is Violation.MESSAGE_TOO_BIG
    assert client.send(Mail("a@example.com", {"SIZE": 1000})) == (
        b"MAIL FROM:<a@example.com> SIZE=1000\r\n"
    )


def test_a_prerequisite_that_is_missing_keeps_an_extension_out_of_force() -> None:
    client = ready("BINARYMIME", "SMTPUTF8")
    assert client.announced == {}
    assert set(client.keywords) == {"BINARYMIME", "SMTPUTF8"}


def test_a_keyword_may_be_discarded() -> None:
    client = ready()
    client.discard("chunking")
    assert "CHUNKING" not in client.keywords
    assert not {"CHUNKING", "BINARYMIME"} & set(client.announced)
    assert "SIZE" in client.announced
    client.discard("PIPELINING")
    assert not client.may_group


@pytest.mark.parametrize("place", [place for place in PLACES if place != "READY"])
def test_a_keyword_is_discarded_only_between_transactions(place: str) -> None:
    client = PLACES[place]()
    with pytest.raises(LocalProtocolError):
        client.discard("CHUNKING")
    client = ready()
    client.send(Noop())
    with pytest.raises(LocalProtocolError):
        client.discard("CHUNKING")
    assert "CHUNKING" in client.keywords


@pytest.mark.parametrize(
    ("mail", "lacking"),
    [
        (Mail("a@example.com", {"SIZE": 5}), "SIZE"),
        (Mail("a@example.com", {"BODY": "8BITMIME"}), "8BITMIME BINARYMIME"),
        (Mail("a@example.com", {"SMTPUTF8": None}), "SMTPUTF8"),
        (Mail("\u00e9@example.com", {"SMTPUTF8": None}), "SMTPUTF8"),
        (Mail("a@example.com", {"AUTH": "<>"}), "AUTH"),
    ],
)
def test_parameters_that_were_not_announced_are_not_sent(mail: Mail, lacking: str) -> None:
    client = ready()
    for keyword in lacking.split():
        client.discard(keyword)
    with pytest.raises(LocalProtocolError) as caught:
        client.send(mail)
    assert caught.value.violation is Violation.PARAMETER_UNKNOWN
    assert client.send(MAIL)


def test_a_parameter_of_rcpt_needs_its_extension_too() -> None:
    client = in_mail()
    with pytest.raises(LocalProtocolError) as caught:
        client.send(Rcpt("a@example.com", {"NOTIFY": "NEVER"}))
    assert caught.value.violation is Violation.PARAMETER_UNKNOWN


@pytest.mark.parametrize("command", [StartTLS(), Auth("PLAIN")])
def test_a_verb_that_was_not_announced_is_not_sent(command: Command) -> None:
    client = ready("SIZE")
    with pytest.raises(LocalProtocolError) as caught:
        client.send(command)
    assert caught.value.violation is Violation.NOT_OFFERED


def test_bdat_is_not_sent_where_chunking_was_not_announced() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        in_rcpt("SIZE").send_chunk(b"x", last=True)
    assert caught.value.violation is Violation.NOT_OFFERED


def test_an_extension_that_the_client_was_not_given_is_not_used() -> None:
    client = ready(extensions=[extensions.Size()])
    assert set(client.announced) == {"SIZE"}
    assert "PIPELINING" in client.keywords
    for command in (StartTLS(), Auth("PLAIN")):
        with pytest.raises(LocalProtocolError):
            client.send(command)


def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    client = ready()
    with pytest.raises(InvalidValueError) as caught:
        client.send(Mail("\u00e9@example.com"))
    assert caught.value.violation is Violation.NON_ASCII_ADDRESS
    client.send(Mail("\u00e9@example.com", {"SMTPUTF8": None}))
    answered(client, b"250 ok\r\n")
    assert client.send(Rcpt("\u00e8@example.com")) == "RCPT TO:<\u00e8@example.com>\r\n".encode()
    client = in_mail()
    with pytest.raises(InvalidValueError):
        client.send(Rcpt("\u00e8@example.com"))


# --------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("bad", ["\r", "\n", "\r\n", "\0", "x\r\nRCPT TO:<evil@example.com>"])
def test_no_argument_carries_a_line_end_or_nul(bad: str) -> None:
    """RFC 5321 4.1.1: each of these would be an injected line."""
    client = ready()
    makers = (
        lambda: Ehlo(f"a{bad}b"),
        lambda: Ehlo(f"a{bad}b", checked=True),
        lambda: Helo(f"a{bad}b"),
        lambda: Mail(f"a{bad}b@example.com"),
        lambda: Mail(f'"a{bad}b"@example.com'),
        lambda: Mail("a@example.com", {f"X{bad}": None}),
        lambda: Mail("a@example.com", {"SIZE": f"5{bad}"}),
        lambda: Mail("a@example.com", {"BODY": f"7BIT{bad}"}),
        lambda: Rcpt(f"a@exam{bad}ple.com"),
        lambda: Noop(f"a{bad}b"),
        lambda: Help(f"a{bad}b"),
        lambda: Vrfy(f"a{bad}b"),
        lambda: Expn(f"a{bad}b"),
        lambda: Auth(f"PLAIN{bad}"),
    )
    for make in makers:
        with pytest.raises(InvalidValueError):
            client.send(make())
    assert client.outstanding == ()


class XRaw(Command):
    """A careless verb of an extension of one's own."""

    verb = "XRAW"
    announces_octets = True

    def __init__(self, text: str) -> None:
        self.text = text

    def argument(self, vocabulary: object) -> str:
        return self.text

    def octets(self) -> int:
        return 3


class Raw(extensions.Extension):
    keyword = "XRAW"
    verbs = (XRaw,)
    rows = (extensions.Row((State.READY,), XRaw),)


def test_a_careless_verb_cannot_inject_a_line_either() -> None:
    client = ready("XRAW", extensions=[Raw()])
    for text in ("a\r\nQUIT", "a\nb", "a\rb", "a\0"):
        with pytest.raises(InvalidValueError) as caught:
            client.send(XRaw(text), b"abc")
        assert caught.value.violation is Violation.CONTROL_CHARACTER
    assert client.send(XRaw("a"), b"abc") == b"XRAW a\r\nabc"


def test_a_check_sees_the_session_as_it_will_be() -> None:
    """The extension's own rules hold within a group, too."""
    seen = []

    class Watching(Raw):
        checks = (XRaw, Mail)

        def check(self, command: Command, facts: extensions.SessionFacts) -> None:
            seen.append(facts.transaction and facts.transaction.mail)

    client = ready("XRAW", "PIPELINING", extensions=[Watching(), extensions.Pipelining()])
    client.send(MAIL)
    answered(client, b"250 ok\r\n")
    client.send(Rset())
    client.send(XRaw("a"), b"abc")
    assert seen == [None, None]


@pytest.mark.parametrize("octets", [b"", b"ab", b"abcd"])
def test_a_verb_goes_with_the_octets_it_announces(octets: bytes) -> None:
    client = ready("XRAW", extensions=[Raw()])
    with pytest.raises(LocalProtocolError):
        client.send(XRaw("a"), octets)
    assert client.outstanding == ()


def test_other_commands_go_without_octets() -> None:
    with pytest.raises(LocalProtocolError):
        ready().send(Noop(), b"x")


@pytest.mark.parametrize("wrong", [3, "abc", ["abc"]])
def test_octets_beside_a_command_are_bytes(wrong: Any) -> None:
    client = ready()
    with pytest.raises(LocalProtocolError, match="octets as bytes expected, not "):
        client.send(Noop(), wrong)
    assert client.next_event() is Signal.NEED_COMMAND


def test_a_command_line_has_at_most_512_octets() -> None:
    """RFC 5321 4.5.3.1.4."""
    client = ready("SIZE")
    longest = Noop("x" * (512 - len("NOOP \r\n")))
    with pytest.raises(LocalProtocolError) as caught:
        client.send(Noop(f"{longest.text}x"))
    assert caught.value.violation is Violation.LINE_TOO_LONG
    assert len(client.send(longest)) == 512


def test_an_extension_makes_the_line_of_its_command_longer() -> None:
    """RFC 1870 3: SIZE adds 26 octets to MAIL, and to nothing else."""
    domain = ".".join(["d" * 60] * 4)

    def mail(octets: int) -> Mail:
        local_part = "l" * (octets - len(f"MAIL FROM:<@{domain}> SIZE=5\r\n"))
        return Mail(f"{local_part}@{domain}", {"SIZE": 5})

    client = ready("SIZE")
    with pytest.raises(LocalProtocolError) as caught:
        client.send(mail(512 + 27))
    assert caught.value.violation is Violation.LINE_TOO_LONG
    assert len(client.send(mail(512 + 26))) == 538
    answered(client, b"250 ok\r\n")
    local_part = "l" * (513 - len(f"RCPT TO:<@{domain}>\r\n"))
    with pytest.raises(LocalProtocolError):
        client.send(Rcpt(f"{local_part}@{domain}"))
    assert len(client.send(Rcpt(f"{local_part[1:]}@{domain}"))) == 512


@pytest.mark.parametrize(
    ("piece", "violation"),
    [(b"a\nb", Violation.BARE_LF), (b"a\rb", Violation.BARE_CR), (b"\0", Violation.NUL)],
)
def test_strict_line_endings_refuse_what_is_not_a_crlf(piece: bytes, violation: Violation) -> None:
    client = in_data(line_endings="strict")
    assert client.send_mail_data(b"one\r\n.two") == b"one\r\n..two"
    with pytest.raises(LocalProtocolError) as caught:
        client.send_mail_data(piece)
    assert caught.value.violation is violation
    assert client.send_mail_data(b"\r\n") + client.end_mail_data() == b"\r\n.\r\n"


@pytest.mark.parametrize("before", [b"", b"a\r"])
@pytest.mark.parametrize("last", [b"", b".x\n", b"x\r\n", b"x\r\n.\r\n", b"\r\n", b"x"])
def test_the_end_comes_with_the_last_piece(before: bytes, last: bytes) -> None:
    one, other = in_data(), in_data()
    for client in (one, other):
        if before:
            assert client.send_mail_data(before) == before.rstrip(b"\r")
    wire = one.send_mail_data(last, last=True)
    assert wire == other.send_mail_data(bytearray(last)) + other.end_mail_data()
    assert one.outstanding == other.outstanding == (EndOfMailData(),)
    answered(one, b"250 queued\r\n")
    assert one.state is State.READY


@pytest.mark.parametrize("before", [b"", b"a"])
@pytest.mark.parametrize("last", [b"\r", b"a\n", b"\0"])
def test_a_last_piece_that_is_refused_changes_nothing(before: bytes, last: bytes) -> None:
    client = in_data(line_endings="strict")
    if before:
        client.send_mail_data(before)
    with pytest.raises(InvalidValueError):
        client.send_mail_data(last, last=True)
    assert client.outstanding == ()
    assert client.send_mail_data(b"b", last=True) == b"b\r\n.\r\n"


def test_strict_line_endings_refuse_a_last_cr() -> None:
    client = in_data(line_endings="strict")
    client.send_mail_data(b"one\r")
    with pytest.raises(LocalProtocolError):
        client.end_mail_data()
    assert client.send_mail_data(b"\n") + client.end_mail_data() == b"\r\n.\r\n"


# --------------------------------------------------------------------------- the end


def test_octets_come_before_the_end_and_are_at_least_one() -> None:
    client = ready()
    with pytest.raises(LocalProtocolError):
        client.receive_data(b"")
    client.receive_eof()
    with pytest.raises(LocalProtocolError):
        client.receive_data(b"421 bye\r\n")
    assert client.next_event() == ConnectionClosed(clean=True)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_octets_may_come_in_any_buffer(kind: type) -> None:
    client = ClientConnection()
    client.receive_data(kind(b"220 hi\r\n"))
    assert events(client) == [ReplyReceived(Greeting(), Reply(220, "hi"))]


@pytest.mark.parametrize("place", [place for place in PLACES if place != "CLOSED"])
def test_the_stream_ends_cleanly_only_between_transactions(place: str) -> None:
    client = PLACES[place]()
    outstanding = client.outstanding
    client.receive_eof()
    event = client.next_event()
    assert event == ConnectionClosed(clean=place in ("GREETED", "READY"), unanswered=outstanding)
    assert client.next_event() == event
    assert client.state is State.CLOSED
    assert client.transaction is None


def test_the_commands_without_a_reply_are_named() -> None:
    client = in_mail()
    client.send(RCPT)
    client.send(Rcpt("other@example.com"))
    client.receive_data(b"250 ok\r\n250 tr")
    client.receive_eof()
    assert events(client) == [
        ReplyReceived(RCPT, Reply(250, "ok")),
        ConnectionClosed(clean=False, unanswered=(Rcpt("other@example.com"),)),
    ]


def test_a_stream_that_ends_instead_of_the_reply_to_quit_leaves_quit_unanswered() -> None:
    client = ready()
    client.send(Quit())
    client.receive_eof()
    assert events(client) == [ConnectionClosed(clean=False, unanswered=(Quit(),))]


@pytest.mark.parametrize("reply", [b"250 ok\r\n", b"451 no\r\n", b"500 what\r\n"])
def test_any_reply_to_quit_closes(reply: bytes) -> None:
    client = in_rcpt()
    client.send(Quit())
    assert feed(client, reply + b"250-SIZE\r\n")[1:] == [ConnectionClosed(clean=True)]


def test_nothing_is_written_or_read_once_closed() -> None:
    client = closed()
    client.receive_data(b"250 ok\r\n")
    assert client.buffered == 0
    assert client.next_event() == ConnectionClosed(clean=False)


@pytest.mark.parametrize("end", [b"421 bye\r\n", None])
def test_mail_data_is_not_ended_after_the_session(end: bytes | None) -> None:
    client = in_data()
    client.send_mail_data(b"half")
    if end:
        feed(client, end)
    else:
        client.receive_eof()
        events(client)
    for call in (client.end_mail_data, lambda: client.send_mail_data(b"x")):
        with pytest.raises(LocalProtocolError) as caught:
            call()
        assert caught.value.violation is Violation.BAD_SEQUENCE
    assert client.outstanding == ()


def test_a_refused_greeting_admits_quit_only() -> None:
    """RFC 5321 3.1, RFC 7504 3."""
    for code in (554, 521):
        client = ClientConnection()
        answered(client, b"%d no mail here\r\n" % code)
        assert client.state is State.REFUSED
        with pytest.raises(LocalProtocolError):
            client.send(Ehlo("client.example.com"))
        client.send(Quit())
        assert feed(client, b"221 bye\r\n")[-1] == ConnectionClosed(clean=True)


def test_implicit_tls_comes_before_the_greeting() -> None:
    """RFC 8314 3."""
    client = ClientConnection()
    client.tls_established(TLSInfo("TLSv1.3"))
    assert client.tls == TLSInfo("TLSv1.3")
    assert client.state is State.CONNECTED
    with pytest.raises(LocalProtocolError):
        client.tls_established()
    answered(client, b"220 hi\r\n")
    with pytest.raises(LocalProtocolError):
        client.tls_established()


@pytest.mark.parametrize("octets", [b"2", b"220-hello\r\n", b"220-hello\r\n2"])
def test_tls_is_not_put_over_half_a_greeting(octets: bytes) -> None:
    client = ClientConnection()
    assert feed(client, octets) == []
    with pytest.raises(LocalProtocolError):
        client.tls_established()
    assert client.tls is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("NOOP", "str"),
        (b"NOOP\r\n", "bytes"),
        (None, "NoneType"),
        (Noop, "the class Noop"),
        (Reply(250), "Reply"),
    ],
)
def test_what_is_no_command(wrong: Any, told: str) -> None:
    for client in (ClientConnection(), ready()):
        with pytest.raises(
            LocalProtocolError, match=rf"^a Command such as Noop\(\) expected, not {told}$"
        ) as caught:
            client.send(wrong)
        assert caught.value.violation is Violation.LOCAL_VALUE
