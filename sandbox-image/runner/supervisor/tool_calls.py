"""The calls of the code to its caller's tools: passes them to the worker and the answers back, and keeps the clock of waiting.

While calls are open, the code's time is the CPU time that the sandbox uses, not the time that passes: a program whose threads all
wait uses none. Code that computes cannot stop this clock.
"""

from __future__ import annotations

import os
import select
import time

from runner.supervisor.execution import CLOCK_S
from runner.wire import jsontext, protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from runner.wire.outbox import Outbox

READ_BYTES = 64 * 1024
CALL_HEAD_BYTES_MAX = 1024
CALL_HEAD_VALUES_MAX = 8
# A program that uses less of a processor than this waits.
WAITING_CPU_SHARE = 0.1
# Calls that are refused here beyond the limit. The code is then not read any more.
REFUSED_MAX = 1000


class ToolCalls:
    """The calls of one run. `fd` is the supervisor's end of the tools socket."""

    def __init__(self, fd: int, bounds: Mapping[str, Any], outbox: Outbox, cpu_ms: Callable[[], int | None]) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._outbox = outbox
        self._cpu_ms = cpu_ms
        self._names = frozenset(tool["name"] for tool in bounds["tools"])
        self._open_max: int = bounds["tool_calls_open"]
        self._count_max: int = bounds["tool_calls_count"]
        self._wait_max_s: float = bounds["tool_wait_ms"] / 1000
        self._parser = protocol.FrameParser(
            frozenset((protocol.TOOL_CALL,)),
            CALL_HEAD_BYTES_MAX,
            bounds["tool_value_bytes"],
            skip_oversize=True,
            head_values_max=CALL_HEAD_VALUES_MAX,
        )
        self._unsent = bytearray()
        self._open: set[int] = set()
        self._count = 0
        self._refused = 0
        self._waited_s = 0.0
        self._credit_s = 0.0
        # Start of the current span; 0 while no call is open.
        self._read_at = 0.0
        self._read_cpu_ms = 0
        self._told = False

    @property
    def any_open(self) -> bool:
        return bool(self._open)

    @property
    def waited_too_long(self) -> bool:
        return self._waited_s >= self._wait_max_s

    def interests(self) -> list[tuple[int, int]]:
        if self.fd < 0:
            return []
        events = 0 if self._outbox.full else select.POLLIN
        return [(self.fd, events | (select.POLLOUT if self._unsent else 0))]

    def react(self, events: int) -> None:
        if events & select.POLLOUT:
            self._send()
        if events & ~select.POLLOUT and self.fd >= 0:
            self._read()

    def answer(self, head: Mapping[str, Any], body: bytes) -> None:
        """Passes the worker's answer on to the code."""
        self._open.discard(head.get("call", 0))
        self._told = False
        self._queue(head, body)

    def take_waited_s(self) -> float:
        """Returns the seconds since the last call of this method in which the code only waited for answers."""
        self._read_clock()
        waited, self._credit_s = self._credit_s, 0.0
        self._waited_s += waited
        return waited

    def _start_clock(self) -> None:
        self._read_at, self._read_cpu_ms = time.monotonic(), self._cpu_ms() or 0

    def _read_clock(self) -> None:
        """Ends a span of the clock. Short spans of open calls are added up: the kernel's counters are coarse."""
        if self._read_at == 0.0:
            return
        passed = time.monotonic() - self._read_at
        if passed < CLOCK_S and self._open:
            return
        # Where the kernel shows no counter, all of the time counts as waiting.
        used = ((self._cpu_ms() or self._read_cpu_ms) - self._read_cpu_ms) / 1000
        self._credit_s += max(0.0, passed - used)
        if not self._open:
            self._read_at = 0.0
            return
        self._start_clock()
        if not self._told and used < passed * WAITING_CPU_SHARE:
            self._told = True
            self._outbox.put(protocol.encode(protocol.TOOL_WAIT))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _read(self) -> None:
        """Reads once. Anything that is not a call closes the socket, but does not end the run."""
        try:
            data = os.read(self.fd, READ_BYTES)
            if data:
                for frame in self._parser.push(data):
                    self._take(frame)
                return
        except BlockingIOError:
            return
        except (OSError, protocol.WireError):
            pass
        self.close()

    def _take(self, frame: protocol.Frame) -> None:
        call, name = frame.head.get("call"), frame.head.get("name")
        known = isinstance(name, str) and name in self._names
        if frame.oversize or not known or type(call) is not int or not 0 < call < 2**31 or call in self._open:
            self._refuse(call, "the call is malformed")
        elif self._count >= self._count_max:
            self._refuse(call, f"the limit of {self._count_max} tool calls in one execution is reached")
        elif len(self._open) >= self._open_max:
            self._refuse(call, f"the limit of {self._open_max} open tool calls is reached")
        else:
            if not self._open:
                self._read_clock()
                self._start_clock()
            self._count += 1
            self._open.add(call)
            self._outbox.put(protocol.encode(protocol.TOOL_CALL, {"call": call, "name": name}, frame.body))

    def _refuse(self, call: object, reason: str) -> None:
        self._refused += 1
        if self._refused > REFUSED_MAX:
            self.close()
        else:
            self._queue({"call": call if type(call) is int else 0, "outcome": "error"}, jsontext.spell_value(reason))

    def _queue(self, head: Mapping[str, Any], body: bytes) -> None:
        if self.fd >= 0:
            self._unsent += protocol.encode(protocol.IN_TOOL_ANSWER, head, body)
            self._send()

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self.fd, memoryview(self._unsent)[:READ_BYTES].tobytes())]
        except BlockingIOError:
            return
        except OSError:
            # The code has closed its end.
            self.close()
