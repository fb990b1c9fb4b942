# SPDX-License-Identifier: MIT
"""Every extension there is, from both sides of one wire; and the page that lists them all."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path as File
from typing import Any

import pytest
from extension_drive import NOT_OFFERED, client, local_refusal, rejected, server
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import (
    Auth,
    Bdat,
    ClientConnection,
    CommandReceived,
    Ehlo,
    LocalProtocolError,
    Mail,
    Path,
    Rcpt,
    Reply,
    Rset,
    ServerConnection,
    ServerEvent,
    StartTLS,
    TLSInfo,
    Violation,
    extensions,
)
from smtpproto.exceptions import InvalidValueError
from smtpproto.extensions import KNOWN, Extension
from smtpproto.grammar.attributes import XClient, XForward
from smtpproto.grammar.command import Command
from smtpproto.grammar.parameters import Parameter
from smtpproto.grammar.verbs import Atrn, Burl, BurlLast, Etrn, Onex, Turn, Verb, WellKnown
from smtpproto.testing import ConnectionPair, accept

END = datetime(2026, 12, 1, 8, tzinfo=UTC)
PLAIN = Auth("PLAIN", b"\0a\0b")


@dataclass
class Sample:
    """An extension as a server offers it, and what a client sends by it."""

    extension: Extension
    text: str = ""
    """The parameters in the reply to EHLO."""
    announced: Any = ""
    """Their typed value, on both sides."""
    mail: dict[str, tuple[Any, str | None]] = field(default_factory=dict)
    """Parameters of MAIL: typed value, and its text."""
    rcpt: dict[str, tuple[Any, str | None]] = field(default_factory=dict)
    commands: tuple[tuple[Command, bytes], ...] = ()
    """Commands, and their lines."""
    beside: tuple[Extension, ...] = ()
    tls: bool = False
    authenticated: bool = False


AUTH = extensions.Auth("PLAIN", cleartext=True)
EIGHT = extensions.EightBitMime()
SAMPLES = [
    Sample(extensions.Size(1000), "1000", 1000, {"SIZE": (5, "5")}),
    Sample(EIGHT, mail={"BODY": ("8BITMIME", "8BITMIME")}),
    Sample(extensions.Pipelining()),
    Sample(extensions.EnhancedStatusCodes()),
    Sample(extensions.SmtpUtf8(), mail={"SMTPUTF8": (None, None)}, beside=(EIGHT,)),
    Sample(extensions.Chunking(), commands=((Bdat(3, True), b"BDAT 3 LAST\r\na\r\n"),)),
    Sample(
        extensions.BinaryMime(),
        mail={"BODY": ("BINARYMIME", "BINARYMIME")},
        beside=(extensions.Chunking(),),
    ),
    Sample(extensions.StartTLS(), commands=((StartTLS(), b"STARTTLS\r\n"),)),
    Sample(
        AUTH,
        "PLAIN",
        ("PLAIN",),
        {"AUTH": (Path("e=mc2@example.com"), "e+3Dmc2@example.com")},
        commands=((PLAIN, b"AUTH PLAIN AGEAYg==\r\n"),),
    ),
    Sample(
        extensions.Dsn(),
        mail={"RET": ("FULL", "FULL"), "ENVID": (extensions.EnvelopeId("a b"), "a+20b")},
        rcpt={
            "NOTIFY": (("SUCCESS", "DELAY"), "SUCCESS,DELAY"),
            "ORCPT": (extensions.OriginalRecipient("rfc822", "a+b@c"), "rfc822;a+2Bb@c"),
        },
    ),
    Sample(extensions.Help()),
    Sample(extensions.Vrfy()),
    Sample(extensions.Expn()),
    Sample(
        extensions.ServerLimits(5, 20),
        "MAILMAX=5 RCPTMAX=20",
        extensions.AnnouncedLimits(5, 20),
    ),
    Sample(extensions.RequireTLS(), mail={"REQUIRETLS": (None, None)}, tls=True),
    Sample(extensions.MtPriority("NSEP"), "NSEP", "NSEP", {"MT-PRIORITY": (-3, "-3")}),
    Sample(
        extensions.DeliverBy(60), "60", 60, {"BY": (extensions.Deadline(90, "R", True), "90;RT")}
    ),
    Sample(
        extensions.FutureRelease(100, END),
        "100 2026-12-01T08:00:00Z",
        extensions.HoldLimits(100, END),
        {"HOLDFOR": (100, "100"), "HOLDUNTIL": (END, "2026-12-01T08:00:00Z")},
    ),
    Sample(
        extensions.Rrvs(),
        rcpt={"RRVS": (extensions.ValidSince(END, "C"), "2026-12-01T08:00:00Z;C")},
    ),
    Sample(
        extensions.Burl("imap"),
        "imap",
        ("imap",),
        commands=(
            (Burl("imap://a/b"), b"BURL imap://a/b\r\n"),
            (BurlLast("imap://a/b"), b"BURL imap://a/b LAST\r\n"),
        ),
        beside=(EIGHT,),
        authenticated=True,
    ),
    Sample(extensions.Etrn(), commands=((Etrn("a.example", "@"), b"ETRN @a.example\r\n"),)),
    Sample(
        extensions.Atrn(),
        commands=((Atrn(["a.example"]), b"ATRN a.example\r\n"),),
        authenticated=True,
    ),
    Sample(extensions.Turn(), commands=((Turn(), b"TURN\r\n"),), authenticated=True),
    Sample(
        extensions.XClient("ADDR", "PORT"),
        "ADDR PORT",
        frozenset(("ADDR", "PORT")),
        commands=(
            (
                XClient({"ADDR": IPv4Address("192.0.2.9"), "PORT": 25}),
                b"XCLIENT ADDR=192.0.2.9 PORT=25\r\n",
            ),
        ),
    ),
    Sample(
        extensions.XForward("SOURCE"),
        "SOURCE",
        frozenset(("SOURCE",)),
        commands=((XForward({"SOURCE": "LOCAL"}), b"XFORWARD SOURCE=LOCAL\r\n"),),
    ),
    Sample(extensions.XVerp(), mail={"XVERP": ("+=", "+=")}),
    Sample(extensions.Prdr(), mail={"PRDR": (None, None)}),
    Sample(extensions.WellKnown(), commands=((WellKnown("a b"), b"WELLKNOWN a+20b\r\n"),)),
    Sample(extensions.PipeConnect()),
    Sample(
        extensions.Mtrk(),
        mail={
            "MTRK": (extensions.Tracking(b"\0" * 20, 5), "A" * 27 + ":5"),
            "ENVID": (extensions.EnvelopeId("a"), "a"),
        },
        beside=(extensions.Dsn(),),
    ),
    Sample(extensions.NoSoliciting("a:ADV"), "a:ADV", ("a:ADV",), {"SOLICIT": (("b", "c"), "b,c")}),
    Sample(extensions.Submitter(), mail={"SUBMITTER": (Path("a+b@c.example"), "a+2Bb@c.example")}),
    Sample(extensions.ConPerm(), mail={"CONPERM": (None, None)}),
    Sample(extensions.ConNeg(), rcpt={"CONNEG": (None, None)}),
    Sample(extensions.Checkpoint(), mail={"TRANSID": ("<a@b.example>", "<a@b.example>")}),
    Sample(extensions.Verb(), commands=((Verb(False), b"VERB OFF\r\n"),)),
    Sample(extensions.Onex(), commands=((Onex(), b"ONEX\r\n"),)),
    Sample(extensions.Utf8Smtp()),
]
NEVER_OFFERED = {"PIPECONNECT", "UTF8SMTP"}
NOT_DECLARED_BY_IT = {"MTRK": {"ENVID"}}


def each(which: Callable[[Sample], object]) -> pytest.MarkDecorator:
    """Run a test for each sample that has something to test."""
    samples = [sample for sample in SAMPLES if which(sample)]
    return pytest.mark.parametrize("sample", samples, ids=lambda sample: sample.extension.keyword)


def test_every_extension_has_a_sample() -> None:
    """A newcomer to the registry is not tested in either role before it stands in `SAMPLES`."""
    keywords = [sample.extension.keyword for sample in SAMPLES]
    assert keywords == [extension.keyword for extension in KNOWN]
    for sample, extension in zip(SAMPLES, KNOWN, strict=True):
        assert type(sample.extension) is type(extension)
        others = NOT_DECLARED_BY_IT.get(extension.keyword, set())
        assert set(sample.mail) - others == {p.keyword for p in extension.mail_parameters}
        assert set(sample.rcpt) == {p.keyword for p in extension.rcpt_parameters}
        verbs = {verb for verb in extension.verbs if verb.verb}
        assert {type(command) for command, _ in sample.commands} == verbs


def application(event: ServerEvent) -> Reply:
    """Accept everything; a new greeting answers XCLIENT."""
    if isinstance(event, CommandReceived) and isinstance(event.command, XClient):
        return Reply(220, "mx.example.org ESMTP")
    return accept(event)


def pair_of(sample: Sample) -> ConnectionPair:
    """Return both sides after EHLO, and after AUTH where the sample needs it."""
    auth = (AUTH,) if sample.authenticated else ()
    tls = TLSInfo() if sample.tls else None
    offered = (*sample.beside, *auth, sample.extension)
    pair = ConnectionPair(
        ServerConnection("mx.example.org", extensions=offered, tls=tls),
        ClientConnection(tls=tls),
        application,
    )
    pair.run()
    say(pair, Ehlo("client.example.com"))
    if sample.authenticated:
        say(pair, PLAIN)
        say(pair, Ehlo("client.example.com"))
    return pair


def say(pair: ConnectionPair, command: Command) -> None:
    if isinstance(command, Bdat):
        pair.write(pair.client.send_chunk(b"a\r\n", command.last))
    else:
        pair.write(pair.client.send(command))
    pair.run()


def last_received(pair: ConnectionPair, kind: type[Command]) -> Any:
    return next(
        event.command
        for event in reversed(pair.server_events)
        if isinstance(event, CommandReceived) and isinstance(event.command, kind)
    )


@each(lambda sample: True)
def test_announcement(sample: Sample) -> None:
    pair = pair_of(sample)
    keyword = sample.extension.keyword
    if keyword in NEVER_OFFERED:
        assert keyword not in pair.server.keywords
        assert client(keyword).announced[keyword] == sample.announced
        return
    assert pair.server.keywords[keyword] == pair.client.keywords[keyword] == (sample.text,)
    assert pair.server.announced[keyword] == pair.client.announced[keyword] == sample.announced


def given_parameters(sample: Sample, role: str) -> list[dict[str, Any]]:
    """Return the parameters in as many commands as they need."""
    given = {keyword: value for keyword, (value, _) in getattr(sample, role).items()}
    if "HOLDUNTIL" in given:
        return [{keyword: value} for keyword, value in given.items()]
    return [given] if given else []


@each(lambda sample: sample.mail)
def test_mail_parameters(sample: Sample) -> None:
    pair = pair_of(sample)
    for values in given_parameters(sample, "mail"):
        say(pair, Mail("a@b.example", values))
        read = last_received(pair, Mail).parameters
        assert dict(read) == values
        assert {name: sample.mail[name][1] for name in values} == read.wire
        say(pair, Rset())


@each(lambda sample: sample.rcpt)
def test_rcpt_parameters(sample: Sample) -> None:
    pair = pair_of(sample)
    say(pair, Mail("a@b.example"))
    for values in given_parameters(sample, "rcpt"):
        say(pair, Rcpt("a@b.example", values))
        read = last_received(pair, Rcpt).parameters
        assert dict(read) == values
        assert {name: sample.rcpt[name][1] for name in values} == read.wire


@each(lambda sample: sample.commands)
def test_commands(sample: Sample) -> None:
    for command, line in sample.commands:
        pair = pair_of(sample)
        if isinstance(command, Bdat | Burl):
            say(pair, Mail("a@b.example"))
            say(pair, Rcpt("a@b.example"))
        before = len(pair.to_server.carried)
        say(pair, command)
        assert pair.to_server.carried[before:] == line
        if isinstance(command, Bdat):
            assert pair.messages[-1].data == b"a\r\n"
        else:
            assert last_received(pair, type(command)) == command


@each(lambda sample: sample.mail or sample.rcpt or sample.commands)
def test_nothing_without_the_announcement(sample: Sample) -> None:
    """The client refuses locally, and the server answers 555 or 502."""
    unaware = server()
    unknowing = client("X-OTHER")
    for keyword, (value, text) in sample.mail.items():
        command = Mail("a@b.example", {keyword: value})
        assert local_refusal(unknowing, command)[0] is Violation.PARAMETER_UNKNOWN
        written = keyword if text is None else f"{keyword}={text}"
        if keyword != "XVERP":
            assert rejected(unaware, f"MAIL FROM:<a@b.example> {written}") == NOT_OFFERED
    for command, line in sample.commands:
        if isinstance(command, Bdat):
            with pytest.raises(LocalProtocolError):
                unknowing.send_chunk(b"a")
            continue
        assert local_refusal(unknowing, command)[0] is Violation.NOT_OFFERED
        refusal = rejected(server(), line.decode().rstrip())
        assert refusal == (Violation.NOT_OFFERED, 502, "5.5.1")
    unknowing.send(Mail("a@b.example"))
    unaware.receive_data(b"MAIL FROM:<a@b.example>\r\n")
    unaware.next_event()
    unaware.send(Reply(250, "ok"))
    unknowing.receive_data(b"250 ok\r\n")
    unknowing.next_event()
    for keyword, (value, text) in sample.rcpt.items():
        command = Rcpt("a@b.example", {keyword: value})
        assert local_refusal(unknowing, command)[0] is Violation.PARAMETER_UNKNOWN
        written = keyword if text is None else f"{keyword}={text}"
        assert rejected(unaware, f"RCPT TO:<a@b.example> {written}") == NOT_OFFERED


# --- all parameters alike -------------------------------------------------------------------------

PARAMETERS = [
    parameter
    for extension in KNOWN
    for parameter in (*extension.mail_parameters, *extension.rcpt_parameters)
]


def test_every_declaration_says_what_it_adds() -> None:
    for parameter in PARAMETERS:
        assert parameter.keyword.isupper()
        assert parameter.length > len(parameter.keyword) or parameter.keyword == "HOLDFOR"
        assert parameter.needs_value <= (parameter.parse is not None)
    assert len({extension.keyword for extension in KNOWN}) == len(KNOWN)


@each(lambda sample: sample.mail or sample.rcpt)
def test_what_is_sent_fits_what_is_declared(sample: Sample) -> None:
    declared = {parameter.keyword: parameter for parameter in PARAMETERS}
    for keyword, (_, text) in (*sample.mail.items(), *sample.rcpt.items()):
        if keyword != "HOLDFOR":
            written = keyword if text is None else f"{keyword}={text}"
            assert len(f" {written}") <= declared[keyword].length


PIECES = (
    *("FULL", "HDRS", "NEVER", "SUCCESS", "DELAY", ",", ";", ":", "<", ">", "@", "+2B", "+2b", "+"),
    *(
        "rfc822;",
        "utf-8;",
        r"\x{E9}",
        r"\x{2B}",
        "\\",
        "a",
        "b.example",
        "120",
        "-5",
        "0",
        "9",
        "R",
    ),
    *("N", "T", "C", "Z", "2026-12-01T08:00:00", "+01:00", ".5", "7BIT", "8BITMIME", "A" * 27, "="),
    *("\u00e9", "\u0661", "\u017f", "[", "]", "x" * 99),
)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_any_text_is_refused_or_comes_back(text: str) -> None:
    for parameter in PARAMETERS:
        if parameter.parse is not None:
            hold(parameter, parameter.parse, text)


def hold(parameter: Parameter, parse: Callable[[str], Any], text: str) -> None:
    value, error = tried(lambda: parse(text))
    if error is not None:
        assert isinstance(error, InvalidValueError)
        assert error.code in (501, 504)
        assert error.enhanced.startswith("5.5.")
        return
    hash(value)
    again = parameter.encode(value)
    assert parse(again) == value
    assert parameter.encode(parse(again)) == again


def tried(call: Callable[[], Any]) -> tuple[Any, LocalProtocolError | None]:
    try:
        return call(), None
    except LocalProtocolError as error:
        return None, error


@pytest.mark.parametrize("wrong", [5, 1.5, b"x", (), object(), END, ("a", 5)])
def test_no_wrong_type_gets_through(wrong: object) -> None:
    """Only errors of the package come out, whatever a caller gives."""
    refused = set()
    for extension in KNOWN:
        for parameter in extension.mail_parameters:
            sender = client(*(known.keyword for known in KNOWN), tls=TLSInfo())
            command = Mail("a@b.example", {parameter.keyword: wrong})
            _, error = tried(lambda: sender.send(command))  # noqa: B023
            if error is not None:
                refused.add(parameter.keyword)
                assert parameter.keyword in str(error)
    assert {"RET", "ENVID", "BY", "MTRK", "SUBMITTER", "AUTH", "BODY", "PRDR"} <= refused


@pytest.mark.parametrize("piece", PIECES)
def test_long_text_takes_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    for parameter in PARAMETERS:
        if parameter.parse is not None:
            for end in ("", "!", "\x7f"):
                hold(parameter, parameter.parse, text + end)


# --- the page -------------------------------------------------------------------------------------

DOCS = File(__file__).parents[1] / "docs"


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(DOCS / "make_extension_table.py"))["page"]()
    written = (DOCS / "extension-table.md").read_text("utf-8")
    assert written == made, "run docs/make_extension_table.py"
    for extension in KNOWN:
        assert written.count(f"\n| {extension.keyword} | `{type(extension).__name__}` |") == 1


def test_the_page_names_tests_that_there_are() -> None:
    rows = (DOCS / "extension-table.md").read_text("utf-8").splitlines()
    cells = [row.strip("| ").rpartition("| ")[2] for row in rows if "| registry, " in row]
    named = [cell.split(", ") for cell in cells]
    assert len(named) == len(KNOWN)
    for names, extension in zip(named, KNOWN, strict=True):
        files = [DOCS.parent / "tests" / f"test_extensions_{name}.py" for name in names]
        # The commonest are named by what they do, in the registry's samples.
        assert any(type(extension).__name__ in file.read_text("utf-8") for file in files)
