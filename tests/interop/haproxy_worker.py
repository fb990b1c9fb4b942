# SPDX-License-Identifier: MIT
"""One of several servers behind HAProxy: prints its port, and keeps messages in a Maildir."""

import asyncio
import sys

from smtpproto.asyncio import serve
from smtpproto.handlers import Maildir


async def main(folder: str) -> None:
    async with serve(Maildir(folder), proxy=["127.0.0.1"]) as server:
        print(server.port, flush=True)
        await server.serve_forever()


asyncio.run(main(sys.argv[1]))
