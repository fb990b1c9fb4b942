# SPDX-License-Identifier: MIT
"""``serve`` takes mail, keeps what it has answered 250 for, and ends when it is told to."""

from __future__ import annotations

import errno
import json
import os
import signal
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cli_drive import PATIENCE, Telnet, certificates, messages, serve_for, wait_for

from smtpproto.__main__ import main
from smtpproto.cli import later
from smtpproto.handlers import Maildir, Print
from smtpproto.sasl import format_credentials, make_scram_credentials

TEXT = b"Subject: x\r\n\r\ntext\r\n"
Capture = pytest.CaptureFixture[str]


def deliver(port: int, *recipients: str, content: bytes = TEXT) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("a@example.org", recipients or ("b@example.org",), content)


def test_what_arrives_is_written_to_standard_output(capsys: Capture) -> None:
    serve_for(deliver, "--hostname", "mx.example.org")
    shown, notes = capsys.readouterr()
    assert "MAIL FROM:<a@example.org> SIZE=20\nRCPT TO:<b@example.org>\n" in shown
    assert "Subject: x\n\ntext\n--- end of message 1, 20 octets ---\n" in shown
    assert notes.startswith("smtpproto serve: listening on 127.0.0.1 port ")
    assert notes.endswith("\nsmtpproto serve: ending\n")
    assert notes.count("\n") == 2


def test_nothing_of_a_stranger_moves_the_cursor(capsys: Capture) -> None:
    def client(port: int) -> None:
        with Telnet(port) as telnet:
            telnet.reply()
            telnet.say(b"HELO \x1b[2J")
            telnet.say(b"EHLO x")
            telnet.say(b'MAIL FROM:<"\x1b[2J"@example.org>')
            telnet.say(b"MAIL FROM:<a@example.org>")
            telnet.say(b"RCPT TO:<b@example.org>")
            telnet.say(b"DATA")
            telnet.say(b"Sub\x1b[2J: \x1b[2J\r\n\r\n\x1b[2J\x9b\xc2\x9b\r\n.")

    serve_for(client, "--transcript")
    shown, notes = capsys.readouterr()
    assert "\x1b" not in shown + notes
    assert "\x9b" not in shown + notes
    assert r"\x1b[2J" in shown
    assert r"\x1b[2J" in notes


def test_json_lines(capsys: Capture) -> None:
    serve_for(lambda port: [deliver(port), deliver(port)], "--json")
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["content"].encode() for record in records] == [TEXT, TEXT]


@pytest.mark.parametrize(
    ("hostname", "here"),
    [(None, "localhost"), ("mx.example.org", "mx.example.org"), ("[192.0.2.1]", "localhost")],
)
def test_what_old_devices_write(hostname: str | None, here: str, capsys: Capture) -> None:
    def client(port: int) -> None:
        with Telnet(port) as telnet:
            telnet.reply()
            telnet.say(b"EHLO x")
            telnet.say(b"MAIL FROM:root XDEVICE=1")
            for recipient in (b"a..b@my_host.example.", b"<postmaster>"):
                telnet.say(b"RCPT TO:" + recipient)
            telnet.say(b"DATA")
            telnet.say(b".")

    naming = () if hostname is None else ("--hostname", hostname)
    serve_for(client, "--json", "--lenient", *naming)
    record = json.loads(capsys.readouterr().out)
    assert record["sender"] == f"root@{here}"
    assert record["recipients"] == ['"a..b"@my_host.example', f"postmaster@{here}"]
    serve_for(client, "--json", *naming)
    assert capsys.readouterr().out == ""


def test_a_maildir_and_nothing_else(tmp_path: Path, capsys: Capture) -> None:
    serve_for(deliver, "--maildir", str(tmp_path / "m"), "--quiet")
    assert messages(tmp_path / "m") == [TEXT]
    assert capsys.readouterr().out == ""


