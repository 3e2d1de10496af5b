"""Which output each kind of value becomes, except tables and figures."""

from __future__ import annotations

import json

import pytest

from cell_driver import run


@pytest.mark.parametrize(
    "source",
    [
        "{'a': [1, 2.5, None], 'b': ('x',)}",
        "'text'",
        "b'bytes'",
        "1.5",
        "(1,)",
        "()",
        "set()",
        "{1}",
        "frozenset({1})",
        "True",
        "float('nan')",
        "[]",
        "'\"'",
    ],
)
def test_plain_values_are_results_with_their_repr(source: str) -> None:
    assert run(source).only["text"] == repr(eval(source))


def test_arrays_and_classes_are_results() -> None:
    assert run("import numpy as np\nnp.arange(3)").only["text"] == "array([0, 1, 2])"
    assert run("import pandas as pd\npd.DataFrame").only["text"] == "<class 'pandas.core.frame.DataFrame'>"
    assert run("import pandas as pd\npd.DataFrame({'a': [1]}).columns").only["text"] == "Index(['a'], dtype='object')"


def test_containers_that_hold_themselves_are_results() -> None:
    assert run("a = []\na.append(a)\na").only["text"] == "[[...]]"


def test_displayed_plain_values_are_text_on_stdout() -> None:
    ran = run("display(1, 'two', {'three': 3})")
    assert (ran.frames, ran.stdout) == ([], "1\n'two'\n{'three': 3}\n")


@pytest.mark.parametrize(
    ("source", "kind", "field", "value"),
    [
        ("HTML('<b>x</b>')", "html", "text", "<b>x</b>"),
        ("Markdown('*x*')", "markdown", "text", "*x*"),
        ("Latex('$x$')", "latex", "text", "$x$"),
        ("Math('x^2')", "latex", "text", "$\\displaystyle x^2$"),
        ("JSON({'a': [1, float('nan')]})", "json", "data", {"a": [1, None]}),
    ],
)
def test_display_objects_of_ipython_become_their_type(source: str, kind: str, field: str, value: object) -> None:
    ran = run(f"from IPython.display import *\ndisplay({source})\n{source}")
    assert ran.types == [kind, kind]
    assert [frame["role"] for frame in ran.frames] == ["display", "result"]
    assert [frame[field] for frame in ran.frames] == [value, value]


@pytest.mark.parametrize("preload", [(), ("IPython.display",)])
def test_every_import_of_display_makes_outputs(preload: tuple[str, ...]) -> None:
    ran = run(
        "import IPython, IPython.display\nfrom IPython.core.display import display as core\nfrom IPython.display import HTML, display as named, publish_display_data\n"
        "for show in (display, named, core, IPython.display.display):\n    show(HTML('x'))\n"
        "publish_display_data({'text/html': 'y', 'text/plain': 'z'})\n"
        "display({'text/markdown': 'm'}, raw=True)\n"
        "IPython.display.display_html('h', raw=True)",
        preload=preload,
    )
    assert ran.types == ["html"] * 5 + ["markdown", "html"]
    assert ran.frames[4]["data"] == {"text/plain": "z"}


def test_a_display_handle_shows_its_updates_and_clearing_removes_nothing() -> None:
    ran = run(
        "from IPython.display import *\nh = display(HTML('1'), display_id=True)\nclear_output(wait=True)\nh.update(HTML('2'))\nupdate_display(HTML('3'), display_id='x')"
    )
    assert [frame["text"] for frame in ran.frames] == ["1", "2", "3"]
    assert ran.stdout == ""


def test_sympy_is_latex_with_its_text() -> None:
    frame = run("import sympy\nsympy.Symbol('x')**2").only
    assert (frame["type"], frame["text"], frame["data"]["text/plain"]) == ("latex", "$\\displaystyle x^{2}$", "x**2")


def test_pillow_images_are_png_and_stay_jpeg() -> None:
    ran = run(
        "from PIL import Image\nImage.new('RGB', (10, 20)).save('a.jpg')\n"
        "display(Image.open('a.jpg'))\nImage.new('CMYK', (3, 4)).show()\nImage.new('RGBA', (5, 6))"
    )
    assert [(f["mime_type"], f["width"], f["height"], f["role"]) for f in ran.frames] == [
        ("image/jpeg", 10, 20, "display"),
        ("image/png", 3, 4, "display"),
        ("image/png", 5, 6, "result"),
    ]
    assert [body[:3] for body in ran.bodies] == [b"\xff\xd8\xff", b"\x89PN", b"\x89PN"]


