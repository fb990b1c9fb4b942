# SPDX-License-Identifier: MIT
"""What clients are known to send, numbered as in `test_quirks`: a server takes it, or says why not.

Each is said whole and octet by octet. A refusal leaves the session where it was: what is right
works behind it, and no octet of what was refused runs as a command.
"""

from __future__ import annotations

from typing import Any

import extension_drive
import pytest
import server_drive as drive
from dialogue_drive import Recorder, Run, serve
from server_drive import DATA, EVERYTHING, HELLO, LHLO, MAIL, RCPT, Outcome, bytewise, talk

from smtpproto import (
    Auth,
    CommandRejected,
    ConnectionClosed,
    Ehlo,
    Leniency,
    Limits,
    MailDataEnded,
    Path,
    RemoteProtocolError,
    ServerConnection,
    State,
    Violation,
    extensions,
)
from smtpproto.dialogues import Collect
from smtpproto.extensions import OriginalRecipient
from smtpproto.proxy import ProxyHeaderParser
from smtpproto.sasl import (
    Challenge,
    ExternalServer,
    Failure,
    LoginServer,
    MapCertificate,
    PlainServer,
    VerifyPassword,
)

QUIT = b"QUIT\r\n"
MESSAGE = MAIL + RCPT + DATA
DSN = (*EVERYTHING, extensions.Dsn())
HELO = b"HELO client.example.com\r\n"


@pytest.fixture(params=["whole", "bytewise"])
def cut(request: pytest.FixtureRequest) -> str:
    """How what a client says is cut."""
    return str(request.param)


def say(server: ServerConnection, octets: bytes, cut: str, **options: Any) -> Outcome:
    return talk(server, *(bytewise(octets) if cut == "bytewise" else [octets]), **options)


def conversation(*inputs: bytes, cut: str = "whole", handler: Any = None, **options: Any) -> Run:
    octets = b"".join(inputs)
    pieces = list(bytewise(octets)) if cut == "bytewise" else [octets]
    return serve(handler or Collect(), *pieces, **options)


def test_quirk_31_a_space_behind_the_colon(cut: str) -> None:
    lines = b"MAIL FROM: <a@b.example>\r\nRCPT TO:  <c@d.example>\r\n"
    server = drive.ready()
    assert say(server, lines, cut).codes == [250, 250]
    assert server.transaction is not None
    assert server.transaction.mail.reverse_path == Path("a@b.example")
    server = drive.ready(leniency=Leniency(allow_space_after_colon=False))
    assert say(server, lines + MESSAGE, cut).codes == [501, 501, 250, 250, 354]


def test_quirk_32_lower_case_everything(cut: str) -> None:
    handler = Collect()
    run = conversation(
        b"ehlo client.example\r\nmail from:<A.b@Client.Example> body=8bitmime size=6\r\n",
        b"rcpt to:<postMASTER>\r\nrcpt to:<C@D.example>\r\ndata\r\ntext\r\n.\r\nrset\r\n",
        b"mail from:<>\r\nrcpt to:<C@D.example>\r\nbdat 6 last\r\ntext\r\nnoop\r\nquit\r\n",
        handler=handler,
        cut=cut,
    )
    ok = [250, 250, 250]
    assert run.codes == [220, *ok, 250, 354, 250, 250, *ok, 250, 221]
    first, second = handler.messages
    assert first.mail.parameters == {"BODY": "8BITMIME", "SIZE": 6}
    assert first.mail.reverse_path.address == "A.b@Client.Example"
    assert (first.content, second.content) == (b"text\r\n", b"text\r\n")


