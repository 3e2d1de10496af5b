"""Runs cells in a forked process, as the supervisor does, and returns their outputs."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass, field
from typing import Any

# Beside the tests in the repository; elsewhere in the image, where conftest.py has found it.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

from runner.code import cell

IMAGE_FOLDER = pathlib.Path(cell.__file__).parent.parent

OPTIONAL = {"chart": {"projection"}, "json": {"mime_type"}, "result": {"json"}}
REQUIRED = {
    "image": {"mime_type", "width", "height", "role"},
    "table": {"columns", "rows", "row_count", "truncated", "role"},
    "chart": {"kind", "title", "figure_title", "axes", "series", "truncated"},
    "json": {"data", "role"},
    "html": {"text", "role"},
    "latex": {"text", "role"},
    "markdown": {"text", "role"},
    "result": {"text"},
}


@dataclass
class Ran:
    """The results of one forked process: exit codes of its cells, frames in order, text, files."""

    codes: list[int] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 0
    # The code process reported that it dropped an output.
    dropped: bool = False

    @property
    def code(self) -> int:
        assert len(self.codes) == 1, (self.codes, self.stderr)
        return self.codes[0]

    @property
    def displays(self) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if "type" in frame]

    @property
    def only(self) -> dict[str, Any]:
        assert len(self.frames) == 1, (self.frames, self.stderr)
        return self.frames[0]

    @property
    def error(self) -> dict[str, Any]:
        errors = [frame for frame in self.frames if "type" not in frame]
        assert len(errors) == 1, (self.frames, self.stderr)
        assert self.frames[-1] is errors[0], "the error comes last"
        return errors[0]

    @property
    def types(self) -> list[str]:
        return [frame.get("type", "error") for frame in self.frames]


class _RecordingChannel:
    """Writes frames to files. Binds the functions it needs early, because code may break the interpreter."""

    def __init__(self, folder: str) -> None:
        self._open, self._write, self._size = os.open, os.write, os.fstat
        self._new = os.O_WRONLY | os.O_CREAT
        self._log = os.open(f"{folder}/frames", self._new)
        self._folder = folder
        self._count = 0

    def send(self, kind: int, head: bytes, body: bytes = b"") -> None:
        record = b'{"kind":%d,"head":%s,"at":%d}' % (kind, head or b"{}", self._at())
        file = self._open(f"{self._folder}/body{self._count}", self._new)
        self._count += 1
        self._write(file, body)
        self._write(self._log, record + b"\n")

    def _at(self) -> int:
        try:
            return self._size(1).st_size
        except OSError:
            return -1


def run(*sources: str, stdin: bytes = b"", preload: tuple[str, ...] = (), **bounds: int) -> Ran:
    """Runs each source as a cell of one process. A frame's `at` is the length of stdout before it."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "work").mkdir()
        (folder / "stdin").write_bytes(stdin)
        child = os.fork()
        if child == 0:
            _run_in_child(folder, sources, preload, bounds)
        _, status = os.waitpid(child, 0)
        return _read(folder, status)


def _run_in_child(folder: pathlib.Path, sources: tuple[str, ...], preload: tuple[str, ...], bounds: dict[str, int]) -> None:
    end, write, note = os._exit, os.write, os.open(folder / "codes", os.O_WRONLY | os.O_CREAT)
    try:
        os.chdir(folder / "work")
        appended = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        for fd, (path, flags) in enumerate([("stdin", os.O_RDONLY), ("stdout", appended), ("stderr", appended)]):
            os.dup2(os.open(folder / path, flags), fd)
        errors = os.dup(2)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
        # The test framework records warnings; the code under test prints them.
        importlib.reload(warnings)
        channel = _RecordingChannel(str(folder))
        for module in preload:
            importlib.import_module(module)
        for source in sources:
            write(note, f"{cell.run_cell(source, channel, bounds)}\n".encode())
        end(0)
    except BaseException as error:
        write(errors, f"RUN_CELL RAISED {error!r}\n".encode())
        write(errors, traceback.format_exc().encode())
    finally:
        # Never return into pytest: the code may have broken this interpreter.
        end(99)


def _read(folder: pathlib.Path, status: int) -> Ran:
    ran = Ran(status=status)
    if (folder / "codes").exists():
        ran.codes = [int(line) for line in (folder / "codes").read_text().split()]
    if (folder / "frames").exists():
        for number, line in enumerate((folder / "frames").read_bytes().splitlines()):
            record = json.loads(line)
            head = record["head"]
            if record["kind"] == 0x45 and not head:
                ran.dropped = True
                continue
            # JSON can encode a lone surrogate, but it is not valid text.
            json.dumps(head, ensure_ascii=False).encode("utf-8")
            _assert_shape(record["kind"], head)
            if os.environ.get("CELL_FRAMES_LOG"):
                with open(os.environ["CELL_FRAMES_LOG"], "a") as log:
                    log.write(json.dumps(head) + "\n")
            ran.frames.append({**head, "at": record["at"]})
            ran.bodies.append((folder / f"body{number}").read_bytes())
    ran.stdout = (folder / "stdout").read_text("utf-8", "replace")
    ran.stderr = (folder / "stderr").read_text("utf-8", "replace")
    ran.files = {path.name: path.read_bytes() for path in (folder / "work").iterdir() if path.is_file()}
    assert "RUN_CELL RAISED" not in ran.stderr, ran.stderr
    return ran


def _assert_shape(kind: int, head: dict[str, Any]) -> None:
    if kind == 0x46:
        assert set(head) == {"name", "value", "traceback", "line", "errno"}, head
        assert all(isinstance(line, str) for line in head["traceback"])
        assert head["line"] is None or head["line"] > 0
        return
    assert kind == 0x45
    assert set(head) - {"type", "data"} - OPTIONAL.get(head["type"], set()) == REQUIRED[head["type"]] - {"data"}, head
    if head["type"] != "json":
        assert all(isinstance(form, str) for form in head.get("data", {}).values())
