# SPDX-License-Identifier: MIT
"""Messages in a Maildir: each in a file of its own, safe before it is answered.

Decides when a message is safe: it is written to ``tmp``, brought to the disk, and only then moved
to ``new``, so that a reader never sees half a message.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ..dialogues import Peer, received
from ..grammar.addresses import is_address_literal, is_domain
from ..grammar.trace import encode_return_path, put_before
from ..kinds import PATH, Kind, check_kinds


def _is_hostname(got: object) -> bool:
    return got is None or (isinstance(got, str) and (is_domain(got) or is_address_literal(got)))


_KINDS: Mapping[str, Kind] = {
    "folder": PATH,
    "hostname": ("a domain or an address literal, or None,", _is_hostname),
}


class Maildir:
    """A handler that keeps messages, piece by piece as they come.

    Args:
        folder: made where it is missing.
        hostname: the name of this server, to have Return-Path and Received put before each message,
            as final delivery asks for (RFC 5321 4.4); None to keep messages just as they come.

    Raises:
        OSError: the folder cannot be made.
        LocalProtocolError: no path, or no name for a server.
    """

    def __init__(self, folder: str | os.PathLike[str], hostname: str | None = None) -> None:
        check_kinds(_KINDS, {"folder": folder, "hostname": hostname})
        self._folder = Path(folder)
        self._hostname = hostname
        for name in ("tmp", "new", "cur"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._count = itertools.count()
        self._host = socket.gethostname().replace("/", r"\057").replace(":", r"\072")

    def open_message(self, peer: Peer) -> MaildirSink:
        """Begin a file in ``tmp``.

        Raises:
            OSError: it cannot be written.
        """
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(self._count)}.{self._host}"
        trace = b""
        if self._hostname is not None:
            now = datetime.now().astimezone()
            transaction = peer.transaction
            assert transaction is not None
            trace = (
                encode_return_path(transaction.mail.reverse_path)
                + received(peer, self._hostname, now).encode()
            )
        return MaildirSink(self._folder, name, trace)


class MaildirSink:
    """One message on its way into a Maildir."""

    def __init__(self, folder: Path, name: str, trace: bytes = b"") -> None:
        self._trace = trace  # until the message begins
        self._written = folder / "tmp" / name
        self._target = folder / "new" / name
        self._file = open(  # noqa: SIM115  (closed by commit or abort)
            os.open(self._written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )

    def write(self, data: bytes) -> None:
        """Add a piece.

        Raises:
            OSError: it could not be written, as on a full disk.
        """
        if self._trace and data:
            data, self._trace = put_before(self._trace, data), b""
        self._file.write(data)

    def commit(self) -> None:
        """Bring the message to the disk, and show it to readers.

        Raises:
            OSError: it could not be written; nothing of it is left.
        """
        try:
            with self._file as file:
                file.write(self._trace)
                file.flush()
                os.fsync(file.fileno())
            self._written.rename(self._target)
            _sync_folder(self._target.parent)
        except BaseException:  # what is refused must not be kept
            self._written.unlink(missing_ok=True)
            self._target.unlink(missing_ok=True)
            raise

    def abort(self) -> None:
        """Forget the message."""
        try:
            self._file.close()
        except OSError:  # what is buffered cannot be written either
            pass
        finally:
            self._written.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Bring the name of a new file to the disk, where folders can be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
