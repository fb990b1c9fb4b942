# SPDX-License-Identifier: MIT
"""Replies, put together from lines and written as lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import check_replies, read_replies
from strategies import grammar_octets, line_text

from smtpproto.exceptions import (
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    Violation,
)
from smtpproto.grammar import abnf
from smtpproto.grammar.replies import DEFAULT_STATUS, Reply, ReplyParser, encode_reply
from smtpproto.limits import Limits

BOTH_WAYS = [
    (b"250 \r\n", Reply(250)),
    (b"250 ok\r\n", Reply(250, "ok")),
    (b"250 2.1.5 ok\r\n", Reply(250, "ok", "2.1.5")),
    (b"250 2.1.5 \r\n", Reply(250, "", "2.1.5")),
    (b"250-a\r\n250-\r\n250 c\r\n", Reply(250, ("a", "", "c"))),
    (b"550-5.7.1 a\r\n550-5.7.1 \r\n550 5.7.1 b\r\n", Reply(550, ["a", "", "b"], "5.7.1")),
    (b"354 end with .\r\n", Reply(354, "end with .")),
    (b"200 x\r\n", Reply(200, "x")),
    (b"599 x\r\n", Reply(599, "x")),
    (b"260 ok\r\n", Reply(260, "ok")),
    (b"250  two spaces\r\n", Reply(250, " two spaces")),
    (b"250 \xc3\xa9\xff\r\n", Reply(250, "\u00e9\udcff")),
    (b"250 a\xe2\x80\xa8b\x0bc\x85\r\n", Reply(250, "a\u2028b\vc\udc85")),
    (b"250-2.1.5 a\r\n250 b\r\n", Reply(250, ("2.1.5 a", "b"))),
    (b"250-a\r\n250 2.1.5 b\r\n", Reply(250, ("a", "2.1.5 b"))),
    (b"250-2.1.5 a\r\n250 2.1.6 b\r\n", Reply(250, ("2.1.5 a", "2.1.6 b"))),
    (b"250-2.1.5 a\r\n250 2.1.50 b\r\n", Reply(250, ("2.1.5 a", "2.1.50 b"))),
    (b"250 5.1.1 a\r\n", Reply(250, "5.1.1 a")),
    (b"250 2.1.5x\r\n", Reply(250, "2.1.5x")),
    (b"250 2.1.5\ta\r\n", Reply(250, "2.1.5\ta")),
    (b"250 2.1\r\n", Reply(250, "2.1")),
    (b"250 2.1.1234 a\r\n", Reply(250, "2.1.1234 a")),
    (b"334 2.1.5 a\r\n", Reply(334, "2.1.5 a")),
]


@pytest.mark.parametrize(("octets", "reply"), BOTH_WAYS)
def test_both_ways(octets: bytes, reply: Reply) -> None:
    lines = octets.split(b"\r\n")[:-1]
    assert read_replies(lines) == [reply]
    assert reply.encode() == octets
    check_replies(octets)


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"250\r\n", Reply(250)),
        (b"250\tok\r\n", Reply(250, "ok")),
        (b"250-\r\n250\r\n", Reply(250, ("", ""))),
        (b"250 2.1.5\r\n", Reply(250, "", "2.1.5")),
        (b"250-a\r\n250\tb\r\n", Reply(250, ("a", "b"))),
    ],
)
def test_read_but_never_written(octets: bytes, reply: Reply) -> None:
    assert read_replies(octets.split(b"\r\n")[:-1]) == [reply]
    assert reply.encode() != octets
    check_replies(octets)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"",
            b"ok",
            b"25",
            b"25 ok",
            b"2500",
            b"2500 ok",
            b"250ok",
            b"250_ok",
            b" 250 ok",
            b"250:ok",
        ),
        *(
            b"050 a",
            b"150 a",
            b"190 a",
            b"600 a",
            b"650 a",
            b"999 a",
            b"-250 a",
            b"+25 a",
            b"2_0 a",
            b"2 0 a",
        ),
        *(
            b"\xb2\xb5\xb0 ok",
            b"\xd9\xa2\xd9\xa5\xd9\xa0 ok",
            b"25\xb2 ok",
            b"abc ok",
            b"2.5 ok",
            b"\xff",
        ),
        *(b"250 a\rb", b"250 a\nb", b"250 a\0b", b"250 a\r", b"250\n", b"250-a\n250 b", b"\n250 a"),
    ],
)
def test_no_reply_line(line: bytes) -> None:
    """It is the peer's error, in a line between as in the first one."""
    for before in ([], [b"250-a"]):
        parser = ReplyParser(Limits())
        for good in before:
            assert parser.feed(good) is None
        with pytest.raises(RemoteProtocolError) as caught:
            parser.feed(line)
        assert caught.value.violation is Violation.REPLY_SYNTAX
        assert "'250 ok' expected, not " in str(caught.value)
        assert str(caught.value).isprintable()
    check_replies(line + b"\r\n")


def test_codes_that_differ() -> None:
    parser = ReplyParser(Limits())
    parser.feed(b"250-a")
    with pytest.raises(RemoteProtocolError, match="not 250 and 251") as caught:
        parser.feed(b"251 b")
    assert caught.value.violation is Violation.REPLY_SYNTAX


