# SPDX-License-Identifier: MIT
"""Several commands in one call: the octets, the limits and the refusals are those of one by one."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from client_drive import MAIL, RCPT, answered, feed, in_bdat, in_data, in_rcpt, ready
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import (
    Auth,
    Bdat,
    ClientConnection,
    Command,
    Data,
    EndOfMailData,
    InvalidValueError,
    Limits,
    LocalProtocolError,
    Mail,
    Noop,
    Parameter,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    Rset,
    Signal,
    State,
    Violation,
)
from smtpproto.extensions import Extension, Move, Pipelining, Row, SessionFacts
from smtpproto.values import value

LONG = Rcpt(f"to@{'long.' * 30}example.com")


@value
class Percent(Command):
    """A verb of one's own, with what a format would take for a place."""

    verb = "X%S%"
    ends_group = False


@value
class Other(Command):
    verb = "XOTHER"
    ends_group = False


@value
class Perhaps(Command):
    """One whose argument may be missing, or end with a space."""

    text: str

    verb = "XPERHAPS"
    ends_group = False

    def argument(self, vocabulary: object) -> str:
        return self.text


@value
class Endless(Command):
    """One whose verb alone is too long for a line."""

    verb = "X" * 520
    ends_group = False


@value
class Lengthy(Command):
    """One whose line has a cap of its own."""

    verb = "XLENGTHY"
    ends_group = False
    long_line = True


@value
class Go(Command):
    """One that may be told to go on, where MAIL had its parameter."""

    verb = "XGO"
    ends_group = False


class Own(Extension):
    keyword = "OWN"
    verbs = (Percent, Other, Perhaps, Endless, Lengthy, Go)
    rows = (
        *(Row((State.READY, State.RCPT), verb) for verb in verbs if verb is not Go),
        Row((State.RCPT,), Go, Move.FORBIDDEN, State.RCPT, exact=354, parameter="XGO"),
    )
    mail_parameters = (Parameter("XGO"),)


class Picky(Extension):
    """Refuses a sender, and by an error of Python's own."""

    keyword = "PICKY"
    checks = (Mail, Rcpt)

    def check(self, command: Command, facts: SessionFacts) -> None:
        if isinstance(command, Mail):
            assert facts.transaction is None
            if command.reverse_path.address == "no@example.com":
                raise ValueError("not this one")
        if isinstance(command, Rcpt):
            assert facts.transaction is not None
            if facts.transaction.mail.reverse_path.is_null:
                raise InvalidValueError("not from nobody")


COMMANDS: list[Command] = [
    MAIL,
    Mail("no@example.com"),
    Mail(""),
    Mail("from@example.com", {"SIZE": 30}),
    Mail("from@example.com", {"SIZE": 3000}),
    Mail("from@example.com", {"SIZE": 30, "BODY": "8BITMIME"}),
    Mail("from@example.com", {"XX": None}),
    Mail("from@exämple.com"),
    Mail("from@exämple.com", {"SMTPUTF8": None}),
    RCPT,
    LONG,
    Rcpt('"a b"@example.com'),
    Rcpt("to@example.com", {"NOTIFY": "NEVER"}),
    Rcpt("tö@example.com"),
    Data(),
    Rset(),
    Noop(),
    Noop("x" * 450),
    Noop("x" * 510),
    Bdat(3),
    Percent(),
    Other(),
    Perhaps(""),
    Perhaps("it"),
    Perhaps("it "),
    Endless(),
    Lengthy(),
    EndOfMailData(),
    Auth("PLAIN", b"\0a\0b"),
]
KEYWORDS = ("SIZE 1000", "8BITMIME", "SMTPUTF8", "AUTH PLAIN", "OWN", "PICKY", "LIMITS RCPTMAX=2")
EXTENSIONS = [
    *ClientConnection.__init__.__kwdefaults__["extensions"],
    Own(),
    Picky(),
]


def one_by_one(client: ClientConnection, commands: list[Command]) -> tuple[bytes, str]:
    """Return what is sent by `send`, and how it ended."""
    octets = b""
    for command in commands:
        try:
            octets += client.send(command)
        except LocalProtocolError as error:
            return octets, f"{type(error).__name__} {error.violation} {error}"
    return octets, ""


