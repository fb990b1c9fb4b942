# SPDX-License-Identifier: MIT
"""What a server is told once, the same for every adapter.

Decides the defaults, such as which extensions are offered. A new setting is a field of
`ServerOptions` and of `ServerSettings`, a row of `setting_kinds`, and nothing in an adapter. Opens
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, TypedDict, Unpack

from ..extensions import (
    Chunking,
    EightBitMime,
    EnhancedStatusCodes,
    Extension,
    Pipelining,
    Size,
    SmtpUtf8,
    StartTLS,
    XClient,
    XForward,
)
from ..framing import ReceivedPolicy
from ..grammar.addresses import is_domain
from ..grammar.auth import Auth, AuthResponse
from ..grammar.commands import Bdat
from ..grammar.leniency import DEFAULT_LENIENCY, Leniency
from ..grammar.replies import Reply
from ..kinds import check_kinds, described, one_of
from ..limits import DEFAULT_LIMITS, Limits
from ..sasl import Offered, ServerMechanisms
from ..session.server import ServerConnection
from ..session.timeouts import recommended_timeout
from ..states import State
from ..tlsinfo import TLSInfo
from ..values import value
from .application import Peer
from .authentication_offer import Offer, check_offer, mechanisms_of
from .deadlines import Times
from .hooks import check_class, check_handler
from .networks import Networks
from .server import SHUTTING_DOWN, TOO_MANY
from .setting_kinds import SERVER, check_names, expected, with_tuples
from .transcript import Transcript

TLSMode = Literal["starttls", "implicit"]
"""Offer STARTTLS (RFC 3207), or begin with TLS (RFC 8314 3)."""
DEFAULT_CONNECTIONS = 1000
DEFAULT_MESSAGE_TIME = 3600.0
"""Enough for the default size limit, 64 MiB, at 19 kB a second."""
DEFAULT_SESSION_TIME = 86400.0
"""A relay may keep a connection for its next messages; a day is also what it may drip."""
DEFAULT_GRACE = 5.0

_CLAIMS = (XClient(), XForward())
# What a server of LMTP must offer (RFC 2033 5).
_IN_LMTP = {"PIPELINING", "ENHANCEDSTATUSCODES"}
# Commands of extensions that the conversation itself answers.
_ANSWERED = frozenset((Auth, AuthResponse, Bdat, *XForward.verbs))
# A misspelt mode must not mean a server in the clear.
_KINDS = {**SERVER, "tls_mode": one_of(TLSMode)}


class ServerOptions(TypedDict, total=False):
    """What ``serve`` takes beside where it listens and the TLS context."""

    hostname: str | None
    """How the server names itself; by default as the machine does."""
    extensions: Iterable[Extension] | None
    """What to offer in place of the default; STARTTLS comes and goes with the TLS context, and AUTH
    with `auth`."""
    limits: Limits
    """The caps of a session."""
    leniency: Leniency
    """Which faults of other software are overlooked."""
    lmtp: bool
    """Speak LMTP (RFC 2033)."""
    require_tls: bool
    """Answer 530 to mail in the clear (RFC 3207 4)."""
    auth: Iterable[Offered] | None
    """The SASL mechanisms to offer, in this order: names of `smtpproto.sasl`, and what makes one of
    one's own. By default those in the attribute `mechanisms` of the hook `on_auth`, otherwise PLAIN
    and LOGIN; without the hook none."""
    auth_cleartext: bool
    """Offer also without TLS those that reveal a password or token."""
    require_auth: bool
    """Answer 530 to mail of a client that has not authenticated (RFC 4954 6)."""
    disabled: Collection[str]
    """Verbs to answer with 502, such as "VRFY"."""
    received: ReceivedPolicy
    """"reject" mail data with a bare CR, a bare LF or a NUL, or "accept" it as it is."""
    timeout: float | None
    """Seconds for each command, handshake and, under asyncio, hook; by default what RFC 5321
    4.5.3.2.7 asks for."""
    message_timeout: float | None
    """Seconds for the mail data of a message, from the 354 or the first chunk to its end, hooks
    included; then 421, and the message is aborted. None is no limit."""
    session_timeout: float | None
    """Seconds for a whole session, then 421. None is no limit."""
    authentication_timeout: float | None
    """Seconds until a client must have authenticated, then 421. None is no limit."""
    grace: float
    """Seconds that a server which closes leaves to messages that are on their way."""
    factory: bool
    """True when the handler is to be called to make a handler for each session."""
    connections: int | None
    """More than these at once get 421; None is no limit."""
    connections_per_peer: int | None
    """More than these at once from one IP address, or IPv6 network of 64 bits, get 421. The proxy's
    word counts. None is no limit."""
    connections_unauthenticated: int | None
    """More than these at once that have not authenticated get 421. None is no limit."""
    transcript: Transcript | None
    """Gets the lines of each session."""
    transcript_for: Callable[[Peer], Transcript | None] | None
    """Called at the beginning of each session; what it returns gets the lines of that one."""
    xclient: Iterable[str] | None
    """Who may speak for others by XCLIENT and XFORWARD: networks as for `proxy`. To others neither
    is offered."""
    proxy: Iterable[str] | None
    """Who the proxies are that all clients come through: IP addresses, networks, "unix". Each
    connection must begin with a PROXY header then, and others are closed without a greeting."""


# What serve takes by name, for advice about a name that is misspelt.
_OF_SERVE = frozenset(
    (*ServerOptions.__annotations__, "host", "port", "path", "sockets", "reuse_port", "tls")
)


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
    auth: ServerMechanisms | None = None
    auth_cleartext: bool = False
    require_auth: bool = False
    disabled: Collection[str] = ()
    received: ReceivedPolicy = "reject"
    timeout: float | None = None
    message_timeout: float | None = DEFAULT_MESSAGE_TIME
    session_timeout: float | None = DEFAULT_SESSION_TIME
    authentication_timeout: float | None = None
    grace: float = DEFAULT_GRACE
    factory: bool = False
    connections: int | None = DEFAULT_CONNECTIONS
    connections_per_peer: int | None = None
    connections_unauthenticated: int | None = None
    transcript: Transcript | None = None
    transcript_for: Callable[[Peer], Transcript | None] | None = None
    xclient: Networks | None = None
    proxy: Networks | None = None
    is_implicit: bool = False
    """True when TLS comes first."""

    @property
    def times(self) -> Times:
        """How long a session may take."""
        return Times(self.message_timeout, self.session_timeout, self.authentication_timeout)

    @property
    def shortest(self) -> float:
        """The shortest time that a clock has to tell, in seconds."""
        times = self.times
        given = (self.timeout, times.message, times.session, times.authentication)
        return min((one for one in given if one is not None), default=self.patience)

    @property
    def patience(self) -> float:
        """Seconds to wait for a client at most, whatever it is to do."""
        if self.timeout is not None:
            return self.timeout
        return recommended_timeout("server", State.CONNECTED)

    def trusts(self, address: Any) -> bool:
        """Tell whether the client at `address` may speak for others."""
        return self.xclient is not None and address in self.xclient

    def connection(self, tls: TLSInfo | None = None, is_trusted: bool = False) -> ServerConnection:
        """Return the connection for a new session.

        Args:
            tls: the TLS layer that is there already.
            is_trusted: the client may speak for others.
        """
        return ServerConnection(
            self.hostname,
            extensions=(*self.extensions, *_CLAIMS) if is_trusted else self.extensions,
            limits=self.limits,
            leniency=self.leniency,
            lmtp=self.lmtp,
            tls=tls,
            require_tls=self.require_tls,
            require_auth=self.require_auth,
            disabled=self.disabled,
            received=self.received,
        )

    def transcript_of(self, peer: Peer) -> Transcript | None:
        """Return what gets the lines of a new session."""
        return self.transcript if self.transcript_for is None else self.transcript_for(peer)

    def new_handler(self) -> Any:
        """Return the handler for a new session.

        Raises:
            LocalProtocolError: one with a misspelt hook was made, or without one that is needed.
        """
        if not self.factory:
            return self.handler
        made = self.handler()
        kind: Any = type(made)
        check_class(kind)
        _check_commands(made, self.extensions)
        return made

    def is_flooded(self, count: int) -> bool:
        """Tell whether `count` connections are too many even to be refused in all form."""
        return self.connections is not None and count > 2 * self.connections

    def refusal(self, count: int) -> bytes | None:
        """Return what is said to one of `count` connections that is too much, None if it is not."""
        if self.connections is None or count <= self.connections:
            return None
        return self._word(TOO_MANY)

    def farewell(self) -> bytes:
        """Return what is said to a connection that comes while the server closes."""
        return self._word(SHUTTING_DOWN)

    def _word(self, reply: Reply) -> bytes:
        # Under TLS there is nothing to hear in the clear, and a handshake is what is too much.
        return b"" if self.is_implicit else self.connection().send(reply)


def server_settings(
    handler: Any,
    *,
    own_name: str,
    has_tls: bool,
    tls_mode: TLSMode,
    random: Callable[[int], bytes],
    **options: Unpack[ServerOptions],
) -> ServerSettings:
    """Complete what a server was told.

    STARTTLS is offered when, and only when, there is a TLS context for it, and AUTH when there is
    the hook for it.

    Args:
        handler: any object with some of the hooks of `Handler`.
        own_name: what this machine calls itself.
        has_tls: there is a TLS context.
        tls_mode: what it is for.
        random: returns that many unpredictable octets.
        options: see `ServerOptions`.

    Raises:
        LocalProtocolError: a setting of the wrong kind, TLS or AUTH that is required and cannot be
            had, what is no handler or has a misspelt hook, or extensions that do not fit.
        TypeError: an option that there is not.
    """
    check_names("serve()", _OF_SERVE, options)
    told = with_tuples({**options})
    check_kinds(_KINDS, {"tls_mode": tls_mode, **told})
    if not has_tls and told.get("require_tls"):
        raise expected("require_tls: tls expected too")
    if not has_tls and tls_mode == "implicit":
        raise expected("tls_mode: tls expected too")
    if told.get("transcript") is not None and told.get("transcript_for") is not None:
        raise expected("transcript, transcript_for: one of them expected")
    is_known = _is_known(handler, told.get("factory", False))
    offered = _offered(told)
    if is_known:
        check_handler(handler)
        _check_commands(handler, offered)
    if has_tls and tls_mode == "starttls":
        offered.append(StartTLS())
    hostname = told.get("hostname") or (own_name if is_domain(own_name) else "localhost")
    mechanisms = mechanisms_of(
        handler, told.get("auth"), is_known=is_known, host=hostname, random=random
    )
    offered += _offers_of_auth(mechanisms, told, has_tls)
    for name in ("proxy", "xclient"):
        if told.get(name) is not None:
            told[name] = Networks(told[name], name)
    completed = {
        **told,
        "hostname": hostname,
        "auth": mechanisms,
        "extensions": tuple(offered),
        "is_implicit": has_tls and tls_mode == "implicit",
    }
    settings = ServerSettings(handler, **completed)
    settings.connection()  # fails now rather than at each session
    return settings


def _is_known(handler: Any, factory: bool) -> bool:
    """Tell whether the hooks are known before a session: not those that a function will make.

    Raises:
        LocalProtocolError: a class that is not said to be a factory, or a factory that is none.
    """
    is_class = isinstance(handler, type)
    if is_class and not factory:
        raise expected(
            f"handler: an object expected, not the class {handler.__name__}; make one, or pass "
            "factory=True for one a session"
        )
    if factory and not callable(handler):
        raise expected(
            f"handler: what makes a handler expected with factory=True, not {described(handler)}"
        )
    return is_class or not factory


def _offers_of_auth(
    mechanisms: ServerMechanisms | None, told: Mapping[str, Any], has_tls: bool
) -> list[Offer]:
    """Return AUTH, if it is to be offered.

    Raises:
        LocalProtocolError: settings by which nobody could authenticate.
    """
    cleartext, in_clear = told.get("auth_cleartext", False), not told.get("require_tls", False)
    offer = None if mechanisms is None else Offer(mechanisms, cleartext, in_clear)
    check_offer(offer, has_tls=has_tls, require_auth=told.get("require_auth", False))
    if offer is not None:
        return [offer]
    if told.get("connections_unauthenticated") is not None and told.get("xclient") is None:
        raise expected(
            "connections_unauthenticated: a handler with on_auth, or auth, expected too: "
            "nobody could authenticate"
        )
    return []


def _offered(told: Mapping[str, Any]) -> list[Extension]:
    """Return the extensions to offer, but those that come with TLS and AUTH.

    Raises:
        LocalProtocolError: one that cannot be served, or that says what another setting says.
    """
    given = told.get("extensions")
    if given is None:
        given = default_extensions(told.get("limits", DEFAULT_LIMITS))
    offered = [one for one in given if one.keyword not in ("STARTTLS", "AUTH")]
    for one in offered:
        if not _can_be_served(one):
            raise expected(
                f"extensions: {one.keyword} expected only with a connection of one's own"
            )
    keywords = {one.keyword for one in offered}
    for claim in _CLAIMS:  # everybody could be anybody, or be noted as anybody
        if claim.keyword in keywords:
            raise expected(
                f"extensions: no {claim.keyword} expected: xclient says who may speak for others"
            )
    if told.get("lmtp") and not keywords.issuperset(_IN_LMTP):
        raise expected(f"lmtp: {' and '.join(sorted(_IN_LMTP))} expected among the extensions")
    return offered


def _check_commands(handler: Any, offered: Iterable[Extension]) -> None:
    """Look for commands that would be offered and answered with 502 (RFC 5321 4.2.4).

    Raises:
        LocalProtocolError: there are such.
    """
    if getattr(handler, "on_command", None) is not None:
        return
    for one in offered:
        for verb in one.verbs:
            if verb.default_reply is None and verb not in _ANSWERED:
                raise expected(f"extensions: a handler with on_command expected for {one.keyword}")


def _can_be_served(extension: Extension) -> bool:
    """Tell whether a session can go on after its commands.

    It cannot with turned roles, nor with a message whose end is to be fetched.
    """
    turns = any(row.success is State.REVERSED for row in extension.rows)
    fetches = any(verb.carries_mail_data and verb is not Bdat for verb in extension.verbs)
    return not (turns or fetches)