def test_ipython_images_are_images_with_their_size() -> None:
    ran = run(
        "from PIL import Image as P\nP.new('L', (7, 8)).save('a.png')\nP.new('L', (9, 8)).save('a.jpeg')\n"
        "from IPython.display import Image, SVG\n"
        "display(Image(filename='a.png'), Image(data=open('a.jpeg', 'rb').read()))\n"
        "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>')"
    )
    assert [(f["mime_type"], f["width"], f["height"]) for f in ran.frames] == [
        ("image/png", 7, 8),
        ("image/jpeg", 9, 8),
        ("image/svg+xml", None, None),
    ]
    assert ran.bodies[2].startswith(b"<svg")


@pytest.mark.parametrize("preload", [(), ("plotly.io", "IPython.display")])
def test_plotly_figures_are_json_even_when_shown(preload: tuple[str, ...]) -> None:
    ran = run("import plotly.graph_objects as go\nf = go.Figure(go.Bar(x=['a', 'b'], y=[1, float('nan')]))\nf.show()\nf", preload=preload)
    assert ran.types == ["json", "json"]
    assert [frame["role"] for frame in ran.frames] == ["display", "result"]
    assert ran.frames[0]["data"]["data"][0]["x"] == ["a", "b"]
    assert ran.frames[0]["data"]["data"][0]["y"] == [1, None]


def test_objects_choose_their_forms_by_repr_methods() -> None:
    ran = run(
        "class Both:\n    def _repr_html_(self): return '<i>h</i>'\n    def _repr_latex_(self): return '$l$'\n    def __repr__(self): return 'both'\n"
        "class Bundle:\n    def _repr_mimebundle_(self, include=None, exclude=None): return {'application/json': {'k': 1}, 'text/plain': 'b'}, {}\n"
        "class Self:\n    def _ipython_display_(self): print('shown itself')\n"
        "display(Both(), Bundle(), Self())"
    )
    assert ran.types == ["html", "json"]
    assert ran.frames[0]["data"] == {"text/latex": "$l$", "text/plain": "both"}
    assert ran.stdout == "shown itself\n"


def test_estimators_of_sklearn_are_html() -> None:
    assert run("from sklearn.linear_model import LinearRegression\nLinearRegression()").only["type"] == "html"


def test_outputs_keep_their_order_with_text() -> None:
    ran = run("from IPython.display import HTML\nprint('a')\ndisplay(HTML('1'))\nprint('bb')\ndisplay(HTML('2'))\nprint('ccc')")
    assert [frame["at"] for frame in ran.frames] == [2, 5]


def test_outputs_over_the_count_limit_are_dropped_and_reported() -> None:
    ran = run("from IPython.display import HTML\nfor i in range(9): display(HTML(str(i)))\n1/0", outputs_count=3)
    assert ran.types == ["html", "html", "html", "error"] and ran.dropped
    assert ran.stderr == "further outputs were dropped: too many outputs\n"


def test_outputs_over_the_byte_limit_are_dropped_and_reported() -> None:
    ran = run("from IPython.display import HTML\nfor i in range(9): display(HTML('x' * 400))", displays_bytes=1200)
    assert ran.types == ["html", "html"] and ran.dropped
    assert "too many bytes" in ran.stderr


def test_a_form_that_is_too_large_is_replaced_by_the_next() -> None:
    ran = run(
        "class Big:\n    def _repr_html_(self): return 'x' * 10**8\n    def _repr_markdown_(self): return 'small'\nBig()",
        display_bytes=1000,
    )
    assert (ran.only["type"], ran.only["text"]) == ("markdown", "small") and ran.dropped


def test_an_output_without_a_form_that_fits_is_dropped_and_reported() -> None:
    ran = run("display({'text/html': 'x' * 1001}, raw=True)", display_bytes=1000)
    assert not ran.frames and ran.dropped
    assert ran.stderr == "an output of 1001 bytes was dropped: the limit is 1000\n"


