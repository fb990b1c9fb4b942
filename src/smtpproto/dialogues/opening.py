# SPDX-License-Identifier: MIT
"""What comes before a server's greeting: the PROXY header, the caps on connections, implicit TLS.

Decides who gets a session at all, in what order that is found out, and that who gets none hears a
421 at most. The session itself is `server`'s; what a header says is `proxy`'s.
"""

from __future__ import annotations

from typing import Any

from ..exceptions import RemoteProtocolError
from ..grammar.replies import Reply
from ..proxy import Address, InetAddress, ProxyHeaderParser
from ..tlsinfo import TLSInfo
from .authentication import NO_PLACE
from .conversation import FAILURES, Terms
from .deadlines import HANDSHAKE_TIME, Clock
from .errors import ConnectionLost, SecurityError
from .handlers import Peer
from .networks import peer_key
from .places import Gates, Place
from .records import Observe, RefusalRecord
from .server import serve_session
from .server_settings import ServerSettings
from .steps import Close, Dialogue, Handshake, Read

_HEADER_TIME = 5.0
"""Seconds for a PROXY header: a proxy sends it at once; 3 s allow for a lost packet."""


_TOO_MANY = Reply(421, "too many connections from you", "4.7.0")
_NO_GATES = Gates()


def open_session(
    settings: ServerSettings,
    address: Any,
    count: int,
    clock: Clock,
    observe: Observe | None = None,
    gates: Gates = _NO_GATES,
) -> Dialogue:
    """Take a new connection, and hold its session if it is to have one.

    Args:
        settings: the server's.
        address: what the socket says of the peer.
        count: how many connections there are, this one included.
        clock: what the time is taken from.
        observe: gets the records of the session.
        gates: count the sessions that a limit is for.
    """
    peer = Peer(address)
    refusal = settings.refusal(count)
    if refusal is not None:
        _tell(observe, peer, "too many connections")
        yield Close(refusal, lingers=bool(refusal) and not settings.is_flooded(count))
        return
    unread = b""
    try:
        if settings.proxy is not None:
            unread = yield from _take_header(settings, peer)
    except FAILURES as error:
        _tell(observe, peer, str(error) or "no PROXY header came")
        yield Close(b"")
        return
    key = None if gates.peers is None else peer_key(peer.address)
    if gates.peers is None or key is None:
        yield from _admit(settings, peer, clock, observe, gates, unread)
    elif not gates.peers.enter(key):
        _tell(observe, peer, "too many connections from there")
        yield _turn_away(settings, _TOO_MANY)
    else:
        try:
            yield from _admit(settings, peer, clock, observe, gates, unread)
        finally:
            gates.peers.leave(key)


def _admit(
    settings: ServerSettings,
    peer: Peer,
    clock: Clock,
    observe: Observe | None,
    gates: Gates,
    unread: bytes,
) -> Dialogue:
    """Give a peer its place among those that have not authenticated, and hold its session."""
    begin = _secure if settings.is_implicit else _begin
    if gates.unauthenticated is None:
        yield from begin(settings, peer, clock, observe, unread)
        return
    place = Place(gates.unauthenticated)
    if not place.hold():
        _tell(observe, peer, "too many connections that have not authenticated")
        yield _turn_away(settings, NO_PLACE)
        return
    try:
        yield from begin(settings, peer, clock, observe, unread, place)
    finally:
        place.release()


def _turn_away(settings: ServerSettings, reply: Reply) -> Close:
    """Refuse a session, without lingering: who has too many must not take the places of others."""
    return Close(b"" if settings.is_implicit else settings.connection().send(reply))


def _secure(
    settings: ServerSettings,
    peer: Peer,
    clock: Clock,
    observe: Observe | None,
    unread: bytes,
    place: Place | None = None,
) -> Dialogue:
    """Make the handshake first, then hold the session."""
    try:
        tls = yield Handshake(b"", min(settings.patience, HANDSHAKE_TIME))
    except FAILURES as error:
        _tell(observe, peer, str(error) or "no TLS handshake was made")
        yield Close(b"")
        return
    yield from _begin(settings, peer, clock, observe, unread, place, tls)


def _begin(
    settings: ServerSettings,
    peer: Peer,
    clock: Clock,
    observe: Observe | None,
    unread: bytes,
    place: Place | None = None,
    tls: TLSInfo | None = None,
) -> Dialogue:
    """Return the dialogue of the session."""
    return serve_session(
        settings.connection(tls, peer.address),
        settings.new_handler(),
        peer,
        Terms(
            settings.timeout,
            settings.times,
            clock,
            settings.transcript_of(peer),
            observe,
            settings.auth,
            place,
        ),
        unread=unread,
    )


def _tell(observe: Observe | None, peer: Peer, reason: str) -> None:
    if observe is not None:
        observe(RefusalRecord(peer, reason))


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
