# SPDX-License-Identifier: MIT
"""Mailboxes, domains, address literals and paths, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invariants import NO_CAPS, check_literal, check_path
from strategies import addresses, domains, grammar_octets, quotable, routes

from smtpproto.exceptions import InvalidValueError, LocalProtocolError, Violation
from smtpproto.grammar.addresses import (
    NULL_PATH,
    Mailbox,
    Path,
    is_address_literal,
    is_domain,
    parse_path,
    path_end,
)
from smtpproto.grammar.leniency import Leniency

PATHS = [
    # text, local-part, domain
    ("<a@b>", "a", "b"),
    ("<a.b.c@x.example>", "a.b.c", "x.example"),
    ("<!#$%&'*+-/=?^_`{|}~@x.example>", "!#$%&'*+-/=?^_`{|}~", "x.example"),
    ('<"a b"@x.example>', "a b", "x.example"),
    ('<"a@b"@x.example>', "a@b", "x.example"),
    ('<"a>b"@x.example>', "a>b", "x.example"),
    ('<"<>"@x.example>', "<>", "x.example"),
    ('<""@x.example>', "", "x.example"),
    ('<"a\\"b\\\\c"@x.example>', 'a"b\\c', "x.example"),
    ('<"\\a"@x.example>', "a", "x.example"),
    ('<"a.b"@x.example>', "a.b", "x.example"),
    ('<"a@[b"@[192.0.2.1]>', "a@[b", "[192.0.2.1]"),
    ("<a@[192.0.2.1]>", "a", "[192.0.2.1]"),
    ("<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]"),
    ("<a@[x-tag:>@]>", "a", "[x-tag:>@]"),
    ("<a@1.2.3.4>", "a", "1.2.3.4"),
    ("<a@x--y.example>", "a", "x--y.example"),
    ("<\u00e9@x.example>", "\u00e9", "x.example"),
    ('<"\u00e9 "@x.example>', "\u00e9 ", "x.example"),
    ("<a@\u00e9.example>", "a", "\u00e9.example"),
    ("<a@\u0915\u093f.example>", "a", "\u0915\u093f.example"),
    ("<a@l\u00b7l.example>", "a", "l\u00b7l.example"),
    ("<Postmaster>", "Postmaster", ""),
    ("<pOSTMASTER>", "pOSTMASTER", ""),
    ("<>", "", ""),
]


@pytest.mark.parametrize(("text", "local_part", "domain"), PATHS)
def test_path(text: str, local_part: str, domain: str) -> None:
    path = parse_path(text)
    assert (path.local_part, path.domain) == (local_part, domain)
    assert (path.address, path.source_route) == (text[1:-1], ())
    assert path == Path(text[1:-1])
    assert path.is_null == (text == "<>")
    assert path.mailbox == Mailbox(local_part, domain)
    check_path(text)
    assert path_end(text + " X=>") == len(text)


BAD_PATHS = [
    *("", "<", ">", "a@b", "<a@b", "a@b>", "<a@b>x", "<<a@b>>", "< >", "< a@b>", "<a@b >"),
    *(
        "<a>",
        "<a@>",
        "<@b>",
        "<@>",
        "<a..b@x>",
        "<.a@x>",
        "<a.@x>",
        "<a b@x>",
        "<a@b@c>",
        "<(a)@b>",
    ),
    *("<a@-x>", "<a@x->", "<a@x_y>", "<a@x..y>", "<a@.x>", "<a@x.>", "<a@x y>", "<a@x,y>"),
    *("<a@[1.2.3.256]>", "<a@[1.2.3]>", "<a@[2001:db8::1]>", "<a@[::1]>", "<a@[1.2.3.4>", "<a@1]>"),
    *("<a@[]>", "<a@[1.2.3.4]x>", "<a@x[1.2.3.4]>", "<a@[ 1.2.3.4]>", "<a@[1.2.3.4 ]>"),
    *('<"a@x>', '<a"@x>', '<"a"b@x>', '<b"a"@x>', '<"a"."b"@x>', '<"a\\"@x>', '<"a"b"@x>', '<"a">'),
    *(
        "<a\0@b>",
        "<a@b\0>",
        "<a\x7f@b>",
        '<"a\x7f"@b>',
        '<"a\0"@b>',
        '<"a\\\0"@b>',
        '<"\\\u00e9"@b>',
    ),
    *("<a\r\n@b>", '<"a\r\nRCPT TO:<c@d>"@b>', "<a@b\r\n>", "<a@b\n>", "<a\t@b>", '<"\t"@b>'),
    *("<@r>", "<@r:>", "<@r:a>", "<@:a@b>", "<@r,:a@b>", "<@r,s:a@b>", "<,@r:a@b>", "<@r @s:a@b>"),
    *("<@r:@s:a@b>", "<@r_:a@b>", "<@[1.2.3.4]:a@b>", "<@r:Postmaster>", "<@r.:a@b>", "<r:a@b>"),
    *(
        "<a@\u2028.example>",
        "<a@x\u3000y>",
        "<a@\u20ac>",
        "<a@x\u2024y>",
        "<a@\x85>",
        "<a@\U0001f600>",
    ),
    "<a@" + "x" * 64 + ">",
    "<a@" + "\u00e9" * 64 + ">",
]


@pytest.mark.parametrize(
    "text", ["Ann <a@example.com>", "<a@example.com>", "a@example.com, b@example.com"]
)
def test_what_stands_in_a_header_field_is_no_address(text: str) -> None:
    with pytest.raises(InvalidValueError, match=f"one address alone.*{text}"):
        Path(text)


@pytest.mark.parametrize("text", BAD_PATHS)
def test_no_path(text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_path(text)
    assert caught.value.code == 501
    assert caught.value.violation in (Violation.MAILBOX_SYNTAX, Violation.DOMAIN_SYNTAX)
    check_path(text)
    if text[:1] + text[-1:] == "<>":
        with pytest.raises(InvalidValueError):
            Path(text[1:-1])


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("<@r:a@b>", ("r",)),
        ("<@r.example,@s.example:a@b>", ("r.example", "s.example")),
        ('<@r:"a:b"@c>', ("r",)),
        ("<@r:a@[IPv6:::1]>", ("r",)),
    ],
)
def test_source_route(text: str, route: tuple[str, ...]) -> None:
    path = parse_path(text)
    assert path.source_route == route
    assert path.address == text[1:-1].partition(":")[2]
    assert path == Path(path.address, route)
    assert str(path) == text


@pytest.mark.parametrize("octets", [b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80"])
@pytest.mark.parametrize("place", ["<%s@b>", "<a@%s>", '<"%s"@b>', "<@%s:a@b>"])
def test_ill_formed_utf8(octets: bytes, place: str) -> None:
    """Overlong forms and surrogates are no UTF-8 (RFC 3629 3)."""
    with pytest.raises(InvalidValueError) as caught:
        parse_path(place % octets.decode("utf-8", "surrogateescape"))
    assert caught.value.violation is Violation.NOT_UTF8
    assert caught.value.enhanced == "5.6.7"
    assert issubclass(caught.type, LocalProtocolError)


def test_above_unicode_is_no_utf8() -> None:
    for octets in (b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"):
        with pytest.raises(InvalidValueError):
            parse_path(f"<{octets.decode('utf-8', 'surrogateescape')}@b>")


@given(addresses, routes)
def test_address_there_and_back(address: str, route: tuple[str, ...]) -> None:
    path = Path(address, route)
    assert (path.address, path.source_route) == (address, route)
    assert parse_path(str(path), limits=NO_CAPS) == path
    check_path(str(path))


@given(quotable, domains)
def test_mailbox_there_and_back(local_part: str, domain: str) -> None:
    assert Path(str(Mailbox(local_part, domain))).mailbox == Mailbox(local_part, domain)


@given(grammar_octets | st.binary(max_size=20))
def test_any_text(octets: bytes) -> None:
    for text in (octets.decode("latin-1"), octets.decode("utf-8", "surrogateescape")):
        check_path(text)
        check_path(f"<{text}>")
        check_path(f"<a@[{text}]>")
        check_path(f'<"{text}"@b>')
        check_literal(f"[{text}]")


@given(st.text("0123456789abcdefABCDEFg:.", max_size=40))
def test_any_ipv6(text: str) -> None:
    check_literal(f"[IPv6:{text}]")
    check_literal(f"[{text}]")


IPV6 = [
    *("::", "::1", "1::", "1::2", "::ffff:192.0.2.1", "::192.0.2.1", "1::192.0.2.1"),
    *("1:2:3:4:5:6:7:8", "0001:0002:0003:0004:0005:0006:0007:0008", "AbCd::EF", "2001:db8::1"),
    *(
        "1:2:3:4:5:6:192.0.2.1",
        "1:2:3:4:5:6::",
        "::1:2:3:4:5:6",
        "1:2:3::4:5:6",
        "1:2::3:4:192.0.2.1",
    ),
    *("::1:2:3:4:192.0.2.1", "1:2:3:4::192.0.2.1", "::001.002.003.004"),
]
NOT_IPV6 = [
    *(
        "",
        ":",
        ":::",
        "1",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:",
        ":1:2:3:4:5:6:7",
    ),
    *(
        "1::2::3",
        "::1::",
        "1:::2",
        "12345::",
        "g::",
        "1:2:3:4:5:6:7::",
        "::1:2:3:4:5:6:7",
        "1:2:3:4::5:6:7",
    ),
    *(
        "192.0.2.1",
        "192.0.2.1::",
        "::192.0.2.1:1",
        "1:192.0.2.1",
        "::192.0.2",
        "::192.0.2.256",
        "::.1",
    ),
    *(
        "1:2:3:4:5:6:7:192.0.2.1",
        "1:2:3:4:5::192.0.2.1",
        "::1%eth0",
        "fe80::1%1",
        "::1/64",
        " ::1",
        "::\u0661",
    ),
    *("1:2:3:4:5:192.0.2.1", "+1::", "-1::", "0x1::", "1_0::", "192.0.2.1::1"),
]


@pytest.mark.parametrize("text", IPV6)
def test_ipv6_literal(text: str) -> None:
    for tag in ("IPv6", "ipv6", "IPV6"):
        assert is_address_literal(f"[{tag}:{text}]")
    assert not is_address_literal(f"[{text}]")
    check_literal(f"[IPv6:{text}]")


@pytest.mark.parametrize("text", NOT_IPV6)
def test_no_ipv6_literal(text: str) -> None:
    """What has the tag IPv6 is never tried as a general literal."""
    assert not is_address_literal(f"[IPv6:{text}]")
    assert not is_address_literal(f"[ipV6:{text}]")
    check_literal(f"[IPv6:{text}]")


@pytest.mark.parametrize("text", ["0.0.0.0", "255.255.255.255", "001.02.3.004"])
def test_ipv4_literal(text: str) -> None:
    assert is_address_literal(f"[{text}]")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[1.2.3.256]",
            "[300.1.1.1]",
            "[1.2.3]",
            "[1.2.3.4.5]",
            "[]",
            "[",
            "]",
            "",
            "1.2.3.4",
            "[01234.2.3.4]",
        ),
        *(
            "[1.2.3.4",
            "1.2.3.4]",
            "[[1.2.3.4]]",
            "[1.2.3.4]\n",
            "[1.2.3.-4]",
            "[1.2.3.4]]",
            "[1.2.3.\u0664]",
        ),
        *(
            "[x]",
            "[x:]",
            "[:x]",
            "[-:x]",
            "[x-:x]",
            "[x: ]",
            "[x:\u00e9]",
            "[IPv6\u212a:x]"[:5] + "]",
        ),
    ],
)
def test_no_literal(text: str) -> None:
    assert not is_address_literal(text)


@pytest.mark.parametrize(
    "text", ["[x:y]", "[x-tag:a:b:c]", "[-1:!]", "[abc:g::]", "[IPv4:1.2.3.4]"]
)
def test_general_literal(text: str) -> None:
    assert is_address_literal(text)


@pytest.mark.parametrize("text", ["a", "1", "a.b", "a-b.c--d", "xn--4ca.example", "x" * 63])
def test_domain(text: str) -> None:
    assert is_domain(text)
    assert not is_domain(text + "\n")


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "\u00e9", "x" * 64, "a b"]
)
def test_no_domain(text: str) -> None:
    assert not is_domain(text)


def test_the_longest_domain() -> None:
    longest = "x." * 127 + "x"
    assert is_domain(longest)
    assert not is_domain("x." + longest)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('"a"@x', "a@x", True),
        ('"a.b"@x', "a.b@X", True),
        ('"\\a"@x', "a@x", True),
        ('"a b"@x', '"a\\ b"@x', True),
        ("A@x", "a@x", False),
        ("a@x", "a@y", False),
        ("a@[IPv6:::A]", "a@[ipv6:::a]", True),
        ("Postmaster@x", "POSTMASTER@x", True),
        ("Postmaster", "postmaster", True),
        ("postmaster", "postmaster@x", False),
        ("Root@x", "postmaster@x", False),
        ("postmaster@x", "Root@x", False),
    ],
)
def test_same_mailbox(one: str, other: str, same: bool) -> None:
    assert Path(one).mailbox.is_same(Path(other).mailbox) == same
    assert Path(other).mailbox.is_same(Path(one).mailbox) == same


@pytest.mark.parametrize(
    ("mailbox", "text"),
    [
        (Mailbox("a", "b"), "a@b"),
        (Mailbox("a b", "b"), '"a b"@b'),
        (Mailbox('a"\\', "b"), '"a\\"\\\\"@b'),
        (Mailbox("", "b"), '""@b'),
        (Mailbox("a..b", "b"), '"a..b"@b'),
        (Mailbox("\u00e9", "b"), "\u00e9@b"),
        (Mailbox("Postmaster", ""), "Postmaster"),
        (Mailbox("", ""), ""),
    ],
)
def test_mailbox_is_written_shortest(mailbox: Mailbox, text: str) -> None:
    assert str(mailbox) == text
    assert Path(text).mailbox == mailbox


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\x1f", "\x7f", "a\r\nb"])
def test_mailbox_without_controls(bad: str) -> None:
    for parts in ((bad, "b"), ("a", bad)):
        with pytest.raises(InvalidValueError, match="without control characters"):
            Mailbox(*parts)


def test_path_of_its_parts() -> None:
    assert Path("") == NULL_PATH == parse_path("<>")
    assert str(NULL_PATH) == "<>"
    for address, route in (("", ("r",)), ("a@b", ("r:",)), ("a@b", ("r\r\n",)), ("a@b", ("",))):
        with pytest.raises(InvalidValueError):
            Path(address, route)


def test_constructor_has_no_caps() -> None:
    """What to send is for the peer to refuse."""
    assert Path("x" * 1000 + "@b").local_part == "x" * 1000
    assert Path(("x" * 63 + ".") * 5 + "x@b")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        *(("<a>b>", 3), ('<"a>b">c>', 7), ('<"a>b', 4), ("<a", -1), ("", -1), ('<"a', -1)),
        *(('<"a\\">"@b>c', 10), ('<a"b>c', 5), ("<@r:a@b>", 8), ("<a@[x:>]>", 9), ("<a@[x>", 6)),
        *(('<@r:"a>b"@[x:>]>', 16), ('<"a>"', 4), ("<a b=c> d>", 7)),
    ],
)
def test_path_end(text: str, end: int) -> None:
    assert path_end(text) == end


LONG = 1 << 20


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a" * LONG,
            "a." * LONG,
            '"' * LONG,
            '"' + "\\a" * LONG,
            "@" * LONG,
            "@a," * LONG,
            ":" * LONG,
        ),
        *(
            "a@" + "a." * LONG + ".",
            "a." * LONG + "<@a",
            "a@" + "a." * LONG + ".",
            "a@[" + ":" * LONG + "]",
            "a@[IPv6:" + "1:" * LONG + "]",
        ),
        *("@" + "a," * LONG + ":", "[" * LONG, "a@[" + "-a" * LONG + "]", "\udcff" * LONG),
    ],
    ids=lambda text: text[:10],
)
def test_long_text_is_refused_in_linear_time(text: str) -> None:
    check = Leniency(allow_underscore_domain=True, allow_trailing_dot=True, allow_extra_dots=True)
    with pytest.raises(InvalidValueError):
        parse_path(f"<{text}>", check, NO_CAPS)
    with pytest.raises(InvalidValueError, match="at most 1024 octets"):
        parse_path(f"<{text}>")
    path_end(f"<{text}")
