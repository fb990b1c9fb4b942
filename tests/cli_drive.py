# SPDX-License-Identifier: MIT
"""Runs the command line: in this process, so that it can be measured, or in one of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import trustme

from smtpproto.__main__ import main

SRC = Path(__file__).parents[1] / "src"
PATIENCE = 60.0
"""Seconds after which something hangs."""

_T = TypeVar("_T")


def wait_for(ready: Callable[[], _T | None]) -> _T:
    """Wait until `ready` returns something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = ready()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("nothing came")


def read_port(file: Path) -> int | None:
    return int(file.read_text("ascii")) if file.exists() else None


def serve_for(
    client: Callable[[int], _T], *argv: str, number: signal.Signals = signal.SIGTERM
) -> _T:
    """Run ``serve`` in this thread and `client` in another one; end it with a signal.

    Args:
        client: called with the port.
        argv: more options.
        number: the signal.

    Returns:
        What `client` returned.
    """
    outcome: list[_T] = []
    failure: list[BaseException] = []
    over = threading.Event()

    def work(file: Path) -> None:
        try:
            port = wait_for(lambda: -1 if over.is_set() else read_port(file))
            if port > 0:
                outcome.append(client(port))
        except BaseException as error:
            failure.append(error)
        finally:
            if not over.is_set():
                os.kill(os.getpid(), number)

    with TemporaryDirectory() as folder:
        file = Path(folder) / "port"
        thread = threading.Thread(target=work, args=(file,))
        thread.start()
        try:
            status = main(["serve", "--port", "0", "--port-file", str(file), *argv])
            assert not file.exists(), "the port file goes with the server"
        finally:
            over.set()
            thread.join()
    if failure:
        raise failure[0]
    assert status == 0
    return outcome[0]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SRC), "PYTHONWARNINGS": "error"}


class Running:
    """A ``serve`` in a process of its own, with a Maildir, and JSON on its standard output.

    Args:
        folder: where its files go.
    """

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self.maildir = folder / "maildir"
        self.output = folder / "output"
        self._read = 0

    def take(self) -> list[tuple[dict[str, Any], bytes]]:
        """Return what came since the last time: what was said of each message, and its octets."""
        contents = messages(self.maildir)
        records: list[dict[str, Any]] = []

        def read() -> bool | None:  # what is kept is shown only afterwards
            with self.output.open("rb") as output:
                output.seek(self._read)
                lines = output.read().rpartition(b"\n")[0]
            self._read += len(lines) + bool(lines)
            records.extend(json.loads(line) for line in lines.splitlines())
            return len(records) >= len(contents) or None

        wait_for(read)
        for path in (self.maildir / "new").iterdir():
            path.unlink()
        return list(zip(records, contents, strict=True))


@contextmanager
def serve_process(folder: Path, *argv: str) -> Iterator[Running]:
    """Run ``serve`` in a process, and see that it ends cleanly."""
    running = Running(folder)
    file, notes = folder / "port", folder / "notes"
    options = [f"--port-file={file}", f"--maildir={running.maildir}", "--json", *argv]
    with running.output.open("wb") as output, notes.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "smtpproto", "serve", "--port=0", *options],
            env=environment(),
            stdout=output,
            stderr=errors,
        )
        try:
            running.port = wait_for(lambda: -1 if process.poll() is not None else read_port(file))
            yield running
        finally:
            status = stop(process)
    assert (status, notes.read_text("utf-8").count("\n")) == (0, 2), notes.read_text("utf-8")


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a process, and return its exit status."""
    process.terminate()
    try:
        return process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


def messages(maildir: Path) -> list[bytes]:
    """Return what a Maildir holds, the oldest first; nothing may be left half done."""
    assert list((maildir / "tmp").iterdir()) == []
    return [path.read_bytes() for path in sorted((maildir / "new").iterdir())]


class Telnet:
    """A client that knows nothing: octets go out as they are typed, lines come back.

    Args:
        port: of 127.0.0.1.
        typed: True to send octet by octet.
    """

    def __init__(self, port: int, typed: bool = False) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self.socket.makefile("rb")
        self._typed = typed

    def __enter__(self) -> Telnet:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self.socket.close()

    def write(self, octets: bytes) -> None:
        if self._typed:
            for octet in octets:
                self.socket.send(bytes((octet,)))
        else:
            self.socket.sendall(octets)

    def reply(self) -> bytes:
        """Read one reply, all of its lines; b"" at the end."""
        lines = b""
        while True:
            line = self._lines.readline()
            lines += line
            if line[3:4] != b"-":
                return lines

    def say(self, line: bytes) -> bytes:
        """Type a line and read the reply."""
        self.write(line + b"\r\n")
        return self.reply()


@cache
def _authority() -> tuple[trustme.CA, TemporaryDirectory[str]]:
    return trustme.CA(), TemporaryDirectory()


def certificates() -> tuple[str, str]:
    """Return the files of an authority, and of a certificate and key for this machine."""
    authority, folder = _authority()
    ca, own = Path(folder.name) / "ca.pem", Path(folder.name) / "own.pem"
    if not own.exists():
        authority.cert_pem.write_to_path(str(ca))
        leaf = authority.issue_cert("localhost", "127.0.0.1", "::1")
        leaf.private_key_and_cert_chain_pem.write_to_path(str(own))
    return str(ca), str(own)
