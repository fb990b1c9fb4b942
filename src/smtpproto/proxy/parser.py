# SPDX-License-Identifier: MIT
"""Octets to a PROXY header, however they are cut.

Decides which version a header is of and what becomes of the octets around it. Does not know what a
header says, who may send it, nor how long to wait for it (PROXY protocol 2: at least 3 s).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..exceptions import (
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    Violation,
    shown,
)
from ..kinds import NUMBER, Kind, check_kinds
from . import version1, version2
from .header import ProxyHeader

HEADER_LIMIT = version2.FIXED + 4096
"""Octets of the longest version 2 header taken by default. The length field allows for 65551; a
proxy has to stay within one TCP segment of 536, unless it passes a certificate on."""

_KINDS: Mapping[str, Kind] = {
    "versions": (
        "1, 2 or both",
        lambda got: isinstance(got, Collection) and bool(got) and all(v in (1, 2) for v in got),
    ),
    "limit": NUMBER,
}


class ProxyHeaderParser:
    """Takes one PROXY header off the front of a connection.

    An error means that the connection is to be closed, without a greeting.

    Args:
        versions: the versions of the protocol that are accepted: 1, 2, or both.
        limit: octets of the longest version 2 header accepted, with its 16 fixed ones. Version 1
            has 107 at most.

    Raises:
        InvalidValueError: `versions` names none, or another than 1 and 2, or `limit` is no number.
    """

    __slots__ = ("_buffer", "_error", "_header", "_starts", "limit", "unused")

    def __init__(self, versions: Collection[int] = (1, 2), limit: int = HEADER_LIMIT) -> None:
        check_kinds(_KINDS, {"versions": versions, "limit": limit})
        starts = {1: version1.START, 2: version2.SIGNATURE}
        self._starts = [starts[version] for version in sorted(versions)]
        self._buffer = bytearray()
        self._header: ProxyHeader | None = None
        self._error: str | None = None
        self.limit = limit
        self.unused = b""
        """The octets behind the header, once it is complete: they are TLS's or SMTP's."""

    def receive_data(self, data: bytes) -> ProxyHeader | None:
        """Take what was read, one octet or more; return the header once it is complete.

        Args:
            data: the octets, not empty: a connection that ends before the header is just closed.

        Returns:
            The header, with what stands behind it in `unused`, or None while more is needed.

        Raises:
            RemoteProtocolError: no header of an accepted version, at the first octet that shows it;
                raised again by every later call.
            LocalProtocolError: `data` is empty, or the header was complete before.
        """
        if self._error is not None:
            raise RemoteProtocolError(self._error, Violation.WRONG_PROTOCOL)
        if self._header is not None:
            raise LocalProtocolError("the header is complete", Violation.LOCAL_STATE)
        if not data:
            raise LocalProtocolError("expected octets, got none", Violation.LOCAL_VALUE)
        self._buffer += data
        try:
            self._header = self._parse()
        except InvalidValueError as error:
            self._error = f"bad PROXY protocol header: {error}"
            self._buffer.clear()
            raise RemoteProtocolError(self._error, Violation.WRONG_PROTOCOL) from None
        return self._header

    @property
    def needed(self) -> int:
        """Octets that the header still has at least, 0 once it is complete.

        Who reads no more than this at a time has never read what is behind the header: a TLS layer
        that takes over the socket, rather than octets, wants that itself.
        """
        if self._header is not None:
            return 0
        buffer = self._buffer
        if len(buffer) < version1.SHORTEST:
            return version1.SHORTEST - len(buffer)
        if buffer.startswith(version1.START):
            return version1.octets_needed(buffer)
        return version2.octets_needed(buffer)

    def _parse(self) -> ProxyHeader | None:
        start = self._start()
        if start == version1.START:
            end = version1.header_end(self._buffer)
        elif start == version2.SIGNATURE:
            end = version2.header_end(self._buffer, self.limit)
        else:
            return None
        if end is None:
            return None
        octets = bytes(self._buffer[:end])
        header = version1.parse(octets) if start == version1.START else version2.parse(octets)
        self.unused = bytes(self._buffer[end:])
        self._buffer.clear()
        return header

    def _start(self) -> bytes | None:
        """Return the start that the buffer has whole, None while it has a part of one."""
        got = bytes(self._buffer[: len(version2.SIGNATURE)])
        for start in self._starts:
            if got.startswith(start):
                return start
        if any(start.startswith(got) for start in self._starts):
            return None
        # Show no more than the first wrong octet, so that the text does not depend on the cuts.
        length = 1
        while any(start.startswith(got[:length]) for start in self._starts):
            length += 1
        expected = " or ".join(shown(start) for start in self._starts)
        raise InvalidValueError(f"expected {expected}, got {shown(got[:length])}")
