# SPDX-License-Identifier: MIT
"""The states of a session, the same for both roles.

What leads from one to another is in `smtpproto.session.table`.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where a session stands (RFC 5321 3, 4.1.4)."""

    # Members are singletons; the hash of Enum is a Python call, and states key every table.
    __hash__ = object.__hash__

    CONNECTED = "connected"
    """The greeting has not been given."""
    REFUSED = "refused"
    """The greeting was 554 or 521: only QUIT is admitted."""
    GREETED = "greeted"
    """Greeted, but no EHLO, HELO or LHLO has succeeded; also after STARTTLS."""
    READY = "ready"
    """Between mail transactions."""
    MAIL = "mail"
    """A mail transaction without a recipient."""
    RCPT = "rcpt"
    """A mail transaction with a recipient."""
    DATA = "data"
    """Mail data is on its way, up to its end, or to the last reply due for it."""
    BDAT = "bdat"
    """At least one chunk was accepted (RFC 3030)."""
    BDAT_FAILED = "bdat failed"
    """A chunk was refused: only RSET or a new session command goes on (RFC 3030 2)."""
    AUTH = "auth"
    """An authentication exchange is under way (RFC 4954)."""
    TLS = "tls"
    """STARTTLS was accepted; the handshake is due (RFC 3207)."""
    REVERSED = "reversed"
    """The roles have turned (RFC 2645): `reverse()` gives the connection of the other role."""
    CLOSED = "closed"
    """The session is over."""
    ERROR = "error"
    """The peer broke the protocol beyond repair."""
