# SPDX-License-Identifier: MIT
"""How another process is measured: CPU time, memory, system calls and instructions. Linux only.

Knows nothing of mail.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, all threads, user and system."""
    # The id of another process's CPU clock, as clock_getcpuclockid() makes it.
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid: int, field: str = "VmRSS") -> int:
    """Return a line of /proc/PID/status in KiB: VmRSS, or VmHWM for the peak."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


def system_calls(pid: int, work: Callable[[], None]) -> dict[str, int] | None:
    """Return how often a process makes each system call while `work` runs; None without strace."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as output:
        command = ["strace", "-f", "-c", "-o", output.name, "-p", str(pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        if "attached" not in attached:
            tracer.wait()
            tracer.stderr.close()
            return None
        try:
            work()
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=30)
        rows = re.findall(
            r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", output.read(), re.MULTILINE
        )
    return {name: int(calls) for calls, name in rows if name != "total"}


def under_valgrind(command: Sequence[str]) -> list[str]:
    """Return a command that counts the user instructions of `command`."""
    options = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    return ["valgrind", *options, *command]


def instructions(text: str) -> int:
    """Return the count from what valgrind wrote."""
    found = re.search(r"I\s+refs:\s+([\d,]+)", text)
    if found is None:
        raise RuntimeError(f"no count from valgrind: {text[-800:]}")
    return int(found[1].replace(",", ""))
