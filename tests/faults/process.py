# SPDX-License-Identifier: MIT
"""A ``serve`` in a process of its own, and clients that remember what became of each message."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from adapter_drive import SECONDS
from cli_drive import environment
from faults.drive import eventually

from smtpproto import ProtocolError
from smtpproto.blocking import Client, ReplyError, SMTPError


class Served:
    """``serve`` with a Maildir.

    Args:
        folder: where its files go.
        options: more options.
        keeps: False for no Maildir.
        out: its standard output.
        preexec_fn: called in the new process.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        keeps: bool = True,
        out: IO[bytes] | int = subprocess.DEVNULL,
        preexec_fn: Callable[[], None] | None = None,
    ) -> None:
        self._maildir = folder / "maildir"
        self._notes = folder / "notes"
        file = folder / "port"
        argv = ["--port=0", f"--port-file={file}", *options]
        if keeps:
            argv.append(f"--maildir={self._maildir}")
        with self._notes.open("wb") as notes:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "smtpproto", "serve", *argv],
                env=environment(),
                stdout=out,
                stderr=notes,
                preexec_fn=preexec_fn,
            )
        try:
            eventually(lambda: file.exists() or self.process.poll() is not None, "a port")
            assert self.process.poll() is None, self.notes()
            self.port = int(file.read_text("ascii"))
        except BaseException:
            self._kill()
            raise

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS * 2)

    def notes(self) -> str:
        return self._notes.read_text("utf-8")

    def kept(self) -> list[bytes]:
        """Return the messages that readers see."""
        return [path.read_bytes() for path in sorted((self._maildir / "new").iterdir())]

    def half_written(self) -> list[Path]:
        return list((self._maildir / "tmp").iterdir())

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()


class Sender(threading.Thread):
    """Sends one message after the other, until there is nobody to take them.

    Args:
        port: the server's.
        name: the beginning of each message, its sender's own.
        size: octets of each message, about.
    """

    def __init__(self, port: int, name: str, size: int, transfer: Any) -> None:
        super().__init__(name=name)
        self._port = port
        self._transfer = transfer
        self._filling = b"The quick brown fox jumps over the lazy dog. .\r\n" * (size // 48)
        self.accepted: list[bytes] = []
        self.refused: list[bytes] = []
        self.unknown: list[bytes] = []
        """Sent, and no reply came: it may be kept or not."""

    def run(self) -> None:
        options: Any = {"security": "none", "timeout": SECONDS, "local_name": "me.example"}
        numbers = itertools.count()
        while True:
            try:
                with Client("127.0.0.1", self._port, **options) as client:
                    for number in itertools.islice(numbers, 20):
                        self._send(client, b"%s %d\r\n" % (self.name.encode(), number))
            except (SMTPError, ProtocolError):
                return

    def _send(self, client: Client, start: bytes) -> None:
        content = start + self._filling
        try:
            client.send(content, "a@x.org", "b@x.org", transfer=self._transfer)
        except ReplyError:
            self.refused.append(content)
            raise
        except BaseException:
            self.unknown.append(content)
            raise
        self.accepted.append(content)
