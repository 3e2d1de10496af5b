"""Starts zygotes, forks runners from them, and replaces them by number of forks, by age and when they die."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from containers import Container

START_TIMEOUT_S = 60
# A fork takes milliseconds. Less than the worker waits for a sign of life.
ANSWER_TIMEOUT_S = 5
END_TIMEOUT_S = 2
READY, JOINED, ALIVE = b"ready", b"joined", b"alive"


class Zygote:
    """A process of the sandbox image with the modules of its forks loaded. Its methods raise OSError once it has ended."""

    def __init__(self, rootfs: str, setup: bytes, program: int, forks_max: int, age_s_max: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*_own_interpreter(), f"{os.path.dirname(os.path.abspath(__file__))}/enter.py", rootfs, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._keeper = ours
        self._forks_max = forks_max
        self._age_s_max = age_s_max
        self._started = time.monotonic()
        self._forks = 0
        ours.settimeout(START_TIMEOUT_S)
        socket.send_fds(ours, [setup], [program])
        if ours.recv(64) != READY:
            raise OSError("the zygote did not start")
        ours.settimeout(ANSWER_TIMEOUT_S)

    @property
    def worn(self) -> bool:
        """Whether its address layout and hash seed have been used long enough."""
        return self._forks >= self._forks_max or time.monotonic() - self._started > self._age_s_max

    def fork(self, fds: list[int]) -> int:
        self._forks += 1
        socket.send_fds(self._keeper, [b"fork"], fds)
        message, received, _, _ = socket.recv_fds(self._keeper, 64, 1)
        if message != JOINED or len(received) != 1:
            raise OSError("the zygote ended")
        return received[0]

    def check(self) -> None:
        self._keeper.send(b"check")
        if self._keeper.recv(64) != ALIVE:
            raise OSError("the zygote ended")

    def close(self) -> None:
        """Ends the zygote by closing its socket. Its forks live on."""
        self._keeper.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Zygotes:
    def __init__(self, rootfs: str, config: dict[str, Any], program: bytes, bounds: dict[str, int], *, stack: bool) -> None:
        self._rootfs = rootfs
        self._bounds = bounds
        namespaces = [each["type"] for each in config["linux"]["namespaces"]]
        self._setup = json.dumps({"process": config["process"], "namespaces": namespaces, "stack": stack}).encode()
        self._program = os.memfd_create("seccomp")
        os.write(self._program, program)
        self._lock = threading.Lock()
        self._renewing = False
        self._current = self._start()

    def fork_into(self, connection: int, container: Container, end: int) -> int:
        """
        Forks a runner into the container. It serves `connection`, and writes to `end` when the container may end.
        Returns its pidfd.

        A dead zygote is replaced while callers wait. If it died after the fork, the runner is found in the container.
        """
        with self._lock:
            fds = [connection, container.init, end, *container.procs]
            try:
                runner = self._current.fork(fds)
            except OSError as error:
                self._replace(error)
                joined = [pid for pid in container.members() if pid != container.pid]
                runner = os.pidfd_open(joined[0]) if joined else self._current.fork(fds)
            if self._current.worn and not self._renewing:
                self._renewing = True
                threading.Thread(target=self._renew, daemon=True).start()
            return runner

    def check(self) -> None:
        """Returns once the zygote has answered. One that does not answer is replaced."""
        with self._lock:
            try:
                self._current.check()
            except OSError as error:
                self._replace(error)

    def close(self) -> None:
        with self._lock:
            self._current.close()

    def _replace(self, error: OSError) -> None:
        print(f"zygote replaced: {error}", file=sys.stderr, flush=True)
        fresh = self._start()
        self._current.close()
        self._current = fresh

    def _renew(self) -> None:
        """Starts the next zygote. The current one serves until it is ready."""
        try:
            fresh = self._start()
        except OSError as error:
            print(f"zygote not renewed: {error}", file=sys.stderr, flush=True)
            return
        finally:
            self._renewing = False
        with self._lock:
            worn, self._current = self._current, fresh
        # Outside of the lock, so that forks do not wait for its end.
        worn.close()

    def _start(self) -> Zygote:
        return Zygote(self._rootfs, self._setup, self._program, self._bounds["zygote_forks"], self._bounds["zygote_age_s"])


def _own_interpreter() -> list[str]:
    with open("/proc/self/cmdline") as file:
        return interpreter_of(file.read(), sys.argv[0])


def interpreter_of(command_line: str, program: str) -> list[str]:
    """
    Returns the start of a /proc/PID/cmdline, before `program`: the command that runs our interpreter. It names the loader
    and the libraries, because they are not the host's.
    """
    command = command_line.split("\0")
    return command[: command.index(program)]
