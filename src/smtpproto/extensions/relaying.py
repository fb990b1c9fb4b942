# SPDX-License-Identifier: MIT
"""What a relay passes on of a delivery status request, and what it must report itself.

Decides by RFC 3461 5.2 alone, from the envelope as it was received and from what the next server
announced. Writes no report, and knows no connection. Not for mailing lists: what they send on is
theirs (RFC 3461 5.2.7.1).
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any, Literal

from ..exceptions import InvalidValueError
from ..grammar.commands import Mail, Rcpt
from ..grammar.parameters import Parameters, typed_value
from .dsn import NOTIFY, OriginalRecipient

Action = Literal["delivered", "relayed", "delayed", "failed"]
"""What has become of the message for one recipient (RFC 3464 2.3.3)."""

_ASKED_FOR = {"delivered": "SUCCESS", "relayed": "SUCCESS", "delayed": "DELAY", "failed": "FAILURE"}


def relayed_mail_parameters(mail: Mail, announced: Collection[str]) -> dict[str, Any]:
    """Return ENVID and RET for the MAIL to the next server.

    They are those that were received, and none where none were (RFC 3461 5.2.1).

    Args:
        mail: as received.
        announced: the extensions in force there, such as ``client.announced``; without DSN, no
            parameter may be passed on (RFC 3461 5.2.2).
    """
    return _passed_on(mail.parameters, ("RET", "ENVID")) if "DSN" in announced else {}


def relayed_rcpt_parameters(
    rcpt: Rcpt, announced: Collection[str], add_original: bool = True
) -> dict[str, Any]:
    """Return NOTIFY and ORCPT for the RCPT to the next server.

    Args:
        rcpt: as received, before any alias changed its address.
        announced: as for `relayed_mail_parameters`.
        add_original: where there was no ORCPT, make one of the address received, as a relay may
            (RFC 3461 5.2.1).
    """
    if "DSN" not in announced:
        return {}
    parameters = _passed_on(rcpt.parameters, ("NOTIFY", "ORCPT"))
    if add_original and "ORCPT" not in parameters:
        address = rcpt.forward_path.address
        address_type = "rfc822" if address.isascii() else "utf-8"
        with suppress(InvalidValueError):  # too long as it is written: ORCPT may be added, not must
            parameters["ORCPT"] = OriginalRecipient(address_type, address)
    return parameters


def _passed_on(parameters: Parameters, keywords: tuple[str, ...]) -> dict[str, Any]:
    """Return those that there are: as they were written, if the next server can read that."""
    found: dict[str, Any] = {}
    for keyword in keywords:
        if keyword in parameters:
            text = parameters.wire.get(keyword)
            found[keyword] = text if text and text.isascii() else parameters[keyword]
    return found


def is_report_due(action: Action, mail: Mail, rcpt: Rcpt, announced: Collection[str] = ()) -> bool:
    """Tell whether this server is to send a delivery status notification.

    Args:
        action: "delivered" into a mailbox, "relayed" when the next server replied 2yz to RCPT and
            took the message, "failed" for good, or "delayed" for long.
        mail: as received.
        rcpt: as received.
        announced: what the next server announced: with DSN the report is its business.

    Returns:
        True where the report must be sent; for "delayed", where it may be (RFC 3461 5.2.2, 5.2.3,
        5.2.5, 5.2.6).
    """
    if mail.reverse_path.is_null or (action == "relayed" and "DSN" in announced):
        return False
    notify = typed_value(rcpt.parameters, NOTIFY)
    if notify is None:
        return action in ("delayed", "failed")
    return _ASKED_FOR[action] in notify
