# SPDX-License-Identifier: MIT
"""Whatever an application replies, what goes out is a reply (RFC 5321 4.2, RFC 2034 4)."""

from __future__ import annotations

import re

import pytest
import server_drive as drive
from hypothesis import given
from hypothesis import strategies as st
from registry_drive import at

from smtpproto import Reply
from smtpproto.grammar.replies import ReplyParser
from smtpproto.limits import DEFAULT_LIMITS

WHERE = {
    "EHLO": ("GREETED", drive.HELLO),
    "MAIL": ("READY", drive.MAIL),
    "RCPT": ("MAIL", drive.RCPT),
    "UTF-8 RCPT": ("READY", b"MAIL FROM:<a@b.example> SMTPUTF8\r\nRCPT TO:<a@b.example>\r\n"),
    "NOOP": ("READY", b"NOOP\r\n"),
    "VRFY": ("READY", b"VRFY a SMTPUTF8\r\n"),
    "mail data": ("RCPT", b"DATA\r\n.\r\n"),
    "a chunk": ("RCPT", b"BDAT 0\r\n"),
    "bad": ("READY", b"FOO\r\n"),
}
MAY_BE_UTF8 = {"UTF-8 RCPT", "VRFY"}
# Text without what a Reply refuses by itself.
TEXT = st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=700
) | st.sampled_from(["", "x" * 2000, "word " * 300, "\x01\x7f", "grüße" * 200, "5.7.1 x", "-"])
LINES = st.lists(TEXT, min_size=1, max_size=4)


def sent(where: str, reply: Reply) -> bytes:
    """Return the octets of a reply to the last of some lines; to the others goes the default."""
    place, lines = WHERE[where]
    server = at(place)
    server.receive_data(lines)
    server.next_event()
    for _ in range(lines.count(b"\r\n") - 1):
        server.send(Reply(354 if b"DATA" in lines else 250))
        server.next_event()
    return server.send(reply)


@given(
    st.sampled_from(sorted(WHERE)),
    st.integers(200, 599).filter(lambda code: code // 100 != 3 and code // 10 % 10 <= 5),
    LINES,
    st.none() | st.tuples(st.integers(0, 999), st.integers(0, 999)),
)
def test_what_goes_out_is_a_reply(
    where: str, code: int, lines: list[str], detail: tuple[int, int] | None
) -> None:
    code = code + 300 if where == "bad" and code < 300 else code
    status = None if detail is None else f"{code // 100}.{detail[0]}.{detail[1]}"
    octets = sent(where, Reply(code, lines, status))
    assert octets.endswith(b"\r\n")
    parser = ReplyParser(DEFAULT_LIMITS)
    received = [parser.feed(line) for line in octets[:-2].split(b"\r\n")]
    assert [reply is None for reply in received] == [True] * (len(received) - 1) + [False]
    reply = received[-1]
    assert reply is not None
    assert reply.code == code
    for line in octets[:-2].split(b"\r\n"):
        assert len(line) <= 510 or where == "EHLO"
        assert not re.search(rb"[\x00-\x1f\x7f]", line)
        assert line.isascii() or where in MAY_BE_UTF8
    if where == "EHLO":
        assert octets == sent(where, Reply(code, lines))  # any status is left out
    else:
        assert reply.enhanced is not None
        assert reply.enhanced[0] == str(code)[0]
        assert status in (None, reply.enhanced)


@pytest.mark.parametrize("text", ["go on", "grüße", "\x01", "x" * 600, "a\tb"])
@pytest.mark.parametrize(
    ("place", "line", "code"),
    [
        ("RCPT", b"DATA\r\n", 354),
        ("READY", b"MAIL FROM:<a@b.example> TRANSID=<a@b.example>\r\n", 355),
    ],
)
def test_no_3yz_has_a_status(place: str, line: bytes, code: int, text: str) -> None:
    """Whatever its text has to be cleaned of."""
    server = at(place)
    server.receive_data(line)
    server.next_event()
    octets = server.send(Reply(code, text))
    for number in octets.splitlines():
        assert re.fullmatch(rb"%d[ -][ -~]*" % code, number)
        assert not re.match(rb"...[ -][0-9]\.", number)


def test_the_replies_of_prdr_have_one_but_for_the_353() -> None:
    server = at("READY")
    lines = b"MAIL FROM:<a@b.example> PRDR\r\n" + drive.RCPT + drive.RCPT + b"DATA\r\n"
    drive.talk(server, lines)
    server.receive_data(b".\r\n")
    server.next_event()
    octets = [server.send(Reply(code, "é")) for code in (353, 250, 450, 250)]
    assert octets == [b"353 ?\r\n", b"250 2.0.0 ?\r\n", b"450 4.2.0 ?\r\n", b"250 2.0.0 ?\r\n"]
