# SPDX-License-Identifier: MIT
"""The trace of a message that a server takes, made from what is known of the session.

Decides which facts of a session stand in its Received field. How the field is written, so that
nothing of the peer's gets out of its place, is the grammar's business.
"""

from __future__ import annotations

from datetime import datetime

from ..grammar.trace import Received, with_protocol
from .application import Peer
from .networks import ip_of


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
    parameters = transaction.mail.parameters if transaction is not None else {}
    priority = parameters.get("MT-PRIORITY")  # text where it was not offered
    ip = ip_of(peer.address)
    cipher = tls.cipher if tls is not None else ""
    return Received(
        hello=hello.domain if hello is not None else "",
        by=by,
        date=date,
        address=None if ip is None else str(ip),
        protocol=with_protocol(
            hello.verb if hello is not None else "HELO",
            tls is not None,
            peer.identity is not None,
            "SMTPUTF8" in parameters,
        ),
        id=id,
        recipients=tuple(rcpt.forward_path for rcpt in transaction.recipients)
        if transaction is not None
        else (),
        tls=cipher if cipher.startswith("TLS_") else None,
        priority=priority if isinstance(priority, int) else None,
    )
