"""Makes the user namespaces of containers.

The kernel charges what a user namespace uses, such as queued signals and timers, to the account that made it as well. A
namespace that root made would use up root's own share of the host, so each is made by an account that nothing else uses.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from typing import Any

ANSWER_TIMEOUT_S = 10
# The first host id. An answer repeats it: a descriptor follows, or the text of an error.
_REQUEST = struct.Struct(">I")
_ANSWER_BYTES_MAX = 256


class UserNamespaces:
    """A helper process makes them, because a process with threads can neither fork safely nor enter a new user namespace."""

    def __init__(self, template: dict[str, Any]) -> None:
        """Call before the first thread starts. `template` holds the id mappings of the first range."""
        self._lock = threading.Lock()
        self._helper, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        linux = template["linux"]
        if os.fork() == 0:
            self._helper.close()
            try:
                _serve(theirs, linux["uidMappings"], linux["gidMappings"])
            finally:
                os._exit(1)
        theirs.close()
        self._helper.settimeout(ANSWER_TIMEOUT_S)

    def make(self, first_id: int) -> int:
        """Returns a descriptor of a new user namespace whose ids begin at `first_id` of the host. Raises OSError."""
        with self._lock:
            self._helper.send(_REQUEST.pack(first_id))
            while True:
                answer, fds, _, _ = socket.recv_fds(self._helper, _ANSWER_BYTES_MAX, 1)
                if answer == b"":
                    raise OSError("the helper for user namespaces has ended")
                if _REQUEST.unpack_from(answer)[0] == first_id:
                    break
                # The late answer to a request that timed out: its ids belong to another container.
                for fd in fds:
                    os.close(fd)
        if len(fds) != 1:
            raise OSError(f"no user namespace: {answer[_REQUEST.size :].decode('utf-8', 'replace')}")
        return fds[0]


def _serve(keeper: socket.socket, uids: list[dict[str, int]], gids: list[dict[str, int]]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while request := keeper.recv(_REQUEST.size):
        (first_id,) = _REQUEST.unpack(request)
        try:
            namespace = _make(first_id, mapping(uids, first_id), mapping(gids, first_id))
        except OSError as error:
            keeper.send(request + str(error).encode()[:200])
            continue
        socket.send_fds(keeper, [request], [namespace])
        os.close(namespace)
    os._exit(0)


def mapping(template: list[dict[str, int]], first_id: int) -> bytes:
    """Returns the text of a uid_map or gid_map: the mappings of the template, moved so that they begin at `first_id`."""
    start = min(each["hostID"] for each in template)
    return "".join(f"{each['containerID']} {each['hostID'] - start + first_id} {each['size']}\n" for each in template).encode()


def _make(owner: int, uid_map: bytes, gid_map: bytes) -> int:
    ready, report_ready = os.pipe()
    stay, leave = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(leave)
            os.setresgid(owner, owner, owner)
            os.setresuid(owner, owner, owner)
            os.unshare(os.CLONE_NEWUSER)
            os.write(report_ready, b"1")
            os.read(stay, 1)
        finally:
            os._exit(1)
    try:
        os.close(report_ready)
        if os.read(ready, 1) != b"1":
            raise OSError(f"user id {owner} may not make one")
        for name, text in (("uid_map", uid_map), ("gid_map", gid_map)):
            _write(f"/proc/{child}/{name}", text)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for fd in (ready, stay, leave):
            os.close(fd)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)
