"""Figures draw every script with any font settings, and right-to-left text in its own order."""

from __future__ import annotations

import pytest

from cell_driver import run

PLOT = "import matplotlib.pyplot as plt\n"
# Draws a text and returns the picture. A box in place of a character warns.
DRAW = f"""{PLOT}import io, warnings
warnings.simplefilter('error')
def drawn(text, **options):
    figure = plt.figure(figsize=(4, 1))
    figure.text(0.1, 0.4, text, **options)
    file = io.BytesIO()
    figure.savefig(file, format='png')
    plt.close(figure)
    return file.getvalue()
"""
SETTINGS = [
    "",
    "import seaborn; seaborn.set_theme()",
    "plt.style.use('ggplot')",
    "plt.style.use('seaborn-v0_8')",
    "plt.rcdefaults()",
    "plt.rcParams['font.family'] = 'Arial'",
    "plt.rcParams['font.family'] = ['Times New Roman', 'serif']",
    "plt.rcParams['font.family'] = 'monospace'",
    "plt.rcParams['font.sans-serif'] = ['SimHei', 'Microsoft YaHei']; plt.rcParams['font.family'] = 'sans-serif'",
    "plt.rcParams['font.family'] = 'cmr10'; plt.rcParams['axes.formatter.use_mathtext'] = True",
]
TEXTS = [
    "水果销量",
    "繁體",
    "日本語テキスト",
    "한국어",
    "नमस्ते",
    "ওহে",
    "வணக்கம்",
    "สวัสดี",
    "שלום",
    "مرحبا",
    "გამარჯობა",
    "ሰላም",
    "བོད",
    "😀🎉✅❌🚀⭐❤️",
    "é ß Ω Ж − €",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_script_is_drawn_with_any_settings(setting: str) -> None:
    ran = run(f"{DRAW}{setting}\nfor text in {TEXTS!r}: drawn(text); drawn(text, fontweight='bold')")
    assert (ran.frames, ran.codes) == ([], [0])


def test_pdf_svg_and_text_paths_are_drawn_too() -> None:
    ran = run(
        f"{DRAW}from matplotlib.textpath import TextPath\nimport seaborn; seaborn.set_theme()\nTextPath((0, 0), '中文')\n"
        f"for number, text in enumerate({TEXTS!r}): plt.gcf().text(0, number / 20, text)\n"
        "for kind in ('pdf', 'svg', 'ps'): plt.savefig('a.' + kind)\nplt.close()"
    )
    assert (ran.frames, sorted(ran.files)) == ([], ["a.pdf", "a.ps", "a.svg"])


def test_text_beside_a_formula_is_drawn() -> None:
    ran = run(
        f"{DRAW}import logging\nlogging.getLogger('matplotlib.mathtext').addFilter(lambda record: 1 / 0)\ndrawn('温度 ($^\\\\circ$C) нет é')\nlen(drawn('$x^2$'))"
    )
    assert ran.types == ["result"]


def test_right_to_left_text_is_ordered_and_joined() -> None:
    ran = run(
        f"{DRAW}from runner.outputs.right_to_left import in_drawing_order as order\n"
        "print(*[ascii(order(text)) for text in ('שלום', 'abc שלום 12', 'سلام', 'plain', '(שלום)')], sep='\\n')\n"
    )
    assert ran.stdout.split("\n")[:-1] == [
        ascii("םולש"),
        ascii("abc 12 םולש"),
        ascii("\ufee1\ufefc\ufeb3"),
        ascii("plain"),
        ascii("(םולש)"),
    ]


def test_every_line_of_a_text_is_ordered_for_itself() -> None:
    ran = run(
        f"{DRAW}print(drawn('שלום\\nעולם') == drawn('\\u05dd\\u05d5\\u05dc\\u05e9\\n\\u05dd\\u05dc\\u05d5\\u05e2', parse_math=False))"
    )
    assert ran.stdout == "False\n"
    ran = run(
        f"{DRAW}from bidi.algorithm import get_display as show\nprint(drawn('שלום\\nעולם') == drawn(show('שלום') + '\\n' + show('עולם')))"
    )
    assert ran.stdout == "True\n"


@pytest.mark.parametrize("text", ["שלום עולם 12", "مرحبا بالعالم", "Sales المبيعات (2024)"])
def test_text_that_the_program_has_ordered_is_not_ordered_again(text: str) -> None:
    ran = run(
        f"{DRAW}plain = drawn({text!r})\nfrom bidi.algorithm import get_display\nfrom arabic_reshaper import reshape\n"
        f"print(plain == drawn(get_display(reshape({text!r}))), plain == drawn({text!r}))"
    )
    assert ran.stdout == "True True\n"


def test_a_chart_keeps_the_text_in_logical_order() -> None:
    ran = run(f"{PLOT}plt.bar(['القاهرة', 'دبي'], [1, 2])\nplt.title('المبيعات')\nplt.show()")
    assert (ran.frames[1]["title"], ran.frames[1]["series"][0]["x"]) == ("المبيعات", ["القاهرة", "دبي"])


def test_a_missing_family_is_reported_once_and_without_paths() -> None:
    # The cell is a fork of pytest, which takes log records for itself.
    alone = "import logging; logging.getLogger().handlers.clear()\n"
    ran = run(f"{alone}{PLOT}plt.rcParams['font.family'] = 'Arial'\nfor n in range(3):\n    plt.plot([1, 2]); plt.title('x'); plt.show()")
    assert ran.stderr == "The font family Arial is not installed here: text is drawn with another.\n"
    assert (
        run(f"{alone}{PLOT}plt.rcParams['font.family'] = ['Noto Sans Devanagari', 'DejaVu Sans']\nplt.plot([1]); plt.show()").stderr == ""
    )


def test_characters_without_a_font_are_one_line_without_paths() -> None:
    ran = run(f"{PLOT}plt.plot([1])\nplt.title('\\U0001fae0\\U0001fae1')\nplt.xlabel('\\U0001fae0')\nplt.show()")
    assert ran.stderr == "No font here has these characters, so boxes are drawn: \U0001fae0 \U0001fae1\n"


def test_other_warnings_while_a_figure_is_drawn_name_no_path() -> None:
    ran = run(
        f"{PLOT}import warnings\nclass Odd(plt.Line2D):\n    def draw(self, renderer): warnings.warn('odd'); warnings.warn('odd')\n"
        "plt.gca().add_line(Odd([0], [0]))\nplt.show()\nwarnings.simplefilter('ignore')\nplt.gca().add_line(Odd([0], [0]))\nplt.show()"
    )
    assert ran.stderr.splitlines() == ["UserWarning: odd"]


def test_threads_that_draw_at_once_have_their_own_fonts() -> None:
    ran = run(
        "import io, threading, warnings\nfrom matplotlib.figure import Figure\nwarnings.simplefilter('error')\nfailed = []\n"
        "def work(text):\n"
        "    try:\n"
        "        for _ in range(5):\n"
        "            figure = Figure(figsize=(2, 1)); figure.text(0, 0.5, text); figure.savefig(io.BytesIO())\n"
        "    except Warning as warning: failed.append(warning)\n"
        "threads = [threading.Thread(target=work, args=(text,)) for text in ('中文', 'สวัสดี', 'plain', 'नमस्ते')]\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()\nprint(failed)"
    )
    assert ran.stdout == "[]\n"
