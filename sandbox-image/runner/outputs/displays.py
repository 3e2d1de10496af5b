"""Chooses the output for a value: by its type if we know it, otherwise from its rich forms (`_repr_html_` and so on)."""

from __future__ import annotations

import sys

from runner.outputs import bundles, sanitize
from runner.outputs import sender as out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runner.outputs.sender import Outputs


def display_all(values: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Implements display(). With `display_id` it returns a handle, as IPython does."""
    outputs = out.current
    if outputs is None:
        return None
    for value in values:
        if options.get("raw") and isinstance(value, dict):
            bundles.show_bundle(value, value, outputs, "display")
        else:
            show_value(value, outputs, "display")
    return Handle(options["display_id"]) if options.get("display_id") else None


class Handle:
    """The result of display(…, display_id=True). A sent output cannot change, so an update is a new output."""

    def __init__(self, display_id: object) -> None:
        self.display_id = str(id(self)) if display_id is True else str(display_id)

    def display(self, value: Any, **options: Any) -> None:
        display_all((value,), options)

    update = display


def show_value(value: Any, outputs: Outputs, role: str) -> None:
    """Shows a value in its richest form. Errors raised by the value never end the run."""
    if not sanitize.is_builtin(value):
        for show in (_show_known, _show_itself, _show_forms):
            try:
                if show(value, outputs, role):
                    return
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                bundles.report(f"{sanitize.type_name(value)}: rich display failed with {sanitize.type_name(error)}: ", error)
    text = sanitize.bounded_repr(value, outputs.text_value_bytes)
    if role == "result" and (type(value) is dict or type(value) is list):
        _show_tree(value, text, outputs)
    else:
        bundles.show_plain(text, outputs, role)


def _show_tree(value: Any, text: str, outputs: Outputs) -> None:
    """Shows a dict or list as the result: its repr, and its JSON form if that is the same and fits."""
    from runner.outputs import json_values

    head: dict[str, Any] = {"type": "result", "text": text}
    try:
        head["json"] = json_values.exact(value, outputs.text_value_bytes, outputs.values_room() // 3)
    except (ValueError, RuntimeError):
        # RuntimeError: another thread changed a dict meanwhile.
        pass
    outputs.show(head)


def _show_known(value: Any, outputs: Outputs, role: str) -> bool:
    """Shows values of known libraries. A library that is not imported has no values."""
    if _is_a(value, "pandas", "DataFrame", "Series") or _is_a(value, "polars", "DataFrame", "Series"):
        from runner.outputs.tables import show_table

        return show_table(value, outputs, role)
    if _is_a(value, "matplotlib.figure", "Figure"):
        from runner.outputs.figures import show_figure

        return show_figure(value, outputs, role)
    if _is_a(value, "PIL.Image", "Image"):
        from runner.outputs.images import show_pil

        return show_pil(value, outputs, role)
    if _is_a(value, "plotly.basedatatypes", "BaseFigure"):
        import json

        return bundles.show_json(json.loads(value.to_json()), outputs, role, "application/vnd.plotly.v1+json")
    if _is_altair(value):
        return bundles.show_json(value.to_dict(), outputs, role, "application/vnd.vegalite+json")
    return False


def _is_altair(value: Any) -> bool:
    """Returns whether the value is a chart of Altair, whose own forms depend on its version and settings."""
    return "altair" in sys.modules and any(
        base.__name__ == "TopLevelMixin" and base.__module__.startswith("altair.") for base in type.mro(type(value))
    )


def _is_a(value: Any, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    if loaded is None:
        return False
    for name in names:
        kind = loaded.__dict__.get(name)
        # Not isinstance, which trusts the value's own `__class__`.
        if isinstance(kind, type) and any(base is kind for base in type.mro(type(value))):
            return True
    return False


def _show_itself(value: Any, outputs: Outputs, role: str) -> bool:
    method = bundles.method_of(value, "_ipython_display_")
    if method is None:
        return False
    method()
    return True


def _show_forms(value: Any, outputs: Outputs, role: str) -> bool:
    forms = bundles.forms_of(value)
    return bool(forms) and bundles.show_bundle(forms, value, outputs, role)