def together(client: ClientConnection, commands: list[Command]) -> tuple[bytes, str]:
    """Do the same by `send_group`."""
    octets = b""
    while commands:
        try:
            line, count = client.send_group(commands)
        except LocalProtocolError as error:
            return octets, f"{type(error).__name__} {error.violation} {error}"
        assert 1 <= count <= len(commands)
        octets += line
        commands = commands[count:]
    return octets, ""


groups = st.lists(st.sampled_from(COMMANDS), max_size=12)
usual = st.builds(
    lambda start, rcpts, end: [*start, *rcpts, *end],
    st.sampled_from([[COMMANDS[n]] for n in range(9)] + [[Rset(), MAIL]]),
    st.lists(st.sampled_from(COMMANDS[9:14]), max_size=12),
    st.sampled_from([[Data()], [Bdat(3)], [Noop()], []]),
)


@given(st.sets(st.sampled_from(KEYWORDS)), st.booleans(), st.lists(groups | usual, max_size=4))
def test_a_group_is_what_its_commands_are(
    keywords: set[str], lmtp: bool, rounds: list[list[Command]]
) -> None:
    """What leads to mail data has the next group behind its end (RFC 2920 3.1)."""
    clients = [
        ready("PIPELINING", *sorted(keywords), extensions=EXTENSIONS, lmtp=lmtp) for _ in range(2)
    ]
    for commands in rounds:
        assert together(clients[0], commands) == one_by_one(clients[1], commands)
        assert clients[0].outstanding == clients[1].outstanding
        usual = {Data: b"354 go on\r\n", Auth: b"235 ok\r\n"}
        answers = [usual.get(type(sent), b"250 ok\r\n") for sent in clients[1].outstanding]
        assert len(codes(clients[0], b"".join(answers))) == len(answers)
        assert len(clients[1].next_replies(b"".join(answers))) == len(answers)
        assert clients[0].state is clients[1].state
        assert repr(clients[0].transaction) == repr(clients[1].transaction)
        for client in clients:
            if client.state is State.DATA:
                client.end_mail_data()


def test_the_envelope_goes_in_one() -> None:
    client = ready()
    group = [MAIL, RCPT, RCPT, Data()]
    assert client.send_group(group) == (b"".join(command.encode() for command in group), 4)
    assert client.outstanding == tuple(group)
    feed(client, b"250 ok\r\n550 no\r\n250 ok\r\n354 go on\r\n")
    assert client.state is State.DATA
    assert client.transaction is not None
    assert client.transaction.recipients == [RCPT]


def test_a_group_of_nothing() -> None:
    client = ready("PIPELINING")
    with pytest.raises(LocalProtocolError, match="at least one command"):
        client.send_group([])
    assert client.outstanding == ()


@pytest.mark.parametrize("wrong", [None, 5])
def test_no_commands_at_all(wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match=rf"a list such as \[Noop\(\)\] .* not {wrong}"):
        ready().send_group(wrong)


def test_a_group_is_any_sequence() -> None:
    group = [MAIL, RCPT, Data()]
    expected = ready().send_group(group)
    assert ready().send_group(tuple(group)) == expected
    assert ready().send_group(deque(group)) == expected


def test_any_number_of_recipients_goes_in_one() -> None:
    client = ready()
    group = [MAIL, *[RCPT] * 200, Data()]
    octets, count = client.send_group(group)
    assert count == len(group)
    assert octets.count(b"\r\n") == len(group)


def test_without_pipelining_each_command_waits() -> None:
    client = ready("SIZE")
    assert client.send_group([MAIL, RCPT]) == (MAIL.encode(), 1)
    with pytest.raises(LocalProtocolError) as caught:
        client.send_group([RCPT])
    assert caught.value.violation is Violation.BAD_SEQUENCE