def test_the_transcript_goes_to_standard_error(capsys: Capture) -> None:
    serve_for(deliver, "--transcript", "--hostname", "mx.example.org")
    notes = capsys.readouterr().err
    for line in ("<- 220 mx.example.org ESMTP", "-> data", "-> QUIT"):
        assert line in notes.splitlines()


def test_starttls(tmp_path: Path) -> None:
    ca, own = certificates()

    def client(port: int) -> None:
        with smtplib.SMTP("localhost", port) as session:
            session.starttls(context=ssl.create_default_context(cafile=ca))
            session.sendmail("a@example.org", ["b@example.org"], TEXT)

    serve_for(client, "--tls-cert", own, "--maildir", str(tmp_path))
    assert messages(tmp_path) == [TEXT]


def test_no_mail_in_the_clear(tmp_path: Path) -> None:
    ca, own = certificates()

    def client(port: int) -> None:
        with smtplib.SMTP("localhost", port) as session:
            with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
                session.sendmail("a@example.org", ["b@example.org"], TEXT)
            session.starttls(context=ssl.create_default_context(cafile=ca))
            session.sendmail("a@example.org", ["b@example.org"], TEXT)

    serve_for(client, "--tls-cert", own, "--require-tls", "--maildir", str(tmp_path))
    assert messages(tmp_path) == [TEXT]


def test_implicit_tls_with_a_key_of_its_own(tmp_path: Path, capsys: Capture) -> None:
    ca, own = certificates()

    def client(port: int) -> bytes:
        context = ssl.create_default_context(cafile=ca)
        with smtplib.SMTP_SSL("localhost", port, context=context) as session:
            session.sendmail("a@example.org", ["b@example.org"], TEXT)
            return session.ehlo_resp or b""

    announced = serve_for(client, "--tls-cert", own, "--tls-key", own, "--implicit-tls", "--json")
    assert b"STARTTLS" not in announced
    assert json.loads(capsys.readouterr().out)["tls"].startswith("TLSv1.")


@pytest.mark.parametrize("argv", [[], ["--implicit-tls"]], ids=["STARTTLS", "implicit"])
def test_a_client_that_fails_at_tls_leaves_no_trace(argv: list[str], capsys: Capture) -> None:
    def client(port: int) -> None:
        with Telnet(port) as telnet:
            if not argv:
                telnet.reply()
                telnet.say(b"EHLO client.example")
                telnet.say(b"STARTTLS")
            telnet.write(b"EHLO client.example\r\n" * 10)
            with suppress(ConnectionResetError):  # there was more to read for the server
                while telnet.reply():
                    pass

    serve_for(client, "--tls-cert", certificates()[1], *argv)
    assert capsys.readouterr().err.count("\n") == 2


def users(folder: Path, text: str = "joe:joe's\n") -> str:
    file = folder / "users"
    file.write_text(text, "utf-8")
    return str(file)


def test_users_of_a_file(tmp_path: Path) -> None:
    def client(port: int) -> bytes:
        with smtplib.SMTP("127.0.0.1", port) as session:
            with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
                session.login("joe", "ann's")
            with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
                session.sendmail("a@example.org", ["b@example.org"], TEXT)
            session.login("joe", "joe's")
            session.sendmail("a@example.org", ["b@example.org"], TEXT)
            return session.ehlo_resp or b""

    argv = ["--auth", users(tmp_path), "--require-auth", "--maildir", str(tmp_path / "m")]
    assert b"AUTH SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN\n" in serve_for(client, *argv)
    assert messages(tmp_path / "m") == [TEXT]


