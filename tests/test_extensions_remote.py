# SPDX-License-Identifier: MIT
"""ETRN, ATRN and TURN in both roles."""

from __future__ import annotations

from typing import Any

import client_drive
import extension_drive as drive
import pytest
import server_drive

from smtpproto import (
    ClientConnection,
    CommandRejected,
    ConnectionClosed,
    Data,
    Ehlo,
    Limits,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Reply,
    ServerConnection,
    Signal,
    TLSInfo,
)
from smtpproto.exceptions import (
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    Violation,
)
from smtpproto.extensions import Atrn, Auth, Etrn, Size, Turn
from smtpproto.grammar.verbs import Atrn as AtrnCommand
from smtpproto.grammar.verbs import Etrn as EtrnCommand
from smtpproto.grammar.verbs import Turn as TurnCommand
from smtpproto.testing import ConnectionPair

ARGUMENT = (Violation.ARGUMENT_SYNTAX, 501, "5.5.4")
SEQUENCE = (Violation.BAD_SEQUENCE, 503, "5.5.1")
NO_AUTH = (Violation.AUTH_REQUIRED, 530, "5.7.0")

ETRN = [
    ("ETRN example.com", EtrnCommand("example.com")),
    ("etrn @example.com", EtrnCommand("example.com", "@")),
    ("ETRN #uucp", EtrnCommand("uucp", "#")),
]
ATRN = [
    ("ATRN", AtrnCommand()),
    ("ATRN example.org", AtrnCommand(["example.org"])),
    ("atrn example.org,Example.com", AtrnCommand(("example.org", "Example.com"))),
]


@pytest.mark.parametrize(("line", "command"), ETRN)
def test_etrn(line: str, command: EtrnCommand) -> None:
    connection = drive.server(Etrn())
    assert drive.received(connection, line) == command
    connection.send(Reply(253, "5 pending"))
    assert connection.state.name == "READY"
    client = drive.client("ETRN")
    sent = client.send(command).decode()
    assert sent.partition(" ")[2] == line.partition(" ")[2] + "\r\n"
    assert client_drive.answered(client, b"459 no\r\n").command == command


@pytest.mark.parametrize(
    "line",
    ["ETRN", "ETRN @", "ETRN #", "ETRN a b", "ETRN &a", "ETRN a_b", "ETRN # a", "ETRN ##\x7f"],
)
def test_bad_etrn(line: str) -> None:
    assert drive.rejected(drive.server(Etrn()), line) == ARGUMENT


@pytest.mark.parametrize(
    ("node", "option"), [("", ""), ("a b", "#"), ("a\r\n", "#"), ("a", "?"), ("a_b", "@")]
)
def test_no_etrn(node: str, option: Any) -> None:
    with pytest.raises(InvalidValueError):
        EtrnCommand(node, option)


def test_etrn_is_for_between_transactions() -> None:
    connection = drive.server(Etrn())
    server_drive.talk(connection, server_drive.MAIL)
    assert drive.rejected(connection, "ETRN example.com") == SEQUENCE
    client = drive.client("ETRN")
    client.send(client_drive.MAIL)
    client_drive.answered(client, b"250 ok\r\n")
    assert drive.local_refusal(client, EtrnCommand("a"))[0] is Violation.BAD_SEQUENCE


@pytest.mark.parametrize(("line", "command"), ATRN)
def test_atrn(line: str, command: AtrnCommand) -> None:
    connection = drive.server(Atrn(), authenticated=True)
    assert drive.received(connection, line) == command
    connection.send(Reply(250, "reversing"))
    assert connection.state.name == "REVERSED"
    assert connection.next_event() is Signal.NEED_DATA
    client = authenticated_client()
    assert client.send(command).decode().upper() == line.upper() + "\r\n"
    client_drive.answered(client, b"250 reversing\r\n")
    assert client.state.name == "REVERSED"


def turned(**settings: Any) -> tuple[ServerConnection, ClientConnection]:
    """Return the provider and the customer after a 250 to ATRN."""
    provider = drive.server(Atrn(), authenticated=True, **settings)
    provider.identity = "example.org"
    drive.received(provider, "ATRN example.org")
    customer = authenticated_client(**settings)
    customer.send(AtrnCommand(["example.org"]))
    client_drive.answered(customer, provider.send(Reply(250, "reversing")))
    return provider, customer


