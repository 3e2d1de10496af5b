"""Turns a process of the host into one of a container, without anything that the container's code must not have.

The order is part of the lockdown:
1. cgroups, while we are root outside, so that everything from here on is counted and limited;
2. resource limits, which cannot be raised again inside;
3. all namespaces in one call, so that there is no half-joined state;
4. the session keyring, which no namespace separates;
5. the capability bounding set, while we may still empty it; then groups, user, and the capabilities explicitly: our user has
   no name in the new user namespace until it is set, so setting it clears no capability;
6. no_new_privs, then the seccomp filter;
7. all file descriptors except the worker's.
Then everything is read back. If anything differs, the process ends.
"""

from __future__ import annotations

import ctypes
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# The image's user, which owns no files. The container's first process has another user.
SANDBOX_UID = 65532
_NAMESPACES = os.CLONE_NEWUSER | os.CLONE_NEWNS | os.CLONE_NEWNET | os.CLONE_NEWIPC | os.CLONE_NEWUTS | os.CLONE_NEWCGROUP | os.CLONE_NEWPID
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_GET_SECCOMP, _PR_SET_SECCOMP, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 3, 4, 21, 22, 23, 24
_PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 39, 47, 4
_SECCOMP_MODE_FILTER = 2
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


class Lockdown:
    """What every fork gives up, from the container's config.json. Prepared once."""

    def __init__(self, process: Mapping[str, Any], namespaces: Sequence[str], program: bytes) -> None:
        self._uid = self._gid = SANDBOX_UID
        self._oom_score = str(process["oomScoreAdj"]).encode()
        self._rlimits = [(getattr(resource, each["type"]), (each["soft"], each["hard"])) for each in process["rlimits"]]
        self._namespaces = _NAMESPACES if "user" in namespaces else _NAMESPACES & ~os.CLONE_NEWUSER
        self._program_bytes = ctypes.create_string_buffer(program, len(program))
        self._program = _Program(len(program) // 8, ctypes.addressof(self._program_bytes))
        with open("/proc/sys/kernel/cap_last_cap") as file:
            self._last_capability = int(file.read())
        self._keyctl = _KEYCTL[os.uname().machine]

    def join(self, init: int, cgroups: Sequence[int]) -> None:
        """Steps 1 to 4. `init` is a pidfd of the container's first process, `cgroups` are its open cgroup.procs files."""
        for fd in cgroups:
            os.write(fd, b"0")
        for kind, bounds in self._rlimits:
            resource.setrlimit(kind, bounds)
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
            file.write(self._oom_score)
        os.setns(init, self._namespaces)
        _call("keyctl", _libc.syscall(self._keyctl, _KEYCTL_JOIN_SESSION_KEYRING, None))

    def drop(self, kept: Sequence[int]) -> None:
        """Steps 5 to 7 and the check. `kept` are the file descriptors that stay besides the three standard ones."""
        for capability in range(self._last_capability + 1):
            _prctl(_PR_CAPBSET_DROP, capability)
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
        os.setgroups([])
        os.setresgid(self._gid, self._gid, self._gid)
        os.setresuid(self._uid, self._uid, self._uid)
        _call("capset", _libc.capset(ctypes.byref(_header()), ctypes.byref((ctypes.c_uint32 * 6)())))
        _prctl(_PR_SET_DUMPABLE, 0)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _call("seccomp", _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(self._program), 0, 0))
        _close_all_but(kept)
        self._prove()

    def _prove(self) -> None:
        capabilities = (ctypes.c_uint32 * 6)(*[1] * 6)
        _call("capget", _libc.capget(ctypes.byref(_header()), ctypes.byref(capabilities)))
        holds = (
            not any(capabilities)
            and not any(_libc.prctl(_PR_CAPBSET_READ, each, 0, 0, 0) for each in range(self._last_capability + 1))
            and os.getresuid() == (self._uid,) * 3
            and os.getresgid() == (self._gid,) * 3
            and os.getgroups() == []
            and _libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
            and _libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) == _SECCOMP_MODE_FILTER
            and _libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
        )
        if not holds:
            raise PermissionError("the lockdown does not hold")


def _header() -> _Header:
    return _Header(_CAPABILITY_VERSION_3, 0)


def _close_all_but(kept: Sequence[int]) -> None:
    start = 3
    for fd in sorted(kept):
        os.closerange(start, fd)
        start = fd + 1
    # One system call closes the rest, however many they are.
    os.closerange(start, 2**31 - 1)


def _prctl(option: int, argument: int) -> None:
    _call("prctl", _libc.prctl(option, argument, 0, 0, 0))


def _call(name: str, answer: int) -> None:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
