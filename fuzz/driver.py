# SPDX-License-Identifier: MIT
"""Runs a harness: one function of octets that raises when an invariant does not hold.

Where atheris is installed and asked for, coverage guides the mutations. Without it a seeded mutator
makes inputs out of a corpus and a dictionary of tokens, so that every run can be repeated with
nothing but Python.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

FUZZ = Path(__file__).parent
sys.path[:0] = [str(FUZZ.parent / "src"), str(FUZZ.parent / "tests")]

from invariants import into_alphabet  # noqa: E402  (found by the path above)

Harness = Callable[[bytes], None]

LONGEST = 1024
"""Octets of an input; the interesting edges lie close together."""
MINIMISING = 2000
"""Executions spent on making a finding smaller."""


class Mutator:
    """Makes an input of one or two of the corpus by a few random changes.

    Args:
        seed: the same seed and corpus make the same inputs.
        corpus: inputs to start from.
        tokens: octets that mean something to the harness.
    """

    def __init__(self, seed: int, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
        self.random = random.Random(seed)
        self.corpus = list(corpus) or [b""]
        self.tokens = list(tokens) or [b"\r\n"]
        self.changes = (
            self._insert_token,
            self._insert_token,
            self._overwrite,
            self._delete,
            self._repeat,
            self._splice,
            self._alphabet,
        )

    def input(self) -> bytes:
        """Make the next input."""
        data = self.random.choice(self.corpus)
        for _ in range(self.random.randint(1, 8)):
            data = self.random.choice(self.changes)(data)
        return data[:LONGEST]

    def _range(self, data: bytes) -> tuple[int, int]:
        start = self.random.randint(0, len(data))
        return start, min(len(data), start + self.random.randint(1, 16))

    def _insert_token(self, data: bytes) -> bytes:
        start, _ = self._range(data)
        return data[:start] + self.random.choice(self.tokens) + data[start:]

    def _overwrite(self, data: bytes) -> bytes:
        start, end = self._range(data)
        return data[:start] + self.random.randbytes(max(1, end - start)) + data[end:]

    def _delete(self, data: bytes) -> bytes:
        start, end = self._range(data)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes) -> bytes:
        start, end = self._range(data)
        return data[:end] + data[start:end] * self.random.choice((1, 1, 2, 30)) + data[end:]

    def _splice(self, data: bytes) -> bytes:
        other = self.random.choice(self.corpus)
        start, _ = self._range(data)
        return data[:start] + other[self._range(other)[0] :]

    def _alphabet(self, data: bytes) -> bytes:
        start, end = self._range(data)
        return data[:start] + into_alphabet(data[start:end]) + data[end:]


def failure(harness: Harness, data: bytes) -> str | None:
    """Run `harness` and return its traceback, or None where all invariants hold."""
    try:
        harness(data)
    except Exception:
        return traceback.format_exc()
    return None


def kind(failed: str) -> str:
    """Tell failures apart by where they were raised and what, without the values in it."""
    lines = failed.rstrip().split("\n")
    where = [line for line in lines if line.startswith("  File ")]
    return f"{''.join(where[-1:])} {lines[-1].partition(':')[0]}"


def minimise(harness: Harness, data: bytes) -> bytes:
    """Leave out of `data` what is not needed for the same kind of failure."""
    wanted = kind(failure(harness, data) or "")
    left = MINIMISING
    size = max(1, len(data) // 2)
    while size:
        start = 0
        while start < len(data) and left:
            left -= 1
            shorter = data[:start] + data[start + size :]
            if kind(failure(harness, shorter) or "") == wanted:
                data = shorter
            else:
                start += size
        size //= 2
    return data


def report(harness: Harness, data: bytes, folder: Path) -> None:
    """Write a finding to a file named by its hash, and print it."""
    small = minimise(harness, data)
    path = folder / f"crash-{hashlib.sha256(small).hexdigest()[:16]}"
    path.write_bytes(small)
    print(f"{failure(harness, small)}finding: {small!r}\nwritten to {path}")


def replay(harness: Harness, paths: Sequence[Path]) -> int:
    """Run the inputs in these files; return how many fail."""
    findings = 0
    for path in paths:
        failed = failure(harness, path.read_bytes())
        findings += failed is not None
        print(f"{path}: {failed or 'holds'}")
    return findings


def fuzz(harness: Harness, mutator: Mutator, options: argparse.Namespace) -> int:
    """Run inputs until time or their number is up; return how many kinds of failure were found."""
    found: set[str] = set()
    runs = 0
    started = time.monotonic()
    inputs = iter(mutator.corpus)
    while runs < options.runs and time.monotonic() - started < options.seconds:
        data = next(inputs, None)
        if data is None:
            data = mutator.input()
        runs += 1
        failed = failure(harness, data)
        if failed is not None and kind(failed) not in found:
            found.add(kind(failed))
            report(harness, data, options.findings)
    seconds = time.monotonic() - started
    print(
        f"{runs} executions in {seconds:.0f} s, {runs / max(seconds, 1e-9):.0f}/s,"
        f" seed {options.seed}, {len(found)} findings"
    )
    return len(found)


def fuzz_with_atheris(harness: Harness, corpus: Path, options: argparse.Namespace) -> None:
    """Hand the harness to atheris, which does not return."""
    import atheris  # type: ignore[import-not-found, unused-ignore]

    atheris.instrument_all()
    arguments = [
        f"-seed={options.seed}",
        f"-max_total_time={int(min(options.seconds, 2**31 - 1))}",
        f"-artifact_prefix={options.findings}/crash-",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *arguments], harness)
    atheris.Fuzz()


def main(harness: Harness, name: str, tokens: Sequence[bytes]) -> int:
    """Run the harness `name` as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description=f"Fuzz {name}.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="only run these inputs")
    parser.add_argument("--seconds", type=float, default=60, help="time to spend (60)")
    parser.add_argument("--runs", type=float, default=float("inf"), help="most executions")
    parser.add_argument("--seed", type=int, default=1, help="start of the random numbers (1)")
    parser.add_argument("--findings", type=Path, default=Path(), help="folder for findings (here)")
    parser.add_argument("--atheris", action="store_true", help="let atheris guide the mutations")
    options = parser.parse_args()
    if options.files:
        return bool(replay(harness, options.files))
    corpus = FUZZ / "corpus" / name
    if options.atheris:
        fuzz_with_atheris(harness, corpus, options)
    seeds = [path.read_bytes() for path in sorted(corpus.iterdir())]
    return bool(fuzz(harness, Mutator(options.seed, seeds, tokens), options))
