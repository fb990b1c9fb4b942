# SPDX-License-Identifier: MIT
"""The public names are those that were promised, and the documentation speaks of what exists."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

import smtpproto
from smtpproto import Limits, State, extensions
from smtpproto.grammar.auth import AuthResponse, EndOfMailData, Greeting
from smtpproto.session.table import build_table

ROOT = Path(__file__).parents[1]

# A name that goes away, or comes, is a line in CHANGELOG.md.
TOP_LEVEL = """
    Announcing Atrn Auth AuthResponse AuthResponseReceived Bdat Burl BurlLast ChunkEnded
    ChunkReceived
    ClientConnection ClientEvent Command CommandReceived CommandRejected ConnectionClosed Data Ehlo
    EndOfMailData Etrn Expn Greeting Helo Help InvalidValueError Leniency Lhlo Limits LineEndings
    LocalProtocolError Mail MailDataEnded MailDataReceived Mailbox Noop Onex Parameter Parameters
    Path ProtocolError Quit Rcpt ReceivedPolicy RemoteProtocolError Reply ReplyReceived Rset
    ServerConnection ServerEvent Signal StartTLS State TLSInfo Turn Verb Violation Vocabulary Vrfy
    WellKnown XClient XForward decode_xtext encode_xtext recommended_timeout
""".split()
DECLARING = "KNOWN Extension Move Row SessionFacts Transaction".split()
BUILT_IN = """
    Auth BinaryMime Chunking EightBitMime EnhancedStatusCodes Pipelining Size SmtpUtf8 StartTLS
""".split()
STATES = """
    CONNECTED REFUSED GREETED READY MAIL RCPT DATA BDAT BDAT_FAILED AUTH TLS REVERSED CLOSED ERROR
""".split()

PUBLIC = ["smtpproto", "smtpproto.extensions", "smtpproto.framing", "smtpproto.proxy"]
PUBLIC += ["smtpproto.sasl", "smtpproto.dialogues", "smtpproto.asyncio", "smtpproto.blocking"]
PUBLIC += ["smtpproto.testing"]
PUBLIC += ["smtpproto.handlers"]


def test_the_top_level_names() -> None:
    assert sorted(smtpproto.__all__) == sorted(TOP_LEVEL)


def test_the_names_to_declare_extensions_with() -> None:
    assert set(DECLARING + BUILT_IN) <= set(extensions.__all__)
    for name in BUILT_IN:
        assert issubclass(getattr(extensions, name), extensions.Extension)


def test_every_known_extension_is_public() -> None:
    classes = {type(extension).__name__ for extension in extensions.KNOWN}
    assert classes <= set(extensions.__all__)


def test_the_states() -> None:
    assert [state.name for state in State] == STATES


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_exist_once_and_in_order(module: str) -> None:
    loaded = importlib.import_module(module)
    names = loaded.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(loaded, name) for name in names)
    assert not [name for name in names if name.startswith("_")]


def test_commands_and_extensions_of_one_name_do_not_meet() -> None:
    shared = set(smtpproto.__all__) & set(extensions.__all__)
    assert {"Auth", "StartTLS"} <= shared
    for name in shared:
        command = getattr(smtpproto, name)
        assert issubclass(command, smtpproto.Command)
        assert command is not getattr(extensions, name)


# What the documentation says.


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def rows_of(text: str, width: int) -> list[list[str]]:
    """List the cells of the tables in `text` that are `width` columns wide."""
    lines = (line for line in text.splitlines() if line.startswith("| "))
    cells = ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines)
    return [row for row in cells if len(row) == width and not row[0].startswith("---")]


def test_every_limit_is_documented_with_its_default() -> None:
    documented = {row[0]: row[1] for row in rows_of(page("docs/limits.md"), 4)[1:]}
    limits = Limits()
    assert documented == {f"`{cap.name}`": str(getattr(limits, cap.name)) for cap in fields(limits)}


def test_every_rule_names_tests_that_exist() -> None:
    sections = re.split(r"^## ", page("docs/rules.md"), flags=re.MULTILINE)[1:]
    assert [section.split(" ")[0] for section in sections] == [f"R{n}" for n in range(1, 15)]
    for section in sections:
        held_by = re.findall(r"`(tests/test_\w+\.py)`", section)
        assert held_by, section
        assert [name for name in held_by if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("name", ["server_loop", "dispatch_loop", "client_loop"])
def test_the_guide_shows_what_is_type_checked(name: str) -> None:
    source = page(f"tests/typing/{name}.py")
    docstring = ast.parse(source).body[0]
    program = "".join(source.splitlines(keepends=True)[docstring.end_lineno :]).strip("\n")
    assert f"\n{program}\n```\n" in page("docs/integrate.md")


def test_links_lead_to_pages_that_exist() -> None:
    """The drawings are made, and have a test of their own."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    missing = [
        f"{path.name}: {target}"
        for path in pages
        if path.is_file()
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8"))
        if not target.endswith(".svg") and not (path.parent / target).exists()
    ]
    assert missing == []


COMMAND_STATES = [State[name] for name in STATES[2:6] + STATES[7:9]]
STATE_SETS = {
    "all of `GREETED`…`BDAT_FAILED`": COMMAND_STATES,
    "all of `READY`…`BDAT_FAILED`": COMMAND_STATES[1:],
}
OTHER_NAMES = {
    "the greeting": Greeting,
    "end of mail data": EndOfMailData,
    "end of mail data, by BDAT LAST": EndOfMailData,
    "response of the client": AuthResponse,
}


VERBS = {
    kind.verb: kind
    for kind in vars(smtpproto).values()
    if isinstance(kind, type) and issubclass(kind, smtpproto.Command) and kind.verb
}


def commands_of(cell: str) -> list[type]:
    """List the commands that a cell such as "EHLO, HELO; in LMTP: LHLO" names."""
    if cell in OTHER_NAMES:
        return [OTHER_NAMES[cell]]
    return [VERBS[word] for word in re.findall("[A-Z]{4,}", cell) if word != "LMTP"]


def documented_steps() -> dict[tuple[State, type], tuple[str, ...]]:
    """Read the table of docs/states.md: (state, command) to where the three classes lead."""
    steps: dict[tuple[State, type], tuple[str, ...]] = {}
    for where, cell, *targets in rows_of(page("docs/states.md"), 5)[1:]:
        states = STATE_SETS.get(where) or [State[name] for name in re.findall(r"`(\w+)`", where)]
        commands = commands_of(cell)
        assert commands, cell
        for state in states:
            for command in commands:
                assert (state, command) not in steps
                steps[state, command] = tuple(
                    f"`{state.name}`" if target == "unchanged" else target for target in targets
                )
    return steps


def test_the_page_on_states_says_what_the_table_says() -> None:
    documented = documented_steps()
    shown = (extensions.Chunking, extensions.StartTLS, extensions.Auth)
    rows = tuple(row for extension in shown for row in extension.rows)
    expected: dict[tuple[State, type], tuple[str, ...]] = {}
    for lmtp in (False, True):
        for state, steps in build_table(rows, lmtp).items():
            for command, step in steps.items():
                targets = [
                    f"`{target.name}`" if target else "-"
                    for target in (step.success, step.intermediate, step.failure)
                ]
                if step.exact is not None:
                    targets[step.exact // 100 - 2] += f" ({step.exact})"
                expected[state, command] = tuple(targets)
    assert documented == expected
