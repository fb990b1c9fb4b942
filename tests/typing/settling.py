# SPDX-License-Identifier: MIT
"""A server that answers envelopes by itself: its replies in a variable, or where they are given."""

from smtpproto import Data, Mail, Rcpt, Reply, ServerConnection

SENDER_OK = {Mail: Reply(250, "ok", "2.1.0")}
ENVELOPE_OK = {Mail: Reply(250, "ok"), Rcpt: Reply(250, "ok"), Data: Reply(354, "go on")}


def settle(conn: ServerConnection, out: list[bytes], takes_all: bool) -> None:
    """Have the connection answer by itself."""
    if takes_all:
        conn.settle(ENVELOPE_OK, out)
    else:
        conn.settle(SENDER_OK, out)
    conn.settle({Mail: Reply(250, "ok"), Rcpt: Reply(250, "ok")}, out)
    conn.settle({}, out)
