# SPDX-License-Identifier: MIT
"""Which mechanisms a server offers, and how each is made anew for each exchange.

Decides what every exchange gets that must not be used twice, and what the exchanges of one server
have in common. When a mechanism may be offered is not decided here. Random octets come from the
caller.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from ..exceptions import LocalProtocolError, Violation, shown
from ..kinds import FUNCTION, TEXT, Kind, check_kinds, each, wrong
from .anonymous import AnonymousServer
from .base import ServerMechanism
from .choose import DEFAULT_ORDER, available
from .cram_md5 import CramMD5Server, cram_md5_challenge
from .external import ExternalServer
from .login import LoginServer
from .oauth import OAuthBearerServer, XOAuth2Server
from .plain import PlainServer
from .scram import ScramServer

Offered: TypeAlias = str | Callable[[], ServerMechanism]
"""A name of `DEFAULT_ORDER`, or what makes a mechanism of one's own: a class, say."""
_SIMPLE: Mapping[str, Callable[[], ServerMechanism]] = {
    "ANONYMOUS": AnonymousServer,
    "EXTERNAL": ExternalServer,
    "LOGIN": LoginServer,
    "OAUTHBEARER": OAuthBearerServer,
    "PLAIN": PlainServer,
    "XOAUTH2": XOAuth2Server,
}
_KEY = 32
_NONCE = 18
"""Octets: 144 bits, and a multiple of three, so that base64 has no "=" at its end."""
_NO_BINDING = {"none": b"\0"}
"""Stands for a channel binding where a mechanism is made and not used."""


MECHANISM: Kind = (
    "mechanisms, as names or what makes one,",
    lambda one: isinstance(one, str) or callable(one),
)
_KINDS: Mapping[str, Kind] = {"auth": each(MECHANISM), "host": TEXT, "random": FUNCTION}
_SHAPE = ("name", "reveals_secret", "step", "answer")


class ServerMechanisms:
    """The mechanisms that a server offers.

    Args:
        offered: names and factories, in the order in which they are announced. A name that does
            not work on this system is left out (see `available`). A factory is called once now,
            and then for each exchange.
        host: the server's name, for the challenge of CRAM-MD5.
        random: returns that many unpredictable octets; SCRAM and CRAM-MD5 are only as good as they
            are.

    Raises:
        LocalProtocolError: an unknown name, or what is neither a name nor makes a mechanism.
    """

    def __init__(
        self, offered: Iterable[Offered], *, host: str, random: Callable[[int], bytes]
    ) -> None:
        if isinstance(offered, str):
            offered = (offered,)
        elif isinstance(offered, Iterable):
            offered = tuple(offered)
        check_kinds(_KINDS, {"auth": offered, "host": host, "random": random})
        self._host = host
        self._random = random
        self._decoy_key = random(_KEY)
        makers: dict[str, Callable[[], ServerMechanism] | None] = {}
        for one in offered:
            if not isinstance(one, str):
                makers[_made_by(one).name.upper()] = one
            elif one.upper() not in DEFAULT_ORDER:
                raise LocalProtocolError(
                    f"auth: one of {', '.join(DEFAULT_ORDER)} expected, not {shown(one)}",
                    Violation.LOCAL_VALUE,
                )
            elif available(one):
                makers[one.upper()] = None
        self._makers = makers
        self.names = tuple(makers)
        """Upper case, in their order."""
        self.own = frozenset(name for name in makers if makers[name])
        """Those of a factory."""
        self._binds = any(name.endswith("-PLUS") for name in makers)
        self.revealing = frozenset(
            name for name in makers if self.make(name, _NO_BINDING).reveals_secret
        )
        """Those that show a password or token to whoever reads along."""

    def make(self, name: str, channel_bindings: Mapping[str, bytes]) -> ServerMechanism:
        """Make the server's side of one exchange.

        Args:
            name: one of `names`.
            channel_bindings: what SCRAM can be bound to on this connection.
        """
        make = self._makers[name] or _SIMPLE.get(name)
        if make is not None:
            return make()
        if name == "CRAM-MD5":
            number, timestamp = (int.from_bytes(self._random(size)) for size in (8, 4))
            return CramMD5Server(cram_md5_challenge(number, timestamp, self._host))
        return ScramServer(
            name,
            b64encode(self._random(_NONCE)),
            self._decoy_key,
            # Without -PLUS too: whoever says that it saw no offer is then refused (RFC 5802 6).
            channel_bindings=channel_bindings if self._binds else None,
        )


def _made_by(make: Callable[[], ServerMechanism]) -> ServerMechanism:
    made = make()
    if not all(hasattr(made, name) for name in _SHAPE):
        raise wrong("auth", f"what makes an object with {', '.join(_SHAPE)}", made)
    return made
