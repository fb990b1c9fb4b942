# SPDX-License-Identifier: MIT
"""Date and time as parameters carry them (RFC 3339 5.6).

Decides what a timestamp is: always with its zone. Knows no clock, and no parameter: whether another
zone than UTC or a fraction is allowed is said by the caller. A leap second is refused: no
``datetime`` can hold it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from ..exceptions import InvalidValueError, Violation, shown

_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def parse_timestamp(text: str, utc: bool = False, fraction: bool = True) -> datetime:
    """Parse such as ``2026-12-01T08:00:00Z`` or ``2026-12-01T09:00:00+01:00``.

    Args:
        text: the whole of it.
        utc: take the zone ``Z`` only.
        fraction: take a fraction of a second; what is below a microsecond is cut off.

    Returns:
        A ``datetime`` with its zone.

    Raises:
        InvalidValueError: anything else, or a day or hour that there is not.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found and (fraction or not found[7]) and (not utc or found[8] in "Zz"):
        *numbers, decimals, zone = found.groups()
        year, month, day, hour, minute, second = map(int, numbers)
        microsecond = int(((decimals or "") + "000000")[:6])
        try:
            return datetime(
                year, month, day, hour, minute, second, microsecond, tzinfo=_parse_zone(zone)
            )
        except ValueError:
            pass
    form = "2026-12-01T08:00:00Z" if utc else "2026-12-01T08:00:00Z or 2026-12-01T09:00:00+01:00"
    raise InvalidValueError(
        f"a time such as {form} expected (RFC 3339 5.6), not {shown(text)}",
        Violation.PARAMETER_SYNTAX,
    )


def _parse_zone(text: str) -> timezone:
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def encode_timestamp(time: datetime) -> str:
    """Return the text that `parse_timestamp` reads, in the zone of `time`.

    Raises:
        InvalidValueError: a time without a zone.
    """
    if time.utcoffset() is None:
        raise InvalidValueError(f"a time with its zone expected, not {time!r}")
    return time.isoformat().replace("+00:00", "Z")
