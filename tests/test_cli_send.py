# SPDX-License-Identifier: MIT
"""``send`` says what it sends, and its exit status says what became of it."""

from __future__ import annotations

import getpass
import io
import os
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_drive import certificates

from smtpproto import Rcpt, Reply
from smtpproto.__main__ import main
from smtpproto.blocking import Message, Peer, Server, serve
from smtpproto.tlstools import server_context

Capture = pytest.CaptureFixture[str]
ENVELOPE = ("--from", "a@example.org", "--to", "b@example.org")


class Inbox:
    """Takes everything but what it is told not to."""

    def __init__(self, refusals: dict[str, Reply] | None = None, last: Any = None) -> None:
        self.messages: list[Message] = []
        self.tls: list[str] = []
        self._refusals = refusals or {}
        self._last = last

    def on_rcpt(self, peer: Peer, rcpt: Rcpt) -> Reply | None:
        return self._refusals.get(rcpt.forward_path.local_part)

    def on_message(self, peer: Peer, message: Message) -> Any:
        self.messages.append(message)
        self.tls.append(peer.tls.version if peer.tls else "")
        return self._last


def at(server: Server) -> str:
    return f"127.0.0.1:{server.port}"


def send(server: Server, *argv: str) -> int:
    return main(["send", "--server", at(server), *ENVELOPE, *argv])


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[Server]:
    with serve(inbox, hostname="mx.example.org") as running:
        yield running


def test_a_short_message(server: Server, inbox: Inbox, capsys: Capture) -> None:
    assert send(server, "--subject", "Grüße", "--body", "hi\n.\n", "--local-name", "c.example") == 0
    shown, notes = capsys.readouterr()
    assert shown == ""
    lines = notes.splitlines()
    for line in (
        "<- 220 mx.example.org ESMTP",
        "-> EHLO c.example",
        "-> RCPT TO:<b@example.org>",
        "<- 250 2.0.0 message taken",
        "<- 221 2.0.0 mx.example.org closing",
    ):
        assert line in lines
    [message] = inbox.messages
    assert (message.sender, message.recipients) == ("a@example.org", ("b@example.org",))
    parsed = message.parse()
    assert (parsed["Subject"], parsed["From"]) == ("Grüße", "a@example.org")
    assert parsed["Message-ID"].endswith("@example.org>")
    assert parsed["Date"].datetime is not None
    assert message.content.endswith(b"\r\n\r\nhi\r\n.\r\n")


@pytest.mark.parametrize("option", ["--subject", "--body"])
def test_one_of_the_two_is_enough(server: Server, inbox: Inbox, option: str) -> None:
    assert send(server, option, "x", "--quiet") == 0
    parsed = inbox.messages[0].parse()
    assert "x" in (parsed["Subject"], parsed.get_content().strip())


@pytest.mark.parametrize("how", ["--data", "--bdat"])
@pytest.mark.parametrize(
    "content", [b"", b"x: y\r\n\r\n.\r\n..\r\n", b"\r\n\xff\r\n"], ids=["empty", "dots", "8bit"]
)
def test_a_file_goes_as_it_is(
    server: Server, inbox: Inbox, tmp_path: Path, how: str, content: bytes, capsys: Capture
) -> None:
    file = tmp_path / "message"
    file.write_bytes(content)
    assert send(server, str(file), how) == 0
    assert inbox.messages[0].content == content
    assert ("-> DATA\n" in capsys.readouterr().err) is (how == "--data")


@pytest.mark.parametrize("argv", [[], ["-"]])
def test_standard_input(
    server: Server, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x: y\n\nz\n")))
    assert send(server, *argv) == 0
    assert inbox.messages[0].content == b"x: y\r\n\r\nz\r\n"


def test_a_terminal_is_told_what_is_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(io.BytesIO(b"")))
    assert send(server, "--quiet") == 0
    assert capsys.readouterr().err == (
        "smtpproto send: the message is read from here; end it with Ctrl-D\n"
    )


def test_the_null_reverse_path(server: Server, inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"bounce\r\n")
    argv = [
        "send",
        str(tmp_path / "m"),
        "--server",
        at(server),
        "--from",
        "<>",
        "--to",
        "b@b.example",
    ]
    assert main(argv) == 0
    assert inbox.messages[0].sender == ""


