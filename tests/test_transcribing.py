# SPDX-License-Identifier: MIT
"""Transcripts that fail: who watches a session does not change it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from adapter_drive import AsyncioWorld, BlockingWorld, World

from smtpproto.dialogues import Collect, Peer
from smtpproto.transcribing import guarded

TEXT = b"Subject: x\r\n\r\ntext\r\n"
PLACES = ["220", "EHLO", "MAIL FROM", "message taken", "221"]


@pytest.fixture(params=[AsyncioWorld, BlockingWorld], ids=["asyncio", "blocking"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World = request.param()
    yield made
    made.close()


class Failing:
    """A transcript that cannot take some lines."""

    def __init__(self, place: str) -> None:
        self._place = place
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        if self._place in line:
            raise OSError("disk full")
        self.lines.append(line)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.levelno >= logging.ERROR]


@pytest.mark.parametrize("option", ["transcript", "transcript_for"])
@pytest.mark.parametrize("place", PLACES)
def test_a_transcript_of_a_server(
    world: World, place: str, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler, failing = Collect(), Failing(place)
    given: Any = failing if option == "transcript" else lambda peer: failing
    with (
        world.serve(handler, **{option: given}) as server,
        world.client("127.0.0.1", server.port) as client,
    ):
        assert client.send(TEXT, "a@x.org", "b@x.org").is_complete
    assert [one.content for one in handler.messages] == [TEXT]
    assert errors(caplog) == ["a transcript failed; lines of it are missing"]
    assert [place] == [one for one in PLACES if not any(one in line for line in failing.lines)]


def test_a_session_whose_transcript_cannot_be_made(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Collect()
    lines: list[str] = []

    def transcript_for(peer: Peer) -> Any:
        found.append(peer)
        return [lines.append, None][len(found) - 2] if found[1:] else 1 / 0

    found: list[Peer] = []
    with world.serve(handler, transcript_for=transcript_for) as server:
        for _ in range(3):
            world.send_mail(TEXT, "127.0.0.1", server.port, sender="a@x.org", recipients="b@x.org")
    assert len(handler.messages) == 3
    assert errors(caplog) == ["transcript_for failed; a session has no transcript"]
    assert sum("EHLO" in line for line in lines) == 1


@pytest.mark.parametrize("place", PLACES)
def test_a_transcript_of_a_client(
    world: World, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler, failing = Collect(), Failing(place)
    with (
        world.serve(handler) as server,
        world.client("127.0.0.1", server.port, transcript=failing) as client,
    ):
        results = [client.send(TEXT, "a@x.org", "b@x.org") for _ in range(2)]
    assert all(one.is_complete for one in results)
    assert all("250" in one.transcript[-1] for one in results)
    assert len(handler.messages) == 2
    assert errors(caplog) == ["a transcript failed; lines of it are missing"]
    assert [place] == [one for one in PLACES if not any(one in line for line in failing.lines)]


def test_what_ends_the_program_passes() -> None:
    def interrupted(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(interrupted)("-> NOOP")
