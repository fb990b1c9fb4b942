# SPDX-License-Identifier: MIT
"""What is no handler: misspelt hooks, functions of another form, other objects."""

from __future__ import annotations

from functools import partialmethod
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest

from smtpproto import LocalProtocolError
from smtpproto.dialogues import Collect
from smtpproto.dialogues.hooks import HOOKS, check_class, check_handler, check_plain


def handler(name: str, hook: Any = lambda *_: None) -> Any:
    return type("Mine", (Collect,), {name: staticmethod(hook) if callable(hook) else hook})()


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_hooks_are_hooks(name: str) -> None:
    check_handler(handler(name))
    check_class(type(handler(name)))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("on_recpt", "on_rcpt"),
        ("on_rcpt_to", "on_rcpt"),
        ("on_messages", "on_message"),
        ("on_Mail", "on_mail"),
        ("open_mesage", "open_message"),
        ("on_disconnect", "on_connect"),
    ],
)
def test_a_misspelt_hook_is_refused(name: str, meant: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"no hook {name}; did you mean {meant}"):
        check_handler(handler(name))
    with pytest.raises(LocalProtocolError, match=name):
        check_class(type(handler(name)))


@pytest.mark.parametrize(
    "name", ["open_database", "open", "_on_rcpt", "once", "opener", "message", "handle_RCPT"]
)
def test_what_looks_like_no_hook_is_the_applications(name: str) -> None:
    check_handler(handler(name))


def test_an_attribute_of_an_object_alone() -> None:
    made = Collect()
    made.on_recpt = print  # type: ignore[attr-defined]
    with pytest.raises(LocalProtocolError, match="on_recpt"):
        check_handler(made)


@pytest.mark.parametrize("hook", [1, "x", ()])
def test_a_hook_that_is_no_function(hook: Any) -> None:
    with pytest.raises(LocalProtocolError, match="on_rcpt: a function expected"):
        check_handler(handler("on_rcpt", hook))


def test_a_hook_switched_off_and_other_objects() -> None:
    check_handler(handler("on_rcpt", None))
    check_handler(Mock())
    check_handler(type("Deaf", (), {})())  # it takes no mail


@pytest.mark.parametrize("wrong", [None, "x", 5, {}, object(), lambda peer, message: None, print])
def test_what_is_no_handler(wrong: Any) -> None:
    with pytest.raises(LocalProtocolError, match="an object with hooks such as on_message"):
        check_handler(wrong)


def test_a_module_is_a_handler() -> None:
    module = ModuleType("handler")
    module.on_rcpt = lambda peer, rcpt: None  # type: ignore[attr-defined]
    check_handler(module)


def test_hooks_of_another_kind() -> None:
    class Other:
        async def handle_DATA(self, *_: Any) -> str:
            return "250 OK"

    for given in (Other, Other()):
        with pytest.raises(LocalProtocolError, match="no hook handle_DATA; on_message takes"):
            check_handler(given)


class Short(Collect):
    def on_rcpt(self, rcpt: Any) -> None:
        """Take an argument too few."""


class Long(Collect):
    def on_rcpt(self, server: Any, session: Any, rcpt: Any) -> None:
        """Take one too many."""


class Empty(Collect):
    on_rcpt: Any = lambda: None  # no `self` either


@pytest.mark.parametrize("kind", [Short, Long, Empty])
def test_a_hook_that_does_not_take_what_it_gets(kind: Any) -> None:
    for given in (kind, kind()):
        with pytest.raises(LocalProtocolError, match="on_rcpt: a function of peer, rcpt expected"):
            check_handler(given)


def test_hooks_that_take_what_they_get() -> None:
    class Several(Collect):
        on_ehlo = staticmethod(lambda *_: None)
        on_mail = partialmethod(lambda self, more, peer, mail: None, 1)

        def on_rcpt(self, peer: Any, rcpt: Any, more: Any = None) -> None:
            """Take more than it gets."""

        @classmethod
        def on_help(cls, peer: Any, command: Any) -> None:
            """Need no object."""

    check_handler(Several)
    check_handler(Several())


def test_hooks_that_would_have_to_be_awaited() -> None:
    class Waiting(Collect):
        async def on_rcpt(self, peer: Any, rcpt: Any) -> None:
            """Wait."""

    check_plain(Collect())
    check_plain(lambda: Waiting())  # only the first session will tell
    for given in (Waiting, Waiting()):
        with pytest.raises(LocalProtocolError, match="on_rcpt: a plain function expected"):
            check_plain(given)
