# SPDX-License-Identifier: MIT
"""What a log calls a hook."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from smtpproto.dialogues import Collect, name_of
from smtpproto.dialogues.steps import StandIn


class Instead(StandIn):
    """Stands for a hook, and may be stood for."""

    def call(self) -> None:
        """Be called."""


def on_mail() -> None:
    """Look like a hook."""


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        (on_mail, "on_mail"),
        (Collect().on_message, "Collect.on_message"),
        (Collect, "Collect"),
        (partial(on_mail), "partial"),
        (Mock(), "Mock"),
        ([].append, "list.append"),
    ],
)
def test_the_name_of_a_hook(hook: Any, name: str) -> None:
    assert name_of(hook) == name
    assert name_of(Instead(hook).call) == name
    assert name_of(Instead(Instead(hook).call).call) == name
