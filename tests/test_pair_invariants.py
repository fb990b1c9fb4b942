# SPDX-License-Identifier: MIT
"""Our client against our server, with random applications and a wire that cuts at random."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from invariants_pair import check_pair


@given(st.binary(max_size=150))
def test_both_sides_agree_and_nothing_is_lost(octets: bytes) -> None:
    check_pair(octets)
