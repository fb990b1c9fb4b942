# SPDX-License-Identifier: MIT
"""What an extension may declare, and the rows of the session table.

Decides the form in which everything that is not in RFC 5321 4.1 is said: keyword, verbs,
parameters, rows, when it is offered, what it checks. The built-in extensions use nothing else, and
an extension of one's own uses the same. Knows no connection.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from ..grammar.commands import Command, Mail, Rcpt
from ..grammar.parameters import NO_PARAMETERS, Parameter
from ..states import State
from ..tlsinfo import TLSInfo
from ..values import value


class Move(enum.Enum):
    """What a reply does to the state where it does not lead to a certain one."""

    UNCHANGED = "unchanged"
    FORBIDDEN = "-"


@value
class Row:
    """A row of the session table: in `states`, what each class of reply to `command` leads to."""

    states: tuple[State, ...]
    command: type[Command]
    success: State | Move = Move.UNCHANGED
    """After 2yz."""
    intermediate: State | Move = Move.FORBIDDEN
    """After 3yz."""
    failure: State | Move = Move.UNCHANGED
    """After 4yz and 5yz."""
    exact: int | None = None
    """The one code of its class that is allowed, where it changes the framing (RFC 3207 4, RFC
    5321 4.1.1.4, RFC 4954 4)."""
    parameter: str = ""
    """The parameter of MAIL without which 3yz is not allowed; "" for none. A row with one goes
    before a row for the same command without."""
    for_each: bool = False
    """3yz to the end of mail data announces a reply for each recipient and, last, one for all."""
    has_status: bool = True
    """False where 2yz has no enhanced status code, as a greeting has none (RFC 2034 4)."""


class Transaction:
    """A mail transaction: there from the 2yz to MAIL until it ends (RFC 5321 3.3)."""

    __slots__ = ("allows_utf8", "is_binary", "is_resumed", "mail", "recipients")

    def __init__(self, mail: Mail, declared: Mapping[str, Parameter]) -> None:
        self.mail = mail
        """The MAIL that was accepted."""
        self.recipients: list[Rcpt] = []
        """The accepted RCPTs in their order, duplicates included."""
        self.is_resumed = False
        """True after a 3yz to MAIL: it was begun in another session, and has recipients that were
        accepted there and do not stand in `recipients` (RFC 1845 3)."""
        self.allows_utf8 = False
        """True when its addresses may hold UTF-8 (RFC 6531 3.4)."""
        self.is_binary = False
        """True when its mail data may be any octets (RFC 3030 3)."""
        if mail.parameters is NO_PARAMETERS:
            return
        for keyword, given in mail.parameters.items():
            parameter = declared.get(keyword)
            if parameter is None:
                continue
            if parameter.allows_utf8:
                self.allows_utf8 = True
            if parameter.binary_value is not None and given == parameter.binary_value:
                self.is_binary = True

    def __repr__(self) -> str:
        return f"Transaction({self.mail!r}, {len(self.recipients)} recipients)"


class SessionFacts(Protocol):
    """What an extension may look at."""

    @property
    def tls(self) -> TLSInfo | None:
        """The TLS layer, None in the clear."""

    @property
    def is_authenticated(self) -> bool:
        """True after a successful AUTH."""

    @property
    def transaction(self) -> Transaction | None:
        """The mail transaction."""

    @property
    def announced(self) -> Mapping[str, Any]:
        """The extensions in force: keyword to the typed value of their EHLO parameters."""

    @property
    def claimed(self) -> Mapping[str, Any]:
        """Server: what XCLIENT has said of the client."""

    @property
    def memory(self) -> dict[str, Any]:
        """What extensions remember of the session: keyword to whatever `count` put there."""

    @property
    def mail_data_limit(self) -> int | None:
        """Server: the most octets of a message, announced or not; None for no limit."""


class Extension:
    """The base of all extensions: a class declares, an instance may hold a server's settings.

    What it declares is read once for all connections that it is given to: not to be changed later.
    """

    keyword: ClassVar[str]
    """The EHLO keyword in upper case."""
    verbs: ClassVar[tuple[type[Command], ...]] = ()
    """The command classes it adds."""
    mail_parameters: ClassVar[tuple[Parameter, ...]] = ()
    """The parameters it adds to MAIL."""
    rcpt_parameters: ClassVar[tuple[Parameter, ...]] = ()
    """The parameters it adds to RCPT."""
    rows: ClassVar[tuple[Row, ...]] = ()
    """What it adds to the session table."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Keywords without which it is not offered."""
    checks: ClassVar[tuple[type[Command], ...]] = ()
    """The commands that `check` wants to see."""
    counts: ClassVar[tuple[type[Command], ...]] = ()
    """The commands that `count` wants to see."""
    in_clear: ClassVar[bool] = True
    """Offered without TLS."""
    in_tls: ClassVar[bool] = True
    """Offered under TLS."""
    in_lmtp: ClassVar[bool] = True
    """Offered, and understood, in LMTP."""
    after_authentication: ClassVar[bool] = True
    """Still offered once the client has authenticated."""
    allows_groups: ClassVar[bool] = False
    """A client may send commands in groups (RFC 2920)."""
    enhanced_status: ClassVar[bool] = False
    """Replies carry enhanced status codes (RFC 2034)."""
    mail_data_limit: int | None = None
    """The most octets of mail data that a server which offers it accepts."""

    def announcement(self, facts: SessionFacts) -> str | None:
        """Return the EHLO parameters a server announces now: "" for none, None for no offer.

        Asked at each EHLO, and once when a server is made, to see that it is printable ASCII.
        """
        offered = self.in_tls if facts.tls else self.in_clear
        if facts.is_authenticated and not self.after_authentication:
            return None
        return self.parameters_text(facts) if offered else None

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return the EHLO parameters of a server that offers it."""
        return ""

    def parse_announcement(self, texts: tuple[str, ...]) -> Any:
        """Make a typed value out of the EHLO parameters.

        Args:
            texts: one text for each time the keyword was announced; never empty.

        Returns:
            Anything; the default is the last text. What does not parse is best taken for "". It is
            not to be changed later: other connections may be given the same object.

        Raises:
            ValueError: the extension is not put in force.
        """
        return texts[-1]

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse what the grammar allows and the announcement does not; in both roles.

        Raises:
            InvalidValueError: its code and status are a server's reply. Any other ``ValueError``
                is 501.
        """

    def count(self, command: Command, facts: SessionFacts) -> None:
        """Take note, in `facts.memory`, of a command that was sent, or received and admitted.

        Whatever its reply will be. What is remembered stays to the end of the session. It may
        raise as `check` does.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
