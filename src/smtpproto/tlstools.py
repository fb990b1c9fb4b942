# SPDX-License-Identifier: MIT
"""What both adapters need of ``ssl``: contexts, and what is known of an established layer.

Decides the defaults for contexts, and which facts become a `TLSInfo`. Makes no handshake.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from weakref import WeakKeyDictionary

from .dialogues import ConnectionLost, SecurityError
from .exceptions import InvalidValueError, LocalProtocolError, Violation
from .sasl.channel_binding import ChannelBinding, server_end_point
from .tlsinfo import TLSInfo

TLS = ssl.SSLContext | Callable[[], ssl.SSLContext]
"""A server's context, or what returns one for each handshake, so that certificates may change."""

logger = logging.getLogger("smtpproto")

# What SCRAM can bind to, of our own certificates: a context does not tell which one it has.
_own: WeakKeyDictionary[ssl.SSLContext, ChannelBinding] = WeakKeyDictionary()

# What OpenSSL says of a greeting where a handshake should be.
_NO_TLS = frozenset(("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"))


def client_context(verify: bool = True) -> ssl.SSLContext:
    """Return a context for a client.

    Args:
        verify: check certificate and host name; False for opportunistic TLS only (RFC 7435 3).
    """
    # The authorities of the system take long to be read.
    context = ssl.create_default_context() if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(certfile: str, keyfile: str | None = None) -> ssl.SSLContext:
    """Return a context for a server.

    It knows its certificate, so that SCRAM can be bound to it; load no other one into it.

    Args:
        certfile: path of the certificate chain in PEM.
        keyfile: path of the private key; None when it is in `certfile`.

    Raises:
        OSError: they cannot be read, or do not fit together.
    """
    for file in filter(None, (certfile, keyfile)):
        with open(file, "rb"):  # what fails here names the file; what ssl raises does not
            pass
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certfile, keyfile)
    end_point = server_end_point(_first_certificate(certfile))
    if end_point is not None:
        _own[context] = end_point
    return context


def context_of(tls: TLS) -> ssl.SSLContext:
    """Return the context for a handshake of a server.

    Args:
        tls: the context, or what returns it.

    Raises:
        LocalProtocolError: it is no context, one for clients, or one that allows less than TLS 1.2
            (RFC 8996).
    """
    context: object = tls
    try:
        if callable(tls):
            context = tls()
    except OSError as error:  # not one of the connection's
        raise LocalProtocolError(f"tls: no context: {error}", Violation.LOCAL_VALUE) from error
    if not isinstance(context, ssl.SSLContext):
        raise _wrong("an ssl.SSLContext, or what returns one,", type(context).__name__)
    if context.protocol is ssl.PROTOCOL_TLS_CLIENT:
        raise _wrong("a context for servers, as tlstools.server_context makes it,", "for clients")
    return _modern(context)


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context that allows no less than TLS 1.2 (RFC 8996 4, RFC 8996 5).

    Raises:
        LocalProtocolError: it does.
    """
    if context.minimum_version < ssl.TLSVersion.TLSv1_2:
        raise _wrong("a minimum_version of TLSv1_2", context.minimum_version.name)
    return context


def _wrong(wanted: str, got: str) -> LocalProtocolError:
    return LocalProtocolError(f"tls: {wanted} expected, not {got}", Violation.LOCAL_VALUE)


class ReloadingContext:
    """The context of a server, made anew when the files of its certificate change.

    Give it to ``serve(tls=...)``: each handshake looks at the files. While they do not fit
    together the certificate before them stays.

    Args:
        certfile: path of the certificate chain in PEM.
        keyfile: path of the private key; None when it is in `certfile`.

    Raises:
        OSError: they cannot be read, or do not fit together.
    """

    def __init__(self, certfile: str, keyfile: str | None = None) -> None:
        self._files = (certfile, keyfile)
        self._stamp = self._look()
        self._context = server_context(certfile, keyfile)

    def __call__(self) -> ssl.SSLContext:
        """Return the context."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp  # once for each change
            try:
                self._context = server_context(*self._files)
            except (OSError, ValueError, InvalidValueError):
                logger.exception("the new certificate cannot be used; the one before stays")
        return self._context

    def _look(self) -> list[tuple[int, int]]:
        found = []
        for file in filter(None, self._files):
            with suppress(OSError):
                seen = Path(file).stat()
                found.append((seen.st_mtime_ns, seen.st_size))
        return found


def _first_certificate(file: str) -> bytes:
    """Return the certificate in DER that a chain in PEM begins with: the server's own."""
    _, begin, rest = Path(file).read_text("ascii", "replace").partition(ssl.PEM_HEADER)
    text, end, _ = rest.partition(ssl.PEM_FOOTER)
    return ssl.PEM_cert_to_DER_cert(begin + text + end)


def checked_context(given: object) -> ssl.SSLContext | None:
    """Return the context that a client was given, or None.

    Raises:
        LocalProtocolError: it is something else, as True, one for servers, or it allows less than
            TLS 1.2.
    """
    if given is None:
        return None
    if isinstance(given, ssl.SSLContext):
        if given.protocol is ssl.PROTOCOL_TLS_SERVER:
            raise _wrong(
                "a context for clients, as ssl.create_default_context() makes it,", "for servers"
            )
        return _modern(given)
    raise _wrong("an ssl.SSLContext", f"{type(given).__name__}: what TLS is wanted, says security")


def tls_info(layer: ssl.SSLObject | ssl.SSLSocket) -> TLSInfo:
    """Return what is known of an established layer.

    Raises:
        ConnectionResetError: it is none: what came right behind the handshake has broken it.
    """
    try:
        certificate = layer.getpeercert(binary_form=True)
    except ValueError as error:
        raise ConnectionResetError("no TLS layer behind the handshake") from error
    cipher = layer.cipher()
    bindings: dict[str, bytes] = {}
    version = layer.version() or ""
    unique = layer.get_channel_binding("tls-unique") if version < "TLSv1.3" else None
    if unique:
        bindings["tls-unique"] = unique
    if layer.server_side:
        end_point = _own.get(layer.context)
    else:
        end_point = server_end_point(certificate) if certificate else None
    if end_point is not None:
        bindings[end_point.name] = end_point.data
    return TLSInfo(
        version=version,
        cipher=cipher[0] if cipher else "",
        peer_certificate=certificate,
        peer_verified=bool(certificate) and layer.context.verify_mode is not ssl.CERT_NONE,
        channel_bindings=bindings,
    )


def handshake_failure(error: Exception, advice: str = "") -> SecurityError | ConnectionLost:
    """Return the error of a dialogue for what a handshake raised.

    A connection that breaks, as when a server restarts, says nothing of TLS, nor does a system that
    has no more descriptors: mail is not to be given up for it (RFC 5321 4.5.4.1).
    """
    is_of_tls = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
    if isinstance(error, OSError) and not is_of_tls:
        return ConnectionLost(f"connection lost in the TLS handshake: {error}")
    return SecurityError(f"TLS handshake failed: {error}{advice}")


def opening_failure(error: ssl.SSLError) -> SecurityError | ConnectionLost:
    """Return the error of a client that begins with TLS for what its handshake raised."""
    advice = ""
    if error.reason in _NO_TLS:
        advice = "; the server does not begin with TLS, so security='starttls' may be right"
    return handshake_failure(error, advice)
