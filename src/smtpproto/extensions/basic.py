# SPDX-License-Identifier: MIT
"""What everyday mail uses: SIZE, PIPELINING, ENHANCEDSTATUSCODES, STARTTLS, HELP, VRFY, EXPN."""

from __future__ import annotations

from collections.abc import Mapping

from ..exceptions import InvalidValueError, Violation, shown
from ..grammar import abnf
from ..grammar.commands import Command, Mail
from ..grammar.commands import StartTLS as StartTLSCommand
from ..grammar.parameters import NO_PARAMETERS, Parameter, typed_value
from ..kinds import Kind, check_kinds
from ..states import State
from .declaration import Extension, Row, SessionFacts


def parse_number(text: str) -> int:
    """Parse 1*20DIGIT (RFC 1870 3).

    Raises:
        InvalidValueError: anything else: a sign, an underscore, 21 digits.
    """
    if not abnf.NUMBER.fullmatch(text):
        raise InvalidValueError(
            f"a number of 1 to 20 digits expected, not {shown(text)}", Violation.PARAMETER_SYNTAX
        )
    return int(text)


_KINDS: Mapping[str, Kind] = {
    "Size": (
        "a number of octets",
        lambda got: got is None or (type(got) is int and 0 < got < 10**20),
    )
}
SIZE = Parameter("SIZE", parse_number, str, length=26, needs_value=True)


class Size(Extension):
    """SIZE: how big a message is, and how big it may be (RFC 1870).

    Args:
        maximum: the most octets a server accepts in a message; None for no fixed maximum.
    """

    keyword = "SIZE"
    mail_parameters = (SIZE,)
    checks = (Mail,)

    def __init__(self, maximum: int | None = None) -> None:
        check_kinds(_KINDS, {"Size": maximum})
        self.mail_data_limit = maximum

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return the maximum; "" where there is none."""
        return "" if self.mail_data_limit is None else str(self.mail_data_limit)

    def parse_announcement(self, texts: tuple[str, ...]) -> int | None:
        """Return the maximum; None for none, for 0 (RFC 1870 3) and for what is no number."""
        word = texts[-1].partition(" ")[0]
        return int(word) or None if abnf.NUMBER.fullmatch(word) else None

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse a declared size beyond the maximum (RFC 1870 6.1).

        Raises:
            InvalidValueError: with 552 5.3.4.
        """
        assert isinstance(command, Mail)
        if command.parameters is NO_PARAMETERS:
            return
        declared = command.parameters.get("SIZE")
        if type(declared) is not int:
            declared = typed_value(command.parameters, SIZE)
        maximum = facts.announced["SIZE"] or facts.mail_data_limit
        if declared is not None and maximum is not None and declared > maximum:
            raise InvalidValueError(
                f"a message of at most {maximum} octets expected, not of {declared}",
                Violation.MESSAGE_TOO_BIG,
                552,
                "5.3.4",
            )


class Pipelining(Extension):
    """PIPELINING: commands may come in groups (RFC 2920)."""

    keyword = "PIPELINING"
    allows_groups = True


class EnhancedStatusCodes(Extension):
    """ENHANCEDSTATUSCODES: replies carry them (RFC 2034)."""

    keyword = "ENHANCEDSTATUSCODES"
    enhanced_status = True


class StartTLS(Extension):
    """STARTTLS: go on under TLS (RFC 3207). Not offered once it runs."""

    keyword = "STARTTLS"
    in_tls = False
    verbs = (StartTLSCommand,)
    rows = (Row((State.READY,), StartTLSCommand, success=State.TLS, exact=220),)


class Help(Extension):
    """HELP: the verb is there (RFC 5321 4.1.1.8)."""

    keyword = "HELP"


class Vrfy(Extension):
    """VRFY: the verb gives an answer (RFC 5321 3.5.2)."""

    keyword = "VRFY"


class Expn(Extension):
    """EXPN: the verb gives an answer (RFC 5321 3.5.2)."""

    keyword = "EXPN"
