"""Bytes on their way to the worker. Never blocks; whoever fills it looks at `full` first."""

from __future__ import annotations

import os

# Beyond this the code's pipes are left unread, so that a slow worker slows the code and not our memory grows.
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
        """Adds bytes, and writes what the worker takes at once."""
        self._parts.append(data)
        self._bytes += len(data)
        if len(self._parts) == 1:
            self.write_some()

    def write_some(self) -> None:
        """Writes until the worker takes no more. Raises OSError when the worker is gone."""
        written = 0
        for part in self._parts:
            try:
                count = os.write(self.fd, part)
            except BlockingIOError:
                break
            self._bytes -= count
            if count < len(part):
                # A view: what is large goes out in pieces of what a pipe holds, and is not copied for each.
                self._parts[written] = memoryview(part)[count:]
                break
            written += 1
        del self._parts[:written]
