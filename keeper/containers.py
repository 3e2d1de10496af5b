"""Makes and removes containers with the OCI runtime."""

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
import time
from typing import Any

from cgroups import Cgroups, oom_kills, open_procs, reclaim, unlimited
from config import container_config, first_id
from ids import IdRanges
from mounts import mount_image, unmount_image
from user_namespaces import UserNamespaces

COMMAND_TIMEOUT_S = 20
REMOVE_ATTEMPTS = 3
KILL_TIMEOUT_MS = 5_000
GONE_TIMEOUT_MS = 500
HELD_FD = 3
# From the kernel's pidfd.h.
_PIDFD_GET_INFO, _PIDFD_INFO_EXIT = 0xC040FF0B, 1 << 3
_MESSAGE = re.compile(r'"msg":("(?:[^"\\]|\\.)*")')
# A cgroup stays busy for a moment after its last process has ended.
EMPTY_ATTEMPTS, EMPTY_PAUSE_S = 50, 0.002


class Container:
    """A running container. At first it holds only its first process."""

    def __init__(self, runtime: Runtime, identity: str, pid: int, id_range: int, cgroups: Cgroups) -> None:
        self.id = identity
        self.pid = pid
        self.id_range = id_range
        self._runtime = runtime
        self.init = os.pidfd_open(pid)
        self.folders = cgroups.folders_of(pid)
        # If the process has ended, its id may already belong to a process in another cgroup.
        if not self.folders or not all(f"/{identity}" in folder for folder in self.folders.values()):
            os.close(self.init)
            raise OSError("the first process has ended, or has no cgroup of its own")
        missing = unlimited(self.folders) if runtime.proves_limits else []
        if missing:
            os.close(self.init)
            raise OSError(f"the runtime set no {', '.join(missing)}")
        self.procs = open_procs(self.folders)

    def members(self) -> list[int]:
        """Ids of the processes in the container, joined ones included."""
        return [int(line) for line in os.pread(self.procs[0], 65_536, 0).split()]

    def kill(self) -> None:
        """Kills the first process, and with it all of its process namespace. Returns when they have ended."""
        kill(self.init)

    def oom_killed(self) -> bool:
        return oom_kills(self.folders) > 0

    def exit_code(self, ended: int) -> int | None:
        """Exit code of the process with the pidfd `ended`, which has ended."""
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
        user_namespaces: UserNamespaces | None,
        held: int | None,
    ) -> None:
        """
        Without `user_namespaces`, the runtime makes those that the template asks for. `proves_limits` checks the limits of each
        container: without root, runtimes continue when they cannot set one. `held` is a file descriptor that runtimes keep open
        while they run, and containers do not inherit.
        """
        self.proves_limits = proves_limits
        self._held = () if held is None else ((os.POSIX_SPAWN_DUP2, held, HELD_FD),)
        self._state = f"{state}/runtime"
        self._program = self._program_of(command)
        self._command = [command, "--root", self._state]
        self._bundles = f"{state}/bundles"
        self._template = template
        self._cgroups = cgroups
        self._empty = f"{state}/empty"
        self._roots = f"{state}/roots"
        self._shares_image = False
        self._id_ranges = IdRanges(id_ranges)
        self._user_namespaces = user_namespaces
        os.makedirs(self._bundles, mode=0o700, exist_ok=True)
        os.makedirs(self._empty, mode=0o700, exist_ok=True)
        # Containers reach their root file system through it, as other accounts.
        os.makedirs(self._roots, mode=0o711, exist_ok=True)

    def create(self, memory_mb: int) -> Container:
        """Makes a container. Raises OSError after removing what was made so far."""
        identity = os.urandom(16).hex()
        id_range = self._id_ranges.take()
        bundle = f"{self._bundles}/{identity}"
        namespace = -1
        try:
            os.mkdir(bundle, 0o700)
            path = None
            if self._user_namespaces is not None:
                namespace = self._user_namespaces.make(first_id(self._template, id_range))
                path = f"/proc/{os.getpid()}/fd/{namespace}"
            with open(f"{bundle}/config.json", "w") as file:
                file.write(json.dumps(self._config(identity, id_range, memory_mb, path)))
            return self._launch(identity, id_range)
        except BaseException:
            self._forget(identity, id_range)
            raise
        finally:
            if namespace >= 0:
                os.close(namespace)

    def _config(self, identity: str, id_range: int, memory_mb: int, user_namespace: str | None) -> dict[str, Any]:
        config = container_config(self._template, identity, id_range, memory_mb, user_namespace)
        return {**config, "root": {**config["root"], "path": self._make_root(identity, config["root"]["path"])}}

    def try_mount(self) -> None:
        """
        Mounts the image once. Where the kernel refuses, as for file systems that are stacked too deep, containers share its inodes,
        which the log says: locks and times of the image's files are then seen by all.
        """
        try:
            self._make_root("trial", self._template["root"]["path"])
        except OSError as error:
            self._shares_image = True
            print(f"sandboxes share the inodes of the image: {error}", file=sys.stderr, flush=True)
        self._remove_root("trial")

    def _make_root(self, identity: str, image: str) -> str:
        if self._shares_image:
            return image
        root = f"{self._roots}/{identity}"
        os.mkdir(root)
        mount_image(image, self._empty, root)
        return root

    def _remove_root(self, identity: str) -> None:
        root = f"{self._roots}/{identity}"
        if os.path.isdir(root):
            # Mounts of an earlier keeper ended with it.
            if os.path.ismount(root):
                unmount_image(root)
            os.rmdir(root)

    def try_out(self, memory_mb: int) -> None:
        """Raises OSError unless a container can be made."""
        container = self.create(memory_mb)
        container.kill()
        container.remove()

    def remove(self, container: Container) -> None:
        """
        Removes a container as the runtime's delete command does, but without starting a program, which costs as much as
        making a container. Falls back to the runtime.
        """
        try:
            reclaim(container.folders)
            for folder in set(container.folders.values()):
                _remove_group(folder)
            self._remove_root(container.id)
            for folder in (f"{self._state}/{container.id}", f"{self._bundles}/{container.id}"):
                for name in os.listdir(folder):
                    os.unlink(f"{folder}/{name}")
                os.rmdir(folder)
        except OSError:
            self._forget(container.id, container.id_range)
        else:
            self._id_ranges.give_back(container.id_range)

    def remove_leftovers(self) -> None:
        """Removes all containers of this state folder: those of an earlier keeper at the start, our own at the end."""
        for identity in os.listdir(self._bundles):
            self._forget(identity, None)

    def _program_of(self, command: str) -> str:
        return f"/proc/self/fd/{_sealed_copy(command)}"

    def _launch(self, identity: str, id_range: int) -> Container:
        bundle = f"{self._bundles}/{identity}"
        self._run(identity, "run", "--detach", "--bundle", bundle, "--pid-file", f"{bundle}/pid", identity)
        with open(f"{bundle}/pid") as file:
            pid = int(file.read())
        return Container(self, identity, pid, id_range, self._cgroups)

    def _forget(self, identity: str, id_range: int | None) -> None:
        bundle = f"{self._bundles}/{identity}"
        for attempt in range(REMOVE_ATTEMPTS):
            try:
                if os.path.exists(bundle):
                    self._run(identity, "delete", "--force", identity)
                    self._remove_root(identity)
                    shutil.rmtree(bundle)
                break
            except OSError as error:
                if attempt == REMOVE_ATTEMPTS - 1:
                    # The next start finds the container by its folder.
                    print(f"container {identity} not removed: {error}", file=sys.stderr, flush=True)
                    return
        if id_range is not None:
            self._id_ranges.give_back(id_range)

    def _run(self, identity: str, *arguments: str, stdin: int | None = None, stdout: int | None = None) -> None:
        # Not subprocess, whose wait with a timeout polls.
        streams = [
            (os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) if given is None else (os.POSIX_SPAWN_DUP2, given, fd)
            for fd, given in enumerate((stdin, stdout, None))
        ]
        # The log is a file, because the container's first process would keep a pipe open.
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
        """The last message of the runtime's log. It names sizes and ids, and nothing of an execution."""
        try:
            with open(f"{self._bundles}/{identity}/log", errors="replace") as file:
                return last_message(file.read())
        except FileNotFoundError:
            return "it logged nothing"


def last_message(log: str) -> str:
    """The last message of a log in plain lines or, as gVisor writes it, in JSON values; at most 500 characters."""
    line = log.strip().rsplit("\n", 1)[-1]
    messages = _MESSAGE.findall(line)
    text: str = json.loads(messages[-1]) if messages else line
    return text[-500:]


def _sealed_copy(command: str) -> int:
    """
    Returns a file descriptor of a copy of the program that cannot be written to. crun and runc run from such a copy, as a
    protection against their containers. Started from one, they do not make another and start twice.
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
    """
    Exit code of a process that is not our child, or 128 + the signal that killed it. None on kernels before 6.15, which do
    not report it.
    """
    poll = select.poll()
    # With no events requested, poll wakes once the process is reaped. From then on the kernel reports the exit code.
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
    """Returns whether the process ended within the time."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout_ms))
