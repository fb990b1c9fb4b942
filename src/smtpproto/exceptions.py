# SPDX-License-Identifier: MIT
"""What may be raised, and the names of what a peer can do wrong.

Decides whose fault an error is: `LocalProtocolError` is the caller's and changes nothing,
`RemoteProtocolError` is the peer's and ends the session. A peer's recoverable error is no
exception but an event that carries a `Violation`. Knows no commands and no states.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar


class Violation(enum.Enum):
    """What was wrong: the stable part of every error, whatever its text says."""

    UNKNOWN_COMMAND = "unknown command"
    NOT_OFFERED = "command not offered"
    BAD_SEQUENCE = "command out of order"
    COMMAND_SYNTAX = "command syntax"
    ARGUMENT_SYNTAX = "argument syntax"
    PARAMETER_SYNTAX = "parameter syntax"
    PARAMETER_UNKNOWN = "parameter not recognised"
    PARAMETER_REPEATED = "parameter given twice"
    REVERSE_PATH = "reverse-path syntax"
    FORWARD_PATH = "forward-path syntax"
    MAILBOX_SYNTAX = "mailbox syntax"
    DOMAIN_SYNTAX = "domain syntax"
    NON_ASCII_ADDRESS = "non-ASCII address without SMTPUTF8"
    NOT_UTF8 = "not UTF-8"
    EIGHT_BIT = "octet above 127"
    BARE_CR = "CR without LF"
    BARE_LF = "LF without CR"
    NUL = "NUL octet"
    CONTROL_CHARACTER = "control character"
    LINE_TOO_LONG = "line too long"
    CHUNK_SIZE = "chunk size does not parse"
    CHUNK_TOO_BIG = "chunk too big"
    MAIL_DATA_TOO_BIG = "too much mail data"
    MESSAGE_TOO_BIG = "message size exceeds the limit"
    TRANSACTION_FAILED = "transaction failed earlier"
    TOO_MANY_RECIPIENTS = "too many recipients"
    TOO_MANY_ERRORS = "too many errors"
    TOO_MANY_COMMANDS = "too many commands"
    TOO_MANY_AUTH_FAILURES = "too many failed authentications"
    TLS_REQUIRED = "TLS required"
    AUTH_REQUIRED = "authentication required"
    INPUT_BEHIND_STARTTLS = "input behind STARTTLS"
    INPUT_BEHIND_REVERSAL = "input behind the turn of the roles"
    WRONG_PROTOCOL = "another protocol"
    BASE64 = "base64"
    AUTH_CANCELLED = "authentication cancelled"
    REPLY_SYNTAX = "reply syntax"
    REPLY_TOO_LONG = "reply too long"
    REPLY_UNEXPECTED = "reply without a command"
    REPLY_CODE = "reply code not allowed here"
    LOCAL_STATE = "not possible in this state"
    LOCAL_VALUE = "value not allowed"


E = TypeVar("E", bound=Exception)
Rebuilding = tuple[
    Callable[..., Exception], tuple[type[Exception], tuple[Any, ...], dict[str, Any]]
]


def rebuilt(kind: type[E], args: tuple[Any, ...], attributes: dict[str, Any]) -> E:
    """Make an error that a worker process pickled: its ``__init__`` takes other arguments."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class ProtocolError(Exception):
    """The base of both errors; never raised itself.

    Args:
        message: what was expected, what was got, and what to do.
        violation: the stable name of the error.
    """

    is_transient: bool = False
    """True where the same may go well later: as for the errors of a conversation."""
    transcript: tuple[str, ...] = ()
    """The lines of the conversation that ended so, where there was one: see ``SMTPError``."""

    def __init__(self, message: str, violation: Violation) -> None:
        super().__init__(message)
        self.violation = violation

    def __reduce__(self) -> Rebuilding:
        return rebuilt, (type(self), self.args, self.__dict__)


class LocalProtocolError(ProtocolError):
    """The caller asked for what the protocol, or the session's state, does not allow.

    Nothing has changed and nothing is to be written: state, buffers and queues are as before.
    """


class RemoteProtocolError(ProtocolError):
    """The peer sent what leaves nothing to say; the connection is to be closed.

    The state is ``State.ERROR`` from then on, and ``next_event()`` raises the error again.
    """

    is_transient = True  # a failure out of our control, as if a 451 had come (RFC 5321 3.8)


class InvalidValueError(LocalProtocolError, ValueError):
    """A text or a value that the grammar does not allow.

    Raised by the grammar's parsers and by the constructors of values. A connection turns it into a
    `CommandRejected` event where the text came from the peer.

    Args:
        message: what was expected and what was got, without any secret.
        violation: the stable name of the error.
        code: the reply code that answers it when a client sent the text.
        enhanced: the enhanced status code beside it.
    """

    def __init__(
        self,
        message: str,
        violation: Violation = Violation.LOCAL_VALUE,
        code: int = 501,
        enhanced: str = "5.5.4",
    ) -> None:
        super().__init__(message, violation)
        self.code = code
        self.enhanced = enhanced


def not_text(wanted: str, got: object) -> InvalidValueError:
    """Make the error for what should have been a ``str``; `got` is not shown."""
    advice = "; decode it first" if isinstance(got, bytes | bytearray | memoryview) else ""
    return InvalidValueError(f"{wanted} as text expected, not {type(got).__name__}{advice}")


def shown(text: str | bytes) -> str:
    """Return `text` for an error message: quoted, control characters escaped, at most 80 long."""
    quoted = ascii(text if len(text) <= 80 else text[:80])
    return quoted if len(quoted) <= 80 else quoted[:77] + "..."
