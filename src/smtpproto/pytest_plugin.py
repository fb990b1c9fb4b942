# SPDX-License-Identifier: MIT
"""A fixture for tests of programs that send mail: ``smtp_server``, a server that keeps what comes.

Decides nothing of SMTP. A ``conftest.py`` asks for it by
``pytest_plugins = ["smtpproto.pytest_plugin"]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any, Literal, get_args

import pytest

from .blocking import Collect, Message, Peer, serve
from .exceptions import LocalProtocolError, Violation
from .grammar.replies import Reply

At = Literal["connect", "EHLO", "MAIL", "RCPT", "message"]
"""Where a refusal comes: instead of the greeting, to a command, or to the mail data."""


class CapturingServer(Collect):
    """A server for a test. `messages` has what came, oldest first."""

    host: str = "127.0.0.1"
    """Where it listens."""
    port: int = 0

    def __init__(self) -> None:
        super().__init__()
        self._refusals: dict[str, list[Reply | None]] = {}
        self._lock = Lock()

    def refuse(self, at: At, reply: Reply, times: int = 1) -> None:
        """Answer with `reply` the next `times` times that a client gets there.

        Args:
            at: where.
            reply: a 4yz or 5yz.
            times: how often; after other refusals that were asked for.

        Raises:
            LocalProtocolError: no such place, or no refusal.
        """
        if at not in get_args(At):
            raise _expected(f"at: one of {', '.join(get_args(At))} expected, not {at!r:.80}")
        if not isinstance(reply, Reply) or reply.code < 400:
            raise _expected(f"reply: a Reply of 400 to 599 expected, not {reply!r:.80}")
        with self._lock:
            self._refusals.setdefault(at, []).extend([reply] * times)

    def _answer(self, at: At) -> Reply | None:
        with self._lock:
            waiting = self._refusals.get(at)
            return waiting.pop(0) if waiting else None

    def on_connect(self, peer: Peer) -> Reply | None:
        """Greet, or refuse as told."""
        return self._answer("connect")

    def on_ehlo(self, peer: Peer, hello: Any) -> Reply | None:
        """Answer EHLO, or refuse as told."""
        return self._answer("EHLO")

    def on_mail(self, peer: Peer, mail: Any) -> Reply | None:
        """Accept a sender, or refuse as told."""
        return self._answer("MAIL")

    def on_rcpt(self, peer: Peer, rcpt: Any) -> Reply | None:
        """Accept a recipient, or refuse as told."""
        return self._answer("RCPT")

    def on_message(self, peer: Peer, message: Message) -> Reply | None:
        """Keep a message, or refuse it as told."""
        reply = self._answer("message")
        return super().on_message(peer, message) if reply is None else reply


def _expected(message: str) -> LocalProtocolError:
    return LocalProtocolError(message, Violation.LOCAL_VALUE)


@pytest.fixture
def smtp_server() -> Iterator[CapturingServer]:
    """Run a server on a free port of 127.0.0.1 for a test."""
    handler = CapturingServer()
    with serve(handler, handler.host, 0) as server:
        handler.port = server.port
        yield handler
