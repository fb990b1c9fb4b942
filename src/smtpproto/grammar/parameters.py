# SPDX-License-Identifier: MIT
"""The parameters of MAIL and RCPT: ``keyword[=value]`` (RFC 5321 4.1.2, 4.1.1.11).

Decides how parameters are cut apart, checked and written. Which of them exist, and what their
values mean, is declared by the extensions (`Parameter`) and handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterator, Mapping
from typing import Any

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, not_text, shown
from ..values import value
from . import abnf

_KEYWORD = re.compile(abnf.ESMTP_KEYWORD, re.ASCII)
_PARAMETER = re.compile(rf"({abnf.ESMTP_KEYWORD})(?:=(.*))?", re.ASCII | re.DOTALL)


@value
class Parameter:
    """The declaration of one parameter.

    `parse` and `encode` are each other's inverse; both raise `InvalidValueError`, whose message
    gets the keyword before it, or any other ``ValueError``. A typed value is a ``str`` only where
    it is its own text.

    Raises:
        InvalidValueError: no keyword in upper case, or a value needed that nothing parses.
    """

    keyword: str
    """In upper case."""
    parse: Callable[[str], Any] | None = None
    """Makes the typed value out of the text behind the "="; None for one that has no value."""
    encode: Callable[[Any], str] = str
    """Makes that text out of the typed value."""
    length: int = 0
    """Octets it adds to the longest command line, with the space before it."""
    needs_value: bool = False
    """True when ``keyword`` alone is an error."""
    free_value: bool = False
    """True when the value may hold "=" (XVERP), which esmtp-value forbids."""
    binary_value: str | None = None
    """The value that lets any octet into the mail data (BODY=BINARYMIME)."""
    allows_utf8: bool = False
    """True when its presence lets UTF-8 into the addresses of the transaction (RFC 6531 3.4)."""

    def __post_init__(self) -> None:
        if not isinstance(self.keyword, str) or _checked_keyword(self.keyword) != self.keyword:
            raise InvalidValueError(
                f"Parameter: a keyword in upper case expected, not {shown(str(self.keyword))}"
            )
        if self.needs_value and self.parse is None:
            raise InvalidValueError(
                f"Parameter {self.keyword}: parse expected beside needs_value, such as parse=str"
            )


class Parameters(Mapping[str, Any]):
    """The parameters of one command: upper-case keyword to typed value, None where it has none.

    Args:
        values: keyword to value: typed, or as the text of the wire, or None.
        wire: the text of the wire beside each value of a received command; with it, `values` is
            known to be right and not checked.
        checked: True only when the keywords are known to be right, and no value is text.

    Raises:
        InvalidValueError: a keyword or a text that cannot be written, or a keyword twice.
    """

    __slots__ = ("_values", "wire")

    def __init__(
        self,
        values: Mapping[str, Any] = {},
        wire: Mapping[str, str | None] | None = None,
        checked: bool = False,
    ) -> None:
        self.wire: Mapping[str, str | None] = {} if wire is None else wire
        """The text of each value as it was received, None where there was none."""
        if wire is None and not checked:
            try:
                found = {_checked_keyword(keyword): values[keyword] for keyword in values}
            except TypeError:
                raise InvalidValueError(
                    "parameters: a mapping such as {'SIZE': 1000} expected, "
                    f"not {type(values).__name__}"
                ) from None
            if len(found) < len(values):
                raise _repeated(f"each of {', '.join(found)}")
            for keyword, given in found.items():
                if isinstance(given, str):
                    _check_text(keyword, given, free=True)
            values = found
        self._values = values

    def __getitem__(self, keyword: str) -> Any:
        return self._values[keyword]

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return the value of `keyword`, `default` when it is not there."""
        return self._values.get(keyword, default)

    def items(self) -> ItemsView[str, Any]:
        """Return keywords and values."""
        return self._values.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self._values) == dict(other)

    def __hash__(self) -> int:
        return hash(frozenset(self._values))

    def __repr__(self) -> str:
        return f"Parameters({dict(self._values)!r})"


NO_PARAMETERS = Parameters()


def parse_parameters(
    text: str, declared: Mapping[str, Parameter], unknown: str, most: int | None
) -> Parameters:
    """Parse what stands behind the path of MAIL or RCPT.

    Args:
        text: the parameters, separated by runs of spaces.
        declared: the parameters that may be used, by upper-case keyword.
        unknown: "reject", "ignore" or "pass" for the others.
        most: how many parameters are allowed; None for any number.

    Raises:
        InvalidValueError: 501 for bad syntax or repetition, 555 for one not declared.
    """
    values: dict[str, Any] = {}
    wire: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        found = _PARAMETER.fullmatch(word)
        if not found:
            raise InvalidValueError(
                f"a parameter such as KEYWORD=value expected, not {shown(word)}",
                Violation.PARAMETER_SYNTAX,
            )
        keyword = found[1].upper()
        if keyword in wire:
            raise _repeated(keyword)
        if most is not None and len(wire) >= most:
            raise InvalidValueError(
                f"at most {most} parameters expected", Violation.PARAMETER_SYNTAX
            )
        parameter = declared.get(keyword)
        wire[keyword] = found[2]
        if parameter is None:
            if unknown == "reject":
                raise InvalidValueError(
                    f"parameter {shown(keyword)} not recognised or not offered",
                    Violation.PARAMETER_UNKNOWN,
                    555,
                )
            if found[2] is not None:
                _check_text(keyword, found[2], free=False)
            if unknown == "pass":
                values[keyword] = found[2]
        else:
            values[keyword] = _parse_value(parameter, found[2])
    return Parameters(values, wire)


