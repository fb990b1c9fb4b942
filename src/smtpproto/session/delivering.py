# SPDX-License-Identifier: MIT
"""How a client sends mail data, by DATA and in chunks.

Decides when it may, and what else may be sent while something is unread. What becomes of line
endings and dots is the framing's to say.
"""

from __future__ import annotations

from typing import Final

from ..exceptions import LocalProtocolError, RemoteProtocolError, Violation
from ..framing import LineEndingWriter, MailDataWriter, whole_mail_data
from ..grammar.auth import EndOfMailData
from ..grammar.commands import Bdat
from ..states import State
from .grouping import local_error
from .matching import Matching
from .session import END, octets_of

_DATA: Final = State.DATA


class Delivering(Matching):
    """What the client's side does with octets that are no command."""

    __slots__ = ()

    def send_mail_data(self, data: bytes, last: bool = False) -> bytes:
        """Return the octets that carry a piece of mail data, dots stuffed.

        Args:
            data: any number of octets, cut anywhere.
            last: it is the last piece, so that the end comes with it, as from `end_mail_data`.

        Raises:
            LocalProtocolError: the server has not given 354, or has accepted no recipient; a NUL,
                or under "strict" a bare CR or LF. Nothing has changed.
        """
        if self.state is not _DATA or self._outstanding or self._is_unread:
            self._refuse_mail_data()
        if self.transaction is None:
            raise local_error("end_mail_data() alone: no recipient was accepted (RFC 2920 3.1)")
        if type(data) is not bytes:
            data = octets_of(data)
        writer = self._mail_data
        if last and writer is None:
            octets = whole_mail_data(data, self.line_endings)
        else:
            writer = writer or MailDataWriter(self.line_endings)
            octets = writer.write(data, last)
            self._mail_data = writer
        if last:
            self._await_the_end()
        return octets

    def end_mail_data(self) -> bytes:
        """Return the octets that end the mail data.

        Raises:
            LocalProtocolError: no mail data is due; under "strict" the last octet is a bare CR.
                Nothing has changed.
        """
        if self.state is not _DATA or self._outstanding or self._is_unread:
            self._refuse_mail_data()
        octets = (self._mail_data or MailDataWriter()).end()
        self._await_the_end()
        return octets

    def _await_the_end(self) -> None:
        self._mail_data = None
        if self.lmtp:
            self._outstanding.extend(self._ends_of_mail_data())
        else:
            self._outstanding.append(END)
            self._hoped = self._here.end
        self._ahead = self._here[EndOfMailData].after
        self._is_stale = False

    def _refuse_mail_data(self) -> None:
        """Refuse mail data that is not due; see `_refuse_unread` for what it raises."""
        self._refuse_unread()
        raise LocalProtocolError(
            f"mail data only after a 354, not in state {self.state.name}",
            Violation.BAD_SEQUENCE,
        )

    def send_chunk(self, data: bytes, last: bool = False) -> bytes:
        """Return the octets of a BDAT with a piece of mail data (RFC 3030 2).

        Line endings are normalised, or bare ones refused, unless the message is BINARYMIME; so the
        chunk may have another size than `data`. A CR at the end waits for what comes next.

        Args:
            data: any number of octets.
            last: the mail data ends with this chunk.

        Returns:
            The octets to write; b"" when there is nothing to send yet.

        Raises:
            LocalProtocolError: as for `send`, and for `send_mail_data`.
            RemoteProtocolError: as for `send`.
        """
        self._begin_group()
        move = self._admit(Bdat(0, last))
        transaction = self._transaction_then
        assert transaction is not None
        writer = self._chunks or LineEndingWriter(self.line_endings, transaction.is_binary)
        octets = writer.write(octets_of(data), last)
        self._chunks = writer
        if not octets and not last:
            return b""
        command = Bdat(len(octets), last)
        self._hoped = None
        self._outstanding.append(command)
        self._ahead = self._behind(command, move)
        return command.encode() + octets

    def _begin_group(self) -> None:
        if self._error is not None or self._is_unread:
            self._refuse_unread()
        if self._outstanding:
            self._project_anew()
        else:
            self._is_stale = False
            self._ahead = self._here
            self._then = self.transaction

    def _refuse_unread(self) -> None:
        """Refuse to send while unasked input waits: it must not answer what is sent now.

        Raises:
            LocalProtocolError: a 421, or the start of one, is to be read first.
            RemoteProtocolError: it is anything else, or was so before.
        """
        if self._error is not None:
            self._raise_error()
        if self._outstanding or not self._is_unread:
            return
        try:
            self._check_unasked()
        except RemoteProtocolError as error:
            self._fail(error)
            raise
        raise local_error("next_event() first: the server sent a 421")
