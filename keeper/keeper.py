"""The one program that runs as root, or as root of a user namespace alone: makes containers, lets the zygote fork into them, removes them.

It is told sizes and ids, never a path, a name or an option. Its language, on a unix socket that only the service's
account may open, is one request a connection:

    b"C" + memory in MiB, 4 bytes big endian    makes a container and answers with lines of JSON:
                                                {"id": …, "own_kernel": …} once it stands, {"oom_killed": …, "exit_code": …} once it has ended,
                                                {"refused": …} instead when there is none
    b"A" + id, 32 bytes                         lets the zygote fork a runner into the container of that id; from here
                                                on the connection is the runner's, and nothing of it passes through us
    b"P" + id, 32 bytes                         the same, without the scientific stack: a smaller process forks sooner

Into a container with a kernel of its own nobody can fork. There the runner is the first process, "A" and "P" are the same, and the
bytes of the runner's connection are moved on by the kernel.

A container lives as long as its first connection. None is ever joined twice.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import signal
import socket
import stat
import struct
import sys
import threading
from typing import Any, NoReturn

from cgroups import Cgroups, make_room
from containers import COMMAND_TIMEOUT_S, Container, Runtime, kill
from gvisor import FirstRunners, find_runtime
from mounts import (
    bind_read_only,
    favour_joining,
    hide_idle_hierarchies,
    hide_mixed_hierarchy,
    leave_host_mounts,
    see_through_container,
    show_group_alone,
)
from seccomp import compile_profile, load_as_it_is
from zygotes import Zygotes

CREATE, ATTACH, ATTACH_PLAIN = b"C", b"A", b"P"
ID_BYTES = 32
REQUEST_TIMEOUT_S = 5.0
BACKLOG = 256


def main() -> None:
    options = _parse_options()
    # What our starter had open is nobody's here, a runtime's and a sandbox's least of all.
    os.closerange(3, 2**31 - 1)
    setup = json.loads(sys.stdin.readline())
    making = _own_folder(options.state)
    leave_host_mounts()
    if options.group is not None:
        show_group_alone(options.group)
    if options.fast_joins:
        favour_joining(f"{options.state}/cgroup2")
    hide_mixed_hierarchy()
    see_through_container(options.state)
    make_room()
    if not setup["own_kernel"]:
        hide_idle_hierarchies(options.state)
    rootfs = f"{options.state}/rootfs"
    bind_read_only(options.rootfs, rootfs)
    keeper = Keeper(options, setup, rootfs, making)
    listening = _listen(options.socket, options.owner)
    print("ready", keeper.platform, flush=True)
    threading.Thread(target=_end_with_starter, args=(keeper,), daemon=True).start()
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=keeper.serve, args=(connection,), daemon=True).start()


class Keeper:
    def __init__(self, options: argparse.Namespace, setup: dict[str, Any], rootfs: str, making: int) -> None:
        template = setup["config"]
        template["root"]["path"] = rootfs
        self._bounds: dict[str, int] = setup["bounds"]
        self._owner: int = options.owner
        self._own_kernel: bool = setup["own_kernel"]
        cgroups = Cgroups()
        self._runtime: Runtime
        self._runners: dict[bytes, Zygotes | FirstRunners]
        # How a kernel of its own gets at system calls.
        self.platform = ""
        if self._own_kernel:
            self._runtime, self.platform = find_runtime(options.runtime, options.state, template, cgroups, self._bounds)
            self._runners = dict.fromkeys((ATTACH, ATTACH_PLAIN), FirstRunners())
        else:
            program = compile_profile(template["linux"]["seccomp"])
            if os.path.basename(options.runtime) == "crun":
                load_as_it_is(template, program)
            rootless = options.group is not None
            id_ranges = self._bounds["id_ranges"]
            self._runtime = Runtime(options.runtime, options.state, template, cgroups, id_ranges, proves_limits=rootless, held=making)
            self._runtime.remove_leftovers()
            if rootless:
                self._runtime.try_out(self._bounds["memory_mb_max"])
            self._runners = {
                ATTACH: Zygotes(rootfs, template, program, self._bounds, stack=True),
                ATTACH_PLAIN: Zygotes(rootfs, template, program, self._bounds, stack=False),
            }
        self._containers: dict[str, Sandbox] = {}
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Answers one connection; whatever goes wrong ends it and nothing else."""
        try:
            with connection:
                _, peer, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                if peer not in (0, self._owner):
                    return
                connection.settimeout(REQUEST_TIMEOUT_S)
                # Nothing at all is how one asks whether we are there.
                kind = connection.recv(1)
                if kind == CREATE:
                    self._create(connection, struct.unpack(">I", _receive(connection, 4))[0])
                elif kind in self._runners:
                    self._attach(connection, self._runners[kind], _receive(connection, ID_BYTES).decode("ascii", "replace"))
        except OSError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def close(self) -> None:
        for runners in self._runners.values():
            runners.close()
        self._runtime.remove_leftovers()

    def _create(self, connection: socket.socket, memory_mb: int) -> None:
        refusal = self._refusal(memory_mb)
        if refusal is not None:
            connection.sendall(_line({"refused": refusal}))
            return
        container = self._runtime.create(memory_mb)
        sandbox = Sandbox(container, connection)
        with self._lock:
            self._containers[container.id] = sandbox
        try:
            connection.sendall(_line({"id": container.id, "own_kernel": self._own_kernel}))
            sandbox.watch()
        finally:
            with self._lock:
                del self._containers[container.id]
            sandbox.end()

    def _refusal(self, memory_mb: int) -> str | None:
        if not self._bounds["memory_mb_min"] <= memory_mb <= self._bounds["memory_mb_max"]:
            return "memory"
        with self._lock:
            return "full" if len(self._containers) >= self._bounds["containers"] else None

    def _attach(self, connection: socket.socket, runners: Zygotes | FirstRunners, identity: str) -> None:
        with self._lock:
            sandbox = self._containers.get(identity)
        if sandbox is not None:
            connection.settimeout(None)
            sandbox.join(runners, connection.fileno())


