# SPDX-License-Identifier: MIT
"""Every code block of README.md and docs/ runs.

A ``python`` fence runs by itself, or, marked ``python continue``, after the one before it. In a
``console`` fence the lines that begin with ``$ `` are commands: those of the package's own command
line are run and must succeed, the others must be named in `NOT_RUN`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from smtpproto.__main__ import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What a fence may be: a kind that is run, or one that cannot be. Python under another name, or a
# shell fence, would be a way around the tests.
RUN = {"python", "console"}
SHOWN = {"abnf", "diff", "dot", "ini", "json", "text", "toml", "yaml"}

RUNNABLE = re.compile(r"(?:PYTHONPATH=src )?python3 -m smtpproto\b")

# They do not end by themselves, or want a server: their options are looked at.
READ = {"serve": "python3 -m smtpproto serve", "send": "python3 -m smtpproto send"}

# Commands that are shown and not run, by how they begin: they install, they need a network or other
# software, or they do not end by themselves.
NOT_RUN = (
    "python3 -m venv ",
    "python3 -m pip ",
    "pip install ",
    ".venv/bin/",
    "uv ",
    "uvx ",
    "git clone ",
    "cd ",
    "bash .ci/run",
    "swaks ",
    *READ.values(),
    *(f"PYTHONPATH=src {command}" for command in READ.values()),
)


@dataclass(frozen=True)
class Fence:
    """A code block of a page, and the line its code begins on, from 1."""

    page: str
    line: int
    info: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def fences(text: str, page: str) -> list[Fence]:
    """List the code blocks of a Markdown page."""
    found: list[Fence] = []
    lines = enumerate(text.splitlines(keepends=True), 1)
    for number, line in lines:
        opening = re.match(r" *(`{3,}|~{3,})(.*)", line)
        if not opening:
            continue
        code = []
        for _, inner in lines:
            if inner.strip() == opening[1]:
                break
            code.append(inner)
        else:
            raise AssertionError(f"{page}:{number}: the fence does not end")
        found.append(Fence(page, number + 1, opening[2].strip(), textwrap.dedent("".join(code))))
    return found


def fence_faults(found: list[Fence]) -> list[str]:
    """List the fences that no test here would run."""
    faults = []
    for number, fence in enumerate(found):
        language, *flags = fence.info.split() or [""]
        if language not in RUN | SHOWN:
            allowed = ", ".join(sorted(RUN | SHOWN))
            faults.append(f"{fence}: a fence is one of {allowed}, not {fence.info!r}")
        elif flags and (language, flags) != ("python", ["continue"]):
            faults.append(f"{fence}: {fence.info!r} is not understood, and nothing is left unrun")
        elif flags and not any(other.info.startswith("python") for other in found[:number]):
            faults.append(f"{fence}: there is nothing to continue")
    return faults


def programs(found: list[Fence]) -> list[list[Fence]]:
    """Group the python fences: each with those that continue it."""
    groups: list[list[Fence]] = []
    for fence in found:
        if fence.info == "python":
            groups.append([fence])
        elif fence.info == "python continue":
            groups[-1].append(fence)
    return groups


def commands(fence: Fence) -> list[str]:
    """List the commands of a console fence, continued lines joined."""
    joined = fence.code.replace("\\\n", " ")
    return [line[2:].strip() for line in joined.splitlines() if line.startswith("$ ")]


def execute(program: list[Fence], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run fences one after the other as one main module; a traceback names page and line."""
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    for fence in program:
        padded = "\n" * (fence.line - 1) + fence.code
        exec(compile(padded, str(ROOT / fence.page), "exec", dont_inherit=True), module.__dict__)


def run_command(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a page with this Python, in `folder`, which sees the package in src."""
    source = str(ROOT / "src")
    (folder / "src").symlink_to(source)
    return subprocess.run(
        ["sh", "-c", command.replace("python3", shlex.quote(sys.executable), 1)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": source},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )


def of_pages() -> dict[str, list[Fence]]:
    """Read every page that exists."""
    names = {path: str(path.relative_to(ROOT)) for path in PAGES if path.is_file()}
    return {name: fences(path.read_text("utf-8"), name) for path, name in names.items()}


FENCES = of_pages()
PROGRAMS = [
    group for found in FENCES.values() if not fence_faults(found) for group in programs(found)
]
CONSOLES = [fence for found in FENCES.values() for fence in found if fence.info == "console"]
COMMANDS = [
    pytest.param(command, id=f"{fence}-{number}")
    for fence in CONSOLES
    for number, command in enumerate(commands(fence), 1)
]


@pytest.mark.parametrize("page", FENCES)
def test_every_fence_is_of_a_known_kind(page: str) -> None:
    assert fence_faults(FENCES[page]) == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program[0]))
def test_python_fences_run(
    program: list[Fence], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    execute(program, monkeypatch)


@pytest.mark.parametrize("fence", CONSOLES, ids=str)
def test_a_console_fence_has_a_command(fence: Fence) -> None:
    assert commands(fence)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_succeed(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if command.startswith(NOT_RUN):
        for name, beginning in READ.items():
            if beginning in command:
                monkeypatch.setattr(f"smtpproto.cli.{name}.run", lambda args: 0)
                assert main(shlex.split(command.partition("-m smtpproto ")[2])) == 0
        return
    assert RUNNABLE.match(command), f"neither run nor in NOT_RUN: {command}"
    done = run_command(command, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


# The tests of the tests.

PAGE = """\
```python
x = 1
```
1. In a list:

   ```python continue
   assert x == 1, "one"
   y = 2
   ```

````text
```python
not code
```
````

```console
$ python3 -m smtpproto \\
    demo
output
$ bash .ci/run
```
"""


def test_fences_of_a_page() -> None:
    found = fences(PAGE, "page.md")
    assert [(fence.line, fence.info) for fence in found] == [
        (2, "python"),
        (7, "python continue"),
        (12, "text"),
        (18, "console"),
    ]
    assert found[1].code == 'assert x == 1, "one"\ny = 2\n'
    assert fence_faults(found) == []
    assert programs(found) == [found[:2]]
    assert [" ".join(c.split()) for c in commands(found[3])] == [
        "python3 -m smtpproto demo",
        "bash .ci/run",
    ]


@pytest.mark.parametrize(
    "info",
    ["", "py", "pycon", "bash", "sh", "python not-run", "console not-run", "python continue"],
)
def test_a_fence_that_would_not_run_is_found(info: str) -> None:
    assert len(fence_faults(fences(f"```{info}\nx\n```\n", "page.md"))) == 1


def test_an_unclosed_fence_is_found() -> None:
    with pytest.raises(AssertionError, match=r"page.md:1: the fence does not end"):
        fences("```python\nx\n", "page.md")


def test_a_failing_fence_names_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError) as info:
        execute([Fence("page.md", 41, "python", "x = 1\nx / 0\n")], monkeypatch)
    assert info.traceback[-1].lineno == 41  # pytest counts from 0


def test_a_failing_command_is_found(tmp_path: Path) -> None:
    assert run_command("python3 -m smtpproto.no_such_module", tmp_path).returncode == 1
