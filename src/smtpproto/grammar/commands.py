# SPDX-License-Identifier: MIT
"""The commands: one class a verb, parsing and writing side by side (RFC 5321 4.1.1).

Decides the syntax of each command. Whether one may come now is for the session to say. An
extension's verb is one more class like these.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final, Self

from ..exceptions import InvalidValueError, Violation, not_text, shown
from ..values import value, value_with_init
from . import abnf
from .addresses import is_address_literal, is_domain
from .command import TLS_RECORD, Command, Vocabulary, parse_command
from .envelope import Mail, Rcpt
from .replies import Reply

__all__ = [
    "BASE_VERBS",
    "TLS_RECORD",
    "Bdat",
    "Command",
    "Data",
    "Ehlo",
    "Expn",
    "Helo",
    "Help",
    "Lhlo",
    "Mail",
    "Noop",
    "Quit",
    "Rcpt",
    "Rset",
    "StartTLS",
    "Vocabulary",
    "Vrfy",
    "parse_command",
]


@value_with_init
class Hello(Command):
    """What EHLO, HELO and LHLO have in common.

    Args:
        domain: the client's domain or address literal.
        checked: True to take any printable text, as a server does (RFC 5321 4.1.4).

    Raises:
        InvalidValueError: neither a domain nor an address literal, or not printable.
    """

    utf8 = True
    domain: Final[str]
    """As received."""

    def __init__(self, domain: str, checked: bool = False) -> None:
        self.domain = domain
        try:
            fits = domain.isprintable() and domain if checked else self.is_valid
        except (TypeError, AttributeError):
            raise not_text(f"{self.verb}: a domain or an address literal", domain) from None
        if not fits:
            raise InvalidValueError(
                f"{self.verb} with a domain or an address literal expected (RFC 5321 4.1.1.1), "
                f"not {shown(domain)}",
                Violation.DOMAIN_SYNTAX,
            )

    @property
    def is_valid(self) -> bool:
        """False when the client's name is neither a domain nor an address literal."""
        return is_domain(self.domain) or is_address_literal(self.domain)

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        return cls(argument, not vocabulary.leniency.strict_helo)

    def argument(self, vocabulary: Vocabulary) -> str:
        return self.domain


class Ehlo(Hello):
    """EHLO: the client names itself and asks for the extensions (RFC 5321 4.1.1.1)."""

    __slots__ = ()
    verb = "EHLO"


class Helo(Hello):
    """HELO: the client names itself (RFC 5321 4.1.1.1)."""

    __slots__ = ()
    verb = "HELO"


class Lhlo(Hello):
    """LHLO: the EHLO of LMTP (RFC 2033 4.1)."""

    __slots__ = ()
    verb = "LHLO"


@value
class Data(Command):
    """DATA: mail data follows once the reply is 354 (RFC 5321 4.1.1.4)."""

    verb = "DATA"
    reply_timeout = 120.0
    default_reply = Reply(354, "end data with <CRLF>.<CRLF>")


@value
class Rset(Command):
    """RSET: ends the mail transaction (RFC 5321 4.1.1.5)."""

    verb = "RSET"
    ends_group = False
    default_reply = Reply(250, "ok", "2.0.0")


@value
class Quit(Command):
    """QUIT: ends the session (RFC 5321 4.1.1.10)."""

    verb = "QUIT"


@value_with_init
class WithText(Command):
    """What commands with free text have in common.

    Args:
        text: the argument; may be empty. White space at its end means nothing (RFC 5321 4.1.1).

    Raises:
        InvalidValueError: CR, LF or NUL in it.
    """

    text: Final[str]
    """The argument as it was written, without white space at its end."""

    def __init__(self, text: str = "") -> None:
        try:
            if "\r" in text or "\n" in text or "\0" in text:
                raise InvalidValueError(
                    f"{self.verb} with an argument without CR, LF and NUL expected, "
                    f"not {shown(text)}",
                    Violation.CONTROL_CHARACTER,
                )
            self.text = text.rstrip(" \t")
        except (TypeError, AttributeError):
            raise not_text(f"{self.verb}: an argument", text) from None

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        return cls(argument)

    def argument(self, vocabulary: Vocabulary) -> str:
        return self.text


class Noop(WithText):
    """NOOP: does nothing, whatever its argument (RFC 5321 4.1.1.9)."""

    __slots__ = ()
    verb = "NOOP"
    utf8 = True
    default_reply = Reply(250, "ok", "2.0.0")


