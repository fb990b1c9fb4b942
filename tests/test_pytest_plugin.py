# SPDX-License-Identifier: MIT
"""The fixture for tests of other programs."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_drive import environment

from smtpproto import LocalProtocolError, Reply
from smtpproto.blocking import AllRefused, Client, ReplyError, send_mail
from smtpproto.pytest_plugin import CapturingServer, smtp_server

__all__ = ["smtp_server"]  # the fixture
TEXT = b"Subject: x\r\n\r\ntext\r\n"
BUSY = Reply(450, "come back later", "4.2.0")


def send(server: CapturingServer) -> None:
    options = {"sender": "a@x.org", "recipients": "b@x.org", "security": "none"}
    send_mail(TEXT, server.host, server.port, **options)


def test_a_conftest_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["smtpproto.pytest_plugin"]\n')
    (tmp_path / "test_it.py").write_text("def test_it(smtp_server):\n    assert smtp_server.port\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_what_comes_is_kept(smtp_server: CapturingServer) -> None:
    with smtplib.SMTP(smtp_server.host, smtp_server.port) as client:
        client.sendmail("a@x.org", ["b@x.org"], TEXT)
    [message] = smtp_server.messages
    assert (message.sender, message.recipients, message.content) == ("a@x.org", ("b@x.org",), TEXT)


@pytest.mark.parametrize(("at", "stage"), [("connect", "greeting"), ("EHLO", "EHLO")])
def test_refused_sessions(smtp_server: CapturingServer, at: str, stage: str) -> None:
    smtp_server.refuse(at, Reply(554, "not today"))  # type: ignore[arg-type]
    with pytest.raises(ReplyError, match="554") as caught:
        send(smtp_server)
    assert caught.value.stage == stage
    send(smtp_server)
    assert len(smtp_server.messages) == 1


@pytest.mark.parametrize(
    ("at", "error"), [("MAIL", ReplyError), ("RCPT", AllRefused), ("message", ReplyError)]
)
def test_refused_messages(
    smtp_server: CapturingServer, at: str, error: type[ReplyError | AllRefused]
) -> None:
    smtp_server.refuse(at, BUSY, times=2)  # type: ignore[arg-type]
    with Client(smtp_server.host, smtp_server.port, security="none") as client:
        for _ in range(2):
            with pytest.raises(error) as caught:
                client.send(TEXT, "a@x.org", "b@x.org")
            assert caught.value.is_transient
        assert smtp_server.messages == []
        client.send(TEXT, "a@x.org", "b@x.org")
    assert len(smtp_server.messages) == 1


@pytest.mark.parametrize(
    ("at", "reply", "told"),
    [
        ("DATA", BUSY, "at: one of connect, EHLO, MAIL, RCPT, message expected, not 'DATA'"),
        ("rcpt", BUSY, "not 'rcpt'"),
        ("RCPT", "550 no", "reply: a Reply of 400 to 599 expected, not '550 no'"),
        ("RCPT", Reply(250, "ok"), "a Reply of 400 to 599 expected"),
    ],
)
def test_a_refusal_that_would_never_come(
    smtp_server: CapturingServer, at: Any, reply: Any, told: str
) -> None:
    with pytest.raises(LocalProtocolError, match=told):
        smtp_server.refuse(at, reply)
    send(smtp_server)
    assert len(smtp_server.messages) == 1
