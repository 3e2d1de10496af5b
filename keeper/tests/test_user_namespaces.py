from __future__ import annotations

from user_namespaces import mapping

FEW = [{"containerID": 0, "hostID": 1, "size": 1}, {"containerID": 65532, "hostID": 2, "size": 2}]


def test_mappings_are_moved_to_the_first_id() -> None:
    assert mapping(FEW, 7) == b"0 7 1\n65532 8 2\n"
    assert mapping([{"containerID": 0, "hostID": 0x2000_0000, "size": 65_536}], 0x2001_0000) == b"0 536936448 65536\n"