class Help(WithText):
    """HELP: asks for help (RFC 5321 4.1.1.8)."""

    __slots__ = ()
    verb = "HELP"


_STRING = re.compile(r"[^\x00-\x20\x7f][^\x00-\x1f\x7f]*+")


@value_with_init
class Query(Command):
    """What VRFY and EXPN have in common (RFC 5321 3.5, RFC 6531 3.7.4.2).

    Args:
        text: whom or what is asked for: a String by the grammar, in practice any text.
        smtputf8: True when the SMTPUTF8 parameter stands behind it.

    Raises:
        InvalidValueError: no printable text, or SMTPUTF8 at the end of the text itself.
    """

    utf8 = True
    text: Final[str]
    """The argument as it was written, without spaces at its end."""
    smtputf8: Final[bool]
    """True when the reply may hold UTF-8."""

    def __init__(self, text: str, smtputf8: bool = False) -> None:
        try:
            fits = _STRING.fullmatch(text) and not abnf.SURROGATES.search(text)
        except TypeError:
            raise not_text(f"{self.verb}: a name or address", text) from None
        if not fits:
            raise InvalidValueError(
                f"{self.verb} with a name or address expected, not {shown(text)}",
                Violation.ARGUMENT_SYNTAX,
            )
        if not (smtputf8 or text.isascii()):
            raise InvalidValueError(
                f"SMTPUTF8 expected behind the non-ASCII argument of {self.verb}",
                Violation.NON_ASCII_ADDRESS,
                553,
                "5.6.7",
            )
        self.text = text.rstrip(" ")
        self.smtputf8 = smtputf8
        if not smtputf8 and self.text.upper().endswith(" SMTPUTF8"):
            raise InvalidValueError(
                f"smtputf8=True expected, not SMTPUTF8 in the text of {self.verb}",
                Violation.ARGUMENT_SYNTAX,
            )

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        text, _, parameter = argument.rpartition(" ")
        if text and parameter.upper() == "SMTPUTF8" and parameter.isascii():
            return cls(text.rstrip(" "), True)
        return cls(argument)

    def argument(self, vocabulary: Vocabulary) -> str:
        return f"{self.text} SMTPUTF8" if self.smtputf8 else self.text


class Vrfy(Query):
    """VRFY: asks whether a user or mailbox is known (RFC 5321 4.1.1.6)."""

    __slots__ = ()
    verb = "VRFY"
    default_reply = Reply(252, "cannot verify, but will try to deliver", "2.5.0")


class Expn(Query):
    """EXPN: asks for the members of a list (RFC 5321 4.1.1.7)."""

    __slots__ = ()
    verb = "EXPN"
    default_reply = Reply(252, "lists are not expanded", "2.5.0")


@value
class StartTLS(Command):
    """STARTTLS: a TLS handshake follows once the reply is 220 (RFC 3207 4)."""

    verb = "STARTTLS"
    default_reply = Reply(220, "ready to start TLS", "2.0.0")


_BDAT = re.compile(r"([0-9]{1,20})(?: ([Ll][Aa][Ss][Tt]))?", re.ASCII)


@value
class Bdat(Command):
    """BDAT: a chunk of mail data follows the line at once (RFC 3030 2)."""

    size: int
    """Octets of the chunk."""
    last: bool = False
    """True for the chunk that ends the mail data."""

    verb: ClassVar[str] = "BDAT"
    ends_group: ClassVar[bool] = False
    announces_octets: ClassVar[bool] = True
    carries_mail_data: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 0 <= self.size < 10**20:
            raise InvalidValueError(
                f"BDAT with a chunk size of up to 20 digits expected, not {self.size!r}",
                Violation.CHUNK_SIZE,
            )

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse the size and LAST."""
        found = _BDAT.fullmatch(argument)
        if not found:
            raise InvalidValueError(
                f"BDAT <octets> [LAST] expected, not {shown(argument)}", Violation.CHUNK_SIZE
            )
        return cls(int(found[1]), found[2] is not None)

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return them as they are written."""
        return f"{self.size} LAST" if self.last else str(self.size)

    def octets(self) -> int:
        """Return the size."""
        return self.size

    def ends_mail_data(self) -> bool:
        """Return `last`."""
        return self.last


BASE_VERBS: tuple[type[Command], ...] = (Mail, Rcpt, Data, Rset, Noop, Quit, Vrfy, Expn, Help)
"""The verbs of RFC 5321 beside EHLO and HELO, which are the mode's."""
