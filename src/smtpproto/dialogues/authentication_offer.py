# SPDX-License-Identifier: MIT
"""Which mechanisms a server offers, and when.

Decides the default, what is never offered since it cannot work, and which settings would leave
nothing to offer. What an exchange says is `authentication`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from ..extensions import Auth, SessionFacts
from ..sasl import Offered, ServerMechanisms
from .setting_kinds import expected

DEFAULT_MECHANISMS = ("PLAIN", "LOGIN")
"""For a hook that says nothing else: a password can be held against any kind of store."""


class Offer(Auth):
    """AUTH with the mechanisms of a server.

    Args:
        mechanisms: which there are.
        cleartext: offer also without TLS those that reveal the secret.
        is_in_clear: False to offer none without TLS, where all would be answered 530 (RFC 3207 4):
            what cannot be had without encryption is not announced (RFC 4954 6).
    """

    def __init__(
        self, mechanisms: ServerMechanisms, cleartext: bool = False, is_in_clear: bool = True
    ) -> None:
        super().__init__(*mechanisms.names, cleartext=cleartext)
        self._is_in_clear = is_in_clear
        self._own = mechanisms.own
        self._revealing = mechanisms.revealing

    def is_usable(self, name: str, facts: SessionFacts) -> bool:
        """Tell whether the mechanism `name` may be announced now."""
        tls = facts.tls
        if tls is None and not self._is_in_clear:
            return False
        if name not in self._own:
            if name == "EXTERNAL":  # RFC 4422 A.1: there is something external to go by
                return tls is not None and tls.peer_verified
            if name.endswith("-PLUS"):
                return tls is not None and bool(tls.channel_bindings)
        return self.cleartext or tls is not None or name not in self._revealing


def mechanisms_of(
    handler: Any,
    auth: Iterable[Offered] | None,
    *,
    is_known: bool,
    host: str,
    random: Callable[[int], bytes],
) -> ServerMechanisms | None:
    """Return the mechanisms that a server offers, None for no AUTH.

    Args:
        handler: the handler, or its class.
        auth: what the server was told; None: what the hook says of itself, or the default.
        is_known: False when the handler is made later, by a function.
        host: the server's name.
        random: see `ServerMechanisms`.

    Raises:
        LocalProtocolError: mechanisms without the hook, or names that there are not.
    """
    hook = getattr(handler, "on_auth", None) if is_known else None
    if auth is None:
        auth = getattr(hook, "mechanisms", DEFAULT_MECHANISMS) if hook is not None else ()
    mechanisms = ServerMechanisms(auth, host=host, random=random)
    if not mechanisms.names:
        return None
    if is_known and hook is None:
        raise expected("auth: a handler with the hook on_auth expected: without it nobody gets in")
    return mechanisms


def check_offer(offer: Offer | None, *, has_tls: bool, require_auth: bool) -> None:
    """Refuse settings by which nobody could ever authenticate.

    Raises:
        LocalProtocolError: they are such.
    """
    if offer is None:
        if require_auth:
            raise expected("require_auth: a handler with on_auth, or auth, expected too")
    elif not has_tls and offer.announcement(_CLEAR) is None:
        raise expected(
            f"auth: tls expected, since without it {' '.join(offer.mechanisms)} would not be "
            "offered; or pass auth_cleartext=True to let passwords be read on the way, or auth=() "
            "for no AUTH"
        )


class _Clear:
    """A session without TLS, before anything was said."""

    tls = None
    is_authenticated = False
    transaction = None
    announced: Mapping[str, Any] = MappingProxyType({})
    memory: ClassVar[dict[str, Any]] = {}
    mail_data_limit = None
    claimed: Mapping[str, Any] = MappingProxyType({})


_CLEAR = _Clear()
