# SPDX-License-Identifier: MIT
"""Mail data per CPU second: decode and encode, against the bare technique and other software.

    python tests/bench/bench_framing.py [--rounds N] [--check]

All contenders run in one process, one after the other in each round; a figure is the median over
the rounds, so that what else the machine does hits all alike. aiosmtpd is measured where it is
installed. With ``--check`` the exit status is 1 if a ratio is below its floor.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import smtplib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "src")]

from smtpproto.framing import ContentCheck, MailDataReader, MailDataWriter, ReceiveBuffer  # noqa: E402

try:
    from aiosmtpd.smtp import SMTP
except ImportError:
    SMTP = None

MEGABYTE = 1_000_000
SIZE = 4 * 1024 * 1024
SHORT = 400_000
"""Octets for a contender that would take too long on `SIZE`."""

PROSE = b"It is a truth that nobody doubts, e.g. in Kent. A line of prose has dots, and commas.\r\n"
STUFFED = b"...and now and then it begins with a few of them. That is all that makes it dearer.\r\n"
BASE64 = b"VGhpcyBpcyBob3cgYW4gYXR0YWNobWVudCBsb29rcyBpbiBiYXNlNjQsIGxpbmUgYnkgbGluZSEhISEh\r\n"
LINES = {
    "clean": BASE64,
    "prose": PROSE * 19 + STUFFED,
    "8-byte": b"abcdef\r\n",
    "dotted": b".bcdef\r\n",
}

# What a noisy machine must still show. Prose pays for unstuffing at the speed of bytes.replace, and
# its long lines are the ones that a reader of lines does well on.
TIMES_AIOSMTPD = {"clean": 30.0, "prose": 6.0, "8-byte": 60.0, "dotted": 25.0}
OF_BARE = 1 / 1.5
TIMES_SMTPLIB = 5.0
LINEAR = 1 / 1.25


def body(line: bytes, size: int = SIZE) -> bytes:
    """Repeat `line` up to about `size`."""
    return line * (size // len(line))


def wire(content: bytes) -> bytes:
    """Make `content` what DATA carries."""
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def cut(octets: bytes, size: int) -> list[bytes]:
    return [octets[start : start + size] for start in range(0, len(octets), size)]


# --------------------------------------------------------------------------- decode


def memcpy(feeds: list[bytes]) -> None:
    for feed in feeds:
        bytearray(feed)


def bare(feeds: list[bytes]) -> None:
    """The searches alone, with what is held back and the newline check, and no objects around."""
    held = b"\r\n"
    virtual = 2
    decoder = io.IncrementalNewlineDecoder(None, translate=False)
    for feed in feeds:
        data = held + feed
        end = -1
        has_dot = b"." in data and data.rfind(b"\r\n.") >= 0
        if has_dot and data.rfind(b"\r\n.\r\n") >= 0:
            end = data.find(b"\r\n.\r\n")
            data = data[: end + 2]
        held = b""
        if end < 0:
            for tail in (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r"):
                if data.endswith(tail):
                    held = tail
                    data = data[: -len(tail)]
                    break
        if has_dot:
            data = data.replace(b"\r\n.", b"\r\n")
        data = data[virtual:]
        virtual = 0
        decoder.decode(data.decode("latin-1"))
        if end >= 0:
            break
    assert end >= 0
    assert decoder.newlines == "\r\n"


def ours(feeds: list[bytes]) -> None:
    buffer = ReceiveBuffer()
    check = ContentCheck()
    reader = MailDataReader(check)
    for feed in feeds:
        buffer.append(feed)
        while reader.read(buffer):
            pass
    assert reader.ended
    assert check.violation() is None


class Transport(asyncio.Transport):
    """Keeps what is written, and takes the rest without doing anything."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


class Discarding:
    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        return "250 ok"


def aiosmtpd(feeds: list[bytes]) -> float:
    """Drive the protocol class in memory; return the CPU seconds of the mail data alone."""

    async def run() -> float:
        protocol = SMTP(Discarding(), hostname="mx.example.org", data_size_limit=None)
        transport = Transport()
        protocol.connection_made(transport)
        for command in (
            b"EHLO a",
            b"MAIL FROM:<a@example.com>",
            b"RCPT TO:<b@example.org>",
            b"DATA",
        ):
            protocol.data_received(command + b"\r\n")
            await asyncio.sleep(0.01)
        assert b"354" in transport.written
        transport.written = b""
        before = time.process_time()
        for feed in feeds:
            protocol.data_received(feed)
            await asyncio.sleep(0)
        while not transport.written:
            await asyncio.sleep(0)
        after = time.process_time()
        assert transport.written.startswith(b"250"), transport.written
        if protocol._handler_coroutine is not None:
            protocol._handler_coroutine.cancel()
        await asyncio.sleep(0)
        return after - before

    return asyncio.run(run())


# --------------------------------------------------------------------------- encode


