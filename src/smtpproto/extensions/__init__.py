# SPDX-License-Identifier: MIT
"""The registry of extensions: declarations and nothing else.

To add one: subclass `Extension` in a module here, and name it in `KNOWN`. Nothing else changes.
"""

from .auth import Auth
from .basic import EnhancedStatusCodes, Pipelining, Size, StartTLS
from .content import BinaryMime, Chunking, EightBitMime, SmtpUtf8
from .declaration import Extension, Move, Row, SessionFacts, Transaction

KNOWN: tuple[Extension, ...] = (
    Size(),
    EightBitMime(),
    Pipelining(),
    EnhancedStatusCodes(),
    SmtpUtf8(),
    Chunking(),
    BinaryMime(),
    StartTLS(),
    Auth(),
)
"""All of them: what a client understands, and what a server answers 502 to when not offering it."""

__all__ = [
    "KNOWN",
    "Auth",
    "BinaryMime",
    "Chunking",
    "EightBitMime",
    "EnhancedStatusCodes",
    "Extension",
    "Move",
    "Pipelining",
    "Row",
    "SessionFacts",
    "Size",
    "SmtpUtf8",
    "StartTLS",
    "Transaction",
]
