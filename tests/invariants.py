# SPDX-License-Identifier: MIT
"""What must hold for any octets cut in any way: shared by the tests and by the harnesses in fuzz/.

Each ``check_`` function takes octets and cuts and raises AssertionError where the package differs
from an oracle. The oracles are written from the RFC text in another style than the package: naive,
on the whole input at once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from smtpproto.exceptions import InvalidValueError, Violation
from smtpproto.framing import (
    BadLine,
    ChunkReader,
    ContentCheck,
    LineEndings,
    LineEndingWriter,
    LineReader,
    MailDataReader,
    MailDataWriter,
    ReceiveBuffer,
    ReceivedPolicy,
)

CRLF = b"\r\n"
END = b"\r\n.\r\n"

# Octets that matter to some parser here, plus a few that matter to none. Random octets mapped into
# it come across CRLF . CRLF far sooner.
SMTP_ALPHABET = b"\r\n.\r\n.\0 \t:<>@=-25MAILRCPTODEHQUab\x80\xff"

SMUGGLED = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.hello\r\n"
"""Commands that must stay content: they stand behind something that is not the end."""

# The classes of SMTP smuggling: what some server, once, took for the end of mail data.
NOT_THE_END = (
    # a bare LF or a bare CR in the place of a CRLF
    *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r.\n", b"\n.\r"),
    # several
    *(b"\r\n.\r\r\n", b"\n.\r\r\n", b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\n\r.\n\r", b"\r\n.\n\r\n"),
    # a NUL between
    *(b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n.\r\0\n", b"\r\0\n.\r\n", b"\n\0.\r\n"),
    # a blank or a control character beside the dot: space, HT, VT, FF, FS, RS, BS, DEL, EBCDIC NL
    *(b"\r\n." + octet + CRLF for octet in (b" ", b"\t", b"\v", b"\f", b"\x1c", b"\x1e")),
    *(b"\r\n" + octet + b".\r\n" for octet in (b" ", b"\t", b"\v", b"\f", b"\x1c", b"\x1e")),
    *(b"\r\n." + octet + CRLF for octet in (b"\b", b"\x7f", b"\x15", b"\x85")),
    # what Unicode calls a line end, or what looks like a dot
    *(f"{end}.{end}".encode() for end in ("\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029")),
    *(f"\r\n{dot}\r\n".encode() for dot in ("\uff0e", "\u2024", "\u3002")),
    # a dot that is stuffed, or that begins a line
    *(b"\r\n..\r\n", b"\r\n...\r\n", b"\r\n.a\r\n"),
)

# What ends mail data although something irregular stands before it: all hold CRLF . CRLF.
THE_END = (END, b"\r" + END, b"\n" + END, b"\0" + END, b".\r" + END, b"\r\n" + END, b"\r\n.." + END)

TOKENS = (*NOT_THE_END, *THE_END, SMUGGLED, CRLF, b".", b"..", b"\r", b"\n", b"\0", b"QUIT\r\n")


def into_alphabet(octets: bytes) -> bytes:
    """Map any octets to `SMTP_ALPHABET`."""
    return bytes(SMTP_ALPHABET[octet % len(SMTP_ALPHABET)] for octet in octets)


def cut(octets: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    """Cut `octets` into pieces of these lengths; what is left then is the last piece."""
    start = 0
    for length in lengths:
        if start >= len(octets):
            return
        if length > 0:
            yield octets[start : start + length]
            start += length
    if start < len(octets):
        yield octets[start:]


def cuttings(octets: bytes, lengths: Sequence[int]) -> Iterator[list[bytes]]:
    """Cut `octets` in every way that is tried: whole, octet by octet, and by `lengths` in turn."""
    yield [octets] if octets else []
    yield list(cut(octets, itertools.repeat(1)))
    if any(length > 0 for length in lengths):
        yield list(cut(octets, itertools.cycle(lengths)))


# --------------------------------------------------------------------------- mail data


@dataclass
class MailData:
    """What came out of mail data."""

    content: bytes
    size: int
    violation: Violation | None
    rest: bytes | None
    """What follows the end; None where there is no end."""


def irregularity_oracle(content: bytes) -> Violation | None:
    """Name what is left of the things content must not hold once each CRLF is taken out."""
    bare = content.replace(CRLF, b"")
    named = ((0, Violation.NUL), (10, Violation.BARE_LF), (13, Violation.BARE_CR))
    return next((violation for octet, violation in named if octet in bare), None)


def undecided(octets: bytes) -> int:
    """Count the octets at the end of mail data that more octets might make the end."""
    return next(n for n in (4, 3, 2, 1, 0) if (CRLF + octets).endswith(END[:n]))


def mail_data_oracle(
    octets: bytes,
    limit: int | None = None,
    policy: ReceivedPolicy = "reject",
    binary: bool = False,
) -> MailData:
    """Undo transparency line by line (RFC 5321 4.5.2)."""
    lines = octets.split(CRLF)
    if b"." in lines[:-1]:
        end = lines.index(b".")
        rest = CRLF.join(lines[end + 1 :])
        lines = [*lines[:end], b""]
    else:
        rest = None
        lines = octets[: max(0, len(octets) - undecided(octets))].split(CRLF)
    content = CRLF.join(line[1:] if line.startswith(b".") else line for line in lines)
    if limit is not None and len(content) > limit:
        return MailData(content[:limit], len(content), Violation.MAIL_DATA_TOO_BIG, rest)
    violation = None if binary or policy == "accept" else irregularity_oracle(content)
    return MailData(content, len(content), violation, rest)


def read_mail_data(
    pieces: Iterable[bytes],
    limit: int | None = None,
    policy: ReceivedPolicy = "reject",
    binary: bool = False,
) -> MailData:
    """Read mail data that comes in these pieces."""
    check = ContentCheck(limit, policy, binary)
    reader = MailDataReader(check)
    buffer = ReceiveBuffer()
    content = []
    for piece in pieces:
        buffer.append(piece)
        while read := reader.read(buffer):
            content.append(read)
        assert reader.ended or not len(buffer)
        assert check.excess == max(0, check.size - (check.size if limit is None else limit))
        assert check.room == (None if limit is None else max(0, limit - check.size))
    rest = buffer.take_all() if reader.ended else None
    return MailData(b"".join(content), check.size, check.violation(), rest)


def check_mail_data(
    octets: bytes,
    lengths: Sequence[int] = (),
    limit: int | None = None,
    policy: ReceivedPolicy = "reject",
    binary: bool = False,
) -> None:
    """Mail data is what the RFC says however it is cut; at most what is undecided is held back."""
    expected = mail_data_oracle(octets, limit, policy, binary)
    for pieces in cuttings(octets, lengths):
        assert read_mail_data(pieces, limit, policy, binary) == expected


# --------------------------------------------------------------------------- lines and chunks


def line_oracle(octets: bytes, limit: int, discard: int) -> list[bytes | BadLine]:
    """List the lines of `octets`, up to the one at which the cap on passing over is reached."""
    *lines, rest = octets.split(CRLF)
    discard = max(limit, discard)
    found: list[bytes | BadLine] = []
    for line in lines:
        if len(line) + 2 > limit:
            lost = len(line) + 2 > discard
            found.append(BadLine(line[: min(512, limit)], Violation.LINE_TOO_LONG, lost))
            if lost:
                return found
        elif violation := irregularity_oracle(line):
            found.append(BadLine(line, violation))
        else:
            found.append(line)
    if len(rest) > limit and len(rest) >= discard:
        found.append(BadLine(rest[: min(512, limit)], Violation.LINE_TOO_LONG, lost=True))
    return found


def read_lines(pieces: Iterable[bytes], limit: int, discard: int) -> list[bytes | BadLine]:
    """Read lines that come in these pieces, up to the one that is too long to pass over."""
    reader = LineReader(limit, discard)
    buffer = ReceiveBuffer()
    found = []
    for piece in pieces:
        buffer.append(piece)
        while (line := reader.read(buffer)) is not None:
            found.append(line)
            if isinstance(line, BadLine) and line.lost:
                return found
        assert len(buffer) <= max(1, limit)
    return found


def check_lines(octets: bytes, lengths: Sequence[int], limit: int, discard: int) -> None:
    """Lines end at CRLF only, and an over-long one is one line, however it is cut."""
    expected = line_oracle(octets, limit, discard)
    for pieces in cuttings(octets, lengths):
        assert read_lines(pieces, limit, discard) == expected


def check_chunk(octets: bytes, lengths: Sequence[int], size: int) -> None:
    """A chunk is exactly the announced octets."""
    for pieces in cuttings(octets, lengths):
        reader = ChunkReader(size)
        buffer = ReceiveBuffer()
        content = b""
        for piece in pieces:
            buffer.append(piece)
            content += reader.read(buffer)
            assert reader.read(buffer) == b""
            assert reader.left == size - len(content)
        assert content == octets[:size]
        assert buffer.take_all() == octets[size:]


# --------------------------------------------------------------------------- writing


def refusable(content: bytes, policy: LineEndings) -> bool:
    """Say whether a writer refuses `content`; a CR at its end may yet become a CRLF."""
    if policy == "strict":
        return irregularity_oracle(content[:-1] if content[-1:] == b"\r" else content) is not None
    return b"\0" in content


def canonical_oracle(content: bytes) -> bytes:
    """Make each CRLF, CR and LF of `content` a CRLF."""
    return CRLF.join(re.split(rb"\r\n|\r|\n", content))


def wire_oracle(content: bytes) -> bytes:
    """Write `content` as DATA carries it, line by line (RFC 5321 4.5.2)."""
    lines = canonical_oracle(content).split(CRLF)
    if not lines[-1]:
        del lines[-1]
    return b"".join(b"." * line.startswith(b".") + line + CRLF for line in lines) + b".\r\n"


def check_mail_data_writer(
    content: bytes, lengths: Sequence[int] = (), policy: LineEndings = "normalise"
) -> None:
    """What is written is what the RFC says and is read back, however `content` was cut.

    And a refused piece changes nothing: the rest is written as if it had not been there.
    """
    for pieces in cuttings(content, lengths):
        writer = MailDataWriter(policy)
        accepted = wire = b""
        for piece in pieces:
            refused = False
            try:
                wire += writer.write(piece)
                accepted += piece
            except InvalidValueError:
                refused = True
            assert refused == refusable(accepted + piece * refused, policy)
        if policy == "strict" and accepted.endswith(b"\r"):
            try:
                writer.end()
            except InvalidValueError:
                wire += writer.write(b"\n")
                accepted += b"\n"
            else:
                raise AssertionError("a bare CR at the end was accepted")
        wire += writer.end()
        assert wire == wire_oracle(accepted)
        assert (CRLF + wire).find(END) == len(wire) - 3
        assert irregularity_oracle(wire) is None
        canonical = canonical_oracle(accepted)
        if not canonical.endswith(CRLF) and canonical:
            canonical += CRLF
        assert read_mail_data([wire]) == MailData(canonical, len(canonical), None, b"")


def check_line_endings(
    content: bytes, lengths: Sequence[int] = (), policy: LineEndings = "normalise"
) -> None:
    """Line endings are made CRLF however `content` is cut, and a refused piece changes nothing."""
    for pieces in cuttings(content, lengths):
        binary = LineEndingWriter(policy, binary=True)
        assert [*map(binary.write, pieces), binary.write(b"", last=True)] == [*pieces, b""]
        writer = LineEndingWriter(policy)
        accepted = written = b""
        for piece in pieces:
            refused = False
            try:
                written += writer.write(piece)
                accepted += piece
            except InvalidValueError:
                refused = True
            assert refused == refusable(accepted + piece * refused, policy)
            assert not written.endswith(b"\r")
        if policy == "normalise":
            written += writer.write(b"", last=True)
        assert written == canonical_oracle(accepted.removesuffix(b"\r" * (policy == "strict")))
