"""Chart outputs: the data behind a matplotlib figure, read from its axes.

Lines, points and bars are read from the artists. `drawing_calls` records what artists do not keep.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.patches import Wedge

from runner.outputs import chart_axes, chart_shapes, drawing_calls, sanitize
from runner.outputs.chart_axes import LABEL_BYTES_MAX, label
from runner.outputs.chart_points import bar_positions, line_points, named_points, readable
from runner.outputs.chart_shapes import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("line", "scatter", "bar", "histogram", "box", "pie", "area", "heatmap", "other")


def read_charts(figure: Figure, points_max: int) -> list[dict[str, Any]]:
    """Returns one chart for each kind on each axes of the drawn figure, of at most `points_max` points each."""
    charts: list[dict[str, Any]] = []
    for axes in figure.axes:
        # Matplotlib's label for the scale beside a heatmap.
        if axes.get_label() == "<colorbar>":
            continue
        found: dict[str, list[dict[str, Any]]] = {}
        for kind, series in _series(axes, points_max + 1):
            found.setdefault(kind, []).append(series)
        if not found and (others := list(chart_shapes.shapes(axes, points_max + 1))):
            found["other"] = others
        charts += [_chart(axes, kind, found[kind], points_max) for kind in KINDS if kind in found]
    return charts


def _chart(axes: Axes, kind: str, series: list[dict[str, Any]], points_max: int) -> dict[str, Any]:
    bounded, truncated = _bounded(series, points_max)
    title = axes.get_title() or axes.get_title(loc="left") or axes.get_title(loc="right")
    root = axes.get_figure(root=True)
    figure_title = "" if root is None else root.get_suptitle()
    if not title and root is not None and len(root.axes) == 1:
        title = figure_title
    made = {
        "type": "chart",
        "kind": kind,
        "title": label(title),
        "figure_title": label(figure_title),
        "axes": chart_axes.describe(axes, bounded),
        "series": bounded,
        "truncated": truncated,
    }
    if axes.name != "rectilinear":
        made["projection"] = label(axes.name)
    return made


def _bounded(series: list[dict[str, Any]], points_max: int) -> tuple[list[dict[str, Any]], bool]:
    bounded: list[dict[str, Any]] = []
    left = points_max
    truncated = False
    for one in series:
        longest = max((len(points) for points in one.values() if isinstance(points, list)), default=0)
        if "rows" in one:
            longest = sum(map(len, one["rows"]))
        kept = {name: points[: max(left, 0)] if isinstance(points, list) else points for name, points in one.items()}
        if left <= 0:
            return bounded, True
        if "edges" in one:
            # A histogram has one more edge than counts, even when cut.
            kept["edges"] = one["edges"][: len(kept["values"]) + 1]
        if "rows" in one:
            kept["rows"] = _rows(one["rows"], left)
        truncated = truncated or longest > left + ("edges" in one)
        left -= longest
        for box in kept.get("boxes", ()):
            truncated = truncated or len(box["outliers"]) > max(left, 0)
            box["outliers"] = box["outliers"][: max(left, 0)]
            left -= len(box["outliers"])
        bounded.append(kept)
    return bounded, truncated


def _rows(rows: list[list[Any]], left: int) -> list[list[Any]]:
    """Returns the first rows, the last one cut if it is the only one, of at most `left` cells."""
    width = max(len(rows[0]), 1) if rows else 1
    return [row[:left] for row in rows[: max(left // width, 1)]]


def _series(axes: Axes, points_max: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if hasattr(axes, "zaxis"):
        yield from chart_shapes.in_space(axes, points_max)
        return
    records = drawing_calls.records_of(axes)
    names = {id(group[0]): name_of(group) for group in axes.containers if isinstance(group, ErrorbarContainer)}
    for line in axes.lines:
        if id(line) not in records.artists and all(line.get_transform().contains_branch_seperately(axes.transData)):
            yield from _line(axes, line, names.get(id(line), name_of(line)), points_max)
    for collection in axes.collections:
        if type(collection) is PathCollection and len(collection.get_offsets()) > 0:  # type: ignore[arg-type]
            yield "scatter", _scatter(axes, collection, points_max)
    yield from _bars(axes, records.artists)
    for bars, counts, edges in records.histograms:
        # Only the first bar of a histogram has the label.
        name = name_of(bars[0])
        yield "histogram", _histogram(name, counts, edges)
    for stats, medians in records.boxes:
        yield "box", _boxes(axes, stats, medians)
    for wedges, values in records.pies:
        yield "pie", _pie(wedges, values)
    yield from _other_pie(axes, records.artists)
    for name, counts, edges in chart_shapes.steps(axes):
        yield "histogram", _histogram(name, counts, edges)
    for area in chart_shapes.areas(axes, points_max):
        yield "area", area
    for heatmap in chart_shapes.heatmaps(axes, points_max):
        yield "heatmap", heatmap


def _line(axes: Axes, line: Any, name: str | None, points_max: int) -> Iterator[tuple[str, dict[str, Any]]]:
    x = line_points(line.get_xdata(orig=True), line.get_xdata(orig=False)[:points_max], axes.xaxis)
    y = line_points(line.get_ydata(orig=True), line.get_ydata(orig=False)[:points_max], axes.yaxis)
    if not x or (axes.containers and _is_error_bar(line, x, y)):
        return
    only_markers = line.get_linestyle() in ("None", "none", " ", "") and line.get_marker() not in (None, "None", "none", " ", "")
    yield ("scatter" if only_markers else "line"), {"name": name, "x": x, "y": y}


def _is_error_bar(line: Any, x: list[Any], y: list[Any]) -> bool:
    """Returns whether the line is the whisker of a bar: short, straight and unlabelled."""
    return len(x) <= 2 and name_of(line) is None and (len(set(x)) <= 1 or len(set(y)) <= 1)


def _scatter(axes: Axes, collection: Any, points_max: int) -> dict[str, Any]:
    offsets = collection.get_offsets()[:points_max]
    x = named_points(offsets[:, 0].tolist(), axes.xaxis)
    y = named_points(offsets[:, 1].tolist(), axes.yaxis)
    return {"name": name_of(collection), "x": x, "y": y}


def _bars(axes: Axes, seen: set[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    for container in axes.containers:
        if not isinstance(container, BarContainer) or len(container) == 0 or id(container[0]) in seen:
            continue
        name = name_of(container)
        upright = container.orientation != "horizontal"
        axis = axes.xaxis if upright else axes.yaxis
        starts, widths, heights = _rectangles(container, upright)
        if readable(axis).kind == "number" and _are_contiguous(starts, widths):
            # Libraries that count themselves, such as seaborn, draw histograms with plain bars.
            yield "histogram", _histogram(name, heights, [*starts, starts[-1] + widths[-1]])
            continue
        places = bar_positions([start + width / 2 for start, width in zip(starts, widths, strict=False)], axis)
        values = [sanitize.scalar(height, LABEL_BYTES_MAX) for height in heights]
        yield "bar", {"name": name, "x": places, "y": values} if upright else {"name": name, "x": values, "y": places}


def _rectangles(container: Any, upright: bool) -> tuple[list[float], list[float], list[Any]]:
    starts = [float(bar.get_x() if upright else bar.get_y()) for bar in container]
    widths = [float(bar.get_width() if upright else bar.get_height()) for bar in container]
    # As the caller passed them: integers stay integers.
    heights = [bar.get_height() if upright else bar.get_width() for bar in container]
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
    return label(str(stats.get("label", "")))


def _pie(wedges: Any, values: list[Any]) -> dict[str, Any]:
    labels = [name_of(wedge) or "" for wedge in wedges]
    return {"name": None, "labels": labels, "values": [sanitize.scalar(value, 64) for value in values]}


def _other_pie(axes: Axes, seen: set[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    wedges = [patch for patch in axes.patches if isinstance(patch, Wedge) and id(patch) not in seen]
    if wedges:
        yield "pie", _pie(wedges, [(wedge.theta2 - wedge.theta1) / 360 for wedge in wedges])
