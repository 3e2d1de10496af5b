"""Becomes a zygote: runs the sandbox image's interpreter in the sandbox image's root file system."""

from __future__ import annotations

import os
import sys

from mounts import furnish_zygote, leave_host_mounts

_BOOT = (
    "import sys; sys.path[:0] = ['/opt']; "
    "sys.path += ['/usr/local/lib/python3.13/dist-packages', '/usr/lib/python3/dist-packages']; import runner.oci.zygote as z; "
    "sys.path.remove('/opt'); z.serve(int(sys.argv[1]))"
)
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"}


def main() -> None:
    root, fd = sys.argv[1:]
    os.setsid()
    leave_host_mounts()
    furnish_zygote(root)
    os.chroot(root)
    os.chdir("/")
    os.execve("/usr/bin/python3", ["python3", "-I", "-S", "-B", "-c", _BOOT, fd], _ENVIRONMENT)


main()
