# SPDX-License-Identifier: MIT
"""Servers and clients over loopback: ours beside its peers, and beside what asyncio itself costs.

    python tests/bench/bench_adapters.py [--rows S,C,M,I] [--rounds N] [--check]

S servers, C clients, M memory and system calls (the latter by strace), I instructions (by
valgrind). A contender is a process of its own, and what counts is its CPU time, not the load
generator's. All contenders of a row are up at once; each round has one run of every one, in
reversed order every other round; a figure is the median over the rounds. So what else the machine
does hits all alike, and only the ratios mean something. Peers that are not installed are left out.
With ``--check`` the exit status is 1 if a gate is missed. ``--against DIR`` has the servers and
clients of another tree of the package run as contenders too, named "before".
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parent)]

import load  # noqa: E402
import measure  # noqa: E402
from clients import CLIENTS  # noqa: E402
from goals import GOALS, GROWTH, Figures, verdicts  # noqa: E402
from processes import (  # noqa: E402
    LOOPBACK,
    SINK,
    SOURCE,
    Process,
    running,
    start_client,
    start_server,
)
from servers import SERVERS  # noqa: E402


class Options(NamedTuple):
    """What the command line says."""

    rounds: int
    scale: float
    """Times the usual number of messages."""
    idle: int
    mebibytes: int
    only: tuple[str, ...]
    against: str | None

    def times(self, count: int, sessions: int = 1) -> int:
        return max(int(count * self.scale), sessions)


# ------------------------------------------------------------------------------------- contenders


def available(names: Sequence[str], options: Options) -> list[str]:
    """Leave out what is not installed, or not asked for; add ours of the other tree."""
    found = []
    for name in names:
        module = "uvloop" if name.endswith("uvloop") else name.lower()
        if name in (SINK, SOURCE):
            if not shutil.which(name):
                continue
        elif not module.startswith(("ours", "canned")) and not importlib.util.find_spec(module):
            continue
        if options.only and name not in options.only:
            continue
        found.append(name)
        if options.against and name.startswith("ours"):
            found.append(f"{name}, before")
    return found


def medians(
    runs: dict[str, Callable[[], float]], rounds: int, figures: Figures, measured: str
) -> None:
    """Run all of them in each round, forward and backward in turn; keep the medians."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for name in runs:
        runs[name]()  # not counted: what is made once is made now
    for number in range(rounds):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            taken[name].append(runs[name]())
    for name, values in taken.items():
        figures[measured, name] = statistics.median(values)


# ---------------------------------------------------------------------------------------- servers


class Scenario(NamedTuple):
    """Messages to a server."""

    name: str
    sessions: int
    count: int
    run: load.Run
    but: tuple[str, ...] = ()
    """Contenders that cannot."""


_CANNED = ("canned", "canned, uvloop")
SCENARIOS = (
    Scenario("1 KB kept", 10, 400, load.kept(load.SMALL)),
    Scenario("1 KB new", 0, 150, load.anew(load.SMALL)),
    Scenario("1 KB pipelined", 10, 400, load.pipelined(load.SMALL), _CANNED),
    Scenario("20 recipients", 10, 60, load.kept(load.SMALL, recipients=20)),
    Scenario("100 KB", 4, 40, load.kept(load.body(100_000))),
    Scenario("100 KB stuffed", 4, 40, load.kept(load.STUFFED * 1400)),
    Scenario("100 KB dotted", 4, 12, load.kept(load.DOTTED * 11_000)),
    Scenario("5 MB", 1, 2, load.kept(load.body(5_000_000))),
)


def measure_servers(options: Options, figures: Figures) -> None:
    """Measure CPU us a message; servers that are fresh at the first scenario, small ones first."""
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(running(start_server(name, options.against)))
            for name in available((*SERVERS, SINK), options)
        }
        for scenario in SCENARIOS:
            count = options.times(scenario.count, scenario.sessions)
            runs = {
                name: server_run(server, scenario, count)
                for name, server in servers.items()
                if name not in scenario.but
            }
            medians(runs, options.rounds, figures, scenario.name)


