# SPDX-License-Identifier: MIT
"""How a header field of the email package is written."""

from __future__ import annotations

import email as email_package
from email import policy
from email.header import Header, decode_header
from email.headerregistry import Address, Group
from email.message import EmailMessage
from email.mime.text import MIMEText
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import InvalidValueError
from smtpproto.dialogues.serialising import serialise

LONG = "<" + "i" * 90 + "@mail.example.org>"


def written(name: str, value: Any, utf8: bool = False, **settings: Any) -> bytes:
    """Return a field as it is written when it was made of `value`."""
    message = EmailMessage(policy=policy.default.clone(**settings))
    message[name] = value
    octets = serialise(message, utf8)
    assert octets.endswith(b"\r\n\r\n")
    return octets[:-2]


def passed_on(field: bytes, by: Any = policy.default) -> bytes:
    """Return a field as it is written when it came."""
    return serialise(email_package.message_from_bytes(field + b"\r\n", policy=by))[:-2]


def told(field: bytes) -> list[tuple[str, str]]:
    """Return names and addresses as an independent reader has them, that knows no long names."""
    text = field.decode().replace("\r\n", "").partition(":")[2]
    return [("".join(_decoded(name).split()), address) for name, address in getaddresses([text])]


def _decoded(name: str) -> str:
    return "".join(
        part.decode(charset or "ascii") if isinstance(part, bytes) else part
        for part, charset in decode_header(name)
    )


# --- what came -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "by", [policy.default, policy.SMTP, policy.SMTPUTF8, policy.default.clone(max_line_length=30)]
)
@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: v=1; b=" + b"b" * 300 + b"; d=x.org\r\n",
        f"References: <a@x.org> {LONG}\r\n\t{LONG}\r\n".encode(),
        b"Subject: two  spaces, " + b"long " * 30 + b"\r\n",
        b"Subject: =?utf-8?q?J=C3=B6rg?= =?iso-8859-1?q?=FC?=" + b" long" * 20 + b"\r\n",
        b"Subject: =?utf-8?q?line=0Abreak=0D=0A=0D=0Abody?=" + b" long" * 20 + b"\r\n",
        b"Subject: form\x0cfeed\x0b\x1c\x85\r\n",
        "Subject: Jörg\r\n".encode(),
        b"Subject: \xfc\r\n",
        b"To: Joe (Doe) <a@x.org>" + b",\r\n Joe <a@x.org>" * 30 + b"\r\n",
        b"X-Empty: \r\n",
    ],
)
def test_a_field_that_came_goes_as_it_came(field: bytes, by: Any) -> None:
    """A signature may be over it, and the package would make text of what is none."""
    assert passed_on(field, by) == field


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: v=1; b=" + b"b" * 300 + b" \r\n\t; d=x.org\r\n",
        b"Subject: two  spaces \r\n \tfolded  \r\n",
        b"Subject: short   \r\n",
        b"Subject: \xfc  \r\n \xfc \r\n",
        "To: Jörg <a@x.org>\r\n".encode(),
    ],
)
def test_a_field_that_came_by_the_older_policy_stays_where_it_is_folded(field: bytes) -> None:
    assert passed_on(field, policy.compat32) == field


@pytest.mark.parametrize("start", [b"Subject: long", b"To: a@x.org (Joe)"])
def test_a_field_of_the_older_policy_is_folded_where_it_is_long(start: bytes) -> None:
    field = start + b", b@x.org" * 30 + b"\r\n"
    made = passed_on(field, policy.compat32)
    assert made.split() == field.split()
    assert all(len(line) <= 78 for line in made.split(b"\r\n"))