def test_the_roles_turn() -> None:
    tls = TLSInfo("TLSv1.3")
    limits = Limits(reply_lines=5)
    provider, customer = turned(tls=tls, limits=limits)
    sender = provider.reverse()
    taker = customer.reverse("example.org", extensions=[Size(1000)])
    assert (sender.tls, sender.identity, sender.is_authenticated) == (tls, "example.org", False)
    assert (taker.tls, taker.identity, taker.is_authenticated) == (tls, None, False)
    assert sender.announced == taker.announced == {}
    # RFC 2645 6: the customer greets, and the provider says EHLO.
    pair = ConnectionPair(taker, sender, segment="bytewise")
    pair.run()
    pair.write(sender.send(Ehlo("example.net")))
    pair.run()
    assert sender.announced == {"SIZE": 1000}
    for command in (Mail("a@example.com"), Rcpt("b@example.org"), Data()):
        pair.write(sender.send(command))
        pair.run()
    pair.write(sender.send_mail_data(b"mail") + sender.end_mail_data())
    pair.run()
    assert pair.messages[0].data == b"mail\r\n"
    sender.send(Noop())
    with pytest.raises(RemoteProtocolError, match="5 lines"):
        client_drive.feed(sender, b"250-a\r\n" * 6)


def test_a_connection_that_has_turned_is_spent() -> None:
    provider, customer = turned()
    for code in (250, 421):
        with pytest.raises(LocalProtocolError):
            provider.send(Reply(code, "bye"))
    with pytest.raises(LocalProtocolError):
        customer.send(Quit())
    with pytest.raises(LocalProtocolError, match="behind a reversal"):
        provider.receive_data(b"220 ready\r\n")
    provider.reverse()
    customer.reverse("example.org")
    for each in (provider, customer):
        assert each.state.name == "CLOSED"
        assert each.next_event() == ConnectionClosed(True)
        with pytest.raises(LocalProtocolError):
            each.receive_data(b"x")
    with pytest.raises(LocalProtocolError):
        provider.send(Reply(421, "bye"))
    with pytest.raises(LocalProtocolError):
        customer.send(Quit())
    with pytest.raises(LocalProtocolError, match="once, in state REVERSED"):
        provider.reverse()
    with pytest.raises(LocalProtocolError, match="once, in state REVERSED"):
        customer.reverse("example.org")


@pytest.mark.parametrize("place", ["READY", "RCPT", "DATA"])
def test_no_turn_where_none_was_agreed(place: str) -> None:
    with pytest.raises(LocalProtocolError, match="not in state " + place):
        server_drive.PLACES[place]().reverse()
    with pytest.raises(LocalProtocolError, match="not in state " + place):
        client_drive.PLACES[place]().reverse("example.org")


def test_input_behind_atrn_ends_the_session() -> None:
    """It would pass for the greeting of the customer."""
    connection = drive.server(Atrn(), authenticated=True)
    event = server_drive.event_of(connection, b"ATRN\r\n220 forged\r\n")
    assert isinstance(event, CommandRejected)
    assert (event.violation, event.closes) == (Violation.INPUT_BEHIND_REVERSAL, True)
    assert event.default_reply.code == 554
    connection.send(event.default_reply)
    assert connection.state.name == "CLOSED"


def test_no_input_is_taken_until_atrn_is_answered() -> None:
    connection = drive.server(Atrn(), authenticated=True)
    drive.received(connection, "ATRN")
    with pytest.raises(LocalProtocolError):
        connection.receive_data(b"220 early\r\n")
    connection.send(Reply(450, "no"))
    assert server_drive.talk(connection, b"NOOP\r\n").codes == [250]


