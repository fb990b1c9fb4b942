# SPDX-License-Identifier: MIT
"""The client's groups of commands: which may follow which, and which reply answers which."""

from __future__ import annotations

from contextlib import suppress

import pytest
from client_drive import (
    MAIL,
    RCPT,
    answered,
    events,
    feed,
    greeted,
    in_auth,
    in_bdat,
    in_data,
    in_mail,
    in_rcpt,
    ready,
)

from smtpproto import (
    Auth,
    AuthResponse,
    Bdat,
    ClientConnection,
    ClientEvent,
    Command,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Expn,
    Helo,
    Help,
    InvalidValueError,
    LocalProtocolError,
    Mail,
    Noop,
    Quit,
    Rcpt,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Rset,
    Signal,
    StartTLS,
    State,
    Violation,
    Vrfy,
)
from smtpproto.extensions import Extension, Pipelining, Row
from smtpproto.values import value

OTHER = Rcpt("other@example.com")
LAST_ONLY: dict[str, Command] = {
    "EHLO": Ehlo("client.example.com"),
    "HELO": Helo("client.example.com"),
    "NOOP": Noop(),
    "VRFY": Vrfy("someone"),
    "EXPN": Expn("list"),
    "HELP": Help(),
    "QUIT": Quit(),
    "STARTTLS": StartTLS(),
    "AUTH": Auth("PLAIN", b"\0tim\0pass"),
}


def replies(found: list[ClientEvent]) -> list[tuple[Command | None, int]]:
    return [(e.command, e.reply.code) for e in found if isinstance(e, ReplyReceived)]


# --------------------------------------------------------------------------- the group


@pytest.mark.parametrize("name", LAST_ONLY)
def test_some_commands_only_end_a_group(name: str) -> None:
    """RFC 2920 3.1; and an extension's verb, unless its RFC says otherwise."""
    client = ready()
    client.send(Rset())
    client.send(LAST_ONLY[name])
    for follower in (Rset(), MAIL, Noop()):
        with pytest.raises(LocalProtocolError) as caught:
            client.send(follower)
        assert caught.value.violation is Violation.BAD_SEQUENCE
    assert client.outstanding == (Rset(), LAST_ONLY[name])


def test_data_ends_a_group() -> None:
    client = in_rcpt()
    client.send(Data())
    for follower in (Rset(), RCPT, Noop(), MAIL):
        with pytest.raises(LocalProtocolError):
            client.send(follower)


def test_rset_mail_and_rcpt_stand_anywhere_in_a_group() -> None:
    client = ready()
    group: list[Command] = [Rset(), MAIL, RCPT, Rset(), MAIL, RCPT, RCPT, OTHER, Data()]
    octets = b"".join(client.send(command) for command in group)
    assert octets == b"".join(command.encode() for command in group)
    assert client.outstanding == tuple(group)


def test_a_group_is_judged_on_what_it_will_have_led_to() -> None:
    client = ready()
    client.send(MAIL)
    for early in (MAIL, Data()):
        with pytest.raises(LocalProtocolError):
            client.send(early)
    client.send(RCPT)
    client.send(Rset())
    for late in (RCPT, Data()):
        with pytest.raises(LocalProtocolError):
            client.send(late)
    client.send(MAIL)


def test_the_mail_data_may_begin_a_group() -> None:
    """RFC 2920 3.1."""
    client = in_data()
    group = client.end_mail_data() + client.send(MAIL) + client.send(RCPT) + client.send(Data())
    assert group.startswith(b".\r\nMAIL ")
    found = feed(client, b"250 queued\r\n250 ok\r\n550 no\r\n554 none\r\n")
    assert replies(found) == [(EndOfMailData(), 250), (MAIL, 250), (RCPT, 550), (Data(), 554)]
    assert client.state is State.MAIL


@value
class Fetch(Command):
    """Mail data from elsewhere, as a verb of one's own may have it."""

    verb = "FETCH"
    ends_group = False
    carries_mail_data = True

    def ends_mail_data(self) -> bool:
        return True


class Fetching(Extension):
    keyword = "FETCHING"
    verbs = (Fetch,)
    rows = tuple(
        Row((State.RCPT,), kind, State.READY, failure=State.READY)
        for kind in (Fetch, EndOfMailData)
    )


