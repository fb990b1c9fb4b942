# SPDX-License-Identifier: MIT
"""That each habit of other software which the project knows of has its test, by number.

1 to 30 are habits of servers, 31 to 53 of clients; `test_quirks_replies` and `test_quirks_commands`
have them. A number never changes its meaning, and a new habit gets the next one.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = {"test_quirks_replies.py": range(1, 31), "test_quirks_commands.py": range(31, 54)}
# A server that speaks TLS at once, as its client sees it, and the other way round.
ON_BOTH_SIDES = {44}


def numbers(name: str) -> list[int]:
    """Return the number of each test of a quirk; ``test_quirk_07_...`` is 7."""
    tree = ast.parse((HERE / name).read_text("utf-8"))
    names = [node.name.split("_") for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [int(parts[2]) for parts in names if parts[:2] == ["test", "quirk"]]


@pytest.mark.parametrize("name", FILES)
def test_every_number_is_there_in_order(name: str) -> None:
    found = [number for number in numbers(name) if number in FILES[name]]
    assert found == sorted(found)
    assert set(found) == set(FILES[name])
    assert set(numbers(name)) - set(found) <= ON_BOTH_SIDES


def test_there_are_53() -> None:
    assert set().union(*(numbers(name) for name in FILES)) == set(range(1, 54))
