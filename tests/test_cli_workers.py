# SPDX-License-Identifier: MIT
"""``serve --workers``: several processes, one port, and nothing lost when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from cli_drive import PATIENCE, SRC, environment, messages, read_port, serve_for, wait_for

from smtpproto.__main__ import main
from smtpproto.cli import workers
from smtpproto.cli.status import CommandError
from smtpproto.cli.workers import FileLock, Workers
from smtpproto.handlers import JsonLines
from smtpproto.listening import listen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs SO_REUSEPORT and /proc")
TEXT = b"Subject: x\r\n\r\ntext\r\n"
Capture = pytest.CaptureFixture[str]


def deliver(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("a@example.org", ["b@example.org"], TEXT)


def children(of: int | None = None) -> list[int]:
    """List the processes that a process has begun."""
    found: list[int] = []
    for file in Path(f"/proc/{of or os.getpid()}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found += map(int, file.read_text().split())
    return sorted(found)


def test_several_processes_take_mail(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[list[int]] = []
    before = children()

    def client(port: int) -> None:
        seen.append([number for number in children() if number not in before])
        for _ in range(8):
            deliver(port)

    serve_for(client, "--workers", "2", "--maildir", str(tmp_path), "--json")
    assert len(seen[0]) == 2
    assert messages(tmp_path) == [TEXT] * 8
    out, notes = capfd.readouterr()
    assert [json.loads(line)["size"] for line in out.splitlines()] == [len(TEXT)] * 8
    assert ", 2 workers\n" in notes
    assert notes.endswith("smtpproto serve: ending\n")
    assert children() == before


def test_a_worker_that_dies_is_succeeded_and_loses_no_connection(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = children()

    def client(port: int) -> None:
        first, second = [number for number in children() if number not in before]
        hold(first)
        hold(second)
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        for number in (first, second):
            os.kill(number, signal.SIGKILL)
        for one in waiting:  # each is greeted by a successor
            with one:
                one.settimeout(30)
                assert one.recv(100)[:3] == b"220"
        deliver(port)

    serve_for(client, "--workers", "2", "--maildir", str(tmp_path), "--quiet")
    assert messages(tmp_path) == [TEXT]
    assert capfd.readouterr().err.count("died (status -9): another one begins") == 2


@pytest.mark.parametrize("flags", [[], ["-I", "-OO"]])
def test_workers_are_of_the_package_of_their_parent(tmp_path: Path, flags: list[str]) -> None:
    """Not of one in the working directory, and wherever it was found, as in an archive."""
    begin = "import sys; sys.path[:] = [entry for entry in sys.path if entry]; "
    begin += f"sys.path.insert(0, {str(SRC)!r}); "
    begin += "from smtpproto.__main__ import main; sys.exit(main())"
    for name in ("smtpproto", "queue"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    file = tmp_path / "port"
    argv = ["serve", "--port=0", f"--port-file={file}", "--workers=2", "--json"]
    process = subprocess.Popen(
        [sys.executable, *flags, "-c", begin, *argv],
        env={name: given for name, given in os.environ.items() if name != "PYTHONPATH"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    port = wait_for(lambda: read_port(file))
    with socket.create_connection(("127.0.0.1", port), 20) as sock, suppress(TimeoutError):
        assert sock.recv(100)[:3] == b"220"
        deliver(port)
    process.terminate()
    shown, notes = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert len(shown.splitlines()) == 1
    assert len(notes.splitlines()) == 2


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    file = tmp_path / "port"
    argv = ["serve", "--port=0", f"--port-file={file}", "--workers=2", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "smtpproto", *argv],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    port = wait_for(lambda: read_port(file))
    deliver(port)
    begun = children(process.pid)
    assert len(begun) == 2
    process.kill()
    process.wait()
    wait_for(lambda: all(state(number) == "Z" for number in begun) or None)


def state(process: int) -> str:
    """Return "T" for a process that is stopped, "Z" for one that is over."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it ends right now, perhaps
        return "Z"


def hold(process: int) -> None:
    """Stop a process; it may be running yet when the signal was sent."""
    os.kill(process, signal.SIGSTOP)
    wait_for(lambda: state(process) == "T" or None)


