"""The error output: an exception as Python prints it, without the runner's frames, limited in size."""

from __future__ import annotations

import traceback

from runner.code.hooks import OUR_FOLDER
from runner.outputs import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

_LINE_CHARS_MAX = 4096


def describe_error(error: BaseException, cell: str, lines_max: int, value_bytes_max: int) -> dict[str, Any]:
    """
    Returns the head of an error frame: name, value, traceback, line, errno. `cell` is the file name of the compiled cell, and
    `line` is a line in it.
    """
    frames = _user_frames(error.__traceback__, cell)
    return {
        "name": sanitize.text(sanitize.type_name(error), 1024),
        "value": _value(error, value_bytes_max),
        "traceback": _lines(error, frames, lines_max, value_bytes_max),
        "line": _line(error, frames, cell),
        "errno": _errno(error),
    }


def _user_frames(trace: TracebackType | None, cell: str) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename != cell:
        trace = trace.tb_next
    return trace


def _value(error: BaseException, bytes_max: int) -> str:
    try:
        return sanitize.text(str(error), bytes_max)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "<exception str() failed>"


def _line(error: BaseException, frames: TracebackType | None, cell: str) -> int | None:
    line: int | None = None
    while frames is not None:
        if frames.tb_frame.f_code.co_filename == cell:
            line = frames.tb_lineno
        frames = frames.tb_next
    if line is None and isinstance(error, SyntaxError) and error.filename == cell:
        line = error.lineno
    return line if type(line) is int and line > 0 else None


def _errno(error: BaseException) -> int | None:
    number = error.errno if isinstance(error, OSError) else None
    return number if type(number) is int and abs(number) <= sanitize.SAFE_INTEGER_MAX else None


def _lines(error: BaseException, frames: TracebackType | None, lines_max: int, value_bytes_max: int) -> list[str]:
    try:
        report = traceback.TracebackException(type(error), error, frames, compact=True)
        for part in _all_parts(report):
            _shorten(part, value_bytes_max)
        lines = "".join(report.format()).rstrip("\n").split("\n")
    except KeyboardInterrupt:
        raise
    except BaseException:
        # Exceptions may hold anything where Python expects strings and numbers.
        lines = [f"{sanitize.type_name(error)}: {_value(error, _LINE_CHARS_MAX)}"]
    return [sanitize.text(line, _LINE_CHARS_MAX) for line in _head_and_tail(lines, lines_max)]


def _all_parts(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """Yields the exception, its causes, contexts and group members."""
    waiting = [report]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += [other for other in (part.__cause__, part.__context__) if other is not None]
        waiting += part.exceptions or []


def _shorten(part: traceback.TracebackException, value_bytes_max: int) -> None:
    """Drops the runner's frames, and cuts a long message before it is repeated."""
    part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(OUR_FOLDER)]
    message = getattr(part, "_str", None)
    if isinstance(message, str) and len(message) > value_bytes_max:
        part._str = message[:value_bytes_max] + sanitize.CUT  # type: ignore[attr-defined]


def _head_and_tail(lines: list[str], lines_max: int) -> list[str]:
    if len(lines) <= lines_max:
        return lines
    head = (lines_max - 1) // 2
    tail = lines_max - 1 - head
    return [*lines[:head], f"  … {len(lines) - head - tail} lines …", *(lines[-tail:] if tail > 0 else [])]
