# SPDX-License-Identifier: MIT
"""What mail data may be and how it travels: 8BITMIME, SMTPUTF8, CHUNKING, BINARYMIME."""

from __future__ import annotations

from collections.abc import Callable

from ..exceptions import InvalidValueError, Violation, shown
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Bdat, Command, Data
from ..grammar.parameters import Parameter
from ..states import State
from .declaration import Extension, Row, SessionFacts


def parse_word(*words: str, elsewhere: tuple[str, ...] = ()) -> Callable[[str], str]:
    """Return a parser for one of `words`, without case, that gives it in upper case.

    Args:
        words: the words allowed.
        elsewhere: words that another extension would allow: they get 504 instead of 501.
    """

    def parse(text: str) -> str:
        word = text.upper()
        if word not in words or not text.isascii():
            known = word in elsewhere
            raise InvalidValueError(
                f"{' or '.join(words)} expected, not {shown(text)}",
                Violation.PARAMETER_SYNTAX,
                504 if known else 501,
            )
        return word

    return parse


class EightBitMime(Extension):
    """8BITMIME: mail data may have octets above 127 (RFC 6152)."""

    keyword = "8BITMIME"
    mail_parameters = (
        Parameter(
            "BODY",
            parse_word("7BIT", "8BITMIME", elsewhere=("BINARYMIME",)),
            length=14,
            needs_value=True,
        ),
    )


class SmtpUtf8(Extension):
    """SMTPUTF8: addresses and header fields may be UTF-8 (RFC 6531)."""

    keyword = "SMTPUTF8"
    mail_parameters = (Parameter("SMTPUTF8", length=10, allows_utf8=True),)
    requires = ("8BITMIME",)


class Chunking(Extension):
    """CHUNKING: mail data in chunks of announced size (RFC 3030 2)."""

    keyword = "CHUNKING"
    verbs = (Bdat,)
    rows = (
        Row((State.RCPT, State.BDAT), Bdat, success=State.BDAT, failure=State.BDAT_FAILED),
        Row((State.RCPT, State.BDAT), EndOfMailData, success=State.READY, failure=State.READY),
    )


class BinaryMime(Extension):
    """BINARYMIME: mail data may be any octets, in chunks (RFC 3030 3)."""

    keyword = "BINARYMIME"
    requires = ("CHUNKING",)
    mail_parameters = (
        Parameter(
            "BODY",
            parse_word("7BIT", "8BITMIME", "BINARYMIME"),
            length=16,
            needs_value=True,
            binary_value="BINARYMIME",
        ),
    )
    checks = (Data,)

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse DATA for a binary message (RFC 3030 3).

        Raises:
            InvalidValueError: with 503 5.5.1.
        """
        if facts.transaction is not None and facts.transaction.is_binary:
            raise InvalidValueError(
                "BDAT expected for BODY=BINARYMIME, not DATA", Violation.BAD_SEQUENCE, 503, "5.5.1"
            )
