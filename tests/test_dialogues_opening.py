# SPDX-License-Identifier: MIT
"""What comes before the greeting, without sockets."""

from __future__ import annotations

from typing import Any

import pytest
from dialogue_drive import Input, Recorder, Run, drive

from smtpproto import LocalProtocolError, Reply, TLSInfo
from smtpproto.dialogues import (
    Cancelled,
    Close,
    ConnectionLost,
    Handshake,
    Read,
    SecurityError,
)
from smtpproto.dialogues.deadlines import StoppedClock
from smtpproto.dialogues.opening import Reception
from smtpproto.dialogues.places import Gates
from smtpproto.dialogues.records import RefusalRecord
from smtpproto.dialogues.server_settings import ServerSettings, server_settings
from smtpproto.gate import Gate
from smtpproto.limits import Limits

ADDRESS = ("127.0.0.1", 4711)
HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 4712 25\r\n"
TLS = TLSInfo("TLSv1.3", "TLS_AES_128_GCM_SHA256")


def settings(handler: Any, implicit: bool = False, **options: Any) -> ServerSettings:
    return server_settings(
        handler,
        own_name="mx.example.org",
        has_tls=implicit,
        tls_mode="implicit" if implicit else "starttls",
        random=bytes,
        **options,
    )


def opened(told: ServerSettings, *inputs: Input, address: Any = ADDRESS, count: int = 1) -> Run:
    return drive(Reception(told, StoppedClock()).session(address, count), inputs)


@pytest.mark.parametrize("pieces", [1, 100])
def test_the_header_then_the_greeting(pieces: int) -> None:
    handler = Recorder(on_connect=None)
    told = settings(handler, proxy=["127.0.0.1"])
    whole = HEADER + b"NOOP\r\n"
    cut = [whole] if pieces == 1 else [whole[at : at + 1] for at in range(len(whole))]
    run = opened(told, *cut, b"QUIT\r\n")
    assert run.codes == [220, 250, 221]
    assert handler.names == ["on_connect"]
    reads = [step for step in run.steps if isinstance(step, Read)]
    header_reads = reads[: 1 if pieces == 1 else len(HEADER)]
    assert [step.goes_on for step in header_reads] == [False] + [True] * (len(header_reads) - 1)
    assert {step.timeout for step in header_reads} == {5.0}
    assert {step.limit for step in reads} == {0}


def test_in_front_of_tls_no_more_is_read_than_the_header_has() -> None:
    told = settings(Recorder(), implicit=True, proxy=["127.0.0.1"])
    dialogue = Reception(told, StoppedClock()).session(ADDRESS, 1)
    left = HEADER + b"\x16"
    step = next(dialogue)
    while isinstance(step, Read):
        assert 0 < step.limit <= len(HEADER)
        taken, left = left[: step.limit], left[step.limit :]
        step = dialogue.send(taken)
    assert isinstance(step, Handshake)
    assert left == b"\x16"
    assert step.timeout == 60.0
    greeting = dialogue.send(TLS)
    assert greeting.out.startswith(b"220")


def test_the_shortest_time_that_is_given_is_for_all() -> None:
    told = settings(Recorder(), implicit=True, proxy=["127.0.0.1"], timeout=2.0)
    run = opened(told, HEADER, TLS, b"QUIT\r\n")
    assert {step.timeout for step in run.steps if isinstance(step, Read | Handshake)} == {2.0}


def test_pipelined_input_behind_the_header_has_no_special_limit() -> None:
    told = settings(Recorder(), proxy=["127.0.0.1"], limits=Limits(pipelined_input=10))
    run = opened(told, HEADER + b"NOOP\r\n" * 10)
    assert run.codes == [220] + [250] * 10


@pytest.mark.parametrize(
    "failure", [TimeoutError(), ConnectionLost(), SecurityError("x"), Cancelled(), b"", b"EHLO x"]
)
def test_what_fails_before_the_greeting_ends_without_one(failure: Any) -> None:
    handler = Recorder(on_connect=None, on_close=None)
    run = opened(settings(handler, proxy=["127.0.0.1"]), failure)
    assert run.steps[-1] == Close(b"")
    assert run.out == b""
    assert handler.calls == []
    assert run.error is None


