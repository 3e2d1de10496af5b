"""Makes matplotlib find a font for every character that the image has one for, with any font settings.

Matplotlib draws a text with the fonts of its settings, and styles replace those. Before a line of text is drawn, `_line` looks up
the fonts of the characters that DejaVu Sans lacks; `_find` adds them to the fonts that matplotlib chose. A line of ASCII pays
for one test. The table of characters is made with the image, by `fonts/choose_fonts.py`.
"""

from __future__ import annotations

import _thread
import functools
import re
import sys
from bisect import bisect_right

from runner.outputs import right_to_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import LogRecord
    from typing import Any, Literal

    # A regular and a bold font.
    Font = tuple[str, str]

TABLE = "/opt/matplotlib/fallback-fonts.json"
_MARK = "_extended_by_runner"
# DejaVu Sans has these or no font has them: Latin, Greek, Cyrillic, punctuation, currencies, arrows, mathematics. The table is
# not read for them.
_IN_FIRST_FONT = re.compile("[\u0000-\u0523\u1e00-\u1fbc\u2010-\u2064\u20a0-\u20b5\u2190-\u2200\u2202-\u22ff]*")
_FAMILY = re.compile(r"findfont: Font family \[?'?(.*?)'?\]? not found")
_FAMILIES_REPORTED_MAX = 20
_BOLD = 600

# The fonts for the line that this thread draws.
_drawn = _thread._local()


def install() -> None:
    """Extends the modules of matplotlib that are loaded. Idempotent."""
    for name, extend in EXTENSIONS.items():
        module = sys.modules.get(name)
        if module is not None:
            extend(module)


def _extend(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replaces a function by `make(function)`, once. A matplotlib without the function draws as it did."""
    function = getattr(owner, name, None)
    if function is not None and not hasattr(function, _MARK):
        made = functools.wraps(function)(make(function))
        setattr(made, _MARK, True)
        setattr(owner, name, made)


def _extend_text(module: Any) -> None:
    _extend(module.Text, "_preprocess_math", _line)


def _extend_font_manager(module: Any) -> None:
    _extend(module.FontManager, "_find_fonts_by_props", _find)
    if not any(isinstance(known, _OncePerFamily) for known in module._log.filters):
        module._log.addFilter(_OncePerFamily())


def _extend_mathtext(module: Any) -> None:
    _extend(module.UnicodeFonts, "_get_glyph", _glyph)


EXTENSIONS: dict[str, Callable[[Any], None]] = {
    "matplotlib.text": _extend_text,
    "matplotlib.font_manager": _extend_font_manager,
    "matplotlib._mathtext": _extend_mathtext,
}


def _line(preprocess: Any) -> Any:
    """Every line of text passes here before it is measured or drawn."""

    def line_to_draw(self: Any, text: str) -> tuple[str, Any]:
        line, kind = preprocess(self, text)
        _drawn.fonts = ()
        if kind is False and not line.isascii():
            line = right_to_left.in_drawing_order(line)
            _drawn.fonts = _fonts_for(line)
        return line, kind

    return line_to_draw


def _find(find: Any) -> Any:
    def with_fallbacks(self: Any, properties: Any, fontext: str = "ttf", *arguments: Any, **options: Any) -> list[str]:
        paths: list[str] = find(self, properties, fontext, *arguments, **options)
        fonts = getattr(_drawn, "fonts", ())
        if fonts and fontext == "ttf":
            bold = _is_bold(properties)
            return list(dict.fromkeys([*paths, *(font[bold] for font in fonts)]))
        return paths

    return with_fallbacks


def _is_bold(properties: Any) -> bool:
    weight = getattr(properties, "get_weight", str)()
    if isinstance(weight, str):
        weight = sys.modules["matplotlib.font_manager"].__dict__["weight_dict"].get(weight, 400)
    return bool(weight >= _BOLD)


def _glyph(get_glyph: Any) -> Any:
    """Formulas name their fonts themselves, so the text around one is drawn with these only."""

    def glyph(self: Any, fontname: str, font_class: str, symbol: str) -> Any:
        if len(symbol) == 1 and not symbol.isascii() and (fonts := _fonts_for(symbol)[1:]):
            return sys.modules["matplotlib.font_manager"].__dict__["get_font"](fonts[0][0]), ord(symbol), False
        return get_glyph(self, fontname, font_class, symbol)

    return glyph


@functools.lru_cache(1024)
def _fonts_for(line: str) -> tuple[Font, ...]:
    """Returns DejaVu Sans, and the fonts of the characters that it lacks. Settings may name a font with fewer characters."""
    table = _table()
    first = table["first"]
    if _IN_FIRST_FONT.fullmatch(line):
        return (first,)
    numbers: dict[int, None] = {}
    for character in sorted(set(line)):
        place = bisect_right(table["starts"], ord(character)) - 1
        if place >= 0 and ord(character) <= table["ends"][place]:
            numbers[table["fonts"][place]] = None
    return (first, *(table["files"][number] for number in numbers))


@functools.lru_cache(1)
def _table() -> dict[str, Any]:
    import json

    with open(TABLE, encoding="utf-8") as file:
        table: dict[str, Any] = json.load(file)
    table["first"] = tuple(table["first"])
    table["files"] = [tuple(pair) for pair in table["files"]]
    return table


class _OncePerFamily:
    """A log filter. Matplotlib says for every text it draws that a family is missing; this says it once, and how it is drawn."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def filter(self, record: LogRecord) -> Literal[True] | bool:
        message = record.getMessage()
        if record.levelname != "WARNING" or not message.startswith("findfont: "):
            return True
        found = _FAMILY.match(message)
        family = found[1] if found else message
        if family in self._reported or len(self._reported) >= _FAMILIES_REPORTED_MAX or family in _table()["families"]:
            return False
        self._reported.add(family)
        generic = message.startswith("findfont: Generic family")
        what = f"None of the font families {message.rpartition(': ')[2]}" if generic else f"The font family {family}"
        record.msg = (
            f"{what} is installed here: text is drawn with others."
            if generic
            else f"{what} is not installed here: text is drawn with another."
        )
        record.args = ()
        return True
