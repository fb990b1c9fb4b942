# SPDX-License-Identifier: MIT
"""Settings of a server that are misunderstood: told at once, and as a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from smtpproto import LocalProtocolError
from smtpproto.dialogues import Collect
from smtpproto.dialogues.server_settings import ServerOptions, ServerSettings, server_settings
from smtpproto.dialogues.setting_kinds import SERVER
from smtpproto.extensions import Pipelining, Size
from smtpproto.grammar.leniency import Leniency
from smtpproto.limits import Limits

FLAGS = ["lmtp", "require_tls", "auth_cleartext", "require_auth", "factory"]
TIMES = ["timeout", "message_timeout", "session_timeout", "authentication_timeout"]
WRONG: list[tuple[str, Any, str]] = [
    *((name, "no", "True or False expected, not 'no'") for name in FLAGS),
    *((name, None, "True or False expected, not None") for name in FLAGS),
    *((name, 1, "True or False expected, not 1") for name in FLAGS),
    *((name, got, "more than 0 seconds") for name in TIMES for got in (0, -1, "5", True)),
    ("timeout", 2_147_484, "at most 2000000"),
    *((name, float(got), "more than 0 seconds") for name in TIMES for got in ("nan", "inf")),
    *(("grace", got, "0 seconds or more expected") for got in (None, -1, "5", float("nan"))),
    *(
        (name, got, "a whole number of at least 1, or None, expected")
        for name in ("connections", "connections_per_peer")
        for got in (0, -1, 1.5, "5", True)
    ),
    ("hostname", b"x", "text expected, not b'x'"),
    ("hostname", 5, "text expected, not 5"),
    ("extensions", Pipelining(), "a list expected, not Pipelining"),
    ("extensions", ["SIZE"], r"extensions such as Size\(\) expected, not 'SIZE'"),
    ("extensions", "SIZE", r"extensions such as Size\(\) expected, not 'SIZE'"),
    ("extensions", [Size(), Pipelining], "not the class Pipelining"),
    ("limits", {"recipients": 1}, "Limits expected, not dict"),
    ("limits", None, "Limits expected, not None"),
    ("limits", (), "Limits expected, not tuple"),
    ("leniency", "x", "Leniency expected, not 'x'"),
    ("auth", 5, "a list expected, not 5"),
    ("auth", [5], "mechanisms, .* expected, not 5"),
    ("proxy", True, "a list expected, not True"),
    ("proxy", [5], "texts expected, not 5"),
    ("xclient", 5, "a list expected, not 5"),
    ("disabled", None, "a list expected, not None"),
    ("disabled", [None], "texts expected, not None"),
    ("received", "acept", "reject or accept expected, not 'acept'"),
    ("received", [], "reject or accept expected, not list"),
    ("tls_mode", "startls", "starttls or implicit expected, not 'startls'"),
    ("tls_mode", None, "starttls or implicit expected, not None"),
    ("transcript", "x", "a function expected, not 'x'"),
    ("transcript_for", 5, "a function expected, not 5"),
]


def settings(**options: Any) -> ServerSettings:
    told = {"own_name": "mx.example.org", "has_tls": False, "tls_mode": "starttls", **options}
    return server_settings(Collect(), random=bytes, **told)


@pytest.mark.parametrize(("name", "got", "told"), WRONG)
def test_what_is_misunderstood_is_refused(name: str, got: Any, told: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{name}: .*{told}"):
        settings(**{name: got})


@pytest.mark.parametrize(
    ("name", "got"),
    [
        *((name, got) for name in TIMES for got in (None, 1, 0.5)),
        *(("grace", got) for got in (0, 0.5, 60)),
        *((name, got) for name in ("connections", "connections_per_peer") for got in (None, 1)),
        ("limits", Limits()),
        ("leniency", Leniency()),
        ("transcript", print),
        ("transcript_for", None),
        ("received", "accept"),
    ],
)
def test_what_is_right_is_taken_as_it_is(name: str, got: Any) -> None:
    assert getattr(settings(**{name: got}), name) == got


def test_lists() -> None:
    assert settings(disabled="VRFY").disabled == ("VRFY",)
    assert settings(disabled={"VRFY"}).disabled == ("VRFY",)
    given = (Size(), Pipelining())
    assert settings(extensions=iter(given)).extensions == given
    trusted = settings(proxy="127.0.0.1", xclient="10.0.0.0/8")
    assert trusted.proxy is not None
    assert trusted.xclient is not None
    assert ("127.0.0.1", 25) in trusted.proxy
    assert ("10.1.2.3", 25) in trusted.xclient


@pytest.mark.parametrize("handler", [Collect(), None, "x"])
def test_a_factory_is_called(handler: Any) -> None:
    with pytest.raises(LocalProtocolError, match="what makes a handler expected with factory=True"):
        server_settings(
            handler, own_name="x", has_tls=False, tls_mode="starttls", random=bytes, factory=True
        )


def test_each_option_has_a_kind() -> None:
    assert set(SERVER) == set(ServerOptions.__annotations__)
