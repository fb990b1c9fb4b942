# SPDX-License-Identifier: MIT
"""MAIL and RCPT: a path and parameters (RFC 5321 4.1.1.2, 4.1.1.3).

Decides which reply answers a bad path. What a path is, and what a parameter is, stands elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Self

from ..exceptions import InvalidValueError, Violation, shown
from ..values import value_with_init
from . import abnf
from .addresses import Path, parse_path, path_end
from .command import Command, Vocabulary, alone
from .parameters import (
    NO_PARAMETERS,
    Parameter,
    Parameters,
    encode_parameters,
    parse_parameters,
)

_PLAIN = rf"<({abnf.DOT_STRING}@{abnf.DOMAIN})>"
_MAIL = re.compile(rf"[Ff][Rr][Oo][Mm]:{_PLAIN}", re.ASCII)
_RCPT = re.compile(rf"[Tt][Oo]:{_PLAIN}", re.ASCII)
# A whole line, as most of them are: nothing is to be looked at again but its length.
_LINE = re.compile(
    rf"(?:[Mm][Aa][Ii][Ll] [Ff][Rr][Oo][Mm]:{_PLAIN}|[Rr][Cc][Pp][Tt] [Tt][Oo]:{_PLAIN})"
    r"(?: ([!-~][ -~]*+))?".encode()
)


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
        path = reverse_path if isinstance(reverse_path, Path) else Path(reverse_path)
        if "@" not in path.address and path.address:
            raise _bad_path(type(self), f"a mailbox with a domain, not {shown(path.address)}")
        self.reverse_path = path
        self.parameters = (
            parameters if isinstance(parameters, Parameters) else Parameters(parameters)
        )

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse ``FROM:``, the reverse-path and the parameters."""
        path, rest = _take_path(cls, _MAIL, "FROM:", argument, vocabulary)
        if not rest:
            return cls(path)
        return cls(path, _take_parameters(rest, vocabulary.mail_parameters, vocabulary))

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return them as they are written, without the source route (RFC 5321 C)."""
        if self.parameters is NO_PARAMETERS:
            return f"FROM:<{self.reverse_path.address}>"
        declared = vocabulary.mail_parameters
        parameters = encode_parameters(self.parameters, declared, vocabulary.is_closed)
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
        path = forward_path if isinstance(forward_path, Path) else Path(forward_path)
        if not path.address:
            raise _bad_path(type(self), "a recipient, not <>")
        self.forward_path = path
        self.parameters = (
            parameters if isinstance(parameters, Parameters) else Parameters(parameters)
        )

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Self:
        """Parse ``TO:``, the forward-path and the parameters."""
        path, rest = _take_path(cls, _RCPT, "TO:", argument, vocabulary)
        if not rest:
            return cls(path)
        return cls(path, _take_parameters(rest, vocabulary.rcpt_parameters, vocabulary))

    def argument(self, vocabulary: Vocabulary) -> str:
        """Return them as they are written, without the source route (RFC 5321 C)."""
        if self.parameters is NO_PARAMETERS:
            return f"TO:<{self.forward_path.address}>"
        declared = vocabulary.rcpt_parameters
        parameters = encode_parameters(self.parameters, declared, vocabulary.is_closed)
        return f"TO:<{self.forward_path.address}>{parameters}"


def plain_command(line: bytes, vocabulary: Vocabulary) -> Command | None:
    """Return what most lines are: MAIL and RCPT with nothing unusual, or a verb alone.

    Args:
        line: without its CRLF; no octet of it has been looked at.
        vocabulary: one that has MAIL and RCPT.

    Returns:
        What `parse_command` would return; None where that has to look, and may raise.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        kind = vocabulary.alone.get(line)
        return None if kind is None else alone(kind)
    sender, recipient, rest = found.groups()
    address = sender or recipient
    if len(address) > vocabulary.plain_address:
        return None
    path = Path(address.decode(), (), True)
    if rest is None:
        return Mail(path) if sender else Rcpt(path)
    text = rest.decode()
    try:
        if sender:
            return Mail(path, _take_parameters(text, vocabulary.mail_parameters, vocabulary))
        return Rcpt(path, _take_parameters(text, vocabulary.rcpt_parameters, vocabulary))
    except ValueError:
        return None


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
    elif leniency.allow_missing_brackets and text[:1] not in ("", " "):
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
    violation, status, code = Violation.REVERSE_PATH, "5.1.7", 501
    recipient = issubclass(cls, Rcpt)
    if recipient:
        violation, status = Violation.FORWARD_PATH, "5.1.3"
    message = f"{cls.verb}: {expected}" if cause else f"{cls.verb}: {expected} expected"
    if cause is not None and cause.violation is Violation.NOT_UTF8:
        violation, status, code = cause.violation, cause.enhanced, 553 if recipient else 550
    elif cause is not None and cause.violation is Violation.DOMAIN_SYNTAX and recipient:
        violation, status = cause.violation, "5.1.2"
    return InvalidValueError(message, violation, code, enhanced or status)


def _take_parameters(
    text: str, declared: Mapping[str, Parameter], vocabulary: Vocabulary
) -> Parameters:
    return parse_parameters(
        text, declared, vocabulary.leniency.unknown_parameters, vocabulary.limits.parameters
    )
