"""Places the worker's files in the working folder, before the code runs and between the cells of a session."""

from __future__ import annotations

import os

from runner.files.file_names import name_problem

# A file as the code got it: inode, size in bytes, modification time in nanoseconds.
Mark = tuple[int, int, int]
# Input files are made this old, so that any write shows even on a coarse clock.
_AGE_NS = 2_000_000_000


_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Hidden, so that the remains of a broken transfer are not collected. Requests cannot use the name: `fileNameProblem`.
_UNFINISHED = ".unfinished-input"


class InputFiles:
    """
    Receives files one after another. `marks` then separates unchanged files from those that the code wrote.

    A file is written under a temporary name and renamed when complete. It replaces a link or pipe that the code left under the
    name, and never follows it. Files that cannot be placed are read past and reported in `problems`.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open = False
        self._fd = -1
        self._parent = -1
        self._name = ""
        self.marks: dict[str, Mark] = {}
        self.problems: list[dict[str, str]] = []

    def begin(self, name: object) -> None:
        """Raises ValueError for an invalid name."""
        if self._open:
            raise ValueError("a file begins inside another")
        if not isinstance(name, str) or name_problem(name) is not None:
            raise ValueError("not the name of a file")
        self._open = True
        self._name = name
        try:
            self._parent = self._open_parent(name, create=True)
            try:
                os.unlink(_UNFINISHED, dir_fd=self._parent)
            except FileNotFoundError:
                pass
            self._fd = os.open(_UNFINISHED, _FILE_FLAGS, 0o644, dir_fd=self._parent)
        except OSError as error:
            self._give_up(error)

    def write(self, data: bytes | memoryview) -> None:
        if not self._open:
            raise ValueError("a chunk of no file")
        if self._fd < 0:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._give_up(error)

    def end(self, complete: bool = True) -> None:
        if not self._open:
            raise ValueError("the end of no file")
        self._open = False
        if self._fd < 0:
            return
        try:
            if complete:
                status = os.fstat(self._fd)
                modified = status.st_mtime_ns - _AGE_NS
                os.utime(self._fd, ns=(modified, modified))
                os.rename(_UNFINISHED, self._name.rpartition("/")[2], src_dir_fd=self._parent, dst_dir_fd=self._parent)
                self.marks[self._name] = (status.st_ino, status.st_size, modified)
            else:
                os.unlink(_UNFINISHED, dir_fd=self._parent)
        except OSError as error:
            self._give_up(error)
        self._close()

    def remove(self, name: object) -> None:
        """Deletes a file. A missing file is not a problem; a failure is reported in `problems`."""
        if not isinstance(name, str) or name_problem(name) is not None:
            raise ValueError("not the name of a file")
        self.marks.pop(name, None)
        try:
            parent = self._open_parent(name, create=False)
            try:
                os.unlink(name.rpartition("/")[2], dir_fd=parent)
            finally:
                os.close(parent)
        except FileNotFoundError:
            pass
        except OSError as error:
            self.problems.append({"name": name, "reason": f"it could not be deleted: {error.strerror}"})

    def _open_parent(self, name: str, create: bool) -> int:
        """Opens the folder of a file part by part, so that no folder can be a link."""
        fd = os.open(self._folder, _FOLDER_FLAGS)
        for part in name.split("/")[:-1]:
            try:
                if create:
                    try:
                        os.mkdir(part, 0o755, dir_fd=fd)
                    except FileExistsError:
                        pass
                below = os.open(part, _FOLDER_FLAGS, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        return fd

    def _give_up(self, error: OSError) -> None:
        self.problems.append({"name": self._name, "reason": f"it could not be placed: {error.strerror}"})
        if self._parent >= 0:
            try:
                os.unlink(_UNFINISHED, dir_fd=self._parent)
            except OSError:
                pass
        self._close()

    def _close(self) -> None:
        for fd in (self._fd, self._parent):
            if fd >= 0:
                os.close(fd)
        self._fd = self._parent = -1