@pytest.mark.parametrize(("octets", "reply"), BOTH_WAYS)
def test_another_reply_is_made_of_one(octets: bytes, reply: Reply) -> None:
    """As of any value."""
    [received] = read_replies(octets.split(b"\r\n")[:-1])
    assert replace(received) == eval(repr(received)) == reply
    assert replace(received, code=550, enhanced=None) == Reply(550, reply.lines)
    with pytest.raises(InvalidValueError):
        replace(received, lines="a\nb")


def test_within_a_reply() -> None:
    parser = ReplyParser(Limits())
    assert not parser.is_within_reply
    assert parser.feed(b"250-a") is None
    assert parser.is_within_reply
    assert parser.feed(b"250 b") == Reply(250, ("a", "b"))
    assert not parser.is_within_reply
    assert parser.feed(b"550 c") == Reply(550, "c")


def test_caps() -> None:
    """They are on the reply, not on its last line."""
    parser = ReplyParser(Limits(reply_lines=3, reply=30))
    for _ in range(2):
        for line in (b"250-a", b"250-b"):
            assert parser.feed(line) is None
        assert parser.feed(b"250 c") == Reply(250, ("a", "b", "c"))
    assert parser.feed(b"250 " + b"x" * 24) == Reply(250, "x" * 24)
    for lines in (
        [b"250-a"] * 3 + [b"250 a"],
        [b"250-" + b"x" * 20, b"250 a"],
        [b"250 " + b"x" * 25],
    ):
        parser = ReplyParser(Limits(reply_lines=3, reply=30))
        for line in lines[:-1]:
            assert parser.feed(line) is None
        with pytest.raises(RemoteProtocolError, match="at most 3 lines and 30 octets") as caught:
            parser.feed(lines[-1])
        assert caught.value.violation is Violation.REPLY_TOO_LONG


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(250, "ok", "2.1.5"), "2.1.5"),
        (Reply(250, ("ok", "2.1.5 ok", "2.0.0")), "2.1.5"),
        (Reply(550, ("5.7.999\tok", "x")), "5.7.999"),
        (Reply(250, ("2.1.5", "x")), "2.1.5"),
        (Reply(250, ("5.1.1 x", "2.0.0 y")), "2.0.0"),
        (Reply(250, ("5.1.1 x",)), None),
        (Reply(250, "2.1.5x"), None),
        (Reply(250, "x 2.1.5"), None),
        (Reply(250), None),
    ],
)
def test_status(reply: Reply, status: str | None) -> None:
    assert reply.status == status


@pytest.mark.parametrize("code", [200, 250, 299, 300, 354, 399, 400, 421, 499, 500, 554, 599])
def test_severity_is_the_first_digit(code: int) -> None:
    reply = Reply(code)
    assert (reply.is_positive, reply.is_intermediate, reply.is_transient, reply.is_permanent) == (
        code < 300,
        300 <= code < 400,
        400 <= code < 500,
        code >= 500,
    )


@pytest.mark.parametrize("code", [0, 99, 100, 199, 600, 1000, -250, True, 250.0, "250", None])
def test_no_reply_code(code: Any) -> None:
    Reply(250, "x")
    with pytest.raises(InvalidValueError, match="from 200 to 599 expected, not "):
        Reply(code, "x")


@pytest.mark.parametrize(
    "status", ["", "2", "2.1", "5.1.5", "2.1.5 ", "2.1.5\r\n", "2.1.1234", "3.1.1", "2.1.\u0665"]
)
def test_no_enhanced_status_code(status: str) -> None:
    with pytest.raises(InvalidValueError, match="of class 2 expected"):
        Reply(250, "x", status)
    with pytest.raises(InvalidValueError, match="of class 3 expected"):
        Reply(354, "x", status)


@pytest.mark.parametrize(
    "bad", ["\r", "\n", "\0", "a\r\n250 b", *map(chr, (0xD800, 0xDC7F, 0xDD00, 0xDFFF))]
)
def test_nothing_can_be_injected(bad: str) -> None:
    for text in (bad, ("a", bad), (bad, "a"), "x" * 600 + bad):
        for enhanced in (None, "2.0.0"):
            with pytest.raises(
                InvalidValueError, match="without CR, LF and NUL expected"
            ) as caught:
                Reply(250, text, enhanced)
            assert isinstance(caught.value, ValueError)
            assert isinstance(caught.value, LocalProtocolError)
            assert caught.value.violation is Violation.CONTROL_CHARACTER


@given(
    st.integers(200, 599),
    st.lists(
        line_text.filter(lambda line: not abnf.STATUS_CODE.match(line)), min_size=1, max_size=4
    ),
    st.none() | st.tuples(st.integers(0, 999), st.integers(0, 999)),
)
def test_there_and_back(code: int, lines: list[str], detail: tuple[int, int] | None) -> None:
    status = f"{code // 100}.{detail[0]}.{detail[1]}" if detail and not 300 <= code < 400 else None
    reply = Reply(code, lines, status)
    octets = reply.encode()
    # Surrogate escapes that stand for UTF-8 together come back as the character.
    wire = Reply(
        code,
        [
            line.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
            for line in lines
        ],
        status,
    )
    assert read_replies(octets.split(b"\r\n")[:-1]) == [wire]
    check_replies(octets)


