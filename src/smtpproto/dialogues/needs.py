# SPDX-License-Identifier: MIT
"""What a message needs of a server, and what a server takes of it.

Decides which parameters MAIL has, whether mail data travels by DATA or by BDAT, and in how many
transactions. Pure functions: nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..exceptions import InvalidValueError, LocalProtocolError, Violation
from ..extensions.limits import domains_had, limits_left, rcpt_domain
from ..framing import LineEndingWriter
from ..grammar.commands import Rcpt
from ..grammar.parameters import NO_PARAMETERS, Parameters
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from .errors import SecurityError
from .outgoing import Octets, Outgoing

Transfer = Literal["auto", "data", "bdat"]
"""How mail data travels: by DATA, by BDAT (RFC 3030), or by what suits the message."""

_LARGE = 1 << 20
"""From this size on, chunks spare the work of transparency."""
_NO_ROOM = Reply(452, "not sent: beyond what the server takes in one session", "4.5.3")


def planned(
    connection: ClientConnection, message: Outgoing
) -> tuple[list[list[int]], dict[int, Reply]]:
    """Return the recipients of each transaction, by index, and a reply for the others.

    For a server that announced LIMITS. Those for whom it has no room in this session (RFC 9422 4)
    may be tried in another.

    Raises:
        LocalProtocolError: there is no room for the message at all.
        InvalidValueError: there is more than one transaction, and the source can be read once.
    """
    told = connection.announced["LIMITS"]
    taken = list(range(len(message.recipients)))
    left = limits_left(connection)
    if left.mail_max == 0:
        raise LocalProtocolError(
            "a session that is not used up expected: the server takes "
            f"{told.mail_max} messages in one",
            Violation.TOO_MANY_COMMANDS,
        )
    if left.rcpt_domain_max is not None:
        taken = _of_few_domains(connection, message.recipients, left.rcpt_domain_max)
    most = told.rcpt_max or len(taken) or 1
    parts = [taken[at : at + most] for at in range(0, len(taken), most)][: left.mail_max]
    if len(parts) > 1 and message.blocks and message.rewind is None:
        raise InvalidValueError(
            f"a message that can be read again expected: the server takes {most} recipients "
            f"at a time, not {len(taken)}",
            Violation.TOO_MANY_RECIPIENTS,
            452,
            "4.5.3",
        )
    found = {index for part in parts for index in part}
    return parts, {n: _NO_ROOM for n in range(len(message.recipients)) if n not in found}


def _of_few_domains(
    connection: ClientConnection, recipients: Sequence[Rcpt], room: int
) -> list[int]:
    """Return the indexes of those whose domains the server takes still (RFC 9422 4.3)."""
    had = {"", *domains_had(connection)}
    taken = []
    for index, recipient in enumerate(recipients):
        domain = rcpt_domain(recipient)
        if domain not in had and room:
            had.add(domain)
            room -= 1
        if domain in had:
            taken.append(index)
    return taken


def takes_8bit(connection: ClientConnection, message: Outgoing) -> bool:
    """Tell whether octets above 127 may be sent."""
    body = message.parameters.get("BODY")
    return body == "BINARYMIME" or (body != "7BIT" and "8BITMIME" in connection.announced)


def way_of(
    connection: ClientConnection, message: Outgoing, transfer: Transfer
) -> tuple[Mapping[str, Any], bool]:
    """Return how a message goes: the parameters of MAIL, and whether its mail data goes by BDAT.

    Raises:
        LocalProtocolError: it cannot, as `mail_parameters` and `uses_chunks` tell; or it has a bare
            CR or LF, and "strict" refuses them.
        SecurityError: as for `mail_parameters`.
    """
    if message.is_plain and transfer == "auto":
        parameters, chunks = _size_alone(connection, message), False
    else:
        parameters = mail_parameters(connection, message)
        chunks = uses_chunks(connection, message, transfer)
    if connection.line_endings == "strict":
        check_lines(message)
    return parameters, chunks


def _size_alone(connection: ClientConnection, message: Outgoing) -> Mapping[str, Any]:
    """Return the parameters of MAIL for a message that needs nothing of the server."""
    if "SIZE" in connection.announced:
        return Parameters({"SIZE": message.size}, None, True)
    return NO_PARAMETERS


def mail_parameters(connection: ClientConnection, message: Outgoing) -> Mapping[str, Any]:
    """Return the parameters of MAIL that the message needs and the server knows.

    Raises:
        InvalidValueError: it needs one that the server does not know.
        LocalProtocolError: one that a dialogue cannot keep.
        SecurityError: REQUIRETLS, and the server has not shown who it is.
    """
    offered = connection.announced
    parameters: dict[str, Any] = {}
    if message.content is not None and "SIZE" in offered:
        parameters["SIZE"] = message.size
    if message.is_8bit is not False:
        if message.is_8bit and not takes_8bit(connection, message):
            raise no_8bit()
        if "8BITMIME" in offered:
            parameters["BODY"] = "8BITMIME"
    if message.needs_utf8:
        if "SMTPUTF8" not in offered:
            raise InvalidValueError(
                "ASCII in addresses and header expected: the server does not offer SMTPUTF8",
                Violation.NON_ASCII_ADDRESS,
                550,
                "5.6.7",
            )
        parameters["SMTPUTF8"] = None
    if message.parameters:
        _check_given(connection, message.parameters)
        parameters.update(message.parameters)
    return parameters or NO_PARAMETERS


def _check_given(connection: ClientConnection, given: Mapping[str, Any]) -> None:
    if "TRANSID" in given:
        raise LocalProtocolError(
            "TRANSID: a message from its beginning expected, which a resumed one is not "
            "(RFC 1845 3)",
            Violation.LOCAL_VALUE,
        )
    tls = connection.tls
    if "REQUIRETLS" in given and not (tls is not None and tls.peer_verified):
        # RFC 8689 4.2.1: whoever answers would not do.
        raise SecurityError("REQUIRETLS: TLS with a verified certificate expected")


def check_lines(message: Outgoing) -> None:
    """Look for what "strict" refuses, as far as that can be known before MAIL.

    Raises:
        InvalidValueError: a bare CR or LF in a message that is in memory.
    """
    if message.content is None:
        return
    writer = LineEndingWriter("strict", message.parameters.get("BODY") == "BINARYMIME")
    for piece in iter(Octets(message.content), b""):
        writer.write(piece)
    writer.write(b"", last=True)


def uses_chunks(connection: ClientConnection, message: Outgoing, transfer: Transfer) -> bool:
    """Tell whether mail data goes by BDAT.

    Raises:
        LocalProtocolError: it is to, and the server does not offer CHUNKING.
    """
    if transfer == "auto":
        if message.parameters.get("BODY") == "BINARYMIME":
            return True
        content = message.content
        is_large = content is None or len(content) >= _LARGE
        return is_large and "CHUNKING" in connection.announced
    if transfer == "bdat" and "CHUNKING" not in connection.announced:
        raise LocalProtocolError(
            "a server that offers CHUNKING expected for BDAT", Violation.NOT_OFFERED
        )
    return transfer == "bdat"


def no_8bit() -> InvalidValueError:
    """Make the error for octets above 127 that the server does not take, or BODY denies."""
    return InvalidValueError(
        "octets below 128 expected: the server does not offer 8BITMIME or BODY is 7BIT, and only "
        "an EmailMessage that is not signed can be encoded",
        Violation.EIGHT_BIT,
        554,
        "5.6.3",
    )
