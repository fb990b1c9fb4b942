# SPDX-License-Identifier: MIT
"""What becomes of a dialogue, as the task that waits for it sees it."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
from typing import Any

import pytest

from smtpproto.asyncio.channel import Means
from smtpproto.asyncio.clock import Clock
from smtpproto.asyncio.running import Outcome, Runner
from smtpproto.asyncio.transport import SocketTransport
from smtpproto.dialogues import Dialogue, Read

NAME = contextvars.ContextVar("NAME", default="")


async def waiting(outcome: Outcome, seen: list[Any], name: str) -> Any:
    NAME.set(name)
    try:
        result = await outcome
    except BaseException as error:
        seen.append(type(error))
        raise
    seen.append((result, NAME.get(), sys.exception(), asyncio.current_task()))
    return result


@pytest.mark.parametrize("eager", [False, True])
def test_who_waits_goes_on_at_once(eager: bool) -> None:
    if eager and sys.version_info < (3, 12):
        pytest.skip("no eager tasks")

    async def test() -> None:
        loop = asyncio.get_running_loop()
        if eager:
            loop.set_task_factory(asyncio.eager_task_factory)
        outcome = Outcome(loop=loop)
        seen: list[Any] = []
        task = loop.create_task(waiting(outcome, seen, "theirs"))
        await asyncio.sleep(0)

        def succeed() -> None:
            assert not seen
            outcome.succeed(1)
            assert seen == [(1, "theirs", None, task)]
            assert NAME.get() == ""

        loop.call_soon(succeed)
        assert await task == 1

    asyncio.run(test())


def test_a_task_is_not_left_for_another_one() -> None:
    async def test() -> None:
        outcome = Outcome(loop=asyncio.get_running_loop())
        seen: list[Any] = []
        task = asyncio.create_task(waiting(outcome, seen, "theirs"))
        await asyncio.sleep(0)
        outcome.succeed(1)
        assert not seen
        assert await task == 1

    asyncio.run(test())


def test_what_is_there_before_anybody_waits() -> None:
    async def test() -> None:
        outcome = Outcome(loop=asyncio.get_running_loop())
        outcome.succeed(1)
        assert await outcome == 1

    asyncio.run(test())


def test_a_callback_of_no_task() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        outcome = Outcome(loop=loop)
        told: list[Any] = []
        outcome.add_done_callback(told.append)
        loop.call_soon(outcome.succeed, 1)
        await asyncio.sleep(0)
        assert told == [outcome]
        await asyncio.sleep(0.01)
        assert told == [outcome]  # and once only

    asyncio.run(test())


def test_who_waits_is_cancelled() -> None:
    async def test() -> None:
        outcome = Outcome(loop=asyncio.get_running_loop())
        seen: list[Any] = []
        task = asyncio.create_task(waiting(outcome, seen, "theirs"))
        await asyncio.sleep(0)
        task.cancel()
        assert not seen
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == [asyncio.CancelledError]
        assert outcome.cancelled()

    asyncio.run(test())


def test_a_dialogue_ends_while_who_waits_is_being_cancelled() -> None:
    def dialogue() -> Dialogue:
        return (yield Read(b"", 10.0))

    async def test() -> None:
        loop = asyncio.get_running_loop()
        runner = Runner(Means(Clock(loop, None), tls=None, is_server=False))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            SocketTransport(loop, ours, None, runner)
            task = asyncio.create_task(runner.run(dialogue()))
            await asyncio.sleep(0)
            task.cancel()
            runner.received(b"x")  # before the task has heard of it
            with pytest.raises(asyncio.CancelledError):
                await task
            assert runner.is_over
            runner.abort()
            await runner.wait_gone()

    asyncio.run(test())
