# SPDX-License-Identifier: MIT
"""XCLIENT and XFORWARD in a server's conversation, and commands of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from dialogue_drive import Recorder, Run, drive

from smtpproto import Command, LocalProtocolError, Reply
from smtpproto.dialogues import Collect, Peer, Reject
from smtpproto.dialogues.deadlines import StoppedClock
from smtpproto.dialogues.opening import Reception
from smtpproto.dialogues.server_settings import (
    ServerSettings,
    default_extensions,
    server_settings,
)
from smtpproto.extensions import Atrn, Burl, Etrn, Extension, Row, WellKnown, XClient, XForward
from smtpproto.limits import Limits
from smtpproto.sasl import VerifyPassword
from smtpproto.states import State

PROXY = ("10.0.0.1", 4711)
HELLO = b"EHLO proxy.example\r\n"
CLAIM = b"XCLIENT NAME=client.example ADDR=192.0.2.7 PORT=99 HELO=a.example LOGIN=ann\r\n"
NOTES = b"XFORWARD NAME=client.example ADDR=IPV6:2001:db8::7 PORT=99\r\n"
MESSAGE = b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n.\r\n"


def opened(handler: Any, *inputs: bytes, address: Any = PROXY, **options: Any) -> Run:
    options = {"xclient": ["10.0.0.0/8"], **options}
    told = settings(handler, **options)
    return drive(Reception(told, StoppedClock()).session(address, 1), inputs)


def settings(handler: Any, **options: Any) -> ServerSettings:
    return server_settings(
        handler,
        own_name="mx.example.org",
        has_tls=False,
        tls_mode="starttls",
        random=bytes,
        **options,
    )


def seeing(name: str, seen: list[Any]) -> Any:
    """Return a handler that notes what it knows of its peer at a hook."""

    def look(peer: Peer, *_: Any) -> None:
        seen.append((peer.address, peer.identity, dict(peer.claimed), dict(peer.forwarded)))

    return Recorder(**{"on_message": None, name: look})


def test_only_the_trusted_may_speak_for_others() -> None:
    run = opened(Recorder(), HELLO, CLAIM)
    assert any(line.startswith("250-XCLIENT ") for line in run.lines)
    assert any("XFORWARD" in line for line in run.lines)
    assert run.codes == [220, 250, 220]
    for address in (("192.0.2.1", 1), "", None):
        run = opened(Recorder(), HELLO, CLAIM, NOTES, address=address)
        assert not any(line.startswith(("250-X", "250 X")) for line in run.lines)
        assert run.codes[2] >= 500
        assert run.codes[3] >= 500


def test_the_client_is_another_from_then_on() -> None:
    seen: list[Any] = []
    run = opened(seeing("on_mail", seen), HELLO, CLAIM, b"EHLO a.example\r\n", MESSAGE)
    assert run.codes[2] == 220
    address, identity, claimed, _ = seen[0]
    assert (address, identity) == (("192.0.2.7", 99), "ann")
    assert claimed["HELO"] == "a.example"


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (b"XCLIENT ADDR=IPV6:2001:db8::7\r\n", ("2001:db8::7", 0)),
        (b"XCLIENT ADDR=[UNAVAILABLE]\r\n", None),
        (b"XCLIENT ADDR=192.0.2.7 PORT=[UNAVAILABLE]\r\n", ("192.0.2.7", 0)),
        (b"XCLIENT NAME=client.example\r\n", PROXY),
    ],
)
def test_the_address_that_is_claimed(line: bytes, address: Any) -> None:
    seen: list[Any] = []
    opened(seeing("on_connect", seen), HELLO, line)
    assert [one[0] for one in seen] == [PROXY, address]


def facts(peer: Peer) -> tuple[Any, ...]:
    return peer.address, peer.identity, peer.hello, peer.mechanism, dict(peer.claimed)


def test_the_hook_that_greets_sees_the_claimed_client() -> None:
    """As it would see one that had connected, and not what the proxy had said of itself."""
    seen: list[Any] = []
    handler = Recorder(on_message=None, on_connect=lambda peer: seen.append(facts(peer)))
    opened(handler, HELLO, CLAIM)
    address, identity, hello, mechanism, claimed = seen[1]
    assert (address, identity, hello, mechanism) == (("192.0.2.7", 99), "ann", None, None)
    assert claimed["NAME"] == "client.example"


class Known(Collect):
    """Lets in whom it knows, and notes what each hook saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def on_auth(self, peer: Peer, request: Any) -> Any:
        return isinstance(request, VerifyPassword) or None

    def on_connect(self, peer: Peer) -> Reply | None:
        self.seen.append(facts(peer))
        return Reply(450, "later") if peer.claimed and peer.identity is None else None

    def on_rcpt(self, peer: Peer, rcpt: Any) -> None:
        self.seen.append(facts(peer))


