# SPDX-License-Identifier: MIT
"""What both connections have in common: state, transaction, and the extensions in force.

Decides what an accepted command changes beside the state. Does not know who speaks first, and reads
and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, shown
from ..extensions.declaration import Extension, Transaction
from ..framing import ReceiveBuffer
from ..grammar.auth import Auth, AuthResponse, EndOfMailData
from ..grammar.commands import (
    BASE_VERBS,
    Command,
    Ehlo,
    Helo,
    Lhlo,
    Mail,
    Rcpt,
    Vocabulary,
)
from ..grammar.ehlo import NOTHING, parse_keywords
from ..grammar.leniency import Leniency
from ..grammar.parameters import Parameter
from ..grammar.replies import Reply
from ..limits import Limits
from ..states import State
from ..tlsinfo import TLSInfo
from ..values import value
from .declared import check_declarations
from .kinds import check_kind
from .table import Step, Table, build_table

_NO_FACTS: Mapping[str, Any] = MappingProxyType({})
COMMAND_LINE = 512
"""RFC 5321 4.5.3.1.4; extensions add to it."""


Check = Callable[[Any, Any], None]
"""Refuses a command, its first argument, by what it finds in the session, its second."""
Note = Callable[["Session", Any, Reply], None]
"""Takes down what a 2yz or 3yz reply to a command changes beside the state."""


@value
class _Facilities:
    """What a set of extensions in force brings with it: made once for all connections."""

    vocabulary: Vocabulary
    table: Table
    checks: Mapping[type[Command], tuple[Check, ...]]
    notes: Mapping[type[Command], Note]
    not_in_force: frozenset[type[Command]]
    counts: Mapping[type[Command], tuple[Check, ...]]
    parts: frozenset[type[Command]]
    """Those that more than a line belongs to: announced octets, or the rest of a message."""


class Session:
    """The base of both connections."""

    # What a side holds against commands beside the table and the extensions' checks.
    _conditions: ClassVar[tuple[tuple[type[Command], Check], ...]] = ()
    # The same for commands of which the success leads to a state.
    _conditions_of_states: ClassVar[tuple[tuple[State, Check], ...]] = ()

    __slots__ = (
        "_buffer",
        "_checks",
        "_counts",
        "_eof",
        "_extensions",
        "_forgotten",
        "_in_force",
        "_leniency",
        "_limits",
        "_not_in_force",
        "_notes",
        "_parts",
        "_refused",
        "_row",
        "_table",
        "_vocabulary",
        "announced",
        "claimed",
        "hello",
        "identity",
        "is_authenticated",
        "keywords",
        "lmtp",
        "mail_data_limit",
        "memory",
        "state",
        "tls",
        "transaction",
    )

    def __init__(
        self,
        extensions: Iterable[Extension],
        limits: Limits,
        leniency: Leniency,
        lmtp: bool,
        tls: TLSInfo | None,
        refused: frozenset[type[Command]] = frozenset(),
    ) -> None:
        if not (type(limits) is Limits and type(leniency) is Leniency and type(lmtp) is bool):
            check_kind("limits", limits, Limits)
            check_kind("leniency", leniency, Leniency)
            check_kind("lmtp", lmtp, bool)
        if tls is not None:
            check_kind("tls", tls, TLSInfo)
        self._extensions = tuple(extensions)
        self._refused = refused
        self._limits = limits
        self._leniency = leniency
        self._buffer = ReceiveBuffer()
        self._eof = False
        self.lmtp = lmtp
        """True in LMTP mode (RFC 2033)."""
        self.tls = tls
        """The TLS layer, None in the clear."""
        self.transaction: Transaction | None = None
        """The mail transaction, None when there is none."""
        self.hello: Ehlo | Helo | Lhlo | None = None
        """The session command that succeeded last."""
        self.identity: str | None = None
        """Whom the client authenticated as: for the application to set, forgotten by TLS. XCLIENT
        sets it, to its LOGIN or to None."""
        self.is_authenticated = False
        """True after a 2yz reply that ended AUTH, or to an XCLIENT with LOGIN."""
        self.claimed: Mapping[str, Any] = _NO_FACTS
        """What XCLIENT has said of the client: attribute to value, until the end of the session."""
        self.keywords: Mapping[str, tuple[str, ...]] = NOTHING
        """What the last EHLO reply announced, unknown keywords too: keyword to its texts."""
        self.announced: Mapping[str, Any] = _NO_FACTS
        """The known extensions in force: keyword to the typed value of its EHLO parameters."""
        self.memory: dict[str, Any] = {}
        """What extensions remember of the session, by keyword (`Extension.count`)."""
        self.mail_data_limit: int | None = None
        """Server: the most octets of a message; None for no limit. Not to be set."""
        self.state = State.CONNECTED
        """Where the session stands. Not to be set."""
        self._use(())

    @property
    def buffered(self) -> int:
        """Octets received and not read yet: more than 0 before the greeting is early talk."""
        return len(self._buffer)

    def receive_eof(self) -> None:
        """Take the end of the stream: complete units before it are still given out."""
        self._eof = True

    def _enter(self, state: State) -> None:
        before = self.state
        self.state = state
        self._row: Mapping[type[Command], Step] = self._table[state]
        if state in NO_TRANSACTION:
            self.transaction = None
        if state is State.GREETED and before is not State.CONNECTED:  # TLS, or XCLIENT
            self._forget()

    def _intermediate(self, step: Step, command: Command) -> State | None:
        """Return where 3yz to `command` leads; None where it is not allowed."""
        if step.parameter:
            mail = command if isinstance(command, Mail) else None
            if self.transaction is not None:
                mail = self.transaction.mail
            if mail is None or step.parameter not in mail.parameters:
                return None
        if step.for_each and (command != END or not self._are_recipients_known):
            return None
        return step.intermediate

    @property
    def _are_recipients_known(self) -> bool:
        return bool(self._recipients) and not (self.transaction and self.transaction.is_resumed)

    @property
    def _recipients(self) -> list[Rcpt]:
        return self.transaction.recipients if self.transaction is not None else []

    def _ends_of_mail_data(self, announced: bool = False) -> list[Command]:
        """Return what the replies to the mail data answer, in their order (RFC 2033 4.2).

        Args:
            announced: a 3yz has said that there is one for each recipient, and one for all.
        """
        ends: list[Command] = []
        if self.lmtp or announced:
            ends += [EndOfMailData(recipient) for recipient in self._recipients]
        if announced or not ends:
            ends.append(EndOfMailData(final=True) if announced else END)
        return ends

    # Notes have one of these for each command that changes more than the state; each is called with
    # a command of its own class.

    def _note_mail(self, command: Any, reply: Reply) -> None:
        self.transaction = Transaction(command, self._vocabulary.mail_parameters)
        if reply.code >= 300:
            self.transaction.is_resumed = True

    def _note_rcpt(self, command: Any, _reply: Reply) -> None:
        assert self.transaction is not None
        self.transaction.recipients.append(command)

    def _note_hello(self, command: Any, reply: Reply) -> None:
        self.hello = command
        self.transaction = None
        self._announce(NOTHING if isinstance(command, Helo) else parse_keywords(reply))

    def _note_reset(self, command: Any, _reply: Reply) -> None:
        """The session begins anew: with another client, if the command claims so."""
        claims = command.claims()
        if claims is not None:
            self.claimed = MappingProxyType({**self.claimed, **claims})
            login = self.claimed.get("LOGIN")
            self.identity = login if isinstance(login, str) else None
            self.is_authenticated = self.identity is not None
        # More of the kind may follow at once, if a row says so: what does not fit a line goes in
        # several.
        kept = {
            extension.keyword: self._forgotten[extension.keyword]
            for extension in self._extensions
            if any(
                row.command is type(command) and State.GREETED in row.states
                for row in extension.rows
            )
            and extension.keyword in self._forgotten
            and self._is_offered(extension)
        }
        self._announce(MappingProxyType(kept))

    def _is_offered(self, extension: Extension) -> bool:
        """Tell whether an extension that was in force is so yet."""
        return True

    def _note_auth(self, _command: Any, _reply: Reply) -> None:
        self.is_authenticated = self.state is State.READY

    def _announce(self, keywords: Mapping[str, tuple[str, ...]]) -> None:
        """Put the extensions in force that are known and announced."""
        self.keywords = keywords
        self._use(
            tuple(
                extension
                for extension in self._extensions
                if extension.keyword in keywords
                and (extension.in_lmtp or not self.lmtp)
                and all(needed in keywords for needed in extension.requires)
            )
        )

    def _use(self, extensions: tuple[Extension, ...]) -> None:
        values: dict[str, Any] = {}
        for extension in extensions:
            keyword = extension.keyword
            try:
                values[keyword] = extension.parse_announcement(self.keywords[keyword])
            except ValueError:  # as int() has it: a peer's text must not raise it
                continue
        if len(values) < len(extensions):
            extensions = tuple(each for each in extensions if each.keyword in values)
        self._in_force = extensions
        self.announced = MappingProxyType(values)
        facilities: _Facilities = remembered(
            _facilities,
            self._conditions,
            self._conditions_of_states,
            self._extensions,
            extensions,
            self._refused,
            self.lmtp,
            self._leniency,
            self._limits,
        )
        self._vocabulary = facilities.vocabulary
        self._checks = facilities.checks
        self._counts = facilities.counts
        self._notes = facilities.notes
        self._parts = facilities.parts
        self._not_in_force = facilities.not_in_force
        self._table = facilities.table
        self._row = self._table[self.state]

    def _forget(self) -> None:
        """Forget what the peer said (RFC 3207 4.2)."""
        self.hello = None
        self.transaction = None
        self._forgotten = self.keywords
        self.keywords = NOTHING
        self._use(())

    def _check_reversed(self) -> None:
        """Refuse to give the connection of the other role.

        Raises:
            LocalProtocolError: the roles have not turned, or its connection was given.
        """
        if self.state is not State.REVERSED:
            raise LocalProtocolError(
                f"reverse() expected once, in state REVERSED, not in state {self.state.name}",
                Violation.LOCAL_STATE,
            )

    def tls_established(self, info: TLSInfo | None = None) -> None:
        """Go on under TLS: after STARTTLS, or before the greeting for implicit TLS (RFC 8314).

        Everything learnt in the clear is forgotten (RFC 3207 4.2); counters stay.

        Args:
            info: what is known of the TLS layer.

        Raises:
            LocalProtocolError: no handshake is due, or `info` is something else.
        """
        if len(self._buffer) or not (
            self.state is State.TLS or (self.state is State.CONNECTED and self.tls is None)
        ):
            raise LocalProtocolError(
                "tls_established() expected after NEED_TLS or before the greeting, all input read, "
                f"not in state {self.state.name}",
                Violation.LOCAL_STATE,
            )
        if info is not None:
            check_kind("info", info, TLSInfo)
        self.tls = info or TLSInfo()
        self.identity = None
        self.is_authenticated = False
        if self.state is State.TLS:
            self._enter(State.GREETED)


@lru_cache(maxsize=128)
def _facilities(
    conditions: tuple[tuple[type[Command], Check], ...],
    conditions_of_states: tuple[tuple[State, Check], ...],
    known: tuple[Extension, ...],
    in_force: tuple[Extension, ...],
    refused: frozenset[type[Command]],
    lmtp: bool,
    leniency: Leniency,
    limits: Limits,
) -> _Facilities:
    """Put together what connections of one kind need while `in_force` are in force.

    Args:
        conditions: what a side holds against commands of its own accord.
        conditions_of_states: the same against commands that lead to these states.
        known: all its extensions: their verbs are parsed whether in force or not.
        in_force: those that were announced.
        refused: verbs that are never in force.
        lmtp: True in LMTP mode.
        leniency: as for the connection.
        limits: as for the connection.
    """
    rows = tuple(row for extension in in_force for row in extension.rows)
    mail: dict[str, Parameter] = {}
    rcpt: dict[str, Parameter] = {}
    checks: dict[type[Command], tuple[Check, ...]] = {
        command: (condition,) for command, condition in conditions
    }
    counts: dict[type[Command], tuple[Check, ...]] = {}
    for state, condition in conditions_of_states:
        checks.update((row.command, (condition,)) for row in rows if row.success is state)
    for extension in in_force:
        mail.update((parameter.keyword, parameter) for parameter in extension.mail_parameters)
        rcpt.update((parameter.keyword, parameter) for parameter in extension.rcpt_parameters)
        for command in extension.checks:
            checks[command] = (extension.check, *checks.get(command, ()))
        for command in extension.counts:
            counts[command] = (*counts.get(command, ()), extension.count)
    verbs = tuple(verb for extension in known for verb in extension.verbs)
    hellos = (Lhlo,) if lmtp else (Ehlo, Helo)
    vocabulary = Vocabulary((*BASE_VERBS, *hellos, *verbs, *refused), mail, rcpt, leniency, limits)
    usable = {verb for extension in in_force for verb in extension.verbs}
    table = build_table(rows, lmtp, refused)
    resets = {row.command: Session._note_reset for row in rows if row.success is State.GREETED}
    not_in_force = (frozenset(verbs) - usable) | refused
    parts = frozenset(verb for verb in verbs if verb.announces_octets or verb.carries_mail_data)
    notes = {**resets, **_NOTES}
    return _Facilities(vocabulary, table, checks, notes, not_in_force, counts, parts)


END = EndOfMailData()
NO_TRANSACTION = frozenset((State.GREETED, State.READY, State.CLOSED, State.ERROR))
_NOTES: Mapping[type[Command], Note] = {
    Mail: Session._note_mail,
    Rcpt: Session._note_rcpt,
    Ehlo: Session._note_hello,
    Helo: Session._note_hello,
    Lhlo: Session._note_hello,
    Auth: Session._note_auth,
    AuthResponse: Session._note_auth,
}


def check_utf8(command: Command, vocabulary: Vocabulary, transaction: Transaction | None) -> None:
    """Refuse a command line that is not ASCII, where SMTPUTF8 was not agreed (RFC 6531 3.5).

    Raises:
        InvalidValueError: with 550 5.6.7 for MAIL, 553 5.6.7 for RCPT.
    """
    if isinstance(command, Mail):
        if Transaction(command, vocabulary.mail_parameters).allows_utf8:
            return
        code = 550
    elif isinstance(command, Rcpt):
        if transaction is not None and transaction.allows_utf8:
            return
        code = 553
    else:
        return
    raise InvalidValueError(
        "non-ASCII addresses and parameters only in a transaction with SMTPUTF8",
        Violation.NON_ASCII_ADDRESS,
        code,
        "5.6.7",
    )


def in_order(extensions: Iterable[Extension]) -> tuple[Extension, ...]:
    """Put those with prerequisites last: their parameters refine those of the others.

    Raises:
        LocalProtocolError: a declaration that cannot work, one twice, or one without its
            prerequisite.
    """
    try:
        given = tuple(extensions)
    except TypeError:
        raise InvalidValueError(
            f"extensions: a list such as [Size()] expected, not {shown(repr(extensions))[1:-1]}"
        ) from None
    ordered: tuple[Extension, ...] = remembered(_in_order, given)
    return ordered


@lru_cache(maxsize=128)
def _in_order(given: tuple[Extension, ...]) -> tuple[Extension, ...]:
    check_declarations(given)
    return tuple(sorted(given, key=lambda extension: len(extension.requires)))


def remembered(function: Any, *args: Any) -> Any:
    """Call what has an `lru_cache`, past it where an argument has no hash.

    Such as an extension of one's own that is a dataclass.
    """
    try:
        return function(*args)
    except TypeError:
        return function.__wrapped__(*args)  # which raises it again, if it was its own


def octets_of(data: Any) -> bytes:
    """Return `data` as bytes.

    Raises:
        LocalProtocolError: it is text, a number, or the like.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise LocalProtocolError(
        f"octets as bytes expected, not {type(data).__name__}", Violation.LOCAL_VALUE
    )


def command_line_limit(extensions: tuple[Extension, ...], limits: Limits) -> int:
    """Return how long a command line may be with its CRLF (RFC 5321 2.2.2, 4.5.3.1.4).

    Raises:
        InvalidValueError: `limits` are none.
    """
    check_kind("limits", limits, Limits)
    mail = sum(p.length for extension in extensions for p in extension.mail_parameters)
    rcpt = sum(p.length for extension in extensions for p in extension.rcpt_parameters)
    return max(limits.command_line, COMMAND_LINE + max(mail, rcpt))
