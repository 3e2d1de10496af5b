"""Runs programs one after another for a measurement, without any service: bare, or with an OCI runtime.

It stays as small as it can, so that what is measured is the program: one line of JSON with the command comes in on
standard input, one with [exit code, what it printed] goes out.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../keeper"))
# The keeper's mounts, so that a program's environment is that of the service.
from mounts import bind_read_only, furnish_zygote, hide_mixed_hierarchy, leave_host_mounts  # noqa: E402
from seccomp import compile_profile  # noqa: E402

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "MPLCONFIGDIR": "/tmp/.matplotlib"}
# As in a sandbox: with one core each, more threads only slow each other down.
ENVIRONMENT.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")


def main() -> None:
    setup = json.loads(sys.stdin.readline())
    leave_host_mounts()
    root = f"{setup['state']}/root"
    os.makedirs(root, mode=0o711, exist_ok=True)
    bind_read_only(setup["rootfs"], root)
    if setup["config"] is None:
        furnish_zygote(root)
        os.chroot(root)
        os.chdir("/tmp")
    else:
        hide_mixed_hierarchy()
        write_bundle(setup, root)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def write_bundle(setup: dict[str, Any], root: str) -> None:
    config = setup["config"]
    config["root"]["path"] = root
    # Compiled in advance as by the keeper: otherwise the runtime spends ten milliseconds on it at each start.
    program = base64.b64encode(compile_profile(config["linux"]["seccomp"])).decode()
    config["annotations"] = {"run.oci.seccomp_bpf_data": program}
    os.chmod(setup["state"], 0o711)
    with open(f"{setup['state']}/config.json", "w") as file:
        json.dump(config, file)


def run(command: list[str]) -> tuple[int, str]:
    reading, writing = os.pipe()
    nothing = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)
    pid = os.posix_spawn(command[0], command, ENVIRONMENT, file_actions=[nothing, (os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    with open(reading, "rb") as output:
        text = output.read().decode("utf-8", "replace")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


main()
