"""Control groups of either version: where a process is in them, and what the kernel counted there."""

from __future__ import annotations

import os

# Of a container's own group with cgroup v2, for the processes that were in it.
_SERVICE = "service"
_NEEDED = ("cpu", "memory", "pids")


class Cgroups:
    """The hierarchies that are mounted here, each at the place of its first mount."""

    def __init__(self) -> None:
        self._points = mount_points(open("/proc/self/mountinfo").read())

    def folders_of(self, pid: int) -> dict[str, str]:
        """Folders of the groups that a process is in, by controller; the only one of version 2 is named ""."""
        return group_folders(self._points, open(f"/proc/{pid}/cgroup").read())


def mount_points(mountinfo: str) -> dict[str, tuple[str, str]]:
    """Of each hierarchy its place, and the group that is mounted there: in a container that is the container's own."""
    points: dict[str, tuple[str, str]] = {}
    for line in mountinfo.splitlines():
        before, after = line.split(" - ", 1)
        kind, _, options = after.split(" ", 2)
        root, point = before.split()[3:5]
        if kind == "cgroup2" and points.get("", (point, root))[0] == point:
            # What is mounted over another at the same place is what is seen there.
            points[""] = (point, root)
        elif kind == "cgroup":
            for name in options.split(","):
                points.setdefault(name, (point, root))
    return points


def group_folders(points: dict[str, tuple[str, str]], groups: str) -> dict[str, str]:
    folders: dict[str, str] = {}
    for line in groups.splitlines():
        _, names, path = line.split(":", 2)
        if names.split(",")[0] in points:
            point, root = points[names.split(",")[0]]
            folders[names] = point + path.removeprefix(root.rstrip("/"))
    return folders


def make_room(top: str = "/sys/fs/cgroup") -> None:
    """
    With cgroup v2 a group that has processes can not have groups with limits below it; only the machine's own root can.

    In a container the top is the container's group, with us in it: all go one down, and the top hands on its controllers.
    """
    if not os.path.exists(f"{top}/cgroup.type"):
        return
    os.makedirs(f"{top}/{_SERVICE}", exist_ok=True)
    while pids := open(f"{top}/cgroup.procs").read().split():
        for pid in pids:
            _move(pid, f"{top}/{_SERVICE}/cgroup.procs")
    offered = open(f"{top}/cgroup.controllers").read().split()
    missing = [name for name in _NEEDED if name not in offered]
    if missing:
        raise SystemExit(f"cgroup: the group that this keeper is in has no {', '.join(missing)}, and no sandbox runs without its limits")
    with open(f"{top}/cgroup.subtree_control", "w") as file:
        file.write(" ".join(f"+{name}" for name in _NEEDED))


def _move(pid: str, procs: str) -> None:
    try:
        with open(procs, "w") as file:
            file.write(pid)
    except ProcessLookupError:
        # It ended in between.
        pass


def open_procs(folders: dict[str, str]) -> list[int]:
    """Files that take the id of a process that is to join; each group once."""
    return [os.open(f"{folder}/cgroup.procs", os.O_RDWR | os.O_CLOEXEC) for folder in sorted(set(folders.values()))]


def unlimited(folders: dict[str, str]) -> list[str]:
    """Limits that a group of version 2 does not have."""
    bounds = {name: _first_word(f"{folders['']}/{name}") for name in ("cpu.max", "memory.max", "memory.swap.max", "pids.max")}
    # Kernels without swap have no bound of it.
    return [name for name, bound in bounds.items() if bound == "max" or (bound is None and name != "memory.swap.max")]


def _first_word(file: str) -> str | None:
    return open(file).read().split()[0] if os.path.exists(file) else None


def oom_kills(folders: dict[str, str]) -> int:
    file = f"{folders['memory']}/memory.oom_control" if "memory" in folders else f"{folders.get('', '')}/memory.events"
    try:
        text = open(file).read()
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in text.splitlines())
    return int(counts.get("oom_kill", 0))