@pytest.mark.parametrize("parameter", [b"SIZE=5", b"BODY=8BITMIME", b"SMTPUTF8", b"AUTH=<>"])
def test_quirk_33_parameters_behind_helo(parameter: bytes, cut: str) -> None:
    """RFC 5321 4.1.1.1: no extension is in force."""
    line = b"MAIL FROM:<a@b.example> " + parameter + b"\r\n"
    server = drive.greeted()
    assert say(server, HELO + line, cut).codes == [250, 555]
    assert say(server, MESSAGE, cut).codes == [250, 250, 354]
    server = drive.greeted(leniency=Leniency(unknown_parameters="ignore"))
    assert say(server, HELO + line + RCPT + DATA, cut).codes == [250, 250, 250, 354]


@pytest.mark.parametrize("parameter", ["SIZE=5", "AUTH=<>", "XOORG=b.example", "X-A", "RET=FULL"])
def test_quirk_34_parameters_that_were_never_offered(parameter: str, cut: str) -> None:
    mail = f"MAIL FROM:<a@b.example> {parameter}\r\n".encode()
    rcpt = b"RCPT TO:<c@d.example> NOTIFY=NEVER\r\n"
    server = drive.ready(extensions=())
    assert say(server, mail, cut).violations == [Violation.PARAMETER_UNKNOWN]
    assert say(server, MAIL + rcpt + RCPT + DATA, cut).codes == [250, 555, 250, 354]
    server = drive.ready(extensions=(), leniency=Leniency(unknown_parameters="ignore"))
    assert say(server, mail + rcpt, cut).codes == [250, 250]
    assert server.transaction is not None
    assert server.transaction.mail.parameters == {}
    assert len(server.transaction.mail.parameters.wire) == 1
    server = drive.ready(extensions=(), leniency=Leniency(unknown_parameters="pass"))
    assert say(server, mail + rcpt, cut).codes == [250, 250]
    assert server.transaction is not None
    assert list(server.transaction.mail.parameters) == [parameter.partition("=")[0]]
    assert server.transaction.recipients[0].parameters == {"NOTIFY": "NEVER"}


def test_quirk_35_body_to_a_server_without_8bitmime(cut: str) -> None:
    line = b"MAIL FROM:<a@b.example> BODY=8BITMIME\r\n"
    server = drive.ready(extensions=())
    assert say(server, line + MESSAGE, cut).codes == [555, 250, 250, 354]
    server = drive.ready(extensions=(), leniency=Leniency(unknown_parameters="ignore"))
    assert say(server, line + RCPT + DATA, cut).codes == [250, 250, 354]
    assert say(server, b"gr\xc3\xbc\xc3\x9fe\r\n.\r\n", cut).data == "grüße\r\n".encode()


def test_quirk_36_auth_login_with_the_user_name() -> None:
    server = drive.ready(extensions=(extensions.Auth("LOGIN", cleartext=True),))
    event = drive.event_of(server, b"auth login dGlt\r\n")
    assert event.command == Auth("LOGIN", b"tim")
    login = LoginServer()
    assert login.step(event.command.initial_response) == Challenge(b"Password:")
    assert login.step(b"tanstaaf") == VerifyPassword("tim", "tanstaaf")


@pytest.mark.parametrize(
    ("line", "initial"),
    [(b"AUTH PLAIN =\r\n", b""), (b"AUTH PLAIN\r\n", None), (b"AUTH PLAIN \r\n", None)],
)
def test_quirk_37_an_initial_response_that_is_empty(line: bytes, initial: bytes | None) -> None:
    """It is no password of anybody; without one the server asks."""
    event = drive.event_of(drive.ready(), line)
    assert event.command.initial_response == initial
    answer = PlainServer().step(initial)
    if initial is None:
        assert answer == Challenge(b"")
    else:
        assert isinstance(answer, Failure)
        assert answer.code == 501
    assert ExternalServer().step(b"") == MapCertificate("")


