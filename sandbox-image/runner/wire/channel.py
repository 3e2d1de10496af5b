"""The code process's end of the result channel: it sends whole frames and gets one byte of acknowledgement for each.

The acknowledgement keeps outputs in order: the supervisor answers after it has read everything printed before the
frame, and nothing is printed until it answers.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import os

from runner.wire import protocol


class Channel:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._owner = os.getpid()
        self._awaited = 0
        # Reentrant: a handler of a signal may write. Nothing else is locked while it is held.
        self._one_at_a_time = _thread.RLock()

    def take_over(self) -> None:
        """Makes a fork the channel's owner. Its descriptor leads to the supervisor anew."""
        self._owner = os.getpid()
        self._awaited = 0
        self._one_at_a_time = _thread.RLock()

    def announce(self, kind: int, head: bytes) -> None:
        """Writes one small frame without waiting for the acknowledgement: this process is about to end."""
        if os.getpid() != self._owner:
            return
        try:
            os.write(self._fd, protocol.encode_spelled(kind, head))
            self._awaited += 1
        except OSError:
            # The code closed or filled the channel. The exit code of this process then says how it ended.
            return

    def send(self, kind: int, head: bytes, body: bytes = b"") -> None:
        """
        Writes one frame, whose head is JSON text, and waits until the supervisor has received it.

        Does nothing in a fork of the process, whose acknowledgements would mix with the original's, or when the code has closed
        the channel.
        """
        if os.getpid() != self._owner:
            return
        frame = memoryview(protocol.encode_spelled(kind, head, body))
        # A KeyboardInterrupt between two writes would leave an incomplete frame.
        blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
        try:
            with self._one_at_a_time:
                self._send(frame)
        except OSError:
            return
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)

    def _send(self, frame: memoryview) -> None:
        while frame:
            frame = frame[os.write(self._fd, frame) :]
        self._awaited += 1
        while self._awaited > 0:
            answers = os.read(self._fd, 64)
            if not answers:
                return
            self._awaited -= len(answers)
