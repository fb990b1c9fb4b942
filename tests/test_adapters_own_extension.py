# SPDX-License-Identifier: MIT
"""An extension of one's own over sockets: a server's hook answers it, and a client speaks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from adapter_drive import AsyncioWorld, BlockingWorld, World

from smtpproto import Command, LocalProtocolError, Parameter, Reply, State, Vocabulary
from smtpproto.dialogues import Collect, Peer
from smtpproto.extensions import KNOWN, Extension, Row, Size

TEXT = b"Subject: x\r\n\r\ntext\r\n"


@dataclass(frozen=True)
class Named(Command):
    """A verb with a name behind it."""

    name: str = ""

    @classmethod
    def parse(cls, argument: str, vocabulary: Vocabulary) -> Named:
        return cls(argument)

    def argument(self, vocabulary: Vocabulary) -> str:
        return self.name


class Who(Named):
    """XWHO <name>: it is for the application to answer."""

    verb: ClassVar[str] = "XWHO"


class Note(Named):
    """XNOTE <name>: an application without an opinion says yes."""

    verb: ClassVar[str] = "XNOTE"
    default_reply: ClassVar[Reply | None] = Reply(250, "noted", "2.0.0")


class Names(Extension):
    keyword = "XNAMES"
    verbs = (Who, Note)
    rows = (Row((State.READY,), Who), Row((State.READY,), Note))
    mail_parameters = (Parameter("XLEVEL", int, str, length=10, needs_value=True),)


class Asked(Collect):
    def __init__(self) -> None:
        super().__init__()
        self.levels: list[Any] = []

    def on_command(self, peer: Peer, command: Command) -> Reply | None:
        assert isinstance(command, Named)
        return Reply(250, f"{command.name} is {type(command).verb}") if command.name else None

    def on_mail(self, peer: Peer, mail: Any) -> None:
        self.levels.append(mail.parameters["XLEVEL"])


@pytest.fixture(params=[AsyncioWorld, BlockingWorld], ids=["asyncio", "blocking"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World = request.param()
    yield made
    made.close()


def test_both_ends(world: World) -> None:
    options: Any = {"security": "none", "extensions": iter([*KNOWN, Names()])}
    handler = Asked()
    with (
        world.serve(handler, extensions=[Names()]) as server,
        world.client("127.0.0.1", server.port, **options) as client,
    ):
        assert str(client.execute(Who("ann"))) == "250 ann is XWHO"
        assert str(client.execute(Note("bob"))) == "250 bob is XNOTE"
        assert client.execute(Who()).code == 250
        assert str(client.execute(Note())) == "250 2.0.0 noted"
        client.send(TEXT, "a@x.org", "b@x.org", parameters={"XLEVEL": 3})
    assert handler.levels == [3]
    assert [message.content for message in handler.messages] == [TEXT]


def test_a_server_without_an_opinion(world: World) -> None:
    class Noting(Names):
        verbs = (Note,)
        rows = (Row((State.READY,), Note),)

    options: Any = {"security": "none", "extensions": [*KNOWN, Noting()]}
    with pytest.raises(LocalProtocolError, match="on_command expected for XNAMES"):
        world.module.serve(Collect(), extensions=[Names()])
    with (
        world.serve(Collect(), extensions=[Noting()]) as server,
        world.client("127.0.0.1", server.port, **options) as client,
    ):
        assert str(client.execute(Note("bob"))) == "250 2.0.0 noted"


@pytest.mark.parametrize("wrong", [[Size], ["SIZE"], [Size(), Size()]])
def test_what_is_no_extension(world: World, wrong: Any) -> None:
    with pytest.raises(LocalProtocolError, match=r"(?i)extension|SIZE"):
        world.module.Client(extensions=wrong)
