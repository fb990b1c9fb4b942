# SPDX-License-Identifier: MIT
"""What comes before a server's greeting: the PROXY header, the caps on connections, implicit TLS.

Decides who gets a session at all, in what order that is found out, and that who gets none hears a
421 at most. The session itself is `server`'s; what a header says is `proxy`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..exceptions import RemoteProtocolError
from ..grammar.replies import Reply
from ..proxy import Address, InetAddress, ProxyHeaderParser
from ..session.server import connection_like
from ..tlsinfo import TLSInfo
from .application import Peer
from .authentication import NO_PLACE
from .conversation import FAILURES, Terms
from .deadlines import HANDSHAKE_TIME, Clock
from .errors import ConnectionLost, SecurityError
from .networks import peer_key
from .places import Gates, Place
from .records import Observe, RefusalRecord
from .server import serve_session
from .server_settings import ServerSettings
from .steps import Close, Dialogue, Handshake, Read, StandIn

_HEADER_TIME = 5.0
"""Seconds for a PROXY header: a proxy sends it at once; 3 s allow for a lost packet."""


_TOO_MANY = Reply(421, "too many connections from you", "4.7.0")
_NO_GATES = Gates()


class Reception:
    """Takes the connections of one server.

    Args:
        settings: the server's.
        clock: what the time is taken from.
        observe: gets the records of the sessions.
        gates: count the sessions that a limit is for.
    """

    def __init__(
        self,
        settings: ServerSettings,
        clock: Clock,
        observe: Observe | None = None,
        gates: Gates = _NO_GATES,
    ) -> None:
        self._settings = settings
        self._observe = observe
        self._gates = gates
        # What sessions have in common is made once for all.
        self._terms = Terms(
            settings.patience, settings.times, clock, settings.transcript, observe, settings.auth
        )
        self._connection = settings.connection()
        self._trusted = settings.connection(is_trusted=settings.xclient is not None)
        # Whether a session begins with the greeting, and ends without further ado.
        self._is_plain = settings.proxy is None and not settings.is_implicit and gates == _NO_GATES

    def session(self, address: Any, count: int) -> Dialogue:
        """Take a new connection, and hold its session if it is to have one.

        Args:
            address: what the socket says of the peer.
            count: how many connections there are, this one included.
        """
        peer = Peer(address)
        most = self._settings.connections
        if self._is_plain and (most is None or count <= most):
            return self._begin(peer)
        return self._open(peer, count)

    def _open(self, peer: Peer, count: int) -> Dialogue:
        settings = self._settings
        refusal = settings.refusal(count)
        if refusal is not None:
            self._tell(peer, "too many connections")
            yield Close(refusal, lingers=bool(refusal) and not settings.is_flooded(count))
            return
        unread = b""
        try:
            if settings.proxy is not None:
                unread = yield from _take_header(settings, peer)
        except FAILURES as error:
            self._tell(peer, str(error) or "no PROXY header came")
            yield Close(b"")
            return
        gate = self._gates.peers
        key = None if gate is None else peer_key(peer.address)
        if gate is None or key is None:
            yield from self._admit(peer, unread)
        elif not gate.enter(key):
            self._tell(peer, "too many connections from there")
            yield self._turn_away(_TOO_MANY)
        else:
            try:
                yield from self._admit(peer, unread)
            finally:
                gate.leave(key)

    def _admit(self, peer: Peer, unread: bytes) -> Dialogue:
        """Give a peer its place among those that have not authenticated, and hold its session."""
        gate = self._gates.unauthenticated
        if gate is None:
            yield from self._secure(peer, unread)
            return
        place = Place(gate)
        if not place.hold():
            self._tell(peer, "too many connections that have not authenticated")
            yield self._turn_away(NO_PLACE)
            return
        try:
            yield from self._secure(peer, unread, place)
        finally:
            place.release()

    def _turn_away(self, reply: Reply) -> Close:
        """Refuse without lingering: who has too many must not take the places of others."""
        is_implicit = self._settings.is_implicit
        return Close(b"" if is_implicit else connection_like(self._connection).send(reply))

    def _secure(self, peer: Peer, unread: bytes, place: Place | None = None) -> Dialogue:
        """Make the handshake first, if TLS comes first, then hold the session."""
        tls = None
        if self._settings.is_implicit:
            try:
                tls = yield Handshake(b"", min(self._settings.patience, HANDSHAKE_TIME))
            except FAILURES as error:
                self._tell(peer, str(error) or "no TLS handshake was made")
                yield Close(b"")
                return
        yield from self._begin(peer, unread, place, tls)

    def _begin(
        self,
        peer: Peer,
        unread: bytes = b"",
        place: Place | None = None,
        tls: TLSInfo | None = None,
    ) -> Dialogue:
        """Return the dialogue of the session."""
        settings = self._settings
        terms = self._terms
        if settings.transcript_for is not None or place is not None:
            terms = replace(terms, transcript=settings.transcript_of(peer), place=place)
        model = self._trusted if settings.trusts(peer.address) else self._connection
        connection = connection_like(model, tls)
        try:
            handler = settings.new_handler()
        except Exception as error:
            handler = _Unmade(settings.handler, error)
        return serve_session(connection, handler, peer, terms, unread=unread)

    def _tell(self, peer: Peer, reason: str) -> None:
        if self._observe is not None:
            self._observe(RefusalRecord(peer, reason))


class _Unmade(StandIn):
    """Stands for a handler that could not be made: its session ends where it would begin."""

    __slots__ = ("_error",)

    def __init__(self, factory: Callable[..., Any], error: Exception) -> None:
        super().__init__(factory)
        self._error = error

    def on_connect(self, peer: Peer) -> None:
        """Fail as the factory has failed."""
        raise self._error


def _take_header(settings: ServerSettings, peer: Peer) -> Dialogue:
    """Read the PROXY header into `peer`; return the octets that came behind it.

    Raises:
        SecurityError: the peer is no trusted proxy, or what it sent is no header.
        ConnectionLost: it closed before the header was whole.
    """
    assert settings.proxy is not None
    if peer.address not in settings.proxy:
        raise SecurityError(f"PROXY header: a trusted proxy expected, not {peer.address!r}")
    parser = ProxyHeaderParser()
    timeout = min(settings.patience, _HEADER_TIME)
    header = None
    goes_on = False
    while header is None:
        # A TLS layer takes over the socket, and not octets that were read too many.
        data = yield Read(b"", timeout, goes_on, limit=parser.needed if settings.is_implicit else 0)
        if not data:
            raise ConnectionLost("closed within the PROXY header")
        try:
            header = parser.receive_data(data)
        except RemoteProtocolError as error:
            raise SecurityError(str(error)) from error
        goes_on = True
    peer.proxy = header
    if header.source is not None:
        peer.address = _socket_address(header.source)
    return parser.unused


def _socket_address(source: Address) -> Any:
    """Return the address of a header in the form that a socket would give it in."""
    if isinstance(source, InetAddress):
        return source.ip, source.port
    return source if source[:1] == b"\0" else source.decode("utf-8", "surrogateescape")
