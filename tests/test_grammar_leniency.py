# SPDX-License-Identifier: MIT
"""Each habit of the wild: what the default makes of it, and what its switch does."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from invariants import BASE_VERBS, EVERYTHING, parse_number

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.grammar.addresses import Path
from smtpproto.grammar.commands import (
    Command,
    Data,
    Ehlo,
    Helo,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTLS,
    Vocabulary,
    Vrfy,
    parse_command,
)
from smtpproto.grammar.leniency import DEFAULT_LENIENCY, Leniency
from smtpproto.grammar.parameters import Parameter
from smtpproto.limits import DEFAULT_LIMITS, Limits

VERBS = (*BASE_VERBS, Ehlo, Helo, Lhlo, StartTLS)


def parse(line: str, limits: Limits = DEFAULT_LIMITS, **switches: Any) -> Command:
    """Parse a line with these switches."""
    vocabulary = Vocabulary(
        VERBS,
        {"SIZE": Parameter("SIZE", parse_number), "BODY": Parameter("BODY", str)},
        leniency=Leniency(**switches),
        limits=limits,
    )
    return parse_command(line.encode("utf-8", "surrogateescape"), vocabulary)


def refusal(line: str, limits: Limits = DEFAULT_LIMITS, **switches: Any) -> tuple[int, str]:
    """Return code and status of the answer to a bad line."""
    with pytest.raises(InvalidValueError) as caught:
        parse(line, limits, **switches)
    return caught.value.code, caught.value.enhanced


def test_space_after_colon() -> None:
    for line in ("MAIL FROM: <a@b.example>", "MAIL FROM:   <a@b.example>"):
        assert parse(line) == Mail("a@b.example")
        assert refusal(line, allow_space_after_colon=False) == (501, "5.1.7")
    assert parse("RCPT TO: <a@b.example> ") == Rcpt("a@b.example")
    assert parse("MAIL FROM: <>") == Mail("")
    assert refusal("RCPT TO: <a@b.example>", allow_space_after_colon=False) == (501, "5.1.3")
    assert refusal("MAIL FROM:\t<a@b.example>") == (501, "5.1.7")
    assert refusal("MAIL FROM :<a@b.example>") == (501, "5.5.2")


def test_missing_brackets() -> None:
    line = "MAIL FROM:a@b.example SIZE=5"
    assert refusal(line) == (501, "5.1.7")
    assert refusal("RCPT TO:a@b.example") == (501, "5.1.3")
    assert parse(line, allow_missing_brackets=True) == Mail("a@b.example", {"SIZE": 5})
    assert parse("RCPT TO: a@b.example", allow_missing_brackets=True) == Rcpt("a@b.example")
    assert parse("MAIL FROM:<a@b.example>", allow_missing_brackets=True) == Mail("a@b.example")
    assert refusal("MAIL FROM:a@b.example>", allow_missing_brackets=True) == (501, "5.1.7")
    assert refusal("MAIL FROM:<a@b.example", allow_missing_brackets=True) == (501, "5.1.7")


@pytest.mark.parametrize(
    "line", ["MAIL FROM:", "MAIL FROM: ", "MAIL FROM: SIZE=5", "MAIL FROM: a@b"]
)
def test_nothing_is_not_the_null_path(line: str) -> None:
    """Only ``<>`` is, whatever may be missing."""
    assert refusal(line, allow_missing_brackets=True, allow_space_after_colon=False)[0] == 501


def test_white_space() -> None:
    for line in ("QUIT ", "QUIT\t", "QUIT \t ", "quit  "):
        assert parse(line) == Quit()
    assert parse("MAIL FROM:<a@b.example> SIZE=5 \t") == Mail("a@b.example", {"SIZE": 5})
    assert parse("MAIL FROM:<a@b.example>  SIZE=5   BODY=x") == parse(
        "MAIL FROM:<a@b.example> SIZE=5 BODY=x"
    )
    assert refusal("MAIL  FROM:<a@b.example>") == (501, "5.5.2")
    assert refusal("MAIL FROM:<a@b.example>\tSIZE=5") == (501, "5.1.7")
    assert refusal("MAIL FROM:<a@b.example> SIZE=5\tBODY=x") == (501, "5.5.4")
    assert refusal("MAIL\tFROM:<a@b.example>") == (500, "5.5.2")
    assert refusal(" QUIT") == (500, "5.5.2")


def test_source_route() -> None:
    command = parse("MAIL FROM:<@r1.example,@r2.example:a@b.example>")
    assert isinstance(command, Mail)
    assert command.reverse_path.address == "a@b.example"
    assert command.reverse_path.source_route == ("r1.example", "r2.example")
    assert command.encode() == b"MAIL FROM:<a@b.example>\r\n"


def test_underscore_domain() -> None:
    assert refusal("MAIL FROM:<a@b_c.example>") == (501, "5.1.7")
    assert refusal("RCPT TO:<a@b_c.example>") == (501, "5.1.2")
    assert refusal("RCPT TO:<a@b+c.example>", allow_underscore_domain=True) == (501, "5.1.2")
    command = parse("RCPT TO:<a@_b_c-d-E_1.example>", allow_underscore_domain=True)
    assert isinstance(command, Rcpt)
    assert command.forward_path.domain == "_b_c-d-E_1.example"
    hello = parse("EHLO b_c")
    assert isinstance(hello, Ehlo)
    assert not hello.is_valid


def test_postmaster() -> None:
    for name in ("Postmaster", "postmaster", "POSTMASTER"):
        assert parse(f"RCPT TO:<{name}>") == Rcpt(name)
        assert parse(f"RCPT TO:<{name}@b.example>") == Rcpt(f"{name}@b.example")
        assert refusal(f"MAIL FROM:<{name}>") == (501, "5.1.7")
        assert refusal(f"RCPT TO:<@r.example:{name}>") == (501, "5.1.3")
    for name in ("po\u017ftmaster", "postmasters", '"postmaster"', "root"):
        assert refusal(f"RCPT TO:<{name}>") == (501, "5.1.3")


def test_sizes() -> None:
    """The RFC's sizes pass; beyond, the caps decide (RFC 5321 4.5.3.1)."""
    domain = ".".join(["d" * 63] * 4)
    assert len(domain) == 255
    assert parse(f"RCPT TO:<{'x' * 64}@b.example>")
    assert parse(f"RCPT TO:<a@{domain}>")
    assert parse(f"RCPT TO:<{'x' * 256}@{domain}>")
    assert refusal(f"RCPT TO:<{'x' * 257}@b.example>") == (501, "5.1.3")
    assert refusal(f"MAIL FROM:<{'x' * 257}@b.example>") == (501, "5.1.7")
    assert refusal(f"RCPT TO:<a@{'d.' + domain[:-1]}>") == (501, "5.1.2")
    assert refusal(f"RCPT TO:<a@{'d' * 64}>") == (501, "5.1.2")
    small = Limits(local_part=5, domain=9, path=20)
    assert parse("MAIL FROM:<@r,@r:ab@b.example>", small)
    assert parse("MAIL FROM:<abcde@b.example>", small)
    assert refusal("MAIL FROM:<abcdef@b.example>", small) == (501, "5.1.7")
    assert refusal("MAIL FROM:<a@bc.example>", small) == (501, "5.1.7")
    assert refusal("MAIL FROM:<@r,@r:abc@b.example>", small) == (501, "5.1.7")
    assert refusal("MAIL FROM:<a@b.example>", Limits(path=2)) == (501, "5.1.7")
    none = Limits(local_part=None, domain=None, path=None)
    assert parse(f"MAIL FROM:<{'x' * 2000}@{domain}.{domain}>", none)


