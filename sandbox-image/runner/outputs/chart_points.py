"""Chart points as a reader sees them: dates as ISO text, categories by name, numbers unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.category import StrCategoryConverter
from matplotlib.dates import num2date
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

from runner.outputs import sanitize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    Point = str | int | float | None

_NAME_BYTES_MAX = 1024


class Axis(NamedTuple):
    """How to read the positions of an axis. `kind` is date, category or number; `names` are the names of categories."""

    kind: str
    names: dict[float, str]


def readable(axis: Any) -> Axis:
    """Returns how to read the positions of a matplotlib axis."""
    converter = axis.get_converter()
    if isinstance(converter, StrCategoryConverter):
        return Axis("category", {float(at): str(name) for name, at in axis.units._mapping.items()})
    # Pandas has its own converters, so check their names.
    if any(word in type(converter).__name__ for word in ("Date", "Period")):
        return Axis("date", {})
    names = _tick_names(axis)
    return Axis("category" if names else "number", names)


def _tick_names(axis: Any) -> dict[float, str]:
    """Returns the labels set on fixed ticks, by position. Empty if they only repeat the numbers."""
    formatter, locator = axis.get_major_formatter(), axis.get_major_locator()
    if not isinstance(formatter, (FixedFormatter, FuncFormatter)) or not isinstance(locator, FixedLocator):
        return {}
    places = [float(place) for place in locator()]
    if isinstance(formatter, FixedFormatter):
        labels = [str(label) for label in formatter.seq]
    else:
        # set_ticklabels() on fixed ticks makes a function that returns the label of each tick.
        labels = [str(formatter(place, number)) for number, place in enumerate(places)]
    names = {place: sanitize.text(label, _NAME_BYTES_MAX) for place, label in zip(places, labels, strict=False) if label}
    return {} if all(_is_number(label) for label in names.values()) else names


def _is_number(label: str) -> bool:
    try:
        float(label.replace("\N{MINUS SIGN}", "-").replace(",", ""))
    except ValueError:
        return False
    return True


def line_points(original: Any, converted: Any, axis: Any) -> list[Point]:
    """Returns the points of a line, from the values passed by the caller and those that matplotlib draws."""
    if "Period" in type(axis.get_converter()).__name__:
        # Pandas draws periods by ordinal number, which means nothing to a reader.
        return [_point(value) for value in _items(original[: len(converted)])]
    points = named_points(_items(converted), axis)
    if getattr(getattr(original, "dtype", None), "kind", "") in ("i", "u"):
        # Matplotlib converts all numbers to floats.
        return [int(point) if type(point) is float and point.is_integer() else point for point in points]
    return points


def _items(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)


def named_points(places: Sequence[float], axis: Any) -> list[Point]:
    """Returns the positions on an axis with their names."""
    how = readable(axis)
    if how.kind == "date" and "Period" not in type(axis.get_converter()).__name__:
        return [_date(place) for place in places]
    return [how.names[place] if place in how.names else _point(place) for place in places]


def bar_positions(centres: list[float], axis: Any) -> list[Point]:
    """Returns the names of bars. The bars of a group stand beside the tick that names them, so the nearest tick is used."""
    how = readable(axis)
    if how.kind != "category":
        return named_points(centres, axis)
    named: list[Point] = []
    for centre in centres:
        nearest = min(how.names, key=lambda place: abs(place - centre))
        named.append(how.names[nearest] if abs(nearest - centre) < 0.5 else _point(centre))
    return named


def _date(place: float) -> Point:
    try:
        day: datetime = num2date(place).replace(tzinfo=None)  # type: ignore[no-untyped-call]
    except (ValueError, OverflowError):
        return None
    return day.date().isoformat() if day.time() == day.time().min else day.isoformat()


def _point(value: Any) -> Point:
    if type(value) is bool:
        return int(value)
    if type(value) is complex:
        return _point(value.real)
    return sanitize.scalar(value, _NAME_BYTES_MAX)
