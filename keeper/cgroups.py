"""Control groups of either version: where a process is in them, and what the kernel counted there."""

from __future__ import annotations

import os


class Cgroups:
    """The hierarchies that are mounted here, each at the place of its first mount."""

    def __init__(self) -> None:
        self._points: dict[str, str] = {}
        for line in open("/proc/self/mountinfo"):
            before, after = line.rstrip().split(" - ", 1)
            kind, _, options = after.split(" ", 2)
            point = before.split()[4]
            if kind == "cgroup2":
                self._points.setdefault("", point)
            elif kind == "cgroup":
                for name in options.split(","):
                    self._points.setdefault(name, point)

    def folders_of(self, pid: int) -> dict[str, str]:
        """Folders of the groups that a process is in, by controller; the only one of version 2 is named ""."""
        folders: dict[str, str] = {}
        for line in open(f"/proc/{pid}/cgroup"):
            _, names, path = line.rstrip("\n").split(":", 2)
            point = self._points.get(names.split(",")[0])
            if point is not None:
                folders[names] = point + path
        return folders


def open_procs(folders: dict[str, str]) -> list[int]:
    """Files that take the id of a process that is to join; each group once."""
    return [os.open(f"{folder}/cgroup.procs", os.O_RDWR | os.O_CLOEXEC) for folder in sorted(set(folders.values()))]


def oom_kills(folders: dict[str, str]) -> int:
    file = f"{folders['memory']}/memory.oom_control" if "memory" in folders else f"{folders.get('', '')}/memory.events"
    try:
        text = open(file).read()
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in text.splitlines())
    return int(counts.get("oom_kill", 0))