def test_passwords_do_not_leave_the_machine_in_the_clear(tmp_path: Path) -> None:
    _, own = certificates()

    def client(port: int) -> bytes:
        with smtplib.SMTP("127.0.0.1", port) as session:
            session.ehlo()
            return session.ehlo_resp or b""

    for argv in (["--host", "0.0.0.0"], ["--tls-cert", own]):
        announced = serve_for(client, "--auth", users(tmp_path), *argv)
        assert b"SCRAM-SHA-256" in announced
        assert b"PLAIN" not in announced
    announced = serve_for(client, "--auth", users(tmp_path), "--host", "localhost")
    assert b"PLAIN" in announced


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--auth: a file that can be read expected: "),
        ("joe\n", "--auth: line 1: name:password expected"),
        ("\xe9:", "--auth: line 1"),
    ],
)
def test_users_that_cannot_be_read(
    tmp_path: Path, capsys: Capture, text: str | None, message: str
) -> None:
    file = str(tmp_path / "none") if text is None else users(tmp_path, text)
    assert main(["serve", "--port", "0", "--auth", file]) != 0
    assert message in capsys.readouterr().err


def test_authentication_that_nobody_could_pass(tmp_path: Path, capsys: Capture) -> None:
    assert main(["serve", "--port", "0", "--require-auth"]) != 0
    assert "--require-auth: --auth expected too" in capsys.readouterr().err
    kept = [make_scram_credentials("x", b"salt", 1, name) for name in ("SHA-1", "SHA-256")]
    lines = [f"user{number}:{format_credentials(one)}" for number, one in enumerate(kept)]
    argv = ["--port", "0", "--host", "0.0.0.0", "--auth", users(tmp_path, "\n".join(lines))]
    assert main(["serve", *argv]) != 0
    assert "tls expected, since without it PLAIN LOGIN would not be offered" in (
        capsys.readouterr().err
    )


def test_lmtp_over_a_unix_socket(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "lmtp.sock"

    def client() -> None:
        try:
            wait_for(lambda: path.exists() or None)
            with smtplib.LMTP(str(path)) as session:
                assert session.ehlo()[0] == 250, "it says LHLO"
                session.sendmail("a@example.org", ["b@example.org"], TEXT)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=client)
    thread.start()
    try:
        assert main(["serve", "--lmtp", "--unix", str(path), "--json"]) == 0
    finally:
        thread.join()
    shown, notes = capsys.readouterr()
    record = json.loads(shown)
    assert record["recipients"] == ["b@example.org"]
    assert record["peer"] == "local"
    assert f"listening on {path}\n" in notes
    assert not path.exists()


def test_a_message_past_the_size_is_refused(tmp_path: Path) -> None:
    def client(port: int) -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", port) as session:
            session.ehlo()
            assert session.esmtp_features["size"] == "2048"
            session.esmtp_features.clear()  # so that it says nothing of the size before
            with pytest.raises(smtplib.SMTPDataError) as refused:
                session.sendmail("a@example.org", ["b@example.org"], b"x" * 2047)
            assert refused.value.smtp_code == 552
            session.sendmail("a@example.org", ["b@example.org"], b"x" * 2046)
            return session.noop()

    assert serve_for(client, "--size", "2K", "--maildir", str(tmp_path), "--quiet")[0] == 250
    assert messages(tmp_path) == [b"x" * 2046 + b"\r\n"]


def test_recipients_are_refused_as_told(tmp_path: Path) -> None:
    def client(port: int) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port) as session:
            return session.sendmail(
                "a@example.org", ["Bad@example.org", "slow@x.example", "b@example.org"], TEXT
            )

    refused = serve_for(
        client,
        "--maildir",
        str(tmp_path),
        "--reject=bad@*=550 5.1.1 no such user",
        "--reject=*@x.example=451 4.3.0 later",
    )
    assert refused == {
        "Bad@example.org": (550, b"5.1.1 no such user"),
        "slow@x.example": (451, b"4.3.0 later"),
    }
    assert len(messages(tmp_path)) == 1


