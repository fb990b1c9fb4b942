# SPDX-License-Identifier: MIT
"""Where a peer comes from: which networks are trusted, and which addresses are one peer's.

Decides how what a socket says of its peer is compared. Trusts nobody by itself, and looks no name
up.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from ..exceptions import LocalProtocolError, Violation

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
UNIX = "unix"
"""Stands for every peer on a Unix socket: who may connect there is decided by its folder."""


class Networks:
    """A set of networks.

    Args:
        given: IP addresses, networks such as ``10.0.0.0/8``, and "unix".
        name: whose setting this is, for the error.

    Raises:
        LocalProtocolError: one of them is nothing of that kind.
    """

    __slots__ = ("_networks", "_unix")

    def __init__(self, given: Iterable[str], name: str) -> None:
        if isinstance(given, str):
            given = (given,)
        names = set(given)
        self._unix = UNIX in names
        try:
            self._networks = [ipaddress.ip_network(one) for one in sorted(names - {UNIX})]
        except ValueError as error:
            raise LocalProtocolError(
                f'{name}: IP addresses, networks or "unix" expected: {error}', Violation.LOCAL_VALUE
            ) from None

    def __contains__(self, address: Any) -> bool:
        """Tell whether a peer is of these, given what a socket says of it."""
        if isinstance(address, str | bytes):
            return self._unix
        ip = ip_of(address)
        return ip is not None and any(ip in network for network in self._networks)


def ip_of(address: Any) -> _IPAddress | None:
    """Return the IP address in what a socket says of its peer, None where there is none.

    Args:
        address: host and port first for TCP, anything else otherwise. An IPv4 client of a socket
            that takes both has an IPv4-mapped address, and is the IPv4 client all the same.
    """
    if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
        return None
    try:
        ip = ipaddress.ip_address(address[0].partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def peer_key(address: Any) -> object:
    """Return what is the same for all addresses of one peer, None for a peer without any.

    An IPv6 host has a whole /64 to choose from.
    """
    ip = ip_of(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return int(ip) >> 64
    return ip
