# SPDX-License-Identifier: MIT
"""Timestamps of RFC 3339: which are read, and that they are written as they were meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.grammar.timestamps import encode_timestamp, parse_timestamp


def zone(hours: int, minutes: int = 0) -> timezone:
    return timezone(timedelta(hours=hours, minutes=minutes))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-12-01T08:00:00Z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2024-02-29t23:59:59z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00-00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("2026-12-01T08:00:00+05:30", datetime(2026, 12, 1, 8, tzinfo=zone(5, 30))),
        ("2026-12-01T08:00:00-23:59", datetime(2026, 12, 1, 8, tzinfo=zone(-23, -59))),
        ("2026-12-01T08:00:00.5Z", datetime(2026, 12, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-12-01T08:00:00.000001Z", datetime(2026, 12, 1, 8, 0, 0, 1, tzinfo=UTC)),
        ("2026-12-01T08:00:00.123456789Z", datetime(2026, 12, 1, 8, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_timestamp(text: str, time: datetime) -> None:
    read = parse_timestamp(text)
    assert read == time
    assert read.utcoffset() == time.utcoffset()
    assert parse_timestamp(encode_timestamp(read)) == time


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-12-01", "2026-12-01T08:00:00", "2026-12-01 08:00:00Z", "2026-12-01T08:00Z"),
        *(
            "26-12-01T08:00:00Z",
            "2026-1-01T08:00:00Z",
            "2026-12-01T08:00:00+01",
            "20261201T080000Z",
        ),
        *("2026-00-01T08:00:00Z", "2026-02-30T08:00:00Z", "2026-12-01T24:00:00Z"),
        *("2026-12-01T08:60:00Z", "2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z"),
        *("2026-12-01T08:00:00.Z", "2026-12-01T08:00:00,5Z", "2026-12-01T08:00:00.1234567890Z"),
        *("2026-12-01T08:00:00+24:00", "2026-12-01T08:00:00+00:60", "2026-12-01T08:00:00ZZ"),
        *("2026-12-01T08:00:00Z\n", " 2026-12-01T08:00:00Z", "\u0662026-12-01T08:00:00Z"),
    ],
)
def test_no_timestamp(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_timestamp(text)
    assert caught.value.violation is Violation.PARAMETER_SYNTAX
    assert (caught.value.code, caught.value.enhanced) == (501, "5.5.4")


def test_only_utc_and_only_whole_seconds() -> None:
    assert parse_timestamp("2026-12-01T08:00:00z", utc=True)
    assert parse_timestamp("2026-12-01T08:00:00+01:00", fraction=False)
    for text in ("2026-12-01T08:00:00+01:00", "2026-12-01T08:00:00+00:00"):
        with pytest.raises(InvalidValueError):
            parse_timestamp(text, utc=True)
    with pytest.raises(InvalidValueError):
        parse_timestamp("2026-12-01T08:00:00.0Z", fraction=False)


def test_writing() -> None:
    assert encode_timestamp(datetime(2026, 12, 1, 8, tzinfo=UTC)) == "2026-12-01T08:00:00Z"
    assert (
        encode_timestamp(datetime(2026, 12, 1, 8, tzinfo=zone(-3))) == "2026-12-01T08:00:00-03:00"
    )
    with pytest.raises(InvalidValueError, match="zone"):
        encode_timestamp(datetime(2026, 12, 1))
