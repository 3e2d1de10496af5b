"""Notebook lines that are not Python: `!command`, `%magic`, `%%magic`. Loaded only for cells that are not valid Python.

IPython turns these lines into calls of get_ipython(). Our shell behind that name implements the few that make sense here.
"""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
import time

from IPython.core.inputtransformer2 import TransformerManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Protocol

    class Session(Protocol):
        """The part of a cell's session that magics use."""

        main: ModuleType

        def run(self, source: str, cell: str) -> Any: ...


_INSTALL = re.compile(r"\s*(?:python3? -m |sudo )*(?:pip3?|conda|mamba|apt|apt-get|uv|npm)\b.*\b(?:install|add)\b")
_NO_INSTALL = "packages cannot be installed: the sandbox has no network"
# Settings of an interactive shell, which have no effect on a cell that runs once.
_WITHOUT_EFFECT = {"matplotlib", "load_ext", "reload_ext", "autoreload", "config", "pylab", "precision", "xmode", "colors"}


def to_python(source: str, session: Session, cell: str) -> str:
    """Returns `source` with its notebook lines turned into Python, line for line. Defines get_ipython()."""
    shell = Shell(session, cell)
    builtins.get_ipython = lambda: shell  # type: ignore[attr-defined]
    python: str = TransformerManager().transform_cell(source)
    return python


class Shell:
    """The part of IPython's shell that transformed lines call."""

    def __init__(self, session: Session, cell: str) -> None:
        self.user_ns = session.main.__dict__
        self._session = session
        self._cell = cell

    def system(self, command: str) -> None:
        """Runs `!command`. Its output is the program's output."""
        if _INSTALL.match(command):
            print(_NO_INSTALL, file=sys.stderr)
            return
        sys.stdout.flush()
        sys.stderr.flush()
        subprocess.run(self._substituted(command), shell=True, check=False)

    def getoutput(self, command: str) -> list[str]:
        """Runs `lines = !command`."""
        from IPython.utils.text import SList

        made = subprocess.run(self._substituted(command), shell=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lines: list[str] = SList(made.stdout.decode("utf-8", "replace").splitlines())
        return lines

    def run_line_magic(self, name: str, line: str, _stack_depth: int = 1) -> Any:
        if name in _WITHOUT_EFFECT:
            return None
        if name in ("pip", "conda", "mamba", "uv"):
            return self.system(f"{name} {line}")
        if name in ("time", "timeit"):
            return self._timed(name, line)
        if name in ("ls", "pwd", "cat", "mkdir", "rm", "cp", "mv", "sx"):
            return self.system(f"{name} {line}".removeprefix("sx "))
        if name == "cd":
            import os

            return os.chdir(os.path.expanduser(line.strip() or "~"))
        raise NameError(f"%{name} is not available here: write it in Python")

    def run_cell_magic(self, name: str, line: str, body: str) -> Any:
        if name in ("time", "timeit"):
            # The magic itself is line 1.
            return self._timed(name, "\n" + body)
        if name in ("bash", "sh"):
            sys.stdout.flush()
            subprocess.run(["/bin/" + name, "-c", body], check=False)
            return None
        if name in ("writefile", "file"):
            with open(line.split()[-1], "a" if "-a" in line.split() else "w", encoding="utf-8") as file:
                file.write(body)
            return None
        raise NameError(f"%%{name} is not available here: write it in Python")

    def _substituted(self, command: str) -> str:
        """Replaces `{name}` and `$name` in a command with Python variables, as IPython does."""

        def value(match: re.Match[str]) -> str:
            name = match.group(1) or match.group(2)
            return str(self.user_ns[name]) if name in self.user_ns else match.group(0)

        return re.sub(r"\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)", value, command)

    def _timed(self, name: str, source: str) -> Any:
        if name == "timeit":
            return self._repeated(source)
        started, started_cpu = time.perf_counter(), time.process_time()
        try:
            return self._session.run(source, self._cell)
        finally:
            cpu, wall = time.process_time() - started_cpu, time.perf_counter() - started
            print(f"CPU times: total: {cpu * 1000:.3g} ms\nWall time: {wall * 1000:.3g} ms")

    def _repeated(self, source: str) -> None:
        import timeit

        statement = re.sub(r"^\s*(?:-[a-z]\s*\d*\s+)*", "", source)
        timer = timeit.Timer(statement, globals=self.user_ns)
        count, _ = timer.autorange()
        best = min(timer.repeat(3, count)) / count
        print(f"{best * 1e6:.3g} µs per loop (best of 3, {count} loops each)")
