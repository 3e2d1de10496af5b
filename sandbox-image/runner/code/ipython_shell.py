"""IPython's own shell, for its magics. It works on the variables of `__main__`, and keeps no history."""

from __future__ import annotations

import builtins
import sys

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runner.code.magics import Shell

_SETTINGS = {
    "HistoryManager": {"enabled": False},
    # Help is an output. There is no pager.
    "InteractiveShell": {"colors": "NoColor", "display_page": True},
}


class _IPythonShell(InteractiveShell):  # type: ignore[misc]
    """Runs code and commands as our cells do. An exception ends the cell; IPython would print it."""

    notebook: Shell

    def init_user_ns(self) -> None:
        """Adds none of the names that a terminal session has."""

    def init_builtins(self) -> None:
        display = builtins.display  # type: ignore[attr-defined]
        super().init_builtins()
        builtins.display = display  # type: ignore[attr-defined]
        # IPython hides exit() from the code of magics.
        self.builtin_trap.auto_builtins = {}

    def system(self, command: str) -> None:
        self.notebook.system(command)

    def getoutput(self, command: str, split: bool = True, depth: int = 0) -> Any:
        return self.notebook.getoutput(command, split)

    def run_cell(self, raw_cell: str, *_arguments: Any, **_options: Any) -> Any:
        return self.notebook.run_cell(raw_cell)

    def var_expand(self, cmd: str, depth: int = 0, formatter: object = None) -> str:
        return self.notebook.expanded(cmd)

    def get_local_scope(self, _stack_depth: int) -> dict[str, Any]:
        return self.notebook.user_ns

    def showtraceback(self, *_arguments: Any, **_options: Any) -> NoReturn:
        raise sys.exception() or RuntimeError("there is no exception to show")

    showsyntaxerror = showtraceback


def ipython_shell(notebook: Shell) -> Any:
    """Returns the only shell of this process."""
    if not _IPythonShell.initialized():
        _IPythonShell.notebook = notebook
        _IPythonShell.instance(config=Config(_SETTINGS), user_module=sys.modules["__main__"])
    return _IPythonShell.instance()


def run_magic(notebook: Shell, kind: str, *arguments: str) -> Any:
    """Runs a line or cell magic: its name, line and body. A wrong name or wrong options are one line on stderr, and end nothing."""
    shell = ipython_shell(notebook)
    try:
        return (shell.run_line_magic if kind == "line" else shell.run_cell_magic)(*arguments)
    except UsageError as error:
        print(f"UsageError: {error}", file=sys.stderr)
        return None
