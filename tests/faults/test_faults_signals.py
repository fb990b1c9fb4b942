# SPDX-License-Identifier: MIT
"""A server that is ended while messages come from all sides."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from faults.drive import eventually
from faults.process import Sender, Served


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGTERM, ()),
        (signal.SIGINT, ()),
        (signal.SIGKILL, ()),
        (signal.SIGTERM, ("--workers=2",)),
    ],
)
def test_a_signal_under_load(
    tmp_path: Path, number: signal.Signals, workers: tuple[str, ...]
) -> None:
    """What was accepted is there, once; what was refused is not.

    A message whose 250 could not be delivered may be there: it was taken, and its client will send
    it again.
    """
    with Served(tmp_path, "--quiet", *workers) as served:
        senders = [
            Sender(served.port, f"sender {n}", 200_000 * (n % 2), ("data", "bdat")[n // 2 % 2])
            for n in range(8)
        ]
        for sender in senders:
            sender.start()
        try:
            eventually(lambda: sum(len(sender.accepted) for sender in senders) > 100, "messages")
        finally:
            status = served.stop(number)
            for sender in senders:
                sender.join()
        assert status == (-number if number is signal.SIGKILL else 0), served.notes()
    kept = served.kept()
    assert len(set(kept)) == len(kept)
    accepted = {content for sender in senders for content in sender.accepted}
    refused = {content for sender in senders for content in sender.refused}
    unknown = {content for sender in senders for content in sender.unknown}
    assert accepted <= set(kept)
    assert not refused & set(kept)
    assert set(kept) <= accepted | unknown
    if number is not signal.SIGKILL:
        assert served.half_written() == []
