"""What the keeper's socket accepts. Runtime, container and runner are stand-ins; connections and processes are real."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from containers import Runtime
from keeper import Keeper, _own_folder
from zygotes import Zygotes

BOUNDS = {"memory_mb_min": 64, "memory_mb_max": 1024, "containers": 2}
ID = "0123456789abcdef" * 2


class FakeContainer:
    """A sleeping process takes the place of the container's first process."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        self._process = subprocess.Popen(["sleep", "60"])
        self.pid = self._process.pid
        self.init = os.pidfd_open(self.pid)
        self.procs: list[int] = []
        self.removed = 0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def oom_killed(self) -> bool:
        return False

    def exit_code(self, ended: int) -> int | None:
        return 7

    def remove(self) -> None:
        self.removed += 1
        os.close(self.init)


class FakeRuntime:
    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.containers: list[FakeContainer] = []
        self.trouble: OSError | None = None

    def create(self, memory_mb: int) -> FakeContainer:
        if self.trouble is not None:
            raise self.trouble
        self.sizes.append(memory_mb)
        self.containers.append(FakeContainer(ID if not self.containers else os.urandom(16).hex()))
        return self.containers[-1]

    def remove_leftovers(self) -> None:
        pass


class FakeRunners:
    def __init__(self) -> None:
        self.joined: list[str] = []
        self.trouble: OSError | None = None
        self._processes: list[subprocess.Popen[Any]] = []

    def fork_into(self, connection: int, container: FakeContainer, end: int) -> int:
        if self.trouble is not None:
            raise self.trouble
        self.joined.append(container.id)
        os.write(connection, b"runner")
        self._processes.append(subprocess.Popen(["sleep", "60"]))
        return os.pidfd_open(self._processes[-1].pid)

    def check(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


class Rig:
    def __init__(self, owner: int | None = None) -> None:
        self.runtime, self.runners = FakeRuntime(), FakeRunners()
        self.keeper = Keeper(
            cast(Runtime, self.runtime),
            dict.fromkeys((b"A", b"P"), cast(Zygotes, self.runners)),
            BOUNDS,
            os.getuid() if owner is None else owner,
        )
        self._open: list[tuple[socket.socket, threading.Thread]] = []

    def connect(self, data: bytes) -> socket.socket:
        """Sends `data` on a new connection and serves it."""
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        thread = threading.Thread(target=self.keeper.serve, args=(theirs,))
        thread.start()
        self._open.append((ours, thread))
        ours.sendall(data)
        return ours

    def ask(self, data: bytes) -> bytes:
        """All that the keeper answers to a request that ends after `data`."""
        answer = b""
        try:
            connection = self.connect(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(4096):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            # The keeper closed it before it read all of them.
            pass
        return answer

    def close(self) -> None:
        for connection, _ in self._open:
            connection.close()
        for _, thread in self._open:
            thread.join(10)
            assert not thread.is_alive()
        self.keeper.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def create(memory_mb: int) -> bytes:
    return b"C" + struct.pack(">I", memory_mb)


def line(connection: socket.socket) -> dict[str, Any]:
    with connection.makefile("rb") as file:
        return cast(dict[str, Any], json.loads(file.readline()))


@pytest.mark.parametrize("memory_mb", [0, 1, 63, 1025, 2**31, 2**32 - 1])
def test_sizes_out_of_bounds_are_refused(rig: Rig, memory_mb: int) -> None:
    assert json.loads(rig.ask(create(memory_mb))) == {"refused": "memory"}
    assert rig.runtime.sizes == []


@pytest.mark.parametrize("memory_mb", [64, 1024])
def test_sizes_at_the_bounds_are_taken(rig: Rig, memory_mb: int) -> None:
    assert line(rig.connect(create(memory_mb))) == {"id": ID, "own_kernel": False}
    assert rig.runtime.sizes == [memory_mb]


def test_no_more_containers_than_the_bound(rig: Rig) -> None:
    for _ in range(2):
        line(rig.connect(create(64)))
    assert json.loads(rig.ask(create(64))) == {"refused": "full"}


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"C", b"C\0\0\0", b"c\0\0\1\0", b"A", b"A" + ID[:31].encode(), b"P" + b"\0" * 31, b"\xff" * 64),
        *(b"GET / HTTP/1.1\r\n\r\n", b'{"refused": 1}\n', b"X" + ID.encode(), b"\0\0\0\0\0"),
    ],
)
def test_an_incomplete_or_unknown_request_is_closed_without_an_answer(rig: Rig, data: bytes) -> None:
    assert rig.ask(data) == b""
    assert (rig.runtime.sizes, rig.runners.joined) == ([], [])


