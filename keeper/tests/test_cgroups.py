"""Hosts have cgroup v1, v2 or both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cgroups import group_folders, make_room, mount_points, oom_kills, open_procs, reclaim, unlimited

V1 = """\
30 24 0:26 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
"""
V2 = "29 24 0:25 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = f"{V1}32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
OTHERS = "24 1 0:22 / /sys rw - sysfs sysfs rw\n25 1 0:23 / /proc rw - proc proc rw\n"


@pytest.mark.parametrize(
    ("mountinfo", "groups", "folders"),
    [
        pytest.param(V2, "0::/code-interpreter/ab\n", {"": "/sys/fs/cgroup/code-interpreter/ab"}, id="v2"),
        pytest.param(
            V1,
            "5:memory:/c/ab\n4:cpu,cpuacct:/c/ab\n0::/\n",
            {"memory": "/sys/fs/cgroup/memory/c/ab", "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/c/ab"},
            id="v1",
        ),
        pytest.param(
            HYBRID,
            "5:memory:/c/ab\n0::/user.slice\n",
            {"memory": "/sys/fs/cgroup/memory/c/ab", "": "/sys/fs/cgroup/unified/user.slice"},
            id="hybrid",
        ),
        pytest.param(V1, "1:name=systemd:/c\n2:devices:/c\n", {}, id="hierarchies that are not mounted"),
        pytest.param(V2, "0::/a:b/c\n", {"": "/sys/fs/cgroup/a:b/c"}, id="colons in a name"),
        pytest.param("", "0::/c\n", {}, id="no cgroups at all"),
    ],
)
def test_the_cgroups_of_a_process_are_found(mountinfo: str, groups: str, folders: dict[str, str]) -> None:
    assert group_folders(mount_points(OTHERS + mountinfo), groups) == folders


def test_in_a_container_paths_start_at_the_containers_own_cgroup() -> None:
    own = "30 24 0:26 /pods/7 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    assert group_folders(mount_points(own), "5:memory:/pods/7/c/ab\n") == {"memory": "/sys/fs/cgroup/memory/c/ab"}


def test_a_later_mount_at_the_same_place_wins() -> None:
    delegated = f"{V2}40 29 0:25 /user.slice/ci /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
    assert group_folders(mount_points(delegated), "0::/user.slice/ci/c/ab\n") == {"": "/sys/fs/cgroup/c/ab"}


def test_a_later_mount_at_another_place_does_not() -> None:
    assert mount_points(f"{V2}41 29 0:25 / /mnt/elsewhere rw - cgroup2 cgroup2 rw\n")[""] == ("/sys/fs/cgroup", "/")
    assert mount_points(f"{V1}42 29 0:26 / /mnt/elsewhere rw - cgroup cgroup rw,memory\n")["memory"] == ("/sys/fs/cgroup/memory", "/")


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_the_root_cgroup_of_a_machine_is_left_alone(tmp_path: Path) -> None:
    top = write(tmp_path / "top", cgroup__procs="", cgroup__controllers="cpu memory pids", cgroup__subtree_control="")
    make_room(str(top))
    assert (top / "cgroup.subtree_control").read_text() == "" and not (top / "service").exists()


def test_the_cgroup_of_a_container_enables_its_controllers(tmp_path: Path) -> None:
    files = {
        "cgroup__procs": "",
        "cgroup__controllers": "cpuset cpu io memory pids",
        "cgroup__subtree_control": "",
        "cgroup__type": "domain",
    }
    top = write(tmp_path / "top", **files)
    make_room(str(top))
    assert (top / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert (top / "service").is_dir()


def test_a_missing_controller_stops_the_keeper(tmp_path: Path) -> None:
    top = write(tmp_path / "top", cgroup__procs="", cgroup__controllers="cpuset memory", cgroup__type="domain")
    with pytest.raises(SystemExit, match="has no cpu, pids"):
        make_room(str(top))


def test_missing_limits_are_named(tmp_path: Path) -> None:
    group = write(tmp_path / "g", cpu__max="100000 100000\n", memory__max="max\n")
    assert unlimited({"": str(group)}) == ["memory.max", "pids.max"]
    write(group, memory__max="536870912\n", memory__swap__max="max\n", pids__max="65\n")
    assert unlimited({"": str(group)}) == ["memory.swap.max"]
    write(group, memory__swap__max="0\n")
    assert unlimited({"": str(group)}) == []


def test_a_kernel_without_swap_needs_no_limit_of_it(tmp_path: Path) -> None:
    group = write(tmp_path / "g", cpu__max="1 1", memory__max="1", pids__max="1")
    assert unlimited({"": str(group)}) == []


def test_oom_kills_are_counted_with_both_versions(tmp_path: Path) -> None:
    v1 = write(tmp_path / "v1", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    v2 = write(tmp_path / "v2", memory__events="low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n")
    old = write(tmp_path / "old", memory__oom_control="oom_kill_disable 0\nunder_oom 0\n")
    assert oom_kills({"memory": str(v1)}) == 3
    assert oom_kills({"": str(v2)}) == 2
    assert oom_kills({"memory": str(old)}) == 0
    assert oom_kills({"": str(tmp_path / "gone")}) == 0
    assert oom_kills({}) == 0


def test_each_cgroup_is_opened_once(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", cgroup__procs="1\n"), write(tmp_path / "b", cgroup__procs="2\n")
    fds = open_procs({"cpu": str(one), "cpuacct": str(one), "memory": str(other)})
    assert [os.pread(fd, 10, 0) for fd in fds] == [b"1\n", b"2\n"]
    assert not any(os.get_inheritable(fd) for fd in fds)
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize(
    ("name", "counter", "text", "order", "written"),
    [
        ("memory", "memory.kmem.usage_in_bytes", "99000000\n", "memory.force_empty", "0"),
        ("memory", "memory.kmem.usage_in_bytes", "1000\n", "memory.force_empty", ""),
        ("", "memory.stat", "anon 5\nslab_reclaimable 99000000\n", "memory.reclaim", "99000000"),
        ("", "memory.stat", "anon 5\nslab_reclaimable 1000\n", "memory.reclaim", ""),
    ],
)
def test_a_filled_cache_is_freed(tmp_path: Path, name: str, counter: str, text: str, order: str, written: str) -> None:
    (tmp_path / counter).write_text(text)
    (tmp_path / order).touch()
    reclaim({name: str(tmp_path)})
    assert (tmp_path / order).read_text() == written


def test_nothing_is_freed_where_the_kernel_has_no_such_file(tmp_path: Path) -> None:
    reclaim({"memory": str(tmp_path)})
    reclaim({"": str(tmp_path)})
    reclaim({})
