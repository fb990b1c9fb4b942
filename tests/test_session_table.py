# SPDX-License-Identifier: MIT
"""Each pair of state and command, and each class of reply, against the table written out again."""

from __future__ import annotations

import itertools

import pytest
import server_drive as drive

from smtpproto import (
    Auth,
    AuthResponse,
    AuthResponseReceived,
    Bdat,
    ChunkEnded,
    Command,
    CommandReceived,
    CommandRejected,
    Data,
    Ehlo,
    EndOfMailData,
    Expn,
    Greeting,
    Helo,
    Help,
    Lhlo,
    LocalProtocolError,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Noop,
    Quit,
    Rcpt,
    Reply,
    Rset,
    ServerConnection,
    Signal,
    StartTLS,
    State,
    Violation,
    Vrfy,
)
from smtpproto.extensions import Row
from smtpproto.session.table import BASE_ROWS, build_table

# State, command, state after 2yz, 3yz, 4yz and 5yz; "-" for what may not be sent. "=" is the same
# state. What is not here is refused.
WAITING = "GREETED READY MAIL RCPT BDAT BDAT_FAILED"
TABLE = """
    CONNECTED                                       greeting    GREETED     -       REFUSED
    REFUSED,GREETED,READY,MAIL,RCPT,BDAT,BDAT_FAILED QUIT       CLOSED      -       CLOSED
    GREETED,READY,MAIL,RCPT,BDAT,BDAT_FAILED        EHLO        READY       -       =
    GREETED,READY,MAIL,RCPT,BDAT,BDAT_FAILED        HELO        READY       -       =
    GREETED,READY,MAIL,RCPT,BDAT,BDAT_FAILED        NOOP        =           -       =
    GREETED,READY,MAIL,RCPT,BDAT,BDAT_FAILED        VRFY        =           -       =
    GREETED,READY,MAIL,RCPT,BDAT,BDAT_FAILED        EXPN        =           -       =
    GREETED,READY,MAIL,RCPT,BDAT,BDAT_FAILED        HELP        =           -       =
    READY,MAIL,RCPT,BDAT,BDAT_FAILED                RSET        READY       -       =
    GREETED                                         RSET        GREETED     -       =
    READY                                           MAIL        MAIL        -       =
    MAIL,RCPT                                       RCPT        RCPT        -       =
    RCPT                                            DATA        -           DATA    =
    DATA                                            end         READY       -       READY
    RCPT,BDAT                                       BDAT        BDAT        -       BDAT_FAILED
    RCPT,BDAT                                       LAST        READY       -       READY
    READY                                           STARTTLS    TLS         -       =
    READY                                           AUTH        READY       AUTH    =
    AUTH                                            response    READY       AUTH    READY
"""
LINES = {
    "EHLO": drive.HELLO,
    "HELO": b"HELO client.example.com\r\n",
    "NOOP": b"NOOP\r\n",
    "VRFY": b"VRFY someone\r\n",
    "EXPN": b"EXPN everyone\r\n",
    "HELP": b"HELP\r\n",
    "RSET": b"RSET\r\n",
    "MAIL": drive.MAIL,
    "RCPT": drive.RCPT,
    "DATA": drive.DATA,
    "QUIT": b"QUIT\r\n",
    "BDAT": b"BDAT 6\r\nQUIT\r\n",
    "LAST": b"BDAT 6 LAST\r\nQUIT\r\n",
    "STARTTLS": b"STARTTLS\r\n",
    "AUTH": b"AUTH CRAM-MD5\r\n",
}
# What moves a state on that reads no commands.
UNITS = {"greeting": b"", "end": b".\r\n", "response": b"AAAA\r\n"}

# One of each class that may be sent where the class may, and the states' one code where it matters.
SUCCESS, INTERMEDIATE = "2yz", "3yz"
CODES = {"STARTTLS": {SUCCESS: 220}, "DATA": {INTERMEDIATE: 354}}
CODES |= {name: {INTERMEDIATE: 334} for name in ("AUTH", "response")}
WRONG_CODES = {
    "STARTTLS": [200, 219, 221, 250, 299],
    "DATA": [300, 334, 353, 355, 399],
    "AUTH": [300, 354, 399],
    "response": [300, 354, 399],
}


