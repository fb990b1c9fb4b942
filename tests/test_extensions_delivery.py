# SPDX-License-Identifier: MIT
"""BY, HOLDFOR, HOLDUNTIL, MT-PRIORITY, RRVS and REQUIRETLS in both roles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import extension_drive as drive
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import Leniency
from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.extensions import (
    Deadline,
    DeliverBy,
    Extension,
    FutureRelease,
    HoldLimits,
    MtPriority,
    RequireTLS,
    Rrvs,
    ValidSince,
)
from smtpproto.extensions.delivery import (
    encode_deadline,
    encode_release,
    encode_valid_since,
    parse_deadline,
    parse_interval,
    parse_priority,
    parse_release,
    parse_valid_since,
)

DECEMBER = datetime(2026, 12, 1, 8, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))
PRIORITY = (Violation.PARAMETER_SYNTAX, 501, "5.5.2")
TOO_SOON = (Violation.PARAMETER_SYNTAX, 555, "5.5.4")


def server(*extra: Extension, **settings: Any) -> Any:
    offered = extra or (DeliverBy(), FutureRelease(), MtPriority(), Rrvs())
    return drive.server(*offered, **settings)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("BY=120;R", {"BY": Deadline(120, "R")}),
        ("BY=-5;N", {"BY": Deadline(-5, "N")}),
        ("BY=+0;NT", {"BY": Deadline(0, "N", True)}),
        ("BY=999999999;RT", {"BY": Deadline(999_999_999, "R", True)}),
        ("by=-999999999;nt", {"BY": Deadline(-999_999_999, "N", True)}),
        ("BY=000000001;r", {"BY": Deadline(1, "R")}),
        ("HOLDFOR=1", {"HOLDFOR": 1}),
        ("HOLDFOR=999999999", {"HOLDFOR": 999_999_999}),
        ("HOLDUNTIL=2026-12-01T08:00:00Z", {"HOLDUNTIL": DECEMBER}),
        ("HOLDUNTIL=2026-12-01t08:00:00.00z", {"HOLDUNTIL": DECEMBER}),
        ("MT-PRIORITY=-9", {"MT-PRIORITY": -9}),
        ("MT-PRIORITY=0", {"MT-PRIORITY": 0}),
        ("mt-priority=9", {"MT-PRIORITY": 9}),
    ],
)
def test_mail_is_received_typed(text: str, values: dict[str, Any]) -> None:
    assert drive.in_mail(server(), text) == values


@pytest.mark.parametrize(
    "text",
    [
        *("BY=0;R", "BY=-1;R", "BY=1", "BY=1;X", "BY=1234567890;N", "BY=;N", "BY=1;NX", "BY=1;RTT"),
        *("BY=1;", "BY=--1;N", "BY=1.5;N", "BY=\u0661;N", "BY=", "BY", "BY=1;T"),
        *("HOLDFOR=0", "HOLDFOR=01", "HOLDFOR=1234567890", "HOLDFOR=+1", "HOLDFOR=", "HOLDFOR"),
        *("HOLDUNTIL=2026-12-01T08:00:00+01:00", "HOLDUNTIL=2026-12-01T08:00:00+00:00"),
        *("HOLDUNTIL=2026-12-01", "HOLDUNTIL=2026-13-01T08:00:00Z", "HOLDUNTIL=2026-12-01T08:00Z"),
        *("HOLDUNTIL=2026-12-01T08:00:00", "HOLDUNTIL=2026-12-01T08:00:60Z", "HOLDUNTIL"),
        *("HOLDUNTIL=2026-12-01T08:00:00.Z", "HOLDUNTIL=0000-12-01T08:00:00Z"),
        "HOLDFOR=5 HOLDUNTIL=2026-12-01T08:00:00Z",
        *("HOLDFOR=6 BY=5;N", "BY=5;R HOLDFOR=6", "HOLDFOR=1 BY=0;N", "HOLDFOR=1 BY=-5;N"),
        "MT-PRIORITY",
    ],
)
def test_bad_mail(text: str) -> None:
    assert drive.mail_refusal(server(), text) == drive.SYNTAX


@pytest.mark.parametrize("text", ["+1", "-0", "10", "03", "-10", "1.0", "x", "\u0661"])
def test_bad_priority(text: str) -> None:
    assert drive.mail_refusal(server(), f"MT-PRIORITY={text}") == PRIORITY


@pytest.mark.parametrize(
    "text", ["BY=5;N BY=5;N", "HOLDFOR=1 HOLDFOR=1", "MT-PRIORITY=1 mt-priority=1"]
)
def test_twice(text: str) -> None:
    assert drive.mail_refusal(server(), text) == drive.TWICE


def test_what_is_in_time() -> None:
    connection = server()
    assert drive.in_mail(connection, "HOLDFOR=5 BY=5;N")["HOLDFOR"] == 5
    assert drive.in_mail(connection, "HOLDUNTIL=2026-12-01T08:00:00Z BY=-5;N")["BY"].seconds == -5


# --- announcements -------------------------------------------------------------------------------


def test_the_least_time_to_return() -> None:
    connection = server(DeliverBy(60))
    assert connection.keywords["DELIVERBY"] == ("60",)
    assert connection.announced["DELIVERBY"] == 60
    assert drive.mail_refusal(connection, "BY=59;R") == TOO_SOON
    for text in ("BY=60;R", "BY=59;N", "BY=-5;N"):
        assert drive.in_mail(connection, text)
    client = drive.client("DELIVERBY 60,soon")
    assert client.announced["DELIVERBY"] == 60
    assert drive.local_refusal(client, drive.mail(BY=Deadline(59, "R"))) == TOO_SOON
    assert drive.local_refusal(client, drive.mail(BY="59;RT")) == TOO_SOON
    assert drive.local_refusal(client, drive.mail(BY="x")) == drive.SYNTAX
    assert drive.local_refusal(client, drive.mail(BY=5)) == drive.SYNTAX
    assert drive.written(client, drive.mail(BY=Deadline(60, "R", True))) == "BY=60;RT"
    assert drive.written(client, drive.mail(BY=Deadline(-1))) == "BY=-1;N"


@pytest.mark.parametrize("text", ["", "x", ",x", "1234567890", "-1", "\u0661"])
def test_no_least_time(text: str) -> None:
    assert DeliverBy().parse_announcement((text,)) is None


def test_limits_of_holding() -> None:
    connection = server(FutureRelease(100, DECEMBER), DeliverBy())
    assert connection.keywords["FUTURERELEASE"] == ("100 2026-12-01T08:00:00Z",)
    assert connection.announced["FUTURERELEASE"] == HoldLimits(100, DECEMBER)
    for bad in ("HOLDFOR=101", "HOLDUNTIL=2026-12-01T08:00:01Z"):
        assert drive.mail_refusal(connection, bad) == drive.SYNTAX
    for good in ("HOLDFOR=100", "HOLDUNTIL=2026-12-01T08:00:00Z"):
        assert drive.in_mail(connection, good)
    client = drive.client("FUTURERELEASE 100 2026-12-01T10:00:00+02:00", "DELIVERBY")
    assert client.announced["FUTURERELEASE"] == HoldLimits(100, DECEMBER)
    late = DECEMBER + timedelta(seconds=1)
    for wrong in (
        drive.mail(HOLDFOR=101),
        drive.mail(HOLDFOR="101"),
        drive.mail(HOLDUNTIL=late),
        drive.mail(HOLDUNTIL="2026-12-01T08:00:01Z"),
        drive.mail(HOLDFOR=1, HOLDUNTIL=DECEMBER),
        drive.mail(HOLDFOR=6, BY=Deadline(5)),
        drive.mail(HOLDUNTIL=5),
    ):
        assert drive.local_refusal(client, wrong) == drive.SYNTAX
    assert drive.written(client, drive.mail(HOLDFOR=100)) == "HOLDFOR=100"
    east = DECEMBER.astimezone(EAST)
    text = "HOLDUNTIL=2026-12-01T08:00:00Z"
    assert drive.written(client, drive.mail(HOLDUNTIL=east)) == text
    assert drive.written(client, drive.mail(HOLDFOR=5, BY=Deadline(5))) == "HOLDFOR=5 BY=5;N"


def test_no_naive_time_is_written() -> None:
    client = drive.client("FUTURERELEASE 100 2026-12-01T08:00:00Z")
    with pytest.raises(InvalidValueError, match="with its zone"):
        client.send(drive.mail(HOLDUNTIL=datetime(2026, 11, 1)))


@pytest.mark.parametrize(
    "text", ["", "100", "100 x", "x 2026-12-01T08:00:00Z", "0 2026-12-01T08:00:00Z"]
)
def test_limits_of_holding_that_cannot_be_read(text: str) -> None:
    client = drive.client(f"FUTURERELEASE {text}")
    assert client.announced["FUTURERELEASE"] is None
    assert drive.written(client, drive.mail(HOLDFOR=999_999_999)) == "HOLDFOR=999999999"
    far = DECEMBER.replace(year=9000)
    assert drive.written(client, drive.mail(HOLDUNTIL=far)) == "HOLDUNTIL=9000-12-01T08:00:00Z"


def test_hold_without_deliverby() -> None:
    connection = server(FutureRelease(), leniency=Leniency(unknown_parameters="pass"))
    assert drive.in_mail(connection, "HOLDFOR=6 BY=5;N") == {"HOLDFOR": 6, "BY": "5;N"}


def test_the_name_of_the_policy() -> None:
    connection = server(MtPriority("STANAG4406"))
    assert connection.keywords["MT-PRIORITY"] == ("STANAG4406",)
    assert drive.client("MT-PRIORITY NSEP").announced["MT-PRIORITY"] == "NSEP"
    for text in ("", "a b", "x" * 21, "\u00e9"):
        assert MtPriority().parse_announcement((text,)) == ""
    client = drive.client("MT-PRIORITY")
    assert drive.written(client, drive.mail(MT_PRIORITY=-3)) == "MT-PRIORITY=-3"
    assert drive.local_refusal(client, drive.mail(MT_PRIORITY=10)) == PRIORITY


@pytest.mark.parametrize(
    "make",
    [
        lambda: DeliverBy(-1),
        lambda: DeliverBy(10**9),
        lambda: DeliverBy("5"),  # type: ignore[arg-type]
        lambda: FutureRelease(0),
        lambda: FutureRelease("5"),  # type: ignore[arg-type]
        lambda: FutureRelease(5, datetime(2026, 12, 1)),
        lambda: MtPriority("a b"),
        lambda: MtPriority("x" * 21),
        lambda: Deadline(0, "R"),
        lambda: Deadline(10**9),
        lambda: Deadline(-(10**9)),
        lambda: Deadline(True),
        lambda: Deadline(1.5),  # type: ignore[arg-type]
        lambda: Deadline(5, "X"),  # type: ignore[arg-type]
        lambda: ValidSince(datetime(2026, 12, 1)),
        lambda: ValidSince(DECEMBER.replace(microsecond=1)),
        lambda: ValidSince(DECEMBER, "X"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_made(make: Any) -> None:
    with pytest.raises(InvalidValueError):
        make()


# --- RRVS ----------------------------------------------------------------------------------------

SINCE = datetime(2014, 4, 3, 23, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2014-04-03T23:01:00Z", ValidSince(SINCE)),
        ("2014-04-03T23:01:00Z;C", ValidSince(SINCE, "C")),
        ("2014-04-03T23:01:00z;r", ValidSince(SINCE, "R")),
        ("2014-04-04T01:01:00+02:00;R", ValidSince(SINCE, "R")),
        ("2014-04-03T21:31:00-01:30", ValidSince(SINCE)),
    ],
)
def test_rrvs_is_received_typed(text: str, value: ValidSince) -> None:
    since = drive.in_rcpt(server(), f"RRVS={text}")["RRVS"]
    assert since == value
    assert encode_valid_since(since) == text.upper(), "the zone is kept"


@pytest.mark.parametrize(
    "text",
    [
        *("=2014-04-03T23:01:00.5Z", "=2014-04-03T23:01:00Z;X", "=2014-04-03T23:01:00Z;", ""),
        *("=2014-04-03T23:01:00", "=2014-04-03T23:01:00Z;C;C", "=2014-04-03T23:01:00Z;CR", "="),
        *("=2014-04-03T23:01:00+24:00", "=2014-04-03T23:01:00+01:60", "=2014-02-29T23:01:00Z"),
    ],
)
def test_bad_rrvs(text: str) -> None:
    assert drive.rcpt_refusal(server(), f"RRVS{text}") == drive.SYNTAX


def test_the_client_writes_rrvs() -> None:
    client = drive.client_drive.in_mail("RRVS")
    line = client.send(drive.rcpt(RRVS=ValidSince(SINCE.astimezone(EAST), "C")))
    assert line == b"RCPT TO:<a@b.example> RRVS=2014-04-04T01:01:00+02:00;C\r\n"
    drive.client_drive.answered(client, b"250 ok\r\n")
    assert drive.local_refusal(client, drive.rcpt(RRVS=SINCE)) == drive.SYNTAX


# --- REQUIRETLS ----------------------------------------------------------------------------------


def test_requiretls_under_tls() -> None:
    connection = server(RequireTLS(), **drive.in_tls())
    assert drive.in_mail(connection, "REQUIRETLS") == {"REQUIRETLS": None}
    assert drive.mail_refusal(connection, "REQUIRETLS=1") == drive.SYNTAX
    client = drive.client("REQUIRETLS", **drive.in_tls())
    assert drive.written(client, drive.mail(REQUIRETLS=None)) == "REQUIRETLS"
    assert drive.written(client, drive.mail()) == "MAIL FROM:<a@b.example>"
    assert drive.local_refusal(client, drive.mail(REQUIRETLS="1")) == drive.SYNTAX


def test_requiretls_in_the_clear() -> None:
    connection = server(RequireTLS())
    assert "REQUIRETLS" not in connection.keywords
    assert drive.mail_refusal(connection, "REQUIRETLS") == drive.NOT_OFFERED
    client = drive.client("REQUIRETLS")
    refusal = (Violation.TLS_REQUIRED, 530, "5.7.10")
    assert drive.local_refusal(client, drive.mail(REQUIRETLS=None)) == refusal
    assert client.send(drive.mail())


# --- there and back ------------------------------------------------------------------------------

seconds = st.integers(-999_999_999, 999_999_999)
zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda n: timezone(timedelta(minutes=n)))
times = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones)


@given(seconds, st.sampled_from("NR"), st.booleans())
def test_by_there_and_back(number: int, mode: Any, trace: bool) -> None:
    value = Deadline(max(1, number) if mode == "R" else number, mode, trace)
    text = encode_deadline(value)
    assert parse_deadline(text) == value
    assert len(f" BY={text}") <= 17


@given(times)
def test_release_there_and_back(time: datetime) -> None:
    text = encode_release(time)
    assert text.endswith("Z")
    assert parse_release(text) == time
    assert time.microsecond or len(f" HOLDUNTIL={text}") <= 34


@given(times, st.sampled_from(["R", "C", None]))
def test_rrvs_there_and_back(time: datetime, action: Any) -> None:
    value = ValidSince(time.replace(microsecond=0), action)
    text = encode_valid_since(value)
    read = parse_valid_since(text)
    assert read == value
    assert read.time.utcoffset() == time.utcoffset()
    assert len(f" RRVS={text}") <= 33


@given(st.integers(1, 999_999_999), st.integers(-9, 9))
def test_numbers_there_and_back(interval: int, priority: int) -> None:
    assert parse_interval(str(interval)) == interval
    assert parse_priority(str(priority)) == priority
