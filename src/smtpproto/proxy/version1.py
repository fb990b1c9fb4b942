# SPDX-License-Identifier: MIT
"""The human-readable header: one line (PROXY protocol 2.1).

Decides where the line ends and what it may say, to the letter: single spaces, upper case, no zero
in front of a number, an address of the family announced, CRLF. Does not know version 2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from ..exceptions import InvalidValueError, shown
from ..kinds import Kind, check_kinds, of, or_none
from .header import AddressFamily, InetAddress, ProxyHeader

START = b"PROXY "
SHORTEST = len(b"PROXY UNKNOWN\r\n")
LINE_LIMIT = 107
"""Octets of the longest line there can be, with its CRLF (PROXY protocol 2.1)."""

_NAMES = {AddressFamily.INET: "TCP4", AddressFamily.INET6: "TCP6"}
_KINDS: Mapping[str, Kind] = dict.fromkeys(("source", "destination"), or_none(of(InetAddress)))
_PORT = re.compile("0|[1-9][0-9]{0,4}")


def header_end(buffer: bytearray) -> int | None:
    """Return where the line that `buffer` starts with ends; None while more is needed.

    Raises:
        InvalidValueError: it does not end with CRLF, or not within 107 octets.
    """
    end = buffer.find(b"\n", 0, LINE_LIMIT) + 1
    if not end:
        if len(buffer) >= LINE_LIMIT:
            raise InvalidValueError("expected CRLF within 107 octets")
        return None
    if buffer[end - 2] != 0x0D:
        raise InvalidValueError("expected CRLF, got LF without CR")
    return end


def octets_needed(line: bytearray) -> int:
    """Return how many octets the rest of an unfinished line has at least."""
    if line.endswith(b"\r"):
        return 1
    missing = 5 - line.count(b" ") if line.startswith(b"PROXY TCP") else 0
    # Each field that is missing is a space and something; and then CRLF.
    return 2 * max(missing, 0) + 2


def parse(line: bytes) -> ProxyHeader:
    """Return the header of a whole line, its CRLF included.

    Raises:
        InvalidValueError: it is not of the form of PROXY protocol 2.1.
    """
    text = line[:-2].decode("latin-1")
    # What follows UNKNOWN is to be ignored, but a CR may be the end of a line to others.
    if text == "PROXY UNKNOWN" or (text.startswith("PROXY UNKNOWN ") and "\r" not in text):
        return ProxyHeader(version=1)
    fields = text.split(" ")
    if len(fields) != 6 or fields[1] not in _NAMES.values():
        raise InvalidValueError(f"expected TCP4, TCP6 or UNKNOWN and 4 fields, got {shown(line)}")
    _, name, source, destination, source_port, destination_port = fields
    header = ProxyHeader(
        InetAddress(source, _port(source_port)),
        InetAddress(destination, _port(destination_port)),
        version=1,
    )
    if name != _NAMES[header.family]:
        raise InvalidValueError(f"expected addresses of {name}, got {shown(line)}")
    return header


def build_v1(source: InetAddress | None = None, destination: InetAddress | None = None) -> bytes:
    """Return a version 1 header, to be written at once and before anything else.

    Args:
        source: the address of the client.
        destination: the address it connected to. Without the two the connection is UNKNOWN.

    Raises:
        InvalidValueError: there is only one of them, they are not of one family, or a path: version
            1 has none.
    """
    check_kinds(_KINDS, {"source": source, "destination": destination})
    header = ProxyHeader(source, destination)
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n"
    return (
        f"PROXY {_NAMES[header.family]} {_wire(source)} {_wire(destination)} "
        f"{source.port} {destination.port}\r\n"
    ).encode("ascii")


def _port(text: str) -> int:
    if not _PORT.fullmatch(text):
        raise InvalidValueError(f"expected a port of 0 to 65535, got {shown(text)}")
    return int(text)


def _wire(address: InetAddress) -> str:
    if ":" in address.ip and "." in address.ip:  # the grammar has hexadecimal digits only
        return "::ffff:{:x}:{:x}".format(*struct.unpack_from(">HH", address.packed, 12))
    return address.ip
