# SPDX-License-Identifier: MIT
"""Notices to a standard error that nobody reads."""

from __future__ import annotations

import io
import os
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_drive import PATIENCE, environment, messages, read_port, stop, wait_for

from smtpproto.cli import later
from smtpproto.cli.later import patient_notices

TEXT = b"Subject: x\r\n\r\ntext\r\n"


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """Give the end of a pipe that takes nothing more, since nobody reads the other one."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 512)
    except BlockingIOError:
        os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    os.close(reader)


def test_mail_is_taken_though_nobody_reads_the_notices(tmp_path: Path, full_pipe: int) -> None:
    file, maildir = tmp_path / "port", tmp_path / "maildir"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "smtpproto", "serve", "--port=0", f"--port-file={file}"),
            *(f"--maildir={maildir}", "--quiet", "--transcript", "--workers=2"),
        ],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=full_pipe,
    )
    try:
        port = wait_for(lambda: -1 if process.poll() is not None else read_port(file))
        with smtplib.SMTP("127.0.0.1", port, "x.example", PATIENCE) as client:
            client.sendmail("a@x.org", "b@x.org", TEXT)
        assert messages(maildir) == [TEXT]
    finally:
        status = stop(process)
    assert status == 0


class Standing(io.StringIO):
    """A stream that stands still until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def write(self, text: str, /) -> int:
        self.begun.set()
        assert self.goes_on.wait(PATIENCE)
        return super().write(text)


def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Standing()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(later, "_WAITING", 4)
    with patient_notices():
        for text in ("one\n", "two\n", "three\n"):
            sys.stderr.write(text)
        assert not sys.stderr.isatty()
        stream.goes_on.set()
        wait_for(lambda: stream.getvalue() or None)

        def is_written() -> Any:
            sys.stderr.write("four\n")
            return "missing" in stream.getvalue() or None

        wait_for(is_written)
    assert sys.stderr is stream
    first, second, *_ = stream.getvalue().splitlines()
    assert first == "one"
    assert second.startswith("(")
    assert second.endswith(" notices are missing: standard error stood still)")


def test_who_stands_still_is_not_waited_for_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Standing()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(later, "_GRACE_OF_NOTICES", 0.1)
    with patient_notices():
        print("one", file=sys.stderr)
        assert stream.begun.wait(PATIENCE)
    print("two", file=sys.stderr, flush=True)  # by whoever tells what ended it
    stream.goes_on.set()
    assert sys.stderr is not stream


def test_a_stream_that_fails_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="ascii", errors="backslashreplace") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with patient_notices():
            for _ in range(2):
                print("ä", file=sys.stderr)


def test_text_is_written_as_the_stream_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "notices"
    with path.open("w", encoding="ascii", errors="backslashreplace") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with patient_notices():
            print("ä", file=sys.stderr)
    assert path.read_bytes() == b"\\xe4\n"
