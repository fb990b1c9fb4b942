# SPDX-License-Identifier: MIT
"""The client's part in AUTH (RFC 4954 4)."""

from __future__ import annotations

import pytest
from client_drive import EVERYTHING, answered, events, feed, in_auth, in_mail, ready

from smtpproto import (
    Auth,
    AuthResponse,
    InvalidValueError,
    LocalProtocolError,
    Noop,
    Quit,
    RemoteProtocolError,
    Reply,
    Signal,
    State,
    Violation,
)

SECRET = b"\0tim\0tanstaaftanstaaf"


def test_an_exchange() -> None:
    client = ready()
    assert client.send(Auth("cram-md5")) == b"AUTH CRAM-MD5\r\n"
    event = answered(client, b"334 PDQxMjE+\r\n")
    assert event.challenge == b"<4121>"
    assert client.state is State.AUTH
    assert client.next_event() is Signal.NEED_COMMAND
    assert client.send(AuthResponse(b"tim hash")) == b"dGltIGhhc2g=\r\n"
    assert answered(client, b"334\r\n").challenge == b""
    assert client.send(AuthResponse(b"")) == b"\r\n"
    assert not client.is_authenticated
    event = answered(client, b"235 2.7.0 in\r\n")
    assert event.command == AuthResponse(b"")
    assert event.challenge is None
    assert client.is_authenticated
    assert client.state is State.READY


@pytest.mark.parametrize(
    ("response", "line"),
    [(None, b"AUTH PLAIN\r\n"), (b"", b"AUTH PLAIN =\r\n"), (b"a", b"AUTH PLAIN YQ==\r\n")],
)
def test_an_initial_response_may_be_absent_empty_or_there(
    response: bytes | None, line: bytes
) -> None:
    client = ready()
    assert client.send(Auth("PLAIN", response)) == line
    answered(client, b"235 in\r\n")
    assert client.is_authenticated


@pytest.mark.parametrize(
    ("line", "challenge"),
    [
        (b"334 ", b""),
        (b"334", b""),
        (b"334 VXNlcm5hbWU6", b"Username:"),
        (b"334 NTLM supported", None),
        (b"334 =", None),
        (b"334 YQ=", None),
        (b"334 YQ==YQ==", None),
        (b"334 2.0.0 YQ==", None),
        (b"334-YQ==\r\n334 YQ==", None),
        (b"334 \xff", None),
    ],
)
def test_a_challenge_is_decoded_and_its_text_kept(line: bytes, challenge: bytes | None) -> None:
    client = ready()
    client.send(Auth("CRAM-MD5"))
    event = answered(client, line + b"\r\n")
    assert event.challenge == challenge
    assert client.state is State.AUTH
    if b"NTLM" in line:
        assert event.reply == Reply(334, "NTLM supported")
    assert client.send(AuthResponse(None)) == b"*\r\n"


@pytest.mark.parametrize("reply", [b"501 cancelled\r\n", b"535 no\r\n", b"454 later\r\n"])
def test_a_refusal_ends_the_exchange(reply: bytes) -> None:
    client = in_auth()
    client.send(AuthResponse(b"x"))
    answered(client, reply)
    assert client.state is State.READY
    assert not client.is_authenticated
    assert client.send(Auth("PLAIN", SECRET))


@pytest.mark.parametrize("reply", [b"235 in\r\n", b"250 ok\r\n", b"334 YQ==\r\n"])
def test_no_reply_makes_a_cancelled_exchange_go_on(reply: bytes) -> None:
    client = in_auth()
    client.send(AuthResponse(None))
    with pytest.raises(RemoteProtocolError) as caught:
        feed(client, reply)
    assert caught.value.violation is Violation.REPLY_CODE
    assert not client.is_authenticated


def test_a_cancelled_exchange_is_refused_and_another_may_begin() -> None:
    client = in_auth()
    client.send(AuthResponse(None))
    answered(client, b"501 5.7.0 cancelled\r\n")
    assert client.send(Auth("PLAIN", SECRET))


@pytest.mark.parametrize("reply", [b"354 go\r\n", b"353 go\r\n", b"300 go\r\n"])
def test_only_334_goes_on(reply: bytes) -> None:
    for client in (ready(), in_auth()):
        client.send(AuthResponse(b"x") if client.state is State.AUTH else Auth("PLAIN"))
        with pytest.raises(RemoteProtocolError) as caught:
            feed(client, reply)
        assert caught.value.violation is Violation.REPLY_CODE


def test_334_answers_no_other_command() -> None:
    client = ready()
    client.send(Noop())
    with pytest.raises(RemoteProtocolError):
        feed(client, b"334 \r\n")


def test_one_authenticates_once() -> None:
    client = ready()
    client.send(Auth("PLAIN", SECRET))
    answered(client, b"235 in\r\n")
    with pytest.raises(LocalProtocolError) as caught:
        client.send(Auth("PLAIN", SECRET))
    assert caught.value.violation is Violation.BAD_SEQUENCE


def test_only_an_announced_mechanism_is_used() -> None:
    client = ready("AUTH plain")
    assert client.announced["AUTH"] == ("PLAIN",)
    with pytest.raises(InvalidValueError):
        client.send(Auth("CRAM-MD5"))
    with pytest.raises(LocalProtocolError):
        ready("SIZE").send(Auth("PLAIN", SECRET))
    assert client.send(Auth("plain", SECRET))


def test_no_authentication_within_a_transaction() -> None:
    with pytest.raises(LocalProtocolError):
        in_mail().send(Auth("PLAIN", SECRET))


def test_only_a_response_is_sent_within_the_exchange() -> None:
    client = in_auth()
    for command in (Noop(), Quit(), Auth("PLAIN")):
        with pytest.raises(LocalProtocolError):
            client.send(command)


def test_an_initial_response_fits_the_usual_line() -> None:
    """RFC 4954 4: a longer one is sent as the response to an empty challenge."""
    client = ready()
    fits = b"x" * 372  # 496 octets of base64 behind "AUTH PLAIN "
    with pytest.raises(LocalProtocolError) as caught:
        client.send(Auth("PLAIN", fits + b"xxx"))
    assert caught.value.violation is Violation.LINE_TOO_LONG
    assert len(client.send(Auth("PLAIN", fits))) == 509


def test_a_response_has_a_longer_line() -> None:
    client = in_auth()
    fits = b"x" * (12288 * 3 // 4 - 3)
    with pytest.raises(LocalProtocolError) as caught:
        client.send(AuthResponse(fits + b"xxxx"))
    assert caught.value.violation is Violation.LINE_TOO_LONG
    assert len(client.send(AuthResponse(fits))) == 12286


def test_secrets_show_nowhere() -> None:
    client = ready(*EVERYTHING)
    shown = [repr(Auth("PLAIN", SECRET)), repr(AuthResponse(SECRET)), repr(client)]
    client.send(Auth("PLAIN", SECRET))
    shown.append(repr(client.outstanding))
    with pytest.raises(LocalProtocolError) as caught:
        client.send(AuthResponse(SECRET))
    shown.append(str(caught.value))
    client.receive_eof()
    shown += map(repr, events(client))
    client = in_auth()
    client.send(AuthResponse(SECRET))
    with pytest.raises(RemoteProtocolError) as failed:
        feed(client, b"354 go\r\n")
    shown.append(str(failed.value))
    for text in shown:
        assert "tanstaaf" not in text
        assert "dGltAHRh" not in text
        assert "AHRpbQ" not in text
