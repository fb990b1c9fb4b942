# SPDX-License-Identifier: MIT
"""What SCRAM computes and what a server stores (RFC 5802 3).

Decides the hashes, the keys made from a password, their text form, and the credentials shown for a
user who does not exist. Knows no message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from ..exceptions import InvalidValueError, LocalProtocolError
from ..values import value
from .arguments import check_arguments
from .base import SASLError, hash_available
from .steps import ScramCredentials
from .text import decode_base64, encode_credential

HASHES = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
"""Hash names as mechanisms are named by them, and as hashlib knows them."""

MINIMUM_ITERATIONS = 4096
"""RFC 7677 4 and RFC 5802 5.1."""
MAXIMUM_ITERATIONS = 2_000_000
"""About a second of work; a hostile server would ask for more (RFC 5802 9)."""

_STORED = re.compile(rb"SCRAM-([A-Z0-9-]+)\$([1-9][0-9]{0,9}):([^$:]+)\$([^$:]+):([^$:]+)")


@value
class ScramKeys:
    """The keys both sides work with."""

    client_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return "ScramKeys(...)"


def digest_name(hash_name: str) -> str:
    """Return what hashlib calls a hash of `HASHES`.

    Raises:
        InvalidValueError: unknown, or not available on this system.
    """
    digest = HASHES.get(hash_name)
    if digest is None or not hash_available(digest):
        raise InvalidValueError(f"SCRAM: expected an available hash of {', '.join(HASHES)}")
    return digest


def derive_keys(password: bytes, salt: bytes, iterations: int, digest: str) -> ScramKeys:
    """Make the keys from a password by PBKDF2 (RFC 5802 3); slow on purpose."""
    salted = hashlib.pbkdf2_hmac(digest, password, salt, iterations)
    return ScramKeys(
        hmac.digest(salted, b"Client Key", digest), hmac.digest(salted, b"Server Key", digest)
    )


def xor(left: bytes, right: bytes) -> bytes:
    """Combine two strings of the same length by exclusive or."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def make_scram_credentials(
    password: str | bytes,
    salt: bytes,
    iterations: int,
    hash_name: str = "SHA-256",
    *,
    saslprep: bool = True,
) -> ScramCredentials:
    """Make what a server stores for a user.

    Args:
        password: the password; octets are taken as they are.
        salt: random octets, unlike those of any other user; 16 are usual.
        iterations: rounds of PBKDF2; 4096 or more (RFC 7677 4).
        hash_name: a key of `HASHES`.
        saslprep: prepare a string by SASLprep, as a stored string.

    Raises:
        InvalidValueError: a password SASLprep refuses or that is empty, no salt, no rounds, or an
            unknown hash.
    """
    check_arguments(salt=salt, iterations=iterations, hash_name=hash_name)
    digest = digest_name(hash_name)
    if not salt or not 0 < iterations < 2**31:
        raise InvalidValueError("SCRAM: expected a salt, and 1 to 2147483647 iterations")
    secret = encode_credential(password, "password", prepare=saslprep, stored=True)
    keys = derive_keys(secret, salt, iterations, digest)
    stored_key = hashlib.new(digest, keys.client_key).digest()
    return ScramCredentials(hash_name, iterations, salt, stored_key, keys.server_key)


def check_password(password: str | bytes, credentials: ScramCredentials) -> bool:
    """Tell whether credentials were made from this password: it takes as long as making them.

    Args:
        password: as PLAIN shows it; a string that SASLprep refuses stands for its UTF-8.
        credentials: what is stored for the user, or a decoy.
    """
    check_arguments(stored=credentials)
    octets = password.encode("utf-8", "surrogatepass") if isinstance(password, str) else password
    for form in (password, octets):
        try:
            made = make_scram_credentials(
                form, credentials.salt, credentials.iterations, credentials.hash_name
            )
        except InvalidValueError:
            continue
        return hmac.compare_digest(made.stored_key, credentials.stored_key)
    return False  # empty, or with a NUL: none that a client could send


def decoy_credentials(
    key: bytes, username: str, iterations: int, hash_name: str, salt_length: int = 16
) -> ScramCredentials:
    """Make the credentials shown for a user who does not exist: no proof fits them.

    The salt is the same whenever the same name is tried, so that it tells nothing.

    Args:
        key: secret octets that the server keeps over restarts.
        username: the name tried.
        iterations: as many as real users have.
        hash_name: a key of `HASHES`.
        salt_length: octets of the salt that real users have, at most those of the hash.
    """
    check_arguments(key=key, username=username, iterations=iterations, hash_name=hash_name)
    digest = digest_name(hash_name)
    salt, stored_key, server_key = (
        hmac.digest(key, b"%s\0%s" % (part, username.encode()), digest)
        for part in (b"salt", b"stored key", b"server key")
    )
    return ScramCredentials(hash_name, iterations, salt[:salt_length], stored_key, server_key)


def format_credentials(credentials: ScramCredentials) -> str:
    """Return the text form: ``SCRAM-SHA-256$4096:salt$StoredKey:ServerKey``, in base64."""
    check_arguments(stored=credentials)
    salt, stored_key, server_key = (
        base64.b64encode(part).decode("ascii")
        for part in (credentials.salt, credentials.stored_key, credentials.server_key)
    )
    head = f"SCRAM-{credentials.hash_name}${credentials.iterations}"
    return f"{head}:{salt}${stored_key}:{server_key}"


def parse_credentials(text: str) -> ScramCredentials:
    """Read what `format_credentials` wrote.

    Raises:
        InvalidValueError: it is something else; the text is not in the error.
    """
    check_arguments(text=text)
    credentials = _parsed(text)
    if credentials is None:
        raise InvalidValueError("expected SCRAM-<hash>$<iterations>:<salt>$<StoredKey>:<ServerKey>")
    return credentials


def _parsed(text: str) -> ScramCredentials | None:
    match = _STORED.fullmatch(text.encode("utf-8", "replace"))
    if match is None:
        return None
    hash_name = match.group(1).decode("ascii")
    try:
        size = hashlib.new(digest_name(hash_name)).digest_size
        salt, stored_key, server_key = (decode_base64(part, "") for part in match.group(3, 4, 5))
    except (SASLError, LocalProtocolError):
        return None
    if len(stored_key) != size or len(server_key) != size:
        return None
    return ScramCredentials(hash_name, int(match.group(2)), salt, stored_key, server_key)
