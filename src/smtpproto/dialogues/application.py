# SPDX-License-Identifier: MIT
"""What an application is to a server's conversation: hooks, and what they get and may return.

Decides which hooks there are. A handler is any object that has some of them; `Handler` lists them
for type checkers and readers. Knows neither sockets nor how a hook is run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from ..exceptions import InvalidValueError
from ..extensions.declaration import Transaction
from ..grammar.addresses import Path
from ..grammar.commands import Command, Ehlo, Expn, Helo, Help, Lhlo, Mail, Rcpt, Vrfy
from ..grammar.replies import Reply
from ..proxy import ProxyHeader
from ..sasl import Request
from ..session.server import ServerConnection
from ..tlsinfo import TLSInfo
from ..values import value

if TYPE_CHECKING:
    from email.message import EmailMessage
    from email.policy import Policy

Answer = Reply | None
"""What a hook returns: None to accept, or the reply to send."""
Answers = Reply | None | Sequence[Reply | None]
"""What ends a message: in LMTP it may be one answer for each recipient, in their order."""

NO_FACTS: Mapping[str, Any] = MappingProxyType({})


class Reject(Exception):
    """Raised by a hook: refuse with this reply.

    Args:
        code: 400 to 599; 421 also ends the session.
        text: the text of the reply, one line or a sequence of lines.
        enhanced: an enhanced status code of the same class.

    Raises:
        InvalidValueError: no refusal, or not a reply.
    """

    def __init__(
        self, code: int, text: str | Sequence[str] = "", enhanced: str | None = None
    ) -> None:
        super().__init__(code, text, enhanced)
        self.reply = Reply(code, text, enhanced)
        if code < 400:
            raise InvalidValueError(f"Reject: a reply code of 400 to 599 expected, not {code}")


class Peer:
    """The client at the other end, as a hook sees it. It lives as long as the connection.

    Args:
        address: what the socket says of the peer: host and port first for TCP, a path or "" for a
            Unix socket, None where it is not known.
    """

    __slots__ = (
        "_claims",
        "_connection",
        "address",
        "forwarded",
        "mechanism",
        "proxy",
        "state",
        "transaction",
    )

    def __init__(self, address: Any = None) -> None:
        self.address = address
        """Where the client is: host and port first for TCP. Behind a proxy, what the proxy says, by
        a PROXY header or by XCLIENT; None where it says that it does not know."""
        self.proxy: ProxyHeader | None = None
        """What the proxy said of the client, where there is one (see ``serve(proxy=...)``)."""
        self.forwarded = NO_FACTS
        """What XFORWARD says of the client before this one, until the transaction ends: to be
        noted, and no more. Attribute, such as "ADDR", to value."""
        self.mechanism: str | None = None
        """How the client authenticates, or has: the SASL mechanism, as "SCRAM-SHA-256"."""
        self.state: Any = None
        """Free for the application."""
        self.transaction: Transaction | None = None
        """The mail transaction so far: the accepted MAIL and RCPTs; None between two."""
        self._connection: ServerConnection | None = None
        self._claims: Mapping[str, Any] | None = None

    def attach(self, connection: ServerConnection) -> None:
        """Take session facts from `connection` from now on."""
        self._connection = connection

    def claim(self, claims: Mapping[str, Any] | None) -> None:
        """Show the client that XCLIENT speaks of, None for the one that the connection knows of."""
        self._claims = claims

    @property
    def tls(self) -> TLSInfo | None:
        """The TLS layer, None in the clear."""
        return self._connection.tls if self._connection else None

    @property
    def hello(self) -> Ehlo | Helo | Lhlo | None:
        """The session command that succeeded last: the name that the client gives itself."""
        if self._claims is not None:  # the claimed client has said nothing yet
            return None
        return self._connection.hello if self._connection else None

    @property
    def identity(self) -> str | None:
        """Whom the client authenticated as."""
        if self._claims is not None:
            login = self._claims.get("LOGIN")
            return login if isinstance(login, str) else None
        return self._connection.identity if self._connection else None

    @property
    def claimed(self) -> Mapping[str, Any]:
        """What XCLIENT says of the client: attribute, such as "HELO", to value."""
        if self._claims is not None:
            return self._claims
        return self._connection.claimed if self._connection else {}

    @property
    def is_lmtp(self) -> bool:
        """True in LMTP (RFC 2033), where each recipient of a message gets an answer."""
        return self._connection is not None and self._connection.lmtp

    def __str__(self) -> str:
        """Return where the client came from, such as ``192.0.2.1:40000``, in printable ASCII."""
        address = self.address
        if isinstance(address, tuple):
            host, port = str(address[0]), address[1]
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return ascii(address)[1:-1] if address else "local"

    def __repr__(self) -> str:
        return f"Peer(address={self.address!r}, tls={self.tls is not None})"


@value
class Message:
    """A whole message with its envelope."""

    mail: Mail
    """The accepted MAIL, with its parameters."""
    rcpts: tuple[Rcpt, ...]
    """The accepted RCPTs with theirs, duplicates included."""
    content: bytes
    """The mail data with CRLF line endings, transparency undone."""

    @property
    def reverse_path(self) -> Path:
        """Where failures are reported to; `is_null` for ``<>``."""
        return self.mail.reverse_path

    @property
    def sender(self) -> str:
        """The address in the reverse-path, "" for ``<>``."""
        return self.mail.reverse_path.address

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses in the forward-paths."""
        return tuple(rcpt.forward_path.address for rcpt in self.rcpts)

    def parse(self, policy: Policy[EmailMessage] | None = None) -> EmailMessage:
        """Return the content as an ``EmailMessage``.

        Args:
            policy: how to parse it; ``email.policy.SMTP`` by default.
        """
        from email import message_from_bytes
        from email.policy import SMTP

        return message_from_bytes(self.content, policy=policy or SMTP)


