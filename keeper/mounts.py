"""The mounts of the keeper and the zygote, each in its own mount namespace."""

from __future__ import annotations

import ctypes
import os

_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _REMOUNT, _BIND = 1, 2, 4, 8, 32, 4096
_RECURSIVE, _PRIVATE = 16384, 1 << 18
_DETACH = 2
_CGROUPS = "/sys/fs/cgroup"
# The cgroup v1 controllers that limit or count a sandbox.
_LIMITING = frozenset(("cpu", "cpuacct", "devices", "memory", "pids"))
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_libc = ctypes.CDLL(None, use_errno=True)


def leave_host_mounts() -> None:
    """Separates the mounts of this process from the host's, in both directions."""
    os.unshare(os.CLONE_NEWNS)
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)


def hide_mixed_hierarchy() -> None:
    """
    Unmounts cgroup v2 on hosts that have both versions.

    crun refuses such hosts when it sees that mount. All limits that we set there are those of cgroup v1.
    """
    for point in mixed_hierarchies(_mountinfo()):
        _unmount(point)


def mixed_hierarchies(mountinfo: str) -> list[str]:
    """Mount points of cgroup v2 other than the usual one."""
    return [point for point, kind, _ in _mounts(mountinfo) if kind == "cgroup2" and point != _CGROUPS]


def hide_idle_hierarchies(state: str) -> None:
    """
    With cgroup v1, hides the hierarchies that hold no limit of ours. Each visible one costs a cgroup, a mount and two moves
    for every container.

    Unmounting them is not enough: a runtime would mistake the empty folder for a hierarchy and make cgroups in it.
    """
    points = limiting_hierarchies(_mountinfo())
    if not points:
        return
    shown = f"{state}/cgroups"
    os.makedirs(shown, exist_ok=True)
    _mount("tmpfs", shown, "tmpfs", _NO_SUID | _NO_DEVICES | _NO_EXEC, "size=64k,mode=755")
    for name in os.listdir(_CGROUPS):
        point = f"{_CGROUPS}/{name}"
        if os.path.islink(point):
            os.symlink(os.readlink(point), f"{shown}/{name}")
        elif points.get(point):
            os.mkdir(f"{shown}/{name}")
            _mount(point, f"{shown}/{name}", None, _BIND)
    for point in points:
        _unmount(point)
    _mount(shown, _CGROUPS, None, _BIND | _RECURSIVE)
    _unmount(shown)


def limiting_hierarchies(mountinfo: str) -> dict[str, bool]:
    """Mount points of the cgroup v1 hierarchies in the usual folder, and whether one of our limits belongs to it."""
    return {
        point: not _LIMITING.isdisjoint(options.split(","))
        for point, kind, options in _mounts(mountinfo)
        if kind == "cgroup" and point.startswith(f"{_CGROUPS}/")
    }


def show_group_alone(group: str) -> None:
    """Mounts our own cgroup where the whole hierarchy was, as in a container. We may change nothing above it."""
    _mount(f"{_CGROUPS}{group}", _CGROUPS, None, _BIND)


def see_through_container(state: str) -> None:
    """
    When we run in a container ourselves: makes its cgroups writable, and mounts /proc and /sys once more.

    A runtime covers parts of /proc and /sys. The kernel allows a user namespace to mount its own only where an uncovered one
    is visible.
    """
    points = covered_cgroups(_mountinfo())
    if points is None:
        return
    for point in points:
        _mount("none", point, None, _REMOUNT | _BIND | _NO_SUID | _NO_DEVICES | _NO_EXEC)
    _allow_devices("/sys/fs/cgroup/devices/devices.allow")
    for kind in ("proc", "sysfs"):
        os.makedirs(f"{state}/{kind}", exist_ok=True)
        _mount(kind, f"{state}/{kind}", kind, _NO_SUID | _NO_DEVICES | _NO_EXEC)


def covered_cgroups(mountinfo: str) -> list[str] | None:
    """Mount points of cgroups, if a runtime has covered parts of /proc, as in a container; None otherwise."""
    points = {point for point, _, _ in _mounts(mountinfo)}
    if "/proc/sys" not in points and "/proc/kcore" not in points:
        return None
    return sorted(each for each in points if f"{each}/".startswith(f"{_CGROUPS}/"))


