"""The process that runs the code, from its supervisor's side: forked once, told once what to run."""

from __future__ import annotations

import os

import _signal  # type: ignore[import-not-found]
import _socket

from runner import protocol
from runner.child import EX_SOFTWARE, run_as_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class CodeProcess:
    """Waits for its code from the moment it is made; `stdin`, `stdout`, `stderr` and `channel` are the supervisor's ends."""

    def __init__(self) -> None:
        """Forks. Only the child comes back from it somewhere else."""
        stdin, self.stdin = os.pipe()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self.channel, channel = socket_pair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                run_as_child((stdin, stdout, stderr, channel))
            finally:
                # Nothing may return from here into the supervisor's loop.
                os._exit(EX_SOFTWARE)
        for fd in (stdin, stdout, stderr, channel):
            os.close(fd)
        self.pidfd = open_pidfd(self.pid)

    def run(self, source: bytes, bounds: Mapping[str, Any]) -> None:
        """Raises OSError when it has died before."""
        unsent = memoryview(protocol.encode(protocol.IN_RUN, bounds, source))
        # It does nothing but read until it has all of it.
        while unsent:
            unsent = unsent[os.write(self.channel, unsent) :]
        for fd in (self.stdin, self.stdout, self.stderr, self.channel):
            os.set_blocking(fd, False)

    def discard(self) -> None:
        """Ends it; only before it has been told anything."""
        os.kill(self.pid, _signal.SIGKILL)
        os.waitpid(self.pid, 0)
        for fd in (self.stdin, self.stdout, self.stderr, self.channel, self.pidfd):
            if fd >= 0:
                os.close(fd)


def socket_pair() -> tuple[int, int]:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    return ours.detach(), theirs.detach()


def open_pidfd(pid: int) -> int:
    """-1 where the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1
