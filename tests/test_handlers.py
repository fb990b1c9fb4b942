# SPDX-License-Identifier: MIT
"""The handlers that are there already: how a message is shown and kept."""

from __future__ import annotations

import base64
import email
import io
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dialogue_drive import serve

from smtpproto import Ehlo, LocalProtocolError, Mail, Parameters, Rcpt, ServerConnection, TLSInfo
from smtpproto.dialogues import Message, Peer, received
from smtpproto.extensions import MtPriority, Transaction
from smtpproto.grammar.trace import parse_received
from smtpproto.handlers import JsonLines, Maildir, Print
from smtpproto.handlers.json_lines import as_json
from smtpproto.handlers.writing import Writing

START = b"EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
TEXT = b"Subject: x\r\n\r\ntext\r\n.\r\n"


class Known(Peer):
    """A peer of whom something is known without a connection."""

    __slots__ = ()
    hello = Ehlo("client.example")  # type: ignore[assignment]
    tls = TLSInfo("TLSv1.3")  # type: ignore[assignment]


PEER = Known(("192.0.2.1", 40000))


def message(content: bytes, sender: str = "a@example.org") -> Message:
    mail = Mail(sender, Parameters({"SIZE": 5, "SMTPUTF8": None}, {"SIZE": "5", "SMTPUTF8": None}))
    return Message(mail, (Rcpt("b@example.org"), Rcpt("c@example.org")), content)


def keep(store: Maildir, content: bytes) -> None:
    sink = store.open_message(PEER)
    for piece in (content[:2], content[2:]):
        sink.write(piece)
    sink.commit()


def shown(content: bytes) -> str:
    stream = io.StringIO()
    Print(stream).on_message(PEER, message(content))
    return stream.getvalue()


def body(content: bytes) -> list[str]:
    """Return what is shown between envelope and end."""
    return shown(content).split("\n\n", 1)[1].splitlines()[:-1]


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("192.0.2.1", 25), "192.0.2.1:25"),
        (("2001:db8::1", 25, 0, 0), "[2001:db8::1]:25"),
        ("/run/mail\x1b", r"/run/mail\x1b"),
        ("", "local"),
        (None, "local"),
    ],
)
def test_where_a_client_came_from(address: Any, text: str) -> None:
    assert str(Peer(address)) == text


def test_the_envelope_is_shown() -> None:
    assert shown(b"Subject: x\r\n\r\ntext\r\n").splitlines() == [
        "--- message 1 from 192.0.2.1:40000 (EHLO client.example, TLSv1.3) ---",
        "MAIL FROM:<a@example.org> SIZE=5 SMTPUTF8",
        "RCPT TO:<b@example.org>",
        "RCPT TO:<c@example.org>",
        "",
        "Subject: x",
        "",
        "text",
        "--- end of message 1, 20 octets ---",
    ]


def test_an_address_is_tame() -> None:
    stream = io.StringIO()
    Print(stream).on_message(PEER, message(b"", sender='"\u202e"@example.org'))
    assert 'MAIL FROM:<"\\u202e"@example.org>' in stream.getvalue()


def test_a_peer_without_a_name() -> None:
    stream = io.StringIO()
    Print(stream).on_message(Peer(), message(b"", sender=""))
    assert stream.getvalue().startswith("--- message 1 from local (no hello) ---\nMAIL FROM:<>")


@pytest.mark.parametrize(
    ("encoding", "expected"), [("ascii", "\\xfc \\u20ac"), ("latin-1", "ü \\u20ac")]
)
def test_what_a_stream_has_no_octets_for_is_escaped(encoding: str, expected: str) -> None:
    """The message would be refused otherwise."""
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, encoding=encoding)
    Print(stream).on_message(PEER, message("\r\nü €\r\n".encode()))
    assert expected in octets.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", ["", ""]),
        (b"\r\nonly text\r\n", ["", "only text"]),
        (b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n", ["Subject: Grüße", "", ""]),
        (b"Subject: a\r\n\tb\r\n\r\n", ["Subject: a b", "", ""]),
        (b"Subject: =?nope?q?x?=\r\n\r\n", ["Subject: =?nope?q?x?=", "", ""]),
        (b"Subject: =?utf-8?q?=1b[2J?=\r\n\r\n", [r"Subject: \x1b[2J", "", ""]),
        (b"Subject: caf\xc3\xa9 \xe9\r\n\r\n", [r"Subject: café \xe9", "", ""]),
        (b"\r\n\x1b]0;title\x07\r\n", ["", r"\x1b]0;title\x07"]),
        (b"\r\ncaf\xc3\xa9 \xff\r\n", ["", r"café \xff"]),
        (
            b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\ncaf\xe9\r\n",
            ["Content-Type: text/plain; charset=iso-8859-1", "", "café"],
        ),
        (
            b"Content-Type: text/plain; charset=nope\r\n\r\nx\r\n",
            ["Content-Type: text/plain; charset=nope", "", "x"],
        ),
        (
            b"Content-Transfer-Encoding: base64\r\n\r\nG1syShs=\r\n",
            ["Content-Transfer-Encoding: base64", "", r"\x1b[2J\x1b"],
        ),
    ],
)
def test_header_and_text_are_decoded_and_tame(content: bytes, lines: list[str]) -> None:
    found = body(content)
    assert "\x1b" not in "".join(found)
    assert found == lines