def test_lmtp_over_a_unix_socket(tmp_path: Path, capsys: Capture) -> None:
    answers = [None, Reply(452, "mailbox full", "4.2.2")]
    inbox = Inbox(last=answers)
    path = str(tmp_path / "s")
    with serve(inbox, path=path, lmtp=True):
        argv = ["send", "--unix", path, "--lmtp", *ENVELOPE, "--to", "c@example.org", "--body", "x"]
        assert main([*argv, "--quiet"]) == 1
    assert capsys.readouterr().err == (
        "smtpproto send: refused: c@example.org: 452 4.2.2 mailbox full\n"
    )


# --- TLS ---


@pytest.mark.parametrize(
    ("mode", "security", "status"),
    [
        ("starttls", "starttls", 0),
        ("starttls", "auto", 0),
        ("starttls", "opportunistic", 0),
        ("implicit", "implicit", 0),
        ("none", "starttls", 76),
    ],
)
def test_security(mode: Any, security: str, status: int, capsys: Capture) -> None:
    ca, own = certificates()
    inbox = Inbox()
    tls = {} if mode == "none" else {"tls": server_context(own), "tls_mode": mode}
    with serve(inbox, **tls) as server:
        assert send(server, "--body", "x", "--security", security, "--ca", ca) == status
    assert [version[:5] for version in inbox.tls] == ["TLSv1"] * (status == 0)
    if status:
        assert "TLS is required" in capsys.readouterr().err.splitlines()[-1]


def test_an_unknown_certificate_is_not_believed(capsys: Capture) -> None:
    inbox = Inbox()
    with serve(inbox, tls=server_context(certificates()[1])) as server:
        assert send(server, "--body", "secret", "--security", "starttls") == 76
        assert inbox.messages == []
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("smtpproto send: TLS handshake failed: ")
        assert send(server, "--body", "x", "--security", "starttls", "--insecure", "--quiet") == 0
    assert capsys.readouterr().err.startswith("smtpproto send: warning: --insecure: ")
    assert inbox.tls[0].startswith("TLSv1")


# --- outcomes ---

NEVER = Reply(550, "no such user", "5.1.1")
LATER = Reply(450, "try later", "4.2.1")


@pytest.mark.parametrize(
    ("refusals", "last", "status", "sentences"),
    [
        ({"b": NEVER}, None, 1, ["refused: b@example.org: 550 5.1.1 no such user"]),
        ({"b": NEVER, "c": NEVER}, None, 69, None),
        ({"b": NEVER, "c": LATER}, None, 75, None),
        ({}, Reply(554, "spam", "5.7.1"), 69, ["mail data: 554 5.7.1 spam"]),
        ({}, Reply(451, "busy", "4.3.0"), 75, ["mail data: 451 4.3.0 busy"]),
    ],
)
def test_refusals(
    refusals: dict[str, Reply],
    last: Reply | None,
    status: int,
    sentences: list[str] | None,
    capsys: Capture,
) -> None:
    with serve(Inbox(refusals, last)) as server:
        assert send(server, "--to", "c@example.org", "--body", "x", "--quiet") == status
    told = [line.removeprefix("smtpproto send: ") for line in capsys.readouterr().err.splitlines()]
    if sentences is None:
        sentences = [f"refused: {name}@example.org: {reply}" for name, reply in refusals.items()]
    assert told == sentences


@contextmanager
def scripted(*replies: bytes, heard: list[bytes] | None = None) -> Iterator[str]:
    """Listen, and answer each line of one client with the next of `replies`; then hang up."""
    lines_read = [] if heard is None else heard
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)

    def answer() -> None:
        client, _ = listener.accept()
        with client, client.makefile("rb") as lines:
            for number, reply in enumerate(replies):
                if number:
                    lines_read.append(lines.readline())
                client.sendall(reply)

    thread = threading.Thread(target=answer)
    thread.start()
    with listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(("code", "status"), [(454, 75), (554, 76)])
def test_a_server_that_refuses_starttls(code: int, status: int) -> None:
    hello = b"250-hi\r\n250 STARTTLS\r\n"
    with scripted(b"220 hi\r\n", hello, b"%d no\r\n" % code, b"221 bye\r\n") as server:
        argv = ["send", "--server", server, *ENVELOPE, "--body", "x", "--security", "starttls"]
        assert main([*argv, "--quiet"]) == status


