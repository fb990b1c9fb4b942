# SPDX-License-Identifier: MIT
"""SASL mechanisms for AUTH (RFC 4954), both sides, without I/O.

Decides which names of the folder are public. A mechanism is an object that takes and gives raw
octets; what it needs to know from the application it asks by a `Request`.
"""

from __future__ import annotations

from .anonymous import AnonymousClient, AnonymousServer
from .base import ClientExchange, ClientMechanism, SASLError, ServerExchange, ServerMechanism
from .channel_binding import ChannelBinding, server_end_point
from .choose import DEFAULT_ORDER, Credentials, available, choose, make_client
from .cram_md5 import CramMD5Client, CramMD5Server, cram_md5_challenge
from .external import ExternalClient, ExternalServer
from .login import LoginClient, LoginServer
from .oauth import (
    OAuthBearerClient,
    OAuthBearerServer,
    OAuthError,
    XOAuth2Client,
    XOAuth2Server,
)
from .plain import PlainClient, PlainServer
from .saslprep import saslprep
from .scram import ScramClient, ScramServer
from .scram_keys import (
    check_password,
    decoy_credentials,
    format_credentials,
    make_scram_credentials,
    parse_credentials,
)
from .serving import Offered, ServerMechanisms
from .steps import (
    AcceptAnonymous,
    Authorize,
    Challenge,
    Failure,
    FetchPassword,
    FetchScramCredentials,
    MapCertificate,
    Request,
    ScramCredentials,
    Step,
    Success,
    VerifyPassword,
    VerifyToken,
)

__all__ = [
    "DEFAULT_ORDER",
    "AcceptAnonymous",
    "AnonymousClient",
    "AnonymousServer",
    "Authorize",
    "Challenge",
    "ChannelBinding",
    "ClientExchange",
    "ClientMechanism",
    "CramMD5Client",
    "CramMD5Server",
    "Credentials",
    "ExternalClient",
    "ExternalServer",
    "Failure",
    "FetchPassword",
    "FetchScramCredentials",
    "LoginClient",
    "LoginServer",
    "MapCertificate",
    "OAuthBearerClient",
    "OAuthBearerServer",
    "OAuthError",
    "Offered",
    "PlainClient",
    "PlainServer",
    "Request",
    "SASLError",
    "ScramClient",
    "ScramCredentials",
    "ScramServer",
    "ServerExchange",
    "ServerMechanism",
    "ServerMechanisms",
    "Step",
    "Success",
    "VerifyPassword",
    "VerifyToken",
    "XOAuth2Client",
    "XOAuth2Server",
    "available",
    "check_password",
    "choose",
    "cram_md5_challenge",
    "decoy_credentials",
    "format_credentials",
    "make_client",
    "make_scram_credentials",
    "parse_credentials",
    "saslprep",
    "server_end_point",
]
