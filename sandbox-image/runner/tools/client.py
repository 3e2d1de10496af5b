"""The code process's end of the tools socket: sends calls, and hands each answer to the call that waits for it.

Calls may come from any thread. A thread of this module reads the answers. At most `open_max` calls are open at once; later ones
wait here for a free place.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import _thread
import os
from collections import deque

from runner.wire import jsontext, protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # Called once with the outcome and the JSON text of the answer, on the thread that reads.
    OnAnswer = Callable[[str, bytes], None]

# Outcomes of a call. The worker sends the first three.
OUTPUT, ERROR, TIMEOUT = "output", "error", "timeout"
ENDED = jsontext.spell_value("the cell has ended")
_READ_BYTES = 64 * 1024
_HEAD_BYTES_MAX = 1024


class ToolClient:
    def __init__(self, fd: int, open_max: int, value_bytes_max: int) -> None:
        self.value_bytes_max = value_bytes_max
        self._socket = _socket.socket(fileno=fd)
        self._open_max = open_max
        self._owner = os.getpid()
        self._calls = 0
        self._open: dict[int, OnAnswer] = {}
        self._queued: deque[tuple[int, bytes, OnAnswer]] = deque()
        self._closed = False
        self._reading = False
        # Guards all of the above, and keeps frames whole.
        self._lock = _thread.RLock()

    @property
    def is_fork(self) -> bool:
        """Whether this is a forked copy of the process that owns the socket."""
        return os.getpid() != self._owner

    def call(self, name: str, arguments: bytes, on_answer: OnAnswer) -> None:
        """Sends a call, or queues it while too many are open. `arguments` is JSON text."""
        # A KeyboardInterrupt inside would leave an incomplete frame.
        blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
        try:
            with self._lock:
                if not self._closed:
                    self._calls += 1
                    head = jsontext.spell({"call": self._calls, "name": name})
                    frame = protocol.encode_spelled(protocol.TOOL_CALL, head, arguments)
                    self._queued.append((self._calls, frame, on_answer))
                    self._send_queued()
                    return
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
        on_answer(ERROR, ENDED)

    def close(self) -> None:
        """The cell has ended: calls that still wait get an error."""
        with self._lock:
            self._closed = True
            try:
                self._socket.shutdown(_socket.SHUT_RDWR)
            except OSError:
                # The supervisor has closed it already.
                pass
            if not self._reading:
                self._give_up()

    def _send_queued(self) -> None:
        while self._queued and len(self._open) < self._open_max:
            call, frame, on_answer = self._queued.popleft()
            self._open[call] = on_answer
            if not self._reading:
                self._reading = True
                _thread.start_new_thread(self._read, ())
            try:
                self._socket.sendall(frame)
            except OSError:
                # The reader notices that the socket is closed, and gives up all calls.
                return

    def _read(self) -> None:
        parser = protocol.FrameParser(frozenset((protocol.IN_TOOL_ANSWER,)), _HEAD_BYTES_MAX, max(self.value_bytes_max, _HEAD_BYTES_MAX))
        try:
            while data := self._socket.recv(_READ_BYTES):
                for frame in parser.push(data):
                    self._take(frame)
        except (OSError, protocol.WireError):
            pass
        with self._lock:
            self._closed = True
            self._give_up()

    def _take(self, frame: protocol.Frame) -> None:
        with self._lock:
            on_answer = self._open.pop(frame.head.get("call", 0), None)
            self._send_queued()
        if on_answer is not None:
            on_answer(str(frame.head.get("outcome")), bytes(frame.body))

    def _give_up(self) -> None:
        waiting = [*self._open.values(), *(on_answer for _call, _frame, on_answer in self._queued)]
        self._open.clear()
        self._queued.clear()
        for on_answer in waiting:
            on_answer(ERROR, ENDED)
        self._socket.close()