@pytest.mark.parametrize("octets", [b"2", b"220 mine\r\n", b"421 no\r\n"])
@pytest.mark.parametrize("together", [True, False])
def test_input_behind_the_reply_to_atrn(octets: bytes, together: bool) -> None:
    client = authenticated_client()
    client.send(AtrnCommand())
    if together:
        client.receive_data(b"250 turn\r\n" + octets)
        with pytest.raises(RemoteProtocolError) as caught:
            client.next_event()
    else:
        client_drive.answered(client, b"250 turn\r\n")
        client.receive_data(octets)
        with pytest.raises(RemoteProtocolError) as caught:
            client.reverse("example.org")
    assert caught.value.violation is Violation.INPUT_BEHIND_REVERSAL
    assert client.state.name == "ERROR"


def test_the_end_instead_of_the_turn() -> None:
    provider, customer = turned()
    provider.receive_eof()
    customer.receive_eof()
    assert provider.next_event() == customer.next_event() == ConnectionClosed(False)


def authenticated_client(keyword: str = "ATRN", **settings: Any) -> Any:
    client = drive.client(keyword, "AUTH PLAIN", **settings)
    client.send(drive.client_drive.Auth("PLAIN", b"\0a\0b"))
    client_drive.answered(client, b"235 ok\r\n")
    return client


@pytest.mark.parametrize("reply", [Reply(450, "no"), Reply(453, "no mail")])
def test_atrn_refused(reply: Reply) -> None:
    connection = drive.server(Atrn(), authenticated=True)
    drive.received(connection, "ATRN")
    connection.send(reply)
    client = authenticated_client()
    client.send(AtrnCommand())
    client_drive.answered(client, reply.encode())
    assert connection.state.name == client.state.name == "READY"


@pytest.mark.parametrize(
    "line",
    ["ATRN localhost", "ATRN a.b,", "ATRN ,a.b", "ATRN a.b c.d", "ATRN a.b,,c.d", "ATRN a_.b"],
)
def test_bad_atrn(line: str) -> None:
    assert drive.rejected(drive.server(Atrn(), authenticated=True), line) == ARGUMENT


def test_atrn_needs_authentication() -> None:
    connection = drive.server(Atrn(), Auth("PLAIN", cleartext=True))
    assert "ATRN" in connection.keywords
    assert drive.rejected(connection, "ATRN") == NO_AUTH
    assert drive.local_refusal(drive.client("ATRN", "AUTH PLAIN"), AtrnCommand()) == NO_AUTH


def test_turn_is_refused_where_it_is_not_offered() -> None:
    connection = drive.server(Atrn(), authenticated=True)
    assert drive.rejected(connection, "TURN") == (Violation.NOT_OFFERED, 502, "5.5.1")


def test_turn() -> None:
    """RFC 821 3.8, for a client that is known (RFC 5321 F.1)."""
    provider = drive.server(Turn(), authenticated=True)
    assert drive.received(provider, "turn") == TurnCommand()
    customer = authenticated_client(keyword="TURN")
    assert customer.send(TurnCommand()) == b"TURN\r\n"
    client_drive.answered(customer, provider.send(Reply(250, "reversing")))
    sender, taker = provider.reverse(), customer.reverse("example.org")
    pair = ConnectionPair(taker, sender)
    pair.run()
    pair.write(sender.send(Ehlo("example.net")))
    pair.run()
    assert sender.state.name == taker.state.name == "READY"


def test_turn_needs_authentication() -> None:
    connection = drive.server(Turn(), Auth("PLAIN", cleartext=True))
    assert drive.rejected(connection, "TURN") == NO_AUTH
    assert drive.local_refusal(drive.client("TURN", "AUTH PLAIN"), TurnCommand()) == NO_AUTH


@pytest.mark.parametrize("code", [220, 251])
def test_another_code_does_not_turn_the_roles(code: int) -> None:
    """RFC 2645 5.2: both sides must mean the same by it."""
    connection = drive.server(Atrn(), authenticated=True)
    drive.received(connection, "ATRN")
    with pytest.raises(LocalProtocolError, match="250"):
        connection.send(Reply(code, "reversing"))
    client = authenticated_client()
    client.send(AtrnCommand())
    with pytest.raises(RemoteProtocolError):
        client_drive.answered(client, b"%d reversing\r\n" % code)
