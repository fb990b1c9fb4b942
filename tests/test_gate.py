# SPDX-License-Identifier: MIT
"""How many connections each peer has."""

from __future__ import annotations

from typing import Any

from smtpproto.dialogues import Collect
from smtpproto.dialogues.places import Gates
from smtpproto.dialogues.server_settings import server_settings
from smtpproto.gate import Gate, gates_of


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


class Box(Collect):
    def on_auth(self, peer: Any, request: Any) -> None:
        """Let nobody in."""


def gates(**options: Any) -> Gates:
    told: Any = {"own_name": "x.org", "has_tls": False, "tls_mode": "starttls", "random": bytes}
    return gates_of(server_settings(Box(), **told, auth_cleartext=True, **options))


def test_nothing_is_counted_where_there_is_no_limit() -> None:
    assert gates() == Gates(None, None)


def test_each_limit_has_its_own_gate() -> None:
    found = gates(connections_per_peer=2, connections_unauthenticated=1)
    assert found.peers is not None
    assert found.unauthenticated is not None
    assert [found.peers.enter("a") for _ in range(3)] == [True, True, False]
    assert [found.unauthenticated.enter(None) for _ in range(2)] == [True, False]