def server_run(server: Process, scenario: Scenario, count: int) -> Callable[[], float]:
    def run() -> float:
        sessions = load.open_sessions(server.port, scenario.sessions)
        before = server.cpu
        scenario.run(sessions, server.port, count)
        spent = server.cpu - before
        load.close_all(sessions)
        return spent / count * 1e6

    return run


# ---------------------------------------------------------------------------------------- clients

SIZES = {"client 1 KB": (1024, 300), "client 100 KB": (100_000, 50), "client 5 MB": (5_000_000, 2)}


def measure_clients(options: Options, figures: Figures) -> None:
    """Measure CPU us a message, sent to smtp-sink where it is there, else to our server."""
    target = SINK if shutil.which(SINK) else "ours"
    names = available((*CLIENTS, SOURCE), options)
    with running(start_server(target, None)) as server:
        for measured, (size, usual) in SIZES.items():
            count = options.times(usual)
            with ExitStack() as stack:
                runs: dict[str, Callable[[], float]] = {}
                for name in names:
                    if name == SOURCE:
                        runs |= source_runs(server.port, size, count)
                        continue
                    client = start_client(name, server.port, size, options.against)
                    runs[name] = client_run(stack.enter_context(running(client)), count)
                medians(runs, options.rounds, figures, measured)


def client_run(client: Process, count: int) -> Callable[[], float]:
    return lambda: client.ask(count) / count * 1e6


def source_runs(port: int, size: int, count: int) -> dict[str, Callable[[], float]]:
    """Let smtp-source send; what starting it costs is taken off.

    It composes its message once. With "composed" that is counted for each message.
    """

    def spent(messages: int, octets: int = size) -> float:
        command = [SOURCE, "-d", "-m", str(messages), "-l", str(octets), f"{LOOPBACK}:{port}"]
        popen = subprocess.Popen(command)
        usage = os.wait4(popen.pid, 0)[2]
        popen.returncode = 0
        return usage.ru_utime + usage.ru_stime

    return {
        SOURCE: lambda: (spent(count + 1) - spent(1)) / count * 1e6,
        f"{SOURCE}, composed": lambda: (spent(1) - spent(1, 64)) * 1e6,
    }


# ------------------------------------------------------------------------ memory and system calls


def measure_memory(options: Options, figures: Figures) -> None:
    """Measure idle connections, big messages, and system calls, each with fresh servers."""
    for name in available(("ours", "canned", "aiosmtpd", "Twisted", SINK), options):
        with running(start_server(name, options.against)) as server:
            figures["KiB per idle connection", name] = idle(server, options.idle)
        with running(start_server(name, options.against)) as server:
            count_calls(server, name, options, figures)
    for name in available(("ours, streamed", "ours, blocking"), options):
        for chunks in (False, True):
            with running(start_server(name, options.against)) as server:
                measured = f"{GROWTH} by {'BDAT' if chunks else 'DATA'}"
                figures[measured, name] = grown(server, options.mebibytes, chunks)
    for name in available(("ours", "ours asyncio"), options):
        with ExitStack() as stack:
            server = stack.enter_context(running(start_server("canned", options.against)))
            client = start_client(name, server.port, 1024, options.against)
            stack.enter_context(running(client)).ask(20)
            figures[f"{GROWTH} sent", name] = client.ask(-options.mebibytes)


def idle(server: Process, count: int) -> float:
    """Return KiB a connection that has said EHLO and nothing since."""
    load.close_all(load.open_sessions(server.port, 20))
    before = measure.memory(server.popen.pid)
    sessions = load.open_sessions(server.port, count)
    grown = measure.memory(server.popen.pid) - before
    for session in sessions:
        session.sock.close()
    return grown / count


def grown(server: Process, mebibytes: int, chunks: bool) -> int:
    """Return how many KiB the peak grew by."""
    session = load.Session(server.port)
    load.stream(session, 2, chunks)
    before = measure.memory(server.popen.pid, "VmHWM")
    load.stream(session, mebibytes, chunks)
    return measure.memory(server.popen.pid, "VmHWM") - before


WRITES = ("write", "writev", "sendto", "sendmsg", "send")