def test_a_claimed_client_has_not_authenticated_because_the_proxy_has() -> None:
    handler = Known()
    login = b"AUTH PLAIN AHByb3h5AHg=\r\n"
    claims = b"XCLIENT ADDR=192.0.2.7 PORT=99\r\n"
    run = opened(handler, HELLO, login, claims, MESSAGE, auth_cleartext=True)
    assert run.codes[:4] == [220, 250, 235, 450]
    assert handler.seen[1][:4] == (("192.0.2.7", 99), None, None, None)
    # It was refused: the client is the proxy again.
    address, identity, hello, mechanism, claimed = handler.seen[2]
    assert (address, identity, mechanism, claimed) == (PROXY, "proxy", "PLAIN", {})
    assert hello is not None


AGAIN = b"XCLIENT ADDR=192.0.2.8 LOGIN=root\r\n"


@pytest.mark.parametrize("line", [AGAIN, b"XCLIENT LOGIN=root\r\n", NOTES])
def test_who_was_claimed_may_claim_nothing(line: bytes) -> None:
    """A proxy passes on what the client says once it has told who that is."""
    seen: list[Any] = []
    run = opened(seeing("on_mail", seen), HELLO, CLAIM, HELLO, line, MESSAGE)
    assert run.codes[4] >= 500
    address, identity, claimed, forwarded = seen[0]
    assert (address, identity, forwarded) == (("192.0.2.7", 99), "ann", {})
    assert claimed["LOGIN"] == "ann"


def test_several_claims_of_one_client() -> None:
    """What does not fit in a line comes in several, ADDR in the last."""
    seen: list[Any] = []
    first, second = b"XCLIENT LOGIN=ann PORT=98\r\n", b"XCLIENT ADDR=192.0.2.8\r\n"
    run = opened(seeing("on_mail", seen), HELLO, first, HELLO, second, HELLO, MESSAGE)
    assert run.codes[2:6] == [220, 250, 220, 250]
    assert seen[0][0] == ("192.0.2.8", 98)


@pytest.mark.parametrize("answer", [Reply(554, "not you"), Reject(450, "later")])
def test_the_application_may_turn_the_claimed_client_away(answer: Any) -> None:
    seen: list[Any] = []

    def connect(peer: Peer) -> Any:
        if peer.address == PROXY:
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    handler = seeing("on_mail", seen)
    handler.on_connect = connect
    run = opened(handler, HELLO, CLAIM, MESSAGE)
    assert run.codes[2] >= 400
    assert [one[0] for one in seen] == [PROXY]


def test_the_greeting_of_the_claimed_client_fails() -> None:
    """It ends the session, which could be anybody's."""

    def connect(peer: Peer) -> Any:
        if peer.address != PROXY:
            raise ValueError

    seen: list[Any] = []
    handler = seeing("on_mail", seen)
    handler.on_connect = connect
    run = opened(handler, HELLO, CLAIM + MESSAGE)
    assert run.lines[-1] == "421 4.3.0 local error"
    assert seen == []


def test_what_is_forwarded_ends_with_the_transaction() -> None:
    seen: list[Any] = []
    handler = seeing("on_message", seen)
    run = opened(handler, HELLO, NOTES, b"XFORWARD HELO=a.example\r\n", MESSAGE, MESSAGE)
    assert run.codes[2:4] == [250, 250]
    address, _, claimed, forwarded = seen[0]
    assert (address, claimed) == (PROXY, {})
    assert forwarded["NAME"] == "client.example"
    assert str(forwarded["ADDR"]) == "2001:db8::7"
    assert forwarded["HELO"] == "a.example"
    assert seen[1][3] == {}


@pytest.mark.parametrize("end", [b"RSET\r\n", HELLO])
def test_what_is_forwarded_ends_with_rset(end: bytes) -> None:
    seen: list[Any] = []
    opened(seeing("on_mail", seen), HELLO, NOTES, end, MESSAGE)
    assert seen[0][3] == {}


