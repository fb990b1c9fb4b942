# SPDX-License-Identifier: MIT
"""Extensions of Postfix: XCLIENT, XFORWARD, XVERP.

Decides which attributes may be sent. Whom to believe is the application's to say: a server offers
XCLIENT and XFORWARD to nobody that it does not trust.
"""

from __future__ import annotations

import re

from ..exceptions import InvalidValueError, Violation, shown
from ..grammar.attributes import XClient as XClientCommand
from ..grammar.attributes import XForward as XForwardCommand
from ..grammar.commands import Command
from ..grammar.parameters import Parameter
from ..kinds import Kind, check_kinds, each, like
from ..states import State
from .declaration import Extension, Row, SessionFacts

_NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*+", re.ASCII)
_ATTRIBUTES: Kind = each(like("the name of an attribute", _NAMES))
_DELIMITERS = re.compile(r"[!-/:-@\[-`{-~]{2}", re.ASCII)


class _WithAttributes(Extension):
    """What XCLIENT and XFORWARD have in common.

    Args:
        names: the attributes a server takes; none for the usual ones.
    """

    _usual: tuple[str, ...] = ()

    def __init__(self, *names: str) -> None:
        check_kinds({type(self).__name__: _ATTRIBUTES}, {type(self).__name__: names})
        self.names = tuple(name.upper() for name in names) or self._usual

    def announcement(self, facts: SessionFacts) -> str | None:
        """Return the names; None once ADDR was claimed: the right to claim was another client's."""
        return None if "ADDR" in facts.claimed else super().announcement(facts)

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return the names."""
        return " ".join(self.names)

    def parse_announcement(self, texts: tuple[str, ...]) -> frozenset[str]:
        """Return the names in upper case."""
        return frozenset(texts[-1].upper().split())

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse an attribute that was not announced.

        Raises:
            InvalidValueError: with 501 5.5.4.
        """
        assert isinstance(command, XClientCommand | XForwardCommand)
        announced = facts.announced[self.keyword]
        for name in command.attributes:
            if name not in announced:
                raise InvalidValueError(
                    f"{command.verb} with {' '.join(sorted(announced))} expected, "
                    f"not {shown(name)}",
                    Violation.ARGUMENT_SYNTAX,
                )


class XClient(_WithAttributes):
    """XCLIENT: the client speaks for another, of Postfix.

    The 220 that accepts it is a new greeting: EHLO comes again, or another XCLIENT before it, since
    not all may fit a line. Once ADDR was claimed, neither XCLIENT nor XFORWARD is offered: a proxy
    may hand the connection over to the client it spoke for. Counters and TLS stay. The
    attributes stand in `claimed` of the connection. LOGIN is the identity from then on; without it
    there is none, whoever had authenticated before.

    Args:
        names: the attributes a server takes; none for the usual ones.
    """

    keyword = "XCLIENT"
    _usual = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
    verbs = (XClientCommand,)
    rows = (
        Row(
            (State.GREETED, State.READY), XClientCommand, State.GREETED, exact=220, has_status=False
        ),
    )
    checks = (XClientCommand,)


class XForward(_WithAttributes):
    """XFORWARD: what to log of the client before the last, of Postfix.

    Args:
        names: the attributes a server takes; none for the usual ones.
    """

    keyword = "XFORWARD"
    _usual = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
    verbs = (XForwardCommand,)
    rows = (Row((State.READY,), XForwardCommand),)
    checks = (XForwardCommand,)


def parse_delimiters(text: str) -> str:
    """Parse the value of XVERP: the two delimiters, such as ``+=``.

    Raises:
        InvalidValueError: anything but two characters of punctuation.
    """
    if not _DELIMITERS.fullmatch(text):
        raise InvalidValueError(
            f"two delimiters such as += expected, not {shown(text)}", Violation.PARAMETER_SYNTAX
        )
    return text


class XVerp(Extension):
    """XVERP: each recipient gets a reverse-path of its own, of Postfix."""

    keyword = "XVERP"
    mail_parameters = (Parameter("XVERP", parse_delimiters, length=9, free_value=True),)
