# SPDX-License-Identifier: MIT
"""Handlers that are there already: they collect, show, print as JSON or keep what comes.

Each is an object for ``serve``, in both worlds, and a base for one's own: a subclass adds the hooks
in which it has an opinion. `Users` is a hook itself: ``on_auth``.
"""

from ..dialogues import Collect
from .json_lines import JsonLines
from .maildir import Maildir
from .printing import Print
from .users import Users

__all__ = ["Collect", "JsonLines", "Maildir", "Print", "Users"]
