"""Files that the worker places in the working folder before the code runs."""

from __future__ import annotations

import os

from runner.names import name_problem

# What a file looked like when the code got it: inode, size, time of modification in nanoseconds.
Mark = tuple[int, int, int]
# Input files are made to look this old, so that any write shows, however coarse the kernel's clock.
_AGE_NS = 2_000_000_000


class InputFiles:
    """Receives files one after another; `marks` then tells the untouched ones from those the code wrote."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._fd = -1
        self._name = ""
        self.marks: dict[str, Mark] = {}

    def begin(self, name: object) -> None:
        """Creates the file and its folders. Raises ValueError for a name that is none, OSError when it can not be made."""
        if self._fd >= 0:
            raise ValueError("a file begins inside another")
        if not isinstance(name, str) or name_problem(name) is not None:
            raise ValueError("not the name of a file")
        path = self._folder
        *parents, last = name.split("/")
        for parent in parents:
            path = f"{path}/{parent}"
            try:
                os.mkdir(path, 0o755)
            except FileExistsError:
                pass
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(f"{path}/{last}", flags, 0o644)
        self._name = name

    def write(self, data: bytes) -> None:
        if self._fd < 0:
            raise ValueError("a chunk of no file")
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def end(self) -> None:
        if self._fd < 0:
            raise ValueError("the end of no file")
        status = os.fstat(self._fd)
        modified = status.st_mtime_ns - _AGE_NS
        os.utime(self._fd, ns=(modified, modified))
        self.marks[self._name] = (status.st_ino, status.st_size, modified)
        os.close(self._fd)
        self._fd = -1
