# SPDX-License-Identifier: MIT
"""The client's side of a session: commands to octets, octets to replies.

Decides what the calls of the connection are, and when they may be made. Sends nothing by itself
and tries nothing again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from ..exceptions import LocalProtocolError
from ..extensions import KNOWN
from ..extensions.declaration import Extension
from ..framing import LineEndings, ReceivedPolicy
from ..grammar.command import Command
from ..grammar.commands import Bdat, Mail, Rset
from ..grammar.leniency import DEFAULT_LENIENCY, Leniency
from ..kinds import check_word, wrong
from ..limits import DEFAULT_LIMITS, Limits
from ..states import State
from ..tlsinfo import TLSInfo
from .arrangement import Arrangement, Side, in_order, listed, remembered
from .delivering import Delivering
from .events import ConnectionClosed, ReplyReceived, Signal
from .grouping import local_error, refusal_by
from .moves import SHORT_ARGUMENT
from .session import NOTES, RESET, octets_of

if TYPE_CHECKING:
    from .server import ServerConnection

_DATA: Final = State.DATA
_NEED_DATA: Final = Signal.NEED_DATA
ClientEvent = (
    Literal[Signal.NEED_DATA, Signal.NEED_COMMAND, Signal.NEED_TLS]
    | ReplyReceived
    | ConnectionClosed
)


class ClientConnection(Delivering):
    """One session, seen from the client.

    Args:
        extensions: those that are understood; what the server announces beyond them still shows in
            `keywords`.
        limits: the caps on replies.
        lmtp: speak LMTP (RFC 2033).
        tls: the TLS layer that is there from the start (implicit TLS, RFC 8314 3).
        line_endings: "normalise" what is sent, or be "strict" and refuse bare CR and LF.

    Raises:
        LocalProtocolError: an extension without its prerequisite, or given twice.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        extensions: Iterable[Extension] = KNOWN,
        limits: Limits = DEFAULT_LIMITS,
        lmtp: bool = False,
        tls: TLSInfo | None = None,
        line_endings: LineEndings = "normalise",
    ) -> None:
        check_word("line_endings", line_endings, LineEndings)
        arrangement = remembered(_arranged, listed(extensions), limits, lmtp)
        super().__init__(arrangement, tls, line_endings)

    # --- what may be sent ----------------------------------------------------------------------

    def discard(self, keyword: str) -> None:
        """Treat an announced extension as if it had not been: for a server that has it wrong.

        Raises:
            LocalProtocolError: replies are awaited, or the session is not between transactions.
        """
        if self._outstanding or self.state is not State.READY:
            raise local_error(f"to discard {keyword} between transactions")
        rest = {name: texts for name, texts in self.keywords.items() if name != keyword.upper()}
        self._announce(rest)

    def send(self, command: Command, octets: bytes = b"") -> bytes:
        """Return the octets of a command, to be written in the order of the calls.

        Args:
            command: any but BDAT, which is `send_chunk`.
            octets: what follows the line, for a command that announces octets.

        Raises:
            LocalProtocolError: the state, the server's extensions or the group before it do not
                admit it, or a value cannot be written. Nothing has changed.
            RemoteProtocolError: the server sent what no command had asked for.
        """
        if octets:
            return self._send_closely(command, octets_of(octets))
        return self.send_group((command,))[0]

    def send_group(self, commands: Sequence[Command]) -> tuple[bytes, int]:
        """Return the octets of commands that go together, or of the first one alone.

        How much may be outstanding is the caller's to say (RFC 2920 3.1).

        Args:
            commands: at least one, none of them BDAT.

        Returns:
            The octets, and of how many commands they are: all, or one where a closer look is
            needed, or where its reply must come first.

        Raises:
            LocalProtocolError: as for `send`, of the first one; or there is none.
            InvalidValueError: no commands at all, but something else.
            RemoteProtocolError: as for `send`.
        """
        if type(commands) is not list:
            try:
                commands = list(commands)
            except TypeError:
                raise wrong("commands", "a list such as [Noop()]", commands) from None
        outstanding = self._outstanding
        if not outstanding or self._is_stale:
            self._begin_group()
        group = self._ahead.groups[tuple(map(type, commands))]
        if (
            group is None
            or self._chunks is not None
            # In the transaction to come, which may not even be the next.
            or (outstanding and group.checks and not group.begins)
            or (outstanding and outstanding[-1].carries_mail_data)
        ):
            return self._send_first(commands)
        first: Any = commands[0]
        vocabulary = self._vocabulary
        try:
            arguments = [command.argument(vocabulary) for command in commands]
            for at, check in group.checks:
                facts = self._facts_behind(first) if at else self
                check(commands[at], self._facts(None) if outstanding and not at else facts)
        except (ValueError, LocalProtocolError):
            return self._send_first(commands)
        # The last look before the octets leave, as in `Command.encode`: there is no injection.
        text = "".join(arguments)
        if not (text.isprintable() and text.isascii()) or (
            len(text) > SHORT_ARGUMENT and max(map(len, arguments)) > SHORT_ARGUMENT
        ):
            return self._send_first(commands)
        hoped = group.hoped
        if outstanding:
            before = self._hoped
            hoped = before.then(hoped) if before is not None and hoped is not None else None
        self._hoped = hoped
        if group.begins:
            self._then = first
        outstanding.extend(commands)
        self._ahead = group.after
        return (group.lines % tuple(arguments)).encode(), len(commands)

    def _send_first(self, commands: Sequence[Command]) -> tuple[bytes, int]:
        """Send the first alone, and where it is alone, with a closer look."""
        if len(commands) > 1:
            return self.send_group(commands[:1])
        if not commands:
            raise local_error("at least one command to send")
        return self._send_closely(commands[0], b""), 1

    def _send_closely(self, command: Command, octets: bytes) -> bytes:
        """Send a command with which there is more to look at, or to refuse."""
        if isinstance(command, Bdat):
            raise local_error("send_chunk() is the way to send BDAT")
        if not self._outstanding or self._is_stale:
            self._begin_group()
        move = self._admit(command)
        line = command.encode(self._vocabulary)
        self._check_line(command, line, move)
        self._check_beside(command, octets)
        try:
            for count in move.step.counts:
                count(command, self)
        except ValueError as error:
            raise refusal_by(command, error) from None
        if isinstance(command, Mail):
            self._chunks = None
        elif isinstance(command, Rset):
            self.needs_reset = False
        self._hoped = None
        self._outstanding.append(command)
        self._ahead = self._behind(command, move)
        return line + octets

    # --- what is received ------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets from the server.

        Args:
            data: at least one octet; the end of the stream is `receive_eof`.

        Raises:
            LocalProtocolError: no octets, what is not octets, or octets after the end. Nothing has
                been taken.
        """
        if type(data) is not bytes:
            data = octets_of(data)
        if not data or self._eof:
            raise local_error("octets before the end of the stream, which is receive_eof()")
        if self._closed is None and self._error is None:
            self._hoped = None
            self._buffer.append(data)

    def next_event(self) -> ClientEvent:
        """Return the next event, or the signal that says what the connection waits for.

        Raises:
            RemoteProtocolError: the server sent no reply, or one that nothing had asked for. The
                state is ERROR, and the next call raises it again.
        """
        if not self._buffer.is_empty:
            found = self._take_replies(1)
            if found:
                return found[0]
        if self._error is not None:
            self._raise_error()
        if self._closed is not None:
            return self._closed
        if self._eof:
            return self._close(clean=self._is_between)
        if self.state is State.TLS:
            return Signal.NEED_TLS
        return _NEED_DATA if self._outstanding or self._is_unread else Signal.NEED_COMMAND

    def next_replies(self, data: bytes = b"", most: int | None = None) -> list[ReplyReceived]:
        """Take octets, if there are any, and return the next events as far as they are replies.

        Args:
            data: as for `receive_data`, or none.
            most: how many; None for the replies to what is outstanding now.

        Returns:
            What `next_event` would give one by one; nothing where that would give something else.

        Raises:
            LocalProtocolError: as for `receive_data`.
            RemoteProtocolError: as for `next_event`.
        """
        if self._error is not None:
            self._raise_error()
        if not data:
            return [] if self._buffer.is_empty else self._take_replies(most)
        if self._eof or not self._outstanding or type(data) is not bytes:
            self.receive_data(data)
            data = b""
        return self._take_replies(most, data)

    def tls_established(self, info: TLSInfo | None = None) -> None:
        """Go on under TLS; see `Session.tls_established`."""
        if self._is_unread:
            raise local_error("a handshake before anything else was received")
        super().tls_established(info)

    def reverse(
        self,
        hostname: str,
        *,
        extensions: Iterable[Extension] = (),
        leniency: Leniency = DEFAULT_LENIENCY,
        received: ReceivedPolicy = "reject",
    ) -> ServerConnection:
        """Go on as the server, after a 250 to ATRN (RFC 2645 5.3): the greeting is due.

        TLS and limits go over to it; whom the client authenticated as does not, since the client
        there has not. This connection is closed.

        Args:
            hostname: as for `ServerConnection`.
            extensions: as for `ServerConnection`.
            leniency: as for `ServerConnection`.
            received: as for `ServerConnection`.

        Raises:
            LocalProtocolError: the roles have not turned, or the connection was given already.
            RemoteProtocolError: the server sent something behind its reply.
        """
        from .server import ServerConnection  # which needs this module, too

        self._refuse_unread()
        self._check_reversed()
        server = ServerConnection(
            hostname,
            extensions=extensions,
            limits=self._limits,
            leniency=leniency,
            tls=self.tls,
            received=received,
        )
        self._eof = True
        self._enter(State.CLOSED)
        return server


_SIDE = Side(conditions=(), conditions_of_states=(), notes=NOTES, reset=RESET)


@lru_cache(maxsize=64, typed=True)
def _arranged(extensions: tuple[Extension, ...], limits: Limits, lmtp: bool) -> Arrangement:
    return Arrangement(_SIDE, in_order(extensions), limits, DEFAULT_LENIENCY, lmtp)
