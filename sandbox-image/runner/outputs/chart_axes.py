"""What a chart says of its axes: label, scale, ticks, and whether their numbers are integers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.outputs import sanitize
from runner.outputs.chart_points import named_points, readable

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes

LABEL_BYTES_MAX = 1024
_TICKS_MAX = 100
# Logarithmic axes have labels such as $\mathdefault{10^{3}}$.
_FORMULA = re.compile(r"\$\\mathdefault\{(.*)\}\$")


def label(value: Any) -> str:
    """Returns a label as bounded text; empty if it is none."""
    return sanitize.text(value, LABEL_BYTES_MAX) if isinstance(value, str) else ""


def describe(axes: Axes, series: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the axes by letter: x and y, and z in three dimensions. The figure has been drawn, so its ticks are known."""
    found = {"x": axes.xaxis, "y": axes.yaxis}
    if hasattr(axes, "zaxis"):
        found["z"] = axes.zaxis
    return {letter: _axis(axis, [point for one in series for point in one.get(letter, ())]) for letter, axis in found.items()}


def _axis(axis: Any, points: list[Any]) -> dict[str, Any]:
    ticks = _ticks(axis)
    made = {
        "label": label(axis.get_label_text()),
        "scale": _scale(axis),
        "ticks": named_points([place for place, _ in ticks], axis) if readable(axis).kind == "date" else _numbers(ticks),
        "tick_labels": [text for _, text in ticks],
    }
    kinds = {type(point) for point in points} - {type(None)}
    if kinds and kinds <= {int, float}:
        made["dtype"] = "float" if float in kinds else "int"
    return made


def _numbers(ticks: list[tuple[float, str]]) -> list[sanitize.Scalar]:
    # Locators add up floats: 0.1 + 0.2 would show as 0.30000000000000004.
    return [sanitize.scalar(float(f"{place:.12g}"), 64) for place, _ in ticks]


def _ticks(axis: Any) -> list[tuple[float, str]]:
    """Returns position and label of each major tick in view."""
    try:
        low, high = sorted(float(end) for end in axis.get_view_interval())
        slack = (high - low) * 1e-9
        places = [float(place) for place in axis.get_majorticklocs()[: 4 * _TICKS_MAX]]
        shown = zip(places, axis.majorTicks, strict=False)
        found = [
            (place, _FORMULA.sub(r"\1", label(tick.label1.get_text()))) for place, tick in shown if low - slack <= place <= high + slack
        ]
    except Exception:
        # A locator or formatter of the program may raise. A chart without ticks is still of use.
        return []
    return found[:_TICKS_MAX]


def _scale(axis: Any) -> str:
    kind = readable(axis).kind
    return kind if kind in ("date", "category") else label(axis.get_scale())