def test_a_signed_part_stays_as_it_came() -> None:
    """RFC 1847 2.1."""
    part = b"X-Long: " + b"w " * 60 + b"\r\n\tfolded \r\nX-U: \xfc\r\n\r\ntext  \r\n"
    octets = (
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n"
        b"--b\r\n" + part + b"\r\n--b\r\nContent-Type: x/y\r\n\r\nsignature\r\n--b--\r\n"
    )
    for by in (policy.compat32, policy.default, policy.SMTP):
        assert serialise(email_package.message_from_bytes(octets, policy=by)) == octets


def test_a_line_of_a_field_that_came_is_broken_where_it_has_too_many_octets() -> None:
    """RFC 5322 2.1.1."""
    longest = b"Subject: " + b"a" * 989
    assert passed_on(longest + b"\r\n") == longest + b"\r\n"
    octets = passed_on(f"References:{f' {LONG}' * 12}\r\n".encode())
    assert octets == f"References: {LONG}".encode() + f"\r\n {LONG}".encode() * 11 + b"\r\n"
    octets = passed_on(f"References: {'a ' * 600}\n {'b ' * 600}\n".encode())
    assert octets.split() == b"References:".split() + [b"a"] * 600 + [b"b"] * 600
    assert all(len(line) <= 78 for line in octets.split(b"\r\n"))
    octets = passed_on(b"Subject: a" + b"a" * 989 + b"\r\n")
    assert max(map(len, octets.split(b"\r\n"))) <= 998


# --- what was made -------------------------------------------------------------------------------

PEOPLE = [
    Address("Jörg", "j", "x.org"),
    Address("Ünï, (x)", "first last", "sub.example.org"),
    Address('J. "Q" \\ <X>', "q", "x.org"),
    Address("", "nobody", "x.org"),
    Address("ö" * 60, "a,b", "x.org"),
    Address("x" * 70, "o'h", "x.org"),
    Address("日本 太郎", "t", "x.org"),
    Address("y" * 1100, "y", "x.org"),
    Address("=?utf-8?q?J=C3=B6rg?=", "literal", "x.org"),
]


@pytest.mark.parametrize("utf8", [False, True])
@pytest.mark.parametrize("name", ["From", "To", "Cc", "Reply-To", "Resent-From"])
def test_addresses_with_names_beyond_ascii_are_each_themselves(name: str, utf8: bool) -> None:
    """RFC 2047 5: the package may have the comma between two in an encoded word."""
    octets = written(name, PEOPLE * 2, utf8)
    assert octets.isascii() != utf8
    expected = [("".join(one.display_name.split()), one.addr_spec) for one in PEOPLE * 2]
    assert told(octets) == expected
    lines = octets.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert all(len(line) <= 76 for line in lines if b"=?" in line)  # RFC 2047 2
    assert all(len(word) <= 75 for word in octets.split() if word.startswith(b"=?"))


@given(
    st.lists(
        st.builds(
            Address,
            st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Zs"))),
            st.from_regex(r"[a-z]([a-z ,.\"@]?[a-z]){0,9}", fullmatch=True),
            st.just("x.org"),
        ),
        min_size=1,
    )
)
def test_any_addresses(people: list[Address]) -> None:
    octets = written("To", [*people, Address("ö", "z", "x.org")])
    assert told(octets)[:-1] == [(one.display_name, one.addr_spec) for one in people]


@pytest.mark.parametrize("kind", [str, Header])
def test_addresses_of_the_older_policy_stay_out_of_encoded_words(kind: Any) -> None:
    """RFC 2047 5: the package makes one of the whole field."""
    message = MIMEText("text\n")
    message["Subject"] = kind("Größe <a@x.org>")
    message["To"] = kind('Jörg <j@x.org>, "Doe, Jané" <d@x.org>')
    message["Cc"] = kind("jörg@x.org; b@x.org")
    message["Reply-To"] = kind("jörg@x.org")
    header = serialise(message).split(b"\r\n")
    assert header[3].startswith(b"Subject: =?utf-8?")
    assert told(header[4] + b"\r\n") == [("Jörg", "j@x.org"), ("Doe,Jané", "d@x.org")]
    assert header[5].startswith(b"Cc: =?utf-8?")  # what is not read rightly
    assert header[6] == "Reply-To: jörg@x.org".encode()