@pytest.mark.parametrize(
    "bad", [Mail("from@example.com", {"SIZE": 1001}), Mail("from@example.com", {"RET": "FULL"})]
)
def test_a_refused_group_changes_nothing(bad: Mail) -> None:
    client = ready()
    with pytest.raises(LocalProtocolError):
        client.send_group([bad, RCPT, Data()])
    assert client.outstanding == ()
    assert client.send_group([MAIL, RCPT]) == (MAIL.encode() + RCPT.encode(), 2)


def test_what_stands_before_a_refused_command_is_sent() -> None:
    client = ready()
    bad = Rcpt("to@example.com", {"NOTIFY": "NEVER"})
    assert client.send_group([MAIL, RCPT, bad]) == (MAIL.encode(), 1)
    assert client.send_group([RCPT, bad]) == (RCPT.encode(), 1)
    with pytest.raises(LocalProtocolError, match="NOTIFY needs an extension"):
        client.send_group([bad])
    assert client.outstanding == (MAIL, RCPT)


def test_no_injection_by_a_value_that_was_changed() -> None:
    rcpt = Rcpt("to@example.com")
    object.__setattr__(rcpt.forward_path, "address", "to@example.com>\r\nRSET")
    client = ready()
    assert client.send_group([MAIL, rcpt]) == (MAIL.encode(), 1)
    with pytest.raises(InvalidValueError):
        client.send_group([rcpt])


def test_a_group_behind_the_mail_data() -> None:
    client = in_data("PIPELINING")
    client.end_mail_data()
    group = [MAIL, RCPT, Data()]
    assert client.send_group(group) == (b"".join(command.encode() for command in group), 3)
    feed(client, b"250 queued\r\n250 ok\r\n250 ok\r\n354 go on\r\n")
    assert client.state is State.DATA


def test_what_was_hoped_for_behind_the_mail_data_comes_at_once() -> None:
    client = in_data("PIPELINING", "SIZE 1000")
    client.end_mail_data()
    client.send_group([Mail("other@example.com", {"SIZE": 9}), LONG, Data()])
    found = client.hoped_replies(b"250 queued\r\n" + OK * 2 + GO_ON)
    assert [reply.code for reply in found] == [250, 250, 250, 354]
    assert client.state is State.DATA
    assert client.transaction is not None
    assert client.transaction.mail == Mail("other@example.com", {"SIZE": 9})
    assert client.transaction.recipients == [LONG]
    assert client.send_mail_data(b"x", last=True) == b"x\r\n.\r\n"


@pytest.mark.parametrize("end", [b"550 no\r\n", b"452 later\r\n", b"251 what\r\n"])
def test_mail_data_is_refused_with_a_group_behind_it(end: bytes) -> None:
    client = in_data("PIPELINING")
    client.end_mail_data()
    client.send_group([MAIL, RCPT, Data()])
    assert client.hoped_replies(end + OK * 2 + GO_ON) == []
    assert codes(client, end + OK * 2 + GO_ON) == [int(end[:3]), 250, 250, 354]
    assert client.state is State.DATA
    assert client.transaction is not None
    assert client.transaction.recipients == [RCPT]


def test_mail_behind_mail_data_is_looked_at_without_the_old_transaction() -> None:
    client = ready("PIPELINING", "PICKY", extensions=EXTENSIONS)
    client.send_group([MAIL, RCPT, Data()])
    codes(client, OK * 2 + GO_ON)
    client.end_mail_data()
    assert client.send_group([MAIL, RCPT, Data()])[1] == 3


def test_a_transaction_that_begins_behind_a_verb_of_ones_own() -> None:
    client = ready("PIPELINING", "CHUNKING", "BINARYMIME", "OWN", extensions=EXTENSIONS)
    group = [Other(), Mail("from@example.com", {"BODY": "BINARYMIME"}), RCPT]
    together(client, group)
    assert client.outstanding == tuple(group)
    with pytest.raises(LocalProtocolError, match="BINARYMIME"):
        client.send(Data())
    assert client.send_chunk(b"x\n", last=True) == b"BDAT 2 LAST\r\nx\n"
    assert codes(client, OK * 4) == [250] * 4
    assert client.state is State.READY


