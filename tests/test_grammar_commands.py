# SPDX-License-Identifier: MIT
"""Each command, read and written; what can be in none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import EVERYTHING, check_command, check_written
from strategies import addresses, domains, grammar_octets, line_text, literals, parameters

from smtpproto.exceptions import InvalidValueError, LocalProtocolError, Violation
from smtpproto.extensions.dsn import EnvelopeId, OriginalRecipient
from smtpproto.grammar.addresses import NULL_PATH, Mailbox, Path
from smtpproto.grammar.attributes import XClient, XForward
from smtpproto.grammar.auth import Auth, AuthResponse, EndOfMailData, Greeting
from smtpproto.grammar.commands import (
    BASE_VERBS,
    Bdat,
    Command,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTLS,
    Vocabulary,
    Vrfy,
    parse_command,
)
from smtpproto.grammar.parameters import Parameters
from smtpproto.grammar.replies import DEFAULT_STATUS, Reply
from smtpproto.grammar.verbs import Atrn, Burl, BurlLast, Etrn, WellKnown

BOTH_WAYS = [
    (b"EHLO client.example", Ehlo("client.example")),
    (b"EHLO [192.0.2.1]", Ehlo("[192.0.2.1]")),
    (b"EHLO [IPv6:2001:db8::1]", Ehlo("[IPv6:2001:db8::1]")),
    (b"EHLO not_a domain", Ehlo("not_a domain", True)),
    (b"EHLO \xc3\xa9", Ehlo("\u00e9", True)),
    (b"HELO localhost", Helo("localhost")),
    (b"LHLO a", Lhlo("a")),
    (b"MAIL FROM:<>", Mail("")),
    (b"MAIL FROM:<>", Mail(NULL_PATH)),
    (b"MAIL FROM:<a@b.example>", Mail("a@b.example")),
    (b"MAIL FROM:<A@b.example>", Mail(Path("A@b.example"))),
    (b"MAIL FROM:<\xc3\xa9@b> SMTPUTF8", Mail("\u00e9@b", {"SMTPUTF8": None})),
    (b'MAIL FROM:<"a>b c@d"@[192.0.2.1]> SIZE=5', Mail('"a>b c@d"@[192.0.2.1]', {"size": 5})),
    (
        b"MAIL FROM:<> SIZE=5 SMTPUTF8 ENVID=a+2Bb XVERP=+= XFOO=\xc3\xa9",
        Mail("", {"SIZE": 5, "SMTPUTF8": None, "ENVID": b"a+b", "XVERP": "+=", "XFOO": "\u00e9"}),
    ),
    (b"RCPT TO:<a@b.example>", Rcpt("a@b.example")),
    (b"RCPT TO:<Postmaster>", Rcpt("Postmaster")),
    (
        b"RCPT TO:<a@b> ORCPT=rfc822;a@b NOTIFY=NEVER",
        Rcpt("a@b", {"ORCPT": "rfc822;a@b", "NOTIFY": "NEVER"}),
    ),
    (b"DATA", Data()),
    (b"RSET", Rset()),
    (b"QUIT", Quit()),
    (b"NOOP", Noop()),
    (b"NOOP  a b", Noop(" a b")),
    (b"NOOP \xc3\xa9", Noop("\u00e9")),
    (b"HELP", Help()),
    (b"HELP MAIL", Help("MAIL")),
    (b"VRFY Smith", Vrfy("Smith")),
    (b'VRFY "Joe Smith" <joe@b>', Vrfy('"Joe Smith" <joe@b>')),
    (b"VRFY \xc3\xa9 SMTPUTF8", Vrfy("\u00e9", True)),
    (b"VRFY a\xc2\x80 SMTPUTF8", Vrfy("a\x80", True)),
    (b"VRFY SMTPUTF8", Vrfy("SMTPUTF8")),
    (b"VRFY a SMTPUTF8 SMTPUTF8", Vrfy("a SMTPUTF8", True)),
    (b"EXPN list SMTPUTF8", Expn("list", True)),
    (b"EXPN list", Expn("list")),
    (b"STARTTLS", StartTLS()),
    (b"BDAT 0 LAST", Bdat(0, True)),
    (b"BDAT 86", Bdat(86)),
    (b"BDAT " + b"9" * 20, Bdat(10**20 - 1)),
]


@pytest.mark.parametrize(("line", "command"), BOTH_WAYS, ids=repr)
def test_both_ways(line: bytes, command: Command) -> None:
    assert parse_command(line, EVERYTHING) == command
    assert command.encode(EVERYTHING) == line + b"\r\n"
    check_command(line)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"ehlo A", Ehlo("A")),
        (b"eHlO a \t", Ehlo("a")),
        (b"mail from:<a@b> size=5 smtputf8", Mail("a@b", {"SIZE": 5, "SMTPUTF8": None})),
        (b"rcpt to:<a@b>", Rcpt("a@b")),
        (b"Mail From: <@r:a@b>  SIZE=005", Mail(Path("a@b", ("r",)), {"SIZE": 5})),
        (b"quit", Quit()),
        (b"QUIT\t", Quit()),
        (b"startTLS  ", StartTLS()),
        (b"noop\t x", Noop("x")),
        (b"NOOP x ", Noop("x")),
        (b"vrfy a  smtpUTF8", Vrfy("a", True)),
        (b"vrfy a b ", Vrfy("a b")),
        (b"bdat 86 last", Bdat(86, True)),
        (b"BDAT 007", Bdat(7)),
    ],
)
def test_read_otherwise_than_written(line: bytes, command: Command) -> None:
    assert parse_command(line, EVERYTHING) == command
    assert command.encode(EVERYTHING) != line + b"\r\n"
    check_command(line)


@pytest.mark.parametrize(
    ("line", "violation", "code", "status"),
    [
        (b"", Violation.COMMAND_SYNTAX, 500, "5.5.2"),
        (b" ", Violation.COMMAND_SYNTAX, 500, "5.5.2"),
        (b"\t", Violation.COMMAND_SYNTAX, 500, "5.5.2"),
        (b" QUIT", Violation.COMMAND_SYNTAX, 500, "5.5.2"),
        (b"FOO", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"QUITX", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"QUI", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"QUIT\tx", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"STARTTL", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"\xc4\xb1", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"R\xc5\xbfET", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"\xef\xbc\xb1UIT", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"GET / HTTP/1.1", Violation.WRONG_PROTOCOL, 421, "4.7.0"),
        (b"post /x", Violation.WRONG_PROTOCOL, 421, "4.7.0"),
        (b"CONNECT a:25 x", Violation.WRONG_PROTOCOL, 421, "4.7.0"),
        (b"PRI * HTTP/1.9", Violation.WRONG_PROTOCOL, 421, "4.7.0"),
        (b"\x16\x03\x01\x02\x00\x01", Violation.WRONG_PROTOCOL, 421, "4.7.0"),
        (b"\x16\x04\x01", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"GETX", Violation.UNKNOWN_COMMAND, 500, "5.5.2"),
        (b"SEND FROM:<a@b>", Violation.NOT_OFFERED, 502, "5.5.1"),
        (b"soml", Violation.NOT_OFFERED, 502, "5.5.1"),
        (b"SAML x", Violation.NOT_OFFERED, 502, "5.5.1"),
        (b"TURN", Violation.NOT_OFFERED, 502, "5.5.1"),
        (b"DATA x", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"RSET x", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"QUIT x", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"STARTTLS x", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"QUIT \xff", Violation.EIGHT_BIT, 501, "5.5.2"),
        (b"HELP \xc3\xa9", Violation.EIGHT_BIT, 501, "5.5.2"),
        (b"BDAT 5 \xc3\xa9", Violation.EIGHT_BIT, 501, "5.5.2"),
        (b"EHLO", Violation.DOMAIN_SYNTAX, 501, "5.5.4"),
        (b"EHLO a\x01b", Violation.DOMAIN_SYNTAX, 501, "5.5.4"),
        (b"EHLO \xff", Violation.DOMAIN_SYNTAX, 501, "5.5.4"),
        (b"MAIL", Violation.REVERSE_PATH, 501, "5.5.2"),
        (b"MAIL FROM", Violation.REVERSE_PATH, 501, "5.5.2"),
        (b"MAIL TO:<a@b>", Violation.REVERSE_PATH, 501, "5.5.2"),
        (b"MAIL <a@b>", Violation.REVERSE_PATH, 501, "5.5.2"),
        (b"MAIL \xef\xbc\xa6ROM:<a@b>", Violation.REVERSE_PATH, 501, "5.5.2"),
        (b"RCPT FROM:<a@b>", Violation.FORWARD_PATH, 501, "5.5.2"),
        (b"MAIL FROM:", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<a>", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<a@b", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<a@b>x", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<a@b>SIZE=5", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<a@b_>", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<Postmaster>", Violation.REVERSE_PATH, 501, "5.1.7"),
        (b'MAIL FROM:<"a>', Violation.REVERSE_PATH, 501, "5.1.7"),
        (b"MAIL FROM:<\xff@b>", Violation.NOT_UTF8, 550, "5.6.7"),
        (b"RCPT TO:<\xed\xa0\x80@b>", Violation.NOT_UTF8, 553, "5.6.7"),
        (b"RCPT TO:<>", Violation.FORWARD_PATH, 501, "5.1.3"),
        (b"RCPT TO:<a>", Violation.FORWARD_PATH, 501, "5.1.3"),
        (b"RCPT TO:<a@b", Violation.FORWARD_PATH, 501, "5.1.3"),
        (b"RCPT TO:a@b", Violation.FORWARD_PATH, 501, "5.1.3"),
        (b"RCPT TO:<a@b_>", Violation.DOMAIN_SYNTAX, 501, "5.1.2"),
        (b"RCPT TO:<a@[1.2.3]>", Violation.DOMAIN_SYNTAX, 501, "5.1.2"),
        (b"RCPT TO:<@r_:a@b>", Violation.DOMAIN_SYNTAX, 501, "5.1.2"),
        (b"RCPT TO:<a@b> ORCPT", Violation.PARAMETER_SYNTAX, 501, "5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=5 SIZE=5", Violation.PARAMETER_REPEATED, 501, "5.5.4"),
        (b"MAIL FROM:<>" + b" X" * 33, Violation.PARAMETER_REPEATED, 501, "5.5.4"),
        (b"VRFY", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"EXPN ", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"VRFY a\x01", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"VRFY \xff SMTPUTF8", Violation.ARGUMENT_SYNTAX, 501, "5.5.4"),
        (b"VRFY \xc3\xa9", Violation.NON_ASCII_ADDRESS, 553, "5.6.7"),
        (b"VRFY \xc3\xa9 \xc5\xbfMTPUTF8", Violation.NON_ASCII_ADDRESS, 553, "5.6.7"),
        (b"BDAT", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT -1", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT +1", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT 1_0", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT 0x5", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT 1e3", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT 5 FIRST", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT 5  LAST", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT 5 LAST x", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT LAST", Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT " + b"1" * 21, Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT " + b"1" * 10000, Violation.CHUNK_SIZE, 501, "5.5.4"),
        (b"BDAT \xd9\xa5", Violation.EIGHT_BIT, 501, "5.5.2"),
    ],
)
def test_answer(line: bytes, violation: Violation, code: int, status: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_command(line, EVERYTHING)
    error = caught.value
    assert (error.violation, error.code, error.enhanced) == (violation, code, status)
    assert "expected" in str(error) or code in (421, 502)
    check_command(line)


def test_more_parameters_than_the_cap() -> None:
    words = [b"X%d" % number for number in range(33)]
    assert parse_command(b"MAIL FROM:<> " + b" ".join(words[1:]), EVERYTHING)
    with pytest.raises(InvalidValueError, match="at most 32 parameters"):
        parse_command(b"RCPT TO:<a@b> " + b" ".join(words), EVERYTHING)


def test_what_may_be_a_password_is_not_shown() -> None:
    """A client that believes to be within AUTH sends it where a command is expected."""
    for line in (b"c2VjcmV0", b"AGpvZQBzZWNyZXQ=", b"secret word"):
        with pytest.raises(InvalidValueError) as caught:
            parse_command(line, EVERYTHING)
        assert not any(word in str(caught.value) for word in line.decode().split())


EVIL = ["\r", "\n", "\0", "\r\n", "a\r\nRCPT TO:<evil@x.example>", "x\0", "\n.\n"]


class Extension(Command):
    """A command of one's own that checks nothing."""

    __slots__ = ("text",)
    verb: ClassVar[str] = "XFOO"
    utf8 = True

    def __init__(self, text: str) -> None:
        self.text = text

    def argument(self, vocabulary: Vocabulary) -> str:
        return self.text


