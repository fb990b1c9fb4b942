# SPDX-License-Identifier: MIT
"""CRLF . CRLF ends mail data and nothing else does; each line loses its first dot, and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import (
    NOT_THE_END,
    SMUGGLED,
    THE_END,
    MailData,
    check_mail_data,
    cut,
    mail_data_oracle,
    read_mail_data,
)
from strategies import cuts, octets

from smtpproto.exceptions import Violation
from smtpproto.framing import ContentCheck, MailDataReader, ReceiveBuffer

AFTER = b"QUIT\r\n"
TRUE_END = b"\r\nthe end\r\n.\r\n"

# What DATA carries, and the content it stands for.
DECODED = [
    (b".\r\n", b""),
    (b"\r\n.\r\n", b"\r\n"),
    (b"..\r\n.\r\n", b".\r\n"),
    (b"...\r\n.\r\n", b"..\r\n"),
    (b".a\r\n.\r\n", b"a\r\n"),
    (b".a.\r\n..\r\n.\r\n", b"a.\r\n.\r\n"),
    (b"a\r\n..b\r\n.c\r\nd.\r\n.\r\n", b"a\r\n.b\r\nc\r\nd.\r\n"),
    (b"a\r\n\r\n..\r\n\r\n.\r\n", b"a\r\n\r\n.\r\n\r\n"),
    (b"a\r\n.\r\n.\r\n", b"a\r\n"),
    (b"Subject: x\r\n\r\n\x80\xff\r\n.\r\n", b"Subject: x\r\n\r\n\x80\xff\r\n"),
]


@pytest.mark.parametrize(("wire", "content"), DECODED)
def test_decode(wire: bytes, content: bytes) -> None:
    end = (b"\r\n" + wire).index(b"\r\n.\r\n") + 3
    expected = MailData(content, len(content), None, wire[end:] + AFTER)
    wire += AFTER
    for lengths in ([len(wire)], [1], [2], [3], [4], [5]):
        assert read_mail_data(cut(wire, lengths * len(wire))) == expected


@given(
    octets,
    cuts,
    st.none() | st.integers(0, 40),
    st.sampled_from(["reject", "accept"]),
    st.booleans(),
)
def test_any_octets_in_any_cut(
    octets: bytes, lengths: list[int], limit: int | None, policy: str, binary: bool
) -> None:
    check_mail_data(octets, lengths, limit, policy, binary)  # type: ignore[arg-type]
    check_mail_data(octets + TRUE_END + AFTER, lengths, limit, policy, binary)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [b"", b"a", b"Subject: x\r\n\r\nbody", b"body\r\n"])
@pytest.mark.parametrize("token", NOT_THE_END)
def test_what_is_not_the_end(token: bytes, before: bytes) -> None:
    wire = before + token + SMUGGLED + TRUE_END + AFTER
    expected = mail_data_oracle(wire)
    assert expected.rest == AFTER
    assert expected.content.endswith(SMUGGLED.replace(b"\r\n.", b"\r\n") + b"\r\nthe end\r\n")
    for at in range(1, len(wire)):
        assert read_mail_data([wire[:at], wire[at:]]) == expected
    check_mail_data(wire)


@pytest.mark.parametrize("before", [b"", b"a", b"Subject: x\r\n\r\nbody", b"body\r\n"])
@pytest.mark.parametrize("token", THE_END)
def test_what_is_the_end(token: bytes, before: bytes) -> None:
    wire = before + token + AFTER
    expected = mail_data_oracle(wire)
    assert expected.rest == AFTER
    for at in range(1, len(wire)):
        assert read_mail_data([wire[:at], wire[at:]]) == expected
    check_mail_data(wire)


@pytest.mark.parametrize("dots", [b"", b".", b".."])
def test_the_crlf_of_the_command_counts(dots: bytes) -> None:
    """Also where the first thing that is no end looks like one but for the CRLF before it."""
    wire = dots + b".\r\n" + AFTER
    assert read_mail_data([wire, b".\r\n"]).rest == (AFTER + b".\r\n" if not dots else b"")


@pytest.mark.parametrize(
    ("wire", "given_out"),
    [
        (b"", b""),
        (b"\r", b""),
        (b"\r\n", b""),
        (b"\r\n.", b""),
        (b"\r\n.\r", b""),
        (b".", b""),
        (b".\r", b""),
        (b"a\r\n.\r", b"a"),
        (b"a\r\n.\r\r", b"a\r\n\r"),
        (b"a\r\n.b", b"a\r\nb"),
        (b"a\r\n.\n", b"a\r\n\n"),
        (b"a.", b"a."),
        (b"a.\r", b"a."),
        (b"a\n.", b"a\n."),
        (b"\n", b"\n"),
    ],
)
def test_no_more_is_held_back_than_is_undecided(wire: bytes, given_out: bytes) -> None:
    check_mail_data(wire)
    assert read_mail_data([wire]).content == given_out


def test_content_may_be_longer_than_one_piece() -> None:
    """The edges of the pieces that are worked on fall everywhere into a CRLF . CRLF."""
    for length in range(65526, 65546):
        for stuffed in (b"\r\n..\r\n", b"\r\r\n.a\n", b"\r\n.\r\n"):
            wire = b"a" * length + stuffed + b"b" * 70_000 + TRUE_END + AFTER
            assert read_mail_data([wire]) == mail_data_oracle(wire), (length, stuffed)


def test_after_the_end_nothing_more_is_read() -> None:
    buffer = ReceiveBuffer()
    reader = MailDataReader(ContentCheck())
    buffer.append(b"a\r\n.\r\nNOOP\r\n")
    assert reader.read(buffer) == b"a\r\n"
    assert reader.ended
    assert reader.read(buffer) == b""
    buffer.append(b"QUIT\r\n")
    assert reader.read(buffer) == b""
    assert buffer.take_all() == b"NOOP\r\nQUIT\r\n"


def test_over_the_limit_it_is_read_to_its_end_all_the_same() -> None:
    wire = b"0123\r\n" * 40_000 + b".\r\n" + SMUGGLED
    result = read_mail_data([wire], limit=7)
    assert result == MailData(b"0123\r\n0", 240_000, Violation.MAIL_DATA_TOO_BIG, SMUGGLED)


def test_the_limit_counts_content_not_the_octets_of_transparency() -> None:
    wire = b"..a\r\n..b\r\n.\r\n"
    assert read_mail_data([wire], limit=8) == MailData(b".a\r\n.b\r\n", 8, None, b"")
    assert read_mail_data([wire], limit=7).violation is Violation.MAIL_DATA_TOO_BIG


@pytest.mark.parametrize(
    ("wire", "violation"),
    [
        (b"a\nb\r\n.\r\n", Violation.BARE_LF),
        (b".\nb\r\n.\r\n", Violation.BARE_LF),
        (b"a\r\n.\rb\r\n.\r\n", Violation.BARE_CR),
        (b"a\r\r\n.\r\n", Violation.BARE_CR),
        (b"a\0\r\n.\r\n", Violation.NUL),
    ],
)
def test_irregular_octets_are_reported_at_the_end(wire: bytes, violation: Violation) -> None:
    assert read_mail_data([wire]).violation is violation
    assert read_mail_data([wire], policy="accept").violation is None
    check_mail_data(wire)


class CountingBuffer(ReceiveBuffer):
    """Counts the octets that reads copy."""

    copied = 0

    def take(self, count: int) -> bytes:
        taken = super().take(count)
        self.copied += len(taken)
        return taken


def test_what_is_held_behind_a_message_does_not_make_it_dearer() -> None:
    """Many small messages in one read cost in proportion to their number, not to its square."""

    def octets_copied(messages: int) -> int:
        buffer = CountingBuffer()
        buffer.append(b"a\r\n.\r\n" * messages)
        for _ in range(messages):
            reader = MailDataReader(ContentCheck())
            assert reader.read(buffer) == b"a\r\n"
            assert reader.ended
        assert len(buffer) == 0
        return buffer.copied

    assert octets_copied(64_000) < 3 * octets_copied(32_000)