@given(
    st.lists(grammar_octets | st.sampled_from([b"250-", b"250 ", b"\r\n"]), max_size=6).map(
        b"".join
    )
)
def test_any_octets(octets: bytes) -> None:
    check_replies(octets)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2000,
        "word " * 400,
        "\u20ac" * 700,
        "\u00e9 " * 400,
        " " * 1100,
        "a" * 505 + " b",
        "a" * 506 + " b",
    ],
)
@pytest.mark.parametrize("status", [None, "2.123.123"])
def test_long_text_is_cut(text: str, status: str | None) -> None:
    """At 512 octets, at a space where there is one, and never within a character."""
    reply = Reply(250, text, status)
    lines = reply.encode().split(b"\r\n")[:-1]
    assert len(lines) > 1
    assert max(map(len, lines)) <= 510
    assert all(line[3:4] == b"-" for line in lines[:-1])
    assert lines[-1][3:4] == b" "
    (read,) = read_replies(lines)
    assert read.enhanced == status
    assert "".join(read.lines).replace(" ", "") == text.replace(" ", "")
    assert encode_reply(250, (text,), status, whole_lines=True).count(b"\r\n") == 1


def test_where_text_is_cut() -> None:
    fits = "x" * 506
    assert len(Reply(250, fits).encode()) == 512
    assert Reply(250, fits + "yz").encode() == b"250-" + fits.encode() + b"\r\n250 yz\r\n"
    assert Reply(250, fits + " z").encode() == b"250-" + fits.encode() + b"\r\n250 z\r\n"
    assert (
        Reply(250, "a b" + fits).encode()
        == b"250-a\r\n250-b" + fits[:-1].encode() + b"\r\n250 x\r\n"
    )
    assert Reply(250, " " + fits).encode() == b"250- " + fits[:-1].encode() + b"\r\n250 x\r\n"
    assert Reply(250, fits * 3).encode().count(b"\r\n") == 3
    assert Reply(250, f"{fits} {fits}").encode().count(b"\r\n") == 2
    assert len(Reply(250, "\u20ac" * 168 + "ab").encode()) == 512
    assert len(Reply(250, "x" * 500, "2.0.0").encode()) == 512


def test_text() -> None:
    reply = Reply(250, ("a", "b"), "2.0.0")
    assert (reply.text, str(reply)) == ("a\nb", "250 2.0.0 a\nb")
    assert Reply(250, "a").lines == ("a",)
    assert Reply(250, ()).lines == ("",) == Reply(250).lines
    assert str(Reply(250)) == "250"
    assert Reply(250, ["a"]) == Reply(250, "a") != Reply(251, "a")
    assert hash(Reply(250, ["a"])) == hash(Reply(250, "a"))
    assert Reply(250, "a") != Reply(250, "a", "2.0.0")


def test_default_status() -> None:
    """Each is of its code's class, and a 3yz has none (RFC 2034 4)."""
    for code, status in DEFAULT_STATUS.items():
        assert Reply(code, "", status).encode().startswith(b"%d %s" % (code, status.encode()))
    for code, status in (
        *((250, "2.0.0"), (235, "2.7.0"), (251, "2.1.5"), (252, "2.5.0"), (421, "4.3.2")),
        *((432, "4.7.12"), (451, "4.3.0"), (452, "4.3.1"), (454, "4.7.0"), (455, "4.5.4")),
        *((500, "5.5.2"), (501, "5.5.4"), (502, "5.5.1"), (503, "5.5.1"), (504, "5.5.4")),
        *((521, "5.3.2"), (530, "5.7.0"), (534, "5.7.9"), (535, "5.7.8"), (538, "5.7.11")),
        *(
            (550, "5.7.1"),
            (551, "5.1.6"),
            (552, "5.3.4"),
            (553, "5.1.3"),
            (555, "5.5.4"),
            (556, "5.1.10"),
        ),
    ):
        assert DEFAULT_STATUS[code] == status
    assert not {220, 334, 353, 354, 355} & set(DEFAULT_STATUS)


LONG = 1 << 20


@pytest.mark.parametrize("piece", [b"2", b"250-", b"2.1.5 ", b"2.", b"a b", b"\xc3\xa9", b"\r"])
def test_long_lines_take_linear_time(piece: bytes) -> None:
    line = b"250 " + piece * (LONG // len(piece))
    parser = ReplyParser(Limits(reply=2 * LONG))
    if piece == b"\r":
        with pytest.raises(RemoteProtocolError):
            parser.feed(line)
        return
    reply = parser.feed(line)
    assert reply is not None
    assert reply.status is None or piece == b"2.1.5 "
    written = reply.encode()
    assert max(map(len, written.split(b"\r\n"))) <= 510
    with pytest.raises(RemoteProtocolError):
        ReplyParser(Limits()).feed(line)
