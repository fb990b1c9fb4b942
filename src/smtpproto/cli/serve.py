# SPDX-License-Identifier: MIT
"""``smtpproto serve``: takes mail on this machine, shows it and keeps it.

Decides when a message is taken, where it goes, and how the server ends. What a session says is the
dialogue's business, how a message looks the stores'.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import os
import re
import signal
import socket
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from .. import InvalidValueError, Leniency, Limits, LocalProtocolError
from ..asyncio import Server, serve
from ..grammar.addresses import is_domain
from ..handlers import JsonLines, Maildir, Print, Users
from ..limits import DEFAULT_LIMITS
from ..listening import listen
from ..tlstools import ReloadingContext
from . import options, status
from .keeping import Taker, note
from .later import patient_notices
from .show import transcript

_ABOUT = """\
Take mail and write what arrives to standard output, until SIGINT or SIGTERM. Notices go to standard
error. A message is answered 250 only once it is stored; with --maildir it is on the disk by then.
"""


_TCP_ADVICES: Mapping[int, str] = {
    errno.EADDRINUSE: "another program listens there; choose another --port, or 0 for any",
    errno.EADDRNOTAVAIL: "this machine has no such address; choose another --host",
    errno.EACCES: "only a privileged user may listen there; choose a --port from 1024 on, "
    "or 0 for any",
}
_UNIX_ADVICES: Mapping[int, str] = {
    errno.EADDRINUSE: "another program listens there, or it is a file of another kind; choose "
    "another path",
}
_DESCRIPTORS = re.compile("[0-9]{1,9}(?:,[0-9]{1,9}){2}", re.ASCII)


def add_command(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve", help="take mail, show it and keep it", description=_ABOUT, allow_abbrev=False
    )
    parser.set_defaults(run=run)
    _add_listening(parser.add_argument_group("where to listen"))
    _add_speech(parser.add_argument_group("what to speak"))
    output = parser.add_argument_group("what to do with messages")
    output.add_argument("--maildir", metavar="DIR", help="keep them there too")
    output.add_argument("--json", action="store_true", help="one JSON object a line")
    output.add_argument("--quiet", action="store_true", help="write no messages")
    output.add_argument("--transcript", action="store_true", help="sessions to standard error")


def _add_listening(where: Any) -> None:
    where.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    where.add_argument(
        "--port", type=options.port, default=1025, help="TCP port, 0 for any (default: %(default)s)"
    )
    where.add_argument("--port-file", metavar="FILE", help="write the port there once listening")
    where.add_argument("--unix", metavar="PATH", help="listen on a Unix socket instead")
    where.add_argument(
        "--workers", type=options.count, default=1, metavar="N", help="processes (default: 1)"
    )
    where.add_argument(
        "--proxy",
        action="append",
        metavar="NETWORK",
        help="all clients come through proxies there, as 127.0.0.1 or 10.0.0.0/8, and each "
        "connection begins with a PROXY header (may be repeated)",
    )
    where.add_argument("--inherited", type=_descriptors, help=argparse.SUPPRESS)  # by a worker


def _add_speech(speech: Any) -> None:
    speech.add_argument("--lmtp", action="store_true", help="LMTP instead of SMTP")
    speech.add_argument(
        "--hostname",
        type=options.domain,
        metavar="NAME",
        help="the name in the greeting; with it, --maildir writes Return-Path and Received, too",
    )
    speech.add_argument(
        "--size", type=options.size, metavar="N", help="longest message, as 500K or 50M"
    )
    speech.add_argument(
        "--lenient",
        action="store_true",
        help="take what old devices and scripts write, as MAIL FROM:root",
    )
    speech.add_argument("--tls-cert", metavar="FILE", help="certificate chain in PEM: STARTTLS")
    speech.add_argument("--tls-key", metavar="FILE", help="its key, if not in the same file")
    speech.add_argument("--implicit-tls", action="store_true", help="begin with TLS, no STARTTLS")
    speech.add_argument("--require-tls", action="store_true", help="no mail in the clear")
    speech.add_argument(
        "--auth",
        metavar="FILE",
        help="offer AUTH to the users in it, a line name:password for each",
    )
    speech.add_argument("--require-auth", action="store_true", help="no mail without AUTH")
    speech.add_argument(
        "--reject",
        type=options.refusal,
        action="append",
        default=[],
        metavar="PATTERN=REPLY",
        help="refuse recipients, as 'bad@*=550 5.1.1 no such user' (may be repeated)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    _check(args)
    with patient_notices():
        if args.workers == 1 or args.inherited is not None:
            asyncio.run(_serve(args))
        else:
            _serve_with_workers(args)
    return status.OK


def _serve_with_workers(args: argparse.Namespace) -> None:
    try:
        from .workers import Workers
    except ImportError:  # Windows has no fcntl
        raise status.CommandError("--workers: a POSIX system expected") from None
    _server(args, _taker(args), None)  # fails now rather than in each worker
    try:
        listeners = listen([args.host] * args.workers, args.port, reuse_port=True)
    except OSError as error:
        raise _cannot_listen(args, error) from None
    host, port = listeners[0].getsockname()[:2]
    with ExitStack() as stack, TemporaryFile(buffering=0) as lock:
        lock.write(b"0")  # room for what workers say there
        for listener in listeners:
            stack.enter_context(listener)

        def announce() -> None:
            if args.port_file is not None:
                _write_port(args.port_file, port)
                stack.callback(_remove, args.port_file)
            _announce_address(host, port, f", {args.workers} workers")

        Workers(args.argv, listeners, lock.fileno()).run(announce)


def _descriptors(text: str) -> tuple[socket.socket, int, int]:
    """Read what a worker inherits: its listener, the lock for output, and its parent's pipe."""
    expected = "a stream socket, a file and a pipe expected"
    if not _DESCRIPTORS.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{expected}, as 3,4,5, not {text!r}")
    number, lock, parent = map(int, text.split(","))
    try:
        is_right = stat.S_ISREG(os.fstat(lock).st_mode) and stat.S_ISFIFO(os.fstat(parent).st_mode)
        listener = socket.socket(fileno=number)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{expected}: {error}") from None
    if not is_right or listener.type != socket.SOCK_STREAM:
        listener.close()
        raise argparse.ArgumentTypeError(f"{expected}, not {text!r}")
    return listener, lock, parent


