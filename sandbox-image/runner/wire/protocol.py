"""The protocol between worker and runner: length-prefixed frames. `src/sandbox/wire/frames.ts` is its specification.

offset 0   1 byte    kind
       1   4 bytes   length of head, unsigned, big endian
       5   4 bytes   length of body, unsigned, big endian
       9   head      JSON object in UTF-8, or nothing
       .   body      raw bytes
"""

from __future__ import annotations

from _struct import Struct

from runner.wire import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

PROTOCOL = 1
PREAMBLE = b"\n#code-interpreter/1\n"
HEADER = Struct(">BII")

# From the worker.
IN_FILE, IN_CHUNK, IN_FILE_END, IN_STDIN, IN_RUN, IN_INTERRUPT, IN_CLOSE, IN_PRELOAD, IN_REMOVE, IN_TOOL_ANSWER = range(0x01, 0x0B)
IN_KINDS = frozenset(range(0x01, 0x0B))

# To the worker.
READY, PRELOADED, STDOUT, STDERR, DISPLAY, ERROR, FILE, CHUNK, FILE_END, DONE = range(0x41, 0x4B)
# What the code process may send over its channel. CELL_END: the program or the cell has ended, {exit_code} and in a session {cell}.
# CELL_BEGIN, in a session only: from now on an interrupt reaches the cell, {cell}. SYNC: asks only for the acknowledgement.
CELL_END, CELL_BEGIN, SYNC = 0x4B, 0x4C, 0x4D
CELL_KINDS = frozenset((DISPLAY, ERROR, CELL_END, CELL_BEGIN, SYNC))
# To the code process of a session, between two cells: it leaves a copy of itself, at the socket that comes along.
COPY = 0x51
# To the worker again: the code calls a tool; the code only waits for answers.
TOOL_CALL, TOOL_WAIT = 0x4E, 0x4F
# And: the runner has the code.
STARTED = 0x50

# Limits of the worker's frames. A head holds arguments and environment; JSON needs six bytes for a control character.
# `src/domain/limits.ts` keeps requests below these limits.
IN_HEAD_BYTES_MAX = 8 * 1024 * 1024
IN_BODY_BYTES_MAX = 16 * 1024 * 1024

_PASSED_ON = frozenset((IN_CHUNK, CHUNK))

KIND_NAMES = {
    "file": IN_FILE, "chunk": IN_CHUNK, "file_end": IN_FILE_END, "stdin": IN_STDIN,
    "run": IN_RUN, "interrupt": IN_INTERRUPT, "close": IN_CLOSE, "preload": IN_PRELOAD, "remove": IN_REMOVE,
    "tool_answer": IN_TOOL_ANSWER,
}  # fmt: skip
OUT_KIND_NAMES = {
    "ready": READY, "preloaded": PRELOADED, "stdout": STDOUT, "stderr": STDERR, "display": DISPLAY,
    "error": ERROR, "file": FILE, "chunk": CHUNK, "file_end": FILE_END, "done": DONE,
    "tool_call": TOOL_CALL, "tool_wait": TOOL_WAIT, "started": STARTED,
}  # fmt: skip


class WireError(Exception):
    """The bytes cannot be a frame."""


class Frame:
    """One frame. `oversize` marks frames over the reader's limits; their head and body are dropped."""

    __slots__ = ("body", "head", "kind", "oversize", "values")

    def __init__(self, kind: int, head: dict[str, Any], body: bytes | memoryview, oversize: bool = False, values: int = 0) -> None:
        self.kind = kind
        self.head = head
        self.body = body
        self.oversize = oversize
        # Values in the head. Counted only where their number is limited.
        self.values = values


def encode(kind: int, head: Mapping[str, object] | None = None, body: bytes | memoryview = b"") -> bytes:
    """Returns the bytes of one frame."""
    return encode_spelled(kind, b"" if head is None else jsontext.spell(head), body)


def encode_spelled(kind: int, head: bytes, body: bytes | memoryview = b"") -> bytes:
    """Like `encode`, for a head that is already JSON text."""
    return HEADER.pack(kind, len(head), len(body)) + head + body


def header(kind: int, body_bytes: int) -> bytes:
    """Returns the header of a frame without a head, for a body that is written separately to avoid a copy."""
    return HEADER.pack(kind, 0, body_bytes)