def test_caps_count_octets() -> None:
    small = Limits(local_part=4, path=20)
    assert parse("RCPT TO:<\u00e9\u00e9@b.example>", small)
    assert refusal("RCPT TO:<\u00e9\u00e9x@b.example>", small) == (501, "5.1.3")
    assert refusal("RCPT TO:<\u00e9@\u00e9\u00e9\u00e9\u00e9.\u00e9\u00e9\u00e9\u00e9>", small) == (
        501,
        "5.1.3",
    )


def test_trailing_dot() -> None:
    assert refusal("MAIL FROM:<a@b.example.>") == (501, "5.1.7")
    assert parse("MAIL FROM:<a@b.example.>", allow_trailing_dot=True) == Mail("a@b.example")
    assert refusal("MAIL FROM:<a@b.example..>", allow_trailing_dot=True) == (501, "5.1.7")
    assert refusal("MAIL FROM:<a@.>", allow_trailing_dot=True) == (501, "5.1.7")


@pytest.mark.parametrize("local", ["a..b", ".a", "a.", "...", "d\u00f6..r.", "a+b..c"])
def test_extra_dots(local: str) -> None:
    """They are no dot-string, but a quoted string may have them (RFC 5321 4.1.2)."""
    line = f"RCPT TO:<{local}@b.example>"
    assert refusal(line) == (501, "5.1.3")
    rcpt = parse(line, allow_extra_dots=True)
    assert isinstance(rcpt, Rcpt)
    assert rcpt == Rcpt(f'"{local}"@b.example')
    assert rcpt.forward_path.local_part == local
    assert rcpt.forward_path == Path(str(rcpt.forward_path.mailbox))
    assert parse(
        f"MAIL FROM:<@r.example:{local}@b.example.>",
        allow_extra_dots=True,
        allow_trailing_dot=True,
    ) == Mail(Path(f'"{local}"@b.example', ("r.example",)))


@pytest.mark.parametrize("local", ["", "a b.", 'a"b.', "a\\b..", "(a.)", "a,b..c", "a@b..c"])
def test_extra_dots_let_nothing_else_through(local: str) -> None:
    assert refusal(f"RCPT TO:<{local}@b.example>", allow_extra_dots=True) == (501, "5.1.3")


