"""Compiles the sandbox's seccomp profile once, with libseccomp, to the BPF program that every sandbox loads."""

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
# Filter attribute: search the system call numbers in a binary tree instead of a list.
_OPTIMIZE, _BINARY_TREE = 8, 2


class _Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def compile_profile(profile: dict[str, Any]) -> bytes:
    """
    Returns the BPF program for this machine's architecture. Raises OSError when libseccomp refuses, ValueError or KeyError
    for a profile that we do not support.

    System calls that this architecture does not have are skipped, as OCI runtimes do.
    """
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_action(profile["defaultAction"], profile.get("defaultErrnoRet")))))
    if not context:
        raise OSError("libseccomp cannot make a filter")
    try:
        library.seccomp_attr_set(context, _OPTIMIZE, ctypes.c_uint32(_BINARY_TREE))
        for name, action, comparisons in translate_rules(profile):
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number < 0:
                continue
            array = (_Comparison * len(comparisons))(*(_Comparison(*each) for each in comparisons))
            answer = library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(comparisons), array)
            if answer != 0:
                raise OSError(-answer, f"libseccomp refuses the rule for {name}")
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def translate_rules(profile: dict[str, Any]) -> list[tuple[str, int, list[tuple[int, int, int, int]]]]:
    """Returns for each system call its name, libseccomp's action, and (argument, operator, value, second value) per condition."""
    rules = []
    for rule in profile["syscalls"]:
        action = _action(rule["action"], rule.get("errnoRet"))
        comparisons = [(each["index"], _COMPARISONS[each["op"]], each["value"], each.get("valueTwo", 0)) for each in rule.get("args", [])]
        rules += [(name, action, comparisons) for name in rule["names"]]
    return rules


def embed_program(config: dict[str, Any], program: bytes) -> None:
    """For crun, which loads a compiled program. Other runtimes compile the profile again for each container."""
    config["annotations"] = {"run.oci.seccomp_bpf_data": base64.b64encode(program).decode()}
    config["linux"].pop("seccomp")


def _action(name: str, errno: int | None) -> int:
    if name == "SCMP_ACT_ALLOW":
        return _ALLOW
    if name == "SCMP_ACT_ERRNO":
        return _ERRNO | (errno or 1)
    raise ValueError(f"the seccomp profile has an unsupported action: {name}")


def _export(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("seccomp")
    try:
        answer = library.seccomp_export_bpf(context, fd)
        if answer != 0:
            raise OSError(-answer, "libseccomp cannot export the filter")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