def test_what_cannot_be_stored_is_not_taken(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, is_full = os.fsync, [True]

    def fsync(descriptor: int) -> None:
        if is_full:
            is_full.clear()
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    def client(port: int) -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", port) as session:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                session.sendmail("a@example.org", ["b@example.org"], TEXT)
            session.sendmail("a@example.org", ["b@example.org"], TEXT)
            return refused.value.smtp_code, refused.value.smtp_error

    monkeypatch.setattr(os, "fsync", fsync)
    code, text = serve_for(client, "--maildir", str(tmp_path), "--quiet")
    assert (code, text) == (452, b"4.3.1 message not stored, try again later")
    assert messages(tmp_path) == [TEXT]
    assert "not written: [Errno 28] No space left on device\n" in capsys.readouterr().err


def test_a_terminal_that_is_gone_does_not_lose_what_the_maildir_has(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(Print, "write", gone)
    serve_for(deliver, "--maildir", str(tmp_path))
    assert messages(tmp_path) == [TEXT]
    assert "kept, but not shown: [Errno 32] Broken pipe\n" in capsys.readouterr().err


# --- the end ---


def through(*lines: bytes) -> Callable[[Telnet], None]:
    """Return what says these lines and reads their replies."""

    def speak(telnet: Telnet) -> None:
        assert telnet.reply()[:3] == b"220"
        for line in lines:
            assert telnet.say(line)[:1] in b"23", line

    return speak


HELLO = (b"EHLO client.example", b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("said", [(), HELLO[:1], HELLO], ids=["nothing", "EHLO", "RCPT"])
def test_idle_clients_get_421(said: tuple[bytes, ...], number: signal.Signals) -> None:
    telnets: list[Telnet] = []

    def client(port: int) -> None:
        telnets.append(Telnet(port))
        through(*said)(telnets[0])

    serve_for(client, number=number)
    with telnets[0] as telnet:
        assert telnet.reply() == b"421 4.3.2 server shutting down\r\n"
        assert telnet.reply() == b""


def test_a_message_on_its_way_is_finished(tmp_path: Path) -> None:
    """Told to end in the middle of mail data, the server takes the rest, and no other message."""
    late: list[threading.Thread] = []
    heard: list[bytes] = []

    def client(port: int) -> None:
        telnet, other = Telnet(port), Telnet(port)
        through(*HELLO, b"DATA")(telnet)
        through(*HELLO)(other)
        telnet.write(TEXT)

        def rest() -> None:
            with telnet, other:
                heard.append(other.reply())
                heard.append(telnet.say(b"."))
                heard.append(telnet.reply())

        late.append(threading.Thread(target=rest))
        late[0].start()

    serve_for(client, "--maildir", str(tmp_path), "--quiet")
    late[0].join()
    assert heard[0] == b"421 4.3.2 server shutting down\r\n"
    assert heard[1] == b"250 2.0.0 message taken\r\n"
    assert heard[2] == b"421 4.3.2 server shutting down\r\n"
    assert messages(tmp_path) == [TEXT]


def test_a_message_that_does_not_end_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later, "_GRACE", 0.1)
    telnets: list[Telnet] = []

    def client(port: int) -> None:
        telnets.append(Telnet(port))
        through(*HELLO, b"DATA")(telnets[0])
        telnets[0].write(TEXT)

    serve_for(client, "--maildir", str(tmp_path), "--quiet")
    with telnets[0] as telnet:
        assert telnet.reply() == b"421 4.3.2 server shutting down\r\n"
    assert messages(tmp_path) == []


def test_a_message_that_is_broken_off_is_not_kept(tmp_path: Path) -> None:
    def client(port: int) -> None:
        with Telnet(port) as telnet:
            through(*HELLO, b"DATA")(telnet)
            telnet.write(TEXT)
        deliver(port)

    serve_for(client, "--maildir", str(tmp_path), "--quiet")
    assert messages(tmp_path) == [TEXT]


# --- mistakes ---


def told(capsys: Capture, *argv: str) -> tuple[int, str]:
    """Run a server that cannot be; return the status and the one sentence that is told."""
    status = main(["serve", "--port", "0", *argv])
    shown, notes = capsys.readouterr()
    assert shown == ""
    assert notes.count("\n") == 1
    return status, notes.removeprefix("smtpproto serve: ").strip()


def test_a_port_in_use(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, sentence = told(capsys, "--port", str(port))
    assert status == 69
    assert sentence == (
        f"cannot listen on 127.0.0.1 port {port}: another program listens there; "
        "choose another --port, or 0 for any"
    )


@pytest.mark.parametrize(
    ("argv", "status", "expected"),
    [
        (
            ["--host", "192.0.2.1"],
            69,
            "cannot listen on 192.0.2.1 port 0: this machine has no such address; choose another "
            "--host",
        ),
        (["--host", "no.such.host.invalid"], 69, "cannot listen on no.such.host.invalid port 0: "),
        (["--unix", "/no/such/folder/s"], 69, "cannot listen on /no/such/folder/s: No such file"),
        (
            ["--unix", __file__],
            69,
            f"cannot listen on {__file__}: another program listens there, or it is a file",
        ),
        (["--tls-cert", "/no/such/file"], 2, "--tls-cert: a certificate and its key in PEM"),
        (["--tls-cert", __file__], 2, "--tls-cert: a certificate and its key in PEM expected"),
        (["--tls-key", "x"], 2, "--tls-key: --tls-cert expected too"),
        (["--implicit-tls"], 2, "--implicit-tls: --tls-cert expected too"),
        (["--require-tls"], 2, "--require-tls: --tls-cert expected too"),
        (["--quiet"], 2, "--quiet: --maildir expected too"),
        (["--unix", "s", "--port-file", "p"], 2, "--port-file: a TCP port expected"),
        (["--maildir", ""], 2, "--maildir: the name of a folder expected"),
        (["--port-file", ""], 2, "--port-file: the name of a file expected"),
        (["--host", "\udcff"], 2, "host: a name or an address without a port"),
        (["--maildir", __file__], 2, "--maildir: a folder that can be written expected"),
        (["--port-file", "/no/such/folder/p"], 2, "--port-file: "),
    ],
)
def test_a_mistake_is_one_sentence(
    capsys: Capture, argv: list[str], status: int, expected: str
) -> None:
    found, sentence = told(capsys, *argv)
    assert (found, sentence[: len(expected)]) == (status, expected)


@pytest.fixture
def common_user() -> Iterator[None]:
    """Be no privileged user, who may write anywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
@pytest.mark.parametrize("name", ["tmp", "new"])
@pytest.mark.usefixtures("common_user")
def test_a_maildir_that_cannot_be_written(capsys: Capture, name: str) -> None:
    """It is told at once, not at each message."""
    with TemporaryDirectory() as folder:
        maildir = Path(folder) / "m"
        Maildir(maildir)
        (maildir / name).chmod(0o500)
        status, sentence = told(capsys, "--maildir", str(maildir))
    assert status == 2
    assert sentence.startswith("--maildir: a folder that can be written expected: ")
    assert str(maildir / name) in sentence


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            errno.EACCES,
            "only a privileged user may listen there; choose a --port from 1024 on, or 0 for any",
        ),
        (errno.ENOBUFS, os.strerror(errno.ENOBUFS)),
    ],
)
def test_the_address_is_named_once(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, number: int, expected: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    status, sentence = told(capsys, "--port", "25")
    assert status == 69
    assert sentence == f"cannot listen on 127.0.0.1 port 25: {expected}"


def test_a_port_file_that_cannot_be_leaves_nothing_behind(capsys: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert told(capsys, "--port-file", str(folder))[0] == 2
    assert list(tmp_path.iterdir()) == [folder]


def test_a_server_for_everybody_warns(capsys: Capture) -> None:
    serve_for(lambda port: None, "--host", "0.0.0.0")
    assert "warning: 0.0.0.0 is open to other machines" in capsys.readouterr().err


def test_a_terminal_that_stands_still_holds_no_message_up(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def stand_still(*_: object) -> None:
        goes_on.wait()

    def client(port: int) -> None:
        for _ in range(4):
            deliver(port)
        goes_on.set()

    monkeypatch.setattr(Print, "write", stand_still)
    monkeypatch.setattr(later, "_WAITING", 500)
    serve_for(client, "--maildir", str(tmp_path))
    assert messages(tmp_path) == [TEXT] * 4
    assert "kept, but not shown: the output stands still\n" in capsys.readouterr().err


def test_a_terminal_that_stands_still_does_not_keep_the_server_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message without a Maildir is only taken once it is written, and this one never is."""
    goes_on, standing = threading.Event(), threading.Event()
    telnets: list[Telnet] = []
    writers: list[threading.Thread] = []

    def stand_still(*_: object) -> None:
        writers.append(threading.current_thread())
        standing.set()
        goes_on.wait()

    def client(port: int) -> None:
        for _ in range(2):
            telnets.append(Telnet(port))
            through(*HELLO, b"DATA")(telnets[-1])
            telnets[-1].write(TEXT + b".\r\n")
            assert standing.wait(PATIENCE)

    monkeypatch.setattr(Print, "write", stand_still)
    monkeypatch.setattr(later, "_GRACE", 0.1)
    try:
        serve_for(client)
        for telnet in telnets:
            with telnet, suppress(ConnectionError):
                assert telnet.reply() == b"", "neither taken nor refused"
    finally:
        goes_on.set()
    writers[0].join(PATIENCE)
    assert len(writers) == 1, "the other message was given up before it was written"


def test_clients_behind_a_proxy(tmp_path: Path, capsys: Capture) -> None:
    def client(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n")
            raw.sendall(b"".join(line + b"\r\n" for line in (*HELLO, b"DATA")))
            raw.sendall(TEXT + b".\r\nQUIT\r\n")
            with raw.makefile("rb") as replies:
                assert replies.readlines()[-1].startswith(b"221")

    serve_for(client, "--proxy", "127.0.0.1", "--json")
    assert json.loads(capsys.readouterr().out)["peer"] == "192.0.2.1:4711"


def test_passwords_do_not_go_in_the_clear_through_a_proxy(tmp_path: Path, capsys: Capture) -> None:
    """A client of a local proxy is not local."""
    users = tmp_path / "users"
    users.write_text("ann:secret\n")
    users.chmod(0o600)

    def client(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\nEHLO x\r\nQUIT\r\n")
            with raw.makefile("rb") as replies:
                return replies.read()

    said = serve_for(client, "--proxy", "127.0.0.1", "--auth", str(users), "--json")
    assert b"221" in said
    assert b"PLAIN" not in said


@pytest.mark.parametrize("network", ["localhost", "10.0.0.0/33", ""])
def test_no_network(network: str, capsys: Capture) -> None:
    status, sentence = told(capsys, "--proxy", network)
    assert status == 2
    assert "proxy" in sentence


def test_the_envelope_is_kept_where_the_server_has_a_name(tmp_path: Path) -> None:
    """RFC 5321 4.4."""
    serve_for(deliver, "--maildir", str(tmp_path), "--quiet", "--hostname", "mx.example.org")
    [content] = messages(tmp_path)
    assert content.startswith(b"Return-Path: <a@example.org>\r\nReceived: from ")
    assert b" by mx.example.org with ESMTP\r\n\tfor <b@example.org>" in content.replace(
        b"\tby", b" by"
    )
    assert content.endswith(TEXT)


def test_a_folder_that_takes_nothing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def client(port: int) -> int:
        with smtplib.SMTP("127.0.0.1", port) as session:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                session.sendmail("a@example.org", ["b@example.org"], TEXT)
            return refused.value.smtp_code

    monkeypatch.setattr(Maildir, "open_message", full)
    assert serve_for(client, "--maildir", str(tmp_path), "--quiet") == 452
    monkeypatch.setattr(Print, "write", full)
    assert serve_for(client) == 452
    assert capsys.readouterr().err.count("not written: [Errno 28]") == 2
