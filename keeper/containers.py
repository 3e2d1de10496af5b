"""Containers, made and removed by the OCI runtime from a config.json of their own."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

from cgroups import Cgroups, oom_kills, open_procs

MIB = 1024 * 1024
COMMAND_TIMEOUT_S = 20
REMOVE_ATTEMPTS = 3
KILL_TIMEOUT_MS = 5_000
# Host ids for sandboxes: far above those of accounts, as many ranges as fit below two thousand million.
FIRST_HOST_ID, RANGES = 0x2000_0000, 0x5000


class Container:
    """A container that stands, empty but for its first process."""

    def __init__(self, runtime: Runtime, identity: str, pid: int, id_range: int, cgroups: Cgroups) -> None:
        self.id = identity
        self.pid = pid
        self.id_range = id_range
        self._runtime = runtime
        # Our own child's child and not yet waited for by anyone else, so its number is still its own.
        self.init = os.pidfd_open(pid)
        self.folders = cgroups.folders_of(pid)
        self.procs = open_procs(self.folders)

    def members(self) -> list[int]:
        """Ids of the processes inside, those that joined from outside among them."""
        return [int(line) for line in os.pread(self.procs[0], 65_536, 0).split()]

    def kill(self) -> None:
        """With the first process every other one of its namespace ends; returns once they have."""
        kill(self.init)

    def oom_killed(self) -> bool:
        return oom_kills(self.folders) > 0

    def remove(self) -> None:
        for fd in (self.init, *self.procs):
            os.close(fd)
        self._runtime.remove(self)


class Runtime:
    def __init__(self, command: str, state: str, template: dict[str, Any], program: bytes, cgroups: Cgroups) -> None:
        self._command = [command, "--root", f"{state}/runtime"]
        self._bundles = f"{state}/bundles"
        self._template = template
        self._cgroups = cgroups
        self._lock = threading.Lock()
        self._ranges_used: set[int] = set()
        self._next_range = 0
        # crun loads these bytes as they are; other runtimes compile the profile themselves.
        template["annotations"] = {"run.oci.seccomp_bpf_data": base64.b64encode(program).decode()}
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
            self._run("run", "--detach", "--bundle", bundle, "--pid-file", f"{bundle}/pid", identity)
            return Container(self, identity, int(open(f"{bundle}/pid").read()), id_range, self._cgroups)
        except BaseException:
            self._forget(identity, id_range)
            raise

    def remove(self, container: Container) -> None:
        self._forget(container.id, container.id_range)

    def remove_leftovers(self) -> None:
        """Containers of a keeper that is no more; this one has made none yet, or has to leave none."""
        for identity in os.listdir(self._bundles):
            self._forget(identity, None)

    def _config(self, identity: str, id_range: int, memory_mb: int) -> dict[str, Any]:
        template = self._template
        memory = {"limit": memory_mb * MIB, "swap": memory_mb * MIB}
        linux = {
            **template["linux"],
            "cgroupsPath": f"{template['linux']['cgroupsPath']}/{identity}",
            "resources": {**template["linux"]["resources"], "memory": memory},
        }
        for kind in ("uidMappings", "gidMappings"):
            # Absent where the kernel gives no user namespace.
            linux.update({kind: [{**each, "hostID": FIRST_HOST_ID + id_range * each["size"]} for each in linux[kind]]} if kind in linux else {})
        return {**template, "linux": linux}

    def _take_range(self) -> int:
        """A range that no living container has; the oldest first, so that a number is long out of use."""
        with self._lock:
            while self._next_range in self._ranges_used:
                self._next_range = (self._next_range + 1) % RANGES
            taken = self._next_range
            self._next_range = (taken + 1) % RANGES
            self._ranges_used.add(taken)
            return taken

    def _forget(self, identity: str, id_range: int | None) -> None:
        for attempt in range(REMOVE_ATTEMPTS):
            try:
                self._run("delete", "--force", identity)
                break
            except OSError as error:
                if attempt == REMOVE_ATTEMPTS - 1:
                    # Its folder stays, and with it the name by which the next start finds it.
                    print(f"container {identity} not removed: {error}", file=sys.stderr, flush=True)
                    return
        shutil.rmtree(f"{self._bundles}/{identity}", ignore_errors=True)
        if id_range is not None:
            with self._lock:
                self._ranges_used.discard(id_range)

    def _run(self, *arguments: str) -> None:
        try:
            # Into a file, not a pipe: a container's first process would hold a pipe open.
            done = subprocess.run(
                [*self._command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{self._command[0]} {arguments[0]} took too long") from error
        if done.returncode != 0:
            raise OSError(f"{self._command[0]} {arguments[0]} ended with {done.returncode}")


def kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(KILL_TIMEOUT_MS)
