"""Control groups of either version: where a process is in them, and what the kernel counted there."""

from __future__ import annotations

import os


class Cgroups:
    """The hierarchies that are mounted here, each at the place of its first mount."""

    def __init__(self) -> None:
        self._points = mount_points(open("/proc/self/mountinfo").read())

    def folders_of(self, pid: int) -> dict[str, str]:
        """Folders of the groups that a process is in, by controller; the only one of version 2 is named ""."""
        return group_folders(self._points, open(f"/proc/{pid}/cgroup").read())


def mount_points(mountinfo: str) -> dict[str, str]:
    points: dict[str, str] = {}
    for line in mountinfo.splitlines():
        before, after = line.split(" - ", 1)
        kind, _, options = after.split(" ", 2)
        point = before.split()[4]
        if kind == "cgroup2":
            points.setdefault("", point)
        elif kind == "cgroup":
            for name in options.split(","):
                points.setdefault(name, point)
    return points


def group_folders(points: dict[str, str], groups: str) -> dict[str, str]:
    folders: dict[str, str] = {}
    for line in groups.splitlines():
        _, names, path = line.split(":", 2)
        point = points.get(names.split(",")[0])
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
