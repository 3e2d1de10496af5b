"""The data of charts: titles, ticks, number types, and each kind of drawing that matplotlib has."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot  # noqa: F401  (loaded before the fork, as the supervisor does)
import pytest

from cell_driver import run

PLOT = "import matplotlib.pyplot as plt\nimport numpy as np, pandas as pd\n"


def charts(source: str, **bounds: Any) -> list[dict[str, Any]]:
    ran = run(PLOT + source, **bounds)
    assert (ran.code, ran.types[0]) == (0, "image"), ran.frames
    return [frame for frame in ran.displays if frame["type"] == "chart"]


def test_the_figure_title_is_apart_from_those_of_its_axes() -> None:
    found = charts("fig, (a, b) = plt.subplots(1, 2)\nfig.suptitle('All')\na.plot([1]); a.set_title('A')\nb.plot([2]);")
    assert [(chart["title"], chart["figure_title"]) for chart in found] == [("A", "All"), ("", "All")]
    (alone,) = charts("plt.plot([1]); plt.suptitle('All');")
    assert (alone["title"], alone["figure_title"]) == ("All", "All")


def test_ticks_are_those_in_view_with_their_labels() -> None:
    (chart,) = charts("plt.plot([0, 10], [0, 0.3]); plt.xticks([0, 5, 10, 99]); plt.xlim(0, 10); plt.yticks([0.1, 0.2], ['low', 'high']);")
    assert (chart["axes"]["x"]["ticks"], chart["axes"]["x"]["tick_labels"]) == ([0, 5, 10], ["0", "5", "10"])
    assert (chart["axes"]["y"]["ticks"], chart["axes"]["y"]["tick_labels"]) == ([0.1, 0.2], ["low", "high"])
    (log,) = charts("plt.semilogy([1, 1000]);")
    assert (log["axes"]["y"]["ticks"], log["axes"]["y"]["tick_labels"][0]) == ([1, 10, 100, 1000], "10^{0}")
    (dates,) = charts("plt.plot(pd.date_range('2024-01-01', periods=3), [1, 2, 3]); plt.xticks(pd.to_datetime(['2024-01-02']));")
    assert dates["axes"]["x"]["ticks"] == ["2024-01-02"]
    (bars,) = charts("plt.bar(['a', 'b'], [1, 2]);")
    assert (bars["axes"]["x"]["ticks"], bars["axes"]["x"]["tick_labels"]) == ([0, 1], ["a", "b"])


def test_the_number_of_ticks_is_bounded() -> None:
    (chart,) = charts("plt.plot([0, 1000]); plt.yticks(range(1000));")
    assert len(chart["axes"]["y"]["ticks"]) == len(chart["axes"]["y"]["tick_labels"]) == 100


@pytest.mark.parametrize(
    ("draw", "x", "y"),
    [
        ("plt.plot([1, 2], [3.0, 4.0])", int, float),
        ("plt.plot([1.0, 2.0], np.array([3, 4]))", float, int),
        ("plt.plot(pd.Series([1.0, 2.0]))", int, float),
        ("plt.bar([0.5, 1.5], [3, 4], width=0.5)", float, int),
        ("plt.bar(['a', 'b'], [3.0, 4.0])", str, float),
        ("plt.barh(['a', 'b'], [3, 4])", int, str),
        ("plt.step([1, 2], [3, 4])", int, int),
    ],
)
def test_numbers_keep_their_type(draw: str, x: type, y: type) -> None:
    (chart,) = charts(draw + ";")
    for letter, kind in (("x", x), ("y", y)):
        assert {type(point) for point in chart["series"][0][letter]} == {kind}
        assert chart["axes"][letter].get("dtype") == (None if kind is str else kind.__name__)


def test_areas_have_both_edges() -> None:
    (area,) = charts("plt.fill_between([1, 2, 3], [0, 1, 0], [4, 5, 6], label='band');")
    assert area["kind"] == "area"
    assert area["series"] == [{"name": "band", "x": [1, 2, 3], "y": [4, 5, 6], "base": [0, 1, 0]}]
    (stack,) = charts("plt.stackplot([1, 2], [1, 2], [3, 4], labels=['a', 'b']);")
    assert [(one["name"], one["y"], one["base"]) for one in stack["series"]] == [("a", [1, 2], [0, 0]), ("b", [4, 6], [1, 2])]


def test_heatmaps_have_their_cells_and_edges() -> None:
    (image,) = charts("plt.imshow([[1, 2, 3], [4, 5, 6]]); plt.colorbar();")
    assert (image["kind"], image["series"][0]["rows"]) == ("heatmap", [[1, 2, 3], [4, 5, 6]])
    assert (image["series"][0]["x_edges"], image["series"][0]["y_edges"]) == ([-0.5, 0.5, 1.5, 2.5], [-0.5, 0.5, 1.5])
    (mesh,) = charts("plt.pcolormesh([0, 1, 2], [0, 10, 20], [[1.5, np.nan], [3, 4]]);")
    assert (mesh["series"][0]["rows"], mesh["series"][0]["y_edges"]) == ([[1.5, None], [3, 4]], [0, 10, 20])
    (sea,) = charts("import seaborn as sns\nsns.heatmap(pd.DataFrame(np.eye(2), columns=['p', 'q']), annot=True);")
    assert (sea["series"][0]["rows"], sea["axes"]["x"]["tick_labels"]) == ([[1, 0], [0, 1]], ["p", "q"])


def test_a_large_heatmap_is_cut_by_rows() -> None:
    (wide,) = charts("plt.imshow(np.arange(1200).reshape(4, 300));", chart_points=700)
    assert (wide["truncated"], [len(row) for row in wide["series"][0]["rows"]]) == (True, [300, 300])
    (line,) = charts("plt.imshow(np.zeros((2, 2000)));", chart_points=700)
    assert (line["truncated"], [len(row) for row in line["series"][0]["rows"]]) == (True, [700])
    (whole,) = charts("plt.imshow(np.zeros((7, 100)));", chart_points=700)
    assert (whole["truncated"], len(whole["series"][0]["rows"])) == (False, 7)


def test_figures_of_shapes_only_are_of_the_kind_other() -> None:
    (chart,) = charts(
        "from matplotlib.patches import Rectangle, Circle, Polygon, FancyArrow\nax = plt.gca()\n"
        "for patch in (Rectangle((1, 2), 3, 4, label='box'), Circle((5, 5), 2), Polygon([[0, 0], [1, 0], [0, 1]]), FancyArrow(0, 0, 1, 1)):\n"
        "    ax.add_patch(patch)\nax.set(xlim=(0, 9), ylim=(0, 9));"
    )
    assert chart["kind"] == "other"
    assert [one["shape"] for one in chart["series"]] == ["Rectangle", "Circle", "Polygon", "FancyArrow"]
    box, circle, *_ = chart["series"]
    assert (box["name"], box["x"], box["y"]) == ("box", [1, 4, 4, 1, 1], [2, 2, 6, 6, 2])
    assert (circle["x"], circle["y"]) == ([3, 7], [3, 7])


def test_shapes_beside_data_are_no_chart_of_their_own() -> None:
    assert [chart["kind"] for chart in charts("plt.plot([1, 2]); plt.gca().add_patch(plt.Rectangle((0, 0), 1, 1));")] == ["line"]


def test_three_dimensions_have_z() -> None:
    found = charts(
        "ax = plt.subplot(projection='3d')\nax.plot([1, 2], [3, 4], [5, 6], label='l')\nax.scatter([1], [2], [3]); ax.set_zlabel('Z');"
    )
    assert [(chart["kind"], chart["projection"], chart["axes"]["z"]["label"]) for chart in found] == [
        ("line", "3d", "Z"),
        ("scatter", "3d", "Z"),
    ]
    assert found[0]["series"] == [{"name": "l", "x": [1, 2], "y": [3, 4], "z": [5, 6]}]
    assert found[1]["series"][0]["z"] == [3]


@pytest.mark.parametrize(
    ("draw", "kinds"),
    [
        ("ax = plt.subplot(projection='polar'); ax.plot([0, 1], [1, 2])", ["line"]),
        ("ax = plt.subplot(projection='polar'); ax.bar([0, 1, 2], [1, 2, 3])", ["bar"]),
        ("a = plt.gca(); a.plot([1, 2]); a.twinx().bar([0, 1], [5, 6])", ["line", "bar"]),
        ("plt.errorbar([1, 2], [3, 4], yerr=[0.1, 0.2], fmt='o-')", ["line"]),
        ("plt.stem([1, 2], [3, 4])", ["scatter"]),
        ("plt.stairs([1, 2], [0, 1, 2])", ["histogram"]),
        ("plt.hist([1, 2, 2, 3], bins=3)", ["histogram"]),
        ("plt.hist([[1, 2], [2, 3]], bins=2, stacked=True)", ["histogram"]),
        ("plt.hist2d([1, 2, 3], [1, 2, 3], bins=3)", ["heatmap"]),
        ("plt.boxplot([[1, 2, 3], [2, 3, 4]])", ["box"]),
        ("plt.violinplot([[1, 2, 3]])", ["area"]),
        ("plt.pie([1, 2], labels=['a', 'b'])", ["pie"]),
        ("pd.DataFrame({'a': [1, 2], 'b': [3, 4]}).plot.bar(stacked=True)", ["bar"]),
        ("pd.DataFrame({'a': [1, 2], 'b': [3, 4]}).plot.area()", ["line", "area"]),
        ("plt.contour(np.outer(np.arange(4), np.arange(4)))", ["other"]),
        ("plt.contourf(np.outer(np.arange(4), np.arange(4)))", ["other"]),
        ("plt.hexbin([1, 2, 3], [1, 2, 3], gridsize=3)", ["other"]),
        ("plt.quiver([1], [1], [1], [1])", ["other"]),
        ("plt.eventplot([[1, 2]])", ["other"]),
        ("plt.hlines([1, 2], 0, 1)", ["other"]),
        ("plt.imshow(np.zeros((3, 3, 3)))", ["other"]),
        ("plt.subplot(projection='3d').plot_surface(*np.meshgrid([0, 1], [0, 1]), np.eye(2))", ["other"]),
        ("plt.subplot(projection='3d').bar3d([0], [0], [0], 1, 1, 1)", ["other"]),
        ("plt.text(0.5, 0.5, 'only text')", []),
        ("import networkx as nx; nx.draw(nx.path_graph(3), with_labels=True)", ["scatter"]),
        ("plt.tricontourf([0, 1, 0], [0, 0, 1], [1, 2, 3])", ["other"]),
        ("plt.streamplot(*np.meshgrid([0, 1, 2], [0, 1, 2]), np.ones((3, 3)), np.ones((3, 3)))", ["other"]),
        ("plt.spy(np.eye(3))", ["heatmap"]),
        ("plt.loglog([1, 10], [1, 100])", ["line"]),
        ("plt.broken_barh([(1, 2)], (3, 4))", ["other"]),
    ],
)
def test_every_kind_of_drawing_has_a_chart_that_fits(draw: str, kinds: list[str]) -> None:
    found = charts(draw + ";")
    assert [chart["kind"] for chart in found] == kinds
    assert all(chart["series"] for chart in found)


def test_a_figure_has_a_text_form() -> None:
    ran = run(PLOT + "plt.plot([1]);")
    assert ran.frames[0]["data"] == {"text/plain": "<Figure size 640x480 with 1 Axes>"}


def test_a_formatter_that_raises_costs_only_the_ticks() -> None:
    ran = run(
        PLOT + "plt.plot([1, 2])\nfig = plt.gcf()\nplt.show()\n"
        "from runner.outputs.chart_axes import describe\nax = fig.axes[0]\nax.xaxis.get_view_interval = lambda: 1 / 0\ndescribe(ax, [])['x']['ticks']"
    )
    assert ran.displays[-1]["text"] == "[]"