def _taker(args: argparse.Namespace) -> Taker:
    kept: Maildir | None = None
    if args.maildir is not None:
        try:
            kept = Maildir(args.maildir, hostname=args.hostname)
            _check_writable(Path(args.maildir))
        except OSError as error:
            raise status.CommandError(
                f"--maildir: a folder that can be written expected: {error}"
            ) from None
    writing: AbstractContextManager[Any] | None = None
    if args.inherited is not None:
        from .workers import FileLock

        writing = FileLock(args.inherited[1])
    shown = None if args.quiet else JsonLines(lock=writing) if args.json else Print(lock=writing)
    return Taker(kept, shown, args.reject, _users(args))


def _check_writable(maildir: Path) -> None:
    """Look now, or each message would be refused.

    Raises:
        PermissionError: messages cannot be begun there, or not kept.
    """
    by_effective = os.access in os.supports_effective_ids  # not on Windows
    for name in ("tmp", "new"):
        if not os.access(maildir / name, os.W_OK | os.X_OK, effective_ids=by_effective):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(maildir / name))


def _users(args: argparse.Namespace) -> Users | None:
    if args.auth is None:
        return None
    try:
        return Users.read(args.auth)
    except OSError as error:
        told = f"--auth: a file that can be read expected: {error}"
        raise status.CommandError(told) from None
    except InvalidValueError as error:
        raise status.CommandError(f"--auth: {error}") from None


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not fit together."""
    for given, wanted, message in (
        (args.implicit_tls, args.tls_cert, "--implicit-tls: --tls-cert expected too"),
        (args.tls_key, args.tls_cert, "--tls-key: --tls-cert expected too"),
        (args.require_tls, args.tls_cert, "--require-tls: --tls-cert expected too"),
        (args.require_auth, args.auth, "--require-auth: --auth expected too"),
        (args.quiet, args.maildir, "--quiet: --maildir expected too, or all mail would be lost"),
        (sys.__stdout__ is None, args.quiet, "standard output is closed: --quiet expected"),
        (args.port_file, args.unix is None, "--port-file: a TCP port expected, not --unix"),
        (args.workers > 1, args.unix is None, "--workers: a TCP port expected, not --unix"),
        # Perhaps a variable that is not set.
        (args.maildir == "", False, "--maildir: the name of a folder expected"),
        (args.port_file == "", False, "--port-file: the name of a file expected"),
    ):
        if given and not wanted:
            raise status.CommandError(message)


async def _serve(args: argparse.Namespace) -> None:
    """Serve until told to end."""
    told = asyncio.Event()
    taker = _taker(args)
    is_worker = args.inherited is not None
    server = _server(args, taker, [args.inherited[0]] if is_worker else None)
    async with AsyncExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
                asyncio.get_running_loop().add_signal_handler(number, told.set)
        try:
            await stack.enter_async_context(server)
        except OSError as error:
            raise _cannot_listen(args, error) from None
        if is_worker:
            _end_with_parent(args.inherited[2], told, stack)
        else:
            _tell_listening(args, server, stack)
        await told.wait()
        if not is_worker:
            note("ending")
    taker.close()  # in this thread, whose loop has nothing more to do: there may be no other


def _tell_listening(args: argparse.Namespace, server: Server, stack: AsyncExitStack) -> None:
    if args.unix is not None:
        stack.callback(_remove, args.unix)
        note(f"listening on {args.unix}")
        return
    if args.port_file is not None:
        _write_port(args.port_file, server.port)
        stack.callback(_remove, args.port_file)
    for address in server.addresses:
        _announce_address(*address[:2])


def _end_with_parent(pipe: int, told: asyncio.Event, stack: AsyncExitStack) -> None:
    """Let a worker end when its parent does."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_reader(pipe)
        told.set()

    loop.add_reader(pipe, end)
    stack.callback(loop.remove_reader, pipe)