def test_the_next_message_waits_for_the_recipients_of_the_last() -> None:
    """After refusals only, it would join a transaction that did not end."""
    client = ready("PIPELINING", "FETCHING", extensions=[Pipelining(), Fetching()])
    for command in (MAIL, RCPT, Fetch()):
        client.send(command)
    with pytest.raises(LocalProtocolError, match="replies to RCPT are awaited"):
        client.send(MAIL)
    with pytest.raises(LocalProtocolError, match="replies to RCPT are awaited"):
        client.send_group([MAIL, RCPT])
    feed(client, b"250 ok\r\n250 ok\r\n")
    assert client.send_group([MAIL, RCPT]) == (MAIL.encode(), 1)
    assert [event.reply.code for event in client.next_replies(b"250 ok\r\n250 ok\r\n")] == [250] * 2
    assert client.state is State.MAIL


def test_quit_may_stand_behind_the_mail_data() -> None:
    client = in_data()
    client.end_mail_data()
    client.send(Quit())
    assert feed(client, b"250 queued\r\n221 bye\r\n")[-1] == ConnectionClosed(clean=True)


def test_without_pipelining_each_reply_is_awaited() -> None:
    client = ready("SIZE")
    client.send(MAIL)
    with pytest.raises(LocalProtocolError) as caught:
        client.send(RCPT)
    assert caught.value.violation is Violation.BAD_SEQUENCE
    answered(client, b"250 ok\r\n")
    client.send(RCPT)
    answered(client, b"250 ok\r\n")
    client.send(Data())
    answered(client, b"354 go\r\n")
    client.end_mail_data()
    with pytest.raises(LocalProtocolError):
        client.send(MAIL)


def test_replies_that_wait_to_be_read_do_not_stop_a_group() -> None:
    client = ready()
    client.send(MAIL)
    client.receive_data(b"250 ok\r\n25")
    assert client.send(RCPT)
    assert replies(feed(client, b"0 ok\r\n")) == [(MAIL, 250), (RCPT, 250)]


def test_nothing_is_sent_before_the_greeting() -> None:
    client = ClientConnection()
    with pytest.raises(LocalProtocolError):
        client.send(Ehlo("client.example.com"))
    feed(client, b"220-wait for it\r\n")
    with pytest.raises(LocalProtocolError):
        client.send(Ehlo("client.example.com"))


def test_the_first_ehlo_ends_its_group() -> None:
    client = greeted()
    client.send(Ehlo("client.example.com"))
    with pytest.raises(LocalProtocolError):
        client.send(MAIL)


def test_responses_of_auth_go_one_by_one() -> None:
    client = in_auth()
    client.send(AuthResponse(b"tim"))
    for follower in (AuthResponse(b"again"), MAIL, Noop()):
        with pytest.raises(LocalProtocolError):
            client.send(follower)


def test_data_for_a_binary_message_is_refused_within_the_group_too() -> None:
    """RFC 3030 3."""
    client = ready()
    client.send(Mail("a@example.com", {"BODY": "BINARYMIME"}))
    client.send(RCPT)
    with pytest.raises(InvalidValueError):
        client.send(Data())
    client.send(Rset())
    client.send(MAIL)
    client.send(RCPT)
    assert client.send(Data()) == b"DATA\r\n"


def test_a_transaction_that_a_group_ends_has_no_say_in_the_next() -> None:
    client = in_mail(mail=Mail("a@example.com", {"BODY": "BINARYMIME", "SMTPUTF8": None}))
    client.send(Rset())
    client.send(MAIL)
    with pytest.raises(InvalidValueError):
        client.send(Rcpt("\u00e9@example.com"))
    client.send(RCPT)
    assert client.send(Data())


def test_a_refused_rset_leaves_the_transaction_that_was_there() -> None:
    client = in_mail(mail=Mail("a@example.com", {"SMTPUTF8": None}))
    client.send(Rset())
    client.send(MAIL)
    assert replies(feed(client, b"500 what?\r\n503 nested\r\n")) == [(Rset(), 500), (MAIL, 503)]
    assert client.state is State.MAIL
    assert client.send(Rcpt("\u00e9@example.com"))


# --------------------------------------------------------------------------- its replies


def group_of_four(client: ClientConnection) -> tuple[Command, ...]:
    group = (MAIL, RCPT, OTHER, Data())
    for command in group:
        client.send(command)
    return group


