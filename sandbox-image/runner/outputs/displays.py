"""Chooses the output for a value: by its type if we know it, otherwise from its rich forms (`_repr_html_` and so on)."""

from __future__ import annotations

import sys

from runner.outputs import sanitize
from runner.outputs import sender as out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runner.outputs.sender import Outputs

# Richest form first, in JupyterLab's order.
_METHODS = {
    "application/json": "_repr_json_",
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "text/latex": "_repr_latex_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
}
_PLOTLY = "application/vnd.plotly.v1+json"
_PREFERENCE = (_PLOTLY, *_METHODS, "text/plain")
_TEXT_TYPES = {"text/html": "html", "text/markdown": "markdown", "text/latex": "latex"}


def display_all(values: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Implements display(). With `display_id` it returns a handle, as IPython does."""
    outputs = out.current
    if outputs is None:
        return None
    for value in values:
        if options.get("raw") and isinstance(value, dict):
            show_bundle(value, value, outputs, "display")
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
                _report(f"{sanitize.type_name(value)}: rich display failed with {sanitize.type_name(error)}: ", error)
    _show_plain(sanitize.bounded_repr(value, outputs.text_value_bytes), outputs, role)


def _report(what: str, error: BaseException) -> None:
    try:
        message = sanitize.guarded_text(lambda: str(error), error, "str", 1000)
        print(what + message, file=sys.stderr)
    except Exception:
        # The program has closed its stderr.
        pass


def _show_plain(text: str, outputs: Outputs, role: str) -> None:
    if role == "result":
        outputs.show({"type": "result", "text": text})
    else:
        outputs.write(text)


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

        figure = json.loads(value.to_json())
        return _show_json(figure, outputs, role)
    return False


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


def _method(value: Any, name: str) -> Callable[..., Any] | None:
    """Returns the bound method if the value's class defines it. Objects with a `__getattr__` for any name do not count."""
    if isinstance(value, type):
        return None
    for base in type(value).__mro__:
        if name in base.__dict__:
            found = getattr(value, name, None)
            return found if callable(found) else None
    return None


def _show_itself(value: Any, outputs: Outputs, role: str) -> bool:
    method = _method(value, "_ipython_display_")
    if method is None:
        return False
    method()
    return True


def _show_forms(value: Any, outputs: Outputs, role: str) -> bool:
    forms = _forms(value)
    return bool(forms) and show_bundle(forms, value, outputs, role)


def _forms(value: Any) -> dict[str, Any]:
    forms: dict[str, Any] = {}
    bundle = _form(value, "_repr_mimebundle_", include=None, exclude=None)
    if isinstance(bundle, dict):
        forms.update(bundle)
    for mime, name in _METHODS.items():
        if mime not in forms:
            form = _form(value, name)
            if form is not None:
                forms[mime] = form
    return forms


def _form(value: Any, name: str, **arguments: Any) -> Any:
    method = _method(value, name)
    if method is None:
        return None
    try:
        made = method(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if not isinstance(error, NotImplementedError):
            _report(f"{sanitize.type_name(value)}.{name}() raised {sanitize.type_name(error)}: ", error)
        return None
    # A form may come with metadata: (form, metadata).
    if type(made) is tuple and len(made) == 2 and isinstance(made[1], dict):
        return made[0]
    return made


def show_bundle(forms: dict[Any, Any], value: Any, outputs: Outputs, role: str) -> bool:
    """Shows the best valid form of the bundle {MIME type: form} that fits. Returns False if there is none."""
    for mime in _PREFERENCE:
        if mime in forms and _show_form(mime, forms[mime], forms, value, outputs, role):
            return True
    return False


def _show_form(mime: str, form: Any, forms: dict[Any, Any], value: Any, outputs: Outputs, role: str) -> bool:
    if mime.endswith("json"):
        return _show_json(form, outputs, role)
    if mime.startswith("image/"):
        from runner.outputs.images import show_image

        return show_image(mime, form, outputs, role, lambda: _other_forms(mime, forms, value, outputs))
    if not isinstance(form, str):
        return False
    if len(form) > outputs.display_bytes:
        return outputs.drop(f"an output of {len(form)} bytes was dropped: the limit is {outputs.display_bytes}")
    if mime == "text/plain":
        _show_plain(sanitize.text(form, outputs.text_value_bytes), outputs, role)
        return True
    text = sanitize.text(form, outputs.display_bytes)
    data = _other_forms(mime, forms, value, outputs)
    return outputs.show({"type": _TEXT_TYPES[mime], "text": text, "role": role, "data": data})


def _show_json(form: Any, outputs: Outputs, role: str) -> bool:
    """
    Shows JSON data, Plotly figures included: any client can draw or read their JSON, while their HTML is a script of
    megabytes.
    """
    try:
        data = sanitize.strict_json(form, outputs.display_bytes, outputs.display_values)
    except ValueError as error:
        return outputs.drop(f"an output was dropped: {error}")
    return outputs.show({"type": "json", "data": data, "role": role})


def _other_forms(shown: str, forms: dict[Any, Any], value: Any, outputs: Outputs) -> dict[str, str]:
    """Returns the text forms beside the shown one. Long forms are left out, because a cut form is useless."""
    others: dict[str, str] = {}
    for mime in ("text/plain", *_TEXT_TYPES):
        form = forms.get(mime)
        if mime != shown and isinstance(form, str) and len(form) <= outputs.text_value_bytes:
            others[mime] = sanitize.text(form, outputs.text_value_bytes)
    if "text/plain" not in others and value is not forms:
        others["text/plain"] = sanitize.bounded_repr(value, outputs.text_value_bytes)
    return others