def _server(
    args: argparse.Namespace, taker: Taker, sockets: Sequence[socket.socket] | None
) -> Server:
    try:
        return serve(
            taker,
            args.host,
            args.port,
            path=args.unix,
            sockets=sockets,
            tls=_tls(args),
            tls_mode="implicit" if args.implicit_tls else "starttls",
            hostname=args.hostname,
            auth_cleartext=args.tls_cert is None and _is_local(args),
            require_tls=args.require_tls,
            require_auth=args.require_auth,
            limits=DEFAULT_LIMITS if args.size is None else Limits(mail_data=args.size),
            lmtp=args.lmtp,
            transcript=transcript(sys.stderr) if args.transcript else None,
            proxy=args.proxy,
            leniency=_leniency(args),
        )
    except LocalProtocolError as error:  # as for users who would have to show their passwords
        raise status.CommandError(str(error)) from None


def _leniency(args: argparse.Namespace) -> Leniency:
    if not args.lenient:
        return Leniency()
    name = args.hostname or ""
    return Leniency(
        allow_missing_brackets=True,
        allow_underscore_domain=True,
        allow_extra_dots=True,
        allow_trailing_dot=True,
        missing_domain=name if is_domain(name) else "localhost",
        unknown_parameters="ignore",
    )


def _is_local(args: argparse.Namespace) -> bool:
    """Tell whether only this machine can connect: passwords may then do without TLS."""
    if args.proxy is not None:
        return False
    try:
        return args.unix is not None or ipaddress.ip_address(args.host).is_loopback
    except ValueError:
        return bool(args.host == "localhost")


def _tls(args: argparse.Namespace) -> ReloadingContext | None:
    if args.tls_cert is None:
        return None
    try:
        return ReloadingContext(args.tls_cert, args.tls_key)
    except OSError as error:
        raise status.CommandError(
            f"--tls-cert: a certificate and its key in PEM expected: {error}"
        ) from None


def _cannot_listen(args: argparse.Namespace, error: OSError) -> status.CommandError:
    where = args.unix or f"{args.host} port {args.port}"
    # What the library says names the address once more.
    advice = (error.strerror or str(error)).partition(" (while ")[0]
    advices = _UNIX_ADVICES if args.unix else _TCP_ADVICES
    advice = advices.get(error.errno or 0, advice)
    return status.CommandError(f"cannot listen on {where}: {advice}", status.UNAVAILABLE)


def _write_port(file: str, port: int) -> None:
    """Write the port for a script that waits for the file: it is whole as soon as it is there."""
    written = Path(f"{file}.{os.getpid()}")
    try:
        written.write_text(f"{port}\n", "ascii")
        written.replace(file)
    except OSError as error:
        with suppress(OSError):
            written.unlink()
        raise status.CommandError(f"--port-file: {error}") from None


def _remove(file: str) -> None:
    Path(file).unlink(missing_ok=True)


def _announce_address(host: str, port: int, more: str = "") -> None:
    note(f"listening on {host} port {port}{more}")
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        note(f"warning: {host} is open to other machines: anybody may send here")
