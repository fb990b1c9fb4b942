# SPDX-License-Identifier: MIT
"""House style that no linter knows: licence lines, docstrings, citations, sizes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = sorted((ROOT / "src").rglob("*.py"))
TEXTS = sorted(
    {*SRC, *ROOT.glob("*.md"), *(ROOT / ".ci").iterdir()}
    | {path for folder in ("docs", "tests", "fuzz") for path in (ROOT / folder).rglob("*.*")}
    - {Path(__file__)}
)
TEXTS = [path for path in TEXTS if path.suffix in {".py", ".md", ".toml", ""}]

# Before 3.11.5 Python's `re` takes too much for a group that is repeated possessively: `(?:ab)*+`.
POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{[0-9,]+\})\+")

SPDX = "# SPDX-License-Identifier: MIT\n"
MAX_LINES = 600

# The RFCs that the package cites. A number that is not here is a slip of the pen, or is added.
KNOWN_RFCS = frozenset(
    """
    821 822 876 1035 1047 1122 1123 1428 1521 1652 1845 1846 1869 1870 1891 1893 1985
    2033 2034 2045 2046 2047 2104 2195 2231 2476 2505 2533 2554 2645 2821 2822 2831 2852 2920
    3030 3207 3279 3339 3454 3461 3462 3463 3464 3492 3629 3798 3848 3865 3885 3886 3974 3986
    4013 4055 4141 4291 4405 4422 4468 4505 4616 4648 4865 4954
    5056 5068 5234 5248 5280 5321 5322 5336 5337 5782 5801 5802 5890 5891 5892 5893 5929
    6066 6068 6125 6152 6376 6409 6522 6530 6531 6532 6533 6648 6710 6729 6749 6750 6758
    7293 7372 7405 7435 7504 7505 7616 7628 7672 7677 7817
    8098 8265 8301 8314 8446 8460 8461 8494 8601 8616 8689 8996 8997
    9051 9112 9266 9325 9422 9788
    """.split()
)

BAD_CITATIONS = {
    "a section sign": r"§",
    # rfc822 is also the name of an address type on the wire (RFC 3461 4.2).
    "no space after RFC": r"\b(?!rfc822\b)(?i:rfcs?)[-_#:]?\d",
    "not written RFC": r"\b(?!RFC\b)(?i:rfcs?)\s+\d",
    "a word before the section": r"RFC\s+\d+[,:]?\s+(?i:sec|para|chap|app)\w*\.?\s+[\dA-F]",
    "a section without its RFC": r"\b(?i:sections?|sec\.)\s+\d",
    "a comma before the section": r"RFC\s+\d+[,:]\s*\d+\.\d",
}

LEFT_OVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|x" r"fail)\b(?!_strict)")


def citation_faults(text: str) -> list[str]:
    """List what is wrong with the citations in `text`; the one form is ``RFC 5321 4.5.2``."""
    found = [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {what}: {match[0]!r}"
        for what, pattern in BAD_CITATIONS.items()
        for match in re.finditer(pattern, text)
    ]
    unknown = set(re.findall(r"\bRFC\s+(\d+)", text)) - KNOWN_RFCS
    return found + [f"RFC {number} is not in KNOWN_RFCS" for number in sorted(unknown)]


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SRC, ids=ident)
def test_source_file(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith(SPDX)
    assert ast.get_docstring(ast.parse(text)), "a file opens with what it decides"
    assert text.count("\n") <= MAX_LINES
    assert citation_faults(text) == []
    if not {"asyncio", "blocking"} & set(path.parts):
        assert not re.search(r"#\s*type:\s*ignore", text), "the core types without exceptions"


@pytest.mark.parametrize("path", TEXTS, ids=ident)
def test_nothing_is_left_over(path: Path) -> None:
    assert LEFT_OVER.findall(path.read_text("utf-8")) == []


def test_files_are_found() -> None:
    assert ROOT / "src/smtpproto/exceptions.py" in SRC
    assert {ROOT / "CONTRIBUTING.md", ROOT / ".ci/run", ROOT / "tests/conftest.py"} <= set(TEXTS)


@pytest.mark.parametrize(
    "text",
    [
        "RFC 5321 § 4.5.2",
        "see §4.5.2",
        "RFC5321 4.5.2",
        "RFC-5321",
        "rfc5321",
        "rfc 5321 4.5.2",
        "Rfc 5321",
        "RFCs 5321 and 5322",
        "RFC 5321 section 4.5.2",
        "RFC 5321, Section 4.5.2",
        "RFC 5321 Sec. 4.5.2",
        "RFC 5321 Appendix D",
        "section 4.5.2 of the RFC",
        "RFC 5321, 4.5.2",
        "RFC 5312 4.5.2",
        "RFC 5321\n    section 4",
    ],
)
def test_a_bad_citation_is_found(text: str) -> None:
    assert citation_faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "RFC 5321 4.5.2",
        "(RFC 5321 3, 4.1.4; RFC 3030 2)",
        "the obsolete verbs of RFC 821",
        "as RFC 5321\n    4.5.3.1.4 asks",
        "RFC 5321, RFC 5322",
        "ORCPT=rfc822;user@example.org",
        "RFC 5321 F.2",
    ],
)
def test_a_good_citation_passes(text: str) -> None:
    assert citation_faults(text) == []


# In trace.py a round that has begun always ends.
@pytest.mark.parametrize("path", [path for path in SRC if path.name != "trace.py"], ids=str)
def test_no_group_has_a_possessive_quantifier(path: Path) -> None:
    strings = [
        node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    ]
    assert [text for text in strings if POSSESSIVE_GROUP.search(text) and "``" not in text] == []


@pytest.mark.parametrize("text", [r"(?:ab)*+", r"(?:\.a++)++@", r"(a)?+>", r"(?:a){2,3}+"])
def test_a_possessive_quantifier_of_a_group_is_found(text: str) -> None:
    assert POSSESSIVE_GROUP.search(text)


@pytest.mark.parametrize("text", ["# TODO", "FIXME: x", "@pytest.mark.xfail"])
def test_a_leftover_is_found(text: str) -> None:
    assert LEFT_OVER.search(text)
