# SPDX-License-Identifier: MIT
"""What a PROXY header says, as values.

Decides which addresses and which combinations of them there can be, the same for both versions of
the protocol. Knows neither wire form.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from ..exceptions import InvalidValueError, shown
from ..kinds import PORT, TEXT, Kind, check_kinds, of, or_none
from ..values import value_with_init
from .tlvs import Tlvs

PATH_OCTETS = 108
"""Of a unix address in a header (PROXY protocol 2.2)."""


class ProxyCommand(enum.Enum):
    """Why the proxy made the connection; the values are version 2's."""

    LOCAL = 0
    """For itself, to see whether the server lives."""
    PROXY = 1
    """For a client."""


class AddressFamily(enum.Enum):
    """What the addresses are; the values are version 2's."""

    UNSPEC = 0
    INET = 1
    INET6 = 2
    UNIX = 3


class Transport(enum.Enum):
    """How the client came to the proxy; the values are version 2's."""

    UNSPEC = 0
    STREAM = 1
    DGRAM = 2


@value_with_init
class InetAddress:
    """An IP address and a port.

    Args:
        ip: IPv4 or IPv6, without a zone. It is kept in its canonical text, and one text on every
            Python: lower-case and compressed, an IPv4-mapped one as ``::ffff:192.0.2.1``.
        port: 0 to 65535.

    Raises:
        InvalidValueError: one of them is not of that form.
    """

    ip: Final[str]
    port: Final[int]

    def __init__(self, ip: str, port: int) -> None:
        check_kinds(_KINDS, {"ip": ip, "port": port})
        try:
            parsed = ipaddress.ip_address(ip)
        except ValueError:
            raise InvalidValueError(f"expected an IP address, got {shown(ip)}") from None
        if "%" in ip:
            raise InvalidValueError(f"expected an IP address without a zone, got {shown(ip)}")
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        self.ip = f"::ffff:{mapped}" if mapped else str(parsed)
        self.port = port

    @property
    def packed(self) -> bytes:
        """The IP address as 4 or 16 octets."""
        return ipaddress.ip_address(self.ip).packed


Address: TypeAlias = InetAddress | bytes
"""An IP address and port, or the path of a unix socket."""


@value_with_init
class ProxyHeader:
    """The content of a PROXY header.

    Without addresses (a LOCAL connection, or one of a kind the proxy cannot express) the
    connection's own are to be used, and nothing else is known.

    Args:
        source: the client's address: an `InetAddress`, or the path of a unix socket, at most 108
            octets, empty for an unnamed one, a NUL in front for an abstract one.
        destination: the address the client connected to; of the same family.
        command: `ProxyCommand.LOCAL` only without addresses.
        transport: by default STREAM with addresses, UNSPEC without.
        tlvs: only with addresses, since without them no receiver can tell where they begin.
        version: the version of the protocol it was received in.

    Raises:
        InvalidValueError: one is of another kind, or they do not go together.
    """

    version: Final[Literal[1, 2]]
    command: Final[ProxyCommand]
    transport: Final[Transport]
    source: Final[Address | None]
    destination: Final[Address | None]
    tlvs: Final[Tlvs]

    def __init__(
        self,
        source: Address | None = None,
        destination: Address | None = None,
        *,
        command: ProxyCommand = ProxyCommand.PROXY,
        transport: Transport | None = None,
        tlvs: Tlvs | None = None,
        version: Literal[1, 2] = 2,
    ) -> None:
        check_kinds(
            _KINDS,
            {
                "source": source,
                "destination": destination,
                "command": command,
                "transport": transport,
                "tlvs": tlvs,
                "version": version,
            },
        )
        family = _family(source)
        if family is not _family(destination):
            raise InvalidValueError("expected a source and a destination of one family")
        if transport is None:
            transport = Transport.UNSPEC if source is None else Transport.STREAM
        if (family is AddressFamily.UNSPEC) is not (transport is Transport.UNSPEC):
            raise InvalidValueError("expected a transport with addresses, UNSPEC without")
        if tlvs is None:
            tlvs = Tlvs()
        if source is None and tlvs != Tlvs():
            raise InvalidValueError("expected TLVs only with addresses")
        if source is not None and command is ProxyCommand.LOCAL:
            raise InvalidValueError("expected a LOCAL connection without addresses")
        self.version = version
        self.command = command
        self.transport = transport
        self.source = source
        self.destination = destination
        self.tlvs = tlvs

    @property
    def family(self) -> AddressFamily:
        """What the addresses are; UNSPEC if there are none."""
        return _family(self.source)


_ADDRESS: Kind = or_none(
    ("an InetAddress or the octets of a path", lambda got: isinstance(got, InetAddress | bytes))
)
_KINDS: Mapping[str, Kind] = {
    "ip": TEXT,
    "port": PORT,
    "source": _ADDRESS,
    "destination": _ADDRESS,
    "command": of(ProxyCommand),
    "transport": or_none(of(Transport)),
    "tlvs": or_none(of(Tlvs)),
    "version": ("1 or 2", lambda got: type(got) is int and got in (1, 2)),
}


def _family(address: Address | None) -> AddressFamily:
    if address is None:
        return AddressFamily.UNSPEC
    if isinstance(address, InetAddress):
        return AddressFamily.INET6 if ":" in address.ip else AddressFamily.INET
    if len(address) > PATH_OCTETS or path(address) != address:
        raise InvalidValueError(
            f"expected a path of at most 108 octets without NUL, got {shown(address)}"
        )
    return AddressFamily.UNIX


def path(field: bytes) -> bytes:
    """Return the path in the field of a unix address: without the NUL octets that fill it up.

    A NUL in front makes the name an abstract one, which may hold others.
    """
    if field.startswith(b"\0"):
        return field.rstrip(b"\0")
    return field.partition(b"\0")[0]
