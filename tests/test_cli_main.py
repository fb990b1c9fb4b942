# SPDX-License-Identifier: MIT
"""The command line as a whole: usage, versions, and output that nobody reads."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest
from cli_drive import environment

from smtpproto import __version__
from smtpproto.__main__ import main

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "the following arguments are required: command"),
        (["nonsense"], "invalid choice"),
        (["serve", "--port", "x"], "argument --port: a port from 0 to 65535 expected, not 'x'"),
        (["serve", "--por", "1"], "unrecognized arguments: --por"),
        (["send", "--to", "b@example.org"], "the following arguments are required: --from"),
        (
            ["send", "--port", "1", "--from", "a@example.org", "--to", "b@example.org"],
            "smtpproto send: error: unrecognized arguments: --port",
        ),
        (["send", "--data", "--bdat"], "not allowed with argument"),
    ],
)
def test_a_mistake_in_the_options(argv: list[str], expected: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("command", ["demo", "serve", "send"])
def test_help(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: smtpproto {command} ")


def test_help_says_what_the_exit_statuses_mean(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["send", "--help"])
    shown = capsys.readouterr().out
    for number in (0, 1, 2, 69, 75, 76):
        assert f"\n  {number:3}  " in shown


def test_the_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"smtpproto {__version__}\n"


def test_a_reader_that_has_gone_ends_it_in_silence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "smtpproto", "demo"],
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize(
    ("closed", "argv", "status", "told"),
    [
        ("<&- >&- 2>&-", ["demo"], 0, b""),
        (">&-", ["serve"], 2, b"smtpproto serve: standard output is closed: --quiet expected\n"),
        ("2>&-", ["serve", "--quiet"], 2, b""),
    ],
)
def test_streams_that_are_closed(closed: str, argv: list[str], status: int, told: bytes) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "smtpproto", *argv],
        env=environment(),
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", told)


def test_the_same_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(["demo"]) == 141


def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delitem(sys.modules, "smtpproto.__main__")
    monkeypatch.setattr(sys, "argv", ["smtpproto", "demo"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("smtpproto", run_name="__main__")
    assert end.value.code == 0
    assert "for bob@example.org" in capsys.readouterr().out
