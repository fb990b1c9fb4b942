# SPDX-License-Identifier: MIT
"""What comes before a server's greeting: the PROXY header, the caps on connections, implicit TLS.

Decides who gets a session at all, in what order that is found out, and that who gets none hears a
421 at most. The session itself is `server`'s; what a header says is `proxy`'s.
"""

from __future__ import annotations

from typing import Any

from ..exceptions import RemoteProtocolError
from ..proxy import Address, InetAddress, ProxyHeaderParser
from ..tlsinfo import TLSInfo
from .conversation import FAILURES, Terms
from .deadlines import HANDSHAKE_TIME, Clock
from .errors import ConnectionLost, SecurityError
from .handlers import Peer
from .records import Observe
from .server import refuse_session, serve_session
from .server_settings import ServerSettings
from .steps import Close, Dialogue, Handshake, Read

_HEADER_TIME = 5.0
"""Seconds for a PROXY header: a proxy sends it at once; 3 s allow for a lost packet."""


def open_session(
    settings: ServerSettings,
    address: Any,
    count: int,
    clock: Clock,
    observe: Observe | None = None,
) -> Dialogue:
    """Take a new connection, and hold its session if it is to have one.

    Args:
        settings: the server's.
        address: what the socket says of the peer.
        count: how many connections there are, this one included.
        clock: what the time is taken from.
        observe: gets the records of the session.
    """
    if settings.connections is not None and count > settings.connections:
        yield from _turn_away(settings)
        return
    peer = Peer(address)
    tls: TLSInfo | None = None
    unread = b""
    try:
        if settings.proxy is not None:
            unread = yield from _take_header(settings, peer)
        if settings.is_implicit:
            tls = yield Handshake(b"", min(settings.patience, HANDSHAKE_TIME))
    except FAILURES:
        yield Close(b"")
        return
    yield from serve_session(
        settings.connection(tls),
        settings.new_handler(),
        peer,
        Terms(
            settings.timeout,
            settings.times,
            clock,
            settings.transcript,
            observe,
            settings.auth,
        ),
        unread=unread,
    )


def _turn_away(settings: ServerSettings) -> Dialogue:
    """Refuse a connection, in words where the client can hear them."""
    if settings.is_implicit:
        yield Close(b"")
    else:
        yield from refuse_session(settings.connection())


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
