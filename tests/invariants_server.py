# SPDX-License-Identifier: MIT
"""What must hold for a server, whatever octets come in whatever cut.

Shared by the tests and by the harness in fuzz/. The oracle is a server of its own: it has the whole
input at once and reads it by hand, knows no classes and no table, and says only which codes are
answered and which messages arrive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import server_drive as drive
from invariants import CRLF, END, NOT_THE_END, SMUGGLED, THE_END, cuttings, irregularity_oracle

from smtpproto import (
    AuthResponseReceived,
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    Data,
    LocalProtocolError,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Rcpt,
    Reply,
    ServerConnection,
    ServerEvent,
    Signal,
    State,
    extensions,
)

# Not STARTTLS: what it answers hangs on what has come already, by rule.
OFFERED: tuple[extensions.Extension, ...] = (
    extensions.Size(40),
    extensions.EightBitMime(),
    extensions.EnhancedStatusCodes(),
    extensions.SmtpUtf8(),
    extensions.Chunking(),
    extensions.BinaryMime(),
    extensions.Auth("PLAIN", "CRAM-MD5", cleartext=True),
)
PLACES = tuple(place for place in drive.PLACES if place not in ("CONNECTED", "TLS", "CLOSED"))
"""Where a session may be when the octets come."""

SERVER_TOKENS = (
    *NOT_THE_END,
    *THE_END,
    SMUGGLED,
    drive.HELLO,
    b"HELO x\r\n",
    drive.LHLO,
    drive.MAIL,
    b"MAIL FROM:<> BODY=BINARYMIME SIZE=9\r\n",
    b"MAIL FROM:<a@b.example> SMTPUTF8\r\n",
    drive.RCPT,
    drive.RCPT * 3,
    b"RCPT TO:<\xc3\xa9@b.example>\r\n",
    drive.DATA,
    b"hi\r\n.\r\n",
    b".\r\n",
    b"BDAT 4\r\nab\r\n",
    b"BDAT 12\r\nQUIT\r\nRSET\r\n",
    b"BDAT 4 LAST\r\nab\r\n",
    b"BDAT 60\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 9999\r\n",
    b"BDAT x\r\n",
    drive.PLAIN,
    b"AUTH CRAM-MD5\r\nYQ==\r\n",
    b"*\r\n",
    b"=\r\n",
    b"STARTTLS\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"VRFY a\r\n",
    b"EXPN a\r\n",
    b"HELP\r\n",
    b"QUIT\r\n",
    b"SEND\r\n",
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01",
    b"x" * 700,
    b"\r\n",
)

# As an application without an opinion answers them below.
SETTLED = {
    Mail: Reply(250, "ok", "2.0.0"),
    Rcpt: Reply(250, "ok"),
    Data: Reply(354, "end data with <CRLF>.<CRLF>"),
}


def is_settled(event: ServerEvent) -> bool:
    return isinstance(event, CommandReceived) and type(event.command) in SETTLED


def script(choices: bytes) -> Callable[[ServerEvent], Reply]:
    """Return an application that decides by what came, never by when it came.

    Args:
        choices: what decides, together with the number of the event; b"" accepts all.
    """
    count = 0

    def answer(event: ServerEvent) -> Reply:
        nonlocal count
        count += 1
        choice = choices[count % len(choices)] if choices else 0
        if isinstance(event, CommandRejected):
            return event.default_reply
        default: Reply | None = getattr(event, "default_reply", None)
        if isinstance(event, MailDataEnded) and default is not None:
            return default
        if choice % 5 == 1:
            return Reply(550, "no")
        if choice % 5 == 2:
            return Reply(451, "later")
        if isinstance(event, AuthResponseReceived) or (
            isinstance(event, CommandReceived) and event.command.verb == "AUTH"
        ):
            return Reply(334, "YQ==") if choice % 5 == 3 else Reply(235, "welcome")
        return default or Reply(250, "ok")

    return answer


def make(place: str, lmtp: bool = False) -> ServerConnection:
    """Return a server with small caps in the state `place`."""
    return drive.PLACES[place](extensions=OFFERED, limits=drive.SMALL, lmtp=lmtp)


def check_event(event: ServerEvent, server: ServerConnection) -> None:
    """What any event must be like."""
    assert "c2VjcmV0" not in repr(event)
    if isinstance(event, MailDataReceived):
        assert event.data
        return
    if isinstance(event, ConnectionClosed):
        assert server.state is State.CLOSED
        assert server.transaction is None
        assert server.buffered == 0
        return
    assert server.next_event() is Signal.NEED_REPLY, "each of the others is answered"
    before = drive.snapshot(server)
    rejected = isinstance(event, CommandRejected) or (
        isinstance(event, MailDataEnded) and event.violation is not None
    )
    for code in (250, 299, 334, 354) if rejected else (353, 355):
        try:
            server.send(Reply(code, "x"))
        except LocalProtocolError:
            assert drive.snapshot(server) == before
        else:
            raise AssertionError(f"{code} was sent to {event!r}")


def run(
    place: str,
    pieces: Sequence[bytes],
    choices: bytes,
    late: bool,
    lmtp: bool,
    with_event: bool = False,
    settled: bool = False,
) -> tuple[list[ServerEvent], list[bytes], list[tuple[object, ...]]]:
    """Give a server these pieces, holding what must hold at each step.

    Args:
        late: answer only when the next piece has come, as far as the cap allows.
        with_event: give each piece where the next event is asked for.
        settled: have the server answer `SETTLED` by itself.

    Returns:
        The events, the replies, and what was to be seen at each reply.
    """
    server = make(place, lmtp)
    answer = script(choices)
    outcome = drive.Outcome()
    replies: list[bytes] = []
    seen: list[tuple[object, ...]] = []
    if settled:
        server.settle(SETTLED, replies)

    due = False

    def step(data: bytes = b"") -> bool:
        """Take an event or answer one; return False for nothing to do."""
        nonlocal due
        event = server.next_event(data)
        if event is Signal.NEED_REPLY:
            seen.append((server.state, drive.snapshot(server)[1:-1]))
            replies.append(server.send(answer(outcome.events[-1])))
            due = False
            return True
        if event is Signal.NEED_DATA or outcome.is_closed:
            return False
        assert not isinstance(event, Signal)
        outcome.add(event)
        check_event(event, server)
        due = not isinstance(event, MailDataReceived | ConnectionClosed)
        return True

    for piece in pieces:
        if with_event and not step(piece):
            continue
        if not with_event:
            server.receive_data(piece)
        # Late: answer what was due before this piece, and read on to what is due now.
        while step() and not (late and due):
            pass
    while step():
        pass
    server.receive_eof()
    while step():
        pass
    check_output(replies)
    return outcome.events, replies, seen


def check_output(replies: Sequence[bytes]) -> None:
    """Each reply is lines of one code, short, without controls, and ends where it should."""
    for reply in replies:
        assert reply.endswith(CRLF)
        lines = reply.split(CRLF)[:-1]
        for number, line in enumerate(lines, 1):
            assert line[:3] == lines[0][:3]
            assert line[3:4] == (b" " if number == len(lines) else b"-")
            assert len(line) <= 510
            assert not set(line) & {*range(32), 127}


def check_server(
    octets: bytes,
    lengths: Sequence[int],
    place: str = "GREETED",
    choices: bytes = b"",
    lmtp: bool = False,
) -> None:
    """The same octets mean the same in any cut, and what they should.

    Args:
        octets: what the client sends.
        lengths: how to cut it, besides whole and octet by octet.
        place: the state to begin in.
        choices: what the application answers.
        lmtp: speak LMTP.
    """
    whole = run(place, [octets] if octets else [], choices, False, lmtp)
    for pieces in cuttings(octets, lengths):
        for late in (False, True):
            assert run(place, pieces, choices, late, lmtp, with_event=not late) == whole
            if not choices:
                events, replies, _ = run(place, pieces, b"", late, lmtp, not late, settled=True)
                assert events == [event for event in whole[0] if not is_settled(event)]
                assert replies == whole[1]
    check_oracle(octets)


def accepted(events: Sequence[ServerEvent], replies: Sequence[bytes]) -> list[bytes]:
    """List the mail data of the messages that were answered 2yz."""
    answers = iter(replies)
    messages: list[bytes] = []
    data = b""
    for event in events:
        if isinstance(event, MailDataReceived):
            data += event.data
            continue
        code = next(answers, b"")
        if isinstance(event, CommandReceived) and event.command.verb == "MAIL":
            data = b""
        if isinstance(event, MailDataEnded) and code.startswith(b"2"):
            messages.append(data)
    return messages


# --- the oracle --------------------------------------------------------------------------------

_ADDRESS = "[A-Za-z0-9]+@[a-z0-9]+([.][a-z0-9]+)*"
_BDAT = re.compile("BDAT ([0-9]{1,20})( LAST)?")
_ARGUMENTS = {
    **dict.fromkeys(("DATA", "RSET", "QUIT"), ""),
    **dict.fromkeys(("EHLO", "HELO"), " [a-z.]+"),
    **dict.fromkeys(("VRFY", "EXPN"), " [a-z]+"),
    **dict.fromkeys(("NOOP", "HELP"), "( [a-z]+)?"),
    "MAIL": f" FROM:<({_ADDRESS})?>( BODY=BINARYMIME)?( SIZE=[0-9])?",
    "RCPT": f" TO:<{_ADDRESS}>",
}
_ADMITTED = {
    **dict.fromkeys(("EHLO", "HELO", "NOOP", "RSET", "VRFY", "EXPN", "HELP", "QUIT"), "GRMTBF"),
    "MAIL": "R",
    "RCPT": "MT",
    "DATA": "T",
    "BDAT": "TB",
}
_CODES = {"DATA": 354, "VRFY": 252, "EXPN": 252, "HELP": 214, "QUIT": 221}


class _Unsure(Exception):
    """The oracle is too simple for what comes next."""


class _Oracle:
    """A server that takes everything, by RFC 5321 4.1.4 and RFC 3030 2.

    The states are letters: Greeted, Ready, Mail, recipienTs, Bdat, bdat Failed, Quit.
    """

    def __init__(self, octets: bytes) -> None:
        self.rest = octets
        self.codes: list[int] = []
        self.messages: list[bytes] = []
        self.state = "G"
        self.is_extended = self.is_binary = False
        self.data = b""
        self.recipients = self.errors = self.idle = self.pardons = 0

    def run(self) -> bool:
        """Read all there is; return True if nothing was too hard."""
        try:
            while self.state != "Q" and CRLF in self.rest:
                line, _, self.rest = self.rest.partition(CRLF)
                self.read_line(line)
        except _Unsure:
            return False
        # What is left has no CRLF: too long a line, or TLS, is answered all the same.
        return self.state == "Q" or not (self.rest.startswith(b"\x16") or len(self.rest) > 500)

    def answer(self, code: int) -> None:
        self.codes.append(code)

    def refuse(self, code: int, verb: str) -> None:
        if verb == "MAIL":
            self.pardons = 4  # a group may be on its way: all recipients, and DATA
        elif verb in ("RCPT", "DATA", "BDAT") and code == 503 and self.pardons:
            self.pardons -= 1
            self.errors -= 1
        self.errors += 1
        if self.errors > 4:
            self.state, code = "Q", 421
        self.answer(code)

    def read_line(self, line: bytes) -> None:
        if len(line) > 60 or line.startswith(b"\x16"):
            raise _Unsure
        verb = line[:4].decode("latin-1")
        if verb in _ARGUMENTS and set(line) & set(b"\r\n\0"):
            return self.refuse(500, verb)
        if verb == "BDAT":
            return self.chunk(line.decode("latin-1"))
        if not re.fullmatch(_ARGUMENTS.get(verb, "(?!)"), line[4:].decode("latin-1")):
            raise _Unsure
        if b"=" in line and not self.is_extended:
            return self.refuse(555, verb)
        if self.state not in _ADMITTED[verb] or (verb == "DATA" and self.is_binary):
            return self.refuse(503, verb)
        return self.obey(verb, line)

    def obey(self, verb: str, line: bytes) -> None:
        if verb in ("NOOP", "RSET", "VRFY", "EXPN", "HELP", "EHLO", "HELO"):
            self.idle += 1
            if self.idle > 4:
                raise _Unsure
        if verb == "RCPT":
            self.idle = 0
            self.recipients += 1
            if self.recipients > 3:
                return self.answer(452)
        self.answer(_CODES.get(verb, 250))
        ready = "R" if self.state != "G" else "G"
        moves = {"EHLO": "R", "HELO": "R", "RSET": ready, "MAIL": "M", "RCPT": "T", "QUIT": "Q"}
        self.state = moves.get(verb, self.state)
        if verb in ("EHLO", "HELO"):
            self.is_extended = verb == "EHLO"
        if verb == "MAIL":
            self.is_binary = b"BINARYMIME" in line
            self.data, self.recipients = b"", 0
        if verb == "DATA":
            self.mail_data()
        return None

    def mail_data(self) -> None:
        content, end, rest = (CRLF + self.rest).partition(END)
        if not end:
            self.state = "Q"
            if len(content) > 100:
                raise _Unsure
            return
        self.rest = rest
        self.data = (content + CRLF).replace(CRLF + b".", CRLF)[2:]
        self.end()

    def end(self) -> None:
        if len(self.data) > 100:
            raise _Unsure
        self.state = "R"
        if len(self.data) > 40:
            self.answer(552)
        elif irregularity_oracle(self.data) is not None and not self.is_binary:
            self.answer(554)
        else:
            self.answer(250)
            self.messages.append(self.data)

    def chunk(self, line: str) -> None:
        found = _BDAT.fullmatch(line)
        if not found:
            raise _Unsure
        size = int(found[1])
        if size > 60:
            raise _Unsure
        if len(self.rest) < size:
            self.state = "Q"
            return None
        data, self.rest = self.rest[:size], self.rest[size:]
        if self.state == "F":
            return self.answer(503)  # sent before the client knew: no error
        if self.state not in "TB" or not self.is_extended:
            return self.refuse(503, "BDAT")
        self.data += data
        if found[2]:
            return self.end()
        if len(self.data) > 40:
            self.state = "F"
            return self.answer(552)
        self.state = "B"
        return self.answer(250)


def check_oracle(octets: bytes) -> bool:
    """A server that takes everything answers as the oracle does; return True if to the end."""
    events, replies, _ = run("GREETED", [octets] if octets else [], b"", False, False)
    oracle = _Oracle(octets)
    complete = oracle.run()
    codes = [int(reply[:3]) for reply in replies]
    messages = accepted(events, replies)
    assert codes[: len(oracle.codes)] == oracle.codes
    assert messages[: len(oracle.messages)] == oracle.messages
    if complete:
        assert codes == oracle.codes
        assert messages == oracle.messages
    return complete
