# SPDX-License-Identifier: MIT
"""What the connection answers by itself changes nothing but the time that it takes.

A session with a transcript is asked about each command; one without settles those that no hook has
a say in. For any input both must say the same, and call the same hooks.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
from dialogue_drive import Input, drive
from hypothesis import given
from hypothesis import strategies as st
from invariants import cut
from invariants_server import SERVER_TOKENS
from strategies import cuts

from smtpproto import Reply, ServerConnection
from smtpproto.dialogues import Cancelled, ConnectionLost, Peer, Read, serve_session
from smtpproto.dialogues.conversation import Terms
from smtpproto.dialogues.records import MessageRecord, Record, SessionRecord
from smtpproto.dialogues.server_settings import default_extensions
from smtpproto.limits import Limits

LIMITS = Limits(mail_data=60, recipients=3, errors=6, idle_commands=5)
GROUP = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
TOKENS = (*SERVER_TOKENS, b"EHLO x\r\n", b"EHLO x\r\n" + GROUP, GROUP, GROUP + b"hi\r\n.\r\n")
HOOKS = ("on_mail", "on_rcpt", "on_ehlo", "on_message", "on_abort", "on_close", "open_message")
REFUSED = Reply(550, "no", "5.7.1")
ENDINGS: tuple[Input, ...] = (b"", TimeoutError(), ConnectionLost("gone"), Cancelled())


class Handler:
    """Has some of the hooks; each notes what it is told and what it sees of the transaction."""

    def __init__(self, hooks: set[str], refused: frozenset[str]) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for name in hooks:
            setattr(self, name, self._hook(name, REFUSED if name in refused else None))

    def _hook(self, name: str, answer: Reply | None) -> Any:
        def hook(peer: Peer, *args: Any) -> Any:
            transaction = peer.transaction
            seen = transaction and (transaction.mail, tuple(transaction.recipients))
            self.calls.append((name, args, seen))
            return self if name == "open_message" and answer is None else answer

        return hook

    def write(self, data: bytes) -> None:
        self.calls.append(("write", data))

    def commit(self) -> None:
        self.calls.append(("commit",))

    def abort(self) -> None:
        self.calls.append(("abort",))


def facts(record: Record) -> tuple[Any, ...]:
    """Return what a record says, but of which peer."""
    assert isinstance(record, MessageRecord | SessionRecord)
    anonymous: Any = copy(record)
    anonymous.peer = None
    return (anonymous,)


def outcome(
    hooks: set[str], refused: frozenset[str], inputs: list[Input], lmtp: bool, heard: bool
) -> tuple[Any, ...]:
    """Hold a session; return all that may be seen of it."""
    handler = Handler(hooks, refused)
    records: list[tuple[Any, ...]] = []
    lines: list[str] = []
    terms = Terms(
        transcript=lines.append if heard else None,
        observe=lambda record: records.append(facts(record)),
    )
    server = ServerConnection(
        "mx.example.org", extensions=default_extensions(LIMITS), limits=LIMITS, lmtp=lmtp
    )
    run = drive(serve_session(server, handler, Peer(), terms), inputs, to_the_end=False)
    assert bool(lines) == heard
    reads = [step for step in run.steps if isinstance(step, Read)]
    return run.writes, reads, handler.calls, records, repr(run.error), server.state


@given(
    st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join),
    cuts,
    st.sets(st.sampled_from(HOOKS)),
    st.frozensets(st.sampled_from(HOOKS), max_size=2),
    st.sampled_from(ENDINGS),
    st.booleans(),
)
def test_who_listens_changes_nothing(
    octets: bytes,
    lengths: list[int],
    hooks: set[str],
    refused: frozenset[str],
    ending: Input,
    lmtp: bool,
) -> None:
    inputs: list[Input] = [*cut(octets, lengths), ending]
    quiet = outcome(hooks, refused, inputs, lmtp, heard=False)
    assert quiet == outcome(hooks, refused, inputs, lmtp, heard=True)


@pytest.mark.parametrize("hook", [None, *HOOKS])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("pieces", [[GROUP], [GROUP, b"hi\r\n"], [GROUP[:40], GROUP[40:]]])
def test_who_listens_changes_nothing_about_an_end_in_a_transaction(
    hook: str | None, ending: Input, pieces: list[bytes]
) -> None:
    hooks = {"on_message", "on_abort", *([hook] if hook else [])}
    inputs: list[Input] = [b"EHLO x\r\n", *pieces, ending]
    quiet = outcome(hooks, frozenset(), inputs, False, heard=False)
    assert quiet == outcome(hooks, frozenset(), inputs, False, heard=True)
    names = [call[0] for call in quiet[2]]
    assert names.count("on_abort") == 1
    assert "on_message" not in names


def test_the_time_for_a_command_begins_when_the_one_before_was_answered() -> None:
    lines = [b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@", b"d.example>\r\n", b"DATA\r\n", b"hi"]
    inputs: list[Input] = [b"EHLO x\r\n", *lines, b"ho", b""]
    reads = outcome({"on_message"}, frozenset(), inputs, False, heard=False)[1]
    assert [read.goes_on for read in reads] == [False, False, False, True, *[False] * 4]
