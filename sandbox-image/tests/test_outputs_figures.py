"""Figures are shown once, in order, each image followed by the data that was drawn."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import matplotlib.pyplot  # noqa: F401  (loaded before the fork, as the supervisor does)
import pytest

from cell_driver import IMAGE_FOLDER, Ran, run

PLOT = "import matplotlib.pyplot as plt\nimport numpy as np, pandas as pd\n"


def charts(source: str, **bounds: Any) -> list[dict[str, Any]]:
    ran: Ran = run(PLOT + source, **bounds)
    assert ran.code == 0, ran.frames
    return [frame for frame in ran.displays if frame["type"] == "chart"]


def test_show_sends_figures_in_order_between_the_text() -> None:
    ran = run(PLOT + "print('a')\nplt.plot([1, 2])\nplt.figure(); plt.plot([3, 4])\nplt.show()\nprint('b')")
    assert ran.types == ["image", "chart", "image", "chart"]
    assert [frame["at"] for frame in ran.frames] == [2, 2, 2, 2]
    assert ran.stdout == "a\nb\n"
    image = ran.frames[0]
    assert (image["mime_type"], image["role"]) == ("image/png", "display")
    assert ran.bodies[0].startswith(b"\x89PNG")
    assert (image["width"], image["height"]) == (int.from_bytes(ran.bodies[0][16:20], "big"), int.from_bytes(ran.bodies[0][20:24], "big"))


def test_open_figures_are_sent_at_the_end_even_after_errors_and_exits() -> None:
    for end, last in (("", "chart"), ("\n1/0", "error"), ("\nimport sys; sys.exit(0)", "chart")):
        ran = run(PLOT + "plt.plot([1, 2]);" + end)
        assert ran.types[:2] == ["image", "chart"]
        assert ran.types[-1] == last


def test_a_figure_is_sent_once_however_it_is_shown() -> None:
    assert run(PLOT + "fig, ax = plt.subplots()\nax.plot([1])\nfig").types == ["image", "chart"]
    assert run(PLOT + "fig, ax = plt.subplots()\nax.plot([1])\ndisplay(fig)\nfig").types == ["image", "chart"]
    assert run(PLOT + "fig, ax = plt.subplots()\nax.plot([1])\nfig.show()\nplt.show()\nfig").types == ["image", "chart"]


def test_a_figure_as_last_expression_has_the_role_result() -> None:
    assert run(PLOT + "fig, ax = plt.subplots()\nax.plot([1])\nfig").frames[0]["role"] == "result"


def test_a_figure_changed_after_it_was_displayed_is_sent_again() -> None:
    ran = run(PLOT + "fig, ax = plt.subplots()\nax.plot([1])\ndisplay(fig)\nax.set_title('new')")
    assert [frame["title"] for frame in ran.displays if frame["type"] == "chart"] == ["", "new"]


def test_a_closed_figure_and_an_empty_one_are_not_sent() -> None:
    assert run(PLOT + "plt.plot([1])\nplt.savefig('a.png')\nplt.close()").types == []
    assert run(PLOT + "plt.figure();").types == []


def test_savefig_makes_a_file_and_no_output() -> None:
    ran = run(PLOT + "plt.plot([1]);\nplt.savefig('a.png', dpi=50)\nplt.savefig('a.pdf');")
    assert ran.files["a.png"].startswith(b"\x89PNG") and ran.files["a.pdf"].startswith(b"%PDF")
    assert ran.types == ["image", "chart"]


def test_the_next_cell_starts_without_figures() -> None:
    ran = run(PLOT + "plt.plot([1]);", "plt.plot([2]);")
    assert [frame["series"][0]["y"] for frame in ran.displays if frame["type"] == "chart"] == [[1], [2]]


@pytest.mark.parametrize("backend", ["Agg", "agg", "module://runner.outputs.figures"])
def test_selecting_the_agg_backend_changes_nothing(backend: str) -> None:
    for source in (f"import matplotlib\nmatplotlib.use('{backend}')\n{PLOT}", f"{PLOT}plt.switch_backend('{backend}')\n"):
        ran = run(source + "plt.plot([1])\nplt.show()\nprint('after')")
        assert ran.types == ["image", "chart"]
        assert ran.frames[0]["at"] == 0


def test_a_figure_without_pyplot_is_sent_when_displayed() -> None:
    ran = run("from matplotlib.figure import Figure\nf = Figure()\nf.subplots().plot([1, 2])\nf")
    assert ran.types[0] == "image"


def test_lines_carry_their_data_names_and_labels() -> None:
    (chart,) = charts(
        "plt.plot([1, 2, 3], [4, np.nan, 6], label='L')\nplt.plot([1, 2], [0, 1])\nplt.title('T'); plt.xlabel('X'); plt.ylabel('Y'); plt.yscale('log');"
    )
    assert (chart["kind"], chart["title"], chart["truncated"]) == ("line", "T", False)
    assert {letter: (axis["label"], axis["scale"]) for letter, axis in chart["axes"].items()} == {"x": ("X", "linear"), "y": ("Y", "log")}
    assert chart["series"] == [{"name": "L", "x": [1, 2, 3], "y": [4, None, 6]}, {"name": None, "x": [1, 2], "y": [0, 1]}]


def test_each_axes_has_its_own_chart() -> None:
    found = charts("fig, (a, b) = plt.subplots(1, 2)\na.plot([1]); a.set_title('A')\nb.bar(['x'], [1]); b.set_title('B')\nplt.show()")
    assert [(chart["kind"], chart["title"]) for chart in found] == [("line", "A"), ("bar", "B")]


def test_dates_are_iso_text() -> None:
    for x in (
        "pd.date_range('2024-01-30', periods=3)",
        "np.array(['2024-01-30', '2024-01-31', '2024-02-01'], dtype='datetime64[D]')",
        "[d.date() for d in pd.date_range('2024-01-30', periods=3)]",
    ):
        for draw in ("plot", "scatter", "bar"):
            (chart,) = charts(f"plt.{draw}({x}, [1, 2, 3]);")
            assert chart["series"][0]["x"] == ["2024-01-30", "2024-01-31", "2024-02-01"], draw
            assert chart["axes"]["x"]["scale"] == "date"
    (chart,) = charts("plt.plot([pd.Timestamp('2024-01-30 10:30')], [1]);")
    assert chart["series"][0]["x"] == ["2024-01-30T10:30:00"]


def test_pandas_time_series_are_iso_text_too() -> None:
    (days,) = charts("pd.Series([1, 2], index=pd.date_range('2024-01-30', periods=2)).plot();")
    assert days["series"][0]["x"] == ["2024-01-30", "2024-01-31"]
    (months,) = charts("pd.Series([1, 2], index=pd.period_range('2024-01', periods=2, freq='M')).plot();")
    assert months["series"][0]["x"] == ["2024-01", "2024-02"]


def test_markers_without_a_line_are_a_scatter() -> None:
    assert charts("plt.plot([1, 2], [3, 4], 'o');")[0]["kind"] == "scatter"
    (chart,) = charts("plt.scatter(['a', 'b'], [3, 4], label='S');")
    assert chart["series"] == [{"name": "S", "x": ["a", "b"], "y": [3, 4]}]


def test_guide_lines_are_not_data() -> None:
    (chart,) = charts("plt.plot([1, 2]); plt.axhline(1); plt.axvline(0); plt.axvspan(1, 2);")
    assert len(chart["series"]) == 1


def test_bars_keep_their_categories() -> None:
    (chart,) = charts("plt.bar(['b', 'a'], [1, 2], label='L');")
    assert chart["series"] == [{"name": "L", "x": ["b", "a"], "y": [1, 2]}]
    (flat,) = charts("plt.barh(['k', 'l'], [5, 6]);")
    assert flat["series"] == [{"name": None, "x": [5, 6], "y": ["k", "l"]}]
    (numbers,) = charts("plt.bar([2019, 2020], [1, 2]);")
    assert numbers["series"][0]["x"] == [2019, 2020]


def test_grouped_and_stacked_bars_keep_their_categories() -> None:
    frame = "pd.DataFrame({'m': [1, 2], 'n': [3, 4]}, index=['u', 'v'])"
    expected = [{"name": "m", "x": ["u", "v"], "y": [1, 2]}, {"name": "n", "x": ["u", "v"], "y": [3, 4]}]
    assert charts(f"{frame}.plot.bar();")[0]["series"] == expected
    assert charts(f"{frame}.plot.bar(stacked=True);")[0]["series"] == expected
    ticks = (
        "x = np.arange(2)\nplt.bar(x - 0.2, [1, 2], 0.4, label='m'); plt.bar(x + 0.2, [3, 4], 0.4, label='n'); plt.xticks(x, ['u', 'v']);"
    )
    assert charts(ticks)[0]["series"] == expected


def test_histograms_have_counts_and_edges() -> None:
    (chart,) = charts("plt.hist([1, 2, 2, 4], bins=3, label='h');")
    assert chart["kind"] == "histogram"
    assert chart["series"] == [{"name": "h", "values": [1, 2, 1], "edges": [1, 2, 3, 4]}]
    assert len(charts("plt.hist([[1, 2], [3, 4]], bins=2);")[0]["series"]) == 2
    assert charts("plt.hist([1, 2], bins=2, histtype='step');")[0]["series"][0]["values"] == [1, 1]
    assert charts("pd.Series([1, 2, 2]).plot.hist(bins=2);")[0]["series"][0]["values"] == [1, 2]


def test_histograms_of_seaborn_are_histograms() -> None:
    (chart,) = charts("import seaborn as sns\nsns.histplot(x=[1, 2, 2, 4], bins=3);")
    assert (chart["kind"], chart["series"][0]["values"]) == ("histogram", [1, 2, 1])


@pytest.mark.parametrize(
    "draw",
    [
        "plt.boxplot([[1, 2, 3, 4, 50], [7]], tick_labels=['p', 'q'])",
        "import seaborn as sns\nsns.boxplot({'p': [1, 2, 3, 4, 50], 'q': [7]})",
    ],
)
def test_boxes_have_their_statistics(draw: str) -> None:
    (chart,) = charts(draw + ";")
    assert chart["kind"] == "box"
    (series,) = [chart["series"][0]]
    assert series["boxes"][0] == {"min": 1, "q1": 2, "median": 3, "q3": 4, "max": 4, "outliers": [50]}
    assert [label for one in chart["series"] for label in one["labels"]] == ["p", "q"]


def test_pies_have_their_values() -> None:
    (chart,) = charts("plt.pie([1, 2, 3], labels=['u', 'v', 'w']); plt.title('P');")
    assert (chart["kind"], chart["title"]) == ("pie", "P")
    assert chart["series"] == [{"name": None, "labels": ["u", "v", "w"], "values": [1, 2, 3]}]


def test_error_bars_are_named_and_whiskers_are_not_data() -> None:
    (chart,) = charts("plt.errorbar([1, 2], [3, 4], yerr=1, label='e');")
    assert chart["series"] == [{"name": "e", "x": [1, 2], "y": [3, 4]}]
    found = charts("import seaborn as sns\nsns.barplot(x=['a', 'a', 'b'], y=[1, 2, 3]);")
    assert [chart["kind"] for chart in found] == ["bar"]


def test_the_number_of_points_is_limited() -> None:
    (chart,) = charts("plt.plot(range(60)); plt.plot(range(60)); plt.plot(range(60));", chart_points=100)
    assert chart["truncated"] is True
    assert [len(series["x"]) for series in chart["series"]] == [60, 40]
    (histogram,) = charts("plt.hist(range(1000), bins=500);", chart_points=100)
    assert (len(histogram["series"][0]["values"]), len(histogram["series"][0]["edges"])) == (100, 101)


def test_a_line_of_millions_of_points_is_read_quickly() -> None:
    (chart,) = charts("x = np.arange(3_000_000)\nplt.plot(x, x % 7);", chart_points=100)
    assert (len(chart["series"][0]["x"]), chart["truncated"]) == (100, True)


def test_an_unreadable_chart_does_not_lose_the_image() -> None:
    ran = run(PLOT + "ax = plt.gca()\nax.plot([1])\nax.get_title = None\n1;")
    assert ran.types == ["image"]


def test_the_traceback_of_a_plotting_error_has_no_frames_of_the_runner() -> None:
    ran = run(PLOT + "plt.hist([1], nonsense=1)")
    assert ran.error["line"] == 3
    assert not any("runner" in line for line in ran.error["traceback"])


def test_three_dimensional_and_polar_plots_are_images() -> None:
    for projection in ("3d", "polar"):
        assert run(PLOT + f"plt.subplot(projection='{projection}').plot([1, 2], [3, 4]);").types[0] == "image"


def test_text_in_other_scripts_is_drawn_without_warnings() -> None:
    ran = run(PLOT + "plt.plot([1]); plt.title('Größe Ω');")
    assert ran.stderr == ""


def test_figures_are_shown_when_nothing_was_loaded_before() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(IMAGE_FOLDER)!r})\n"
        "from runner.code import cell\n"
        "import json\n"
        "class Channel:\n    def send(self, kind, head, body=b''): print(json.loads(head)['type'], len(body) > 1000)\n"
        "code = 'import matplotlib.pyplot as plt\\nplt.hist([1, 2])\\nplt.show()\\nprint(1)'\n"
        "sys.exit(cell.run_cell(code, Channel(), {}))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "image True\nchart False\n1\n"