MAKERS: list[Callable[[str], Any]] = [
    *(
        lambda bad, make=make: make(bad)
        for make in (Ehlo, Helo, Lhlo, Mail, Rcpt, Path, Noop, Help, Vrfy, Expn)
    ),
    *(lambda bad, make=make: make(f"a{bad}@b.example") for make in (Mail, Rcpt, Path)),
    *(lambda bad, make=make: make(f"a@b{bad}.example") for make in (Mail, Rcpt, Path)),
    *(lambda bad, make=make: make(f'"a{bad}"@b.example') for make in (Mail, Rcpt, Path)),
    *(lambda bad, make=make: make(f'"a\\{bad}"@b.example') for make in (Mail, Rcpt, Path)),
    *(lambda bad, make=make: make(f"a@[x:{bad}]") for make in (Mail, Rcpt, Path)),
    *(lambda bad, make=make: make(bad, True) for make in (Ehlo, Helo, Lhlo, Vrfy, Expn)),
    *(lambda bad, make=make: make("a@b", {"XFOO": bad}) for make in (Mail, Rcpt)),
    *(lambda bad, make=make: make("a@b", {f"XFOO{bad}": "a"}) for make in (Mail, Rcpt)),
    *(lambda bad, make=make: make(bad, "b") for make in (Mailbox,)),
    lambda bad: Mailbox("a", bad),
    lambda bad: Path("a@b", (bad,)),
    lambda bad: Parameters({"XFOO": bad}),
    lambda bad: Parameters({bad: None}),
    lambda bad: Auth(bad),
    lambda bad: Auth(f"PLAIN{bad}", b"x"),
    lambda bad: Reply(250, bad),
    lambda bad: Reply(250, ("a", bad)),
    lambda bad: Reply(250, "a", f"2.0.0{bad}"),
    # what is known to be checked is looked at once more when it is written
    lambda bad: Mail(Path(f"a{bad}@b", (), True)).encode(),
    lambda bad: Rcpt(Path(f"a{bad}@b", (), True)).encode(),
    lambda bad: Mail("", Parameters({f"XFOO{bad}": None}, {})).encode(),
    lambda bad: Mail("", Parameters({"XFOO": bad}, {})).encode(),
    lambda bad: Extension(bad).encode(),
]


