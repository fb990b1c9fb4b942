# SPDX-License-Identifier: MIT
"""How a message of the email package is written: nothing added, nothing lost, nothing told."""

from __future__ import annotations

import email as email_package
from email import policy
from email.encoders import encode_noop
from email.header import Header
from email.message import EmailMessage, Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import InvalidValueError
from smtpproto.dialogues.serialising import serialise, serialise_7bit

PNG = b"\x89PNG\r\n\x1a\n\rabc"


def message() -> EmailMessage:
    """Return one with two multiparts, of which none has a boundary yet."""
    made = EmailMessage()
    made["From"], made["To"] = "a@x.org", "b@x.org"
    made.set_content("text\n")
    made.add_alternative("<b>", subtype="html")
    made.add_attachment(b"octets", maintype="application", subtype="x")
    return made


def parsed(octets: bytes) -> EmailMessage:
    return email_package.message_from_bytes(octets, policy=policy.default)


def state(one: Message[Any, Any]) -> list[Any]:
    return [
        (part.items(), None if part.is_multipart() else part.get_payload()) for part in one.walk()
    ]


def test_a_message_stays_as_it_is_down_to_its_parts() -> None:
    """A boundary given meanwhile to the caller's would be another thread's, too."""
    one = message()
    one.add_attachment(PNG, maintype="image", subtype="png", cte="binary")
    before = state(one)
    serialise(one)
    serialise_7bit(one)
    assert state(one) == before


# --- a field stays one field ---------------------------------------------------------------------

BREAKS = [
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\r\n\r\n",
    "\x0b",
    "\x0c",
    "\x0c\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
]


def fields(octets: bytes) -> list[bytes]:
    """Return the names that a header has by RFC 5322 2.2, its obsolete form included."""
    header = octets.partition(b"\r\n\r\n")[0]
    return [line.split(b":")[0] for line in header.split(b"\r\n") if line[:1] not in (b" ", b"\t")]


@pytest.mark.parametrize("text", ["body", "Bcc: c@x.org", "Bcc :c@x.org", "<html>"])
@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize("make", [str, Header])
def test_a_line_break_in_a_field_that_was_made_begins_nothing(
    make: Any, line_break: str, text: str
) -> None:
    one = MIMEText("text\n")
    one["Subject"] = make(f"hello{line_break}{text}")
    try:
        octets = serialise(one)
    except InvalidValueError:
        return
    assert not {"\r", "\n"} & set(line_break)  # the others break lines for Python only
    assert fields(octets) == [name.encode() for name in one]


@pytest.mark.parametrize("one", [Message(), EmailMessage()], ids=["compat32", "default"])
@pytest.mark.parametrize("name", ["X\r\nBcc", "X: y\r\n\r\nbody\r\nZ", "Bcc ", "X\nY", "Jörg"])
def test_what_is_no_name_of_a_field_is_refused(one: Any, name: str) -> None:
    one[name] = "c@x.org"
    try:
        octets = serialise(one)
    except InvalidValueError:
        return
    finally:
        del one[name]
    assert fields(octets)[0].startswith(b"=?")  # Python 3.13 makes one of it


@pytest.mark.parametrize("rest", ["", " and a long tail" * 8])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("hidden", ["=0ABcc:_c=40x.org", "=0D=0A=0D=0Abody", "=0Cbody", "=0Dbody"])
@pytest.mark.parametrize("name", ["Subject", "X-Any", "Content-Disposition", "Reply-To"])
@pytest.mark.parametrize("one", [policy.compat32, policy.default, policy.SMTPUTF8])
def test_a_line_break_in_an_encoded_word_begins_nothing(
    one: Any, name: str, hidden: str, quote: str, rest: str
) -> None:
    octets = f"From: a@x.org\r\n{name}: {quote}=?utf-8?q?hi{hidden}?={quote}{rest}\r\nTo: b@x.org"
    came = email_package.message_from_bytes(octets.encode() + b"\r\n\r\ntext\r\n", policy=one)
    try:
        written = serialise(came)
    except InvalidValueError:
        return
    assert fields(written) == [b"From", name.encode(), b"To"]
    assert written.endswith(b"\r\n\r\ntext\r\n")


@given(
    st.text("ab: \t\r\n\x0b\x0c\x1c\x85ü", max_size=12),
    st.sampled_from([policy.compat32, policy.default, policy.SMTP, policy.strict]),
)
def test_fields_that_came_are_no_more_than_they_were(text: str, one: Any) -> None:
    octets = f"From: a@x.org\r\nSubject: x{text}\r\nTo: b@x.org\r\n\r\ntext\r\n".encode()
    came = email_package.message_from_bytes(octets, policy=one.clone(raise_on_defect=False))
    names = [name.encode() for name in came]
    try:
        written = serialise(came)
    except InvalidValueError:
        return
    assert [name for name in fields(written) if name] == names


