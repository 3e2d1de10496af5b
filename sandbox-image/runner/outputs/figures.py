"""Matplotlib's backend, and the image and chart outputs of its figures.

Named by `MPLBACKEND=module://runner.outputs.figures`, so pyplot loads it before the first figure is made. A figure is shown by
show(), by display(), as the last expression, or because it is still open when the cell ends; once, unless it was
changed in between.
"""

from __future__ import annotations

import io
import sys

import PIL.Image
from matplotlib import _pylab_helpers
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from runner.outputs import charts, drawing_calls, sanitize
from runner.outputs import sender as out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from matplotlib.figure import Figure

    from runner.outputs.sender import Outputs

_SHOWN = "_shown_by_runner"
# A figure of more pixels than this would take gigabytes to draw.
_PIXELS_MAX = 60_000_000


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
    """Shows the figures that pyplot holds, in the order of their numbers, and closes them."""
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
    """Shows a figure as its image, then its charts. A figure that was shown and not changed since is not shown again."""
    if getattr(figure, _SHOWN, False) and not figure.stale:
        return True
    image, width, height = _draw(figure)
    setattr(figure, _SHOWN, True)
    head = {"type": "image", "mime_type": "image/png", "width": width, "height": height, "role": role}
    if outputs.show(head, image):
        for chart in _charts(figure, outputs):
            outputs.show(chart)
    # Drawing marks the figure as changed, so this comes last.
    figure.stale = False
    return True


def _is_empty(figure: Figure) -> bool:
    # The background patch is always there.
    return len(figure.get_children()) <= 1


def _draw(figure: Figure) -> tuple[bytes, int, int]:
    width, height = figure.get_size_inches() * figure.dpi
    if width * height > _PIXELS_MAX:
        raise ValueError(f"a figure of {width:.0f} x {height:.0f} pixels is too large to draw")
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", dpi="figure")
    image = file.getvalue()
    return image, int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")


def _charts(figure: Figure, outputs: Outputs) -> list[dict[str, Any]]:
    try:
        return charts.read_charts(figure, outputs.chart_points)
    except Exception:
        # Charts are read from what user code drew, which may be anything; the image is there already.
        return []


drawing_calls.note_drawing_calls()
# Pillow loads its image formats when the first image is saved; a preloaded sandbox has them before there is code to run.
PIL.Image.preinit()
