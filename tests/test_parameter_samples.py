# SPDX-License-Identifier: MIT
"""Samples of every parameter and path, right and wrong: what is taken, and which reply refuses it.

A server that offers all there is gets each one in a line of its own. What is refused changes
nothing: a right command behind it works.
"""

from __future__ import annotations

import pytest
import server_drive as drive
from registry_drive import SYNTAX, Answer, is_refused, server
from registry_drive import UNKNOWN_PARAMETER as UNKNOWN
from server_drive import MAIL, RCPT, snapshot, talk

from smtpproto import Path, ServerConnection, extensions

HASH = "A" * 27


def is_taken(connection: ServerConnection, line: str) -> None:
    assert talk(connection, line.encode() + b"\r\n").codes == [250]


@pytest.mark.parametrize(
    "text",
    [
        *("SIZE=0", "SIZE=00012", "SIZE=99999999999999999999", "size=5"),
        *("BODY=8bitmime", "BODY=7BIT", "BODY=BINARYMIME"),
        *("SMTPUTF8", "smtputf8"),
        *("RET=FULL", "ret=hdrs"),
        *("ENVID=QQ314159", "ENVID=a+20b", "ENVID=" + "x" * 100),
        *("AUTH=<>", "AUTH=e+3Dmc2@example.com"),
        *("BY=120;R", "BY=-5;N", "BY=+0;NT", "BY=999999999;RT", "BY=0;N", "by=5;rt"),
        *("HOLDFOR=1", "HOLDFOR=999999999"),
        *("HOLDUNTIL=2026-12-01T08:00:00Z", "HOLDUNTIL=2027-01-01T00:00:00Z"),
        *("MT-PRIORITY=-9", "MT-PRIORITY=0", "MT-PRIORITY=9"),
        *(f"MTRK={HASH} ENVID=a", f"MTRK={HASH}:86400 ENVID=a", f"ENVID=a MTRK={HASH}=:1"),
        *("SOLICIT=net.example:ADV,org.example:ADV:ADLT",),
        *("TRANSID=<12345@claremont.edu>",),
        *("REQUIRETLS", "PRDR", "CONPERM", "XVERP", "XVERP=+=", "SUBMITTER=a+2Bb@example.com"),
        *("SIZE=5 BODY=8BITMIME RET=HDRS ENVID=a BY=120;R",),
        *("SIZE=5  BODY=8BITMIME   RET=HDRS",),
    ],
)
def test_mail_takes(text: str) -> None:
    connection = server()
    is_taken(connection, f"MAIL FROM:<a@example.com> {text}")
    assert connection.transaction is not None
    wire = connection.transaction.mail.parameters.wire
    assert set(wire) == {word.partition("=")[0].upper() for word in text.split()}


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        *(
            (text, SYNTAX)
            for text in ("SIZE", "SIZE=", "SIZE=-1", "SIZE=1k", "SIZE=+1", "SIZE=1_0")
        ),
        *((text, SYNTAX) for text in ("SIZE=" + "9" * 21, "SIZE=5 SIZE=5", "size=5 SIZE=6")),
        *((text, SYNTAX) for text in ("BODY", "BODY=", "BODY=9BIT", "BODY=8BITMIME,7BIT")),
        *((text, SYNTAX) for text in ("BODY=7BIT BODY=8BITMIME", "SMTPUTF8=1", "SMTPUTF8=")),
        *((text, SYNTAX) for text in ("RET=BODY", "RET", "RET=", "RET=FULL RET=HDRS")),
        *((text, SYNTAX) for text in ("ENVID=a=b", "ENVID=a+2", "ENVID=+00", "ENVID=")),
        *((text, SYNTAX) for text in ("ENVID=" + "x" * 101, "ENVID=+0D+0A", "ENVID=+E9")),
        *((text, SYNTAX) for text in ("AUTH=", "AUTH", "AUTH=a", "AUTH=a+zz", "AUTH=a+0Ab@x")),
        ("AUTH=not a mailbox", SYNTAX),
        *((text, SYNTAX) for text in ("BY=0;R", "BY=-1;R", "BY=1", "BY=1;X", "BY=", "BY=;R")),
        *((text, SYNTAX) for text in ("BY=1234567890;N", "BY=1;RTT", "BY=--1;N", "BY=1;T")),
        ("BY=1;R", UNKNOWN),  # below the announced minimum
        *((text, SYNTAX) for text in ("HOLDFOR=0", "HOLDFOR=01", "HOLDFOR=1000000000", "HOLDFOR")),
        ("HOLDFOR=1 HOLDUNTIL=2026-12-01T08:00:00Z", SYNTAX),
        ("HOLDFOR=121 BY=120;R", SYNTAX),
        *(
            (f"HOLDUNTIL={time}", SYNTAX)
            for time in (
                "2026-12-01T08:00:00+01:00",
                "2027-01-01T00:00:01Z",
                "2026-12-01",
                "2026-13-01T08:00:00Z",
                "",
            )
        ),
        *(
            (f"MT-PRIORITY={text}", (501, "5.5.2"))
            for text in ("+1", "-0", "10", "03", "-10", "1.0", "x")
        ),
        *((text, SYNTAX) for text in ("MT-PRIORITY", "MT-PRIORITY=")),
        (f"MTRK={HASH}", SYNTAX),  # without ENVID
        *(
            (f"MTRK={text} ENVID=a", SYNTAX)
            for text in (
                f"{HASH}:0000000001x",
                f"{HASH}:1234567890",
                f"{HASH}:",
                "A" * 26,
                "A" * 28,
                "-" * 27,
                "",
            )
        ),
        *(
            (f"SOLICIT={text}", SYNTAX)
            for text in ("1net.example", "a,,b", "a,", ",a", "", "a" * 1001)
        ),
        ("SOLICIT=net.example:SPAM", (550, "5.7.1")),
        *(
            (f"TRANSID={text}", SYNTAX)
            for text in ("12345@claremont.edu", "<>", "<a>", "", f"<{'a' * 77}@b>")
        ),
        *((text, SYNTAX) for text in ("REQUIRETLS=1", "REQUIRETLS=", "PRDR=1", "CONPERM=x")),
        *((text, SYNTAX) for text in ("XVERP=+", "XVERP=+=-", "XVERP=ab", "SUBMITTER=<>")),
        *((text, SYNTAX) for text in ("SUBMITTER", "SUBMITTER=a", "REQUIRETLS REQUIRETLS")),
        *((text, UNKNOWN) for text in ("X-FOO", "X-FOO=1", "NOTIFY=NEVER", "ORCPT=rfc822;a")),
        *((text, SYNTAX) for text in ("=5", "SIZE =5", "-X", "A_B=1", "SIZE=5\tBODY=7BIT")),
        *((text, SYNTAX) for text in ("SIZE=5\x01", "SIZE=\x7f", "ENVID=a\x1bb")),
        *((text, SYNTAX) for text in ("SIZE=\u0665", "ENVID=\u00e9", "RET=\udcff")),
        ("X-FOO=\udcff", UNKNOWN),
    ],
)
def test_mail_refuses(text: str, reply: Answer) -> None:
    connection = server()
    is_refused(connection, f"MAIL FROM:<a@example.com> {text}", reply)
    assert talk(connection, MAIL + RCPT).codes == [250, 250]


@pytest.mark.parametrize(
    ("left_out", "text", "reply"),
    [
        (("BINARYMIME",), "BODY=BINARYMIME", (504, "5.5.4")),
        (("BINARYMIME", "CHUNKING"), "BODY=BINARYMIME", (504, "5.5.4")),
        (("8BITMIME", "BINARYMIME", "SMTPUTF8", "BURL"), "BODY=BINARYMIME", UNKNOWN),
        (("8BITMIME", "BINARYMIME", "SMTPUTF8", "BURL"), "BODY=8BITMIME", UNKNOWN),
        (("DSN", "MTRK"), f"MTRK={HASH} ENVID=a", UNKNOWN),
        (("FUTURERELEASE",), "HOLDFOR=1", UNKNOWN),
    ],
)
def test_mail_refuses_what_is_not_offered(
    left_out: tuple[str, ...], text: str, reply: Answer
) -> None:
    connection = server(*left_out)
    is_refused(connection, f"MAIL FROM:<a@example.com> {text}", reply)
    assert talk(connection, MAIL + RCPT).codes == [250, 250]


def test_requiretls_is_not_offered_in_the_clear() -> None:
    """RFC 8689 2: so that it is an unknown parameter there."""
    connection = server(tls=None)
    is_refused(connection, "MAIL FROM:<a@example.com> REQUIRETLS", UNKNOWN)
    assert talk(connection, MAIL).codes == [250]


