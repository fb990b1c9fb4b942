# SPDX-License-Identifier: MIT
"""BDAT on the server: announced octets are read whatever becomes of them (RFC 3030 2)."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import server_drive as drive

from smtpproto import (
    Bdat,
    ChunkEnded,
    ChunkReceived,
    Command,
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Reply,
    State,
    Violation,
    extensions,
)

HIDDEN = b"RSET\r\nQUIT\r\n"
"""Octets of a chunk that look like commands."""
CHUNK = b"BDAT %d\r\n" % len(HIDDEN) + HIDDEN
LAST = b"BDAT %d LAST\r\n" % len(HIDDEN) + HIDDEN
BINARY = b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n"


def sizes(octets: bytes) -> list[list[bytes]]:
    return [[octets], list(drive.bytewise(octets)), [octets[:9], octets[9:]]]


def test_chunks_make_a_message() -> None:
    server = drive.in_rcpt()
    outcome = drive.talk(server, b"BDAT 4\r\nab\r\nbdat 0\r\nBDAT 3 LAST\r\ncd\nNOOP\r\n")
    assert outcome.codes == [250, 250, 554, 250]  # a bare LF in the last chunk
    server = drive.in_rcpt()
    outcome = drive.talk(server, b"BDAT 4\r\nab\r\nBDAT 0\r\nBDAT 4 last\r\n.\r\n.NOOP\r\n")
    assert outcome.codes == [250, 250, 250, 250]
    assert outcome.data == b"ab\r\n.\r\n."  # no transparency, no end but the announced one
    assert (
        outcome.events
        == [
            MailDataReceived(b"ab\r\n"),
            ChunkEnded(Bdat(4), Reply(250, "4 octets received", "2.0.0")),
            ChunkEnded(Bdat(0), Reply(250, "0 octets received", "2.0.0")),
            MailDataReceived(b".\r\n."),
            MailDataEnded(8, outcome.events[4].recipients),  # type: ignore[union-attr]
            *outcome.events[5:],
        ]
    )
    assert server.state is State.READY
    assert server.transaction is None


def test_an_empty_message() -> None:
    server = drive.in_rcpt()
    outcome = drive.talk(server, b"BDAT 0 LAST\r\n")
    assert [type(event) for event in outcome.events] == [MailDataEnded]
    assert outcome.codes == [250]


@pytest.mark.parametrize("way", [0, 1, 2])
@pytest.mark.parametrize("chunk", [CHUNK, LAST])
@pytest.mark.parametrize(
    ("place", "settings", "code"),
    [
        ("GREETED", {}, 503),
        ("READY", {}, 503),
        ("BDAT_FAILED", {}, 503),
        ("REFUSED", {}, 503),
        ("RCPT", {"extensions": []}, 502),
        ("RCPT", {"require_tls": True}, 530),
        ("READY", {"require_auth": True}, 530),
    ],
)
def test_the_octets_of_a_refused_chunk_are_not_run(
    place: str, settings: dict[str, Any], code: int, chunk: bytes, way: int
) -> None:
    server = (
        drive.ready(**settings) if "require_tls" in settings else drive.PLACES[place](**settings)
    )
    before = drive.snapshot(server)
    outcome = drive.talk(server, *sizes(chunk)[way])
    assert outcome.codes == [code]
    assert outcome.data == b""
    (rejected,) = outcome.events
    assert isinstance(rejected, CommandRejected)
    assert rejected.command == Bdat(len(HIDDEN), chunk is LAST)
    assert rejected.line == chunk.partition(b"\r\n")[0]
    assert not rejected.closes
    assert drive.snapshot(server) == before


def test_the_reply_to_a_refused_chunk_comes_after_its_octets() -> None:
    server = drive.ready()
    server.receive_data(CHUNK[:-1])
    outcome = drive.Outcome()
    drive.pump(server, outcome)
    assert outcome.output == b""
    assert outcome.events == []
    server.receive_data(CHUNK[-1:])
    drive.pump(server, outcome)
    assert outcome.codes == [503]


@pytest.mark.parametrize(
    "line",
    [
        *(b"BDAT", b"BDAT ", b"BDAT -1", b"BDAT +1", b"BDAT 1_0", b"BDAT 0x5", b"BDAT 5 FIRST"),
        *(b"BDAT 5 LAST x", b"BDAT 5  LAST", b"BDAT LAST", b"BDAT 1e3", b"BDAT five", b"BDAT 5.0"),
        *(b"BDAT 123456789012345678901", b"BDAT \xd9\xa5", b"BDAT \xc2\xb2", b"BDAT\t5", b"bdat x"),
        *(b"BDAT 5 LA\0ST", b"BDAT 5\r6", b"BDAT 5\n6", b"BDAT5", b"BDAT 5" + b" " * 3000),
        b"BDAT " + b"9" * 5000,
    ],
)
@pytest.mark.parametrize("place", ["GREETED", "READY", "RCPT", "BDAT", "BDAT_FAILED"])
def test_a_size_that_does_not_parse_ends_the_session(line: bytes, place: str) -> None:
    for settings in ({}, {"extensions": []}) if place != "BDAT" else ({},):
        server = drive.ready(**settings) if settings else drive.PLACES[place]()
        outcome = drive.talk(server, line + b"\r\n" + HIDDEN)
        assert len(outcome.codes) == 1
        assert outcome.codes[0] in (500, 501)
        rejected, closed = outcome.events
        assert isinstance(rejected, CommandRejected)
        assert rejected.closes
        assert rejected.command is None
        assert closed == ConnectionClosed(clean=False)
        assert server.buffered == 0


@pytest.mark.parametrize("line", [b"BDAT 5 FIRST", b"BDAT -1", b"BDAT"])
def test_the_reply_to_a_bad_size_is_501(line: bytes) -> None:
    event = drive.event_of(drive.in_rcpt(), line + b"\r\n")
    assert event.violation is Violation.CHUNK_SIZE
    assert (event.default_reply.code, event.default_reply.enhanced) == (501, "5.5.4")


def test_a_size_beyond_64_bits_is_no_smaller_size() -> None:
    for size in (2**32 + 4, 2**64 + 4, 10**20 - 1):
        server = drive.in_rcpt()
        outcome = drive.talk(server, b"BDAT %d\r\nab\r\nNOOP\r\n" % size)
        assert outcome.codes in ([], [552])
        assert outcome.commands == []


def test_leading_zeros() -> None:
    outcome = drive.talk(drive.in_rcpt(), b"BDAT 00000000000000000004 LAST\r\nab\r\n")
    assert outcome.codes == [250]
    assert outcome.data == b"ab\r\n"


def test_after_a_refused_chunk_only_rset_goes_on() -> None:
    server = drive.in_rcpt()
    assert drive.talk(server, CHUNK, application=drive.refuse(452)).codes == [452]
    assert server.state is State.BDAT_FAILED
    outcome = drive.talk(server, CHUNK, LAST, drive.DATA, drive.MAIL, drive.RCPT, b"NOOP\r\n")
    assert outcome.codes == [503, 503, 503, 503, 503, 250]
    assert outcome.data == b""
    assert {*outcome.violations[:2]} == {Violation.TRANSACTION_FAILED}
    assert drive.talk(server, b"RSET\r\n", drive.MAIL, drive.RCPT, LAST).codes == [250] * 4


def test_chunks_behind_a_refused_one_are_no_errors() -> None:
    # A client may send them before it knows (RFC 3030 4.2).
    server = drive.in_failed_bdat(limits=drive.SMALL)
    assert drive.talk(server, CHUNK * 20).codes == [503] * 20


def test_other_commands_behind_a_refused_chunk_are_errors() -> None:
    server = drive.in_failed_bdat(limits=drive.SMALL)
    assert drive.talk(server, drive.DATA * 10).codes == [503] * 4 + [421]


def test_a_refused_last_chunk_ends_the_transaction() -> None:
    server = drive.in_bdat()
    assert drive.talk(server, LAST, application=drive.refuse(554)).codes == [554]
    assert server.state is State.READY
    assert drive.talk(server, LAST).codes == [503]


def test_bdat_behind_last_is_out_of_order() -> None:
    server = drive.in_rcpt()
    assert drive.talk(server, LAST + CHUNK + b"BDAT 0 LAST\r\n").codes == [250, 503, 503]


@pytest.mark.parametrize(
    ("line", "code"), [(drive.DATA, 503), (drive.RCPT, 503), (drive.MAIL, 503)]
)
def test_no_data_among_chunks(line: bytes, code: int) -> None:
    server = drive.in_bdat()
    assert drive.talk(server, line).codes == [code]
    assert server.state is State.BDAT
    assert drive.talk(server, LAST).codes == [250]


def test_data_still_works_where_chunking_is_offered() -> None:
    assert drive.talk(drive.in_rcpt(), drive.DATA, b".\r\n").codes == [354, 250]


def test_rset_between_chunks_drops_what_came() -> None:
    server = drive.in_bdat()
    outcome = drive.talk(server, b"RSET\r\n", drive.MAIL, drive.RCPT, b"BDAT 3 LAST\r\nabc")
    ended = outcome.events[-1]
    assert isinstance(ended, MailDataEnded)
    assert ended.size == 3


def test_binary_mail_data_needs_bdat() -> None:
    server = drive.in_rcpt(BINARY)
    event = drive.event_of(server, drive.DATA)
    assert isinstance(event, CommandRejected)
    assert (event.default_reply.code, event.default_reply.enhanced) == (503, "5.5.1")
    assert event.violation is Violation.BAD_SEQUENCE
    server.send(event.default_reply)
    assert drive.talk(server, b"BDAT 4 LAST\r\n\r\n\0\n").codes == [250]


@pytest.mark.parametrize("body", [b"", b" BODY=7BIT", b" BODY=8bitmime"])
def test_other_mail_data_may_come_by_data(body: bytes) -> None:
    server = drive.in_rcpt(b"MAIL FROM:<a@b.example>" + body + b"\r\n")
    assert drive.talk(server, drive.DATA).codes == [354]


@pytest.mark.parametrize(
    ("content", "violation"),
    [
        (b"a\nb\r\n", Violation.BARE_LF),
        (b"a\rb\r\n", Violation.BARE_CR),
        (b"a\0b\r\n", Violation.NUL),
        (b"a\r", Violation.BARE_CR),
    ],
)
def test_irregular_mail_data_is_refused_at_its_end(content: bytes, violation: Violation) -> None:
    octets = b"BDAT %d\r\n%sBDAT 3 LAST\r\nxyz" % (len(content), content)
    for pieces in sizes(octets):
        server = drive.in_rcpt()
        outcome = drive.talk(server, *pieces)
        assert outcome.codes == [250, 554]
        ended = outcome.events[-1]
        assert isinstance(ended, MailDataEnded)
        assert ended.violation is violation
        assert ended.default_reply == Reply(554, f"{violation.value} in mail data", "5.6.0")
    assert drive.talk(drive.in_rcpt(BINARY), octets).codes == [250, 250]
    assert drive.talk(drive.in_rcpt(received="accept"), octets).codes == [250, 250]


def test_a_crlf_may_be_cut_by_chunks() -> None:
    assert drive.talk(drive.in_rcpt(), b"BDAT 2\r\na\rBDAT 2 LAST\r\n\nb").codes == [250, 250]


# --- size ----------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {"extensions": [extensions.Chunking()], "limits": drive.SMALL}


def test_a_chunk_beyond_the_limit_is_refused_after_its_octets() -> None:
    server = drive.in_rcpt(**SMALL)
    octets = b"BDAT 30\r\n" + b"x" * 30 + b"BDAT 11\r\n" + b"y" * 11 + b"NOOP\r\n"
    for pieces in sizes(octets):
        server = drive.in_rcpt(**SMALL)
        outcome = drive.talk(server, *pieces)
        assert outcome.codes == [250, 552, 250]
        assert outcome.data == b"x" * 30 + b"y" * 10
        assert outcome.violations == [Violation.MAIL_DATA_TOO_BIG]
        assert server.state is State.BDAT_FAILED


def test_the_last_chunk_beyond_the_limit() -> None:
    server = drive.in_rcpt(**SMALL)
    outcome = drive.talk(server, b"BDAT 30\r\n" + b"x" * 30 + b"BDAT 11 LAST\r\n" + b"y" * 11)
    assert outcome.codes == [250, 552]
    ended = outcome.events[-1]
    assert isinstance(ended, MailDataEnded)
    assert ended.size == 41
    assert ended.violation is Violation.MAIL_DATA_TOO_BIG
    assert server.state is State.READY


def test_chunks_up_to_the_limit() -> None:
    server = drive.in_rcpt(**SMALL)
    outcome = drive.talk(server, (b"BDAT 20\r\n" + b"x" * 20) * 2, b"BDAT 0 LAST\r\n")
    assert outcome.codes == [250, 250, 250]


@pytest.mark.parametrize("first", [b"", b"BDAT 30\r\n" + b"x" * 30])
def test_a_chunk_too_big_to_pass_over_ends_the_session(first: bytes) -> None:
    room = 40 - (30 if first else 0)
    server = drive.in_rcpt(**SMALL)
    outcome = drive.talk(server, first + b"BDAT %d\r\nNOOP\r\n" % (room + 100))
    assert outcome.codes == ([250] if first else [])  # it is waited for
    server = drive.in_rcpt(**SMALL)
    outcome = drive.talk(server, first + b"BDAT %d\r\nNOOP\r\n" % (room + 101))
    assert outcome.codes[-1] == 552
    rejected = outcome.events[-2]
    assert isinstance(rejected, CommandRejected)
    assert rejected.closes
    assert rejected.violation is Violation.CHUNK_TOO_BIG
    assert rejected.default_reply.enhanced == "5.3.4"
    assert server.state is State.CLOSED


def test_a_refused_chunk_too_big_to_pass_over_ends_the_session_with_its_refusal() -> None:
    server = drive.ready(**SMALL)
    outcome = drive.talk(server, b"BDAT 101\r\nNOOP\r\n")
    assert outcome.codes == [503]
    assert server.state is State.CLOSED
    server = drive.ready(**SMALL)
    assert drive.talk(server, b"BDAT 100\r\n" + HIDDEN * 8).codes == []


def test_an_unlimited_message_takes_any_chunk() -> None:
    limits = drive.Limits(mail_data=None, discarded_mail_data=0)
    server = drive.in_rcpt(extensions=[extensions.Chunking()], limits=limits)
    outcome = drive.talk(server, b"BDAT 99999999999999999999\r\nabc")
    assert outcome.data == b"abc"
    assert outcome.codes == []


def test_the_size_of_a_message_is_that_of_all_chunks_of_its_transaction_only() -> None:
    server = drive.in_rcpt(**SMALL)
    for _ in range(3):
        outcome = drive.talk(server, b"BDAT 40 LAST\r\n" + b"x" * 40, drive.MAIL, drive.RCPT)
        assert outcome.codes == [250, 250, 250]


def test_a_chunk_of_one_octet_costs_no_memory() -> None:
    server = drive.in_rcpt()
    assert drive.talk(server, b"BDAT 1\r\nx" * 500).codes == [250] * 500
    assert server.buffered == 0


# --- other verbs that announce octets ---------------------------------------------------------


class Blob(Command):
    verb: ClassVar[str] = "XBLOB"
    announces_octets: ClassVar[bool] = True
    default_reply: ClassVar[Reply | None] = Reply(200, "swallowed")

    def __init__(self, size: int) -> None:
        self.size = size

    @classmethod
    def parse(cls, argument: str, vocabulary: Any) -> Blob:
        return cls(int(argument))

    def octets(self) -> int:
        return self.size


class Blobs(extensions.Extension):
    keyword = "XBLOB"
    verbs = (Blob,)
    rows = (extensions.Row((State.READY,), Blob),)


@pytest.mark.parametrize("way", [0, 1, 2])
def test_another_verb_may_announce_octets(way: int) -> None:
    server = drive.ready(extensions=[Blobs()])
    outcome = drive.talk(server, *sizes(b"XBLOB 12\r\n" + HIDDEN + drive.MAIL)[way])
    assert outcome.codes == [200, 250]
    assert b"".join(e.data for e in outcome.events if isinstance(e, ChunkReceived)) == HIDDEN
    received, mail = outcome.events[-2:]
    assert isinstance(received, CommandReceived)
    assert isinstance(received.command, Blob)
    assert received.line == b"XBLOB 12"
    assert isinstance(mail, CommandReceived)
    assert mail.command == Mail("from@example.com")


def test_another_verb_that_announces_octets_is_passed_over_when_refused() -> None:
    server = drive.in_mail(extensions=[Blobs()])
    outcome = drive.talk(server, b"XBLOB 12\r\n" + HIDDEN + b"XBLOB 0\r\n")
    assert outcome.codes == [503, 503]
    assert not [event for event in outcome.events if isinstance(event, ChunkReceived)]


def test_another_verb_that_announces_too_much_to_pass_over() -> None:
    server = drive.in_mail(extensions=[Blobs()], limits=drive.SMALL)
    assert drive.talk(server, b"XBLOB 100\r\n").codes == []
    server = drive.in_mail(extensions=[Blobs()], limits=drive.SMALL)
    assert drive.talk(server, b"XBLOB 101\r\n").codes == [503]
    assert server.state is State.CLOSED


def test_a_message_whose_first_chunk_was_refused_is_never_taken_for_whole() -> None:
    """RFC 3030 2: a chunk refused for want of recipients is lost; RSET must come before more."""
    server = drive.ready()
    octets = (
        b"MAIL FROM:<a@b.example>\r\nBDAT 5\r\nfirstRCPT TO:<c@d.example>\r\nBDAT 4 LAST\r\nlast"
    )
    outcome = drive.talk(server, octets)
    assert outcome.codes == [250, 503, 503, 503]
    assert server.state is State.BDAT_FAILED
    assert outcome.data == b""
    assert drive.talk(server, b"RSET\r\n").codes == [250]
    assert server.state is State.READY
