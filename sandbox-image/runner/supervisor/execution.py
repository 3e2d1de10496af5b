"""Supervises the code process: its pipes, its time limit, its other limits, its end."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import select
import time

from runner.supervisor.process import explain
from runner.wire import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runner.supervisor.meter import Meter
    from runner.supervisor.process import CodeProcess, KillAll
    from runner.supervisor.tool_calls import ToolCalls
    from runner.wire.outbox import Outbox

READ_BYTES = 64 * 1024
# The most a pipe can hold; its writers can set the size. Bounds the time to empty one.
PIPE_BYTES_MAX = 1024 * 1024
INTERRUPT_GRACE_S = 0.5
# Time for Python to write an unfinished line and end. A busy machine needs a while; code inside a long call does neither.
FLUSH_GRACE_S = 0.25
# Poll interval for the child on kernels without pidfd.
ASK_CHILD_S = 0.005
# The first process adopts orphans. They count against the process limit until it reaps them.
REAP_ORPHANS_S = 0.2
# How often the clock is read while calls of tools are open.
CLOCK_S = 0.1
ERROR_FRAMES_MAX = 4
# Time for open files and finalizers after the program has ended. Exceeding it does not change the result.
FINALIZE_S = 2.0
# How far that time may exceed the time limit; less than the worker waits before it ends the sandbox.
FINALIZE_PAST_LIMIT_S = 0.5


class Stream:
    """One of the code's two text streams: its pipe, bytes counted, bytes kept."""

    def __init__(self, kind: int, fd: int, kept_bytes_max: int) -> None:
        self.kind = kind
        self.fd = fd
        self.bytes = 0
        self._kept_bytes_max = kept_bytes_max

    @property
    def truncated(self) -> bool:
        return self.bytes > self._kept_bytes_max

    def count(self, data: bytes) -> bytes:
        """Counts `data` and returns the part of it that is kept."""
        room = self._kept_bytes_max - self.bytes
        self.bytes += len(data)
        return data[:room] if room > 0 else b""


