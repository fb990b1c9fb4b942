# SPDX-License-Identifier: MIT
"""Messages on their way out: envelope from the header, sizes, sources."""

from __future__ import annotations

import asyncio
import email as email_package
import inspect
import io
import mmap
from collections.abc import AsyncIterator, Iterator
from email import policy
from email.header import Header
from email.message import EmailMessage, Message
from email.mime.text import MIMEText
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import InvalidValueError, LocalProtocolError, Path, Rcpt, Violation
from smtpproto.dialogues import Outgoing, prepare
from smtpproto.dialogues.outgoing import Octets, _size, as_7bit, has_header


def email(**fields: str) -> EmailMessage:
    message = EmailMessage()
    for name, text in fields.items():
        message[name.replace("_", "-")] = text
    message.set_content("text\n")
    return message


def octets(outgoing: Outgoing) -> bytes:
    return b"".join(pieces(outgoing))


def pieces(outgoing: Outgoing) -> Iterator[bytes]:
    return iter(outgoing.read or Octets(outgoing.content or b""), b"")


def test_the_envelope_is_in_the_header() -> None:
    message = email(From="A <a@x.org>", To="b@x.org, C <c@x.org>", Cc="d@x.org", Bcc="e@x.org")
    outgoing = prepare(message)
    assert outgoing.sender == Path("a@x.org")
    assert [r.forward_path.address for r in outgoing.recipients] == [
        f"{letter}@x.org" for letter in "bcde"
    ]
    content = octets(outgoing)
    assert b"Bcc" not in content
    assert message["Bcc"] == "e@x.org"
    assert content.endswith(b"\r\ntext\r\n")
    assert outgoing.size == len(content)
    assert not outgoing.blocks


def test_sender_goes_before_from() -> None:
    assert (
        prepare(email(From="a@x.org, b@x.org", Sender="s@x.org", To="c@x.org")).sender.address
        == "s@x.org"
    )


def test_resent_fields_go_before_the_others() -> None:
    """RFC 5322 3.6.6."""
    message = email(
        From="a@x.org",
        To="b@x.org",
        Resent_Date="Sun, 22 Nov 2026 00:00:00 +0000",
        Resent_From="r@x.org",
        Resent_To="s@x.org",
        Resent_Bcc="t@x.org",
    )
    outgoing = prepare(message)
    assert outgoing.sender.address == "r@x.org"
    assert [r.forward_path.address for r in outgoing.recipients] == ["s@x.org", "t@x.org"]
    assert b"Resent-Bcc" not in octets(outgoing)
    message["Resent-Date"] = "Sun, 22 Nov 2026 00:00:01 +0000"
    with pytest.raises(LocalProtocolError, match="resent more than once"):
        prepare(message)


def test_resent_fields_count_without_their_date() -> None:
    """RFC 5322 3.6.6: those of To have it already."""
    message = email(From="a@x.org", To="b@x.org", Resent_From="r@x.org", Resent_To="s@x.org")
    outgoing = prepare(message)
    assert outgoing.sender.address == "r@x.org"
    assert outgoing.recipients == (Rcpt("s@x.org"),)
    message["Resent-To"] = "t@x.org"
    with pytest.raises(LocalProtocolError, match="resent more than once"):
        prepare(message)


def test_what_is_given_goes_before_the_header() -> None:
    outgoing = prepare(email(From="a@x.org", To="b@x.org"), "", ["c@x.org", Rcpt("d@x.org")])
    assert outgoing.sender.is_null
    assert [r.forward_path.address for r in outgoing.recipients] == ["c@x.org", "d@x.org"]


def test_utf8_only_where_an_address_needs_it() -> None:
    message = email(From="Größe <a@x.org>", To="b@x.org", Subject="Grüße")
    outgoing = prepare(message)
    assert not outgoing.needs_utf8
    assert b"=?utf-8?" in octets(outgoing)
    message = email(From="grün@x.org", To="b@x.org", Subject="Grüße")
    outgoing = prepare(message)
    assert outgoing.needs_utf8
    assert "Subject: Grüße\r\n".encode() in octets(outgoing)


def test_older_messages() -> None:
    message: Message[Any, Any] = MIMEText("text\n", _charset="utf-8")
    message["From"] = "a@x.org"
    message["To"] = "b@x.org"
    message["Subject"] = Header("Grüße", "utf-8")  # type: ignore[assignment]
    outgoing = prepare(message)
    assert b"Subject: =?utf-8?" in octets(outgoing)


