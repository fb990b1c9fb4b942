# SPDX-License-Identifier: MIT
"""The client's chunks (RFC 3030)."""

from __future__ import annotations

import pytest
from client_drive import (
    MAIL,
    RCPT,
    answered,
    events,
    feed,
    in_bdat,
    in_failed_bdat,
    in_rcpt,
    ready,
)

from smtpproto import (
    Bdat,
    ConnectionClosed,
    Data,
    EndOfMailData,
    LocalProtocolError,
    Mail,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Rset,
    State,
    Violation,
)

BINARY = Mail("a@example.com", {"BODY": "BINARYMIME"})


def test_the_reply_to_the_last_chunk_is_that_to_the_message() -> None:
    client = in_rcpt()
    assert client.send_chunk(b"one\n") == b"BDAT 5\r\none\r\n"
    assert answered(client, b"250 ok\r\n").command == Bdat(5)
    assert client.state is State.BDAT
    assert client.send_chunk(b".\n", last=True) == b"BDAT 3 LAST\r\n.\r\n"
    assert answered(client, b"250 queued\r\n").command == EndOfMailData()
    assert client.state is State.READY
    assert client.transaction is None


def test_the_first_chunk_may_be_the_last_and_empty() -> None:
    client = in_rcpt()
    assert client.send_chunk(b"", last=True) == b"BDAT 0 LAST\r\n"
    assert answered(client, b"250 queued\r\n").command == EndOfMailData()


def test_an_empty_piece_makes_no_chunk() -> None:
    client = in_rcpt()
    assert client.send_chunk(b"") == b""
    assert client.outstanding == ()
    assert client.send_chunk(b"\r") == b""
    assert client.send_chunk(b"\n", last=True) == b"BDAT 2 LAST\r\n\r\n"


def test_a_last_cr_becomes_a_crlf() -> None:
    client = in_rcpt()
    assert client.send_chunk(b"a\rb\r") == b"BDAT 4\r\na\r\nb"
    assert client.send_chunk(b"", last=True) == b"BDAT 2 LAST\r\n\r\n"


def test_a_message_that_began_as_chunks_is_not_sent_by_data() -> None:
    """The CR is held back, and must not be lost."""
    client = in_rcpt()
    assert client.send_chunk(b"\r") == b""
    with pytest.raises(LocalProtocolError):
        client.send(Data())
    assert client.send_chunk(b"", last=True) == b"BDAT 2 LAST\r\n\r\n"


def test_dots_are_not_stuffed() -> None:
    assert in_rcpt().send_chunk(b".\r\n..\r\n", last=True) == b"BDAT 7 LAST\r\n.\r\n..\r\n"


@pytest.mark.parametrize("settings", [{}, {"line_endings": "strict"}])
def test_a_binary_message_goes_out_as_it_is(settings: dict[str, str]) -> None:
    """RFC 3030 3."""
    client = in_rcpt(mail=BINARY, **settings)
    assert client.send_chunk(b"\0\r\n\r") == b"BDAT 4\r\n\0\r\n\r"
    assert client.send_chunk(b"\n\n\xff", last=True) == b"BDAT 3 LAST\r\n\n\n\xff"


def test_a_binary_message_goes_by_bdat_only() -> None:
    client = in_rcpt(mail=BINARY)
    with pytest.raises(LocalProtocolError) as caught:
        client.send(Data())
    assert caught.value.violation is Violation.BAD_SEQUENCE


def test_what_binary_allows_ends_with_its_transaction() -> None:
    client = in_rcpt(mail=BINARY)
    client.send_chunk(b"\n", last=True)
    answered(client, b"250 ok\r\n")
    for command in (MAIL, RCPT):
        client.send(command)
        answered(client, b"250 ok\r\n")
    assert client.send_chunk(b"\n", last=True) == b"BDAT 2 LAST\r\n\r\n"


@pytest.mark.parametrize(
    ("settings", "piece"), [({}, b"a\0"), ({"line_endings": "strict"}, b"a\nb")]
)
def test_a_piece_that_is_refused_makes_no_chunk(settings: dict[str, str], piece: bytes) -> None:
    client = in_rcpt(**settings)
    client.send_chunk(b"x\r")
    outstanding = client.outstanding
    with pytest.raises(LocalProtocolError):
        client.send_chunk(piece)
    assert client.outstanding == outstanding
    assert client.send_chunk(b"\n") == b"BDAT 2\r\n\r\n"


@pytest.mark.parametrize("client", [in_bdat, in_failed_bdat])
def test_data_is_not_mixed_with_chunks(client: type) -> None:
    with pytest.raises(LocalProtocolError):
        client().send(Data())


@pytest.mark.parametrize("reply", [b"452 full\r\n", b"550 no\r\n"])
def test_after_a_refused_chunk_only_rset_goes_on(reply: bytes) -> None:
    client = in_rcpt()
    client.send_chunk(b"one")
    answered(client, reply)
    assert client.state is State.BDAT_FAILED
    for refused in (
        lambda: client.send_chunk(b"two"),
        lambda: client.send_chunk(b"", last=True),
        lambda: client.send(MAIL),
        lambda: client.send(RCPT),
    ):
        with pytest.raises(LocalProtocolError):
            refused()
    client.send(Rset())
    answered(client, b"250 ok\r\n")
    assert client.send(MAIL)


