# SPDX-License-Identifier: MIT
"""Channel binding data that can be computed from octets (RFC 5929 4, RFC 9266).

Decides which hash of the server's certificate is its end-point binding: a pure function of the DER
encoding, of which it reads only the signature algorithm. Never checks a certificate; the other
types of binding come from the TLS layer, through the adapter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..exceptions import InvalidValueError
from ..kinds import OCTETS, TEXT, Kind, check_fields, check_kind
from ..values import value


@value
class ChannelBinding:
    """What ties an exchange to the TLS connection under it.

    Raises:
        InvalidValueError: a name that is no text, or data that is not ``bytes``.
    """

    name: str
    """The type: "tls-exporter", "tls-server-end-point", or below TLS 1.3 "tls-unique"."""
    data: bytes
    """The octets of that type; not empty."""

    def __post_init__(self) -> None:
        check_fields(_KINDS, self)


_KINDS: Mapping[str, Kind] = {"name": TEXT, "data": OCTETS}


_SEQUENCE, _OID, _CONTEXT_0 = 0x30, 0x06, 0xA0
_HASHES = {
    "2a864886f70d0205": "sha256",  # md5: it and SHA-1 are replaced (RFC 5929 4.1)
    "2b0e03021a": "sha256",  # sha1
    "608648016503040204": "sha224",
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
}
"""Object identifiers of hash functions, for the parameters of RSASSA-PSS (RFC 4055 2.1)."""

_RSASSA_PSS = bytes.fromhex("2a864886f70d01010a")
_SIGNATURES = {
    "2a864886f70d010104": "sha256",  # md5WithRSAEncryption
    "2a864886f70d010105": "sha256",  # sha1WithRSAEncryption
    "2a864886f70d01010e": "sha224",  # sha224WithRSAEncryption
    "2a864886f70d01010b": "sha256",
    "2a864886f70d01010c": "sha384",
    "2a864886f70d01010d": "sha512",
    "2a8648ce3d0401": "sha256",  # ecdsa-with-SHA1
    "2a8648ce3d040301": "sha224",  # ecdsa-with-SHA224
    "2a8648ce3d040302": "sha256",
    "2a8648ce3d040303": "sha384",
    "2a8648ce3d040304": "sha512",
    "2a8648ce380403": "sha256",  # dsa-with-sha1
    "608648016503040301": "sha224",  # dsa-with-sha224
    "608648016503040302": "sha256",
}
"""Object identifiers of signature algorithms that use one hash."""


def server_end_point(certificate: bytes) -> ChannelBinding | None:
    """Return the "tls-server-end-point" binding of a certificate.

    Args:
        certificate: the server's certificate in DER, as it was sent.

    Returns:
        The binding, or None where it is undefined: the signature uses no hash of its own, as
        Ed25519, or one that is not known here.

    Raises:
        InvalidValueError: it is not a certificate in DER.
    """
    check_kind("certificate", certificate, bytes)
    digest = _signature_hash(certificate)
    if digest is None:
        return None
    data = hashlib.new(digest, certificate).digest()
    return ChannelBinding("tls-server-end-point", data)


def _signature_hash(certificate: bytes) -> str | None:
    # Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature } (RFC 5280 4.1)
    fields, rest = _take(certificate, _SEQUENCE)
    if rest:
        raise InvalidValueError("certificate: octets behind the end of the DER encoding")
    _, fields = _take(fields, _SEQUENCE)
    algorithm, _ = _take(fields, _SEQUENCE)
    oid, parameters = _take(algorithm, _OID)
    if oid == _RSASSA_PSS:
        return _pss_hash(parameters)
    return _SIGNATURES.get(oid.hex())


def _pss_hash(parameters: bytes) -> str | None:
    # SEQUENCE { [0] hashAlgorithm DEFAULT sha1, ... } (RFC 4055 3.1)
    fields, _ = _take(parameters, _SEQUENCE)
    if fields[:1] != bytes((_CONTEXT_0,)):
        return "sha256"
    algorithm, _ = _take(_take(fields, _CONTEXT_0)[0], _SEQUENCE)
    return _HASHES.get(_take(algorithm, _OID)[0].hex())


def _take(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the first element, which has this tag, and what follows it."""
    size = int.from_bytes(der[1:2])
    start = 2
    if size & 0x80:  # the long form: that many octets of length
        start += size & 0x7F
        size = int.from_bytes(der[2:start]) if 3 <= start <= 6 else len(der)
    if der[:1] != bytes((tag,)) or start + size > len(der):
        raise InvalidValueError("certificate: not in DER, or cut off")
    return der[start : start + size], der[start + size :]
