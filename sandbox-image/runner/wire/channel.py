"""The code's side of the result channel: whole frames out, one byte of acknowledgement back for each.

The acknowledgement keeps outputs in order: the supervisor has taken everything that was printed before a frame
when it answers, and nothing is printed after it until then.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os

from runner.wire import protocol


class Channel:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._owner = os.getpid()
        self._awaited = 0

    def announce(self, kind: int, head: bytes) -> None:
        """Writes one small frame and does not wait for the answer: this process is about to end."""
        if os.getpid() != self._owner:
            return
        try:
            os.write(self._fd, protocol.encode_spelled(kind, head))
        except OSError:
            # The code closed the channel, or filled it; then the process's own end says how it ended.
            return

    def send(self, kind: int, head: bytes, body: bytes = b"") -> None:
        """
        Writes one frame, whose head is JSON text, and waits until the supervisor has it.

        Does nothing in a forked copy of the process, whose answers would mix with the original's, and nothing once the
        channel is closed, as code may do that.
        """
        if os.getpid() != self._owner:
            return
        frame = memoryview(protocol.encode_spelled(kind, head, body))
        # A KeyboardInterrupt between two writes would leave half a frame behind.
        blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
        try:
            while frame:
                frame = frame[os.write(self._fd, frame) :]
            self._awaited += 1
            while self._awaited > 0:
                answers = os.read(self._fd, 64)
                if not answers:
                    return
                self._awaited -= len(answers)
        except OSError:
            return
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
