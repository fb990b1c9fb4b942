# SPDX-License-Identifier: MIT
"""The refusals of a server, and how a reply goes out.

Decides the reply code and status of each refusal that needs no more than its name (RFC 5321 4.2,
RFC 3463 3). Knows no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ..exceptions import InvalidValueError, LocalProtocolError, Violation
from ..grammar.abnf import CONTROLS
from ..grammar.commands import Vocabulary, parse_command
from ..grammar.replies import Reply, encode_reply
from ..values import value


@value
class Refusal:
    """What is wrong, and the reply that says so."""

    violation: Violation
    reply: Reply


def refusal_of(error: ValueError) -> Refusal:
    """Return the refusal that an error of the grammar, or of an extension's check, asks for."""
    if not isinstance(error, InvalidValueError):  # as int() has it: its text is not for the peer
        return ANOTHER_ARGUMENT
    return Refusal(error.violation, Reply(error.code, str(error), error.enhanced))


def error_of(refusal: Refusal) -> InvalidValueError:
    """Return `refusal` as an error to raise."""
    reply = refusal.reply
    return InvalidValueError(reply.text, refusal.violation, reply.code, reply.enhanced or "")


ANOTHER_ARGUMENT = Refusal(
    Violation.ARGUMENT_SYNTAX, Reply(501, "another argument expected", "5.5.4")
)
WRONG_PROTOCOL = Refusal(Violation.WRONG_PROTOCOL, Reply(421, "this is an SMTP port", "4.7.0"))
LINE_LOST = Refusal(Violation.LINE_TOO_LONG, Reply(421, "line too long to pass over", "4.7.0"))
MAIL_DATA_LOST = Refusal(
    Violation.MAIL_DATA_TOO_BIG, Reply(421, "message too big to pass over", "4.7.0")
)
TOO_MANY_ERRORS = Refusal(Violation.TOO_MANY_ERRORS, Reply(421, "too many errors", "4.7.0"))
TOO_MANY_COMMANDS = Refusal(Violation.TOO_MANY_COMMANDS, Reply(421, "too many commands", "4.7.0"))
TOO_MANY_AUTH_FAILURES = Refusal(
    Violation.TOO_MANY_AUTH_FAILURES, Reply(421, "too many failed authentications", "4.7.0")
)
INPUT_BEHIND_STARTTLS = Refusal(
    Violation.INPUT_BEHIND_STARTTLS, Reply(554, "no input expected behind STARTTLS", "5.5.1")
)
INPUT_BEHIND_REVERSAL = Refusal(
    Violation.INPUT_BEHIND_REVERSAL,
    Reply(554, "no input expected where the roles turn", "5.5.1"),
)
TLS_REQUIRED = Refusal(Violation.TLS_REQUIRED, Reply(530, "STARTTLS expected first", "5.7.0"))
AUTH_REQUIRED = Refusal(Violation.AUTH_REQUIRED, Reply(530, "AUTH expected first", "5.7.0"))
CHUNK_FAILED = Refusal(
    Violation.TRANSACTION_FAILED, Reply(503, "RSET expected: a chunk was refused", "5.5.1")
)
CHUNK_TOO_BIG = Refusal(Violation.CHUNK_TOO_BIG, Reply(552, "chunk too big", "5.3.4"))
TOO_BIG = Refusal(Violation.MAIL_DATA_TOO_BIG, Reply(552, "message too big", "5.3.4"))
# RFC 5321 3.1: behind a greeting that refuses
ONLY_QUIT = Refusal(Violation.BAD_SEQUENCE, Reply(503, "QUIT expected", "5.5.1"))
CANCELLED = Refusal(Violation.AUTH_CANCELLED, Reply(501, "authentication cancelled", "5.7.0"))
LINE_TOO_LONG = Refusal(Violation.LINE_TOO_LONG, Reply(500, "line too long", "5.5.2"))
AUTH_LINE_TOO_LONG = Refusal(
    Violation.LINE_TOO_LONG, Reply(500, "authentication line too long", "5.5.6")
)
_NO_VERBS = Vocabulary()
_IRREGULAR = (Violation.BARE_CR, Violation.BARE_LF, Violation.NUL)
BAD_LINE: Mapping[Violation, Refusal] = {
    Violation.LINE_TOO_LONG: LINE_TOO_LONG,
    **{
        violation: Refusal(violation, Reply(500, f"{violation.value} in a line", "5.5.2"))
        for violation in _IRREGULAR
    },
}
BAD_CONTENT: Mapping[Violation, Refusal] = {
    Violation.MAIL_DATA_TOO_BIG: TOO_BIG,
    **{
        violation: Refusal(violation, Reply(554, f"{violation.value} in mail data", "5.6.0"))
        for violation in _IRREGULAR
    },
}


def ends_session(refusal: Refusal) -> bool:
    """Tell whether the session is over after `refusal`, whatever it refuses."""
    return refusal.reply.code == 421 or refusal in (INPUT_BEHIND_STARTTLS, INPUT_BEHIND_REVERSAL)


def refusal_by_first_word(line: bytes, refusal: Refusal) -> Refusal:
    """Return `refusal`, unless the line's first word shows it to be of another protocol.

    The line as a whole may be too long, or irregular: what a browser sends on behalf of another
    must not go on as commands for that.
    """
    try:
        parse_command(line.partition(b" ")[0], _NO_VERBS)
    except InvalidValueError as error:
        if error.violation is Violation.WRONG_PROTOCOL:
            return WRONG_PROTOCOL
    return refusal


def forbidden(expected: str, reply: Reply) -> LocalProtocolError:
    """Make the error for a reply that is not allowed."""
    return LocalProtocolError(f"{expected} expected here, not {reply.code}", Violation.REPLY_CODE)


@lru_cache(maxsize=512)
def reply_octets(
    code: int, lines: tuple[str, ...], enhanced: str | None, utf8: bool, whole_lines: bool
) -> bytes:
    """Encode a reply as it may go out: without controls, and in ASCII unless UTF-8 was agreed.

    Raises:
        InvalidValueError: a code that RFC 5321 4.2 does not allow, though a client reads it.
    """
    if not utf8:
        lines = tuple(line.encode("ascii", "replace").decode("ascii") for line in lines)
    lines = tuple(CONTROLS.sub("?", line) for line in lines)
    if code // 10 % 10 > 5:
        raise InvalidValueError(f"a reply code with a second digit of 0 to 5 expected, not {code}")
    return encode_reply(code, lines, enhanced, whole_lines)