@pytest.mark.parametrize("kind", [policy.compat32, policy.default, policy.SMTP])
@pytest.mark.parametrize("cte", ["7bit", "8bit"])
def test_a_line_that_begins_with_from_stays_as_it_is(kind: Any, cte: str) -> None:
    """By the older policy it would be written with ">From", as in an mbox file."""
    content = (
        b"From: a@x.org\r\nTo: b@x.org\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nFrom before\r\n--x\r\n"
        b"Content-Transfer-Encoding: %s\r\n\r\nFrom here\r\n\r\nFrom there\r\n--x--\r\n"
        b"From after\r\n"
    ) % cte.encode()
    outgoing = prepare(email_package.message_from_bytes(content, policy=kind))
    assert octets(outgoing) == content
    assert b"\r\nFrom here\r\n\r\nFrom there\r\n" in octets(as_7bit(outgoing))


@pytest.mark.parametrize(
    ("message", "sender", "told"),
    [
        (email(From="a@x.org"), None, r"recipients: an address in To, Cc or Bcc .* argument"),
        (email(From="a@x.org", To=""), None, r"recipients: an address in To, Cc or Bcc"),
        (email(To="b@x.org"), None, r"sender: an address in From of the message expected, or the"),
        (email(), None, "sender: an address"),
        (email(), "a@x.org", "recipients: an address"),
        (b"x", None, "sender: expected beside what is no EmailMessage"),
        (b"x", "a@x.org", "recipients: expected beside what is no EmailMessage"),
    ],
)
def test_an_envelope_that_is_not_there(message: Any, sender: Any, told: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{told}"):
        prepare(message, sender)


def test_no_recipients() -> None:
    with pytest.raises(LocalProtocolError, match="recipients: at least one expected"):
        prepare(b"x", "a@x.org", [])


def test_text_is_no_message_whatever_else_is_missing() -> None:
    with pytest.raises(TypeError, match="octets expected, not str: encode it"):
        prepare("x")  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["a@x.org>\r\nRCPT TO:<evil@x.org", "a b@x.org", "a@@x"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InvalidValueError):
        prepare(b"x", address, "b@x.org")
    with pytest.raises(InvalidValueError):
        prepare(b"x", "a@x.org", address)


def test_which_address_is_none() -> None:
    with pytest.raises(InvalidValueError, match=r"^recipients: 'b@x_y': .* not 'x_y'$") as caught:
        prepare(b"x", "a@x.org", ["a@x.org", "b@x_y"])
    assert (caught.value.violation, caught.value.code) == (Violation.DOMAIN_SYNTAX, 501)
    with pytest.raises(InvalidValueError, match=r"^sender: 'a\.\.b@x\.org': a local-part "):
        prepare(b"x", "a..b@x.org", "b@x.org")
    with pytest.raises(InvalidValueError, match=r"^recipients: 'bob': a mailbox "):
        prepare(b"x", "a@x.org", "bob")


@pytest.mark.parametrize(
    ("sender", "recipients", "told"),
    [
        (b"a@x.org", "b@x.org", "sender: text or a Path expected, not bytes"),
        (7, "b@x.org", "sender: text or a Path expected, not int"),
        ("a@x.org", b"b@x.org", "recipients: text or a Path expected, not bytes"),
        ("a@x.org", 7, "recipients: text or a Path expected, not int"),
        ("a@x.org", ["b@x.org", b"c@x.org"], "recipients: .* not bytes"),
        ("a@x.org", ["b@x.org", None], "recipients: .* not NoneType"),
    ],
)
def test_what_is_no_address(sender: Any, recipients: Any, told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        prepare(b"x", sender, recipients)


@pytest.mark.parametrize("field", ["From", "To"])
def test_a_header_that_the_email_package_cannot_read(field: str) -> None:
    class Broken:
        def __str__(self) -> str:
            raise IndexError("a header of no sense")

    message: Any = Message()
    for name in {"From", "To"} - {field}:
        message[name] = "a@x.org"
    message[field] = Broken()
    with pytest.raises(InvalidValueError, match="IndexError: a header of no sense"):
        prepare(message)


@pytest.mark.parametrize("many", [list, tuple])
def test_a_field_may_be_made_of_texts(many: Any) -> None:
    message = email(From="ann@example.com")
    message["To"] = many(["Bob <bob@example.org>", "joe@example.org, jim@example.org"])
    message["Cc"] = many(["j\u00f6@example.org"])
    outgoing = prepare(message)
    assert [rcpt.forward_path.address for rcpt in outgoing.recipients] == [
        "bob@example.org",
        "joe@example.org",
        "jim@example.org",
        "j\u00f6@example.org",
    ]
    assert "Cc: j\u00f6@example.org".encode() in octets(outgoing)


def three_ways(field: str) -> Iterator[Any]:
    """Give out messages to those in a field: parsed by each policy, and made."""
    octets = b"From: s@x.org\r\nTo: %s\r\nCc: z@x.org\r\n\r\ntext\r\n" % field.encode()
    for one in (policy.compat32, policy.default):
        yield email_package.message_from_bytes(octets, policy=one)
    yield email(From="s@x.org", To=field, Cc="z@x.org")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("a@x.org (Doe, Joe)", "a@x.org"),
        ("a@x.org (Doe, Joe), (b@z.org) b@x.org", "a@x.org b@x.org"),
        ("Joe (the, boss) <a@x.org>", "a@x.org"),
        ('"Doe, Joe" <a@x.org>, "b@z.org" <b@x.org>', "a@x.org b@x.org"),
        ('"Doe \\"Joe\\", (Sir" <a@x.org>', "a@x.org"),
        ("a@x.org,", "a@x.org"),
        (",a@x.org, ,b@x.org,", "a@x.org b@x.org"),
        ("both: a@x.org, <b@x.org>;, c@x.org", "a@x.org b@x.org c@x.org"),
        ("nobody:;, a@x.org", "a@x.org"),
        ("undisclosed-recipients:;", ""),
        ("a@[192.0.2.1], b@[IPv6:2001:db8::1]", "a@[192.0.2.1] b@[IPv6:2001:db8::1]"),
        ("<@route.org:a@x.org>", "a@x.org"),
        ('"a,b"@x.org, c@x.org', '"a,b"@x.org c@x.org'),
        ("a@x.org, <>", "a@x.org"),
        ("J. Q. Public <a@x.org>", "a@x.org"),
        ('"Doe, Joe" <a@x.org> , <b@x.org>,"" <c@x.org>', "a@x.org b@x.org c@x.org"),
        ('"a@z.org\\\\" <a@x.org>, "\\"" <b@x.org>', "a@x.org b@x.org"),
        ("=?utf-8?q?b=40z=2Eorg=2C_J=C3=B6rg?= <a@x.org>", "a@x.org"),
        ('"=?utf-8?q?J=C3=B6rg?=" <a@x.org>', "a@x.org"),
        ("Jörg <jörg@x.org>, b@bücher.org", "jörg@x.org b@bücher.org"),
        ("Joe <a@x.org", "a@x.org"),
    ],
)
def test_nobody_in_the_header_is_left_out(field: str, expected: str) -> None:
    """RFC 5322 3.4, and what is of no doubt."""
    for message in three_ways(field):
        outgoing = prepare(message)
        assert [rcpt.forward_path.address for rcpt in outgoing.recipients] == [
            *expected.split(),
            "z@x.org",
        ]


