# SPDX-License-Identifier: MIT
"""Octets to units and back: lines, mail data and chunks. Knows no SMTP words.

Public, since relays and test tools want transparency (RFC 5321 4.5.2) alone.
"""

from .buffer import ReceiveBuffer
from .chunks import ChunkReader
from .content import ContentCheck, ReceivedPolicy
from .lines import BadLine, LineReader
from .mail_data import MailDataReader
from .writer import LineEndings, LineEndingWriter, MailDataWriter, whole_mail_data

__all__ = [
    "BadLine",
    "ChunkReader",
    "ContentCheck",
    "LineEndingWriter",
    "LineEndings",
    "LineReader",
    "MailDataReader",
    "MailDataWriter",
    "ReceiveBuffer",
    "ReceivedPolicy",
    "whole_mail_data",
]
