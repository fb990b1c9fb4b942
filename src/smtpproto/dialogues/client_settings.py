# SPDX-License-Identifier: MIT
"""What a client is told once, the same for every adapter.

Decides the defaults: which name a client gives itself, and what its security means for each port. A
new setting is a field of `ClientOptions` and of `ClientSettings`, and nothing in an adapter. Opens
nothing.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal, TypedDict

from ..exceptions import LocalProtocolError, Violation
from ..framing import LineEndings
from ..grammar.addresses import is_address_literal, is_domain
from ..limits import DEFAULT_LIMITS, Limits
from ..session.client import ClientConnection
from ..tlsinfo import TLSInfo
from ..values import value
from .client import StartTLSPolicy
from .transcript import Transcript

Security = Literal["auto", "implicit", "starttls", "opportunistic", "none"]
"""TLS from the start on port 465, elsewhere STARTTLS where it is offered; always TLS from the
start; always STARTTLS; STARTTLS where it is offered, whatever the certificate; none at all."""

_SUBMISSIONS = 465
_POLICIES: dict[Security, StartTLSPolicy] = {
    "auto": "offered",
    "starttls": "required",
    "opportunistic": "offered",
    "implicit": "never",
    "none": "never",
}


class ClientOptions(TypedDict, total=False):
    """What ``Client`` and ``send_mail`` take beside the address and the TLS context."""

    security: Security
    """"auto" begins with TLS on port 465, and elsewhere uses STARTTLS where it is offered;
    "implicit" begins with TLS; "starttls" insists on it; "opportunistic" takes what TLS there is,
    whatever the certificate; "none" uses none."""
    local_name: str | None
    """Our name for EHLO; by default this machine's if it is a full one, otherwise the address
    literal of our end."""
    lmtp: bool
    """Speak LMTP (RFC 2033)."""
    timeout: float | None
    """Seconds to connect, for each reply, and for the handshake; by default what RFC 5321 4.5.3.2
    asks for."""
    limits: Limits
    """The caps on replies."""
    line_endings: LineEndings
    """"normalise" bare CR and LF to CRLF, or be "strict" and refuse them."""
    transcript: Transcript | None
    """Gets the lines of the session."""


@value
class ClientSettings:
    """What a client was told."""

    host: str
    port: int
    security: Security = "auto"
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
