from __future__ import annotations

import copy
from typing import Any

from config import container_config, ids_per_container

ID = "a" * 32


def template(**linux: Any) -> dict[str, Any]:
    return {
        "ociVersion": "1.0.2",
        "linux": {"cgroupsPath": "/code-interpreter", "resources": {"pids": {"limit": 64}, "memory": {"limit": -1}}, **linux},
    }


MAPPED = {
    "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": 1}, {"containerID": 65532, "hostID": 100_001, "size": 2}],
    "gidMappings": [{"containerID": 0, "hostID": 200_000, "size": 3}],
}


def test_memory_is_limited_with_swap_included() -> None:
    made = container_config(template(), ID, 0, 512)
    assert made["linux"]["resources"] == {"pids": {"limit": 64}, "memory": {"limit": 512 << 20, "swap": 512 << 20}}


def test_each_container_has_its_own_cgroup() -> None:
    assert container_config(template(), ID, 0, 64)["linux"]["cgroupsPath"] == f"/code-interpreter/{ID}"


def test_ranges_of_host_ids_never_overlap() -> None:
    taken: list[int] = []
    for id_range in range(4):
        made = container_config(template(**MAPPED), ID, id_range, 64)["linux"]["uidMappings"]
        taken += [each["hostID"] + offset for each in made for offset in range(each["size"])]
    assert sorted(taken) == list(range(100_000, 100_012))


def test_without_a_user_namespace_nothing_is_mapped() -> None:
    assert ids_per_container(template()) == 0
    assert "uidMappings" not in container_config(template(), ID, 3, 64)["linux"]


def test_the_template_is_not_changed() -> None:
    shared = template(**MAPPED)
    before = copy.deepcopy(shared)
    container_config(shared, ID, 3, 64)
    assert shared == before


def test_a_joined_user_namespace_brings_its_own_mappings() -> None:
    namespaces = [{"type": "pid"}, {"type": "user"}]
    made = container_config(template(**MAPPED, namespaces=namespaces), ID, 3, 64, "/proc/7/fd/9")["linux"]
    assert made["namespaces"] == [{"type": "pid"}, {"type": "user", "path": "/proc/7/fd/9"}]
    assert "uidMappings" not in made and "gidMappings" not in made


def test_the_limit_of_socket_memory_stays() -> None:
    made = container_config(template(resources={"memory": {"limit": -1, "kernelTCP": 5}}), ID, 0, 64)
    assert made["linux"]["resources"]["memory"] == {"limit": 64 << 20, "swap": 64 << 20, "kernelTCP": 5}