def test_settings_that_do_not_fit() -> None:
    for trusted in (None, ["10.0.0.0/8"]):  # without it anybody could say to be anybody
        for claim in (XClient(), XForward()):
            with pytest.raises(LocalProtocolError, match=f"no {claim.keyword} expected: xclient"):
                opened(Collect(), extensions=[claim], xclient=trusted)
    with pytest.raises(LocalProtocolError, match="xclient: IP addresses"):
        opened(Collect(), xclient=["example.org"])


# --- commands of one's own -----------------------------------------------------------------------


class Wave(Command):
    verb = "XWAVE"


class Waving(Extension):
    keyword = "XWAVE"
    verbs = (Wave,)
    rows = (Row((State.READY,), Wave),)


@pytest.mark.parametrize(
    ("answer", "code"),
    [(None, 250), (Reply(252, "hello"), 252), (Reject(450, "later"), 450), (7, 451)],
)
def test_a_command_of_ones_own_has_a_hook(answer: Any, code: int) -> None:
    handler = Recorder(on_command=answer)
    run = opened(handler, HELLO, b"XWAVE\r\n", xclient=None, extensions=[Waving()])
    assert run.codes == [220, 250, code]
    assert [(name, type(command)) for name, command in handler.calls] == [("on_command", Wave)]


class WaveBack(Wave):
    default_reply = Reply(252, "hello", "2.0.0")


class WavingBack(Extension):
    keyword = "XWAVE"
    verbs = (WaveBack,)
    rows = (Row((State.READY,), WaveBack),)


@pytest.mark.parametrize(
    ("hooks", "code"),
    [({"on_command": Reply(251, "x")}, 251), ({"on_command": None}, 252), ({}, 252)],
)
def test_the_hook_goes_before_the_default_reply(hooks: Any, code: int) -> None:
    run = opened(Recorder(**hooks), HELLO, b"XWAVE\r\n", xclient=None, extensions=[WavingBack()])
    assert run.codes == [220, 250, code]


def test_the_hook_is_not_asked_about_commands_of_everybody() -> None:
    handler = Recorder(on_command=Reply(550, "no"), on_message=None)
    lines = HELLO + b"NOOP\r\nVRFY x\r\nHELP\r\nEXPN x\r\nRSET\r\n" + MESSAGE
    run = opened(handler, lines + NOTES + b"QUIT\r\n", extensions=[])
    assert 550 not in run.codes
    assert "on_command" not in handler.names


@pytest.mark.parametrize("extension", [Atrn(), Burl("imap")])
def test_what_a_server_cannot_carry_out_is_refused(extension: Extension) -> None:
    """After it the session would be out of step, or a message would have no end."""
    with pytest.raises(LocalProtocolError, match=f"{extension.keyword} expected only"):
        opened(Collect(), extensions=[*default_extensions(Limits()), extension])


@pytest.mark.parametrize("extension", [Waving(), Etrn(), WellKnown()])
def test_nothing_is_offered_that_nobody_answers(extension: Extension) -> None:
    """RFC 5321 4.2.4: what gets 502 must not be listed."""
    told = f"a handler with on_command expected for {extension.keyword}"
    with pytest.raises(LocalProtocolError, match=told):
        opened(Recorder(), extensions=[extension])
    with pytest.raises(LocalProtocolError, match=told):
        opened(Collect, extensions=[extension], factory=True)
    with pytest.raises(LocalProtocolError, match=told):
        settings(lambda: Collect(), extensions=[extension], factory=True).new_handler()


# --- transcripts ---------------------------------------------------------------------------------


def test_a_transcript_for_each_session() -> None:
    lines: list[str] = []

    def transcript_for(peer: Peer) -> Any:
        host = peer.address[0]
        return None if host == "10.0.0.2" else lambda line: lines.append(f"{host} {line}")

    for host in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        opened(Collect(), HELLO, address=(host, 1), transcript_for=transcript_for)
    assert [line[:24] for line in lines if "220" in line] == [
        "10.0.0.1 <- 220 mx.examp",
        "10.0.0.3 <- 220 mx.examp",
    ]
    with pytest.raises(LocalProtocolError, match="transcript, transcript_for: one"):
        opened(Collect(), transcript=print, transcript_for=transcript_for)
