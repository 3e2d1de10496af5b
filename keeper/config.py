"""The config.json of one container, from the template that all share."""

from __future__ import annotations

from typing import Any

MIB = 1024 * 1024


def ids_per_container(template: dict[str, Any]) -> int:
    """How many host ids the user namespace of one container maps; 0 when it has no user namespace."""
    return sum(each["size"] for each in template["linux"].get("uidMappings", ()))


def first_id(template: dict[str, Any], id_range: int) -> int:
    """The first host id of a range."""
    mappings: list[dict[str, int]] = template["linux"]["uidMappings"]
    return min(each["hostID"] for each in mappings) + id_range * ids_per_container(template)


def container_config(
    template: dict[str, Any], identity: str, id_range: int, memory_mb: int, user_namespace: str | None = None
) -> dict[str, Any]:
    """
    Returns the OCI configuration of the container `identity`: its own cgroup, its memory limit (swap included) and its
    range of host ids, or the path of a user namespace that maps them already. Leaves `template` unchanged.
    """
    memory = {**template["linux"]["resources"]["memory"], "limit": memory_mb * MIB, "swap": memory_mb * MIB}
    linux = {
        **template["linux"],
        "cgroupsPath": f"{template['linux']['cgroupsPath']}/{identity}",
        "resources": {**template["linux"]["resources"], "memory": memory},
    }
    ids_each = ids_per_container(template)
    if user_namespace is not None:
        linux["namespaces"] = [
            {**each, "path": user_namespace} if each["type"] == "user" else each for each in template["linux"]["namespaces"]
        ]
        del linux["uidMappings"], linux["gidMappings"]
    elif ids_each:
        for kind in ("uidMappings", "gidMappings"):
            linux[kind] = [{**each, "hostID": each["hostID"] + id_range * ids_each} for each in linux[kind]]
    return {**template, "linux": linux}
