# SPDX-License-Identifier: MIT
"""What a connection is told about the TLS under it. Knows nothing of ``ssl``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from .values import value


@value
class TLSInfo:
    """The facts of an established TLS layer, as the adapter found them."""

    version: str = ""
    """Such as "TLSv1.3"."""
    cipher: str = ""
    """The name of the cipher suite."""
    peer_certificate: bytes | None = field(default=None, repr=False)
    """The peer's certificate in DER, None when there is none."""
    peer_verified: bool = False
    """True when the certificate, and a client's wish for a host name, were verified."""
    channel_bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False, hash=False)
    """Channel binding type to its data (RFC 5929, RFC 9266)."""