@pytest.mark.parametrize("failure", [TimeoutError(), ConnectionLost(), SecurityError("no cipher")])
def test_a_handshake_that_fails(failure: Exception) -> None:
    handler = Recorder(on_connect=None, on_close=None)
    run = opened(settings(handler, implicit=True), failure)
    assert run.steps == [Handshake(b"", 60.0), Close(b"")]
    assert handler.calls == []


def test_an_untrusted_peer_is_not_even_read() -> None:
    told = settings(Recorder(), proxy=["192.0.2.1"])
    assert opened(told).steps == [Close(b"")]
    assert opened(told, address="").steps == [Close(b"")]


def test_too_many() -> None:
    run = opened(settings(Recorder(), connections=2), count=3)
    assert run.steps == [Close(b"421 too many connections\r\n", lingers=True)]
    assert opened(settings(Recorder(), connections=2), count=2).codes == [220]
    assert opened(settings(Recorder(), connections=None), count=99999).codes == [220]


def test_too_many_for_tls() -> None:
    """There is nothing to hear in the clear, and a handshake is what is too much."""
    assert opened(settings(Recorder(), implicit=True, connections=2), count=3).steps == [Close(b"")]


def test_settings_that_do_not_fit() -> None:
    for options in ({"disabled": ["EHLO"]}, {"proxy": ["nonsense"]}):
        with pytest.raises(LocalProtocolError):
            settings(Recorder(), **options)


@pytest.mark.parametrize(
    ("inputs", "more", "reason"),
    [
        ([], {"address": ("192.0.2.1", 1)}, "a trusted proxy expected"),
        ([b"EHLO x\r\n"], {}, "bad PROXY protocol header"),
        ([b"PROXY "], {}, "closed within the PROXY header"),
        ([TimeoutError()], {}, "no PROXY header came"),
        ([HEADER, SecurityError("no cipher")], {}, "no cipher"),
        ([HEADER, TimeoutError()], {}, "no TLS handshake"),
        ([], {"count": 9}, "too many connections"),
    ],
)
def test_it_is_told_why_there_is_no_session(inputs: Any, more: Any, reason: str) -> None:
    """Or a proxy that is set up wrongly would be hard to find."""
    told: list[Any] = []
    given = settings(Recorder(), implicit=True, proxy=["127.0.0.1"], connections=1)
    where = {"address": ADDRESS, "count": 1, **more}
    run = drive(Reception(given, StoppedClock(), told.append).session(**where), inputs)
    assert run.steps[-1] == Close(b"")
    assert [type(one) for one in told] == [RefusalRecord]
    assert reason in told[0].reason


def test_too_many_of_one_peer() -> None:
    told: list[Any] = []
    given = settings(Recorder())
    reception = Reception(given, StoppedClock(), told.append, Gates(Gate(1)))
    first = reception.session(ADDRESS, 1)
    next(first)
    run = drive(reception.session(ADDRESS, 2))
    assert run.steps == [Close(b"421 too many connections from you\r\n", lingers=False)]
    assert "from there" in told[0].reason
    first.close()  # broken off, it counts no longer
    assert drive(reception.session(ADDRESS, 1)).codes == [220]


def test_a_peer_of_another_kind_of_socket() -> None:
    told: list[Any] = []
    dialogue = Reception(settings(Recorder()), StoppedClock(), told.append, Gates(Gate(1))).session(
        (2, 1234), 1
    )
    assert drive(dialogue, [b"QUIT\r\n"]).codes == [220, 221]
    assert str(told[0].peer) == "2:1234"


def test_a_handler_made_for_the_session() -> None:
    made: list[Recorder] = []

    def factory() -> Recorder:
        made.append(Recorder(on_connect=Reply(220, "hi")))
        return made[-1]

    told = settings(factory, factory=True)
    assert made == []
    assert [opened(told).lines, opened(told).lines] == [["220 hi"], ["220 hi"]]
    assert len(made) == 2
