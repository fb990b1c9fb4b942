# SPDX-License-Identifier: MIT
"""The binary header (PROXY protocol 2.2).

Decides where it ends, what its fixed part may say, and how addresses and the checksum are written.
Does not know version 1, nor what is in the vectors behind the addresses.
"""

from __future__ import annotations

import functools
import ipaddress
import struct

from ..exceptions import InvalidValueError
from ..kinds import check_kind
from .header import (
    PATH_OCTETS,
    Address,
    AddressFamily,
    InetAddress,
    ProxyCommand,
    ProxyHeader,
    Transport,
    path,
)
from .tlvs import Tlvs, TlvType, walk

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED = 16
"""Octets of the signature, the version and command, the family and transport, and the length."""

_INET = struct.Struct(">4s4sHH")
_INET6 = struct.Struct(">16s16sHH")
_UNIX = struct.Struct(f"{PATH_OCTETS}s{PATH_OCTETS}s")
_BLOCKS = {AddressFamily.INET: _INET, AddressFamily.INET6: _INET6, AddressFamily.UNIX: _UNIX}


def header_end(buffer: bytearray, limit: int) -> int | None:
    """Return where the header that `buffer` starts with ends; None while more is needed.

    Each octet of the fixed part is judged as soon as it is there.

    Args:
        buffer: what was received, the signature at least.
        limit: octets of the longest header taken.

    Raises:
        InvalidValueError: the fixed part is not of the form of PROXY protocol 2.2.
    """
    if len(buffer) > 12:
        if buffer[12] >> 4 != 2:
            raise InvalidValueError(f"expected version 2, got {buffer[12] >> 4}")
        if buffer[12] & 15 > 1:
            raise InvalidValueError(f"expected LOCAL or PROXY, got command {buffer[12] & 15}")
    needed = 0
    if len(buffer) > 13 and buffer[12] & 15:
        needed = _needed(buffer[13])
    if len(buffer) < FIXED:
        return None
    length = int.from_bytes(buffer[14:16], "big")
    if length < needed:
        raise InvalidValueError(f"expected {needed} octets of addresses, got a length of {length}")
    if FIXED + length > limit:
        raise InvalidValueError(f"expected {limit} octets at most, got {FIXED + length}")
    return FIXED + length if len(buffer) >= FIXED + length else None


def octets_needed(buffer: bytearray) -> int:
    """Return how many octets an unfinished header still has at least."""
    length = int.from_bytes(buffer[14:16], "big") if len(buffer) >= FIXED else 0
    return FIXED + length - len(buffer)


def parse(header: bytes) -> ProxyHeader:
    """Return the content of a whole header whose fixed part `header_end` has passed.

    Raises:
        InvalidValueError: the addresses or the vectors are not of the form of PROXY protocol 2.2,
            or the checksum does not hold.
    """
    command = ProxyCommand(header[12] & 15)
    if command is ProxyCommand.LOCAL or not _needed(header[13]):
        return ProxyHeader(command=command)
    block = _BLOCKS[AddressFamily(header[13] >> 4)]
    source, destination, *ports = block.unpack_from(header, FIXED)
    tlvs = Tlvs.decode(header, FIXED + block.size)
    _verify(header, FIXED + block.size)
    return ProxyHeader(
        _address(source, ports[:1]),
        _address(destination, ports[1:]),
        transport=Transport(header[13] & 15),
        tlvs=tlvs,
    )


def build_v2(header: ProxyHeader, crc: bool = False) -> bytes:
    """Return a version 2 header, to be written at once and before anything else.

    Args:
        header: what to say; its ``version`` does not matter.
        crc: add a checksum, for a path that may damage what TCP does not protect.

    Raises:
        InvalidValueError: no header, or addresses and TLVs have more than 65535 octets.
    """
    check_kind("header", header, ProxyHeader)
    rest = _block(header.source, header.destination) + header.tlvs.encode()
    if crc:
        rest += struct.pack(">BHI", TlvType.CRC32C, 4, 0)
    if len(rest) > 65535:
        raise InvalidValueError(f"expected 65535 octets behind the fixed part, got {len(rest)}")
    octets = SIGNATURE + struct.pack(
        ">BBH",
        2 << 4 | header.command.value,
        header.family.value << 4 | header.transport.value,
        len(rest),
    )
    octets += rest
    return octets[:-4] + crc32c(octets).to_bytes(4, "big") if crc else octets


def crc32c(octets: bytes) -> int:
    """Return the CRC32C of `octets`: the Castagnoli polynomial, reflected."""
    table = _crc_table()
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = table[(crc ^ octet) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def _verify(header: bytes, start: int) -> None:
    # The vectors have been decoded, so there is one checksum at most, and this takes linear time.
    for kind, begin, end in walk(header, start):
        if kind == TlvType.CRC32C:
            crc = crc32c(header[:begin] + bytes(4) + header[end:])
            if header[begin:end] != crc.to_bytes(4, "big"):
                raise InvalidValueError("the CRC32C checksum does not hold")


def _needed(octet: int) -> int:
    """Return how many octets of addresses the family and the transport need; 0 for UNSPEC."""
    family, transport = octet >> 4, octet & 15
    # Unassigned values must be rejected; only UNSPEC makes a block to skip (PROXY protocol 2.2).
    if family > 3 or transport > 2:
        raise InvalidValueError(f"unassigned address family or transport 0x{octet:02x}")
    return _BLOCKS[AddressFamily(family)].size if family and transport else 0


def _block(source: Address | None, destination: Address | None) -> bytes:
    if isinstance(source, InetAddress) and isinstance(destination, InetAddress):
        block = _INET6 if ":" in source.ip else _INET
        return block.pack(source.packed, destination.packed, source.port, destination.port)
    if isinstance(source, bytes) and isinstance(destination, bytes):
        return _UNIX.pack(source, destination)
    return b""


def _address(octets: bytes, ports: list[int]) -> Address:
    return InetAddress(str(ipaddress.ip_address(octets)), ports[0]) if ports else path(octets)
