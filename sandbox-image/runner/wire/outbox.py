"""Queue of bytes for the worker. Writing never blocks. Callers check `full` first."""

from __future__ import annotations

import os

# Backpressure: beyond this the code's pipes are not read, so that a slow worker slows the code down instead of filling our memory.
FULL_BYTES = 512 * 1024


class Outbox:
    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._parts: list[bytes | memoryview] = []
        self._bytes = 0
        os.set_blocking(fd, False)

    @property
    def full(self) -> bool:
        return self._bytes >= FULL_BYTES

    @property
    def empty(self) -> bool:
        return self._bytes == 0

    def put(self, data: bytes) -> None:
        """Appends bytes, and writes as much as the worker takes now."""
        self._parts.append(data)
        self._bytes += len(data)
        if len(self._parts) == 1:
            self.write_some()

    def write_some(self) -> None:
        """Writes until the worker takes no more. Raises OSError when the worker has closed the stream."""
        written = 0
        for part in self._parts:
            try:
                count = os.write(self.fd, part)
            except BlockingIOError:
                break
            self._bytes -= count
            if count < len(part):
                # A view, so that large data is not copied for each piece of the size of a pipe.
                self._parts[written] = memoryview(part)[count:]
                break
            written += 1
        del self._parts[:written]