def encode_parameters(
    parameters: Parameters, declared: Mapping[str, Parameter], is_closed: bool = False
) -> str:
    """Return the text of `parameters`, each with a space before it; "" for none.

    A value of a declared parameter is given typed or as text; either way it is checked.

    Args:
        parameters: what is to be written.
        declared: the parameters that are known, by upper-case keyword.
        is_closed: True when there may be no other (RFC 5321 4.1.1.11).

    Raises:
        InvalidValueError: a value that its declaration refuses.
        LocalProtocolError: a parameter that may not be used.
    """
    parts = []
    for keyword, given in parameters.items():
        parameter = declared.get(keyword)
        if parameter is not None:
            text = _text_of(parameter, given)
            _parse_value(parameter, text)
        elif is_closed:
            raise LocalProtocolError(
                f"{keyword} needs an extension that the server has not announced",
                Violation.PARAMETER_UNKNOWN,
            )
        elif given is None:
            text = None
        else:
            text = str(given)
            _check_text(keyword, text, free=False)
        parts.append(f" {keyword}" if text is None else f" {keyword}={text}")
    return "".join(parts)


def typed_value(parameters: Parameters, parameter: Parameter) -> Any:
    """Return the typed value of `parameter`, None where it is not there or has none.

    A command that was received holds typed values; one that is to be sent may hold their text.

    Raises:
        InvalidValueError: a value that the declaration refuses.
    """
    given = parameters.get(parameter.keyword)
    if given is None or parameter.keyword in parameters.wire:
        return given
    return _parse_value(parameter, _text_of(parameter, given))


def _text_of(parameter: Parameter, given: Any) -> str | None:
    """Return the text of a value that is typed, or its text already."""
    if given is None or isinstance(given, str):
        return given
    try:
        return parameter.encode(given)
    except InvalidValueError as error:
        raise _named(parameter, error) from None
    except (AttributeError, TypeError, OverflowError, ValueError):
        raise _not_of_its_type(parameter, repr(given)) from None


def _parse_value(parameter: Parameter, text: str | None) -> Any:
    if text is None:
        if parameter.needs_value:
            raise InvalidValueError(
                f"{parameter.keyword}=value expected, not {parameter.keyword} alone",
                Violation.PARAMETER_SYNTAX,
            )
        return None
    if parameter.parse is None:
        raise InvalidValueError(
            f"{parameter.keyword} without a value expected, not with {shown(text)}",
            Violation.PARAMETER_SYNTAX,
        )
    _check_text(parameter.keyword, text, parameter.free_value)
    try:
        return parameter.parse(text)
    except InvalidValueError as error:
        raise _named(parameter, error) from None
    except ValueError:  # as int() has it: the peer's text must not raise it
        raise _not_of_its_type(parameter, text) from None


def _named(parameter: Parameter, error: InvalidValueError) -> InvalidValueError:
    return InvalidValueError(
        f"{parameter.keyword}: {error}", error.violation, error.code, error.enhanced
    )


def _not_of_its_type(parameter: Parameter, text: str) -> InvalidValueError:
    return InvalidValueError(
        f"{parameter.keyword}: a value of its type expected, not {shown(text)}",
        Violation.PARAMETER_SYNTAX,
    )


def _repeated(what: str) -> InvalidValueError:
    return InvalidValueError(f"{what} expected once, not twice", Violation.PARAMETER_REPEATED)


def _checked_keyword(keyword: str) -> str:
    if not isinstance(keyword, str):
        raise not_text("a parameter keyword", keyword)
    if not _KEYWORD.fullmatch(keyword):
        raise InvalidValueError(
            f"a parameter keyword of letters, digits and hyphens expected, not {shown(keyword)}",
            Violation.PARAMETER_SYNTAX,
        )
    return keyword.upper()


def _check_text(keyword: str, text: str, free: bool) -> None:
    if text.isalnum() and text.isascii():  # as most are
        return
    if not abnf.ESMTP_VALUE.fullmatch(text.replace("=", "-") if free else text):
        raise InvalidValueError(
            f"{keyword}=value of printable characters without space{'' if free else ' and ='} "
            f"expected, not {shown(text)}",
            Violation.PARAMETER_SYNTAX,
        )
    if abnf.SURROGATES.search(text):
        raise InvalidValueError(
            f"{keyword}=value in UTF-8 expected, not {shown(text)}", Violation.NOT_UTF8
        )
