# SPDX-License-Identifier: MIT
"""Draws the states of a session from the session table, one diagram for each role.

    python docs/draw_states.py      # writes docs/states-*.dot and, with Graphviz, docs/states-*.svg

What is drawn is a row that leads to another state. A row that stands for most of the states in
which commands are awaited is an arrow from the frame around them, or a line below its title.
"""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent / "src")]

from smtpproto import Command, EndOfMailData, Greeting, State  # noqa: E402
from smtpproto.extensions import KNOWN  # noqa: E402
from smtpproto.grammar.auth import AuthResponse  # noqa: E402
from smtpproto.session.table import build_table  # noqa: E402

WAITING = (State.GREETED, State.READY, State.MAIL, State.RCPT, State.BDAT, State.BDAT_FAILED)
"""The states within the frame."""
MOST = 4
"""From so many of them on, a row belongs to the frame."""

NAMES: dict[type[Command], str] = {
    Greeting: "greeting",
    EndOfMailData: "end of mail data",  # of BDAT LAST, too
    AuthResponse: "response",
}
ROLES = {
    "server": "The states of a server: a command that came, and the reply that was sent",
    "client": "The states of a client: a command that was sent, and the reply that came",
}
# What is in no row: the connections decide it (RFC 5321 3.8, RFC 3207 4, RFC 2920 3.1).
BEYOND: dict[str, tuple[tuple[State, State, str], ...]] = {
    "server": ((State.TLS, State.GREETED, "handshake"),),
    "client": (
        (State.TLS, State.GREETED, "handshake"),
        (State.MAIL, State.DATA, "DATA 354, sent before\nall recipients were refused"),
    ),
}
EVERYWHERE = {
    "server": (State.CLOSED, "the reply to what\nends the session"),
    "client": (State.ERROR, "a reply that is malformed,\nor answers nothing"),
}
CLOSING = {
    "server": "A 421 leads from every state but TLS to CLOSED.",
    "client": "A 421 leads from every state to CLOSED.",
}

Edges = dict[tuple[State, State], list[str]]


def moves() -> dict[tuple[str, State], dict[State, None]]:
    """Return what leads to another state: (command and reply, target) to the states it is in."""
    rows = tuple(row for extension in KNOWN for row in extension.rows)
    found: dict[tuple[str, State], dict[State, None]] = defaultdict(dict)
    for state, steps in build_table(rows, False).items():
        for command, step in steps.items():
            name = NAMES.get(command, command.verb)
            classes = [("2yz", step.success), ("3yz", step.intermediate), ("4yz 5yz", step.failure)]
            by_target: dict[State, list[str]] = defaultdict(list)
            for digits, target in classes:
                if target is not None and target is not state:
                    exact = step.exact and f"{step.exact // 100}yz" == digits
                    by_target[target].append(str(step.exact) if exact else digits)
            for target, replies in by_target.items():
                is_any = len(replies) == sum(wanted is not None for _, wanted in classes)
                label = name if is_any else f"{name} {' '.join(replies)}"
                found[label, target][state] = None
    return found


def quoted(text: str) -> str:
    return '"' + text.replace('"', r"\"").replace("\n", r"\n") + '"'


def draw(role: str) -> str:
    """Return the diagram of `role` in the language of Graphviz."""
    edges: Edges = defaultdict(list)
    framed: dict[State, list[str]] = defaultdict(list)
    for (label, target), states in moves().items():
        within = [state for state in states if state in WAITING]
        if len(within) < MOST:
            within = []
        else:
            others = [state.name for state in WAITING if state not in {*within, target}]
            framed[target].append(f"{label} (not from {' '.join(others)})" if others else label)
        for state in states:
            if state not in within:
                edges[state, target].append(label)
    lines = [
        f"digraph {role} {{",
        '  graph [rankdir=TB, compound=true, fontname="Helvetica", fontsize=13, nodesep=0.55,',
        f"         ranksep=0.6, labelloc=b, label={quoted(CLOSING[role])}];",
        '  node [shape=box, style=rounded, fontname="Helvetica", fontsize=13];',
        '  edge [fontname="Helvetica", fontsize=11];',
        "  subgraph cluster_waiting {",
        f"    graph [style=rounded, labelloc=t, labeljust=l, label={quoted(frame(framed))}];",
        *(f"    {state.name};" for state in WAITING),
        "  }",
    ]
    lines += [
        f"  {source.name} -> {target.name} [label={quoted(chr(10).join(labels))}];"
        for (source, target), labels in edges.items()
    ]
    lines += [
        f"  BDAT_FAILED -> {target.name} [ltail=cluster_waiting, label={quoted(' '.join(labels))}];"
        for target, labels in framed.items()
        if target not in WAITING
    ]
    lines += [
        f"  {source.name} -> {target.name} [style=dashed, label={quoted(label)}];"
        for source, target, label in BEYOND[role]
    ]
    target, label = EVERYWHERE[role]
    lines.append(
        f"  BDAT_FAILED -> {target.name} [ltail=cluster_waiting, style=dashed,"
        f" label={quoted(label)}];"
    )
    return "\n".join([*lines, "}", ""])


def frame(framed: dict[State, list[str]]) -> str:
    """Return the title of the frame: what leads from all its states into one of them."""
    lines = [
        f"{', '.join(labels)}: {target.name}"
        for target, labels in framed.items()
        if target in WAITING
    ]
    return "\n".join(["Commands are awaited.", *lines])


STYLE = """
<style>
  svg { background: #ffffff; }
  text { fill: #1f2328; }
  .node path, .node polygon, .cluster path { stroke: #57606a; fill: none; }
  .edge path { stroke: #0969da; }
  .edge polygon { stroke: #0969da; fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; }
    .node path, .node polygon, .cluster path { stroke: #8b949e; }
    .edge path { stroke: #58a6ff; }
    .edge polygon { stroke: #58a6ff; fill: #58a6ff; }
  }
</style>
"""


def fingerprint(dot: str) -> str:
    """Return what an SVG holds of the diagram it was made from."""
    return f"sha256:{hashlib.sha256(dot.encode()).hexdigest()}"


def render(role: str, dot: str) -> str:
    """Return the diagram as SVG, legible on light and on dark pages; needs Graphviz."""
    made = subprocess.run(["dot", "-Tsvg"], input=dot, capture_output=True, text=True, check=True)
    svg = made.stdout[made.stdout.index("<svg") :]
    svg = re.sub(r"<title>.*?</title>\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<polygon fill=\"white\" stroke=\"transparent\"[^>]*/>\n?", "", svg)
    svg = re.sub(r' (?:fill|stroke)="(?!none)[a-z]+"', "", svg)
    title = html.escape(ROLES[role])
    head = (
        f'<svg role="img" aria-label="{title}"'
        f"\n     {svg[len('<svg ') : svg.index('>')]}>\n"
        f"<title>{title}</title>\n<desc>{fingerprint(dot)}</desc>{STYLE}"
    )
    return head + svg[svg.index(">") + 1 :].lstrip("\n")


def main() -> None:
    for role in ROLES:
        dot = draw(role)
        (DOCS / f"states-{role}.dot").write_text(dot, "utf-8")
        (DOCS / f"states-{role}.svg").write_text(render(role, dot), "utf-8")


if __name__ == "__main__":
    main()