NAMES = [
    "[1.2.3.4]",
    "[IPv6:::1]",
    "localhost",
    "my_pc",
    "192.0.2.1",
    "a.b.",
    "-",
    "[1.2.3.400]",
    "Günther",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_quirk_38_any_name_in_ehlo(verb: str, name: str, cut: str) -> None:
    """RFC 5321 4.1.4 forbids to refuse mail for it; an application sees what it is."""
    server = drive.greeted()
    assert say(server, f"{verb} {name}\r\n".encode(), cut).codes == [250]
    assert server.hello is not None
    assert server.hello.domain == name
    assert server.hello.is_valid is (name in ("[1.2.3.4]", "[IPv6:::1]", "localhost", "192.0.2.1"))
    assert say(server, MESSAGE, cut).codes == [250, 250, 354]


@pytest.mark.parametrize("line", [b"EHLO\r\n", b"EHLO \r\n", b"HELO  \t\r\n", b"ehlo\t\r\n"])
def test_quirk_38_no_name_in_ehlo(line: bytes, cut: str) -> None:
    server = drive.greeted()
    assert say(server, line, cut).codes == [501]
    assert server.state is State.GREETED
    assert say(server, MAIL + HELLO + MAIL, cut).codes == [503, 250, 250]


@pytest.mark.parametrize("eof", [False, True])
def test_quirk_39_quit_right_behind_the_dot(eof: bool, cut: str) -> None:
    handler = Collect()
    run = conversation(HELLO, MESSAGE, b"text\r\n.\r\n", QUIT, handler=handler, cut=cut)
    assert run.codes == [220, 250, 250, 250, 354, 250, 221]
    assert [message.content for message in handler.messages] == [b"text\r\n"]
    outcome = say(drive.in_data(), b"text\r\n.\r\n" + QUIT, cut, eof=eof)
    assert outcome.codes == [250, 221]
    assert outcome.events[-1] == ConnectionClosed(clean=True)


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        (b"", True),
        (HELLO, True),
        (HELLO + MESSAGE + b"text\r\n.\r\n", True),
        (HELLO + MAIL, False),
        (HELLO + MESSAGE + b"text\r\n", False),
        (HELLO + MESSAGE + b"text\r\n.\r\n" + MESSAGE + b"text\r\n.", False),
        (HELLO + MAIL + RCPT + b"BDAT 6 LAST\r\ntext\r", False),
    ],
)
def test_quirk_40_the_client_goes_without_quit(said: bytes, clean: bool, cut: str) -> None:
    """What was answered stands, and what was not is dropped (RFC 5321 4.1.1.10)."""
    pieces = bytewise(said) if cut == "bytewise" else [said] * bool(said)
    outcome = talk(drive.greeted(), *pieces, eof=True)
    ended = [event for event in outcome.events if isinstance(event, MailDataEnded)]
    assert len(ended) == said.count(b"\r\n.\r\n")
    assert outcome.events[-1] == ConnectionClosed(clean)
    handler = Collect()
    run = conversation(said, handler=handler) if said else serve(handler)
    assert run.failures == []
    assert len(handler.messages) == said.count(b"\r\n.\r\n")


def test_quirk_41_rset_between_every_message() -> None:
    server = drive.ready()
    for _ in range(150):
        assert talk(server, b"RSET\r\n" + MESSAGE, b"text\r\n.\r\n").codes == [
            *(250, 250, 250, 354, 250)
        ]
    for _ in range(150):
        assert talk(server, b"RSET\r\n" + MAIL + RCPT).codes == [250, 250, 250]


def test_quirk_42_noop_to_stay_alive(cut: str) -> None:
    server = drive.in_rcpt()
    outcome = say(server, b"NOOP\r\nnoop still here\r\nNOOP \xff\r\n" * 10, cut)
    assert outcome.codes == [250] * 30
    assert say(server, DATA, cut).codes == [354]
    server = drive.ready(limits=Limits(idle_commands=5))
    outcome = say(server, b"NOOP\r\n" * 9, cut)
    assert outcome.codes == [250, 250, 250, 250, 421]
    assert outcome.is_closed


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: mx.example.org\r\n\r\n",
        b"POST /x HTTP/1.0\r\nContent-Length: 99\r\n\r\n",
        b"CONNECT mx.example.org:25 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"X / HTTP/1.1\r\n",
    ],
)
def test_quirk_43_a_browser(octets: bytes, cut: str) -> None:
    """Whatever a page makes it send, none of it is run (RFC 5321 7.8)."""
    server = drive.greeted()
    outcome = Outcome()
    for piece in bytewise(octets + HELLO + MESSAGE) if cut == "bytewise" else [octets + HELLO]:
        if outcome.is_closed:
            break
        server.receive_data(piece)
        drive.pump(server, outcome)
    assert outcome.codes[-1] == 421
    assert outcome.violations[-1] is Violation.WRONG_PROTOCOL
    assert outcome.commands == []
    assert outcome.is_closed


