# SPDX-License-Identifier: MIT
"""Mail software of others, started on loopback and stopped again, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from cli_drive import certificates, stop, wait_for

TEMPLATES = Path(__file__).parent / "interop"
POSTFIX = os.environ.get("SMTPPROTO_POSTFIX", "")
"""Where the files of Postfix are, as the package has them; empty where it is installed."""
EXIM = os.environ.get("SMTPPROTO_EXIM", "")
"""The same of Exim."""
# What the programs of Postfix expect to find; the owner may be nobody else.
_QUEUE = "active bounce corrupt defer deferred flush hold incoming private public saved trace pid"


class _Percent(Template):
    """A template whose ``$`` is the configuration's own."""

    delimiter = "%"


def write(name: str, file: Path, **values: object) -> None:
    """Write a configuration file from its template."""
    file.write_text(_Percent((TEMPLATES / name).read_text("utf-8")).substitute(values), "utf-8")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder that servers can enter which give up being root."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:  # some leave late
        os.chmod(name, 0o755)
        yield Path(name)


@contextmanager
def running(
    argv: list[str], *addresses: int | Path, log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends.

    Args:
        argv: the program, which stays in the foreground.
        addresses: the ports of 127.0.0.1 and the Unix sockets that it is to listen on.
        log: gets what it says; shown when it does not come up.
        environment: more variables.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Postfix ends its processes as a group
        )
    try:
        for address in addresses:
            wait_for(lambda at=address: _answers(process, at, log))
        yield process
    finally:
        stop(process)


def _answers(process: subprocess.Popen[bytes], address: int | Path, log: Path) -> bool | None:
    assert process.poll() is None, log.read_text("utf-8", "replace")
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    where = ("127.0.0.1", address) if isinstance(address, int) else str(address)
    with socket.socket(family) as probe:
        return True if probe.connect_ex(where) == 0 else None


