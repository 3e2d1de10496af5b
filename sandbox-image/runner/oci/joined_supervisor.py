"""The runner outside of the process namespace that it watches: for engines that fork it into a made container.

Here the code can not even name its supervisor. The container's own first process does nothing; its end is the end
of every process inside.
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

# The container's first process and the runner.
_OURS = 2
# What an event descriptor takes for one.
_ONE = (1).to_bytes(8, "little")
# From proc(5): the ninth field of a process's stat, and the kernel's PF_EXITING in it, set before the rest of a namespace is killed.
_STAT_FLAGS, _EXITING = 9, 0x4


class JoinedSupervisor(Supervisor):
    def __init__(self, stdin: int, stdout: int, init: int, end: int) -> None:
        """`init` is a pidfd of the container's first process, `end` the event that asks the keeper to end it."""
        super().__init__(stdin, stdout)
        self._init = init
        self._end = end

    def prepare(self) -> None:
        """As a rule nobody waits yet, so the code's process is made now."""
        super().prepare()
        self._ahead = self._make_process()

    def _end_run(self, execution: Execution) -> None:
        """
        With the first process the kernel kills the code, and that is not how the code ended: where somebody outside ended the
        container we end with it, whoever of us the kernel came to first.
        """
        if execution.killed and _first_process_ends():
            _signal.raise_signal(_signal.SIGKILL)
        super()._end_run(execution)

    def _how_to_kill_all(self) -> KillAll:
        return self._end_namespace

    def _end_namespace(self, reap_dead: Callable[[], bool]) -> None:
        """
        Has the first process ended and waits for it: the kernel lets it go only after all others.

        Where the code left nobody behind there is nobody to end. The kernel's count can not be escaped, and those it finds, the
        first process and we, fork nothing; so whoever reads the files next is alone with them.

        It is of another account, so neither we nor the code can signal it. Never kill(-1): outside of the namespace that
        would reach for the processes of every other sandbox.
        """
        if not reap_dead() and self._meter.processes() == _OURS:
            return
        os.write(self._end, _ONE)
        deadline = time.monotonic() + KILL_ALL_S
        poll = select.poll()
        poll.register(self._init, select.POLLIN)
        while time.monotonic() < deadline:
            # The code's own process is our child, and the first process waits for us to take its end.
            alive = reap_dead()
            if poll.poll(1 if alive else int((deadline - time.monotonic()) * 1000)) and not alive:
                return


def _first_process_ends() -> bool:
    try:
        with open("/proc/1/stat") as file:
            # The second field is a name in parentheses, which may hold anything.
            after_name = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        # Then it is not known, and what is known is how the code ended.
        return False
    return bool(int(after_name[_STAT_FLAGS - 3]) & _EXITING)