def test_what_a_worker_does(tmp_path: Path, capsys: Capture) -> None:
    """It listens on what it inherits, and ends when its parent does."""
    read, write = os.pipe()
    [listener] = listen("127.0.0.1", 0, reuse_port=True)
    port = listener.getsockname()[1]

    def client() -> None:
        deliver(port)
        os.close(write)

    thread = threading.Thread(target=client)
    with TemporaryFile() as lock:
        thread.start()
        inherited = f"--inherited={listener.detach()},{lock.fileno()},{read}"
        assert main(["serve", "--workers=2", "--json", inherited]) == 0
        thread.join()
    os.close(read)
    shown, notes = capsys.readouterr()
    assert json.loads(shown)["content"] == TEXT.decode()
    assert notes == "", "the parent has said it"


def test_what_no_worker_inherits(capsys: Capture) -> None:
    reading, writing = os.pipe()
    stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    with TemporaryFile() as file:
        lock = file.fileno()
        for inherited in (
            "x",
            "3,4",
            f"{stream.fileno()},{lock},{10**20}",
            f"999999,{lock},{reading}",
            f"{lock},{lock},{reading}",
            f"{datagram.detach()},{lock},{reading}",
            f"{stream.fileno()},{reading},{reading}",
            f"{stream.detach()},{lock},{lock}",
        ):
            with pytest.raises(SystemExit) as ended:
                main(["serve", "--workers=2", f"--inherited={inherited}"])
            assert ended.value.code == 2
            told = capsys.readouterr().err.splitlines()[-1]
            assert "--inherited: a stream socket, a file and a pipe expected" in told
    for end in (reading, writing):
        os.close(end)


def test_no_thread_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert main(["serve", "--port=0", f"--maildir={tmp_path}"]) == 75
    assert "can be begun expected: can't start new thread\n" in capsys.readouterr().err


def test_no_process_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def begin(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(workers.subprocess, "Popen", begin)
    argv = ["serve", "--port=0", f"--maildir={tmp_path}", "--quiet", "--workers=2"]
    assert main(argv) == 75
    assert "a worker that can be begun expected: Resource" in capsys.readouterr().err


def test_a_lock_between_processes() -> None:
    with TemporaryFile() as file:
        lock = FileLock(file.fileno())
        asks = (
            "import fcntl, sys\n"
            "try: fcntl.lockf(0, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "except OSError: sys.exit(3)\n"
        )
        with lock:
            assert subprocess.run([sys.executable, "-c", asks], stdin=file).returncode == 3
        assert subprocess.run([sys.executable, "-c", asks], stdin=file).returncode == 0


def test_half_a_record_of_a_worker_that_was_killed_stands_alone() -> None:
    reading, writing = os.pipe()
    script = (
        "import sys\n"
        "from smtpproto.cli.workers import FileLock\n"
        "from smtpproto.handlers import JsonLines\n"
        "JsonLines(lock=FileLock(int(sys.argv[1]))).write('x' * 1_000_000)\n"
    )
    with TemporaryFile() as file, open(writing, "w", encoding="ascii") as stream:
        worker = subprocess.Popen(
            [sys.executable, "-c", script, str(file.fileno())],
            env=environment(),
            pass_fds=[file.fileno()],
            stdout=stream,
        )
        half = os.read(reading, 1)
        worker.kill()
        worker.wait()
        os.set_blocking(reading, False)
        with suppress(BlockingIOError):
            while True:
                half += os.read(reading, 65536)
        assert half.strip(b"x") == b"", "the pipe holds less than the record"
        for record in ("first\n", "second\n"):
            JsonLines(stream, FileLock(file.fileno())).write(record)
        assert os.read(reading, 65536) == b"\nfirst\nsecond\n"
    os.close(reading)


@pytest.mark.parametrize(("command", "beginning"), [("true", 10.0), ("false", 0.0)])
def test_workers_that_cannot_live_are_not_begun_without_end(
    monkeypatch: pytest.MonkeyPatch, command: str, beginning: float
) -> None:
    """Each lives, or waits, for a while before there is another one."""
    begun: list[float] = []
    notes: list[str] = []

    class Begun(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, argv: Any, **options: Any) -> None:
            begun.append(time.monotonic())
            super().__init__([command], **options)

    def note(text: str) -> None:
        notes.append(text)
        if len(notes) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(workers, "_YOUNG", 0.5)
    monkeypatch.setattr(workers, "_BEGINNING", beginning)
    monkeypatch.setattr(workers, "_FAILURES", 2)
    monkeypatch.setattr(workers, "note", note)
    monkeypatch.setattr(workers.subprocess, "Popen", Begun)
    [listener] = listen("127.0.0.1", 0, reuse_port=True)
    with TemporaryFile() as lock, listener:
        Workers([], [listener], lock.fileno()).run(lambda: None)
    told = f"died (status {int(command == 'false')}): another one begins"
    assert all(told in text for text in notes[:3])
    assert len(begun) >= 3
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(begun))


