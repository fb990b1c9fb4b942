# SPDX-License-Identifier: MIT
"""Runs a dialogue over an asyncio transport.

Decides when a dialogue goes on, and how a hook is run: stepped at once, in a task if it suspends,
in a thread if it may block. Knows no SMTP. One driver serves servers and clients; octets are the
channel's.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from functools import partial
from types import CoroutineType
from typing import Any, Final

from ..dialogues import (
    Cancelled,
    Close,
    Dialogue,
    Handle,
    Read,
    Reject,
    Step,
    call_failure,
    name_of,
)
from ..forking import let_go
from ..tlstools import tls_info
from .calls import begin, eager, in_thread, is_async, tell_late
from .channel import BUFFER, NEED_PEER, NEVER, Channel, Means, Wait
from .handshake import no_handshake, start_tls

logger = logging.getLogger("smtpproto")

_HELD = 32768
"""Octets up to which output waits for the next step."""


def _nothing() -> Dialogue:
    yield from ()


_OVER: Final = _nothing()
"""In place of a dialogue where there is none."""
_INPUT: Final = Wait.INPUT
_NOTHING: Final = Wait.NOTHING


class Driver(Channel):
    """Runs dialogues over one connection, one after the other.

    Args:
        means: what it works with.
    """

    __slots__ = ("_call", "_dialogue", "_step")

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._dialogue = _OVER
        self._call: asyncio.Future[Any] | None = None
        # What is waited for, or was.
        self._step: Read | Handle | None = None

    # --- what the loop calls ---------------------------------------------------------------------

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came."""
        self.received(self._means.buffer[:nbytes].tobytes())

    def received(self, octets: bytes) -> None:
        """Give the dialogue what came, or keep it until it is asked for."""
        if self._wait is not _INPUT:
            if self._wait is not Wait.LINGER:
                self._early = self._early or []
                self._early.append(octets)
                self._pause()
            return
        self._wait = _NOTHING
        try:
            step = self._dialogue.send(octets)
        except StopIteration as end:
            result = end.value
        except BaseException as error:
            self._finish(None, error)
            return
        else:
            if type(step) is not Read or self._is_unusual or not step.timeout:
                self._perform(step)
                return
            # As _perform() and _read() do, in fewer calls: this is where time goes.
            if step.out:
                self.transport.write(step.out)
            self._step = step
            if not step.goes_on:
                self.deadline = self._clock.soonest + step.timeout
            self._wait = _INPUT
            return
        self._finish(result)  # out here, or whoever goes on then would handle an exception

    def eof_received(self) -> bool:
        """Let the dialogue know, and keep our side open where the transport can."""
        self._eof = self._is_unusual = True
        if self._wait is Wait.INPUT:
            self._go_on(b"")
        elif self._wait is Wait.LINGER:
            self._close_transport()
        # A TLS layer cannot be half open: its transport closes itself.
        if self._wait is Wait.HANDSHAKE:  # which has just ended, so that it is not `transport` yet
            return False
        return bool(self.transport.can_write_eof())

    def connection_lost(self, exc: Exception | None) -> None:
        """Break off what waits for the connection; a hook that runs may end."""
        self._lost = self._is_unusual = True
        if self._wait is not Wait.CALL:  # a hook's time goes on, or one that hangs would for ever
            self.deadline = NEVER
        elif exc is not None:  # for the dialogue, when the call has ended
            self._early = [*(self._early or ()), self._leftover()]
        if self._wait in NEED_PEER or (self._dialogue is not _OVER and self._wait is _NOTHING):
            self._fail(self._loss(exc))
        self._forget_time()

    def pause_writing(self) -> None:
        """Note that the peer does not read: nothing more is read or asked for either."""
        self._choked = self._is_unusual = True
        # A TLS layer answers by itself, and would for ever (RFC 8446 4.6.3).
        if self._wait is _INPUT or self._wait is Wait.CALL:
            self._pause()

    def resume_writing(self) -> None:
        """Go on with what waited for the peer."""
        self._choked = False
        if self._wait is Wait.INPUT:
            self._resume()
        elif self._wait is Wait.WRITABLE:
            assert isinstance(self._step, Handle)
            self._wait = Wait.NOTHING
            self._perform(self._begin_call(self._step))

    # --- what a server or a client calls ---------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """True where there is no dialogue, or no longer."""
        return self._dialogue is _OVER

    def start(self, dialogue: Dialogue) -> None:
        """Begin a dialogue; `ended` gets its result, or its exception."""
        self._dialogue = dialogue
        self._go_on(None)

    def ended(self, result: Any, error: BaseException | None) -> None:
        """Take the end of a dialogue."""

    def expire(self) -> None:
        """Let the deadline be over."""
        self.deadline = NEVER
        if self._wait is Wait.CALL:
            assert isinstance(self._step, Handle)
            what = name_of(self._step.call)
            logger.error("the hook %s took too long", what)
            self._give_up()
            self._fail(call_failure(TimeoutError(f"{what} took too long")))
        elif self._wait in NEED_PEER:
            self._fail(TimeoutError("the peer took too long"))
        else:
            super().expire()

    def stop(self, now: bool = False) -> None:
        """End the dialogue as soon as no hook runs, and unless `now`, no message comes."""
        self._stopping = self._is_unusual = True
        was_cut, self._cut = self._cut, self._cut or now
        step = self._step
        if self._wait is Wait.INPUT and isinstance(step, Read) and step.may_finish and not now:
            return
        if self._wait in NEED_PEER:
            self._fail(Cancelled())
        elif self._wait is Wait.LINGER and not was_cut:
            self._close_transport()
        elif self._wait is Wait.HANDSHAKE and self._call is not None:
            # Not before it has begun, or it would never tell of its end.
            self._means.loop.call_soon(self._call.cancel)

    def abort(self) -> None:
        """End the connection now, and the dialogue with it."""
        self._abandon()
        if self.transport is not None:
            self.transport.abort()

    def let_go(self) -> None:
        """Forget the dialogue, and close what a forked child has got of the connection."""
        if self.transport is not None:
            let_go(self.transport.get_extra_info("socket"))
        self.abort()

    # --- the dialogue ----------------------------------------------------------------------------

    def _go_on(self, result: Any) -> None:
        self._wait = Wait.NOTHING
        self._perform(self._sent(result))

    def _fail(self, error: BaseException) -> None:
        self._perform(self._thrown(error))

    def _thrown(self, error: BaseException) -> Step | None:
        """Throw into the dialogue; return its next step."""
        self._wait = Wait.NOTHING
        return self._sent(None, error)

    def _sent(self, result: Any, error: BaseException | None = None) -> Step | None:
        """Give the dialogue a result, or what came instead; return its next step."""
        dialogue = self._dialogue
        try:
            return dialogue.send(result) if error is None else dialogue.throw(error)
        except StopIteration as end:
            result = end.value
        except BaseException as failure:
            self._finish(None, failure)
            return None
        self._finish(result)
        return None

    def _perform(self, step: Step | None) -> None:
        """Do what the steps say, as far as it goes without waiting."""
        try:
            while step is not None:
                if type(step) is Read:
                    step = self._read(step)
                elif isinstance(step, Handle):
                    step = self._handle(step)
                elif isinstance(step, Close):
                    self._close(step)
                    step = self._sent(None)
                else:
                    self._write(step.out)
                    self._pause()  # what comes now is for the TLS layer
                    self._wait = Wait.HANDSHAKE
                    self.deadline = NEVER  # the loop itself watches over the handshake
                    self._call = self._means.loop.create_task(self._shake_hands(step.timeout))
                    return
        except BaseException:  # of the transport: it has to tell us of its end, or nobody goes on
            self.transport.abort()
            raise

    def _finish(self, result: Any, error: BaseException | None = None) -> None:
        """Report the end of the dialogue."""
        self._dialogue = _OVER
        self._forget_time()
        if self._wait is _NOTHING:
            self.deadline = NEVER
        self.ended(result, error)

    def _abandon(self) -> None:
        """Forget the dialogue, and the hook that may be running for it."""
        self._give_up()
        dialogue, self._dialogue = self._dialogue, _OVER
        if dialogue is not _OVER:
            self._wait = Wait.NOTHING
            dialogue.close()
        self._forget_time()

    def _forget_time(self) -> None:
        """Leave the clock once there is nothing left to wait for."""
        if self._lost and self._dialogue is _OVER:
            self._clock.discard(self)

    # --- reading and writing ---------------------------------------------------------------------

    def _read(self, step: Read) -> Step | None:
        if step.out or self._held:
            self._write(step.out)
        self._step = step
        if self._is_unusual or step.limit:
            if self._stopping and (self._cut or not step.may_finish):
                return self._thrown(Cancelled())
            if self._lost:
                return self._thrown(self._loss(None))
            if self._early:
                return self._sent(self._taken())
            if self._eof:
                return self._sent(b"")
        if not step.timeout:
            return self._look(step)
        if not step.goes_on:
            self.deadline = self._clock.soonest + step.timeout
        self._wait = _INPUT
        if self._is_unusual or step.limit:
            self.room = step.limit or BUFFER
            if self._choked:
                self._pause()
            else:
                self._resume()
            self._is_unusual = bool(self._stopping or self._paused or step.limit)
        return None

    def _look(self, step: Read) -> Step | None:
        if self._paused:
            self._resume()
        if not step.goes_on:
            return self._sent(None)
        self._wait = Wait.LOOK
        # Two turns of the loop: it looks at its connections between them, and tells us later.
        self._means.loop.call_soon(self._means.loop.call_soon, self._looked)
        return None

    def _looked(self) -> None:
        if self._wait is Wait.LOOK:
            self._go_on(self._taken() or (b"" if self._eof else None))

    async def _shake_hands(self, timeout: float) -> None:
        try:
            if self._eof:  # which the TLS layer would wait for in vain
                self.transport.abort()
                raise ConnectionResetError("the peer closed before the handshake")
            early = self._taken()
            self.transport = await start_tls(self.transport, self, self._means, early, timeout)
            info = tls_info(self.transport.get_extra_info("ssl_object"))
        except BaseException as error:
            # The loop does not tell us of a connection that ends in the middle of a handshake.
            self.connection_lost(None)
            if self._dialogue is _OVER:  # given up
                raise
            self._call = None
            self._fail(no_handshake(error))
            return
        self._call = None
        self._paused = False
        self._go_on(info)

    # --- hooks -----------------------------------------------------------------------------------

    def _handle(self, step: Handle) -> Step | None:
        if step.out:
            self._held = self._held or []
            self._held.append(step.out)
            if len(step.out) > _HELD:
                self._write(b"")
            if not self._lost and (self._choked or self.transport.is_closing()):
                self._step = step
                self._wait = Wait.WRITABLE
                self.deadline = self._clock.deadline(step.timeout)
                return None
        return self._begin_call(step)

    def _begin_call(self, step: Handle) -> Step | None:
        """Run a hook; return the next step, or None when that has to wait."""
        call = step.call
        means = self._means
        try:
            if step.blocks and means.executor is not None and not is_async(call):
                return self._await(in_thread(call, step.args, means.executor, means.loop), step)
            result = call(*step.args)
            if type(result) is CoroutineType:  # as _resolve() does, in fewer calls
                task = eager(result, loop=means.loop)
                if not task.done() or task.cancelled() or task.exception() is not None:
                    return self._await(task, step)
                result = task.result()
        except Exception as error:
            return self._hook_failed(error, step)
        return self._sent(None) if result is None else self._resolve(result, step)

    def _resolve(self, result: Any, step: Handle) -> Step | None:
        """Give the dialogue what a hook returned, or what comes of it."""
        if not inspect.isawaitable(result):
            return self._sent(result)
        return self._await(begin(result, self._means.loop), step)

    def _await(self, call: asyncio.Future[Any], step: Handle) -> Step | None:
        if call.done():
            return self._outcome(call, step)
        self._write(b"")
        self._wait = Wait.CALL
        self._call = call
        self._step = step
        self.deadline = self._clock.deadline(step.timeout)
        call.add_done_callback(self._call_done)
        return None

    def _call_done(self, call: asyncio.Future[Any]) -> None:
        if call is not self._call:  # given up
            return
        self._call = None
        self._wait = Wait.NOTHING
        assert isinstance(self._step, Handle)
        self._perform(self._outcome(call, self._step))

    def _give_up(self) -> None:
        """Forget the hook that may be running, or the handshake."""
        call, self._call = self._call, None
        if call is not None:
            if self._wait is Wait.CALL:
                assert isinstance(self._step, Handle)
                call.add_done_callback(partial(tell_late, name_of(self._step.call)))
            call.cancel()

    def _outcome(self, call: asyncio.Future[Any], step: Handle) -> Step | None:
        if call.cancelled():
            return self._hook_failed(RuntimeError("the hook was cancelled"), step)
        error = call.exception()
        if error is None:
            return self._resolve(call.result(), step)
        return self._hook_failed(error, step)

    def _hook_failed(self, error: BaseException, step: Handle) -> Step | None:
        if self._means.is_server and not isinstance(error, Reject):
            logger.error("the hook %s failed", name_of(step.call), exc_info=error)
        return self._thrown(call_failure(error))
