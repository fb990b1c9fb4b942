# SPDX-License-Identifier: MIT
"""Mail for whoever calls: ETRN and ATRN.

Decides when they are admitted. TURN, which turns the roles for anybody, is never offered
(RFC 5321 F.1); it is answered 502 with the other obsolete verbs.
"""

from __future__ import annotations

from ..exceptions import InvalidValueError, Violation
from ..grammar.commands import Command
from ..grammar.verbs import Atrn as AtrnCommand
from ..grammar.verbs import Etrn as EtrnCommand
from ..states import State
from .declaration import Extension, Row, SessionFacts


class Etrn(Extension):
    """ETRN: start the queue for a domain, over other connections (RFC 1985)."""

    keyword = "ETRN"
    in_lmtp = False  # delivery to mailboxes has no queue to start (RFC 2033 1)
    verbs = (EtrnCommand,)
    rows = (Row((State.READY,), EtrnCommand),)


class Atrn(Extension):
    """ATRN: turn the roles, and send the mail for a domain over this connection (RFC 2645)."""

    keyword = "ATRN"
    in_lmtp = False  # delivery to mailboxes has no queue to start (RFC 2033 1)
    requires = ("AUTH",)
    verbs = (AtrnCommand,)
    rows = (Row((State.READY,), AtrnCommand, State.REVERSED, exact=250),)
    checks = (AtrnCommand,)

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse ATRN before authentication (RFC 2645 5.2.1).

        Raises:
            InvalidValueError: with 530 5.7.0.
        """
        if not facts.is_authenticated:
            raise InvalidValueError(
                "AUTH expected before ATRN", Violation.AUTH_REQUIRED, 530, "5.7.0"
            )
