"""Finds the files that the code left in the working folder, after all processes that could change them have ended.

Trusts nothing it finds: never follows a link, opens only regular files and without blocking, and limits depth, count, bytes
and time. Every skipped file has a reason, except hidden files and folders, Python's caches, and unchanged input files.
"""

from __future__ import annotations

import os
import time
from stat import S_ISDIR, S_ISLNK, S_ISREG

from runner.files.file_names import DEPTH_MAX, name_problem, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.files.inputs import Mark

ENTRIES_MAX = 10_000
SKIPPED_MAX = 64
CHUNK_BYTES = 256 * 1024
COARSE_CLOCK_NS = 20_000_000
_IGNORED_FOLDERS = frozenset(("__pycache__",))
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Found:
    """One file to send."""

    __slots__ = ("change", "inode", "name", "size")

    def __init__(self, name: str, change: str, status: os.stat_result) -> None:
        self.name = name
        self.change = change
        self.size = status.st_size
        self.inode = (status.st_dev, status.st_ino)


class Collection:
    """The files of one run. Reading it adds to `skipped` and may set `truncated`."""

    def __init__(self, folder: str, marks: Mapping[str, Mark], bounds: Mapping[str, int]) -> None:
        self._folder = folder
        self._marks = marks
        self._files_count = bounds["files_count"]
        self._file_bytes = bounds["file_bytes"]
        self._files_bytes = bounds["files_bytes"]
        self._deadline = time.monotonic() + bounds["collect_timeout_ms"] / 1000
        self._entries = 0
        self._found: list[Found] = []
        # The mark of every file seen. With `whole`, no file is missing.
        self.met: dict[str, Mark] = {}
        self.whole = True
        self.skipped: list[dict[str, str]] = []
        self.truncated = False

    def files(self) -> Iterator[tuple[Found, int]]:
        """Yields the files to send by name, each with a borrowed file descriptor, valid only until the next file."""
        self._walk(self._folder, None, "", 1)
        self._found.sort(key=lambda found: found.name)
        count = total = 0
        seen: dict[tuple[int, int], str] = {}
        for found in self._found:
            if found.inode in seen:
                self._skip(found.name, f"it is the same file as {seen[found.inode]}")
            elif found.size > self._file_bytes:
                self._leave_out(found.name, f"it has {found.size} bytes, more than {self._file_bytes}")
            elif count >= self._files_count:
                self._leave_out(found.name, f"there are more than {self._files_count} files")
            elif total + found.size > self._files_bytes:
                self._leave_out(found.name, f"the files together have more than {self._files_bytes} bytes")
            elif self.wait_s() == 0:
                self._leave_out(found.name, "there was no time left to collect it")
            else:
                fd = self._open(found)
                if fd is None:
                    self._leave_out(found.name, "it cannot be opened")
                    continue
                seen[found.inode] = found.name
                count += 1
                total += found.size
                try:
                    yield found, fd
                finally:
                    os.close(fd)

    def chunks(self, found: Found, fd: int) -> Iterator[bytes]:
        """Yields a file's bytes up to its announced size; fewer if it cannot be read or time is up."""
        left = found.size
        while left > 0:
            if self.wait_s() == 0:
                self.truncated = True
                return
            try:
                data = os.read(fd, min(left, CHUNK_BYTES))
            except OSError:
                return
            if not data:
                return
            left -= len(data)
            yield data

    def settle(self) -> dict[str, Mark]:
        """
        Returns the marks for comparison after the next cell. Sets the times of files written just now back a little, so that any
        later write shows even on a coarse clock.
        """
        newest = time.time_ns() - COARSE_CLOCK_NS
        for name, (inode, size, modified) in self.met.items():
            if modified > newest:
                aged = modified - COARSE_CLOCK_NS
                try:
                    os.utime(f"{self._folder}/{name}", ns=(aged, aged), follow_symlinks=False)
                except (OSError, ValueError):
                    continue
                self.met[name] = (inode, size, aged)
        return self.met

    def wait_s(self) -> float:
        """Returns the time left in seconds."""
        return max(0.0, self._deadline - time.monotonic())

    def _walk(self, name: str, parent: int | None, prefix: str, depth: int) -> None:
        try:
            fd = os.open(name, _OPEN_FLAGS | os.O_DIRECTORY, dir_fd=parent)
        except OSError:
            self.whole = False
            self._skip(prefix or "/", "the folder cannot be opened")
            return
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    self._entries += 1
                    if self._entries > ENTRIES_MAX or self.wait_s() == 0:
                        self.truncated = True
                        self.whole = False
                        return
                    self._visit(entry, fd, prefix + entry.name, depth)
        except OSError:
            self.whole = False
            self._skip(prefix or "/", "the folder cannot be read")
        finally:
            os.close(fd)

    def _visit(self, entry: os.DirEntry[str], parent: int, path: str, depth: int) -> None:
        if entry.name.startswith(".") or entry.name in _IGNORED_FOLDERS:
            return
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            self._skip(path, "it cannot be examined")
            return
        if S_ISDIR(status.st_mode):
            if depth >= DEPTH_MAX:
                self._skip(path, f"it lies deeper than {DEPTH_MAX} folders")
            else:
                self._walk(entry.name, parent, path + "/", depth + 1)
            return
        if not S_ISREG(status.st_mode):
            self._skip(path, "it is a symbolic link" if S_ISLNK(status.st_mode) else "it is not a regular file")
            return
        mark = self._marks.get(path)
        self.met[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
        if mark == self.met[path]:
            return
        problem = name_problem(path)
        if problem is not None:
            self._skip(path, problem)
            return
        self._found.append(Found(path, "created" if mark is None else "modified", status))

    def _open(self, found: Found) -> int | None:
        """Opens the path part by part, so that no folder can be a link. The file must still be the one examined."""
        fd = -1
        try:
            fd = os.open(self._folder, _OPEN_FLAGS | os.O_DIRECTORY)
            *parents, last = found.name.split("/")
            for parent in parents:
                below = os.open(parent, _OPEN_FLAGS | os.O_DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = below
            file = os.open(last, _OPEN_FLAGS, dir_fd=fd)
        except OSError:
            return None
        finally:
            if fd >= 0:
                os.close(fd)
        status = os.fstat(file)
        if S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) == found.inode:
            return file
        os.close(file)
        return None

    def _leave_out(self, name: str, reason: str) -> None:
        self.truncated = True
        self._skip(name, reason)

    def _skip(self, name: str, reason: str) -> None:
        if len(self.skipped) < SKIPPED_MAX:
            self.skipped.append({"name": printable(name), "reason": reason})
