# SPDX-License-Identifier: MIT
"""The productions of the grammar as regular expressions, one constant each.

Decides what the octets of each production may be. All patterns are made of exclusive alternatives
with possessive quantifiers, so that none can backtrack: matching is linear in the input. A group
is repeated within an atomic one instead, ``(?>(?:ab)*)`` and not ``(?:ab)*+``: before 3.11.5 Python
takes the beginning of one more round for a part of the match. They are for ``str``; what is above
ASCII is let in only where the name says UTF8 (RFC 6531 3.3).
"""

from __future__ import annotations

import re

# RFC 5321 4.1.2: Atom = 1*atext; Dot-string = Atom *("." Atom)
ATEXT = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]"
DOT_STRING = rf"{ATEXT}++(?>(?:\.{ATEXT}++)*)"
# With UTF-8, a class is given by the ASCII it leaves out: ranges up to U+10FFFF compile slowly.
ATEXT_UTF8 = r"""[^\x00-\x20()<>\[\]:;@\\,."\x7f]"""
DOT_STRING_UTF8 = rf"{ATEXT_UTF8}++(?>(?:\.{ATEXT_UTF8}++)*)"
# Not of the grammar, but of the wild: Leniency.allow_extra_dots
DOTS_AND_ATEXT_UTF8 = r"""[^\x00-\x20()<>\[\]:;@\\,"\x7f]++"""

# RFC 5321 4.1.2: Quoted-string = DQUOTE *QcontentSMTP DQUOTE
QUOTED_STRING_UTF8 = r'"(?>(?:[^\x00-\x1f"\\\x7f]++|\\[ -~])*)"'

# RFC 5321 4.1.2: sub-domain = Let-dig [Ldh-str]; RFC 6531 3.3 adds the U-label
# Domain in one loop instead of two nested ones: runs of let-dig, between them hyphens or one dot
DOMAIN = r"[A-Za-z0-9]++(?>(?:(?:-++|\.)[A-Za-z0-9]++)*)"
LET_DIG_UTF8 = r"[^\x00-/:-@\[-`{-\x7f]"
DOMAIN_UTF8 = rf"{LET_DIG_UTF8}++(?>(?:(?:-++|\.){LET_DIG_UTF8}++)*)"
# Not of the grammar, but of the wild: Leniency.allow_underscore_domain
LET_DIG_LENIENT = r"[^\x00-/:-@\[-^`{-\x7f]"
DOMAIN_LENIENT = rf"{LET_DIG_LENIENT}++(?>(?:(?:-++|\.){LET_DIG_LENIENT}++)*)"

# RFC 5321 4.1.3: the octets between the brackets; what they say is checked by code
LITERAL = r"\[([!-Z^-~]++)\]"
# RFC 5321 4.1.3: Snum = 1*3DIGIT, up to 255
SNUM = r"(?:25[0-5]|2[0-4][0-9]|[01][0-9]{2}|[0-9]{1,2})"
IPV4 = re.compile(rf"{SNUM}(?:\.{SNUM}){{3}}", re.ASCII)
IPV6_HEX = re.compile(r"[0-9A-Fa-f]{1,4}", re.ASCII)
# RFC 5321 4.1.3: General-address-literal = Standardized-tag ":" 1*dcontent
GENERAL_LITERAL = re.compile(r"(-*+[A-Za-z0-9]++(?>(?:-++[A-Za-z0-9]++)*)):([!-Z^-~]++)", re.ASCII)

# RFC 5321 4.1.2: esmtp-keyword, esmtp-value; RFC 6531 3.3 lets UTF-8 into the value
ESMTP_KEYWORD = r"[A-Za-z0-9][A-Za-z0-9-]*+"
ESMTP_VALUE = re.compile(r"[^\x00-\x20=\x7f]++")
# RFC 5321 4.2: Reply-code, and what may stand behind it
REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ \t-])([^\r\n\0]*+))?")
# RFC 2034 4, RFC 3463 2: status-code = class "." subject "." detail, without leading zeros
STATUS_CODE = re.compile(r"[245](?:\.(?:0|[1-9][0-9]{0,2})){2}(?![0-9])", re.ASCII)

NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
"""A number of the wire: never signed, never longer, never in another script."""

CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
SURROGATES = re.compile(r"[\ud800-\udfff]")
"""What ``surrogateescape`` leaves of octets that are not UTF-8."""