class Collect:
    """A handler that keeps every message, for tests and demonstrations."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        """What has come, oldest first."""

    def on_message(self, peer: Peer, message: Message) -> Reply | None:
        """Keep a message; a subclass may refuse it."""
        self.messages.append(message)
        return None


class Sink(Protocol):
    """Where a message goes piece by piece. Each method may be ``async`` where the server is."""

    def write(self, data: bytes, /) -> Any:
        """Take the next piece. The client waits until this is done."""

    def commit(self) -> Answers | Awaitable[Answers]:
        """Take responsibility for the message: the client hears it once this has returned.

        Called at most once, and nothing after it.
        """

    def abort(self) -> Any:
        """Forget the message: it was broken off, refused, or `write` failed."""


class Handler(Protocol):
    """All hooks, as they are called. An object needs only those that it has an opinion in.

    A hook returns None to accept, a `Reply`, or raises `Reject`. Any other exception is logged,
    answered 451 4.3.0, and the session goes on. Without `on_message` and `open_message` MAIL is
    refused; with both, the second one is used. Once a MAIL was accepted there follows exactly one
    of `on_message`, the sink's `commit`, and `on_abort`.
    """

    def on_connect(self, peer: Peer, /) -> Any:
        """Greet by 220 (RFC 5321 4.2); a 554, 521 or 421 turns the client away (RFC 5321 3.1)."""

    def on_ehlo(self, peer: Peer, hello: Ehlo | Helo | Lhlo, /) -> Any:
        """Look at the client's name. The extensions are announced by themselves."""

    def on_auth(self, peer: Peer, request: Request, /) -> Any:
        """Answer a question of `smtpproto.sasl`, such as `VerifyPassword`; None refuses.

        Without this hook AUTH is not offered. An exception is answered 454 4.7.0, and logged
        without its text, which could hold a secret.
        """

    def on_mail(self, peer: Peer, mail: Mail, /) -> Any:
        """Accept or refuse a sender."""

    def on_rcpt(self, peer: Peer, rcpt: Rcpt, /) -> Any:
        """Accept or refuse a recipient."""

    def on_message(self, peer: Peer, message: Message, /) -> Any:
        """Take a whole message, or refuse it."""

    def open_message(self, peer: Peer, /) -> Any:
        """Return a `Sink` for the message of ``peer.transaction``."""

    def on_abort(self, peer: Peer, /) -> Any:
        """Note that ``peer.transaction`` has ended before its message was whole."""

    def on_close(self, peer: Peer, /) -> Any:
        """Note the end of the session, however it came."""

    def on_vrfy(self, peer: Peer, command: Vrfy, /) -> Any:
        """Verify an address (RFC 5321 3.5)."""

    def on_expn(self, peer: Peer, command: Expn, /) -> Any:
        """Expand a list."""

    def on_command(self, peer: Peer, command: Command, /) -> Any:
        """Answer a command of an extension.

        None gives it its ``default_reply``, or a 250; without the hook it is that. A server that
        offers a command with neither is not made (RFC 5321 4.2.4).
        """

    def on_help(self, peer: Peer, command: Help, /) -> Any:
        """Give help."""
