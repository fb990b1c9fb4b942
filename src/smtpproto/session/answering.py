# SPDX-License-Identifier: MIT
"""The replies of a server: which one may be sent now, and what it changes.

Decides what is due, and where each reply leads. Reads nothing: what was read says what is due.
"""

from __future__ import annotations

import sys

from ..exceptions import LocalProtocolError, Violation
from ..grammar.auth import Auth, Greeting
from ..grammar.commands import Command, Expn, Mail, Rcpt, Vrfy
from ..grammar.replies import DEFAULT_STATUS, Reply
from ..kinds import described
from ..states import State
from ..tlsinfo import TLSInfo
from .admission import HELLOS, Admission, ServerArrangement
from .events import ConnectionClosed
from .refusals import forbidden, reply_octets
from .session import END
from .table import SAYS_NOTHING, Step

GREETING = Greeting()
_ENVELOPE = frozenset((Mail, Rcpt))
_WITHOUT_STATUS = frozenset((*HELLOS, Greeting))
# To AUTH: no credentials were tried, for want of the mechanism, of TLS, or of the right moment.
_NOT_TRIED = frozenset((502, 503, 504, 530))


class Answering(Admission):
    """What the server's side does with replies."""

    __slots__ = (
        "_closed",
        "_closes",
        "_due",
        "_due_after",
        "_is_deaf",
        "_pardons",
        "_refusal",
        "_step",
    )

    def __init__(self, arrangement: ServerArrangement, tls: TLSInfo | None) -> None:
        super().__init__(arrangement, tls)
        # What a reply is due to, the rest of what is due for the same mail data, and whether that
        # reply must be a refusal, and ends the session.
        self._due: Command | None = GREETING
        self._due_after: list[Command] | None = None
        self._step: Step | None = self._row[Greeting]
        self._refusal = False
        self._closes = False
        # Commands that may yet stand in a group behind what was refused.
        self._pardons = 0
        # No input is expected, or none is taken any more.
        self._is_deaf = False
        self._closed: ConnectionClosed | None = None

    @property
    def due(self) -> Command | None:
        """What the next reply answers; None where none is due.

        In LMTP, and after a 353 of PRDR, an `EndOfMailData` that names the recipient.
        """
        return self._due

    def send(self, reply: Reply) -> bytes:
        """Answer what is due, and return the octets to write.

        A 421 may be sent at any time, due or not, and ends the session.

        Raises:
            LocalProtocolError: no `Reply`, or none is due, or this one is not allowed here. Nothing
                has changed.
        """
        due = self._due
        step = self._step
        try:
            code = reply.code
            octets = reply.plain
            is_refusal = code >= 400
        except (AttributeError, TypeError):
            raise LocalProtocolError(
                f"a Reply expected, not {described(reply)}", Violation.LOCAL_VALUE
            ) from None
        if due is None or is_refusal:
            return self._send_refusal(reply, due, step)
        if self._refusal or step is None:
            raise forbidden("4yz or 5yz to what was refused", reply)
        state = step.plainly
        if state is not None and code < 300 and octets is not None:
            self._due = None
            self._go_plainly(due, step, state, reply)
            return octets
        if code < 300:
            target = step.success
        else:
            target = self._intermediate(step, due) if step.parameter else step.intermediate
        exact = step.exact
        if target is None or (exact is not None and code != exact and code // 100 == exact // 100):
            raise forbidden(_allowed(step, self._intermediate(step, due)), reply)
        if octets is None or not step.has_status or code == 334:
            octets = self._encode(reply, due, step.has_status)
        if self._due_after:
            self._due = self._due_after.pop()
            return octets
        if code >= 300 and step.for_each:
            self._expect_ends(announced=True)
            return octets
        self._due = None
        if target is not self.state:
            self._enter(target)
        if step.note is not None:
            step.note(self, due, reply)
        return octets

    def _go_plainly(self, command: Command, step: Step, state: State, reply: Reply) -> None:
        """Go where a 2yz leads that changes no more, as most do: in fewer steps than `_enter`."""
        if state is not self.state:
            self.state = state
            self._row = self._table[state]
        if step.note is not None:
            step.note(self, command, reply)

    def _expect_ends(self, announced: bool = False) -> None:
        """Let replies be due to the end of mail data, now that it is known how many."""
        if self.lmtp or announced:
            self._due, *rest = self._ends_of_mail_data(announced)
            self._due_after = rest[::-1]
        else:
            self._due = END

    def _send_refusal(self, reply: Reply, due: Command | None, step: Step | None) -> bytes:
        """Send a 4yz or 5yz, or a 421 that nothing had asked for."""
        if due is None or reply.code == 421:
            return self._send_421(reply)
        octets = self._encode(reply, due)
        if self._due_after:
            self._due = self._due_after.pop()
            return octets
        if type(due) in _ENVELOPE and not self._refusal:
            self._pardon()
        before = self.state
        closes = self._closes
        self._due = None
        self._refusal = self._closes = self._turns = False
        self._failed_auth += before is State.AUTH or (
            type(due) is Auth and reply.code not in _NOT_TRIED
        )
        if closes:
            self._close(clean=False)
        elif step is not None and step.failure is not before:
            self._enter(step.failure)
        return octets

    def _pardon(self) -> None:
        """Expect the rest of a group that was sent before its refusal was known (RFC 2920 3.1)."""
        most = self._limits.recipients
        self._pardons = sys.maxsize if most is None else most + 1

    def _send_421(self, reply: Reply) -> bytes:
        if reply.code != 421 or self.state in SAYS_NOTHING:
            turned = self.state in SAYS_NOTHING
            raise forbidden("nothing" if turned else "a 421 or nothing, as no reply is due,", reply)
        octets = self._encode(reply, self._due)
        self._close(clean=False)
        return octets

    def _encode(self, reply: Reply, due: Command | None, has_status: bool = True) -> bytes:
        enhanced = reply.enhanced
        code = reply.code
        # RFC 2034 4: none in the greeting, nor in any reply to a session command
        if type(due) in _WITHOUT_STATUS:
            return reply_octets(code, reply.lines, None, False, True)
        if not has_status:
            enhanced = None
        elif enhanced is None and self._arrangement.enhanced and not 300 <= code < 400:
            enhanced = DEFAULT_STATUS.get(code) or f"{code // 100}.0.0"
        whole_lines = code == 334  # a challenge is one line, however long (RFC 4954 4)
        return reply_octets(code, reply.lines, enhanced, self._may_be_utf8(due), whole_lines)

    def _may_be_utf8(self, due: Command | None) -> bool:
        """Tell whether the reply to `due` may hold UTF-8 (RFC 6531 3.7.4.2)."""
        if isinstance(due, (Vrfy, Expn)):
            return due.smtputf8
        return (
            isinstance(due, Rcpt) and self.transaction is not None and self.transaction.allows_utf8
        )

    def _close(self, clean: bool) -> ConnectionClosed:
        """End the session, which is `clean` where it ends as it should."""
        self._closed = ConnectionClosed(clean)
        self._enter(State.CLOSED)
        return self._closed


def _allowed(step: Step, intermediate: State | None) -> str:
    """Say which replies a step allows, where 3yz leads to `intermediate`."""
    allowed = []
    for name, target in (("2yz", step.success), ("3yz", intermediate)):
        exact = step.exact is not None and str(step.exact)[0] == name[0]
        allowed += [str(step.exact) if exact else name] if target is not None else []
    return " or ".join([*allowed, "4yz", "5yz"])
