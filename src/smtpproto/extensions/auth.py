# SPDX-License-Identifier: MIT
"""AUTH: the client says who it is (RFC 4954)."""

from __future__ import annotations

from ..exceptions import InvalidValueError, Violation, shown
from ..grammar.addresses import NULL_PATH, Path
from ..grammar.auth import REVEALING, AuthResponse
from ..grammar.auth import Auth as AuthCommand
from ..grammar.commands import Command
from ..grammar.encodings import decode_xtext, encode_xtext
from ..grammar.parameters import Parameter
from ..kinds import check_kind
from ..states import State
from .declaration import Extension, Row, SessionFacts


def parse_xtext_path(text: str) -> Path:
    """Parse a mailbox in xtext, or ``<>`` (RFC 4954 5, RFC 4405 4).

    Raises:
        InvalidValueError: anything else.
    """
    if text == "<>":
        return NULL_PATH
    try:
        return Path(decode_xtext(text).decode("utf-8"))
    except (InvalidValueError, UnicodeDecodeError):
        raise InvalidValueError(
            f"a mailbox in xtext expected, not {shown(text)}", Violation.PARAMETER_SYNTAX
        ) from None


def encode_xtext_path(path: Path) -> str:
    """Return the text that `parse_xtext_path` reads."""
    return encode_xtext(path.address.encode()) if path.address else "<>"


class Auth(Extension):
    """AUTH: the client says who it is (RFC 4954).

    Args:
        mechanisms: the names a server announces.
        cleartext: True to announce also without TLS those that reveal the secret.
    """

    keyword = "AUTH"
    verbs = (AuthCommand, AuthResponse)
    mail_parameters = (
        Parameter("AUTH", parse_xtext_path, encode_xtext_path, length=500, needs_value=True),
    )
    rows = (
        Row((State.READY,), AuthCommand, State.READY, State.AUTH, State.READY, exact=334),
        Row((State.AUTH,), AuthResponse, State.READY, State.AUTH, State.READY, exact=334),
    )
    checks = (AuthCommand,)

    def __init__(self, *mechanisms: str, cleartext: bool = False) -> None:
        check_kind("cleartext", cleartext, bool)
        self.mechanisms = tuple(AuthCommand(name).mechanism for name in mechanisms)
        self.cleartext = cleartext

    def announcement(self, facts: SessionFacts) -> str | None:
        """Return the mechanisms that may be used now; None when there are none."""
        usable = [name for name in self.mechanisms if self.is_usable(name, facts)]
        return " ".join(usable) or None

    def is_usable(self, name: str, facts: SessionFacts) -> bool:
        """Tell whether the mechanism `name` may be announced now."""
        return self.cleartext or facts.tls is not None or name not in REVEALING

    def parse_announcement(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the mechanisms of all AUTH lines in upper case, ``AUTH=`` ones included."""
        return tuple(dict.fromkeys(name.upper() for text in texts for name in text.split()))

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse a mechanism that is not announced, and a second authentication.

        Raises:
            InvalidValueError: with 503, or with 504, also where the mechanism only lacks TLS.
        """
        assert isinstance(command, AuthCommand)
        if facts.is_authenticated:
            raise InvalidValueError(
                "no AUTH expected: already authenticated", Violation.BAD_SEQUENCE, 503, "5.5.1"
            )
        if command.mechanism in facts.announced["AUTH"]:
            return
        is_known = command.mechanism in self.mechanisms
        if facts.tls is None and is_known and not self.is_usable(command.mechanism, facts):
            raise InvalidValueError(
                f"TLS expected before AUTH {command.mechanism}",
                Violation.TLS_REQUIRED,
                504,  # RFC 4954 4; 530 is for other commands than AUTH (RFC 4954 6)
                "5.5.4",
            )
        raise InvalidValueError(
            f"one of {' '.join(facts.announced['AUTH'])} expected, not {command.mechanism}",
            Violation.ARGUMENT_SYNTAX,
            504,
            "5.5.4",
        )
