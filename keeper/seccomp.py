"""Compiles the sandbox's seccomp profile once, with libseccomp, into the bytes that every sandbox loads."""

from __future__ import annotations

import base64
import ctypes
import os
from typing import Any

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_COMPARISONS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
# Filter attribute: a binary tree over the numbers of the calls instead of a list.
_OPTIMIZE, _BINARY_TREE = 8, 2


class _Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def compile_profile(profile: dict[str, Any]) -> bytes:
    """
    Returns the program for the machine's own architecture alone. Raises OSError when libseccomp refuses.

    Names that this architecture does not have are left out, as the OCI runtimes do.
    """
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_action(profile["defaultAction"], profile.get("defaultErrnoRet")))))
    if not context:
        raise OSError("libseccomp makes no filter")
    try:
        library.seccomp_attr_set(context, _OPTIMIZE, ctypes.c_uint32(_BINARY_TREE))
        for rule in profile["syscalls"]:
            action = _action(rule["action"], rule.get("errnoRet"))
            comparisons = [
                _Comparison(each["index"], _COMPARISONS[each["op"]], each["value"], each.get("valueTwo", 0)) for each in rule.get("args", [])
            ]
            array = (_Comparison * len(comparisons))(*comparisons)
            for name in rule["names"]:
                number = library.seccomp_syscall_resolve_name(name.encode())
                if number < 0:
                    continue
                answer = library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(comparisons), array)
                if answer != 0:
                    raise OSError(-answer, f"libseccomp refuses the rule for {name}")
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def load_as_it_is(config: dict[str, Any], program: bytes) -> None:
    """For crun, which takes the bytes; other runtimes compile the profile once more for each container."""
    config["annotations"] = {"run.oci.seccomp_bpf_data": base64.b64encode(program).decode()}
    config["linux"].pop("seccomp")


def _action(name: str, errno: int | None) -> int:
    if name == "SCMP_ACT_ALLOW":
        return _ALLOW
    if name == "SCMP_ACT_ERRNO":
        return _ERRNO | (errno or 1)
    raise ValueError(f"the profile has an action that is not used here: {name}")


def _export(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("seccomp")
    try:
        answer = library.seccomp_export_bpf(context, fd)
        if answer != 0:
            raise OSError(-answer, "libseccomp exports no filter")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