def test_a_line_break_in_the_name_of_a_file_begins_nothing() -> None:
    one = MIMEMultipart()
    part = MIMEApplication(b"x")
    part["Content-Disposition"] = 'attachment; filename="a\r\n<b>"'
    one.attach(part)
    with pytest.raises(InvalidValueError, match="without line breaks"):
        serialise(one)


def test_a_field_may_be_folded() -> None:
    for octets in (b"Subject: a\r\n b\r\n\tc\r\n\r\n", b"Subject: \xff\n b\n\tc\n\n"):
        for one in (policy.compat32, policy.default):
            came = email_package.message_from_bytes(octets, policy=one)
            assert fields(serialise(came).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) == [
                b"Subject"
            ]


def test_a_field_of_the_obsolete_form_is_not_told_in_the_body() -> None:
    """RFC 5322 4.5: the email package takes it, and all that follows, for the body."""
    for octets in (
        b"To: b@x.org\r\nBcc : c@x.org\r\n\r\ntext\r\n",
        b"Bcc : c@x.org\r\n\r\ntext\r\n",
    ):
        with pytest.raises(InvalidValueError, match=r"Bcc :.*in the header expected"):
            serialise(parsed(octets))
    # Where but the empty line was forgotten, the body is what was meant.
    assert serialise(parsed(b"hello\r\n")) == b"\r\nhello\r\n"
    assert serialise(parsed(b"To: b@x.org\r\nhello\r\n")) == b"To: b@x.org\r\n\r\nhello\r\n"
    assert serialise(parsed(b"To: b@x.org\r\n\r\nBcc : c\r\n")).endswith(b"\r\n\r\nBcc : c\r\n")


# --- parts that are binary -----------------------------------------------------------------------


@pytest.mark.parametrize("content", [PNG, b"\n", b"\r", b"a\r\nb\n\x80", b"%PDF\nascii"])
def test_binary_parts_arrive_octet_for_octet(content: bytes) -> None:
    """RFC 3030 3: line endings of other mail data are made CRLF."""
    one = message()
    one.add_attachment(content, maintype="image", subtype="png", cte="binary")
    whole = message()
    whole.add_attachment(one)
    for octets in (serialise(whole), serialise_7bit(whole)):
        assert octets is not None
        found = [part for part in parsed(octets).walk() if part.get_content_type() == "image/png"]
        assert [part.get_payload(decode=True) for part in found] == [content]


def test_binary_parts_of_clean_lines_stay_as_they_are() -> None:
    one = EmailMessage()
    one.set_content(b"\x89\r\n\x00", maintype="image", subtype="png", cte="binary")
    assert serialise(one).endswith(b"binary\r\nMIME-Version: 1.0\r\n\r\n\x89\r\n\x00")


def test_lines_of_a_text_that_is_binary_end_with_crlf() -> None:
    """RFC 2046 4.1.1."""
    octets = b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\na\r\n\xe9\n"
    assert serialise(parsed(octets)) == octets.replace(b"\xe9\n", b"\xe9\r\n")


def test_what_is_signed_is_not_encoded_but_refused() -> None:
    one = EmailMessage()
    one.set_content(PNG, maintype="image", subtype="png", cte="binary")
    one["DKIM-Signature"] = "v=1"
    with pytest.raises(InvalidValueError, match="binary parts"):
        serialise(one)
    whole = MIMEMultipart("signed")
    part = MIMEApplication(PNG, _encoder=encode_noop)
    part["Content-Transfer-Encoding"] = "binary"
    whole.attach(part)
    with pytest.raises(InvalidValueError, match="binary parts"):
        serialise(whole)
    assert serialise_7bit(whole) is None


# --- octets below 128 ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "image/png"])
@pytest.mark.parametrize("encoding", ["8bit", "binary"])
def test_encoded_lines_have_998_octets_at_most(kind: str, encoding: str) -> None:
    """RFC 2045 2.7."""
    octets = (
        f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n"
        f"\r\n{'x' * 998}\r\n"
    ).encode()
    assert serialise_7bit(parsed(octets)) == b"\r\n".join(
        line for line in octets.split(b"\r\n") if b"Encoding" not in line
    )
    written = serialise_7bit(parsed(octets.replace(b"xx", b"xxx")))
    assert written is not None
    assert max(map(len, written.split(b"\r\n"))) <= 998
    assert parsed(written).get_payload(decode=True) == b"x" * 1497 + b"\r\n"


def test_a_multipart_without_parts_has_no_encoding_of_its_own() -> None:
    """RFC 2045 6.4."""
    octets = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    assert serialise_7bit(parsed(octets + b"x\r\n")) == octets + b"x\r\n"
    with pytest.raises(InvalidValueError):  # over which the package trips
        serialise_7bit(parsed(octets + b"\xff\r\n"))
