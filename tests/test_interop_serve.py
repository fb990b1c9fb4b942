# SPDX-License-Identifier: MIT
"""Clients of others deliver to ``serve``, and every octet that they sent is in the Maildir."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_drive import PATIENCE, Running, Telnet, certificates, serve_process
from interop_drive import (
    HEADER,
    RECIPIENTS_500,
    SENDER,
    big,
    ca,
    each_content,
    run,
    run_in_loop,
    whole,
)

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serve_process(
        tmp_path_factory.mktemp("serve"), "--tls-cert", certificates()[1]
    ) as running:
        yield running


# Called with a port, the recipients, the content, whether to use STARTTLS, and a folder for files.
Send = Callable[[int, list[str], bytes, bool, Path], None]


def by_smtplib(port: int, recipients: list[str], content: bytes, tls: bool, _: Path) -> None:
    options = () if all(map(str.isascii, recipients)) else ("SMTPUTF8",)
    with smtplib.SMTP("localhost", port, timeout=PATIENCE) as client:
        if tls:
            client.starttls(context=ssl.create_default_context(cafile=ca()))
        assert client.sendmail(SENDER, recipients, content, options) == {}


def by_aiosmtplib(port: int, recipients: list[str], content: bytes, tls: bool, _: Path) -> None:
    import aiosmtplib

    async def send() -> None:
        options = [] if all(map(str.isascii, recipients)) else ["SMTPUTF8"]
        context = ssl.create_default_context(cafile=ca())
        async with aiosmtplib.SMTP(
            hostname="localhost", port=port, start_tls=tls, tls_context=context, timeout=PATIENCE
        ) as client:
            refused, _ = await client.sendmail(SENDER, recipients, content, mail_options=options)
            assert refused == {}

    run_in_loop(send())


def by_swaks(port: int, recipients: list[str], content: bytes, tls: bool, folder: Path) -> None:
    """Without its fixups, since they take a dot line for the end, and parse the header.

    So the transparency (RFC 5321 4.5.2) and the end are ours; it adds the last CRLF.
    """
    file = folder / "data"
    stuffed = (whole(content) or b"\r\n").replace(b"\r\n.", b"\r\n..")
    file.write_bytes((b"." if stuffed[:1] == b"." else b"") + stuffed + b".")
    secure = ["--tls", "--tls-verify", "--tls-ca-path", ca()] if tls else []
    run(
        "swaks",
        *("--server", "localhost", "--port", port, "--helo", "client.example", "--silent", 2),
        *("--from", SENDER, "--to", ",".join(recipients)),
        *("--no-data-fixup", "--data", f"@{file}", *secure),
    )


def by_curl(port: int, recipients: list[str], content: bytes, tls: bool, folder: Path) -> None:
    file = folder / "data"
    file.write_bytes(content)
    secure = ["--ssl-reqd", "--cacert", ca()] if tls else []
    run(
        "curl",
        *("--silent", "--show-error", "--upload-file", file, "--mail-from", SENDER, *secure),
        *(word for one in recipients for word in ("--mail-rcpt", one)),
        f"smtp://localhost:{port}/client.example",
    )


def by_msmtp(port: int, recipients: list[str], content: bytes, tls: bool, _: Path) -> None:
    """It reads and writes lines: its input has LF. Told so, it leaves the header alone."""
    secure = ["--tls=on", f"--tls-trust-file={ca()}"] if tls else ["--tls=off"]
    run(
        "msmtp",
        *("--host=localhost", f"--port={port}", "--domain=client.example", f"--from={SENDER}"),
        *("--set-from-header=off", "--set-date-header=off", "--set-msgid-header=off"),
        *("--remove-bcc-headers=off", "--undisclosed-recipients=off", *secure, "--", *recipients),
        given=content.replace(b"\r\n", b"\n"),
    )


PEERS = [by_smtplib, by_aiosmtplib, by_swaks, by_curl, by_msmtp]
# With these an empty message cannot be sent: it becomes an empty line.
ADDS_A_LINE = {by_smtplib, by_aiosmtplib, by_swaks}
peers = pytest.mark.parametrize("send", PEERS, ids=lambda send: send.__name__)


@peers
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "STARTTLS"])
@each_content
def test_every_octet_arrives(
    server: Running, send: Send, tls: bool, content: bytes, tmp_path: Path
) -> None:
    send(server.port, ["b@example.org"], content, tls, tmp_path)
    [(record, arrived)] = server.take()
    assert arrived == (b"\r\n" if not content and send in ADDS_A_LINE else whole(content))
    assert (record["sender"], record["recipients"]) == (SENDER, ["b@example.org"])
    assert bool(record["tls"]) is tls


@peers
def test_20_megabytes(server: Running, send: Send, tmp_path: Path) -> None:
    send(server.port, ["b@example.org"], big(), False, tmp_path)
    [(_, arrived)] = server.take()
    assert arrived == big()


@peers
def test_500_recipients(server: Running, send: Send, tmp_path: Path) -> None:
    send(server.port, RECIPIENTS_500, HEADER, False, tmp_path)
    [(record, _)] = server.take()
    assert record["recipients"] == RECIPIENTS_500


@pytest.mark.parametrize(
    "send", [by_smtplib, by_aiosmtplib, by_curl], ids=lambda send: send.__name__
)
def test_smtputf8(server: Running, send: Send, tmp_path: Path) -> None:
    """swaks 20201014 and msmtp 1.8.23 know nothing of it."""
    send(server.port, ["grüße@example.org"], HEADER, False, tmp_path)
    [(record, _)] = server.take()
    assert record["recipients"] == ["grüße@example.org"]
    assert "SMTPUTF8" in record["mail_parameters"]


def test_what_swaks_makes_by_itself(server: Running) -> None:
    said = run(
        *("swaks", "--server", "127.0.0.1", "--port", server.port, "--helo", "client.example"),
        *("--pipeline", "--from", SENDER, "--to", "b@example.org,c@example.org", "--body", "hi"),
    )
    assert "<-  250 2.0.0 message taken" in said
    [(record, arrived)] = server.take()
    assert record["recipients"] == ["b@example.org", "c@example.org"]
    assert b"\r\n\r\nhi\r\n" in arrived


@pytest.mark.parametrize("sizes", [[0], [7, 0], [1] * 9 + [200], [100_000] * 3], ids=str)
def test_bdat_by_hand(server: Running, sizes: list[int]) -> None:
    """Chunks have no transparency: a dot is a dot (RFC 3030 2)."""
    content = (b"\r\n.\r\n" * sum(sizes))[: sum(sizes)]
    content = content.removesuffix(b"\r")
    sizes[-1] -= sum(sizes) - len(content)
    with Telnet(server.port) as telnet:
        assert telnet.reply()[:3] == b"220"
        assert b"CHUNKING" in telnet.say(b"EHLO client.example")
        group = [b"MAIL FROM:<sender@example.org>\r\n", b"RCPT TO:<b@example.org>\r\n"]
        at = 0
        for number, size in enumerate(sizes):
            last = b" LAST" if number == len(sizes) - 1 else b""
            group.append(b"BDAT %d%s\r\n%s" % (size, last, content[at : at + size]))
            at += size
        telnet.write(b"".join(group))
        assert [telnet.reply()[:3] for _ in group] == [b"250"] * len(group)
        assert telnet.say(b"QUIT")[:3] == b"221"
    [(_, arrived)] = server.take()
    assert arrived == content


def test_curl_verifies_an_address(server: Running) -> None:
    said = run(
        "curl",
        *("--silent", "--verbose", "--mail-rcpt", "postmaster"),
        f"smtp://127.0.0.1:{server.port}/client.example",
    )
    assert "> VRFY postmaster" in said
    assert "< 252 " in said