@pytest.mark.parametrize("command", [Endless(), Lengthy()])
def test_a_verb_alone_may_be_too_long(command: Command) -> None:
    own = [Pipelining(), Own()]
    client = ready("PIPELINING", "OWN", extensions=own, limits=Limits(auth_line=9))
    with pytest.raises(LocalProtocolError) as caught:
        client.send_group([command])
    assert caught.value.violation is Violation.LINE_TOO_LONG
    assert client.outstanding == ()


@pytest.mark.parametrize("parameters", [{}, {"XGO": None}])
def test_a_reply_that_wants_a_parameter(parameters: dict[str, None]) -> None:
    client = ready("PIPELINING", "OWN", extensions=[Pipelining(), Own()])
    client.send_group([Mail("from@example.com", parameters), RCPT, Go()])
    replies = OK * 2 + GO_ON
    if parameters:
        assert codes(client, replies) == [250, 250, 354]
        assert client.state is State.RCPT
    else:
        assert codes(client, replies) == [250, 250]
        with pytest.raises(RemoteProtocolError, match="no 354 expected as the reply to XGO"):
            client.next_event()


def test_behind_a_chunk_all_is_looked_at_closely() -> None:
    client = in_bdat()
    client.send_chunk(b"the end\r\n", last=True)
    assert client.send_group([MAIL, RCPT]) == (MAIL.encode(), 1)
    client = in_rcpt()
    client.send_chunk(b"a\r")
    with pytest.raises(LocalProtocolError):
        client.send_group([Data()])


def test_unasked_input_is_seen_before_a_group() -> None:
    client = ready()
    client.receive_data(b"250 for the group\r\n")
    with pytest.raises(RemoteProtocolError):
        client.send_group([MAIL, RCPT])
    client = ready()
    client.receive_data(b"421 bye\r\n")
    with pytest.raises(LocalProtocolError, match="421"):
        client.send_group([MAIL, RCPT])


def test_more_shapes_of_groups_than_are_remembered() -> None:
    own = [Pipelining(), Own()]
    for number in range(2 * 100):
        client = ready("PIPELINING", "OWN", extensions=own)
        group = [(Other(), Percent())[number % 100 >> bit & 1] for bit in range(7)]
        assert client.send_group(group) == (b"".join(each.encode() for each in group), 7)


def test_a_refusal_amid_a_group_makes_another_future() -> None:
    client = ready()
    client.send_group([MAIL, RCPT])
    feed(client, b"550 no\r\n")
    with pytest.raises(LocalProtocolError):
        client.send_group([Data()])
    answered(client, b"503 no\r\n")
    assert client.next_event() is Signal.NEED_COMMAND
    assert client.send_group([MAIL, RCPT])[1] == 2


# --------------------------------------------------------------------------- all replies at once

OK = b"250 2.0.0 ok\r\n"
GO_ON = b"354 go on\r\n"


def codes(client: ClientConnection, data: bytes) -> list[int]:
    hoped = client.hoped_replies(data)
    return [reply.code for reply in hoped or [each.reply for each in client.next_replies(data)]]


def test_all_that_was_hoped_for_comes_at_once() -> None:
    client = ready("PIPELINING")
    group = [MAIL, RCPT, LONG, Data()]
    client.send_group(group)
    found = client.hoped_replies(OK * 3 + GO_ON)
    assert [reply.code for reply in found] == [250, 250, 250, 354]
    assert client.outstanding == ()
    assert client.state is State.DATA
    assert client.transaction is not None
    assert client.transaction.mail == MAIL
    assert client.transaction.recipients == [RCPT, LONG]
    client.send_mail_data(b"x", last=True)
    assert client.hoped_replies(b"") == []
    (reply,) = client.hoped_replies(b"250 2.0.0 queued\r\n")
    assert reply == Reply(250, "queued", "2.0.0")
    assert client.state is State.READY
    assert client.transaction is None
    assert client.outstanding == ()
    assert client.hoped_replies(b"250 2.0.0 queued\r\n") == []
    assert client.next_event() is Signal.NEED_COMMAND


