"""Ranges of host user ids. Two living containers never share one."""

from __future__ import annotations

import threading


class IdRanges:
    """Allocates numbers below `count`, the longest unused first. Callers must not hold more than `count` at once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._used: set[int] = set()
        self._next = 0
        self._lock = threading.Lock()

    def take(self) -> int:
        with self._lock:
            if len(self._used) >= self._count:
                raise OSError(f"all {self._count} ranges of user ids are in use")
            while self._next in self._used:
                self._next = (self._next + 1) % self._count
            taken = self._next
            self._next = (taken + 1) % self._count
            self._used.add(taken)
            return taken

    def give_back(self, taken: int) -> None:
        with self._lock:
            self._used.discard(taken)
