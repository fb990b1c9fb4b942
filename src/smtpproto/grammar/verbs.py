# SPDX-License-Identifier: MIT
"""The commands of extensions that no other module has: ETRN, ATRN, BURL, WELLKNOWN, VERB, ONEX.

Decides the syntax of each. When one may come is declared with its extension.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Final, Literal, Self

from ..exceptions import InvalidValueError, Violation, not_text, shown
from ..values import value, value_with_init
from . import abnf
from .addresses import is_domain
from .command import Command, Vocabulary
from .encodings import decode_xtext, encode_xtext
from .replies import Reply

_QUEUE = re.compile(r"[!-~]++", re.ASCII)
# RFC 3986 4.3: absolute-URI = scheme ":" ...; of the rest no more is asked than printable ASCII.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:[!-~]++", re.ASCII)


def _bad(command: type[Command], expected: str, text: str) -> InvalidValueError:
    return InvalidValueError(
        f"{command.verb} {expected} expected, not {shown(text)}", Violation.ARGUMENT_SYNTAX
    )


def _check_text(command: type[Command], got: object) -> None:
    if not isinstance(got, str):
        raise not_text(f"{command.verb}: an argument", got)


@value
class Etrn(Command):
    """ETRN: asks the server to start a queue (RFC 1985 5).

    Raises:
        InvalidValueError: another option, or not a domain, nor for "#" a name.
    """

    node: str
    """A domain; for the option "#" the name of a queue."""
    option: Literal["", "@", "#"] = ""
    """"@" for the domain and all below it, "#" for a queue."""

    verb: ClassVar[str] = "ETRN"

    def __post_init__(self) -> None:
        _check_text(type(self), self.node)
        is_node = _QUEUE.fullmatch(self.node) if self.option == "#" else is_domain(self.node)
        if self.option not in ("", "@", "#") or not is_node:
            raise _bad(type(self), "domain, @domain or #queue", f"{self.option}{self.node}")

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse the option and the node."""
        if argument[:1] == "@":
            return cls(argument[1:], "@")
        return cls(argument[1:], "#") if argument[:1] == "#" else cls(argument)

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return them as they are written."""
        return self.option + self.node


@value_with_init
class Atrn(Command):
    """ATRN: asks the server to turn the roles and send what it holds (RFC 2645 5.2.1).

    Args:
        domains: whose mail is asked for; none for all that the client has access to.

    Raises:
        InvalidValueError: not a domain, or one without a dot.
    """

    verb = "ATRN"
    reply_timeout = 600.0  # RFC 2645 5.2.1
    domains: Final[tuple[str, ...]]

    def __init__(self, domains: Iterable[str] = ()) -> None:
        # One domain as text would be taken for domains of a letter each.
        if isinstance(domains, str) or not isinstance(domains, Iterable):
            raise InvalidValueError(
                f"ATRN: a list of domains expected, not {type(domains).__name__}"
            )
        self.domains = tuple(domains)
        for domain in self.domains:
            _check_text(type(self), domain)
            if "." not in domain or not is_domain(domain):
                raise _bad(type(self), "domain.example,domain.example", domain)

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse the domains."""
        return cls(argument.split(",") if argument else ())

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return them as they are written."""
        return ",".join(self.domains)


@value
class Turn(Command):
    """TURN: asks the server to turn the roles (RFC 821 3.8)."""

    verb: ClassVar[str] = "TURN"
    reply_timeout: ClassVar[float] = 600.0  # as ATRN: the server looks for mail first


@value
class Burl(Command):
    """BURL: the server fetches a part of the mail data from a URL (RFC 4468 3.2).

    Raises:
        InvalidValueError: not an absolute URI.
    """

    url: str

    verb: ClassVar[str] = "BURL"
    # A URL has no limit in RFC 4468.
    long_line: ClassVar[bool] = True
    ends_group: ClassVar[bool] = False
    carries_mail_data: ClassVar[bool] = True
    last: ClassVar[bool] = False
    """True for the command that ends the mail data."""

    def __post_init__(self) -> None:
        _check_text(type(self), self.url)
        if not _URI.fullmatch(self.url):
            raise _bad(type(self), "absolute-URI [LAST]", self.url)

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Burl:
        """Parse the URL and LAST, which makes it a `BurlLast`."""
        url, space, word = argument.partition(" ")
        if space and not (word.upper() == "LAST" and word.isascii()):
            raise _bad(cls, "absolute-URI [LAST]", argument)
        return BurlLast(url) if space else Burl(url)

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return them as they are written."""
        return f"{self.url} LAST" if self.last else self.url

    def ends_mail_data(self) -> bool:
        """Return `last`."""
        return self.last


@value
class BurlLast(Burl):
    """BURL with LAST: a command of its own, since it leads to another state (RFC 4468 3.2)."""

    # The next MAIL waits for its reply.
    ends_group: ClassVar[bool] = True
    last: ClassVar[bool] = True


@value
class WellKnown(Command):
    """WELLKNOWN: asks for a text that the server publishes, such as ``security.txt``.

    Raises:
        InvalidValueError: empty, or with a control character.
    """

    name: str

    verb: ClassVar[str] = "WELLKNOWN"

    def __post_init__(self) -> None:
        _check_text(type(self), self.name)
        unwritable = abnf.CONTROLS.search(self.name) or abnf.SURROGATES.search(self.name)
        if not self.name or unwritable:
            raise _bad(type(self), "name in xtext", self.name)

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse the name, which is in xtext."""
        try:
            return cls(decode_xtext(argument).decode("utf-8"))
        except UnicodeDecodeError:
            raise _bad(cls, "name in xtext", argument) from None

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return the name in xtext."""
        return encode_xtext(self.name.encode())


@value
class Verb(Command):
    """VERB: switches the verbose mode of Sendmail."""

    on: bool = True

    verb: ClassVar[str] = "VERB"
    default_reply: ClassVar[Reply | None] = Reply(250, "verbose mode", "2.0.0")

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse ON, OFF or nothing, which is ON."""
        if argument.upper() not in ("", "ON", "OFF"):
            raise _bad(cls, "[ON|OFF]", argument)
        return cls(argument.upper() != "OFF")

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return ON or OFF."""
        return "ON" if self.on else "OFF"


@value
class Onex(Command):
    """ONEX: promises that one transaction is all."""

    verb: ClassVar[str] = "ONEX"
    default_reply: ClassVar[Reply | None] = Reply(250, "only one transaction", "2.0.0")
