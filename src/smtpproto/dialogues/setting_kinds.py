# SPDX-License-Identifier: MIT
"""Which kind each setting of a server and of a client has.

Decides which values are a misunderstanding, told when a server or a client is made and not by the
first session. Whether settings fit together is decided where they are completed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ..exceptions import LocalProtocolError, Violation
from ..extensions import Extension
from ..framing import LineEndings, ReceivedPolicy
from ..grammar.leniency import Leniency
from ..kinds import (
    COUNT,
    FLAG,
    FUNCTION,
    PORT,
    SOCKET_PATH,
    SPAN,
    TEXT,
    TEXT_OR_OCTETS,
    TIME,
    WAIT,
    Kind,
    each,
    of,
    one_of,
    or_none,
    wrong,
)
from ..limits import Limits
from ..sasl.serving import MECHANISM


def _is_address(got: object) -> bool:
    return (
        isinstance(got, tuple)
        and [type(part) for part in got] == [str, int]
        and 0 <= got[1] <= 65535
    )


_EXTENSION: Kind = ("extensions such as Size()", lambda one: isinstance(one, Extension))
_TEXTS: Kind = each(("texts", lambda one: isinstance(one, str)))
_CHOICE: Kind = or_none(("True or False or None", lambda got: isinstance(got, bool)))
_LISTS = frozenset(("extensions", "auth", "disabled", "xclient", "proxy"))

SERVER: Mapping[str, Kind] = {
    "hostname": or_none(TEXT),
    "extensions": or_none(each(_EXTENSION)),
    "limits": of(Limits),
    "leniency": of(Leniency),
    **dict.fromkeys(("lmtp", "require_tls", "auth_cleartext", "require_auth", "factory"), FLAG),
    "auth": or_none(each(MECHANISM)),
    "disabled": _TEXTS,
    "xclient": or_none(_TEXTS),
    "proxy": or_none(_TEXTS),
    "received": one_of(ReceivedPolicy),
    "timeout": WAIT,
    **dict.fromkeys(("message_timeout", "session_timeout", "authentication_timeout"), TIME),
    "grace": SPAN,
    **dict.fromkeys(("connections", "connections_per_peer", "connections_unauthenticated"), COUNT),
    "transcript": or_none(FUNCTION),
    "transcript_for": or_none(FUNCTION),
}

# Of these only the type is told.
CLIENT_SECRETS: Mapping[str, Kind] = {
    **dict.fromkeys(("username", "password", "authzid"), or_none(TEXT_OR_OCTETS)),
    "token": (
        "text, octets or a function that gets it",
        lambda got: got is None or callable(got) or isinstance(got, str | bytes | bytearray),
    ),
}
CLIENT: Mapping[str, Kind] = {
    "host": TEXT,
    "port": PORT,
    "path": or_none(SOCKET_PATH),
    "local_name": or_none(TEXT),
    "dial": or_none(FUNCTION),
    "source_address": or_none(("an address and a port, without `path`,", _is_address)),
    "lmtp": FLAG,
    "timeout": WAIT,
    "limits": of(Limits),
    "extensions": or_none(each(_EXTENSION)),
    "line_endings": one_of(LineEndings),
    "transcript": or_none(FUNCTION),
    **dict.fromkeys(("allow_cleartext_auth", "saslprep"), _CHOICE),
}


def check_names(function: str, known: Collection[str], given: Iterable[str]) -> None:
    """Look for options that there are not, as the call of a function with keywords does.

    Raises:
        TypeError: there is one.
    """
    for name in given:
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            advice = f": did you mean {nearest[0]!r}?" if nearest else ""
            raise TypeError(f"{function} got an unexpected keyword argument {name!r}{advice}")


def with_tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` with tuples for lists, where one text is a list of one.

    Raises:
        InvalidValueError: there is a list expected, and no list.
    """
    found = dict(options)
    for name in _LISTS & options.keys():
        got = options[name]
        if isinstance(got, str):
            found[name] = (got,)
        elif isinstance(got, Iterable):
            found[name] = tuple(got)
        elif got is not None or name == "disabled":
            raise wrong(name, "a list", got)
    return found


def expected(message: str) -> LocalProtocolError:
    """Make the error for settings that do not fit together."""
    return LocalProtocolError(message, Violation.LOCAL_VALUE)
