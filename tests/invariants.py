# SPDX-License-Identifier: MIT
"""What must hold for any octets cut in any way: shared by the tests and by the harnesses in fuzz/.

Each ``check_`` function takes octets and cuts and raises AssertionError where the package differs
from an oracle. The oracles are written from the RFC text in another style than the package: naive,
on the whole input at once.
"""

from __future__ import annotations

import binascii
import ipaddress
import itertools
import re
import string
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

from smtpproto.exceptions import InvalidValueError, RemoteProtocolError, Violation
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
    whole_mail_data,
)
from smtpproto.grammar import abnf
from smtpproto.grammar.addresses import Path, is_address_literal, is_domain, parse_path, path_end
from smtpproto.grammar.auth import Auth
from smtpproto.grammar.commands import (
    BASE_VERBS,
    Bdat,
    Command,
    Ehlo,
    Helo,
    Lhlo,
    Mail,
    Noop,
    Rcpt,
    StartTLS,
    Vocabulary,
    parse_command,
)
from smtpproto.grammar.encodings import decode_base64, decode_xtext, encode_base64, encode_xtext
from smtpproto.grammar.envelope import plain_command
from smtpproto.grammar.leniency import Leniency
from smtpproto.grammar.parameters import Parameter
from smtpproto.grammar.replies import Reply, ReplyParser
from smtpproto.limits import Limits

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
    for number, piece in enumerate(pieces):
        data = b""
        if number % 2 and buffer.is_empty:  # past it: the same, whatever the pieces are
            data = piece
        else:
            buffer.append(piece)
        while read := reader.read(buffer, data):
            content.append(read)
            data = b""
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
        end = deepcopy(writer).end()
        assert writer.write(b"", last=True) == end
        wire += end
        assert wire == whole_mail_data(accepted) == wire_oracle(accepted)
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


# --------------------------------------------------------------------------- grammar
#
# The oracles below read one character after the other, or ask the standard library; the package
# does neither.

ATEXT = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~")
NO_CAPS = Limits(local_part=None, domain=None, path=None, parameters=None)


def parse_number(text: str) -> int:
    """Parse the value of a parameter that is a number."""
    if not abnf.NUMBER.fullmatch(text):
        raise InvalidValueError("a number expected", Violation.PARAMETER_SYNTAX)
    return int(text)


EVERYTHING = Vocabulary(
    (*BASE_VERBS, Ehlo, Helo, Lhlo, StartTLS, Bdat, Auth),
    {
        "SIZE": Parameter("SIZE", parse_number),
        "SMTPUTF8": Parameter("SMTPUTF8", allows_utf8=True),
        "XVERP": Parameter("XVERP", str, free_value=True),
        "ENVID": Parameter("ENVID", decode_xtext, encode_xtext, needs_value=True),
    },
    {"ORCPT": Parameter("ORCPT", str, needs_value=True)},
    leniency=Leniency(unknown_parameters="pass"),
)
"""All verbs, and parameters of each kind."""


# Pieces of commands and replies: what is put together of them is often almost right.
GRAMMAR_TOKENS = (
    *(b"MAIL FROM:<", b"RCPT TO:<", b"a@b.example>", b"<@r.example:", b"Postmaster>", b"<>"),
    *(b"EHLO ", b"HELO ", b"LHLO ", b"VRFY ", b"EXPN ", b"NOOP ", b"HELP ", b"BDAT ", b"AUTH "),
    *(b"DATA", b"RSET", b"QUIT", b"STARTTLS", b" LAST", b" SMTPUTF8", b"PLAIN ", b"=", b"AGEAYg=="),
    *(b" SIZE=", b" BODY=8BITMIME", b" ENVID=a+2Bb", b" XVERP=+=", b'"a>b@c"', b'"', b"\\", b" "),
    *(b"[192.0.2.1]", b"[IPv6:2001:db8::1]", b"[IPv6:", b"::", b"255", b"%eth0", b"[x:y]", b"]"),
    *(b"\xc3\xa9", b"\xe2\x84\xaa", b"\xc5\xbf", b"\xed\xa0\x80", b"\xc0\xaf", b"\xd9\xa1"),
    *(b"250-", b"250 ", b"354", b"2.1.5 ", b"5.7.1", b"\r\n", b"\r", b"\n", b"\0", b"\t", b"+2b"),
)


def domain_oracle(text: str) -> bool:
    """Say whether `text` is a Domain (RFC 5321 4.1.2, RFC 1035 2.3.4)."""
    return all(
        0 < len(label) <= 63
        and all(c.isascii() and (c.isalnum() or c == "-") for c in label)
        and "-" not in (label[0], label[-1])
        for label in text.split(".")
    )


def ipv4_oracle(text: str) -> bool:
    """Say whether `text` is an IPv4-address-literal without its brackets (RFC 5321 4.1.3)."""
    numbers = text.split(".")
    return len(numbers) == 4 and all(
        0 < len(number) <= 3 and set(number) <= set(string.digits) and int(number) <= 255
        for number in numbers
    )


