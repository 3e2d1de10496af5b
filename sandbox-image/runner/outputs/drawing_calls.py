"""Notes the numbers that drawing calls are given and their artists forget: bins, box statistics, slices."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NOTED = "_noted_by_runner"


@dataclass
class Noted:
    """What was drawn on one axes."""

    # (bars or outlines, counts, edges)
    histograms: list[tuple[Any, Any, Any]] = field(default_factory=list)
    # (statistics of each box, median lines)
    boxes: list[tuple[list[dict[str, Any]], list[Any]]] = field(default_factory=list)
    # (wedges, values)
    pies: list[tuple[Any, list[Any]]] = field(default_factory=list)
    # The ids of all artists that belong to the above.
    artists: set[int] = field(default_factory=set)


def noted(axes: Axes) -> Noted:
    """Returns what was noted on `axes`, which may be nothing."""
    found = axes.__dict__.get(_NOTED)
    return found if isinstance(found, Noted) else Noted()


def note_drawing_calls() -> None:
    """Makes hist, bxp and pie note their numbers; other calls and libraries end in these. Once, however often called."""
    for name, note in (("hist", _note_histogram), ("bxp", _note_boxes), ("pie", _note_slices)):
        method = getattr(Axes, name)
        if not hasattr(method, _NOTED):
            setattr(Axes, name, _noting(method, note))


def _noting(method: Callable[..., Any], note: Callable[[Noted, Any, Any], None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def drawing(self: Any, *arguments: Any, **options: Any) -> Any:
        made = method(self, *arguments, **options)
        try:
            # The data is the first parameter of all three, named x or bxpstats.
            data = arguments[0] if arguments else options.get("x", options.get("bxpstats"))
            if isinstance(data, str):
                data = options["data"][data]
            note(self.__dict__.setdefault(_NOTED, Noted()), data, made)
        except Exception:
            # A drawing call must not fail for our notes; its data is then missing from the chart alone.
            pass
        return made

    setattr(drawing, _NOTED, True)
    return drawing


def _note_histogram(noted: Noted, data: Any, made: Any) -> None:
    counts, edges, patches = made
    several = len(counts) > 0 and hasattr(counts[0], "__len__")
    for values, bars in zip(counts if several else [counts], patches if several else [patches], strict=False):
        noted.histograms.append((bars, values, edges))
        noted.artists.update(map(id, bars))


def _note_boxes(noted: Noted, data: Any, made: Any) -> None:
    noted.boxes.append((list(data), made["medians"]))
    for artists in made.values():
        noted.artists.update(map(id, artists))


def _note_slices(noted: Noted, data: Any, made: Any) -> None:
    noted.pies.append((made[0], list(data)))
    noted.artists.update(map(id, made[0]))
