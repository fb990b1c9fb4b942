# SPDX-License-Identifier: MIT
"""What must hold for a client whatever it is asked to do and whatever a server sends.

The octets of a test case are read as a row of choices, so that hypothesis and the harnesses in
fuzz/ share these functions. The oracles: a client of which the refused calls were never asked for,
and one that gets its octets one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from client_drive import EVERYTHING, PLACES

from smtpproto import (
    Auth,
    AuthResponse,
    Bdat,
    ClientConnection,
    Command,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Expn,
    Helo,
    Help,
    Lhlo,
    Mail,
    Noop,
    ProtocolError,
    Quit,
    Rcpt,
    RemoteProtocolError,
    ReplyReceived,
    Rset,
    Signal,
    StartTLS,
    State,
    Vrfy,
)

T = TypeVar("T")

SECRET = b"\0tim\0tanstaaftanstaaf"
SHOWN_SECRETS = ("tanstaaf", "AHRpbQ", "dGltAHRh", "Rpb")

COMMANDS: tuple[Command, ...] = (
    Mail("a@example.com"),
    Rcpt("b@example.com"),
    Data(),
    Rset(),
    Noop(),
    Quit(),
    Ehlo("client.example.com"),
    Lhlo("client.example.com"),
    Helo("client.example.com"),
    StartTLS(),
    Auth("PLAIN", SECRET),
    Auth("CRAM-MD5"),
    AuthResponse(SECRET),
    AuthResponse(None),
    Mail("a@example.com", {"BODY": "BINARYMIME"}),
    Mail("\u00e9@example.com", {"SMTPUTF8": None, "SIZE": 5}),
    Mail("", {"SIZE": 2000}),
    Mail("\u00e9@example.com"),
    Rcpt("\u00e9@example.com"),
    Rcpt("b@example.com"),
    Rcpt("c@example.com", {"XNOTHING": None}),
    Vrfy("someone"),
    Expn("list"),
    Help(),
    Noop("x" * 600),
    Bdat(3),
)
PIECES = (b"text\r\n", b".\r\n", b"", b".", b"\r", b"\n", b"a\0b", b"\xff\r\n..", b"a\nb\rc")


class Choices:
    """Octets as a row of decisions: the first of all alternatives once they are used up."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._next = 0

    def __bool__(self) -> bool:
        return self._next < len(self._octets)

    def below(self, count: int) -> int:
        """Choose a number from 0."""
        self._next += 1
        return self._octets[self._next - 1] % count if self._next <= len(self._octets) else 0

    def among(self, things: Sequence[T]) -> T:
        """Choose one of `things`."""
        return things[self.below(len(things))]

    def take(self, count: int) -> bytes:
        """Return the next octets as they are."""
        self._next += count
        return self._octets[self._next - count : self._next]


# --------------------------------------------------------------------------- one client

Outcome = object
"""Octets to write, or what was raised: comparable either way."""
Call = Callable[[ClientConnection], bytes]

CALLS: tuple[Call, ...] = (
    *((lambda client, command=command: client.send(command)) for command in COMMANDS),
    *((lambda client, piece=piece: client.send_mail_data(piece)) for piece in PIECES),
    *((lambda client, piece=piece: client.send_chunk(piece)) for piece in PIECES),
    *((lambda client, piece=piece: client.send_chunk(piece, last=True)) for piece in PIECES),
    *[lambda client: client.end_mail_data()] * 3,
    lambda client: client.send(Noop(), b"x"),
    lambda client: client.tls_established() or b"",
    lambda client: client.discard("PIPELINING") or b"",
    lambda client: client.receive_data(b"") or b"",
)

REPLIES = (
    *[b"250 ok\r\n"] * 6,
    *(b"354 go\r\n", b"220 go\r\n", b"334 YQ==\r\n", b"334 ?\r\n", b"235 in\r\n", b"221 bye\r\n"),
    *(b"550 5.1.1 no\r\n", b"452 later\r\n", b"503 what\r\n", b"421 bye\r\n", b"421-bye\r\n"),
    "".join(f"250-{line}\r\n" for line in ("mx", *EVERYTHING)).encode() + b"250 LAST\r\n",
    *(b"250-a\r\n250 b\r\n", b"250-a\r\n550 b\r\n", b"250-", b"2", b"42", b"\r\n", b"250", b"\n"),
)


def attempt(client: ClientConnection, call: Call) -> Outcome:
    """Make a call; nothing but a `ProtocolError` may come out of it."""
    try:
        return call(client)
    except ProtocolError as error:
        check_shows_no_secret(error)
        return type(error), error.violation


def drain(client: ClientConnection) -> list[object]:
    """Take events up to the next signal; the signal, the close or the error comes last."""
    found: list[object] = []
    while True:
        try:
            event = client.next_event()
        except RemoteProtocolError as error:
            assert client.state is State.ERROR
            assert client.transaction is None
            check_shows_no_secret(error)
            return [*found, error.violation]
        found.append(event)
        if isinstance(event, Signal | ConnectionClosed):
            return found


def receive(client: ClientConnection, octets: bytes) -> list[object]:
    client.receive_data(octets)
    return drain(client)


