"""Chart outputs: the data behind a matplotlib figure, read from its axes.

Lines, points and bars are read from the artists. `drawing_calls` records what artists do not keep.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.patches import Wedge

from runner.outputs import drawing_calls, sanitize
from runner.outputs.chart_points import bar_positions, line_points, named_points, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL_BYTES_MAX = 1024
KINDS = ("line", "scatter", "bar", "histogram", "box", "pie")


def read_charts(figure: Figure, points_max: int) -> list[dict[str, Any]]:
    """Returns one chart for each kind on each axes of the figure, of at most `points_max` points each."""
    charts: list[dict[str, Any]] = []
    for axes in figure.axes:
        found: dict[str, list[dict[str, Any]]] = {}
        for kind, series in _series(axes, points_max + 1):
            found.setdefault(kind, []).append(series)
        charts += [_chart(axes, kind, found[kind], points_max) for kind in KINDS if kind in found]
    return charts


def _chart(axes: Axes, kind: str, series: list[dict[str, Any]], points_max: int) -> dict[str, Any]:
    bounded, truncated = _bounded(series, points_max)
    title = axes.get_title() or axes.get_title(loc="left") or axes.get_title(loc="right")
    if not title and (root := axes.get_figure(root=True)) is not None and len(root.axes) == 1:
        title = root.get_suptitle()
    return {
        "type": "chart",
        "kind": kind,
        "title": _label(title),
        "axes": {
            "x": {"label": _label(axes.get_xlabel()), "scale": _scale(axes.xaxis)},
            "y": {"label": _label(axes.get_ylabel()), "scale": _scale(axes.yaxis)},
        },
        "series": bounded,
        "truncated": truncated,
    }


def _bounded(series: list[dict[str, Any]], points_max: int) -> tuple[list[dict[str, Any]], bool]:
    bounded: list[dict[str, Any]] = []
    left = points_max
    truncated = False
    for one in series:
        longest = max((len(points) for points in one.values() if isinstance(points, list)), default=0)
        kept = {name: points[: max(left, 0)] if isinstance(points, list) else points for name, points in one.items()}
        if left <= 0:
            return bounded, True
        if "edges" in one:
            # A histogram has one more edge than counts, even when cut.
            kept["edges"] = one["edges"][: len(kept["values"]) + 1]
        truncated = truncated or longest > left + ("edges" in one)
        left -= longest
        for box in kept.get("boxes", ()):
            truncated = truncated or len(box["outliers"]) > max(left, 0)
            box["outliers"] = box["outliers"][: max(left, 0)]
            left -= len(box["outliers"])
        bounded.append(kept)
    return bounded, truncated


def _label(value: Any) -> str:
    return sanitize.text(value, _LABEL_BYTES_MAX) if isinstance(value, str) else ""


def _series_name(label: Any) -> str | None:
    # Matplotlib generates labels with a leading underscore.
    name = _label(str(label))
    return None if not name or name.startswith("_") or name == "None" else name


def _scale(axis: Any) -> str:
    kind = readable(axis).kind
    return kind if kind in ("date", "category") else _label(axis.get_scale())


def _series(axes: Axes, points_max: int) -> Iterator[tuple[str, dict[str, Any]]]:
    records = drawing_calls.records_of(axes)
    names = {id(group[0]): group.get_label() for group in axes.containers if isinstance(group, ErrorbarContainer)}
    for line in axes.lines:
        if id(line) not in records.artists and all(line.get_transform().contains_branch_seperately(axes.transData)):
            yield from _line(axes, line, _series_name(names.get(id(line), line.get_label())), points_max)
    for collection in axes.collections:
        if type(collection) is PathCollection and len(collection.get_offsets()) > 0:  # type: ignore[arg-type]
            yield "scatter", _scatter(axes, collection, points_max)
    yield from _bars(axes, records.artists)
    for bars, counts, edges in records.histograms:
        # Only the first bar of a histogram has the label.
        name = _series_name(bars[0].get_label())
        yield "histogram", _histogram(name, counts, edges)
    for stats, medians in records.boxes:
        yield "box", _boxes(axes, stats, medians)
    for wedges, values in records.pies:
        yield "pie", _pie(wedges, values)
    yield from _other_pie(axes, records.artists)


def _line(axes: Axes, line: Any, name: str | None, points_max: int) -> Iterator[tuple[str, dict[str, Any]]]:
    x = line_points(line.get_xdata(orig=True), line.get_xdata(orig=False)[:points_max], axes.xaxis)
    y = line_points(line.get_ydata(orig=True), line.get_ydata(orig=False)[:points_max], axes.yaxis)
    if not x or (axes.containers and _is_error_bar(line, x, y)):
        return
    only_markers = line.get_linestyle() in ("None", "none", " ", "") and line.get_marker() not in (None, "None", "none", " ", "")
    yield ("scatter" if only_markers else "line"), {"name": name, "x": x, "y": y}


def _is_error_bar(line: Any, x: list[Any], y: list[Any]) -> bool:
    """Returns whether the line is the whisker of a bar: short, straight and unlabelled."""
    return len(x) <= 2 and _series_name(line.get_label()) is None and (len(set(x)) <= 1 or len(set(y)) <= 1)


def _scatter(axes: Axes, collection: Any, points_max: int) -> dict[str, Any]:
    offsets = collection.get_offsets()[:points_max]
    x = named_points(offsets[:, 0].tolist(), axes.xaxis)
    y = named_points(offsets[:, 1].tolist(), axes.yaxis)
    return {"name": _series_name(collection.get_label()), "x": x, "y": y}


def _bars(axes: Axes, seen: set[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    for container in axes.containers:
        if not isinstance(container, BarContainer) or len(container) == 0 or id(container[0]) in seen:
            continue
        name = _series_name(container.get_label())
        upright = container.orientation != "horizontal"
        axis = axes.xaxis if upright else axes.yaxis
        starts, widths, heights = _rectangles(container, upright)
        if readable(axis).kind == "number" and _are_contiguous(starts, widths):
            # Libraries that count themselves, such as seaborn, draw histograms with plain bars.
            yield "histogram", _histogram(name, heights, [*starts, starts[-1] + widths[-1]])
            continue
        places = bar_positions([start + width / 2 for start, width in zip(starts, widths, strict=False)], axis)
        values = [sanitize.scalar(height, _LABEL_BYTES_MAX) for height in heights]
        yield "bar", {"name": name, "x": places, "y": values} if upright else {"name": name, "x": values, "y": places}


def _rectangles(container: Any, upright: bool) -> tuple[list[float], list[float], list[float]]:
    starts = [float(bar.get_x() if upright else bar.get_y()) for bar in container]
    widths = [float(bar.get_width() if upright else bar.get_height()) for bar in container]
    heights = [float(bar.get_height() if upright else bar.get_width()) for bar in container]
    return starts, widths, heights


def _are_contiguous(starts: list[float], widths: list[float]) -> bool:
    ends = zip(starts, widths, starts[1:], strict=False)
    return len(starts) > 1 and all(math.isclose(start + width, after, rel_tol=1e-9, abs_tol=width * 1e-6) for start, width, after in ends)


def _histogram(name: str | None, counts: Any, edges: Any) -> dict[str, Any]:
    return {
        "name": name,
        "values": [sanitize.scalar(float(count), 64) for count in counts],
        "edges": [float(edge) if math.isfinite(edge) else 0.0 for edge in edges],
    }


def _boxes(axes: Axes, stats: list[dict[str, Any]], medians: list[Any]) -> dict[str, Any]:
    boxes = [
        {
            "min": _number(one["whislo"]),
            "q1": _number(one["q1"]),
            "median": _number(one["med"]),
            "q3": _number(one["q3"]),
            "max": _number(one["whishi"]),
            "outliers": [_number(value) for value in one.get("fliers", ())],
        }
        for one in stats
    ]
    labels = [_box_label(axes, one, median) for one, median in zip(stats, medians, strict=False)]
    return {"name": None, "labels": labels, "boxes": boxes}


def _number(value: Any) -> sanitize.Scalar:
    return sanitize.scalar(float(value), 64)


def _box_label(axes: Axes, stats: dict[str, Any], median: Any) -> str:
    """Returns the name of the box's tick, or the label that it was drawn with."""
    x, y = median.get_data()
    axis, ends = (axes.xaxis, x) if y[0] == y[-1] else (axes.yaxis, y)
    if readable(axis).kind == "category":
        return str(bar_positions([float(ends[0] + ends[-1]) / 2], axis)[0])
    return _label(str(stats.get("label", "")))


def _pie(wedges: Any, values: list[Any]) -> dict[str, Any]:
    labels = [_series_name(wedge.get_label()) or "" for wedge in wedges]
    return {"name": None, "labels": labels, "values": [sanitize.scalar(value, 64) for value in values]}


def _other_pie(axes: Axes, seen: set[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    wedges = [patch for patch in axes.patches if isinstance(patch, Wedge) and id(patch) not in seen]
    if wedges:
        yield "pie", _pie(wedges, [(wedge.theta2 - wedge.theta1) / 360 for wedge in wedges])
