# SPDX-License-Identifier: MIT
"""LIMITS: what a server allows in a session, told beforehand (RFC 9422).

Decides what of an announcement is taken. A transaction counts its accepted recipients only, and a
session neither transactions nor domains: a server that counts more answers for itself, and a client
that wants to count refused commands does so itself, from the values in `announced`.
"""

from __future__ import annotations

import re

from ..exceptions import InvalidValueError, Violation
from ..grammar.commands import Command, Rcpt
from ..values import value
from .declaration import Extension, SessionFacts

_PARAMETER = re.compile(r"([A-Za-z0-9_-]++)(?:=([!-:<-~]++))?", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


@value
class AnnouncedLimits:
    """The limits of a server; None for one it did not tell (RFC 9422 4)."""

    mail_max: int | None = None
    """MAIL commands of a session, refused ones included."""
    rcpt_max: int | None = None
    """RCPT commands of a transaction, refused ones included."""
    rcpt_domain_max: int | None = None
    """Different domains in the RCPT commands of a session."""


_FIELDS = {"MAILMAX": "mail_max", "RCPTMAX": "rcpt_max", "RCPTDOMAINMAX": "rcpt_domain_max"}


class ServerLimits(Extension):
    """LIMITS: how many transactions, recipients and domains a server takes (RFC 9422).

    Args:
        mail_max: MAIL commands in a session, 1 to 999999; None to tell nothing.
        rcpt_max: RCPT commands in a transaction.
        rcpt_domain_max: domains of recipients in a session.
    """

    keyword = "LIMITS"
    checks = (Rcpt,)

    def __init__(
        self,
        mail_max: int | None = None,
        rcpt_max: int | None = None,
        rcpt_domain_max: int | None = None,
    ) -> None:
        self.limits = AnnouncedLimits(mail_max, rcpt_max, rcpt_domain_max)
        told = {name: getattr(self.limits, field) for name, field in _FIELDS.items()}
        for name, most in told.items():
            if most is not None and not (type(most) is int and 0 < most < 10**6):
                raise InvalidValueError(
                    f"ServerLimits: {name} of 1 to 999999 expected, not {most!r}"
                )
        self._text = " ".join(f"{name}={most}" for name, most in told.items() if most is not None)

    def announcement(self, facts: SessionFacts) -> str | None:
        """Return the limits; None where there are none, since one is needed (RFC 9422 3)."""
        return self._text or None

    def parse_announcement(self, texts: tuple[str, ...]) -> AnnouncedLimits:
        """Return the limits, without what cannot be read.

        An error in the syntax of the whole is an announcement of no limits, one in a limit leaves
        that limit out (RFC 9422 3.7).
        """
        limits: dict[str, int] = {}
        for word in texts[-1].split(" "):
            found = _PARAMETER.fullmatch(word)
            if not found:
                return AnnouncedLimits()
            field = _FIELDS.get(found[1].upper())
            if field and _NUMBER.fullmatch(found[2] or ""):
                limits[field] = int(found[2])
        return AnnouncedLimits(**limits)

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse a recipient beyond RCPTMAX accepted ones.

        Raises:
            InvalidValueError: with 452 4.5.3 (RFC 5321 4.5.3.1.10).
        """
        most = facts.announced["LIMITS"].rcpt_max
        transaction = facts.transaction
        if most and transaction is not None and len(transaction.recipients) >= most:
            raise InvalidValueError(
                f"at most {most} recipients in a transaction",
                Violation.TOO_MANY_RECIPIENTS,
                452,
                "4.5.3",
            )
