# SPDX-License-Identifier: MIT
"""A client in an asyncio loop.

Decides when the connection is opened and closed, and that one message is sent at a time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from secrets import token_bytes
from types import TracebackType
from typing import Any, TypeVarTuple, Unpack

from ..calling import Calling
from ..dialogues import (
    Addressed,
    ConnectionLost,
    Content,
    Dialogue,
    Outcome,
    Recipients,
    SendResult,
    TimedOut,
    Transfer,
    ends_session,
    is_reusable,
    may_quit,
    prepare,
    prepare_all,
)
from ..dialogues.client_settings import ClientOptions, check_send_mail, client_settings
from ..exceptions import LocalProtocolError, Violation
from ..grammar.addresses import Path
from ..grammar.commands import Command, Noop
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from ..tlsinfo import TLSInfo
from ..tlstools import opening_failure, tls_info
from .channel import Means
from .clock import Clock
from .connecting import connect
from .running import Runner

_TIMEOUT = 300.0

_Args = TypeVarTuple("_Args")


class Client(Calling):
    """A session with a server: ``async with Client("mail.example.org") as client``.

    Several tasks may use it: their messages are sent one after the other. In a forked child it is
    closed, whatever it is in the parent.

    Args:
        host: the server; with `path`, the name that its certificate must have.
        port: 25, 587 for submission, 465 for submission under TLS from the start.
        path: connect to a Unix socket instead.
        tls: a context in place of the default one, which checks certificate and host name.
        options: see `ClientOptions`.

    Raises:
        LocalProtocolError: an option that says nothing that can be done.
        TypeError: an option that there is not.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 25,
        *,
        path: str | None = None,
        tls: ssl.SSLContext | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(client_settings(host, port, path, options), tls)
        self._driver: Runner | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Client:
        """Connect, as `connect` does."""
        return await self.connect()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take leave with QUIT, and close."""
        await self.close()

    async def close(self) -> None:
        """Take leave with QUIT where that is possible, and close. May be called twice."""
        async with self._turn():
            await self._leave(abort=False)

    async def connect(self) -> Client:
        """Connect and open the session: the ``with`` statement does so, and closes it, too.

        A client whose session is closed may connect again.

        Returns:
            The client itself.

        Raises:
            LocalProtocolError: it is connected, or `dial` returned no connection.
            ConnectionLost: there is no such server, or it went away.
            ReplyError: the server refuses us; `AuthenticationError`: it refuses the credentials.
            SecurityError: TLS, or a safe way to authenticate, could not be had.
            RemoteProtocolError: the server broke the protocol.
        """
        async with self._turn():
            if self._connection is not None:
                raise LocalProtocolError(
                    "a session that is closed expected before the next one", Violation.LOCAL_STATE
                )
            await self._open()
        return self

    async def send(
        self,
        message: Content,
        sender: str | Path | None = None,
        recipients: Recipients | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        transfer: Transfer = "auto",
    ) -> SendResult:
        """Send a message.

        Args:
            message: an ``EmailMessage``, octets, a file opened in binary, or an iterable or
                asynchronous iterable of octets.
            sender: the reverse-path, "" for ``<>``; by default from the header.
            recipients: one or more forward-paths; by default from the header.
            parameters: more parameters for MAIL.
            transfer: "data", "bdat", or what suits the message.

        Returns:
            What became of it for each recipient. At least one was accepted.

        Raises:
            AllRefused: the server refused each recipient, or some for good before the rest failed.
            ReplyError: it refused the sender, or the message.
            LocalProtocolError: the message cannot be sent to this server; nothing was.
            ConnectionLost: the connection has ended.
            RemoteProtocolError: the server broke the protocol.
        """
        outgoing = prepare(message, sender, recipients, parameters)
        result: SendResult = await self._hold(self._settings.sending, outgoing, transfer)
        return result

    async def send_many(
        self,
        messages: Iterable[Addressed],
        *,
        parameters: Mapping[str, Any] | None = None,
        transfer: Transfer = "auto",
        on_outcome: Callable[[int, Outcome], Any] | None = None,
    ) -> list[Outcome]:
        """Send messages in one session, as `send` would one after the other, in fewer round trips.

        Where the server offers PIPELINING, the envelope of the next message goes behind the mail
        data of the one before (RFC 2920 3.1). All are drawn and made ready before the first is
        sent: give some hundreds at a time.

        Args:
            messages: a tuple for each: message, sender and recipients, as for `send`, None for what
                the header tells.
            parameters: as for `send`, for each of them.
            transfer: as for `send`.
            on_outcome: a plain function that is told of each outcome at once, with the index of the
                message: so that it is known also when what comes later is broken off.

        Returns:
            What became of each, in their order: the result, or the error that `send` would have
            raised. Those that the session ended before are `ConnectionLost`.

        Raises:
            TypeError: one is no such tuple, or `on_outcome` no plain function; nothing was sent.
            LocalProtocolError: one has no sender or no recipients, or what is no address (a note
                says which), or there is no such `transfer`; nothing was sent.
            ConnectionLost: no session is open.
            Exception: what the source of a message, or `on_outcome`, raised: nothing behind it was
                sent.
        """
        listener = self._listener(on_outcome)
        if listener is not None:
            listener = _with_variables(listener)
        prepared = prepare_all(messages, parameters)
        sending = partial(self._settings.sending_many, on_outcome=listener)
        outcomes: list[Outcome] = await self._hold(sending, prepared, transfer)
        return outcomes

    async def execute(self, command: Command, octets: bytes = b"") -> Reply:
        """Send one command between two messages, as ``Vrfy("bob")``, and return the reply.

        Args:
            command: any but BDAT; not one that leads out of the session, as DATA.
            octets: what follows the line, for a command of one's own that announces octets.

        Returns:
            The reply, whatever it says.

        Raises:
            LocalProtocolError: it cannot be sent now, or to this server; it was not.
            ReplyError: the server ends the session by a 421.
            ConnectionLost: the connection has ended.
            RemoteProtocolError: the server broke the protocol.
        """
        reply: Reply = await self._hold(self._settings.executing, command, octets)
        return reply

    async def noop(self) -> Reply:
        """Say NOOP, so that the server does not find the session idle; as `execute`."""
        return await self.execute(Noop())

    async def _hold(
        self,
        make: Callable[[ClientConnection, *_Args], Dialogue],
        *args: *_Args,
    ) -> Any:
        """Hold a dialogue; close what cannot be used after it."""
        lock = self._turn()
        await lock.acquire()
        try:
            connection, driver = self._connection, self._driver
            if connection is None or driver is None:
                raise ConnectionLost("no session is open: enter the client by `with`, or connect()")
            try:
                return await driver.run(make(connection, *args))
            except Exception as error:
                if ends_session(error, driver.thrown):
                    await self._leave(abort=True)
                raise
            finally:
                if not is_reusable(connection):
                    await self._leave(abort=not may_quit(connection))
        finally:
            lock.release()

    def _turn(self) -> asyncio.Lock:
        """Return what is held by who has the session; a forked child lets go of its parent's."""
        if self._is_copied:
            self._let_go()
            self._lock = asyncio.Lock()  # who holds the other one is not in this process
            self._opener = 0
        return self._lock

    def _let_go(self) -> None:
        """Close what a forked child has got of its parent's."""
        if self._driver is not None:
            self._driver.let_go()
        self._driver = self._connection = self._executor = None

    async def _open(self) -> None:
        self._opener = os.getpid()
        settings = self._settings
        timeout = _TIMEOUT if settings.timeout is None else settings.timeout
        where = settings.endpoint
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="smtpproto")
        try:
            async with asyncio.timeout(timeout):
                driver, tls = await self._connect(timeout)
        except TimeoutError:
            raise TimedOut(f"no connection to {where} within {timeout} s") from None
        except ssl.SSLError as error:
            raise opening_failure(error) from error
        except OSError as error:
            raise ConnectionLost(f"no connection to {where}: {error}") from error
        connection = settings.connection(tls)
        self._driver, self._connection = driver, connection
        transport = driver.transport
        addresses = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        self._address = addresses[1]
        opening = settings.opening(connection, socket.gethostname(), addresses, token_bytes)
        try:
            await driver.run(opening)
        except BaseException as error:
            # Where the server listens still, it hears QUIT (RFC 5321 4.1.1.10).
            await self._leave(abort=ends_session(error, driver.thrown))
            raise

    async def _connect(self, timeout: float) -> tuple[Runner, TLSInfo | None]:
        settings = self._settings
        means = Means(
            Clock(asyncio.get_running_loop(), settings.timeout),
            tls=self._context or self._tls,
            is_server=False,
            server_hostname=settings.server_name,
            executor=self._executor,
        )
        driver = Runner(means)
        if settings.is_implicit and self._context is None:
            await asyncio.to_thread(self._tls)
        # Our timeout ends first, as it does elsewhere.
        await connect(driver, settings, self._tls, 2 * timeout)
        layer = driver.transport.get_extra_info("ssl_object")
        try:
            return driver, tls_info(layer) if layer is not None else None
        except OSError:
            driver.abort()
            raise

    async def _leave(self, abort: bool) -> None:
        """Close the connection, with QUIT if it is in order."""
        if self._is_copied:
            self._let_go()
            return
        driver, self._driver = self._driver, None
        connection, self._connection = self._connection, None
        executor, self._executor = self._executor, None
        try:
            if driver is not None and connection is not None and not abort:
                await driver.run(self._settings.farewell(connection))
        finally:
            if driver is not None:
                driver.abort()
                await driver.wait_gone()
            if executor is not None:
                executor.shutdown(wait=False, cancel_futures=True)


