# SPDX-License-Identifier: MIT
"""SCRAM with SHA-1, SHA-256 and SHA-512, each with and without channel binding (RFC 5802, 7677).

Decides how the four messages are written, read and checked, and what the channel binding flags
allow. Both sides prove that they know the password; the client is done only when the server has.
Nonces and channel binding data come from the caller.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Generator, Mapping
from typing import Any

from ..exceptions import InvalidValueError, Violation
from .arguments import check_arguments
from .base import ClientExchange, SASLError, ServerExchange
from .channel_binding import ChannelBinding
from .gs2 import GS2Header, parse_gs2, quote_name, unquote_name
from .scram_keys import (
    MAXIMUM_ITERATIONS,
    MINIMUM_ITERATIONS,
    decoy_credentials,
    derive_keys,
    digest_name,
    xor,
)
from .steps import (
    REFUSED,
    Authorize,
    Challenge,
    Failure,
    FetchScramCredentials,
    Request,
    ScramCredentials,
    Success,
)
from .text import decode_base64, decode_text, encode_credential

_NONCE = re.compile(rb"[!-+\--~]+")
_BINDING_NAME = re.compile(r"[A-Za-z0-9.-]+")
_COUNT = re.compile(rb"[1-9][0-9]{0,9}")
_ATTRIBUTE = re.compile(rb"[A-Za-z]=.+", re.DOTALL)
_RESERVED = frozenset("anmrcsipve?")  # "?": not an attribute at all
_ERRORS = frozenset(
    """invalid-encoding extensions-not-supported invalid-proof channel-bindings-dont-match
    server-does-support-channel-binding channel-binding-not-supported
    unsupported-channel-binding-type unknown-user invalid-username-encoding no-resources""".split()
)


class ScramClient(ClientExchange):
    """The client's side of SCRAM.

    Args:
        name: the mechanism, as "SCRAM-SHA-256" or "SCRAM-SHA-256-PLUS".
        username: the user; a string is sent as UTF-8, octets as they are.
        password: the password, likewise.
        nonce: random visible ASCII characters without a comma, unlike any used before.
        authzid: the identity to act as, if it is another.
        channel_binding: what the client can bind to, or None. Needed for -PLUS; without -PLUS it
            tells the server that its offer was not seen (RFC 5802 6).
        saslprep: prepare strings by SASLprep, as RFC 5802 2.2 wants it.
        minimum_iterations: fewer are refused (RFC 7677 4).
        maximum_iterations: more are refused before any is computed (RFC 5802 9).

    Raises:
        InvalidValueError: a credential, nonce, name or binding that cannot be used.
    """

    def __init__(
        self,
        name: str,
        username: str | bytes,
        password: str | bytes,
        nonce: bytes,
        *,
        authzid: str | bytes = "",
        channel_binding: ChannelBinding | None = None,
        saslprep: bool = True,
        minimum_iterations: int = MINIMUM_ITERATIONS,
        maximum_iterations: int = MAXIMUM_ITERATIONS,
    ) -> None:
        super().__init__()
        check_arguments(
            name=name,
            nonce=nonce,
            channel_binding=channel_binding,
            minimum_iterations=minimum_iterations,
            maximum_iterations=maximum_iterations,
        )
        self.name = name
        hash_name, plus = _split_name(name)
        self._digest = digest_name(hash_name)
        self._iterations = range(minimum_iterations, min(maximum_iterations, 2**31 - 1) + 1)
        self._nonce = _checked_nonce(nonce)
        self._username = encode_credential(username, "user name", prepare=saslprep)
        self._password = encode_credential(password, "password", prepare=saslprep, stored=True)
        zid = encode_credential(authzid, "authorization identity") if authzid else b""
        header, data = _bind(channel_binding, plus, zid)
        self._header = header.encode()
        self._binding = self._header + data

    def _exchange(self) -> Generator[bytes | None, bytes, None]:
        bare = b"n=%s,r=%s" % (quote_name(self._username), self._nonce)
        server_first = yield self._header + bare
        nonce, salt, iterations = self._read_server_first(server_first)
        keys = derive_keys(self._password, salt, iterations, self._digest)
        final = b"c=%s,r=%s" % (b64encode(self._binding), nonce)
        signed = b",".join((bare, server_first, final))
        stored_key = hashlib.new(self._digest, keys.client_key).digest()
        proof = xor(keys.client_key, hmac.digest(stored_key, signed, self._digest))
        server_final = yield b"%s,p=%s" % (final, b64encode(proof))
        signature = decode_base64(_attributes(server_final, "v")[0], "server signature")
        if not hmac.compare_digest(signature, hmac.digest(keys.server_key, signed, self._digest)):
            raise SASLError(f"{self.name}: the server has not proved that it knows the password")
        self.done = True
        yield b""

    def _read_server_first(self, message: bytes) -> tuple[bytes, bytes, int]:
        nonce, salt, count = _attributes(message, "rsi")
        fresh = nonce.startswith(self._nonce) and len(nonce) > len(self._nonce)
        if not fresh or not _NONCE.fullmatch(nonce):
            raise SASLError(f"{self.name}: the server's nonce does not extend ours")
        if not _COUNT.fullmatch(count) or int(count) not in self._iterations:
            raise SASLError(
                f"{self.name}: expected {self._iterations.start} to {self._iterations.stop - 1} "
                "iterations"
            )
        return nonce, decode_base64(salt, "salt"), int(count)


class ScramServer(ServerExchange):
    """The server's side of SCRAM; asks `FetchScramCredentials`, and `Authorize` for an authzid.

    Every failure is 535 and looks the same; no ``e=`` is sent (RFC 5802 5.1 leaves it open). A
    user who does not exist is given a salt all the same, and fails at the proof.

    Args:
        name: the mechanism, as "SCRAM-SHA-256" or "SCRAM-SHA-256-PLUS".
        nonce: random visible ASCII characters without a comma, unlike any used before.
        decoy_key: secret octets that make up the salt of unknown users; kept over restarts.
        decoy_iterations: iterations shown for unknown users: as many as real ones have.
        channel_bindings: the data of every type the server can bind to now, by name. Not empty,
            for the mechanism without -PLUS too, if -PLUS was offered: a client that says it saw no
            offer is then refused (RFC 5802 6).
        saslprep: prepare the user name by SASLprep (RFC 5802 5.1).

    Raises:
        InvalidValueError: a nonce or name that cannot be used, -PLUS without a binding, no key.
    """

    reveals_secret = False
    malformed = REFUSED

    def __init__(
        self,
        name: str,
        nonce: bytes,
        decoy_key: bytes,
        *,
        decoy_iterations: int = MINIMUM_ITERATIONS,
        channel_bindings: Mapping[str, bytes] | None = None,
        saslprep: bool = True,
    ) -> None:
        super().__init__()
        check_arguments(
            name=name,
            nonce=nonce,
            decoy_key=decoy_key,
            decoy_iterations=decoy_iterations,
            channel_bindings=channel_bindings,
        )
        self.name = name
        self._hash_name, self._plus = _split_name(name)
        self._digest = digest_name(self._hash_name)
        self._nonce = _checked_nonce(nonce)
        self._bindings = dict(channel_bindings or {})
        if not decoy_key or (self._plus and not self._bindings):
            raise InvalidValueError("SCRAM: expected a decoy key, and for -PLUS a channel binding")
        self._decoy_key = decoy_key
        self._decoy_iterations = decoy_iterations
        self._saslprep = saslprep

    def _exchange(
        self, response: bytes | None
    ) -> Generator[Challenge | Request, Any, Success | Failure]:
        if response is None:
            response = yield Challenge(b"")
        header, head, bare = parse_gs2(response)
        binding = head + self._binding_data(header)
        name, client_nonce = _attributes(bare, "nr")
        username = unquote_name(name, "user name", prepare=self._saslprep)
        if not _NONCE.fullmatch(client_nonce):
            raise SASLError(f"{self.name}: a nonce is visible ASCII without a comma")

        decoy = self._decoy(username)  # made for every user: it takes time
        stored = yield FetchScramCredentials(username, self._hash_name)
        credentials = stored or decoy
        nonce = client_nonce + self._nonce
        salt = b64encode(credentials.salt)
        server_first = b"r=%s,s=%s,i=%d" % (nonce, salt, credentials.iterations)
        response = yield Challenge(server_first)

        final, _, proof = response.rpartition(b",p=")
        if _attributes(final, "cr") != [b64encode(binding), nonce]:
            raise SASLError(f"{self.name}: the channel binding or the nonce does not match")
        signed = b",".join((bare, server_first, final))
        if not self._proved(credentials, signed, decode_base64(proof, "proof")):
            return REFUSED
        authzid = header.authzid.decode() or username
        if authzid != username and not (yield Authorize(username, authzid)):
            return REFUSED
        signature = hmac.digest(credentials.server_key, signed, self._digest)
        return Success(username, authzid, b"v=" + b64encode(signature))

    def _binding_data(self, header: GS2Header) -> bytes:
        if self._plus:
            refused = header.flag != "p" or header.binding not in self._bindings
        else:
            refused = header.flag == "p" or (header.flag == "y" and bool(self._bindings))
        if refused:
            raise SASLError(f"{self.name}: this channel binding flag is not allowed here")
        return self._bindings[header.binding] if self._plus else b""

    def _decoy(self, username: str) -> ScramCredentials:
        return decoy_credentials(self._decoy_key, username, self._decoy_iterations, self._hash_name)

    def _proved(self, credentials: ScramCredentials, signed: bytes, proof: bytes) -> bool:
        signature = hmac.digest(credentials.stored_key, signed, self._digest)
        if len(proof) != len(signature):
            return False
        stored_key = hashlib.new(self._digest, xor(proof, signature)).digest()
        return hmac.compare_digest(stored_key, credentials.stored_key)


def _split_name(name: str) -> tuple[str, bool]:
    """Return the hash's name, no hash's for another family, and whether it is -PLUS."""
    _, _, hash_name = name.partition("SCRAM-")
    return hash_name.removesuffix("-PLUS"), name.endswith("-PLUS")


def _checked_nonce(nonce: bytes) -> bytes:
    if not _NONCE.fullmatch(nonce):
        raise InvalidValueError("SCRAM: a nonce is visible ASCII without a comma")
    return nonce


def _bind(binding: ChannelBinding | None, plus: bool, authzid: bytes) -> tuple[GS2Header, bytes]:
    """Return the client's GS2 header and the data bound (RFC 5802 6)."""
    if not plus:
        return GS2Header("n" if binding is None else "y", authzid=authzid), b""
    if binding is None or not binding.data or not _BINDING_NAME.fullmatch(binding.name):
        raise InvalidValueError("SCRAM: -PLUS needs a channel binding with a name and data")
    return GS2Header("p", binding.name, authzid), binding.data


def _attributes(message: bytes, names: str) -> list[bytes]:
    """Read the values of the attributes a message begins with, in this order.

    What follows are optional extensions, which are ignored; mandatory ones ("m"), and attributes of
    the protocol out of place, are refused (RFC 5802 5.1, 7).

    Raises:
        SASLError: not of this form, or the server's ``e=``.
    """
    text = decode_text(message, "SCRAM message")
    if text.startswith("e="):
        reason = text[2:].partition(",")[0]
        shown = reason if reason in _ERRORS else "other-error"
        raise SASLError(f"SCRAM: the peer gives up: {shown}")
    parts = message.split(b",")
    found = "".join(chr(part[0]) if _ATTRIBUTE.fullmatch(part) else "?" for part in parts)
    if found[: len(names)] != names or not _RESERVED.isdisjoint(found[len(names) :]):
        raise SASLError(
            f"SCRAM: expected the attributes {','.join(names)} and optional extensions",
            Violation.ARGUMENT_SYNTAX,
        )
    return [part[2:] for part in parts[: len(names)]]