@pytest.mark.parametrize("bad", EVIL)
@pytest.mark.parametrize("number", range(len(MAKERS)))
def test_nothing_can_be_injected(number: int, bad: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        MAKERS[number](bad)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LocalProtocolError)
    assert str(caught.value).isprintable()


NO_TEXT: list[Any] = [b"a@b.example", bytearray(b"a"), b"", None, 3, 2.5, ("a",), [b"a"], object]
TAKES_TEXT: list[Callable[[Any], Any]] = [
    *(Ehlo, Helo, Lhlo, Mail, Rcpt, Path, Noop, Help, Vrfy, Expn, Auth),
    *(Etrn, Burl, BurlLast, WellKnown, EnvelopeId),
    lambda wrong: Ehlo(wrong, True),
    lambda wrong: Vrfy(wrong, True),
    lambda wrong: Etrn(wrong, "#"),
    lambda wrong: Atrn([wrong]),
    lambda wrong: Path("a@b.example", (wrong,)),
    lambda wrong: Mailbox(wrong, "b.example"),
    lambda wrong: Mailbox("a", wrong),
    lambda wrong: Reply(250, [wrong]),
    lambda wrong: Reply(250, ["a", wrong]),
    lambda wrong: OriginalRecipient(wrong, "a@b.example"),
    lambda wrong: OriginalRecipient("rfc822", wrong),
]


