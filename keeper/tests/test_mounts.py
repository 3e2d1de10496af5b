from __future__ import annotations

import pytest

from mounts import covered_cgroups, limiting_hierarchies, mixed_hierarchies

V2 = "29 24 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = """\
30 24 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 24 0:29 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
34 24 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
"""
UNIFIED = "32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
PLAIN_PROC = "25 1 0:23 / /proc rw - proc proc rw\n"


@pytest.mark.parametrize(("mountinfo", "points"), [(V2, []), (V1, []), (V1 + UNIFIED, ["/sys/fs/cgroup/unified"]), ("", [])])
def test_only_the_second_hierarchy_of_a_hybrid_host_is_found(mountinfo: str, points: list[str]) -> None:
    assert mixed_hierarchies(PLAIN_PROC + mountinfo) == points


def test_hierarchies_of_our_limits_are_told_from_others() -> None:
    assert limiting_hierarchies(V1 + UNIFIED) == {
        "/sys/fs/cgroup/memory": True,
        "/sys/fs/cgroup/cpu,cpuacct": True,
        "/sys/fs/cgroup/freezer": False,
        "/sys/fs/cgroup/systemd": False,
    }


def test_a_hierarchy_mounted_elsewhere_is_not_ours_to_hide() -> None:
    assert limiting_hierarchies("30 24 0:26 / /var/lib/x/memory rw - cgroup cgroup rw,memory\n") == {}
    assert limiting_hierarchies(V2) == {}


def test_a_host_is_not_taken_for_a_container() -> None:
    assert covered_cgroups(PLAIN_PROC + V1) is None


@pytest.mark.parametrize("cover", ["/proc/sys", "/proc/kcore"])
def test_a_container_is_known_by_its_covered_proc(cover: str) -> None:
    covered = f"26 25 0:23 /x {cover} ro - proc proc rw\n"
    assert covered_cgroups(PLAIN_PROC + covered + V2) == ["/sys/fs/cgroup"]
    assert covered_cgroups(PLAIN_PROC + covered + V1)[:1] == ["/sys/fs/cgroup/cpu,cpuacct"]  # type: ignore[index]


def test_a_folder_that_only_begins_like_a_cgroup_is_none() -> None:
    lookalike = "26 25 0:23 / /proc/sys ro - proc proc rw\n27 1 0:9 / /sys/fs/cgroups-backup rw - ext4 /dev/sda rw\n"
    assert covered_cgroups(lookalike) == []
