"""Values that raise, lie or overflow while they are shown affect only their own output."""

from __future__ import annotations

import pytest

from cell_driver import run

METHODS = [
    "_repr_html_",
    "_repr_markdown_",
    "_repr_latex_",
    "_repr_svg_",
    "_repr_png_",
    "_repr_jpeg_",
    "_repr_json_",
    "_repr_mimebundle_",
    "_ipython_display_",
    "__repr__",
]
BODIES = {
    "raises": "raise ValueError('no')",
    "exits": "raise SystemExit(9)",
    "recurses": "return self.again()",
    "is of another type": "return object()",
    "is a number": "return 7",
    "is bytes": "return b'x'",
    "is no unicode": "return '\\ud800'",
    "is a lying str": "return L('x')",
    "is huge": "return 'x' * 200_000_000",
    "is huge bytes": "return b'\\x89PNG\\r\\n\\x1a\\n' * 20_000_000",
    "is a lying dict": "return D({1: 2, 'text/html': 3, 'image/png': 'no base64'})",
    "is an endless dict": "d = {}; d['application/json'] = d; return d",
    "is a cut image": "return b'\\x89PNG\\r\\n\\x1a\\n'",
}
PRELUDE = """
class L(str):
    def __getattribute__(self, name): raise RuntimeError(name)
    def __len__(self): return -1
    def __str__(self): raise RuntimeError
    def __getitem__(self, key): raise RuntimeError
class D(dict):
    def __getitem__(self, key): raise RuntimeError
    def items(self): raise RuntimeError
    def get(self, *a): return 10**400
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("body", BODIES)
def test_a_hostile_form_affects_only_itself(method: str, body: str) -> None:
    ran = run(
        f"{PRELUDE}\nclass Hostile:\n    def again(self): return self.again()\n    def {method}(self, *a, **k):\n        {BODIES[body]}\n"
        "display(Hostile())\nprint('went on')\nHostile()",
        "'next'",
        display_bytes=100_000,
        text_value_bytes=10_000,
    )
    assert ran.codes == [0, 0]
    assert "went on" in ran.stdout
    assert ran.frames[-1]["text"] == "'next'"
    assert sum(len(str(frame)) for frame in ran.frames) < 400_000


def test_an_object_that_has_every_attribute_is_a_result() -> None:
    ran = run("class Any:\n    def __getattr__(self, name): return lambda *a, **k: 'x'\n    def __repr__(self): return 'any'\nAny()")
    assert ran.only["text"] == "any"
    assert run("from unittest.mock import MagicMock\nMagicMock(name='m')").only["text"].startswith("<MagicMock")


@pytest.mark.parametrize("module", ["pandas.DataFrame", "matplotlib.figure.Figure", "PIL.Image.Image", "plotly.basedatatypes.BaseFigure"])
def test_a_class_that_claims_to_be_another_is_not_believed(module: str) -> None:
    package = module.rpartition(".")[0]
    ran = run(
        f"import {package}\nclass Liar:\n    __class__ = property(lambda self: {module})\n    def __repr__(self): return 'liar'\nLiar()"
    )
    assert ran.only["text"] == "liar"


def test_a_class_with_a_raising_metaclass_is_a_result() -> None:
    ran = run(
        "class Meta(type):\n"
        "    def __getattribute__(cls, name): raise RuntimeError\n    def __eq__(cls, other): raise RuntimeError\n    def __hash__(cls): raise RuntimeError\n"
        "class C(metaclass=Meta): pass\ndisplay(C())\ndisplay([C()])\nC()",
        "'next'",
    )
    assert ran.codes == [0, 0]
    assert "C object" in ran.frames[0]["text"]
    assert ran.frames[1]["text"] == "'next'"


def test_a_half_made_library_value_affects_only_itself() -> None:
    ran = run(
        "import pandas as pd\nfrom PIL import Image\nfrom matplotlib.figure import Figure\n"
        "for kind in (pd.DataFrame, pd.Series, Image.Image, Figure):\n    display(kind.__new__(kind))\n1"
    )
    assert ran.code == 0
    assert ran.frames[-1]["text"] == "1"


def test_a_class_whose_module_is_not_a_string_is_a_result() -> None:
    ran = run("class C:\n    __module__ = 5\n    def __repr__(self): return 'c'\nC()")
    assert ran.only["text"] == "c"


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nsys.stdout = None\nsys.stderr = 5",
        "import sys\nsys.stdout.close()\nsys.stderr.close()",
        "import os\nos.close(1)\nos.close(2)",
        "import builtins\ndel builtins.display, builtins.repr, builtins.len\nbuiltins.isinstance = None",
        "import json\njson.dumps = json.loads = None\nimport sys\nsys.displayhook = sys.excepthook = None",
        "import sys\nsys.modules.clear()",
        "import linecache, traceback\nlinecache.getline = linecache.checkcache = None\ntraceback.TracebackException = None",
        "import sys\nsys.meta_path.clear()\nsys.path.clear()",
        "globals().clear()",
        "import sys\nsys.modules['pandas'] = sys.modules['numpy'] = 7\nsys.modules['matplotlib.figure'] = None",
        "import sys\nsys.setrecursionlimit(30)",
        "import builtins\nbuiltins.__import__ = None",
    ],
)
def test_code_that_breaks_its_interpreter_still_gets_a_result(source: str) -> None:
    ran = run(source, "1/0")
    assert len(ran.codes) == 2, ran.stderr
    assert ran.codes[1] == 1
    assert ran.types[-1] == "error"


def test_an_open_figure_that_cannot_be_drawn_is_reported() -> None:
    ran = run(
        "import matplotlib.pyplot as plt\nfrom matplotlib.artist import Artist\n"
        "class Bad(Artist):\n    def draw(self, renderer): raise ValueError('no drawing')\n"
        "plt.figure().add_artist(Bad())\nplt.figure(); plt.plot([1])\n1/0"
    )
    assert ran.types == ["image", "chart", "error"]
    assert "figure 1 could not be drawn: ValueError: no drawing" in ran.stderr


def test_a_figure_of_absurd_size_is_not_drawn() -> None:
    ran = run("import matplotlib.pyplot as plt\nplt.figure(figsize=(1000, 1000)); plt.plot([1]);")
    assert ran.frames == []
    assert "too large to draw" in ran.stderr
