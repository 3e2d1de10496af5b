"""Chooses one form of a MIME bundle, {MIME type: form}, and makes it an output."""

from __future__ import annotations

import sys

from runner.outputs import sanitize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from runner.outputs.sender import Outputs

# The methods of IPython's display protocol.
_METHODS = {
    "application/json": "_repr_json_",
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "text/latex": "_repr_latex_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "application/pdf": "_repr_pdf_",
    "application/javascript": "_repr_javascript_",
}
_TEXT_TYPES = {"text/html": "html", "text/markdown": "markdown", "text/latex": "latex"}
_IMAGES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")
# Any client can draw or read the JSON of these figures, while their HTML is a script of megabytes.
_FIGURES = ("application/vnd.plotly.", "application/vnd.vegalite.", "application/vnd.vega.")
# Names of objects in a notebook's browser. They mean nothing elsewhere.
_HANDLES = ("application/vnd.jupyter.", "application/vnd.bokehjs_", "application/vnd.holoviews_")
_TYPES_READ_MAX = 100
_TYPES_NAMED_MAX = 8


def forms_of(value: Any) -> dict[str, Any]:
    """Returns the rich forms of a value. A method that raises is reported and has no form."""
    forms: dict[str, Any] = {}
    bundle = _form(value, "_repr_mimebundle_", include=None, exclude=None)
    if isinstance(bundle, dict):
        forms.update(bundle)
    for mime, name in _METHODS.items():
        if mime not in forms:
            form = _form(value, name)
            if form is not None:
                forms[mime] = form
    if "text/plain" not in forms and method_of(value, "_repr_pretty_") is not None:
        pretty = _pretty(value)
        if pretty is not None:
            forms["text/plain"] = pretty
    return forms


def method_of(value: Any, name: str) -> Callable[..., Any] | None:
    """Returns the bound method if the value's class defines it. Objects with a `__getattr__` for any name do not count."""
    if isinstance(value, type):
        return None
    for base in type(value).__mro__:
        if name in base.__dict__:
            found = getattr(value, name, None)
            return found if callable(found) else None
    return None


def _form(value: Any, name: str, **arguments: Any) -> Any:
    method = method_of(value, name)
    if method is None:
        return None
    try:
        made = method(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if not isinstance(error, NotImplementedError):
            report(f"{sanitize.type_name(value)}.{name}() raised {sanitize.type_name(error)}: ", error)
        return None
    # A form may come with metadata: (form, metadata).
    if type(made) is tuple and len(made) == 2 and isinstance(made[1], dict):
        return made[0]
    return made


def _pretty(value: Any) -> str | None:
    from IPython.lib import pretty

    try:
        return str(pretty.pretty(value, max_width=100, max_seq_length=1000))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        report(f"{sanitize.type_name(value)}._repr_pretty_() raised {sanitize.type_name(error)}: ", error)
        return None


def report(what: str, error: BaseException) -> None:
    """Writes a line about a form that failed to the program's stderr."""
    try:
        message = sanitize.guarded_text(lambda: str(error), error, "str", 1000)
        print(what + message, file=sys.stderr)
    except Exception:
        # The program has closed its stderr.
        pass


def show_bundle(forms: dict[Any, Any], value: Any, outputs: Outputs, role: str) -> bool:
    """Shows the richest form that is valid and fits. Without one it names the forms. Returns False if the bundle is empty."""
    for mime in _by_richness(forms):
        if _show_form(mime, forms, value, outputs, role):
            return True
    names = _names(forms)
    if names == "":
        return False
    text = "" if value is forms else f"{sanitize.bounded_repr(value, outputs.text_value_bytes)} "
    show_plain(f"{text}[{names}]", outputs, role)
    return True


def show_plain(text: str, outputs: Outputs, role: str) -> None:
    """Shows text: as the result, or on stdout."""
    if role == "result":
        outputs.show({"type": "result", "text": text})
    else:
        outputs.write(text)


def _by_richness(forms: dict[Any, Any]) -> Iterator[str]:
    """Yields the MIME types that an output can have: figures first, then JupyterLab's order, then other JSON and text."""
    known = ("application/json", *_TEXT_TYPES, *_IMAGES)
    others = [mime for mime, _ in _read(forms) if mime not in known and not mime.startswith(_HANDLES)]
    yield from (mime for mime in others if mime.startswith(_FIGURES))
    yield from (mime for mime in known if mime in forms)
    yield from (mime for mime in others if mime.endswith("+json") and not mime.startswith(_FIGURES))
    if "text/plain" in forms:
        yield "text/plain"
    yield from (mime for mime in others if mime.startswith("text/") and mime != "text/plain")


def _read(forms: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for number, (mime, form) in enumerate(list(forms.items())):
        if number >= _TYPES_READ_MAX:
            return
        if type(mime) is str:
            yield mime, form


def _show_form(mime: str, forms: dict[Any, Any], value: Any, outputs: Outputs, role: str) -> bool:
    form = forms[mime]
    if mime == "application/json" or mime.endswith("+json"):
        return show_json(form, outputs, role, mime)
    if mime.startswith("image/"):
        from runner.outputs.images import show_image

        return show_image(mime, form, outputs, role, lambda: _other_forms(mime, forms, value, outputs))
    if not isinstance(form, str):
        return False
    if len(form) > outputs.display_bytes:
        return outputs.drop(f"an output of {len(form)} bytes was dropped: the limit is {outputs.display_bytes}")
    if mime not in _TEXT_TYPES:
        text = sanitize.text(form, outputs.text_value_bytes)
        show_plain(_with_names(text, mime, forms), outputs, role)
        return True
    text = sanitize.text(form, outputs.display_bytes)
    return outputs.show({"type": _TEXT_TYPES[mime], "text": text, "role": role, "data": _other_forms(mime, forms, value, outputs)})


def show_json(form: Any, outputs: Outputs, role: str, mime: str = "application/json") -> bool:
    """Shows JSON data. The output names the MIME type of figures and other known kinds of JSON."""
    from runner.outputs import json_values

    try:
        data = json_values.strict(form, outputs.display_bytes, outputs.display_values)
    except ValueError as error:
        return outputs.drop(f"an output was dropped: {error}")
    head = {"type": "json", "data": data, "role": role}
    if mime != "application/json":
        head["mime_type"] = sanitize.text(mime, 200)
    return outputs.show(head)


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


def _with_names(text: str, shown: str, forms: dict[Any, Any]) -> str:
    """Adds the names of the other forms to a text such as `<Javascript object>`, which says nothing of them."""
    if not (text.startswith("<") and text.endswith(">") and "\n" not in text):
        return text
    names = _names(forms, besides=shown)
    return f"{text} [{names}]" if names else text


def _names(forms: dict[Any, Any], besides: str | None = None) -> str:
    """Returns the types and sizes of the forms in one line, such as `application/pdf, 120 bytes`."""
    named = [f"{sanitize.text(mime, 100)}, {_size(form)}" for mime, form in _read(forms) if mime != besides]
    more = len(named) - _TYPES_NAMED_MAX
    return "; ".join(named[:_TYPES_NAMED_MAX]) + (f"; {more} more" if more > 0 else "")


def _size(form: Any) -> str:
    if isinstance(form, (bytes, bytearray)):
        return f"{len(form)} bytes"
    if isinstance(form, str):
        return f"{str.__len__(form)} characters"
    return f"a {sanitize.type_name(form)}"
