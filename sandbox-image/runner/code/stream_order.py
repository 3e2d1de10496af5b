"""Keeps what Python writes to stdout and stderr in one order.

Each stream has a pipe of its own, and the supervisor cannot see which of two pipes was written first. So the first write to a
stream after a write to the other waits until the supervisor has read the other pipe. Writes to the same stream cost nothing.
"""

from __future__ import annotations

import _io
import fcntl
import os
import sys

from runner.wire import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runner.wire.channel import Channel

# Per program or cell. The worker keeps the order of few more changes, and each costs some 0.1 ms.
CHANGES_MAX = 4000
_FIONREAD = 0x541B


class ErrorStream(_io.TextIOWrapper):
    """The program's stderr. An unfinished line of stdout is written first."""

    def write(self, text: str, /) -> int:
        if current is not None:
            current.before_error(text)
        return super().write(text)


class StreamOrder:
    """
    The order of sys.stdout and sys.stderr of this process.

    The first write to a stream is recognized by an attribute `write` of its raw file, which hides the method of the same name.
    Locks: stdout's buffer may be held when stderr's is taken, never the reverse.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._owner = os.getpid()
        self._stdout, self._stderr = sys.__stdout__, sys.__stderr__
        self._raw_stdout: Any = sys.__stdout__.buffer.raw  # type: ignore[union-attr]
        self._raw_stderr: Any = sys.__stderr__.buffer.raw  # type: ignore[union-attr]
        self.begin()

    def begin(self) -> None:
        """Begins a program or a cell, with its own number of changes."""
        self._changes_left = CHANGES_MAX
        self._watch_both()

    def take_over(self) -> None:
        """Makes a fork the owner of the streams."""
        self._owner = os.getpid()

    def end(self) -> None:
        """Writes no longer wait."""
        self._changes_left = 0
        for raw in (self._raw_stdout, self._raw_stderr):
            raw.__dict__.pop("write", None)

    def before_error(self, text: str) -> None:
        """Called before text is written to stderr, with no lock held."""
        if self._changes_left > 0 and os.getpid() == self._owner:
            self._flush(self._stdout)
            if not text.endswith("\n"):
                # An unfinished line waits in stderr's buffer. The next write to stdout writes it first.
                self._watch(self._raw_stdout, self._raw_stderr)

    def before_process(self) -> None:
        """Called before another program is started: it comes after what is written, and before what is written later."""
        if self._changes_left > 0:
            self._wait_until_read(self._raw_stdout)
            self._wait_until_read(self._raw_stderr)
            self._watch_both()

    def _watch_both(self) -> None:
        self._watch(self._raw_stdout, self._raw_stderr)
        self._watch(self._raw_stderr, self._raw_stdout)

    def _watch(self, raw: Any, other: Any) -> None:
        def write(data: Any) -> Any:
            raw.__dict__.pop("write", None)
            if self._changes_left > 0 and os.getpid() == self._owner:
                self._changes_left -= 1
                if other is self._raw_stderr:
                    self._flush(self._stderr)
                self._wait_until_read(other)
                self._watch(other, raw)
            # A buffer passes a view, and calls again after 0 bytes, now the method itself. An interrupt after a write from here
            # would make it write the same bytes once more.
            return 0 if type(data) is memoryview else raw.write(data)

        raw.write = write

    def _wait_until_read(self, raw: Any) -> None:
        try:
            unread = any(fcntl.ioctl(raw.fileno(), _FIONREAD, b"\0\0\0\0"))
        except (OSError, ValueError):
            # The code has closed or redirected the stream, or the kernel cannot count.
            unread = True
        if unread:
            self._channel.send(protocol.SYNC, b"")

    def _flush(self, stream: Any) -> None:
        try:
            stream.flush()
        except (OSError, ValueError, RuntimeError):
            # Closed by the code, or inside a write of this thread.
            pass


# The order of this process's streams, once its channel exists.
current: StreamOrder | None = None


def keep(channel: Channel) -> None:
    """Keeps the order of this process's standard streams from now on."""
    global current  # noqa: PLW0603
    current = StreamOrder(channel)
    os.register_at_fork(before=before_process)


def take_over() -> None:
    """Makes a fork that replaces its parent the owner of the streams."""
    if current is not None:
        current.take_over()


def before_process() -> None:
    if current is not None:
        current.before_process()
