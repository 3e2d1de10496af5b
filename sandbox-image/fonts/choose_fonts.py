"""Chooses the fonts for characters that DejaVu Sans lacks. Runs once, when the image is built.

    choose_fonts.py TABLE

Writes the table that `runner.outputs.fonts` reads: ranges of characters, each with the font that draws it. Deletes the Noto
fonts that the table does not need: most repeat the characters of others. Keeps the others out of matplotlib's own list of
fonts, which every import of matplotlib reads.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
from typing import Any

from fontTools.ttLib import TTFont

FIRST = pathlib.Path("/usr/share/matplotlib/mpl-data/fonts/ttf/DejaVuSans.ttf")
FOLDER = pathlib.Path("/usr/share/fonts/truetype")
CJK = FOLDER / "droid" / "DroidSansFallbackFull.ttf"
EMOJI = "Symbola_hint.ttf"
# Fonts of these scripts also have some letters of their neighbours, so the fonts of the most used scripts come first.
MOST_USED = (
    "Devanagari", "Bengali", "Tamil", "Telugu", "Kannada", "Malayalam", "Gujarati", "Gurmukhi", "Oriya", "Sinhala",
    "Thai", "Lao", "Khmer", "Myanmar", "Hebrew", "Arabic", "Armenian", "Georgian", "Ethiopic", "Mongolian",
)  # fmt: skip
# Megabytes each: sign languages, which need a layout engine, and a script that is not in use.
LEFT_OUT = ("NotoSansSignWriting-Regular.ttf", "NotoSerifTangut-Regular.ttf")


def main(table: str) -> None:
    noto = FOLDER / "noto"
    for font in FOLDER.rglob(EMOJI):
        remove_glyph_names(font)
    covered = characters_of(FIRST)
    chosen: list[pathlib.Path] = []
    owners: dict[int, int] = {}
    for font in candidates(noto):
        new = characters_of(font) - covered
        if new:
            owners.update(dict.fromkeys(new, len(chosen)))
            chosen.append(font)
            covered |= new
    bold = [bold_of(font) for font in chosen]
    for font in noto.iterdir():
        if font not in chosen and font not in bold:
            font.unlink()
    starts, ends, fonts = ranges(owners)
    written: dict[str, Any] = {
        "first": [str(FIRST), str(FIRST.with_name("DejaVuSans-Bold.ttf"))],
        "families": [family_of(font) for font in chosen],
        "files": [[str(font), str(heavy or font)] for font, heavy in zip(chosen, bold, strict=True)],
        "starts": starts,
        "ends": ends,
        "fonts": fonts,
    }
    pathlib.Path(table).write_text(json.dumps(written, separators=(",", ":")))
    keep_out_of_the_list({str(font) for font in [*chosen, *filter(None, bold)] if font != CJK})
    print(f"{len(chosen)} fonts for {len(owners)} characters in {len(starts)} ranges")


def candidates(noto: pathlib.Path) -> list[pathlib.Path]:
    """Returns all fonts to choose from, preferred ones first."""
    symbols = list(FOLDER.rglob(EMOJI)) + [noto / f"NotoSans{name}-Regular.ttf" for name in ("Symbols", "Symbols2", "Math")]
    used = [noto / f"NotoSans{name}-Regular.ttf" for name in MOST_USED]
    others = sorted(noto.glob("NotoSans*-Regular.ttf")) + sorted(noto.glob("NotoSerif*-Regular.ttf"))
    ordered = [CJK, *used, *symbols, *others]
    return [font for font in dict.fromkeys(ordered) if font.name not in LEFT_OUT]


def remove_glyph_names(font: pathlib.Path) -> None:
    """Removes the names of glyphs. Symbola has 2,302 without a name, which a PDF of matplotlib takes for one and the same."""
    with TTFont(font, lazy=True) as opened:
        opened["post"].formatType = 3.0
        opened.save(font.with_suffix(".made"))
    font.with_suffix(".made").replace(font)


def characters_of(font: pathlib.Path) -> set[int]:
    with TTFont(font, lazy=True) as opened:
        return set(opened.getBestCmap())


def family_of(font: pathlib.Path) -> str:
    with TTFont(font, lazy=True) as opened:
        return str(opened["name"].getBestFamilyName())


def bold_of(font: pathlib.Path) -> pathlib.Path | None:
    bold = font.with_name(font.name.replace("-Regular.", "-Bold."))
    return bold if bold != font and bold.exists() else None


def ranges(owners: dict[int, int]) -> tuple[list[int], list[int], list[int]]:
    """Returns the first character, the last character and the font of each range."""
    starts: list[int] = []
    ends: list[int] = []
    fonts: list[int] = []
    for character, font in sorted(owners.items()):
        if starts and ends[-1] == character - 1 and fonts[-1] == font:
            ends[-1] = character
        else:
            starts.append(character)
            ends.append(character)
            fonts.append(font)
    return starts, ends, fonts


def keep_out_of_the_list(files: set[str]) -> None:
    """Makes matplotlib's list of fonts, in MPLCONFIGDIR, without `files`."""
    import matplotlib.font_manager

    manager = matplotlib.font_manager.fontManager
    manager.ttflist = [entry for entry in manager.ttflist if entry.fname not in files]
    folder = pathlib.Path(os.environ["MPLCONFIGDIR"])
    (made,) = folder.glob("fontlist-*.json")
    matplotlib.font_manager.json_dump(manager, made)


if __name__ == "__main__":
    main(sys.argv[1])
