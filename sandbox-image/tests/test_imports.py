"""What the code can import, and what the processes that it starts find."""

from __future__ import annotations

import pytest

from sandbox_driver import Session, run

SHADOWS = (
    "random",
    "calendar",
    "token",
    "tokenize",
    "traceback",
    "linecache",
    "types",
    "json",
    "csv",
    "pandas",
    "numpy",
    "decimal",
    "runner",
)


@pytest.mark.parametrize("preload", [(), ("pandas",)])
def test_files_named_like_modules_shadow_none(preload: tuple[str, ...]) -> None:
    files = {f"{name}.py": b"raise RuntimeError('the upload ran')" for name in SHADOWS}
    code = f"for name in {SHADOWS[:-1]!r}: __import__(name)\nimport pandas as pd\nprint(pd.DataFrame({{'a': [1]}}).shape)\n1 / 0"
    result = run(code, files=files, preload=preload)
    assert result.stdout == "(1, 1)\n"
    assert [head["name"] for head in result.heads("error")] == ["ZeroDivisionError"]
    assert result.heads("error")[0]["line"] == 4


def test_modules_of_the_working_folder_are_importable() -> None:
    files = {"helper.py": b"X = 1", "package/__init__.py": b"", "package/part.py": b"Y = 2"}
    assert run("import helper, package.part; print(helper.X, package.part.Y)", files=files).stdout == "1 2\n"


def test_a_module_that_one_cell_writes_is_importable_in_the_next() -> None:
    with Session() as session:
        session.cell("open('late.py', 'w').write('Z = 3')")
        assert session.cell("import late; print(late.Z)").stdout == "3\n"


def test_processes_of_libraries_find_the_packages() -> None:
    code = """
from joblib import Parallel, delayed
print(Parallel(n_jobs=2)(delayed(lambda x: x ** 2)(i) for i in range(3)))
import multiprocessing, subprocess, sys
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool: print(pool.map(abs, [-1]))
print(subprocess.run([sys.executable, "-c", "import pandas; print('found')"], capture_output=True, text=True).stdout, end="")
"""
    result = run(code, timeout_ms=30_000)
    assert (result.stdout, result.stderr) == ("[0, 1, 4]\n[1]\nfound\n", "")