def program(name: str, *folders: str) -> str:
    """Return the path of a program; daemons are not always in the PATH."""
    path = os.pathsep.join((os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin", *folders))
    found = shutil.which(name, path=path)
    assert found is not None, f"{name} expected in {path}"
    return found


class Postfix:
    """A running Postfix.

    Args:
        base: its folder.
        smtp: the port of the server that it relays to.
        lmtp: the port of the one for ``lmtp.example``; ``unix.example`` is at `lmtp_path`.
        auth: domain to the port of one that it tells that it is ann.
        password: ann's.
    """

    def __init__(
        self, base: Path, smtp: int, lmtp: int, auth: Mapping[str, int], password: str
    ) -> None:
        self.base = base
        self.port, self.small, self.submission = free_port(), free_port(), free_port()
        self.lmtp_path = base / "lmtp"
        self.log = base / "log"
        (base / "etc").mkdir()
        values = {
            "root": POSTFIX,
            "folder": base,
            "ca": certificates()[0],
            "certificate": certificates()[1],
            "smtp": smtp,
            "lmtp": lmtp,
            "auth": "\n".join(f"{name} auth:[127.0.0.1]:{port}" for name, port in auth.items()),
            "password": password,
            "port": self.port,
            "small": self.small,
            "submission": self.submission,
        }
        write("postfix-main.cf", base / "etc/main.cf", **values)
        write("postfix-master.cf", base / "etc/master.cf", **values)
        write("postfix-transport", base / "transport", **values)
        write("postfix-access", base / "access")
        for name in ("data", *(f"queue/{name}" for name in _QUEUE.split())):
            (base / name).mkdir(parents=True)
            if name != "queue/pid":
                shutil.chown(base / name, "daemon")

    @contextmanager
    def run(self) -> Iterator[None]:
        """Run its master process in the foreground; it is to end within seconds."""
        assert os.getuid() == 0, "Postfix wants to be started by root"
        master = f"{POSTFIX}/usr/lib/postfix/sbin/master"
        argv = [master, "-c", str(self.base / "etc"), "-d"]
        environment = {"LD_LIBRARY_PATH": f"{POSTFIX}/usr/lib/postfix"} if POSTFIX else {}
        ports = (self.port, self.small, self.submission)
        with running(argv, *ports, log=self.base / "output", environment=environment):
            yield


@contextmanager
def dovecot(base: Path, users: dict[str, str], auth: Path | None = None) -> Iterator[int]:
    """Run Dovecot: it speaks LMTP, also on ``lmtp`` in its folder, and Postfix can ask it.

    Args:
        base: its folder; the users have theirs in it. In that of "full" there is no room.
        users: name to password.
        auth: where it listens for the questions of Postfix; in its folder by default.

    Returns:
        The port of its LMTP server.
    """
    port, auth = free_port(), auth or base / "auth"
    write("dovecot.conf", base / "dovecot.conf", folder=base, auth=auth, port=port)
    lines = []
    for name, password in users.items():
        (base / name).mkdir()
        shutil.chown(base / name, "nobody", "nogroup")
        quota = "userdb_quota_rule=*:bytes=1" if name == "full" else ""
        lines.append(f"{name}:{{PLAIN}}{password}:nobody:nogroup::{base / name}::{quota}\n")
    (base / "users").write_text("".join(lines), "utf-8")
    argv = [program("dovecot"), "-F", "-c", str(base / "dovecot.conf")]
    with running(argv, auth, port, base / "lmtp", log=base / "log"):
        yield port


@contextmanager
def exim(base: Path, smtp: int, lmtp: int) -> Iterator[int]:
    """Run Exim in front of servers.

    Args:
        base: its folder.
        smtp: the port of the server that it relays to, which has to offer STARTTLS.
        lmtp: the port of the one for ``lmtp.example``.

    Returns:
        Its port.
    """
    port = free_port()
    # Its user is compiled in, by name; where it is not installed there is none.
    for name, entry in (("passwd", "x:1:1::/:/bin/false"), ("group", "x:1:")):
        (base / name).write_text(f"{Path('/etc', name).read_text()}Debian-exim:{entry}\n")
    (base / "spool").mkdir()
    ca, certificate = (shutil.copy(file, base) for file in certificates())
    for path in (base, base / "spool", ca, certificate):
        shutil.chown(path, 1, 1)
    values = {"smtp": smtp, "lmtp": lmtp, "port": port, "ca": ca, "certificate": certificate}
    write("exim.conf", base / "exim.conf", root=EXIM, folder=base, **values)
    environment = {
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_PASSWD": str(base / "passwd"),
        "NSS_WRAPPER_GROUP": str(base / "group"),
    }
    argv = [f"{EXIM}/usr/sbin/exim4", "-C", str(base / "exim.conf"), "-bdf", "-q1s"]
    with running(argv, port, log=base / "output", environment=environment):
        yield port


HAPROXY_PORTS = ("v1", "v2", "tls", "implicit", "unix", "several")


@contextmanager
def haproxy(base: Path, one: int, secured: int, *several: int) -> Iterator[dict[str, int]]:
    """Run HAProxy in front of servers.

    Args:
        base: its folder; a server may listen on ``socket`` there.
        one: the port of the server behind each version of the PROXY protocol.
        secured: the one of a server that begins with TLS.
        several: those of servers that share a load.

    Returns:
        The ports of its frontends by name.
    """
    ports = {name: free_port() for name in HAPROXY_PORTS}
    servers = [f"    server n{port} 127.0.0.1:{port}" for port in several]
    ca, certificate = certificates()
    values = {
        "one": one,
        "secured": secured,
        "ca": ca,
        "certificate": certificate,
        "socket": base / "socket",
        **ports,
    }
    file = base / "haproxy.cfg"
    write("haproxy.cfg", file, servers="\n".join(servers), **values)
    argv = [program("haproxy"), "-db", "-f", str(file)]
    with running(argv, *ports.values(), log=base / "haproxy.log"):
        yield ports
