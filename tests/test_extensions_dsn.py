# SPDX-License-Identifier: MIT
"""RET, ENVID, NOTIFY and ORCPT in both roles."""

from __future__ import annotations

from typing import Any

import extension_drive as drive
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import extensions
from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.extensions import Dsn, EnvelopeId, OriginalRecipient
from smtpproto.extensions.dsn import (
    encode_envelope_id,
    encode_original_recipient,
    parse_envelope_id,
    parse_original_recipient,
)


def server() -> Any:
    return drive.server(Dsn(), extensions.EightBitMime(), extensions.SmtpUtf8())


MAIL = [
    ("RET=FULL", {"RET": "FULL"}),
    ("ret=hdrs", {"RET": "HDRS"}),
    ("ENVID=QQ314159", {"ENVID": EnvelopeId("QQ314159")}),
    ("ENVID=a+20b", {"ENVID": EnvelopeId("a b")}),
    ("ENVID=a+2bb", {"ENVID": EnvelopeId("a+b")}),
    ("RET=HDRS ENVID=x+3D", {"RET": "HDRS", "ENVID": EnvelopeId("x=")}),
    ("ENVID=" + "x" * 100, {"ENVID": EnvelopeId("x" * 100)}),
]


@pytest.mark.parametrize(("text", "values"), MAIL)
def test_mail_is_received_typed(text: str, values: dict[str, Any]) -> None:
    assert drive.in_mail(server(), text) == values


@pytest.mark.parametrize(
    "text",
    [
        *("RET=BODY", "RET", "RET=", "RET=FULL,HDRS", "RET=FULL RET=HDRS"),
        *("ENVID=a=b", "ENVID=a+2", "ENVID=+00", "ENVID=+0D+0A", "ENVID=+7F", "ENVID=+80", "ENVID"),
        *("ENVID=" + "x" * 101, "ENVID=" + "+20" * 34, "ENVID=\u00e9", "ENVID=a ENVID=b"),
    ],
)
def test_bad_mail(text: str) -> None:
    expected = drive.TWICE if text.count("=") == 2 and "a=b" not in text else drive.SYNTAX
    assert drive.mail_refusal(server(), text) == expected


RCPT = [
    ("NOTIFY=SUCCESS,FAILURE", {"NOTIFY": ("SUCCESS", "FAILURE")}),
    ("NOTIFY=FAILURE,SUCCESS", {"NOTIFY": ("FAILURE", "SUCCESS")}),
    ("notify=never", {"NOTIFY": ("NEVER",)}),
    ("NOTIFY=DELAY", {"NOTIFY": ("DELAY",)}),
    ("ORCPT=rfc822;a+2Bb@example.com", {"ORCPT": OriginalRecipient("rfc822", "a+b@example.com")}),
    ("ORCPT=rfc822;a@b", {"ORCPT": OriginalRecipient("rfc822", "a@b")}),
    ("ORCPT=RFC822;A@b", {"ORCPT": OriginalRecipient("RFC822", "A@b")}),
    ("ORCPT=x400;/S=a".replace("=a", "+3Da"), {"ORCPT": OriginalRecipient("x400", "/S=a")}),
    ("ORCPT=rfc822;a;b", {"ORCPT": OriginalRecipient("rfc822", "a;b")}),
    (r"ORCPT=utf-8;\x{E9}@x", {"ORCPT": OriginalRecipient("utf-8", "\u00e9@x")}),
    (r"ORCPT=UTF-8;\x{e9}\x{5C}\x{2B}\x{3D}", {"ORCPT": OriginalRecipient("UTF-8", "\u00e9\\+=")}),
    (r"ORCPT=utf-8;\x{10FFFF}", {"ORCPT": OriginalRecipient("utf-8", "\U0010ffff")}),
    ("ORCPT=rfc822;" + "x" * 493, {"ORCPT": OriginalRecipient("rfc822", "x" * 493)}),
]


@pytest.mark.parametrize(("text", "values"), RCPT)
def test_rcpt_is_received_typed(text: str, values: dict[str, Any]) -> None:
    assert drive.in_rcpt(server(), text) == values


def test_raw_utf8_in_orcpt() -> None:
    connection = server()
    drive.received(connection, "MAIL FROM:<a@b.example> SMTPUTF8")
    connection.send(drive.Reply(250, "ok"))
    command = drive.received(connection, "RCPT TO:<a@b.example> ORCPT=utf-8;\u00e9@x")
    assert command.parameters["ORCPT"] == OriginalRecipient("utf-8", "\u00e9@x")
    assert encode_original_recipient(command.parameters["ORCPT"]) == r"utf-8;\x{E9}@x"