@pytest.mark.parametrize("wrong", NO_TEXT, ids=repr)
@pytest.mark.parametrize("number", range(len(TAKES_TEXT)))
def test_what_is_no_text(number: int, wrong: Any) -> None:
    """Octets for text, most of all: told when the value is made, by an error of the package."""
    with pytest.raises(InvalidValueError) as caught:
        TAKES_TEXT[number](wrong)
    told = str(caught.value)
    assert "expected, not" in told
    if isinstance(wrong, bytes | bytearray):
        assert type(wrong).__name__ in told
        assert told.endswith("decode it first")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Reply(250, b"ok"), "a line of a reply, or a list of lines, as text .* not bytes"),  # type: ignore[arg-type]
        (lambda: Reply(250, ["a", 5]), "lines, as text expected, not int"),  # type: ignore[list-item]
        (lambda: Reply(250, 5), "lines, as text expected, not int"),  # type: ignore[arg-type]
        (lambda: Reply([250]), "a reply code from 200 to 599 expected, not .250"),  # type: ignore[arg-type]
        (lambda: Reply("250"), "a reply code from 200 to 599 expected, not '250'"),  # type: ignore[arg-type]
        (lambda: Reply(250, "a", b"2.0.0"), "an enhanced status code as text .* decode"),  # type: ignore[arg-type]
        (lambda: Reply(250, "a", ["2"]), "an enhanced status code as text .* list"),  # type: ignore[arg-type]
        (lambda: Mail("", "SIZE"), "parameters: a mapping such as .* expected, not str"),  # type: ignore[arg-type]
        (lambda: Rcpt("a@b", None), "parameters: a mapping such as .* expected, not None"),  # type: ignore[arg-type]
        (lambda: Mail("", {b"SIZE": 1}), "a parameter keyword as text expected, not bytes"),  # type: ignore[dict-item]
        (lambda: Auth("PLAIN", "secret"), "as bytes, or None, expected, not str$"),  # type: ignore[arg-type]
        (lambda: AuthResponse("secret"), "as bytes, or None, expected, not str$"),  # type: ignore[arg-type]
        (lambda: Path("a@b.example", 3), "an address as text expected, not int"),  # type: ignore[arg-type]
        (lambda: Atrn("example.org"), "ATRN: a list of domains expected, not str"),
        (lambda: Atrn(None), "ATRN: a list of domains expected, not None"),  # type: ignore[arg-type]
        (lambda: XClient("ADDR"), "XCLIENT: a mapping such as .* expected, not str"),  # type: ignore[arg-type]
        (lambda: XForward({b"ADDR": "1.2.3.4"}), "XFORWARD: the name of an attribute as text"),  # type: ignore[dict-item]
    ],
)
def test_what_is_of_another_type(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        make()


@pytest.mark.parametrize("make", [Ehlo, Helo, Lhlo, Vrfy, Expn, XClient, XForward])
def test_what_is_missing_is_not_told_of_a_private_class(make: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert not str(caught.value).startswith("_")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mail("a@b> SIZE=1"),
        lambda: Mail("a@b SIZE=1"),
        lambda: Mail("<a@b>"),
        lambda: Mail("a@b,c@d"),
        lambda: Mail("postmaster"),
        lambda: Mail("a"),
        lambda: Rcpt(""),
        lambda: Rcpt(NULL_PATH),
        lambda: Rcpt("a@b>"),
        lambda: Rcpt("a"),
        lambda: Ehlo(""),
        lambda: Ehlo("", True),
        lambda: Ehlo("a b"),
        lambda: Ehlo("a_b"),
        lambda: Ehlo("\u00e9.example"),
        lambda: Ehlo("\udcff", True),
        lambda: Vrfy(""),
        lambda: Vrfy(" a"),
        lambda: Vrfy("a SMTPUTF8"),
        lambda: Vrfy("a smtputf8 "),
        lambda: Expn("\u00e9"),
        lambda: Vrfy("\udcff", True),
        lambda: Bdat(-1),
        lambda: Bdat(10**20),
        lambda: Bdat(True),
        lambda: Bdat(1.0),  # type: ignore[arg-type]
        lambda: Bdat("1"),  # type: ignore[arg-type]
    ],
)
def test_no_such_command(make: Callable[[], Command]) -> None:
    with pytest.raises(InvalidValueError, match="expected"):
        make()