def _allow_devices(file: str) -> None:
    """
    With cgroup v1 a child cgroup may have no device that ours lacks, and crun allows the console and tun for every container.

    A sandbox gets neither: its code cannot make device files, and its own cgroup denies all devices first.
    """
    if not os.path.exists(file):
        return
    for device in ("c 5:1 rwm", "c 10:200 rwm"):
        with open(file, "w") as allow:
            allow.write(device)


def favour_joining(point: str) -> bool:
    """
    Asks the kernel to favour fast moves between cgroups. Each fork and exit on this host then costs slightly more. Returns
    whether the kernel accepted.

    Without this the first move after a pause waits 10 ms for all processors. The setting belongs to the host's only cgroup v2
    tree, used or not, and outlives the mount that sets it. Kernels before 6.0 do not have it.
    """
    os.makedirs(point, exist_ok=True)
    try:
        _mount("none", point, "cgroup2", 0, "favordynmods")
    except OSError:
        return False
    _unmount(point)
    return True


def bind_read_only(source: str, target: str) -> None:
    _mount(source, target, None, _BIND)
    _mount("none", target, None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)


def replace_devices(state: str) -> None:
    """
    Covers the devices that runtimes mount into containers with read-only ones of our own: a sandbox could set the times of the
    host's. Writing to a device does not change its file. Without root the host's stay.
    """
    folder = f"{state}/devices"
    os.makedirs(folder, exist_ok=True)
    _mount("tmpfs", folder, "tmpfs", _NO_SUID | _NO_EXEC, "size=64k,mode=755")
    try:
        for name in _DEVICES:
            host = os.stat(f"/dev/{name}")
            os.mknod(f"{folder}/{name}", host.st_mode, host.st_rdev)
            os.chmod(f"{folder}/{name}", host.st_mode & 0o777)
    except PermissionError:
        _unmount(folder)
        return
    _mount("none", folder, None, _REMOUNT | _READ_ONLY | _NO_SUID | _NO_EXEC)
    for name in _DEVICES:
        _mount(f"{folder}/{name}", f"/dev/{name}", None, _BIND)


def mount_image(image: str, empty: str, target: str) -> None:
    """
    Mounts the image's root file system once more, read-only, with inodes of its own: locks and times of one sandbox are not
    those of another. Memory for file contents stays shared. `empty` is an empty folder, because overlayfs needs two.
    """
    _mount("overlay", target, "overlay", _READ_ONLY | _NO_SUID | _NO_DEVICES, f"lowerdir={image}:{empty}")


def unmount_image(target: str) -> None:
    _unmount(target)


def furnish_zygote(root: str) -> None:
    """Adds to a read-only root file system what an interpreter needs."""
    try:
        _mount("proc", f"{root}/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_EXEC)
    except PermissionError:
        # Root of a user namespace cannot mount /proc for the host's process namespace.
        _mount("/proc", f"{root}/proc", None, _BIND | _RECURSIVE)
    _mount("tmpfs", f"{root}/tmp", "tmpfs", _NO_SUID | _NO_DEVICES | _NO_EXEC, "size=16m,mode=700")
    for name in ("null", "urandom"):
        _mount(f"/dev/{name}", f"{root}/dev/{name}", None, _BIND)


def _mountinfo() -> str:
    with open("/proc/self/mountinfo") as file:
        return file.read()


def _mounts(mountinfo: str) -> list[tuple[str, str, str]]:
    """Returns (mount point, type of file system, its options) of each line."""
    mounts = []
    for line in mountinfo.splitlines():
        before, after = line.split(" - ", 1)
        kind, _, options = after.split(" ", 2)
        mounts.append((before.split()[4], kind, options))
    return mounts


def _unmount(point: str) -> None:
    _check(_libc.umount2(point.encode(), _DETACH), f"umount {point}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    encoded = None if kind is None else kind.encode()
    _check(_libc.mount(source.encode(), target.encode(), encoded, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def _check(answer: int, what: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
