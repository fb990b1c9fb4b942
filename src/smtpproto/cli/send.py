# SPDX-License-Identifier: MIT
"""``smtpproto send``: sends one message, and says in its exit status what became of it.

Decides what message the options mean, and which outcome is which status. What is said to the server
is the dialogue's business.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import sys
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from pathlib import Path
from typing import Any, get_args

from .. import ProtocolError, Reply
from ..blocking import AllRefused, Client, SecurityError, SMTPError
from ..dialogues.client_settings import ClientOptions, Security
from ..tlstools import client_context
from . import credentials, options, status
from .show import tell, transcript

_SMTP, _LMTP, _SUBMISSIONS = 25, 24, 465
_DEFAULT_SERVER = ("127.0.0.1", 1025)

_ABOUT = """\
Send one message: a file, standard input, or a short one made of --subject and --body. The session
goes to standard error: -> is what we say, <- what the server says.
"""


def add_command(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "send",
        help="send a message and show the session",
        description=_ABOUT,
        epilog="exit status:\n"
        + "\n".join(f"  {number:3}  {meaning}" for number, meaning in status.MEANINGS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, transfer="auto")
    _add_message(parser)
    _add_server(parser.add_argument_group("where to"))
    _add_security(parser.add_argument_group("security"))
    credentials.add_options(parser.add_argument_group("who we are"))
    how = parser.add_argument_group("how").add_mutually_exclusive_group()
    for option, text in (
        ("data", "use DATA (default: what suits)"),
        ("bdat", "use BDAT, in chunks"),
    ):
        how.add_argument(
            f"--{option}", dest="transfer", action="store_const", const=option, help=text
        )
    parser.add_argument("--quiet", action="store_true", help="show no session, only what failed")


def _add_message(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="the message, as it is; - or nothing: standard input",
    )
    parser.add_argument("--subject", metavar="TEXT", help="make a message with this subject")
    parser.add_argument("--body", metavar="TEXT", help="make a message with this text")
    parser.add_argument(
        "--from",
        dest="sender",
        type=options.sender,
        required=True,
        metavar="ADDRESS",
        help="reverse-path, <> for none",
    )
    parser.add_argument(
        "--to",
        dest="recipients",
        type=options.recipient,
        action="append",
        required=True,
        metavar="ADDRESS",
        help="recipient (may be repeated)",
    )


def _add_server(where: Any) -> None:
    where.add_argument(
        "--server",
        type=options.endpoint,
        metavar="HOST:PORT",
        help="default 127.0.0.1:1025, where `smtpproto serve` listens; the port is 25 by default, "
        "465 with --security implicit, 24 with --lmtp",
    )
    where.add_argument("--unix", metavar="PATH", help="a Unix socket instead")
    where.add_argument("--lmtp", action="store_true", help="LMTP instead of SMTP")
    where.add_argument(
        "--local-name", type=options.domain, metavar="NAME", help="our name for EHLO"
    )
    where.add_argument(
        "--timeout", type=options.seconds, metavar="S", help="seconds to wait for each reply"
    )


def _add_security(secure: Any) -> None:
    secure.add_argument(
        "--security",
        choices=get_args(Security),
        default="auto",
        help="implicit: TLS from the start; starttls: STARTTLS or nothing is sent; opportunistic: "
        "STARTTLS where it is offered, whatever the certificate; none: no TLS; auto (default): "
        "TLS from the start on port 465, elsewhere STARTTLS where it is offered",
    )
    secure.add_argument("--ca", metavar="FILE", help="trust these certificates in PEM only")
    secure.add_argument(
        "--insecure", action="store_true", help="take any certificate: for tests only"
    )


def run(args: argparse.Namespace) -> int:
    """Send the message, and return what became of it."""
    host, port = _endpoint(args)
    context = _tls(args)
    message = _message(args)
    try:
        client = Client(host, port, path=args.unix, tls=context, **_settings(args))
        with client:
            result = client.send(message, args.sender, args.recipients, transfer=args.transfer)
    except AllRefused as error:
        _tell_refusals(error.recipients, error.replies)
        return status.TEMPORARY if error.is_transient else status.UNAVAILABLE
    except (SMTPError, ProtocolError) as error:
        raise status.CommandError(str(error), _status(error)) from None
    _tell_refusals(result.recipients, result.replies)
    return status.OK if result.is_complete else status.SOME_REFUSED


def _status(error: SMTPError | ProtocolError) -> int:
    cause = error.__cause__
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
        return status.UNAVAILABLE
    if error.is_transient:  # a STARTTLS that is answered 454, and a broken server, too
        return status.TEMPORARY
    return status.PROTOCOL if isinstance(error, SecurityError) else status.UNAVAILABLE


def _settings(args: argparse.Namespace) -> ClientOptions:
    return {
        **credentials.of(args),
        "security": args.security,
        "local_name": args.local_name,
        "lmtp": args.lmtp,
        "timeout": args.timeout,
        "transcript": None if args.quiet else transcript(sys.stderr),
    }


def _endpoint(args: argparse.Namespace) -> tuple[str, int]:
    if args.unix is not None and args.server is not None:
        raise status.CommandError("one of --server and --unix expected, not both")
    if args.server is None:
        return _DEFAULT_SERVER
    usual = _LMTP if args.lmtp else _SUBMISSIONS if args.security == "implicit" else _SMTP
    host, port = args.server
    return host, usual if port is None else port


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the context that the options mean, None for the default one."""
    if args.insecure:
        _note("warning: --insecure: whoever answers is believed, and may read and change all of it")
    elif args.ca is None and args.cert is None:
        return None
    try:
        if args.insecure or args.ca is None:
            context = client_context(verify=not args.insecure)
        else:
            context = ssl.create_default_context(cafile=args.ca)
    except OSError as error:
        raise status.CommandError(f"--ca: certificates in PEM expected: {error}") from None
    return credentials.show_certificate(context, args.cert)


def _message(args: argparse.Namespace) -> bytes | EmailMessage:
    if args.subject is None and args.body is None:
        return _read(args.file)
    if args.file is not None:
        raise status.CommandError("FILE, or --subject and --body expected, not both")
    if args.sender.is_null:
        raise status.CommandError("--subject, --body: an address in --from expected, not <>")
    try:
        message = EmailMessage()
        message["From"] = args.sender.address
        message["To"] = ", ".join(one.forward_path.address for one in args.recipients)
        message["Subject"] = args.subject or ""
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain=args.sender.domain)
        message.set_content(args.body or "")
    except ValueError as error:
        raise status.CommandError(f"--subject, --body: text expected: {error}") from None
    return message


def _read(file: str | None) -> bytes:
    if file is None or file == "-":
        if sys.stdin.isatty():
            _note("the message is read from here; end it with Ctrl-D")
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise status.CommandError(f"a file with a message expected: {error}") from None


def _tell_refusals(recipients: Sequence[str], replies: Sequence[Reply]) -> None:
    for address, reply in zip(recipients, replies, strict=True):
        if not reply.is_positive:
            _note(f"refused: {address}: {reply}")


def _note(text: str) -> None:
    tell("send", text)
