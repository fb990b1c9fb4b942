# SPDX-License-Identifier: MIT
"""Received and Return-Path: written strictly, read tolerantly, counted."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import path_oracle
from strategies import addresses, grammar_octets, octets

from smtpproto.exceptions import InvalidValueError, LocalProtocolError
from smtpproto.grammar.addresses import NULL_PATH, Path
from smtpproto.grammar.trace import (
    LOOP_THRESHOLD,
    PROTOCOLS,
    STATES,
    Clause,
    Received,
    TraceInfo,
    count_received,
    encode_return_path,
    format_date,
    parse_date,
    parse_received,
    parse_return_path,
    put_before,
    with_protocol,
)

DATE = datetime(2026, 1, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
PLAIN = Received("client.example", "mx.example", DATE)
FULL = Received(
    "client.example",
    "mx.example",
    DATE,
    "192.0.2.1",
    "pool.example",
    "ESMTPSA",
    "4F3x2Y-1",
    (Path("a@b.example"),),
    "TLS_AES_256_GCM_SHA384",
    "x25519",
    -3,
    "quarantine/manual",
)


def test_plain() -> None:
    assert PLAIN.encode() == (
        b"Received: from client.example\r\n\tby mx.example;\r\n\tSun, 4 Jan 2026 05:06:07 -0330\r\n"
    )


def test_full() -> None:
    """The clauses come in the order of RFC 5321 4.4."""
    assert FULL.encode() == (
        b"Received: from client.example (pool.example [192.0.2.1])\r\n"
        b"\tby mx.example with ESMTPSA id 4F3x2Y-1\r\n"
        b"\tfor <a@b.example>\r\n"
        b"\ttls TLS_AES_256_GCM_SHA384 group x25519 priority -3 state quarantine/manual;\r\n"
        b"\tSun, 4 Jan 2026 05:06:07 -0330\r\n"
    )
    read = parse_received(FULL.encode())
    assert read.date == DATE
    assert [clause.name for clause in read.clauses] == (
        ["from", "by", "with", "id", "for", "tls", "group", "priority", "state"]
    )
    assert read.clauses[0] == Clause("from", "client.example", ("pool.example [192.0.2.1]",))
    assert read.get("for") == "<a@b.example>"
    assert read.get("priority") == "-3"
    assert read.get("via") is None


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({}, "client.example"),
        ({"hello": "[192.0.2.9]"}, "[192.0.2.9] ([192.0.2.9])"),
        ({"hello": "a b"}, "unknown\r\n\t(helo=a b)"),
        ({"address": "192.0.2.1"}, "client.example ([192.0.2.1])"),
        ({"address": "2001:db8::1"}, "client.example ([IPv6:2001:db8::1])"),
        ({"address": "fe80::1%eth0"}, "client.example ([IPv6:fe80::1])"),
        ({"address": "192.0.2.1", "host": "h.example"}, "client.example (h.example [192.0.2.1])"),
        ({"address": "192.0.2.1", "host": "h(.example"}, "client.example ([192.0.2.1])"),
        ({"address": "192.0.2.1", "host": ""}, "client.example ([192.0.2.1])"),
        ({"host": "h.example"}, "client.example"),
        ({"hello": "[1.2.3.4]", "address": "192.0.2.1"}, "[1.2.3.4] ([192.0.2.1])"),
        ({"hello": "a_b", "address": "192.0.2.1"}, "[192.0.2.1] ([192.0.2.1])\r\n\t(helo=a_b)"),
        ({"hello": "", "address": "::1", "host": "h"}, "[IPv6:::1] (h [IPv6:::1])\r\n\t(helo=)"),
    ],
)
def test_source(changes: dict[str, Any], source: str) -> None:
    field = replace(PLAIN, **changes).encode().decode()
    assert field.startswith(f"Received: from {source}\r\n\tby mx.example;\r\n")


@pytest.mark.parametrize(
    ("hello", "comment"),
    [
        ("a b", "(helo=a b)"),
        ("x) by evil.example (y", r"(helo=x\) by evil.example \(y)"),
        ("x\\", r"(helo=x\\)"),
        ("x\r\nBcc: a@b.example", "(helo=x??Bcc: a@b.example)"),
        ("a\0\x1b[2J\x7f", "(helo=a??[2J?)"),
        ("\u00e9\udcff\u2028", "(helo=???)"),
        ("(" * 500, "(helo=" + r"\(" * 200 + ")"),
    ],
)
def test_what_is_no_name_becomes_a_comment(hello: str, comment: str) -> None:
    field = replace(PLAIN, hello=hello).encode()
    assert f"\r\n\t{comment}\r\n\tby mx.example;" in field.decode()
    read = parse_received(field)
    assert [(clause.name, clause.text) for clause in read.clauses] == [
        ("from", "unknown"),
        ("by", "mx.example"),
    ]
    assert read.clauses[0].comments == (comment[1:-1],)


def test_by() -> None:
    assert b"by [192.0.2.7] ([192.0.2.7]);" in replace(PLAIN, by="[192.0.2.7]").encode()


@pytest.mark.parametrize(
    ("paths", "clause"),
    [
        ((), None),
        (("a@b",), "<a@b>"),
        (("@r:a@b",), "<a@b>"),
        (('"a b"@c',), '<"a b"@c>'),
        (("\u00e9@b",), "<\u00e9@b>"),
        (("a@b", "c@d"), None),
        (("a@b", "a@b"), None),
        (("Postmaster",), None),
        (("Postmaster@b",), "<Postmaster@b>"),
        (("x" * 896 + "@b",), f"<{'x' * 896}@b>"),
        (("x" * 897 + "@b",), None),
        (("\u00e9" * 449 + "@b",), None),
    ],
)
def test_for_names_the_only_recipient(paths: tuple[str, ...], clause: str | None) -> None:
    field = replace(PLAIN, recipients=tuple(map(Path, paths))).encode()
    assert parse_received(field).get("for") == clause
    assert (b"for" in field) == (clause is not None)


def test_a_path_that_was_never_checked() -> None:
    field = replace(PLAIN, recipients=(Path("a\r\nBcc: x@y", (), True),)).encode()
    assert field == PLAIN.encode()


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_protocols(name: str) -> None:
    assert b"by mx.example with " + name.encode() + b";" in replace(PLAIN, protocol=name).encode()


def test_with_protocol() -> None:
    cases = {
        with_protocol(verb, tls, auth, utf8)
        for verb in ("HELO", "EHLO", "LHLO")
        for tls in (False, True)
        for auth in (False, True)
        for utf8 in (False, True)
    }
    assert cases == PROTOCOLS - {"MMS"}
    assert len(PROTOCOLS) == 18
    assert with_protocol("HELO", True, True, True) == "SMTP"
    assert with_protocol("EHLO") == "ESMTP"
    assert with_protocol("EHLO", tls=True) == "ESMTPS"
    assert with_protocol("EHLO", authenticated=True) == "ESMTPA"
    assert with_protocol("EHLO", True, True) == "ESMTPSA"
    assert with_protocol("EHLO", utf8=True) == "UTF8SMTP"
    assert with_protocol("LHLO", True, True, True) == "UTF8LMTPSA"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        *(("id", text) for text in ("a", "4F3x", "a-b_c/d", "<a.b@c.d>")),
        *(("tls", text) for text in ("TLS_AES_128_GCM_SHA256", "0x1301", "0xCcA8", "T")),
        *(("priority", number) for number in (-9, 0, 9)),
        *(("state", text) for text in (*sorted(STATES), "timed/x", "other/a.b-c")),
        *(("address", text) for text in ("0.0.0.0", "::", "::ffff:192.0.2.1")),
        *(("by", text) for text in ("localhost", "[IPv6:::1]")),
    ],
)
def test_good_values(name: str, good: Any) -> None:
    field = replace(PLAIN, **{name: good}).encode().decode()
    assert name == "by" or str(good) in field
    assert parse_received(field.encode()).get("by") == (good if name == "by" else "mx.example")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(
            ("id", text)
            for text in ("", "a b", "a;b", "<a>", "<a@b", "a.b", "(a)", "\u00e9", "a\r\n")
        ),
        *(
            ("tls", text)
            for text in ("", "ECDHE-RSA-AES128-GCM-SHA256", "0x130", "0x13011", "1T", "a b")
        ),
        *(("priority", number) for number in (-10, 10, 100)),
        *(
            ("state", text)
            for text in (
                "",
                "foo",
                "timed/",
                "normal x",
                "Normal\n",
                "timed/a b",
                "timed/a;b",
                "timed/[a]",
            )
        ),
        *(
            ("address", text)
            for text in ("", "[192.0.2.1]", "h.example", "1.2.3", "::g", "1.2.3.4\r\n")
        ),
        *(
            ("by", text)
            for text in ("", "a_b", "a b", "1.2.3.4)", "[::1]", "a\r\nb", "a;b", "\u00e9")
        ),
        *(("protocol", text) for text in ("", "smtp", "SMTPS", "ESMTPAS", "ESMTP\r\n", "HTTP")),
        ("group", "x25519"),
        ("date", datetime(2026, 1, 4)),
    ],
)
def test_a_value_of_ones_own_must_be_right(name: str, bad: Any) -> None:
    with pytest.raises(InvalidValueError, match=f"Received.{name}: .* expected, not ") as caught:
        replace(PLAIN, **{name: bad})
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LocalProtocolError)


@pytest.mark.parametrize("bad", ["", "x 25519", "1x", "x\r\n", "x;"])
def test_bad_group(bad: str) -> None:
    with pytest.raises(InvalidValueError, match=r"Received\.group"):
        replace(FULL, group=bad)
    assert b"group X_1-a;" in replace(PLAIN, tls="T", group="X_1-a").encode()


def test_a_zone_without_an_offset_is_none() -> None:
    class Nowhere(tzinfo):
        def utcoffset(self, when: datetime | None) -> None:
            return None

        dst = tzname = utcoffset

    with pytest.raises(InvalidValueError, match="with a time zone"):
        replace(PLAIN, date=datetime(2026, 1, 4, tzinfo=Nowhere()))


wild_text = st.text(max_size=30) | octets.map(lambda data: data.decode("utf-8", "surrogateescape"))


@given(wild_text, st.none() | wild_text, st.lists(addresses.map(Path), max_size=2).map(tuple))
def test_nothing_of_the_peers_gets_out_of_its_place(
    hello: str, host: str | None, recipients: tuple[Path, ...]
) -> None:
    for address in (None, "192.0.2.1"):
        field = Received(hello, "mx.example", DATE, address, host, recipients=recipients).encode()
        assert field.endswith(b"\r\n")
        lines = field[:-2].split(b"\r\n")
        assert all(line.startswith(b"\t") and len(line) <= 998 for line in lines[1:])
        assert not set(b"".join(lines)) & set(b"\r\n\0")
        read = parse_received(field)
        names = [clause.name for clause in read.clauses]
        assert names == ["from", "by", *["for"] * (len(recipients) == 1)]
        assert read.get("by") == "mx.example"
        assert read.date == DATE
        if len(recipients) == 1:
            assert read.get("for") == f"<{recipients[0].address}>"


# --------------------------------------------------------------------------- reading


def clauses(field: bytes) -> list[tuple[str, str]]:
    """Return names and texts of the clauses of `field`."""
    return [(clause.name, clause.text) for clause in parse_received(field).clauses]


def test_fields_of_other_makes() -> None:
    read = parse_received(
        b"Received: from mail.example (unknown [192.0.2.1])\r\n"
        b" (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
        b"\tby mx.example (Server; 1.0) with ESMTPS id ABC\r\n"
        b"\tfor <a@b.example>; Thu,  1 Jan 2026 00:00:00 +0100 (CET)\r\n"
    )
    assert read == TraceInfo(
        (
            Clause(
                "from",
                "mail.example",
                (
                    "unknown [192.0.2.1]",
                    "using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
                ),
            ),
            Clause("by", "mx.example", ("Server; 1.0",)),
            Clause("with", "ESMTPS", ()),
            Clause("id", "ABC", ()),
            Clause("for", "<a@b.example>", ()),
        ),
        datetime(2025, 12, 31, 23, 0, tzinfo=UTC),
    )
    read = parse_received(b"(mailer 123 invoked by uid 0); 1 Jan 2026 00:00:00 -0000")
    assert read.clauses == (Clause("", "", ("mailer 123 invoked by uid 0",)),)
    assert read.date == datetime(2026, 1, 1, tzinfo=UTC)
    assert clauses(b"by 192.0.2.1 with SMTP id x; Sat, 1 Jan 2026 00:00:00 GMT") == [
        ("by", "192.0.2.1"),
        ("with", "SMTP"),
        ("id", "x"),
    ]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"", []),
        (b";", []),
        (b"from", []),
        (b"from a by", [("from", "a")]),
        (b"FROM a BY b", [("from", "a"), ("by", "b")]),
        (b'for <"a; (b"@c> id x', [("for", '<"a; (b"@c>'), ("id", "x")]),
        (b'for "a\\"b c"@d', [("for", '"a\\"b c"@d')]),
        (b"id a;b x; y", [("id", "a"), ("b", "x")]),
        (b"from a(b)by(c)d", [("from", "a"), ("by", "d")]),
        (b"from \xff\xc3\xa9", [("from", "\udcff\u00e9")]),
        (b'from "a b', [("from", '"a b')]),
        (b'from "a\\', [("from", '"a\\')]),
        (b"received:from a", [("from", "a")]),
        (b"RECEIVED \t: from a", [("from", "a")]),
        (b"received from a x", [("received", "from"), ("a", "x")]),
        (b"x received: from a", [("x", "received:"), ("from", "a")]),
    ],
)
def test_clauses(field: bytes, expected: list[tuple[str, str]]) -> None:
    assert clauses(field) == expected


@pytest.mark.parametrize(
    ("field", "comments"),
    [
        (b"from a (b (c) d) (e)", ("b (c) d", "e")),
        (b"from a (b \\) c)", ("b \\) c",)),
        (b"from a (b", ("b",)),
        (b"from a (b (c)", ("b (c)",)),
        (b"from a ()", ("",)),
        (b"from a (b\\", ("b\\",)),
        (b"from (x) a (y)", ("y",)),
        (b"from a )(b)", ("b",)),
    ],
)
def test_comments(field: bytes, comments: tuple[str, ...]) -> None:
    assert parse_received(field).clauses[-1].comments in (comments, ())
    assert (
        sum((clause.comments for clause in parse_received(field).clauses), ())[-len(comments) :]
        == comments
    )


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Sun, 4 Jan 2026 05:06:07 -0330", DATE),
        ("4 jan 2026 05:06:07 -0330", DATE),
        ("04 JAN 2026 05:06:07 -0330", DATE),
        ("Mon, 4 Jan 2026 08:36:07 GMT", DATE),
        ("4 Jan 2026 8:36:07 UT", DATE),
        ("4 Jan 2026 08:36:07 UTC", DATE),
        ("4 Jan 2026 08:36 +0000", DATE.replace(second=0)),
        ("4 Jan 2026 08:36:60 +0000", DATE.replace(second=59)),
        ("31 Dec 2026 00:00:00 +2359", datetime(2026, 12, 30, 0, 1, tzinfo=UTC)),
        ("30 Feb 2026 00:00:00 +0000", None),
        ("4 Jan 2026 24:00:00 +0000", None),
        ("4 Jan 2026 00:60:00 +0000", None),
        ("4 Jan 2026 00:00:61 +0000", None),
        ("4 Jan 2026 00:00:00 +2400", None),
        ("4 Jan 2026 00:00:00 +2399", None),
        ("4 Jan 2026 00:00:00", None),
        ("4 Jan 2026 00:00:00 EST", None),
        ("4 Jan 26 00:00:00 +0000", None),
        ("4 Foo 2026 00:00:00 +0000", None),
        ("4 Jan 0000 00:00:00 +0000", None),
        ("4 Jan \u0662026 00:00:00 +0000", None),
        ("4 Jan 2026 00:00:00 +0000 x", None),
        ("Sunday, 4 Jan 2026 00:00:00 +0000", None),
        ("", None),
    ],
)
def test_dates(text: str, date: datetime | None) -> None:
    found = parse_date(text)
    assert found == (None if date is None else date)
    assert found is None or found.utcoffset() is not None
    assert parse_received(f"from a; {text} (now)".encode()).date == found


@given(st.datetimes(), st.integers(-1439, 1439))
def test_date_there_and_back(when: datetime, minutes: int) -> None:
    date = when.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    text = format_date(date)
    assert parse_date(text) == date
    assert re.fullmatch(r"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", text)
    assert date.strftime("%H:%M:%S %z") in text


@pytest.mark.parametrize("month", range(1, 13))
def test_names_of_days_and_months(month: int) -> None:
    date = datetime(2026, month, month, tzinfo=UTC)
    assert format_date(date).startswith(f"{date:%a}, {month} {date:%b} 2026 00:00:00 +0000")


@given(grammar_octets | octets)
def test_reading_never_fails(field: bytes) -> None:
    for before in (b"", b"Received: from a (", b'from "', b"from a; "):
        info = parse_received(before + field)
        assert all(clause.name == clause.name.lower() for clause in info.clauses)
        assert all(clause.text or not clause.name for clause in info.clauses)


@pytest.mark.parametrize(
    "piece", [b"(", b")", b"()", b'"', b'\\"', b'"a\\"', b";", b"a ", b"\\", b" ", b"(a\\"]
)
def test_long_fields_take_linear_time(piece: bytes) -> None:
    parse_received(b"from a " + piece * ((1 << 19) // len(piece)))


# --------------------------------------------------------------------------- counting


@pytest.mark.parametrize(
    ("header", "number"),
    [
        (b"", 0),
        (b"Received: x\r\n", 1),
        (b"Received: x\r\nReceived: y\r\n\r\n", 2),
        (b"received:x\r\nRECEIVED : y\r\nReCeived\t:\r\n", 3),
        (b"Received: x\r\n received: y\r\n\treceived: z\r\n", 1),
        (b"Subject: Received: x\r\nX-Received: y\r\nReceivedx: z\r\nReceived-SPF: a\r\n", 0),
        (b"Subject: x\r\n\r\nReceived: body\r\n", 0),
        (b"Received: x\r\n\r\nReceived: body\r\n", 1),
        (b"\r\nReceived: body\r\n", 0),
        (b"Subject: x\nReceived: no line of its own\r\n", 0),
        (b"Received: x\r\n" * 101, 101),
    ],
)
def test_count_received(header: bytes, number: int) -> None:
    assert count_received(header) == number
    assert LOOP_THRESHOLD >= 100, "RFC 5321 6.3"


def test_count_takes_linear_time() -> None:
    for piece in (b"\r\nreceived", b"\r\n", b"received ", b"\r\nreceived" + b" " * 999):
        count_received(b"x" + piece * ((1 << 20) // len(piece)))


def test_what_stands_before_a_message_is_not_continued_by_it() -> None:
    """RFC 5322 2.2.3."""
    assert put_before(b"A: b\r\n", b"C: d\r\n") == b"A: b\r\nC: d\r\n"
    assert put_before(b"A: b\r\n", b"") == b"A: b\r\n"
    for content in (b" c\r\n", b"\tc\r\n"):
        assert put_before(b"A: b\r\n", content) == b"A: b\r\n\r\n" + content


# --------------------------------------------------------------------------- Return-Path


@pytest.mark.parametrize("address", ["", "a@b.example", '"a>b c"@d', "\u00e9@b"])
def test_return_path(address: str) -> None:
    field = encode_return_path(Path(address))
    assert field == f"Return-Path: <{address}>\r\n".encode()
    for form in (
        field,
        field[:-2],
        field[12:],
        b"RETURN-path \t:\r\n  " + field[13:],
        field[13:-2],
    ):
        assert parse_return_path(form) == Path(address)


def test_return_path_has_no_route_when_written() -> None:
    assert encode_return_path(Path("a@b", ("r",))) == b"Return-Path: <a@b>\r\n"
    assert parse_return_path(b"<@r:a@b>") == Path("a@b", ("r",))
    assert encode_return_path(NULL_PATH) == b"Return-Path: <>\r\n"


@given(addresses)
def test_return_path_there_and_back(address: str) -> None:
    assert parse_return_path(encode_return_path(Path(address))) == Path(address)


@pytest.mark.parametrize(
    "field", [b"", b"a@b", b"Return-Path: a@b", b"<a@b> x", b"<a@b><c@d>", b"<\xff@b>", b"<a>"]
)
def test_no_return_path(field: bytes) -> None:
    assert not path_oracle(field.decode("latin-1"))
    with pytest.raises(InvalidValueError):
        parse_return_path(field)
