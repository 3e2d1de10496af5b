"""Notebook lines that are not Python: `!command`, `%magic`, `%%magic`, `name?`, prompts. Loaded only for cells that need it.

IPython's own transformer turns these lines into calls of get_ipython(), which returns `Shell`. Shell runs commands and the most
common magics itself. All others are IPython's, whose import takes half a second.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import CompletedProcess
    from types import ModuleType
    from typing import Any, Protocol

    class Session(Protocol):
        """The part of a cell's session that magics use."""

        main: ModuleType

        def run(self, source: str) -> Any: ...
        def run_and_show(self, source: str) -> None: ...


_INSTALLERS = ("pip", "conda", "mamba", "uv", "micromamba")
# Settings of an interactive shell, which have no effect on a cell that runs once.
_WITHOUT_EFFECT = frozenset(
    ("matplotlib", "load_ext", "reload_ext", "autoreload", "config", "pylab", "precision", "xmode", "colors", "autosave", "autoawait")
)
# Magics for a terminal, a history or a network.
_IMPOSSIBLE = {
    *("debug", "pdb", "edit", "ed", "gui", "pastebin", "connect_info", "qtconsole", "notebook", "history", "hist", "recall", "rerun"),
    *("macro", "save", "logstart", "logon", "logoff", "logstate", "logstop", "killbgscripts", "bookmark", "tb"),
}
_COMMANDS = {"ls": "ls", "ll": "ls -l", "cat": "cat", "mkdir": "mkdir", "rmdir": "rmdir", "rm": "rm", "cp": "cp", "mv": "mv"}
_SHELLS = {"bash": "bash", "sh": "sh", "!": "sh"}


def to_python(source: str, session: Session) -> str:
    """
    Returns `source` with its notebook lines turned into Python, and unchanged if it has none. Lines keep their numbers; the body of
    a `%%magic` becomes a string.
    """
    text = source.replace("\r\n", "\n")
    code = text.lstrip("\n")
    lines_before = len(text) - len(code)
    try:
        python: str = import_light("IPython.core.inputtransformer2").TransformerManager().transform_cell(code)
    except Exception:
        # Such as a string without an end. The compiler explains it better.
        return source
    if python.rstrip("\n") == code.rstrip("\n"):
        return source
    shell(session).body_line = lines_before + 1
    return "\n" * lines_before + python


def shell(session: Session) -> Shell:
    """Returns what get_ipython() returns: the only shell of this process."""
    global _shell  # noqa: PLW0603
    if _shell is None:
        _shell = Shell(session)
    return _shell


_shell: Shell | None = None


def import_light(name: str) -> ModuleType:
    """Imports a module of IPython without running the package's own `__init__`, which imports a terminal application."""
    if "IPython" in sys.modules:
        return importlib.import_module(name)
    spec = importlib.util.find_spec("IPython")
    assert spec is not None
    package = type(sys)("IPython")
    package.__path__ = list(spec.submodule_search_locations or [])
    sys.modules["IPython"] = package
    try:
        return importlib.import_module(name)
    finally:
        for loaded in [each for each in sys.modules if each == "IPython" or each.startswith("IPython.")]:
            del sys.modules[loaded]


class Shell:
    """The part of IPython's shell that transformed lines call. Other attributes are those of IPython's own shell."""

    def __init__(self, session: Session) -> None:
        self.user_ns = session.main.__dict__
        # Line of the cell after which the body of a cell magic begins.
        self.body_line = 1
        self._session = session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from runner.code.ipython_shell import ipython_shell

        return getattr(ipython_shell(self), name)

    def system(self, command: str) -> None:
        """Runs `!command`. Its output is the program's output."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.user_ns["_exit_code"] = _run(self.expanded(command), shell=True).returncode

    def getoutput(self, command: str, split: bool = True) -> Any:
        """Runs `lines = !command`."""
        import subprocess

        output = _run(self.expanded(command), shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        text = output.decode("utf-8", "replace")
        return import_light("IPython.utils.text").SList(text.splitlines()) if split else text

    def run_line_magic(self, name: str, line: str, _stack_depth: int = 1) -> Any:
        if name in _WITHOUT_EFFECT:
            return None
        if name in _IMPOSSIBLE:
            return _say(f"%{name} has no effect here")
        if name in _INSTALLERS or name in _COMMANDS:
            return self.system(f"{_COMMANDS.get(name, name)} {line}")
        if name == "sx":
            return self.getoutput(line)
        if name == "time":
            return self._timed(line)
        if name == "pwd":
            return os.getcwd()
        if name == "cd":
            os.chdir(os.path.expanduser(self.expanded(line).strip().strip("'\"") or "~"))
            return print(os.getcwd())
        return self._run_ipythons("line", name, line)

    def run_cell_magic(self, name: str, line: str, body: str) -> Any:
        if name in _WITHOUT_EFFECT or name in _IMPOSSIBLE:
            return _say(f"%%{name} has no effect here")
        if name == "time":
            return self._timed(self._in_place(body))
        if name == "capture":
            from runner.code.capture import capture

            return capture(line, self.user_ns, lambda: self._session.run_and_show(self._in_place(body)))
        if name in _SHELLS and not line.strip():
            sys.stdout.flush()
            _run(["/bin/" + _SHELLS[name], "-c", body])
            return None
        return self._run_ipythons("cell", name, line, body)

    def run_cell(self, source: str, *_arguments: Any, **_options: Any) -> Any:
        """Runs code as the body of a cell magic."""
        return self._session.run(self._in_place(source))

    def expanded(self, text: str) -> str:
        """Replaces `{expression}` and `$name` with values of the code, as IPython does. Text that cannot be replaced stays."""
        if "{" not in text and "$" not in text:
            return text
        try:
            expanded: str = import_light("IPython.utils.text").DollarFormatter().vformat(text, (), self.user_ns)
        except Exception:
            return text
        return expanded

    def _in_place(self, body: str) -> str:
        """Returns the body of a cell magic with the line numbers that it has in the cell."""
        return "\n" * self.body_line + body

    def _run_ipythons(self, kind: str, *arguments: str) -> Any:
        from runner.code.ipython_shell import run_magic

        return run_magic(self, kind, *arguments)

    def _timed(self, source: str) -> Any:
        started, started_cpu = time.perf_counter(), time.process_time()
        try:
            return self._session.run(source)
        finally:
            cpu, wall = time.process_time() - started_cpu, time.perf_counter() - started
            print(f"CPU times: total: {cpu * 1000:.3g} ms\nWall time: {wall * 1000:.3g} ms")


def _run(command: str | list[str], **options: Any) -> CompletedProcess[bytes]:
    import subprocess

    return subprocess.run(command, check=False, **options)


def _say(line: str) -> None:
    print(line, file=sys.stderr)
