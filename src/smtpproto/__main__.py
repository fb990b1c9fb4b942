# SPDX-License-Identifier: MIT
"""``python -m smtpproto``: finds the command, and turns what ends it into an exit status.

Decides what a mistake looks like: a sentence, never a traceback. Knows no options of a command.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import __version__
from .cli import demo, send, serve, status
from .cli.show import open_closed_streams, prepare_streams, tell

_COMMANDS = (demo, serve, send)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments behind the program's name; by default those of the process.

    Returns:
        The exit status.
    """
    open_closed_streams()
    prepare_streams(sys.stdout, sys.stderr)
    args, unknown = _parser().parse_known_args(argv)
    if unknown:  # the usage of the command is what helps
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    args.argv = sys.argv[1:] if argv is None else list(argv)
    try:
        result: int = args.run(args)
        sys.stdout.flush()
    except status.CommandError as error:
        tell(args.command, str(error))
        return error.status
    except KeyboardInterrupt:
        return status.INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status.NO_READER
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smtpproto",
        description="SMTP, ESMTP and LMTP at hand: see it, receive it, send it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"smtpproto {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for module in _COMMANDS:
        module.add_command(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