class Sandbox:
    """One container and who watches it: ends when its owner's connection, its runner or its first process does."""

    def __init__(self, container: Container, owner: socket.socket) -> None:
        self.container = container
        self.joined = False
        self._owner = owner
        self._runner = -1
        self._runner_taken = os.eventfd(0)
        self.end_request = os.eventfd(0)
        self._over = False
        self._joining = threading.Lock()

    def join(self, runners: Zygotes | FirstRunners, connection: int) -> None:
        """
        Has a runner forked into the container, or connected, unless one was before. Whoever removes the container waits for that: a
        number of a descriptor that was closed meanwhile could be another container's.
        """
        with self._joining:
            if self._over or self.joined:
                return
            self.joined = True
            try:
                self._runner = runners.fork_into(connection, self.container, self.end_request)
            finally:
                os.eventfd_write(self._runner_taken, 1)

    def watch(self) -> None:
        """Returns once the owner has gone; tells it before when the sandbox has ended by itself."""
        owner = self._owner.fileno()
        self._owner.settimeout(None)
        while True:
            # The runner has files to send after the first process has ended.
            end = self._runner if self._runner >= 0 else self._runner_taken if self.joined else self.container.init
            ready = _wait(owner, end, self._runner_taken, self.end_request)
            if owner in ready:
                return
            if self.end_request in ready:
                os.eventfd_read(self.end_request)
                self.container.kill()
            if self._runner_taken in ready:
                os.eventfd_read(self._runner_taken)
                if self._runner < 0:
                    break
            elif end in ready and (end == self._runner or not self.joined):
                break
        ended_with = None if end == self._runner_taken else self.container.exit_code(end)
        self.container.kill()
        self._owner.sendall(_line({"oom_killed": self.container.oom_killed(), "exit_code": ended_with}))
        _wait(owner)

    def end(self) -> None:
        with self._joining:
            self._over = True
        if self._runner >= 0:
            kill(self._runner)
            os.close(self._runner)
        self.container.kill()
        os.close(self._runner_taken)
        os.close(self.end_request)
        self.container.remove()


def _wait(*fds: int) -> list[int]:
    poll = select.poll()
    for fd in set(fds):
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll()]


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--owner", type=int, required=True, help="uid that may connect")
    parser.add_argument("--rootfs", required=True)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--state", required=True, help="folder of the running containers")
    parser.add_argument("--group", help="cgroup v2 that was delegated to our account, where root is only root of a user namespace")
    parser.add_argument("--fast-joins", action="store_true", help="let the kernel favour moves between cgroups, on all of this host")
    return parser.parse_args()


def _own_folder(state: str) -> int:
    """
    One keeper a folder, by a lock that it holds as long as it lives. Others may pass through it and read nothing: containers have to reach their root.

    Returns a second lock, for the runtimes to hold: one that outlives its keeper finishes the container that it is making, and whoever comes
    next waits for that, so as to find it.
    """
    os.makedirs(state, mode=0o711, exist_ok=True)
    status = os.lstat(state)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise SystemExit(f"OCI_STATE_DIR: {state} must be a folder of the keeper's own account, as what is in it is made and removed with its rights")
    os.makedirs(f"{state}/rootfs", mode=0o711, exist_ok=True)
    os.chmod(state, 0o711)
    os.chmod(f"{state}/rootfs", 0o711)
    lock = os.open(f"{state}/lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    making = os.open(f"{state}/making", os.O_CREAT | os.O_RDWR, 0o600)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(COMMAND_TIMEOUT_S)
    fcntl.flock(making, fcntl.LOCK_EX)
    signal.alarm(0)
    return making


def _give_up(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(f"OCI_STATE_DIR: a runtime that an earlier keeper started there has been at work for more than {COMMAND_TIMEOUT_S} s")


def _listen(path: str, owner: int) -> socket.socket:
    if os.path.exists(path):
        os.unlink(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    listening.bind(path)
    os.umask(before)
    os.chown(path, owner, -1)
    listening.listen(BACKLOG)
    return listening


def _end_with_starter(keeper: Keeper) -> None:
    """Whoever started us holds our standard input; with it we go, and leave nothing."""
    while sys.stdin.buffer.raw.read(4096):  # type: ignore[attr-defined]
        pass
    code = 1
    try:
        keeper.close()
        code = 0
    except Exception as error:
        print(f"not all is removed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        # Also where the folder has gone before us, or our log with whoever read it: nobody is left to serve.
        os._exit(code)


def _receive(connection: socket.socket, count: int) -> bytes:
    """Exactly so many bytes: those that follow are the runner's."""
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionResetError("the request is not complete")
        data += part
    return data


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


if __name__ == "__main__":
    main()
