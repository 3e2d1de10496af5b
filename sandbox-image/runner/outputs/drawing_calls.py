"""Records the data of drawing calls that matplotlib's artists do not keep: bins, box statistics, slices."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_RECORDS = "_recorded_by_runner"


@dataclass
class Records:
    """What was drawn on one axes."""

    # (bars or outlines, counts, edges)
    histograms: list[tuple[Any, Any, Any]] = field(default_factory=list)
    # (statistics of each box, median lines)
    boxes: list[tuple[list[dict[str, Any]], list[Any]]] = field(default_factory=list)
    # (wedges, values)
    pies: list[tuple[Any, list[Any]]] = field(default_factory=list)
    # The ids of all artists of the above.
    artists: set[int] = field(default_factory=set)


def records_of(axes: Axes) -> Records:
    """Returns the records of `axes`; empty if there are none."""
    found = axes.__dict__.get(_RECORDS)
    return found if isinstance(found, Records) else Records()


def record_drawing_calls() -> None:
    """Makes hist, bxp and pie record their data. Other calls and libraries use these three. Idempotent."""
    for name, record in (("hist", _record_histogram), ("bxp", _record_boxes), ("pie", _record_slices)):
        method = getattr(Axes, name)
        if not hasattr(method, _RECORDS):
            setattr(Axes, name, _recording(method, record))


def _recording(method: Callable[..., Any], record: Callable[[Records, Any, Any], None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def drawing(self: Any, *arguments: Any, **options: Any) -> Any:
        made = method(self, *arguments, **options)
        try:
            # The data is the first parameter of all three: x or bxpstats.
            data = arguments[0] if arguments else options.get("x", options.get("bxpstats"))
            if isinstance(data, str):
                data = options["data"][data]
            record(self.__dict__.setdefault(_RECORDS, Records()), data, made)
        except Exception:
            # Recording must not break a drawing call. The chart then lacks this data.
            pass
        return made

    setattr(drawing, _RECORDS, True)
    return drawing


def _record_histogram(records: Records, data: Any, made: Any) -> None:
    counts, edges, patches = made
    several = len(counts) > 0 and hasattr(counts[0], "__len__")
    for values, bars in zip(counts if several else [counts], patches if several else [patches], strict=False):
        records.histograms.append((bars, values, edges))
        records.artists.update(map(id, bars))


def _record_boxes(records: Records, data: Any, made: Any) -> None:
    records.boxes.append((list(data), made["medians"]))
    for artists in made.values():
        records.artists.update(map(id, artists))


def _record_slices(records: Records, data: Any, made: Any) -> None:
    records.pies.append((made[0], list(data)))
    records.artists.update(map(id, made[0]))
