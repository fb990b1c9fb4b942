# SPDX-License-Identifier: MIT
"""Who ``smtpproto send`` is: names by option, secrets from a file, the environment or a prompt.

Decides where a password comes from. It never comes from the command line, which others may read,
and is never shown.
"""

from __future__ import annotations

import argparse
import getpass
import os
import ssl
import warnings
from pathlib import Path
from typing import Any

from ..dialogues.client_settings import ClientOptions
from ..sasl import DEFAULT_ORDER
from . import status

_VARIABLE = "SMTPPROTO_PASSWORD"
_WITHOUT_PASSWORD = {"EXTERNAL", "ANONYMOUS"}


def add_options(group: Any) -> None:
    """Add the options."""
    group.add_argument(
        "--user",
        metavar="NAME",
        help=f"authenticate; the password comes from --password-file, from {_VARIABLE} in the "
        "environment, or from a prompt",
    )
    group.add_argument(
        "--password-file", metavar="FILE", help="the first line of FILE is the password"
    )
    group.add_argument(
        "--token-file", metavar="FILE", help="the first line of FILE is an OAuth 2.0 access token"
    )
    group.add_argument(
        "--auth",
        action="append",
        type=str.upper,
        choices=DEFAULT_ORDER,
        metavar="MECHANISM",
        help="use this mechanism (may be repeated, the first one comes first); by default the "
        f"strongest that the server offers; one of {', '.join(DEFAULT_ORDER)}",
    )
    group.add_argument("--cert", metavar="FILE", help="our certificate and its key in PEM, for TLS")
    group.add_argument(
        "--cleartext-auth",
        action="store_true",
        help="show the password without TLS to another machine, too",
    )


def of(args: argparse.Namespace) -> ClientOptions:
    """Return what the client is to be told; ask for the password where nothing says it."""
    is_asked = args.token_file is None and not _WITHOUT_PASSWORD.issuperset(
        args.auth or DEFAULT_ORDER
    )
    if args.user is None and (args.password_file is not None or (args.auth and is_asked)):
        raise status.CommandError("--password-file, --auth: --user expected beside them")
    found: ClientOptions = {"username": args.user, "auth": args.auth}
    if args.cleartext_auth:
        found["allow_cleartext_auth"] = True
    if args.token_file is not None:
        found["token"] = _first_line("--token-file", args.token_file)
    elif args.user is not None and is_asked:
        found["password"] = _password(args)
    return found


def show_certificate(context: ssl.SSLContext, file: str | None) -> ssl.SSLContext:
    """Have a context show the certificate in `file`."""
    if file is not None:
        try:
            # Without a password function, OpenSSL would ask for one by itself.
            context.load_cert_chain(file, password=lambda: b"")
        except OSError as error:
            raise status.CommandError(
                f"--cert: a certificate and its key in PEM, not encrypted, expected: {error}"
            ) from None
    return context


def _password(args: argparse.Namespace) -> str | bytes:
    if args.password_file is not None:
        return _first_line("--password-file", args.password_file)
    given = os.environb.get(_VARIABLE.encode())
    if given is not None:
        return _text(given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown
            return getpass.getpass(f"password of {args.user}: ")
    except (EOFError, OSError, getpass.GetPassWarning):
        raise status.CommandError(
            f"--user: no terminal to ask for the password: use --password-file or {_VARIABLE}"
        ) from None


def _first_line(option: str, file: str) -> str | bytes:
    try:
        line = Path(file).read_bytes().partition(b"\n")[0].removesuffix(b"\r")
    except OSError as error:
        raise status.CommandError(f"{option}: a file expected: {error}") from None
    if not line:
        raise status.CommandError(f"{option}: something in the first line expected")
    return _text(line)


def _text(octets: bytes) -> str | bytes:
    """Return text, which SASLprep may prepare, or octets that are none as they are."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets
