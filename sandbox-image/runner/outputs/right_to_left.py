"""Puts lines of Arabic, Hebrew and other right-to-left scripts in the order and shapes in which matplotlib can draw them.

Matplotlib draws characters from left to right, each as it stands. So the letters of Arabic take their joined forms, and the line
is ordered as the Unicode bidirectional algorithm says. Programs that do this themselves are left alone.
"""

from __future__ import annotations

import functools
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_ARABIC = re.compile("[\u0620-\u064a\u066e-\u06d3\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c7]")
_JOINED = re.compile("[\ufb50-\ufdff\ufe70-\ufefc]")
_REMEMBERED_MAX = 256

# Lines that the program itself has put in drawing order, latest last.
_ordered_by_program: dict[str, None] = {}


def in_drawing_order(line: str) -> str:
    """Returns the line as it is drawn from left to right."""
    return line if _RIGHT_TO_LEFT.search(line) is None else _ordered(line)


@functools.lru_cache(256)
def _ordered(line: str) -> str:
    if any(known in line for known in _ordered_by_program) or (_JOINED.search(line) and not _ARABIC.search(line)):
        return line
    try:
        from bidi.algorithm import get_display

        order: Callable[[str], str] = getattr(get_display, "__wrapped__", get_display)
        if _ARABIC.search(line):
            line = _joiner().reshape(line)
        return order(line)
    except Exception:
        # The libraries refuse some control characters. Letters in logical order are better than no drawing.
        return line


@functools.lru_cache(1)
def _joiner() -> Any:
    from arabic_reshaper import ArabicReshaper

    # Vowel marks stay: in a line that runs to the right they stand before their letter, where fonts expect them.
    return ArabicReshaper({"delete_harakat": False})


def extend_bidi(module: Any) -> None:
    """Makes get_display() of the `bidi` package remember its results: they are in drawing order already."""
    original = module.__dict__.get("get_display")
    if original is None or hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def get_display(*arguments: Any, **options: Any) -> Any:
        made = original(*arguments, **options)
        if isinstance(made, str):
            for line in made.split("\n"):
                if _RIGHT_TO_LEFT.search(line):
                    _remember(line)
        return made

    module.get_display = get_display


def _remember(line: str) -> None:
    _ordered_by_program[line] = None
    if len(_ordered_by_program) > _REMEMBERED_MAX:
        del _ordered_by_program[next(iter(_ordered_by_program))]
    _ordered.cache_clear()
