# SPDX-License-Identifier: MIT
"""Users in memory: who is let in, and that nobody learns who exists."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from sasl_drive import authenticate, credentials

from smtpproto.dialogues import Peer
from smtpproto.exceptions import InvalidValueError
from smtpproto.handlers import Users
from smtpproto.sasl import (
    AcceptAnonymous,
    Authorize,
    CramMD5Client,
    CramMD5Server,
    FetchPassword,
    FetchScramCredentials,
    LoginClient,
    LoginServer,
    MapCertificate,
    PlainClient,
    PlainServer,
    ScramClient,
    ScramCredentials,
    ScramServer,
    VerifyPassword,
    VerifyToken,
    format_credentials,
    make_scram_credentials,
)

PEER = Peer()
SCRAM = make_scram_credentials("joe's", b"salt", 4096)


def allowed(users: Users, name: str, password: str, by: str = "PLAIN") -> bool:
    client: Any
    server: Any
    if by == "PLAIN":
        client, server = PlainClient(name, password), PlainServer()
    elif by == "LOGIN":
        client, server = LoginClient(name, password), LoginServer()
    elif by == "CRAM-MD5":
        client, server = CramMD5Client(name, password), CramMD5Server(b"<1@x>")
    else:
        client = ScramClient(by, name, password, b"client")
        server = ScramServer(by, b"server", b"key")
    result = authenticate(client, server, lambda request: users(PEER, request))
    assert result.error is None
    assert result.failure is None or result.failure.code == 535
    assert result.success is None or result.success.authzid == name
    return result.success is not None


@pytest.mark.parametrize("stored", ["joe's", SCRAM], ids=["password", "credentials"])
@pytest.mark.parametrize("other", [{}, {"ann": "ann's"}], ids=["alone", "beside a password"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_only_the_right_password(stored: Any, other: dict[str, str], mechanism: str) -> None:
    users = Users({"joe": stored, **other})
    assert mechanism in users.mechanisms
    assert allowed(users, "joe", "joe's", mechanism)
    assert not allowed(users, "joe", "ann's", mechanism)
    assert not allowed(users, "eve", "joe's", mechanism)
    assert allowed(users, "ann", "ann's", mechanism) == bool(other)


def test_cram_md5_needs_the_password() -> None:
    users = Users({"joe": "joe's", "ann": SCRAM})
    assert allowed(users, "joe", "joe's", "CRAM-MD5")
    assert not allowed(users, "ann", "joe's", "CRAM-MD5")
    assert not allowed(users, "eve", "joe's", "CRAM-MD5")


@pytest.mark.parametrize(
    ("users", "mechanisms"),
    [
        ({"joe": "x"}, ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN")),
        ({"joe": SCRAM}, ("SCRAM-SHA-256", "PLAIN", "LOGIN")),
        ({"joe": SCRAM, "ann": "x"}, ("SCRAM-SHA-256", "PLAIN", "LOGIN")),
        (
            {"joe": SCRAM, "ann": make_scram_credentials("x", b"s", 1, "SHA-1")},
            ("PLAIN", "LOGIN"),
        ),
    ],
)
def test_what_all_of_them_can_use(users: Any, mechanisms: tuple[str, ...]) -> None:
    assert Users(users).mechanisms == mechanisms


@pytest.mark.parametrize(
    "table",
    [
        {"joe": "joe's"},
        {"joe": make_scram_credentials("joe's", b"twenty octets of salt", 5000)},
        {"joe": "joe's", "ann": make_scram_credentials("ann's", b"twenty octets of salt", 5000)},
    ],
    ids=["passwords", "credentials", "both"],
)
@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-256"])
def test_what_scram_shows_tells_nobody_who_exists(table: Any, hash_name: str) -> None:
    """RFC 5802 5.1: also for a hash that the user's credentials are not for."""
    users = Users(table)
    shown = []
    for name in ("joe", "eve"):
        answers = [users(PEER, FetchScramCredentials(name, hash_name)) for _ in range(2)]
        assert all(isinstance(answer, ScramCredentials) for answer in answers)
        assert answers[0].salt == answers[1].salt  # type: ignore[union-attr]
        shown.append(answers[0])
    joe, eve = shown
    assert (joe.iterations, len(joe.salt)) == (eve.iterations, len(eve.salt))
    assert joe.salt != eve.salt
    other = Users(table)(PEER, FetchScramCredentials("eve", hash_name))
    assert other.salt != eve.salt  # type: ignore[union-attr]
    again = [Users(table, key=b"k")(PEER, FetchScramCredentials("eve", hash_name)) for _ in "12"]
    assert again[0].salt == again[1].salt  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("table", "work"),
    [
        ({"joe": "joe's"}, (0, 1)),
        ({"joe": SCRAM}, (1, 0)),
        ({"joe": "joe's", "ann": SCRAM}, (1, 1)),
        ({"joe": SCRAM, "ann": "ann's"}, (1, 1)),
    ],
)
def test_the_same_work_for_everybody(
    table: Any, work: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes time is PBKDF2: to check a password, and for SCRAM only where it must be."""
    users = Users(table)
    derive, count = hashlib.pbkdf2_hmac, 0

    def counted(*args: Any) -> bytes:
        nonlocal count
        count += 1
        return derive(*args)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
    for name in ("joe", "eve"):
        for request, expected in (
            (VerifyPassword(name, "wrong"), work[0]),
            (FetchScramCredentials(name, "SHA-256"), work[1]),
        ):
            count = 0
            users(PEER, request)
            assert count == expected


def test_nobody_acts_as_another() -> None:
    users = Users({"joe": "joe's"})
    for authzid in ("", "joe", "ann"):
        result = authenticate(
            PlainClient("joe", "joe's", authzid), PlainServer(), lambda one: users(PEER, one)
        )
        assert (result.success is not None) == (authzid != "ann")
    assert not users(PEER, Authorize("joe", "ann"))


def test_other_questions_are_refused() -> None:
    users = Users({"joe": "joe's"})
    for request in (VerifyToken("joe", "joe's"), MapCertificate("joe"), AcceptAnonymous("joe")):
        assert users(PEER, request) is None


@given(credentials, credentials)
def test_any_name_and_password(name: str, password: str) -> None:
    users = Users({name: password})
    assert users(PEER, VerifyPassword(name, password)) is True
    assert users(PEER, VerifyPassword(name, password + "x")) is False
    assert users(PEER, FetchPassword(name)) == password
    kept = Users({name: make_scram_credentials(password.encode(), b"salt", 1)})
    assert kept(PEER, VerifyPassword(name, password + "x")) is False


def test_names_are_prepared_for_scram() -> None:
    """RFC 4013 2.2: a ligature is its letters, and passwords that it refuses are what they are."""
    users = Users({"\ufb01": "x"})
    assert users(PEER, VerifyPassword("\ufb01", "x")) is True
    assert users(PEER, VerifyPassword("fi", "x")) is False
    result = authenticate(
        ScramClient("SCRAM-SHA-256", "\ufb01", "x", b"client"),
        ScramServer("SCRAM-SHA-256", b"server", b"key"),
        lambda one: users(PEER, one),
    )
    assert result.success is not None
    refused = Users({"\x07": "\x07"})
    assert refused(PEER, VerifyPassword("\x07", "\x07")) is True
    assert isinstance(refused(PEER, FetchScramCredentials("\x07", "SHA-256")), ScramCredentials)


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(
        f"# who may send\n\njoe:joe's: a colon\r\nann:{format_credentials(SCRAM)}\n\u00e9:\u00fc\n",
        "utf-8",
    )
    users = Users.read(file)
    assert users(PEER, VerifyPassword("joe", "joe's: a colon")) is True
    assert users(PEER, VerifyPassword("ann", "joe's")) is True
    assert users(PEER, VerifyPassword("\u00e9", "\u00fc")) is True
    assert users(PEER, VerifyPassword("# who may send", "x")) is False


@pytest.mark.parametrize(
    "text", ["joe", "joe:", ":hush", "joe:SCRAM-SHA-256$hush", "joe:hush\njoe:hush"]
)
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users"
    file.write_text(f"{'#' * 3}\n{text}\n", "utf-8")
    with pytest.raises(InvalidValueError, match=r"line [23]: name:password expected") as info:
        Users.read(file)
    assert "hush" not in f"{info.value} {info.value.__context__}"


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_bytes(b"joe:hush\xff\n")
    with pytest.raises(InvalidValueError, match="UTF-8") as info:
        Users.read(file)
    assert info.value.__context__ is None


def test_nothing_is_shown() -> None:
    assert "hush" not in repr(Users({"joe": "hush"}))


@pytest.mark.parametrize("other", ["\uff41dmin", "admin\u00ad", "adm\u2170n"])
def test_two_names_that_are_one_user(other: str, tmp_path: Path) -> None:
    """RFC 5802 5.1: by SCRAM one would be let in as the other."""
    for names in (["admin", other], [other, "admin"]):
        with pytest.raises(InvalidValueError, match="names expected that differ after SASLprep"):
            Users(dict.fromkeys(names, "secret"))
        file = tmp_path / "users"
        file.write_text("".join(f"{name}:secret\n" for name in names), "utf-8")
        file.chmod(0o600)
        with pytest.raises(InvalidValueError, match="differ after SASLprep"):
            Users.read(file)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["ann"], "list"),
        ("ann:secret", "str"),
        (None, "NoneType"),
        ([("ann", "secret")], "list"),
        ({"ann": b"secret"}, "str to bytes"),
        ({b"ann": "secret"}, "bytes to str"),
        ({"ann": None}, "str to NoneType"),
    ],
)
def test_what_is_no_table_of_users(wrong: Any, told: str) -> None:
    with pytest.raises(InvalidValueError, match=f"users: a mapping of names .*, not {told}$"):
        Users(wrong)
