from __future__ import annotations

import base64
import ctypes
import json
from pathlib import Path
from typing import Any

import pytest

from seccomp import compile_profile, embed_program, translate_rules

PROFILE = json.loads((Path(__file__).parents[2] / "sandbox-image/seccomp.json").read_text())
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
try:
    ctypes.CDLL("libseccomp.so.2")
    needs_libseccomp = pytest.mark.skipif(False, reason="")
except OSError:
    needs_libseccomp = pytest.mark.skip(reason="this machine has no libseccomp")


def rule(**changes: Any) -> dict[str, Any]:
    return {"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", **changes}]}


def test_every_name_of_a_rule_gets_its_action_and_conditions() -> None:
    condition = {"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 0xFF, "valueTwo": 3}
    profile = rule(names=["clone", "clone3"], action="SCMP_ACT_ERRNO", errnoRet=38, args=[condition])
    assert translate_rules(profile) == [(name, ERRNO | 38, [(1, 7, 0xFF, 3)]) for name in ("clone", "clone3")]


def test_errno_is_eperm_unless_given() -> None:
    assert translate_rules(rule(action="SCMP_ACT_ERRNO")) == [("read", ERRNO | 1, [])]
    assert translate_rules(rule()) == [("read", ALLOW, [])]


@pytest.mark.parametrize("action", ["SCMP_ACT_LOG", "SCMP_ACT_TRACE", "allow", ""])
def test_an_unknown_action_is_refused_rather_than_allowed(action: str) -> None:
    with pytest.raises(ValueError, match="unsupported action"):
        translate_rules(rule(action=action))


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(KeyError):
        translate_rules(rule(args=[{"index": 0, "op": "SCMP_CMP_ALMOST", "value": 1}]))


def test_the_profile_of_the_sandbox_translates() -> None:
    translated = translate_rules(PROFILE)
    assert len(translated) == sum(len(each["names"]) for each in PROFILE["syscalls"])
    assert {action for _, action, _ in translated} <= {ALLOW, ERRNO | 38, ERRNO | 93}


@needs_libseccomp
def test_the_profile_of_the_sandbox_compiles_to_whole_bpf_instructions() -> None:
    program = compile_profile(PROFILE)
    assert len(program) > 800 and len(program) % 8 == 0


@needs_libseccomp
def test_names_of_other_architectures_are_skipped() -> None:
    empty = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}
    assert compile_profile({**empty, **rule(names=["no_such_system_call"])}) == compile_profile(empty)


def test_crun_gets_the_program_instead_of_the_profile() -> None:
    config: dict[str, Any] = {"linux": {"seccomp": PROFILE, "namespaces": []}}
    embed_program(config, b"\x06\x00")
    assert config == {"linux": {"namespaces": []}, "annotations": {"run.oci.seccomp_bpf_data": base64.b64encode(b"\x06\x00").decode()}}
