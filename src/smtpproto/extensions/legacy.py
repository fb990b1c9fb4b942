# SPDX-License-Identifier: MIT
"""Extensions that are rare by now: SUBMITTER, CONPERM, CONNEG, NO-SOLICITING, MTRK, CHECKPOINT, ...

Decides the values of their parameters. Those of which no more than the keyword is left are
recognised in a server's announcement and never offered.
"""

from __future__ import annotations

import re

from ..exceptions import InvalidValueError, Violation, shown
from ..grammar import abnf
from ..grammar.addresses import Path
from ..grammar.commands import Command, Mail
from ..grammar.encodings import decode_base64, encode_base64
from ..grammar.parameters import Parameter, typed_value
from ..grammar.replies import Reply
from ..grammar.verbs import Onex as OnexCommand
from ..grammar.verbs import Verb as VerbCommand
from ..kinds import TEXT, check_kinds, each
from ..states import State
from ..values import value
from .auth import encode_xtext_path, parse_xtext_path
from .declaration import Extension, Row, SessionFacts

_MTRK = re.compile(r"([A-Za-z0-9+/]{27})=?(?::([0-9]{1,9}))?", re.ASCII)
_CLASS = r"[A-Za-z][A-Za-z0-9._:-]*+"
_CLASSES = re.compile(rf"{_CLASS}(?>(?:,{_CLASS})*)", re.ASCII)
# RFC 1845 2: no space, no control, no tspecials of RFC 1521, and the dot only between atoms.
_TRANSID_TOKEN = r"[!#$%&'*+\-0-9A-Z^_`a-z{|}~]++(?>(?:\.[!#$%&'*+\-0-9A-Z^_`a-z{|}~]++)*)"
_TRANSID = re.compile(rf"<{_TRANSID_TOKEN}@{_TRANSID_TOKEN}>", re.ASCII)
CLASSES_LENGTH = 1000
"""RFC 3865 2.2: characters of all solicitation class keywords together."""
TRANSID_LENGTH = 80
"""RFC 1845 2: characters of TRANSID with its brackets."""


def _bad(expected: str, text: str) -> InvalidValueError:
    return InvalidValueError(f"{expected} expected, not {shown(text)}", Violation.PARAMETER_SYNTAX)


def parse_submitter(text: str) -> Path:
    """Parse the value of SUBMITTER: a mailbox in xtext.

    Raises:
        InvalidValueError: anything else, ``<>`` too (RFC 4405 4.1).
    """
    path = parse_xtext_path(text)
    if path.is_null:
        raise _bad("a mailbox in xtext", text)
    return path


class Submitter(Extension):
    """SUBMITTER: who is responsible for the message (RFC 4405)."""

    keyword = "SUBMITTER"
    mail_parameters = (
        Parameter("SUBMITTER", parse_submitter, encode_xtext_path, length=331, needs_value=True),
    )


class ConPerm(Extension):
    """CONPERM: relays may convert the content (RFC 4141)."""

    keyword = "CONPERM"
    mail_parameters = (Parameter("CONPERM", length=8),)


class ConNeg(Extension):
    """CONNEG: the reply to RCPT tells which content the recipient can take (RFC 4141)."""

    keyword = "CONNEG"
    rcpt_parameters = (Parameter("CONNEG", length=7),)


# --- NO-SOLICITING -------------------------------------------------------------------------------


def parse_classes(text: str) -> tuple[str, ...]:
    """Parse a list of solicitation class keywords, such as ``org.example:ADV``.

    Raises:
        InvalidValueError: anything else, or more than 1000 characters (RFC 3865 2.2).
    """
    if len(text) > CLASSES_LENGTH or not _CLASSES.fullmatch(text):
        raise _bad(f"a list of at most {CLASSES_LENGTH} characters such as org.example:ADV", text)
    return tuple(text.split(","))


SOLICIT = Parameter("SOLICIT", parse_classes, ",".join, length=1007, needs_value=True)


