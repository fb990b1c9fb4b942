# SPDX-License-Identifier: MIT
"""Writes extension-table.md beside it, from the registry of extensions.

    PYTHONPATH=src python3 docs/make_extension_table.py

A test compares the page with what this makes.
"""

from __future__ import annotations

from pathlib import Path

from smtpproto.extensions import KNOWN, Extension
from smtpproto.grammar.parameters import Parameter

PAGE = Path(__file__).with_name("extension-table.md")

HEAD = """\
# The extensions

Made by `docs/make_extension_table.py` from `smtpproto.extensions.KNOWN`: what a client understands,
and what a server offers when it is given an instance.

- *EHLO*: the type of the announced parameters in `connection.announced[keyword]`; empty where an
  extension has none.
- *MAIL* and *RCPT*: the parameters, the type of their values in `command.parameters[keyword]`, and
  the octets each adds to the longest command line, with the space before it: 0 for the one of two
  that exclude each other.
- *Offered*: when a server announces it. *Needs*: what must be announced, too.
- *Tests*: `tests/test_extensions_….py`. In `registry` each one runs through a server and a client
  joined in memory, and one without a sample there fails; the other has what is its own, in both
  roles.

SEND, SOML and SAML (RFC 821) are no extensions of this package: the verbs are answered 502.

| Keyword | Class | What it is | EHLO | Verbs | MAIL | RCPT | Offered | Needs | Tests |
|---|---|---|---|---|---|---|---|---|---|
"""


def summary(extension: Extension) -> str:
    """Return the first line of the class's docstring, without the keyword."""
    first = (type(extension).__doc__ or "").partition("\n")[0]
    return first.partition(": ")[2].rstrip(".") or first


def returned(function: object) -> str:
    """Return the type that a function is annotated to return."""
    name = str(getattr(function, "__annotations__", {}).get("return", "Any"))
    return "" if name == "Any" else name


def parameters(declared: tuple[Parameter, ...]) -> list[str]:
    """Return a text for each parameter: keyword, type of the value, octets."""
    texts = []
    for parameter in declared:
        kind = returned(parameter.parse) if parameter.parse else ""
        optional = "" if parameter.needs_value else " or nothing"
        value = f"={kind}{optional}" if kind else ""
        texts.append(f"`{parameter.keyword}{value}` {parameter.length}")
    return texts


def offered(extension: Extension) -> str:
    """Say when a server announces the extension."""
    if returned(type(extension).announcement) == "None":
        return "never"
    when = "under TLS" if extension.in_tls else "in the clear"
    if extension.in_clear and extension.in_tls:
        when = "always"
    return when if extension.in_lmtp else f"{when}, not in LMTP".replace("always, ", "")


def row(extension: Extension) -> str:
    """Return the row of the table for one extension."""
    announced = returned(type(extension).parse_announcement)
    cells = [
        extension.keyword,
        f"`{type(extension).__name__}`",
        summary(extension),
        f"`{announced}`" if announced else "",
        ", ".join(dict.fromkeys(verb.verb for verb in extension.verbs if verb.verb)),
        ", ".join(parameters(extension.mail_parameters)),
        ", ".join(parameters(extension.rcpt_parameters)),
        offered(extension),
        ", ".join(extension.requires),
        f"registry, {type(extension).__module__.rpartition('.')[2]}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(row(extension) for extension in KNOWN)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
