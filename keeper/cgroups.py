"""Cgroups of both versions: the folders of a process, its limits, and the kernel's counters."""

from __future__ import annotations

import os

# The cgroup that takes our own processes with cgroup v2.
_SERVICE = "service"
_NEEDED = ("cpu", "memory", "pids")


# A container that looks nothing up leaves less than this.
_CACHE_BYTES_KEPT = 8 * 1024 * 1024


class Cgroups:
    """The mounted cgroup hierarchies. Each is used at its first mount point."""

    def __init__(self) -> None:
        self._points = mount_points(_read("/proc/self/mountinfo"))

    @property
    def counts_sockets_apart(self) -> bool:
        """Whether socket buffers have a limit of their own: cgroup v1 leaves them out of the memory limit."""
        return "memory" in self._points

    def folders_of(self, pid: int) -> dict[str, str]:
        """Folders of a process's cgroups, by controllers. The cgroup v2 folder has the name ""."""
        return group_folders(self._points, _read(f"/proc/{pid}/cgroup"))


def mount_points(mountinfo: str) -> dict[str, tuple[str, str]]:
    """
    Returns (mount point, cgroup mounted there) by controller, "" for cgroup v2. `mountinfo` is the text of
    /proc/self/mountinfo. In a container the mounted cgroup is the container's own.
    """
    points: dict[str, tuple[str, str]] = {}
    for line in mountinfo.splitlines():
        before, after = line.split(" - ", 1)
        kind, _, options = after.split(" ", 2)
        root, point = before.split()[3:5]
        if kind == "cgroup2" and points.get("", (point, root))[0] == point:
            # A later mount at the same place hides the earlier one.
            points[""] = (point, root)
        elif kind == "cgroup":
            for name in options.split(","):
                points.setdefault(name, (point, root))
    return points


def group_folders(points: dict[str, tuple[str, str]], groups: str) -> dict[str, str]:
    """Returns cgroup folders by controllers. `groups` is the text of /proc/PID/cgroup."""
    folders: dict[str, str] = {}
    for line in groups.splitlines():
        _, names, path = line.split(":", 2)
        if names.split(",")[0] in points:
            point, root = points[names.split(",")[0]]
            folders[names] = point + path.removeprefix(root.rstrip("/"))
    return folders


def make_room(top: str = "/sys/fs/cgroup") -> None:
    """
    Moves all processes of the top cgroup one level down and enables the controllers below it.

    With cgroup v2 a cgroup with processes cannot have children with limits, except the root of the machine. In a container
    the top is the container's own cgroup, which contains this process.
    """
    if not os.path.exists(f"{top}/cgroup.type"):
        return
    os.makedirs(f"{top}/{_SERVICE}", exist_ok=True)
    while pids := _read(f"{top}/cgroup.procs").split():
        for pid in pids:
            _move(pid, f"{top}/{_SERVICE}/cgroup.procs")
    offered = _read(f"{top}/cgroup.controllers").split()
    missing = [name for name in _NEEDED if name not in offered]
    if missing:
        raise SystemExit(f"cgroup: the keeper's own cgroup has no {', '.join(missing)}, and no sandbox runs without its limits")
    with open(f"{top}/cgroup.subtree_control", "w") as file:
        file.write(" ".join(f"+{name}" for name in _NEEDED))


def _move(pid: str, procs: str) -> None:
    try:
        with open(procs, "w") as file:
            file.write(pid)
    except ProcessLookupError:
        # The process has ended.
        pass


def open_procs(folders: dict[str, str]) -> list[int]:
    """Opens the cgroup.procs file of each cgroup once. A process joins by writing its id there."""
    return [os.open(f"{folder}/cgroup.procs", os.O_RDWR | os.O_CLOEXEC) for folder in sorted(set(folders.values()))]


def unlimited(folders: dict[str, str]) -> list[str]:
    """Names of the limits that a cgroup v2 does not set."""
    bounds = {name: _first_word(f"{folders['']}/{name}") for name in ("cpu.max", "memory.max", "memory.swap.max", "pids.max")}
    # Kernels without swap have no memory.swap.max.
    return [name for name, bound in bounds.items() if bound == "max" or (bound is None and name != "memory.swap.max")]


def _first_word(file: str) -> str | None:
    return _read(file).split()[0] if os.path.exists(file) else None


def oom_kills(folders: dict[str, str]) -> int:
    """How many processes the kernel killed for memory; 0 when the counter cannot be read."""
    file = f"{folders['memory']}/memory.oom_control" if "memory" in folders else f"{folders.get('', '')}/memory.events"
    try:
        text = _read(file)
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in text.splitlines())
    return int(counts.get("oom_kill", 0))


def reclaim(folders: dict[str, str]) -> None:
    """
    Frees the kernel's cache of file names that a container has filled, before its cgroup goes. Looking up names that do not exist
    fills it with up to the container's memory, and nothing else would free that until the host runs short.
    """
    try:
        if "memory" in folders:
            folder = folders["memory"]
            if int(_read(f"{folder}/memory.kmem.usage_in_bytes")) > _CACHE_BYTES_KEPT:
                _write(f"{folder}/memory.force_empty", "0")
        elif "" in folders:
            counts = dict(line.split(" ", 1) for line in _read(f"{folders['']}/memory.stat").splitlines())
            cached = int(counts.get("slab_reclaimable", 0))
            if cached > _CACHE_BYTES_KEPT:
                _write(f"{folders['']}/memory.reclaim", str(cached))
    except OSError:
        # An older kernel has no such file, or could not free all of it.
        pass


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()