def test_attachments_are_named() -> None:
    parts = [
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n",
        b"--x\r\n\r\nhello\r\n",
        b"--x\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n",
        b'--x\r\nContent-Disposition: attachment; filename="a\x1b.txt"\r\n\r\nabc\r\n',
        b"--x--\r\n",
    ]
    assert body(b"".join(parts))[2:] == [
        "hello",
        "",
        "[attachment without a name: image/png, 4 octets]",
        "",
        r"[attachment a\x1b.txt: text/plain, 3 octets]",
    ]


def test_a_long_text_is_cut() -> None:
    text = body(b"\r\n" + b"x" * 70000)
    assert text == ["", "x" * 65536, "[4464 more characters]"]


def test_a_long_header_field_is_cut() -> None:
    """The email package takes hours to decode one of some megabytes."""
    long = b"Content-Type: text/plain; " + b"a=b;" * 100_000
    lines = shown(b"Subject: " + b"=?a?q?" * 100_000 + b"\r\n" + long + b"\r\n\r\ntext\r\n")
    assert len(lines) < 50_000
    assert lines.count("...\n") == 2
    assert "text" in lines


def test_what_the_parser_trips_over_is_shown_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(content: bytes) -> None:
        raise IndexError

    monkeypatch.setattr("smtpproto.handlers.printing.message_from_bytes", trip)
    assert body(b"Subject: x\r\n\r\n\xfftext\r\n") == ["Subject: x", "", r"\xfftext"]


def test_json_is_one_line_of_ascii() -> None:
    stream = io.StringIO()
    store = JsonLines(stream)
    store.on_message(PEER, message("Grüße\n\x1b".encode()))
    store.on_message(PEER, message(b"\xff"))
    text = stream.getvalue()
    assert text.isascii()
    assert "\x1b" not in text
    first, second = map(json.loads, text.splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "peer": "192.0.2.1:40000",
        "hello": "client.example",
        "tls": "TLSv1.3",
        "sender": "a@example.org",
        "recipients": ["b@example.org", "c@example.org"],
        "mail_parameters": {"SIZE": "5", "SMTPUTF8": None},
        "rcpt_parameters": [{}, {}],
        "size": 9,
        "content": "Grüße\n\x1b",
    }
    assert base64.b64decode(second["content_base64"]) == b"\xff"
    assert "content" not in second


def test_json_of_a_peer_without_a_name() -> None:
    record = as_json(Peer(), message(b""))
    assert (record["peer"], record["hello"], record["tls"]) == ("local", None, None)


def test_a_maildir_keeps_every_octet(tmp_path: Path) -> None:
    store = Maildir(str(tmp_path / "deep" / "mail"))
    contents = [b"", b".\r\n", b"no end", b"\xff\x00\n\r"]
    for content in contents:
        keep(store, content)
    folder = tmp_path / "deep" / "mail"
    assert sorted(path.name for path in folder.iterdir()) == ["cur", "new", "tmp"]
    kept = sorted((folder / "new").iterdir())
    assert sorted(path.read_bytes() for path in kept) == sorted(contents)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
    assert not any((folder / "tmp").iterdir())
    assert not any(set(path.name) & set("/:") for path in kept)