def test_workers_that_cannot_begin_are_given_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As where a file that an option names has gone since their parent looked at it."""
    monkeypatch.setattr(workers, "_YOUNG", 0.1)
    monkeypatch.setattr(workers, "_FAILURES", 2)
    before = children()
    argv = ["serve", "--port=0", "--workers=2", "--quiet", "--maildir=/dev/null/x"]
    listeners = listen(["127.0.0.1"] * 2, 0, reuse_port=True)
    with TemporaryFile() as lock, pytest.raises(CommandError, match="failed 2 times") as caught:
        Workers(argv, listeners, lock.fileno()).run(lambda: None)
    for listener in listeners:
        listener.close()
    assert caught.value.status == 69
    assert capfd.readouterr().err.count("died (status 2): another one begins") in (1, 2)
    assert children() == before


def test_a_worker_that_has_begun_may_die_again_and_again() -> None:
    one = Workers([], [socket.socket()], 0)
    for has_failed in [*[True] * 4, False, *[True] * 4]:
        one._note_failure(0, has_failed)
    with pytest.raises(CommandError):
        one._note_failure(0, True)
    one._listeners[0].close()
    one._end()


def test_a_signal_that_another_thread_got_is_heard() -> None:
    """It wakes nobody: of two at once, the kernel may give the second to any thread."""
    [listener] = listen("127.0.0.1", 0, reuse_port=True)
    ended = threading.Event()
    late: list[bool] = []

    def tell() -> None:
        time.sleep(0.3)  # for the watch to begin
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        if not ended.wait(PATIENCE):
            late.append(True)
            os.kill(os.getpid(), signal.SIGTERM)

    teller = threading.Thread(target=tell)
    with TemporaryFile() as lock, listener:
        Workers(["serve", "--port=0"], [listener], lock.fileno()).run(teller.start)
    ended.set()
    teller.join()
    assert not late


def test_a_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_GRACE", 0.1)
    [listener] = listen("127.0.0.1", 0, reuse_port=True)
    before = children()

    def announce() -> None:
        [begun] = [number for number in children() if number not in before]
        hold(begun)
        os.kill(os.getpid(), signal.SIGTERM)

    with TemporaryFile() as lock, listener:
        Workers(["serve", "--port=0"], [listener], lock.fileno()).run(announce)
    assert children() == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--unix", "/tmp/x"], "--workers: a TCP port expected, not --unix"),
        (["--tls-cert", "/nowhere"], "--tls-cert: a certificate and its key in PEM expected"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1 port 0"),
    ],
)
def test_mistakes_are_told_by_the_parent(argv: list[str], message: str, capsys: Capture) -> None:
    assert main(["serve", "--port", "0", "--workers", "2", *argv]) != 0
    assert message in capsys.readouterr().err


def test_a_port_of_somebody_else(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--workers", "2"]) == 69
    assert "another program listens there" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "x", "1001", "-1", "٣"])
def test_no_number_of_workers(text: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["serve", f"--workers={text}"])
    assert "a number from 1 to 1000 expected" in capsys.readouterr().err


def test_who_dies_while_a_successor_waits_has_one_too() -> None:
    waiting = Workers([], [], 0)
    waiting._over.put(0)
    assert not waiting._is_told_within(0.01)
    assert waiting._over.get() == 0
    waiting._end()


def test_the_end_is_heard_while_a_successor_waits() -> None:
    waiting = Workers([], [], 0)
    waiting._over.put(0)
    waiting._over.put(None)
    assert waiting._is_told_within(30)
    waiting._end()
