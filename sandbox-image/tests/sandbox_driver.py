"""Starts the image's runner as the first process of a process namespace, and talks to it as the worker does."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Self

from runner.wire import protocol

HEADER = struct.Struct(">BII")
NAMES = {code: name for name, code in protocol.OUT_KIND_NAMES.items()}
BOUNDS: dict[str, Any] = {
    "timeout_ms": 10_000,
    "args": [],
    "env": {},
    "stdout_kept_bytes": 1 << 20,
    "stderr_kept_bytes": 1 << 20,
    "output_stop_bytes": 64 << 20,
    "outputs_count": 256,
    "display_bytes": 8 << 20,
    "displays_bytes": 32 << 20,
    "display_values": 250_000,
    "displays_values": 500_000,
    "table_rows": 1000,
    "table_columns": 200,
    "chart_points": 10_000,
    "text_value_bytes": 256 << 10,
    "traceback_lines": 200,
    "files_count": 32,
    "file_bytes": 32 << 20,
    "files_bytes": 64 << 20,
    "collect_timeout_ms": 10_000,
}
ENTRY_POINT = [
    "/usr/bin/python3", "-I", "-S", "-B", "-c",
    "import sys; sys.path[:0] = ['/opt']; sys.path += ['/usr/local/lib/python3.13/dist-packages',"
    " '/usr/lib/python3/dist-packages']; import runner.__main__",
]  # fmt: skip
# Does what Docker does for a sandbox. The mounts are made as root; the runner gets no privileges.
_ENTER = """
mount -t proc proc /proc
mount -t tmpfs -o size=16m,mode=0700,uid=65532,gid=65532 tmpfs /mnt/data
mount -t tmpfs -o size=16m,mode=1777 tmpfs /tmp
cd /mnt/data
ulimit -c 0
exec setpriv --reuid 65532 --regid 65532 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


@dataclass
class Frame:
    kind: str
    head: dict[str, Any]
    body: bytes


@dataclass
class Result:
    """What the runner sent for one run."""

    frames: list[Frame]
    done: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def stdout(self) -> str:
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        return self._text("stderr")

    def heads(self, kind: str) -> list[dict[str, Any]]:
        return [frame.head for frame in self.frames if frame.kind == kind]

    @property
    def reasons(self) -> dict[str, str]:
        return {entry["name"]: entry["reason"] for entry in self.done["skipped_files"]}

    def _text(self, kind: str) -> str:
        return b"".join(frame.body for frame in self.frames if frame.kind == kind).decode("utf-8", "replace")


class Sandbox:
    def __init__(self) -> None:
        enter = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--ipc", "sh", "-e", "-c", _ENTER, "enter"]
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.process = subprocess.Popen([*enter, *ENTRY_POINT], stdin=-1, stdout=-1, env=environment, bufsize=0)
        self.write(protocol.PREAMBLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(20)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                pass

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) :]

    def send(self, kind: str, head: dict[str, Any] | None = None, body: bytes = b"") -> None:
        head_bytes = b"" if head is None else json.dumps(head).encode()
        self.write(HEADER.pack(protocol.KIND_NAMES[kind], len(head_bytes), len(body)) + head_bytes + body)

    def send_file(self, name: str, data: bytes) -> None:
        self.send("file", {"name": name})
        self.send("chunk", None, data)
        self.send("file_end")

    def read(self) -> Frame | None:
        header = self._read_bytes(HEADER.size)
        if header is None:
            return None
        kind, head_bytes, body_bytes = HEADER.unpack(header)
        head = self._read_bytes(head_bytes)
        body = self._read_bytes(body_bytes)
        assert head is not None and body is not None, "the stream ended inside a frame"
        return Frame(NAMES[kind], json.loads(head) if head else {}, body)

    def read_until(self, kind: str) -> list[Frame]:
        frames = []
        while True:
            frame = self.read()
            assert frame is not None, f"the stream ended before {kind}"
            frames.append(frame)
            if frame.kind == kind:
                return frames

    def start(self, code: str, stdin: bytes = b"", **bounds: Any) -> None:
        self.read_until("ready")
        if stdin:
            self.send("stdin", None, stdin)
        self.send("run", {**BOUNDS, **bounds}, code.encode("utf-8", "surrogatepass"))

    def result(self) -> Result:
        frames = self.read_until("done")
        result = Result(frames, frames[-1].head)
        name = ""
        for frame in frames:
            if frame.kind == "file":
                name = frame.head["name"]
                result.files[name] = b""
                result.changes[name] = frame.head["change"]
            elif frame.kind == "chunk":
                result.files[name] += frame.body
            elif frame.kind == "file_end":
                assert frame.head == {"complete": True}
        return result

    def _read_bytes(self, count: int) -> bytes | None:
        assert self.process.stdout is not None
        data = b""
        while len(data) < count:
            more = self.process.stdout.read(count - len(data))
            if not more:
                return None
            data += more
        return data


class Session(Sandbox):
    def __init__(self) -> None:
        super().__init__()
        self.read_until("ready")

    def cell(self, code: str, stdin: bytes = b"", **bounds: Any) -> Result:
        if stdin:
            self.send("stdin", None, stdin)
        self.send("run", {**BOUNDS, "session": True, **bounds}, code.encode())
        return self.result()


def run(code: str, stdin: bytes = b"", files: dict[str, bytes] | None = None, preload: tuple[str, ...] = (), **bounds: Any) -> Result:
    """Runs `code` in a fresh sandbox."""
    with Sandbox() as sandbox:
        for name, data in (files or {}).items():
            sandbox.send_file(name, data)
        for module in preload:
            sandbox.send("preload", {"module": module})
        sandbox.start(code, stdin, **bounds)
        return sandbox.result()


if __name__ == "__main__":
    print(run(sys.stdin.read()).done)
