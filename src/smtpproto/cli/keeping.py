# SPDX-License-Identifier: MIT
"""What ``smtpproto serve`` does with mail: keeps it, shows it, or both.

Decides when a message counts as taken: once the Maildir has it, or, without one, once it was
written. What comes of showing it afterwards does not change that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from .. import Rcpt, Reply
from ..asyncio import Message, Peer
from ..handlers import JsonLines, Maildir, Print, Users
from .later import Later
from .show import tell

_NOT_STORED: Final = Reply(452, "message not stored, try again later", "4.3.1")


def note(text: str) -> None:
    """Tell the user something, on standard error."""
    tell("serve", text)


class Taker:
    """The handler: takes messages.

    Args:
        kept: where each message goes first; None for nowhere.
        shown: what shows each message; None for nothing.
        refusals: patterns of recipients, and what they are answered.
        users: who may authenticate; None for no AUTH.
    """

    def __init__(
        self,
        kept: Maildir | None,
        shown: JsonLines | Print | None,
        refusals: Sequence[tuple[str, Reply]] = (),
        users: Users | None = None,
    ) -> None:
        self.on_auth = users
        self._kept = kept
        self._shown = shown
        self._refusals = refusals
        self._later = None if shown is None else Later(shown.write)

    def close(self) -> None:
        """Wait a little for what is still to be shown."""
        if self._later is not None:
            self._later.close()

    async def on_rcpt(self, peer: Peer, rcpt: Rcpt) -> Reply | None:
        """Refuse whom the options say."""
        address = rcpt.forward_path.address
        for pattern, reply in self._refusals:
            if fnmatchcase(address.lower(), pattern.lower()):
                return reply
        return None

    def open_message(self, peer: Peer) -> Incoming | Reply:
        """Begin a message."""
        try:
            sink = None if self._kept is None else self._kept.open_message(peer)
        except OSError as error:
            return not_stored(peer, error)
        return Incoming(self, peer, sink, self._shown is not None)

    def record(self, peer: Peer, message: Message) -> str:
        """Return what is to be shown of a message."""
        assert self._shown is not None
        return self._shown.record(peer, message)

    async def show(self, peer: Peer, record: str) -> Reply | None:
        """Show a message now; or, if it is kept already, when there is time for it."""
        assert self._later is not None
        if self._kept is None:
            try:
                await asyncio.wrap_future(self._later.put(record))
            except OSError as error:
                return not_stored(peer, error)
        elif (written := self._later.offer(record)) is not None:
            written.add_done_callback(partial(_shown_late, str(peer)))
        else:
            note(f"message from {peer} kept, but not shown: the output stands still")
        return None


class Incoming:
    """A message on its way."""

    def __init__(self, taker: Taker, peer: Peer, sink: Any, is_shown: bool) -> None:
        self._taker = taker
        self._peer = peer
        self._sink = sink
        self._content = bytearray() if is_shown else None

    def write(self, data: bytes) -> Reply | None:
        """Take a piece."""
        if self._content is not None:
            self._content += data
        if self._sink is not None:
            try:
                self._sink.write(data)
            except OSError as error:
                return not_stored(self._peer, error)
        return None

    async def commit(self) -> Reply | None:
        """Keep the message, and show it."""
        stored = await asyncio.to_thread(self._store)
        return await self._taker.show(self._peer, stored) if isinstance(stored, str) else stored

    def _store(self) -> Reply | str | None:
        """Keep the message; return the refusal, or what is to be shown of it."""
        if self._sink is not None:
            try:
                self._sink.commit()
            except OSError as error:
                return not_stored(self._peer, error)
        if self._content is None:
            return None
        transaction = self._peer.transaction
        assert transaction is not None
        message = Message(transaction.mail, tuple(transaction.recipients), bytes(self._content))
        return self._taker.record(self._peer, message)

    async def abort(self) -> None:
        """Drop what came."""
        if self._sink is not None:
            await asyncio.to_thread(self._sink.abort)


def _shown_late(peer: str, written: Future[None]) -> None:
    if error := written.exception():
        note(f"message from {peer} kept, but not shown: {error}")


def not_stored(peer: Peer, error: OSError) -> Reply:
    """Tell the user why a message was not taken; return what the client is told."""
    note(f"message from {peer} not written: {error}")
    return _NOT_STORED
