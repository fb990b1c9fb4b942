# SPDX-License-Identifier: MIT
"""What must hold when our client talks to our server, whatever the server's application answers.

The octets of a test case are read as a row of choices. The oracle is a ledger kept from the calls
that were made and the replies that were given, without a look into either connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from invariants import canonical_oracle
from invariants_client import SECRET, Choices, check_shows_no_secret

from smtpproto import (
    Auth,
    AuthResponse,
    AuthResponseReceived,
    Bdat,
    CommandReceived,
    CommandRejected,
    ConnectionClosed,
    Data,
    Ehlo,
    EndOfMailData,
    Helo,
    Lhlo,
    LocalProtocolError,
    Mail,
    MailDataEnded,
    Noop,
    Quit,
    Rcpt,
    Reply,
    ReplyReceived,
    Rset,
    ServerConnection,
    ServerEvent,
    StartTLS,
    State,
    Vrfy,
    extensions,
)
from smtpproto.testing import ConnectionPair, Segment, accept

LIMIT = 60
BINARY = Mail("a@example.com", {"BODY": "BINARYMIME"})
FOR_EACH = Mail("a@example.com", {"PRDR": None})
NAMED = Mail("a@example.com", {"TRANSID": "<1@example.com>"})
PIECES = (
    *(b"text\r\n", b".\r\n", b"\r\n.\r\n", b"", b".", b"\r", b"\n", b"\0\xff", b"a\nb\rc"),
    b"x" * (LIMIT - 8),
)


def sending(*commands: Mail | Rcpt | Data) -> Callable[[Ledger], None]:
    def send(ledger: Ledger) -> None:
        for command in commands:
            ledger.send(command)

    return send


class Ledger:
    """Both sides, and what was said between them.

    Args:
        choices: the settings first, then what the application answers.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        lmtp = bool(choices.below(2))
        segment: Segment = choices.among(["whole", "bytewise", 3, Random(choices.below(256))])
        offered = [
            extensions.Size(LIMIT),
            extensions.EightBitMime(),
            extensions.Pipelining(),
            extensions.EnhancedStatusCodes(),
            extensions.SmtpUtf8(),
            extensions.Chunking(),
            extensions.BinaryMime(),
            extensions.StartTLS(),
            extensions.Auth("PLAIN", "CRAM-MD5", cleartext=True),
            extensions.Prdr(),
            extensions.Checkpoint(),
        ]
        if choices.below(4) == 3:
            del offered[2]
        server = ServerConnection("mx.example.org", extensions=offered, lmtp=lmtp)
        self.pair = ConnectionPair(server, application=self.answer, segment=segment)
        self.client = self.pair.client
        # What the application said about each message that reached it.
        self.verdicts: deque[tuple[bool, list[int]]] = deque()
        # Content of the messages whose end was sent, and of the one in the making.
        self.finished: deque[bytes] = deque()
        self.content: list[bytes] = []
        self.binary = False
        # The transaction by the replies alone.
        self.mail: Mail | None = None
        self.accepted: list[Rcpt] = []
        self.due: list[Rcpt | None] = []
        self.failed = False
        self.seen = 0

    # --- the application

    def answer(self, event: ServerEvent) -> Reply:
        refusal = self.choices.among([None] * 5 + [Reply(451, "later"), Reply(550, "no")])
        if self.choices.below(50) == 49:
            refusal = Reply(421, "going")
        default: Reply | None = getattr(event, "default_reply", None)
        if isinstance(event, CommandRejected) or (isinstance(event, MailDataEnded) and default):
            assert default is not None
            reply = default
        elif isinstance(event, AuthResponseReceived) or (
            isinstance(event, CommandReceived) and isinstance(event.command, Auth)
        ):
            reply = refusal or self.choices.among([Reply(235, "in"), Reply(334, "YQ==")])
        elif isinstance(event, CommandReceived) and isinstance(event.command, Rset):
            reply = accept(event)  # RFC 5321 4.1.1.5: always
        elif isinstance(event, CommandReceived) and event.command == NAMED:
            reply = refusal or self.choices.among([accept(event), Reply(355, "0")])
        else:
            reply = refusal or accept(event)
        if isinstance(event, MailDataEnded):
            if not self.verdicts or self.verdicts[-1][0]:
                self.verdicts.append((False, []))
                if self.may_answer_each(event) and self.choices.below(2):
                    reply = Reply(353, "each")
            codes = self.verdicts[-1][1]
            codes.append(reply.code)
            due = len(event.recipients) if self.client.lmtp else 1
            if codes[0] == 353:
                due += len(event.recipients) + 1
            if len(codes) == due or reply.code == 421:
                self.verdicts[-1] = (True, codes)
        return reply

    def may_answer_each(self, event: MailDataEnded) -> bool:
        transaction = self.pair.server.transaction
        assert transaction is not None
        agreed = transaction.mail == FOR_EACH and event.violation is None
        return bool(agreed and event.recipients)

    # --- the client's calls

    def send(self, command: Mail | Rcpt | Data) -> None:
        self.pair.write(self.client.send(command))
        if isinstance(command, Mail):
            self.content = []
            self.binary = command == BINARY

    def write(self) -> None:
        piece = self.choices.among(PIECES)
        self.pair.write(self.client.send_mail_data(piece))
        self.content.append(piece)

    def end(self) -> None:
        self.pair.write(self.client.end_mail_data())
        content = canonical_oracle(b"".join(self.content))
        ended = content == b"" or content.endswith(b"\r\n")
        self.finished.append(content if ended else content + b"\r\n")

    def chunk(self) -> None:
        piece = self.choices.among(PIECES)
        last = bool(self.choices.below(2))
        self.pair.write(self.client.send_chunk(piece, last))
        self.content.append(piece)
        if last:
            content = b"".join(self.content)
            if not self.binary:
                content = canonical_oracle(content)
            self.finished.append(content)

    def leave(self) -> None:
        how = self.choices.below(8)
        if how == 5:
            self.pair.to_server.ended = True
        elif how == 6:
            self.pair.reply(Reply(421, "shutting down"))
        elif how == 7:
            self.pair.write(self.client.send(Quit()))

    # --- what came of it

    def run(self) -> None:
        self.pair.run()
        for event in self.pair.client_events[self.seen :]:
            if isinstance(event, ReplyReceived):
                self.take(event)
        self.seen = len(self.pair.client_events)

    def take(self, event: ReplyReceived) -> None:
        command, code = event.command, event.reply.code
        if isinstance(command, EndOfMailData):
            self.take_verdict(command, code)
        elif isinstance(command, Bdat):
            self.failed |= code >= 400 and self.mail is not None
            if command.last:
                assert code >= 400, "no success of a last chunk that was not admitted"
                self.finished.popleft()
        elif isinstance(command, Rset | Ehlo | Helo | Lhlo) and code < 400:
            self.mail, self.accepted, self.failed = None, [], False
        elif isinstance(command, Mail) and code < 400:
            assert self.mail is None
            self.mail = command
        elif isinstance(command, Rcpt) and code < 400:
            assert self.mail is not None
            # RFC 3030 2: after a refused chunk, in the same group, it must not go on.
            if not self.failed:
                self.accepted.append(command)

    def take_verdict(self, end: EndOfMailData, code: int) -> None:
        """The server got the octets that were sent, for those that were accepted, once."""
        complete, codes = self.verdicts[0] if self.verdicts else (True, [])
        if code == 421 and (not codes or codes[0] != 421):
            return  # unasked: nothing is said of the message
        assert codes.pop(0) == code
        lmtp = self.client.lmtp
        if not self.due:
            self.due = [*self.accepted] if lmtp else [None]
            if code == 353:
                assert self.mail == FOR_EACH
                self.due = [None, *self.accepted, None]
            message = self.pair.messages.pop(0)
            content = self.finished.popleft()
            assert (message.mail, list(message.recipients)) == (self.mail, self.accepted)
            if len(content) > LIMIT:
                assert code >= 400
                content = content[:LIMIT]
            assert message.data == content
        assert end.recipient == self.due.pop(0)
        if not self.due:
            assert codes == []
            assert complete
            self.verdicts.popleft()
            self.mail, self.accepted = None, []

    def check_agreement(self) -> None:
        """Once nothing is under way, both sides are of one mind."""
        client, server = self.client, self.pair.server
        check_shows_no_secret((self.pair.client_events[-9:], self.pair.server_events[-9:]))
        if State.CLOSED in (client.state, server.state):
            assert client.state is server.state is State.CLOSED
            ends = [e for e in self.pair.client_events if isinstance(e, ConnectionClosed)]
            assert len(ends) == 1
            return
        assert client.outstanding == ()
        if self.failed:
            assert client.state is State.BDAT_FAILED
        else:
            assert client.state is server.state
        assert client.buffered == server.buffered == 0
        for name in ("hello", "tls", "is_authenticated", "announced"):
            assert getattr(client, name) == getattr(server, name), name
        for each in (client,) if self.failed else (client, server):
            if each.transaction is None:
                assert self.mail is None
            else:
                envelope = (each.transaction.mail, each.transaction.recipients)
                assert envelope == (self.mail, self.accepted)