def test_a_missing_domain() -> None:
    """It is that of who takes the mail, as RFC 5321 2.3.5 would have had the client write it."""
    for line in ("MAIL FROM:<root>", "MAIL FROM:<postmaster>", "RCPT TO:<@r.example:root>"):
        assert refusal(line)[0] == 501
    assert parse("RCPT TO:<Postmaster>") == Rcpt("Postmaster")
    here = {"missing_domain": "b.example"}
    assert parse("MAIL FROM:<root>", **here) == Mail("root@b.example")
    assert parse("MAIL FROM:<>", **here) == Mail("")
    assert parse("MAIL FROM:<a@c.example>", **here) == Mail("a@c.example")
    assert parse("RCPT TO:<Postmaster>", **here) == Rcpt("Postmaster@b.example")
    assert parse('RCPT TO:<"a b">', **here) == Rcpt('"a b"@b.example')
    assert parse("RCPT TO:<@r.example:root>", **here) == Rcpt(
        Path("root@b.example", ("r.example",))
    )
    assert parse("RCPT TO:root", allow_missing_brackets=True, **here) == Rcpt("root@b.example")
    assert parse("RCPT TO:<a..b>", allow_extra_dots=True, **here) == Rcpt('"a..b"@b.example')
    for wrong in ("<@>", "<a@>", "<@r.example:>", "<a b>", "<a.>", "<a>b>", f"<{'x' * 257}>"):
        assert refusal(f"RCPT TO:{wrong}", **here)[0] == 501


def test_hello_with_garbage() -> None:
    for verb in ("EHLO", "HELO", "LHLO"):
        for name in ("a_b", "[::1]", "not a name", "[1.2.3.4", "-", "\u00e9.example"):
            hello = parse(f"{verb} {name}")
            assert isinstance(hello, (Ehlo, Helo, Lhlo))
            assert (hello.domain, hello.is_valid) == (name, False)
            assert refusal(f"{verb} {name}", strict_helo=True) == (501, "5.5.4")
        for name in ("b.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "localhost", "192.0.2.1"):
            hello = parse(f"{verb} {name}", strict_helo=True)
            assert isinstance(hello, (Ehlo, Helo, Lhlo))
            assert hello.is_valid
        for name in ("", " ", "a\x7fb", "a\x1bb", "a\tb", "\udcff", "\u2028", "\x85"):
            assert refusal(f"{verb} {name}") == (501, "5.5.4")


def test_an_argument_where_none_belongs() -> None:
    for verb in ("RSET", "QUIT", "DATA", "STARTTLS"):
        assert refusal(f"{verb} foo") == (501, "5.5.4")
    assert parse("RSET") == Rset()
    assert parse("DATA") == Data()


def test_noop_takes_anything() -> None:
    for text in ("foo", "a b", '"', "\u00e9", "\udcff", "\x01"):
        assert parse(f"NOOP {text}") == Noop(text)
    assert parse("HELP me please") == Help("me please")


def test_eight_bit() -> None:
    """Where UTF-8 is never allowed it is 501 5.5.2; in addresses it must be UTF-8."""
    assert refusal("HELP \u00e9") == (501, "5.5.2")
    assert refusal("QUIT \u00e9") == (501, "5.5.2")
    assert refusal("MAIL FROM:<\udcff@b.example>") == (550, "5.6.7")
    assert refusal("RCPT TO:<\udcff@b.example>") == (553, "5.6.7")
    assert refusal("VRFY \u00e9") == (553, "5.6.7")
    assert parse("VRFY \u00e9 SMTPUTF8") == Vrfy("\u00e9", True)


def test_a_parameter_twice() -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse("MAIL FROM:<> SIZE=5 BODY=x size=5")
    assert caught.value.violation is Violation.PARAMETER_REPEATED
    assert (caught.value.code, caught.value.enhanced) == (501, "5.5.4")
    assert refusal("MAIL FROM:<> XA XA", unknown_parameters="ignore") == (501, "5.5.4")


def test_unknown_parameters() -> None:
    line = "MAIL FROM:<> SIZE=5 XFOO=a+b XBAR"
    assert refusal(line) == (555, "5.5.4")
    assert parse(line, unknown_parameters="ignore") == Mail("", {"SIZE": 5})
    assert parse(line, unknown_parameters="pass") == Mail(
        "", {"SIZE": 5, "XFOO": "a+b", "XBAR": None}
    )
    for word in ("ignore", "pass"):
        assert refusal("MAIL FROM:<> XFOO=", unknown_parameters=word) == (501, "5.5.4")
    with pytest.raises(InvalidValueError, match="reject or ignore or pass expected, not 'drop'"):
        Leniency(unknown_parameters="drop")  # type: ignore[arg-type]
    for switch in fields(Leniency):
        with pytest.raises(InvalidValueError, match=f"^{switch.name}: .* expected, not 'n o'"):
            Leniency(**{switch.name: "n o"})  # type: ignore[arg-type]


def test_defaults() -> None:
    assert Leniency() == DEFAULT_LENIENCY == Vocabulary().leniency
    assert EVERYTHING.leniency == Leniency(unknown_parameters="pass")
