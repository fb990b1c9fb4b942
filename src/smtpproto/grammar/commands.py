# SPDX-License-Identifier: MIT
"""The commands: one class a verb, parsing and writing side by side (RFC 5321 4.1.1).

Decides the syntax of each command. Which verbs and parameters there are is a `Vocabulary` that is
handed in; whether a command may come now is for the session to say. An extension's verb is one more
class like these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

from ..exceptions import InvalidValueError, Violation, shown
from ..limits import DEFAULT_LIMITS, Limits
from ..values import value, value_with_init
from . import abnf
from .addresses import Path, is_address_literal, is_domain, parse_path, path_end
from .leniency import DEFAULT_LENIENCY, Leniency
from .parameters import (
    NO_PARAMETERS,
    Parameter,
    Parameters,
    encode_parameters,
    parse_parameters,
)
from .replies import Reply


class Vocabulary:
    """What one side knows: verbs, parameters, and how strict to be.

    Args:
        verbs: the command classes that can be parsed.
        mail_parameters: the parameters MAIL may have now, by upper-case keyword.
        rcpt_parameters: the same for RCPT.
        leniency: the switches.
        limits: the caps.
    """

    __slots__ = (
        "leniency",
        "limits",
        "mail_parameters",
        "plain_address",
        "rcpt_parameters",
        "verbs",
    )

    def __init__(
        self,
        verbs: tuple[type[Command], ...] = (),
        mail_parameters: Mapping[str, Parameter] | None = None,
        rcpt_parameters: Mapping[str, Parameter] | None = None,
        leniency: Leniency = DEFAULT_LENIENCY,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.verbs: Mapping[bytes, type[Command]] = {
            command.verb.encode("ascii"): command for command in verbs
        }
        self.mail_parameters = mail_parameters or {}
        self.rcpt_parameters = rcpt_parameters or {}
        self.leniency = leniency
        self.limits = limits
        # No part of an address of up to this length can be too long.
        caps = (63, limits.local_part, limits.domain, limits.path and limits.path - 2)
        self.plain_address = min(cap for cap in caps if cap is not None)


class Command:
    """The base of all commands. A class of one's own sets `verb` and overrides the two methods."""

    __slots__ = ()

    verb: ClassVar[str] = ""
    """The verb in upper case; "" for what is not a command line of its own."""
    ends_group: ClassVar[bool] = True
    """False for a command that others may follow in one group (RFC 2920 3.1)."""
    announces_octets: ClassVar[bool] = False
    """True when `octets()` octets follow the line at once."""
    utf8: ClassVar[bool] = False
    """True when the argument may hold UTF-8 (RFC 6531 3.7.4)."""
    long_line: ClassVar[bool] = False
    """True when the line may be as long as ``Limits.auth_line`` allows (RFC 4954 4)."""
    default_reply: ClassVar[Reply | None] = None
    """What a server without an opinion answers; None where policy is needed."""

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Command:
        """Make the command out of what follows the verb and its space.

        Args:
            argument: without white space at its end.
            vocabulary: parameters, leniency and caps.

        Raises:
            InvalidValueError: bad syntax; it names the reply.
        """
        if argument:
            raise InvalidValueError(
                f"{cls.verb} without an argument expected", Violation.ARGUMENT_SYNTAX
            )
        return cls()

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return what follows the verb and its space; "" for nothing.

        Raises:
            InvalidValueError: a value that cannot be written with this vocabulary.
        """
        return ""

    def octets(self) -> int:
        """Return how many octets follow the line, for a class with `announces_octets`."""
        return 0

    def encode(self, vocabulary: Vocabulary | None = None) -> bytes:
        """Return the command line with its CRLF.

        Raises:
            InvalidValueError: a value that cannot be written, or a CR, LF or NUL anywhere.
        """
        argument = self.argument(vocabulary or _NO_VOCABULARY)
        line = f"{self.verb} {argument}" if argument else self.verb
        # The last look before the octets leave: nothing above may have let an injection through.
        if "\r" in line or "\n" in line or "\0" in line:
            raise InvalidValueError(
                f"{self.verb} without CR, LF and NUL expected", Violation.CONTROL_CHARACTER
            )
        try:
            return line.encode("utf-8") + b"\r\n"
        except UnicodeEncodeError:
            raise InvalidValueError(f"{self.verb} in UTF-8 expected", Violation.NOT_UTF8) from None


def parse_command(line: bytes, vocabulary: Vocabulary) -> Command:
    """Parse a command line without its CRLF, free of CR, LF and NUL.

    Raises:
        InvalidValueError: an unknown verb, or bad syntax; it names the reply.
    """
    command = vocabulary.verbs.get(line[:4])
    if command is None or (len(line) > 4 and line[4] != 32):
        verb = line.partition(b" ")[0].rstrip(b"\t")
        command = vocabulary.verbs.get(verb.upper())
        if command is None:
            raise _unknown_verb(line, verb)
    text = line[len(command.verb) + 1 :].decode("utf-8", "surrogateescape").rstrip(" \t")
    if not (command.utf8 or text.isascii()):
        raise InvalidValueError(
            f"ASCII expected behind {command.verb}", Violation.EIGHT_BIT, 501, "5.5.2"
        )
    return command.parse(text, vocabulary)


# A browser, a web hook or a scanner on the wrong port: Postfix calls them forbidden commands.
_OTHER_PROTOCOLS = frozenset(
    (b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE")
)
TLS_RECORD = b"\x16\x03"
"""How a TLS ClientHello starts."""


def _unknown_verb(line: bytes, verb: bytes) -> InvalidValueError:
    if line.startswith(TLS_RECORD) or verb.upper() in _OTHER_PROTOCOLS or b" HTTP/1." in line:
        return InvalidValueError(
            "this is an SMTP port: another protocol came", Violation.WRONG_PROTOCOL, 421, "4.7.0"
        )
    return InvalidValueError(
        f"a command expected, not {shown(line.split(b' ')[0])}",
        Violation.UNKNOWN_COMMAND if verb else Violation.COMMAND_SYNTAX,
        500,
        "5.5.2",
    )


@value_with_init
class _Hello(Command):
    """What EHLO, HELO and LHLO have in common.

    Args:
        domain: the client's domain or address literal.
        checked: True to take any printable text, as a server does.

    Raises:
        InvalidValueError: neither a domain nor an address literal.
    """

    utf8 = True
    domain: Final[str]
    """As received."""

    def __init__(self, domain: str, checked: bool = False) -> None:
        if not (checked or is_domain(domain) or is_address_literal(domain)):
            raise InvalidValueError(
                f"a domain or an address literal expected (RFC 5321 4.1.1.1), not {shown(domain)}",
                Violation.DOMAIN_SYNTAX,
            )
        self.domain = domain

    @property
    def is_valid(self) -> bool:
        """False when the client's name is neither a domain nor an address literal."""
        return is_domain(self.domain) or is_address_literal(self.domain)

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        strict = vocabulary.leniency.strict_helo or not argument.isprintable()
        if not argument or abnf.CONTROLS.search(argument) or (strict and not argument.isascii()):
            raise InvalidValueError(
                f"{cls.verb} with a domain or an address literal expected",
                Violation.ARGUMENT_SYNTAX,
            )
        return cls(argument, not vocabulary.leniency.strict_helo)

    def argument(self, vocabulary: Vocabulary) -> str:
        return self.domain