@pytest.mark.parametrize(
    ("command", "violation"),
    [
        (Help("\u00e9"), Violation.EIGHT_BIT),
        (Noop("\udcff"), Violation.NOT_UTF8),
        (Extension("\ud800"), Violation.NOT_UTF8),
        (Mail("", Parameters({"SIZE": "a"})), Violation.PARAMETER_SYNTAX),
        (Mail("", {"SMTPUTF8": "1"}), Violation.PARAMETER_SYNTAX),
        (Rcpt("a@b", {"ORCPT": None}), Violation.PARAMETER_SYNTAX),
        (Greeting(), Violation.LOCAL_VALUE),
        (EndOfMailData(), Violation.LOCAL_VALUE),
    ],
)
def test_what_cannot_be_written(command: Command, violation: Violation) -> None:
    with pytest.raises(InvalidValueError) as caught:
        command.encode(EVERYTHING)
    assert caught.value.violation is violation


def test_parameters_without_their_declarations() -> None:
    """A vocabulary turns typed values into text; without one they are written as they print."""
    assert Mail("", {"ENVID": b"a+b"}).encode(EVERYTHING) == b"MAIL FROM:<> ENVID=a+2Bb\r\n"
    assert Mail("", {"SIZE": 5, "XVERP": None}).encode() == b"MAIL FROM:<> SIZE=5 XVERP\r\n"
    with pytest.raises(InvalidValueError):
        Mail("", {"XVERP": "+="}).encode()


