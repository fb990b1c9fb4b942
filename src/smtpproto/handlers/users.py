# SPDX-License-Identifier: MIT
"""Users in memory, as an answer to `on_auth`.

Decides what is done for a user who does not exist: the same work, and the same replies, as for one
whose password was wrong. Of the password file it decides the form. Knows no session.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes, token_urlsafe

from ..dialogues import Peer
from ..exceptions import InvalidValueError
from ..kinds import OCTETS, PATH, Kind, check_kinds, or_none, type_of
from ..sasl import (
    DEFAULT_ORDER,
    FetchPassword,
    FetchScramCredentials,
    Request,
    ScramCredentials,
    VerifyPassword,
    check_password,
    decoy_credentials,
    make_scram_credentials,
    parse_credentials,
    saslprep,
)
from ..sasl.scram_keys import HASHES, MINIMUM_ITERATIONS

Stored = str | ScramCredentials
"""What is kept of a user: the password, or what SCRAM makes of it, from which nobody gets it."""
_SALT = 16
_KINDS: Mapping[str, Kind] = {"key": or_none(OCTETS), "file": PATH}
_BY_PASSWORD = ("PLAIN", "LOGIN")
_SCRAM = tuple(f"SCRAM-{hash_name}" for hash_name in HASHES)


class Users:
    """Answers `on_auth` for a table of users; a handler has it as its ``on_auth``.

    Each acts as itself only. Use `ScramCredentials` of one hash and one number of iterations for
    all: what differs from user to user tells who exists.

    Args:
        users: user name to password or credentials.
        key: secret octets that make up what is shown of who does not exist; random by default, so
            that it changes with every restart.

    Raises:
        InvalidValueError: two names that SASLprep makes one: one user could act as the other; or no
            mapping of names to passwords or credentials; or a key that is not ``bytes``.
    """

    def __init__(self, users: Mapping[str, Stored], *, key: bytes | None = None) -> None:
        _check_table(users)
        check_kinds(_KINDS, {"key": key}, type_of)
        self._users = dict(users)
        # SCRAM prepares names (RFC 5802 5.1), the others do not.
        self._prepared = {_prepared(name): stored for name, stored in users.items()}
        if len(self._prepared) < len(users):
            raise InvalidValueError(
                "users: names expected that differ after SASLprep (RFC 5802 5.1)"
            )
        self._key = key or token_bytes(32)
        self._other = token_urlsafe()
        kept = [stored for stored in users.values() if isinstance(stored, ScramCredentials)]
        self._slowest = max(kept, key=lambda stored: stored.iterations, default=None)
        self._iterations = MINIMUM_ITERATIONS
        self._salt_length = _SALT
        if self._slowest is not None:
            self._iterations = self._slowest.iterations
            self._salt_length = len(self._slowest.salt)
        self._has_passwords = len(kept) < len(users)
        hashes = {f"SCRAM-{stored.hash_name}" for stored in kept}
        self.mechanisms = tuple(
            name
            for name in DEFAULT_ORDER
            if name in _BY_PASSWORD or (name in _SCRAM and hashes <= {name})
        )
        """What all of them can use, which a server offers by default."""

    @classmethod
    def read(cls, file: str | Path) -> Users:
        """Read the users from a file: a line for each, ``name:password``.

        In place of the password there may be what `format_credentials` returns. Empty lines, and
        those that begin with "#", are passed over.

        Args:
            file: its path; the text is UTF-8.

        Raises:
            InvalidValueError: no path, a line that is none of these, or a name for the second time.
            OSError: it cannot be read.
        """
        check_kinds(_KINDS, {"file": file})
        users: dict[str, Stored] = {}
        for number, line in enumerate(_lines(file), 1):
            if not line or line.startswith("#"):
                continue
            name, _, text = line.partition(":")
            stored = _parsed(text)
            if not name or stored is None or name in users:
                raise InvalidValueError(f"line {number}: name:password expected, each name once")
            users[name] = stored
        return cls(users)

    def __call__(self, peer: Peer, request: Request) -> bool | str | ScramCredentials | None:
        """Answer a question; it takes milliseconds, so it is no ``async def``."""
        match request:
            case VerifyPassword(username=username, password=password):
                return self._verify(username, password)
            case FetchScramCredentials(username=username, hash_name=hash_name):
                return self._scram(username, hash_name)
            case FetchPassword(username=username):
                stored = self._users.get(username)
                return stored if isinstance(stored, str) else None
        return None

    def _verify(self, username: str, password: str) -> bool:
        stored = self._users.get(username)
        if isinstance(stored, ScramCredentials):
            kept = stored
        elif self._slowest is None:
            known = isinstance(stored, str)
            return _same(stored or self._other, password) and known
        else:
            kept = self._decoy(username, self._slowest.hash_name)
        is_right = check_password(password, kept)
        return _same(stored, password) if isinstance(stored, str) else is_right

    def _scram(self, username: str, hash_name: str) -> ScramCredentials:
        stored = self._prepared.get(username)
        # The same salt each time, for those who do not exist too (RFC 5802 5.1).
        shown = self._decoy(username, hash_name)
        if self._has_passwords:  # the same work for everybody
            password = stored if isinstance(stored, str) else self._other
            shown = _made(password, shown.salt, self._iterations, hash_name)
        if isinstance(stored, ScramCredentials) and stored.hash_name == hash_name:
            return stored
        return shown

    def _decoy(self, username: str, hash_name: str) -> ScramCredentials:
        return decoy_credentials(
            self._key, username, self._iterations, hash_name, self._salt_length
        )


def _check_table(users: object) -> None:
    """Refuse what is no table of users, and show nothing of it: there are passwords in it."""
    wanted = "users: a mapping of names to passwords or ScramCredentials expected"
    if not isinstance(users, Mapping):
        raise InvalidValueError(f"{wanted}, not {type(users).__name__}")
    for name, stored in users.items():
        if not isinstance(name, str) or not isinstance(stored, Stored):
            kinds = f"{type(name).__name__} to {type(stored).__name__}"
            raise InvalidValueError(f"{wanted}, not {kinds}")


def _lines(file: str | Path) -> list[str]:
    try:
        return Path(file).read_text("utf-8").split("\n")
    except UnicodeDecodeError:  # which holds what it read
        pass
    raise InvalidValueError("UTF-8 expected")


def _parsed(text: str) -> Stored | None:
    """Read what stands behind a name; None for nothing, and for credentials that are none."""
    if not text.startswith("SCRAM-SHA-"):
        return text or None
    try:
        return parse_credentials(text)
    except InvalidValueError:
        return None


def _prepared(name: str) -> str:
    try:
        return saslprep(name)  # as a query, which is what it is held against
    except InvalidValueError:  # by SCRAM nobody can be called so
        return name


def _made(password: str, salt: bytes, iterations: int, hash_name: str) -> ScramCredentials:
    try:
        return make_scram_credentials(password, salt, iterations, hash_name)
    except InvalidValueError:  # SASLprep refuses it: it stands for itself
        return make_scram_credentials(password.encode(), salt, iterations, hash_name)


def _same(one: str, other: str) -> bool:
    # Of the same length, so that the time does not tell the password's.
    digests = (hmac.digest(b"compare", text.encode(), "sha256") for text in (one, other))
    return hmac.compare_digest(*digests)
