# SPDX-License-Identifier: MIT
"""The PROXY protocol, versions 1 and 2: who a load balancer's connection is really from.

A parser for servers behind a proxy and builders for clients that are one, without I/O. The header
stands before everything else, TLS and the greeting included, and the server must not speak before
it is complete. It is to be demanded from trusted proxies and from nobody else, and never guessed
at: whoever may send it, or may leave it out, chooses the address they are known by (PROXY protocol
2 and 5). Knows nothing of SMTP; which peers are trusted is the adapter's.
"""

from .header import Address, AddressFamily, InetAddress, ProxyCommand, ProxyHeader, Transport
from .parser import HEADER_LIMIT, ProxyHeaderParser
from .tlvs import SslClient, SslInfo, Tlv, Tlvs
from .version1 import build_v1
from .version2 import build_v2

__all__ = [
    "HEADER_LIMIT",
    "Address",
    "AddressFamily",
    "InetAddress",
    "ProxyCommand",
    "ProxyHeader",
    "ProxyHeaderParser",
    "SslClient",
    "SslInfo",
    "Tlv",
    "Tlvs",
    "Transport",
    "build_v1",
    "build_v2",
]