@pytest.mark.parametrize(
    ("replies", "status", "expected"),
    [
        ([b"554 no\r\n"], 69, "greeting: 554 no"),
        ([b"421 busy\r\n"], 75, "greeting: 421 busy"),
        ([b""], 75, "the server closed"),
        ([b"what is this\r\n"], 75, ""),  # RFC 5321 3.8
        (
            [b"220 hi\r\n", b"250 hi\r\n", b"550 not you\r\n", b"221 bye\r\n"],
            69,
            "MAIL: 550 not you",
        ),
        ([b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b""], 75, ""),
    ],
)
def test_what_goes_wrong_on_the_way(
    replies: list[bytes], status: int, expected: str, capsys: Capture
) -> None:
    with scripted(*replies) as server:
        argv = ["send", "--server", server, *ENVELOPE, "--body", "x", "--quiet"]
        assert main(argv) == status
    told = capsys.readouterr().err
    assert told.startswith(f"smtpproto send: {expected}")
    assert told.count("\n") == 1


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        argv = ["send", "--server", server, *ENVELOPE, "--body", "x", "--timeout", "0.1"]
        assert main(argv) == 75
    assert "Traceback" not in capsys.readouterr().err


def test_a_message_that_the_server_cannot_take_is_not_tried(
    capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(b"\r\n\xff\r\n")
    with scripted(b"220 hi\r\n", b"250 hi\r\n", b"221 bye\r\n") as server:
        argv = ["send", str(tmp_path / "m"), "--server", server, *ENVELOPE, "--quiet"]
        assert main(argv) == 69
    assert "8BITMIME" in capsys.readouterr().err


# --- who we are ---

PASSWORD = "tanstaaftanstaaf"
HELLO = [b"220 hi\r\n", b"250-hi\r\n250 AUTH PLAIN XOAUTH2 EXTERNAL\r\n"]
AUTH_PLAIN = b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"


def authenticates(replies: list[bytes], *argv: str) -> tuple[int, list[bytes]]:
    """Send to a server that gives these replies; return the exit status and what it heard."""
    heard: list[bytes] = []
    with scripted(*HELLO, *replies, heard=heard) as server:
        argv = ("send", "--server", server, *ENVELOPE, "--body", "x", *argv)
        return main([*argv, "--local-name", "c.example"]), heard


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(prompt: str) -> str:
        raise AssertionError("nobody is to be asked")

    monkeypatch.setattr("getpass.getpass", ask)
    monkeypatch.delenv("SMTPPROTO_PASSWORD", raising=False)


NOT_IN = b"535 5.7.8 no\r\n"


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize("content", [b"tanstaaftanstaaf", b"tanstaaftanstaaf\r\nmore\n"])
def test_a_password_from_a_file(tmp_path: Path, content: bytes, capsys: Capture) -> None:
    (tmp_path / "p").write_bytes(content)
    argv = ["--user", "tim", "--password-file", str(tmp_path / "p")]
    status, heard = authenticates([NOT_IN], *argv)
    assert (status, heard[1]) == (69, AUTH_PLAIN)
    told = capsys.readouterr().err
    assert told.splitlines()[-1] == "smtpproto send: AUTH PLAIN: 535 5.7.8 no"
    assert "-> AUTH PLAIN ***" in told
    assert "tanstaaf" not in told
    assert "AHRpb" not in told


@pytest.mark.usefixtures("unasked")
def test_a_password_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTPPROTO_PASSWORD", PASSWORD)
    status, heard = authenticates([b"454 4.7.0 not now\r\n"], "--user", "tim", "--quiet")
    assert (status, heard[1]) == (75, AUTH_PLAIN)
    monkeypatch.setitem(os.environb, b"SMTPPROTO_PASSWORD", b"\xff")
    status, heard = authenticates([NOT_IN], "--user", "tim", "--auth", "plain", "--quiet")
    assert heard[1] == b"AUTH PLAIN AHRpbQD/\r\n"


def test_a_password_from_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return PASSWORD

    monkeypatch.setattr("getpass.getpass", ask)
    monkeypatch.delenv("SMTPPROTO_PASSWORD", raising=False)
    status, heard = authenticates([NOT_IN], "--user", "tim", "--quiet")
    assert (status, heard[1]) == (69, AUTH_PLAIN)
    assert prompts == ["password of tim: "]


@pytest.mark.parametrize("failure", [EOFError(), getpass.GetPassWarning("echo"), OSError()])
def test_a_password_is_not_asked_for_where_it_would_be_seen(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def ask(prompt: str) -> str:
        if isinstance(failure, Warning):
            warnings.warn(failure, stacklevel=1)
        raise failure

    monkeypatch.setattr("getpass.getpass", ask)
    monkeypatch.delenv("SMTPPROTO_PASSWORD", raising=False)
    assert main(["send", *ENVELOPE, "--body", "x", "--user", "tim"]) == 2
    assert "no terminal to ask for the password" in capsys.readouterr().err


@pytest.mark.usefixtures("unasked")
def test_a_token(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"token\n")
    argv = ["--user", "tim", "--token-file", str(tmp_path / "t"), "--quiet"]
    _, heard = authenticates([NOT_IN], *argv)
    assert heard[1].startswith(b"AUTH XOAUTH2 ")


@pytest.mark.usefixtures("unasked")
def test_a_certificate_in_place_of_a_password() -> None:
    argv = ["--user", "tim", "--auth", "external", "--cert", certificates()[1], "--quiet"]
    _, heard = authenticates([NOT_IN], *argv)
    assert heard[1] == b"AUTH EXTERNAL =\r\n"


@pytest.mark.usefixtures("unasked")
def test_our_certificate_is_shown(tmp_path: Path) -> None:
    ca, own = certificates()
    context = server_context(own)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    inbox = Inbox()
    with serve(inbox, tls=context, tls_mode="implicit", hostname="mx.example.org") as server:
        argv = ["--body", "x", "--security", "implicit", "--ca", ca, "--quiet"]
        assert send(server, *argv) != 0
        assert send(server, *argv, "--cert", own) == 0
    assert len(inbox.messages) == 1


def test_the_password_goes_nowhere_without_tls(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("SMTPPROTO_PASSWORD", PASSWORD)
    monkeypatch.setattr("smtpproto.dialogues.client_settings.is_loopback", lambda address: False)
    status, heard = authenticates([], "--user", "tim", "--security", "none", "--quiet")
    assert status == 76
    assert len(heard) == 1
    assert "without TLS" in capsys.readouterr().err
    argv = ["--user", "tim", "--security", "none", "--cleartext-auth", "--quiet"]
    _, heard = authenticates([NOT_IN], *argv)
    assert heard[1] == AUTH_PLAIN


BOUND = socket.socket()
"""Has a port where nobody listens, and which is nobody else's."""
BOUND.bind(("127.0.0.1", 0))
NOBODY = f"127.0.0.1:{BOUND.getsockname()[1]}"


@pytest.mark.parametrize(
    ("argv", "status", "expected"),
    [
        (["--body", "x", "--server", NOBODY], 75, "no connection to 127.0.0.1 port "),
        (
            ["--body", "x", "--server", "no.such.host.invalid"],
            69,
            "no connection to no.such.host.invalid port 25",
        ),
        (["--body", "x", "--unix", "/no/such/socket"], 75, "no connection to /no/such/socket: "),
        (["--body", "x", "--unix", "s", "--server", "h"], 2, "one of --server and --unix"),
        (["/no/such/file"], 2, "a file with a message expected: "),
        (["--body", "x", "file"], 2, "FILE, or --subject and --body expected, not both"),
        (["--body", "x", "--ca", "/no/such/file"], 2, "--ca: certificates in PEM expected"),
        (["--body", "x", "--ca", __file__], 2, "--ca: certificates in PEM expected"),
        (["--body", "x", "--from", "<>"], 2, "--subject, --body: an address in --from"),
        (["--subject", "a\r\nBcc: x"], 2, "--subject, --body: text expected: "),
        (["--body", "x", "--password-file", "f"], 2, "--password-file, --auth: --user expected"),
        (["--body", "x", "--user", "u", "--password-file", "/no/f"], 2, "--password-file: a file"),
        (["--body", "x", "--user", "u", "--token-file", "/dev/null"], 2, "--token-file: something"),
        (["--body", "x", "--auth", "plain"], 2, "--password-file, --auth: --user expected"),
        (["--body", "x", "--cert", __file__], 2, "--cert: a certificate and its key in PEM"),
    ],
)
def test_a_mistake_is_one_sentence(
    argv: list[str], status: int, expected: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if "no.such.host.invalid" in argv:  # a resolver may take its time to say so
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert main(["send", *ENVELOPE, *argv]) == status
    told = capsys.readouterr().err
    assert told.startswith(f"smtpproto send: {expected}")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "port"),
    [
        ([], 25),
        (["--lmtp"], 24),
        (["--security", "implicit"], 465),
        (["--server", "h.example:2525"], 2525),
    ],
)
def test_the_usual_port(
    argv: list[str], port: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    tried: list[int] = []

    def client(host: str, port: int, **_: object) -> None:
        tried.append(port)
        raise KeyboardInterrupt

    monkeypatch.setattr("smtpproto.cli.send.Client", client)
    assert main(["send", "--server", "h.example", *ENVELOPE, "--body", "x", *argv]) == 130
    assert tried == [port]
