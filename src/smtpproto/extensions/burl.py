# SPDX-License-Identifier: MIT
"""BURL: mail data that the server fetches from an IMAP server (RFC 4468).

Decides where BURL stands in a transaction. What a URL means, and whether it may be fetched, is the
application's to say: it gets the command as it gets any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..exceptions import InvalidValueError, Violation
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Command
from ..grammar.verbs import Burl as BurlCommand
from ..grammar.verbs import BurlLast
from ..kinds import Kind, check_kinds, each, like
from ..states import State
from .declaration import Extension, Row, SessionFacts

_OPTION = re.compile(r"[!-~]++", re.ASCII)
_KINDS: Mapping[str, Kind] = {"Burl": each(like("imap or imap://host", _OPTION))}
_WITHIN = (State.RCPT, State.BDAT)


class Burl(Extension):
    """BURL: the server fetches mail data from a URL (RFC 4468).

    Args:
        options: what a server announces once the client has authenticated: ``imap`` for URLs that
            carry their authorisation, ``imap://host`` for any on that server.
    """

    keyword = "BURL"
    requires = ("8BITMIME",)
    verbs = (BurlCommand, BurlLast)
    rows = (
        Row(_WITHIN, BurlCommand, State.BDAT, failure=State.BDAT_FAILED),
        Row(_WITHIN, BurlLast, State.READY, failure=State.READY),
        Row(_WITHIN, EndOfMailData, State.READY, failure=State.READY),
    )
    checks = (BurlCommand, BurlLast)

    def __init__(self, *options: str) -> None:
        check_kinds(_KINDS, {"Burl": options})
        self.options = options

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return the options; "" before authentication, which says that it is needed."""
        return " ".join(self.options) if facts.is_authenticated else ""

    def parse_announcement(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the options."""
        return tuple(texts[-1].split())

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse BURL where it was announced to need authentication (RFC 4468 3.1).

        Raises:
            InvalidValueError: with 530 5.7.0.
        """
        if not (facts.announced["BURL"] or facts.is_authenticated):
            raise InvalidValueError(
                "AUTH expected before BURL", Violation.AUTH_REQUIRED, 530, "5.7.0"
            )