@pytest.mark.parametrize(
    "text",
    [
        *("NOTIFY=SUCCESS,FAILURE", "notify=never", "NOTIFY=DELAY", "NOTIFY=DELAY,SUCCESS,FAILURE"),
        *(
            "ORCPT=rfc822;a+2Bb@example.com",
            r"ORCPT=utf-8;\x{E9}@x",
            "ORCPT=x400;/S+3Da",
        ),
        *("RRVS=2014-04-03T23:01:00Z", "RRVS=2014-04-03T23:01:00Z;C"),
        *("RRVS=2014-04-03T23:01:00+02:00;R", "rrvs=2014-04-03T23:01:00Z;c", "CONNEG"),
        "NOTIFY=NEVER ORCPT=rfc822;a@b RRVS=2014-04-03T23:01:00Z CONNEG",
    ],
)
def test_rcpt_takes(text: str) -> None:
    connection = server()
    talk(connection, MAIL)
    is_taken(connection, f"RCPT TO:<a@example.com> {text}")


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        *(
            (f"NOTIFY={text}", SYNTAX)
            for text in ("NEVER,DELAY", "", "FOO", "SUCCESS,", ",SUCCESS", "SUCCESS;DELAY")
        ),
        *((text, SYNTAX) for text in ("NOTIFY", "NOTIFY=NEVER NOTIFY=NEVER", "ORCPT", "ORCPT=")),
        *(
            (f"ORCPT={text}", SYNTAX)
            for text in (
                "a@b",
                "rfc822;",
                ";a@b",
                "rfc822;" + "x" * 494,
                "rfc822;a+2",
                r"utf-8;\x{D800}",
                r"utf-8;\x{110000}",
                "r@;a",
            )
        ),
        *(
            (f"RRVS={text}", SYNTAX)
            for text in (
                "2014-04-03T23:01:00.5Z",
                "2014-04-03T23:01:00Z;X",
                "2014-04-03T23:01:00Z;",
                "2014-04-03T23:01:00",
                "2014-04-03",
                "",
            )
        ),
        *((text, SYNTAX) for text in ("RRVS", "CONNEG=1", "CONNEG CONNEG")),
        *((text, UNKNOWN) for text in ("X-FOO", "SIZE=5", "BODY=8BITMIME", "SMTPUTF8", "RET=FULL")),
    ],
)
def test_rcpt_refuses(text: str, reply: Answer) -> None:
    connection = server()
    talk(connection, MAIL + RCPT)
    is_refused(connection, f"RCPT TO:<a@example.com> {text}", reply)
    assert talk(connection, RCPT + b"DATA\r\n").codes == [250, 354]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("ETRN example.com", "ETRN"),
        ("ETRN @example.com", "ETRN"),
        ("ETRN #uucp", "ETRN"),
        ("ATRN", "ATRN"),
        ("ATRN example.org,example.com", "ATRN"),
        ("XCLIENT NAME=a.example ADDR=192.0.2.9", "XCLIENT"),
        ("XFORWARD SOURCE=LOCAL ADDR=IPV6:2001:db8::1", "XFORWARD"),
        ("WELLKNOWN security.txt", "WELLKNOWN"),
        ("VERB ON", "VERB"),
        ("ONEX", "ONEX"),
    ],
)
def test_commands_that_are_taken(line: str, command: str) -> None:
    event = drive.event_of(server(), line.encode() + b"\r\n")
    assert event.command.verb == command


