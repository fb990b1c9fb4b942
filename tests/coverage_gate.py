# SPDX-License-Identifier: MIT
"""Hold every module to its branch coverage: all of the core, nearly all above it.

Reads the file that ``coverage json`` writes, prints a table, and fails if a module is below.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "src" / "smtpproto"

# What the operating system does cannot all be provoked; what the core does can.
ABOVE_THE_CORE = {
    "__main__",
    "asyncio",
    "blocking",
    "calling",
    "cli",
    "dialling",
    "forking",
    "gate",
    "handlers",
    "listening",
    "observing",
    "pytest_plugin",
    "serving",
    "testing",
    "tlstools",
    "transcribing",
}
CORE_PERCENT = 100.0
ABOVE_PERCENT = 95.0


def required(name: str) -> float:
    """Return the percentage that the module `name`, a path below the package, must reach."""
    top = Path(name).parts[0].removesuffix(".py")
    return ABOVE_PERCENT if top in ABOVE_THE_CORE else CORE_PERCENT


def rows(report: dict[str, Any], names: list[str]) -> list[tuple[str, float, float, str]]:
    """Make a row for each module: name, reached and required percentage, what is missing.

    A module that the report does not have was not measured, and has reached nothing.
    """
    found = {
        path.replace("\\", "/").rpartition("smtpproto/")[2]: data
        for path, data in report["files"].items()
    }
    table = []
    for name in names:
        data = found.get(name)
        if data is None:
            table.append((name, 0.0, required(name), "not measured"))
            continue
        summary = data["summary"]
        all_of_it = summary["num_statements"] + summary["num_branches"]
        covered = summary["covered_lines"] + summary["covered_branches"]
        branches = [f"{start}->{end}" for start, end in data["missing_branches"]]
        missing = " ".join([*map(str, data["missing_lines"]), *branches])
        reached = 100.0 * covered / all_of_it if all_of_it else 100.0
        table.append((name, reached, required(name), missing))
    return table


def main(path: str) -> int:
    """Print the table and return the exit status."""
    report = json.loads(Path(path).read_text("utf-8"))
    if not report["meta"]["branch_coverage"]:
        print("branches were not measured")
        return 1
    names = sorted(found.relative_to(PACKAGE).as_posix() for found in PACKAGE.rglob("*.py"))
    below = 0
    for name, reached, least, missing in rows(report, names):
        failed = reached < least
        below += failed
        verdict = "LOW" if failed else "ok"
        print(f"{verdict:4} {reached:6.2f} {least:6.2f}  {name:32} {missing[:200]}".rstrip())
    print(f"coverage gate: {len(names)} modules, {below} below")
    return 1 if below or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
