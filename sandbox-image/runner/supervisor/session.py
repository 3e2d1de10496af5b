"""The process of a session, which lives across cells, and the supervision of one cell in it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import select
import time

from runner.code.child import EX_SOFTWARE
from runner.code.session_loop import serve_cells
from runner.supervisor.copies import Copy, exit_status, has_ended
from runner.supervisor.execution import READ_BYTES, Execution, Stream
from runner.supervisor.process import open_pidfd, socket_pair
from runner.wire import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from runner.supervisor.meter import Meter
    from runner.supervisor.process import KillAll
    from runner.wire.outbox import Outbox

# An interrupted cell unwinds and reports its traceback, maybe on a busy machine. Keeping the session's variables is worth the wait.
# Shorter than the worker waits after a time limit.
YIELD_GRACE_S = 1.3
# Time for a program that replaced the process (exec) to end by itself.
SILENT_GRACE_S = 5.0


class SessionProcess:
    """The process of a session. Its pipes stay open; what it writes between cells waits in them. A copy can take its place."""

    def __init__(self, bounds: Mapping[str, Any]) -> None:
        self._bounds = bounds
        theirs = self._open()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                serve_cells(theirs)
            finally:
                # The child must never return into the supervisor's loop.
                os._exit(EX_SOFTWARE)
        self._close_theirs(theirs)
        self.pidfd = open_pidfd(self.pid)
        self.is_child = True
        self.cells_begun = 0
        self.alive = True
        self.copy: Copy | None = None

    def leave_copy(self) -> None:
        """Has the process leave a copy now, between two cells, instead of an earlier one."""
        self.drop_copy()
        copy = Copy()
        given = copy.take_given()
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, given.to_bytes(4, "little"))]
        try:
            self.cells.sendmsg([protocol.encode(protocol.COPY)], rights)
            self.copy = copy
        except OSError:
            # The process does not read, or has ended.
            copy.close()
        finally:
            os.close(given)

    def drop_copy(self) -> None:
        if self.copy is not None:
            self.copy.close()
            if self.copy.pidfd >= 0:
                os.close(self.copy.release_pidfd())
            self.copy = None

    def become_copy(self, reap: Callable[[], object]) -> bool:
        """
        Makes the copy the session's process, and ends the present one with all that it started. False when there is no copy, or it
        fails; then other processes may be alive. The descriptors of the present process stay open.
        """
        copy = self.copy
        until = time.monotonic() + self._bounds.get("restore_ms", 0) / 1000
        if copy is None or not copy.wait_until_ready(until):
            self.drop_copy()
            return False
        self.cells.close()
        theirs = self._open()
        try:
            woken = copy.wake(theirs, reap, until)
        finally:
            self._close_theirs(theirs)
        if woken:
            self.pid, self.pidfd, self.is_child = copy.pid, copy.release_pidfd(), copy.is_child
        self.drop_copy()
        return woken

    def _open(self) -> tuple[int, int, int, int, int]:
        """Makes the descriptors between the supervisor and a process. Returns those of the process."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self.channel, channel = socket_pair()
        ours, cells = socket_pair()
        for fd in (self.stdout, self.stderr, self.channel):
            os.set_blocking(fd, False)
        self.cells = _socket.socket(fileno=ours)
        self.cells.setblocking(False)
        self.parser = protocol.FrameParser(
            protocol.CELL_KINDS,
            self._bounds["display_bytes"],
            self._bounds["display_bytes"],
            skip_oversize=True,
            head_values_max=self._bounds["display_values"],
        )
        return nothing, stdout, stderr, channel, cells

    def _close_theirs(self, theirs: tuple[int, ...]) -> None:
        for fd in theirs:
            os.close(fd)


