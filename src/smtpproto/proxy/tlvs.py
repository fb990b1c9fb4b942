# SPDX-License-Identifier: MIT
"""What a version 2 header says beside the addresses: type-length-value vectors.

Decides how they are cut apart and put together, which are known, and what their values may hold
(PROXY protocol 2.2). Does not know where in a header they stand, nor how the checksum
among them is computed.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Iterator, Mapping

from ..exceptions import InvalidValueError, shown
from ..kinds import NUMBER, OCTETS, TEXT, Kind, check_fields, each, of, or_none
from ..values import value

UNIQUE_ID_LIMIT = 128
_HEAD = struct.Struct(">BH")
_SSL_HEAD = struct.Struct(">BI")


class TlvType(enum.IntEnum):
    """The registered types; two of them, CRC32C and NOOP, never become part of a value."""

    ALPN = 0x01
    AUTHORITY = 0x02
    CRC32C = 0x03
    NOOP = 0x04
    UNIQUE_ID = 0x05
    SSL = 0x20
    NETNS = 0x30


class SslType(enum.IntEnum):
    """The registered types inside the value of an SSL vector."""

    VERSION = 0x21
    CN = 0x22
    CIPHER = 0x23
    SIG_ALG = 0x24
    KEY_ALG = 0x25
    GROUP = 0x26
    SIG_SCHEME = 0x27
    CLIENT_CERT = 0x28


class SslClient(enum.IntFlag):
    """How the client came to the proxy; bits without a name are kept."""

    SSL = 0x01
    """Over TLS."""
    CERT_CONN = 0x02
    """With a certificate on this connection."""
    CERT_SESS = 0x04
    """With a certificate at least once in the TLS session this connection belongs to."""


@value
class Tlv:
    """A vector of a type that has no field of its own.

    Raises:
        InvalidValueError: the type is not 0 to 255, or the value is not ``bytes`` or has more than
            65535 octets.
    """

    type: int
    value: bytes

    def __post_init__(self) -> None:
        check_fields({"type": NUMBER, "value": OCTETS}, self)
        _encode_one(self.type, self.value)


@value
class SslInfo:
    """The TLS layer between the client and the proxy, as the proxy tells it.

    Raises:
        InvalidValueError: a field of another type, a number is out of range, a text is not of its
            character set or holds a CR, LF or NUL, or `unknown` holds a type that has a field of
            its own.
    """

    client: SslClient
    verify: int
    """Zero if a certificate was presented and verified; see `verified`."""
    version: str | None = None
    """ASCII, such as ``"TLSv1.3"``."""
    common_name: str | None = None
    """Of the client's certificate. To be believed only if `verified`."""
    cipher: str | None = None
    """ASCII."""
    signature_algorithm: str | None = None
    """ASCII: what the proxy's own certificate was signed with."""
    key_algorithm: str | None = None
    """ASCII: what the key of the proxy's own certificate was made with."""
    group: str | None = None
    """ASCII: the key exchange."""
    signature_scheme: str | None = None
    """ASCII: what the proxy signed the handshake with."""
    client_certificate: bytes | None = None
    """X.509 in DER."""
    unknown: tuple[Tlv, ...] = ()

    def __post_init__(self) -> None:
        check_fields(_OF_SSL, self)
        self.encode()

    @property
    def verified(self) -> bool:
        """Whether the client presented a certificate and the proxy verified it."""
        presented = self.client & (SslClient.CERT_CONN | SslClient.CERT_SESS)
        return bool(presented) and self.verify == 0

    @classmethod
    def decode(cls, octets: bytes) -> SslInfo:
        """Return the value of the `octets` of one SSL vector.

        Raises:
            InvalidValueError: they are not of the form of PROXY protocol 2.2.6.
        """
        if len(octets) < _SSL_HEAD.size:
            raise InvalidValueError(f"expected 5 octets or more of SSL, got {shown(octets)}")
        client, verify = _SSL_HEAD.unpack_from(octets)
        known, unknown = _sorted(octets, _SSL_HEAD.size, SslType)
        return cls(
            SslClient(client),
            verify,
            _text(known.get(SslType.VERSION), "ascii"),
            _text(known.get(SslType.CN), "utf-8"),
            _text(known.get(SslType.CIPHER), "ascii"),
            _text(known.get(SslType.SIG_ALG), "ascii"),
            _text(known.get(SslType.KEY_ALG), "ascii"),
            _text(known.get(SslType.GROUP), "ascii"),
            _text(known.get(SslType.SIG_SCHEME), "ascii"),
            known.get(SslType.CLIENT_CERT),
            unknown,
        )

    def encode(self) -> bytes:
        """Return the octets of the value of an SSL vector."""
        try:
            head = _SSL_HEAD.pack(self.client, self.verify)
        except struct.error:
            raise InvalidValueError(
                f"expected client bits 0 to 255 and verify 0 to 4294967295, "
                f"got {self.client!r} and {self.verify}"
            ) from None
        known = (
            (SslType.VERSION, _octets(self.version, "ascii")),
            (SslType.CN, _octets(self.common_name, "utf-8")),
            (SslType.CIPHER, _octets(self.cipher, "ascii")),
            (SslType.SIG_ALG, _octets(self.signature_algorithm, "ascii")),
            (SslType.KEY_ALG, _octets(self.key_algorithm, "ascii")),
            (SslType.GROUP, _octets(self.group, "ascii")),
            (SslType.SIG_SCHEME, _octets(self.signature_scheme, "ascii")),
            (SslType.CLIENT_CERT, self.client_certificate),
        )
        return head + _encode_all(known, self.unknown, SslType)