@pytest.mark.parametrize(
    "line",
    [
        *("ETRN", "ETRN @", "ETRN #", "ETRN a b", "ETRN a..b", "ETRN [192.0.2.1]"),
        *("ATRN localhost", "ATRN a.example,", "ATRN a.example b.example", "ATRN a.example,b"),
        *("XCLIENT", "XCLIENT NAME", "XCLIENT ADDR=a", "XCLIENT ADDR=192.0.2.256"),
        *("XCLIENT PORT=65536", "XCLIENT PORT=-1", "XCLIENT NAME=+0A", "XCLIENT NAME=+2"),
        *("XCLIENT FOO=1", "XCLIENT PORT=1 PORT=2", "XCLIENT PORT=", "XCLIENT PROTO=LMTP"),
        *("XFORWARD", "XFORWARD SOURCE=X", "XFORWARD IDENT=a+20b", "XFORWARD LOGIN=a"),
        *("WELLKNOWN", "WELLKNOWN +00", "VERB MAYBE", "ONEX x"),
    ],
)
def test_commands_that_are_refused(line: str) -> None:
    connection = server()
    is_refused(connection, line, SYNTAX)
    assert talk(connection, MAIL + RCPT).codes == [250, 250]


@pytest.mark.parametrize(
    "line", ["BDAT 0 LAST\r\n", "bdat 3 last\r\nabc", "BDAT 5\r\n12345", "BDAT 05\r\nabcde"]
)
def test_bdat_takes(line: str) -> None:
    connection = server()
    assert talk(connection, MAIL + RCPT, line.encode()).codes == [250, 250, 250]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "BDAT",
            "BDAT -1",
            "BDAT 5 FIRST",
            "BDAT 0x5",
            "BDAT +5",
            "BDAT 5 LAST LAST",
            "BDAT 5  LAST",
        ),
        *("BDAT LAST", "BDAT 1_0", "BDAT \u0665", "BDAT " + "9" * 21, "BDAT 5,LAST", "BDAT 5.0"),
    ],
)
def test_bdat_refuses_and_closes(line: str) -> None:
    """Nobody knows where the next command begins (RFC 3030 2)."""
    connection = server()
    talk(connection, MAIL + RCPT)
    outcome = talk(connection, line.encode() + b"\r\nQUIT\r\nRSET\r\n")
    assert outcome.output.startswith((b"501 5.5.4 ", b"501 5.5.2 "))
    assert outcome.codes == [501]
    assert outcome.is_closed


PATHS = [
    *("<a@b>", '<"a b"@x.example>', '<"a@b"@x.example>', '<""@x.example>', "<a@[192.0.2.1]>"),
    *("<a@[IPv6:2001:db8::1]>", "<@r1,@r2:a@b>", "<a@[IPv6:::ffff:192.0.2.1]>", "<a@b.c-d.e1>"),
    *("<!#$%&'*+-/=?^_`{|}~@x>", r'<"\"\\"@x>'),
]
BAD_PATHS = [
    *("<a@>", "<@b>", "<a..b@x>", "<.a@x>", "<a.@x>", "<a@-x>", "<a@x->", "<a@x_y>", "<a@x..y>"),
    *("<a@[1.2.3.256]>", "<a@[2001:db8::1]>", "<a@[IPv6:2001::db8::1]>", "a@b", "<a@b", '<"a@x>'),
    *("<a@b>x", "<a b@x>", "<a@b@c>", "<a@x.>", "<a@b\x7f>", "<a\x01@b>", "<a@[]>", "<<a@b>>"),
    *("<a@[IPv6:fe80::1%eth0]>", "", " ", "<@r1 a@b>", "a@b>", "<(x)a@b>"),
]


@pytest.mark.parametrize("path", [*PATHS, "<>"])
def test_a_reverse_path_that_is_taken(path: str) -> None:
    connection = server()
    is_taken(connection, f"MAIL FROM:{path} SIZE=5")
    assert connection.transaction is not None
    assert connection.transaction.mail.parameters == {"SIZE": 5}


@pytest.mark.parametrize("path", [*BAD_PATHS, "<a>", "<Postmaster>"])
def test_a_reverse_path_that_is_refused(path: str) -> None:
    connection = server()
    is_refused(connection, f"MAIL FROM:{path}", (501, "5.1.7"))
    assert talk(connection, MAIL + RCPT).codes == [250, 250]


