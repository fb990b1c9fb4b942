# SPDX-License-Identifier: MIT
"""8BITMIME, SMTPUTF8, CHUNKING and BINARYMIME as they are declared."""

from __future__ import annotations

import pytest
import server_drive as drive

from smtpproto import InvalidValueError, Leniency, Violation, extensions
from smtpproto.extensions.content import parse_word

EIGHT_BIT = [extensions.EightBitMime()]
CHUNKS = [extensions.Chunking(), extensions.BinaryMime()]
BOTH = [*EIGHT_BIT, *CHUNKS]


@pytest.mark.parametrize(
    ("offered", "value", "code"),
    [
        (EIGHT_BIT, "BODY=7BIT", 250),
        (EIGHT_BIT, "body=8bitMime", 250),
        (EIGHT_BIT, "BODY=BINARYMIME", 504),
        (EIGHT_BIT, "BODY=9BIT", 501),
        (EIGHT_BIT, "BODY", 501),
        (EIGHT_BIT, "BODY=", 501),
        (EIGHT_BIT, "BODY=7BIT BODY=7BIT", 501),
        (EIGHT_BIT, "BODY=8B\u0131TMIME", 501),  # its upper case is BODY=8BITMIME
        (CHUNKS, "BODY=binarymime", 250),
        (CHUNKS, "BODY=7BIT", 250),
        (BOTH, "BODY=BINARYMIME", 250),
        (BOTH[::-1], "BODY=BINARYMIME", 250),
        (BOTH, "BODY=9BIT", 501),
        ([], "BODY=7BIT", 555),
        (EIGHT_BIT, "SMTPUTF8", 555),
        ([*EIGHT_BIT, extensions.SmtpUtf8()], "SMTPUTF8", 250),
        ([*EIGHT_BIT, extensions.SmtpUtf8()], "smtputf8", 250),
        ([*EIGHT_BIT, extensions.SmtpUtf8()], "SMTPUTF8=1", 501),
    ],
)
def test_the_parameters_of_mail(offered: list[extensions.Extension], value: str, code: int) -> None:
    server = drive.ready(extensions=offered)
    outcome = drive.talk(server, f"MAIL FROM:<a@b.example> {value}\r\n".encode())
    assert outcome.codes == [code]


def test_the_value_is_given_in_upper_case() -> None:
    event = drive.event_of(drive.ready(), b"MAIL FROM:<a@b.example> BODY=8bitmime\r\n")
    assert event.command.parameters["BODY"] == "8BITMIME"
    assert event.command.parameters.wire["BODY"] == "8bitmime"


def test_a_word_that_another_extension_allows_is_504() -> None:
    parse = parse_word("A", "B", elsewhere=("C",))
    assert parse("b") == "B"
    for text, code in (("c", 504), ("d", 501), ("", 501)):
        with pytest.raises(InvalidValueError, match="A or B expected") as caught:
            parse(text)
        assert caught.value.violation is Violation.PARAMETER_SYNTAX
        assert (caught.value.code, caught.value.enhanced) == (code, "5.5.4")


@pytest.mark.parametrize(
    ("value", "utf8", "binary"),
    [
        ("", False, False),
        (" SMTPUTF8", True, False),
        (" BODY=BINARYMIME", False, True),
        (" BODY=8BITMIME SIZE=5", False, False),
        (" SMTPUTF8 BODY=BINARYMIME", True, True),
        (" BODY=BINARYMIME SMTPUTF8", True, True),
    ],
)
def test_what_a_transaction_learns_from_mail(value: str, utf8: bool, binary: bool) -> None:
    server = drive.in_mail(f"MAIL FROM:<a@b.example>{value}\r\n".encode())
    transaction = server.transaction
    assert transaction is not None
    assert (transaction.allows_utf8, transaction.is_binary) == (utf8, binary)


def test_a_parameter_that_is_handed_on_unknown_teaches_nothing() -> None:
    leniency = Leniency(unknown_parameters="pass")
    server = drive.ready(extensions=[], leniency=leniency)
    drive.talk(server, b"MAIL FROM:<a@b.example> SMTPUTF8 BODY=BINARYMIME X=1\r\n")
    transaction = server.transaction
    assert transaction is not None
    assert not transaction.allows_utf8
    assert not transaction.is_binary
    assert transaction.mail.parameters["X"] == "1"


def test_what_needs_what() -> None:
    assert extensions.SmtpUtf8().requires == ("8BITMIME",)
    assert extensions.BinaryMime().requires == ("CHUNKING",)
