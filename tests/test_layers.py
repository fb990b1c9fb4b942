# SPDX-License-Identifier: MIT
"""Imports go downward only, and the core imports nothing that does I/O."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
PACKAGE = SRC / "smtpproto"

# Lowest first. A module imports from itself and from lower floors; names on one floor do not import
# each other. A new module or subpackage of smtpproto gets its place here.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("values", "exceptions"),
    ("kinds",),
    ("limits", "states", "tlsinfo"),
    ("framing",),
    ("grammar",),
    ("sasl", "proxy"),
    ("extensions",),
    ("session",),
    ("__init__",),
    ("dialogues",),
    ("tlstools", "dialling", "forking", "listening", "gate", "observing", "transcribing"),
    ("serving", "calling"),
    ("asyncio", "blocking", "handlers"),
    ("testing",),
    ("cli",),
    ("__main__", "pytest_plugin"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

# Modules that may import less than all that is below them.
ONLY: dict[str, frozenset[str]] = {
    "sasl": frozenset({"values", "exceptions", "kinds", "grammar"}),
    "proxy": frozenset({"values", "exceptions", "kinds", "limits"}),
}

# What only the floors above the dialogues may import: input, output, clocks, threads and chance.
IMPURE = frozenset(
    "asyncio concurrent email http importlib logging multiprocessing os queue random secrets select"
    " selectors signal smtplib socket socketserver ssl subprocess tempfile threading time urllib"
    " uuid".split()
)
# A dialogue makes and reads whole messages, so it may know their format.
PURE_EXCEPT = {"dialogues": frozenset({"email"})}


def top_of(path: Path) -> str:
    """Name the module or subpackage of smtpproto that `path` belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str, package: tuple[str, ...]) -> list[tuple[int, str]]:
    """List line number and absolute name of all that `source`, a module in `package`, imports.

    Wherever they stand: in functions and under ``if TYPE_CHECKING`` too.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join((*base, *([node.module] if node.module else [])))
            found += [(node.lineno, f"{prefix}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Name) and node.id == "__import__":
            found.append((node.lineno, "importlib"))
    return found


def faults(source: str, path: Path) -> list[str]:
    """List what the module `path`, holding `source`, imports and must not."""
    top = top_of(path)
    if top not in FLOOR:
        return [f"{path}: give {top!r} a place in FLOORS of {Path(__file__).name}"]
    package = ("smtpproto", *path.relative_to(PACKAGE).parent.parts)
    found = []
    for line, name in imports(source, package):
        parts = name.split(".")
        if parts[0] != "smtpproto":
            forbidden = IMPURE - PURE_EXCEPT.get(top, frozenset())
            if FLOOR[top] <= FLOOR["dialogues"] and parts[0] in forbidden:
                found.append(f"{path}:{line}: {top} is pure and imports {name}")
            continue
        # A name that is no module comes from smtpproto/__init__.py.
        target = parts[1] if len(parts) > 1 and is_module(parts[1]) else "__init__"
        if target == top:
            continue
        if target not in FLOOR:
            found.append(f"{path}:{line}: {target!r} has no place in FLOORS")
        elif FLOOR[target] >= FLOOR[top]:
            found.append(f"{path}:{line}: {top} imports {name}, which is not below it")
        elif target not in ONLY.get(top, FLOOR):
            found.append(f"{path}:{line}: {top} may import only {sorted(ONLY[top])}, not {name}")
    return found


def is_module(name: str) -> bool:
    """Say whether smtpproto has, or by the table may have, a module of this name."""
    return name in FLOOR or (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    assert faults(path.read_text("utf-8"), path) == []


def test_modules_are_found() -> None:
    assert PACKAGE / "exceptions.py" in MODULES


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("grammar/commands.py", "from ..session import events"),
        ("grammar/commands.py", "from .. import extensions"),
        ("grammar/commands.py", "import smtpproto.extensions.size"),
        ("grammar/commands.py", "from smtpproto import ServerConnection"),
        ("framing/lines.py", "from ..grammar.abnf import ATOM"),
        ("framing/lines.py", "def f():\n    from ..grammar import abnf"),
        ("framing/lines.py", "if TYPE_CHECKING:\n    from ..grammar import abnf"),
        ("sasl/plain.py", "from ..limits import Limits"),
        ("sasl/plain.py", "from ..proxy import parse"),
        ("asyncio/server.py", "from ..blocking import server"),
        ("blocking/server.py", "from ..asyncio.server import serve"),
        ("asyncio/server.py", "from ..testing import capture"),
        ("asyncio/server.py", "from smtpproto.cli import run"),
        ("testing.py", "from .cli import run"),
        ("__init__.py", "from .dialogues import serve"),
        ("__init__.py", "from . import asyncio"),
        ("session/server.py", "import time"),
        ("session/server.py", "import os.path"),
        ("session/server.py", "from asyncio import StreamReader"),
        ("session/server.py", "from email.message import EmailMessage"),
        ("session/server.py", "__import__('socket')"),
        ("dialogues/server.py", "import ssl"),
        ("values.py", "from .exceptions import InvalidValueError"),
        ("newcomer.py", ""),
        ("session/server.py", "from ..newcomer import thing"),
    ],
)
def test_a_planted_violation_is_found(
    where: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "is_module", lambda name: name == "newcomer" or name in FLOOR)
    assert len(faults(source, PACKAGE / where)) == 1


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("session/server.py", "from ..framing.lines import LineReader\nfrom .table import ROWS"),
        ("session/server.py", "import base64, re\nfrom smtpproto.states import State"),
        ("sasl/plain.py", "from ..grammar.abnf import base64\nfrom ..exceptions import shown"),
        (
            "dialogues/client.py",
            "from .. import ClientConnection\nfrom email.message import Message",
        ),
        ("asyncio/server.py", "import asyncio, ssl\nfrom ..dialogues import server"),
        ("testing.py", "from .asyncio import serve\nfrom . import blocking"),
        ("cli/serve.py", "from ..asyncio import serve\nfrom .. import __version__\nimport os"),
        ("__main__.py", "from .cli import main"),
    ],
)
def test_a_downward_import_is_allowed(where: str, source: str) -> None:
    assert faults(source, PACKAGE / where) == []


def test_importing_the_core_loads_no_io() -> None:
    """The standard library may not bring them in by the back door either."""
    heavy = {"asyncio", "email", "logging", "select", "smtplib", "socket", "ssl", "subprocess"}
    program = f"import sys; sys.path.insert(0, {str(SRC)!r}); import smtpproto; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "smtpproto" in loaded
    assert heavy.isdisjoint(loaded)