def test_space_behind_a_group_is_nothing() -> None:
    for one in (policy.compat32, policy.default):
        octets = b"Cc: both: a@x.org, (b) b@x.org; \r\nTo: nobody:;\r\n \t\r\n\r\n"
        message: Any = email_package.message_from_bytes(octets, policy=one)
        rcpts = prepare(message, "s@x.org").recipients
        assert [rcpt.forward_path.address for rcpt in rcpts] == ["a@x.org", "b@x.org"]


def test_a_field_that_is_folded_is_one_line() -> None:
    """RFC 5322 2.2.3, even within an address."""
    for one in (policy.compat32, policy.default):
        octets = b'To: "a\r\n b"@x.org,\r\n\tJoe\r\n <b@x.org>\r\n\r\n'
        message: Any = email_package.message_from_bytes(octets, policy=one)
        rcpts = prepare(message, "s@x.org").recipients
        assert [rcpt.forward_path.address for rcpt in rcpts] == ['"a b"@x.org', "b@x.org"]


@pytest.mark.parametrize(
    "field",
    [
        "a@x.org; b@x.org",
        "a@x.org <b@x.org>",
        "<a@x.org> <b@x.org>",
        "a@x.org b@x.org, c@x.org",
        "Joe @ Home <a@x.org>",
        '"Joe <a@x.org>, b@x.org',
        "Joe (the boss <a@x.org>, b@x.org",
        "a@x.org)b@x.org",
        "a@x..org, b@x.org",
        "Doe, Joe <a@x.org>",
        "=?utf-8?q?c=40x=2Eorg=2C?= <a@x.org> b@x.org",
        '"ü@x.org", "b>x" <a@x.org>; <b@bücher.org>',
    ],
)
def test_a_header_that_may_name_others_is_refused(field: str) -> None:
    """It would go to some of them only, or to another one; who says the envelope does not mind."""
    for message in three_ways(field):
        with pytest.raises(InvalidValueError):
            prepare(message)
        assert prepare(message, "a@x.org", "b@x.org").recipients == (Rcpt("b@x.org"),)