def receive_at_once(client: ClientConnection, octets: bytes) -> list[object]:
    """Receive, and take the replies to what is outstanding in one call."""
    found: list[object] = []
    try:
        found += client.next_replies(octets)
    except RemoteProtocolError:
        assert client.state is State.ERROR  # which `drain` finds, too
    return found + drain(client)


def receive_bytewise(client: ClientConnection, octets: bytes) -> list[object]:
    found: list[object] = []
    for position in range(len(octets)):
        found = found[:-1] + receive(client, octets[position : position + 1])
        if not isinstance(found[-1], Signal):
            break
    return found


def check_shows_no_secret(thing: object) -> None:
    for text in (repr(thing), str(thing)):
        assert not any(secret in text for secret in SHOWN_SECRETS)


def facts(client: ClientConnection) -> tuple[object, ...]:
    """Return all of a client that can be seen from outside."""
    transaction = client.transaction
    return (
        client.state,
        client.hello,
        client.keywords,
        client.announced,
        client.tls,
        client.is_authenticated,
        client.may_group,
        client.outstanding,
        client.buffered,
        transaction and (transaction.mail, list(transaction.recipients)),
    )


def check_answers(
    before: Sequence[Command], ends: list[Command], found: list[object], after: Sequence[Command]
) -> None:
    """Replies answer what was outstanding, in its order, each one once.

    Args:
        before: what was outstanding.
        ends: what a last chunk stands for.
        found: what came.
        after: what is outstanding now.
    """
    expected = list(before)
    if isinstance(found[0], ConnectionClosed) and not before:
        return  # it is given again and again
    for event in found:
        if isinstance(event, ConnectionClosed):
            assert not after
            after = event.unanswered
        elif isinstance(event, ReplyReceived):
            if event.command is None:
                assert event.reply.code == 421
                assert not expected
                continue
            if isinstance(event.command, EndOfMailData) and isinstance(expected[0], Bdat):
                assert expected[0].last
                expected[:1] = ends
            assert event.command == expected.pop(0)
    if isinstance(found[-1], Signal | ConnectionClosed):
        assert list(after) == expected


def check_state(client: ClientConnection) -> None:
    if client.state in (State.CONNECTED, State.GREETED, State.READY, State.CLOSED, State.ERROR):
        assert client.transaction is None
    if client.state in (State.MAIL, State.RCPT, State.BDAT, State.BDAT_FAILED):
        assert client.transaction is not None
        if client.state is not State.BDAT_FAILED:
            assert bool(client.transaction.recipients) is (client.state is not State.MAIL)
    if client.state in (State.TLS, State.CLOSED):
        assert client.outstanding == ()


def check_client(octets: bytes) -> None:
    """Let a client do and receive what `octets` say, beside its two oracles."""
    choices = Choices(octets)
    make = choices.among(list(PLACES.values()))
    takes_settings = make in (PLACES["RCPT"], PLACES["BDAT"])
    settings = {"lmtp": True, "recipients": 2} if takes_settings and choices.below(2) else {}
    client, twin, bytewise = (make(**settings) for _ in range(3))
    while choices:
        kind = choices.below(8)
        before = client.outstanding
        ends: list[Command] = [EndOfMailData()]
        if client.lmtp and client.transaction is not None and client.transaction.recipients:
            ends = [EndOfMailData(recipient) for recipient in client.transaction.recipients]
        if kind < 4:
            call = choices.among(CALLS)
            seen = facts(client)
            outcome = attempt(client, call)
            if isinstance(outcome, bytes) or client.state is State.ERROR:
                assert attempt(twin, call) == attempt(bytewise, call) == outcome
            else:
                assert facts(client) == seen
                assert attempt(client, call) == outcome
            if isinstance(outcome, bytes) and call in CALLS[: len(COMMANDS)]:
                assert outcome.endswith(b"\r\n")
                assert not any(octet in outcome[:-2] for octet in b"\r\n\0")
        elif kind < 7:
            text = choices.take(choices.below(20)) if kind == 6 else choices.among(REPLIES)
            rest = text
            if kind == 5 and len(text) > 1:  # the most of it is not looked at yet
                rest = text[-1:]
                for each in (client, twin, bytewise):
                    each.receive_data(text[:-1])
            found = receive(client, rest) if rest else drain(client)
            check_answers(before, ends, found, client.outstanding)
            check_shows_no_secret(found)
            assert receive_at_once(twin, rest) == found
            cut = receive_bytewise(bytewise, rest) if rest else drain(bytewise)
            if cut != found:  # STARTTLS looks at whether there is more; all else must not
                assert found[-1] == cut[-1]
                assert bytewise.state is State.ERROR
                (answer,) = cut[len(found) - 1 : -1]
                assert isinstance(answer, ReplyReceived)
                assert isinstance(answer.command, StartTLS)
        else:
            for each in (client, twin, bytewise):
                each.receive_eof()
            found = drain(client)
            check_answers(before, ends, found, client.outstanding)
            assert drain(twin) == drain(bytewise) == found
            assert not isinstance(found[-1], Signal)
            return
        check_state(client)
        assert facts(client) == facts(twin)
        if client.state is not State.ERROR:
            assert facts(client) == facts(bytewise)