def test_replies_are_matched_by_their_number_alone() -> None:
    """RFC 2920 3.1: neither code nor text says which command a reply answers."""
    client = ready()
    group = group_of_four(client)
    found = feed(client, b"250-RCPT other\r\n250 ok\r\n550 MAIL\r\n250\r\n354 DATA\r\n")
    assert replies(found) == list(zip(group, (250, 550, 250, 354), strict=True))
    assert client.transaction is not None
    assert client.transaction.recipients == [OTHER]
    assert client.state is State.DATA


def test_the_state_follows_the_replies_and_not_the_commands() -> None:
    client = ready()
    group_of_four(client)
    assert client.state is State.READY
    answered(client, b"250 ok\r\n")
    assert client.state is State.MAIL
    answered(client, b"250 ok\r\n")
    assert client.state is State.RCPT


def test_all_recipients_refused_and_data_too() -> None:
    client = ready()
    group_of_four(client)
    feed(client, b"250 ok\r\n550 no\r\n550 no\r\n503 none\r\n")
    assert client.state is State.MAIL
    assert client.transaction is not None
    assert client.transaction.recipients == []
    assert client.send(Rset())


@pytest.mark.parametrize("mail", [b"250 ok\r\n", b"550 no\r\n"])
def test_all_recipients_refused_and_354_admits_the_lone_dot_only(mail: bytes) -> None:
    """RFC 2920 3.1."""
    client = ready()
    group_of_four(client)
    feed(client, mail + b"550 no\r\n550 no\r\n354 go\r\n")
    assert client.state is State.DATA
    assert client.next_event() is Signal.NEED_COMMAND
    with pytest.raises(LocalProtocolError):
        client.send_mail_data(b"text")
    assert client.end_mail_data() == b".\r\n"
    assert replies(feed(client, b"250 queued\r\n")) == [(EndOfMailData(), 250)]
    assert client.state is State.READY
    assert client.transaction is None


def test_354_in_a_transaction_that_should_have_been_reset_admits_the_lone_dot_only() -> None:
    client = in_bdat()
    client.send(Rset())
    group_of_four(client)
    feed(client, b"500 what\r\n503 no\r\n503 no\r\n503 no\r\n354 go\r\n")
    assert client.state is State.DATA
    with pytest.raises(LocalProtocolError):
        client.send_mail_data(b"for whom?")
    assert client.end_mail_data() == b".\r\n"


def test_2yz_to_rcpt_without_a_transaction_counts_as_refused() -> None:
    client = ready()
    group_of_four(client)
    feed(client, b"451 later\r\n250 ok\r\n250 ok\r\n503 no\r\n")
    assert client.state is State.READY
    assert client.transaction is None


def test_2yz_to_a_mail_within_a_transaction_counts_as_refused() -> None:
    client = in_mail()
    client.send(Rset())
    client.send(Mail("second@example.com"))
    client.send(RCPT)
    feed(client, b"500 what\r\n250 ok\r\n250 ok\r\n")
    assert client.transaction is not None
    assert client.transaction.mail == MAIL
    assert client.transaction.recipients == [RCPT]


@pytest.mark.parametrize("reply", [b"250 ok\r\n", b"220 go\r\n", b"334 \r\n", b"354 go\r\n"])
@pytest.mark.parametrize("command", [StartTLS(), Auth("PLAIN")])
def test_success_of_a_command_that_was_not_admitted_is_no_reply(
    command: Command, reply: bytes
) -> None:
    client = in_mail()
    client.send(Rset())
    client.send(command)
    feed(client, b"500 what\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, reply)
    assert caught.value.violation is Violation.REPLY_CODE
    assert client.state is State.ERROR


@pytest.mark.parametrize("reply", [b"334 \r\n", b"250 ok\r\n", b"353 go\r\n"])
def test_data_without_a_recipient_has_no_other_success_than_354(reply: bytes) -> None:
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    client.send(Data())
    feed(client, b"250 ok\r\n550 no\r\n")
    with pytest.raises(RemoteProtocolError):
        feed(client, reply)


def test_3yz_is_no_reply_to_mail_and_rcpt_admitted_or_not() -> None:
    for octets in (b"355 go\r\n", b"250 ok\r\n354 go\r\n", b"550 no\r\n354 go\r\n"):
        client = ready()
        client.send(MAIL)
        client.send(RCPT)
        with pytest.raises(RemoteProtocolError) as caught:
            feed(client, octets)
        assert caught.value.violation is Violation.REPLY_CODE


def test_after_a_refusal_the_rest_of_the_group_is_judged_anew() -> None:
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    answered(client, b"550 no\r\n")
    for inadmissible in (OTHER, Data()):
        with pytest.raises(LocalProtocolError):
            client.send(inadmissible)
    assert client.send(MAIL)


def test_a_refused_recipient_does_not_end_the_group() -> None:
    client = in_mail()
    client.send(RCPT)
    client.send(OTHER)
    answered(client, b"550 no\r\n")
    assert client.send(Data()) == b"DATA\r\n"


# --------------------------------------------------------------------------- what nobody asked for


@pytest.mark.parametrize(
    "octets", [b"2", b"250 ok\r\n", b"5", b"x", b"\r\n", b"42x", b"422 no\r\n"]
)
def test_a_reply_without_a_command_is_an_error(octets: bytes) -> None:
    client = ready()
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, octets)
    assert caught.value.violation is Violation.REPLY_UNEXPECTED
    assert client.state is State.ERROR
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as again:
            client.next_event()
        assert again.value is caught.value
    with pytest.raises(RemoteProtocolError):
        client.send(Noop())
    client.receive_data(b"250 ok\r\n")
    assert client.buffered == 0


