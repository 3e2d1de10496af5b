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
dateutil pytz IPython.display tqdm xlrd odf pptx pdfplumber PyPDF2 pyarrow.parquet pytest cryptography.fernet pydantic jinja2 rich.table
psutil regex requests zoneinfo sqlite3 ssl lzma bz2 ctypes""".split()


@pytest.mark.parametrize("module", MODULES)
def test_every_documented_package_can_be_imported(module: str) -> None:
    result = run(f"import {module}; print('ok')", timeout_ms=30_000)
    assert (result.stdout, result.stderr) == ("ok\n", "")


def test_there_is_no_compiler_and_no_installer() -> None:
    tools = "gcc cc c++ g++ clang tcc ld as make cmake gfortran rustc cargo go node npm curl wget git ssh nc".split()
    assert [tool for tool in tools if shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")] == []
    result = run("import importlib.util as u, pip, os; print(u.find_spec('ensurepip'), sorted(os.listdir(os.path.dirname(pip.__file__))))")
    assert result.stdout == "None ['__init__.py', '__main__.py', '__pycache__', '_internal', 'commands.py']\n"


INSTALLS = ["pip install nothere", "pip3 install -q nothere", "python -m pip install nothere==1", "python3 -m pip install --upgrade nothere",
            "conda install -y nothere", "uv pip install nothere", "uv add nothere", "poetry add nothere", "pip install git+https://x.example/nothere"]  # fmt: skip


@pytest.mark.parametrize("command", [*INSTALLS, "apt-get install -y nothere", "apt install nothere"])
def test_an_installation_says_in_one_line_that_there_is_no_network(command: str) -> None:
    code = f"import subprocess; r = subprocess.run({command!r}, shell=True, capture_output=True, text=True); print(r.returncode != 0, r.stdout, r.stderr)"
    shown = run(code).stdout
    assert shown.startswith("True  ERROR: ") and shown.strip().count("\n") == 0, shown
    assert "there is no network" in shown and "pip list" in shown


def test_an_installation_of_what_is_there_succeeds_as_with_pip() -> None:
    code = """
    import subprocess, sys, pip
    from pip._internal import main
    for words in (["pandas"], ["-q", "-U", "numpy>=1.20", "scikit-learn"], ["sklearn", "PyYAML", "pillow"], ["pandas>=99"], ["-r", "requirements.txt"]):
        open("requirements.txt", "w").write("# comment\\nscipy==1.*\\n")
        print(subprocess.run([sys.executable, "-m", "pip", "install", *words], capture_output=True).returncode, end=" ")
    print(pip.main(["install", "nothere"]), main(["list", "--format=freeze"]))
    """
    result = run(textwrap.dedent(code), timeout_ms=30_000)
    assert result.stdout.startswith("0 0 0 1 0 ") and "pandas==2" in result.stdout and result.stdout.endswith("1 0\n"), (
        result.stdout + result.stderr
    )


def test_what_is_installed_is_listed_and_shown() -> None:
    code = """
    import subprocess
    print(subprocess.getoutput("pip show pandas"))
    print(subprocess.getoutput("pip freeze"))
    print(subprocess.getoutput("pip list"))
    """
    shown = run(textwrap.dedent(code), timeout_ms=30_000).stdout
    assert "Name: pandas\nVersion: 2" in shown and "\nscikit-learn==1" in shown and "\nPyPDF2 " in shown and "types-" not in shown


def test_pandas_imports_pyarrow_only_for_what_needs_it() -> None:
    code = """
    import io, sys, pandas as pd
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.groupby("b").sum(); frame.to_csv("a.csv"); pd.read_csv("a.csv"); frame["b"].astype("string").str.upper(); print(frame)
    print("pyarrow" in sys.modules)
    frame.to_parquet("a.parquet"); print(pd.read_parquet("a.parquet").equals(frame))
    frame.to_feather("a.feather"); print(pd.read_feather("a.feather").equals(frame))
    typed = pd.read_csv("a.csv", dtype_backend="pyarrow", engine="pyarrow")
    print((typed["a"] + 1).tolist(), (typed["a"] > 1).tolist(), typed["b"].str.len().tolist(), pd.Series(["x", None], dtype="string[pyarrow]").isna().tolist())
    """
    result = run(textwrap.dedent(code), timeout_ms=30_000)
    assert result.stdout.splitlines()[-4:] == ["False", "True", "True", "[2, 3] [False, True] [1, 1] [False, True]"], (
        result.stdout + result.stderr
    )


def test_a_pickled_table_of_pandas_3_is_read() -> None:
    # DataFrame({"n": [1, 2], "s": ["x", None]}) of pandas 3.0.
    code = "import pandas as pd; f = pd.read_pickle('frame.pkl'); print(f['n'].sum(), f['s'].tolist(), list(f))"
    result = run(code, files={"frame.pkl": Path("/fixtures/table-of-pandas-3.pkl").read_bytes()}, timeout_ms=30_000)
    assert result.stdout == "3 ['x', <NA>] ['n', 's']\n", result.stderr


@pytest.mark.parametrize(
    "call", ["pandas.read_excel('secret.xlsx')", "openpyxl.load_workbook('secret.xlsx')", "xlrd.open_workbook('secret.xlsx')"]
)
def test_a_workbook_with_a_password_is_named_as_such(call: str) -> None:
    files = {"secret.xlsx": Path("/fixtures/workbook-with-password.xlsx").read_bytes()}
    result = run(f"import pandas, openpyxl, xlrd\n{call}", files=files, timeout_ms=30_000)
    assert "the workbook is encrypted with a password" in result.heads("error")[0]["value"]


@pytest.mark.parametrize("name", ["de_DE.UTF-8", "de_DE", "en_US.UTF-8", "fr_FR.utf8", "es_ES", "zh_CN.UTF-8", "ja_JP.UTF-8"])
def test_a_locale_can_be_set(name: str) -> None:
    code = f"import locale; locale.setlocale(locale.LC_ALL, {name!r}); print(locale.format_string('%.1f', 1.5), locale.nl_langinfo(locale.CODESET))"
    assert run(code).stdout == f"{'1,5' if name[:2] in ('de', 'fr', 'es') else '1.5'} UTF-8\n"


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
