# SPDX-License-Identifier: MIT
"""SIZE, PIPELINING, ENHANCEDSTATUSCODES, STARTTLS as they are declared."""

from __future__ import annotations

from typing import Any

import pytest
import server_drive as drive

from smtpproto import InvalidValueError, Limits, Mail, TLSInfo, Violation
from smtpproto.extensions import EnhancedStatusCodes, Pipelining, Size, StartTLS
from smtpproto.extensions.basic import parse_number


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("00012", 12), ("9" * 20, 10**20 - 1), ("1", 1)]
)
def test_numbers(text: str, number: int) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "+5", "1_000", "0x10", "1e3", "1k", " 1", "1 ", "1.0", "9" * 21, "9" * 5000),
        *("\u0661\u0662", "\u00b2", "\uff11", "\u2460"),
    ],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_number(text)
    assert caught.value.violation is Violation.PARAMETER_SYNTAX
    assert (caught.value.code, caught.value.enhanced) == (501, "5.5.4")


@pytest.mark.parametrize(
    "value",
    ["SIZE", "SIZE=", "SIZE=-1", "SIZE=1k", "SIZE=" + "1" * 21, "SIZE=1 SIZE=1", "SIZE=\u0661"],
)
def test_a_bad_size_at_mail_is_501(value: str) -> None:
    outcome = drive.talk(drive.ready(), f"MAIL FROM:<a@b.example> {value}\r\n".encode())
    assert outcome.codes == [501]
    assert b" 5.5.4 " in outcome.output


@pytest.mark.parametrize("maximum", [0, -1, 10**20, 1.5, True, "5"])
def test_a_maximum_is_a_number_of_octets(maximum: Any) -> None:
    with pytest.raises(InvalidValueError, match="Size"):
        Size(maximum)


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (("1000",), 1000),
        (("1000 more",), 1000),
        (("",), None),
        (("0",), None),
        (("lots",), None),
        (("1" * 21,), None),
        (("5", "7"), 7),
        (("-5",), None),
    ],
)
def test_the_announced_size(texts: tuple[str, ...], value: int | None) -> None:
    assert Size().parse_announcement(texts) == value


def test_the_reply_to_ehlo_has_the_maximum() -> None:
    server = drive.new()
    assert Size(7).announcement(server) == "7"
    assert Size().announcement(server) == ""
    assert Size(10**20 - 1).announcement(server) == "9" * 20


@pytest.mark.parametrize(
    ("declared", "code"), [("", 250), (" SIZE=0", 250), (" SIZE=7", 250), (" SIZE=8", 552)]
)
def test_the_declared_size_is_held_against_the_maximum(declared: str, code: int) -> None:
    server = drive.ready(extensions=[Size(7)])
    assert drive.talk(server, f"MAIL FROM:<a@b.example>{declared}\r\n".encode()).codes == [code]
    server = drive.ready(extensions=[Size()])
    assert drive.talk(server, f"MAIL FROM:<a@b.example>{declared}\r\n".encode()).codes == [250]


def test_another_parameter_is_no_size() -> None:
    server = drive.ready()
    assert drive.talk(server, b"MAIL FROM:<a@b.example> BODY=7BIT\r\n").codes == [250]
    Size(5).check(Mail("a@b.example"), server)


def test_what_the_flags_say() -> None:
    assert Pipelining().allows_groups
    assert EnhancedStatusCodes().enhanced_status
    assert not Pipelining().enhanced_status
    assert not EnhancedStatusCodes().allows_groups


def test_starttls_is_offered_in_the_clear_only() -> None:
    assert StartTLS().announcement(drive.new()) == ""
    assert StartTLS().announcement(drive.new(tls=TLSInfo())) is None


def test_a_server_without_a_maximum_refuses_what_it_would_not_hold() -> None:
    limits = drive.SMALL
    assert limits.mail_data == 40
    server = drive.ready(extensions=[Size()], limits=limits)
    assert server.keywords["SIZE"] == ("",)
    outcome = drive.talk(server, b"MAIL FROM:<> SIZE=41\r\nMAIL FROM:<> SIZE=40\r\n")
    assert outcome.codes == [552, 250]
    server = drive.ready(extensions=[Size()], limits=Limits(mail_data=None))
    assert drive.talk(server, b"MAIL FROM:<> SIZE=99999999999999999999\r\n").codes == [250]
