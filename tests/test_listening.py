# SPDX-License-Identifier: MIT
"""How addresses become listening sockets."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from smtpproto import LocalProtocolError
from smtpproto.listening import Where, listen

NO_HOSTS = (b"127.0.0.1", 5, [], [5], [None], "", [""], ["::1", ""])
STREAM = socket.socket()
DATAGRAM = socket.socket(type=socket.SOCK_DGRAM)
STREAM.close()
DATAGRAM.close()


def close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def test_several_hosts_have_one_port() -> None:
    made = listen(["127.0.0.1", "::1", "127.0.0.2"], 0)
    names = [one.getsockname()[:2] for one in made]
    close(made)
    assert [host for host, _ in names] == ["127.0.0.1", "::1", "127.0.0.2"]
    assert len({port for _, port in names}) == 1


@pytest.mark.parametrize("path", ["", "\0name", "a\0b"])
def test_no_socket_that_has_no_file(path: str) -> None:
    with pytest.raises(LocalProtocolError, match="path: the text of a path expected"):
        Where(None, 0, path)


def test_all_or_nothing() -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen(["127.0.0.1", "127.0.0.2"], port)
        close(listen("127.0.0.1", port))  # it is free again


@pytest.mark.parametrize("tries", [1, 9, 10])
def test_a_port_that_is_free_at_the_first_host_alone_is_passed_over(
    tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = socket.create_server
    with create(("127.0.0.2", 0)) as taken:
        bad = taken.getsockname()[1]
        chosen = [bad] * tries

        def creating(address: tuple[str, int], **options: Any) -> socket.socket:
            host, port = address
            return create((host, port or (chosen.pop() if chosen else 0)), **options)

        monkeypatch.setattr(socket, "create_server", creating)
        if tries == 10:  # it is not for ever
            with pytest.raises(OSError, match="in use"):
                listen(["127.0.0.1", "127.0.0.2"], 0)
        else:
            made = listen(["127.0.0.1", "127.0.0.2"], 0)
            [port] = {one.getsockname()[1] for one in made}
            assert port != bad
            close(made)
    assert not chosen


def test_a_port_for_several_processes() -> None:
    first = listen("127.0.0.1", 0, reuse_port=True)
    port = first[0].getsockname()[1]
    second = listen("127.0.0.1", port, reuse_port=True)
    with pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", port)
    close(first + second)


def test_no_such_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(OSError, match="no SO_REUSEPORT"):
        listen("127.0.0.1", 0, reuse_port=True)


def test_a_unix_socket_comes_and_goes(tmp_path: Path) -> None:
    where = Where(None, 0, str(tmp_path / "x"))
    assert where.mark() is None
    close(where.listen())
    assert (tmp_path / "x").is_socket()
    close(where.listen())  # what was left behind is no hindrance
    mark = where.mark()
    assert mark is not None
    where.forget(None)
    assert (tmp_path / "x").exists()
    where.forget(mark)
    assert not (tmp_path / "x").exists()
    where.forget(mark)  # it was removed by somebody else
    (tmp_path / "x").write_text("mine")
    where.forget(mark)
    assert (tmp_path / "x").exists()


def test_the_unix_socket_of_another_stays(tmp_path: Path) -> None:
    where = Where(None, 0, str(tmp_path / "x"))
    first = where.listen()
    mark = where.mark()
    (tmp_path / "x").unlink()
    second = where.listen()
    where.forget(mark)
    assert (tmp_path / "x").is_socket()
    close(first + second)


@pytest.mark.parametrize("backlog", [0, 4096])
def test_a_unix_socket_where_somebody_listens_is_taken(tmp_path: Path, backlog: int) -> None:
    """As a port is, and who listens need not have time to accept."""
    where = Where(None, 0, str(tmp_path / "x"))
    made = where.listen()
    made[0].listen(backlog)
    for _ in range(2):
        with pytest.raises(OSError, match="in use"):
            where.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        with suppress(BlockingIOError):  # it is full of those that have looked
            client.connect(str(tmp_path / "x"))
    close(made)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "datagram"])
def test_what_is_no_unix_socket_of_ours_stays(tmp_path: Path, kind: str) -> None:
    there = tmp_path / "x"
    other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    match kind:
        case "file":
            there.write_text("mine")
        case "folder":
            there.mkdir()
        case "link":
            there.symlink_to(tmp_path / "y")
        case _:
            other.bind(str(there))
    before = there.lstat()
    with other, pytest.raises(OSError, match="in use"):
        Where(None, 0, str(there)).listen()
    assert there.lstat() == before


def test_sockets_that_are_there_already(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        where = Where("127.0.0.1", 0, sockets=(given,))
        assert where.listen() == [given]
        assert where.mark() is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", None])
def test_many_may_wait(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    create = socket.create_server
    monkeypatch.setattr(
        socket, "create_server", lambda *args, **more: asked.append(more) or create(*args, **more)
    )
    close(listen(host, 0))
    assert asked[0]["backlog"] == 4096


@pytest.mark.parametrize(
    ("name", "got", "told"),
    [
        *(("port", got, "a number from 0 to 65535") for got in ("25", 70000, -1, None, True, 2.5)),
        *(
            ("host", got, "a name or an address")
            for got in (
                *(b"127.0.0.1", 5, [], [5], [None], "", [""], ["::1", ""], "localhost:25"),
                *("\udcff", "hä" * 70, "x" * 64, "a..b", "[::1]"),
            )
        ),
        ("path", 5, "text of a path expected, not 5"),
        ("sockets", [], "at least one stream socket expected"),
        ("sockets", [5], "at least one stream socket expected"),
        ("sockets", [DATAGRAM], "at least one stream socket expected"),
        ("sockets", [STREAM, DATAGRAM], "at least one stream socket expected"),
        ("sockets", "x", "at least one stream socket expected, not 'x'"),
        ("reuse_port", "no", "True or False expected, not 'no'"),
    ],
)
def test_what_is_misunderstood_is_refused(name: str, got: Any, told: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{name}: .*{told}"):
        Where(**{"host": "127.0.0.1", "port": 0, name: got})


def test_one_place_is_said() -> None:
    with (
        socket.socket() as given,
        pytest.raises(LocalProtocolError, match=r"^path, sockets: one of them expected$"),
    ):
        Where("127.0.0.1", 0, "/a/path", [given])


@pytest.mark.parametrize("given", [False, True])
def test_small_writes_do_not_wait_for_acknowledgements(given: bool) -> None:
    where = Where("127.0.0.1", 0)
    if given:
        where = Where("127.0.0.1", 0, sockets=[socket.create_server(("127.0.0.1", 0))])
    [listener] = where.listen()
    with listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
