# SPDX-License-Identifier: MIT
"""A client on a socket, in the thread that calls.

Decides when the connection is opened and closed, and that one message is sent at a time.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from secrets import token_bytes
from threading import get_ident
from types import TracebackType
from typing import Any, TypeVar, Unpack

from ..calling import Calling
from ..dialling import given, of_a_dial
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
from ..dialogues.client_settings import (
    ClientOptions,
    ClientSettings,
    check_send_mail,
    client_settings,
)
from ..exceptions import LocalProtocolError, Violation
from ..grammar.addresses import Path
from ..grammar.commands import Command, Noop
from ..grammar.replies import Reply
from ..session.client import ClientConnection
from ..tlsinfo import TLSInfo
from ..tlstools import opening_failure
from .driver import Driver

_TIMEOUT = 300.0
S = TypeVar("S")
T = TypeVar("T")


class Client(Calling):
    """A session with a server: ``with Client("mail.example.org") as client``.

    Several threads may use it: their messages are sent one after the other. What is called out of
    a call of it, as the source of a message, may not. In a forked child it is closed, whatever it
    is in the parent.

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
        self._driver: Driver | None = None
        self._lock = threading.Lock()
        self._holder = _Holder()

    def __enter__(self) -> Client:
        """Connect, as `connect` does."""
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take leave with QUIT, and close."""
        self.close()

    def close(self) -> None:
        """Take leave with QUIT where that is possible, and close. May be called twice."""
        with self._turn(), self._holder:
            self._leave(abort=False)

    def connect(self) -> Client:
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
        with self._turn(), self._holder:
            if self._connection is not None:
                raise LocalProtocolError(
                    "a session that is closed expected before the next one", Violation.LOCAL_STATE
                )
            self._open()
        return self

    def send(
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
            message: an ``EmailMessage``, octets, a file opened in binary, or an iterable of octets.
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
        result: SendResult = self._hold(self._settings.sending, outgoing, transfer)
        return result

    def send_many(
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
        prepared = prepare_all(messages, parameters)
        sending = partial(self._settings.sending_many, on_outcome=listener)
        outcomes: list[Outcome] = self._hold(sending, prepared, transfer)
        return outcomes

    def execute(self, command: Command, octets: bytes = b"") -> Reply:
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
        reply: Reply = self._hold(self._settings.executing, command, octets)
        return reply

    def noop(self) -> Reply:
        """Say NOOP, so that the server does not find the session idle; as `execute`."""
        return self.execute(Noop())

    def _hold(self, make: Callable[[ClientConnection, S, T], Dialogue], one: S, other: T) -> Any:
        """Hold a dialogue; close what cannot be used after it."""
        with self._turn(), self._holder:
            connection, driver = self._connection, self._driver
            if connection is None or driver is None:
                raise ConnectionLost("no session is open: enter the client by `with`, or connect()")
            try:
                return driver.run(make(connection, one, other))
            except BaseException as error:
                if ends_session(error, driver.thrown):
                    self._leave(abort=True)
                raise
            finally:
                if not is_reusable(connection):
                    self._leave(abort=not may_quit(connection))

    def _turn(self) -> threading.Lock:
        """Return what is held by who has the session; a forked child lets go of its parent's.

        Raises:
            LocalProtocolError: whoever asks has it, and would wait for ever.
        """
        if self._is_copied:
            self._leave(abort=True)
            self._lock = threading.Lock()  # who holds the other one may not be in this process
            self._opener = 0
        elif self._holder.thread == get_ident() and self._lock.locked():
            raise LocalProtocolError(
                "a client that is not in use expected: this comes out of a call of it",
                Violation.LOCAL_STATE,
            )
        return self._lock

    def _open(self) -> None:
        self._opener = os.getpid()
        settings = self._settings
        timeout = _TIMEOUT if settings.timeout is None else settings.timeout
        where = settings.endpoint
        try:
            driver, tls = self._connect(timeout)
            self._driver = driver  # which `_leave` closes
        except TimeoutError:
            raise TimedOut(f"no connection to {where} within {timeout} s") from None
        except ssl.SSLError as error:
            raise opening_failure(error) from error
        except OSError as error:
            raise ConnectionLost(f"no connection to {where}: {error}") from error
        try:
            connection = self._connection = settings.connection(tls)
            addresses = _addresses(driver.sock)
            self._address = addresses[1]
            opening = settings.opening(connection, socket.gethostname(), addresses, token_bytes)
            driver.run(opening)
        except BaseException as error:
            # Where the server listens still, it hears QUIT (RFC 5321 4.1.1.10).
            self._leave(abort=ends_session(error, driver.thrown))
            raise

    def _connect(self, timeout: float) -> tuple[Driver, TLSInfo | None]:
        settings = self._settings
        sock = _dialled(settings, timeout)
        name = settings.server_name
        driver = Driver(sock, tls=self._tls, is_server=False, server_hostname=name)
        try:
            sock.settimeout(timeout)
            if settings.path is not None:
                sock.connect(settings.path)
            elif settings.dial is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls: TLSInfo | None = driver.secure() if settings.is_implicit else None
        except BaseException:
            driver.close()
            raise
        return driver, tls

    def _leave(self, abort: bool) -> None:
        """Close the connection, with QUIT if it is in order."""
        driver, self._driver = self._driver, None
        connection, self._connection = self._connection, None
        if driver is None:
            return
        try:
            if connection is not None and not abort and not self._is_copied:
                driver.run(self._settings.farewell(connection))
        finally:
            driver.close()


class _Holder:
    """Knows which thread has the session, 0 for none: the lock does not tell."""

    __slots__ = ("thread",)

    def __init__(self) -> None:
        self.thread = 0

    def __enter__(self) -> None:
        """Note that this one has."""
        self.thread = get_ident()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Note that none has."""
        self.thread = 0


def _dialled(settings: ClientSettings, timeout: float) -> socket.socket:
    """Return a connection; a Unix socket is yet to be connected."""
    if settings.dial is not None:
        with of_a_dial():
            return given(settings.dial())
    if settings.path is not None:
        return socket.socket(socket.AF_UNIX)
    there = settings.host, settings.port
    return socket.create_connection(there, timeout, settings.source_address)


def _addresses(sock: socket.socket) -> tuple[Any, Any]:
    """Return our end and the server's."""
    try:
        return sock.getsockname(), sock.getpeername()
    except OSError:  # gone already; what it said before is still to be read
        return None, None


def send_mail(
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
    with Client(host, port, path=path, tls=tls, **options) as client:
        return client.send(message, sender, recipients, parameters=parameters, transfer=transfer)
