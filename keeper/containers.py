"""Containers, made and removed by the OCI runtime from a config.json of their own."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import select
import shutil
import signal
import struct
import sys
import threading
import time
from typing import Any

from cgroups import Cgroups, oom_kills, open_procs, unlimited

MIB = 1024 * 1024
COMMAND_TIMEOUT_S = 20
REMOVE_ATTEMPTS = 3
KILL_TIMEOUT_MS = 5_000
GONE_TIMEOUT_MS = 500
HELD_FD = 3
# From the kernel's pidfd.h.
_PIDFD_GET_INFO, _PIDFD_INFO_EXIT = 0xC040FF0B, 1 << 3
_MESSAGE = re.compile(r'"msg":("(?:[^"\\]|\\.)*")')
# A group is empty a moment after its last process was seen to end.
EMPTY_ATTEMPTS, EMPTY_PAUSE_S = 50, 0.002


class Container:
    """A container that stands, empty but for its first process."""

    def __init__(self, runtime: Runtime, identity: str, pid: int, id_range: int, cgroups: Cgroups) -> None:
        self.id = identity
        self.pid = pid
        self.id_range = id_range
        self._runtime = runtime
        self.init = os.pidfd_open(pid)
        self.folders = cgroups.folders_of(pid)
        # A number that died and was given to another process between the two would name groups of somebody else.
        if not self.folders or not all(f"/{identity}" in folder for folder in self.folders.values()):
            os.close(self.init)
            raise OSError("the first process has ended, or is in no group of its own")
        missing = unlimited(self.folders) if runtime.proves_limits else []
        if missing:
            os.close(self.init)
            raise OSError(f"the runtime set no {', '.join(missing)}")
        self.procs = open_procs(self.folders)

    def members(self) -> list[int]:
        """Ids of the processes inside, those that joined from outside among them."""
        return [int(line) for line in os.pread(self.procs[0], 65_536, 0).split()]

    def kill(self) -> None:
        """With the first process every other one of its namespace ends; returns once they have."""
        kill(self.init)

    def oom_killed(self) -> bool:
        return oom_kills(self.folders) > 0

    def exit_code(self, ended: int) -> int | None:
        """Of the process with that pidfd, which has ended and with it all that the container was for."""
        return exit_code(ended)

    def remove(self) -> None:
        for fd in (self.init, *self.procs):
            os.close(fd)
        self._runtime.remove(self)


class Runtime:
    def __init__(
        self,
        command: str,
        state: str,
        template: dict[str, Any],
        cgroups: Cgroups,
        id_ranges: int,
        *,
        proves_limits: bool,
        held: int | None,
    ) -> None:
        """
        `proves_limits`: where they are not root, runtimes go on without limits that they can not set. `held` is a descriptor
        that they hold as long as they run, and containers do not.
        """
        self.proves_limits = proves_limits
        self._held = () if held is None else ((os.POSIX_SPAWN_DUP2, held, HELD_FD),)
        self._state = f"{state}/runtime"
        self._program = self._program_of(command)
        self._command = [command, "--root", self._state]
        self._bundles = f"{state}/bundles"
        self._template = template
        self._cgroups = cgroups
        self._lock = threading.Lock()
        # Absent where the kernel gives no user namespace.
        self._ids_each = sum(each["size"] for each in template["linux"].get("uidMappings", ()))
        self._id_ranges = id_ranges
        self._ranges_used: set[int] = set()
        self._next_range = 0
        os.makedirs(self._bundles, mode=0o700, exist_ok=True)

    def create(self, memory_mb: int) -> Container:
        """Raises OSError when there is no container; whatever was made of it is gone then."""
        identity = os.urandom(16).hex()
        id_range = self._take_range()
        bundle = f"{self._bundles}/{identity}"
        try:
            os.mkdir(bundle, 0o700)
            with open(f"{bundle}/config.json", "w") as file:
                file.write(json.dumps(self._config(identity, id_range, memory_mb)))
            return self._launch(identity, id_range)
        except BaseException:
            self._forget(identity, id_range)
            raise

    def try_out(self, memory_mb: int) -> None:
        """Raises OSError unless a container of ours comes up."""
        container = self.create(memory_mb)
        container.kill()
        container.remove()

    def remove(self, container: Container) -> None:
        """
        What the runtime's own delete does, without a program started for it: that costs as much as making a container.
        Whatever does not go this way is left to the runtime.
        """
        try:
            for folder in set(container.folders.values()):
                _remove_group(folder)
            for folder in (f"{self._state}/{container.id}", f"{self._bundles}/{container.id}"):
                for name in os.listdir(folder):
                    os.unlink(f"{folder}/{name}")
                os.rmdir(folder)
        except OSError:
            self._forget(container.id, container.id_range)
        else:
            self._give_back(container.id_range)

    def remove_leftovers(self) -> None:
        """Containers of a keeper that is no more; this one has made none yet, or has to leave none."""
        for identity in os.listdir(self._bundles):
            self._forget(identity, None)

    def _program_of(self, command: str) -> str:
        return f"/proc/self/fd/{_sealed_copy(command)}"

    def _launch(self, identity: str, id_range: int) -> Container:
        bundle = f"{self._bundles}/{identity}"
        self._run(identity, "run", "--detach", "--bundle", bundle, "--pid-file", f"{bundle}/pid", identity)
        return Container(self, identity, int(open(f"{bundle}/pid").read()), id_range, self._cgroups)

    def _config(self, identity: str, id_range: int, memory_mb: int) -> dict[str, Any]:
        template = self._template
        memory = {"limit": memory_mb * MIB, "swap": memory_mb * MIB}
        linux = {
            **template["linux"],
            "cgroupsPath": f"{template['linux']['cgroupsPath']}/{identity}",
            "resources": {**template["linux"]["resources"], "memory": memory},
        }
        if self._ids_each:
            for kind in ("uidMappings", "gidMappings"):
                linux[kind] = [{**each, "hostID": each["hostID"] + id_range * self._ids_each} for each in linux[kind]]
        return {**template, "linux": linux}

    def _take_range(self) -> int:
        """A range that no living container has; the oldest first, so that a number is long out of use."""
        with self._lock:
            while self._next_range in self._ranges_used:
                self._next_range = (self._next_range + 1) % self._id_ranges
            taken = self._next_range
            self._next_range = (taken + 1) % self._id_ranges
            self._ranges_used.add(taken)
            return taken

    def _forget(self, identity: str, id_range: int | None) -> None:
        bundle = f"{self._bundles}/{identity}"
        for attempt in range(REMOVE_ATTEMPTS):
            try:
                if os.path.exists(bundle):
                    self._run(identity, "delete", "--force", identity)
                    shutil.rmtree(bundle)
                break
            except OSError as error:
                if attempt == REMOVE_ATTEMPTS - 1:
                    # Its folder stays, and with it the name by which the next start finds it.
                    print(f"container {identity} not removed: {error}", file=sys.stderr, flush=True)
                    return
        if id_range is not None:
            self._give_back(id_range)

    def _give_back(self, id_range: int) -> None:
        with self._lock:
            self._ranges_used.discard(id_range)

    def _run(self, identity: str, *arguments: str, stdin: int | None = None, stdout: int | None = None) -> None:
        # Not subprocess: its wait for a bounded time asks again and again.
        streams = [
            (os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) if given is None else (os.POSIX_SPAWN_DUP2, given, fd)
            for fd, given in enumerate((stdin, stdout, None))
        ]
        # Into a file, not a pipe: a container's first process would hold a pipe open.
        command = [*self._command, "--log", f"{self._bundles}/{identity}/log", *arguments]
        pid = os.posix_spawn(self._program, command, os.environ, file_actions=(*streams, *self._held))
        pidfd = os.pidfd_open(pid)
        try:
            in_time = wait_for(pidfd, COMMAND_TIMEOUT_S * 1000)
            if not in_time:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        what = next(argument for argument in arguments if not argument.startswith("-"))
        if not in_time:
            raise OSError(f"{self._command[0]} {what} took too long")
        if code != 0:
            raise OSError(f"{self._command[0]} {what} ended with {code}: {self._last_line(identity)}")

    def _last_line(self, identity: str) -> str:
        """What the runtime said last; it knows sizes and ids, and nothing of an execution."""
        try:
            line = open(f"{self._bundles}/{identity}/log", errors="replace").read().strip().rsplit("\n", 1)[-1]
        except FileNotFoundError:
            return "it said nothing"
        # gVisor writes JSON, one value behind the other.
        messages = _MESSAGE.findall(line)
        return (json.loads(messages[-1]) if messages else line)[-500:]


def _sealed_copy(command: str) -> int:
    """
    A copy of the program that nobody can write to. crun and runc guard themselves against the containers that they start by
    running from such a copy; started from one, they do without making another and starting twice.
    """
    copy = os.memfd_create("runtime", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(command, "rb") as program, open(copy, "wb", closefd=False) as target:
        shutil.copyfileobj(program, target)
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return copy


def _remove_group(folder: str) -> None:
    for attempt in range(EMPTY_ATTEMPTS):
        try:
            os.rmdir(folder)
            return
        except OSError as error:
            if error.errno != errno.EBUSY or attempt == EMPTY_ATTEMPTS - 1:
                raise
            time.sleep(EMPTY_PAUSE_S)


def exit_code(pidfd: int) -> int | None:
    """How a process ended that is no child of ours: its exit code, or 128 and the signal, as shells say it. Kernels before 6.15 do not tell."""
    poll = select.poll()
    # Asks for nothing, so it wakes when the process is gone altogether: from then on the kernel tells.
    poll.register(pidfd, 0)
    poll.poll(GONE_TIMEOUT_MS)
    information = bytearray(struct.pack("Q56x", _PIDFD_INFO_EXIT))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, information)
    except OSError:
        return None
    mask, status = struct.unpack("Q52xi", information)
    if not mask & _PIDFD_INFO_EXIT:
        return None
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
    wait_for(pidfd, KILL_TIMEOUT_MS)


def wait_for(pidfd: int, timeout_ms: int) -> bool:
    """Whether the process has ended within that time."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout_ms))
