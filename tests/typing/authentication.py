# SPDX-License-Identifier: MIT
"""What a type checker sees of AUTH in a server: mypy reads this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, assert_type

from smtpproto.blocking import Peer, Server, serve
from smtpproto.handlers import Users
from smtpproto.sasl import (
    Challenge,
    Failure,
    FetchPassword,
    FetchScramCredentials,
    OAuthBearerServer,
    OAuthError,
    PlainServer,
    Request,
    ScramCredentials,
    ServerExchange,
    ServerMechanism,
    Success,
    VerifyPassword,
    VerifyToken,
    check_password,
    decoy_credentials,
)
from smtpproto.values import value


class Hook:
    """Answers by the type of the question."""

    def on_auth(self, peer: Peer, request: Request) -> bool | str | ScramCredentials | None:
        assert_type(peer.mechanism, str | None)
        assert_type(peer.identity, str | None)
        stored = decoy_credentials(b"key", "joe", 4096, "SHA-256")
        match request:
            case VerifyPassword(username=username, password=password, authzid=authzid):
                assert_type(username, str)
                assert_type(authzid, str)
                return check_password(password, stored)
            case FetchScramCredentials(hash_name=hash_name):
                assert_type(hash_name, str)
                return stored
            case VerifyToken(token=token, port=port):
                assert_type(token, str)
                assert_type(port, int | None)
                return "joe"
            case FetchPassword():
                return "secret"
        return None


class Table:
    """Has a table for a hook."""

    on_auth = Users({"joe": "secret", "ann": decoy_credentials(b"key", "ann", 4096, "SHA-256")})


@value
class FindTicket(Request):
    """A question of one's own."""

    answers = (str, type(None))
    ticket: bytes


class TicketServer(ServerExchange):
    """A mechanism of one's own."""

    name = "X-TICKET"
    reveals_secret = False

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:
            response = yield Challenge(b"NTLM supported", is_raw=True)
        identity: str | None = yield FindTicket(response)
        return Success(identity, identity) if identity else Failure(535, "5.7.8", "no")


def oauth() -> ServerMechanism:
    """Make a mechanism with settings of its own."""
    return OAuthBearerServer(OAuthError(scope="mail"))


def servers() -> list[Server]:
    """Make servers."""
    return [
        serve(Hook(), auth=["SCRAM-SHA-256", "PLAIN"], require_auth=True, auth_cleartext=True),
        serve(Hook(), auth=[TicketServer, oauth, lambda: PlainServer(saslprep=True), "LOGIN"]),
        serve(Table(), auth=()),
        serve(Table(), auth=None),
    ]
