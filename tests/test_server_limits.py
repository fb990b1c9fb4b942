# SPDX-License-Identifier: MIT
"""The caps of a server: exact edges, what is counted, and what comes beyond (RFC 5321 4.5.3.1)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import server_drive as drive

from smtpproto import (
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    InvalidValueError,
    Leniency,
    Limits,
    LocalProtocolError,
    MailDataEnded,
    MailDataReceived,
    Reply,
    ServerConnection,
    ServerEvent,
    Signal,
    State,
    Violation,
    extensions,
)
from smtpproto.testing import Application, accept

BARE: dict[str, Any] = {"extensions": [extensions.Chunking()], "limits": drive.SMALL}
"""Without the parameters that lengthen the lines, and without SIZE."""


def small(**changed: Any) -> dict[str, Any]:
    return {**BARE, "limits": dataclasses.replace(drive.SMALL, **changed)}


def padded(line: bytes, length: int) -> bytes:
    return line + b"x" * (length - len(line) - 2) + b"\r\n"


# --- lines ----------------------------------------------------------------------------------------


def test_the_limit_of_a_command_line() -> None:
    server = drive.ready(**small(command_line=600, discarded_line=1000))
    assert drive.talk(server, padded(b"NOOP ", 600)).codes == [250]
    event = drive.event_of(server, padded(b"NOOP ", 601))
    assert isinstance(event, CommandRejected)
    assert event.violation is Violation.LINE_TOO_LONG
    assert (event.default_reply.code, event.default_reply.enhanced) == (500, "5.5.2")
    assert not event.closes


def test_no_setting_makes_a_line_of_512_octets_too_long() -> None:
    server = drive.ready(**small(command_line=10, auth_line=600))
    assert drive.talk(server, padded(b"NOOP ", 512), padded(b"NOOP ", 513)).codes == [250, 500]


def test_offered_parameters_lengthen_the_line() -> None:
    # RFC 5321 4.1.1.11. As in RFC 1870 3, RFC 6531 3.1, RFC 4954 3; BODY has no number there.
    limits = dataclasses.replace(drive.SMALL, auth_line=2000, discarded_line=2000)
    offered = [extensions.Size(), extensions.EightBitMime(), extensions.SmtpUtf8()]
    offered.append(extensions.Auth("CRAM-MD5"))
    length = 512
    for number, added in enumerate((26, 14, 10, 500)):
        length += added
        server = drive.ready(extensions=offered[: number + 1], limits=limits)
        assert drive.talk(server, padded(b"NOOP ", length)).codes == [250]
        assert drive.talk(server, padded(b"NOOP ", length + 1)).codes == [500]


def test_the_limit_is_2048_by_default() -> None:
    server = drive.ready()
    assert drive.talk(server, padded(b"NOOP ", 2048), padded(b"NOOP ", 2049)).codes == [250, 500]


@pytest.mark.parametrize("length", [513, 600, 900, 1023, 5000])
@pytest.mark.parametrize("size", [1, 7, 600, 10000])
def test_the_tail_of_an_over_long_line_is_never_run(length: int, size: int) -> None:
    tail = b"\rMAIL FROM:<a@b.example>"
    line = padded(b"NOOP ", length - len(tail))[:-2] + tail + b"\r\n"
    octets = line + b"NOOP\r\n"
    server = drive.ready(**small(discarded_line=6000, command_line=512))
    pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
    outcome = drive.talk(server, *pieces)
    assert outcome.codes == [500, 250]
    assert server.state is State.READY


@pytest.mark.parametrize("tail", [b"QUIT\r\n", b"MAIL FROM:<a@example.com>\r\n"])
def test_a_tail_that_comes_as_a_whole_line_is_not_run_either(tail: bytes) -> None:
    for at_once in (True, False):
        server = drive.ready(**small(discarded_line=1000))
        server.receive_data(b"NOOP " + b"x" * 600)
        assert server.next_event() is Signal.NEED_DATA
        if not at_once:
            server.receive_data(tail)
        event = server.next_event(tail if at_once else b"")
        assert isinstance(event, CommandRejected)
        assert event.violation is Violation.LINE_TOO_LONG
        assert server.state is State.READY


@pytest.mark.parametrize(("cap", "most"), [("local_part", 10), ("domain", 11), ("path", 24)])
def test_the_caps_of_a_path_with_nothing_unusual(cap: str, most: int) -> None:
    line = b"MAIL FROM:<local-part@example.com>\r\n"
    for limit, rejected in ((most, []), (most - 1, [Violation.REVERSE_PATH])):
        outcome = drive.talk(drive.ready(**small(**{cap: limit})), line)
        assert outcome.violations == rejected


def test_the_cap_of_a_line_with_a_parameter_of_no_meaning() -> None:
    settings = small(command_line=512) | {"leniency": Leniency(unknown_parameters="ignore")}
    for length, rejected in ((512, []), (513, [Violation.LINE_TOO_LONG])):
        line = padded(b"MAIL FROM:<from@example.com> XX=", length)
        assert drive.talk(drive.ready(**settings), line).violations == rejected


@pytest.mark.parametrize("size", [1, 50, 5000])
def test_a_line_too_long_to_pass_over_ends_the_session(size: int) -> None:
    server = drive.ready(**small(discarded_line=1000))
    octets = b"x" * 1001 + b"\r\n" + b"NOOP\r\n"
    pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
    outcome = drive.talk(server, *pieces)
    assert outcome.codes == [421]
    rejected, closed = outcome.events[:2]
    assert isinstance(rejected, CommandRejected)
    assert rejected.closes
    assert rejected.violation is Violation.LINE_TOO_LONG
    assert rejected.default_reply.enhanced == "4.7.0"
    assert closed == ConnectionClosed(clean=False)


def test_a_line_that_is_passed_over_to_the_last_octet_goes_on() -> None:
    server = drive.ready(**small(discarded_line=1000))
    assert drive.talk(server, padded(b"x", 1000) + b"NOOP\r\n").codes == [500, 250]
    assert drive.talk(server, padded(b"x", 1001) + b"NOOP\r\n").codes == [421]


def test_nothing_is_held_of_a_line_that_is_passed_over() -> None:
    server = drive.ready()
    for _ in range(100):
        server.receive_data(b"x" * 10000)
        assert server.next_event() is Signal.NEED_DATA
        assert server.buffered <= 12288


# --- counts -----------------------------------------------------------------------------------


def test_recipients() -> None:
    server = drive.in_mail(**BARE)
    outcome = drive.talk(server, drive.RCPT * 5)
    assert outcome.codes == [250, 250, 250, 452, 452]
    rejected = outcome.events[-1]
    assert isinstance(rejected, CommandRejected)
    assert rejected.violation is Violation.TOO_MANY_RECIPIENTS
    assert rejected.default_reply.enhanced == "4.5.3"
    # Those accepted are kept (RFC 5321 4.5.3.1.10), and it is no error of the client's.
    outcome = drive.talk(server, drive.RCPT * 20, drive.DATA)
    assert outcome.codes == [452] * 20 + [354]
    assert server.transaction is not None
    assert len(server.transaction.recipients) == 3


def test_refused_recipients_are_not_counted() -> None:
    server = drive.in_mail(**BARE)
    drive.talk(server, drive.RCPT * 10, application=drive.refuse(550))
    assert drive.talk(server, drive.RCPT).codes == [250]


def test_a_hundred_recipients_are_never_too_many() -> None:
    server = drive.in_mail()
    assert drive.talk(server, drive.RCPT * 1000).codes == [250] * 1000
    assert drive.talk(server, drive.RCPT).codes == [452]
    unlimited = drive.in_mail(limits=Limits(recipients=None))
    assert drive.talk(unlimited, drive.RCPT * 1001).codes == [250] * 1001


def test_errors() -> None:
    server = drive.ready(**BARE)
    outcome = drive.talk(server, b"FOO\r\nDATA\r\nMAIL x\r\nNO\0OP\r\n", drive.MAIL)
    assert outcome.codes == [500, 503, 501, 500, 250]
    outcome = drive.talk(server, b"FOO\r\nNOOP\r\n")
    assert outcome.codes == [421]
    rejected = outcome.events[0]
    assert isinstance(rejected, CommandRejected)
    assert rejected.closes
    assert rejected.violation is Violation.TOO_MANY_ERRORS
    assert rejected.default_reply.enhanced == "4.7.0"
    assert server.state is State.CLOSED


def test_twenty_errors_by_default() -> None:
    assert drive.talk(drive.ready(), b"FOO\r\n" * 30).codes == [500] * 20 + [421]


def test_no_cap_on_errors() -> None:
    server = drive.ready(limits=Limits(errors=None))
    assert drive.talk(server, b"FOO\r\n" * 100).codes == [500] * 100


def test_what_the_application_refuses_is_no_error() -> None:
    server = drive.in_mail(**BARE)
    codes = drive.talk(server, drive.RCPT * 30, application=drive.refuse(550)).codes
    assert codes == [550] * 30


def refuses(verb: str) -> Application:
    """Return an application that refuses one command, and takes the rest."""

    def answer(event: ServerEvent) -> Reply:
        is_it = isinstance(event, CommandReceived) and event.command.verb == verb
        return Reply(550, "no", "5.7.1") if is_it else accept(event)

    return answer


def test_the_rest_of_a_group_is_no_error_where_mail_is_refused() -> None:
    """RFC 2920 3.1: who sends a group cannot know that what it begins with is refused."""
    server = drive.ready()
    group = drive.MAIL + drive.RCPT * 100 + b"DATA\r\n"
    codes = drive.talk(server, group, application=refuses("MAIL")).codes
    assert codes == [550] + [503] * 101
    assert drive.talk(server, drive.MAIL).codes == [250]


def test_nor_is_data_where_each_recipient_is_refused() -> None:
    server = drive.ready()
    group = drive.MAIL + drive.RCPT + b"DATA\r\nRSET\r\n"
    codes = drive.talk(server, *[group] * 50, application=refuses("RCPT")).codes
    assert codes == [250, 550, 503, 250] * 50


def test_nor_what_follows_a_mail_that_policy_or_syntax_refuses() -> None:
    for server, mail, refused in [
        (drive.ready(require_auth=True), drive.MAIL, 530),
        (drive.ready(require_tls=True), drive.MAIL, 530),
        (drive.ready(), b"MAIL FROM:<a@>\r\n", 501),
    ]:
        codes = drive.talk(server, mail + drive.RCPT * 50 + b"DATA\r\n").codes
        assert codes == [refused] + [530 if refused == 530 else 503] * 51


def test_no_more_than_may_stand_in_a_group_is_passed_over() -> None:
    server = drive.ready(limits=Limits(errors=3, recipients=4))
    group = drive.MAIL + drive.RCPT * 20
    codes = drive.talk(server, group, application=refuses("MAIL")).codes
    assert codes == [550] + [503] * 8 + [421]  # four recipients and DATA, and three errors
    unbounded = drive.ready(limits=Limits(errors=3, recipients=None))
    assert drive.talk(unbounded, group, application=refuses("MAIL")).codes == [550] + [503] * 20


def test_errors_are_counted_over_tls_and_transactions() -> None:
    server = drive.ready(limits=drive.SMALL)
    octets = [b"FOO\r\nFOO\r\n", b"STARTTLS\r\n", drive.HELLO, b"FOO\r\n", drive.MAIL, b"RSET\r\n"]
    assert drive.talk(server, *octets).codes == [500, 500, 220, 250, 500, 250, 250]
    assert drive.talk(server, b"FOO\r\nFOO\r\n").codes == [500, 421]


@pytest.mark.parametrize("cap", [{"commands": 5}, {"idle_commands": 4}])
def test_commands_are_counted_over_tls(cap: dict[str, int]) -> None:
    server = drive.ready(limits=Limits(**cap))  # with one EHLO behind it
    outcome = drive.talk(server, b"NOOP\r\n" * 2, b"STARTTLS\r\n", b"NOOP\r\n" * 2)
    assert outcome.codes == [250, 250, 220, 250, 421]


@pytest.mark.parametrize(
    "line", [b"NOOP\r\n", b"RSET\r\n", b"VRFY x\r\n", b"EXPN x\r\n", b"HELP\r\n", drive.HELLO]
)
def test_idle_commands(line: bytes) -> None:
    server = drive.ready(**BARE)  # with one EHLO behind it
    outcome = drive.talk(server, line * 3)
    assert len(outcome.codes) == 3
    assert 421 not in outcome.codes
    outcome = drive.talk(server, line)
    assert outcome.codes == [421]
    assert outcome.violations == [Violation.TOO_MANY_COMMANDS]


def test_a_hundred_idle_commands_by_default() -> None:
    assert drive.talk(drive.greeted(), b"NOOP\r\n" * 200).codes == [250] * 100 + [421]


def test_no_cap_on_idle_commands() -> None:
    server = drive.greeted(limits=Limits(idle_commands=None))
    assert drive.talk(server, b"NOOP\r\n" * 300).codes == [250] * 300


def test_a_transaction_starts_the_count_of_idle_commands_anew() -> None:
    server = drive.ready(**BARE)
    for _ in range(5):
        outcome = drive.talk(server, b"NOOP\r\nRSET\r\n", drive.MAIL, drive.RCPT, b"RSET\r\n")
        assert outcome.codes == [250] * 5


def test_idle_commands_within_a_transaction_are_counted() -> None:
    server = drive.in_rcpt(**BARE)
    assert drive.talk(server, b"NOOP\r\n" * 5).codes == [250] * 4 + [421]


def test_a_refused_mail_does_not_start_the_count_anew() -> None:
    server = drive.ready(**BARE)
    for _ in range(3):
        assert drive.talk(server, drive.MAIL, application=drive.refuse(550)).codes == [550]
        assert drive.talk(server, b"NOOP\r\n").codes == [250]
    assert drive.talk(server, b"NOOP\r\n").codes == [421]


def test_commands() -> None:
    server = drive.greeted(limits=Limits(commands=3))
    outcome = drive.talk(server, drive.HELLO, drive.MAIL, drive.RCPT, drive.DATA)
    assert outcome.codes == [250, 250, 250, 421]
    assert outcome.violations == [Violation.TOO_MANY_COMMANDS]
    server = drive.greeted()
    message = drive.MAIL + drive.RCPT + drive.DATA + b".\r\n"
    assert 421 not in drive.talk(server, drive.HELLO, message * 300).codes


def test_parameters() -> None:
    server = drive.ready(limits=Limits(parameters=1))
    assert drive.talk(server, b"MAIL FROM:<a@b.example> SIZE=1 BODY=7BIT\r\n").codes == [501]


# --- mail data --------------------------------------------------------------------------------


@pytest.mark.parametrize("segment", [1, 7, 1000])
@pytest.mark.parametrize("size", [38, 39, 40, 41, 60, 139, 140])
def test_mail_data_beyond_the_limit_is_passed_over_and_refused_at_its_end(
    size: int, segment: int
) -> None:
    server = drive.in_data(**BARE)
    content = b"x" * (size - 2) + b"\r\n"
    octets = content + b".\r\nNOOP\r\n"
    outcome = drive.talk(server, *(octets[i : i + segment] for i in range(0, len(octets), segment)))
    too_big = size > 40
    assert outcome.data == content[:40]
    assert outcome.codes == [552 if too_big else 250, 250]
    ended = outcome.events[1]
    assert isinstance(ended, MailDataEnded)
    assert ended.size == size
    assert ended.violation is (Violation.MAIL_DATA_TOO_BIG if too_big else None)
    assert not ended.closes
    if too_big:
        assert ended.default_reply is not None
        assert ended.default_reply.enhanced == "5.3.4"


@pytest.mark.parametrize("segment", [1, 7, 1000])
@pytest.mark.parametrize("size", [141, 142, 300])
def test_mail_data_too_big_to_pass_over_ends_the_session(size: int, segment: int) -> None:
    server = drive.in_data(**BARE)
    octets = b"x" * size + b"\r\n.\r\nNOOP\r\n"
    outcome = drive.talk(server, *(octets[i : i + segment] for i in range(0, len(octets), segment)))
    assert outcome.data == b"x" * 40
    assert outcome.codes == [421]
    ended = outcome.events[1]
    assert isinstance(ended, MailDataEnded)
    assert ended.closes
    assert ended.size == 40
    assert ended.violation is Violation.MAIL_DATA_TOO_BIG
    assert server.state is State.CLOSED


def test_a_refusal_of_mail_data_cannot_be_turned_into_success() -> None:
    server = drive.in_data(**BARE)
    server.receive_data(b"x" * 50 + b"\r\n.\r\n")
    assert isinstance(server.next_event(), MailDataReceived)
    assert isinstance(server.next_event(), MailDataEnded)
    for code in (250, 251, 353, 354):
        with pytest.raises(LocalProtocolError):
            server.send(Reply(code, "text"))
    server.send(Reply(452, "another refusal"))
    assert server.state is State.READY


def test_size_counts_after_transparency() -> None:
    server = drive.in_data(**small(mail_data=6))
    outcome = drive.talk(server, b"..\r\n...\r\n.\r\n")
    assert outcome.data == b".\r\n..\r"
    assert outcome.codes == [552]
    server = drive.in_data(**small(mail_data=7))
    assert drive.talk(server, b"..\r\n...\r\n.\r\n").codes == [250]


def test_the_size_extension_sets_the_limit() -> None:
    server = drive.in_data(extensions=[extensions.Size(10)])
    assert drive.talk(server, b"123456789\r\n.\r\n").codes == [552]
    server = drive.in_data(extensions=[extensions.Size(11)])
    assert drive.talk(server, b"123456789\r\n.\r\n").codes == [250]


def test_size_without_a_maximum_leaves_the_limit_of_the_connection() -> None:
    server = drive.in_data(extensions=[extensions.Size()], limits=Limits(mail_data=10))
    assert drive.talk(server, b"123456789\r\n.\r\n").codes == [552]


def test_unlimited_mail_data() -> None:
    server = drive.in_data(**small(mail_data=None, discarded_mail_data=0))
    content = b"x" * 998 + b"\r\n"
    outcome = drive.talk(server, *[content] * 100, b".\r\n")
    assert outcome.data == content * 100
    assert outcome.codes == [250]


def test_no_mail_data_at_all_may_be_the_limit() -> None:
    server = drive.in_data(**small(mail_data=0))
    assert drive.talk(server, b".\r\n").codes == [250]
    server = drive.in_data(**small(mail_data=0))
    outcome = drive.talk(server, b"\r\n.\r\n")
    assert outcome.codes == [552]
    assert outcome.data == b""


def test_memory_does_not_grow_with_the_message() -> None:
    server = drive.in_data(extensions=[], limits=Limits(mail_data=10))
    for _ in range(100):
        server.receive_data(b"x" * 65536)
        while isinstance(server.next_event(), MailDataReceived):
            pass
        assert server.buffered <= 4


def test_a_declared_size_beyond_the_maximum_is_refused_at_mail() -> None:
    server = drive.ready()
    outcome = drive.talk(server, b"MAIL FROM:<a@b.example> SIZE=1001\r\n")
    assert outcome.codes == [552]
    assert outcome.violations == [Violation.MESSAGE_TOO_BIG]
    assert server.state is State.READY
    assert drive.talk(server, b"MAIL FROM:<a@b.example> SIZE=1000\r\n").codes == [250]


# --- input while a reply is due ---------------------------------------------------------------


def test_input_while_a_reply_is_due_has_a_cap() -> None:
    server = drive.ready(**small(pipelined_input=20, idle_commands=None))
    server.receive_data(b"NOOP\r\n")
    event = server.next_event()
    assert isinstance(event, CommandReceived)
    server.receive_data(b"NOOP\r\n" * 3)
    before = drive.snapshot(server)
    for octets in (b"xyz", b"x" * 1000):
        with pytest.raises(LocalProtocolError) as caught:
            server.receive_data(octets)
        assert caught.value.violation is Violation.LOCAL_STATE
        assert drive.snapshot(server) == before
    server.receive_data(b"RS")
    server.send(Reply(250))
    server.receive_data(b"ET\r\n")
    outcome = drive.Outcome()
    drive.pump(server, outcome)
    assert outcome.commands == ["NOOP", "NOOP", "NOOP", "RSET"]


def test_a_flood_before_the_greeting_has_the_same_cap() -> None:
    server = drive.new(**small(pipelined_input=20))
    server.receive_data(b"x" * 20)
    assert server.buffered == 20
    with pytest.raises(LocalProtocolError):
        server.receive_data(b"x")
    assert server.buffered == 20


def test_the_default_caps_are_those_that_are_documented() -> None:
    limits = Limits()
    assert (limits.command_line, limits.auth_line, limits.pipelined_input) == (2048, 12288, 262144)
    assert (limits.errors, limits.idle_commands, limits.auth_attempts) == (20, 100, 5)
    assert (limits.commands, limits.recipients) == (None, 1000)
    assert (limits.discarded_line, limits.mail_data) == (1048576, 67108864)
    assert limits.discarded_mail_data == 268435456


@pytest.mark.parametrize("cap", [-1, 1.5, "7", True, None])
def test_a_cap_is_a_whole_number(cap: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"Limits\.auth_line"):
        Limits(auth_line=cap)
    if cap is not None:
        with pytest.raises(InvalidValueError, match=r"Limits\.errors: .* or None"):
            Limits(errors=cap)


def test_a_server_keeps_what_it_was_made_with() -> None:
    assert ServerConnection("mx.example.org").hostname == "mx.example.org"
