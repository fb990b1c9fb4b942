# SPDX-License-Identifier: MIT
"""The benchmarks run: what they measure is nobody's business here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent / "bench"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="they read /proc")


def run(*command: str) -> str:
    """Run a benchmark and return what it printed."""
    result = subprocess.run(
        [sys.executable, *command], cwd=BENCH, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


TINY = ("--rounds", "1", "--scale", "0.01", "--idle", "20", "--mebibytes", "1")


def test_servers_and_clients() -> None:
    only = ("ours", "ours, blocking", "canned", "smtplib", "ours asyncio")
    chosen = [word for name in only for word in ("--only", name)]
    out = run("bench_adapters.py", "--rows", "S,C,M", *TINY, *chosen)
    for measured in ("1 KB new", "100 KB dotted", "client 5 MB", "KiB per idle connection"):
        assert f"\n{measured} " in out
    for goal in ("S2 ", "C1 ", "M1 ", "M2 "):
        assert f"\n{goal}" in out


@pytest.mark.parametrize("contender", ["type", "match"])
def test_transaction(contender: str) -> None:
    run("bench_transaction.py", "--run", contender, "3")
