# SPDX-License-Identifier: MIT
"""What both adapters need of ``ssl``: contexts, and what is known of an established layer.

Decides the defaults for contexts, and which facts become a `TLSInfo`. Makes no handshake.
"""

from __future__ import annotations

import ssl

from .dialogues import SecurityError
from .sasl.channel_binding import server_end_point
from .tlsinfo import TLSInfo


def client_context(verify: bool = True) -> ssl.SSLContext:
    """Return a context for a client.

    Args:
        verify: check certificate and host name; False for opportunistic TLS only (RFC 7435 3).
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(certfile: str, keyfile: str | None = None) -> ssl.SSLContext:
    """Return a context for a server.

    Args:
        certfile: path of the certificate chain in PEM.
        keyfile: path of the private key; None when it is in `certfile`.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certfile, keyfile)
    return context


def tls_info(layer: ssl.SSLObject | ssl.SSLSocket) -> TLSInfo:
    """Return what is known of an established layer."""
    certificate = layer.getpeercert(binary_form=True)
    cipher = layer.cipher()
    bindings: dict[str, bytes] = {}
    version = layer.version() or ""
    unique = layer.get_channel_binding("tls-unique") if version < "TLSv1.3" else None
    if unique:
        bindings["tls-unique"] = unique
    if certificate and not layer.server_side:
        end_point = server_end_point(certificate)
        if end_point is not None:
            bindings[end_point.name] = end_point.data
    return TLSInfo(
        version=version,
        cipher=cipher[0] if cipher else "",
        peer_certificate=certificate,
        peer_verified=bool(certificate) and layer.context.verify_mode is not ssl.CERT_NONE,
        channel_bindings=bindings,
    )


def handshake_failure(error: OSError) -> SecurityError:
    """Return the error of a dialogue for what a handshake raised."""
    return SecurityError(f"TLS handshake failed: {error}")