@pytest.mark.parametrize(
    "text",
    [
        *("NOTIFY=NEVER,DELAY", "NOTIFY=DELAY,NEVER", "NOTIFY=", "NOTIFY", "NOTIFY=FOO"),
        *("NOTIFY=SUCCESS,", "NOTIFY=,SUCCESS", "NOTIFY=SUCCESS,,DELAY", "NOTIFY=NEVER,NEVER"),
        *("NOTIFY=\u017fUCCESS", "NOTIFY=SUCCESS;DELAY"),
        *("ORCPT=a@b", "ORCPT=rfc822;", "ORCPT=;a@b", "ORCPT=", "ORCPT", "ORCPT=rfc 822;a"),
        *("ORCPT=rfc@822;a", "ORCPT=rfc822;a+2", "ORCPT=rfc822;+00", "ORCPT=rfc822;+E9"),
        *("ORCPT=rfc822;\u00e9", "ORCPT=rfc822;" + "x" * 494, r"ORCPT=utf-8;\x{D800}"),
        *("ORCPT=utf-8;a+2Bb", r"ORCPT=utf-8;\x{110000}", r"ORCPT=utf-8;\x{FFFFFF}"),
        *(r"ORCPT=utf-8;\x{9}", r"ORCPT=utf-8;\x{1234567}", r"ORCPT=utf-8;\x{0D}", "ORCPT=utf-8;"),
        *("ORCPT=utf-8;\\", r"ORCPT=utf-8;\x41", r"ORCPT=utf-8;\x{41"),
    ],
)
def test_bad_rcpt(text: str) -> None:
    assert drive.rcpt_refusal(server(), text) == drive.SYNTAX


@pytest.mark.parametrize("text", ["NOTIFY=DELAY NOTIFY=NEVER", "ORCPT=a;b ORCPT=a;b"])
def test_rcpt_twice(text: str) -> None:
    assert drive.rcpt_refusal(server(), text) == drive.TWICE


def test_the_client_writes_what_it_is_given() -> None:
    client = drive.client("DSN")
    assert drive.written(client, drive.mail(RET="HDRS", ENVID=EnvelopeId("a b+"))) == (
        "RET=HDRS ENVID=a+20b+2B"
    )
    assert drive.written(client, drive.mail(RET="full", ENVID="a+20b")) == "RET=full ENVID=a+20b"
    for wrong in (
        drive.mail(RET="BODY"),
        drive.mail(RET=5),
        drive.mail(ENVID="a+2"),
        drive.mail(ENVID=b"a"),
    ):
        assert drive.local_refusal(client, wrong) == drive.SYNTAX
    client.send(drive.mail())
    assert client.outstanding
    drive.client_drive.answered(client, b"250 ok\r\n")
    sent = client.send(
        drive.rcpt(NOTIFY=("DELAY", "FAILURE"), ORCPT=OriginalRecipient("utf-8", "a+\u00e9@x"))
    )
    assert sent == b"RCPT TO:<a@b.example> NOTIFY=DELAY,FAILURE ORCPT=utf-8;a\\x{2B}\\x{E9}@x\r\n"
    drive.client_drive.answered(client, b"250 ok\r\n")
    for bad in (("NEVER", "DELAY"), (), ("delay", "x"), 5):
        assert drive.local_refusal(client, drive.rcpt(NOTIFY=bad)) == drive.SYNTAX


@pytest.mark.parametrize("bad", ["", "\u00e9", "\r\n", "\0", "x" * 101, " " * 34])
def test_no_envelope_id(bad: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        EnvelopeId(bad)
    assert caught.value.violation is Violation.PARAMETER_SYNTAX
    assert str(EnvelopeId("a b")) == "a b"


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("", "a"),
        ("a;b", "a"),
        ("a b", "a"),
        ("rfc822", ""),
        ("utf-8", ""),
        ("rfc822", "a\r\n"),
        ("utf-8", "a\r\n"),
        ("utf-8", "\ud800"),
        ("utf-8", "\u00e9" * 83),
        ("rfc822", "x" * 494),
    ],
)
def test_no_original_recipient(kind: str, address: str) -> None:
    with pytest.raises(InvalidValueError):
        OriginalRecipient(kind, address)


printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=33)


@given(printable)
def test_envid_there_and_back(text: str) -> None:
    value = EnvelopeId(text)
    assert parse_envelope_id(encode_envelope_id(value)) == value


@given(st.sampled_from(["rfc822", "utf-8", "Utf-8", "unknown"]), printable)
def test_orcpt_there_and_back(kind: str, address: str) -> None:
    value = OriginalRecipient(kind, address)
    assert parse_original_recipient(encode_original_recipient(value)) == value


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("+=\\ \u0085"),
        min_size=1,
        max_size=50,
    )
)
def test_utf8_orcpt_there_and_back(address: str) -> None:
    value = OriginalRecipient("utf-8", address)
    text = encode_original_recipient(value)
    assert text.isascii()
    assert not set(text) & set(" +=")
    assert parse_original_recipient(text) == value


def test_postfix_writes_rfc822_for_a_utf8_address() -> None:
    text = "rfc822;gr+C3+BC+C3+9Fe@b+C3+BCcher.example"
    recipient = parse_original_recipient(text)
    assert recipient == OriginalRecipient("rfc822", "gr\u00fc\u00dfe@b\u00fccher.example")
    assert encode_original_recipient(recipient) == text
    for bad in ("rfc822;+FF", "rfc822;+C3", "rfc822;+ED+A0+80"):
        with pytest.raises(InvalidValueError):
            parse_original_recipient(bad)
