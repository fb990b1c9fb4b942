# SPDX-License-Identifier: MIT
"""A server on a blocking socket: the loop that docs/integrate.md shows, under the type checker."""

import socket
import ssl
from collections.abc import Callable

from smtpproto import (
    ChunkReceived,
    CommandReceived,
    ConnectionClosed,
    Mail,
    MailDataEnded,
    MailDataReceived,
    Rcpt,
    Reply,
    ServerConnection,
    Signal,
    TLSInfo,
    extensions,
    recommended_timeout,
)

Deliver = Callable[[str, list[str], bytes], None]


def make_connection() -> ServerConnection:
    """One for each client that connects."""
    return ServerConnection(
        "mx.example.org",
        extensions=[
            extensions.Size(10_000_000),
            extensions.EightBitMime(),
            extensions.Pipelining(),
            extensions.EnhancedStatusCodes(),
            extensions.Chunking(),
            extensions.StartTLS(),
        ],
    )


def serve_connection(sock: socket.socket, tls: ssl.SSLContext, deliver: Deliver) -> None:
    """Run one session, then close the socket."""
    conn = make_connection()
    out = bytearray(conn.send(Reply(220, "mx.example.org ESMTP")))
    content = bytearray()
    while True:
        match conn.next_event():
            case Signal.NEED_DATA:  # all replies are in `out`: write them, then read
                sock.settimeout(recommended_timeout("server", conn.state))
                sock.sendall(out)
                out.clear()
                if data := sock.recv(65536):
                    conn.receive_data(data)
                else:
                    conn.receive_eof()
            case Signal.NEED_TLS:  # the 220 to STARTTLS is in `out`
                sock.sendall(out)
                out.clear()
                sock = tls.wrap_socket(sock, server_side=True)
                conn.tls_established(tls_info(sock))
            case CommandReceived(command=Mail()):
                content.clear()
                out += conn.send(Reply(250, "ok", "2.1.0"))
            case CommandReceived(command=Rcpt(forward_path=path)):
                if path.address == "ann@example.org":
                    out += conn.send(Reply(250, "ok", "2.1.5"))
                else:
                    out += conn.send(Reply(550, "no such mailbox", "5.1.1"))
            case MailDataReceived(data=data):  # from DATA and from BDAT alike
                content += data
            case MailDataEnded(violation=None, recipients=rcpts):
                assert conn.transaction is not None
                sender = conn.transaction.mail.reverse_path.address
                deliver(sender, [rcpt.forward_path.address for rcpt in rcpts], bytes(content))
                out += conn.send(Reply(250, "delivered", "2.0.0"))
            case ConnectionClosed():
                break
            case Signal.NEED_REPLY | ChunkReceived():
                raise AssertionError("each event is answered at once; no verb of ours has octets")
            case event:  # EHLO, DATA, BDAT, NOOP, QUIT, and all that is refused
                out += conn.send(event.default_reply or Reply(502, "not implemented", "5.5.1"))
    sock.sendall(out)
    close_slowly(sock)


def tls_info(sock: ssl.SSLSocket) -> TLSInfo:
    """Say what the session may know of its TLS layer."""
    cipher = sock.cipher()
    return TLSInfo(
        version=sock.version() or "",
        cipher=cipher[0] if cipher else "",
        peer_certificate=sock.getpeercert(binary_form=True),
        peer_verified=sock.context.verify_mode == ssl.CERT_REQUIRED,
    )


def close_slowly(sock: socket.socket) -> None:
    """End our side, and drop what still comes: unread input would make a reset of the close."""
    with sock:
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(2)
            for _ in range(100):
                if not sock.recv(65536):
                    break
        except OSError:
            pass  # gone, or still talking: either way this is the end