def ipv6_oracle(text: str) -> bool:
    """Say whether `text` is an IPv6-addr: what the standard library takes, less two things.

    Namely a zone, and "::" for a single group; and with leading zeros in its IPv4 part.
    """
    head, colon, tail = text.rpartition(":")
    if ipv4_oracle(tail):
        text = head + colon + ".".join(str(int(number)) for number in tail.split("."))
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    groups = [group for group in text.split(":") if group]
    return "%" not in text and ("::" not in text or len(groups) + ("." in text) <= 6)


def literal_oracle(text: str) -> bool:
    """Say whether `text` is an address literal (RFC 5321 4.1.3)."""
    inside = text[1:-1]
    if text[:1] + text[-1:] != "[]" or len(text) < 3 or not set(inside) <= DCONTENT:
        return False
    tag, colon, content = inside.partition(":")
    if not colon:
        return ipv4_oracle(inside)
    if tag.lower() == "ipv6":
        return ipv6_oracle(content)
    named = tag[-1:].isalnum() and set(tag) <= {*string.ascii_letters, *string.digits, "-"}
    return named and content != "" and not ipv6_oracle(inside)


DCONTENT = frozenset(map(chr, range(33, 127))) - frozenset("[\\]")


def local_part_length(text: str) -> int:
    """Return how many characters of `text` are a local-part, -1 for none (RFC 5321 4.1.2)."""
    if text[:1] == '"':
        position = 1
        while text[position : position + 1] not in ("", '"'):
            position += 2 if text[position] == "\\" else 1
        between = text[1:position]
        return position + 1 if position < len(text) and between.isprintable() else -1
    length = 0
    while text[length : length + 1] in ATEXT or text[length : length + 1] == ".":
        length += 1
    return length if all(text[:length].split(".")) else -1


def path_oracle(text: str) -> bool:
    """Say whether ASCII `text` is ``<>``, ``<Postmaster>`` or a Path (RFC 5321 4.1.2)."""
    inside = text[1:-1]
    if len(text) < 2 or text[0] + text[-1] != "<>":
        return False
    if inside.lower() in ("", "postmaster"):
        return True
    if inside[0] == "@":
        route, colon, inside = inside.partition(":")
        hops = route.split(",")
        if not colon or not all(hop[:1] == "@" and domain_oracle(hop[1:]) for hop in hops):
            return False
    length = local_part_length(inside)
    domain = inside[length + 1 :]
    return (
        length > 0
        and inside[length : length + 1] == "@"
        and (domain_oracle(domain) or literal_oracle(domain))
    )


def check_answer(error: InvalidValueError) -> None:
    """An error holds what a server answers, and shows nothing raw."""
    assert 400 <= error.code <= 599
    assert error.enhanced[:2] == f"{error.code // 100}."
    assert str(error).isascii()
    assert str(error).isprintable()


def check_path(text: str) -> None:
    """What is a path is one by the oracle, too, and is written as it was read."""
    try:
        path = parse_path(text, limits=NO_CAPS)
    except InvalidValueError as error:
        check_answer(error)
        assert not (text.isascii() and path_oracle(text))
        return
    assert not text.isascii() or path_oracle(text)
    assert str(path) == text
    assert parse_path(str(path), limits=NO_CAPS) == path == Path(path.address, path.source_route)
    again = Path(str(path.mailbox))
    assert again.mailbox.is_same(path.mailbox)
    assert len(again.address) <= len(path.address)
    assert path_end(text + " X=>") == len(text)


def check_literal(text: str) -> None:
    """What is an address literal is one by the oracle, and the same for a domain."""
    assert is_address_literal(text) == literal_oracle(text)
    assert is_domain(text) == (domain_oracle(text) and len(text) <= 255)


def check_command(line: bytes, vocabulary: Vocabulary = EVERYTHING) -> None:
    """A line is refused with an answer, or is a command that is read back from what is written."""
    plain = plain_command(line, vocabulary)
    try:
        command = parse_command(line, vocabulary)
    except InvalidValueError as error:
        check_answer(error)
        assert plain is None
        return
    if plain is not None:
        assert_same(plain, command)
    try:
        written = command.encode(vocabulary)
    except InvalidValueError as error:
        # NOOP takes any octets, but hands on only UTF-8.
        violation = error.violation
        assert isinstance(command, Noop)
        assert violation is Violation.NOT_UTF8
        return
    check_written(written)
    assert_same(parse_command(written[:-2], vocabulary), command)


def check_written(written: bytes) -> None:
    """What is written is one line: a CRLF at its end, and no CR, LF or NUL before."""
    assert written.endswith(CRLF)
    assert not set(written[:-2]) & set(b"\r\n\0")