def count_calls(server: Process, name: str, options: Options, figures: Figures) -> None:
    """Count system calls a message, and writes a pipelined group."""
    for scenario in SCENARIOS[0], SCENARIOS[2]:
        if name in scenario.but:
            continue
        count = options.times(200, scenario.sessions)
        sessions = load.open_sessions(server.port, scenario.sessions)

        def work(scenario=scenario, sessions=sessions, count=count) -> None:
            scenario.run(sessions, server.port, count)

        calls = measure.system_calls(server.popen.pid, work)
        load.close_all(sessions)
        if calls is None:
            return
        if scenario is SCENARIOS[0]:
            figures["system calls a message", name] = sum(calls.values()) / count
            for call, times in calls.items():
                if times >= count / 20:
                    figures[f"  {call}", name] = times / count
        else:
            # A message and the commands of the next are a group, and each session begins with one.
            writes = sum(calls.get(call, 0) for call in WRITES)
            figures["writes a pipelined group", name] = writes / (count + len(sessions))


# ----------------------------------------------------------------------------------- instructions

FEW, MANY = 50, 250


def measure_instructions(options: Options, figures: Figures) -> None:
    """Count user instructions a kept message: the difference between two numbers of messages."""
    scenario = SCENARIOS[0]
    for name in available(("ours", "ours, streamed", "canned", "aiosmtpd"), options):
        counts = []
        for messages in (FEW, MANY):
            server = start_server(name, options.against, counting=True)
            try:
                sessions = load.open_sessions(server.port, scenario.sessions)
                scenario.run(sessions, server.port, messages)
                load.close_all(sessions)
            finally:
                text = server.stop()
            counts.append(measure.instructions(text))
        figures["instructions", name] = (counts[1] - counts[0]) / (MANY - FEW)


# ------------------------------------------------------------------------------------------ table

SECTIONS: dict[str, tuple[str, Callable[[Options, Figures], None]]] = {
    "S": ("servers, us of CPU a message", measure_servers),
    "C": ("clients, us of CPU a message", measure_clients),
    "M": ("memory and system calls", measure_memory),
    "I": ("user instructions a message", measure_instructions),
}


def show(title: str, figures: Figures) -> None:
    """Print a section: a row a measure, a column a contender."""
    names = list(dict.fromkeys(name for _, name in figures))
    rows = list(dict.fromkeys(measured for measured, _ in figures))
    width = max(len(row) for row in rows)
    print(f"\n{title:<{width}} " + " ".join(f"{name.replace(', ', ','):>16}" for name in names))
    for row in rows:
        cells = []
        for name in names:
            figure = figures.get((row, name))
            digits = 1 if figure is not None and abs(figure) < 100 else 0
            cells.append(f"{'-' if figure is None else f'{figure:,.{digits}f}':>16}")
        print(f"{row:<{width}} " + " ".join(cells))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="S,C,M,I", help="which sections (S,C,M,I)")
    parser.add_argument("--rounds", type=int, default=7, help="odd number of rounds (7)")
    parser.add_argument("--scale", type=float, default=1.0, help="times the messages (1)")
    parser.add_argument("--idle", type=int, default=5000, help="idle connections (5000)")
    parser.add_argument("--mebibytes", type=int, default=1024, help="the big message (1024)")
    names = (*SERVERS, SINK, *CLIENTS, SOURCE)
    parser.add_argument(
        "--only", action="append", default=[], choices=names, help="may be repeated"
    )
    parser.add_argument("--against", help="src folder of another tree to compare with")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a gate is missed")
    given = parser.parse_args()
    options = Options(
        given.rounds, given.scale, given.idle, given.mebibytes, tuple(given.only), given.against
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"Python {sys.version.split()[0]}, {options.rounds} rounds")
    figures: Figures = {}
    for row in given.rows.split(","):
        title, section = SECTIONS[row]
        if row == "I" and not shutil.which("valgrind"):
            continue
        found: Figures = {}
        section(options, found)
        if found:  # none of them may be asked for
            show(title, found)
        figures |= found
    print()
    missed = False
    for line, held in verdicts(GOALS, figures):
        print(line)
        missed |= not held
    return int(given.check and missed)


if __name__ == "__main__":
    sys.exit(main())