class FrameParser:
    """Incremental parser of frames.

    `push` takes any slice of the stream and yields the frames that it completes; frames that are not read are lost. It raises
    WireError at the first byte that cannot belong to a frame, and the parser is then unusable. Holds at most one frame.
    With `skip_oversize`, frames over the limits are skipped and yielded empty; so are heads with more than `head_values_max` values.
    The body of a file chunk is yielded as it arrives, in as many frames as slices: large files are not gathered and copied.
    These bodies are borrowed views of the pushed data, valid only until the next push.
    """

    def __init__(
        self,
        kinds: frozenset[int],
        head_bytes_max: int,
        body_bytes_max: int,
        skip_oversize: bool = False,
        head_values_max: int | None = None,
    ) -> None:
        self._kinds = kinds
        self._head_bytes_max = head_bytes_max
        self._body_bytes_max = body_bytes_max
        self._skip_oversize = skip_oversize
        self._head_values_max = head_values_max
        self._held = bytearray()
        self._kind = 0
        # Bytes of head and body that the last header announced; None while waiting for a header.
        self._needed: tuple[int, int] | None = None
        self._skip_bytes = 0
        self._pass_bytes = 0

    def push(self, data: bytes | memoryview) -> Iterator[Frame]:
        left = memoryview(data)
        while True:
            if self._skip_bytes:
                skipped = min(self._skip_bytes, len(left))
                left = left[skipped:]
                self._skip_bytes -= skipped
                if self._skip_bytes:
                    return
                yield Frame(self._kind, {}, b"", oversize=True)
            elif self._pass_bytes:
                if not left:
                    return
                body = left[: self._pass_bytes]
                left = left[len(body) :]
                self._pass_bytes -= len(body)
                yield Frame(self._kind, {}, body)
            elif self._needed is None:
                gathered = self._gather(left, HEADER.size)
                if gathered is None:
                    return
                header, left = gathered
                self._begin(*HEADER.unpack(header))
            else:
                head_bytes, body_bytes = self._needed
                gathered = self._gather(left, head_bytes + body_bytes)
                if gathered is None:
                    return
                frame, left = gathered
                self._needed = None
                values = 0 if self._head_values_max is None else jsontext.count_values(frame[:head_bytes])
                if self._head_values_max is not None and values > self._head_values_max:
                    yield Frame(self._kind, {}, b"", oversize=True)
                    continue
                try:
                    head = jsontext.parse_object(frame[:head_bytes])
                except jsontext.JsonError as error:
                    raise WireError("frame head is not a JSON object") from error
                yield Frame(self._kind, head, frame[head_bytes:], values=values)

    def _gather(self, data: memoryview, count: int) -> tuple[bytes, memoryview] | None:
        """Returns the next `count` bytes and the rest of `data`. Keeps `data` and returns None when they have not all arrived."""
        missing = count - len(self._held)
        if len(data) < missing:
            self._held += data
            return None
        if not self._held:
            return bytes(data[:count]), data[count:]
        self._held += data[:missing]
        gathered = bytes(self._held)
        self._held.clear()
        return gathered, data[missing:]

    def _begin(self, kind: int, head_bytes: int, body_bytes: int) -> None:
        self._kind = kind
        if self._exceeds(head_bytes, body_bytes):
            self._skip_bytes = head_bytes + body_bytes
        elif kind in _PASSED_ON and head_bytes == 0 and body_bytes > 0:
            self._pass_bytes = body_bytes
        else:
            self._needed = (head_bytes, body_bytes)

    def _exceeds(self, head_bytes: int, body_bytes: int) -> bool:
        """Returns whether the announced frame is over the limits and may be skipped. Raises WireError if it may not."""
        if self._kind not in self._kinds:
            raise WireError(f"unknown frame kind {self._kind}")
        if head_bytes <= self._head_bytes_max and body_bytes <= self._body_bytes_max:
            return False
        if self._skip_oversize:
            return True
        raise WireError(f"frame of kind {self._kind} announces {head_bytes} + {body_bytes} bytes")


class PreambleFilter:
    """Drops the bytes before the worker's preamble: an engine may leak part of its attach request into stdin."""

    def __init__(self) -> None:
        self._held = b""
        self._seen = False

    def pass_on(self, data: bytes | memoryview) -> bytes | memoryview:
        if self._seen:
            return data
        self._held += data
        at = self._held.find(PREAMBLE)
        if at < 0:
            self._held = self._held[-len(PREAMBLE) + 1 :]
            return b""
        self._seen = True
        return self._held[at + len(PREAMBLE) :]
