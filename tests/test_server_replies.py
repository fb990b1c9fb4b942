# SPDX-License-Identifier: MIT
"""What a server's replies look like on the wire (RFC 5321 4.2, RFC 2034 4, RFC 6531 3.7.4.2)."""

from __future__ import annotations

from typing import Any

import client_drive
import pytest
import server_drive as drive

from smtpproto import (
    LocalProtocolError,
    Mail,
    Reply,
    ServerConnection,
    Signal,
    State,
    Violation,
    extensions,
)
from smtpproto.grammar.replies import DEFAULT_STATUS
from smtpproto.session import refusals

UTF8_MAIL = b"MAIL FROM:<a@b.example> SMTPUTF8\r\n"


def reply_to(server: ServerConnection, line: bytes, reply: Reply) -> bytes:
    """Let the server get a line, and return what `reply` to it is on the wire."""
    server.receive_data(line)
    server.next_event()
    return server.send(reply)


@pytest.mark.parametrize("code", [code for code in range(200, 600) if code // 10 % 10 <= 5])
def test_every_reply_but_3yz_gets_a_status_of_its_class(code: int) -> None:
    server = drive.ready()
    line = drive.DATA if code // 100 == 3 else b"NOOP\r\n"
    if code // 100 == 3:
        server = drive.in_rcpt()
        code = 354
    octets = reply_to(server, line, Reply(code, "text"))
    if code == 354:
        assert octets == b"354 text\r\n"
        return
    status = DEFAULT_STATUS.get(code, f"{code // 100}.0.0")
    assert octets == f"{code} {status} text\r\n".encode()
    assert status[0] == str(code)[0]


def test_a_status_of_the_application_is_kept() -> None:
    assert reply_to(drive.ready(), b"NOOP\r\n", Reply(250, "x", "2.3.4")) == b"250 2.3.4 x\r\n"
    assert reply_to(drive.ready(), b"NOOP\r\n", Reply(550, "x", "5.3.4")) == b"550 5.3.4 x\r\n"


def test_the_status_stands_on_every_line() -> None:
    octets = reply_to(drive.ready(), b"HELP\r\n", Reply(214, ["a", "", "b"]))
    assert octets == b"214-2.0.0 a\r\n214-2.0.0 \r\n214 2.0.0 b\r\n"


def test_without_the_extension_nothing_is_added() -> None:
    server = drive.ready(extensions=[])
    assert reply_to(server, b"NOOP\r\n", Reply(250, "ok")) == b"250 ok\r\n"
    assert reply_to(server, b"NOOP\r\n", Reply(550, "no", "5.1.1")) == b"550 5.1.1 no\r\n"


@pytest.mark.parametrize("code", [220, 421, 554])
def test_the_greeting_has_no_status(code: int) -> None:
    status = f"{str(code)[0]}.3.2"
    assert drive.new().send(Reply(code, "mx", status)) == f"{code} mx\r\n".encode()
    assert drive.new().send(Reply(code, "mx")) == f"{code} mx\r\n".encode()


@pytest.mark.parametrize("line", [drive.HELLO, b"HELO x\r\n"])
@pytest.mark.parametrize("code", [250, 450, 550])
def test_the_reply_to_ehlo_and_helo_has_no_status(line: bytes, code: int) -> None:
    octets = reply_to(drive.greeted(), line, Reply(code, "text"))
    assert octets == f"{code} text\r\n".encode()


@pytest.mark.parametrize("line", [b"EHLO", b"ehlo\t", b"HELO", b"EHLO a\x01", b"EHLO a\0"])
def test_the_reply_to_a_bad_ehlo_has_no_status_either(line: bytes) -> None:
    """RFC 2034 4: not in any response to HELO or EHLO."""
    server = drive.ready()
    output = drive.talk(server, line + b"\r\n").output
    assert output[:3] in (b"500", b"501")
    assert not output[4:].startswith(b"5.")
    assert drive.talk(server, b"NOOP\r\n").output.startswith(b"250 2.0.0 ")


def test_the_reply_to_lhlo_has_no_status() -> None:
    octets = reply_to(drive.greeted(lmtp=True), drive.LHLO, Reply(250, "text", "2.0.0"))
    assert octets == b"250 text\r\n"


def test_a_helo_client_gets_them_too() -> None:
    server = drive.greeted()
    drive.talk(server, b"HELO x\r\n")
    assert reply_to(server, drive.MAIL, Reply(250, "ok")) == b"250 2.0.0 ok\r\n"


@pytest.mark.parametrize(
    ("line", "place"),
    [(b"NOOP\r\n", "READY"), (b"EHLO x\r\n", "READY"), (drive.MAIL, "READY"), (drive.RCPT, "MAIL")],
)
@pytest.mark.parametrize("char", ["\x01", "\t", "\x1b", "\x7f"])
def test_controls_do_not_reach_the_wire(line: bytes, place: str, char: str) -> None:
    server = drive.PLACES[place]()
    octets = reply_to(server, line, Reply(250, [f"a{char}b", "c"]))
    assert char.encode() not in octets
    assert b"a?b\r\n" in octets
    assert not set(octets.replace(b"\r\n", b"")) & {*range(32), 127}


@pytest.mark.parametrize("text", ["\u00e9", "\udcff", "\U0001f600"])
def test_no_eight_bit_text_where_utf8_was_not_agreed(text: str) -> None:
    for line in (b"NOOP\r\n", b"VRFY x\r\n", drive.MAIL, b"EHLO x\r\n"):
        assert reply_to(drive.ready(), line, Reply(250, f"a{text}b")).isascii()
    octets = reply_to(drive.in_mail(), drive.RCPT, Reply(251, f"a{text}b"))
    assert octets == b"251 2.1.5 a?b\r\n"


@pytest.mark.parametrize("code", [251, 551])
def test_utf8_in_the_replies_to_rcpt_under_smtputf8(code: int) -> None:
    octets = reply_to(drive.in_mail(UTF8_MAIL), drive.RCPT, Reply(code, "<\u00e9@b.example>"))
    assert "<\u00e9@b.example>".encode() in octets
    octets = reply_to(drive.in_mail(UTF8_MAIL), b"NOOP\r\n", Reply(250, "\u00e9"))
    assert octets.isascii()


@pytest.mark.parametrize("verb", [b"VRFY", b"EXPN"])
def test_utf8_in_the_replies_to_vrfy_and_expn_with_the_parameter(verb: bytes) -> None:
    reply = Reply(250, "<\u00e9@b.example>")
    assert not reply_to(drive.ready(), verb + b" x SMTPUTF8\r\n", reply).isascii()
    assert reply_to(drive.ready(), verb + b" x\r\n", reply).isascii()


@pytest.mark.parametrize("length", [400, 505, 506, 507, 511, 512, 600, 5000])
@pytest.mark.parametrize("text", ["x", "word ", "\u00e9", "\x01"])
def test_lines_of_a_reply_have_at_most_512_octets(length: int, text: str) -> None:
    utf8 = drive.in_mail(UTF8_MAIL)
    for server, line in ((drive.ready(), b"NOOP\r\n"), (utf8, drive.RCPT)):
        octets = reply_to(server, line, Reply(250, (text * length)[:length]))
        assert octets.endswith(b"\r\n")
        lines = octets.split(b"\r\n")[:-1]
        assert all(len(line) <= 510 for line in lines)
        assert [line[3:4] for line in lines] == [b"-"] * (len(lines) - 1) + [b" "]
        assert all(line[4:10] in (b"2.0.0 ", b"2.1.5 ", b"2.0.0", b"2.1.5") for line in lines)


def test_keywords_are_not_cut() -> None:
    class Long(extensions.Extension):
        keyword = "X-LONG"

        def parameters_text(self, facts: extensions.SessionFacts) -> str:
            return "word " * 150 + "end"

    server = drive.ready(extensions=[Long()])
    assert server.announced["X-LONG"].endswith(" end")
    event = drive.event_of(server, drive.HELLO)
    assert server.send(event.default_reply) == b"250-mx.example.org\r\n250 X-LONG " + (
        b"word " * 150 + b"end\r\n"
    )


def test_a_default_reply_never_shows_octets_of_the_client_raw() -> None:
    raw = b"\x1b[31m\x07\x80\xff"
    for line in (raw, b"MAIL FROM:" + raw, b"RSET " + raw, b"AUTH " + raw, b"EHLO " + raw):
        outcome = drive.talk(drive.ready(), line + b"\r\n")
        assert not set(raw) & set(outcome.output.replace(b"[31m", b"")) - set(b"[31m")
        assert outcome.output.isascii()
        assert all(len(part) <= 510 for part in outcome.output.split(b"\r\n"))


def test_a_password_that_came_too_early_is_not_shown() -> None:
    outcome = drive.talk(drive.ready(), b"c2VjcmV0\r\nAUTH c2VjcmV0 x y\r\n")
    assert b"c2VjcmV0" not in outcome.output


@pytest.mark.parametrize(
    "refusal", [value for value in vars(refusals).values() if isinstance(value, refusals.Refusal)]
)
def test_every_refusal_has_a_status_of_its_class(refusal: refusals.Refusal) -> None:
    assert refusal.reply.code >= 400
    assert refusal.reply.enhanced is not None
    assert refusal.reply.enhanced[0] == str(refusal.reply.code)[0]


def test_an_error_and_its_refusal_are_the_same() -> None:
    refusal = refusals.TLS_REQUIRED
    assert refusals.refusal_of(refusals.error_of(refusal)) == refusal


def test_irregular_lines_and_content_have_their_refusals() -> None:
    irregular = {Violation.BARE_CR, Violation.BARE_LF, Violation.NUL}
    assert {*refusals.BAD_LINE} == irregular | {Violation.LINE_TOO_LONG}
    assert {*refusals.BAD_CONTENT} == irregular | {Violation.MAIL_DATA_TOO_BIG}
    for violation, refusal in (*refusals.BAD_LINE.items(), *refusals.BAD_CONTENT.items()):
        assert refusal.violation is violation


# RFC 5321 4.3.2 and the RFCs of the extensions: each may be sent, and leads where its class does.
REPLIES = {
    ("GREETED", drive.HELLO): (250, 502, 504, 550),
    ("READY", drive.MAIL): (250, 552, 451, 452, 550, 553, 503, 455, 555, 530),
    ("MAIL", drive.RCPT): (250, 251, 550, 551, 552, 553, 450, 451, 452, 503, 455, 555, 556),
    ("RCPT", drive.DATA): (354, 503, 554, 450),
    ("RCPT", b"BDAT 0\r\n"): (250, 503, 554, 452),
    ("READY", b"RSET\r\n"): (250,),
    ("READY", b"VRFY x\r\n"): (250, 251, 252, 550, 551, 553, 502, 504),
    ("READY", b"EXPN x\r\n"): (250, 252, 550, 500, 502, 504),
    ("READY", b"HELP\r\n"): (211, 214, 502, 504),
    ("READY", b"NOOP\r\n"): (250,),
    ("READY", b"QUIT\r\n"): (221,),
    ("READY", b"STARTTLS\r\n"): (220, 501, 454, 503, 502),
    ("READY", b"AUTH CRAM-MD5\r\n"): (235, 334, 432, 454, 500, 501, 503, 504, 534, 535, 538, 530),
    ("DATA", b".\r\n"): (250, 552, 554, 451, 452, 450, 550),
}


@pytest.mark.parametrize(
    ("place", "line", "code"),
    [(*key, code) for key, codes in REPLIES.items() for code in (*codes, 500, 501, 421)],
)
def test_the_replies_of_the_rfcs_may_be_sent(place: str, line: bytes, code: int) -> None:
    server = drive.PLACES[place]()
    octets = reply_to(server, line, Reply(code, "text"))
    assert octets.startswith(str(code).encode())
    if code == 421:
        assert server.state is State.CLOSED
    elif code >= 400 and line[:4] not in (b"BDAT", b".\r\n"):
        assert server.state is State[place] or line == b"QUIT\r\n"


@pytest.mark.parametrize(
    ("place", "line", "default"),
    [
        ("GREETED", b"HELO x\r\n", Reply(250, "mx.example.org")),
        ("READY", b"QUIT\r\n", Reply(221, "mx.example.org closing", "2.0.0")),
        ("READY", b"NOOP\r\n", Reply(250, "ok", "2.0.0")),
        ("READY", b"RSET\r\n", Reply(250, "ok", "2.0.0")),
        ("RCPT", b"DATA\r\n", Reply(354, "end data with <CRLF>.<CRLF>")),
        ("READY", drive.MAIL, None),
        ("MAIL", drive.RCPT, None),
        ("READY", drive.PLAIN, None),
        ("DATA", b".\r\n", None),
        ("AUTH", b"YQ==\r\n", None),
    ],
)
def test_default_replies(place: str, line: bytes, default: Reply | None) -> None:
    assert drive.event_of(drive.PLACES[place](), line).default_reply == default


def test_errors_of_send_name_what_is_allowed() -> None:
    expected = {
        ("READY", b"STARTTLS\r\n", 250): "220 or 4yz or 5yz",
        ("READY", b"NOOP\r\n", 354): "2yz or 4yz or 5yz",
        ("RCPT", drive.DATA, 250): "354 or 4yz or 5yz",
        ("READY", b"AUTH PLAIN\r\n", 354): "2yz or 334 or 4yz or 5yz",
        ("READY", b"FOO\r\n", 250): "4yz or 5yz to what was refused",
    }
    for (place, line, code), text in expected.items():
        with pytest.raises(LocalProtocolError) as caught:
            reply_to(drive.PLACES[place](), line, Reply(code, "x"))
        assert str(caught.value) == f"{text} expected here, not {code}"


def test_the_greeting_may_be_any_of_its_classes() -> None:
    for code, state in ((220, State.GREETED), (250, State.GREETED), (554, State.REFUSED)):
        server = drive.new()
        server.send(Reply(code, "x"))
        assert server.state is state
    with pytest.raises(LocalProtocolError):
        drive.new().send(Reply(354, "x"))


def test_mail_is_what_was_parsed() -> None:
    assert drive.event_of(drive.ready(), drive.MAIL).command == Mail("from@example.com")


@pytest.mark.parametrize("code", [260, 299, 365, 390, 460, 570, 599])
def test_a_second_digit_above_5_is_read_and_not_sent(code: int) -> None:
    server = drive.ready()
    server.receive_data(drive.MAIL)
    server.next_event()
    before = drive.snapshot(server)
    for enhanced in (None, f"{code // 100}.0.0"):
        with pytest.raises(LocalProtocolError):
            server.send(Reply(code, "text", enhanced))
        assert drive.snapshot(server) == before
        assert server.next_event() is Signal.NEED_REPLY
    client = client_drive.ready()
    client.send(client_drive.MAIL)
    if code // 100 != 3:
        assert client_drive.answered(client, b"%d text\r\n" % code).reply.code == code


@pytest.mark.parametrize("reply", ["250 ok", b"250 ok\r\n", 250, None, (250, "ok"), Reply])
def test_only_a_reply_is_sent(reply: Any) -> None:
    server = drive.new()
    with pytest.raises(LocalProtocolError, match="a Reply expected, not "):
        server.send(reply)
    assert server.next_event() is Signal.NEED_REPLY


def test_errors_say_when_no_reply_is_due() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        drive.ready().send(Reply(250, "ok"))
    assert str(caught.value) == "a 421 or nothing, as no reply is due, expected here, not 250"
    with pytest.raises(LocalProtocolError) as caught:
        drive.closed().send(Reply(421, "ok"))
    assert str(caught.value) == "nothing expected here, not 421"


@pytest.mark.parametrize("data", ["abc", "", 5, 0, None, [1, 2], 1.5])
def test_only_octets_are_taken(data: Any) -> None:
    client = client_drive.in_data()
    chunks = client_drive.in_rcpt()
    for connection in (drive.ready(), drive.new(), client_drive.ready()):
        with pytest.raises(LocalProtocolError, match="octets as bytes expected"):
            connection.receive_data(data)
        assert connection.buffered == 0
    with pytest.raises(LocalProtocolError, match="octets as bytes expected"):
        client.send_mail_data(data)
    with pytest.raises(LocalProtocolError, match="octets as bytes expected"):
        chunks.send_chunk(data)
    assert client.send_mail_data(bytearray(b"x")) == b"x"
    assert chunks.outstanding == ()


@pytest.mark.parametrize("given", [extensions.Size, "SIZE", None, object()])
def test_extensions_are_instances(given: Any) -> None:
    for make in (drive.new, client_drive.greeted):
        with pytest.raises(LocalProtocolError, match="an instance of an extension such as Size"):
            make(extensions=[given])


@pytest.mark.parametrize(
    "line", [b"XFOO", b"", b"MAIL", b"EHLO", b"RCPT TO:<x", b"a\0b", b"x" * 3000, b"SEND a@b"]
)
def test_behind_a_greeting_that_refuses_all_but_quit_is_503(line: bytes) -> None:
    """RFC 5321 3.1, whether the line is a command or not."""
    server = drive.refused()
    outcome = drive.talk(server, line + b"\r\nQUIT\r\n")
    assert outcome.codes == [503, 221]
    assert outcome.violations == [Violation.BAD_SEQUENCE]


def test_another_protocol_behind_a_greeting_that_refuses() -> None:
    assert drive.talk(drive.refused(), b"GET / HTTP/1.1\r\nQUIT\r\n").codes == [421]


def test_a_verb_that_only_begins_as_bdat_does_announces_nothing() -> None:
    outcome = drive.talk(drive.in_rcpt(), b"BDATX 5\r\nNOOP\r\n")
    assert outcome.codes == [500, 250]
