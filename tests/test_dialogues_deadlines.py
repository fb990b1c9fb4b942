# SPDX-License-Identifier: MIT
"""How long a session may take, with a clock that the test turns."""

from __future__ import annotations

from typing import Any

import pytest
from dialogue_drive import Recorder, connection

from smtpproto import TLSInfo
from smtpproto.dialogues import (
    Cancelled,
    Close,
    Collect,
    Handle,
    Handshake,
    Peer,
    Read,
    serve_session,
)
from smtpproto.dialogues.conversation import Terms
from smtpproto.dialogues.deadlines import Times

ENVELOPE = b"EHLO x.example\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\n"


class Clock:
    now = 1000.0


class Session:
    """A session whose client takes its time."""

    def __init__(self, handler: object, timeout: float | None = None, **times: float) -> None:
        self.clock = Clock()
        self.server = connection()
        terms = Terms(timeout, Times(**times), self.clock)
        self.dialogue = serve_session(self.server, handler, Peer(), terms)
        self.out = b""
        self.ended = False
        self.step: Any = None
        self._go_on(None)

    def _go_on(self, result: Any, failure: BaseException | None = None) -> None:
        """Take steps up to the next one that waits for the client."""
        while True:
            step = self.dialogue.throw(failure) if failure else self.dialogue.send(result)
            result = failure = None
            self.step = step
            self.out += step.out
            if isinstance(step, Close):
                self.ended = True
                self.dialogue.close()
                return
            if not isinstance(step, Handle):
                return
            result = step.call(*step.args)

    def later(self, seconds: float, result: Any) -> None:
        """Let the client do something after some seconds."""
        self.clock.now += seconds
        self._go_on(result)

    @property
    def codes(self) -> list[int]:
        lines = self.out.decode().splitlines()
        return [int(line[:3]) for line in lines if line[3:4] != "-"]

    @property
    def time(self) -> float:
        """The seconds that there are for what comes next."""
        assert isinstance(self.step, Read | Handshake)
        return self.step.timeout


def test_without_deadlines_each_command_has_its_time() -> None:
    session = Session(Collect())
    for _ in range(50):
        session.later(290, b"NOOP\r\n")
        assert session.time == 300
    assert not session.ended


def test_a_session_ends_however_busy_it_is() -> None:
    session = Session(Collect(), session=1000)
    for elapsed in (250, 500, 750):
        session.later(250, b"NOOP\r\n")
        assert session.time == min(300, 1000 - elapsed)
    session.later(250, b"NOOP\r\n")
    assert session.ended
    assert session.codes[-2:] == [250, 421]  # what was asked in time is answered
    assert b"421 4.4.2 timed out\r\n" in session.out


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 10\r\n", b"BDAT 0\r\n"])
@pytest.mark.parametrize("streams", [False, True])
def test_a_message_that_drips(command: bytes, streams: bool) -> None:
    handler = Recorder(on_message=None, on_abort=None)
    if streams:
        sink = Recorder(write=None, commit=None, abort=None)
        sink.write = lambda data: None  # type: ignore[attr-defined]
        sink.commit = sink.abort = lambda: None  # type: ignore[attr-defined]
        handler.open_message = lambda peer: sink  # type: ignore[attr-defined]
    session = Session(handler, message=1000)
    session.later(250, ENVELOPE)
    session.later(250, command)
    if command == b"BDAT 10\r\n":
        assert session.time == 300  # the chunk has not begun
        session.later(0, b"x")
    for elapsed in (250, 500, 750):
        session.later(250, b"BDAT 1\r\nx" if command == b"BDAT 0\r\n" else b"x")
        assert session.time == min(300, 1000 - elapsed)
    session.later(250, b"BDAT 1\r\nx" if command == b"BDAT 0\r\n" else b"x")
    assert session.ended
    assert session.codes[-1] == 421
    assert handler.names == ["on_abort"]


@pytest.mark.parametrize(
    "message",
    [
        [b"DATA\r\n", b"text\r\n", b".\r\n"],
        [b"BDAT 1\r\n", b"x", b"BDAT 0 LAST\r\n"],
    ],
)
def test_the_time_of_a_message_ends_with_it(message: list[bytes]) -> None:
    session = Session(Collect(), message=600)
    for _ in range(5):
        session.later(100, ENVELOPE)
        for piece in message:
            session.later(190, piece)
        session.later(290, b"NOOP\r\n")
        assert session.time == 300
    assert not session.ended


def test_the_time_of_a_message_ends_with_rset() -> None:
    session = Session(Collect(), message=600)
    session.later(0, ENVELOPE)
    session.later(0, b"BDAT 1\r\nx")
    session.later(290, b"RSET\r\n")
    for _ in range(5):
        session.later(290, b"NOOP\r\n")
    assert session.time == 300
    assert not session.ended


def test_the_time_to_authenticate() -> None:
    session = Session(Collect(), authentication=100)
    assert session.time == 100
    session.later(60, b"NOOP\r\n")
    assert session.time == 40
    session.later(40, b"NOOP\r\n")
    assert session.ended


def test_who_has_authenticated_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(Collect(), authentication=100)
    session.later(60, b"NOOP\r\n")
    monkeypatch.setattr(type(session.server), "identity", "ann")
    session.later(10, b"NOOP\r\n")
    assert session.time == 300
    session.later(200, b"NOOP\r\n")
    assert session.time == 300
    assert not session.ended


def test_deadlines_stay_over_starttls() -> None:
    session = Session(Collect(), session=500, authentication=400)
    session.later(250, b"EHLO x.example\r\n")
    session.later(100, b"STARTTLS\r\n")
    assert isinstance(session.step, Handshake)
    assert session.time == 50
    session.later(20, TLSInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
    assert session.time == 30
    session.later(30, b"NOOP\r\n")
    assert session.ended


def test_a_handshake_has_a_minute() -> None:
    session = Session(Collect())
    session.later(0, b"EHLO x.example\r\n")
    session.later(0, b"STARTTLS\r\n")
    assert session.time == 60


def test_only_a_message_may_be_finished_when_the_server_stops() -> None:
    session = Session(Collect())
    seen = [session.step.may_finish]
    for octets in (ENVELOPE, b"DATA\r\n", b"text\r\n", b".\r\n", ENVELOPE[16:], b"BDAT 1\r\nx"):
        session.later(0, octets)
        seen.append(session.step.may_finish)
    assert seen == [False, False, True, True, False, False, True]
    session.later(0, b"RSET\r\n")
    assert not session.step.may_finish
    session._go_on(None, Cancelled())
    assert session.ended
    assert session.codes[-1] == 421
