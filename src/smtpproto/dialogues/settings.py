# SPDX-License-Identifier: MIT
"""What a server and a client are told once, the same for every adapter.

Decides the defaults: which extensions a server offers, which name each side gives itself, and what
a client's security means for each port. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import field
from typing import Any, Literal, get_args

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
from ..framing import LineEndings, ReceivedPolicy
from ..grammar.addresses import is_address_literal, is_domain
from ..grammar.leniency import DEFAULT_LENIENCY, Leniency
from ..limits import DEFAULT_LIMITS, Limits
from ..session.client import ClientConnection
from ..session.server import ServerConnection
from ..tlsinfo import TLSInfo
from ..values import value
from .client import StartTLSPolicy, Transfer
from .handlers import Peer
from .server import refuse_session, serve_session
from .steps import Dialogue
from .transcript import Transcript

Security = Literal["auto", "implicit", "starttls", "opportunistic", "none"]
"""TLS from the start on port 465, elsewhere STARTTLS where it is offered; always TLS from the
start; always STARTTLS; STARTTLS where it is offered, whatever the certificate; none at all."""
TLSMode = Literal["starttls", "implicit"]
"""Offer STARTTLS (RFC 3207), or begin with TLS (RFC 8314 3)."""
DEFAULT_CONNECTIONS = 1000

_SUBMISSIONS = 465
_POLICIES: dict[Security, StartTLSPolicy] = {
    "auto": "offered",
    "starttls": "required",
    "opportunistic": "offered",
    "implicit": "never",
    "none": "never",
}


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
    """What every session of a server has in common."""

    handler: Any
    is_factory: bool
    """True when `handler` is called to make the handler of each session."""
    hostname: str
    extensions: tuple[Extension, ...]
    limits: Limits = DEFAULT_LIMITS
    leniency: Leniency = DEFAULT_LENIENCY
    lmtp: bool = False
    require_tls: bool = False
    disabled: Collection[str] = ()
    received: ReceivedPolicy = "reject"
    timeout: float | None = None
    connections: int | None = DEFAULT_CONNECTIONS
    transcript: Transcript | None = None

    def session(self, address: Any, tls: TLSInfo | None, count: int) -> Dialogue:
        """Return the dialogue for a new connection.

        Args:
            address: what the socket says of the peer.
            tls: the TLS layer that is there already.
            count: how many connections there are, this one included.
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
        handler = self.handler() if self.is_factory else self.handler
        return serve_session(
            connection, handler, Peer(address), timeout=self.timeout, transcript=self.transcript
        )


def server_settings(
    handler: Any,
    *,
    own_name: str,
    has_tls: bool,
    tls_mode: TLSMode,
    factory: bool = False,
    hostname: str | None = None,
    extensions: Iterable[Extension] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    require_tls: bool = False,
    **more: Any,
) -> ServerSettings:
    """Complete what a server was told.

    STARTTLS is offered when, and only when, there is a TLS context for it; AUTH is not offered.

    Raises:
        LocalProtocolError: TLS is required and there is none, no such `tls_mode`, a class in place
            of a handler, or extensions that do not fit.
    """
    if require_tls and not has_tls:
        raise LocalProtocolError("require_tls: tls expected too", Violation.LOCAL_VALUE)
    if tls_mode not in get_args(TLSMode):  # a misspelt one must not mean a server in the clear
        raise LocalProtocolError(
            f"tls_mode: one of {', '.join(get_args(TLSMode))} expected, not {tls_mode!r}",
            Violation.LOCAL_VALUE,
        )
    if isinstance(handler, type) and not factory:
        raise LocalProtocolError(
            f"handler: an object expected, not the class {handler.__name__}; make one, or pass "
            "factory=True for one a session",
            Violation.LOCAL_VALUE,
        )
    given = default_extensions(limits) if extensions is None else tuple(extensions)
    offered = [one for one in given if one.keyword not in ("STARTTLS", "AUTH")]
    if has_tls and tls_mode == "starttls":
        offered.append(StartTLS())
    settings = ServerSettings(
        handler,
        factory,
        hostname or (own_name if is_domain(own_name) else "localhost"),
        tuple(offered),
        limits=limits,
        require_tls=require_tls,
        **more,
    )
    ServerConnection(settings.hostname, extensions=offered)  # fails now rather than at each session
    return settings


@value
class ClientSettings:
    """What a client was told."""

    host: str
    port: int
    security: Security
    local_name: str | None = None
    lmtp: bool = False
    timeout: float | None = None
    limits: Limits = DEFAULT_LIMITS
    line_endings: LineEndings = "normalise"
    transcript: Transcript | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.security not in _POLICIES:
            raise LocalProtocolError(
                f"security: one of {', '.join(_POLICIES)} expected, not {self.security!r}",
                Violation.LOCAL_VALUE,
            )

    @property
    def is_implicit(self) -> bool:
        """True when TLS is there before the greeting."""
        return self.security == "implicit" or (
            self.security == "auto" and self.port == _SUBMISSIONS
        )

    @property
    def starttls(self) -> StartTLSPolicy:
        """What to do about STARTTLS."""
        return _POLICIES[self.security]

    @property
    def verifies(self) -> bool:
        """True when a certificate must be right: not for opportunistic TLS (RFC 7435 3)."""
        return self.security != "opportunistic"

    def endpoint(self, path: str | None) -> str:
        """Return where the server is, for an error: host and port, or the path of a socket."""
        return f"{self.host} port {self.port}" if path is None else path

    @property
    def needs_context(self) -> bool:
        """True when TLS may come into it."""
        return self.security != "none"

    def connection(self, tls: TLSInfo | None) -> ClientConnection:
        """Return a new connection."""
        return ClientConnection(
            limits=self.limits, lmtp=self.lmtp, tls=tls, line_endings=self.line_endings
        )

    def names(self, own_name: str, address: Any) -> tuple[str, str]:
        """Return the name for EHLO, and an address literal (RFC 5321 4.1.4).

        Args:
            own_name: what this machine calls itself.
            address: what the socket says of our end.
        """
        literal = address_literal(address)
        is_full = "." in own_name and is_domain(own_name)
        return self.local_name or (own_name if is_full else literal), literal


def address_literal(address: Any) -> str:
    """Return the address literal for what a socket says of its end; that of loopback without IP."""
    host = address[0] if isinstance(address, tuple) and address else ""
    if ":" in host:
        literal = f"[IPv6:{host.partition('%')[0]}]"
    else:
        literal = f"[{host}]"
    return literal if is_address_literal(literal) else "[127.0.0.1]"


__all__ = [
    "DEFAULT_CONNECTIONS",
    "ClientSettings",
    "Security",
    "ServerSettings",
    "TLSMode",
    "Transfer",
    "address_literal",
    "default_extensions",
    "server_settings",
]
