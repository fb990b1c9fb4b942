# SPDX-License-Identifier: MIT
"""How many connections each peer has."""

from __future__ import annotations

from smtpproto.gate import Gate


def test_each_peer_has_its_own_count() -> None:
    gate = Gate(2)
    assert [gate.enter("a"), gate.enter("a"), gate.enter("a"), gate.enter("b")] == [
        True,
        True,
        False,
        True,
    ]
    gate.leave("a")
    assert gate.enter("a")
    assert not gate.enter("a")


def test_nothing_is_remembered_of_those_who_left() -> None:
    gate = Gate(1)
    for peer in range(100):
        assert gate.enter(peer)
        gate.leave(peer)
    assert not gate._counts


def test_no_limit() -> None:
    gate = Gate(None)
    assert all(gate.enter("a") for _ in range(100))
    gate.leave("a")
    gate.leave("nobody")
