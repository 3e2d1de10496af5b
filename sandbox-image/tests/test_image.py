"""What the image contains, and what it must not contain."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from sandbox_driver import run

MODULES = """numpy pandas scipy.stats scipy.optimize matplotlib.pyplot seaborn sklearn.linear_model sklearn.ensemble sympy statsmodels.api
networkx PIL.Image openpyxl xlsxwriter lxml.etree bs4 html5lib tabulate docx pypdf reportlab.pdfgen.canvas h5py xarray plotly.express yaml
dateutil pytz IPython.display zoneinfo sqlite3 ssl lzma bz2 ctypes""".split()


@pytest.mark.parametrize("module", MODULES)
def test_every_documented_package_can_be_imported(module: str) -> None:
    result = run(f"import {module}; print('ok')", timeout_ms=30_000)
    assert (result.stdout, result.stderr) == ("ok\n", "")


def test_there_is_no_compiler_and_no_installer() -> None:
    tools = "gcc cc c++ g++ clang tcc ld as make cmake gfortran rustc cargo go node npm pip pip3 easy_install conda curl wget git ssh nc".split()
    assert [tool for tool in tools if shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")] == []
    result = run("import importlib.util as u; print([m for m in ('pip', 'ensurepip') if u.find_spec(m)])")
    assert result.stdout == "[]\n"


def test_no_program_raises_privileges() -> None:
    found = subprocess.run(["find", "/", "-xdev", "-perm", "/6000", "-type", "f"], capture_output=True, text=True).stdout.split()
    assert found == []


def test_nothing_in_the_image_can_be_written_by_the_code() -> None:
    code = """
    import os
    for root, folders, files in os.walk("/"):
        if root == "/":
            for mounted in ("proc", "sys", "dev", "tests", "fixtures"): folders.remove(mounted)
            folders[:] = [folder for folder in folders if folder != "tmp"]
        if root == "/mnt":
            folders.remove("data")
        for name in [*folders, *files]:
            path = os.path.join(root, name)
            if not os.path.islink(path) and os.access(path, os.W_OK): print(path)
    """
    writable = run(textwrap.dedent(code), timeout_ms=60_000).stdout.split()
    assert [path for path in writable if not path.startswith(("/run/lock", "/var/tmp"))] == []


def test_bytecode_is_in_the_image() -> None:
    folder = Path("/opt/runner")
    compiled = {path.parents[1] / f"{path.name.split('.')[0]}.py" for path in folder.rglob("__pycache__/*.pyc")}
    assert len(compiled) > 30 and compiled == set(folder.rglob("*.py"))
    missing = [
        path
        for path in glob.glob("/usr/lib/python3/dist-packages/pandas/**/*.py", recursive=True)
        if not os.path.exists(os.path.join(os.path.dirname(path), "__pycache__", os.path.basename(path)[:-3] + ".cpython-313.pyc"))
    ]
    assert missing == []


def test_text_in_many_scripts_is_drawn_without_missing_glyphs() -> None:
    code = """
    import warnings
    warnings.simplefilter("error")
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots()
    axes.set_title("Umsatz Äöß · Ελληνικά · Русский · 中文 · 日本語 かな カナ · 한국어 · € −5 ½")
    figure.savefig("figure.png")
    plt.close(figure)
    print("drawn")
    """
    result = run(textwrap.dedent(code), timeout_ms=30_000)
    assert (result.stdout, result.stderr) == ("drawn\n", "")
    assert result.files["figure.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize("preload", [(), ("numpy", "matplotlib", "matplotlib.font_manager")], ids=["cold", "preloaded"])
def test_the_font_list_is_not_made_again(preload: tuple[str, ...]) -> None:
    code = """
    import os, matplotlib.font_manager as fm
    folder = os.environ["MPLCONFIGDIR"]
    [cached] = [name for name in os.listdir(folder) if name.startswith("fontlist")]
    print(os.path.realpath(os.path.join(folder, cached)).startswith("/opt/matplotlib/"))
    print(len({font.name for font in fm.fontManager.ttflist} & {"DejaVu Sans", "Droid Sans Fallback"}))
    print(os.access(folder, os.W_OK))
    """
    result = run(textwrap.dedent(code), preload=preload, timeout_ms=30_000)
    assert (result.stdout, result.stderr) == ("True\n2\nTrue\n", "")


def test_matplotlib_works_in_child_processes_too() -> None:
    code = """
    import subprocess, sys
    import matplotlib.pyplot
    script = "import matplotlib.pyplot as plt; plt.plot([1]); plt.savefig('child.png'); plt.show(); print('drawn')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    print(ended.stdout, ended.stderr)
    """
    result = run(textwrap.dedent(code), timeout_ms=30_000)
    assert result.stdout.strip() == "drawn" and "child.png" in result.files


def test_linear_algebra_uses_openblas() -> None:
    assert Path(os.path.realpath("/usr/lib/x86_64-linux-gnu/libblas.so.3")).parent.name.startswith("openblas")


def test_libraries_use_one_thread() -> None:
    code = "import numpy as np, os; a = np.ones((500, 500)); a @ a; print(len(os.listdir('/proc/self/task')))"
    assert run(code).stdout == "1\n"


def test_time_zones_and_locales_exist() -> None:
    code = "import zoneinfo, locale, sys; print(zoneinfo.ZoneInfo('Asia/Kolkata'), sys.stdout.encoding, locale.getpreferredencoding())"
    assert run(code).stdout == "Asia/Kolkata utf-8 UTF-8\n"
