# SPDX-License-Identifier: MIT
"""What a user's type checker sees of the errors and of the limits."""

from typing import assert_type

from smtpproto.exceptions import (
    InvalidValueError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    Violation,
)
from smtpproto.limits import Limits


def answer(error: ProtocolError) -> str:
    """Narrow an error the way an adapter does."""
    assert_type(error.violation, Violation)
    match error:
        case InvalidValueError(code=code, enhanced=enhanced):
            assert_type(code, int)
            assert_type(enhanced, str)
            return f"{code} {enhanced} {error}"
        case LocalProtocolError() | RemoteProtocolError():
            return str(error)
        case _:
            return error.violation.value


def caught(error: InvalidValueError) -> ValueError:
    """An invalid value is a ValueError too."""
    return error


assert_type(Limits(recipients=None).recipients, int | None)
assert_type(Limits().command_line, int)
