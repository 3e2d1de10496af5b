"""The few mounts of the keeper and the zygote, each in a mount namespace of its own."""

from __future__ import annotations

import ctypes
import os

_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _REMOUNT, _BIND = 1, 2, 4, 8, 32, 4096
_RECURSIVE, _PRIVATE = 16384, 1 << 18
_DETACH = 2
_CGROUPS = "/sys/fs/cgroup"
# Those of cgroup v1 that bound or count a sandbox.
_LIMITING = frozenset(("cpu", "cpuacct", "devices", "memory", "pids"))
_libc = ctypes.CDLL(None, use_errno=True)


def leave_host_mounts() -> None:
    """From here on no mount of this process shows on the host, nor one of the host's here."""
    os.unshare(os.CLONE_NEWNS)
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)


def hide_mixed_hierarchy() -> None:
    """
    Takes away the cgroup v2 mount of hosts that have both versions.

    crun refuses such hosts as soon as it sees that mount; every limit that we set is v1's there.
    """
    for line in open("/proc/self/mountinfo"):
        before, after = line.rstrip().split(" - ", 1)
        point = before.split()[4]
        if after.startswith("cgroup2 ") and point != "/sys/fs/cgroup":
            _check(_libc.umount2(point.encode(), _DETACH), f"umount {point}")


def hide_idle_hierarchies(state: str) -> None:
    """
    With cgroup v1, leaves in sight only the hierarchies in which a limit of ours is: each of the others costs a group, a mount
    and two moves for every container.

    They are not just unmounted: a runtime would take the folder that is left for a hierarchy, and make its groups in it.
    """
    points: dict[str, bool] = {}
    for line in open("/proc/self/mountinfo"):
        before, after = line.rstrip().split(" - ", 1)
        if after.startswith("cgroup ") and before.split()[4].startswith(f"{_CGROUPS}/"):
            points[before.split()[4]] = not _LIMITING.isdisjoint(after.split(" ", 2)[2].split(","))
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
        _check(_libc.umount2(point.encode(), _DETACH), f"umount {point}")
    _mount(shown, _CGROUPS, None, _BIND | _RECURSIVE)
    _check(_libc.umount2(shown.encode(), _DETACH), f"umount {shown}")


def show_group_alone(group: str) -> None:
    """Shows the one group that is ours where the whole hierarchy was, as in a container: above it nothing is ours to change."""
    _mount(f"{_CGROUPS}{group}", _CGROUPS, None, _BIND)


def see_through_container(state: str) -> None:
    """
    Where we are in a container ourselves: its cgroups become writable, and /proc and /sys are mounted once more.

    A runtime covers parts of /proc and /sys. The kernel lets a user namespace mount its own only where a whole one is in sight.
    """
    points = {line.split()[4] for line in open("/proc/self/mountinfo")}
    if "/proc/sys" not in points and "/proc/kcore" not in points:
        return
    for point in sorted(each for each in points if f"{each}/".startswith("/sys/fs/cgroup/")):
        _mount("none", point, None, _REMOUNT | _BIND | _NO_SUID | _NO_DEVICES | _NO_EXEC)
    _allow_devices("/sys/fs/cgroup/devices/devices.allow")
    for kind in ("proc", "sysfs"):
        os.makedirs(f"{state}/{kind}", exist_ok=True)
        _mount(kind, f"{state}/{kind}", kind, _NO_SUID | _NO_DEVICES | _NO_EXEC)


def _allow_devices(file: str) -> None:
    """
    With cgroup v1 a group below may have no device that ours does not, and crun lets every container have the console and tun.

    A sandbox has neither: nobody in it can make a device, and its own group begins by denying all.
    """
    if not os.path.exists(file):
        return
    for device in ("c 5:1 rwm", "c 10:200 rwm"):
        with open(file, "w") as allow:
            allow.write(device)


def favour_joining(point: str) -> bool:
    """
    Asks the kernel for quick moves between cgroups, at a little more for each fork and exit on this host; whether it did.

    Without this the first move after a pause waits ten milliseconds for all processors. It is a property of the host's one
    cgroup v2 tree, used or not, and outlives the mount that asks for it. Kernels before 6.0 do not have it.
    """
    os.makedirs(point, exist_ok=True)
    try:
        _mount("none", point, "cgroup2", 0, "favordynmods")
    except OSError:
        return False
    _check(_libc.umount2(point.encode(), _DETACH), f"umount {point}")
    return True


def bind_read_only(source: str, target: str) -> None:
    _mount(source, target, None, _BIND)
    _mount("none", target, None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)


def furnish_zygote(root: str) -> None:
    """Gives a root file system that is all read-only what an interpreter needs besides."""
    try:
        _mount("proc", f"{root}/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_EXEC)
    except PermissionError:
        # The processes are the host's and so not ours to show once more where root is only root of a user namespace.
        _mount("/proc", f"{root}/proc", None, _BIND | _RECURSIVE)
    _mount("tmpfs", f"{root}/tmp", "tmpfs", _NO_SUID | _NO_DEVICES | _NO_EXEC, "size=16m,mode=700")
    for name in ("null", "urandom"):
        _mount(f"/dev/{name}", f"{root}/dev/{name}", None, _BIND)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    encoded = None if kind is None else kind.encode()
    _check(_libc.mount(source.encode(), target.encode(), encoded, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def _check(answer: int, what: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
