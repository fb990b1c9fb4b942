# SPDX-License-Identifier: MIT
"""What a server is told once, the same for every adapter.

Decides the defaults, such as which extensions are offered. A new setting is a field of
`ServerOptions` and of `ServerSettings`, and nothing in an adapter. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Literal, TypedDict, Unpack, get_args

from ..exceptions import LocalProtocolError, Violation
from ..extensions import (
    Chunking,
    EightBitMime,
    EnhancedStatusCodes,
    Extension,
    Pipelining,
    Size,
    SmtpUtf8,
    StartTLS,
)
from ..framing import ReceivedPolicy
from ..grammar.addresses import is_domain
from ..grammar.leniency import DEFAULT_LENIENCY, Leniency
from ..limits import DEFAULT_LIMITS, Limits
from ..session.server import ServerConnection
from ..tlsinfo import TLSInfo
from ..values import value
from .handlers import Peer
from .records import Observe
from .server import refuse_session, serve_session
from .steps import Dialogue
from .transcript import Transcript

TLSMode = Literal["starttls", "implicit"]
"""Offer STARTTLS (RFC 3207), or begin with TLS (RFC 8314 3)."""
DEFAULT_CONNECTIONS = 1000


class ServerOptions(TypedDict, total=False):
    """What ``serve`` takes beside where it listens and the TLS context."""

    hostname: str | None
    """How the server names itself; by default as the machine does."""
    extensions: Iterable[Extension] | None
    """What to offer in place of the default; STARTTLS comes and goes with the TLS context."""
    limits: Limits
    """The caps of a session."""
    leniency: Leniency
    """Which faults of other software are overlooked."""
    lmtp: bool
    """Speak LMTP (RFC 2033)."""
    require_tls: bool
    """Answer 530 to mail in the clear (RFC 3207 4)."""
    disabled: Collection[str]
    """Verbs to answer with 502, such as "VRFY"."""
    received: ReceivedPolicy
    """"reject" mail data with a bare CR, a bare LF or a NUL, or "accept" it as it is."""
    timeout: float | None
    """Seconds for each command, handshake and, under asyncio, hook; by default what RFC 5321
    4.5.3.2.7 asks for."""
    factory: bool
    """True when the handler is to be called to make a handler for each session."""
    connections: int | None
    """More than these at once get 421; None is no limit."""
    transcript: Transcript | None
    """Gets the lines of each session."""


def default_extensions(limits: Limits) -> tuple[Extension, ...]:
    """Return what a server offers that was told nothing: all that takes no decision."""
    return (
        Size(limits.mail_data or None),
        EightBitMime(),
        Pipelining(),
        EnhancedStatusCodes(),
        SmtpUtf8(),
        Chunking(),
    )


@value
class ServerSettings:
    """What every session of a server has in common: `ServerOptions`, completed."""

    handler: Any
    hostname: str
    extensions: tuple[Extension, ...]
    limits: Limits = DEFAULT_LIMITS
    leniency: Leniency = DEFAULT_LENIENCY
    lmtp: bool = False
    require_tls: bool = False
    disabled: Collection[str] = ()
    received: ReceivedPolicy = "reject"
    timeout: float | None = None
    factory: bool = False
    connections: int | None = DEFAULT_CONNECTIONS
    transcript: Transcript | None = None

    def session(
        self, address: Any, tls: TLSInfo | None, count: int, observe: Observe | None = None
    ) -> Dialogue:
        """Return the dialogue for a new connection.

        Args:
            address: what the socket says of the peer.
            tls: the TLS layer that is there already.
            count: how many connections there are, this one included.
            observe: gets the records of the session.
        """
        connection = ServerConnection(
            self.hostname,
            extensions=self.extensions,
            limits=self.limits,
            leniency=self.leniency,
            lmtp=self.lmtp,
            tls=tls,
            require_tls=self.require_tls,
            disabled=self.disabled,
            received=self.received,
        )
        if self.connections is not None and count > self.connections:
            return refuse_session(connection)
        handler = self.handler() if self.factory else self.handler
        return serve_session(
            connection,
            handler,
            Peer(address),
            timeout=self.timeout,
            transcript=self.transcript,
            observe=observe,
        )


def server_settings(
    handler: Any,
    *,
    own_name: str,
    has_tls: bool,
    tls_mode: TLSMode,
    **options: Unpack[ServerOptions],
) -> ServerSettings:
    """Complete what a server was told.

    STARTTLS is offered when, and only when, there is a TLS context for it; AUTH is not offered.

    Args:
        handler: any object with some of the hooks of `Handler`.
        own_name: what this machine calls itself.
        has_tls: there is a TLS context.
        tls_mode: what it is for.
        options: see `ServerOptions`.

    Raises:
        LocalProtocolError: TLS is required and there is none, no such `tls_mode`, a class in place
            of a handler, or extensions that do not fit.
        TypeError: an option that there is not.
    """
    if options.get("require_tls") and not has_tls:
        raise _expected("require_tls: tls expected too")
    if tls_mode not in get_args(TLSMode):  # a misspelt one must not mean a server in the clear
        raise _expected(
            f"tls_mode: one of {', '.join(get_args(TLSMode))} expected, not {tls_mode!r}"
        )
    if isinstance(handler, type) and not options.get("factory"):
        raise _expected(
            f"handler: an object expected, not the class {handler.__name__}; make one, or pass "
            "factory=True for one a session"
        )
    given = options.get("extensions")
    if given is None:
        given = default_extensions(options.get("limits", DEFAULT_LIMITS))
    offered = [one for one in given if one.keyword not in ("STARTTLS", "AUTH")]
    if has_tls and tls_mode == "starttls":
        offered.append(StartTLS())
    completed: dict[str, Any] = {
        **options,
        "hostname": options.get("hostname") or (own_name if is_domain(own_name) else "localhost"),
        "extensions": tuple(offered),
    }
    settings = ServerSettings(handler, **completed)
    ServerConnection(settings.hostname, extensions=offered)  # fails now rather than at each session
    return settings


def _expected(message: str) -> LocalProtocolError:
    return LocalProtocolError(message, Violation.LOCAL_VALUE)