def test_what_an_encoded_word_says_is_no_address() -> None:
    octets = b"To: =?utf-8?q?c=40y=2C?= a@x.org > (b@x.org)\r\n\r\n"
    for one in (policy.compat32, policy.default):
        message: Any = email_package.message_from_bytes(octets, policy=one)
        with pytest.raises(InvalidValueError):
            prepare(message, "s@x.org")


@pytest.mark.parametrize("one", [policy.compat32, policy.default])
def test_an_encoded_word_in_an_address_stands_for_itself(one: Any) -> None:
    """RFC 2047 5: there is none in an address, and other readers of the header take it for none."""
    octets = b'To: "x, y" <=?utf-8?q?a?=@x.org>, =?utf-8?q?b=2C?= <c@x.org>\r\n\r\n'
    message: Any = email_package.message_from_bytes(octets, policy=one)
    rcpts = prepare(message, "s@x.org").recipients
    assert [rcpt.forward_path.address for rcpt in rcpts] == ["=?utf-8?q?a?=@x.org", "c@x.org"]
    octets = b"To: =?utf-8?q?a=40x?=y, b@x.org\r\n\r\n"
    with pytest.raises(InvalidValueError):
        prepare(email_package.message_from_bytes(octets, policy=one), "s@x.org")


def test_a_sender_that_may_be_another_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"From: addresses expected .* not 'a@x\.org <b@"):
        prepare(email(From="a@x.org <b@x.org>", To="c@x.org"))


@pytest.mark.parametrize("name", ["From", "Sender", "Reply-To", "To", "Cc", "Resent-To"])
@pytest.mark.parametrize("address", ["jörg@x.org", "Jörg <j@bücher.org>"])
def test_an_address_in_utf8_is_written_as_it_is(name: str, address: str) -> None:
    """RFC 2047 5: no encoded word stands for it, also where it is not in the envelope."""
    field = f"\r\n{name}: {address}\r\n".encode()
    for message in (
        email(Date="x", **{name.replace("-", "_"): address}),
        email_package.message_from_bytes(b"A: b" + field + b"\r\nx", policy=policy.default),
    ):
        outgoing = prepare(message, "a@x.org", "b@x.org")
        assert outgoing.needs_utf8
        assert field in octets(outgoing)


def test_names_in_utf8_and_those_who_are_not_told_need_no_smtputf8() -> None:
    message = email(From="Jörg <a@x.org>", To="Jörg <b@x.org>", Bcc="jörg@x.org")
    for one in (message, email_package.message_from_bytes(bytes(message), policy=policy.default)):
        outgoing = prepare(one, "a@x.org", "b@x.org")
        assert not outgoing.needs_utf8
        content = octets(outgoing)
        assert b"To: =?utf-8?" in content
        assert b"?= <b@x.org>\r\n" in content
        assert parsed(content)["To"] == "Jörg <b@x.org>"
    strange = email_package.message_from_bytes(b"To: \xfc@x.org\r\n\r\n", policy=policy.default)
    strange["Subject"] = "Jörg"
    outgoing = prepare(strange, "a@x.org", "b@x.org")  # it may be written as it came
    assert outgoing.needs_utf8 == (not octets(outgoing).isascii())
    assert b"Subject: =?utf-8?q?J=C3=B6rg?=\r\n" in octets(outgoing)


def test_octets_of_no_charset_are_no_address() -> None:
    with pytest.raises(InvalidValueError):
        prepare(email_package.message_from_bytes(b"From: a@x.org\r\nTo: \xfc@x.org\r\n\r\n"))


