# SPDX-License-Identifier: MIT
"""The messages that are exchanged with other mail software."""

from __future__ import annotations

from functools import cache

import pytest

HEADER = b"From: a@example.org\r\nSubject: interop\r\n\r\n"
CONTENTS = {
    "empty": b"",
    "no final newline": HEADER + b"the last line",
    "dots": HEADER + b".\r\n..\r\n.x\r\n" * 50 + b".\r\n",
    "8 bit": HEADER + "Grüße\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
}
RECIPIENTS_500 = [f"r{number}@example.org" for number in range(500)]

each_content = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)


@cache
def big() -> bytes:
    """Return a message of 20 MB."""
    return HEADER + b"".join(b"%07d %s\r\n" % (number, b"x" * 62) for number in range(280_000))


def whole(content: bytes) -> bytes:
    """Return what is sent of a message: its last line ends with CRLF (RFC 5321 4.1.1.4)."""
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"
