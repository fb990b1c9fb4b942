# SPDX-License-Identifier: MIT
"""Every cap in one place: its default and why.

Decides how much of anything a peer may make us hold or do. A cap is on a unit of the protocol (a
line, a reply, a message), never on what a read happened to bring. ``None`` means no limit.
"""

from __future__ import annotations

from dataclasses import fields

from .exceptions import InvalidValueError
from .values import value


@value
class Limits:
    """The caps of one connection.

    Raises:
        InvalidValueError: a cap is negative or not a whole number.
    """

    command_line: int = 2048
    """Octets of a command line with its CRLF, unless the extensions add up to more. RFC 5321
    4.5.3.1.4 asks for 512; Postfix's line_length_limit is 2048."""
    auth_line: int = 12288
    """Octets of an AUTH command or response line with its CRLF (RFC 4954 4)."""
    reply_line: int = 8192
    """Octets of one line of a reply; RFC 5321 4.5.3.1.5 says 512, and servers exceed it."""
    reply: int = 65536
    """Octets of a whole reply: against a reply that never ends."""
    reply_lines: int = 300
    """Lines of a whole reply."""
    local_part: int | None = 256
    """Octets of a local-part. RFC 5321 4.5.3.1.1 says 64; VERP senders need more."""
    domain: int | None = 255
    """Octets of a domain (RFC 5321 4.5.3.1.2)."""
    path: int | None = 1024
    """Octets of a path with its brackets and source route. RFC 5321 4.5.3.1.3 says 256."""
    parameters: int | None = 32
    """Parameters of one MAIL or RCPT: more than all registered ones together."""
    recipients: int | None = 1000
    """Accepted recipients of one transaction, then 452. RFC 5321 4.5.3.1.8 asks for 100; Postfix's
    smtpd_recipient_limit is 1000."""
    mail_data: int | None = 64 * 1024 * 1024
    """Octets of a message after transparency, unless SIZE announces another maximum."""
    errors: int | None = 20
    """Rejected commands of a session, then 421 (Postfix: smtpd_hard_error_limit)."""
    idle_commands: int | None = 100
    """NOOP, RSET, VRFY, EXPN, HELP and EHLO between two RCPT, then 421 (Postfix:
    smtpd_junk_command_limit)."""
    commands: int | None = None
    """Commands of a session, then 421."""
    auth_attempts: int | None = 5
    """Failed authentications of a session, then 421. RFC 4954 9 wants at least 3 allowed."""
    pipelined_input: int = 256 * 1024
    """Octets held while a reply is due (RFC 2920 3.2 forbids to drop them)."""
    discarded_line: int = 1024 * 1024
    """Octets of one over-long line that are passed over, then 421 and the end: discarding for ever
    would be a gift to the peer."""
    discarded_mail_data: int = 256 * 1024 * 1024
    """Octets of refused mail data that are passed over, then 421 and the end."""

    def __post_init__(self) -> None:
        for field in fields(self):
            cap = getattr(self, field.name)
            optional = "None" in str(field.type)
            if cap is None and optional:
                continue
            if type(cap) is not int or cap < 0:
                wanted = "a whole number of at least 0" + (" or None" if optional else "")
                raise InvalidValueError(f"Limits.{field.name}: {wanted} expected, not {cap!r}")


DEFAULT_LIMITS = Limits()
