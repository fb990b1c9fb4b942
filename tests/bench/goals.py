# SPDX-License-Identifier: MIT
"""What the figures must be: each measure of ours beside that of a peer.

Decides what is a goal, and what is a gate below which a change is a regression. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

Figures = dict[tuple[str, str], float]
"""By measure and contender."""

Compare = Callable[[float, float], float]


class Kind(NamedTuple):
    """How two figures become one, and which way is better."""

    shown: str
    compare: Compare
    at_least: bool


CHEAPER = Kind("times cheaper", lambda ours, peer: peer / ours, True)
COSTS = Kind("times its cost", lambda ours, peer: ours / peer, False)
MORE = Kind("more", lambda ours, peer: ours - peer, False)
ALONE = Kind("", lambda ours, peer: ours, False)


class Goal(NamedTuple):
    """A claim, and what must hold on a noisy machine."""

    number: str
    measured: str
    ours: str
    peer: str
    kind: Kind
    goal: float
    gate: float


GROWTH = "KiB of growth, a big message"
GOALS = (
    Goal("S1", "1 KB kept", "ours", "aiosmtpd", CHEAPER, 7, 5),
    Goal("S2", "1 KB kept", "ours", "canned", CHEAPER, 0.5, 0.42),
    Goal("S2b", "instructions", "ours", "aiosmtpd", CHEAPER, 6.5, 5.5),
    Goal("S2b", "instructions", "ours", "canned", COSTS, 2.8, 3.3),
    Goal("S3", "1 KB kept", "ours", "smtp-sink", COSTS, 2.2, 2.8),
    Goal("S4", "1 KB new", "ours", "aiosmtpd", CHEAPER, 4.5, 3.5),
    Goal("S5", "1 KB pipelined", "ours", "smtp-sink", COSTS, 2.2, 2.8),
    Goal("S5", "1 KB pipelined", "ours, plain", "smtp-sink", COSTS, 2.2, 2.8),
    Goal("S6", "100 KB", "ours", "smtp-sink", CHEAPER, 1.7, 1.4),
    Goal("S6", "5 MB", "ours", "smtp-sink", CHEAPER, 3, 2.2),
    Goal("S7", "100 KB stuffed", "ours", "aiosmtpd", CHEAPER, 8, 6),
    Goal("S7", "100 KB stuffed", "ours", "smtp-sink", COSTS, 1, 1.5),
    Goal("S7", "100 KB dotted", "ours", "aiosmtpd", CHEAPER, 30, 20),
    Goal("S7", "100 KB dotted", "ours", "smtp-sink", COSTS, 1, 1.5),
    Goal("S8", "20 recipients", "ours", "aiosmtpd", CHEAPER, 8, 6),
    Goal("C1", "client 1 KB", "ours", "smtplib", CHEAPER, 2.5, 2),
    Goal("C1", "client 1 KB", "ours", "smtp-source", COSTS, 1, 1.1),
    Goal("C1", "client 1 KB", "ours many", "smtplib", CHEAPER, 2.5, 2),
    Goal("C1", "client 1 KB", "ours many", "smtp-source", COSTS, 1, 1.1),
    Goal("C2", "client 5 MB", "ours", "smtp-source, composed", COSTS, 1.3, 1.6),
    Goal("C3", "client 1 KB", "ours asyncio", "aiosmtplib", CHEAPER, 5, 4),
    Goal("C3", "client 1 KB", "ours asyncio many", "aiosmtplib", CHEAPER, 5, 4),
    Goal("M1", "KiB per idle connection", "ours", "canned", MORE, 2, 3),
    Goal("M2", f"{GROWTH} by DATA", "ours, streamed", "", ALONE, 1024, 2048),
    Goal("M2", f"{GROWTH} by BDAT", "ours, streamed", "", ALONE, 1024, 2048),
    Goal("M2", f"{GROWTH} by DATA", "ours, blocking", "", ALONE, 1024, 2048),
    Goal("M2", f"{GROWTH} by BDAT", "ours, blocking", "", ALONE, 1024, 2048),
    Goal("M2", f"{GROWTH} sent", "ours", "", ALONE, 1024, 2048),
    Goal("M2", f"{GROWTH} sent", "ours asyncio", "", ALONE, 1024, 2048),
    Goal("M3", "system calls a message", "ours", "canned", COSTS, 1.0, 1.1),
    Goal("M4", "writes a pipelined group", "ours", "", ALONE, 1, 1),
)


def verdicts(
    goals: Sequence[Goal], figures: Mapping[tuple[str, str], float]
) -> Iterator[tuple[str, bool]]:
    """Give a line and whether the gate holds, for each goal whose figures are there."""
    for goal in goals:
        ours = figures.get((goal.measured, goal.ours))
        peer = figures.get((goal.measured, goal.peer)) if goal.peer else 0.0
        if ours is None or peer is None:
            continue
        found = goal.kind.compare(ours, peer)
        verdict = "MISSED"
        for word, bound in (("gate", goal.gate), ("goal", goal.goal)):
            if found >= bound if goal.kind.at_least else found <= bound:
                verdict = word
        sign = ">=" if goal.kind.at_least else "<="
        beside = f"{goal.kind.shown} {goal.peer}".strip()
        yield (
            f"{goal.number:<4}{goal.ours}, {goal.measured:<32} {found:8.2f} {beside:<28}"
            f" goal {sign} {goal.goal:g}, gate {goal.gate:g}: {verdict}",
            verdict != "MISSED",
        )
