# SPDX-License-Identifier: MIT
"""The trace of a message that a server takes, made from what is known of the session.

Decides which facts of a session stand in its Received field. How the field is written, so that
nothing of the peer's gets out of its place, is the grammar's business.
"""

from __future__ import annotations

from datetime import datetime

from ..grammar.addresses import is_address_literal
from ..grammar.trace import Received, with_protocol
from .handlers import Peer


def received(peer: Peer, by: str, date: datetime, *, id: str | None = None) -> Received:
    """Make the Received field for the transaction of a peer (RFC 5321 4.4).

    Args:
        peer: in a transaction.
        by: the domain or address literal of this server.
        date: when the message came; with a time zone.
        id: an atom or a msg-id that the message goes by here.

    Raises:
        InvalidValueError: an argument that cannot be written.
    """
    transaction, hello, tls = peer.transaction, peer.hello, peer.tls
    utf8 = transaction is not None and "SMTPUTF8" in transaction.mail.parameters
    cipher = tls.cipher if tls is not None else ""
    return Received(
        hello=hello.domain if hello is not None else "",
        by=by,
        date=date,
        address=_ip_address(peer),
        protocol=with_protocol(
            hello.verb if hello is not None else "HELO",
            tls is not None,
            peer.identity is not None,
            utf8,
        ),
        id=id,
        recipients=tuple(rcpt.forward_path for rcpt in transaction.recipients)
        if transaction is not None
        else (),
        tls=cipher if cipher.startswith("TLS_") else None,
    )


def _ip_address(peer: Peer) -> str | None:
    """Return the client's IP address, None where it has none, as over a Unix socket."""
    if not isinstance(peer.address, tuple):
        return None
    host: str = peer.address[0].partition("%")[0]
    literal = f"[IPv6:{host}]" if ":" in host else f"[{host}]"
    return host if is_address_literal(literal) else None