class NoSoliciting(Extension):
    """NO-SOLICITING: which advertisements a server does not want (RFC 3865).

    Args:
        classes: the solicitation class keywords a server announces; they are not accepted.
    """

    keyword = "NO-SOLICITING"
    mail_parameters = (SOLICIT,)
    checks = (Mail,)

    def __init__(self, *classes: str) -> None:
        check_kinds({"NoSoliciting": each(TEXT)}, {"NoSoliciting": classes})
        self.classes = parse_classes(",".join(classes)) if classes else ()

    def parameters_text(self, facts: SessionFacts) -> str:
        """Return the classes."""
        return ",".join(self.classes)

    def parse_announcement(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the classes; none where they cannot be read."""
        try:
            return parse_classes(texts[-1])
        except InvalidValueError:
            return ()

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse a message of an announced class (RFC 3865 2.1).

        Raises:
            InvalidValueError: with 550 5.7.1, and the classes in the text (RFC 3865 2.3).
        """
        assert isinstance(command, Mail)
        given = typed_value(command.parameters, SOLICIT) or ()
        unwanted = [name for name in given if name in facts.announced["NO-SOLICITING"]]
        if unwanted:
            raise InvalidValueError(
                f"SOLICIT={','.join(unwanted)} is not wanted here",
                Violation.ARGUMENT_SYNTAX,
                550,
                "5.7.1",
            )


# --- MTRK ----------------------------------------------------------------------------------------


@value
class Tracking:
    """What proves the right to track a message: the value of MTRK (RFC 3885 3.1).

    Raises:
        InvalidValueError: not a SHA-1 hash, or a time of more than nine digits.
    """

    certifier: bytes
    """The SHA-1 hash of the sender's secret: 20 octets."""
    timeout: int | None = None
    """Seconds for which to keep the data; None for the server's default."""

    def __post_init__(self) -> None:
        if type(self.certifier) is not bytes or len(self.certifier) != 20:
            raise InvalidValueError("MTRK: a certifier of 20 octets expected")
        timeout = self.timeout
        if timeout is not None and not (type(timeout) is int and 0 <= timeout < 10**9):
            raise InvalidValueError(f"MTRK: a timeout of 1 to 9 digits expected, not {timeout!r}")


def parse_tracking(text: str) -> Tracking:
    """Parse the value of MTRK: 20 octets in base64, and seconds behind a colon.

    The "=" that base64 ends with has no place in the value of a parameter, and is missing
    (RFC 3885 3.2); it is tolerated.

    Raises:
        InvalidValueError: anything else.
    """
    found = _MTRK.fullmatch(text)
    if not found:
        raise _bad("27 characters of base64, and :seconds or nothing", text)
    certifier = decode_base64(f"{found[1]}=".encode("ascii"))
    return Tracking(certifier, None if found[2] is None else int(found[2]))


def encode_tracking(tracking: Tracking) -> str:
    """Return the value of MTRK."""
    certifier = encode_base64(tracking.certifier).decode("ascii").rstrip("=")
    return certifier if tracking.timeout is None else f"{certifier}:{tracking.timeout}"


MTRK = Parameter(
    "MTRK", parse_tracking, encode_tracking, length=40, needs_value=True, free_value=True
)


class Mtrk(Extension):
    """MTRK: the sender may ask later where the message is (RFC 3885)."""

    keyword = "MTRK"
    requires = ("DSN",)
    mail_parameters = (MTRK,)
    checks = (Mail,)

    def check(self, command: Command, facts: SessionFacts) -> None:
        """Refuse MTRK without ENVID (RFC 3885 3.2).

        Raises:
            InvalidValueError: with 501 5.5.4.
        """
        assert isinstance(command, Mail)
        if "MTRK" in command.parameters and "ENVID" not in command.parameters:
            raise InvalidValueError("ENVID expected beside MTRK", Violation.PARAMETER_SYNTAX)


# --- CHECKPOINT, VERB, ONEX, UTF8SMTP ------------------------------------------------------------


def parse_transaction_id(text: str) -> str:
    """Parse the value of TRANSID: ``<local@domain>``, with its brackets and its case.

    Raises:
        InvalidValueError: anything else, or more than 80 characters.
    """
    if len(text) > TRANSID_LENGTH or not _TRANSID.fullmatch(text):
        raise _bad(f"<local@domain> of at most {TRANSID_LENGTH} characters", text)
    return text


class Checkpoint(Extension):
    """CHECKPOINT: an interrupted transaction has a name, and may be resumed (RFC 1845).

    To MAIL with TRANSID, a server that remembers the transaction replies 355 with the number of
    octets it has: the recipients stand, and the rest of the mail data is sent. Not in LMTP.
    """

    keyword = "CHECKPOINT"
    in_lmtp = False  # where both sides must know how many recipients there are
    mail_parameters = (Parameter("TRANSID", parse_transaction_id, length=88, needs_value=True),)
    rows = (
        Row(
            (State.READY,),
            Mail,
            State.MAIL,
            State.RCPT,
            State.READY,
            exact=355,
            parameter="TRANSID",
        ),
    )

    @staticmethod
    def offset(reply: Reply) -> int | None:
        """Return how many octets of the mail data a 355 says the server has.

        They are octets before transparency (RFC 1845 3).

        Args:
            reply: the reply to MAIL.

        Returns:
            The offset; None where the reply is another, or begins with no number.
        """
        word = reply.lines[0].split(" ")[0]
        return int(word) if reply.code == 355 and abnf.NUMBER.fullmatch(word) else None


class Verb(Extension):
    """VERB: a verbose mode, of Sendmail."""

    keyword = "VERB"
    verbs = (VerbCommand,)
    rows = (Row((State.READY,), VerbCommand),)


class Onex(Extension):
    """ONEX: only one transaction will come, of Sendmail."""

    keyword = "ONEX"
    verbs = (OnexCommand,)
    rows = (Row((State.READY,), OnexCommand),)


class Utf8Smtp(Extension):
    """UTF8SMTP: the experiment that SMTPUTF8 took the place of (RFC 5336); never offered."""

    keyword = "UTF8SMTP"

    def announcement(self, facts: SessionFacts) -> None:
        """Return None."""