def test_quirk_44_a_client_hello_in_the_clear(cut: str) -> None:
    octets = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0\r\nQUIT\r\n" * 40
    outcome = say(drive.greeted(), octets, cut)
    assert outcome.codes == [421]
    assert outcome.violations == [Violation.WRONG_PROTOCOL]
    assert outcome.commands == []


def test_quirk_45_lines_that_end_in_lf(cut: str) -> None:
    """No line ends, so that no command runs; a CRLF ends them all as one bad line."""
    lines = b"HELO x\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\n"
    server = drive.greeted()
    outcome = say(server, lines, cut)
    assert (outcome.events, outcome.output) == ([], b"")
    outcome = say(server, b"QUIT\r\n" + HELLO, cut)
    assert outcome.codes == [500, 250]
    assert outcome.violations == [Violation.BARE_LF]
    outcome = say(drive.greeted(), lines, cut, eof=True)
    assert outcome.events == [ConnectionClosed(clean=False)]


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_quirk_46_eight_bit_in_a_header_without_smtputf8(charset: str, cut: str) -> None:
    """The library passes it on as it is; to refuse it is the application's choice."""
    octets = "Subject: grüße\r\n\r\ntext\r\n".encode(charset)
    outcome = say(drive.in_data(extensions=()), octets + b".\r\n", cut)
    assert outcome.data == octets
    assert outcome.codes == [250]


@pytest.mark.parametrize("piece", [1024, 65536, 5_000_000])
def test_quirk_47_a_line_of_megabytes(piece: int) -> None:
    line = b"x" * 3_000_000 + b"\r\n"
    server = drive.in_data(extensions=())
    octets = b"Subject: x\r\n\r\n" + line + b"..\r\n"
    whole = octets + b".\r\n"
    outcome = Outcome()
    for start in range(0, len(whole), piece):
        server.receive_data(whole[start : start + piece])
        drive.pump(server, outcome)
        assert server.buffered <= 4
    assert outcome.codes == [250]
    assert outcome.data == octets.replace(b"..", b".")


@pytest.mark.parametrize("length", [65, 200, 256])
def test_quirk_48_a_local_part_over_64_octets(length: int, cut: str) -> None:
    path = b"v" * length + b"@example.org"
    server = drive.ready()
    lines = b"MAIL FROM:<" + path + b">\r\nRCPT TO:<" + path + b">\r\n"
    assert say(server, lines, cut).codes == [250, 250]
    server = drive.in_mail()
    refused = b"RCPT TO:<" + b"v" * 257 + b"@example.org>\r\n"
    assert say(server, refused + RCPT, cut).codes == [501, 250]
    server = drive.in_mail(limits=Limits(local_part=None, path=None))
    assert say(server, refused, cut).codes == [250]


@pytest.mark.parametrize("text", ["a+2Bb@x.example", "a+2bb@x.example"])
def test_quirk_49_xtext_in_either_case(text: str) -> None:
    server = extension_drive.server(extensions.Dsn())
    parameters = extension_drive.in_rcpt(server, f"ORCPT=rfc822;{text}")
    assert parameters["ORCPT"] == OriginalRecipient("rfc822", "a+b@x.example")
    assert parameters.wire["ORCPT"] == f"rfc822;{text}"


