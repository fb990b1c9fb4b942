# SPDX-License-Identifier: MIT
"""Mail for whoever calls: ETRN, ATRN and TURN.

Decides when they are admitted. TURN as RFC 821 had it turns the roles for anybody; here the client
must have authenticated, as RFC 5321 F.1 asks for, and a server that does not offer it answers 502.
"""

from __future__ import annotations

from ..exceptions import InvalidValueError, Violation
from ..grammar.commands import Command
from ..grammar.verbs import Atrn as AtrnCommand
from ..grammar.verbs import Etrn as EtrnCommand
from ..grammar.verbs import Turn as TurnCommand
from ..states import State
from .declaration import Extension, Row, SessionFacts


class Etrn(Extension):
    """ETRN: start the queue for a domain, over other connections (RFC 1985)."""

    keyword = "ETRN"
    in_lmtp = False  # delivery to mailboxes has no queue to start (RFC 2033 1)
    verbs = (EtrnCommand,)
    rows = (Row((State.READY,), EtrnCommand),)


class _Turning(Extension):
    """What ATRN and TURN have in common: the roles turn, for a client that is known."""

    in_lmtp = False
    requires = ("AUTH",)

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse it before authentication (RFC 2645 5.2.1, RFC 5321 F.1).

        Raises:
            InvalidValueError: with 530 5.7.0.
        """
        if not facts.is_authenticated:
            raise InvalidValueError(
                f"AUTH expected before {command.verb}", Violation.AUTH_REQUIRED, 530, "5.7.0"
            )


class Atrn(_Turning):
    """ATRN: turn the roles, and send the mail for a domain over this connection (RFC 2645)."""

    keyword = "ATRN"
    verbs = (AtrnCommand,)
    rows = (Row((State.READY,), AtrnCommand, State.REVERSED, exact=250),)
    checks = (AtrnCommand,)


class Turn(_Turning):
    """TURN: turn the roles, for all mail of who has authenticated (RFC 821 3.8, RFC 5321 F.1)."""

    keyword = "TURN"
    verbs = (TurnCommand,)
    rows = (Row((State.READY,), TurnCommand, State.REVERSED, exact=250),)
    checks = (TurnCommand,)
