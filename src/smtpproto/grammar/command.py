# SPDX-License-Identifier: MIT
"""What all commands have in common, and how a line is given to the right one (RFC 5321 4.1.1).

Decides how a verb is found and which reply an unknown one gets. Which verbs and parameters there
are is a `Vocabulary` that is handed in; the syntax of each command is its own class's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from ..exceptions import InvalidValueError, Violation, shown
from ..limits import DEFAULT_LIMITS, Limits
from ..values import value
from . import abnf
from .leniency import DEFAULT_LENIENCY, Leniency
from .parameters import Parameter
from .replies import Reply


class Vocabulary:
    """What one side knows: verbs, parameters, and how strict to be.

    Args:
        verbs: the command classes that can be parsed.
        mail_parameters: the parameters MAIL may have now, by upper-case keyword.
        rcpt_parameters: the same for RCPT.
        leniency: the switches.
        limits: the caps.
        is_closed: True to write no other parameters.
    """

    __slots__ = (
        "alone",
        "is_closed",
        "leniency",
        "limits",
        "mail_parameters",
        "names",
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
        is_closed: bool = False,
    ) -> None:
        self.verbs: Mapping[bytes, type[Command]] = {
            command.verb.encode("ascii"): command for command in verbs if command.verb
        }
        self.names = {command.verb: command for command in verbs if command.verb}
        self.alone: Mapping[bytes, type[Command]] = {
            verb: command
            for verb, command in self.verbs.items()
            if getattr(command.parse, "__func__", None) is _PARSE_ALONE
        }
        """The verbs that stand alone in their lines."""
        self.mail_parameters = mail_parameters or {}
        self.rcpt_parameters = rcpt_parameters or {}
        self.leniency = leniency
        self.limits = limits
        self.is_closed = is_closed
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
    carries_mail_data: ClassVar[bool] = False
    """True for a part of the mail data, as BDAT is: a refused one spoils the rest (RFC 3030 2)."""
    utf8: ClassVar[bool] = False
    """True when the argument may hold UTF-8 (RFC 6531 3.7.4)."""
    long_line: ClassVar[bool] = False
    """True when the line may be as long as ``Limits.auth_line`` allows (RFC 4954 4)."""
    reply_timeout: ClassVar[float] = 300.0
    """Seconds that a client should wait for the reply at least (RFC 5321 4.5.3.2)."""
    default_reply: ClassVar[Reply | None] = None
    """What a server without an opinion answers; None where policy is needed."""

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Command:
        """Make the command out of what follows the verb and its space.

        Args:
            argument: without white space at its end.
            vocabulary: parameters, leniency and caps.

        Raises:
            InvalidValueError: bad syntax; it names the reply. Any other ``ValueError`` is 501.
        """
        if argument:
            raise InvalidValueError(
                f"{cls.verb} without an argument expected, not with {shown(argument)}",
                Violation.ARGUMENT_SYNTAX,
            )
        return alone(cls)

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return what follows the verb and its space; "" for nothing.

        Raises:
            InvalidValueError: a value that cannot be written with this vocabulary.
        """
        return ""

    def octets(self) -> int:
        """Return how many octets follow the line, for a class with `announces_octets`."""
        return 0

    def ends_mail_data(self) -> bool:
        """Tell whether this is the last part of the mail data, for a class that carries it."""
        return False

    def claims(self) -> Mapping[str, Any] | None:
        """Return what a command that starts the session anew says of the client.

        Returns:
            Attribute to value, of which "LOGIN" is whom the client authenticated as; None for a
            command that says nothing.
        """
        return None

    def encode(self, vocabulary: Vocabulary | None = None) -> bytes:
        """Return the command line with its CRLF.

        Raises:
            InvalidValueError: a value that cannot be written, a CR, LF or NUL anywhere, or a class
                that is no command line.
        """
        verb = self.verb
        if not verb:
            raise InvalidValueError(f"a command with a verb expected, not {type(self).__name__}")
        argument = self.argument(vocabulary or _NO_VOCABULARY)
        line = f"{verb} {argument}" if argument else verb
        # The last look before the octets leave: nothing above may have let an injection through.
        if line.isprintable() and line.isascii():
            return line.encode() + b"\r\n"
        if "\r" in line or "\n" in line or "\0" in line:
            raise InvalidValueError(
                f"{verb} without CR, LF and NUL expected", Violation.CONTROL_CHARACTER
            )
        if not (line.isascii() or self.utf8):
            raise InvalidValueError(f"ASCII expected behind {verb}", Violation.EIGHT_BIT)
        try:
            return line.encode("utf-8") + b"\r\n"
        except UnicodeEncodeError:
            raise InvalidValueError(f"{verb} in UTF-8 expected", Violation.NOT_UTF8) from None


