"""Drawings without a container of their own in matplotlib: areas, heatmaps, three dimensions, and shapes of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.collections
import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.image import AxesImage
from matplotlib.patches import StepPatch

from runner.outputs import sanitize
from runner.outputs.chart_axes import label
from runner.outputs.chart_points import named_points

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from matplotlib.axes import Axes

    Series = dict[str, Any]

# Matplotlib before 3.10 draws areas as plain polygons.
_Area: Any = getattr(matplotlib.collections, "FillBetweenPolyCollection", ())
_SHAPES_MAX = 500


def areas(axes: Axes, points_max: int) -> Iterator[Series]:
    """Yields the areas of fill_between() and stackplot(): `y` and `base` are the two edges at each `x`."""
    for collection in axes.collections:
        if not _Area or not isinstance(collection, _Area) or not collection.get_paths():
            continue
        outline = collection.get_paths()[0].vertices
        count = (len(outline) - 3) // 2
        if count < 1:
            continue
        # The outline runs along the first edge and back along the second, with a corner before each and one at the end.
        base, top = outline[1 : count + 1], outline[count + 2 : 2 * count + 2][::-1]
        along, across = (0, 1) if getattr(collection, "t_direction", "x") == "x" else (1, 0)
        made = {"name": name_of(collection), "x": _points(base, along, axes, points_max)}
        yield {**made, "y": _points(top, across, axes, points_max), "base": _points(base, across, axes, points_max)}


def _points(edge: Any, column: int, axes: Axes, points_max: int) -> list[Any]:
    return named_points(edge[:points_max, column].tolist(), axes.xaxis if column == 0 else axes.yaxis)


def heatmaps(axes: Axes, points_max: int) -> Iterator[Series]:
    """Yields the cells of imshow(), matshow(), pcolormesh() and seaborn's heatmap(), row by row as drawn from `y_edges`[0] on."""
    for image in axes.images:
        cells = image.get_array() if isinstance(image, AxesImage) else None
        if cells is not None and np.ndim(cells) == 2:
            left, right, bottom, top = image.get_extent()
            first, last = (top, bottom) if image.origin == "upper" else (bottom, top)
            edges = np.linspace(left, right, cells.shape[1] + 1), np.linspace(first, last, cells.shape[0] + 1)
            yield _heatmap(cells, *edges, points_max)
    for mesh in axes.collections:
        cells = mesh.get_array() if isinstance(mesh, QuadMesh) else None
        if cells is not None and isinstance(mesh, QuadMesh):
            corners: Any = mesh.get_coordinates()
            rows, columns = corners.shape[0], corners.shape[1]
            shape = (rows - 1, columns - 1) if cells.size == (rows - 1) * (columns - 1) else (rows, columns)
            yield _heatmap(cells.reshape(shape), corners[0, :, 0], corners[:, 0, 1], points_max)


def _heatmap(cells: Any, x_edges: Any, y_edges: Any, points_max: int) -> Series:
    columns = cells.shape[1]
    # One cell more than may be kept, so that the cut is noticed.
    kept = cells[: points_max // max(columns, 1) + 1, :points_max]
    if kept.dtype.kind not in "biuf":
        kept = kept.astype(float)
    rows = np.ma.filled(kept.astype(float), np.nan) if np.ma.is_masked(kept) else np.asarray(kept)
    return {
        "name": None,
        "rows": [[sanitize.scalar(cell, 64) for cell in row] for row in rows.tolist()],
        "x_edges": [sanitize.scalar(float(edge), 64) for edge in x_edges[: kept.shape[1] + 1]],
        "y_edges": [sanitize.scalar(float(edge), 64) for edge in y_edges[: kept.shape[0] + 1]],
    }


def steps(axes: Axes) -> Iterator[tuple[str | None, Any, Any]]:
    """Yields name, values and edges of stairs()."""
    for patch in axes.patches:
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            yield name_of(patch), values, edges


def in_space(axes: Axes, points_max: int) -> Iterator[tuple[str, Series]]:
    """Yields the lines and points of axes with three dimensions."""
    artists: list[Any] = [*axes.lines, *axes.collections]
    for artist in artists:
        if hasattr(artist, "get_data_3d"):
            kind, data = "line", artist.get_data_3d()
            if artist.get_linestyle() in ("None", "none", " ", ""):
                kind = "scatter"
        elif hasattr(artist, "_offsets3d"):
            kind, data = "scatter", artist._offsets3d
        else:
            continue
        x, y, z = (_floats(one).ravel()[:points_max].tolist() for one in data)
        letters = {"x": axes.xaxis, "y": axes.yaxis, "z": axes.zaxis}  # type: ignore[attr-defined]
        points = {letter: named_points(one, axis) for (letter, axis), one in zip(letters.items(), (x, y, z), strict=True)}
        yield kind, {"name": name_of(artist), **points}


def _floats(values: Any) -> Any:
    """Returns the values as an array of floats, with NaN where they are masked."""
    floats = np.ma.array(values, dtype=float)  # type: ignore[no-untyped-call]
    return floats.filled(np.nan)


def shapes(axes: Axes, points_max: int) -> Iterator[Series]:
    """Yields all else that is drawn in data coordinates: corners of shapes with straight edges, otherwise two of the box around."""
    for number, artist in enumerate((*axes.patches, *axes.collections, *axes.images)):
        if number >= _SHAPES_MAX:
            return
        made: Series = {"name": name_of(artist), "shape": label(type(artist).__name__)}
        corners = _corners(artist, axes, points_max)
        if corners is not None and len(corners) > 0:
            made["x"] = named_points(corners[:points_max, 0].tolist(), axes.xaxis)
            made["y"] = named_points(corners[:points_max, 1].tolist(), axes.yaxis)
        yield made


def _corners(artist: Any, axes: Axes, points_max: int) -> Any:
    if hasattr(artist, "get_patch_transform"):
        path, transform = artist.get_path(), artist.get_patch_transform()
        if artist.get_data_transform() != axes.transData:
            return None
        straight = path.codes is None or path.codes.max(initial=0) <= 2 or set(path.codes.tolist()) <= {1, 2, 79}
        return transform.transform(path.vertices) if straight else path.get_extents(transform).get_points()
    if hasattr(artist, "get_offsets") and len(artist.get_paths()) > 0 and artist.get_transform() == axes.transData:
        return np.concatenate([path.vertices for path in artist.get_paths()[:points_max]])
    if hasattr(artist, "get_extent"):
        left, right, bottom, top = artist.get_extent()
        return np.array([[left, bottom], [right, top]])
    return None


def name_of(artist: Any) -> str | None:
    """Returns the artist's label. Matplotlib generates labels with a leading underscore."""
    name = label(str(artist.get_label()))
    return None if not name or name.startswith("_") or name == "None" else name
