# SPDX-License-Identifier: MIT
"""Envelope and octets of an ``email`` message, by the rules that ``smtplib`` made customary.

Decides which header fields say who sends and who receives, and that Bcc does not go out (RFC 5322
3.6.3, 3.6.6). Changes nothing in the message it is given.
"""

from __future__ import annotations

import copy
from email.generator import BytesGenerator
from email.message import Message
from email.policy import EmailPolicy
from email.utils import getaddresses
from io import BytesIO
from typing import Any

from ..exceptions import InvalidValueError, LocalProtocolError, Violation, shown


def envelope(message: Message[Any, Any]) -> tuple[str | None, tuple[str, ...] | None]:
    """Return sender and recipients as the header names them, None where it names none.

    Raises:
        LocalProtocolError: more than one block of Resent fields: the last one is not known.
        InvalidValueError: a header that the ``email`` package cannot read.
    """
    resent = _fields(message, "Resent-Date")
    if len(resent) > 1:
        raise LocalProtocolError(
            "sender and recipients expected: the message was resent more than once",
            Violation.LOCAL_VALUE,
        )
    prefix = "Resent-" if resent else ""
    senders = _addresses(message, f"{prefix}Sender") or _addresses(message, f"{prefix}From")
    recipients = [
        address for name in ("To", "Cc", "Bcc") for address in _addresses(message, prefix + name)
    ]
    return senders[0] if senders else None, tuple(recipients) or None


def serialise(message: Message[Any, Any], utf8: bool = False) -> bytes:
    """Return the octets of a message with CRLF line endings and without Bcc.

    Args:
        message: it stays as it is.
        utf8: write header fields in UTF-8 where they are not ASCII (RFC 6532).

    Raises:
        InvalidValueError: the ``email`` package cannot write it.
    """
    plain = copy.copy(message)
    del plain["Bcc"]
    del plain["Resent-Bcc"]
    policy = plain.policy.clone(linesep="\r\n")
    if isinstance(policy, EmailPolicy):
        policy = policy.clone(utf8=utf8)
    octets = BytesIO()
    try:
        BytesGenerator(octets, policy=policy).flatten(plain)
    except Exception as error:
        raise _unfit(error) from error
    return octets.getvalue()


def _addresses(message: Message[Any, Any], name: str) -> list[str]:
    return [address for _, address in getaddresses(_fields(message, name)) if address]


def _fields(message: Message[Any, Any], name: str) -> list[str]:
    try:
        return [str(field) for field in message.get_all(name, [])]
    except Exception as error:  # its parser is lazy, and says of none which it may be
        raise _unfit(error) from error


def _unfit(error: Exception) -> InvalidValueError:
    told = shown(f"{type(error).__name__}: {error}")
    return InvalidValueError(f"message: one that the email package can write expected: {told}")
