"""The supervisor outside of the process namespace that it supervises, for engines that fork it into a container.

The code cannot name its supervisor here. The container's own first process does nothing; when it ends, the kernel kills every
process inside.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import select
import time

from runner.supervisor.process import KILL_ALL_S
from runner.supervisor.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.supervisor.execution import Execution
    from runner.supervisor.process import KillAll

# The container's first process and the supervisor.
_OURS = 2
# What writing to an eventfd takes for 1.
_ONE = (1).to_bytes(8, "little")
# From proc(5): field 9 of /proc/PID/stat, and the kernel's PF_EXITING in it, which is set before the namespace is killed.
_STAT_FLAGS, _EXITING = 9, 0x4


class JoinedSupervisor(Supervisor):
    def __init__(self, stdin: int, stdout: int, init: int, end: int) -> None:
        """`init` is a pidfd of the container's first process, `end` the eventfd that asks the keeper to end it."""
        super().__init__(stdin, stdout)
        self._init = init
        self._end = end

    def prepare(self) -> None:
        """Forks the code process now, because usually no execution waits yet."""
        super().prepare()
        self._prepared = self._make_process()

    def _end_run(self, execution: Execution) -> None:
        """
        When the container is ended from outside, the kernel kills the code with the first process. That must not be reported as
        the code's own end, so the supervisor ends itself, whichever process the kernel killed first.
        """
        if execution.killed and _first_process_ends():
            _signal.raise_signal(_signal.SIGKILL)
        super()._end_run(execution)

    def _choose_kill_all(self) -> KillAll:
        return self._end_namespace

    def _end_namespace(self, reap_dead: Callable[[], bool]) -> None:
        """
        Has the keeper end the first process, and waits for it. The kernel reaps it only after all others of its namespace.

        Not needed if the code left no process behind. The kernel's count includes every process, and the two it must find, the
        first process and this one, do not fork. So the files cannot change while they are read.

        The first process has another user, so neither we nor the code can signal it. Never kill(-1) here: outside of the
        namespace it would kill the processes of every other sandbox.
        """
        if not reap_dead() and self._meter.processes() == _OURS:
            return
        os.write(self._end, _ONE)
        deadline = time.monotonic() + KILL_ALL_S
        poll = select.poll()
        poll.register(self._init, select.POLLIN)
        while time.monotonic() < deadline:
            # The code process is our child: the first process cannot be reaped before it.
            alive = reap_dead()
            if poll.poll(1 if alive else int((deadline - time.monotonic()) * 1000)) and not alive:
                return


def _first_process_ends() -> bool:
    try:
        with open("/proc/1/stat") as file:
            # Field 2 is a name in parentheses, which may contain anything.
            after_name = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        # Unknown. Report how the code ended.
        return False
    return bool(int(after_name[_STAT_FLAGS - 3]) & _EXITING)
