"""Rich values: which form of several is shown, and what is said of forms that no output can have."""

from __future__ import annotations

import pytest

from cell_driver import run

GIF = "b'GIF89a\\x03\\x00\\x02\\x00\\x80\\x00\\x00\\xff\\xff\\xff\\x00\\x00\\x00!\\xf9\\x04\\x01\\x00\\x00\\x00\\x00,\\x00\\x00\\x00\\x00\\x01\\x00\\x01\\x00\\x00\\x02\\x02D\\x01\\x00;'"
SHOW = "from IPython.display import *\n"


def value_with(**methods: str) -> str:
    """Source of a value whose class has these methods, each given as an expression."""
    body = "\n".join(f"    def {name}(self, **options): return {expression}" for name, expression in methods.items())
    return f"class Rich:\n    def __repr__(self): return '<Rich>'\n{body}\nRich()"


def test_forms_of_unknown_types_are_named_with_their_size() -> None:
    assert run("display({'application/x-a': 'four'}, raw=True)").stdout == "[application/x-a, 4 characters]\n"
    result = run(value_with(_repr_mimebundle_="{'application/x-a': b'12', 'application/x-b': [1]}")).only
    assert result["text"] == "<Rich> [application/x-a, 2 bytes; application/x-b, a list]"


def test_an_object_repr_names_the_forms_that_it_hides() -> None:
    ran = run(f"{SHOW}display(Javascript('alert(1)'))")
    assert ran.stdout == "<IPython.core.display.Javascript object> [application/javascript, 8 characters]\n"
    assert run("display({'text/plain': 'all of it', 'application/x-a': 'x'}, raw=True)").stdout == "all of it\n"


def test_of_very_many_forms_some_are_named() -> None:
    ran = run("display({f'application/x-{n}': 'x' for n in range(10_000)}, raw=True)")
    assert len(ran.stdout) < 500
    assert ran.stdout.endswith("more]\n")


def test_an_invalid_form_gives_way_to_the_next_and_is_named_if_there_is_none() -> None:
    assert run("display({'image/png': 'no', 'text/html': 3, 'text/markdown': 'm'}, raw=True)").types == ["markdown"]
    assert run("display({'image/png': 'bm8='}, raw=True)").stdout == "[image/png, 4 characters]\n"
    assert run("display({}, raw=True)").stdout == "{}\n" or run("display({}, raw=True)").frames == []


@pytest.mark.parametrize("mime", ["application/vnd.vegalite.v5+json", "application/geo+json", "application/vnd.dataresource+json"])
def test_other_json_is_json_and_keeps_its_type(mime: str) -> None:
    shown = run(f"display({{{mime!r}: {{'a': 1}}, 'text/plain': '<x>'}}, raw=True)").only
    assert (shown["type"], shown["data"], shown["mime_type"]) == ("json", {"a": 1}, mime)


def test_figures_are_json_although_they_have_html() -> None:
    shown = run("display({'text/html': '<script></script>', 'application/vnd.vegalite.v6+json': {'mark': 'bar'}}, raw=True)").only
    assert (shown["type"], shown["data"]) == ("json", {"mark": "bar"})


def test_handles_of_a_notebook_are_not_json() -> None:
    ran = run("display({'application/vnd.jupyter.widget-view+json': {'model_id': 'x'}, 'text/plain': 'IntSlider(value=5)'}, raw=True)")
    assert (ran.frames, ran.stdout) == ([], "IntSlider(value=5)\n")


def test_other_text_is_text() -> None:
    assert run("display({'text/x-python': 'x = 1'}, raw=True)").stdout == "x = 1\n"


