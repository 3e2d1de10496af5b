from __future__ import annotations

import fcntl
import os
import socket
import struct
import threading

import pytest

from user_namespaces import UserNamespaces, mapping

FEW = [{"containerID": 0, "hostID": 1, "size": 1}, {"containerID": 65532, "hostID": 2, "size": 2}]


def test_mappings_are_moved_to_the_first_id() -> None:
    assert mapping(FEW, 7) == b"0 7 1\n65532 8 2\n"
    assert mapping([{"containerID": 0, "hostID": 0x2000_0000, "size": 65_536}], 0x2001_0000) == b"0 536936448 65536\n"


class HelperBySocket(UserNamespaces):
    """Answers come from the test: only root can make the real helper's namespaces."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helper, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._helper.settimeout(0.05)


def test_the_late_answer_to_another_request_is_not_taken() -> None:
    helper = HelperBySocket()
    with pytest.raises(OSError, match="timed out"):
        helper.make(100)
    late, own = os.pipe()
    socket.send_fds(helper.theirs, [struct.pack(">I", 100)], [late])
    socket.send_fds(helper.theirs, [struct.pack(">I", 200)], [own])
    made = helper.make(200)
    assert os.path.sameopenfile(made, own) and fcntl.fcntl(made, fcntl.F_GETFL) == fcntl.fcntl(own, fcntl.F_GETFL)
    for fd in (late, own, made):
        os.close(fd)


def test_an_error_or_the_end_of_the_helper_is_reported() -> None:
    helper = HelperBySocket()
    helper.theirs.send(struct.pack(">I", 7) + b"user id 7 may not make one")
    with pytest.raises(OSError, match="user id 7 may not make one"):
        helper.make(7)
    helper.theirs.close()
    with pytest.raises(OSError):
        helper.make(8)
