# SPDX-License-Identifier: MIT
"""The diagrams in docs/ are those of the session table as it is. Needs no Graphviz."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from smtpproto import State

DOCS = Path(__file__).parents[1] / "docs"
STALE = "stale: run python docs/draw_states.py"


@pytest.fixture(scope="module")
def draw_states() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_states", DOCS / "draw_states.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("role", ["server", "client"])
def test_the_diagrams_are_fresh(role: str, draw_states: ModuleType) -> None:
    dot = draw_states.draw(role)
    assert (DOCS / f"states-{role}.dot").read_text("utf-8") == dot, STALE
    svg = (DOCS / f"states-{role}.svg").read_text("utf-8")
    assert f"<desc>{draw_states.fingerprint(dot)}</desc>" in svg, STALE


@pytest.mark.parametrize("role", ["server", "client"])
def test_the_diagrams_are_whole_and_named(role: str, draw_states: ModuleType) -> None:
    svg = (DOCS / f"states-{role}.svg").read_text("utf-8")
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == draw_states.ROLES[role]
    assert "prefers-color-scheme: dark" in svg
    texts = {element.text for element in root.iter() if element.tag.endswith("}text")}
    never = {"ERROR", "REVERSED"} if role == "server" else {"REVERSED"}
    assert {state.name for state in State} - never <= texts
    # Colours come from the style sheet only, which has two sets of them.
    assert not re.search(r"(?:fill|stroke)=\"(?!none)", svg)


def test_every_row_that_leads_elsewhere_is_drawn(draw_states: ModuleType) -> None:
    dot = draw_states.draw("server")
    for label, target in draw_states.moves():
        assert label.split()[0] in dot
        assert target.name in dot
    assert '  RCPT -> DATA [label="DATA 354"];' in dot
    assert '  READY -> TLS [label="STARTTLS 220"];' in dot
    assert "RSET 2yz (not from GREETED): READY" in dot