def test_nothing_is_sent_after_an_error_in_the_middle_of_a_group() -> None:
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    client.receive_data(b"no reply\r\n")
    with pytest.raises(RemoteProtocolError):
        client.next_event()
    for command in (RCPT, Data(), Noop()):
        with pytest.raises(RemoteProtocolError):
            client.send(command)
    assert client.outstanding == (MAIL, RCPT)
    assert client.state is State.ERROR


def test_a_second_reply_to_one_command_is_an_error() -> None:
    client = ready()
    client.send(Noop())
    client.receive_data(b"250 ok\r\n250 ok\r\n")
    assert isinstance(client.next_event(), ReplyReceived)
    with pytest.raises(RemoteProtocolError):
        client.next_event()


@pytest.mark.parametrize("sent", [MAIL, Noop(), Rset(), Quit()])
def test_nothing_joins_a_group_after_an_error(sent: Command) -> None:
    client = in_data("PIPELINING")
    client.end_mail_data()
    client.send(MAIL)
    with pytest.raises(RemoteProtocolError):
        feed(client, b"no reply\r\n")
    with pytest.raises(RemoteProtocolError):
        client.send(sent)


def test_all_replies_to_a_group_at_once() -> None:
    client = ready("PIPELINING")
    group = (MAIL, RCPT, OTHER, Data())
    for command in group:
        client.send(command)
    assert client.next_replies() == []
    client.receive_data(b"250-one\r\n")
    assert client.next_replies() == []
    found = client.next_replies(b"250 two\r\n250 ok\r\n5")
    assert [(answer.command, answer.reply.code) for answer in found] == [(MAIL, 250), (RCPT, 250)]
    assert client.state is State.RCPT
    found = client.next_replies(bytearray(b"50 no\r\n354 go\r\nand more"), 1)
    assert [(answer.command, answer.reply.code) for answer in found] == [(OTHER, 550)]
    assert [answer.command for answer in client.next_replies()] == [Data()]
    assert client.next_replies() == []
    with pytest.raises(RemoteProtocolError):
        client.next_event()
    with pytest.raises(RemoteProtocolError):
        client.next_replies()


def test_a_transaction_that_began_and_ended_within_a_group_is_over() -> None:
    client = ready("PIPELINING")
    client.send(MAIL)
    client.send(Rset())
    assert len(client.next_replies(b"250 ok\r\n250 ok\r\n")) == 2
    assert client.state is State.READY
    assert client.transaction is None


def test_replies_before_an_error_are_not_lost() -> None:
    client = ready("PIPELINING")
    client.send(MAIL)
    client.send(RCPT)
    found = client.next_replies(b"250 ok\r\nno reply\r\n")
    assert [answer.command for answer in found] == [MAIL]
    with pytest.raises(RemoteProtocolError):
        client.next_replies()
    assert client.state is State.ERROR


@pytest.mark.parametrize("most", [None, 1, 2, 9])
@pytest.mark.parametrize(
    ("command", "reply"), [(Noop(), b"250 ok\r\n"), (StartTLS(), b"220 go\r\n")]
)
def test_replies_behind_the_last_that_is_due_are_never_taken(
    command: Command, reply: bytes, most: int | None
) -> None:
    """However many are asked for: what stands behind the 220 would have come before TLS."""
    client = ready()
    client.send(command)
    with suppress(RemoteProtocolError):  # at once only where no reply came before it
        client.next_replies(reply + b"250 ok\r\n250 ok\r\n", most)
    with pytest.raises(RemoteProtocolError) as caught:
        client.next_event()
    assert client.state is State.ERROR
    wanted = {Noop: Violation.REPLY_UNEXPECTED, StartTLS: Violation.INPUT_BEHIND_STARTTLS}
    assert caught.value.violation is wanted[type(command)]


