# SPDX-License-Identifier: MIT
"""The processes of the contenders: started, asked and ended.

Decides how a server or a client is started. Does not know what for.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import measure

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
SINK, SOURCE = "smtp-sink", "smtp-source"


class Process:
    """A contender that runs: its process, and the port it listens on."""

    def __init__(self, popen: subprocess.Popen[str], port: int = 0) -> None:
        self.popen = popen
        self.port = port

    @property
    def cpu(self) -> float:
        return measure.cpu_seconds(self.popen.pid)

    def ask(self, count: int) -> float:
        """Have a client send so many messages."""
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(f"{count}\n")
        self.popen.stdin.flush()
        return float(self.popen.stdout.readline())

    def stop(self) -> str:
        """End it; return what it wrote to standard error, where that is a pipe."""
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        self.popen.terminate()
        text = self.popen.stderr.read() if self.popen.stderr is not None else ""
        self.popen.wait(30)
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()
        return text


def environment(name: str, against: str | None) -> tuple[str, dict[str, str]]:
    """Return the contender's name without "before", and the environment it needs."""
    plain = name.removesuffix(", before")
    return plain, os.environ | ({"PYTHONPATH": against} if against and plain != name else {})


def start_server(name: str, against: str | None, counting: bool = False) -> Process:
    """Start a server and wait until it listens."""
    if name == SINK:
        with socket.create_server((LOOPBACK, 0)) as free:
            port = free.getsockname()[1]
        # As root it wants a user to become.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [SINK, *user, "-m", "30000", f"{LOOPBACK}:{port}", "1000"]
        popen = subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL)
        process = Process(popen, port)
        wait_for(port)
        return process
    plain, environ = environment(name, against)
    command = [sys.executable, str(HERE / "servers.py"), plain]
    if counting:
        command = measure.under_valgrind(command)
    popen = subprocess.Popen(
        command,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if counting else None,
    )
    assert popen.stdout is not None
    return Process(popen, int(popen.stdout.readline()))


def wait_for(port: int) -> None:
    """Wait until something listens there."""
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.01)
    raise TimeoutError(f"nothing listens on {port}")


def start_client(name: str, port: int, size: int, against: str | None) -> Process:
    plain, environ = environment(name, against)
    command = [sys.executable, str(HERE / "clients.py"), plain, str(port), str(size)]
    pipe = subprocess.PIPE
    return Process(subprocess.Popen(command, env=environ, text=True, stdin=pipe, stdout=pipe))


@contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.stop()
