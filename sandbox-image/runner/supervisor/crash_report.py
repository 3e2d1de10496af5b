"""What Python reports when the code crashes it, without the frames of the runner below the code's own.

faulthandler writes where it is told by descriptor, from a signal handler, and cannot leave frames out. So it writes to a file in
memory, which the supervisor reads once the code has ended.
"""

from __future__ import annotations

import os

_BYTES_MAX = 64 * 1024
_FRAME = b"  File "
_OURS = b'  File "/opt/runner/'


class CrashReport:
    """A file in memory. `fd` is inherited by the code process, which may write anything to it."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("crash")
        self._read = 0

    def take(self) -> bytes:
        """Returns what was written since the last call, at most 64 KiB, without the runner's frames."""
        data = os.pread(self.fd, _BYTES_MAX, self._read)
        self._read += len(data)
        return without_our_frames(data)

    def close(self) -> None:
        os.close(self.fd)


def without_our_frames(report: bytes) -> bytes:
    """Frames come innermost first, so those below the first of ours led into the code."""
    lines = []
    ours = False
    for line in report.splitlines(keepends=True):
        ours = line.startswith(_OURS) or (ours and line.startswith(_FRAME))
        if not ours:
            lines.append(line)
    return b"".join(lines)
