# SPDX-License-Identifier: MIT
"""AUTH as it is declared: which mechanisms are announced, and the parameter of MAIL."""

from __future__ import annotations

import pytest
import server_drive as drive

from smtpproto import InvalidValueError, Path, TLSInfo, extensions
from smtpproto.extensions.auth import Auth
from smtpproto.grammar.auth import REVEALING
from smtpproto.sasl import DEFAULT_ORDER, ChannelBinding, Credentials, ServerMechanisms, choose

ALL = ("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "SCRAM-SHA-256", "EXTERNAL")


def test_what_reveals_the_secret_is_announced_under_tls_only() -> None:
    auth = Auth(*ALL)
    assert auth.announcement(drive.new()) == "CRAM-MD5 SCRAM-SHA-256 EXTERNAL"
    assert auth.announcement(drive.new(tls=TLSInfo())) == " ".join(ALL)
    assert set(ALL[:4]) == REVEALING
    assert Auth(*ALL, cleartext=True).announcement(drive.new()) == " ".join(ALL)


def test_core_and_both_sides_of_sasl_agree_on_what_reveals_the_secret() -> None:
    mechanisms = ServerMechanisms(DEFAULT_ORDER, host="mx.example.org", random=bytes)
    assert mechanisms.revealing == REVEALING
    binding = ChannelBinding("tls-server-end-point", b"x")
    for bound in (binding, None):
        everything = Credentials("ann", "secret", "token", "", True, "trace", bound)
        under_tls = choose(DEFAULT_ORDER, everything, tls=True)
        in_clear = choose(DEFAULT_ORDER, everything, tls=False)
        assert set(under_tls) - set(in_clear) == REVEALING


def test_names_are_made_upper_case_and_checked() -> None:
    assert Auth("plain").mechanisms == ("PLAIN",)
    for name in ("", "a b", "x" * 21, "a\r\n"):
        with pytest.raises(InvalidValueError):
            Auth(name)


def test_nothing_is_announced_without_mechanisms() -> None:
    assert Auth().announcement(drive.new(tls=TLSInfo())) is None


@pytest.mark.parametrize(
    ("texts", "mechanisms"),
    [
        (("PLAIN login",), ("PLAIN", "LOGIN")),
        (("PLAIN LOGIN", "LOGIN  CRAM-MD5"), ("PLAIN", "LOGIN", "CRAM-MD5")),
        (("",), ()),
    ],
)
def test_what_is_announced(texts: tuple[str, ...], mechanisms: tuple[str, ...]) -> None:
    assert Auth().parse_announcement(texts) == mechanisms


@pytest.mark.parametrize(
    ("text", "path"),
    [("<>", ""), ("a@b.example", "a@b.example"), ("e+3Dmc2@b.example", "e=mc2@b.example")],
)
def test_the_parameter_of_mail(text: str, path: str) -> None:
    (parameter,) = Auth.mail_parameters
    assert parameter.parse is not None
    assert parameter.parse(text) == Path(path)
    assert parameter.encode(Path(path)) == text


@pytest.mark.parametrize("text", ["+zz", "nobody", "a@", "+C3+28@b.example", "+0D+0A@b.example"])
def test_a_bad_parameter_of_mail(text: str) -> None:
    (parameter,) = Auth.mail_parameters
    assert parameter.parse is not None
    with pytest.raises(InvalidValueError, match="mailbox in xtext") as caught:
        parameter.parse(text)
    assert (caught.value.code, caught.value.enhanced) == (501, "5.5.4")


def test_all_known_extensions_can_be_offered_at_once() -> None:
    server = drive.ready(extensions=extensions.KNOWN)
    known = {extension.keyword for extension in extensions.KNOWN}
    everyday = {extension.keyword for extension in drive.EVERYTHING}
    # Without mechanisms there is no AUTH to offer.
    assert everyday - {"AUTH"} <= set(server.keywords) <= known - {"AUTH"}
