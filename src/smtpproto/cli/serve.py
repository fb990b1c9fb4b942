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
import signal
import ssl
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from .. import Limits
from ..asyncio import Server, serve
from ..handlers import JsonLines, Maildir, Print
from ..limits import DEFAULT_LIMITS
from ..tlstools import server_context
from . import options, status
from .show import transcript
from .taking import Taker, note

_ABOUT = """\
Take mail and write what arrives to standard output, until SIGINT or SIGTERM. Notices go to standard
error. A message is answered 250 only once it is stored; with --maildir it is on the disk by then.
"""


def add_command(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve", help="take mail, show it and keep it", description=_ABOUT, allow_abbrev=False
    )
    parser.set_defaults(run=run)
    where = parser.add_argument_group("where to listen")
    where.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    where.add_argument(
        "--port", type=options.port, default=1025, help="TCP port, 0 for any (default: %(default)s)"
    )
    where.add_argument("--port-file", metavar="FILE", help="write the port there once listening")
    where.add_argument("--unix", metavar="PATH", help="listen on a Unix socket instead")
    speech = parser.add_argument_group("what to speak")
    speech.add_argument("--lmtp", action="store_true", help="LMTP instead of SMTP")
    speech.add_argument(
        "--hostname", type=options.domain, metavar="NAME", help="the name in the greeting"
    )
    speech.add_argument(
        "--size", type=options.size, metavar="N", help="longest message, as 500K or 50M"
    )
    speech.add_argument("--tls-cert", metavar="FILE", help="certificate chain in PEM: STARTTLS")
    speech.add_argument("--tls-key", metavar="FILE", help="its key, if not in the same file")
    speech.add_argument("--implicit-tls", action="store_true", help="begin with TLS, no STARTTLS")
    speech.add_argument(
        "--reject",
        type=options.refusal,
        action="append",
        default=[],
        metavar="PATTERN=REPLY",
        help="refuse recipients, as 'bad@*=550 5.1.1 no such user' (may be repeated)",
    )
    output = parser.add_argument_group("what to do with messages")
    output.add_argument("--maildir", metavar="DIR", help="keep them there too")
    output.add_argument("--json", action="store_true", help="one JSON object a line")
    output.add_argument("--quiet", action="store_true", help="write no messages")
    output.add_argument("--transcript", action="store_true", help="sessions to standard error")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    _check(args)
    asyncio.run(_serve(args, _taker(args)))
    return status.OK


def _taker(args: argparse.Namespace) -> Taker:
    kept: Maildir | None = None
    if args.maildir is not None:
        try:
            kept = Maildir(args.maildir)
        except OSError as error:
            raise status.CommandError(
                f"--maildir: a folder that can be written expected: {error}"
            ) from None
    shown = None if args.quiet else JsonLines() if args.json else Print()
    return Taker(kept, shown, args.reject)


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not fit together."""
    for given, wanted, message in (
        (args.implicit_tls, args.tls_cert, "--implicit-tls: --tls-cert expected too"),
        (args.tls_key, args.tls_cert, "--tls-key: --tls-cert expected too"),
        (args.quiet, args.maildir, "--quiet: --maildir expected too, or all mail would be lost"),
        (args.port_file, args.unix is None, "--port-file: a TCP port expected, not --unix"),
    ):
        if given and not wanted:
            raise status.CommandError(message)


async def _serve(args: argparse.Namespace, taker: Taker) -> None:
    told = asyncio.Event()
    server = _server(args, taker)
    async with AsyncExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
                asyncio.get_running_loop().add_signal_handler(number, told.set)
        try:
            await stack.enter_async_context(server)
        except OSError as error:
            raise _cannot_listen(args, error) from None
        if args.unix is not None:
            stack.callback(_remove, args.unix)
        if args.port_file is not None:
            _write_port(args.port_file, server.port)
            stack.callback(_remove, args.port_file)
        _announce(args, server)
        await told.wait()
        note("ending")
        await taker.finish()
    await asyncio.to_thread(taker.close)


def _server(args: argparse.Namespace, taker: Taker) -> Server:
    return serve(
        taker,
        args.host,
        args.port,
        path=args.unix,
        tls=_tls(args),
        tls_mode="implicit" if args.implicit_tls else "starttls",
        hostname=args.hostname,
        limits=DEFAULT_LIMITS if args.size is None else Limits(mail_data=args.size),
        lmtp=args.lmtp,
        transcript=transcript(sys.stderr) if args.transcript else None,
    )


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if args.tls_cert is None:
        return None
    try:
        return server_context(args.tls_cert, args.tls_key)
    except OSError as error:
        raise status.CommandError(
            f"--tls-cert: a certificate and its key in PEM expected: {error}"
        ) from None


def _cannot_listen(args: argparse.Namespace, error: OSError) -> status.CommandError:
    where = args.unix or f"{args.host} port {args.port}"
    advice = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE and args.unix:
        advice = "there is such a file already; remove it, or choose another path"
    elif error.errno == errno.EADDRINUSE:
        advice = "another program listens there; choose another --port, or 0 for any"
    return status.CommandError(f"cannot listen on {where}: {advice}", status.UNAVAILABLE)


def _write_port(file: str, port: int) -> None:
    """Write the port for a script that waits for the file: it is whole as soon as it is there."""
    try:
        written = Path(f"{file}.{os.getpid()}")
        written.write_text(f"{port}\n", "ascii")
        written.replace(file)
    except OSError as error:
        raise status.CommandError(f"--port-file: {error}") from None


def _remove(file: str) -> None:
    Path(file).unlink(missing_ok=True)


def _announce(args: argparse.Namespace, server: Server) -> None:
    for address in server.addresses:
        if isinstance(address, tuple):
            note(f"listening on {address[0]} port {address[1]}")
            if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
                note(f"warning: {address[0]} is open to other machines: anybody may send here")
        else:
            note(f"listening on {address}")
