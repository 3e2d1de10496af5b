"""gVisor's containers, which have a kernel of their own.

No process can be forked into one, so the runner is the first process and waits for its connection. Its standard streams are
pipes that we hold. The worker's connection is spliced to them later: the kernel moves the bytes, and we never read them.
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
from functools import partial
from typing import Any

from cgroups import Cgroups
from containers import Container, Runtime, kill, wait_for

# How gVisor intercepts system calls. The first is faster; older releases have only the second.
PLATFORMS = ("systrap", "ptrace")
GREETING_TIMEOUT_MS = 20_000
# For the file server to notice that its kernel has ended.
END_TIMEOUT_MS = 5_000
# After a runner has ended, its last output is forwarded for this long.
DRAIN_TIMEOUT_S = 0.5
_PR_SET_CHILD_SUBREAPER = 36
_SPLICE_BYTES = 1024 * 1024


class OwnKernelRuntime(Runtime):
    def __init__(self, command: str, state: str, template: dict[str, Any], cgroups: Cgroups, id_ranges: int, platform: str) -> None:
        # Nothing is held: the containers' kernels would inherit the descriptor.
        super().__init__(command, state, template, cgroups, id_ranges, proves_limits=False, user_namespaces=None, held=None)
        # Locks and times are the business of each container's own kernel.
        self._shares_image = True
        self._flags = ("--network=none", f"--platform={platform}")
        # Processes that a container waits for, with its id.
        self._awaited: dict[int, str] = {}

    def remove(self, container: Container) -> None:
        """Removes through the runtime, which alone knows what exists outside of the container."""
        self._forget(container.id, container.id_range)

    def _program_of(self, command: str) -> str:
        """No sealed copy: containers cannot reach the runtime, and it is large."""
        return command

    def _launch(self, identity: str, id_range: int) -> OwnKernelContainer:
        """Returns once the runner has sent its greeting and waits for the worker."""
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
                raise OSError("no runner started in the container")
            return OwnKernelContainer(self, identity, kernel, server, id_range, self._cgroups, ours_in, ours_out)
        except BaseException:
            os.close(ours_in)
            os.close(ours_out)
            self._end_processes_of(identity)
            raise

    def stop_awaiting(self, identity: str, *pids: int) -> None:
        """Allows the processes to be reaped as orphans. An id that was reused for another container stays with that container."""
        for pid in pids:
            if self._awaited.get(pid) == identity:
                del self._awaited[pid]

    def _processes_of(self, identity: str) -> tuple[int, int]:
        """Ids of the container's kernel and file server, from the runtime's state file."""
        with open(f"{self._state}/{identity}_sandbox:{identity}.state") as file:
            return kernel_and_server(file.read())

    def _end_processes_of(self, identity: str) -> None:
        """Kills and reaps the container's processes, our children. The runtime removes nothing before they are gone."""
        try:
            processes = set(self._processes_of(identity))
        except OSError:
            # A runtime that took too long was killed before it wrote its state file.
            processes = {pid for pid in _children() if identity in _command_of(pid)}
        for pid in processes:
            _end_child(pid)
        self.stop_awaiting(identity, *processes)

    def _forget(self, identity: str, id_range: int | None) -> None:
        super()._forget(identity, id_range)
        self._reap_orphans()

    def _reap_orphans(self) -> None:
        """Reaps what ran inside a container whose kernel has ended. Runtimes at work share our session and are waited for elsewhere."""
        for pid in _children():
            try:
                if pid not in self._awaited and os.getsid(pid) != os.getsid(0):
                    os.waitpid(pid, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                continue


def kernel_and_server(state: str) -> tuple[int, int]:
    """Process ids of the kernel and the file server in the runtime's state file. Raises OSError when they are not there."""
    try:
        notes = json.loads(state)
        pids = notes["sandbox"]["pid"], notes["goferPid"]
    except (KeyError, TypeError, ValueError) as error:
        raise OSError(f"the runtime's state file cannot be read: {error!r}") from error
    # Ids of 0 and below would name groups of processes.
    if not all(type(pid) is int and pid > 1 for pid in pids):
        raise OSError(f"the runtime's state file has no process ids: {pids!r}")
    return pids


class OwnKernelContainer(Container):
    """The kernel takes the place of the first process. It and the file server are our children, and we reap both."""

    def __init__(
        self, runtime: OwnKernelRuntime, identity: str, pid: int, server: int, id_range: int, cgroups: Cgroups, stdin: int, stdout: int
    ) -> None:
        self._server = os.pidfd_open(server)
        try:
            super().__init__(runtime, identity, pid, id_range, cgroups)
        except BaseException:
            os.close(self._server)
            raise
        self._stop_awaiting = partial(runtime.stop_awaiting, identity, pid, server)
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
                # Reaped before.
                return self._code
            if end is None:
                return self._code
            killed = end.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            self._code = 128 + end.si_status if killed else end.si_status
            return self._code

    def connect(self, connection: int) -> None:
        """Moves bytes between `connection` and the runner, both ways, until one of them ends."""
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
            # Wakes both threads. A descriptor must not be closed while a thread waits for it.
            _end(self._connection)
            for thread in self._threads:
                thread.join()
            self._connection.close()
        os.close(self._stdout)
        # The runtime waits until both processes are reaped, which only we can do.
        self._reap_kernel()
        if not wait_for(self._server, END_TIMEOUT_MS):
            kill(self._server)
        os.waitid(os.P_PIDFD, self._server, os.WEXITED)
        os.close(self._server)
        self._stop_awaiting()
        super().remove()

    def _move_out(self, connection: socket.socket) -> None:
        _splice(self._stdout, connection.fileno())
        _end(connection)

    def _move_in(self, connection: socket.socket) -> None:
        _splice(connection.fileno(), self._stdin)
        # A runner ends when its standard input closes.
        os.close(self._stdin)


class FirstRunners:
    """Takes the place of the zygotes: the runner is in the container already."""

    def fork_into(self, connection: int, container: Container, _end_request: int) -> int:
        """Returns a pidfd of the container's kernel, which now forwards `connection` to the runner."""
        if not isinstance(container, OwnKernelContainer):
            raise TypeError("only a container with its own kernel has its runner already")
        container.connect(connection)
        return os.dup(container.init)

    def check(self) -> None:
        """Nothing to ask: the worker hears from every runner itself."""

    def close(self) -> None:
        """Nothing to close: every runner ends with its container."""


def find_runtime(
    command: str, state: str, template: dict[str, Any], cgroups: Cgroups, bounds: dict[str, int]
) -> tuple[OwnKernelRuntime, str]:
    """Returns the runtime with the first platform on which a runner starts, and the platform. Exits when there is none."""
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
    """Makes the processes that a runtime leaves behind our children, so that we get their exit codes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if not os.path.exists("/proc/thread-self/children"):
        print(
            "this kernel does not list child processes: those that end in sandboxes stay as zombies while this keeper runs",
            file=sys.stderr,
            flush=True,
        )


def _end_child(pid: int) -> None:
    try:
        # The id of a process that is no longer our child may belong to any process.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return


def _command_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _children() -> list[int]:
    children = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children") as file:
                children += file.read().split()
        except (FileNotFoundError, ProcessLookupError):
            # The thread has ended, and another one has its children.
            continue
    return [int(pid) for pid in children]


def _greets(stdout: int) -> bool:
    poll = select.poll()
    poll.register(stdout, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(GREETING_TIMEOUT_MS))


def _splice(source: int, target: int) -> None:
    """Moves bytes until either side ends. Waits in poll, because splice locks the pipe while it waits."""
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
        # The worker has closed it already.
        pass
