# SPDX-License-Identifier: MIT
"""What is wrong with a line in every way there is, for every parameter and verb of the registry.

Each gets the reply that the RFCs name, the session and its transaction stay as they were, and the
right line behind it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import client_drive
import pytest
import server_drive as drive
from registry_drive import (
    BAD_LINE,
    NOT_OFFERED,
    OUT_OF_ORDER,
    SYNTAX,
    UNKNOWN_PARAMETER,
    Answer,
    at,
    is_refused,
    server,
)
from server_drive import MAIL, RCPT, snapshot, talk

from smtpproto import (
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    Data,
    Ehlo,
    Limits,
    RemoteProtocolError,
    ServerConnection,
    Violation,
)
from smtpproto.extensions import KNOWN
from smtpproto.grammar.commands import BASE_VERBS
from smtpproto.proxy import HEADER_LIMIT, ProxyHeaderParser

# --------------------------------------------------------------------------------- parameters


@dataclass
class Sample:
    """Values of a parameter; None where it has none."""

    right: str | None
    wrong: tuple[str, ...] = ()
    too_long: str | None = None
    beside: str = ""
    """What it needs to be right."""
    refusal: Answer = SYNTAX
    """The reply to a wrong value."""


SAMPLES: dict[tuple[str, str], Sample] = {
    ("MAIL", "SIZE"): Sample("5", ("1k", "-1", "5,6"), "9" * 21),
    ("MAIL", "BODY"): Sample("8BITMIME", ("9BIT", "8BITMIME8", "BINARY")),
    ("MAIL", "SMTPUTF8"): Sample(None),
    ("MAIL", "AUTH"): Sample("a+2Bb@c.example", ("a", "a+zz", "a@b+")),
    ("MAIL", "RET"): Sample("HDRS", ("BODY", "FULL,HDRS")),
    ("MAIL", "ENVID"): Sample("a+20b", ("a+2", "+00", "+E9"), "x" * 101),
    ("MAIL", "BY"): Sample("120;R", ("1", "1;X", "0;R", ";R"), "1234567890;N"),
    ("MAIL", "HOLDFOR"): Sample("1", ("0", "01", "-1", "x"), "1000000000"),
    ("MAIL", "HOLDUNTIL"): Sample(
        "2026-12-01T08:00:00Z", ("2026-12-01", "2026-12-01T08:00:00+01:00", "now")
    ),
    ("MAIL", "MT-PRIORITY"): Sample("-9", ("+1", "-0", "03"), "10", refusal=(501, "5.5.2")),
    ("MAIL", "MTRK"): Sample("A" * 27, ("A" * 26, "A" * 27 + ":"), "A" * 28, " ENVID=a"),
    ("MAIL", "SOLICIT"): Sample("org.example:ADV", ("1a", "a,,b", "a;b"), "a" * 1001),
    ("MAIL", "TRANSID"): Sample("<1@a.example>", ("1@a.example", "<1>"), f"<{'a' * 77}@b>"),
    ("MAIL", "REQUIRETLS"): Sample(None),
    ("MAIL", "PRDR"): Sample(None),
    ("MAIL", "CONPERM"): Sample(None),
    ("MAIL", "XVERP"): Sample("+=", ("+", "ab"), "+=-"),
    ("MAIL", "SUBMITTER"): Sample("a+2Bb@c.example", ("<>", "a", "a+zz")),
    ("RCPT", "NOTIFY"): Sample("DELAY,SUCCESS", ("NEVER,DELAY", "FOO", "SUCCESS,")),
    ("RCPT", "ORCPT"): Sample("rfc822;a+2Bb@c", ("a@b", "rfc822;", "r@;a"), "r;" + "x" * 499),
    ("RCPT", "RRVS"): Sample("2014-04-03T23:01:00Z;C", ("2014-04-03", "2014-04-03T23:01:00Z;X")),
    ("RCPT", "CONNEG"): Sample(None),
}
MAY_BE_ALONE = {"SMTPUTF8", "REQUIRETLS", "PRDR", "CONPERM", "XVERP", "CONNEG"}
MAY_END_IN_EQUALS = {"MTRK"}  # the padding of base64, which RFC 3885 3.2 leaves out


def bad_parameters(keyword: str, sample: Sample) -> Iterator[tuple[str, str, Answer]]:
    """Say what can be wrong with a parameter: how, its text, and the reply."""
    right, refusal = sample.right, sample.refusal
    whole = keyword if right is None else f"{keyword}={right}"
    for wrong in sample.wrong:
        yield f"wrong {wrong[:20]}", f"{keyword}={wrong}", refusal
    if sample.too_long is not None:
        yield "too long", f"{keyword}={sample.too_long}", refusal
    if keyword not in MAY_BE_ALONE:
        yield "without its value", keyword, SYNTAX
    if right is None:
        yield "with a value", f"{keyword}=1", SYNTAX
    yield "empty", f"{keyword}=", SYNTAX
    yield "twice", f"{whole} {whole}", SYNTAX
    yield "twice in two cases", f"{whole} {whole.swapcase()}", SYNTAX
    yield "in a line too long", f"{keyword}={'x' * 5000}", BAD_LINE
    yield "with a space before =", f"{keyword} ={right}", SYNTAX
    yield "with a tab behind it", f"{whole}\tX-A", SYNTAX
    yield "with an octet above 127", f"{keyword}=\u00e9", refusal
    yield "not in UTF-8", f"{keyword}=\udcff", SYNTAX
    for char in "\x01\x1b\x7f":
        yield f"with {char!a}", f"{whole}{char}", SYNTAX
    for char in "\0\r\n":
        yield f"with {char!a}", f"{whole}{char}", BAD_LINE
    if right is not None and keyword not in MAY_END_IN_EQUALS:
        yield "with = in its value", f"{whole}=", SYNTAX
    yield "behind a comma", f"X,{whole}", SYNTAX
    yield "beside one unknown", f"{whole} X-UNKNOWN=1", UNKNOWN_PARAMETER


NOT_IN_LMTP = {p.keyword for e in KNOWN if not e.in_lmtp for p in e.mail_parameters}
MATRIX = [
    pytest.param(verb, text + sample.beside, answer, lmtp, id=f"{keyword}-{how}-{mode}")
    for mode, lmtp in (("smtp", False), ("lmtp", True))
    for (verb, keyword), sample in SAMPLES.items()
    for how, text, answer in bad_parameters(keyword, sample)
    if not (lmtp and keyword in NOT_IN_LMTP)
]
COMMANDS = {"MAIL": "MAIL FROM:<a@b.example> ", "RCPT": "RCPT TO:<a@b.example> "}


def place_of(verb: str, *left_out: str, lmtp: bool = False) -> ServerConnection:
    """Return a server where MAIL, or one more RCPT, is due."""
    return at("READY" if verb == "MAIL" else "RCPT", *left_out, lmtp=lmtp)


def goes_on(connection: ServerConnection, verb: str) -> None:
    """Assert that the transaction, or a new one, is as good as ever."""
    count = 0 if verb == "MAIL" else 1
    lines = MAIL + RCPT if verb == "MAIL" else RCPT
    assert talk(connection, lines).codes == [250] * (2 - count)
    assert connection.transaction is not None
    assert len(connection.transaction.recipients) == 1 + count
    assert talk(connection, b"DATA\r\n", b"text\r\n.\r\n").codes[:2] == [354, 250]


def test_every_parameter_is_in_the_matrix() -> None:
    declared = {("MAIL", p.keyword) for e in KNOWN for p in e.mail_parameters}
    declared |= {("RCPT", p.keyword) for e in KNOWN for p in e.rcpt_parameters}
    assert declared == set(SAMPLES)


@pytest.mark.parametrize(("verb", "keyword"), SAMPLES)
def test_the_right_parameter_is_taken(verb: str, keyword: str) -> None:
    sample = SAMPLES[verb, keyword]
    whole = keyword if sample.right is None else f"{keyword}={sample.right}"
    for text in (whole, whole.lower() if keyword != "MTRK" else whole):
        line = COMMANDS[verb] + text + sample.beside
        assert talk(place_of(verb), line.encode() + b"\r\n").codes == [250]


@pytest.mark.parametrize("keyword", ["PRDR", "TRANSID=<1@a.example>"])
def test_a_parameter_that_is_not_for_lmtp(keyword: str) -> None:
    assert keyword.partition("=")[0] in NOT_IN_LMTP
    is_refused(place_of("MAIL", lmtp=True), COMMANDS["MAIL"] + keyword, UNKNOWN_PARAMETER)


@pytest.mark.parametrize(("verb", "text", "answer", "lmtp"), MATRIX)
def test_a_bad_parameter(verb: str, text: str, answer: Answer, lmtp: bool) -> None:
    connection = place_of(verb, lmtp=lmtp)
    is_refused(connection, COMMANDS[verb] + text, answer)
    goes_on(connection, verb)


@pytest.mark.parametrize(("verb", "keyword"), SAMPLES)
def test_a_parameter_that_is_not_offered(verb: str, keyword: str) -> None:
    """RFC 5321 4.1.1.11: 555, whatever its value is."""
    names = {
        e.keyword
        for e in KNOWN
        for p in (e.mail_parameters if verb == "MAIL" else e.rcpt_parameters)
        if p.keyword == keyword
    }
    connection = place_of(verb, *names)
    sample = SAMPLES[verb, keyword]
    for text in (f"{keyword}={sample.right or 1}", f"{keyword}=,", keyword):
        is_refused(connection, COMMANDS[verb] + text, UNKNOWN_PARAMETER)
    goes_on(connection, verb)


@pytest.mark.parametrize(("verb", "keyword"), SAMPLES)
def test_a_parameter_of_the_other_command(verb: str, keyword: str) -> None:
    other = "RCPT" if verb == "MAIL" else "MAIL"
    connection = place_of(other)
    value = SAMPLES[verb, keyword].right
    text = keyword if value is None else f"{keyword}={value.rstrip('=')}"
    is_refused(connection, COMMANDS[other] + text, UNKNOWN_PARAMETER)
    goes_on(connection, other)


@pytest.mark.parametrize(("verb", "keyword"), SAMPLES)
def test_a_parameter_in_the_wrong_state(verb: str, keyword: str) -> None:
    sample = SAMPLES[verb, keyword]
    whole = keyword if sample.right is None else f"{keyword}={sample.right}"
    line = COMMANDS[verb] + whole + sample.beside
    for place in ("MAIL", "RCPT", "BDAT") if verb == "MAIL" else ("READY", "BDAT", "BDAT_FAILED"):
        is_refused(at(place), line, OUT_OF_ORDER)


def test_too_many_parameters() -> None:
    connection = server(limits=Limits(parameters=3))
    is_refused(connection, COMMANDS["MAIL"] + "SIZE=5 RET=FULL ENVID=a BODY=7BIT", SYNTAX)
    goes_on(connection, "MAIL")


# --------------------------------------------------------------------------------------- verbs


@dataclass
class Verb:
    """A command: a state that admits it, how it is right, and how wrong."""

    place: str
    right: str
    wrong: tuple[str, ...] = ()
    admitted: str = "READY"
    """The states that admit it, of those that read commands."""
    takes_control: bool = False
    """Its argument is any text."""


READS = "GREETED READY MAIL RCPT BDAT BDAT_FAILED"
VERBS = {
    "EHLO": Verb("GREETED", "EHLO a.example", ("EHLO", "EHLO \x01", "EHLO \udcff"), READS),
    "HELO": Verb("GREETED", "HELO a.example", ("HELO", "HELO a\x7fb"), READS),
    "DATA": Verb("RCPT", "DATA", ("DATA now", "DATA ."), "RCPT"),
    "RSET": Verb("RCPT", "RSET", ("RSET now",), READS),
    "NOOP": Verb("RCPT", "NOOP", (), READS, takes_control=True),
    "HELP": Verb("RCPT", "HELP", (), READS, takes_control=True),
    "QUIT": Verb("READY", "QUIT", ("QUIT now",), "REFUSED " + READS),
    "VRFY": Verb("RCPT", "VRFY someone", ("VRFY", "VRFY \x01", "VRFY a\x7f"), READS),
    "EXPN": Verb("RCPT", "EXPN everyone", ("EXPN", "EXPN \x01"), READS),
    "ETRN": Verb("READY", "ETRN a.example", ("ETRN", "ETRN @", "ETRN a b", "ETRN a\x01")),
    "ATRN": Verb("READY", "ATRN a.example", ("ATRN a", "ATRN a.example,", "ATRN a.b\x01")),
    "TURN": Verb("READY", "TURN", ("TURN x",)),
    "BURL": Verb(
        "RCPT", "BURL imap://a/b", ("BURL", "BURL LAST", "BURL a:b c", "BURL a:\x01"), "RCPT BDAT"
    ),
    "XCLIENT": Verb("READY", "XCLIENT PORT=25", ("XCLIENT", "XCLIENT PORT=x", "XCLIENT FOO=1")),
    "XFORWARD": Verb("READY", "XFORWARD PORT=25", ("XFORWARD", "XFORWARD SOURCE=x")),
    "WELLKNOWN": Verb("READY", "WELLKNOWN a", ("WELLKNOWN", "WELLKNOWN +", "WELLKNOWN a\x01")),
    "VERB": Verb("READY", "VERB ON", ("VERB x", "VERB ON OFF")),
    "ONEX": Verb("READY", "ONEX", ("ONEX x",)),
}
# MAIL and RCPT are above and in test_parameter_samples; BDAT, STARTTLS and AUTH are below.
ELSEWHERE = {"MAIL", "RCPT", "BDAT", "STARTTLS", "AUTH"}
OF_EXTENSIONS = {verb.verb: e.keyword for e in KNOWN for verb in e.verbs if verb.verb}


def is_admitted(connection: ServerConnection, line: str) -> None:
    event = drive.event_of(connection, line.encode() + b"\r\n")
    assert isinstance(event, CommandReceived)
    assert event.command.verb == line.split()[0].upper()


def test_every_verb_is_in_the_matrix() -> None:
    base = {verb.verb for verb in BASE_VERBS} | {"EHLO", "HELO"}
    assert base | set(OF_EXTENSIONS) == set(VERBS) | ELSEWHERE


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, verb in VERBS.items() for line in verb.wrong]
)
def test_a_bad_argument(name: str, line: str) -> None:
    verb = VERBS[name]
    connection = at(verb.place)
    before = snapshot(connection)
    outcome = talk(connection, line.encode("utf-8", "surrogateescape") + b"\r\n")
    assert outcome.codes == [501]
    has_status = name not in ("EHLO", "HELO")  # RFC 2034 4
    assert outcome.output.startswith(b"501 5.5.4 ") is has_status
    assert snapshot(connection) == before
    is_admitted(connection, verb.right)


@pytest.mark.parametrize("char", ["\0", "\r", "\n"])
@pytest.mark.parametrize("name", VERBS)
def test_nul_cr_and_lf(name: str, char: str) -> None:
    verb = VERBS[name]
    connection = at(verb.place)
    for line in (verb.right + char, verb.right + char + "x", name[:2] + char + name[2:]):
        before = snapshot(connection)
        outcome = talk(connection, line.encode() + b"\r\n")
        assert outcome.codes == [500]
        assert snapshot(connection) == before
    is_admitted(connection, verb.right)


@pytest.mark.parametrize("name", VERBS)
def test_other_controls(name: str) -> None:
    verb = VERBS[name]
    connection = at(verb.place)
    outcome = talk(connection, f"{verb.right} \x01\r\n".encode())
    assert outcome.codes[0] == 501 or (verb.takes_control and outcome.codes[0] in (250, 214))


@pytest.mark.parametrize("length", [3000, 13_000, 100_000])
@pytest.mark.parametrize("name", VERBS)
def test_a_line_too_long(name: str, length: int) -> None:
    verb = VERBS[name]
    connection = at(verb.place)
    before = snapshot(connection)
    outcome = talk(connection, f"{verb.right} {'x' * length}\r\n".encode())
    assert outcome.codes == [501 if name == "BURL" and length < 12_000 else 500]
    assert snapshot(connection) == before
    is_admitted(connection, verb.right)


@pytest.mark.parametrize("name", [name for name in VERBS if name in OF_EXTENSIONS])
def test_a_verb_that_is_not_offered(name: str) -> None:
    """502 in whatever state."""
    for place in READS.split():
        is_refused(at(place, OF_EXTENSIONS[name]), VERBS[name].right, NOT_OFFERED)


@pytest.mark.parametrize("place", READS.split())
@pytest.mark.parametrize("line", ["FOO", "FOO bar", "MAILFROM:<a@b>", "X" * 300, "250 ok", "."])
def test_a_verb_that_nobody_knows(line: str, place: str) -> None:
    is_refused(at(place), line, BAD_LINE)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_in_the_wrong_state(name: str) -> None:
    verb = VERBS[name]
    for place in ("REFUSED", *READS.split()):
        if place in verb.admitted.split():
            is_admitted(at(place), verb.right)
        elif name in ("EHLO", "HELO") or (name, place) == ("BURL", "MAIL"):
            # Without a status (RFC 2034 4); with mail data lost, as by a chunk (RFC 3030 2).
            assert talk(at(place), verb.right.encode() + b"\r\n").codes == [503]
        else:
            is_refused(at(place), verb.right, OUT_OF_ORDER)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_in_any_case_with_white_space_behind_it(name: str) -> None:
    verb = VERBS[name]
    is_admitted(at(verb.place), verb.right.replace(name, name.lower()) + " \t ")


# ------------------------------------------------------------------------ BDAT, STARTTLS, AUTH


@pytest.mark.parametrize("line", ["BDAT", "BDAT x", "BDAT -1 LAST", "BDAT 1 2"])
@pytest.mark.parametrize("place", READS.split())
def test_a_chunk_of_unknown_size_closes(line: str, place: str) -> None:
    outcome = talk(at(place), line.encode() + b"\r\nabcde\r\nQUIT\r\n")
    assert outcome.codes == [501]
    assert outcome.is_closed


@pytest.mark.parametrize(
    ("place", "answer"),
    [("GREETED", 503), ("READY", 503), ("MAIL", 503), ("BDAT_FAILED", 503)],
)
def test_a_chunk_in_the_wrong_state_is_eaten(place: str, answer: int) -> None:
    connection = at(place)
    outcome = talk(connection, b"BDAT 6 LAST\r\nRSET\r\n")
    assert outcome.codes == [answer]
    assert outcome.commands == []
    assert talk(connection, b"NOOP\r\n").codes == [250]


def test_a_chunk_that_is_not_offered_is_eaten() -> None:
    connection = at("RCPT", "CHUNKING")
    assert talk(connection, b"BDAT 6 LAST\r\nRSET\r\n").codes == [502]
    assert talk(connection, b"DATA\r\n").codes == [354]


@pytest.mark.parametrize("line", ["STARTTLS x", "STARTTLS\x01", "STARTTLS " + "x" * 4000])
def test_a_bad_starttls(line: str) -> None:
    connection = drive.ready()
    assert talk(connection, line.encode() + b"\r\n").codes in ([501], [500])
    assert talk(connection, MAIL).codes == [250]


def test_starttls_in_the_wrong_state() -> None:
    for place in ("GREETED", "MAIL", "RCPT", "BDAT", "BDAT_FAILED"):
        connection = drive.PLACES[place]()
        is_refused(connection, "STARTTLS", OUT_OF_ORDER)
        assert not connection.tls
    assert drive.rejection(drive.ready(extensions=()), b"STARTTLS\r\n").default_reply.code == 502
    is_refused(server(), "STARTTLS", OUT_OF_ORDER)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("AUTH", SYNTAX),
        ("AUTH P@IN", SYNTAX),
        ("AUTH " + "X" * 21, SYNTAX),
        ("AUTH DIGEST-MD5", (504, "5.5.4")),
        ("AUTH PLAIN ====", (501, "5.5.2")),
        ("AUTH PLAIN AA", (501, "5.5.2")),
        ("AUTH PLAIN A=AA", (501, "5.5.2")),
        ("AUTH PLAIN AA A=", (501, "5.5.2")),
        ("AUTH PLAIN \u00e9", (501, "5.5.2")),
        ("AUTH PLAIN " + "A" * 13_000, BAD_LINE),
        ("AUTH PLAIN AA\0A", BAD_LINE),
    ],
)
def test_a_bad_auth(line: str, answer: Answer) -> None:
    connection = drive.ready()
    is_refused(connection, line, answer)
    assert talk(connection, drive.PLAIN).codes == [235]


def test_auth_in_the_wrong_state() -> None:
    for place in ("GREETED", "MAIL", "RCPT", "BDAT", "BDAT_FAILED"):
        is_refused(drive.PLACES[place](), "AUTH PLAIN AGEAYg==", OUT_OF_ORDER)
    is_refused(server(), "AUTH PLAIN AGEAYg==", OUT_OF_ORDER)
    assert drive.rejection(drive.ready(extensions=()), b"AUTH PLAIN\r\n").default_reply.code == 502


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (b"*", b"501 5.7.0 "),
        (b"!", b"501 5.5.2 "),
        (b"AA", b"501 5.5.2 "),
        (b" AAAA", b"501 5.5.2 "),
        (b"AAAA\0", b"500 5.5.2 "),
        (b"AA\rAA", b"500 5.5.2 "),
        (b"A" * 12_400, b"500 5.5.6 "),
    ],
)
def test_a_bad_response(response: bytes, answer: bytes) -> None:
    """The exchange is over, and another may begin (RFC 4954 4)."""
    connection = drive.in_auth()
    outcome = talk(connection, response + b"\r\n")
    assert outcome.output.startswith(answer)
    assert len(outcome.codes) == 1
    assert not connection.is_authenticated
    assert talk(connection, drive.PLAIN).codes == [235]


# ---------------------------------------------------------------------------------- mail data


@pytest.mark.parametrize("way", [b"DATA", b"BDAT"])
@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"a\nb\r\n", b"554 5.6.0 "),
        (b"a\rb\r\n", b"554 5.6.0 "),
        (b"a\0b\r\n", b"554 5.6.0 "),
        (b"a\r\r\nb\r\n", b"554 5.6.0 "),
        (b"x" * 2000 + b"\r\n", b"552 5.3.4 "),
    ],
)
def test_bad_mail_data(content: bytes, answer: bytes, way: bytes) -> None:
    """All of it is read, and refused once; a right message behind it is taken."""
    connection = drive.in_rcpt()
    if way == b"DATA":
        pieces = [b"DATA\r\n", content + b".\r\n"]
    else:
        pieces = [b"BDAT %d LAST\r\n" % len(content) + content]
    outcome = talk(connection, *pieces)
    assert outcome.output.splitlines()[-1].startswith(answer)
    good = talk(connection, MAIL + RCPT + b"DATA\r\n", b"text\r\n.\r\n")
    assert good.codes == [250, 250, 354, 250]
    assert good.data == b"text\r\n"


# ---------------------------------------------------------------------- the reply to EHLO


@pytest.mark.parametrize(
    "text", ["", "\x01", "\udcff", "=", ";", "9" * 5000, "a " * 500, "-1 x=y;z"]
)
@pytest.mark.parametrize("keyword", [extension.keyword for extension in KNOWN])
def test_a_bad_announcement(keyword: str, text: str) -> None:
    """What a server announces wrongly limits nothing, and stops nobody from sending mail."""
    client = client_drive.greeted()
    client.send(Ehlo("client.example.com"))
    line = f"{keyword} {text}".encode("utf-8", "surrogateescape")
    needed = [e.requires for e in KNOWN if e.keyword == keyword]
    others = "".join(f"250-{name}\r\n" for names in needed for name in names).encode()
    client_drive.answered(client, b"250-mx.example.org\r\n" + others + b"250 " + line + b"\r\n")
    assert keyword in client.announced
    for command, reply in (
        (client_drive.MAIL, b"250 ok\r\n"),
        (client_drive.RCPT, b"250 ok\r\n"),
        (Data(), b"354 go on\r\n"),
    ):
        client.send(command)
        client_drive.answered(client, reply)
    assert client.send_mail_data(b"text") + client.end_mail_data() == b"text\r\n.\r\n"


# --------------------------------------------------------------------------- the PROXY header

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"
V2 = bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc0000201c6336402dc040019")
BAD_PROXY = [
    V1.replace(b"TCP4", b"TCP5"),
    V1.replace(b"TCP4", b"TCP6"),
    V1.replace(b"192.0.2.1", b"192.0.2.256"),
    V1.replace(b"56324", b"65536"),
    V1.replace(b"56324", b"056324"),
    V1.replace(b" 25", b""),
    V1.replace(b" 25", b" 25 1"),
    V1.replace(b"PROXY ", b"PROXY  "),
    V1.replace(b"\r\n", b"\n"),
    V1.replace(b"\r\n", b"\0\r\n"),
    b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
    b"PROXY" + b" " * 200,
    b"EHLO client.example.com\r\n",
    V2.replace(b"QUIT", b"QUIX"),
    V2.replace(b"\x21\x11", b"\x11\x11"),
    V2.replace(b"\x21\x11", b"\x22\x11"),
    V2.replace(b"\x21\x11\x00\x0c", b"\x21\x11\x00\x0b"),
    V2[:14] + (HEADER_LIMIT - 15).to_bytes(2, "big") + V2[16:],
    V2[:14] + b"\x00\x0f" + V2[16:] + b"\x03\x00\x00",
]


@pytest.mark.parametrize("octets", BAD_PROXY)
def test_a_bad_proxy_header(octets: bytes) -> None:
    for pieces in ([octets], list(drive.bytewise(octets))):
        parser = ProxyHeaderParser()
        error = None
        for piece in pieces:
            try:
                assert parser.receive_data(piece) is None
            except RemoteProtocolError as raised:
                error = raised
                break
        assert error is not None
        assert error.violation is Violation.WRONG_PROTOCOL
        assert parser.unused == b""


@pytest.mark.parametrize("octets", [V1, V2], ids=["v1", "v2"])
def test_a_truncated_proxy_header_is_waited_for(octets: bytes) -> None:
    """Nothing behind it is given out before it is whole."""
    for length in range(1, len(octets)):
        parser = ProxyHeaderParser()
        assert parser.receive_data(octets[:length]) is None
        assert parser.unused == b""
        header = parser.receive_data(octets[length:] + drive.HELLO)
        assert header is not None
        assert parser.unused == drive.HELLO


# ------------------------------------------------------------------------------ all at once


def test_many_errors_end_the_session_with_one_421() -> None:
    connection = server(limits=Limits(errors=5))
    outcome = talk(connection, b"FOO\r\n" * 10)
    assert outcome.codes == [500] * 5 + [421]
    assert [type(event) for event in outcome.events] == [CommandRejected] * 6 + [ConnectionClosed]
