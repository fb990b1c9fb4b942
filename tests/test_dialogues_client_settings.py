# SPDX-License-Identifier: MIT
"""What a client may be told, and that a mistake is named before anything is opened."""

from __future__ import annotations

from typing import Any

import pytest

from smtpproto import LocalProtocolError
from smtpproto.dialogues.client_settings import ClientSettings


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"host": b"x"}, "host: text expected, not \"b'x'\""),
        ({"path": 7}, "path: text expected"),
        ({"local_name": b"me.example"}, "local_name: text expected"),
        ({"local_name": "me you"}, "not 'me you'"),
        ({"local_name": "me\r\nMAIL"}, "me"),
        ({"timeout": 0}, "timeout: seconds, more than none, expected"),
        ({"timeout": -1.0}, "timeout: "),
        ({"timeout": "5"}, "timeout: "),
        ({"timeout": True}, "timeout: "),
        ({"timeout": float("nan")}, "timeout: "),
        ({"timeout": float("inf")}, "timeout: "),
        ({"limits": 7}, "limits: Limits expected"),
    ],
)
def test_what_a_client_is_told_wrong(options: dict[str, Any], told: str) -> None:
    with pytest.raises(LocalProtocolError, match=told):
        ClientSettings(**{"host": "x", "port": 25, **options})


@pytest.mark.parametrize(
    "options", [{"local_name": "[192.0.2.1]"}, {"local_name": "localhost"}, {"timeout": 0.1}]
)
def test_what_a_client_may_be_told(options: dict[str, Any]) -> None:
    ClientSettings("x", 25, **options)
