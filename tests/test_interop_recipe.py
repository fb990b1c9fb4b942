# SPDX-License-Identifier: MIT
"""The recipe of docs/production.md, just as it stands there: HAProxy in front of two servers."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from cli_drive import PATIENCE, environment, read_port, stop, wait_for
from interop_drive import HEADER, RECIPIENTS_500, SENDER
from interop_servers import free_port, program, running

from smtpproto.blocking import Client, ConnectionLost, ReplyError

pytestmark = pytest.mark.interop
PAGE = (Path(__file__).parents[1] / "docs" / "production.md").read_text("utf-8")


def section() -> str:
    return PAGE.partition("\n## Behind HAProxy\n")[2]


def begin(command: str, base: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Run a command of the page on another port, and return that."""
    file = base / command.rpartition("--port ")[2].partition(" ")[0]
    argv = shlex.split(re.sub(r"--port \d+", f"--port 0 --port-file {file}", command))
    process = subprocess.Popen([sys.executable, *argv[1:]], cwd=base, env=environment())
    return process, wait_for(lambda: read_port(file))


def test_the_recipe(tmp_path: Path) -> None:
    """One of the servers is killed in the middle, and nothing that was accepted is lost."""
    console, config = re.findall(r"^```(?:console|text)\n(.*?)^```$", section(), re.M | re.S)
    [*commands] = [line.removeprefix("$ ") for line in console.splitlines()]
    port = free_port()
    config = config.replace("bind :25\n", f"bind 127.0.0.1:{port}\n")
    config = config.replace("inter 2s", "inter 100ms")
    accepted: list[bytes] = []
    with ExitStack() as stack:
        processes = []
        for number, command in enumerate(commands, 2501):
            process, at = begin(command, tmp_path)
            stack.callback(stop, process)
            processes.append(process)
            config = config.replace(f":{number}\n", f":{at}\n")
        file = tmp_path / "haproxy.cfg"
        file.write_text(config, "ascii")
        argv = [program("haproxy"), "-db", "-f", str(file)]
        stack.enter_context(running(argv, port, log=tmp_path / "log"))
        left = [HEADER + b"message %d\r\n" % number for number in range(60)]
        while left:
            try:
                with Client("127.0.0.1", port, security="none", timeout=PATIENCE) as client:
                    for content in left[:3]:
                        client.send(content, SENDER, RECIPIENTS_500[:2])
                        accepted.append(content)
                        left.remove(content)
                        if len(left) == 31:
                            processes[0].kill()
            except (ConnectionLost, ReplyError) as error:
                if not error.is_transient:
                    raise
        assert len(processes) == 2
    kept = [file.read_bytes() for file in (tmp_path / "mail" / "new").iterdir()]
    assert len(accepted) == 60
    assert set(accepted) <= set(kept)
