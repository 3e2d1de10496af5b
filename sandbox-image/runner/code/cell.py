"""Runs one cell of user code the way a notebook does, and sends what it shows.

The path of `print(1)` imports nothing but `linecache`; everything else waits until the code asks for it.
"""

from __future__ import annotations

import _ast
import builtins
import linecache
import os
import sys

from runner.code import hooks
from runner.outputs import sender as out

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from types import CodeType, ModuleType
    from typing import Any

_ONLY_AST = 0x400
_TOP_LEVEL_AWAIT = 0x2000
_COROUTINE = 0x80
# Compiler flags of `from __future__ import …`, which hold for the cells that follow.
_FUTURE_FLAGS = 0x1FE0000
EXIT_INTERRUPTED = 130


def run_cell(source: str, channel: out.Channel, bounds: dict[str, Any]) -> int:
    """
    Runs `source` as the next cell of `__main__` and returns the exit code that Python would end with.

    Displays go to `channel` as they appear; an exception goes there as the last frame and is no error of ours.
    """
    global _session  # noqa: PLW0603
    if _session is None:
        _session = Session()
    outputs = out.current = out.Outputs(channel, bounds)
    cell = ""
    code = 0
    failure: BaseException | None = None
    try:
        cell = _session.next_cell_name(source)
        value = _session.run(source, cell)
        if value is not None:
            builtins._ = value  # type: ignore[attr-defined]
            _show_result(value, outputs)
    except SystemExit as end:
        code = _exit_code(end)
    except KeyboardInterrupt as error:
        code, failure = EXIT_INTERRUPTED, error
    except BaseException as error:
        code, failure = 1, error
    _show_open_figures(outputs)
    if failure is not None:
        _show_error(failure, cell, outputs)
    out.flush_streams()
    return code


def end_session() -> None:
    """Cancels the tasks of code that awaited, as asyncio.run() does, and lets go of the `__main__` module."""
    global _session
    session, _session = _session, None
    if session is not None:
        session.close_event_loop()


class Session:
    """The `__main__` module that the cells of one process share."""

    def __init__(self) -> None:
        module_type = type(sys)
        self.main: ModuleType = module_type("__main__")
        self.main.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = self.main
        self._cells = 0
        self._future_flags = 0
        self._loop: asyncio.Runner | None = None
        self._spare = -1
        builtins.display = display  # type: ignore[attr-defined]
        os.environ.setdefault("MPLBACKEND", hooks.BACKEND)
        hooks.install(display)

    def next_cell_name(self, source: str) -> str:
        """Returns the file name of the cell, and makes its lines known to tracebacks, warnings and inspect."""
        if self._spare < 0:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._cells += 1
        cell = "<cell>" if self._cells == 1 else f"<cell {self._cells}>"
        linecache.cache[cell] = (len(source), None, [f"{line}\n" for line in source.split("\n")], cell)
        return cell

    def give_spare_descriptor(self) -> None:
        """Code that has used up all descriptors gets its error described all the same, by modules that are read only then."""
        if self._spare >= 0:
            try:
                os.close(self._spare)
            except OSError:
                # The code closed it.
                pass
            self._spare = -1

    def run(self, source: str, cell: str) -> Any:
        """Returns the value of the last expression, None when there is none or a semicolon hides it."""
        parts = self._compile(source, cell)
        if not any(part.co_flags & _COROUTINE for part in parts):
            return self._evaluate(parts)
        if self._loop is None:
            import asyncio

            self._loop = asyncio.Runner()
        return self._loop.run(self._evaluate_awaiting(parts))

    def close_event_loop(self) -> None:
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _evaluate(self, parts: list[CodeType]) -> Any:
        value = None
        for part in parts:
            value = eval(part, self.main.__dict__)
        return value

    async def _evaluate_awaiting(self, parts: list[CodeType]) -> Any:
        """As `_evaluate`, all of it inside the event loop, so that code beside an await may start tasks."""
        value = None
        for part in parts:
            value = eval(part, self.main.__dict__)
            if part.co_flags & _COROUTINE:
                value = await value
        return value

    def _compile(self, source: str, cell: str) -> list[CodeType]:
        """Returns the code of the statements, then that of the last expression if it is to be shown."""
        flags = _TOP_LEVEL_AWAIT | self._future_flags
        tree = None
        try:
            tree = compile(source, cell, "exec", flags | _ONLY_AST, True)
        except SyntaxError:
            if not _has_shell_lines(source):
                raise
        # Outside the except clause, so that an error of the second attempt does not drag the first along.
        if tree is None:
            from runner.code.magics import to_python

            source = to_python(source, self, cell)
            tree = compile(source, cell, "exec", flags | _ONLY_AST, True)
        assert isinstance(tree, _ast.Module)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, _ast.Expr) or _ends_in_semicolon(source, last):
            return [self._statements(tree, cell, flags)]
        del tree.body[-1]
        return [
            self._statements(tree, cell, flags),
            compile(_ast.Expression(last.value), cell, "eval", flags, True),
        ]

    def _statements(self, tree: _ast.Module, cell: str, flags: int) -> CodeType:
        body: CodeType = compile(tree, cell, "exec", flags, True)
        self._future_flags |= body.co_flags & _FUTURE_FLAGS
        return body


_session: Session | None = None


def display(*values: Any, **options: Any) -> Any:
    """Shows values as rich output, as in a notebook; options are those of IPython's display()."""
    from runner.outputs.displays import display_all

    return display_all(values, options)


def _show_result(value: Any, outputs: out.Outputs) -> None:
    from runner.outputs.displays import show_value

    show_value(value, outputs, "result")


def _show_open_figures(outputs: out.Outputs) -> None:
    if "matplotlib._pylab_helpers" not in sys.modules:
        return
    try:
        from runner.outputs.figures import show_open_figures

        show_open_figures(outputs)
    except BaseException as error:
        print(f"open figures could not be drawn: {type(error).__name__}: {error}"[:2000], file=sys.stderr)


def _show_error(error: BaseException, cell: str, outputs: out.Outputs) -> None:
    if _session is not None:
        _session.give_spare_descriptor()
    try:
        from runner.code.tracebacks import describe_error

        head = describe_error(error, cell, outputs.traceback_lines, outputs.text_value_bytes)
    except BaseException:
        # The code has taken the interpreter apart: no imports any more, say, or no built-in functions.
        head = {"name": "Exception", "value": "the error can not be described", "traceback": [], "line": None, "errno": None}
    outputs.fail(head)
    # The frames hold every local variable of the failed code, which the next cells shall not pay for.
    error.__traceback__ = None


def _exit_code(end: SystemExit) -> int:
    code = end.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    try:
        print(code, file=sys.stderr)
    except Exception:
        # Python, too, ends with 1 when the message can not be printed.
        pass
    return 1


def _ends_in_semicolon(source: str, last: _ast.Expr) -> bool:
    # Lines and columns of the parser count bytes, and form feeds do not end its lines.
    lines = source.encode("utf-8", "surrogatepass").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return lines[(last.end_lineno or 1) - 1][last.end_col_offset or 0 :].lstrip().startswith(b";")


def _has_shell_lines(source: str) -> bool:
    return any(line.lstrip().startswith(("!", "%")) or "= !" in line or "= %" in line for line in source.splitlines())
