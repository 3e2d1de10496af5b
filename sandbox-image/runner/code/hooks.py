"""Connects libraries to our displays when user code imports them. Never imports a library itself."""

from __future__ import annotations

import os
import sys

from runner.code import stream_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Display = Callable[..., Any]
    Connect = Callable[[Any, Display], None]

OUR_FOLDER = os.path.dirname(os.path.dirname(__file__)) + os.sep
BACKEND = "module://runner.outputs.figures"


def install(display: Display) -> None:
    """Connects the libraries that are loaded already to `display`, and others once they are imported."""
    for name, connect in _CONNECT.items():
        loaded = sys.modules.get(name)
        if loaded is not None:
            connect(loaded, display)
    sys.meta_path.insert(0, _Watcher(display))


class _Watcher:
    """An import finder that delegates to the others, and connects a module after it was executed."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        connect = _CONNECT.get(name)
        if connect is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if finder is self or find is None else find(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _connect_after(spec.loader, connect, self._display)
                return spec
        return None


def _connect_after(loader: Any, connect: Connect, display: Display) -> None:
    execute = loader.exec_module

    def execute_and_connect(module: ModuleType) -> None:
        execute(module)
        connect(module, display)

    loader.exec_module = execute_and_connect


def _connect_ipython(module: Any, display: Display) -> None:
    """Replaces IPython's display functions with ours. Without a shell they would only print a repr."""
    replacements = {
        "display": display,
        "publish_display_data": lambda data, metadata=None, **options: display(data, raw=True),
        "update_display": lambda value, **options: display(value),
        "clear_output": _keep_output,
    }
    originals = {name: module.__dict__[name] for name in replacements}
    # Other modules of IPython may have imported the functions already.
    for loaded in (module, sys.modules.get("IPython.core.display"), sys.modules.get("IPython.display"), sys.modules.get("IPython")):
        for name, ours in replacements.items():
            if loaded is not None and loaded.__dict__.get(name) is originals[name]:
                setattr(loaded, name, ours)


def _keep_output(wait: bool = False) -> None:
    """Replaces clear_output(): sent outputs cannot be removed."""


def _connect_plotly(module: Any, display: Display) -> None:
    """Makes fig.show() an output. It would look for a web browser."""

    def show(figure: Any, *arguments: Any, **options: Any) -> None:
        display(figure)

    module.show = show
    parent = sys.modules.get("plotly.io")
    if parent is not None and "show" in parent.__dict__:
        parent.show = show  # type: ignore[attr-defined]


def _connect_pillow(module: Any, display: Display) -> None:
    """Makes image.show() an output. It would start an image viewer."""

    def show(self: Any, title: str | None = None) -> None:
        display(self)

    module.Image.show = show


def _connect_matplotlib(module: Any, _display: Display) -> None:
    """Selects our backend if matplotlib was loaded before MPLBACKEND was set."""
    if module.rcParams._get_backend_or_none() is None and os.environ.get("MPLBACKEND") == BACKEND:
        module.rcParams["backend"] = BACKEND


def _connect_pyplot(module: Any, _display: Display) -> None:
    """Treats `matplotlib.use("Agg")` as scripts mean it, "no window", and keeps show() an output."""
    switch_backend = module.switch_backend

    def switch(name: Any) -> None:
        switch_backend(BACKEND if isinstance(name, str) and name.lower() == "agg" else name)

    module.switch_backend = switch


def _connect_warnings(module: Any, _display: Display) -> None:
    """Attributes a warning about a line of ours, such as one from a finalizer, to the code as a whole."""
    show = module._showwarnmsg

    def show_with_place(message: Any) -> None:
        if str(message.filename).startswith(OUR_FOLDER):
            message.filename, message.lineno = "<cell>", 0
        show(message)

    module._showwarnmsg = show_with_place


def _connect_os(module: Any, _display: Display) -> None:
    """Keeps the output of os.system() in order with the code's own."""
    system = module.system

    def system_in_order(command: Any) -> int:
        stream_order.before_process()
        status: int = system(command)
        return status

    module.system = system_in_order


def _connect_subprocess(module: Any, display: Display) -> None:
    """Keeps the output of other programs in order with the code's own."""
    _connect_flags(module, display)
    execute = module.Popen._execute_child

    def execute_in_order(self: Any, *arguments: Any, **options: Any) -> Any:
        stream_order.before_process()
        return execute(self, *arguments, **options)

    module.Popen._execute_child = execute_in_order


def _connect_flags(module: Any, _display: Display) -> None:
    """Keeps the runner's own interpreter flags, -I and -S, from processes that libraries start: they would find no packages."""
    if "_args_from_interpreter_flags" in module.__dict__:
        module._args_from_interpreter_flags = list


def _connect_fonts(module: Any, _display: Display) -> None:
    """Makes matplotlib draw every character that the image has a font for."""
    from runner.outputs import fonts

    fonts.EXTENSIONS[module.__name__](module)


def _connect_bidi(module: Any, _display: Display) -> None:
    """Notes which texts the program itself has put in drawing order."""
    from runner.outputs import right_to_left

    right_to_left.extend_bidi(module)


_CONNECT: dict[str, Connect] = {
    "os": _connect_os,
    "warnings": _connect_warnings,
    "matplotlib": _connect_matplotlib,
    "matplotlib.pyplot": _connect_pyplot,
    "matplotlib.font_manager": _connect_fonts,
    "matplotlib.text": _connect_fonts,
    "matplotlib._mathtext": _connect_fonts,
    "bidi": _connect_bidi,
    "bidi.algorithm": _connect_bidi,
    "IPython.core.display_functions": _connect_ipython,
    "plotly.io._renderers": _connect_plotly,
    "PIL.Image": _connect_pillow,
    "subprocess": _connect_subprocess,
    "multiprocessing.util": _connect_flags,
}