def test_what_are_no_parameters() -> None:
    with pytest.raises(InvalidValueError, match="parameters: a mapping expected, not list"):
        prepare(b"x", "a@x.org", "b@x.org", ["RET=HDRS"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [5, None, b"Subject"])
@pytest.mark.parametrize("envelope", [(None, None), ("a@x.org", "b@x.org")])
def test_a_field_with_a_name_that_is_no_text(name: Any, envelope: Any) -> None:
    """The older of the two kinds takes any name, and writes octets as ``b'Subject'``."""
    part = Message()
    part.set_payload("text")
    part[name] = "x"
    whole = EmailMessage()
    whole["From"], whole["To"] = "a@x.org", "b@x.org"
    whole.set_content("text")
    whole.make_mixed()
    whole.attach(part)
    part["From"], part["To"] = "a@x.org", "b@x.org"
    for message in (part, whole):
        with pytest.raises(InvalidValueError, match=f"name of text expected, not with {name!r}"):
            prepare(message, *envelope)


def test_what_the_email_package_cannot_write() -> None:
    message: Message[Any, Any] = Message()
    message["From"] = "a@x.org"
    message["To"] = "b@x.org"
    message.set_payload(["not", "messages"])
    message["Content-Type"] = "multipart/mixed"
    with pytest.raises(InvalidValueError, match="message: one that the email package can write"):
        prepare(message)
    bad: Any = MIMEText("text")
    bad["From"] = 7
    bad["To"] = "b@x.org"
    with pytest.raises(InvalidValueError, match="message: "):
        prepare(bad, "a@x.org")


@pytest.mark.parametrize("message", ["text", 7, None])
def test_what_is_no_message(message: Any) -> None:
    with pytest.raises(TypeError):
        prepare(message, "a@x.org", "b@x.org")


def test_one_recipient_or_many() -> None:
    for recipients in ("b@x.org", Path("b@x.org"), Rcpt("b@x.org"), ["b@x.org"], iter(["b@x.org"])):
        outgoing = prepare(b"x", Path("a@x.org"), recipients)
        assert outgoing.recipients == (Rcpt("b@x.org"),)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_octets(kind: Any) -> None:
    outgoing = prepare(kind(b"abc"), "a@x.org", "b@x.org")
    assert octets(outgoing) == b"abc"
    assert (outgoing.is_8bit, outgoing.needs_utf8) == (False, False)


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"text", b"\r\n\r\n"])).map(b"".join))
def test_a_small_size_is_never_too_small(content: bytes) -> None:
    normal = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if normal and not normal.endswith(b"\r\n"):
        normal += b"\r\n"
    assert len(normal) <= _size(content) <= len(normal) + 2


def test_the_size_of_what_is_sent_as_it_is() -> None:
    parameters = {"BODY": "BINARYMIME"}
    assert prepare(b"a\nb\rc", "a@x.org", "b@x.org", parameters).size == 5
    assert prepare(b"a\nb\rc", "a@x.org", "b@x.org").size == 9


@pytest.mark.parametrize("line", [b"x" * 70 + b"\r\n", b"x" * 70 + b"\n"])
def test_a_large_size_is_right_for_one_kind_of_line_ending(line: bytes) -> None:
    assert _size(line * 10000) == 72 * 10000


@pytest.mark.parametrize(
    ("content", "utf8"),
    [
        ("Subject: ü\r\n\r\nx".encode(), True),
        ("Subject: x\r\n\r\nü".encode(), False),
        ("Subject: x\n\nü".encode(), False),
        ("Subject: ü\n\nx\r\n\r\n".encode(), True),
        ("Subject: x\n\nü\n\r\n".encode(), False),
        ("ü".encode(), True),
        ("\r\nü".encode(), False),
        ("\nü\n\n".encode(), False),
        ("\rü".encode(), False),
        ("Subject: x\r\rü\r\n\r\n".encode(), False),
        ("Subject: x\r\n\rü".encode(), False),
        ("Subject: x\n\r\nü".encode(), False),
        ("Subject: x\r\nA: ü\r\n\r\n".encode(), True),
        ("Subject: x\rA: ü\r\rx".encode(), True),
    ],
)
def test_eight_bit_in_the_header_needs_utf8(content: bytes, utf8: bool) -> None:
    outgoing = prepare(content, "a@x.org", "b@x.org")
    assert outgoing.is_8bit
    assert outgoing.needs_utf8 == utf8


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\r\r", b"\n\r\n"])
@pytest.mark.parametrize("length", range(1, 8))
def test_a_header_ends_wherever_its_pieces_are_cut(end: bytes, length: int) -> None:
    octets = b"a: b\r\nc: d" + end + b"text"
    cuts = range(length, len(octets) + length, length)
    first = next(at for at in cuts if has_header(bytearray(octets[:at]), length))
    assert octets.index(end) + 1 < first < octets.index(end) + len(end) + length


