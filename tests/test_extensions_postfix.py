# SPDX-License-Identifier: MIT
"""XCLIENT, XFORWARD and XVERP in both roles."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import client_drive
import extension_drive as drive
import pytest
import server_drive

from smtpproto import Reply
from smtpproto.exceptions import InvalidValueError, LocalProtocolError, Violation
from smtpproto.extensions import EnhancedStatusCodes, XClient, XForward, XVerp
from smtpproto.grammar.attributes import Missing
from smtpproto.grammar.attributes import XClient as XClientCommand
from smtpproto.grammar.attributes import XForward as XForwardCommand

ARGUMENT = (Violation.ARGUMENT_SYNTAX, 501, "5.5.4")
SEQUENCE = (Violation.BAD_SEQUENCE, 503, "5.5.1")
WHOM = XClientCommand({"NAME": Missing.UNAVAILABLE, "ADDR": IPv4Address("192.0.2.9")})
WHENCE = XForwardCommand({"NAME": "spike.example", "ADDR": IPv6Address("2001:db8::9")})


def server(**settings: Any) -> Any:
    return drive.server(XClient(), XForward(), XVerp(), **settings)


def client(*keywords: str) -> Any:
    return drive.client(*(keywords or ("XCLIENT NAME ADDR", "XFORWARD NAME ADDR", "PIPELINING")))


def test_xclient_is_received() -> None:
    connection = server()
    command = drive.received(connection, "XCLIENT ADDR=192.0.2.9 name=[unavailable]")
    assert command == WHOM
    assert command.attributes == {"NAME": Missing.UNAVAILABLE, "ADDR": IPv4Address("192.0.2.9")}
    assert command.attributes.wire == {"ADDR": "192.0.2.9", "NAME": "[unavailable]"}


def test_a_new_greeting_answers_xclient() -> None:
    connection = server()
    server_drive.event_of(connection, b"XCLIENT ADDR=192.0.2.9\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send(Reply(250, "ok"))
    connection.send(Reply(220, "mx.example.org ESMTP"))
    assert (connection.state.name, connection.hello, dict(connection.keywords)) == (
        *("GREETED", None),
        {},
    )
    assert drive.rejected(connection, "MAIL FROM:<>") == SEQUENCE
    assert server_drive.talk(connection, server_drive.HELLO).codes == [250]

    sender = client()
    assert sender.send(WHOM) == b"XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.9\r\n"
    client_drive.answered(sender, b"220 mx.example.org ESMTP\r\n")
    assert (sender.state.name, sender.hello, [*sender.announced]) == ("GREETED", None, ["XCLIENT"])
    assert drive.local_refusal(sender, client_drive.MAIL)[0] is Violation.BAD_SEQUENCE
    client_drive.announce(sender, "XCLIENT NAME")
    assert sender.state.name == "READY"


def test_xclient_refused() -> None:
    connection = server()
    drive.received(connection, "XCLIENT ADDR=192.0.2.9")
    connection.send(Reply(550, "no", "5.7.0"))
    sender = client()
    sender.send(WHOM)
    client_drive.answered(sender, b"550 5.7.0 no\r\n")
    assert connection.state.name == sender.state.name == "READY"
    assert sender.announced["XCLIENT"] == {"NAME", "ADDR"}


def claim(connection: Any, attributes: str) -> None:
    drive.received(connection, f"XCLIENT {attributes}")
    connection.send(Reply(220, "mx.example.org ESMTP"))


def test_what_was_claimed_stays_to_the_end_of_the_session() -> None:
    connection = server(tls=None)
    assert connection.claimed == {}
    claim(connection, "NAME=b.example PORT=25")
    server_drive.talk(connection, server_drive.HELLO)
    claim(connection, "NAME=a.example ADDR=192.0.2.9")
    assert connection.claimed == WHOM_CLAIMED
    server_drive.talk(connection, server_drive.HELLO + server_drive.MAIL + b"RSET\r\n")
    assert connection.claimed == WHOM_CLAIMED
    assert drive.rejected(connection, "XCLIENT NAME=b.example")[1] == 503
    assert connection.claimed == WHOM_CLAIMED
    assert (connection.identity, connection.is_authenticated) == (None, False)


WHOM_CLAIMED = {"NAME": "a.example", "PORT": 25, "ADDR": IPv4Address("192.0.2.9")}


def test_several_xclients_in_a_row() -> None:
    """What does not fit a line goes in several, ADDR last (XCLIENT_README)."""
    connection, sender = server(), client("XCLIENT NAME ADDR HELO", "XFORWARD NAME", "SIZE")
    for attributes in ({"NAME": "a.example"}, {"HELO": "b"}, {"ADDR": IPv4Address("192.0.2.9")}):
        assert sender.state is connection.state
        octets = sender.send(XClientCommand(attributes))
        server_drive.event_of(connection, octets)
        client_drive.answered(sender, connection.send(Reply(220, "mx")))
    assert connection.state.name == "GREETED"
    assert set(connection.claimed) == {"NAME", "HELO", "ADDR"}
    fresh = server_drive.greeted(extensions=[XClient()])
    assert drive.rejected(fresh, "XCLIENT NAME=a.example") == SEQUENCE


@pytest.mark.parametrize("address", ["192.0.2.9", "[UNAVAILABLE]"])
def test_the_right_to_claim_ends_with_the_address(address: str) -> None:
    """A proxy hands over to the client that it spoke for."""
    connection = server()
    claim(connection, f"NAME=a.example ADDR={address}")
    for line in ("XCLIENT LOGIN=root", "XCLIENT ADDR=127.0.0.1", "XFORWARD ADDR=127.0.0.1"):
        assert drive.rejected(connection, line) == SEQUENCE
    server_drive.talk(connection, server_drive.HELLO)
    assert set(connection.keywords) == {"XVERP"}
    for line in ("XCLIENT LOGIN=root", "XCLIENT ADDR=127.0.0.1", "XFORWARD ADDR=127.0.0.1"):
        assert drive.rejected(connection, line) == SEQUENCE
    assert connection.identity is None


def test_a_refused_claim_changes_nothing() -> None:
    connection = server(authenticated=True)
    connection.identity = "tim"
    drive.received(connection, "XCLIENT LOGIN=ann")
    connection.send(Reply(550, "no"))
    assert (connection.identity, connection.is_authenticated) == ("tim", True)
    assert connection.claimed == {}


def test_login_is_the_identity_and_without_it_there_is_none() -> None:
    connection = server(authenticated=True)
    connection.identity = "tim"
    claim(connection, "NAME=a.example")
    assert (connection.identity, connection.is_authenticated) == (None, False)
    server_drive.talk(connection, server_drive.HELLO)
    claim(connection, "LOGIN=ann")
    server_drive.talk(connection, server_drive.HELLO + b"NOOP\r\n")
    assert (connection.identity, connection.is_authenticated) == ("ann", True)
    claim(connection, "NAME=b.example")
    assert (connection.identity, connection.is_authenticated) == ("ann", True), "it was not unsaid"
    server_drive.talk(connection, server_drive.HELLO)
    claim(connection, "LOGIN=[UNAVAILABLE]")
    assert (connection.identity, connection.is_authenticated) == (None, False)


def test_login_opens_what_needs_authentication() -> None:
    connection = server(require_auth=True)
    for before in ("MAIL FROM:<>", "XFORWARD NAME=a", "VRFY a"):
        assert drive.rejected(connection, before)[1] == 530
    claim(connection, "NAME=a.example")
    server_drive.talk(connection, server_drive.HELLO)
    assert drive.rejected(connection, "MAIL FROM:<>")[1] == 530
    claim(connection, "LOGIN=ann")
    server_drive.talk(connection, server_drive.HELLO + server_drive.MAIL)
    assert connection.state.name == "MAIL"


def test_the_new_greeting_has_no_status() -> None:
    connection = drive.server(XClient(), EnhancedStatusCodes())
    drive.received(connection, "XCLIENT NAME=a.example")
    assert connection.send(Reply(550, "no", "5.7.0")) == b"550 5.7.0 no\r\n"
    drive.received(connection, "XCLIENT NAME=a.example")
    assert connection.send(Reply(220, "mx ESMTP", "2.0.0")) == b"220 mx ESMTP\r\n"
    connection = drive.server(XClient(), EnhancedStatusCodes())
    drive.received(connection, "XCLIENT NAME=a.example")
    assert connection.send(Reply(220, "mx ESMTP")) == b"220 mx ESMTP\r\n"


def test_counters_survive_xclient() -> None:
    connection = server(limits=server_drive.SMALL)
    server_drive.talk(connection, b"X\r\n" * 4)
    claim(connection, "NAME=a.example")
    assert server_drive.talk(connection, b"X\r\n").codes == [421]


def test_xforward_is_received() -> None:
    connection = server()
    command = drive.received(connection, "XFORWARD NAME=spike.example ADDR=IPv6:2001:db8::9")
    assert command == WHENCE
    connection.send(Reply(250, "ok"))
    assert connection.state.name == "READY"
    sender = client()
    assert sender.send(WHENCE) == b"XFORWARD NAME=spike.example ADDR=IPV6:2001:db8::9\r\n"
    sender.send(client_drive.MAIL)
    client_drive.feed(sender, b"250 ok\r\n250 ok\r\n")
    assert sender.state.name == "MAIL"


@pytest.mark.parametrize("verb", ["XCLIENT", "XFORWARD"])
def test_not_within_a_transaction(verb: str) -> None:
    connection = server()
    server_drive.talk(connection, server_drive.MAIL)
    assert drive.rejected(connection, f"{verb} NAME=a") == SEQUENCE


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("NAME=[TEMPUNAVAIL]", {"NAME": Missing.TEMPUNAVAIL}),
        (
            "name=[tempUnavail]  ADDR=[UNAVAILABLE]",
            {"NAME": Missing.TEMPUNAVAIL, "ADDR": Missing.UNAVAILABLE},
        ),
        ("ADDR=IPV6:::1 PORT=0", {"ADDR": IPv6Address("::1"), "PORT": 0}),
        (
            "PORT=65535 DESTADDR=127.0.0.1 DESTPORT=25",
            {"PORT": 65535, "DESTADDR": IPv4Address("127.0.0.1"), "DESTPORT": 25},
        ),
        (
            "PROTO=esmtp HELO=a+20b LOGIN=user+2Bx+C3+A9",
            {"PROTO": "ESMTP", "HELO": "a b", "LOGIN": "user+x\u00e9"},
        ),
        ("HELO=" + "x" * 255, {"HELO": "x" * 255}),
    ],
)
def test_attributes_of_xclient(text: str, values: dict[str, Any]) -> None:
    command = drive.received(server(), f"XCLIENT {text}")
    assert command.attributes == values
    assert XClientCommand(values) == command
    again = drive.received(server(), XClientCommand(values).encode().decode().rstrip())
    assert again == command


@pytest.mark.parametrize(
    "text",
    [
        *("", "NAME", "=x", "NAME=", "NAME=a NAME=b", "NAME=a name=b", "NAME=a=b", "NAME=a+2"),
        *("NAME=+00", "NAME=+0A", "NAME=+FF", "NAME=a b", "NA+ME=x", "-N=x", "HELO=" + "x" * 256),
        *("ADDR=192.0.2", "ADDR=192.0.2.256", "ADDR=192.0.2.01", "ADDR=2001:db8::9", "ADDR=x"),
        *("ADDR=IPV6:1.2.3.4", "ADDR=IPV6:fe80::1%25eth0", "ADDR=IPV6:fe80::1%eth0"),
        "ADDR=[TEMPUNAVAIL]",
        *("PORT=65536", "PORT=-1", "PORT=x", "PORT=123456", "PROTO=LMTP", "SOURCE=LOCAL", "X=y"),
    ],
)
def test_bad_xclient(text: str) -> None:
    assert drive.rejected(server(), f"XCLIENT {text}") == ARGUMENT


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("SOURCE=local IDENT=3CF6B2AAE8", {"SOURCE": "LOCAL", "IDENT": "3CF6B2AAE8"}),
        ("SOURCE=REMOTE PROTO=" + "x" * 64, {"SOURCE": "REMOTE", "PROTO": "x" * 64}),
        ("SOURCE=[UNAVAILABLE]", {"SOURCE": Missing.UNAVAILABLE}),
    ],
)
def test_attributes_of_xforward(text: str, values: dict[str, Any]) -> None:
    command = drive.received(server(), f"XFORWARD {text}")
    assert command.attributes == values == XForwardCommand(values).attributes


@pytest.mark.parametrize(
    "text",
    [
        *("PROTO=" + "x" * 65, "SOURCE=here", "IDENT=a+20b", "IDENT=+C3+A9", "HELO=a+3Cb"),
        *("HELO=<a>", "HELO=a+22", "LOGIN=a", "IDENT=", "HELO=a;b", "HELO=a,b", "HELO=(a)"),
    ],
)
def test_bad_xforward(text: str) -> None:
    assert drive.rejected(server(), f"XFORWARD {text}") == ARGUMENT


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"NAME": ""},
        {"NAME": "a\r\nRSET"},
        {"NAME": "\ud800"},
        {"ADDR": "here"},
        {"PORT": 65536},
        {"NAME": "a", "name": "b"},
        {"A B": "x"},
        {"A=": "x"},
    ],
)
def test_what_cannot_be_written(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        XClientCommand(values)


def test_only_what_is_announced() -> None:
    connection = drive.server(XClient("name", "X-OWN"))
    assert connection.announced["XCLIENT"] == {"NAME", "X-OWN"}
    assert drive.received(connection, "XCLIENT x-own=+5B").attributes == {"X-OWN": "["}
    connection.send(Reply(550, "no"))
    assert drive.rejected(connection, "XCLIENT ADDR=192.0.2.9") == ARGUMENT
    sender = client("XCLIENT NAME REVERSE_NAME", "XFORWARD IDENT")
    assert drive.local_refusal(sender, WHOM) == ARGUMENT
    assert drive.local_refusal(sender, WHENCE) == ARGUMENT
    assert sender.send(XClientCommand({"REVERSE_NAME": Missing.TEMPUNAVAIL}))
    assert server().announced["XFORWARD"] == {
        *("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"),
    }
    for bad in ("a b", "", "\u00e9"):
        with pytest.raises(InvalidValueError):
            XForward(bad)


def test_xverp() -> None:
    connection = server()
    for text, value in (("XVERP", None), ("XVERP=+=", "+="), ("xverp=-#", "-#")):
        command = drive.received(connection, f"MAIL FROM:<a@b.example> {text}")
        assert command.parameters == {"XVERP": value}
        connection.send(Reply(550, "no"))
    for bad in ("XVERP=", "XVERP=+", "XVERP=+=+", "XVERP=a+", "XVERP=\u00ab\u00bb"):
        assert drive.mail_refusal(connection, bad) == drive.SYNTAX
    sender = client("XVERP")
    assert drive.written(sender, drive.mail(XVERP="+=")) == "XVERP=+="
    assert drive.written(sender, drive.mail(XVERP=None)) == "XVERP"
    assert drive.local_refusal(sender, drive.mail(XVERP="ab")) == drive.SYNTAX