def ours_encode(pieces: list[bytes]) -> None:
    writer = MailDataWriter()
    for piece in pieces:
        writer.write(piece)
    writer.end()


def smtplib_encode(pieces: list[bytes]) -> None:
    """What SMTP.data does with text; it takes the whole message."""
    text = b"".join(pieces).decode("ascii")
    smtplib._quote_periods(smtplib._fix_eols(text).encode("ascii"))  # type: ignore[attr-defined]


def bare_encode(pieces: list[bytes]) -> None:
    """The newline check and the stuffing alone, for content that is in CRLF form or has no CR."""
    for piece in pieces:
        data = piece
        if b"\r" in data:
            decoder = io.IncrementalNewlineDecoder(None, translate=False)
            decoder.decode(data.decode("latin-1"), final=True)
            assert decoder.newlines == "\r\n"
        else:
            data = data.replace(b"\n", b"\r\n")
        if data.rfind(b"\r\n.") >= 0:
            data.replace(b"\r\n.", b"\r\n..")


# --------------------------------------------------------------------------- measuring

Contender = Callable[[list[bytes]], float | None]
Contenders = dict[str, tuple[Contender, list[bytes]]]
Held = tuple[str, float, float]
"""What is held: its name, the ratio measured, the floor."""


def seconds(contender: Contender, feeds: list[bytes]) -> float:
    """CPU seconds of one run; a contender that measures itself returns them."""
    before = time.process_time()
    own = contender(feeds)
    return own if own is not None else time.process_time() - before


def rates(title: str, contenders: Contenders, rounds: int) -> dict[str, float]:
    """Megabytes per CPU second of each, the median over interleaved rounds; print them."""
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (contender, feeds) in contenders.items():
            spent[name].append(seconds(contender, feeds) / sum(map(len, feeds)))
    figures = {name: 1 / MEGABYTE / statistics.median(spent[name]) for name in contenders}
    print(f"{title:<16}" + "".join(f"{name} {rate:<12,.1f}" for name, rate in figures.items()))
    return figures


def decode(rounds: int) -> list[Held]:
    """Measure decoding."""
    held = []
    print("decode, strict, MB per CPU second")
    for name, line in LINES.items():
        for size in (65536, 1460):
            feeds = cut(wire(body(line)), size)
            contenders: Contenders = {"memcpy": (memcpy, feeds), "bare": (bare, feeds)}
            contenders["ours"] = (ours, feeds)
            if SMTP is not None:
                contenders["aiosmtpd"] = (aiosmtpd, cut(wire(body(line, SHORT)), size))
            rate = rates(f"{name} / {size}", contenders, rounds)
            if size == 65536:
                held.append((f"decode {name}, of bare", rate["ours"] / rate["bare"], OF_BARE))
            if size == 65536 and SMTP is not None:
                ratio = rate["ours"] / rate["aiosmtpd"]
                held.append((f"decode {name}, times aiosmtpd", ratio, TIMES_AIOSMTPD[name]))
    return held


def octet_by_octet(rounds: int) -> list[Held]:
    """Measure feeds of one octet: ten times the octets take ten times the time."""
    sizes = {size: cut(wire(body(PROSE, size)), 1) for size in (SHORT // 10, SHORT)}
    contenders: Contenders = {f"{size:,} octets": (ours, feeds) for size, feeds in sizes.items()}
    few, many = rates("\noctet by octet", contenders, rounds).values()
    return [("octet by octet, linear", many / few, LINEAR)]


def encode(rounds: int) -> list[Held]:
    """Measure encoding."""
    held = []
    print("\nencode, MB per CPU second")
    for name, line in LINES.items():
        for ending in ("CRLF", "LF"):
            content = line if ending == "CRLF" else line.replace(b"\r\n", b"\n")
            # Cut at line ends, so that the bare technique needs no state.
            pieces = [body(content, 65536)] * (SIZE // 65536)
            contenders: Contenders = {"bare": (bare_encode, pieces), "ours": (ours_encode, pieces)}
            contenders["smtplib"] = (smtplib_encode, pieces)
            rate = rates(f"{name} / {ending}", contenders, rounds)
            ratio = rate["ours"] / rate["smtplib"]
            held.append((f"encode {name} / {ending}, times smtplib", ratio, TIMES_SMTPLIB))
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="odd number of rounds (9)")
    parser.add_argument("--check", action="store_true", help="exit with 1 below a floor")
    options = parser.parse_args()
    held = decode(options.rounds) + octet_by_octet(options.rounds) + encode(options.rounds)
    print()
    for name, ratio, floor in held:
        print(f"{name:<36}{ratio:8.2f}   floor {floor:6.2f}{'' if ratio >= floor else '   BELOW'}")
    return int(options.check and any(ratio < floor for _, ratio, floor in held))


if __name__ == "__main__":
    sys.exit(main())
