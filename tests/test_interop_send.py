# SPDX-License-Identifier: MIT
"""``send`` delivers to servers of others, and every octet that was given arrives there."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli_drive import certificates, stop, wait_for
from interop_drive import CONTENTS, HEADER, RECIPIENTS_500, big, each_content, whole
from interop_servers import free_port

from smtpproto.__main__ import main
from smtpproto.blocking import Client

pytestmark = pytest.mark.interop


def send(where: str, content: bytes, folder: Path, *argv: str) -> int:
    """Send a message to a TCP port, or to a Unix socket."""
    file = folder / "message"
    file.write_bytes(content)
    to = ["--unix", where] if where.startswith("/") else ["--server", where]
    return main(["send", str(file), *to, "--from", "a@example.org", "--quiet", *argv])


# --- aiosmtpd ---


class Inbox:
    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.tls: list[bool] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        self.tls.append(session.ssl is not None)
        return "250 ok"


@pytest.fixture(scope="module")
def aiosmtpd() -> Iterator[tuple[str, Inbox]]:
    from aiosmtpd.controller import Controller

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates()[1])
    inbox = Inbox()
    controller = Controller(
        inbox, "127.0.0.1", free_port(), tls_context=context, enable_SMTPUTF8=True
    )
    controller.start()
    try:
        yield f"127.0.0.1:{controller.port}", inbox
    finally:
        controller.stop()


@pytest.mark.parametrize("security", ["none", "starttls"])
@each_content
def test_aiosmtpd_gets_every_octet(
    aiosmtpd: tuple[str, Inbox], content: bytes, security: str, tmp_path: Path
) -> None:
    where, inbox = aiosmtpd
    options = ("--security", security, "--ca", certificates()[0], "--to", "b@example.org")
    assert send(where, content, tmp_path, *options) == 0
    envelope = inbox.envelopes.pop()
    assert envelope.original_content == whole(content)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("a@example.org", ["b@example.org"])
    assert inbox.tls.pop() is (security == "starttls")


def test_aiosmtpd_gets_20_megabytes(aiosmtpd: tuple[str, Inbox], tmp_path: Path) -> None:
    where, inbox = aiosmtpd
    assert send(where, big(), tmp_path, "--security", "none", "--to", "b@example.org") == 0
    assert inbox.envelopes.pop().original_content == big()


def test_aiosmtpd_gets_500_recipients(aiosmtpd: tuple[str, Inbox], tmp_path: Path) -> None:
    where, inbox = aiosmtpd
    options = [word for one in RECIPIENTS_500 for word in ("--to", one)]
    assert send(where, HEADER, tmp_path, "--security", "none", *options) == 0
    assert inbox.envelopes.pop().rcpt_tos == RECIPIENTS_500


def test_aiosmtpd_gets_an_address_in_utf8(aiosmtpd: tuple[str, Inbox], tmp_path: Path) -> None:
    where, inbox = aiosmtpd
    assert send(where, HEADER, tmp_path, "--security", "none", "--to", "grüße@example.org") == 0
    envelope = inbox.envelopes.pop()
    assert envelope.rcpt_tos == ["grüße@example.org"]
    assert "SMTPUTF8" in envelope.mail_options


# --- smtp-sink, of Postfix ---


class Sink:
    """What a running smtp-sink wrote down."""

    def __init__(self, where: str, folder: Path) -> None:
        self.where = where
        self._folder = folder

    def take(self) -> tuple[dict[str, list[str]], bytes]:
        """Return the envelope and the content of the one message that has come.

        It writes them into a file: fields of its own, of which Received with its three lines is the
        last one, the message with LF, and an empty line.
        """
        [file] = self._folder.iterdir()
        octets = file.read_bytes()
        file.unlink()
        *fields, received = octets.split(b"\nReceived: ", 1)
        envelope: dict[str, list[str]] = {}
        for line in b"".join(fields).decode("utf-8").splitlines():
            name, _, text = line.partition(": ")
            envelope.setdefault(name, []).append(text)
        content = received.split(b"\n", 3)[3]
        assert content.endswith(b"\n")
        return envelope, content[:-1]


@contextmanager
def smtp_sink(*argv: str, unix: bool = False) -> Iterator[Sink]:
    """Run an smtp-sink."""
    program = shutil.which("smtp-sink")
    assert program is not None, "smtp-sink expected in the PATH"
    with TemporaryDirectory() as folder:
        dumps = Path(folder) / "dumps"
        dumps.mkdir()
        user: list[str] = []
        if os.getuid() == 0:  # it insists on another user, who has to get there
            user = ["-u", "nobody"]
            os.chmod(folder, 0o755)
            os.chmod(dumps, 0o777)
        path, port = f"{folder}/socket", free_port()
        listen = f"unix:{path}" if unix else f"inet:127.0.0.1:{port}"
        where = path if unix else f"127.0.0.1:{port}"

        def ready() -> bool | None:
            assert process.poll() is None
            address = path if unix else ("127.0.0.1", port)
            with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as probe:
                return True if probe.connect_ex(address) == 0 else None

        process = subprocess.Popen([program, *user, "-d", f"{dumps}/m.", *argv, listen, "100"])
        try:
            wait_for(ready)
            yield Sink(where, dumps)
        finally:
            stop(process)


def to_lf(content: bytes) -> bytes:
    return whole(content).replace(b"\r\n", b"\n")


KINDS = {
    "pipelining": [],
    "no pipelining": ["-p"],
    "HELO only": ["-e"],
    "a PIX before it": ["-P"],
    "no enhanced status codes": ["-E"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_smtp_sink_gets_every_octet(kind: str, tmp_path: Path) -> None:
    with smtp_sink(*KINDS[kind]) as sink:
        for name, content in CONTENTS.items():
            if name == "8 bit" and kind in ("HELO only", "a PIX before it"):
                continue  # no 8BITMIME there: see below
            to = ("--to", "b@example.org", "--to", "c@example.org")
            assert send(sink.where, content, tmp_path, *to) == 0
            envelope, arrived = sink.take()
            assert arrived == to_lf(content), name
            assert envelope["X-Mail-Args"][0].startswith("<a@example.org>")
            assert envelope["X-Rcpt-Args"] == ["<b@example.org>", "<c@example.org>"]


@pytest.mark.parametrize("kind", ["-8", "-e"])
def test_without_8bitmime_nothing_of_8_bits_is_sent(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with smtp_sink(kind) as sink:
        assert send(sink.where, CONTENTS["8 bit"], tmp_path, "--to", "b@example.org") == 69
    assert "8BITMIME" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [[], ["-p"]], ids=["pipelining", "no pipelining"])
def test_smtp_sink_gets_much(kind: list[str], tmp_path: Path) -> None:
    options = [word for one in RECIPIENTS_500 for word in ("--to", one)]
    with smtp_sink(*kind) as sink:
        assert send(sink.where, big(), tmp_path, *options) == 0
        envelope, arrived = sink.take()
    assert arrived == to_lf(big())
    assert envelope["X-Rcpt-Args"] == [f"<{one}>" for one in RECIPIENTS_500]


@each_content
@pytest.mark.parametrize("unix", [False, True], ids=["TCP", "Unix socket"])
def test_smtp_sink_speaks_lmtp(content: bytes, unix: bool, tmp_path: Path) -> None:
    to = ("--lmtp", "--to", "b@example.org", "--to", "c@example.org")
    with smtp_sink("-L", unix=unix) as sink:
        assert send(sink.where, content, tmp_path, *to) == 0
        envelope, arrived = sink.take()
    assert arrived == to_lf(content)
    assert envelope["X-Client-Proto"] == ["LMTP"]


def test_several_messages_in_one_session() -> None:
    with smtp_sink() as sink:
        host, _, port = sink.where.partition(":")
        with Client(host, int(port)) as client:
            for content in CONTENTS.values():
                result = client.send(content, "a@example.org", ["b@example.org"])
                assert result.is_complete
                assert sink.take()[1] == to_lf(content)


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["-f", "CONNECT"], 69),
        (["-r", "CONNECT"], 75),
        (["-f", "MAIL"], 69),
        (["-r", "MAIL"], 75),
        (["-f", "RCPT"], 69),
        (["-r", "RCPT"], 75),
        (["-f", "DATA"], 69),
        (["-r", "."], 75),
        (["-f", "."], 69),
        (["-q", "CONNECT"], 75),
        (["-q", "EHLO"], 75),
        (["-q", "MAIL"], 75),
        (["-q", "DATA"], 75),
        (["-q", "."], 75),
        (["-q", "QUIT"], 0),
        (["-Q", "RCPT"], 75),
        (["-Q", "."], 75),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_smtp_sink_refuses(argv: list[str], status: int, tmp_path: Path) -> None:
    with smtp_sink(*argv) as sink:
        assert send(sink.where, HEADER, tmp_path, "--to", "b@example.org") == status


def test_a_refusal_in_the_middle_of_mail_data_is_one(tmp_path: Path) -> None:
    """It comes unasked: a breach of the protocol, unless it is late enough to be the reply."""
    with smtp_sink("-A", "0") as sink:
        assert send(sink.where, HEADER, tmp_path, "--to", "b@example.org") in (69, 76)
