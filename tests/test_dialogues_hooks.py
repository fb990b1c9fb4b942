# SPDX-License-Identifier: MIT
"""Misspelt hooks."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from smtpproto import LocalProtocolError
from smtpproto.dialogues import Collect
from smtpproto.dialogues.hooks import HOOKS, check_class, check_handler


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
    check_handler(object())