def rows() -> dict[tuple[State, str], tuple[State | None, State | None, State]]:
    """Read `TABLE`."""
    found: dict[tuple[State, str], tuple[State | None, State | None, State]] = {}
    for line in TABLE.strip().split("\n"):
        states, name, *targets = line.split()
        for state in (State[word] for word in states.split(",")):
            success, intermediate, failure = (
                None if word == "-" else state if word == "=" else State[word] for word in targets
            )
            assert failure is not None
            found[state, name] = success, intermediate, failure
    return found


ROWS = rows()
READS_COMMANDS = [State[name] for name in ("REFUSED", *WAITING.split())]
PAIRS = [(state, name) for state in READS_COMMANDS for name in LINES]
PAIRS += [(State.CONNECTED, "greeting"), (State.DATA, "end"), (State.AUTH, "response")]


def at(state: State, name: str, lmtp: bool = False) -> ServerConnection:
    """Return a server in `state` that has just got `name` and owes the reply."""
    server = drive.PLACES[state.name](lmtp=lmtp)
    octets = {**LINES, **UNITS}[name]
    if octets:
        server.receive_data(octets)
        while isinstance(server.next_event(), MailDataReceived):
            pass
    assert server.next_event() is Signal.NEED_REPLY
    assert server.state is state
    return server


def codes(name: str) -> dict[int, int]:
    """Return the classes of reply and one code each that `name` may get, if it is admitted."""
    special = CODES.get(name, {})
    return {2: special.get(SUCCESS, 250), 3: special.get(INTERMEDIATE, 354), 4: 450, 5: 550}


def send_refused(server: ServerConnection, code: int) -> None:
    before = drive.snapshot(server)
    with pytest.raises(LocalProtocolError) as caught:
        server.send(Reply(code, "text"))
    assert caught.value.violation is Violation.REPLY_CODE
    assert drive.snapshot(server) == before
    assert server.next_event() is Signal.NEED_REPLY


@pytest.mark.parametrize(("state", "name"), PAIRS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("digit", [2, 3, 4, 5])
def test_every_pair(state: State, name: str, digit: int) -> None:
    server = at(state, name)
    code = codes(name)[digit]
    row = ROWS.get((state, name))
    if row is None:  # refused: only a refusal may be sent, and the state stays
        if digit < 4:
            send_refused(server, code)
            code = 503
        target: State | None = state
        if state is State.MAIL and name in ("BDAT", "LAST"):
            target = State.BDAT_FAILED  # its octets are lost to the message (RFC 3030 2)
    else:
        target = row[min(digit, 4) - 2]
        if target is None:
            send_refused(server, code)
            code, target = 550, row[2]
    server.send(Reply(code, "text"))
    assert server.state is target


@pytest.mark.parametrize(("state", "name"), PAIRS, ids=lambda value: getattr(value, "name", value))
def test_the_event_says_whether_a_pair_is_admitted(state: State, name: str) -> None:
    if name == "greeting":
        return
    server = drive.PLACES[state.name]()
    events = []
    server.receive_data({**LINES, **UNITS}[name])
    while not isinstance(event := server.next_event(), Signal):
        events.append(event)
    kind: type = CommandReceived
    kind = {
        "BDAT": ChunkEnded,
        "LAST": MailDataEnded,
        "end": MailDataEnded,
        "response": AuthResponseReceived,
    }.get(name, kind)
    event = events[-1]
    if (state, name) in ROWS:
        assert isinstance(event, kind)
        assert len(events) == 1 + (name in ("BDAT", "LAST"))  # a piece of mail data came before
    else:
        assert len(events) == 1
        assert isinstance(event, CommandRejected)
        assert event.default_reply.code == 503
        assert event.default_reply.enhanced == "5.5.1"
        assert not event.closes


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name in WRONG_CODES for code in WRONG_CODES[name]]
)
def test_what_changes_the_framing_needs_its_own_code(name: str, code: int) -> None:
    state = next(state for state, command in ROWS if command == name)
    send_refused(at(state, name), code)


def test_other_codes_of_a_class_do_the_same() -> None:
    server = at(State.READY, "MAIL")
    server.send(Reply(259, "text"))
    assert server.state is State.MAIL
    server = at(State.AUTH, "response")
    server.send(Reply(250, "text"))
    assert server.is_authenticated


