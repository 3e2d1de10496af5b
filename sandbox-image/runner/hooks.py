"""Connects libraries to our displays at the moment user code imports them, and never imports one itself."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


BACKEND = "module://runner.figures"


def install() -> None:
    """Connects the libraries that are loaded already, and watches for the others."""
    for name, connect in _CONNECT.items():
        loaded = sys.modules.get(name)
        if loaded is not None:
            connect(loaded)
    sys.meta_path.insert(0, _Watcher())


class _Watcher:
    """An import finder that finds nothing itself: it lets the others find, and connects the module once it has run."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        connect = _CONNECT.get(name)
        if connect is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if finder is self or find is None else find(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _connect_after(spec.loader, connect)
                return spec
        return None


def _connect_after(loader: Any, connect: Any) -> None:
    execute = loader.exec_module

    def execute_and_connect(module: ModuleType) -> None:
        execute(module)
        connect(module)

    loader.exec_module = execute_and_connect


def _connect_ipython(module: Any) -> None:
    """Routes IPython's display functions to ours; without a shell they would only print a repr."""
    from runner.cell import display

    replacements = {
        "display": display,
        "publish_display_data": _publish,
        "update_display": lambda value, **options: display(value),
        "clear_output": _keep_output,
    }
    originals = {name: module.__dict__[name] for name in replacements}
    # Other modules of IPython may have taken the functions over already.
    for loaded in (module, sys.modules.get("IPython.core.display"), sys.modules.get("IPython.display"), sys.modules.get("IPython")):
        for name, ours in replacements.items():
            if loaded is not None and loaded.__dict__.get(name) is originals[name]:
                setattr(loaded, name, ours)


def _publish(data: Any, metadata: Any = None, **options: Any) -> None:
    from runner.cell import display

    display(data, raw=True)


def _keep_output(wait: bool = False) -> None:
    """Stands for clear_output(): what was sent can not be taken back."""


def _connect_plotly(module: Any) -> None:
    """Makes fig.show() an output instead of a search for a web browser."""

    def show(figure: Any, *arguments: Any, **options: Any) -> None:
        from runner.cell import display

        display(figure)

    module.show = show
    parent = sys.modules.get("plotly.io")
    if parent is not None and "show" in parent.__dict__:
        parent.show = show  # type: ignore[attr-defined]


def _connect_pillow(module: Any) -> None:
    """Makes image.show() an output; there is no screen and no image viewer."""

    def show(self: Any, title: str | None = None) -> None:
        from runner.cell import display

        display(self)

    module.Image.show = show


def _connect_matplotlib(module: Any) -> None:
    """Chooses our backend where matplotlib was loaded before the environment could."""
    if module.rcParams._get_backend_or_none() is None and os.environ.get("MPLBACKEND") == BACKEND:
        module.rcParams["backend"] = BACKEND


def _connect_pyplot(module: Any) -> None:
    """Takes `matplotlib.use("Agg")` for what it means in scripts, "no window", and keeps show() an output."""
    switch_backend = module.switch_backend

    def switch(name: Any) -> None:
        switch_backend(BACKEND if isinstance(name, str) and name.lower() == "agg" else name)

    module.switch_backend = switch


_CONNECT = {
    "matplotlib": _connect_matplotlib,
    "matplotlib.pyplot": _connect_pyplot,
    "IPython.core.display_functions": _connect_ipython,
    "plotly.io._renderers": _connect_plotly,
    "PIL.Image": _connect_pillow,
}