def assert_same(read: Command, command: Command) -> None:
    """Compare two commands; a source route is not sent."""
    if isinstance(command, Mail):
        command = Mail(command.reverse_path.address, command.parameters)
    elif isinstance(command, Rcpt):
        command = Rcpt(command.forward_path.address, command.parameters)
    assert read == command


def reply_oracle(lines: Sequence[bytes]) -> list[tuple[int, list[bytes]]]:
    """Read replies until a line is none, as code and texts (RFC 5321 4.2)."""
    replies = []
    code = b""
    texts: list[bytes] = []
    for line in lines:
        separator = line[3:4]
        digits = line[:3]
        if len(digits) < 3 or digits[:1] not in b"2345" or set(digits) - set(b"0123456789"):
            break
        if separator not in (b"", b" ", b"\t", b"-") or set(line) & set(b"\r\n\0"):
            break
        if texts and digits != code:
            break
        code = digits
        texts.append(line[4:])
        if separator != b"-":
            replies.append((int(code), texts))
            texts = []
    return replies


def read_replies(lines: Sequence[bytes]) -> list[Reply]:
    """Read replies until a line is none."""
    parser = ReplyParser(Limits())
    replies = []
    for line in lines:
        try:
            reply = parser.feed(line)
        except RemoteProtocolError:
            break
        assert parser.is_within_reply == (reply is None)
        replies += [reply] if reply else []
    return replies


def check_replies(octets: bytes) -> None:
    """Replies are those of the oracle, lose nothing, and are read back from what is written."""
    lines = octets.split(CRLF)[:-1]
    replies = read_replies(lines)
    texts = [
        [f"{reply.enhanced} {line}" if reply.enhanced else line for line in reply.lines]
        for reply in replies
    ]
    expected = reply_oracle(lines)
    assert [reply.code for reply in replies] == [code for code, _ in expected]
    for found, (_, raw) in zip(texts, expected, strict=True):
        # "250 2.0.0" has no text, and is written with a space behind it.
        assert [text.encode("utf-8", "surrogateescape").rstrip(b" ") for text in found] == [
            text.rstrip(b" ") for text in raw
        ]
    for reply in replies:
        written = reply.encode()
        cut_up = written.split(CRLF)[:-1]
        assert all(len(line) <= 510 and not set(line) & set(b"\r\n\0") for line in cut_up)
        if len(cut_up) == len(reply.lines):
            assert read_replies(cut_up) == [reply]


def check_encodings(octets: bytes) -> None:
    """Each encoding gives back what it was given, and each text that is taken is the one text."""
    assert decode_xtext(encode_xtext(octets)) == octets
    assert decode_base64(encode_base64(octets)) == octets
    text = octets.decode("latin-1")
    try:
        decoded = decode_base64(octets)
    except InvalidValueError as error:
        check_answer(error)
        assert octets != base64_oracle(octets)
    else:
        assert encode_base64(decoded) == octets
    try:
        plain = decode_xtext(text)
    except InvalidValueError as error:
        check_answer(error)
        assert xtext_oracle(text) is None
    else:
        assert plain == xtext_oracle(text)


def base64_oracle(octets: bytes) -> bytes | None:
    """Decode with what the standard library has, leniently, and encode again."""
    try:
        return binascii.b2a_base64(binascii.a2b_base64(octets), newline=False)
    except binascii.Error:
        return None


def xtext_oracle(text: str) -> bytes | None:
    """Decode xtext character by character (RFC 3461 4)."""
    digits = string.hexdigits
    decoded = b""
    while text:
        if text[0] == "+":
            if len(text) < 3 or text[1] not in digits or text[2] not in digits:
                return None
            decoded += bytes.fromhex(text[1:3])
            text = text[3:]
        elif "!" <= text[0] <= "~" and text[0] != "=":
            decoded += text[0].encode()
            text = text[1:]
        else:
            return None
    return decoded


def check_grammar(octets: bytes, kind: int = 0) -> None:
    """Hold everything that is read from one text against the oracles.

    Args:
        octets: the text of all of them.
        kind: chooses the switches.
    """
    vocabulary = Vocabulary(
        tuple(EVERYTHING.verbs.values()),
        EVERYTHING.mail_parameters,
        EVERYTHING.rcpt_parameters,
        Leniency(
            allow_space_after_colon=not kind & 1,
            allow_missing_brackets=bool(kind & 2),
            allow_underscore_domain=bool(kind & 4),
            allow_trailing_dot=bool(kind & 8),
            strict_helo=bool(kind & 16),
            allow_extra_dots=bool(kind & 32),
            missing_domain="d.example" if kind & 64 else None,
            unknown_parameters=("pass", "ignore", "reject")[kind % 3],
        ),
    )
    check_command(octets, vocabulary)
    for text in (octets.decode("latin-1"), octets.decode("utf-8", "surrogateescape")):
        check_path(text)
        check_path(f"<{text}>")
        check_literal(text)
        check_literal(f"[{text}]")
    check_replies(octets + CRLF)
    check_encodings(octets)