class Ehlo(_Hello):
    """EHLO: the client names itself and asks for the extensions (RFC 5321 4.1.1.1)."""

    __slots__ = ()
    verb = "EHLO"


class Helo(_Hello):
    """HELO: the client names itself (RFC 5321 4.1.1.1)."""

    __slots__ = ()
    verb = "HELO"


class Lhlo(_Hello):
    """LHLO: the EHLO of LMTP (RFC 2033 4.1)."""

    __slots__ = ()
    verb = "LHLO"


_MAIL = re.compile(rf"[Ff][Rr][Oo][Mm]:<({abnf.DOT_STRING}@{abnf.DOMAIN})>", re.ASCII)
_RCPT = re.compile(rf"[Tt][Oo]:<({abnf.DOT_STRING}@{abnf.DOMAIN})>", re.ASCII)


@value_with_init
class Mail(Command):
    """MAIL: starts a mail transaction (RFC 5321 4.1.1.2).

    Args:
        reverse_path: a `Path`, or the address as text; "" for the null reverse-path.
        parameters: keyword to value, typed or as text.

    Raises:
        InvalidValueError: not an address, or not a parameter.
    """

    verb = "MAIL"
    ends_group = False
    utf8 = True
    reverse_path: Final[Path]
    parameters: Final[Parameters]

    def __init__(
        self, reverse_path: Path | str, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> None:
        path = Path(reverse_path) if isinstance(reverse_path, str) else reverse_path
        if path.address and "@" not in path.address:
            raise _bad_path(type(self), f"a mailbox with a domain, not {shown(path.address)}")
        self.reverse_path = path
        self.parameters = (
            parameters if isinstance(parameters, Parameters) else Parameters(parameters)
        )

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        path, rest = _take_path(cls, _MAIL, "FROM:", argument, vocabulary)
        if not rest:
            return cls(path)
        return cls(path, _take_parameters(rest, vocabulary.mail_parameters, vocabulary))

    def argument(self, vocabulary: Vocabulary) -> str:
        parameters = encode_parameters(self.parameters, vocabulary.mail_parameters)
        return f"FROM:<{self.reverse_path.address}>{parameters}"


@value_with_init
class Rcpt(Command):
    """RCPT: adds a recipient to the mail transaction (RFC 5321 4.1.1.3).

    Args:
        forward_path: a `Path`, or the address as text. Its source route is not sent.
        parameters: keyword to value, typed or as text.

    Raises:
        InvalidValueError: not an address, or not a parameter.
    """

    verb = "RCPT"
    ends_group = False
    utf8 = True
    forward_path: Final[Path]
    parameters: Final[Parameters]

    def __init__(
        self, forward_path: Path | str, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> None:
        path = Path(forward_path) if isinstance(forward_path, str) else forward_path
        if not path.address:
            raise _bad_path(type(self), "a recipient, not <>")
        self.forward_path = path
        self.parameters = (
            parameters if isinstance(parameters, Parameters) else Parameters(parameters)
        )

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        path, rest = _take_path(cls, _RCPT, "TO:", argument, vocabulary)
        if not rest:
            return cls(path)
        return cls(path, _take_parameters(rest, vocabulary.rcpt_parameters, vocabulary))

    def argument(self, vocabulary: Vocabulary) -> str:
        parameters = encode_parameters(self.parameters, vocabulary.rcpt_parameters)
        return f"TO:<{self.forward_path.address}>{parameters}"


def _take_path(
    cls: type[Mail] | type[Rcpt],
    plain: re.Pattern[str],
    word: str,
    argument: str,
    vocabulary: Vocabulary,
) -> tuple[Path, str]:
    """Parse the path, and return it with what follows it."""
    found = plain.match(argument)
    if found is not None and len(found[1]) <= vocabulary.plain_address:
        path = Path(found[1], (), True)
        end = found.end()
    else:
        path, end = _take_unusual_path(cls, word, argument, vocabulary)
    rest = argument[end:]
    if rest and rest[0] != " ":
        raise _bad_path(cls, f"a space behind the path, not {shown(rest)}")
    return path, rest


def _take_unusual_path(
    cls: type[Mail] | type[Rcpt], word: str, argument: str, vocabulary: Vocabulary
) -> tuple[Path, int]:
    leniency = vocabulary.leniency
    start = len(word)
    if argument[:start].upper() != word or not argument[:start].isascii():
        raise _bad_path(cls, f"{word}<address> behind {cls.verb}, not {shown(argument)}", "5.5.2")
    if leniency.allow_space_after_colon:
        start += len(argument) - start - len(argument[start:].lstrip(" "))
    text = argument[start:]
    if text[:1] == "<":
        length = path_end(text)
        if length < 0:
            raise _bad_path(cls, f"a path that ends with >, not {shown(text)}")
        text = text[:length]
    elif leniency.allow_missing_brackets:
        text = text.partition(" ")[0]
        length = len(text)
        text = f"<{text}>"
    else:
        raise _bad_path(cls, f"a path in angle brackets, not {shown(text)}")
    try:
        path = parse_path(text, leniency, vocabulary.limits)
    except InvalidValueError as error:
        raise _bad_path(cls, str(error), cause=error) from None
    return path, start + length


def _bad_path(
    cls: type[Mail] | type[Rcpt],
    expected: str,
    enhanced: str | None = None,
    cause: InvalidValueError | None = None,
) -> InvalidValueError:
    """Make the error for a bad path of MAIL or RCPT (RFC 3463 3.2)."""
    violation, status = _PATH_FAULT[cls]
    code = 501
    message = f"{cls.verb}: {expected}" if cause else f"{cls.verb}: {expected} expected"
    if cause is not None and cause.violation is Violation.NOT_UTF8:
        violation, code, status = cause.violation, cause.code, cause.enhanced
    elif cause is not None and cause.violation is Violation.DOMAIN_SYNTAX and cls is Rcpt:
        violation, status = cause.violation, "5.1.2"
    return InvalidValueError(message, violation, code, enhanced or status)


_PATH_FAULT: Mapping[type[Command], tuple[Violation, str]] = {
    Mail: (Violation.REVERSE_PATH, "5.1.7"),
    Rcpt: (Violation.FORWARD_PATH, "5.1.3"),
}


def _take_parameters(
    text: str, declared: Mapping[str, Parameter], vocabulary: Vocabulary
) -> Parameters:
    return parse_parameters(
        text, declared, vocabulary.leniency.unknown_parameters, vocabulary.limits.parameters
    )


@value
class Data(Command):
    """DATA: mail data follows once the reply is 354 (RFC 5321 4.1.1.4)."""

    verb = "DATA"
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
    default_reply = Reply(221, "closing", "2.0.0")


@value_with_init
class _WithText(Command):
    """What commands with free text have in common.

    Args:
        text: the argument; may be empty.

    Raises:
        InvalidValueError: CR, LF or NUL in it.
    """

    text: Final[str]
    """The argument as it was written."""

    def __init__(self, text: str = "") -> None:
        if "\r" in text or "\n" in text or "\0" in text:
            raise InvalidValueError(
                f"{self.verb} with an argument without CR, LF and NUL expected, not {shown(text)}",
                Violation.ARGUMENT_SYNTAX,
            )
        self.text = text

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        return cls(argument)

    def argument(self, vocabulary: Vocabulary) -> str:
        return self.text


class Noop(_WithText):
    """NOOP: does nothing, whatever its argument (RFC 5321 4.1.1.9)."""

    __slots__ = ()
    verb = "NOOP"
    utf8 = True
    default_reply = Reply(250, "ok", "2.0.0")


class Help(_WithText):
    """HELP: asks for help (RFC 5321 4.1.1.8)."""

    __slots__ = ()
    verb = "HELP"
    default_reply = Reply(214, "see RFC 5321", "2.0.0")


_STRING = re.compile(r"[!-~\u0080-\U0010ffff][ -~\u0080-\U0010ffff]*+")


@value_with_init
class _Query(Command):
    """What VRFY and EXPN have in common (RFC 5321 3.5, RFC 6531 3.7.4.2).

    Args:
        text: whom or what is asked for: a String by the grammar, in practice any text.
        smtputf8: True when the SMTPUTF8 parameter stands behind it.

    Raises:
        InvalidValueError: no printable text.
    """

    utf8 = True
    text: Final[str]
    """The argument as it was written."""
    smtputf8: Final[bool]
    """True when the reply may hold UTF-8."""

    def __init__(self, text: str, smtputf8: bool = False) -> None:
        if not _STRING.fullmatch(text) or abnf.SURROGATES.search(text):
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
        self.text = text
        self.smtputf8 = smtputf8

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        text, _, parameter = argument.rpartition(" ")
        if text and parameter.upper() == "SMTPUTF8" and parameter.isascii():
            return cls(text.rstrip(" "), True)
        return cls(argument)

    def argument(self, vocabulary: Vocabulary) -> str:
        return f"{self.text} SMTPUTF8" if self.smtputf8 else self.text


class Vrfy(_Query):
    """VRFY: asks whether a user or mailbox is known (RFC 5321 4.1.1.6)."""

    __slots__ = ()
    verb = "VRFY"
    default_reply = Reply(252, "cannot verify, but will try to deliver", "2.5.0")


class Expn(_Query):
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

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 0 <= self.size < 10**20:
            raise InvalidValueError(
                f"BDAT with a chunk size of up to 20 digits expected, not {self.size!r}",
                Violation.CHUNK_SIZE,
            )

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        found = _BDAT.fullmatch(argument)
        if not found:
            raise InvalidValueError(
                f"BDAT <octets> [LAST] expected, not {shown(argument)}", Violation.CHUNK_SIZE
            )
        return cls(int(found[1]), found[2] is not None)

    def argument(self, vocabulary: Vocabulary) -> str:
        return f"{self.size} LAST" if self.last else str(self.size)

    def octets(self) -> int:
        return self.size


BASE_VERBS: tuple[type[Command], ...] = (Mail, Rcpt, Data, Rset, Noop, Quit, Vrfy, Expn, Help)
"""The verbs of RFC 5321 beside EHLO and HELO, which are the mode's."""

OBSOLETE_VERBS = frozenset((b"SEND", b"SOML", b"SAML", b"TURN"))
"""Verbs of RFC 821 that a server knows and does not implement (RFC 5321 F.1, F.6)."""

_NO_VOCABULARY = Vocabulary()