def test_health_is_answered_only_while_the_zygotes_answer(rig: Rig) -> None:
    assert json.loads(rig.ask(b"H")) == {"alive": True}
    rig.runners.trouble = OSError("no memory for a new zygote")
    assert rig.ask(b"H") == b""


@pytest.mark.parametrize("kind", [b"A", b"P"])
@pytest.mark.parametrize(
    "identity",
    [b"f" * 32, b"\0" * 32, b"\xff" * 32, b"../" * 10 + b"..", ID.upper().encode(), b"%s" % ID[:30].encode() + b"\r\n"],
)
def test_only_an_id_that_was_given_out_is_joined(rig: Rig, kind: bytes, identity: bytes) -> None:
    line(rig.connect(create(64)))
    assert rig.ask(kind + identity) == b""
    assert rig.runners.joined == []


def test_a_runner_joins_and_no_second_one(rig: Rig) -> None:
    line(rig.connect(create(64)))
    assert rig.connect(b"A" + ID.encode()).recv(64) == b"runner"
    for kind in (b"A", b"P"):
        assert rig.ask(kind + ID.encode()) == b""
    assert rig.runners.joined == [ID]


def test_a_container_ends_with_the_connection_that_made_it(rig: Rig) -> None:
    owner = rig.connect(create(64))
    line(owner)
    owner.close()
    rig.close()
    assert [container.removed for container in rig.runtime.containers] == [1]
    assert rig.ask(b"A" + ID.encode()) == b""


def test_the_end_of_the_first_process_is_reported(rig: Rig) -> None:
    owner = rig.connect(create(64))
    line(owner)
    rig.runtime.containers[0].kill()
    assert line(owner) == {"oom_killed": False, "exit_code": 7}


def test_a_fork_that_fails_ends_the_container(rig: Rig) -> None:
    rig.runners.trouble = OSError("no fork")
    owner = rig.connect(create(64))
    line(owner)
    assert rig.ask(b"A" + ID.encode()) == b""
    assert line(owner) == {"oom_killed": False, "exit_code": None}


def test_a_runtime_that_fails_ends_one_connection_only(rig: Rig) -> None:
    rig.runtime.trouble = OSError("no container")
    assert rig.ask(create(64)) == b""
    rig.runtime.trouble = None
    assert line(rig.connect(create(64)))["id"] == ID


def test_other_accounts_are_not_served() -> None:
    stranger = Rig(owner=os.getuid() + 1)
    if os.getuid() == 0:
        # Root may always connect. The kernel notes the account that makes a pair of sockets.
        os.seteuid(65_534)
    try:
        assert stranger.ask(create(64)) == b"" and stranger.runtime.sizes == []
    finally:
        os.seteuid(os.getuid())
    stranger.close()


def test_a_state_folder_has_one_keeper_and_nobody_reads_it(tmp_path: Any) -> None:
    state = f"{tmp_path}/state"
    os.close(_own_folder(state))
    assert os.stat(state).st_mode & 0o777 == 0o711
    with pytest.raises(BlockingIOError):
        _own_folder(state)


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Any) -> None:
    os.mkdir(f"{tmp_path}/real")
    os.symlink(f"{tmp_path}/real", f"{tmp_path}/state")
    with pytest.raises(SystemExit, match="must be a folder of the keeper's own account"):
        _own_folder(f"{tmp_path}/state")