@value
class Announcing(Command):
    """The base of a verb of one's own whose argument says how many octets follow the line.

    Raises:
        InvalidValueError: not a number of up to 20 digits.
    """

    size: int
    """Octets that follow the line at once."""

    announces_octets: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 0 <= self.size < 10**20:
            raise self._bad(repr(self.size))

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse the number."""
        if not abnf.NUMBER.fullmatch(argument):
            raise cls._bad(argument)
        return cls(int(argument))

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return the number."""
        return str(self.size)

    def octets(self) -> int:
        """Return the number."""
        return self.size

    @classmethod
    def _bad(cls, text: str) -> InvalidValueError:
        return InvalidValueError(
            f"{cls.verb} with a number of octets expected, not {shown(text)}", Violation.CHUNK_SIZE
        )


_PARSE_ALONE: Any = getattr(Command.parse, "__func__")  # noqa: B009
_ALONE: dict[type[Command], Command] = {}


def alone(command: type[Command]) -> Command:
    """Return the one instance of a command without an argument."""
    return _ALONE.get(command) or _ALONE.setdefault(command, command())


def parse_command(line: bytes, vocabulary: Vocabulary) -> Command:
    """Parse a command line without its CRLF, free of CR, LF and NUL.

    Raises:
        InvalidValueError: an unknown verb, or bad syntax; it names the reply.
    """
    verb, _, text = line.decode("utf-8", "surrogateescape").partition(" ")
    command = vocabulary.names.get(verb)
    if command is None:
        command = vocabulary.verbs.get(line.partition(b" ")[0].rstrip(b"\t").upper())
        if command is None:
            raise _unknown_verb(line, line.partition(b" ")[0].rstrip(b"\t"))
    text = text.rstrip(" \t")
    if not (command.utf8 or text.isascii()):
        raise InvalidValueError(
            f"ASCII expected behind {command.verb}", Violation.EIGHT_BIT, 501, "5.5.2"
        )
    try:
        return command.parse(text, vocabulary)
    except InvalidValueError:
        raise
    except ValueError:  # as int() has it: the peer's text must not raise it
        raise InvalidValueError(
            f"another argument expected behind {command.verb}", Violation.ARGUMENT_SYNTAX
        ) from None


# A browser, a web hook or a scanner on the wrong port: Postfix calls them forbidden commands.
_OTHER_PROTOCOLS = frozenset(
    (b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE")
)
# Verbs of RFC 821 that are known and not implemented (RFC 5321 F.1, F.6)
OBSOLETE_VERBS = frozenset((b"SEND", b"SOML", b"SAML", b"TURN"))
TLS_RECORD = b"\x16\x03"
"""How a TLS ClientHello starts."""


def _unknown_verb(line: bytes, verb: bytes) -> InvalidValueError:
    if line.startswith(TLS_RECORD) or verb.upper() in _OTHER_PROTOCOLS or b" HTTP/1." in line:
        return InvalidValueError(
            "this is an SMTP port: another protocol came", Violation.WRONG_PROTOCOL, 421, "4.7.0"
        )
    if verb.upper() in OBSOLETE_VERBS:
        return InvalidValueError(
            f"{verb.upper().decode()} is not implemented", Violation.NOT_OFFERED, 502, "5.5.1"
        )
    # Not shown: the line may be a password, from a client that believes to be within AUTH.
    return InvalidValueError(
        "a command known to this server expected",
        Violation.UNKNOWN_COMMAND if verb else Violation.COMMAND_SYNTAX,
        500,
        "5.5.2",
    )


_NO_VOCABULARY = Vocabulary()