class CellExecution(Execution):
    """One cell in a living process. At a limit the cell is interrupted, and the process is killed only if that fails."""

    _process: SessionProcess  # type: ignore[assignment]

    def __init__(self, bounds: Mapping[str, Any], outbox: Outbox, kill_all: KillAll, process: SessionProcess, meter: Meter) -> None:
        super().__init__(bounds, outbox, kill_all, process, meter)  # type: ignore[arg-type]
        self._parser = process.parser
        self._unsent = b""
        # Descriptors that go to the process with the cell's first bytes: its standard input, and its tools socket if it has tools.
        self._rights: list[int] = []
        self._exit_code: int | None = None
        # The process ignores interrupts between cells, so an early interrupt waits for CELL_BEGIN.
        self._listens = False
        self._interrupt_due = False

    def start(self, source: bytes, stdin: bytes) -> None:
        process = self._process
        process.cells_begun += 1
        self._started_at = time.monotonic()
        self._deadline = self._started_at + self._bounds["timeout_ms"] / 1000
        self._pid = process.pid
        self._pidfd = process.pidfd
        self._is_child = process.is_child
        self.stdout = Stream(protocol.STDOUT, process.stdout, self._bounds["stdout_kept_bytes"])
        self.stderr = Stream(protocol.STDERR, process.stderr, self._bounds["stderr_kept_bytes"])
        self._channel = process.channel
        stdin_read, self._stdin_fd = os.pipe()
        self._rights = [stdin_read]
        if self._bounds.get("tools") or self._bounds.get("tool_servers"):
            ours, theirs = socket_pair()
            self._open_tools(ours)
            self._rights.append(theirs)
        os.set_blocking(self._stdin_fd, False)
        self._stdin = stdin
        head = {**self._bounds, "cell": process.cells_begun}
        self._unsent = protocol.encode(protocol.IN_RUN, head, source)
        self._send_cell()
        self._feed()

    def interests(self) -> list[tuple[int, int]]:
        wanted = super().interests()
        if self._unsent:
            wanted.append((self._process.cells.fileno(), select.POLLOUT))
        copy = self._process.copy
        if copy is not None and not copy.closed:
            wanted.append((copy.fd, select.POLLIN))
        return wanted

    def wait_s(self) -> float:
        copy = self._process.copy
        look_at = None if copy is None else copy.look(self._meter)
        wait = super().wait_s()
        return wait if look_at is None else max(0.0, min(wait, look_at - time.monotonic()))

    def react(self, ready: Mapping[int, int]) -> None:
        if self._unsent and self._process.cells.fileno() in ready:
            self._send_cell()
        copy = self._process.copy
        if copy is not None and not copy.closed and copy.fd in ready:
            copy.react()
            if copy.was_killed:
                # Most likely by the kernel, to give its memory to the code.
                self._meter.ignore_oom_kill()
        super().react(ready)
        if self._channel < 0 and self._kill_at is None:
            # Without its channel the process cannot report the end of a cell. It may be about to end.
            self._kill_at = time.monotonic() + SILENT_GRACE_S

    def finish(self) -> dict[str, object]:
        if self._exit_code is None or self._status is not None or self._channel < 0:
            return self._finish_dead()
        for stream in (self.stdout, self.stderr):
            self._empty_stream(stream)
        if self._stdin_fd >= 0:
            os.close(self._stdin_fd)
        if self._tools is not None:
            self._tools.close()
        # The code may have closed one of the streams for good.
        self._process.stdout, self._process.stderr = self.stdout.fd, self.stderr.fd
        run_s = time.monotonic() - self._started_at
        return {**self._facts(self._exit_code, None, run_s), "session_alive": True}

    def _finish_dead(self) -> dict[str, object]:
        """The cell has cost the process its life. If there is a copy from before the cell, that is the session now."""
        self._close_rights()
        self._end_all, self._kill_all = self._kill_all, self._restore
        facts = super().finish()
        process = self._process
        if not process.alive:
            process.cells.close()
        return {**facts, "session_alive": process.alive, "restored": process.alive}

    def _restore(self, reap_dead: Callable[[], bool]) -> None:
        self._process.alive = self._process.become_copy(reap_dead)
        reap_dead()
        if not self._process.alive:
            self._end_all(reap_dead)

    def _reap_dead(self) -> bool:
        others = super()._reap_dead()
        if self._status is None and not self._is_child and has_ended(self._pidfd):
            self._status = exit_status(self._pidfd)
        return others

    def _signal_child(self, number: int) -> None:
        if self._pidfd < 0:
            super()._signal_child(number)
        elif self._status is None:
            try:
                _signal.pidfd_send_signal(self._pidfd, number)
            except OSError:
                pass

    def _send_cell(self) -> None:
        """Sends as much of the cell as the process takes. The first bytes carry the descriptors."""
        cells = self._process.cells
        try:
            while self._unsent:
                if self._rights:
                    rights = b"".join(fd.to_bytes(4, "little") for fd in self._rights)
                    count = cells.sendmsg([self._unsent[:READ_BYTES]], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
                    self._close_rights()
                else:
                    count = cells.send(self._unsent[:READ_BYTES])
                self._unsent = self._unsent[count:]
        except BlockingIOError:
            return
        except OSError:
            # The process has ended, which the next poll notices.
            self._unsent = b""

    def _close_rights(self) -> None:
        for fd in self._rights:
            os.close(fd)
        self._rights = []

    def _forward(self, frame: protocol.Frame) -> None:
        if frame.kind not in (protocol.CELL_END, protocol.CELL_BEGIN):
            super()._forward(frame)
        elif frame.head.get("cell") != self._process.cells_begun:
            return
        elif frame.kind == protocol.CELL_BEGIN:
            self._listens = True
            if self._interrupt_due:
                self._signal_child(_signal.SIGINT)
        else:
            code = frame.head.get("exit_code")
            self._exit_code = code & 0xFF if isinstance(code, int) else 0
            self.over = True

    def interrupt(self) -> None:
        if self._end is None:
            self._interrupt_cell("interrupted")

    def _reach_deadline(self) -> None:
        self._interrupt_cell("timeout")

    def _reach_output_limit(self) -> None:
        self._interrupt_cell("output")

    def _reach_wait_limit(self) -> None:
        self._interrupt_cell("tool_wait")

    def _interrupt_cell(self, end: str) -> None:
        if self._listens:
            self._signal_child(_signal.SIGINT)
        else:
            self._interrupt_due = True
        self._stop(end, YIELD_GRACE_S)