def test_gif_and_webp_are_images_with_their_size() -> None:
    ran = run(
        f"{SHOW}import io\nfrom PIL import Image as P\ndisplay(Image(data={GIF}))\n"
        "for options in ({'lossless': True}, {'quality': 50}, {'save_all': True, 'append_images': [P.new('RGB', (9, 8), 'red')]}):\n"
        "    file = io.BytesIO()\n    P.new('RGB', (9, 8)).save(file, 'WEBP', **options)\n"
        "    display({'image/webp': file.getvalue()}, raw=True)"
    )
    assert [(f["mime_type"], f["width"], f["height"]) for f in ran.frames] == [("image/gif", 3, 2)] + [("image/webp", 9, 8)] * 3
    assert [body[:4] for body in ran.bodies] == [b"GIF8", b"RIFF", b"RIFF", b"RIFF"]


@pytest.mark.parametrize("mime", ["image/gif", "image/webp", "image/png", "image/jpeg", "image/x-unknown"])
def test_bytes_that_are_no_image_of_their_type_are_named(mime: str) -> None:
    ran = run(f"display({{{mime!r}: b'RIFF1234no'}}, raw=True)")
    assert (ran.frames, ran.stdout) == ([], f"[{mime}, 10 bytes]\n")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "I;16B", "F"]
)
def test_pillow_images_of_every_mode_are_images(mode: str) -> None:
    ran = run(f"from PIL import Image\nImage.new({mode!r}, (4, 3))")
    assert [(f["mime_type"], f["width"], f["height"]) for f in ran.frames] == [("image/png", 4, 3)]
    assert ran.stderr == ""


def test_an_image_of_floats_keeps_its_levels() -> None:
    ran = run(
        "import io\nfrom PIL import Image\nfrom runner.outputs.images import _in_png_mode\n"
        "image = Image.new('F', (2, 1))\nimage.putpixel((0, 0), 0.25)\nimage.putpixel((1, 0), 0.75)\nlist(_in_png_mode(image).getdata())"
    )
    assert ran.only["text"] == "[0, 255]"


def test_an_animation_stays_one() -> None:
    ran = run(
        "from PIL import Image\nImage.new('RGB', (4, 3)).save('a.gif', save_all=True, append_images=[Image.new('RGB', (4, 3), 'red')])\nImage.open('a.gif')"
    )
    assert (ran.only["mime_type"], ran.bodies[0][:3]) == ("image/gif", b"GIF")


def test_a_dict_or_list_as_result_has_its_json_form() -> None:
    shown = run("{'a': [1, 2.5, None, True, 'é'], 'b': {}}").only
    assert (shown["type"], shown["json"]) == ("result", {"a": [1, 2.5, None, True, "é"], "b": {}})
    assert run("[]").only["json"] == []


@pytest.mark.parametrize(
    "source",
    [
        "{'a': float('nan')}",
        "[float('inf')]",
        "{1: 'a'}",
        "[(1,)]",
        "[2**53]",
        "['\\ud800']",
        "{'a': {1}}",
        "(1,)",
        "3",
        "'x'",
        "__import__('collections').Counter('a')",
    ],
)
def test_a_value_that_json_would_change_has_no_json_form(source: str) -> None:
    shown = run(source).only
    assert (shown["type"], "json" in shown) == ("result", False)


@pytest.mark.parametrize(
    "source", ["a = []\na.append(a)\na", "a = []\nfor _ in range(200): a = [a]\na", "[0] * 1_000_000", "['x' * 300_000]"]
)
def test_a_tree_that_is_endless_deep_or_large_is_a_result_without_json(source: str) -> None:
    shown = run(source).only
    assert (shown["type"], "json" in shown) == ("result", False)


def test_a_shared_list_does_not_grow_the_json_form_without_bound() -> None:
    shown = run("a = [1]\nfor _ in range(60): a = [a, a]\na").only
    assert "json" not in shown


def test_forms_that_raise_are_reported_and_skipped() -> None:
    ran = run(value_with(_repr_html_="1 / 0", _repr_markdown_="'m'"))
    assert (ran.types, "ZeroDivisionError" in ran.stderr) == (["markdown"], True)


def test_the_text_form_of_ipython_replaces_the_repr() -> None:
    assert run("from IPython.display import Pretty\nPretty('as it is')").only["text"] == "as it is"
    assert run(value_with(_repr_html_="'h'", _repr_pretty_="1 / 0")).types == ["html"]
