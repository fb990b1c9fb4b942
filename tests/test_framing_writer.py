# SPDX-License-Identifier: MIT
"""What is written has CRLF line endings only, and cannot end before its end (RFC 5321 4.5.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import (
    NOT_THE_END,
    THE_END,
    canonical_oracle,
    check_line_endings,
    check_mail_data_writer,
    cuttings,
    wire_oracle,
)
from strategies import cuts, octets

from smtpproto.exceptions import InvalidValueError, LocalProtocolError, Violation
from smtpproto.framing import LineEndings, LineEndingWriter, MailDataWriter, whole_mail_data

POLICIES: tuple[LineEndings, ...] = ("normalise", "strict")
policies = st.sampled_from(POLICIES)

# Content, and what DATA carries for it.
ENCODED = [
    (b"", b".\r\n"),
    (b"\r\n", b"\r\n.\r\n"),
    (b".", b"..\r\n.\r\n"),
    (b".\r\n", b"..\r\n.\r\n"),
    (b"..\r\n", b"...\r\n.\r\n"),
    (b"a", b"a\r\n.\r\n"),
    (b"a\r\n", b"a\r\n.\r\n"),
    (b"a\r\n.", b"a\r\n..\r\n.\r\n"),
    (b"a\r\n.b.\r\n.\r\n", b"a\r\n..b.\r\n..\r\n.\r\n"),
    (b"a\r\n\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
    (b"\x80\xff\r\n", b"\x80\xff\r\n.\r\n"),
]
# The same for content that is not in CRLF form.
NORMALISED = [
    (b"\n", b"\r\n.\r\n"),
    (b"\r", b"\r\n.\r\n"),
    (b"a\nb", b"a\r\nb\r\n.\r\n"),
    (b"a\rb\r", b"a\r\nb\r\n.\r\n"),
    (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
    (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
    (b"a\r\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
    (b"a\n\r.", b"a\r\n\r\n..\r\n.\r\n"),
]


@pytest.mark.parametrize(("content", "wire"), ENCODED)
@pytest.mark.parametrize("policy", POLICIES)
def test_encode(policy: LineEndings, content: bytes, wire: bytes) -> None:
    for pieces in cuttings(content, [2]):
        writer = MailDataWriter(policy)
        assert b"".join([*map(writer.write, pieces), writer.end()]) == wire


@pytest.mark.parametrize(("content", "wire"), NORMALISED)
def test_line_endings_are_normalised_before_dots_are_stuffed(content: bytes, wire: bytes) -> None:
    for pieces in cuttings(content, [2]):
        writer = MailDataWriter()
        assert b"".join([*map(writer.write, pieces), writer.end()]) == wire


@given(octets, cuts, policies)
def test_any_content_in_any_cut(content: bytes, lengths: list[int], policy: LineEndings) -> None:
    check_mail_data_writer(content, lengths, policy)
    check_mail_data_writer(content.replace(b"\0", b"."), lengths, policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("token", [*NOT_THE_END, *THE_END])
def test_content_cannot_end_itself(token: bytes, policy: LineEndings) -> None:
    for content in (token, b"a" + token + token + b"b", token[2:] + b"QUIT\r\n"):
        check_mail_data_writer(content, [2], policy)
        check_mail_data_writer(content.replace(b"\0", b""), [3], policy)


@given(octets, cuts, policies)
def test_line_endings_in_any_cut(content: bytes, lengths: list[int], policy: LineEndings) -> None:
    check_line_endings(content, lengths, policy)
    check_line_endings(content.replace(b"\0", b"."), lengths, policy)


@pytest.mark.parametrize(
    ("content", "violation"),
    [
        (b"a\nb", Violation.BARE_LF),
        (b"a\r\n\n", Violation.BARE_LF),
        (b"a\n\r", Violation.BARE_LF),
        (b"a\rb\r\n\n", Violation.BARE_LF),
        (b"a\rb", Violation.BARE_CR),
        (b"a\r\r\n", Violation.BARE_CR),
        (b"a\r\nb\rc\r\n", Violation.BARE_CR),
        (b"a\nb\0", Violation.NUL),
    ],
)
def test_strict_refuses_what_is_not_in_crlf_form(content: bytes, violation: Violation) -> None:
    for writer in (MailDataWriter("strict"), LineEndingWriter("strict")):
        with pytest.raises(InvalidValueError) as raised:
            writer.write(content)
        assert raised.value.violation is violation
        assert violation.value.split()[0] in str(raised.value)


def test_a_nul_is_refused_either_way() -> None:
    for writer in (MailDataWriter(), LineEndingWriter()):
        with pytest.raises(LocalProtocolError) as raised:
            writer.write(b"a\0")
        assert raised.value.violation is Violation.NUL


def test_a_refusal_changes_nothing() -> None:
    """Neither the line start, nor the CR that waits for its LF."""
    writer = MailDataWriter("strict")
    with pytest.raises(InvalidValueError):
        writer.write(b"a\nb")
    assert writer.write(b".a\r") == b"..a"
    with pytest.raises(InvalidValueError):
        writer.write(b"b")
    with pytest.raises(InvalidValueError) as raised:
        writer.end()
    assert raised.value.violation is Violation.BARE_CR
    assert writer.write(b"\n.") == b"\r\n.."
    assert writer.end() == b"\r\n.\r\n"


def test_the_last_piece_flushes_a_cr() -> None:
    writer = LineEndingWriter()
    assert writer.write(b"a\r") == b"a"
    assert writer.write(b"", last=True) == b"\r\n"
    assert LineEndingWriter().write(b"a\r", last=True) == b"a\r\n"
    with pytest.raises(InvalidValueError):
        LineEndingWriter("strict").write(b"a\r", last=True)


@pytest.mark.parametrize("policy", POLICIES)
def test_binary_is_left_alone(policy: LineEndings) -> None:
    writer = LineEndingWriter(policy, binary=True)
    assert writer.write(b"\0\r\n\n\r") == b"\0\r\n\n\r"
    assert writer.write(b"\r", last=True) == b"\r"


@pytest.mark.parametrize(
    "ending", [b"\r\n", b"\r\r\n", b"\r\r\r\n", b"\n\r", b"\r\n.\r\n", b"\n.\r"]
)
def test_a_piece_may_be_long(ending: bytes) -> None:
    """The edges of the slices that are worked on fall everywhere into a line ending."""
    for length in range(65526, 65540):
        content = b"a" * length + ending + b"b" * 66_000 + ending
        writer = MailDataWriter()
        assert writer.write(content) + writer.end() == wire_oracle(content), length
        lines = LineEndingWriter()
        assert lines.write(content, last=True) == canonical_oracle(content), length


def test_a_long_piece_is_refused_as_a_whole() -> None:
    writer = MailDataWriter("strict")
    with pytest.raises(InvalidValueError):
        writer.write(b".\r\n" * 50_000 + b"\n")
    assert writer.write(b".") == b".."


@pytest.mark.parametrize("policy", POLICIES)
def test_a_whole_message_has_no_nul(policy: LineEndings) -> None:
    with pytest.raises(InvalidValueError):
        whole_mail_data(b"a\0b\r\n", policy)
