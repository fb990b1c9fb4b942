# SPDX-License-Identifier: MIT
"""Declarations that could not work, each told when a connection is made, in both roles."""

from __future__ import annotations

from typing import Any

import pytest

from smtpproto import (
    ClientConnection,
    Command,
    InvalidValueError,
    Noop,
    Parameter,
    ServerConnection,
    State,
    extensions,
)
from smtpproto.extensions import KNOWN, Extension, Row


class Vote(Command):
    verb = "XVOTE"


class Other(Command):
    verb = "XVOTE"


class Nameless(Command):
    pass


class Small(Command):
    verb = "xvote"


ROW = Row((State.READY,), Vote)
STATE: Any = State.READY
NAME: Any = "READY"


def declared(**attributes: Any) -> Extension:
    """Return an extension with the verb XVOTE, but for `attributes`."""
    made = {"keyword": "XVOTE", "verbs": (Vote,), "rows": (ROW,), **attributes}
    one: Extension = type("Votes", (Extension,), made)()
    return one


def refusal(*given: Extension) -> str:
    """Return what both roles say about extensions."""
    with pytest.raises(InvalidValueError) as at_client:
        ClientConnection(extensions=given)
    with pytest.raises(InvalidValueError) as at_server:
        ServerConnection("mx.example.org", extensions=given)
    assert str(at_client.value) == str(at_server.value)
    return str(at_client.value)


def test_what_is_right_is_taken() -> None:
    right = declared(mail_parameters=[Parameter("XLEVEL", int)], checks={Vote}, requires=["SIZE"])
    for given in (KNOWN, [extensions.Size(), right], []):
        ClientConnection(extensions=given)
        ServerConnection("mx.example.org", extensions=given)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"keyword": None}, "Votes: an extension keyword in upper case expected, not None"),
        ({"keyword": "X VOTE"}, "keyword in upper case expected, not 'X VOTE'"),
        ({"verbs": Vote}, "verbs: a tuple of classes derived from Command, .* not the class Vote"),
        ({"verbs": (Vote(),)}, "verbs: a tuple of classes derived from Command"),
        ({"verbs": (Small,)}, "their verb in upper case, expected, not the class Small"),
        ({"verbs": (Nameless,)}, "verbs: a Command with `verb` expected, not Nameless"),
        ({"verbs": (Noop,)}, "a verb that is not there yet expected, not NOOP"),
        ({"verbs": ()}, "rows: commands of `verbs` expected, not Vote"),
        ({"verbs": (), "rows": (), "verb": (Vote,)}, "^XVOTE: verbs expected, not verb$"),
        ({"rows": ()}, "rows: a Row for each of its verbs expected, without Vote"),
        ({"rows": ROW}, r"rows: a tuple of Row\(.* expected, not Row"),
        ({"rows": (Row(STATE, Vote),)}, r"rows: a tuple of Row\("),
        ({"rows": (Row((NAME,), Vote),)}, r"rows: a tuple of Row\("),
        ({"rows": (Row((), Vote),)}, r"rows: a tuple of Row\("),
        ({"rows": (Row((State.READY,), Vote, NAME),)}, r"rows: a tuple of Row\("),
        ({"mail_parameters": ("XP",)}, "mail_parameters: a tuple of Parameter values .* not 'XP'"),
        ({"rcpt_parameters": "XP"}, "rcpt_parameters: a tuple of Parameter values .* not 'XP'"),
        ({"requires": "SIZE"}, "requires: a tuple of keywords expected, not 'SIZE'"),
        ({"requires": ("NONE",)}, "XVOTE needs NONE: add it, or leave both out"),
        ({"checks": Vote}, "checks: a tuple of classes"),
        ({"counts": ("XVOTE",)}, "counts: a tuple of classes"),
    ],
)
def test_what_cannot_work(attributes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        raise InvalidValueError(refusal(declared(**attributes)))


def test_an_extension_without_a_keyword() -> None:
    assert "keyword in upper case expected, not None" in refusal(type("Bare", (Extension,), {})())


def test_two_extensions_do_not_take_each_others_place() -> None:
    second = declared(keyword="XTWO", verbs=(Other,), rows=(Row((State.READY,), Other),))
    assert refusal(declared(), second) == ("XTWO: a verb that is not there yet expected, not XVOTE")
    size = declared(mail_parameters=(Parameter("SIZE", int),))
    assert "SIZE is declared by SIZE already" in refusal(extensions.Size(), size)
    assert "rcpt_parameters: NOTIFY is declared by DSN already" in refusal(
        extensions.Dsn(), declared(rcpt_parameters=(Parameter("NOTIFY", str),))
    )


def test_a_parameter_is_refined_by_who_needs_the_other() -> None:
    size = declared(mail_parameters=(Parameter("SIZE", int),), requires=("SIZE",))
    for given in ([extensions.Size(), size], [size, extensions.Size()]):
        ClientConnection(extensions=given)


@pytest.mark.parametrize("given", [None, 5])
def test_no_list_of_extensions(given: Any) -> None:
    with pytest.raises(InvalidValueError, match=f"extensions: a list .* expected, not {given}"):
        ClientConnection(extensions=given)


def test_extensions_without_a_hash_are_taken_and_looked_at() -> None:
    class Unhashable(Extension):
        keyword = "XLIST"
        __hash__ = None  # type: ignore[assignment]

    ClientConnection(extensions=[Unhashable()])
    assert "two of XLIST" in refusal(Unhashable(), Unhashable())