@given(st.binary(max_size=300_000))
def test_octets_in_pieces_are_the_octets(content: bytes) -> None:
    outgoing = prepare(content, "a@x.org", "b@x.org", {"BODY": "BINARYMIME"})
    assert octets(outgoing) == content


def test_pieces_have_a_bound() -> None:
    for content in (b"x" * 200_000, b"line\r\n" * 40_000):
        outgoing = prepare(content, "a@x.org", "b@x.org")
        assert max(map(len, pieces(outgoing))) <= 65536
        assert octets(prepare(content, "a@x.org", "b@x.org")) == content


def test_files_and_iterables() -> None:
    for source in (
        io.BytesIO(b"abc"),
        [b"a", b"", b"bc"],
        iter([b"abc"]),
        (c for c in (b"ab", b"c")),
    ):
        outgoing = prepare(source, "a@x.org", "b@x.org")
        assert octets(outgoing) == b"abc"
        assert outgoing.blocks
        assert (outgoing.size, outgoing.is_8bit) == (None, None)


def test_what_can_be_read_again() -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    class Bare:
        def read(self, size: int) -> bytes:
            return b""

    ahead = io.BytesIO(b"--abc")
    ahead.read(2)
    for source in (b"abc", ahead, [b"a", b"bc"], email(From="a@x.org", To="b@x.org")):
        outgoing = prepare(source, "a@x.org", "b@x.org")
        first = octets(outgoing)
        if outgoing.read is not None:
            assert outgoing.rewind is not None
            outgoing.rewind()
        assert first == octets(outgoing) != b""
    mapped = mmap.mmap(-1, 3)
    mapped.write(b"abc")
    mapped.seek(0)
    outgoing = prepare(mapped, "a@x.org", "b@x.org")
    first = octets(outgoing)
    assert outgoing.rewind is not None
    outgoing.rewind()
    assert first == octets(outgoing) == b"abc"
    once: list[Any] = [iter([b"abc"]), (c for c in (b"ab", b"c")), Stream(b"abc"), Bare()]
    for source in once:
        assert prepare(source, "a@x.org", "b@x.org").rewind is None


def test_asynchronous_iterables() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"", b"bc"):
            yield piece

    async def read() -> list[bytes]:
        outgoing = prepare(pieces(), "a@x.org", "b@x.org")
        return [await outgoing.read() for _ in range(4)]

    assert asyncio.run(read()) == [b"a", b"bc", b"", b""]


class AsyncFile(io.BytesIO):
    """A file as of aiofiles: it has coroutines for methods, and can be iterated over."""

    async def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        return super().read(size)

    async def seek(self, *where: int) -> int:  # type: ignore[override]
        return super().seek(*where)

    async def tell(self) -> int:  # type: ignore[override]
        return super().tell()

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("read(), not by lines")


def test_an_asynchronous_file_can_be_read_again() -> None:
    async def read() -> None:
        file = AsyncFile(b"--abc")
        await file.seek(2)
        outgoing = prepare(file, "a@x.org", "b@x.org")
        assert outgoing.is_file
        for _ in range(2):
            assert await outgoing.read() == b"abc"
            assert await outgoing.read() == b""
            await outgoing.rewind()

    asyncio.run(read())


def test_an_asynchronous_stream_can_be_read_once() -> None:
    class Pipe(AsyncFile):
        async def tell(self) -> int:  # type: ignore[override]
            raise OSError("not seekable")

    async def read() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(b"abc")
        stream.feed_eof()
        for source in (stream, Pipe(b"abc")):
            outgoing = prepare(source, "a@x.org", "b@x.org")
            assert await outgoing.read() == b"abc"
            assert await outgoing.read() == b""
        assert prepare(stream, "a@x.org", "b@x.org").rewind is None

    asyncio.run(read())


async def nothing() -> AsyncIterator[bytes]:
    for piece in (b"", b""):
        yield piece


