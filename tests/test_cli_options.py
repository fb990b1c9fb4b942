# SPDX-License-Identifier: MIT
"""What options may hold, and what is told of those that may not."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import pytest

from smtpproto import Reply
from smtpproto.cli import options


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (options.port, "0", 0),
        (options.port, "65535", 65535),
        (options.endpoint, "mail.example.org", ("mail.example.org", None)),
        (options.endpoint, "mail.example.org:587", ("mail.example.org", 587)),
        (options.endpoint, "[::1]:25", ("::1", 25)),
        (options.endpoint, "[fe80::1%eth0]", ("fe80::1%eth0", None)),
        (options.size, "1", 1),
        (options.size, "500K", 512000),
        (options.size, "50m", 52428800),
        (options.size, "2G", 2147483648),
        (options.seconds, "0.5", 0.5),
        (options.domain, "mx.example.org", "mx.example.org"),
        (options.domain, "[192.0.2.1]", "[192.0.2.1]"),
        (options.refusal, "bad@*=550 5.1.1 no one", ("bad@*", Reply(550, "no one", "5.1.1"))),
        (options.refusal, "a=b@*=451", ("a=b@*", Reply(451, "refused"))),
        (options.refusal, "*=452 4.5.3", ("*", Reply(452, "refused", "4.5.3"))),
    ],
)
def test_a_value_is_read(read: Callable[[str], Any], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize("text", ["", "<>"])
def test_the_null_reverse_path(text: str) -> None:
    assert options.sender(text).is_null


@pytest.mark.parametrize("text", ["a@example.org", "<a@example.org>"])
def test_an_address_with_or_without_brackets(text: str) -> None:
    assert options.sender(text).address == "a@example.org"
    assert options.recipient(text).forward_path.address == "a@example.org"


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (options.sender, "nobody at all", "mailbox"),
        (options.sender, "a@example.org\r\nRCPT TO:<b@example.org>", "one address alone"),
        (options.recipient, "<>", "recipient"),
        (options.port, "-1", "port"),
        (options.port, "65536", "port"),
        (options.port, "٢٥", "port"),
        (options.port, "9" * 5000, "port"),
        (options.endpoint, "", "HOST:PORT"),
        (options.endpoint, "::1", "HOST:PORT"),
        (options.endpoint, "host:", "HOST:PORT"),
        (options.endpoint, "host:99999", "port"),
        (options.size, "0", "octets"),
        (options.size, "1.5M", "octets"),
        (options.size, "9" * 5000, "octets"),
        (options.seconds, "0", "seconds"),
        (options.seconds, "inf", "seconds"),
        (options.domain, "not a domain", "domain"),
        (options.domain, "dömäin.example", "domain"),
        (options.refusal, "550 no", "PATTERN=REPLY"),
        (options.refusal, "=550 no", "PATTERN=REPLY"),
        (options.refusal, "a@b=250 fine", "PATTERN=REPLY"),
        (options.refusal, "a@b=550 4.1.1 what", "enhanced"),
    ],
)
def test_a_mistake_is_told(read: Callable[[str], Any], text: str, expected: str) -> None:
    with pytest.raises(ArgumentTypeError, match=expected):
        read(text)
