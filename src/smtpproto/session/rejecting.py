# SPDX-License-Identifier: MIT
"""What a server refuses without asking: the event for it, and the reply that is due.

Decides which refusals count as errors of the client, and which end the session. Which reply belongs
to what is in `refusals`.
"""

from __future__ import annotations

import re

from ..exceptions import Violation
from ..framing import BadLine
from ..grammar.commands import TLS_RECORD, Bdat, Command, Data, Rcpt
from ..states import State
from .admission import HELLOS, exceeds
from .answering import GREETING, Answering
from .events import CommandRejected
from .refusals import (
    AUTH_LINE_TOO_LONG,
    BAD_LINE,
    LINE_LOST,
    LINE_TOO_LONG,
    ONLY_QUIT,
    TOO_MANY_ERRORS,
    WRONG_PROTOCOL,
    Refusal,
    ends_session,
    refusal_by_first_word,
)
from .table import Step

# Refusals that do not speak against the client, and are not counted as errors.
_NO_ERROR = frozenset(
    (
        Violation.TOO_MANY_RECIPIENTS,
        Violation.MAIL_DATA_TOO_BIG,
        Violation.MESSAGE_TOO_BIG,
        Violation.TRANSACTION_FAILED,
        Violation.AUTH_CANCELLED,
    )
)
# What may stand behind MAIL in a group, and its refusals once there is no transaction.
_FOLLOWING = frozenset((Rcpt, Data, Bdat))
_OUT_OF_PLACE = frozenset((Violation.BAD_SEQUENCE, Violation.TLS_REQUIRED, Violation.AUTH_REQUIRED))
_UNPARSED = Command()
# What stands before a space, a tab or another control character.
_WORD = re.compile(rb"[!-~]++")
_PART_LOST = Step(None, None, State.BDAT_FAILED)


class Rejecting(Answering):
    """What the server's side does with what it does not obey."""

    __slots__ = ("_errors",)

    _errors: int

    def _step_back(self, command: Command) -> Step | None:
        """Return where the refusal of `command` leads, as its client reads it from the table."""
        kind = type(command)
        step = self._row.get(kind)
        if step is None and kind.carries_mail_data and kind not in self._facilities.not_in_force:
            # Mail data is lost: what comes later must not pass for the whole (RFC 3030 2).
            return _PART_LOST if self.transaction is not None else None
        return step

    def _reject(
        self,
        command: Command | None,
        line: bytes,
        refusal: Refusal,
        step: Step | None = None,
        closes: bool = False,
    ) -> CommandRejected:
        return self._await_refusal(self._rejected(command, line, refusal, closes), step)

    def _rejected(
        self, command: Command | None, line: bytes, refusal: Refusal, closes: bool = False
    ) -> CommandRejected:
        """Make the event, and count the error."""
        closes = closes or ends_session(refusal)
        violation = refusal.violation
        counts = violation not in _NO_ERROR
        if line[:4].upper() == b"MAIL":
            self._pardon()
        elif self._pardons and type(command) in _FOLLOWING and violation in _OUT_OF_PLACE:
            self._pardons -= 1
            counts = False
        self._errors += counts
        if not closes and exceeds(self._errors, self._limits.errors):
            refusal, closes = TOO_MANY_ERRORS, True
        return CommandRejected(command, line, refusal.violation, refusal.reply, closes)

    def _await_refusal(self, rejected: CommandRejected, step: Step | None) -> CommandRejected:
        self._due = rejected.command or _UNPARSED
        self._step = step
        self._refusal = True
        self._closes = rejected.closes
        return rejected

    def _reject_bad_line(self, line: BadLine, step: Step | None = None) -> CommandRejected:
        refusal = LINE_LOST if line.lost else BAD_LINE[line.violation]
        if step is None:
            return self._reject_unparsed(line.start, refusal)
        if refusal is LINE_TOO_LONG:
            refusal = AUTH_LINE_TOO_LONG
        return self._reject(None, line.start, refusal, step)

    def _reject_unparsed(self, line: bytes, refusal: Refusal) -> CommandRejected:
        """Reject what is no command, and says whether commands may follow it at all."""
        if line.startswith(TLS_RECORD):
            return self._reject(None, TLS_RECORD, WRONG_PROTOCOL)
        refusal = refusal_by_first_word(line, refusal)
        if self.state is State.REFUSED and refusal.reply.code != 421:
            refusal = ONLY_QUIT
        rejected = self._reject(None, line, refusal, closes=self._is_chunk_line(line))
        if self._vocabulary.verbs.get(line.partition(b" ")[0].rstrip(b"\t").upper()) in HELLOS:
            self._due = GREETING  # as there, no reply has a status (RFC 2034 4)
        return rejected

    def _is_chunk_line(self, line: bytes) -> bool:
        """Tell whether octets of an unknown number may follow: what is next is then not known."""
        word = _WORD.match(line)
        verb = word[0].upper() if word else b""
        verbs = self._vocabulary.verbs
        kind = verbs.get(verb) or verbs.get(verb.rstrip(b"0123456789"))  # BDAT5
        return kind is not None and kind.announces_octets