@pytest.mark.parametrize(
    ("local", "quoted"),
    [("a@b", '"a@b"'), ("a b", '"a b"'), ("a>b", '"a>b"'), ('a"b', r'"a\"b"'), ("", '""')],
)
def test_quirk_50_quoted_local_parts(local: str, quoted: str, cut: str) -> None:
    line = f"{quoted}@x.example"
    server = drive.ready()
    lines = f"MAIL FROM:<{line}> SIZE=5\r\nRCPT TO:<{line}>\r\n".encode()
    assert say(server, lines, cut).codes == [250, 250]
    assert server.transaction is not None
    for path in (
        server.transaction.mail.reverse_path,
        server.transaction.recipients[0].forward_path,
    ):
        assert (path.address, path.local_part, path.domain) == (line, local, "x.example")
        assert path == Path(line)
    assert server.transaction.mail.parameters == {"SIZE": 5}


def test_quirk_51_orcpt_with_an_unencoded_address(cut: str) -> None:
    server = drive.in_mail(extensions=DSN)
    line = b"RCPT TO:<a@b.example> ORCPT=rfc822;a@b.example NOTIFY=NEVER\r\n"
    assert say(server, line, cut).codes == [250]
    assert server.transaction is not None
    parameters = server.transaction.recipients[0].parameters
    assert parameters["ORCPT"] == OriginalRecipient("rfc822", "a@b.example")


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\n",
        b"proxy TCP4 192.0.2.1 198.51.100.2 56324 25\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.2 56324 25\r\n",
        b"Proxy TCP4 192.0.2.1 198.51.100.2 56324 25\r\n",
        b"PROXY unknown\r\n",
        b"PROXY UNKNOWN\n",
    ],
)
def test_quirk_52_proxy_headers_not_to_the_letter(line: bytes, cut: str) -> None:
    """Where a header is due nothing else will do; where none is due it is an unknown command."""
    parser = ProxyHeaderParser()

    def feed() -> None:
        for piece in bytewise(line) if cut == "bytewise" else [line + HELLO]:
            assert parser.receive_data(piece) is None

    with pytest.raises(RemoteProtocolError) as caught:
        feed()
    assert caught.value.violation is Violation.WRONG_PROTOCOL
    with pytest.raises(RemoteProtocolError):
        parser.receive_data(HELLO)
    outcome = say(drive.greeted(), line.replace(b"\n", b"\r\n").replace(b"\r\r", b"\r"), cut)
    assert outcome.codes == [500]


def test_quirk_53_a_connection_that_says_nothing() -> None:
    """A probe of a load balancer is no error: nothing is rejected, nothing to be logged fails."""
    outcome = talk(drive.greeted(), eof=True)
    assert outcome.events == [ConnectionClosed(clean=True)]
    handler = Recorder(on_close=None)
    run = serve(handler)
    assert (run.codes, run.failures, run.error) == ([220], [], None)
    assert handler.names == ["on_close"]


def test_after_a_refusal_the_right_thing_works(cut: str) -> None:
    """All that was refused above, in one session, and then a message."""
    server = drive.ready()
    wrong = (
        b"MAIL FROM:a@b.example\r\nMAIL FROM:<a@b.example> XOORG=x\r\nEHLO\r\nDATA foo\r\n"
        b"RCPT TO:<c@d.example>\r\nXXXX\r\n\r\nMAIL FROM:<a@b.example>\n\r\n"
    )
    outcome = say(server, wrong, cut)
    assert outcome.codes == [501, 555, 501, 501, 503, 500, 500, 500]
    assert all(isinstance(event, CommandRejected) for event in outcome.events)
    assert say(server, MESSAGE, cut).codes == [250, 250, 354]
    server = drive.ready(lmtp=True)
    assert say(server, b"EHLO client.example\r\n" + LHLO + MESSAGE, cut).codes == [
        *(500, 250, 250, 250, 354)
    ]
    assert server.hello is not None
    assert not isinstance(server.hello, Ehlo)
