# SPDX-License-Identifier: MIT
"""How much memory a big message costs: the growth of peak RSS of an asyncio server.

    python tests/bench/bench_memory.py [--mebibytes 1024] [--check]

The server runs in a process of its own with a sink that drops what it is given. It takes one small
message first, so that all that is made once is made, then the big one, by DATA and by BDAT. With
``--check`` the exit status is 1 if the growth is 2 MiB or more.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

SRC = str(Path(__file__).parents[2] / "src")
sys.path[:0] = [SRC]

CEILING = 2 * 1024
"""KiB."""
LINE = b"x" * 70 + b"\r\n"
PIECE = LINE * (65536 // len(LINE))
MEBIBYTE = 1024 * 1024


def serve() -> None:
    """Be the server: print the port, then the peak after each message."""
    import asyncio

    from smtpproto.asyncio import serve
    from smtpproto.limits import Limits

    class Sink:
        def __init__(self) -> None:
            self.octets = 0

        async def write(self, data: bytes) -> None:
            self.octets += len(data)

        async def commit(self) -> None:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, self.octets, flush=True)

        async def abort(self) -> None:
            print("aborted", flush=True)

    class Handler:
        async def open_message(self, peer: object) -> Sink:
            return Sink()

    async def main() -> None:
        async with serve(Handler(), "127.0.0.1", 0, limits=Limits(mail_data=None)) as server:
            print(server.port, flush=True)
            await server.serve_forever()

    asyncio.run(main())


def send(sock: socket.socket, pieces: int, chunks: bool) -> None:
    """Send one message of so many pieces."""
    replies = sock.makefile("rb")
    for command in (b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>"):
        sock.sendall(command + b"\r\n")
        assert replies.readline().startswith(b"250")
    if chunks:
        for number in range(pieces):
            last = b" LAST" if number == pieces - 1 else b""
            sock.sendall(b"BDAT %d%b\r\n" % (len(PIECE), last))
            sock.sendall(PIECE)
            assert replies.readline().startswith(b"250")
        return
    sock.sendall(b"DATA\r\n")
    assert replies.readline().startswith(b"354")
    for _ in range(pieces):
        sock.sendall(PIECE)
    sock.sendall(b".\r\n")
    assert replies.readline().startswith(b"250")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the big message")
    parser.add_argument("--check", action="store_true", help="fail at 2 MiB of growth")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    pieces = options.mebibytes * MEBIBYTE // len(PIECE)
    worst = 0
    for chunks in (False, True):
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        try:
            sock = socket.create_connection(("127.0.0.1", int(server.stdout.readline())))
            sock.recv(1000)
            sock.sendall(b"EHLO client.example\r\n")
            sock.recv(1000)
            send(sock, 20, chunks)
            before = int(server.stdout.readline().split()[0])
            started = time.monotonic()
            send(sock, pieces, chunks)
            seconds = time.monotonic() - started
            after, octets = map(int, server.stdout.readline().split())
            sock.close()
        finally:
            server.terminate()
            server.wait(10)
            server.stdout.close()
        growth = after - before
        worst = max(worst, growth)
        verb = "BDAT" if chunks else "DATA"
        print(
            f"{verb}: {octets / MEBIBYTE:.0f} MiB in {seconds:.1f} s, peak {before} KiB "
            f"before, {after} KiB after: {growth} KiB more"
        )
    return int(options.check and worst >= CEILING)


if __name__ == "__main__":
    sys.exit(main())