def test_a_message_is_on_the_disk_before_it_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Maildir(str(tmp_path))
    synced: list[tuple[int, int]] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        synced.append((len(list((tmp_path / "tmp").iterdir())), os.fstat(descriptor).st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    keep(store, b"x" * 100)
    assert synced[0] == (1, 100), "whole, in tmp"
    assert [at for at, _ in synced] == [1, 0], "then the folder, once it has the name"


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Maildir(str(tmp_path))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep(store, b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_opened_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Maildir(str(tmp_path))
    open_ = os.open

    def windows(path: Any, flags: int, *mode: int) -> int:
        if Path(path).is_dir():
            raise PermissionError
        return open_(path, flags, *mode)

    monkeypatch.setattr(os, "open", windows)
    keep(store, b"x")
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_message_that_cannot_be_shown_to_be_kept_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Maildir(tmp_path)
    fsync = os.fsync

    def broken(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        keep(store, b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_message_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    sink = Maildir(tmp_path).open_message(PEER)
    sink.write(b"x" * 100_000)
    sink.abort()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_trace_of_final_delivery(tmp_path: Path) -> None:
    """RFC 5321 4.4: Return-Path first, then Received."""
    handler = Maildir(tmp_path, hostname="mx.example.org")
    peer = Peer(("192.0.2.1", 4711))
    run = serve(handler, START, TEXT, b"QUIT\r\n", peer=peer)
    assert run.codes == [220, 250, 250, 250, 354, 250, 221]
    [file] = (tmp_path / "new").iterdir()
    lines = file.read_bytes().split(b"\r\n")
    assert lines[0] == b"Return-Path: <a@example.com>"
    assert lines[1] == b"Received: from client.example ([192.0.2.1])"
    assert lines[2].startswith(b"\tby mx.example.org with ESMTP")
    assert parse_received(b"\r\n".join(lines[1:5])).date is not None
    assert file.read_bytes().endswith(b"\r\nSubject: x\r\n\r\ntext\r\n")


@pytest.mark.parametrize(
    ("content", "behind"),
    [
        (b" ; Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\ntext\r\n", b"\r\n"),
        (b"\tfor <joe@x.org>\r\n", b"\r\n"),
        (b"\r\n", b""),
        (b"", b""),
    ],
)
def test_a_message_adds_nothing_to_the_trace(tmp_path: Path, content: bytes, behind: bytes) -> None:
    """RFC 5322 2.2.3: what begins with white space would be a part of the last field."""
    serve(Maildir(tmp_path, hostname="mx.example.org"), START, content + b".\r\nQUIT\r\n")
    [file] = (tmp_path / "new").iterdir()
    octets = file.read_bytes()
    lines = octets.partition(b"\r\n")[2].removesuffix(behind + content).splitlines(keepends=True)
    assert [line[:1] for line in lines] == [b"R"] + [b"\t"] * (len(lines) - 1)
    assert octets == b"Return-Path: <a@example.com>\r\n" + b"".join(lines) + behind + content
    field = email.message_from_bytes(octets)["Received"]
    date = parse_received(field.encode()).date
    assert date is not None
    assert abs(date - datetime.now(UTC)) < timedelta(hours=1)


def test_an_empty_piece_is_no_beginning_of_a_message(tmp_path: Path) -> None:
    """RFC 5322 2.2.3: the first octet says whether the trace would go on."""

    class Handler:
        def open_message(self, peer: Peer) -> Any:
            sink = Maildir(tmp_path, hostname="mx.example.org").open_message(peer)
            sink.write(b"")
            return sink

    serve(Handler(), START, b" for <joe@x.org>\r\n.\r\nQUIT\r\n")
    [file] = (tmp_path / "new").iterdir()
    assert file.read_bytes().endswith(b"\r\n\r\n for <joe@x.org>\r\n")


@pytest.mark.parametrize(("text", "clause"), [("3", b"\tpriority 3;"), ("-9", b"\tpriority -9;")])
def test_the_priority_is_told(text: str, clause: bytes) -> None:
    """RFC 6710 4.1."""
    fields: list[bytes] = []

    class Handler:
        def on_message(self, peer: Peer, message: Message) -> None:
            fields.append(received(peer, "mx.example.org", datetime.now(UTC)).encode())

    server = ServerConnection("mx.example.org", extensions=[MtPriority()])
    mail = START.replace(b"com>", b"com> MT-PRIORITY=" + text.encode())
    serve(Handler(), mail, TEXT, b"QUIT\r\n", server=server)
    assert clause in fields[0].replace(b"\r\n", b"")


def test_a_priority_that_was_not_offered_is_not_told() -> None:
    peer = Known(("192.0.2.1", 25))
    mail = Mail("a@example.org", Parameters({"MT-PRIORITY": "3"}, {"MT-PRIORITY": "3"}))
    peer.transaction = Transaction(mail, {})
    assert received(peer, "mx.example.org", datetime.now(UTC)).priority is None


def test_what_the_trace_tells(tmp_path: Path) -> None:
    peer = Known(("2001:db8::1%eth0", 25, 0, 2))
    date = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    field = received(peer, "mx.example.org", date, id="q1").encode()
    assert field == (
        b"Received: from client.example ([IPv6:2001:db8::1])\r\n"
        b"\tby mx.example.org with ESMTPS id q1;\r\n"
        b"\tFri, 2 Jan 2026 03:04:05 +0000\r\n"
    )
    bare = received(Peer("/run/smtp"), "mx.example.org", date)
    assert (bare.address, bare.hello, bare.protocol) == (None, "", "SMTP")


@pytest.mark.parametrize("size", [1024 * 1024, 1024 * 1024 + 9])
def test_a_huge_message_is_shown_in_part(size: int) -> None:
    lines = body(b"Subject: x\r\n\r\n" + b"y" * (size - 14))
    assert (lines[-1] == "[9 more octets]") is (size > 1024 * 1024)


class Disk(io.RawIOBase):
    """A file on a disk with room for so many octets."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        octets = bytes(data)[: self.room]
        if not octets:
            raise OSError(28, "No space left on device")
        self.room -= len(octets)
        self.content += octets
        return len(octets)


@pytest.mark.parametrize("room", [0, 10])
@pytest.mark.parametrize("handler", [JsonLines, Print])
def test_what_was_refused_is_not_written_later(
    room: int, handler: type[JsonLines] | type[Print]
) -> None:
    disk = Disk(room)
    stream = io.TextIOWrapper(io.BufferedWriter(disk), encoding="ascii")
    store = handler(stream)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            store.on_message(PEER, message(b"Subject: refused\r\n\r\n"))
    disk.room = 100_000
    store.on_message(PEER, message(b"Subject: taken\r\n\r\n"))
    stream.close()
    assert b"refused" not in disk.content
    assert disk.content.count(b"taken") == 1
    half, _, rest = disk.content.partition(b"\n") if room else (b"", b"", disk.content)
    assert len(half) == room, "half a record stands alone"
    assert rest.startswith((b"{", b"--- message"))


def test_a_stream_that_takes_nothing() -> None:
    class Busy(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> None:  # type: ignore[override]
            return None

    stream = io.TextIOWrapper(io.BufferedWriter(Busy()), encoding="ascii")
    with pytest.raises(OSError, match="takes nothing more"):
        JsonLines(stream).on_message(PEER, message(b""))


class Shout(Writing):
    """What another form of a record takes."""

    def record(self, peer: Peer, message: Message) -> str:
        return f"{message.sender.upper()}\n"


def test_another_record_on_a_stream() -> None:
    stream = io.StringIO()
    Shout(stream).on_message(PEER, message(b""))
    assert stream.getvalue() == "A@EXAMPLE.ORG\n"


@pytest.mark.parametrize("kind", [Print, JsonLines])
@pytest.mark.parametrize("wrong", ["out.txt", 5, io.BytesIO(), object(), Path("out.txt")])
def test_what_is_no_stream_is_told_at_once(kind: Any, wrong: Any) -> None:
    """And not by the first message, whose client would hear 451."""
    with pytest.raises(LocalProtocolError, match=r"stream: .* such as sys\.stdout, expected, not"):
        kind(wrong)


@pytest.mark.parametrize("kind", [Print, JsonLines])
@pytest.mark.parametrize("wrong", ["lock", 5, threading.Lock])
def test_what_is_no_lock_is_told_at_once(kind: Any, wrong: Any) -> None:
    with pytest.raises(LocalProtocolError, match="lock: what a with statement takes expected, not"):
        kind(io.StringIO(), wrong)


def test_a_stream_of_octets_that_was_opened(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file, pytest.raises(LocalProtocolError, match="text"):
        JsonLines(file)  # type: ignore[arg-type]


def test_what_is_no_maildir_is_told_at_once(tmp_path: Path) -> None:
    for wrong in (5, None, b"mail"):
        with pytest.raises(LocalProtocolError, match="folder: a path expected, not"):
            Maildir(wrong)  # type: ignore[arg-type]
    for name in ("", "not a name", b"mx.example.org", 5):
        with pytest.raises(LocalProtocolError, match=r"hostname: a domain or an address literal"):
            Maildir(tmp_path / "mail", name)  # type: ignore[arg-type]
    assert not (tmp_path / "mail").exists()
    Maildir(tmp_path / "mail", "[192.0.2.1]")
