# SPDX-License-Identifier: MIT
"""Extensions of Exim: PRDR, WELLKNOWN, PIPECONNECT.

Decides their keywords and when they are admitted. The replies to each recipient that PRDR asks for
are not taken apart: a server answers a message with one reply, as PRDR allows.
"""

from __future__ import annotations

from ..grammar.parameters import Parameter
from ..grammar.verbs import WellKnown as WellKnownCommand
from ..states import State
from .declaration import Extension, Row, SessionFacts


class Prdr(Extension):
    """PRDR: the client would take a reply for each recipient, of Exim."""

    keyword = "PRDR"
    mail_parameters = (Parameter("PRDR", length=5),)


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
