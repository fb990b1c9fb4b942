# SPDX-License-Identifier: MIT
"""Extensions of Exim: PRDR, WELLKNOWN, PIPECONNECT.

Decides their keywords and when they are admitted, and that a message may have a reply for each
recipient: 353, then one for each accepted RCPT in their order, then one for the message as a whole.
"""

from __future__ import annotations

from ..grammar.auth import EndOfMailData
from ..grammar.parameters import Parameter
from ..grammar.verbs import WellKnown as WellKnownCommand
from ..states import State
from .declaration import Extension, Move, Row, SessionFacts


class Prdr(Extension):
    """PRDR: a message may have a reply for each recipient, of Exim.

    To mail data that MAIL announced with PRDR, a server may reply 353, then to each recipient, then
    to the message as a whole: a refusal there refuses it for all. Or it replies once, as ever.
    """

    keyword = "PRDR"
    in_lmtp = False  # which has a reply for each recipient anyway (RFC 2033 4.2)
    mail_parameters = (Parameter("PRDR", length=5),)
    rows = (
        Row(
            (State.DATA, State.RCPT, State.BDAT),
            EndOfMailData,
            State.READY,
            Move.UNCHANGED,
            State.READY,
            exact=353,
            parameter="PRDR",
            for_each=True,
        ),
    )


class WellKnown(Extension):
    """WELLKNOWN: the client may ask for published texts, of Exim."""

    keyword = "WELLKNOWN"
    verbs = (WellKnownCommand,)
    rows = (Row((State.READY,), WellKnownCommand),)


class PipeConnect(Extension):
    """PIPECONNECT: a client that knows the server need not wait, of Exim; never offered."""

    keyword = "PIPECONNECT"

    def announcement(self, facts: SessionFacts) -> None:
        """Return None."""
