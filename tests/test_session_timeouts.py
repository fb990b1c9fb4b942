# SPDX-License-Identifier: MIT
"""How long to wait (RFC 5321 4.5.3.2)."""

from __future__ import annotations

from typing import Any

import pytest

from smtpproto import (
    Bdat,
    Command,
    Data,
    Ehlo,
    EndOfMailData,
    Greeting,
    InvalidValueError,
    Mail,
    Rcpt,
    State,
    recommended_timeout,
)
from smtpproto.grammar.verbs import Atrn, BurlLast


def test_no_such_role() -> None:
    role: Any = "clint"
    with pytest.raises(InvalidValueError, match="role: client or server expected, not 'clint'"):
        recommended_timeout(role, State.READY)


@pytest.mark.parametrize("state", State)
def test_a_server_waits_five_minutes(state: State) -> None:
    assert recommended_timeout("server", state) == 300
    assert recommended_timeout("server", state, Data()) == 300


@pytest.mark.parametrize(
    ("command", "minutes"),
    [
        (Greeting(), 5),
        (Ehlo("a"), 5),
        (Mail(""), 5),
        (Rcpt("a@b.example"), 5),
        (Data(), 2),
        (EndOfMailData(), 10),
        (EndOfMailData(Rcpt("a@b.example")), 10),
        (Bdat(1), 5),
        (Bdat(1, True), 10),
        (BurlLast("imap:x"), 10),
        (Atrn(), 10),  # RFC 2645 5.2.1
        (None, 5),
    ],
)
def test_a_client_waits_for_the_reply_to_the_oldest_command(
    command: Command | None, minutes: int
) -> None:
    assert recommended_timeout("client", State.READY, command) == minutes * 60


def test_a_client_gives_each_block_of_mail_data_three_minutes() -> None:
    assert recommended_timeout("client", State.DATA) == 180
    assert recommended_timeout("client", State.DATA, EndOfMailData()) == 600