def test_a_source_route_is_kept_and_not_sent() -> None:
    route = Path("a@b", ("r.example",))
    assert Mail(route).reverse_path.source_route == ("r.example",)
    assert Mail(route).encode() == b"MAIL FROM:<a@b>\r\n"
    assert Rcpt(route).encode() == b"RCPT TO:<a@b>\r\n"
    assert Rcpt("@r.example:a@b") == Rcpt(route)


hellos = st.builds(
    lambda make, name: make(name), st.sampled_from([Ehlo, Helo, Lhlo]), domains | literals
)
texts = line_text.filter(lambda text: text.isascii() and text == text.rstrip(" \t"))
queries = st.builds(
    lambda make, text: make(text, True),
    st.sampled_from([Vrfy, Expn]),
    st.from_regex(r"[!-~](?:[ -~]{0,9}[!-~])?", fullmatch=True) | addresses,
)
commands = (
    hellos
    | st.builds(Mail, st.just("") | addresses, parameters)
    | st.builds(Rcpt, st.just("Postmaster") | addresses, parameters)
    | st.builds(Noop, texts)
    | st.builds(Help, texts)
    | queries
    | st.builds(Bdat, st.integers(0, 10**20 - 1), st.booleans())
    | st.builds(
        Auth, st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), st.none() | st.binary()
    )
    | st.sampled_from([Data(), Rset(), Quit(), StartTLS(), Noop(), Help()])
)


@given(commands)
def test_there_and_back(command: Command) -> None:
    written = command.encode(EVERYTHING)
    check_written(written)
    assert parse_command(written[:-2], EVERYTHING) == command
    assert hash(parse_command(written[:-2], EVERYTHING)) == hash(command)


@given(grammar_octets | st.binary(max_size=30))
def test_any_line(line: bytes) -> None:
    check_command(line)
    for verb in (
        b"MAIL FROM:",
        b"MAIL FROM:<a@b> ",
        b"RCPT TO:<",
        b"VRFY ",
        b"EHLO ",
        b"BDAT ",
        b"AUTH PLAIN ",
    ):
        check_command(verb + line)


def test_every_octet_everywhere() -> None:
    """One octet changed, in each place: refused with an answer, or read back."""
    for line in (
        b"MAIL FROM:<a.b@c.example> SIZE=5 SMTPUTF8",
        b'RCPT TO:<"a b"@[1.2.3.4]>',
        b"BDAT 5 LAST",
        b"EHLO a",
    ):
        for position in range(len(line) + 1):
            for octet in range(256):
                check_command(line[:position] + bytes((octet,)) + line[position + 1 :])
                check_command(line[:position] + bytes((octet,)) + line[position:])


def test_a_plain_value_error_of_a_command_is_one_of_ours() -> None:
    """As ``int`` raises it: a peer must not get it past the parser, nor read its own octets."""

    class Count(Command):
        verb = "XCOUNT"

        @classmethod
        def parse(cls, argument: str, vocabulary: Vocabulary) -> Command:
            int(argument)
            return cls()

    words = Vocabulary((Count,))
    assert isinstance(parse_command(b"XCOUNT 5", words), Count)
    with pytest.raises(InvalidValueError, match=r"^another argument expected behind XCOUNT$") as e:
        parse_command(b"XCOUNT five", words)
    assert (e.value.code, e.value.violation) == (501, Violation.ARGUMENT_SYNTAX)


def test_vocabulary() -> None:
    assert set(Vocabulary(BASE_VERBS).verbs) == {
        b"MAIL",
        b"RCPT",
        b"DATA",
        b"RSET",
        b"NOOP",
        b"QUIT",
        b"VRFY",
        b"EXPN",
        b"HELP",
    }
    assert Vocabulary((AuthResponse, Quit)).verbs == {b"QUIT": Quit}, "no verb, no command line"
    with pytest.raises(InvalidValueError):
        parse_command(b"", Vocabulary((AuthResponse,)))
    with pytest.raises(InvalidValueError):
        parse_command(b"QUIT", Vocabulary((Noop,)))


