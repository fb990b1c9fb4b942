# SPDX-License-Identifier: MIT
"""What a client is told once, the same for every adapter.

Decides the defaults: which name a client gives itself, what its security means for each port, and
when credentials may go out without TLS. A new setting is a field of `ClientOptions` and of
`ClientSettings`, a row of `setting_kinds`, and nothing in an adapter. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field
from ipaddress import ip_address
from typing import Any, Literal, TypedDict

from ..extensions import KNOWN, Extension
from ..framing import LineEndings
from ..grammar.addresses import is_address_literal, is_domain
from ..grammar.commands import Command, Ehlo
from ..kinds import Kind, check_fields, check_kinds, each, is_host, one_of, type_of, wrong
from ..limits import DEFAULT_LIMITS, Limits
from ..sasl import DEFAULT_ORDER, Credentials
from ..session.client import ClientConnection
from ..tlsinfo import TLSInfo
from ..values import value
from .client import StartTLSPolicy, execute, open_session, quit_session
from .client_auth import Login, Mechanism
from .needs import Transfer
from .outgoing import Outgoing
from .sending import send_message
from .setting_kinds import CLIENT, CLIENT_SECRETS, check_names, expected
from .several import Outcome, send_messages
from .steps import Dialogue
from .transcript import Transcript

Secret = str | bytes
Token = Secret | Callable[[], Secret] | Callable[[], Awaitable[Secret]]
"""An OAuth 2.0 access token, or a function that gets one: plain, or under asyncio a coroutine."""

Dial = Callable[[], Any]
"""A function that returns a connected stream socket: plain, or under asyncio a coroutine."""

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
# What shows who a client is without a password or a token.
_WITHOUT_SECRET = ("EXTERNAL", "ANONYMOUS")
_KINDS = {**CLIENT, "security": one_of(Security)}
_MECHANISMS: Kind = each(
    (
        f"one of {', '.join(DEFAULT_ORDER)}",
        lambda one: callable(one) or hasattr(one, "initial_response") or one in DEFAULT_ORDER,
    )
)


class ClientOptions(TypedDict, total=False):
    """What ``Client`` and ``send_mail`` take beside the address and the TLS context."""

    security: Security
    """"auto" begins with TLS on port 465, and elsewhere uses STARTTLS where it is offered;
    "implicit" begins with TLS; "starttls" insists on it; "opportunistic" takes what TLS there is,
    whatever the certificate; "none" uses none."""
    local_name: str | None
    """Our name for EHLO; by default this machine's if it is a full one, otherwise the address
    literal of our end."""
    source_address: tuple[str, int] | None
    """Which address of ours to connect from, and the port, 0 for any; by default the system's
    choice."""
    dial: Dial | None
    """Returns a connected stream socket in place of one to `host` and `port`, which then say what
    the server is called and whether TLS comes first. The client closes it, and calls again for each
    session. Under asyncio an ``async def``, or a function that does not block."""
    lmtp: bool
    """Speak LMTP (RFC 2033)."""
    timeout: float | None
    """Seconds to connect, for each reply, and for the handshake; by default what RFC 5321 4.5.3.2
    asks for."""
    limits: Limits
    """The caps on replies."""
    extensions: Iterable[Extension] | None
    """What the client understands in place of all that this package does: ``[*KNOWN, Mine()]``."""
    line_endings: LineEndings
    """"normalise" bare CR and LF to CRLF, or be "strict" and refuse them."""
    transcript: Transcript | None
    """Gets the lines of the session."""
    username: Secret | None
    """Whom to authenticate as; without it, a token and `auth`, as nobody."""
    password: Secret | None
    """The password: a string is UTF-8, octets are sent as they are."""
    token: Token | None
    """An OAuth 2.0 access token in place of a password."""
    authzid: Secret
    """Whom to act as, if not as `username`."""
    auth: Mechanism | Sequence[Mechanism] | None
    """The mechanisms that may be used, in this order; by default all that fit the credentials,
    strongest first. "EXTERNAL", for a TLS client certificate, and "ANONYMOUS", which leaves
    `username` as its trace, are only used when they are named here."""
    allow_cleartext_auth: bool | None
    """Whether the password or token may be revealed without TLS; None: only to this machine."""
    saslprep: bool | None
    """Prepare name and password by SASLprep (RFC 4013); None: for SCRAM only."""


# What the two take by name, for advice about a name that is misspelt.
_OF_CLIENT = frozenset((*ClientOptions.__annotations__, "host", "port", "path", "tls"))
_OF_SEND_MAIL = _OF_CLIENT | {"sender", "recipients", "parameters", "transfer"}


@value
class ClientSettings:
    """What a client was told."""

    host: str
    port: int
    path: str | None = field(default=None, kw_only=True)
    security: Security = "auto"
    local_name: str | None = None
    source_address: tuple[str, int] | None = None
    dial: Dial | None = field(default=None, repr=False)
    lmtp: bool = False
    timeout: float | None = None
    limits: Limits = DEFAULT_LIMITS
    line_endings: LineEndings = "normalise"
    transcript: Transcript | None = field(default=None, repr=False)
    username: Secret | None = None
    password: Secret | None = field(default=None, repr=False)
    token: Token | None = field(default=None, repr=False)
    authzid: Secret = ""
    auth: Mechanism | Sequence[Mechanism] | None = field(default=None, repr=False)
    allow_cleartext_auth: bool | None = None
    saslprep: bool | None = None
    extensions: Iterable[Extension] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.extensions, Iterable):
            object.__setattr__(self, "extensions", tuple(self.extensions))
        check_fields(_KINDS, self)
        check_fields(CLIENT_SECRETS, self, type_of)
        check_kinds({"auth": _MECHANISMS}, {"auth": self.mechanisms})
        if self.extensions is not None:
            self.connection(None)  # which says what is wrong with them
        if self.path is None and not is_host(self.host):
            raise wrong("host", "a name or an address without a port", self.host)
        if sum(one is not None for one in (self.path, self.source_address, self.dial)) > 1:
            raise expected("path, source_address, dial: one of them expected")
        if self.local_name is not None:
            Ehlo(self.local_name)  # which says what is wrong with it
        self._check_credentials()

    @property
    def server_name(self) -> str:
        """What the server calls itself: without the dot that ends an absolute name (RFC 6066 3)."""
        return self.host.removesuffix(".")

    def _check_credentials(self) -> None:
        if not self.mechanisms:
            raise expected("auth: at least one mechanism expected")
        if self.password and not self.username:
            raise expected("password: a username expected beside it")
        is_shown = self.password or self.token or self.auth_without_secret
        if (self.username or self.auth) and not is_shown:
            raise expected("username, auth: a password or a token expected beside them")

    @property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """The mechanisms allowed, their names in upper case; all that there are by default."""
        if self.auth is None:
            return DEFAULT_ORDER
        given = self.auth if isinstance(self.auth, list | tuple) else (self.auth,)
        return tuple(one.upper() if isinstance(one, str) else one for one in given)

    @property
    def auth_without_secret(self) -> bool:
        """True when a mechanism was named that needs neither password nor token from here."""
        return self.auth is not None and any(
            not isinstance(one, str) or one in _WITHOUT_SECRET for one in self.mechanisms
        )

    @property
    def is_implicit(self) -> bool:
        """True when TLS is there before the greeting."""
        return self.security == "implicit" or (
            self.security == "auto" and self.port == _SUBMISSIONS
        )

    @property
    def has_login(self) -> bool:
        """True when we are to authenticate."""
        return bool(self.password or self.token or self.auth)

    def is_clear_allowed(self, address: Any) -> bool:
        """Tell whether a password may be revealed without TLS.

        Args:
            address: what the socket says of the server's end; a name would prove nothing.
        """
        if self.allow_cleartext_auth is not None:
            return self.allow_cleartext_auth
        if self.dial is not None:  # a tunnel may begin on this machine, and end elsewhere
            return False
        return self.path is not None or is_loopback(address)

    def starttls(self, address: Any) -> StartTLSPolicy:
        """Return what to do about STARTTLS: by default credentials need it, mail does not.

        Args:
            address: as for `is_clear_allowed`.
        """
        if self.security == "auto" and self.has_login and not self.is_clear_allowed(address):
            return "required"
        return _POLICIES[self.security]

    @property
    def verifies(self) -> bool:
        """True when a certificate must be right: not for opportunistic TLS (RFC 7435 3)."""
        return self.security != "opportunistic"

    @property
    def endpoint(self) -> str:
        """Where the server is, for an error: host and port, or the path of a socket."""
        return f"{self.host} port {self.port}" if self.path is None else self.path

    def connection(self, tls: TLSInfo | None) -> ClientConnection:
        """Return a new connection."""
        return ClientConnection(
            extensions=KNOWN if self.extensions is None else self.extensions,
            limits=self.limits,
            lmtp=self.lmtp,
            tls=tls,
            line_endings=self.line_endings,
        )

    def opening(
        self,
        connection: ClientConnection,
        own_name: str,
        addresses: tuple[Any, Any],
        random: Callable[[int], bytes],
    ) -> Dialogue:
        """Return the dialogue that opens the session.

        Args:
            connection: as `connection` made it.
            own_name: what this machine calls itself.
            addresses: what the socket says of our end and of the server's.
            random: returns that many unpredictable octets.
        """
        ours, peers = addresses
        name, literal = self.names(own_name, ours)
        return open_session(
            connection,
            local_name=name,
            literal=literal,
            starttls=self.starttls(peers),
            login=self._login(peers, random) if self.has_login else None,
            timeout=self.timeout,
            transcript=self.transcript,
        )

    def sending(
        self, connection: ClientConnection, message: Outgoing, transfer: Transfer
    ) -> Dialogue:
        """Return the dialogue that sends a message."""
        return send_message(
            connection,
            message,
            transfer=transfer,
            timeout=self.timeout,
            transcript=self.transcript,
        )

    def sending_many(
        self,
        connection: ClientConnection,
        messages: list[Outgoing],
        transfer: Transfer,
        on_outcome: Callable[[int, Outcome], Any] | None = None,
    ) -> Dialogue:
        """Return the dialogue that sends messages, one behind the other."""
        return send_messages(
            connection,
            messages,
            transfer=transfer,
            timeout=self.timeout,
            transcript=self.transcript,
            on_outcome=on_outcome,
        )

    def executing(self, connection: ClientConnection, command: Command, octets: bytes) -> Dialogue:
        """Return the dialogue that sends one command."""
        return execute(
            connection, command, octets, timeout=self.timeout, transcript=self.transcript
        )

    def farewell(self, connection: ClientConnection) -> Dialogue:
        """Return the dialogue that ends the session."""
        return quit_session(connection, timeout=self.timeout, transcript=self.transcript)

    def _login(self, address: Any, random: Callable[[int], bytes]) -> Login:
        named = () if self.auth is None else self.mechanisms
        username = self.username or ""
        trace = username if isinstance(username, str) else ""
        credentials = Credentials(
            username=username,
            password=self.password or "",
            authzid=self.authzid,
            external="EXTERNAL" in named,
            trace=trace if "ANONYMOUS" in named else None,
            host="" if self.path else self.server_name,
            port=None if self.path else self.port,
            saslprep=self.saslprep,
        )
        return Login(
            credentials,
            self.token or "",
            self.mechanisms,
            self.is_clear_allowed(address),
            not self.verifies,
            random=random,
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


def client_settings(
    host: str, port: int, path: str | None, options: ClientOptions
) -> ClientSettings:
    """Complete what a client was told.

    Raises:
        LocalProtocolError: a setting of the wrong kind, or settings that do not fit together.
        TypeError: an option that there is not.
    """
    check_names("Client()", _OF_CLIENT, options)
    return ClientSettings(host, port, path=path, **options)


def check_send_mail(options: Mapping[str, object]) -> None:
    """Look for options that ``send_mail`` does not take: `client_settings` would name ``Client``.

    Raises:
        TypeError: there is one.
    """
    check_names("send_mail()", _OF_SEND_MAIL, options)


def is_loopback(address: Any) -> bool:
    """Tell whether what a socket says of its peer's end is this machine."""
    try:
        host = ip_address(address[0])
    except (TypeError, ValueError, LookupError):  # no address at all
        return False
    return (getattr(host, "ipv4_mapped", None) or host).is_loopback


def address_literal(address: Any) -> str:
    """Return the address literal for what a socket says of its end; that of loopback without IP."""
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    if ":" in host:
        literal = f"[IPv6:{host.partition('%')[0]}]"
    else:
        literal = f"[{host}]"
    return literal if is_address_literal(literal) else "[127.0.0.1]"