@pytest.mark.parametrize(
    ("replies", "left"),
    [
        (OK, 2),
        (OK * 2 + b"354 go", 1),
        (OK + b"250-a\r\n250 b\r\n" + GO_ON, 0),
        (OK + b"250 " + b"x" * 600 + b"\r\n" + GO_ON, 0),
        (OK + b"251 will forward\r\n" + GO_ON, 0),
        (OK + b"550 no\r\n" + GO_ON, 0),
    ],
)
def test_something_else_comes(replies: bytes, left: int) -> None:
    one, other = ready("PIPELINING"), ready("PIPELINING")
    for client in (one, other):
        client.send_group([MAIL, RCPT, Data()])
    assert one.hoped_replies(replies) == []
    found = one.next_replies(replies)
    assert found == feed(other, replies)
    assert len(one.outstanding) == left
    for client in (one, other):
        assert client.state is other.state
        assert repr(client.transaction) == repr(other.transaction)


@pytest.mark.parametrize("behind", [OK, OK[:-2], b"2", b"\r\n"])
def test_something_comes_behind_the_replies(behind: bytes) -> None:
    client = ready("PIPELINING")
    client.send_group([MAIL, RCPT])
    assert codes(client, OK * 2 + behind) == [250, 250]
    with pytest.raises(RemoteProtocolError):
        client.send(Data())


def test_replies_to_a_group_that_go_on_with_too_many() -> None:
    client = ready("PIPELINING")
    client.send_group([MAIL, RCPT])
    assert codes(client, OK) == [250]
    assert codes(client, OK * 2) == [250]
    assert client.transaction is not None
    assert client.transaction.recipients == [RCPT]
    with pytest.raises(RemoteProtocolError):
        client.send(Data())


@pytest.mark.parametrize("more", [Noop(), RCPT, Data(), None])
def test_more_is_sent_behind_a_group_before_its_replies_come(more: Command | None) -> None:
    client = ready("PIPELINING", "CHUNKING")
    client.send_group([MAIL, RCPT])
    if more is None:
        client.send_chunk(b"x\r\n", last=True)
    else:
        client.send(more)
    assert codes(client, OK * 2) == [250, 250]
    assert len(client.outstanding) == 1
    assert client.state is State.RCPT


def test_a_group_behind_another_is_not_answered_in_its_place() -> None:
    client = ready("PIPELINING")
    client.send(MAIL)
    client.send_group([RCPT, Data()])
    assert codes(client, OK) == [250]
    client = ready("PIPELINING")
    client.send(MAIL)
    client.send_group([RCPT, Data()])
    assert codes(client, OK + GO_ON) == [250]
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_octets_that_were_there_before_the_replies() -> None:
    client = ready("PIPELINING")
    client.send_group([MAIL, RCPT])
    client.receive_data(b"550 no\r\n")
    assert codes(client, OK * 2) == [550, 250]
    client = ready("PIPELINING")
    client.send_group([MAIL, RCPT])
    client.receive_data(OK[:5])
    assert codes(client, OK[5:] + OK) == [250, 250]
    client = ready("PIPELINING")
    client.send_group([MAIL, RCPT])
    client.receive_eof()
    with pytest.raises(LocalProtocolError):
        client.next_replies(OK * 2)


@pytest.mark.parametrize("octets", [bytearray(OK * 2), memoryview(OK * 2)])
def test_other_octets_are_left_to_a_closer_look(octets: Any) -> None:
    client = ready("PIPELINING")
    client.send_group([MAIL, RCPT])
    assert client.hoped_replies(octets) == []
    assert len(client.next_replies(octets)) == 2


def test_nothing_is_hoped_for() -> None:
    client = ready("PIPELINING")
    assert client.hoped_replies(OK) == []
    client.send(Quit())
    assert client.hoped_replies(b"221 bye\r\n") == []
    assert codes(client, b"221 bye\r\n") == [221]


def test_caps_on_replies_hold_for_a_group() -> None:
    client = ready("PIPELINING", limits=Limits(reply_line=100, reply=100))
    client.send_group([MAIL, RCPT])
    assert codes(client, OK + b"250 " + b"x" * 100 + b"\r\n") == [250]
    with pytest.raises(RemoteProtocolError):
        client.next_event()