@pytest.mark.parametrize("rest", [b"503 no\r\n", b"250 ok\r\n"])
def test_a_refused_chunk_in_a_pipeline_refuses_the_message(rest: bytes) -> None:
    """The later chunks are answered one by one, and no answer of theirs is the message's."""
    client = in_rcpt()
    client.send_chunk(b"one")
    client.send_chunk(b"two")
    client.send_chunk(b"", last=True)
    found = feed(client, b"452 full\r\n" + rest * 2)
    assert [e.command for e in found if isinstance(e, ReplyReceived)] == [
        Bdat(3),
        Bdat(3),
        Bdat(0, True),
    ]
    assert client.state is State.BDAT_FAILED
    with pytest.raises(LocalProtocolError):
        client.send(MAIL)
    client.send(Rset())
    answered(client, b"250 ok\r\n")
    assert client.state is State.READY


@pytest.mark.parametrize("reply", [b"452 full\r\n", b"554 no\r\n"])
def test_a_refused_last_chunk_ends_the_transaction(reply: bytes) -> None:
    client = in_bdat()
    client.send_chunk(b"", last=True)
    assert answered(client, reply).command == EndOfMailData()
    assert client.state is State.READY


@pytest.mark.parametrize("replies", [b"550 no\r\n", b"250 ok\r\n550 no\r\n"])
def test_chunks_behind_a_refused_envelope_are_refused(replies: bytes) -> None:
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    client.send_chunk(b"text", last=True)
    feed(client, replies)
    while len(client.outstanding) > 1:
        answered(client, b"503 no\r\n")
    assert answered(client, b"250 what?\r\n").command == Bdat(4, True)
    assert client.state is (State.BDAT_FAILED if replies.startswith(b"250") else State.READY)


def test_a_refused_last_chunk_asks_for_rset_until_it_is_sent() -> None:
    """Also where another message was begun without it."""
    client = in_rcpt()
    assert not client.needs_reset
    client.send_chunk(b"one\n", last=True)
    answered(client, b"550 no\r\n")
    assert client.needs_reset
    client.send(MAIL)
    answered(client, b"250 ok\r\n")
    assert client.needs_reset
    client.send(Rset())
    assert not client.needs_reset


@pytest.mark.parametrize("reply", [b"503 no\r\n", b"250 ok\r\n"])
def test_no_later_chunk_completes_a_message_whose_first_was_refused(reply: bytes) -> None:
    """RFC 3030 2: a recipient that is accepted after all must not get the rest alone."""
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    client.send_chunk(b"first")
    feed(client, b"250 ok\r\n550 no\r\n" + reply)
    assert client.state is State.BDAT_FAILED
    for refused in (lambda: client.send(RCPT), lambda: client.send_chunk(b"second", last=True)):
        with pytest.raises(LocalProtocolError):
            refused()
    client.send(Rset())
    answered(client, b"250 ok\r\n")
    assert client.state is State.READY


def test_a_chunk_that_counts_as_refused_stops_what_would_follow_in_its_group() -> None:
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    client.send_chunk(b"first")
    client.send_chunk(b"second")
    feed(client, b"250 ok\r\n550 no\r\n250 ok\r\n")
    with pytest.raises(LocalProtocolError):
        client.send(RCPT)


def test_a_recipient_behind_a_refused_chunk_in_its_group_counts_as_refused() -> None:
    client = ready()
    client.send(MAIL)
    client.send(RCPT)
    client.send(Rset())
    client.send(MAIL)
    client.send(RCPT)
    client.send_chunk(b"first")
    # RSET and the second MAIL are refused, so that the first transaction goes on.
    feed(client, b"250 ok\r\n550 no\r\n500 what\r\n503 no\r\n550 no\r\n503 no\r\n")
    assert client.state is State.BDAT_FAILED
    assert client.transaction is not None
    assert client.transaction.recipients == []


@pytest.mark.parametrize("reply", [b"354 go\r\n", b"334 \r\n"])
def test_no_chunk_is_answered_3yz(reply: bytes) -> None:
    for last in (False, True):
        client = in_rcpt()
        client.send_chunk(b"x", last=last)
        with pytest.raises(RemoteProtocolError):
            feed(client, reply)


def test_421_to_the_last_chunk_is_for_the_message() -> None:
    client = in_rcpt()
    client.send_chunk(b"x", last=True)
    assert feed(client, b"421 bye\r\n") == [
        ReplyReceived(EndOfMailData(), Reply(421, "bye")),
        ConnectionClosed(clean=False),
    ]


def test_the_end_instead_of_the_reply_leaves_the_chunk_unanswered() -> None:
    client = in_rcpt()
    client.send_chunk(b"x")
    client.send_chunk(b"y", last=True)
    client.receive_eof()
    assert events(client) == [
        ConnectionClosed(clean=False, unanswered=(Bdat(1), Bdat(1, True))),
    ]
