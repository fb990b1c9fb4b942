# SPDX-License-Identifier: MIT
"""Every error comes out of another process as it went in."""

from __future__ import annotations

import copy
import pickle

import pytest

from smtpproto import (
    InvalidValueError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    Reply,
    Violation,
)
from smtpproto.asyncio import Reject
from smtpproto.dialogues.errors import (
    AllRefused,
    AuthenticationError,
    ConnectionLost,
    ReplyError,
    SecurityError,
    SMTPError,
    TimedOut,
)
from smtpproto.sasl import SASLError

NO = Reply(550, "no such mailbox", "5.1.1")
ERRORS = [
    LocalProtocolError("not now", Violation.LOCAL_STATE),
    RemoteProtocolError("no reply", Violation.REPLY_SYNTAX),
    InvalidValueError("no number", Violation.ARGUMENT_SYNTAX, 504, "5.5.2"),
    SASLError("not base64", Violation.BASE64),
    SMTPError("base"),
    ReplyError(NO, "RCPT"),
    AuthenticationError(Reply(535, "no", "5.7.8"), "PLAIN", "invalid_token"),
    AllRefused(("a@b.example", "c@d.example"), (NO, Reply(450, "later"))),
    ConnectionLost("gone", b"421 bye\r\n"),
    TimedOut("too slow"),
    SecurityError("no TLS", Reply(454, "not now")),
    Reject(550, "no", "5.1.1"),
]


def test_none_is_left_out() -> None:
    made = {type(error) for error in ERRORS}
    for base in (LocalProtocolError, RemoteProtocolError, SMTPError):
        for kind in (base, *base.__subclasses__()):
            assert kind in made or not kind.__module__.startswith("smtpproto")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_pickled(error: Exception) -> None:
    if isinstance(error, SMTPError | ProtocolError):
        error.transcript = ("S: 220 mx.example.org", "C: QUIT")
    error.add_note("seen in a worker")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again) == vars(error)
