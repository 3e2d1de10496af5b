"""Runs one cell of user code as a notebook does, and sends what it shows.

`print(1)` imports nothing but `linecache`. All other modules are imported when the code needs them.
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

    from runner.tools.functions import CellTools

_ONLY_AST = 0x400
_TOP_LEVEL_AWAIT = 0x2000
_COROUTINE = 0x80
# Compiler flags of `from __future__ import …`, which apply to later cells too.
_FUTURE_FLAGS = 0x1FE0000
EXIT_INTERRUPTED = 130


def run_cell(source: str, channel: out.Channel, bounds: dict[str, Any], tools: CellTools | None = None) -> int:
    """
    Runs `source` as the next cell of `__main__`, which may call `tools`. Returns Python's exit code.

    Displays are sent to `channel` as they appear. An exception is sent as the last frame; it is not an error of ours.
    """
    global _session  # noqa: PLW0603
    if _session is None:
        _session = Session()
    outputs = out.current = out.Outputs(channel, bounds)
    _session.tools = tools
    if tools is not None:
        tools.define(_session.main.__dict__)
    source = source.removeprefix("\ufeff")
    cell = ""
    code = 0
    failure: BaseException | None = None
    try:
        cell = _session.next_cell_name(source)
        value = _session.run(source)
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
    """Cancels the tasks that awaiting code left, as asyncio.run() does, and releases the `__main__` module."""
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
        # File name of the current cell's code.
        self.cell = ""
        self._cells = 0
        self._future_flags = 0
        self._loop: asyncio.Runner | None = None
        self._spare = -1
        self.tools: CellTools | None = None
        builtins.display = display  # type: ignore[attr-defined]
        builtins.get_ipython = get_ipython  # type: ignore[attr-defined]
        os.environ.setdefault("MPLBACKEND", hooks.BACKEND)
        hooks.install(display)

    def next_cell_name(self, source: str) -> str:
        """Returns the file name of the cell, and registers its lines for tracebacks, warnings and inspect."""
        if self._spare < 0:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._cells += 1
        self.cell = cell = "<cell>" if self._cells == 1 else f"<cell {self._cells}>"
        linecache.cache[cell] = (len(source), None, [f"{line}\n" for line in source.split("\n")], cell)
        return cell

    def free_spare_descriptor(self) -> None:
        """Frees one file descriptor, so that modules that describe errors can be imported when the code has used up all."""
        if self._spare >= 0:
            try:
                os.close(self._spare)
            except OSError:
                # The code has closed it.
                pass
            self._spare = -1

    def run(self, source: str) -> Any:
        """Runs code of the current cell. Returns the value of the last expression; None if there is none or a semicolon hides it."""
        parts = self._compile(source, self.cell)
        if not any(part.co_flags & _COROUTINE for part in parts):
            return self._evaluate(parts)
        if self._loop is None:
            import asyncio

            self._loop = asyncio.Runner()
        return self._loop.run(self._evaluate_awaiting(parts))

    def run_and_show(self, source: str) -> None:
        """Runs code of the current cell, and shows its last value and its open figures."""
        value = self.run(source)
        if out.current is not None:
            if value is not None:
                _show_result(value, out.current)
            _show_open_figures(out.current)

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
        """Like `_evaluate`, inside the event loop, so that code beside an await can start tasks."""
        value = None
        for part in parts:
            value = eval(part, self.main.__dict__)
            if part.co_flags & _COROUTINE:
                value = await value
        return value

    def _compile(self, source: str, cell: str) -> list[CodeType]:
        """Returns the code of the statements, then that of the last expression if its value is shown."""
        flags = _TOP_LEVEL_AWAIT | self._future_flags
        tree, source = self._parse(source, cell, flags)
        if self.tools is not None:
            self.tools.choose_forms(tree)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, _ast.Expr) or _ends_in_semicolon(source, last):
            return [self._statements(tree, cell, flags)]
        del tree.body[-1]
        return [
            self._statements(tree, cell, flags),
            compile(_ast.Expression(last.value), cell, "eval", flags, True),
        ]

    def _parse(self, source: str, cell: str, flags: int) -> tuple[_ast.Module, str]:
        """Returns the syntax tree and its source. Source that Python refuses is transformed as in a notebook, and tried again."""
        failure = None
        try:
            tree = compile(source, cell, "exec", flags | _ONLY_AST, True)
        except SyntaxError as error:
            failure = error
        # `In [1]: x = 3` is a prompt, and in Python an annotation.
        if failure is not None or source.lstrip().startswith("In ["):
            from runner.code.magics import to_python

            python = to_python(source, self)
            if python is not source:
                source = python
                tree = compile(source, cell, "exec", flags | _ONLY_AST, True)
            elif failure is not None:
                # Raised here, so that an error of the second attempt is not chained to the first.
                raise failure
        assert isinstance(tree, _ast.Module)
        return tree, source

    def _statements(self, tree: _ast.Module, cell: str, flags: int) -> CodeType:
        body: CodeType = compile(tree, cell, "exec", flags, True)
        self._future_flags |= body.co_flags & _FUTURE_FLAGS
        return body


_session: Session | None = None


def display(*values: Any, **options: Any) -> Any:
    """Shows values as rich output, as in a notebook. Takes the options of IPython's display()."""
    from runner.outputs.displays import display_all

    return display_all(values, options)


def get_ipython() -> Any:
    """Returns the shell whose methods run commands and magics, as in a notebook."""
    from runner.code.magics import shell

    assert _session is not None
    return shell(_session)


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
        _session.free_spare_descriptor()
    try:
        from runner.code.tracebacks import describe_error

        head = describe_error(error, cell, outputs.traceback_lines, outputs.text_value_bytes)
    except BaseException:
        # The code has broken the interpreter: no imports or no built-in functions.
        head = {"name": "Exception", "value": "the error cannot be described", "traceback": [], "line": None, "errno": None}
    outputs.fail(head)
    # The frames hold all local variables of the failed code, and would keep their memory for later cells.
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
        # Python also ends with 1 when it cannot print the message.
        pass
    return 1


def _ends_in_semicolon(source: str, last: _ast.Expr) -> bool:
    # The parser's lines and columns count bytes, and a form feed does not end a line.
    lines = source.encode("utf-8", "surrogatepass").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return lines[(last.end_lineno or 1) - 1][last.end_col_offset or 0 :].lstrip().startswith(b";")