def test_groups_of_addresses() -> None:
    """RFC 2047 5: white space stands between an encoded word and the colon."""
    groups = [Group("Größe", PEOPLE[:2]), PEOPLE[3], Group("nobody")]
    assert written("To", groups) == (
        b"To: =?utf-8?b?R3LDtsOfZQ==?= : =?utf-8?b?SsO2cmc=?= <j@x.org>,\r\n"
        b' =?utf-8?b?w5xuw68sICh4KQ==?= <"first last"@sub.example.org>;, nobody@x.org,\r\n'
        b" nobody:;\r\n"
    )


def test_a_name_of_no_charset_does_not_go_out_as_such() -> None:
    came = email_package.message_from_bytes(
        b"To: \xfc <a@x.org>\r\nCc: =?utf-8?q?=C3=BC?= <b@x.org>, \xfc <a@x.org>\r\n\r\n",
        policy=policy.default,
    )
    octets = written("To", came["To"])
    assert octets.isascii()
    assert octets.endswith(b" <a@x.org>\r\n")
    assert told(written("Cc", came["Cc"])) == [("ü", "b@x.org"), ("\ufffd", "a@x.org")]


@pytest.mark.parametrize(
    "name", ["References", "In-Reply-To", "Message-ID", "DKIM-Signature", "To"]
)
def test_no_encoded_word_stands_where_there_is_no_text(name: str) -> None:
    """RFC 2047 5: the package makes some of long words."""
    value = f"long <{'a' * 60}@{'b' * 60}.org>" if name == "To" else LONG
    assert written(name, value).replace(b"\r\n ", b" ") == f"{name}: {value}\r\n".encode()


def test_white_space_stays() -> None:
    assert written("Subject", "a  b  ") == b"Subject: a  b  \r\n"


def test_no_line_of_a_field_is_empty() -> None:
    """The package may leave one before a long word: it ends the header."""
    people = [Address("Bob", "u" * 40, "x.org"), Address("x" * 62, "u" * 50, "x.org")]
    octets = written("To", people * 2, max_line_length=40)
    assert told(octets) == [(one.display_name, one.addr_spec) for one in people * 2]
    value = f"a <{'q' * 77}@x> {'w' * 85}"
    assert written("Content-Type", value).split() == f"Content-Type: {value}".encode().split()
    spaces = written("Subject", "   é a (x)      ", max_line_length=40)
    for one in (written("Content-Type", value), octets, spaces):
        assert all(line.strip() for line in one.split(b"\r\n")[:-1])


def test_a_comment_stays_one_or_goes() -> None:
    value = f"a@x.org ({'long' * 30}), b@x.org"
    assert written("To", value).replace(b"\r\n", b"") == f"To: {value}".encode()
    assert written("To", "a@x.org (Jörg), b@x.org") == b"To: a@x.org, b@x.org\r\n"


def test_what_is_not_read_rightly_is_left_to_the_package() -> None:
    assert b"b@x.org" in written("To", "a@x.org; Jörg <b@x.org>")
    assert b"b@x.org" in written("To", f"a@x.org; {'long' * 30} <b@x.org>")


def test_a_policy_for_7bit_is_kept_where_that_can_be() -> None:
    message = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
    message.set_content(b"\xff\n", maintype="image", subtype="png", cte="8bit")
    assert serialise(message).endswith(b"base64\r\n\r\n/wo=\r\n")
    message["DKIM-Signature"] = "v=1"
    assert serialise(message).endswith(b"\xff\r\n")


def test_a_field_that_would_be_several_is_refused() -> None:
    message = EmailMessage()
    message.set_raw("Subject", "hello\r\nBcc: c@x.org")
    with pytest.raises(InvalidValueError, match="without line breaks"):
        serialise(message)