@value
class Tlvs:
    """All vectors of a header; a checksum has been verified and padding dropped.

    Raises:
        InvalidValueError: as for `SslInfo`, or `unique_id` has more than 128 octets.
    """

    alpn: bytes | None = None
    """The protocol agreed upon by ALPN."""
    authority: str | None = None
    """The host name the client asked for, usually by SNI."""
    unique_id: bytes | None = None
    """The proxy's name for the connection."""
    ssl: SslInfo | None = None
    netns: str | None = None
    """ASCII: the name of the network namespace."""
    unknown: tuple[Tlv, ...] = ()
    """In the order received; a type may be there more than once."""

    def __post_init__(self) -> None:
        check_fields(_OF_HEADER, self)
        self.encode()

    @classmethod
    def decode(cls, octets: bytes, start: int) -> Tlvs:
        """Return the vectors that fill `octets` from `start` to the end.

        Raises:
            InvalidValueError: they are not of the form of PROXY protocol 2.2, or one that is known
                is there twice, so that two receivers might believe different ones.
        """
        known, unknown = _sorted(octets, start, TlvType)
        ssl = known.get(TlvType.SSL)
        return cls(
            known.get(TlvType.ALPN),
            _text(known.get(TlvType.AUTHORITY), "utf-8"),
            known.get(TlvType.UNIQUE_ID),
            None if ssl is None else SslInfo.decode(ssl),
            _text(known.get(TlvType.NETNS), "ascii"),
            unknown,
        )

    def encode(self) -> bytes:
        """Return the vectors as they stand in a header."""
        if self.unique_id is not None and len(self.unique_id) > UNIQUE_ID_LIMIT:
            raise InvalidValueError(
                f"expected a unique ID of 128 octets at most, got {len(self.unique_id)}"
            )
        known = (
            (TlvType.ALPN, self.alpn),
            (TlvType.AUTHORITY, _octets(self.authority, "utf-8")),
            (TlvType.UNIQUE_ID, self.unique_id),
            (TlvType.SSL, None if self.ssl is None else self.ssl.encode()),
            (TlvType.NETNS, _octets(self.netns, "ascii")),
        )
        return _encode_all(known, self.unknown, TlvType)


_TEXT = or_none(TEXT)
_OCTETS = or_none(OCTETS)
_UNKNOWN = each(of(Tlv))
_OF_SSL: Mapping[str, Kind] = {
    "client": NUMBER,
    "verify": NUMBER,
    **dict.fromkeys(("version", "common_name", "cipher", "signature_algorithm"), _TEXT),
    **dict.fromkeys(("key_algorithm", "group", "signature_scheme"), _TEXT),
    "client_certificate": _OCTETS,
    "unknown": _UNKNOWN,
}
_OF_HEADER: Mapping[str, Kind] = {
    **dict.fromkeys(("alpn", "unique_id"), _OCTETS),
    **dict.fromkeys(("authority", "netns"), _TEXT),
    "ssl": or_none(of(SslInfo)),
    "unknown": _UNKNOWN,
}


def walk(octets: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """Yield the type of each vector, and where in `octets` its value begins and ends.

    Raises:
        InvalidValueError: the last one does not end where `octets` do.
    """
    while start < len(octets):
        begin = start + _HEAD.size
        kind, length = _HEAD.unpack_from(octets[start:begin].ljust(_HEAD.size, b"\0"))
        start = begin + length
        if start > len(octets):
            raise InvalidValueError(f"TLV 0x{kind:02x} runs past the end of what holds it")
        yield kind, begin, start


def _sorted(
    octets: bytes, start: int, types: type[enum.IntEnum]
) -> tuple[dict[int, bytes], tuple[Tlv, ...]]:
    values: dict[int, bytes] = {}
    unknown: list[Tlv] = []
    known = frozenset[int](types)
    for kind, begin, end in walk(octets, start):
        if kind not in known:
            unknown.append(Tlv(kind, octets[begin:end]))
        elif kind in values and kind != TlvType.NOOP:
            raise InvalidValueError(f"TLV 0x{kind:02x} is there twice")
        else:
            values[kind] = octets[begin:end]
    return values, tuple(unknown)


def _encode_all(
    known: Iterable[tuple[int, bytes | None]], unknown: tuple[Tlv, ...], types: type[enum.IntEnum]
) -> bytes:
    named = frozenset[int](types)
    encoded = [_encode_one(kind, octets) for kind, octets in known if octets is not None]
    for tlv in unknown:
        if tlv.type in named:
            raise InvalidValueError(f"TLV 0x{tlv.type:02x} is not unknown: it is {types.__name__}")
        encoded.append(_encode_one(tlv.type, tlv.value))
    return b"".join(encoded)


def _encode_one(kind: int, octets: bytes) -> bytes:
    try:
        return _HEAD.pack(kind, len(octets)) + octets
    except struct.error:
        raise InvalidValueError(
            f"expected a TLV type of 0 to 255 and at most 65535 octets, "
            f"got {kind} and {len(octets)}"
        ) from None


def _text(octets: bytes | None, encoding: str) -> str | None:
    try:
        return None if octets is None else octets.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"expected {encoding} text, got {shown(error.object)}") from None


def _octets(text: str | None, encoding: str) -> bytes | None:
    if text is None:
        return None
    if any(control in text for control in "\0\r\n"):
        raise InvalidValueError(f"expected text without CR, LF and NUL, got {shown(text)}")
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise InvalidValueError(f"expected {encoding} text, got {shown(text)}") from None
