# SPDX-License-Identifier: MIT
"""Hypothesis strategies for octets, the ways to cut them, and pieces of SMTP."""

from __future__ import annotations

from hypothesis import strategies as st
from invariants import GRAMMAR_TOKENS, SMTP_ALPHABET, TOKENS
from invariants_server import SERVER_TOKENS

# Lengths of pieces, taken in turn and over again; short ones, since the edges lie close together.
cuts = st.lists(st.integers(1, 9), max_size=5)

# Octets that SMTP gives a meaning to.
smtp_octets = st.lists(st.sampled_from(list(SMTP_ALPHABET)), max_size=60).map(bytes)

# The ends of mail data and all that was ever taken for one, with a little between.
token_octets = st.lists(st.sampled_from(TOKENS) | smtp_octets, max_size=6).map(b"".join)

octets = st.binary(max_size=60) | smtp_octets | token_octets


# --------------------------------------------------------------------------- grammar

ATEXT = "abcXYZ019!#$%&'*+-/=?^_`{|}~"
UTF8 = "\u00e9\u20ac\U0001d54f"


def quoted(text: str) -> str:
    """Write `text` as a quoted string, with a backslash where one is needed and before spaces."""
    return '"' + "".join("\\" + c if c in '"\\ ' else c for c in text) + '"'


atoms = st.text(ATEXT, min_size=1, max_size=6)
utf8_atoms = st.text(ATEXT + UTF8, min_size=1, max_size=6)
quotable = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from(UTF8))
local_parts = st.lists(utf8_atoms, min_size=1, max_size=3).map(".".join) | quotable.map(
    lambda text: quoted(text[:30])
)
labels = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,5}[A-Za-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=1, max_size=4).map(".".join)
literals = (
    st.ip_addresses(v=4).map(lambda address: f"[{address}]")
    | st.ip_addresses(v=6).map(lambda address: f"[IPv6:{address}]")
    | st.ip_addresses(v=6).map(lambda address: f"[ipv6:{address.exploded.upper()}]")
    | st.just("[x-tag:!content+~]")
)
addresses = st.builds("{}@{}".format, local_parts, domains | literals)
routes = st.lists(domains, max_size=2).map(tuple)

keywords = st.from_regex(r"X[A-Z0-9][A-Z0-9-]{0,5}", fullmatch=True)
values = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="=")
    | st.sampled_from(UTF8),
    min_size=1,
    max_size=12,
)
parameters = st.dictionaries(keywords, st.none() | values, max_size=3)

# Text of one line: anything but CR, LF and NUL, octets that are no UTF-8 among it.
line_text = st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])
    | st.sampled_from("\udc80\udcff\u2028\x85\v "),
    max_size=20,
)

grammar_octets = st.lists(st.sampled_from(GRAMMAR_TOKENS) | st.binary(max_size=4), max_size=7).map(
    b"".join
)


# --------------------------------------------------------------------------- server

# Whole lines and ends of mail data, a few octets between; what a client may send at any time.
server_octets = st.lists(st.sampled_from(SERVER_TOKENS) | smtp_octets, max_size=10).map(b"".join)
