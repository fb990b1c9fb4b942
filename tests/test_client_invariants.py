# SPDX-License-Identifier: MIT
"""The client under random calls and random servers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from invariants_client import Choices, check_client


@given(st.binary(max_size=120))
def test_refused_calls_change_nothing_and_cuts_mean_nothing(octets: bytes) -> None:
    """Local errors are inert; replies answer in order; the same octets give the same events."""
    check_client(octets)


def test_choices_end_with_the_first_of_all_alternatives() -> None:
    choices = Choices(b"\x05ab")
    assert choices.below(3) == 2
    assert choices.take(5) == b"ab"
    assert not choices
    assert choices.among("xyz") == "x"