class Nothing:
    """A source that begins anew each time, and is empty."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return nothing()


def at_its_end(kind: type[io.BytesIO]) -> io.BytesIO:
    file = kind(b"abc")
    io.BytesIO.seek(file, 3)
    return file


@pytest.mark.parametrize(
    ("source", "is_spent"),
    [
        (iter([]), True),
        ((piece for piece in (b"",)), True),
        (nothing(), True),
        (at_its_end(io.BytesIO), True),
        (at_its_end(AsyncFile), True),
        ([], False),
        ([b""], False),
        (Nothing(), False),
        (io.BytesIO(), False),
        (AsyncFile(), False),
    ],
)
def test_a_source_that_was_read_before_is_no_empty_message(source: Any, is_spent: bool) -> None:
    async def read() -> Any:
        piece = prepare(source, "a@x.org", "b@x.org").read()
        return await piece if inspect.isawaitable(piece) else piece

    if is_spent:
        with pytest.raises(InvalidValueError, match="at its end already"):
            asyncio.run(read())
    else:
        assert asyncio.run(read()) == b""


def test_keywords_in_any_case() -> None:
    outgoing = prepare(b"", "a@x.org", "b@x.org", {"body": "8BITMIME", "Ret": "HDRS"})
    assert outgoing.parameters == {"BODY": "8BITMIME", "RET": "HDRS"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"RET": "FULL", "ret": "HDRS"}, "each keyword expected once"), ({1: "x"}, "that are text")],
)
def test_wrong_keywords(parameters: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        prepare(b"", "a@x.org", "b@x.org", parameters)


# --- 8-bit messages for a server that takes none -------------------------------------------------

TEXT = "Grüße\n.\nFrom here = there \n" + "ä" * 400 + "\n"
LATIN = TEXT.encode("latin-1").replace(b"\n", b"\r\n")
HEADER = b"From: a@x.org\r\nTo: b@x.org\r\nSubject: =?utf-8?q?=C3=BC?=\r\nMIME-Version: 1.0\r\n"


def parsed(content: bytes) -> EmailMessage:
    made = email_package.message_from_bytes(content, policy=policy.default)
    assert isinstance(made, EmailMessage)
    return made


def test_an_8bit_text_is_encoded_without_loss() -> None:
    message = email(From="a@x.org", To="b@x.org", Subject="Grüße", Bcc="c@x.org")
    message.set_content(TEXT, cte="8bit")
    before = message.as_bytes()
    outgoing = as_7bit(prepare(message))
    content = octets(outgoing)
    assert content.isascii()
    assert outgoing.is_8bit is False
    assert outgoing.size == len(content)
    again = parsed(content)
    assert again.get_content() == TEXT.replace("\n", "\r\n")
    assert (again["Subject"], again["Bcc"]) == ("Grüße", None)
    assert message.as_bytes() == before


@pytest.mark.parametrize("charset", ["latin-1", "utf-8", "unknown-8bit", "us-ascii", None])
def test_a_text_is_encoded_octet_for_octet(charset: str | None) -> None:
    """Also where it is not in the charset that it claims."""
    told = (
        b"" if charset is None else b"Content-Type: text/plain; charset=%b\r\n" % charset.encode()
    )
    message = parsed(HEADER + told + b"\r\n" + LATIN)
    again = parsed(octets(as_7bit(prepare(message))))
    assert again["Content-Transfer-Encoding"] == "quoted-printable"
    assert again.get_content_charset() == charset
    decoded = again.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.replace(b"\r\n", b"\n") == LATIN.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("kind", [EmailMessage, Message])
def test_each_part_is_encoded_that_has_to_be(kind: Any) -> None:
    blob = bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"\r\n")
    inner = parsed(HEADER + b"Content-Transfer-Encoding: 8bit\r\n\r\n" + LATIN)
    content = (
        HEADER + b'Content-Type: multipart/mixed; boundary="--x"\r\n'
        b"Content-Transfer-Encoding: 8bit\r\n\r\n"
        b"----x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nall ASCII=\r\n"
        b"----x\r\nContent-Type: application/x-y\r\nContent-Transfer-Encoding: BINARY\r\n\r\n"
        + blob
        + b"\r\n----x\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + inner.as_bytes(policy=policy.SMTP)
        + b"\r\n----x\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n"
        b"----x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n----x--\r\n"
    )
    message = email_package.message_from_bytes(
        content,
        kind if kind is Message else None,
        policy=policy.default if kind is EmailMessage else policy.compat32,
    )
    written = octets(as_7bit(prepare(message)))
    assert written.isascii()
    again = parsed(written)
    assert "Content-Transfer-Encoding" not in again
    plain, binary, nested, based, quoted = list(again.iter_parts())
    assert plain.get_payload() == "all ASCII="
    assert binary.get_payload(decode=True) == blob
    assert nested["Content-Transfer-Encoding"] is None  # RFC 2046 5.2.1: never encoded itself
    [letter] = nested.iter_parts()
    content = parsed(letter.as_bytes(policy=policy.SMTP)).get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.replace(b">From", b"From") == LATIN  # the package's own, for its old policy
    assert based.get_payload() == "YWJj"
    assert quoted.get_payload() == "=FC"


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"DKIM-Signature: v=1\r\n\r\n" + LATIN,
        HEADER + b"ARC-Message-Signature: i=1\r\n\r\n" + LATIN,
        HEADER
        + b'Content-Type: multipart/signed; boundary="x"\r\n\r\n--x\r\n\r\n'
        + LATIN
        + b"--x--\r\n",
        HEADER
        + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        + LATIN
        + b"--x\r\n\r\n--x--\r\n",
        HEADER + b"Content-Transfer-Encoding: base64\r\n\r\n" + LATIN,
        HEADER
        + b"Content-Type: message/partial; id=x; number=1\r\n\r\n"
        + HEADER
        + b"\r\n"
        + LATIN,
        b"From: a@x.org\r\nTo: b@x.org\r\n\r\n" + LATIN,
        HEADER + b"Content-Type: message/rfc822\r\n\r\nFrom: a@x.org\r\n\r\n" + LATIN,
    ],
    ids=[
        "DKIM",
        "ARC",
        "signed",
        "preamble",
        "not base64",
        "partial",
        "without MIME-Version",
        "without MIME-Version within another",
    ],
)
def test_what_cannot_be_encoded_stays(content: bytes) -> None:
    outgoing = prepare(parsed(content))
    assert as_7bit(outgoing) is outgoing
    assert outgoing.is_8bit


def test_a_text_of_wider_units_is_encoded_as_octets() -> None:
    """RFC 6152 3: without loss. Its octets of CR and LF need not be line ends."""
    content = "ü \u0a0d\n".encode("utf-16")
    message = parsed(HEADER + b"Content-Type: text/plain; charset=utf-16\r\n\r\n")
    message["Content-Transfer-Encoding"] = "binary"
    message.set_payload(content.decode("ascii", "surrogateescape"))
    again = parsed(octets(as_7bit(prepare(message))))
    assert again.get_payload(decode=True) == content


@pytest.mark.parametrize("text", ["ü", "u"])
def test_a_part_with_nul_is_encoded_for_each_server(text: str) -> None:
    """RFC 3030 3: it could go as it is under BODY=BINARYMIME only."""
    content = text.encode("utf-16")
    message = parsed(HEADER + b"Content-Type: text/plain; charset=utf-16\r\n\r\n")
    message["Content-Transfer-Encoding"] = "binary"
    message.set_payload(content.decode("ascii", "surrogateescape"))
    outgoing = prepare(message)
    assert outgoing.is_8bit is False
    assert parsed(octets(outgoing)).get_payload(decode=True) == content
    assert b"\0" in octets(prepare(message, parameters={"BODY": "BinaryMIME"}))
    message["DKIM-Signature"] = "v=1"
    with pytest.raises(InvalidValueError, match="without NUL expected"):
        prepare(message)


def test_a_part_of_ascii_with_nul_is_encoded() -> None:
    message = email(From="a@x.org", To="b@x.org")
    message.set_content(b"a\0b", "application", "octet-stream", cte="8bit")
    assert b"\0" in bytes(message)
    sent = octets(prepare(message))
    assert b"\0" not in sent
    assert parsed(sent).get_content() == b"a\0b"


def test_nul_is_refused_before_anything_is_sent() -> None:
    for content in (b"\0", b"Subject: x\r\n\r\n" + b"x" * 100_000 + b"\0", bytearray(b"\0")):
        with pytest.raises(InvalidValueError, match="without NUL expected"):
            prepare(content, "a@x.org", "b@x.org", {"BODY": "8BITMIME"})
    labelled = parsed(HEADER + b"Content-Transfer-Encoding: 7bit\r\n\r\n\0\r\n")
    with pytest.raises(InvalidValueError, match="without NUL expected"):
        prepare(labelled)


def test_octets_stay() -> None:
    outgoing = prepare(HEADER + b"\r\n" + LATIN, "a@x.org", "b@x.org")
    assert as_7bit(outgoing) is outgoing


def test_a_message_without_content() -> None:
    message = EmailMessage()
    assert octets(as_7bit(prepare(message, "a@x.org", "b@x.org"))) == b"\r\n"
