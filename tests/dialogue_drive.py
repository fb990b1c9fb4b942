# SPDX-License-Identifier: MIT
"""Drives dialogues in memory: what is read comes from a list, what is called is called at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

from smtpproto import ServerConnection, TLSInfo
from smtpproto.dialogues import (
    Dialogue,
    Handle,
    Handshake,
    Peer,
    Read,
    Reject,
    call_failure,
    serve_session,
)
from smtpproto.dialogues.conversation import Terms
from smtpproto.dialogues.server_settings import default_extensions
from smtpproto.extensions import StartTLS
from smtpproto.limits import Limits

NOTHING = None
"""An input of a poll: nothing is there."""
Input = bytes | BaseException | TLSInfo | None


class Run:
    """What a dialogue did: its steps, what was written at each, its result."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.writes: list[bytes] = []
        """What was written together before something was waited for."""
        self.failures: list[BaseException] = []
        """What hooks raised, as a driver would log it."""
        self.result: Any = None
        self.error: BaseException | None = None
        self._held = b""

    @property
    def out(self) -> bytes:
        return b"".join(self.writes)

    @property
    def lines(self) -> list[str]:
        return self.out.decode("utf-8").splitlines()

    @property
    def codes(self) -> list[int]:
        """The code of each reply that was written, 0 for what is none."""
        last = [line for line in self.lines if line[3:4] != "-"]
        return [int(line[:3]) if line[:3].isdigit() else 0 for line in last]

    def write(self, octets: bytes, now: bool) -> None:
        self._held += octets
        if now and self._held:
            self.writes.append(self._held)
            self._held = b""


def drive(dialogue: Dialogue, inputs: Iterable[Input] = (), to_the_end: bool = True) -> Run:
    """Run a dialogue to its end.

    Args:
        dialogue: any.
        inputs: for each Read octets, None for a poll that finds nothing, or an exception; for each
            Handshake a `TLSInfo` or an exception. After the last one the stream ends.
        to_the_end: all of the inputs are to be read.
    """
    run = Run()
    waiting = iter(inputs)
    given: Any = None
    failure: BaseException | None = None
    try:
        while True:
            step = dialogue.send(given) if failure is None else dialogue.throw(failure)
            given = failure = None
            run.steps.append(copy(step))  # a dialogue may change it and give it out again
            run.write(step.out, not isinstance(step, Handle))
            if isinstance(step, Handle):
                try:
                    given = step.call(*step.args)
                except Exception as error:
                    if not isinstance(error, Reject):
                        run.failures.append(error)
                    failure = call_failure(error)
            elif isinstance(step, Read | Handshake):
                given = next(waiting, b"" if getattr(step, "timeout", 1) else None)
                if isinstance(given, BaseException):
                    failure = given
    except StopIteration as end:
        run.result = end.value
    except Exception as error:
        run.error = error
    assert not to_the_end or list(waiting) == [], "the dialogue did not read everything"
    return run


class Recorder:
    """A handler with the hooks that it is given, which notes every call."""

    def __init__(self, **hooks: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for name, outcome in hooks.items():
            setattr(self, name, self._hook(name, outcome))

    def _hook(self, name: str, outcome: Any) -> Callable[..., Any]:
        def hook(peer: Peer, *args: Any) -> Any:
            self.calls.append((name, *args))
            if isinstance(outcome, Exception):
                raise outcome
            return outcome(peer, *args) if callable(outcome) else outcome

        return hook

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


class RecordingSink:
    """A sink that notes what happens to it and may refuse."""

    def __init__(self, **outcomes: Any) -> None:
        self.calls: list[str] = []
        self.data = b""
        self._outcomes = outcomes

    def _done(self, name: str) -> Any:
        self.calls.append(name)
        outcome = self._outcomes.get(name)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def write(self, data: bytes) -> Any:
        self.data += data
        return self._done("write")

    def commit(self) -> Any:
        return self._done("commit")

    def abort(self) -> Any:
        return self._done("abort")


def connection(lmtp: bool = False, **settings: Any) -> ServerConnection:
    limits = settings.get("limits", Limits())
    extensions = (*default_extensions(limits), StartTLS())
    return ServerConnection("mx.example.org", extensions=extensions, lmtp=lmtp, **settings)


def serve(
    handler: object,
    *inputs: Input,
    server: ServerConnection | None = None,
    peer: Peer | None = None,
    **options: Any,
) -> Run:
    """Hold a session in which the client says `inputs`, and leaves."""
    session = serve_session(server or connection(), handler, peer or Peer(), Terms(**options))
    return drive(session, inputs)
