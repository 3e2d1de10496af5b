"""The copy of a session's process: a paused fork, made between two cells. It becomes the session if the cell costs the process its life.

The supervisor decides that. It holds the other end of the copy's socket: what it sends wakes the copy, and its end ends the copy.
"""

from __future__ import annotations

import _ctypes
import _signal  # type: ignore[import-not-found]
import _socket
import fcntl
import os
import sys
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The kernel kills a copy before its session's process, and that before the supervisor.
COPY_OOM_SCORE, SESSION_OOM_SCORE = 1000, 600
# Standard input, output, error, the result channel and the socket of the cells, in this order.
STANDARD = 5
READY, AWAKE = b"ready", b"awake"
# From the kernel's sched.h and prctl.h.
_CLONE_PARENT, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
_PR_GET_TID_ADDRESS = 40
# The system call's number, and the place of the thread id's address among its arguments.
_CLONE = {"x86_64": (56, 3), "aarch64": (220, 4)}
_OUT_OF_THE_WAY = 64
_EX_OSERR = 71


def leave_copy(fd: int) -> bool:
    """
    Leaves a copy of this process that waits at the socket `fd`, and returns False. In the copy it returns True, once the supervisor
    has made it the session: its standard descriptors are new, and all other processes of the sandbox are gone. Without room for a copy
    there is none.
    """
    try:
        positions = _file_positions()
        in_copy = _fork_sibling() if _is_alone() else _fork_grandchild()
    except OSError:
        in_copy = False
    if not in_copy:
        os.close(fd)
        return False
    try:
        fd = _pause(fd)
        for place, position in positions.items():
            os.lseek(place, position, os.SEEK_SET)
        _renew_event_polls()
        _set_oom_score(SESSION_OOM_SCORE)
        os.write(fd, AWAKE)
        os.close(fd)
    except BaseException:
        os._exit(_EX_OSERR)
    return True


def _pause(given: int) -> int:
    """
    Waits at the socket, and returns its new descriptor. The process gives up its standard descriptors: the supervisor must see it when
    the session's process closes them.
    """
    fd = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.close(given)
    _set_oom_score(COPY_OOM_SCORE)
    duplicates = _duplicates_of_streams()
    os.closerange(0, STANDARD)
    for duplicate in duplicates:
        os.close(duplicate)
    supervisor = _socket.socket(fileno=fd)
    supervisor.send(READY + str(os.getpid()).encode())
    message, ancillary, _flags, _address = supervisor.recvmsg(16, _socket.CMSG_SPACE(STANDARD * 4), _socket.MSG_CMSG_CLOEXEC)
    supervisor.detach()
    if not message:
        os._exit(0)
    # The session's process, if it still runs, and what it started. The first process and the supervisor are beyond its reach.
    try:
        os.kill(-1, _signal.SIGKILL)
    except ProcessLookupError:
        pass
    rights = memoryview(ancillary[0][2]).cast("i")
    moved = []
    for right in rights:
        moved.append(fcntl.fcntl(right, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY))
        os.close(right)
    for place, each in enumerate(moved):
        os.dup2(each, place, inheritable=place < 3)
        os.close(each)
    for duplicate, stream in duplicates.items():
        os.dup2(stream, duplicate)
    return fd


def _set_oom_score(score: int) -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(score))
    except OSError:
        # Some kernels lack it. The kernel then chooses by size.
        pass


def _is_alone() -> bool:
    """Whether this process has one thread, those of libraries included."""
    return len(os.listdir("/proc/self/task")) == 1


def _fork_sibling() -> bool:
    """
    Forks a child of this process's parent: code that waits for its children never meets it. Returns whether this is the copy.

    The copy continues with the state of the interpreter as it is, so no handler of forks runs. Only a process with one thread may
    do this. libc keeps the thread's id; the kernel sets it, as in libc's own fork.
    """
    address = _Long()
    call = _Function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "syscall"))  # type: ignore[arg-type]
    prctl = _Function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl"))  # type: ignore[arg-type]
    known = _CLONE.get(os.uname().machine)
    if known is None or prctl(_Long(_PR_GET_TID_ADDRESS), _Long(_ctypes.addressof(address)), *[_Long(0)] * 3) != 0:
        return _fork_grandchild()
    number, place = known
    arguments = [0, 0, 0, 0, 0]
    arguments[0] = _CLONE_PARENT | _CLONE_CHILD_CLEARTID | _CLONE_CHILD_SETTID | _signal.SIGCHLD
    arguments[place] = address.value
    pid: int = call(_Long(number), *map(_Long, arguments))
    if pid < 0:
        raise OSError("no copy can be made")
    return pid == 0


def _fork_grandchild() -> bool:
    """The same for a process with threads, which only libc can fork safely. Its child ends at once, so the copy is an orphan."""
    import warnings

    random_state = _random_state()
    # Python warns of a fork with threads. Without a new version of the filters, so that no other warning appears again.
    filters, warnings.filters = warnings.filters, [("ignore", None, Warning, None, 0)]
    try:
        child = os.fork()
        if child == 0:
            try:
                if os.fork() != 0:
                    os._exit(0)
            except BaseException:
                os._exit(_EX_OSERR)
            if random_state is not None:
                sys.modules["random"]._inst.setstate(random_state)
            return True
    finally:
        warnings.filters = filters
    os.waitpid(child, 0)
    return False


def _file_positions() -> dict[int, int]:
    """The positions in open files, which a fork shares."""
    positions = {}
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd >= STANDARD:
            try:
                if S_ISREG(os.fstat(fd).st_mode):
                    positions[fd] = os.lseek(fd, 0, os.SEEK_CUR)
            except OSError:
                # The descriptor of the listing itself.
                continue
    return positions


def _random_state() -> Any:
    """The state of `random`, which Python reseeds in a fork; None while it is not imported."""
    random = sys.modules.get("random")
    try:
        return None if random is None else random._inst.getstate()
    except Exception:
        # The code has its own module of that name, or has changed Python's.
        return None


def _duplicates_of_streams() -> dict[int, int]:
    """Other descriptors of the standard output and error of this process, which the code made, and which of the two each is."""
    streams: dict[tuple[int, int], int] = {}
    found: dict[int, int] = {}
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue
        identity = (status.st_dev, status.st_ino)
        if int(name) in (1, 2):
            streams.setdefault(identity, int(name))
        elif int(name) >= STANDARD and identity in streams:
            found[int(name)] = streams[identity]
    return found


def _renew_event_polls() -> None:
    """Gives the event loops polls of their own: a fork shares them, so the ended process has changed them."""
    selectors = sys.modules.get("selectors")
    if selectors is None:
        return
    import gc
    import select

    for each in gc.get_objects():
        if type(each) is selectors.EpollSelector and not each._selector.closed:
            fresh = select.epoll()
            os.dup2(fresh.fileno(), each._selector.fileno(), inheritable=False)
            fresh.close()
            for key in each.get_map().values():
                events = (select.EPOLLIN if key.events & selectors.EVENT_READ else 0) | (
                    select.EPOLLOUT if key.events & selectors.EVENT_WRITE else 0
                )
                try:
                    each._selector.register(key.fd, events)
                except OSError:
                    # What cannot be watched any more, such as a closed descriptor.
                    continue


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class _Function(_ctypes.CFuncPtr):
    # FUNCFLAG_CDECL and FUNCFLAG_PYTHONAPI: the interpreter's lock stays with this thread, in the copy too.
    _flags_ = 0x1 | 0x4
    _restype_ = _Long