def test_a_421_that_nothing_asked_for_behind_a_reply() -> None:
    client = ready()
    client.send(Noop())
    found = client.next_replies(b"250 ok\r\n421 bye\r\n", 2)
    assert [(answer.command, answer.reply.code) for answer in found] == [(Noop(), 250), (None, 421)]
    assert client.state is State.CLOSED


def test_replies_behind_a_421_answer_nothing() -> None:
    client = ready("PIPELINING")
    client.send(MAIL)
    client.send(RCPT)
    found = client.next_replies(b"421 bye\r\n250 ok\r\n")
    assert [answer.reply.code for answer in found] == [421]
    assert client.next_replies(b"250 ok\r\n") == []
    assert client.next_event() == ConnectionClosed(False, (RCPT,))


def test_octets_that_answer_nothing_wait_for_the_next_event() -> None:
    client = ready("PIPELINING")
    assert client.next_replies(b"421 bye\r\n") == []
    assert client.next_event() == ReplyReceived(None, Reply(421, "bye"))
    client = ready()
    client.send(Noop())
    client.receive_eof()
    with pytest.raises(LocalProtocolError):
        client.next_replies(b"250 ok\r\n")


def test_replies_sent_ahead_answer_nothing() -> None:
    """A server that answers before it was asked must not make a delivery that never was."""
    client = ready()
    client.receive_data(b"250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        client.send(MAIL)
    assert caught.value.violation is Violation.REPLY_UNEXPECTED
    assert client.outstanding == ()
    assert client.state is State.ERROR


@pytest.mark.parametrize("octets", [b"2", b"250 queued\r\n", b"550"])
def test_a_verdict_before_the_end_of_the_mail_data_is_an_error(octets: bytes) -> None:
    for finish in (False, True):
        client = in_data()
        client.receive_data(octets)
        with pytest.raises(RemoteProtocolError):
            client.end_mail_data() if finish else client.send_mail_data(b"x")
        assert client.state is State.ERROR


def test_what_came_unasked_may_be_looked_at() -> None:
    client = ready()
    assert client.unread == b""
    client.send(Noop())
    client.receive_data(b"250 ok\r\n452 f")
    client.next_event()
    client.receive_data(b"ull\r\n")
    assert client.unread == b"452 full\r\n"
    assert client.buffered == len(client.unread)
    with pytest.raises(RemoteProtocolError):
        client.send(Noop())


def test_chunks_wait_for_nothing_unasked_either() -> None:
    client = in_rcpt()
    client.receive_data(b"250 ok\r\n")
    with pytest.raises(RemoteProtocolError):
        client.send_chunk(b"x", last=True)


# --------------------------------------------------------------------------- 421


def test_421_answers_the_oldest_command_and_leaves_the_rest_unanswered() -> None:
    client = ready()
    group = group_of_four(client)
    found = feed(client, b"250 ok\r\n421 4.3.2 going\r\n250 ok\r\n354 go\r\n")
    assert found == [
        ReplyReceived(MAIL, Reply(250, "ok")),
        ReplyReceived(RCPT, Reply(421, "going", "4.3.2")),
        ConnectionClosed(clean=False, unanswered=group[2:]),
    ]
    assert client.state is State.CLOSED
    assert client.buffered == 0


@pytest.mark.parametrize("make", [ready, in_mail, in_rcpt, in_data, in_bdat, in_auth, greeted])
def test_421_needs_no_command(make: type[ClientConnection]) -> None:
    for cut in range(1, len(b"421 bye\r\n")):
        client = make()
        assert feed(client, b"421 bye\r\n"[:cut]) == []
        assert client.next_event() is Signal.NEED_DATA
        assert feed(client, b"421 bye\r\n"[cut:]) == [
            ReplyReceived(None, Reply(421, "bye")),
            ConnectionClosed(clean=False),
        ]


@pytest.mark.parametrize("octets", [b"4", b"421", b"421-bye\r\n", b"421-bye\r\n42", b"421 bye\r\n"])
def test_421_is_read_before_anything_else_is_sent(octets: bytes) -> None:
    for polled in (False, True):
        client = ready()
        client.receive_data(octets)
        if polled and octets != b"421 bye\r\n":
            assert client.next_event() is Signal.NEED_DATA
        for _ in range(2):
            with pytest.raises(LocalProtocolError):
                client.send(Noop())
        assert client.outstanding == ()
        if octets != b"421 bye\r\n":
            client.receive_data(b"421-bye\r\n421 bye\r\n"[len(octets) :])
        event = client.next_event()
        assert isinstance(event, ReplyReceived)
        assert (event.command, event.reply.code) == (None, 421)


def test_half_a_421_at_the_end_is_no_clean_end() -> None:
    for octets in (b"421 b", b"421-bye\r\n"):
        client = ready()
        feed(client, octets)
        client.receive_eof()
        assert events(client) == [ConnectionClosed(clean=False)]


def test_what_begins_as_a_421_must_be_one() -> None:
    for octets in (b"421-bye\r\n\r", b"421-bye\r\nx"):  # not before the line is there
        for cut in (0, 9):
            client = ready()
            client.receive_data(octets[:cut] or octets)
            assert events(client) == []
            if cut:
                assert feed(client, octets[cut:]) == []
            assert client.next_event() is Signal.NEED_DATA
    for octets in (b"421-bye\r\n250 ok\r\n", b"421\tx\r\x00\r\n", b"4211 ok\r\n"):
        client = ready()
        with pytest.raises(RemoteProtocolError):
            feed(client, octets)


def test_421_to_the_greeting_to_quit_and_to_the_mail_data() -> None:
    client = ClientConnection()
    assert replies(feed(client, b"421 busy\r\n"))[0][1] == 421
    assert client.state is State.CLOSED
    client = ready()
    client.send(Quit())
    assert feed(client, b"421 idle\r\n") == [
        ReplyReceived(Quit(), Reply(421, "idle")),
        ConnectionClosed(clean=False),
    ]
    client = in_data()
    client.end_mail_data()
    assert replies(feed(client, b"421 disk\r\n")) == [(EndOfMailData(), 421)]


# --------------------------------------------------------------------------- BDAT in a group


def test_chunks_follow_mail_rcpt_and_each_other() -> None:
    client = ready()
    octets = client.send(MAIL) + client.send(RCPT)
    octets += client.send_chunk(b"one") + client.send_chunk(b"two") + client.send_chunk(b"", True)
    assert octets.endswith(b"BDAT 3\r\noneBDAT 3\r\ntwoBDAT 0 LAST\r\n")
    found = feed(client, b"250 ok\r\n" * 5)
    assert replies(found)[2:] == [(Bdat(3), 250), (Bdat(3), 250), (EndOfMailData(), 250)]
    assert client.state is State.READY


def test_a_message_may_follow_the_last_chunk_in_its_group() -> None:
    client = in_rcpt()
    client.send_chunk(b"one\n", last=True)
    client.send(MAIL)
    client.send(RCPT)
    client.send_chunk(b"two\r")
    assert replies(feed(client, b"250 queued\r\n")) == [(EndOfMailData(), 250)]
    # The CR of the second message waits for its LF across the end of the first.
    assert client.send_chunk(b"\n.", last=True) == b"BDAT 3 LAST\r\n\r\n."
    feed(client, b"250 ok\r\n" * 4)
    assert client.state is State.READY


def test_a_message_follows_the_last_chunk_only_when_its_recipients_are_known() -> None:
    """If all were refused, the last chunk ends no transaction, and the next message would join."""
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    client.send_chunk(b"one\n", last=True)
    with pytest.raises(LocalProtocolError) as caught:
        client.send(MAIL)
    assert caught.value.violation is Violation.BAD_SEQUENCE
    client.send(Rset())
    client.send(MAIL)
    found = feed(client, b"250 ok\r\n550 no\r\n503 no\r\n250 ok\r\n250 ok\r\n")
    assert [code for _, code in replies(found)] == [250, 550, 503, 250, 250]
    assert client.state is State.MAIL


def test_a_chunk_ends_no_transaction_that_follows_rset() -> None:
    client = in_rcpt()
    client.send_chunk(b"old\r")
    client.send(Rset())
    client.send(MAIL)
    client.send(RCPT)
    assert client.send_chunk(b"\nnew", last=True) == b"BDAT 5 LAST\r\n\r\nnew"
