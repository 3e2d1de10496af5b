"""The copies of a session's process as the supervisor sees them: it has one made, watches it, wakes it or gives it up.

A copy is a process of the code, and may be killed, stopped or replaced by it. So what it says only chooses which process of this
sandbox goes on as the session.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import fcntl
import os
import select
import struct
import time

from runner.code.session_copy import AWAKE, READY
from runner.supervisor.process import open_pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.supervisor.meter import Meter

_MESSAGE_BYTES = 32
# pid, uid and gid of the sender, as the kernel vouches for them.
_CREDENTIALS = struct.Struct("iII")
_SCM_CREDENTIALS = 2
# The sandbox's first process and the copy.
_ALONE = 2
_POLL_MS = 5
# Below this share of the memory a copy must hold next to nothing of its own, or it goes.
_ROOM_SHARE = 4
_OWN_SHARE = 50
# No code fills memory faster, in bytes per second. The room is looked at twice before it could be used up.
_FASTEST_FILL = 8 << 30
_LOOK_S_MIN, _LOOK_S_MAX = 0.005, 0.25
# From the kernel's pidfd.h.
_PIDFD_GET_INFO, _PIDFD_INFO_EXIT = 0xC040FF0B, 1 << 3
_REAPED_MS = 100


class Copy:
    """One copy of a session's process."""

    def __init__(self) -> None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        ours.setsockopt(_socket.SOL_SOCKET, _socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        self._socket = ours
        self._theirs = theirs.detach()
        self.pid = 0
        self.pidfd = -1
        # Its process id inside the sandbox, as it says.
        self._inner_pid = 0
        self._look_at = 0.0
        # Something other than the supervisor ended it.
        self.was_killed = False
        self.closed = False

    @property
    def fd(self) -> int:
        return self._socket.fileno()

    @property
    def ready(self) -> bool:
        return self.pid > 0 and not self.closed

    @property
    def is_child(self) -> bool:
        """Whether it is a child of this process, which then learns its exit code."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except OSError:
            return False
        return True

    def react(self) -> None:
        """Reads what the copy says. Its end means that there is no copy."""
        message, pid = self._receive()
        if message is None:
            return
        inner = message.removeprefix(READY)
        if self.pid == 0 and message.startswith(READY) and inner.isdigit() and pid > 0:
            self.pid, self._inner_pid = pid, int(inner)
            self.pidfd = open_pidfd(pid)
        else:
            self.was_killed = message == b"" and self.pid > 0
            self.close()

    def wait_until_ready(self, until: float) -> bool:
        """Waits for the copy that the ended process may just have made. Returns whether there is one."""
        while not self.ready and not self.closed and (left := until - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self.fd, select.POLLIN)
            poll.poll(int(left * 1000) + 1)
            self.react()
        return self.ready

    def look(self, meter: Meter) -> float | None:
        """Gives the copy up when the code needs its memory. Returns when to look again, in seconds of the monotonic clock."""
        if not self.ready:
            return None
        now = time.monotonic()
        if now >= self._look_at:
            room = meter.room_bytes()
            if room is None:
                self._look_at = now + _LOOK_S_MAX
                return self._look_at
            free, total = room
            if free * _ROOM_SHARE < total and self._own_bytes() * _OWN_SHARE > total:
                self.close()
                return None
            self._look_at = now + min(_LOOK_S_MAX, max(_LOOK_S_MIN, free / _FASTEST_FILL / 2))
        return self._look_at

    def wake(self, descriptors: Sequence[int], reap: Callable[[], object], until: float) -> bool:
        """
        Makes the copy the session with these descriptors. It kills all other processes of the sandbox; `reap` reaps those that are
        our children. Returns whether only the copy is left, and answers.
        """
        rights = b"".join(fd.to_bytes(4, "little") for fd in descriptors)
        awake = False
        poll = select.poll()
        try:
            self._socket.sendmsg([b"wake"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
            poll.register(self.fd, select.POLLIN)
            while time.monotonic() < until:
                if not awake and poll.poll(_POLL_MS):
                    message, pid = self._receive()
                    if message != AWAKE or pid != self.pid:
                        return False
                    awake = True
                reap()
                if awake:
                    if _count_processes() == _ALONE:
                        return True
                    time.sleep(0.001)
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Ends the copy."""
        if not self.closed:
            self.closed = True
            self._socket.close()

    def take_given(self) -> int:
        """The end of its socket that goes to the session's process with the cell. The caller closes it."""
        given, self._theirs = self._theirs, -1
        return given

    def release_pidfd(self) -> int:
        pidfd, self.pidfd = self.pidfd, -1
        return pidfd

    def _receive(self) -> tuple[bytes | None, int]:
        """One message and its sender's process id. No message yet is None, the end is empty."""
        try:
            message, ancillary, flags, _address = self._socket.recvmsg(
                _MESSAGE_BYTES, _socket.CMSG_SPACE(_CREDENTIALS.size), _socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None, 0
        except OSError:
            return b"", 0
        pid = 0
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _SCM_CREDENTIALS and len(data) == _CREDENTIALS.size:
                pid = _CREDENTIALS.unpack(data)[0]
            elif kind == _socket.SCM_RIGHTS:
                for fd in memoryview(data[: len(data) // 4 * 4]).cast("i"):
                    os.close(fd)
        return (b"" if flags & _socket.MSG_TRUNC else message), pid

    def _own_bytes(self) -> int:
        """Memory that only the copy holds. Unknown is as much as there can be."""
        try:
            with open(f"/proc/{self._inner_pid}/smaps_rollup") as file:
                lines = file.read().splitlines()
        except OSError:
            return 1 << 62
        fields = (line.split() for line in lines)
        return sum(int(field[1]) * 1024 for field in fields if field[0] in ("Private_Dirty:", "Private_Clean:", "SwapPss:"))


def exit_status(pidfd: int) -> int:
    """
    Wait status of an ended process that is not our child. Kernels before 6.15 do not report it; then it counts as killed.
    """
    poll = select.poll()
    # With no events requested, poll wakes once the process is reaped. From then on the kernel reports the exit code.
    poll.register(pidfd, 0)
    poll.poll(_REAPED_MS)
    information = bytearray(struct.pack("Q56x", _PIDFD_INFO_EXIT))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, information)
    except OSError:
        return int(_signal.SIGKILL)
    mask, status = struct.unpack("Q52xi", information)
    return int(status) if mask & _PIDFD_INFO_EXIT else int(_signal.SIGKILL)


def has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _count_processes() -> int:
    """Processes of the sandbox: the kernel lists them without the supervisor where that is outside."""
    return sum(name.isdecimal() for name in os.listdir("/proc"))
