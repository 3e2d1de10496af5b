"""Matplotlib's backend, and the image and chart outputs of figures.

`MPLBACKEND=module://runner.outputs.figures` makes pyplot load it before the first figure. show(), display() and the last
expression show a figure, and so does the end of the cell if it is still open. Each state of a figure is shown once.
"""

from __future__ import annotations

import io
import re
import sys
import warnings

import PIL.Image
from matplotlib import _pylab_helpers
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from runner.outputs import charts, drawing_calls, fonts, sanitize
from runner.outputs import sender as out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from matplotlib.figure import Figure

    from runner.outputs.sender import Outputs

_SHOWN = "_shown_by_runner"
# Drawing a figure with more pixels would take gigabytes of memory.
_PIXELS_MAX = 60_000_000
_MISSING = re.compile(r"Glyph (\d{1,7}) .* missing from font")
_MISSING_NAMED_MAX = 40
_WARNINGS_MAX = 10


class FigureManager(FigureManagerBase):
    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        if out.current is not None:
            show_open_figures(out.current)

    def show(self) -> None:
        if out.current is not None:
            show_figure(self.canvas.figure, out.current, "display")


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager


def show_open_figures(outputs: Outputs) -> None:
    """Shows and closes pyplot's open figures, by number."""
    for manager in sorted(_pylab_helpers.Gcf.get_all_fig_managers(), key=lambda manager: manager.num):
        figure = manager.canvas.figure
        try:
            if not _is_empty(figure):
                show_figure(figure, outputs, "display")
        except Exception as error:
            message = sanitize.guarded_text(error.__str__, error, "str", 1000)
            print(f"figure {manager.num} could not be drawn: {sanitize.type_name(error)}: {message}", file=sys.stderr)
        _pylab_helpers.Gcf.destroy(manager)


def show_figure(figure: Figure, outputs: Outputs, role: str) -> bool:
    """Shows a figure as an image followed by its charts. A figure that has not changed since is not shown again."""
    if getattr(figure, _SHOWN, False) and not figure.stale:
        return True
    image, width, height = _draw(figure)
    setattr(figure, _SHOWN, True)
    text = sanitize.bounded_repr(figure, outputs.text_value_bytes)
    head = {"type": "image", "mime_type": "image/png", "width": width, "height": height, "role": role, "data": {"text/plain": text}}
    if outputs.show(head, image):
        for chart in _charts(figure, outputs):
            outputs.show(chart)
    # Drawing marks the figure as changed, so this comes last.
    figure.stale = False
    return True


def _is_empty(figure: Figure) -> bool:
    # A figure always has its background patch.
    return len(figure.get_children()) <= 1


def _draw(figure: Figure) -> tuple[bytes, int, int]:
    width, height = figure.get_size_inches() * figure.dpi
    if width * height > _PIXELS_MAX:
        raise ValueError(f"a figure of {width:.0f} x {height:.0f} pixels is too large to draw")
    file = io.BytesIO()
    _saying_once(lambda: figure.savefig(file, format="png", bbox_inches="tight", dpi="figure"))
    image = file.getvalue()
    return image, int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")


def _saying_once(draw: Callable[[], None]) -> None:
    """Draws, and prints each warning once and without its place, which would be in this file. Missing characters are one line."""
    if warnings.showwarning is not warnings._showwarning_orig:  # type: ignore[attr-defined]
        # The program takes warnings itself.
        draw()
        return
    lines: dict[str, None] = {}
    missing: dict[str, None] = {}

    def take(message: Warning | str, category: type[Warning], *place: Any) -> None:
        text = sanitize.guarded_text(lambda: str(message), message, "str", 1000)
        glyph = _MISSING.match(text)
        if glyph is not None:
            missing[chr(int(glyph[1]))] = None
        else:
            lines[f"{sanitize.type_name(message)}: {text}"] = None

    shown = warnings.showwarning
    warnings.showwarning = take  # type: ignore[assignment]
    try:
        draw()
    finally:
        warnings.showwarning = shown
        if missing:
            lines[f"No font here has these characters, so boxes are drawn: {' '.join(list(missing)[:_MISSING_NAMED_MAX])}"] = None
        for line in list(lines)[:_WARNINGS_MAX]:
            print(line, file=sys.stderr)


def _charts(figure: Figure, outputs: Outputs) -> list[dict[str, Any]]:
    try:
        return charts.read_charts(figure, outputs.chart_points)
    except Exception:
        # User code may have drawn anything. The image has been sent already.
        return []


drawing_calls.record_drawing_calls()
fonts.install()
# Pillow loads its image formats with the first image. A preloaded sandbox does so before its code arrives.
PIL.Image.preinit()