class Xyz(Quit):
    verb = "XYZ"


class Quitting(Quit):
    verb = "QUITTING"


class Short(Noop):
    __slots__ = ()
    verb = "X"


class Send(Mail):
    __slots__ = ()
    verb = "SEND"


class Rush(Rcpt):
    __slots__ = ()
    verb = "RUSH"


def test_verbs_of_other_lengths() -> None:
    vocabulary = Vocabulary((Quit, Xyz, Quitting, Short))
    assert parse_command(b"X ab", vocabulary) == Short("ab")
    assert parse_command(b"X   ", vocabulary) == Short()
    assert type(parse_command(b"XYZ", vocabulary)) is Xyz
    assert type(parse_command(b"xyz ", vocabulary)) is Xyz
    assert type(parse_command(b"QUITTING", vocabulary)) is Quitting
    assert type(parse_command(b"QUIT", vocabulary)) is Quit
    with pytest.raises(InvalidValueError, match="XYZ without an argument expected, not with 'a'"):
        parse_command(b"XYZ a", vocabulary)


def test_a_command_derived_from_mail() -> None:
    vocabulary = Vocabulary((Send, Rush))
    assert parse_command(b"SEND FROM:<a@b>", vocabulary) == Send("a@b") != Mail("a@b")
    for line, status in ((b"SEND FROM:<a>", "5.1.7"), (b"RUSH TO:<a>", "5.1.3")):
        with pytest.raises(InvalidValueError) as caught:
            parse_command(line, vocabulary)
        assert caught.value.enhanced == status


def test_what_a_command_is() -> None:
    every = [*BASE_VERBS, Ehlo, Helo, Lhlo, StartTLS, Bdat, Auth, AuthResponse]
    assert {c for c in every if not c.ends_group} == {Mail, Rcpt, Rset, Bdat}
    assert {c for c in every if c.long_line} == {Auth, AuthResponse}
    assert {c for c in every if c.announces_octets} == {Bdat}
    assert {c for c in every if c.utf8} == {Ehlo, Helo, Lhlo, Mail, Rcpt, Noop, Vrfy, Expn}
    assert (Bdat(5).octets(), Quit().octets()) == (5, 0)
    without = {Mail, Rcpt, Ehlo, Helo, Lhlo, Auth, AuthResponse, Bdat, Quit, Help}
    assert {c for c in every if c.default_reply is None} == without
    for command in every:
        reply = command.default_reply
        if reply is not None and not reply.is_intermediate:
            assert reply.enhanced == DEFAULT_STATUS.get(reply.code, "2.0.0")
    assert Data.default_reply is not None
    assert Data.default_reply.code == 354
    assert StartTLS.default_reply is not None
    assert StartTLS.default_reply.code == 220


def test_equality() -> None:
    assert Ehlo("a") != Helo("a")
    assert Ehlo("a") != Ehlo("A")
    assert Ehlo("a", True) == Ehlo("a")
    assert Noop() != Help()
    assert Data() == Data() != Rset()
    assert Mail("a@b") != Rcpt("a@b")
    assert Mail("a@b") != Mail("a@b", {"SIZE": 5})
    assert Greeting() == Greeting() != EndOfMailData()
    assert EndOfMailData(Rcpt("a@b")) != EndOfMailData()


LONG = 1 << 20


@pytest.mark.parametrize(
    "piece",
    [
        b"a",
        b" ",
        b"\t",
        b"a ",
        b" X",
        b"<",
        b"<a@b>",
        b'"',
        b"\\",
        b"@",
        b":",
        b"-",
        b"SMTPUTF8 ",
        b"1",
        b"\xff",
        b"GET ",
    ],
)
def test_long_lines_take_linear_time(piece: bytes) -> None:
    text = piece * (LONG // len(piece))
    vocabulary = EVERYTHING
    for verb in (
        b"",
        b"EHLO ",
        b"MAIL FROM:",
        b"MAIL FROM:<",
        b"RCPT TO:<a@b> ",
        b"VRFY ",
        b"BDAT ",
        b"NOOP ",
        b"QUIT",
    ):
        check_command(verb + text, vocabulary)