def _with_variables(listener: Callable[[int, Outcome], None]) -> Callable[[int, Outcome], None]:
    """Return what calls it with the context variables of who asks, which the loop does not have."""
    context = copy_context()

    def tell(number: int, outcome: Outcome) -> None:
        context.run(listener, number, outcome)

    return tell


async def send_mail(
    message: Content,
    host: str = "localhost",
    port: int = 25,
    *,
    sender: str | Path | None = None,
    recipients: Recipients | None = None,
    parameters: Mapping[str, Any] | None = None,
    transfer: Transfer = "auto",
    path: str | None = None,
    tls: ssl.SSLContext | None = None,
    **options: Unpack[ClientOptions],
) -> SendResult:
    """Send one message over a session of its own.

    Args:
        message: as for `Client.send`.
        host: as for `Client`.
        port: as for `Client`.
        sender: as for `Client.send`.
        recipients: as for `Client.send`.
        parameters: as for `Client.send`.
        transfer: as for `Client.send`.
        path: as for `Client`.
        tls: as for `Client`.
        options: see `ClientOptions`.

    Returns:
        As `Client.send`, and it raises what `Client` raises.
    """
    check_send_mail(options)
    async with Client(host, port, path=path, tls=tls, **options) as client:
        return await client.send(
            message, sender, recipients, parameters=parameters, transfer=transfer
        )
