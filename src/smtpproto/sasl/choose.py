# SPDX-License-Identifier: MIT
"""Which mechanism a client uses, and how it is made.

Decides the order of strength and what may be sent without TLS. What to do when the server refuses
is not decided here: after a 535 the same password is not to be tried by a weaker mechanism.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from ..exceptions import InvalidValueError
from ..grammar.auth import REVEALING
from ..kinds import FLAG, NUMBER, TEXT, TEXT_OR_OCTETS, Kind, check_fields, of, or_none, type_of
from ..values import value
from .anonymous import AnonymousClient
from .arguments import check_arguments
from .base import ClientMechanism, hash_available
from .channel_binding import ChannelBinding
from .cram_md5 import CramMD5Client
from .external import ExternalClient
from .login import LoginClient
from .oauth import OAuthBearerClient, XOAuth2Client
from .plain import PlainClient
from .scram import ScramClient
from .scram_keys import HASHES


@value
class Credentials:
    """All that a client has to show; nothing but the user name is in the repr.

    Raises:
        InvalidValueError: a field of another type; it is not shown.
    """

    username: str | bytes = ""
    password: str | bytes = ""
    token: str | bytes = ""
    """An OAuth 2.0 access token."""
    authzid: str | bytes = ""
    """Whom to act as, if not `username`."""
    external: bool = False
    """A TLS client certificate, or a lower layer, shows who the client is."""
    trace: str | None = None
    """The trace for ANONYMOUS; None: never anonymous."""
    channel_binding: ChannelBinding | None = None
    """What SCRAM can be bound to."""
    host: str = ""
    """The host name connected to, for OAUTHBEARER."""
    port: int | None = None
    """The port connected to, for OAUTHBEARER."""
    saslprep: bool | None = None
    """Prepare strings by SASLprep; None: SCRAM does, the others do not."""

    def __post_init__(self) -> None:
        check_fields(_KINDS, self, type_of)

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("username", "password", "token", "authzid"), or_none(TEXT_OR_OCTETS)),
    "external": FLAG,
    "trace": or_none(TEXT),
    "channel_binding": or_none(of(ChannelBinding)),
    "host": TEXT,
    "port": or_none(NUMBER),
    "saslprep": or_none(FLAG),
}


def _plain(name: str, credentials: Credentials, nonce: bytes) -> ClientMechanism:
    return PlainClient(
        credentials.username,
        credentials.password,
        credentials.authzid,
        saslprep=bool(credentials.saslprep),
    )


def _login(name: str, credentials: Credentials, nonce: bytes) -> ClientMechanism:
    return LoginClient(
        credentials.username, credentials.password, saslprep=bool(credentials.saslprep)
    )


def _cram_md5(name: str, credentials: Credentials, nonce: bytes) -> ClientMechanism:
    return CramMD5Client(
        credentials.username, credentials.password, saslprep=bool(credentials.saslprep)
    )


def _scram(name: str, credentials: Credentials, nonce: bytes) -> ClientMechanism:
    return ScramClient(
        name,
        credentials.username,
        credentials.password,
        nonce,
        authzid=credentials.authzid,
        channel_binding=credentials.channel_binding,
        saslprep=credentials.saslprep is not False,
    )


def _oauthbearer(name: str, credentials: Credentials, nonce: bytes) -> ClientMechanism:
    return OAuthBearerClient(
        credentials.token,
        credentials.authzid or credentials.username,
        host=credentials.host,
        port=credentials.port,
    )


def _has_password(credentials: Credentials) -> bool:
    return bool(credentials.username and credentials.password)


def _can_bind(credentials: Credentials) -> bool:
    return _has_password(credentials) and credentials.channel_binding is not None


def _has_user_only(credentials: Credentials) -> bool:
    # LOGIN and CRAM-MD5 cannot say whom to act as.
    return _has_password(credentials) and credentials.authzid in ("", credentials.username)


@value
class _Choice:
    applies: Callable[[Credentials], bool]
    make: Callable[[str, Credentials, bytes], ClientMechanism]
    digest: str = ""


_CHOICES: dict[str, _Choice] = {
    "EXTERNAL": _Choice(lambda c: c.external, lambda name, c, nonce: ExternalClient(c.authzid)),
    **{f"SCRAM-{h}-PLUS": _Choice(_can_bind, _scram, digest=HASHES[h]) for h in reversed(HASHES)},
    **{f"SCRAM-{h}": _Choice(_has_password, _scram, digest=HASHES[h]) for h in reversed(HASHES)},
    "OAUTHBEARER": _Choice(lambda c: bool(c.token), _oauthbearer),
    "XOAUTH2": _Choice(
        lambda c: bool(c.token and c.username),
        lambda name, c, nonce: XOAuth2Client(c.username, c.token),
    ),
    "CRAM-MD5": _Choice(_has_user_only, _cram_md5, digest="md5"),
    "PLAIN": _Choice(_has_password, _plain),
    "LOGIN": _Choice(_has_user_only, _login),
    "ANONYMOUS": _Choice(
        lambda c: c.trace is not None, lambda name, c, nonce: AnonymousClient(c.trace or "")
    ),
}

DEFAULT_ORDER: tuple[str, ...] = tuple(_CHOICES)
"""The mechanisms known here, strongest first."""


def available(name: str) -> bool:
    """Tell whether a mechanism of this package works on this system: MD5 may be missing."""
    check_arguments(name=name)
    choice = _CHOICES.get(name.upper())
    return choice is not None and (not choice.digest or hash_available(choice.digest))


def choose(
    offered: Collection[str],
    credentials: Credentials,
    *,
    tls: bool,
    allow_cleartext: bool = False,
    order: Sequence[str] = DEFAULT_ORDER,
) -> list[str]:
    """Return the mechanisms that may be tried, strongest first.

    The next one is for a server that does not support the one before after all (504, 454), never
    for a password that was refused (535).

    Args:
        offered: the names after the AUTH keyword, in any case.
        credentials: what the client has to show.
        tls: the connection is protected.
        allow_cleartext: mechanisms that reveal the password or token may be used without TLS.
        order: the names allowed, strongest first.

    Returns:
        Names of `order`; empty: the client cannot authenticate here. Where SCRAM can be bound to
        the channel, it is left out without -PLUS (RFC 5802 6).

    Raises:
        InvalidValueError: `offered` or `order` is one text, or no collection of texts.
    """
    check_arguments(offered=offered, order=order)
    offers = {name.upper() for name in offered}
    names = [
        name
        for name in order
        if name in offers
        and available(name)
        and _CHOICES[name].applies(credentials)
        and (tls or allow_cleartext or name not in REVEALING)
    ]
    if any(name.endswith("-PLUS") for name in names):
        return [n for n in names if n.endswith("-PLUS") or not n.startswith("SCRAM-")]
    return names


def make_client(name: str, credentials: Credentials, nonce: bytes) -> ClientMechanism:
    """Make a mechanism by its name.

    Args:
        name: one that `choose` returned.
        credentials: what the client has to show.
        nonce: for SCRAM: random visible ASCII characters without a comma, unlike any used before.

    Raises:
        InvalidValueError: the name is not known, or the mechanism refuses the credentials.
    """
    check_arguments(name=name)
    choice = _CHOICES.get(name)
    if choice is None:
        raise InvalidValueError(f"expected one of the mechanisms {', '.join(_CHOICES)}")
    return choice.make(name, credentials, nonce)
