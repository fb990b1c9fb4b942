# SPDX-License-Identifier: MIT
"""The parameters of MAIL and RCPT, read and written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from invariants import EVERYTHING, parse_number
from strategies import parameters

from smtpproto.exceptions import InvalidValueError, LocalProtocolError, Violation
from smtpproto.grammar.parameters import (
    NO_PARAMETERS,
    Parameter,
    Parameters,
    encode_parameters,
    parse_parameters,
    typed_value,
)

DECLARED = EVERYTHING.mail_parameters


def parse(text: str, unknown: str = "reject", most: int | None = None) -> Parameters:
    """Parse with `DECLARED`."""
    return parse_parameters(text, DECLARED, unknown, most)


def fault(text: str, **options: Any) -> tuple[Violation, int, str]:
    """Return violation, code and status of a bad text."""
    with pytest.raises(InvalidValueError) as caught:
        parse(text, **options)
    return caught.value.violation, caught.value.code, caught.value.enhanced


GOOD = [
    ("", {}),
    (" SIZE=5", {"SIZE": 5}),
    (" SMTPUTF8", {"SMTPUTF8": None}),
    (
        " SIZE=5 SMTPUTF8 ENVID=a+2Bb XVERP=+=",
        {"SIZE": 5, "SMTPUTF8": None, "ENVID": b"a+b", "XVERP": "+="},
    ),
    (" SIZE", {"SIZE": None}),
    (" XVERP", {"XVERP": None}),
    (" XVERP==", {"XVERP": "="}),
    (" XVERP===", {"XVERP": "=="}),
    (" XVERP=\u00e9", {"XVERP": "\u00e9"}),
]


@pytest.mark.parametrize(("text", "values"), GOOD)
def test_parameters(text: str, values: dict[str, Any]) -> None:
    read = parse(text)
    assert read == Parameters(values)
    assert dict(read) == values
    assert encode_parameters(read, DECLARED) == text
    assert encode_parameters(Parameters(values), DECLARED) == text
    assert parse(text.replace(" ", "  ") + "  ") == read


def test_case_of_keyword_and_value() -> None:
    read = parse("size=5 eNvId=aB")
    assert read == {"SIZE": 5, "ENVID": b"aB"} == dict(Parameters({"Size": 5, "envid": b"aB"}))
    assert read.wire == {"SIZE": "5", "ENVID": "aB"}
    assert parse("SIZE=007 SMTPUTF8").wire == {"SIZE": "007", "SMTPUTF8": None}
    assert encode_parameters(parse("SIZE=007"), DECLARED) == " SIZE=7"
    assert Parameters({"SIZE": 5}).wire == {}


SYNTAX = (Violation.PARAMETER_SYNTAX, 501, "5.5.4")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "=5",
            "-A",
            "SIZE =5",
            "S_Z=5",
            "SIZE=",
            "SIZE=a",
            "SIZE=5=5",
            "SIZE=5\t",
            "SIZE=\x7f",
            "\u00e9=5",
        ),
        *(
            "ENVID",
            "ENVID=",
            "ENVID=a=b",
            "ENVID=+g0",
            "SMTPUTF8=",
            "SMTPUTF8=1",
            "SMTPUTF8==",
            "XVERP=",
        ),
        *(
            "SIZE=\u0665",
            "XVERP=\x01",
            "XVERP=a\r\nRCPT",
            "SIZE=5\n",
            "SIZE\n",
            "SIZE=5,",
            "a@b",
            "<a@b>",
        ),
    ],
)
def test_bad_syntax(text: str) -> None:
    for unknown in ("pass", "ignore"):
        assert fault(text, unknown=unknown) == SYNTAX


@pytest.mark.parametrize("text", ["\u017fIZE=5", "SI\u017fE=5", "\u212aEY", "XN\u0130"])
def test_a_keyword_is_ascii(text: str) -> None:
    """A long s in upper case is an S, but no keyword has one."""
    assert fault(text, unknown="pass") == SYNTAX


def test_unknown() -> None:
    assert fault("XFOO=5") == (Violation.PARAMETER_UNKNOWN, 555, "5.5.4")
    assert parse("XFOO=5 SIZE=5", "ignore") == {"SIZE": 5}
    assert parse("XFOO=5 SIZE=5", "ignore").wire == {"XFOO": "5", "SIZE": "5"}
    assert parse("XFOO=5 XBAR", "pass") == {"XFOO": "5", "XBAR": None}
    for unknown in ("pass", "ignore"):
        assert fault("XFOO=a=b", unknown=unknown) == SYNTAX


def test_ill_formed_utf8() -> None:
    for keyword in ("XVERP", "XFOO"):
        assert fault(f"{keyword}=\udcff", unknown="pass")[0] is Violation.NOT_UTF8
        with pytest.raises(InvalidValueError):
            Parameters({keyword: "\udcff"})


def test_twice() -> None:
    for unknown in ("pass", "ignore"):
        assert fault("XFOO xfoo=5", unknown=unknown) == (Violation.PARAMETER_REPEATED, 501, "5.5.4")
    with pytest.raises(InvalidValueError) as caught:
        Parameters({"SIZE": 5, "size": 5})
    assert caught.value.violation is Violation.PARAMETER_REPEATED


def test_at_most() -> None:
    assert len(parse("XA XB XC", "pass", 3)) == 3
    assert len(parse(" ".join(f"X{n}" for n in range(100)), "pass", None)) == 100
    for unknown in ("pass", "ignore"):
        assert fault("XA XB XC XD", unknown=unknown, most=3) == SYNTAX
    assert fault("XA", unknown="pass", most=0) == SYNTAX


@pytest.mark.parametrize(
    "given_values",
    [
        {"SIZE": "a"},
        {"SMTPUTF8": "1"},
        {"SMTPUTF8": True},
        {"ENVID": None},
        {"ENVID": "a=b"},
        {"XFOO": "a=b"},
        {"XFOO": ("a", "b")},
    ],
)
def test_what_a_declaration_refuses_is_not_written(given_values: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        encode_parameters(Parameters(given_values), DECLARED)


def test_text_is_written_as_it_is() -> None:
    assert (
        encode_parameters(Parameters({"SIZE": "007", "ENVID": "a+2B"}), DECLARED)
        == " SIZE=007 ENVID=a+2B"
    )
    assert encode_parameters(Parameters({"XFOO": 5, "XBAR": None}), {}) == " XFOO=5 XBAR"


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "a\r\nb", " ", "a b", "\x7f", ""])
def test_nothing_can_be_injected(bad: str) -> None:
    for values in ({"XFOO": bad}, {f"X{bad} ": None}):
        with pytest.raises(InvalidValueError) as caught:
            Parameters(values)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, LocalProtocolError)


@given(parameters)
def test_there_and_back(values: dict[str, str | None]) -> None:
    read = parse(encode_parameters(Parameters(values), DECLARED), "pass")
    assert read == Parameters(values)
    assert hash(read) == hash(Parameters(values))


def test_as_a_mapping() -> None:
    read = parse("SIZE=5 SMTPUTF8")
    assert (list(read), len(read), read["SIZE"], read.get("BODY", "7BIT")) == (
        ["SIZE", "SMTPUTF8"],
        2,
        5,
        "7BIT",
    )
    assert read != Parameters({"SIZE": 6, "SMTPUTF8": None})
    assert read != {"SIZE": 5}
    assert repr(Parameters({"SIZE": 5})) == "Parameters({'SIZE': 5})"
    assert len(NO_PARAMETERS) == 0
    assert hash(Parameters({"X": []})) == hash(Parameters({"X": [1]})), "values need no hash"


def test_messages_name_the_keyword() -> None:
    for text, words in (
        ("SMTPUTF8=1", "SMTPUTF8 without a value expected, not with '1'"),
        ("ENVID", "ENVID=value expected, not ENVID alone"),
        ("SIZE=5 size=5", "SIZE expected once, not twice"),
        ("XFOO=5", "parameter 'XFOO' not recognised or not offered"),
        ("XVERP=\x01", r"without space expected, not '\\x01'"),
        ("ENVID=a=b", "without space and = expected, not 'a=b'"),
    ):
        with pytest.raises(InvalidValueError, match=words):
            parse(text)


def test_a_parser_need_not_know_its_keyword() -> None:
    for bad in ("ENVID=+2", "SIZE=x"):
        keyword = bad.partition("=")[0]
        with pytest.raises(InvalidValueError, match=f"^{keyword}: ") as caught:
            parse(bad)
        assert (caught.value.code, caught.value.enhanced) == (501, "5.5.4")
    odd = Parameter(
        "ODD", lambda text: _raise(InvalidValueError("no", Violation.NUL, 555, "5.0.0"))
    )
    with pytest.raises(InvalidValueError, match=r"^ODD: no$") as caught:
        parse_parameters("ODD=1", {"ODD": odd}, "reject", None)
    assert caught.value.violation is Violation.NUL
    assert (caught.value.code, caught.value.enhanced) == (555, "5.0.0")


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("wrong", [5, 1.5, object(), ("a",)])
def test_a_value_of_the_wrong_type_is_refused(wrong: object) -> None:
    given_values = Parameters({"ENVID": wrong})
    with pytest.raises(InvalidValueError, match=r"^ENVID: xtext: octets expected, not "):
        encode_parameters(given_values, DECLARED)
    with pytest.raises(InvalidValueError, match=r"^ENVID: xtext: octets expected, not "):
        typed_value(given_values, DECLARED["ENVID"])


def test_typed_value() -> None:
    envid = DECLARED["ENVID"]
    assert typed_value(parse(" ENVID=a+2Bb"), envid) == b"a+b"
    assert typed_value(Parameters({"ENVID": b"a+b"}), envid) == b"a+b"
    assert typed_value(Parameters({"ENVID": "a+2Bb"}), envid) == b"a+b"
    assert typed_value(Parameters({"SIZE": None}), DECLARED["SIZE"]) is None
    assert typed_value(Parameters({}), envid) is None
    with pytest.raises(InvalidValueError, match=r"^ENVID: xtext expected"):
        typed_value(Parameters({"ENVID": "a+2"}), envid)


def test_a_value_is_checked_before_its_declaration_sees_it() -> None:
    seen = []
    declared = {"XFOO": Parameter("XFOO", seen.append)}
    with pytest.raises(InvalidValueError):
        parse_parameters("XFOO=\x01", declared, "reject", None)
    assert seen == []
    parse_parameters("XFOO=a", declared, "reject", None)
    assert seen == ["a"]
    assert parse_number("7") == 7


def test_a_plain_value_error_of_a_declaration_is_one_of_ours() -> None:
    """As ``int`` raises it: a peer must not get it past the parser."""
    level = Parameter("XLEVEL", int, int.__str__, needs_value=True)
    declared = {"XLEVEL": level}
    for attempt in (
        lambda: parse_parameters("XLEVEL=x", declared, "reject", None),
        lambda: typed_value(Parameters({"XLEVEL": "x"}), level),
        lambda: encode_parameters(Parameters({"XLEVEL": "x"}), declared),
    ):
        with pytest.raises(
            InvalidValueError, match=r"^XLEVEL: a value of its type .* not 'x'"
        ) as e:
            attempt()
        assert (e.value.code, e.value.violation) == (501, Violation.PARAMETER_SYNTAX)
    tens = {"XTEN": Parameter("XTEN", str, {10: "ten"}.__getitem__)}
    assert encode_parameters(Parameters({"XTEN": 10}), tens) == " XTEN=ten"
    strict = {"XTEN": Parameter("XTEN", int, lambda given: str((10,).index(given)))}
    with pytest.raises(InvalidValueError, match=r"^XTEN: a value of its type expected, not '11'"):
        encode_parameters(Parameters({"XTEN": 11}), strict)


@pytest.mark.parametrize("keyword", ["lower", "X Y", "", "X=", "X\r\n", b"X", None])
def test_a_keyword_that_no_client_could_mean_is_not_declared(keyword: Any) -> None:
    with pytest.raises(InvalidValueError):
        Parameter(keyword)


def test_a_needed_value_that_nothing_parses_is_not_declared() -> None:
    with pytest.raises(InvalidValueError, match="XCOLOUR: parse expected beside needs_value"):
        Parameter("XCOLOUR", needs_value=True)


LONG = 1 << 20


@pytest.mark.parametrize("piece", ["A", "A-", "A=", "A ", "=", " ", "A=\u00e9", "\udcff"])
def test_long_text_takes_linear_time(piece: str) -> None:
    text = piece * (LONG // len(piece))
    try:
        parse(text, "pass", 32)
        parse("XVERP=" + text, "pass", 32)
    except InvalidValueError:
        return
    assert piece in ("A", "A-", " ")