@pytest.mark.parametrize(
    "place", [place for place in drive.PLACES if place not in ("TLS", "CLOSED")]
)
@pytest.mark.parametrize("due", [False, True])
def test_421_is_admitted_in_every_state_but_these(place: str, due: bool) -> None:
    server = drive.PLACES[place]()
    if due and place not in ("CONNECTED", "DATA", "AUTH"):
        server.receive_data(b"NOOP\r\n")
        server.next_event()
    octets = server.send(Reply(421, "bye"))
    assert octets.startswith(b"421 ")
    assert server.state is State.CLOSED
    assert server.transaction is None


@pytest.mark.parametrize("place", ["TLS", "CLOSED"])
@pytest.mark.parametrize("code", [220, 250, 354, 421, 450, 550])
def test_nothing_can_be_sent_in_tls_and_closed(place: str, code: int) -> None:
    server = drive.PLACES[place]()
    before = drive.snapshot(server)
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            server.send(Reply(code, "text"))
        assert drive.snapshot(server) == before


@pytest.mark.parametrize("place", drive.PLACES)
@pytest.mark.parametrize("code", [220, 250, 334, 354, 450, 550])
def test_nothing_but_421_can_be_sent_when_no_reply_is_due(place: str, code: int) -> None:
    if place == "CONNECTED":
        return  # the greeting is due
    server = drive.PLACES[place]()
    signal = server.next_event()
    with pytest.raises(LocalProtocolError):
        server.send(Reply(code, "text"))
    assert server.next_event() == signal


CLASSES: dict[str, type[Command]] = {
    "greeting": Greeting,
    "EHLO": Ehlo,
    "HELO": Helo,
    "NOOP": Noop,
    "VRFY": Vrfy,
    "EXPN": Expn,
    "HELP": Help,
    "RSET": Rset,
    "MAIL": Mail,
    "RCPT": Rcpt,
    "DATA": Data,
    "QUIT": Quit,
    "end": EndOfMailData,
    "BDAT": Bdat,
    "LAST": EndOfMailData,
    "STARTTLS": StartTLS,
    "AUTH": Auth,
    "response": AuthResponse,
}


def all_rows() -> tuple[Row, ...]:
    return tuple(row for extension in drive.EVERYTHING for row in extension.rows)


def test_the_built_table_has_these_rows_and_no_others() -> None:
    table = build_table(all_rows(), False)
    built = {
        (state, kind): (step.success, step.intermediate, step.failure)
        for state in State
        for kind, step in table[state].items()
    }
    assert built == {(state, CLASSES[name]): targets for (state, name), targets in ROWS.items()}


def test_the_exact_codes_stand_in_the_table() -> None:
    table = build_table(all_rows(), False)
    exact = {kind: step.exact for steps in table.values() for kind, step in steps.items()}
    assert {kind: code for kind, code in exact.items() if code} == {
        StartTLS: 220,
        Data: 354,
        Auth: 334,
        AuthResponse: 334,
    }


def test_lmtp_has_lhlo_for_the_two_others() -> None:
    smtp, lmtp = build_table((), False), build_table((), True)
    for state in State:
        assert (Ehlo in smtp[state]) == (Helo in smtp[state]) == (Lhlo in lmtp[state])
        assert not {Ehlo, Helo} & set(lmtp[state])
        assert Lhlo not in smtp[state]


def test_a_row_without_words_of_its_own_leaves_the_state_and_allows_no_3yz() -> None:
    row = Row((State.READY, State.MAIL), Help)
    table = build_table((row,), False)
    for state in row.states:
        step = table[state][Help]
        assert (step.success, step.intermediate, step.failure) == (state, None, state)


def test_refused_commands_are_left_out() -> None:
    table = build_table((), False, frozenset((Vrfy,)))
    assert all(Vrfy not in steps for steps in table.values())
    assert Expn in table[State.READY]


def test_a_table_holds_a_row_for_every_state() -> None:
    assert set(build_table((), False)) == set(State)
    assert len(BASE_ROWS) == len(set(BASE_ROWS))


def test_no_row_leads_into_connected_or_error() -> None:
    table = build_table(all_rows(), False)
    targets = itertools.chain.from_iterable(
        (step.success, step.intermediate, step.failure)
        for steps in table.values()
        for step in steps.values()
    )
    assert not {State.CONNECTED, State.ERROR} & set(targets)
