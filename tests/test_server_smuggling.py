# SPDX-License-Identifier: MIT
"""Only CRLF . CRLF ends mail data, only CRLF ends a line (RFC 5321 2.3.8, 4.1.1.4)."""

from __future__ import annotations

import pytest
import server_drive as drive
from invariants import NOT_THE_END, SMUGGLED, THE_END

from smtpproto import CommandRejected, MailDataEnded, State, Violation

SECOND = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nboo\r\n"


@pytest.mark.parametrize("before", [b"", b"Subject: x\r\n\r\ntext"])
@pytest.mark.parametrize("fake", NOT_THE_END)
def test_what_is_not_the_end_starts_no_second_transaction(fake: bytes, before: bytes) -> None:
    octets = before + fake + SECOND + b"\r\n.\r\nNOOP\r\n"
    for pieces in ([octets], list(drive.bytewise(octets))):
        server = drive.in_data()
        outcome = drive.talk(server, *pieces)
        assert outcome.commands == ["NOOP"]
        ends = [event for event in outcome.events if isinstance(event, MailDataEnded)]
        assert len(ends) == 1
        assert SECOND in outcome.data
        assert server.state is State.READY


@pytest.mark.parametrize(
    "fake", [fake for fake in NOT_THE_END if fake.replace(b"\r\n", b"").strip(b".")]
)
def test_irregular_line_ends_refuse_the_message(fake: bytes) -> None:
    outcome = drive.talk(drive.in_data(), b"text" + fake + SMUGGLED + b"\r\n.\r\n")
    bare = fake.replace(b"\r\n", b"")
    irregular = any(octet in bare for octet in b"\r\n\0")
    assert outcome.codes == [554 if irregular else 250]
    ended = outcome.events[-1]
    assert isinstance(ended, MailDataEnded)
    assert (ended.violation is not None) == irregular
    if irregular:
        assert ended.default_reply is not None
        assert ended.default_reply.enhanced == "5.6.0"


@pytest.mark.parametrize("fake", NOT_THE_END)
def test_accepted_as_it_is_where_the_application_says_so(fake: bytes) -> None:
    server = drive.in_data(received="accept")
    outcome = drive.talk(server, b"text" + fake + b"more\r\n.\r\n")
    assert outcome.codes == [250]
    # Only transparency is undone, and nothing is repaired.
    assert outcome.data == (b"text" + fake + b"more\r\n").replace(b"\r\n.", b"\r\n")


@pytest.mark.parametrize("end", THE_END)
def test_the_true_end_is_seen_whatever_stands_before_it(end: bytes) -> None:
    octets = b"text" + end + b"NOOP\r\n"
    for pieces in ([octets], list(drive.bytewise(octets))):
        outcome = drive.talk(drive.in_data(), *pieces)
        assert outcome.commands == ["NOOP"]


def test_a_dot_at_once_is_an_empty_message() -> None:
    for pieces in ([b".\r\nNOOP\r\n"], [b".", b"\r", b"\nNOOP\r\n"]):
        outcome = drive.talk(drive.in_data(), *pieces)
        assert outcome.data == b""
        assert outcome.codes == [250, 250]


def test_a_dot_on_the_first_line_is_taken_off() -> None:
    assert drive.talk(drive.in_data(), b"..a\r\n.b\r\n.\r\n").data == b".a\r\nb\r\n"


@pytest.mark.parametrize(
    ("line", "violation"),
    [
        (b"MAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>", Violation.BARE_LF),
        (b"MAIL FROM:<a@b.example>\rRCPT TO:<c@d.example>", Violation.BARE_CR),
        (b"NOOP\0", Violation.NUL),
        (b"\nNOOP", Violation.BARE_LF),
        (b"\rNOOP", Violation.BARE_CR),
        (b"NOOP\r", Violation.BARE_CR),
        (b"QUIT\n.\nQUIT\n", Violation.BARE_LF),
        (b"NOOP\0\r\n"[:-2] + b"\n", Violation.NUL),
    ],
)
def test_an_irregular_line_is_one_bad_line(line: bytes, violation: Violation) -> None:
    octets = line + b"\r\nNOOP\r\n"
    for pieces in ([octets], list(drive.bytewise(octets))):
        server = drive.ready()
        outcome = drive.talk(server, *pieces)
        assert outcome.codes == [500, 250]
        rejected = outcome.events[0]
        assert isinstance(rejected, CommandRejected)
        assert rejected.violation is violation
        assert rejected.line == line
        assert rejected.command is None
        assert rejected.default_reply.enhanced == "5.5.2"
        assert server.state is State.READY


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029", "\v", "\f", "\x1c", "\x1d", "\x1e"])
def test_what_unicode_calls_a_line_end_ends_no_line(end: str) -> None:
    server = drive.ready()
    outcome = drive.talk(server, f"NOOP{end}QUIT\r\nNOOP x{end}QUIT\r\n".encode())
    assert len(outcome.codes) == 2
    assert server.state is State.READY


def test_lines_that_end_in_lf_alone_get_no_answer() -> None:
    server = drive.greeted()
    assert drive.talk(server, b"EHLO client.example.com\nMAIL FROM:<a@b.example>\n").events == []
    assert drive.talk(server, b"\r\n").codes == [500]
