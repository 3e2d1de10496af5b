"""The sandbox's processes as the supervisor sees them: fork the code process, and kill all of them."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import time

from runner.code.child import EX_SOFTWARE, run_as_child
from runner.wire import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    # Kills every process of the sandbox. Its argument reaps children and returns whether others are alive.
    KillAll = Callable[[Callable[[], bool]], None]

KILL_ALL_S = 5.0

_SIGNAL_NAMES = {
    number: name for name, number in vars(_signal).items() if name.startswith("SIG") and "_" not in name and isinstance(number, int)
}


class CodeProcess:
    """
    A forked process that waits for its code. `stdin`, `stdout`, `stderr`, `channel` and `tools` are the supervisor's ends; `tools` is
    -1 without a tools socket.
    """

    def __init__(self, with_tools: bool = False) -> None:
        """Forks. The child never returns."""
        stdin, self.stdin = os.pipe()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self.channel, channel = socket_pair()
        theirs = [stdin, stdout, stderr, channel]
        self.tools = -1
        if with_tools:
            self.tools, tools = socket_pair()
            theirs.append(tools)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                run_as_child(tuple(theirs))
            finally:
                # The child must never return into the supervisor's loop.
                os._exit(EX_SOFTWARE)
        for fd in theirs:
            os.close(fd)
        self.pidfd = open_pidfd(self.pid)

    def run(self, source: bytes, bounds: Mapping[str, Any]) -> None:
        """Sends the code. Raises OSError when the process has ended."""
        unsent = memoryview(protocol.encode(protocol.IN_RUN, bounds, source))
        # Blocking is safe: the process only reads until it has all of it.
        while unsent:
            unsent = unsent[os.write(self.channel, unsent) :]
        for fd in (self.stdin, self.stdout, self.stderr, self.channel):
            os.set_blocking(fd, False)

    def discard(self) -> None:
        """Kills the process. Only before `run`."""
        os.kill(self.pid, _signal.SIGKILL)
        os.waitpid(self.pid, 0)
        for fd in (self.stdin, self.stdout, self.stderr, self.channel, self.tools, self.pidfd):
            if fd >= 0:
                os.close(fd)


def socket_pair() -> tuple[int, int]:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    return ours.detach(), theirs.detach()


def open_pidfd(pid: int) -> int:
    """Returns -1 on kernels without pidfd."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def kill_all_others(reap_dead: Callable[[], bool]) -> None:
    """
    Kills every other process and reaps it. Only the first process of the sandbox may do this; orphans become its children.

    One kill(-1) reaches them all, because no fork completes while the signal is pending. It is repeated to be safe.
    """
    deadline = time.monotonic() + KILL_ALL_S
    pause = 0.0002
    while time.monotonic() < deadline:
        try:
            os.kill(-1, _signal.SIGKILL)
        except OSError:
            pass
        if not reap_dead():
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def explain(status: int | None) -> tuple[int | None, str | None]:
    """Returns the exit code, or the signal's name, of a wait status."""
    if status is None:
        return None, None
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return None, _SIGNAL_NAMES.get(number, f"SIG{number}")
    return os.WEXITSTATUS(status), None