def test_outputs_that_fit_are_not_reported_as_dropped() -> None:
    assert not run("display({'text/html': 'x'}, raw=True)\n1").dropped


def test_outputs_over_the_value_limit_are_dropped_and_reported() -> None:
    frame = "import pandas as pd\nframe = pd.DataFrame({'x': range(50)})\n"
    ran = run(frame + "display(frame)", display_values=100)
    assert ran.types == ["html"] and ran.dropped
    assert ran.stderr == "an output of 124 values was dropped: the limit is 100\n"
    ran = run(frame + "display(frame, frame, frame)", displays_values=300)
    assert ran.types == ["table", "table", "html"] and ran.dropped
    assert ran.stderr == "an output was dropped: too many values in all outputs together\n"


def test_a_json_value_that_is_too_large_is_replaced_by_its_repr() -> None:
    ran = run("from IPython.display import JSON\nJSON(list(range(10**6)))", display_bytes=10_000)
    assert ran.only["type"] == "result"
    ran = run("from IPython.display import JSON\nJSON([[]] * 10_000)", display_values=10_000)
    assert ran.only["type"] == "result" and "the JSON value is too large" in ran.stderr


def test_a_long_repr_is_cut_at_the_limit() -> None:
    for source in ("list(range(10**7))", "'x' * 10**8", "[['é' * 10**7] * 10] * 10", "{i: i for i in range(10**5)}", "b'x' * 10**7"):
        text = run(source, text_value_bytes=1000).only["text"]
        assert 900 < len(text.encode()) <= 1003, source
        assert "…" in text


def test_integers_of_any_size_are_results() -> None:
    assert run("2**100").only["text"] == str(2**100)
    assert run("10**5000").only["text"].startswith("0x")
    assert run("1 << 10**8").only["text"] == "<int of 100000001 bits>"


def test_json_has_only_exact_types_and_string_keys() -> None:
    ran = run(
        "from IPython.display import JSON\nimport numpy as np\nclass S(str): pass\n"
        "JSON({1: S('x'), None: np.float64('inf'), 'i': np.int64(3), 'big': 2**70, 't': (1,), 's': '\\ud800', 'o': object})"
    )
    assert json.loads(json.dumps(ran.only["data"])) == {
        "1": "x", "None": None, "i": 3, "big": str(2**70), "t": [1], "s": "\ufffd", "o": "<class 'object'>"
    }  # fmt: skip


def test_threads_may_display_concurrently() -> None:
    ran = run(
        "import threading\nfrom IPython.display import HTML\nts = [threading.Thread(target=lambda i=i: display(HTML(str(i)))) for i in range(40)]\nfor t in ts: t.start()\nfor t in ts: t.join()"
    )
    assert sorted(int(frame["text"]) for frame in ran.frames) == list(range(40))


def test_a_polars_frame_is_a_table() -> None:
    # The image has no polars. This has the parts of it that the runner uses.
    ran = run(
        "import sys, types\npolars = types.ModuleType('polars')\n"
        "class Series:\n    def __init__(self, name, v): self.name, self.v = name, v\n    dtype = 'Int64'\n"
        "    def head(self, n): return Series(self.name, self.v[:n])\n    def to_list(self): return self.v\n    def to_frame(self): return DataFrame({self.name: self.v})\n"
        "class DataFrame:\n    def __init__(self, d): self.d, self.columns, self.height = d, list(d), len(next(iter(d.values())))\n    def get_column(self, n): return Series(n, self.d[n])\n"
        "DataFrame.__module__ = Series.__module__ = 'polars.frame'\npolars.DataFrame, polars.Series = DataFrame, Series\nsys.modules['polars'] = polars\n"
        "display(Series('s', [5]))\nDataFrame({'a': [1, None, 3], 'b': ['x', 'y', 'z']})",
        table_rows=2,
    )
    assert ran.frames[0]["rows"] == [[5]]
    assert ran.frames[1]["columns"] == [{"name": "a", "dtype": "Int64"}, {"name": "b", "dtype": "Int64"}]
    assert ran.frames[1]["rows"] == [[1, "x"], [None, "y"]]
    assert (ran.frames[1]["row_count"], ran.frames[1]["truncated"]) == (3, True)