MAIL, RCPT = Mail("a@example.com"), Rcpt("b@example.com")
HELLO = (Ehlo("client.example.com"), Lhlo("client.example.com"), Helo("client.example.com"))
STEPS: tuple[Callable[[Ledger], None], ...] = (
    *(sending(command) for command in (MAIL, BINARY, RCPT, RCPT, Rcpt("c@example.com"), Data())),
    *[sending(MAIL, RCPT, Rcpt("c@example.com"), RCPT)] * 2,
    *[sending(MAIL, RCPT, RCPT, Data())] * 2,
    sending(BINARY, RCPT),
    *[sending(FOR_EACH, RCPT, Rcpt("c@example.com"), RCPT, Data())] * 2,
    sending(FOR_EACH, RCPT),
    sending(NAMED),
    sending(NAMED, RCPT),
    *[Ledger.write] * 3,
    *[Ledger.end] * 3,
    *[Ledger.chunk] * 5,
    *(sending(command) for command in (Rset(), Noop(), Vrfy("x"), StartTLS(), *HELLO)),
    *(sending(command) for command in (Auth("PLAIN", SECRET), Auth("CRAM-MD5"))),
    *(sending(command) for command in (AuthResponse(SECRET), AuthResponse(None))),
    Ledger.leave,
)


def check_pair(octets: bytes) -> None:
    """Let both roles talk as `octets` say, and hold them against the ledger."""
    choices = Choices(octets)
    ledger = Ledger(choices)
    ledger.run()
    for hello in HELLO[:2]:
        try:
            ledger.send(hello)
        except LocalProtocolError:
            continue
    ledger.run()
    while choices and ledger.client.state is not State.CLOSED:
        try:
            choices.among(STEPS)(ledger)
        except LocalProtocolError:
            continue
        if choices.below(3):
            ledger.run()
            ledger.check_agreement()
    ledger.run()
    ledger.check_agreement()
