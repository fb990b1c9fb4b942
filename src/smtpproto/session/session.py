# SPDX-License-Identifier: MIT
"""What both connections have in common: state, transaction, and the extensions in force.

Decides what an accepted command changes beside the state. Does not know who speaks first, and reads
and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..exceptions import InvalidValueError, LocalProtocolError, Violation
from ..extensions.declaration import Extension, Transaction
from ..framing import ReceiveBuffer
from ..grammar.auth import Auth, AuthResponse, EndOfMailData
from ..grammar.commands import Command, Ehlo, Helo, Lhlo, Mail, Rcpt, Vocabulary
from ..grammar.replies import Reply
from ..kinds import check_kind
from ..states import State
from ..tlsinfo import TLSInfo
from .arrangement import Arrangement, InForce
from .table import NO_TRANSACTION, Note, Step

_NO_CLAIMS: Mapping[str, Any] = MappingProxyType({})
COMMAND_LINE = 512
"""RFC 5321 4.5.3.1.4; extensions add to it."""


class Session:
    """The base of both connections."""

    __slots__ = (
        "_arrangement",
        "_buffer",
        "_eof",
        "_facilities",
        "_forgotten",
        "_limits",
        "_memory",
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
        "state",
        "tls",
        "transaction",
    )

    def __init__(self, arrangement: Arrangement, tls: TLSInfo | None) -> None:
        if tls is not None:
            check_kind("tls", tls, TLSInfo)
        self._arrangement = arrangement
        self._limits = arrangement.limits
        self._buffer = ReceiveBuffer()
        self._eof = False
        self.lmtp = arrangement.lmtp
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
        self.claimed = _NO_CLAIMS
        """What XCLIENT has said of the client: attribute to value, until the end of the session."""
        self._memory: dict[str, Any] | None = None
        self.state = State.CONNECTED
        """Where the session stands. Not to be set."""
        self._use(arrangement.nothing)

    @property
    def memory(self) -> dict[str, Any]:
        """What extensions remember of the session, by keyword (`Extension.count`)."""
        if self._memory is None:
            self._memory = {}
        return self._memory

    @property
    def mail_data_limit(self) -> int | None:
        """Server: the most octets of a message; None for no limit."""
        return self._arrangement.mail_data_limit

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
        self._row = self._table[state]
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
        arrangement = self._arrangement
        self._use(
            arrangement.nothing if isinstance(command, Helo) else arrangement.announced_by(reply)
        )

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
            for extension in self._arrangement.extensions
            if any(
                row.command is type(command) and State.GREETED in row.states
                for row in extension.rows
            )
            and extension.keyword in self._forgotten
            and self._is_offered(extension)
        }
        self._announce(kept)

    def _is_offered(self, extension: Extension) -> bool:
        """Tell whether an extension that was in force is so yet."""
        return True

    def _note_auth(self, _command: Any, _reply: Reply) -> None:
        self.is_authenticated = self.state is State.READY

    def _announce(self, keywords: Mapping[str, tuple[str, ...]]) -> None:
        """Put the extensions in force that are known and announced."""
        self._use(self._arrangement.announced(keywords))

    def _use(self, in_force: InForce) -> None:
        self.keywords = in_force.keywords
        """What the last EHLO reply announced, unknown keywords too: keyword to its texts."""
        self.announced = in_force.announced
        """The known extensions in force: keyword to the typed value of its EHLO parameters."""
        facilities = in_force.facilities
        self._facilities = facilities
        self._vocabulary = facilities.vocabulary
        self._table = facilities.table
        self._row = self._table[self.state]

    def _forget(self) -> None:
        """Forget what the peer said (RFC 3207 4.2)."""
        self.hello = None
        self.transaction = None
        self._forgotten = self.keywords
        self._use(self._arrangement.nothing)

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


END = EndOfMailData()
NOTES: tuple[tuple[type[Command], Note], ...] = (
    (Mail, Session._note_mail),
    (Rcpt, Session._note_rcpt),
    (Ehlo, Session._note_hello),
    (Helo, Session._note_hello),
    (Lhlo, Session._note_hello),
    (Auth, Session._note_auth),
    (AuthResponse, Session._note_auth),
)
RESET: Note = Session._note_reset


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
