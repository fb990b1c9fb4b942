# SPDX-License-Identifier: MIT
"""Hypothesis strategies for octets, the ways to cut them, and pieces of SMTP."""

from __future__ import annotations

from hypothesis import strategies as st
from invariants import SMTP_ALPHABET, TOKENS

# Lengths of pieces, taken in turn and over again; short ones, since the edges lie close together.
cuts = st.lists(st.integers(1, 9), max_size=5)

# Octets that SMTP gives a meaning to.
smtp_octets = st.lists(st.sampled_from(list(SMTP_ALPHABET)), max_size=60).map(bytes)

# The ends of mail data and all that was ever taken for one, with a little between.
token_octets = st.lists(st.sampled_from(TOKENS) | smtp_octets, max_size=6).map(b"".join)

octets = st.binary(max_size=60) | smtp_octets | token_octets
