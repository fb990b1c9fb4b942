# SPDX-License-Identifier: MIT
"""Many messages to our own server, in memory: what becomes of each is what `send` makes of it.

What the server says depends on nothing but a message's addresses and its content, so that it is the
same both ways.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import cycle
from typing import Any

from dialogue_drive import connection as new_server
from hypothesis import given
from hypothesis import strategies as st

from smtpproto import ClientConnection, LocalProtocolError
from smtpproto.dialogues import (
    AllRefused,
    Close,
    Collect,
    ConnectionLost,
    Dialogue,
    Handle,
    Message,
    Outcome,
    Peer,
    Read,
    Reject,
    ReplyError,
    SendResult,
    call_failure,
    is_reusable,
    open_session,
    prepare_all,
    send_message,
    send_messages,
    serve_session,
)
from smtpproto.grammar.commands import Mail, Rcpt

Cuts = Iterator[int]
MOST = 40
"""Times that few recipients are many, and need more than one group (RFC 2920 3.1)."""


class Fickle(Collect):
    """Refuses by the code that an address, or the content, begins with."""

    def on_mail(self, peer: Peer, mail: Mail) -> None:
        self._refuse(mail.reverse_path.address)

    def on_rcpt(self, peer: Peer, rcpt: Rcpt) -> None:
        self._refuse(rcpt.forward_path.address)

    def on_message(self, peer: Peer, message: Message) -> None:
        self._refuse(message.content[:3].decode())
        self.messages.append(message)

    def _refuse(self, text: str) -> None:
        code = int(text[:3])
        if code >= 400:
            raise Reject(code, f"because of {text}")


class Served:
    """A session of the server's, to be written to and read from."""

    def __init__(self, handler: object, cuts: Cuts) -> None:
        self._session = serve_session(new_server(), handler, Peer())
        self._cuts = cuts
        self._out = b""
        self.is_closed = False
        self._go_on(next(self._session))

    def write(self, octets: bytes) -> None:
        while octets and not self.is_closed:
            cut = next(self._cuts)
            piece, octets = octets[:cut], octets[cut:]
            self._go_on(self._session.send(piece))

    def read(self) -> bytes:
        cut = next(self._cuts)
        piece, self._out = self._out[:cut], self._out[cut:]
        return piece

    def _go_on(self, step: Any) -> None:
        while True:
            self._out += step.out
            if isinstance(step, Close):
                self.is_closed = True
            if not isinstance(step, Handle):
                return
            try:
                step = self._session.send(step.call(*step.args))
            except Exception as error:
                step = self._session.throw(call_failure(error))


def hold(dialogue: Dialogue, served: Served) -> Any:
    """Run a dialogue of the client's to its end."""
    given_to: Any = None
    try:
        while True:
            step = dialogue.send(given_to)
            given_to = None
            served.write(step.out)
            if isinstance(step, Handle):
                given_to = step.call(*step.args)
            elif isinstance(step, Read):
                given_to = served.read()
                if not (given_to or served.is_closed):
                    assert not step.timeout, "both wait"
                    given_to = None
    except StopIteration as end:
        return end.value


def opened(served: Served) -> ClientConnection:
    connection = ClientConnection()
    hold(
        open_session(connection, local_name="client.example", literal="[::1]", starttls="never"),
        served,
    )
    return connection


def by_send(connection: ClientConnection, several: list[Any], served: Served) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for message in prepare_all(several):
        try:
            outcomes.append(hold(send_message(connection, message), served))
        except (ReplyError, AllRefused, ConnectionLost, LocalProtocolError) as error:
            outcomes.append(error)
    return outcomes


def told(outcome: Outcome) -> tuple[Any, ...]:
    """Return all of an outcome that a caller may look at."""
    if isinstance(outcome, SendResult):
        return outcome.recipients, outcome.replies, outcome.reply, outcome.transcript
    return type(outcome), str(outcome), outcome.is_transient, outcome.transcript


def addresses(domain: str) -> st.SearchStrategy[str]:
    codes = st.sampled_from([*[250] * 16, 450, 550])
    return st.builds(lambda code, n: f"{code}.{n}@{domain}", codes, st.integers(0, 9))


contents = st.builds(
    lambda code, text: f"{code}\r\n".encode() + text,
    st.sampled_from([*[250] * 8, 451, 554]),
    st.sampled_from([b"", b"text\r\n", b".\r\n..\r\n", b"\xc3\xa4\r\n", b"x\n" * 400]),
)
messages = st.tuples(
    contents | contents | contents | contents.map(io.BytesIO),
    addresses("example.com"),
    st.lists(addresses("example.org"), min_size=1, max_size=4)
    | st.just(["250@example.org"] * MOST),
)
cuts = st.lists(st.sampled_from([1, 2, 3, 100, *[1 << 20] * 8]), min_size=1, max_size=9)


@given(st.lists(messages, max_size=6), cuts, cuts)
def test_all_come_to_what_each_would_come_to(
    several: list[Any], one: list[int], other: list[int]
) -> None:
    handlers = Fickle(), Fickle()
    servers = Served(handlers[0], cycle(one)), Served(handlers[1], cycle(other))
    clients = opened(servers[0]), opened(servers[1])
    noted: list[tuple[int, Outcome]] = []
    dialogue = send_messages(
        clients[0], prepare_all(several), on_outcome=lambda *pair: noted.append(pair)
    )
    outcomes = hold(dialogue, servers[0])
    expected = by_send(clients[1], several, servers[1])
    assert [told(outcome) for outcome in outcomes] == [told(outcome) for outcome in expected]
    assert noted == [*enumerate(outcomes)]
    taken = [
        [(message.mail, message.rcpts, message.content) for message in handler.messages]
        for handler in handlers
    ]
    assert taken[0] == taken[1]
    assert all(is_reusable(client) for client in clients)