@pytest.mark.parametrize("path", [*PATHS, "<Postmaster>", "<postMASTER>", "<Postmaster@x.example>"])
def test_a_forward_path_that_is_taken(path: str) -> None:
    connection = server()
    talk(connection, MAIL)
    is_taken(connection, f"RCPT TO:{path} NOTIFY=NEVER")
    assert connection.transaction is not None
    [rcpt] = connection.transaction.recipients
    route, _, address = path[1:-1].rpartition(":") if "@r1" in path else ("", "", path[1:-1])
    assert rcpt.forward_path == Path(address, ("r1", "r2") if route else ())


@pytest.mark.parametrize("path", [*BAD_PATHS, "<>", "<a>"])
def test_a_forward_path_that_is_refused(path: str) -> None:
    connection = server()
    talk(connection, MAIL + RCPT)
    is_domain = path in ("<a@x_y>", "<a@-x>", "<a@x->", "<a@x..y>", "<a@x.>", "<a@>", "<a@b\x7f>")
    is_domain |= path.startswith("<a@[")
    is_refused(connection, f"RCPT TO:{path}", (501, "5.1.2" if is_domain else "5.1.3"))
    assert talk(connection, RCPT + b"DATA\r\n").codes == [250, 354]


@pytest.mark.parametrize(
    ("mail", "rcpt", "codes"),
    [
        ("<\u00e9@x.example>", "<a@x.example>", (550, 503)),
        ("<a@x.example>", "<\u00e9@x.example>", (250, 553)),
        ("<\u00e9@x.example> SMTPUTF8", "<\u00fc@\u00f6.example>", (250, 250)),
        ("<\udcff@x.example> SMTPUTF8", "<a@x.example>", (550, 503)),
        ("<\ud83d\ude00@x.example> SMTPUTF8", "<a@x.example>", (550, 503)),
        ("<a@x.example> SMTPUTF8", "<\udcc3@x.example>", (250, 553)),
    ],
)
def test_addresses_beyond_ascii(mail: str, rcpt: str, codes: tuple[int, int]) -> None:
    """RFC 6531 3.5: with SMTPUTF8 only, and then in UTF-8 only: no surrogates, nothing cut."""
    lines = [
        line.encode("utf-8", "surrogatepass" if "\ud83d" in line else "surrogateescape")
        for line in (f"MAIL FROM:{mail}\r\n", f"RCPT TO:{rcpt}\r\n")
    ]
    connection = server()
    outcome = talk(connection, *lines)
    assert tuple(outcome.codes) == codes
    refused = [line for line in outcome.output.splitlines() if line[:2] == b"55"]
    assert all(line[4:10] == b"5.6.7 " for line in refused)
    assert talk(connection, b"RSET\r\n" + MAIL + RCPT).codes == [250, 250, 250]


@pytest.mark.parametrize("octet", [b"\0", b"\r", b"\n"])
@pytest.mark.parametrize("before", [b"MAIL FROM:<a", b"MAIL FROM:<a@b.example> SIZE=5", b"MA"])
def test_nul_cr_and_lf_make_one_bad_line(octet: bytes, before: bytes) -> None:
    connection = server()
    before_it = snapshot(connection)
    outcome = talk(connection, before + octet + b"@b.example>\r\n")
    assert outcome.output.startswith(b"500 5.5.2 ")
    assert outcome.codes == [500]
    assert snapshot(connection) == before_it
    assert talk(connection, MAIL + RCPT).codes == [250, 250]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("RCPTMAX=20 MAILMAX=5", extensions.AnnouncedLimits(5, 20)),
        ("RCPTMAX=0 MAILMAX=5", extensions.AnnouncedLimits(5)),
        ("RCPTMAX=1234567 MAILMAX=5", extensions.AnnouncedLimits(5)),
        ("RCPTMAX=05 MAILMAX=5", extensions.AnnouncedLimits(5)),
        ("RCPTMAX MAILMAX=5 X-NEW=a,b", extensions.AnnouncedLimits(5)),
        ("A;B RCPTMAX=20", extensions.AnnouncedLimits()),
        ("", extensions.AnnouncedLimits()),
    ],
)
def test_limits_as_a_client_reads_them(text: str, limit: extensions.AnnouncedLimits) -> None:
    """RFC 9422 3: what cannot be read limits nothing."""
    assert extensions.ServerLimits().parse_announcement((text,)) == limit