class Execution:
    """
    One run of one piece of code. The event loop polls `interests()`, passes what is ready to `react()`, calls
    `check_clock()` after `wait_s()` at the latest, and `finish()` once `over` is true. No process survives `finish()`.
    """

    def __init__(self, bounds: Mapping[str, Any], outbox: Outbox, kill_all: KillAll, process: CodeProcess, meter: Meter) -> None:
        self._bounds = bounds
        self._meter = meter
        self._tools: ToolCalls | None = None
        self._outbox = outbox
        self._kill_all = kill_all
        self._process = process
        self._end: str | None = None
        # The exit code that the program reported. After that only its finalization runs.
        self._final_code: int | None = None
        self._kill_at: float | None = None
        self._flush_asked = False
        self._status: int | None = None
        self._cpu_s = 0.0
        self._memory_peak_bytes = 0
        self._reap_at = 0.0
        self._stdin = b""
        self._parser = protocol.FrameParser(
            protocol.CELL_KINDS,
            bounds["display_bytes"],
            bounds["display_bytes"],
            skip_oversize=True,
            head_values_max=bounds["display_values"],
        )
        self._displays = 0
        self._displays_bytes = 0
        self._displays_values = 0
        self._errors = 0
        self.outputs_truncated = False
        self.over = False

    def start(self, source: bytes, stdin: bytes) -> None:
        process = self._process
        self._started_at = time.monotonic()
        self._deadline = self._started_at + self._bounds["timeout_ms"] / 1000
        process.run(source, self._bounds)
        self._pid = process.pid
        self._pidfd = process.pidfd
        self.stdout = Stream(protocol.STDOUT, process.stdout, self._bounds["stdout_kept_bytes"])
        self.stderr = Stream(protocol.STDERR, process.stderr, self._bounds["stderr_kept_bytes"])
        self._channel = process.channel
        self._stdin_fd = process.stdin
        self._stdin = stdin
        if process.tools >= 0:
            self._open_tools(process.tools)
        self._feed()

    def answer_tool(self, head: Mapping[str, Any], body: bytes) -> None:
        """Passes the answer of a tool to the code. A late one is dropped."""
        if self._tools is not None:
            self._tools.answer(head, body)

    def _open_tools(self, fd: int) -> None:
        from runner.supervisor.tool_calls import ToolCalls

        self._tools = ToolCalls(fd, self._bounds, self._outbox, self._meter.cpu_ms)

    @property
    def killed(self) -> bool:
        """Whether SIGKILL from outside ended the code process, rather than a limit of ours."""
        return self._end is None and self._final_code is None and explain(self._status)[1] == "SIGKILL"

    def interests(self) -> list[tuple[int, int]]:
        """Returns (file descriptor, events) to poll. Backpressure: the code's output stays in its pipes while the outbox is full."""
        wanted = []
        if self._pidfd >= 0:
            wanted.append((self._pidfd, select.POLLIN))
        if self._stdin_fd >= 0:
            wanted.append((self._stdin_fd, select.POLLOUT))
        if not self._outbox.full:
            wanted.extend((fd, select.POLLIN) for fd in (self.stdout.fd, self.stderr.fd, self._channel) if fd >= 0)
        if self._tools is not None:
            wanted.extend(self._tools.interests())
        return wanted

    def wait_s(self) -> float:
        now = time.monotonic()
        wait = (self._kill_at if self._kill_at is not None else self._deadline) - now
        if self._tools is not None and self._tools.any_open:
            wait = min(wait, CLOCK_S)
        return max(0.0, min(wait, REAP_ORPHANS_S if self._pidfd >= 0 else ASK_CHILD_S))

    def react(self, ready: Mapping[int, int]) -> None:
        if self._stdin_fd in ready:
            self._feed()
        for stream in (self.stdout, self.stderr):
            if stream.fd in ready:
                self._read_stream(stream)
        if self._channel in ready:
            self._read_channel()
        if self._tools is not None and self._tools.fd in ready:
            # Text that was printed before a call is read before it.
            for stream in (self.stdout, self.stderr):
                self._empty_stream(stream)
            self._tools.react(ready[self._tools.fd])
        if self._pidfd in ready or self._pidfd < 0:
            self._reap_at = 0.0

    def check_clock(self) -> None:
        if self._tools is not None:
            self._deadline += self._tools.take_waited_s()
            if self._tools.waited_too_long:
                self._reach_wait_limit()
        now = time.monotonic()
        if now >= self._reap_at:
            self._reap_at = now + REAP_ORPHANS_S
            self._reap_dead()
            if self._status is not None:
                self.over = True
                return
        if self._kill_at is None and now >= self._deadline:
            self._reach_deadline()
        if self._kill_at is not None and now >= self._kill_at:
            if self._flush_asked or (self._final_code is not None and self._end is None):
                self.over = True
            else:
                self._flush_asked = True
                self._signal_child(_signal.SIGXCPU)
                self._kill_at = now + FLUSH_GRACE_S

    def interrupt(self) -> None:
        """Raises KeyboardInterrupt in the code, and kills what has not ended after a grace period."""
        if self._end is None:
            self._signal_child(_signal.SIGINT)
            self._stop("interrupted", INTERRUPT_GRACE_S)

    def finish(self) -> dict[str, object]:
        """Kills all remaining processes, reads what is left in the pipes, and returns the facts of the run."""
        self._kill_all(self._reap_dead)
        run_s = time.monotonic() - self._started_at
        for stream in (self.stdout, self.stderr):
            self._empty_stream(stream)
        # Text that was printed before a frame is read before the frame.
        for _ in range(2 * PIPE_BYTES_MAX // READ_BYTES):
            if self._channel < 0 or not self._read_channel_once():
                break
        if self._tools is not None:
            self._tools.close()
        for fd in (self.stdout.fd, self.stderr.fd, self._channel, self._stdin_fd, self._pidfd):
            if fd >= 0:
                os.close(fd)
        exit_code, signal = explain(self._status) if self._final_code is None else (self._final_code, None)
        return self._facts(exit_code, signal, run_s)

    def _facts(self, exit_code: int | None, signal: str | None, run_s: float) -> dict[str, object]:
        return {
            "end": self._end or self._natural_end(exit_code),
            "exit_code": exit_code,
            "signal": signal,
            "run_ms": round(run_s * 1000),
            "cpu_ms": round(self._cpu_s * 1000),
            "memory_peak_bytes": self._memory_peak_bytes,
            "stdout_bytes": self.stdout.bytes,
            "stderr_bytes": self.stderr.bytes,
            "stdout_truncated": self.stdout.truncated,
            "stderr_truncated": self.stderr.truncated,
            "outputs_truncated": self.outputs_truncated,
        }

    def _natural_end(self, exit_code: int | None) -> str:
        if exit_code is None:
            return "signal"
        if exit_code == 0:
            return "ok"
        return "exception" if self._errors else "exit"

    def _reach_deadline(self) -> None:
        self._stop("timeout", 0)

    def _reach_wait_limit(self) -> None:
        self._stop("tool_wait", 0)

    def _reach_output_limit(self) -> None:
        self._end = "output"
        self.over = True

    def _stop(self, end: str, grace_s: float) -> None:
        if self._end is None:
            self._end = end
            self._kill_at = time.monotonic() + grace_s

    def _feed(self) -> None:
        """Writes standard input as fast as the code reads it, then closes it."""
        try:
            while self._stdin:
                self._stdin = self._stdin[os.write(self._stdin_fd, self._stdin[:READ_BYTES]) :]
        except BlockingIOError:
            return
        except OSError:
            self._stdin = b""
        os.close(self._stdin_fd)
        self._stdin_fd = -1

    def _read_stream(self, stream: Stream) -> int:
        """Reads once. Returns the number of bytes, 0 if there are none now."""
        try:
            data = os.read(stream.fd, READ_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            os.close(stream.fd)
            stream.fd = -1
            return 0
        kept = stream.count(data)
        if kept:
            self._outbox.put(protocol.encode(stream.kind, None, kept))
        if self.stdout.bytes + self.stderr.bytes >= self._bounds["output_stop_bytes"] and self._end is None:
            self._reach_output_limit()
        return len(data)

    def _empty_stream(self, stream: Stream) -> None:
        left = PIPE_BYTES_MAX
        while stream.fd >= 0 and left > 0:
            count = self._read_stream(stream)
            if count == 0:
                return
            left -= count

    def _read_channel(self) -> None:
        for stream in (self.stdout, self.stderr):
            self._empty_stream(stream)
        self._read_channel_once()

    def _read_channel_once(self) -> bool:
        """Reads the channel once. Anything that is not a frame closes the channel, but does not end the run."""
        try:
            data = os.read(self._channel, READ_BYTES)
            if data:
                for frame in self._parser.push(data):
                    self._forward(frame)
                    self._acknowledge()
                return True
        except BlockingIOError:
            return False
        except (OSError, ValueError, protocol.WireError):
            # ValueError: a JSON number too large for a float cannot be encoded again.
            pass
        os.close(self._channel)
        self._channel = -1
        return False

    def _acknowledge(self) -> None:
        try:
            os.write(self._channel, b"\x06")
        except OSError:
            # A process that does not read, or has ended, needs no acknowledgement. Its earlier frames count.
            pass

    def _forward(self, frame: protocol.Frame) -> None:
        if frame.kind == protocol.CELL_END:
            self._begin_finalization(frame.head.get("exit_code"))
            return
        if frame.kind in (protocol.CELL_BEGIN, protocol.SYNC):
            return
        if frame.kind == protocol.ERROR and not frame.oversize:
            self._errors += 1
            if self._errors <= ERROR_FRAMES_MAX:
                self._outbox.put(protocol.encode(frame.kind, frame.head, frame.body))
            return
        if not frame.head and not frame.oversize:
            # The code process reports that it dropped an output.
            self.outputs_truncated = True
            return
        encoded = b"" if frame.oversize else protocol.encode(frame.kind, frame.head, frame.body)
        self._displays += 1
        self._displays_bytes += len(encoded)
        self._displays_values += frame.values
        fits = (
            not frame.oversize
            and self._displays <= self._bounds["outputs_count"]
            and len(encoded) <= self._bounds["display_bytes"]
            and self._displays_bytes <= self._bounds["displays_bytes"]
            and self._displays_values <= self._bounds["displays_values"]
        )
        if fits:
            self._outbox.put(encoded)
        else:
            self.outputs_truncated = True

    def _begin_finalization(self, code: object) -> None:
        """The program has ended. Finalization has its own deadline, so that a hanging finalizer is not a timeout."""
        if self._end is not None or self._final_code is not None:
            return
        now = time.monotonic()
        self._final_code = code & 0xFF if isinstance(code, int) else 0
        self._kill_at = min(now + FINALIZE_S, max(now, self._deadline) + FINALIZE_PAST_LIMIT_S)

    def _signal_child(self, number: int) -> None:
        if self._status is None:
            try:
                os.kill(self._pid, number)
            except OSError:
                pass

    def _reap_dead(self) -> bool:
        """Reaps all ended processes. Returns whether others are alive."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self._cpu_s += usage.ru_utime + usage.ru_stime
            self._memory_peak_bytes = max(self._memory_peak_bytes, usage.ru_maxrss * 1024)
            if pid == self._pid:
                self._status = status
