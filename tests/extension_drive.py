# SPDX-License-Identifier: MIT
"""Asks a server and a client about one extension: what is taken, and what is refused and how."""

from __future__ import annotations

from typing import Any

import client_drive
import pytest
import server_drive

from smtpproto import (
    ClientConnection,
    CommandReceived,
    CommandRejected,
    Mail,
    Rcpt,
    Reply,
    ServerConnection,
    TLSInfo,
    extensions,
)
from smtpproto.exceptions import InvalidValueError, LocalProtocolError, Violation
from smtpproto.extensions import Extension

Refusal = tuple[Violation, int, str]


def server(*offered: Extension, authenticated: bool = False, **settings: Any) -> ServerConnection:
    """Return a server in READY that offers these, and under `authenticated` AUTH, too."""
    if authenticated:
        offered = (*offered, extensions.Auth("PLAIN", cleartext=True))
    connection = server_drive.ready(extensions=offered, **settings)
    if authenticated:
        server_drive.talk(connection, server_drive.PLAIN, server_drive.HELLO)
    return connection


def client(*keywords: str, **settings: Any) -> ClientConnection:
    """Return a client in READY to which these lines were announced, and nothing else."""
    connection = client_drive.greeted(**settings)
    client_drive.announce(connection, *keywords)
    return connection


def in_tls() -> dict[str, TLSInfo]:
    return {"tls": TLSInfo()}


def received(connection: ServerConnection, line: str) -> Any:
    """Give the server a line that it takes, and return the command; no reply is sent."""
    event = server_drive.event_of(connection, line.encode() + b"\r\n")
    assert isinstance(event, CommandReceived), event
    return event.command


def rejected(connection: ServerConnection, line: str) -> Refusal:
    """Give the server a line that it refuses, and return how it does."""
    event = server_drive.event_of(connection, line.encode() + b"\r\n")
    assert isinstance(event, CommandRejected), event
    reply = event.default_reply
    connection.send(reply)
    assert reply.enhanced is not None
    return event.violation, reply.code, reply.enhanced


def in_mail(connection: ServerConnection, parameters: str) -> Any:
    """Return the typed parameters of a MAIL that is taken."""
    command = received(connection, f"MAIL FROM:<a@b.example> {parameters}")
    connection.send(Reply(250, "ok"))
    server_drive.talk(connection, b"RSET\r\n")
    assert dict(command.parameters.wire) == as_written(parameters)
    return command.parameters


def in_rcpt(connection: ServerConnection, parameters: str) -> Any:
    """Return the typed parameters of a RCPT that is taken."""
    server_drive.talk(connection, b"RSET\r\nMAIL FROM:<a@b.example>\r\n")
    command = received(connection, f"RCPT TO:<a@b.example> {parameters}")
    connection.send(Reply(250, "ok"))
    assert dict(command.parameters.wire) == as_written(parameters)
    return command.parameters


def as_written(parameters: str) -> dict[str, str | None]:
    pairs = [word.partition("=") for word in parameters.split()]
    return {name.upper(): text if equals else None for name, equals, text in pairs}


def mail_refusal(connection: ServerConnection, parameters: str) -> Refusal:
    return rejected(connection, f"MAIL FROM:<a@b.example> {parameters}")


def rcpt_refusal(connection: ServerConnection, parameters: str) -> Refusal:
    server_drive.talk(connection, b"RSET\r\nMAIL FROM:<a@b.example>\r\n")
    return rejected(connection, f"RCPT TO:<a@b.example> {parameters}")


def mail(**parameters: Any) -> Mail:
    return Mail("a@b.example", {name.replace("_", "-"): v for name, v in parameters.items()})


def rcpt(**parameters: Any) -> Rcpt:
    return Rcpt("a@b.example", parameters)


def written(connection: ClientConnection, command: Mail) -> str:
    """Return the parameters as the client writes them."""
    line = connection.send(command).decode()
    client_drive.answered(connection, b"550 no\r\n")
    return line.removeprefix("MAIL FROM:<a@b.example> ").removesuffix("\r\n")


def local_refusal(connection: ClientConnection, command: Any) -> Refusal:
    """Return how the client refuses to send a command; nothing may have changed."""
    before = (connection.state, connection.outstanding)
    with pytest.raises(LocalProtocolError) as caught:
        connection.send(command)
    assert (connection.state, connection.outstanding) == before
    error = caught.value
    if isinstance(error, InvalidValueError):
        return error.violation, error.code, error.enhanced
    return error.violation, 0, ""


SYNTAX = (Violation.PARAMETER_SYNTAX, 501, "5.5.4")
TWICE = (Violation.PARAMETER_REPEATED, 501, "5.5.4")
NOT_OFFERED = (Violation.PARAMETER_UNKNOWN, 555, "5.5.4")
