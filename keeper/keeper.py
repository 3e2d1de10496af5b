"""Makes containers, has zygotes fork runners into them, and removes them. The only program that runs as root.

(Root of a user namespace suffices.) It accepts sizes and ids, never a path, a name or an option. Only the service's account
may open its unix socket. Each connection carries one request:

    b"C" + memory in MiB, 4 bytes big endian    makes a container. The answer is lines of JSON:
                                                {"id": …, "own_kernel": …} once it runs,
                                                {"oom_killed": …, "exit_code": …} once it has ended,
                                                or {"refused": …} alone
    b"A" + id, 32 bytes                         forks a runner with the scientific stack into that container. From then on
                                                the connection belongs to the runner, and the keeper does not read it
    b"P" + id, 32 bytes                         the same without the scientific stack: a smaller process forks faster
    b"H"                                        asks for health. The answer is {"alive": true} once the zygotes have answered

No process can be forked into a container with its own kernel. There the runner is the first process, "A" and "P" are the same,
and the kernel moves the bytes of the connection.

A container lives as long as the connection that made it. It is joined at most once.
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
from typing import TYPE_CHECKING, Any, NoReturn

from cgroups import Cgroups, make_room
from containers import COMMAND_TIMEOUT_S, Container, Runtime, kill
from gvisor import FirstRunners, find_runtime
from mounts import (
    bind_read_only,
    favour_joining,
    hide_idle_hierarchies,
    hide_mixed_hierarchy,
    leave_host_mounts,
    replace_devices,
    see_through_container,
    show_group_alone,
)
from seccomp import compile_profile, embed_program
from user_namespaces import UserNamespaces
from zygotes import Zygotes

if TYPE_CHECKING:
    from collections.abc import Mapping

CREATE, ATTACH, ATTACH_PLAIN, HEALTH = b"C", b"A", b"P", b"H"
ID_BYTES = 32
REQUEST_TIMEOUT_S = 5.0
BACKLOG = 256


def main() -> None:
    options = _parse_options()
    # A hangup of a terminal or a reload is meant for the service. A handler, because programs that we start would inherit "ignore".
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    # No runtime and no sandbox may inherit a file descriptor of the program that started us.
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
        replace_devices(options.state)
    rootfs = f"{options.state}/rootfs"
    bind_read_only(options.rootfs, rootfs)
    keeper = make_keeper(options, setup, rootfs, making)
    listening = _listen(options.socket, options.owner)
    print("ready", keeper.platform, flush=True)
    threading.Thread(target=_end_with_starter, args=(keeper,), daemon=True).start()
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=keeper.serve, args=(connection,), daemon=True).start()


def make_keeper(options: argparse.Namespace, setup: dict[str, Any], rootfs: str, making: int) -> Keeper:
    """Prepares the runtime and the runners. `making` is the lock that runtimes hold."""
    template = setup["config"]
    template["root"]["path"] = rootfs
    bounds: dict[str, int] = setup["bounds"]
    cgroups = Cgroups()
    if not cgroups.counts_sockets_apart:
        del template["linux"]["resources"]["memory"]["kernelTCP"]
    if setup["own_kernel"]:
        own_kernels, platform = find_runtime(options.runtime, options.state, template, cgroups, bounds)
        return Keeper(own_kernels, dict.fromkeys((ATTACH, ATTACH_PLAIN), FirstRunners()), bounds, options.owner, platform)
    program = compile_profile(template["linux"]["seccomp"])
    crun = os.path.basename(options.runtime) == "crun"
    if crun:
        embed_program(template, program)
    rootless = options.group is not None
    # runc makes its user namespaces itself: it joins none without mappings of its own.
    user_namespaces = UserNamespaces(template) if crun and "uidMappings" in template["linux"] else None
    runtime = Runtime(
        options.runtime,
        options.state,
        template,
        cgroups,
        bounds["id_ranges"],
        proves_limits=rootless,
        user_namespaces=user_namespaces,
        held=making,
    )
    runtime.remove_leftovers()
    runtime.try_mount()
    if rootless:
        runtime.try_out(bounds["memory_mb_max"])
    runners = {
        ATTACH: Zygotes(rootfs, template, program, bounds, stack=True),
        ATTACH_PLAIN: Zygotes(rootfs, template, program, bounds, stack=False),
    }
    return Keeper(runtime, runners, bounds, options.owner)


class Keeper:
    """Serves connections. `platform` says how containers with their own kernel intercept system calls; "" without one."""

    def __init__(
        self, runtime: Runtime, runners: Mapping[bytes, Zygotes | FirstRunners], bounds: dict[str, int], owner: int, platform: str = ""
    ) -> None:
        self._runtime = runtime
        self._runners = runners
        self._bounds = bounds
        self._owner = owner
        self._own_kernel = platform != ""
        self.platform = platform
        self._containers: dict[str, Sandbox] = {}
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Serves one connection. An error ends this connection only."""
        try:
            with connection:
                _, peer, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                if peer not in (0, self._owner):
                    return
                connection.settimeout(REQUEST_TIMEOUT_S)
                kind = connection.recv(1)
                if kind == CREATE:
                    self._create(connection, struct.unpack(">I", _receive(connection, 4))[0])
                elif kind == HEALTH:
                    for runners in self._runners.values():
                        runners.check()
                    connection.sendall(_line({"alive": True}))
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
    """One container and the connections to it. Ends with its owner's connection, its runner or its first process."""

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
        Forks a runner into the container, or connects to the one inside, at most once. The removal of the container waits for
        this: a descriptor closed meanwhile could be reused for another container.
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
        """Returns once the owner has closed its connection. Reports the end of the sandbox to it first, if that comes first."""
        owner = self._owner.fileno()
        self._owner.settimeout(None)
        while True:
            # The runner still sends files after the first process has ended.
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
                    # The fork failed: no process has ended whose exit code could be waited for.
                    end = self._runner_taken
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
    parser.add_argument("--owner", type=int, required=True, help="user id that may connect")
    parser.add_argument("--rootfs", required=True)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--state", required=True, help="folder for the state of running containers")
    parser.add_argument("--group", help="cgroup v2 delegated to our account, for root of a user namespace")
    parser.add_argument("--fast-joins", action="store_true", help="make the kernel favour fast moves between cgroups, on the whole host")
    return parser.parse_args()


def _own_folder(state: str) -> int:
    """
    Makes and locks the state folder: one keeper per folder. Other accounts may pass through it but not read it, because
    containers must reach their root file system.

    Returns a second lock, which runtimes hold. A runtime that outlives its keeper finishes its container first. The next
    keeper waits for it, and then finds that container.
    """
    os.makedirs(state, mode=0o711, exist_ok=True)
    status = os.lstat(state)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise SystemExit(
            f"OCI_STATE_DIR: {state} must be a folder of the keeper's own account, as files there are made and removed with its rights"
        )
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
    raise SystemExit(f"OCI_STATE_DIR: a runtime of an earlier keeper has been running there for more than {COMMAND_TIMEOUT_S} s")


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
    """Removes everything and exits when standard input closes, that is, when the program that started us ends."""
    while os.read(0, 4096):
        pass
    code = 1
    try:
        keeper.close()
        code = 0
    except Exception as error:
        print(f"containers not removed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        # Also when the state folder or the reader of our log is gone.
        os._exit(code)


def _receive(connection: socket.socket, count: int) -> bytes:
    """Reads exactly `count` bytes, because the bytes that follow belong to the runner."""
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
