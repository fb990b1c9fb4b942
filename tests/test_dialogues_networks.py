# SPDX-License-Identifier: MIT
"""Where a peer comes from."""

from __future__ import annotations

from typing import Any

import pytest

from smtpproto import LocalProtocolError
from smtpproto.dialogues.networks import Networks, peer_key

NETWORKS = Networks(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "fe80::/64"], "proxy")


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        (("127.0.0.1", 1), True),
        (("127.0.0.2", 1), False),
        (("10.255.0.1", 1), True),
        (("11.0.0.1", 1), False),
        (("::ffff:10.0.0.1", 1, 0, 0), True),
        (("::ffff:11.0.0.1", 1, 0, 0), False),
        (("2001:db8:1::1", 1, 0, 0), True),
        (("2001:db9::1", 1, 0, 0), False),
        (("fe80::1%lo", 1, 0, 1), True),
        (("mx.example.org", 1), False),
        ((), False),
        ((2, 1234), False),  # of AF_VSOCK
        ("", False),
        (b"\0abstract", False),
        (None, False),
    ],
)
def test_a_peer_is_in_a_network_or_not(address: Any, trusted: bool) -> None:
    assert (address in NETWORKS) is trusted


@pytest.mark.parametrize("address", ["", "/run/x", b"\0abstract"])
def test_unix_sockets_have_a_name_of_their_own(address: Any) -> None:
    networks = Networks(["unix"], "proxy")
    assert address in networks
    assert ("127.0.0.1", 1) not in networks
    assert None not in networks  # not known is not trusted


def test_one_alone() -> None:
    assert ("127.0.0.1", 1) in Networks("127.0.0.1", "proxy")
    assert ("127.0.0.1", 1) not in Networks([], "proxy")


@pytest.mark.parametrize("given", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "", "*"])
def test_what_is_no_network(given: str) -> None:
    with pytest.raises(LocalProtocolError, match='proxy: IP addresses, networks or "unix"'):
        Networks([given], "proxy")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("192.0.2.1", 1), ("192.0.2.1", 2), True),
        (("192.0.2.1", 1), ("192.0.2.2", 1), False),
        (("192.0.2.1", 1), ("::ffff:192.0.2.1", 1, 0, 0), True),
        (("2001:db8:0:1::1", 1), ("2001:db8:0:1:ffff::2", 1), True),
        (("2001:db8:0:1::1", 1), ("2001:db8:0:2::1", 1), False),
    ],
)
def test_what_one_peer_is(one: Any, other: Any, same: bool) -> None:
    assert (peer_key(one) == peer_key(other)) is same


def test_a_peer_without_an_address() -> None:
    assert peer_key("") is None
    assert peer_key(None) is None
