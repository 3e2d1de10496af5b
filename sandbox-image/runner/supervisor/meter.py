"""The kernel's counters for this sandbox, from the cgroup version visible inside; None where there are none."""

from __future__ import annotations

import os

_ROOT = "/sys/fs/cgroup"
_READ_BYTES = 4096
# cgroup v1 writes no limit as a number near 2^63.
_UNLIMITED_BYTES = 1 << 50


class Meter:
    """Counters since this object was made."""

    def __init__(self, root: str = _ROOT) -> None:
        self._root = root
        self._unified = os.path.exists(root + "/cgroup.controllers")
        self._cpu_ns_before = self._cpu_ns()
        self._oom_kills_before = self._oom_kills()
        self._refused_before = self._refused()
        self._oom_kills_ignored = 0

    def cpu_ms(self) -> int | None:
        now = self._cpu_ns()
        if now is None or self._cpu_ns_before is None:
            return None
        return (now - self._cpu_ns_before) // 1_000_000

    def memory_peak_bytes(self) -> int | None:
        """Peak memory of the sandbox in bytes, with shared memory and tmpfs."""
        text = self._read("memory.peak") if self._unified else self._read("memory/memory.max_usage_in_bytes")
        return _whole_number(text)

    def oom_kills(self) -> int | None:
        kills = _grown(self._oom_kills(), self._oom_kills_before)
        return None if kills is None else max(0, kills - self._oom_kills_ignored)

    def ignore_oom_kill(self) -> None:
        """Leaves one kill out of the count: that of a process which is not the code's."""
        self._oom_kills_ignored += 1

    def room_bytes(self) -> tuple[int, int] | None:
        """Memory that the sandbox can still take, and all that it has. The cache of files is room. None where nothing bounds it."""
        if self._unified:
            limit, used = self._read("memory.max"), self._read("memory.current")
            cached = [_field(self._read("memory.stat"), name) for name in ("active_file", "inactive_file")]
        else:
            limit, used = self._read("memory/memory.limit_in_bytes"), self._read("memory/memory.usage_in_bytes")
            cached = [_field(self._read("memory/memory.stat"), name) for name in ("total_active_file", "total_inactive_file")]
        total, taken = _whole_number(limit), _whole_number(used)
        if total is None or taken is None or total >= _UNLIMITED_BYTES:
            return None
        return total - taken + sum(each or 0 for each in cached), total

    def processes_refused(self) -> int | None:
        return _grown(self._refused(), self._refused_before)

    def processes(self) -> int | None:
        """Number of processes and threads in the sandbox now."""
        return _whole_number(self._read("pids.current" if self._unified else "pids/pids.current"))

    def _oom_kills(self) -> int | None:
        return _field(self._read("memory.events" if self._unified else "memory/memory.oom_control"), "oom_kill")

    def _refused(self) -> int | None:
        return _field(self._read("pids.events" if self._unified else "pids/pids.events"), "max")

    def _cpu_ns(self) -> int | None:
        if not self._unified:
            return _whole_number(self._read("cpuacct/cpuacct.usage"))
        usec = _field(self._read("cpu.stat"), "usage_usec")
        return None if usec is None else usec * 1000

    def _read(self, name: str) -> str:
        try:
            fd = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            return os.read(fd, _READ_BYTES).decode("ascii", "replace")
        except OSError:
            return ""
        finally:
            os.close(fd)


def full_folder(folders: tuple[str, ...]) -> str | None:
    """Returns the first folder without a free block or a free inode."""
    for folder in folders:
        try:
            status = os.statvfs(folder)
        except OSError:
            continue
        if status.f_bavail == 0 or (status.f_files > 0 and status.f_favail == 0):
            return folder
    return None


def _grown(now: int | None, before: int | None) -> int | None:
    return None if now is None else now - (before or 0)


def _whole_number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() else None


def _field(text: str, name: str) -> int | None:
    """Returns the number after `name` in lines of `name number`."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _whole_number(value)
    return None
