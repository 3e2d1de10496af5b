"""Containers with a kernel of their own, gVisor's: nobody can fork into one, so the runner is its first process and waits there.

Its standard streams are pipes that we hold. The worker's connection comes later and is spliced to them: the kernel moves
the bytes, and none of them is ever read here.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import threading
from typing import Any

from cgroups import Cgroups
from containers import Container, Runtime, kill, wait_for

# How gVisor takes over system calls: the first is the faster one, and older releases know only the second.
PLATFORMS = ("systrap", "ptrace")
GREETING_TIMEOUT_MS = 20_000
# For a server of files to see that its kernel has ended.
END_TIMEOUT_MS = 5_000
# What a runner said last is handed on within this time, once it has ended.
DRAIN_TIMEOUT_S = 0.5
_PR_SET_CHILD_SUBREAPER = 36
_SPLICE_BYTES = 1024 * 1024


class OwnKernelRuntime(Runtime):
    def __init__(self, command: str, state: str, template: dict[str, Any], cgroups: Cgroups, id_ranges: int, platform: str) -> None:
        # Its kernels would hold what it holds.
        super().__init__(command, state, template, cgroups, id_ranges, proves_limits=False, held=None)
        self._flags = ("--network=none", f"--platform={platform}")
        # Whose ends containers wait for, by process.
        self._awaited: dict[int, str] = {}

    def remove(self, container: Container) -> None:
        """What is outside of the container is known to the runtime alone."""
        self._forget(container.id, container.id_range)

    def _program_of(self, command: str) -> str:
        """No copy: nothing in the container comes near the runtime, and it is large."""
        return command

    def _launch(self, identity: str, id_range: int) -> OwnKernelContainer:
        """Returns once the runner has greeted: from then on it waits for the worker."""
        bundle = f"{self._bundles}/{identity}"
        stdin, ours_in = os.pipe()
        ours_out, stdout = os.pipe()
        command = (*self._flags, "run", "--detach", "--bundle", bundle, "--pid-file", f"{bundle}/pid", identity)
        try:
            try:
                self._run(identity, *command, stdin=stdin, stdout=stdout)
            finally:
                os.close(stdin)
                os.close(stdout)
            kernel, server = self._processes_of(identity)
            self._awaited.update({kernel: identity, server: identity})
            if not _greets(ours_out):
                raise OSError("no runner came up in the container")
            return OwnKernelContainer(self, identity, kernel, server, id_range, self._cgroups, ours_in, ours_out)
        except BaseException:
            os.close(ours_in)
            os.close(ours_out)
            self._end_processes_of(identity)
            raise

    def let_go(self, identity: str, *pids: int) -> None:
        """Nobody waits for them any more; a number that another container has got meanwhile stays that one's."""
        for pid in pids:
            if self._awaited.get(pid) == identity:
                del self._awaited[pid]

    def _processes_of(self, identity: str) -> tuple[int, int]:
        """Ids of its kernel and of the server of its files, from what the runtime notes down for itself."""
        try:
            with open(f"{self._state}/{identity}_sandbox:{identity}.state") as file:
                state = json.load(file)
            return state["sandbox"]["pid"], state["goferPid"]
        except (KeyError, TypeError, ValueError) as error:
            raise OSError(f"the runtime's notes on a container can not be read: {error!r}") from error

    def _end_processes_of(self, identity: str) -> None:
        """The runtime waits for them to be gone before it removes anything, and only we, whose children they are, can let them go."""
        try:
            processes = set(self._processes_of(identity))
        except OSError:
            # A runtime that took too long was killed before it could note them down.
            processes = {pid for pid in _children() if identity in _command_of(pid)}
        for pid in processes:
            _end_child(pid)
        self.let_go(identity, *processes)

    def _forget(self, identity: str, id_range: int | None) -> None:
        super()._forget(identity, id_range)
        self._reap_orphans()

    def _reap_orphans(self) -> None:
        """What ran inside comes to us when its kernel ends. A runtime at work is of our own session, and somebody waits for it."""
        for pid in _children():
            try:
                if pid not in self._awaited and os.getsid(pid) != os.getsid(0):
                    os.waitpid(pid, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                continue


class OwnKernelContainer(Container):
    """Its kernel, which stands for the first process, and the server of its files are our children: the runtime leaves them to us."""

    def __init__(
        self, runtime: OwnKernelRuntime, identity: str, pid: int, server: int, id_range: int, cgroups: Cgroups, stdin: int, stdout: int
    ) -> None:
        self._server = os.pidfd_open(server)
        try:
            super().__init__(runtime, identity, pid, id_range, cgroups)
        except BaseException:
            os.close(self._server)
            raise
        self._let_go = lambda: runtime.let_go(identity, pid, server)
        self._code: int | None = None
        self._reaping = threading.Lock()
        self._stdin = stdin
        self._stdout = stdout
        self._connection: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    def exit_code(self, ended: int) -> int | None:
        return self._reap_kernel()

    def _reap_kernel(self) -> int | None:
        with self._reaping:
            try:
                end = os.waitid(os.P_PIDFD, self.init, os.WEXITED)
            except ChildProcessError:
                # It was before.
                return self._code
            killed = end.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            self._code = 128 + end.si_status if killed else end.si_status
            return self._code

    def connect(self, connection: int) -> None:
        """From here on whatever `connection` brings goes to the runner, and the other way round, until one of the two ends."""
        self._connection = socket.socket(fileno=os.dup(connection))
        self._connection.setblocking(False)
        ways = (self._move_out, self._move_in)
        self._threads = [threading.Thread(target=way, args=(self._connection,), daemon=True) for way in ways]
        for thread in self._threads:
            thread.start()

    def kill(self) -> None:
        super().kill()
        if self._threads:
            self._threads[0].join(DRAIN_TIMEOUT_S)

    def remove(self) -> None:
        if self._connection is None:
            os.close(self._stdin)
        else:
            # Wakes both, whatever the worker does; a number must not be closed while they wait for it.
            _end(self._connection)
            for thread in self._threads:
                thread.join()
            self._connection.close()
        os.close(self._stdout)
        # The runtime waits for them to be gone, and only we can let them go.
        self._reap_kernel()
        if not wait_for(self._server, END_TIMEOUT_MS):
            kill(self._server)
        os.waitid(os.P_PIDFD, self._server, os.WEXITED)
        os.close(self._server)
        self._let_go()
        super().remove()

    def _move_out(self, connection: socket.socket) -> None:
        _splice(self._stdout, connection.fileno())
        _end(connection)

    def _move_in(self, connection: socket.socket) -> None:
        _splice(connection.fileno(), self._stdin)
        # Without its standard input a runner ends.
        os.close(self._stdin)


class FirstRunners:
    """Stands where zygotes stand: the runner is in the container already."""

    def fork_into(self, connection: int, container: OwnKernelContainer, _end_request: int) -> int:
        container.connect(connection)
        return os.dup(container.init)

    def close(self) -> None:
        """Nothing of theirs outlives a container."""


def find_runtime(command: str, state: str, template: dict[str, Any], cgroups: Cgroups, bounds: dict[str, int]) -> tuple[OwnKernelRuntime, str]:
    """The runtime with the first platform on which a runner comes up, and its name; ends the program where there is none."""
    _adopt_orphans()
    troubles = []
    for platform in PLATFORMS:
        runtime = OwnKernelRuntime(command, state, template, cgroups, bounds["id_ranges"], platform)
        runtime.remove_leftovers()
        try:
            runtime.try_out(bounds["memory_mb_max"])
        except OSError as error:
            troubles.append(f"with platform {platform}: {error}")
        else:
            return runtime, platform
    raise SystemExit(f"OCI_RUNTIME: {command} does not run on this machine; {'; '.join(troubles)}")


def _adopt_orphans() -> None:
    """The processes that a runtime leaves behind become our children, so that we learn how they end."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if not os.path.exists("/proc/thread-self/children"):
        print("this kernel does not tell children: what ends in sandboxes stays as dead processes as long as this keeper runs", file=sys.stderr, flush=True)


def _end_child(pid: int) -> None:
    try:
        # A number that is no child's any more may be anybody's.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return


def _command_of(pid: int) -> str:
    try:
        return open(f"/proc/{pid}/cmdline", errors="replace").read()
    except OSError:
        return ""


def _children() -> list[int]:
    children = []
    for thread in os.listdir("/proc/self/task"):
        try:
            children += open(f"/proc/self/task/{thread}/children").read().split()
        except (FileNotFoundError, ProcessLookupError):
            # It has ended, and its children are another's.
            continue
    return [int(pid) for pid in children]


def _greets(stdout: int) -> bool:
    poll = select.poll()
    poll.register(stdout, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(GREETING_TIMEOUT_MS))


def _splice(source: int, target: int) -> None:
    """Until either has ended. It never waits in the call itself, which locks a pipe against its other side meanwhile."""
    readable, writable = select.poll(), select.poll()
    readable.register(source, select.POLLIN)
    writable.register(target, select.POLLOUT)
    while True:
        readable.poll()
        writable.poll()
        try:
            if os.splice(source, target, _SPLICE_BYTES) == 0:
                return
        except BlockingIOError:
            continue
        except OSError:
            return


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The worker was faster.
        pass
